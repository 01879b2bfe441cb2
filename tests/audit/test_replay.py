"""The replay convicts whoever manipulates, of what he did and of nothing else, and nobody who did not."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casetrail.audit.replaying import findings as replay_findings
from casetrail.audit.replaying import judging as replay_judging
from casetrail.audit.replaying import replay as replaying
from casetrail.audit.replaying.cases import Trials
from casetrail.audit.replaying.findings import MEANINGS, Kind
from casetrail.audit.replaying.replay import replay
from casetrail.domain.actions import ActionRejected, SubmissionUnreadable
from casetrail.domain.codes import ReviewResult, Step
from casetrail.domain.intake import ReportReceived
from casetrail.domain.investigation import InvestigativeStepTaken, SupervisorReviewed
from casetrail.domain.values import MILLISECOND
from casetrail.eventlog.codec import Event, decode_event, encode_action, encode_event
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Entry, Record, Topic
from tests.actions import DETECTIVE, INTAKE, OTHER_SERGEANT, SERGEANT, action, life
from tests.attacks.scene import owning
from tests.audit.replaying import REFUSED, cases, findings_in, found, make_log, verdicts_on
from tests.histories import recorded_log

ONE_IN_A_HUNDRED = "case-37"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def in_case(event: Event, number: int, case_id: str = ONE_IN_A_HUNDRED) -> bool:
    """Whether this is the event of that number in the case that is to be manipulated."""
    return event.case_id == case_id and event.number == number


# --- nobody is convicted without cause ---


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), partitions=st.integers(1, 3))
def test_an_honest_recorder_is_convicted_of_nothing(
    tmp_path_factory: pytest.TempPathFactory, seed: int, partitions: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.db"
    recorded_log(path, seed, actions=120, partitions=partitions).close()
    verdicts = verdicts_on(f"sqlite:{path}")
    assert [one.findings for one in verdicts] == [[]] * partitions
    assert sum(one.compared for one in verdicts) == sum(one.actions for one in verdicts) == 120


def test_actions_without_an_event_at_the_end_are_pending_and_no_fault(path: Path) -> None:
    url = make_log(path, *cases(3))
    with open_log(url) as log:
        (at, _) = log.append(Topic.ACTIONS, [Entry(b"case-00", encode_action(one)) for one in life("case-00")[:2]])
    (verdict,) = verdicts_on(url)
    assert (verdict.actions, verdict.compared, verdict.pending) == (20, 18, 2)
    assert verdict.pending_since is not None and verdict.pending_since.timestamp() * 1000 == at.appended_at
    assert not verdict.findings


def test_an_empty_log_is_replayed(path: Path) -> None:
    (verdict,) = verdicts_on(make_log(path))
    assert (verdict.actions, verdict.findings) == (0, [])


# --- a recorder that manipulates one case in a hundred ---


def test_a_report_that_was_refused_against_the_rules_is_found(path: Path) -> None:
    def refusing(event: Event, _: Record) -> Event:
        body = ActionRejected("ReportReceived", "duplicate-action")
        return event._replace(body=body) if in_case(event, 1) else event

    (finding,) = findings_in(make_log(path, *cases(100), crook=refusing))
    assert (finding.kind, finding.case_id, finding.action_offset) == (Kind.WRONGLY_REFUSED, ONE_IN_A_HUNDRED, 37)
    assert finding.expected == {"outcome": "accepted", "code": None}
    assert finding.recorded == {"outcome": "rejected", "code": "duplicate-action"}
    assert finding.action == "ReportReceived"
    assert finding.first
    assert finding.followers == 5  # all that came after was refused in consequence, which is no fault of its own


def test_a_report_that_was_recorded_as_unreadable_is_found(path: Path) -> None:
    def blind(event: Event, action: Record) -> Event:
        if not in_case(event, 2):
            return event
        body = SubmissionUnreadable("not-decodable", 3, b"case-37", b"???")
        return event._replace(body=body, actor=None, occurred_at=None, action_id=bytes(16))

    (finding,) = findings_in(make_log(path, *cases(50), crook=blind))
    assert (finding.kind, finding.action_offset) == (Kind.WRONGLY_REFUSED, 50 + 37)
    assert finding.recorded["outcome"] == "unreadable"


def test_an_action_that_was_left_out_is_found(path: Path) -> None:
    def dropping(event: Event, _: Record) -> Event | None:
        return None if in_case(event, 1) and isinstance(event.body, ReportReceived) else event

    (finding,) = findings_in(make_log(path, *cases(100), crook=dropping))
    assert (finding.kind, finding.case_id, finding.action_offset) == (Kind.LEFT_OUT, ONE_IN_A_HUNDRED, 37)
    assert finding.event_offset is None
    assert finding.expected["kind"] == "ReportReceived"
    assert finding.recorded == {}


def test_an_event_that_was_backdated_is_found(path: Path) -> None:
    def backdating(event: Event, _: Record) -> Event:
        return event._replace(recorded_at=event.recorded_at - MILLISECOND) if in_case(event, 3) else event

    (finding,) = findings_in(make_log(path, *cases(100), crook=backdating))
    assert (finding.kind, finding.case_id) == (Kind.BACKDATED, ONE_IN_A_HUNDRED)
    assert finding.expected["recorded_at"] > finding.recorded["recorded_at"]


def test_an_action_that_was_accepted_against_the_rules_is_found(path: Path) -> None:
    own = action(SupervisorReviewed(ReviewResult.CONTINUE), DETECTIVE, ONE_IN_A_HUNDRED)

    def lenient(event: Event, _: Record) -> Event:
        return event._replace(body=own.body) if event.action_id == own.action_id else event

    (finding,) = findings_in(make_log(path, *cases(40), own, crook=lenient))
    assert (finding.kind, finding.case_id) == (Kind.WRONGLY_ACCEPTED, ONE_IN_A_HUNDRED)
    assert finding.expected == {"outcome": "rejected", "code": "role-may-not"}
    assert finding.recorded == {"outcome": "accepted", "code": None}


def test_an_event_that_names_somebody_else_is_found(path: Path) -> None:
    def blaming(event: Event, _: Record) -> Event:
        return event._replace(actor=OTHER_SERGEANT) if in_case(event, 3) else event

    (finding,) = findings_in(make_log(path, *cases(50), crook=blaming))
    assert (finding.kind, finding.case_id) == (Kind.MISATTRIBUTED, ONE_IN_A_HUNDRED)
    assert finding.expected == {"actor.id": SERGEANT.id}
    assert finding.recorded == {"actor.id": OTHER_SERGEANT.id}


def test_each_kind_of_difference_in_one_event_is_named(path: Path) -> None:
    def changing(event: Event, _: Record) -> Event:
        if not in_case(event, 4):
            return event
        body = InvestigativeStepTaken(Step.SUSPECT_INTERVIEWED)
        return event._replace(body=body, actor=INTAKE, recorded_at=event.recorded_at - 9 * MILLISECOND)

    findings = findings_in(make_log(path, *cases(50), crook=changing))
    assert {one.kind for one in findings} == {Kind.ALTERED, Kind.BACKDATED, Kind.MISATTRIBUTED}
    assert all(one.first and one.event_offset == findings[0].event_offset for one in findings)
    altered = next(one for one in findings if one.kind is Kind.ALTERED)
    assert (altered.expected, altered.recorded) == (
        {"body.step": "records_requested"},
        {"body.step": "suspect_interviewed"},
    )


def test_two_manipulations_of_one_case_while_recording_are_both_found(path: Path) -> None:
    def twice(event: Event, _: Record) -> Event:
        if in_case(event, 2):
            return event._replace(body=REFUSED)
        return event._replace(actor=INTAKE) if in_case(event, 5) else event

    url = make_log(path, *cases(50), crook=twice)
    assert found(url) == [
        (Kind.WRONGLY_REFUSED, ONE_IN_A_HUNDRED, 50 + 37),
        (Kind.MISATTRIBUTED, ONE_IN_A_HUNDRED, 200 + 37),
    ]
    assert [one.first for one in findings_in(url)] == [True, False]


# --- what is large ---


def test_cases_that_do_not_fit_the_memory_are_judged_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(event: Event, _: Record) -> Event:
        return event._replace(body=REFUSED) if event.number in (2, 5) and event.case_id[-1] == "7" else event

    url = make_log(path, *cases(60), crook=twice)
    at_once = verdicts_on(url)
    monkeypatch.setattr(replay_judging, "Trials", lambda: Trials(cached=4))
    assert verdicts_on(url) == at_once
    assert at_once[0].counts == {Kind.WRONGLY_REFUSED: 12}


@pytest.mark.parametrize("partitions", [1, 5])
def test_several_processes_come_to_the_same_verdicts(
    path: Path, monkeypatch: pytest.MonkeyPatch, partitions: int
) -> None:
    def refusing(event: Event, _: Record) -> Event:
        return event._replace(body=REFUSED) if in_case(event, 2) else event

    url = make_log(path, *cases(50), partitions=partitions, crook=refusing)
    alone = replay(url, processes=1)
    monkeypatch.setattr(replaying, "WORTH_A_PROCESS", 0)
    assert replay(url, processes=2) == alone
    assert [one.partition for one in alone] == list(range(partitions))
    assert sum(one.counts.total() for one in alone) == 1


def test_a_second_answer_in_a_case_of_another_process_is_found_by_the_process_of_that_case(path: Path) -> None:
    make_log(path, *cases(2), partitions=1)

    def part(case_id: str) -> int:
        return next(one for one in (0, 1) if replaying.Extent(0, (0, 0), (0, 0), (one, 2)).has(case_id))

    with EmbeddedLog.open(path) as log:
        first = log.read_one(Topic.EVENTS, 0, 0)
    assert first is not None
    event = decode_event(first.value)
    other = next(name for name in map("Z-{}".format, range(99)) if part(name) != part(event.case_id))
    forged = encode_event(event._replace(case_id=other, number=1, previous_hash=bytes(32)))
    with owning(path) as database:  # behind the honest answer
        database.execute("UPDATE record SET offset = -offset WHERE topic = 'events' AND offset > 0")
        database.execute("UPDATE record SET offset = 1 - offset WHERE topic = 'events' AND offset < 0")
        row = ("events", 0, 1, first.appended_at, first.key, forged, None)
        database.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    with EmbeddedLog.open(path) as log:
        (whole,) = replaying.extents_of(log)
        for parts in (1, 2):
            found = [replaying.replay_partition(log, whole._replace(part=(one, parts))) for one in range(parts)]
            assert sum((one.counts for one in found), Counter()) == {Kind.INVENTED: 1}


def test_a_partition_is_dealt_out_where_it_is_too_large_for_one_process() -> None:
    def dealt(*sizes: int) -> list[list[tuple[int, tuple[int, int]]]]:
        extents = [replaying.Extent(number, (0, size), (0, size)) for number, size in enumerate(sizes)]
        return [[(one.partition, one.part) for one in share] for share in replaying._dealt(extents, 2)]

    assert dealt(9) == [[(0, (0, 2))], [(0, (1, 2))]]
    assert dealt(9, 9) == [[(0, (0, 1))], [(1, (0, 1))]]
    assert dealt(9, 1) == [[(0, (0, 2)), (1, (0, 1))], [(0, (1, 2))]]
    assert dealt(3, 3, 3, 3) == [[(0, (0, 1)), (2, (0, 1))], [(1, (0, 1)), (3, (0, 1))]]


def test_progress_is_told_action_by_action(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = make_log(path, *cases(10))
    monkeypatch.setattr(replaying, "REPORT_EVERY", 15)
    done: list[int] = []
    replay(url, progress=done.append)
    assert done == [15, 15, 15, 15]


def test_findings_without_number_are_counted_and_some_are_listed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(event: Event, _: Record) -> Event:
        return event._replace(body=REFUSED) if event.number == 2 else event

    url = make_log(path, *cases(50), crook=refusing)
    monkeypatch.setattr(replay_findings, "LISTED", 20)
    (verdict,) = verdicts_on(url)
    assert (len(verdict.findings), verdict.counts.total()) == (20, 50)


def test_the_verdict_on_one_case_is_what_the_whole_verdict_says_of_it(path: Path) -> None:
    def refusing(event: Event, _: Record) -> Event | None:
        if event.number == 3 and event.case_id == "case-08":
            return None
        return event._replace(body=REFUSED) if event.number == 2 and event.case_id[-1] == "7" else event

    url = make_log(path, *cases(50), partitions=3, crook=refusing)
    whole = findings_in(url)
    for case_id in ("case-07", "case-08", "case-09"):
        assert findings_in(url, case_id) == [one for one in whole if one.case_id == case_id]
        assert [one.actions for one in verdicts_on(url, case_id)] == [6]


def test_every_kind_of_finding_says_what_it_means() -> None:
    assert set(MEANINGS) == set(Kind)
    assert all(text.endswith(".") for text in MEANINGS.values())
