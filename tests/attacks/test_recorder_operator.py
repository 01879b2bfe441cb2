"""Whoever runs the recorder: it writes well-formed, chained events, and a notary and witnesses see nothing wrong with them."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from casetrail.cli import exits
from casetrail.consumers.recorder import OwnedPartition
from casetrail.domain.actions import ActionRejected, Body, SubmissionUnreadable
from casetrail.domain.codes import ConcernOutcome, EscalationAnswer, ReferralReason, ReviewResult
from casetrail.domain.concern import ConcernClosed
from casetrail.domain.escalation import EscalationAnswered
from casetrail.domain.intake import ReportReceived
from casetrail.domain.investigation import SupervisorReviewed
from casetrail.domain.referral import ReferralWithdrawn
from casetrail.eventlog.codec import Event, encode_event
from casetrail.eventlog.embedded import wall_clock
from casetrail.eventlog.errors import WriterFenced
from casetrail.eventlog.outcome import ChainBroken, History, case_of, follow, outcome_of
from casetrail.eventlog.port import Entry, Record, Topic
from casetrail.projections.case_store import CaseStore
from tests.actions import DETECTIVE, HAPPENED, OTHER_SERGEANT, SERGEANT, action, life
from tests.attacks.scene import EARLIER, Scene, lives, scene_at

HUNDRED: Final = tuple(f"C-{number:03}" for number in range(100))
ONE: Final = "C-037"

Crook = Callable[[Event, Record], Event | None]
"""What a rogue recorder makes of the event that an honest one would append: another one, or none at all."""


def record_as(scene: Scene, crook: Crook) -> None:
    """A build of the recorder that asks somebody before it appends, and goes on from what it has written."""
    histories: dict[str, History] = {}
    entries: dict[int, list[Entry]] = {partition: [] for partition in range(scene.log.partitions)}
    for asked in scene.records(Topic.ACTIONS):
        case_id = case_of(asked, scene.log.partitions)
        history = histories.setdefault(case_id, History.empty(case_id))
        event = crook(outcome_of(history, asked, scene.log.name, scene.log.partitions).event, asked)
        if event is not None:
            value = encode_event(event)
            entries[asked.partition].append(Entry(case_id.encode(), value))
            with suppress(ChainBroken):  # of what rests on nothing: here it is the last of its case
                follow(history, Record(asked.partition, 0, 0, case_id.encode(), value))
    for partition, some in entries.items():
        writer = scene.log.writer(partition)
        writer.append(some)
        writer.close()


def in_one_case(number: int, deed: Callable[[Event], Event | None]) -> Crook:
    """Do this to the event of that number in one case of a hundred, and to no other."""
    return lambda event, _: deed(event) if (event.case_id, event.number) == (ONE, number) else event


def refuse(event: Event) -> Event:
    """As if a rule did not allow it."""
    return event._replace(body=ActionRejected(type(event.body).__name__, "duplicate-action"))


def drop(event: Event) -> Event | None:
    """As if nobody had submitted it. What came of it in the case is refused then, by the rules."""
    return None if isinstance(event.body, ReportReceived) else event


def backdate(event: Event) -> Event:
    """As if it had been recorded a week earlier."""
    return event._replace(recorded_at=event.recorded_at - timedelta(days=7))


def date_back(event: Event) -> Event:
    """As if somebody had acted a week earlier."""
    assert event.occurred_at is not None
    return event._replace(occurred_at=event.occurred_at - timedelta(days=7))


def blame(event: Event) -> Event:
    """As if somebody else had done it."""
    return event._replace(actor=OTHER_SERGEANT)


def misread(event: Event) -> Event:
    """As if what was submitted could not be read."""
    body = SubmissionUnreadable("not-decodable", 3, event.case_id.encode(), b"???")
    return event._replace(body=body, actor=None, occurred_at=None, action_id=bytes(16))


def misread_well(event: Event, asked: Record) -> Event:
    """The same, with the very bytes that were submitted."""
    value = asked.value or b""
    return misread(event)._replace(body=SubmissionUnreadable("not-decodable", len(value), asked.key or b"", value))


def let_pass(event: Event) -> Event:
    """As if an investigator might review his own case."""
    return event._replace(body=SupervisorReviewed(ReviewResult.CONTINUE))


class Deed(NamedTuple):
    """What a recorder does, what ``audit verify`` shows of it, and ``audit replay``, and what ``receipt prove`` tells."""

    crook: Crook
    verified: set[str]
    convicted: str
    told: str


ACCEPTED: Final = "result        accepted"
UNREADABLE: Final = "result        unreadable"
DEEDS: Final = {
    "refuses": Deed(in_one_case(1, refuse), set(), "wrongly-refused", "result        rejected"),
    "drops": Deed(in_one_case(1, drop), {"action-unanswered"}, "left-out", "it was passed over"),
    "backdates": Deed(in_one_case(1, backdate), {"time-differs"}, "backdated", "different: time of submission"),
    "dates the act back": Deed(in_one_case(1, date_back), {"content-differs"}, "altered", ACCEPTED),
    "blames somebody else": Deed(in_one_case(1, blame), {"content-differs"}, "misattributed", ACCEPTED),
    "calls it unreadable": Deed(in_one_case(1, misread), {"content-differs"}, "wrongly-refused", UNREADABLE),
    "calls it unreadable, as it stands": Deed(
        lambda event, asked: misread_well(event, asked) if (event.case_id, event.number) == (ONE, 1) else event,
        set(), "wrongly-refused", UNREADABLE,
    ),
    "accepts what the rules refuse": Deed(in_one_case(3, let_pass), set(), "wrongly-accepted", ACCEPTED),
}  # fmt: skip


@pytest.fixture
def hundred(tmp_path: Path) -> Iterator[Scene]:
    """A hundred cases are submitted, two actions each, and a review in one that the rules refuse; nothing is recorded."""
    with scene_at(tmp_path, f"sqlite:{tmp_path / 'log.db'}", begun=False) as made:
        submit_hundred(made)
        yield made


def submit_hundred(scene: Scene) -> None:
    """Two actions in each of a hundred cases."""
    for step in range(2):
        scene.submit(*(life(case_id)[step] for case_id in HUNDRED))
    scene.submit(action(SupervisorReviewed(ReviewResult.CONTINUE), DETECTIVE, ONE))


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS.keys())
def test_what_a_recorder_does_to_one_case_in_a_hundred_is_found_and_nothing_else(hundred: Scene, deed: Deed) -> None:
    record_as(hundred, deed.crook)
    hundred.publish()
    assert set(hundred.faults()) == deed.verified
    assert hundred.convicted() == {(deed.convicted, ONE)}
    dropped = deed.convicted == "left-out"
    assert hundred.counted(exits.FAULTS if dropped else exits.OK)["faults"] == dropped
    done = hundred.receipt("prove", hundred.of(ONE)[0])
    assert deed.told in done.output
    assert done.exit_code == (exits.OK if deed.told.startswith("result") else exits.FAULTS)


@pytest.mark.parametrize(
    "body",
    [
        EscalationAnswered("assignment", HAPPENED, EscalationAnswer.BEING_WORKED_NOW),
        ConcernClosed("no-such-concern", ConcernOutcome.SETTLED),
        ReferralWithdrawn("no-such-referral", ReferralReason.NOT_NEEDED),
    ],
    ids=lambda body: type(body).__name__,
)
def test_what_is_accepted_though_it_rests_on_nothing_is_convicted_and_stops_no_other_verdict(
    hundred: Scene, body: Body
) -> None:
    asked = action(body, SERGEANT, ONE)
    hundred.submit(asked)

    def crook(event: Event, _: Record) -> Event:
        accepted = event._replace(body=body) if event.action_id == asked.action_id else event
        return refuse(accepted) if (accepted.case_id, accepted.number) == ("C-011", 1) else accepted

    record_as(hundred, crook)
    hundred.publish()
    assert hundred.convicted() == {("wrongly-accepted", ONE), ("wrongly-refused", "C-011")}
    said = f"of case {ONE} rests on something that the case never had"
    assert said in hundred.receipt("check", hundred.of(ONE)[0], "--online", code=exits.FAULTS).stderr
    assert said in hundred.run("views", "rebuild", code=None).stderr
    assert said in hundred.run("cases", code=None).stderr


@pytest.mark.broker
def test_on_a_broker_a_recorder_is_convicted_of_each_thing_in_its_case(tmp_path: Path, kafka_url: str) -> None:
    deeds = {"C-011": refuse, "C-037": drop, "C-077": backdate}

    def crook(event: Event, _: Record) -> Event | None:
        deed = deeds.get(event.case_id) if event.number == 1 else None
        return event if deed is None else deed(event)

    with scene_at(tmp_path, kafka_url, begun=False) as scene:
        submit_hundred(scene)
        record_as(scene, crook)
        scene.publish()
        found = scene.faults()
        assert {code: {fault["case_id"] for fault in some} for code, some in found.items()} == {
            "action-unanswered": {"C-037"}, "time-differs": {"C-077"},
        }  # fmt: skip
        assert scene.convicted() == {("wrongly-refused", "C-011"), ("left-out", "C-037"), ("backdated", "C-077")}
        assert scene.counted(exits.FAULTS)["faults"] == 1
        assert "passed over" in scene.receipt("prove", scene.of("C-037")[0], code=exits.FAULTS).stderr


def test_a_submission_that_is_never_recorded_is_pending_and_then_late(scene: Scene) -> None:
    (held,) = scene.submit(life("C-09")[0])
    assert scene.counted()["pending"] == 1
    assert set(scene.faults("--promised", "3600")) == set()
    found = scene.unkept()
    assert set(found) == {"recorder-silent"}
    assert found["recorder-silent"][0]["found"].startswith("1 waiting, since 20")
    for words in (("prove",), ("check", "--online")):
        assert "try again" in scene.receipt(words[0], held, *words[1:], code=exits.PENDING).stderr
        overdue = replace(held, promised_within=0)
        assert "that is late" in scene.receipt(words[0], overdue, *words[1:], code=exits.FAULTS).stderr


def test_an_answer_that_came_late_stays_late_in_the_reporters_hands(embedded: Scene) -> None:
    (held,) = embedded.submit(life("C-09")[0])
    embedded.record()
    embedded.publish()
    overdue = replace(held, promised_within=0)
    for command in ("prove", "check"):
        assert "late: promised by" in embedded.receipt(command, overdue, code=exits.FAULTS).stderr
    assert embedded.unkept() == {}  # nothing waits any more


def test_a_notary_that_stops_is_missed(scene: Scene) -> None:
    (held,) = scene.submit(life("C-09")[0])
    scene.record()
    assert scene.faults() == {}
    assert set(scene.unkept()) == {"notary-silent"}
    assert "no checkpoint covers that yet" in scene.receipt("prove", held, code=exits.PENDING).stderr
    overdue = replace(held, promised_within=0)
    assert "that is late" in scene.receipt("prove", overdue, code=exits.FAULTS).stderr


def test_of_two_recorders_at_once_the_older_is_fenced_and_nothing_is_doubled(scene: Scene) -> None:
    waiting = scene.submit(*lives("C-09", "C-10"))
    pending: dict[int, list[Record]] = {partition: [] for partition in range(scene.log.partitions)}
    for record in scene.records(Topic.ACTIONS):
        pending[record.partition].append(record)
    store = CaseStore(":memory:", scene.log.name), CaseStore(":memory:", scene.log.name)
    for partition, some in pending.items():
        older = OwnedPartition(scene.log, store[0], partition)
        newer = OwnedPartition(scene.log, store[1], partition)
        newer.record(some)
        if any(one.partition == partition for one in waiting):
            with pytest.raises(WriterFenced, match="another writer has taken over"):
                older.record(some)
        older.writer.close()
        newer.writer.close()
    scene.publish()
    assert scene.faults() == {}
    assert scene.convicted() == set()
    counted = scene.counted()
    assert (counted["accepted"], counted["pending"]) == (len(scene.receipts), 0)


@pytest.mark.parametrize(("partition", "found"), [(0, set()), (1, {("rule-set-kept", None)})])
def test_a_recorder_that_stays_on_older_rules_in_its_partition_is_found_by_what_others_name(
    tmp_path: Path, partition: int, found: set[tuple[str, None]]
) -> None:
    steps = count(-100)  # two days pass between any two things, so partition 1 is recorded two days after partition 0

    def clock() -> int:
        return wall_clock() + next(steps) * 2 * 86_400_000

    with scene_at(tmp_path, f"sqlite:{tmp_path / 'log.db'}", begun=False, clock=clock) as scene:
        scene.submit(*lives(*EARLIER))
        record_as(scene, lambda event, asked: event._replace(rule_set=1) if asked.partition == partition else event)
        assert scene.convicted() == found
