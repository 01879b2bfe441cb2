"""Somebody changes the file of the log afterwards: the replay names what he did, whether or not he mended the chain."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casetrail.audit.replaying.cases import copy_of, take_in
from casetrail.audit.replaying.findings import Kind
from casetrail.domain.actions import Action, ActionRejected, Actor
from casetrail.domain.codes import ConcernAnswer, Role, Step
from casetrail.domain.concern import ConcernAnswered
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.memory import dump_case
from casetrail.domain.values import MILLISECOND
from casetrail.eventlog.codec import Event, encode_event
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.outcome import History
from casetrail.eventlog.port import Entry, Record, Topic
from tests.actions import INTAKE, OTHER_SERGEANT
from tests.audit.replaying import File, cases, findings_in, found, make_log, verdicts_on
from tests.domain.histories import played, submissions

REFUSED = ActionRejected("Assigned", "role-may-not")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def file(path: Path) -> File:
    """Ten honest cases of six events each: event ``10 * n + c`` is event ``n + 1`` of case ``c``."""
    return File(make_log(path, *cases(10)))


def test_an_event_altered_afterwards_is_found_and_the_next_link_tells_that_it_was(file: File) -> None:
    file.change(23, body=REFUSED)
    refused, link = findings_in(file.url)
    assert (refused.kind, refused.case_id, refused.event_offset) == (Kind.WRONGLY_REFUSED, "case-03", 23)
    assert (link.kind, link.event_offset, link.follows, link.first) == (Kind.CHAIN_DIFFERS, 33, True, False)
    assert refused.followers >= 1


def test_an_event_altered_with_the_chain_repaired_is_found_and_nothing_else(file: File) -> None:
    file.change(23, body=REFUSED)
    file.repair_chain("case-03")
    (finding,) = findings_in(file.url)
    assert (finding.kind, finding.case_id, finding.event_offset) == (Kind.WRONGLY_REFUSED, "case-03", 23)


def test_what_followed_from_the_true_history_is_no_manipulation_of_its_own(path: Path) -> None:
    from casetrail.domain.assignment import Acknowledged
    from tests.actions import DETECTIVE, action, life

    file = File(make_log(path, *life("case-03"), action(Acknowledged(), DETECTIVE, "case-03")))
    file.change(2, body=REFUSED)  # the assignment: by the recorded history nobody could acknowledge it
    file.repair_chain("case-03")
    (finding,) = findings_in(file.url)
    assert (finding.kind, finding.event_offset) == (Kind.WRONGLY_REFUSED, 2)
    assert finding.followers >= 1


def test_a_changed_time_of_what_happened_is_found(file: File) -> None:
    happened = file.event(30).occurred_at
    assert happened is not None
    file.change(30, occurred_at=happened - 90 * MILLISECOND)
    file.repair_chain("case-00")
    (finding,) = findings_in(file.url)
    assert finding.kind is Kind.ALTERED
    assert finding.expected["occurred_at"] > finding.recorded["occurred_at"]


def test_two_manipulations_of_one_case_are_both_found(file: File) -> None:
    file.change(23, body=REFUSED)
    file.change(43, actor=INTAKE)
    file.repair_chain("case-03")
    assert found(file.url) == [(Kind.WRONGLY_REFUSED, "case-03", 23), (Kind.MISATTRIBUTED, "case-03", 43)]


def test_a_manipulation_afterwards_is_found_in_a_case_that_was_manipulated_while_recording(path: Path) -> None:
    def dropping(event: Event, record: Record) -> Event | None:
        return None if record.offset == 3 else event

    file = File(make_log(path, *cases(10), crook=dropping))
    file.change(42, actor=INTAKE)  # one event is missing: this one answers action 43
    assert found(file.url) == [(Kind.LEFT_OUT, "case-03", 3), (Kind.MISATTRIBUTED, "case-03", 43)]


def test_a_link_that_alone_was_changed_is_found(file: File) -> None:
    file.change(59, previous_hash=bytes(32))
    (finding,) = findings_in(file.url)
    assert (finding.kind, finding.first, finding.follows) == (Kind.CHAIN_DIFFERS, True, False)


def test_an_event_under_the_key_of_another_case_is_found(file: File) -> None:
    file.database.execute("UPDATE record SET key = ? WHERE topic = 'events' AND offset = 23", (b"case-04",))
    (finding,) = findings_in(file.url)
    assert (finding.kind, finding.case_id) == (Kind.ALTERED, "case-03")
    assert (finding.expected, finding.recorded) == ({"key": b"case-03"}, {"key": b"case-04"})


def test_an_event_moved_to_another_case_is_found_in_both(file: File) -> None:
    file.change(23, case_id="case-04")
    file.database.execute("UPDATE record SET key = ? WHERE topic = 'events' AND offset = 23", (b"case-04",))
    assert (Kind.ALTERED, "case-03", 23) in found(file.url)
    assert (Kind.INVENTED, "case-04", 23) in found(file.url)
    assert {one.case_id for one in findings_in(file.url)} == {"case-03", "case-04"}
    assert (Kind.INVENTED, "case-04", 23) in found(file.url, "case-04")


def test_an_action_exchanged_after_it_was_answered_is_found(file: File) -> None:
    file.put(30, file.value(40, Topic.ACTIONS), Topic.ACTIONS)
    assert (Kind.ALTERED, "case-00", 30) in found(file.url)


def test_bytes_that_say_the_same_in_another_way_are_found(file: File) -> None:
    value = file.value(59)
    at = 85  # the number of the event, 6: one byte becomes the two of a sloppy varint
    assert value[at] == 12
    file.put(59, value[:at] + b"\x8c\x00" + value[at + 1 :])
    (finding,) = findings_in(file.url)
    assert (finding.kind, list(finding.expected)) == (Kind.ALTERED, ["bytes"])


# --- deleted, moved, invented ---


def test_an_event_deleted_from_the_middle_is_found(file: File) -> None:
    file.delete(23)
    left_out, link = findings_in(file.url)
    assert (left_out.kind, left_out.case_id, left_out.action_offset) == (Kind.LEFT_OUT, "case-03", 23)
    assert (link.kind, link.follows) == (Kind.CHAIN_DIFFERS, True)


def test_an_event_deleted_with_the_chain_repaired_is_found(file: File) -> None:
    file.delete(23)
    file.repair_chain("case-03")
    assert found(file.url) == [(Kind.LEFT_OUT, "case-03", 23)]


def test_an_action_deleted_after_it_was_answered_leaves_an_event_that_nobody_submitted(file: File) -> None:
    file.delete(23, Topic.ACTIONS)
    assert found(file.url) == [(Kind.INVENTED, "case-03", 23)]


@pytest.mark.parametrize(("one", "other"), [(24, 25), (23, 33), (3, 58)])
def test_events_that_changed_places_are_found(file: File, one: int, other: int) -> None:
    file.swap(one, other)
    moved = {finding.case_id for finding in findings_in(file.url) if finding.kind is Kind.REORDERED}
    assert moved and moved <= {f"case-0{one % 10}", f"case-0{other % 10}"}
    assert {finding.kind for finding in findings_in(file.url)} == {Kind.REORDERED}


def test_an_event_moved_far_is_found_and_those_between_are_not(path: Path) -> None:
    file = File(make_log(path, *cases(100, steps=8)))
    file.move(5, 2_000)
    (finding,) = [one for one in findings_in(file.url) if not one.follows]
    assert (finding.kind, finding.case_id, finding.action_offset) == (Kind.REORDERED, "case-05", 5)
    assert finding.event_offset == 2_000
    assert finding.recorded == finding.expected


def test_an_event_moved_far_and_altered_is_convicted_of_both(path: Path) -> None:
    file = File(make_log(path, *cases(100, steps=8)))
    file.change(105, body=ActionRejected("ScreenedIn", "role-may-not"))
    file.move(105, 2_000)
    assert found(file.url) == [(Kind.REORDERED, "case-05", 105), (Kind.WRONGLY_REFUSED, "case-05", 105)]


def test_an_event_for_an_action_that_nobody_submitted_is_found(file: File) -> None:
    forged = file.event(53)._replace(action_offset=60, number=7)
    with open_log(file.url) as log:
        log.writer(0).append([Entry(b"case-03", encode_event(forged))])
    (finding,) = findings_in(file.url)
    assert (finding.kind, finding.case_id, finding.event_offset) == (Kind.INVENTED, "case-03", 60)
    assert finding.recorded["kind"] == "InvestigativeStepTaken"
    assert finding.expected == {}


@pytest.mark.parametrize("far", [40, 59, 10**15, -1])
def test_an_event_put_in_between_convicts_no_other(file: File, far: int) -> None:
    file.insert(17, file.event(13)._replace(action_offset=far, actor=OTHER_SERGEANT))
    assert found(file.url) == [(Kind.INVENTED, "case-03", far)]


def test_an_action_that_was_answered_twice_is_found(file: File) -> None:
    file.insert(24, file.event(23))
    assert found(file.url) == [(Kind.INVENTED, "case-03", 23)]


def test_of_two_answers_the_right_one_is_believed(file: File) -> None:
    file.insert(23, file.event(23)._replace(body=REFUSED))
    (finding,) = [one for one in findings_in(file.url) if not one.follows]
    assert (finding.kind, finding.event_offset) == (Kind.INVENTED, 23)


def test_thousands_of_invented_events_are_found_and_no_action_is_taken_for_left_out(path: Path) -> None:
    file = File(make_log(path, *cases(100)))
    with open_log(file.url) as log:
        log.append(Topic.EVENTS, [Entry(b"case-03", file.value(3), 0)] * 12_000)
    (verdict,) = verdicts_on(file.url)
    assert verdict.counts == {Kind.INVENTED: 12_000}
    assert verdict.compared == 600


def test_an_invented_event_that_fits_no_case_does_not_stop_the_replay(file: File) -> None:
    body = ConcernAnswered("never-raised", ConcernAnswer.EXPLAINED)
    file.insert(24, file.event(23)._replace(action_offset=70, body=body))
    assert found(file.url) == [(Kind.INVENTED, "case-03", 70)]

    history = History.empty("case-03")
    take_in(history, file.event(24), file.value(24))
    assert (history.case.version, history.case.kinds) == (1, ["ConcernAnswered"])
    assert copy_of(history) == history


@settings(max_examples=40, deadline=None)
@given(submissions())
def test_a_copy_of_a_history_is_the_same_and_stays_what_it_was_when_the_other_goes_on(actions: list[Action]) -> None:
    copies = []
    for case in played(actions):
        history = History(case, bytes(32))
        made = copy_of(history)
        assert made == history and vars(made.case).keys() == vars(case).keys()
        copies.append((made, dump_case(case)))
    for made, text in copies:
        assert dump_case(made.case) == text


def test_a_record_that_is_no_event_is_found_with_the_action_that_it_should_answer(file: File) -> None:
    file.put(23, b"\x00garbage")
    first, link = findings_in(file.url)
    assert (first.kind, first.case_id, first.action_offset, first.event_offset) == (Kind.NO_EVENT, "case-03", 23, 23)
    assert first.expected["kind"] == "Assigned"
    assert (link.kind, link.follows) == (Kind.CHAIN_DIFFERS, True)


def test_a_record_that_is_no_event_and_answers_nothing_is_found(file: File) -> None:
    with open_log(file.url) as log:
        log.append(Topic.EVENTS, [Entry(b"case-03", None, 0), Entry(b"\xff", b"x", 0)])
    assert [one.kind for one in findings_in(file.url)] == [Kind.NO_EVENT, Kind.NO_EVENT]


# --- the beginning is gone ---


def test_deleted_events_are_a_finding_and_the_rest_is_judged_from_the_actions(file: File) -> None:
    file.delete_before(25, Topic.EVENTS)
    file.change(57, actor=INTAKE)
    (verdict,) = verdicts_on(file.url)
    cut, blamed = verdict.findings
    assert (cut.kind, cut.recorded) == (Kind.HISTORY_CUT, {"topic": "events", "first_offset": 25})
    assert (blamed.kind, blamed.case_id) == (Kind.MISATTRIBUTED, "case-07")
    assert (verdict.cut, verdict.compared, verdict.unjudged) == (25, 35, 0)


def test_deleted_actions_are_a_finding_and_the_rest_is_judged_from_their_events(file: File) -> None:
    file.delete_before(25, Topic.ACTIONS)
    file.change(57, actor=INTAKE)
    (verdict,) = verdicts_on(file.url)
    cut, blamed = verdict.findings
    assert (cut.kind, cut.recorded) == (Kind.HISTORY_CUT, {"topic": "actions", "first_offset": 25})
    assert (blamed.kind, blamed.case_id) == (Kind.MISATTRIBUTED, "case-07")
    assert (verdict.actions, verdict.compared, verdict.unjudged) == (35, 35, 25)


def test_where_both_are_deleted_nobody_is_convicted_by_guessing(file: File) -> None:
    file.delete_before(25, Topic.ACTIONS)
    file.delete_before(22, Topic.EVENTS)
    file.change(55, actor=INTAKE)
    file.change(56, body=InvestigativeStepTaken(Step.SUSPECT_INTERVIEWED))
    (verdict,) = verdicts_on(file.url)
    assert [(one.kind, one.case_id) for one in verdict.findings] == [
        (Kind.HISTORY_CUT, None),
        (Kind.HISTORY_CUT, None),
        (Kind.MISATTRIBUTED, "case-05"),
        (Kind.ALTERED, "case-06"),
    ]
    assert verdict.unjudged == 3 + 35


# --- whatever is changed ---

CHANGES: dict[str, Any] = {
    "action_hash": bytes(32), "previous_hash": b"\x01" * 32, "action_id": b"\x02" * 16, "number": 77,
    "log": "another-log", "rule_set": 9, "occurred_at": None, "actor": Actor("nobody", "nowhere", Role.SYSTEM),
    "partition": 5, "body": ActionRejected("Linked", "same-case"),
}  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offset=st.integers(0, 23), field=st.sampled_from(sorted(CHANGES)), mended=st.booleans())
def test_whatever_is_changed_in_an_event_is_found_and_no_other_case_is_convicted(
    tmp_path_factory: pytest.TempPathFactory, offset: int, field: str, mended: bool
) -> None:
    file = File(make_log(tmp_path_factory.mktemp("log") / "log.db", *cases(4)))
    changed = file.event(offset)
    file.change(offset, **{field: CHANGES[field]})
    if mended and field not in ("previous_hash", "number"):
        file.repair_chain(changed.case_id)
    first, *more = findings_in(file.url)
    assert (first.case_id, first.event_offset, first.first) == (changed.case_id, offset, True)
    assert all(one.follows and one.case_id == changed.case_id for one in more if one.event_offset != offset)


def test_no_text_that_somebody_wrote_freely_is_shown(file: File) -> None:
    actor = Actor("Some Body, 12 Elm Street", "metro-pd", Role.INTAKE)
    file.insert(24, file.event(23)._replace(action_offset=70, actor=actor, case_id="Some Body"))
    file.change(30, actor=actor)
    assert {one.kind for one in findings_in(file.url)} >= {Kind.INVENTED, Kind.MISATTRIBUTED}
    assert "Some Body" not in str(findings_in(file.url))
    assert "(no id: 24 characters)" in str(findings_in(file.url))
