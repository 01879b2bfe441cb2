"""A service submits to an embedded log: receipts, outcomes, and what is refused before it is sent."""

import json
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from traceback import format_exception
from typing import Any, cast

import pytest

from casetrail import publishing
from casetrail.domain.actions import Imported
from casetrail.domain.assignment import Assigned
from casetrail.domain.codes import Offence
from casetrail.domain.intake import OffenceAlleged
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.errors import LogError, LogMissing, LogUnreachable
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.opening import BadAddress, init_log
from casetrail.eventlog.port import Entry, Topic
from casetrail.publishing import (
    Connection,
    OutcomePending,
    Receipt,
    ReceiptContradicted,
    SubmissionRefused,
    connect,
    earlier,
)
from tests.actions import DETECTIVE, INTAKE, SERGEANT, action, life, report


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A new log with three partitions."""
    address = f"sqlite:{tmp_path / 'kcpd.db'}"
    init_log(address, partitions=3).close()
    return address


def test_a_receipt_says_where_the_action_stands_and_what_its_bytes_are(url: str) -> None:
    one = action(report(), INTAKE)
    with connect(url) as log:
        before = time.time_ns() // 1_000_000
        receipt = log.submit(one)
        record = log.log.read_one(Topic.ACTIONS, receipt.partition, receipt.offset)
    assert record is not None
    assert record.value == encode_action(one)
    assert record.key == b"C-1"
    assert receipt.action_hash == leaf_hash(encode_action(one))
    assert receipt.action_id == one.action_id
    assert before <= receipt.appended_at == record.appended_at <= time.time_ns() // 1_000_000


def test_a_receipt_can_be_written_down_and_used_by_another_process(url: str) -> None:
    with connect(url) as log:
        receipt = log.submit(action(report(), INTAKE))
    written = json.dumps(receipt.to_dict())
    with connect(url) as other:
        assert other.wait(Receipt.from_dict(json.loads(written))).result == "accepted"


def test_an_accepted_action_is_answered_by_its_own_event(url: str) -> None:
    one = action(report(), INTAKE)
    with connect(url) as log:
        outcome = log.wait(log.submit(one))
    assert (outcome.result, outcome.code) == ("accepted", None)
    assert outcome.event.body == one.body
    assert outcome.event.action_id == one.action_id
    assert outcome.event.number == 1


def test_a_refused_action_says_by_which_rule(url: str) -> None:
    with connect(url) as log:
        outcome = log.wait(log.submit(action(Assigned(DETECTIVE.id), SERGEANT, "nobody-reported-this")))
    assert outcome.result == "rejected"
    assert outcome.code == "no-such-case"


def test_a_submission_without_a_case_is_answered_as_unreadable(url: str) -> None:
    value = encode_action(action(report(), INTAKE, "not an id"))
    with connect(url) as log:
        (where,) = log.log.append(Topic.ACTIONS, [Entry(b"not an id", value)])  # as a client that is not ours may
        outcome = log.wait(Receipt(log.log.name, "not an id", bytes(16), *where, leaf_hash(value)))
    assert (outcome.result, outcome.code) == ("unreadable", "bad-key")


UNSEALED = {
    "case_id": lambda one, text: replace(one, case_id=text),
    "id": lambda one, text: replace(one, actor=replace(one.actor, id=text)),
    "agency": lambda one, text: replace(one, actor=replace(one.actor, agency=text)),
    "role": lambda one, text: replace(one, actor=replace(one.actor, role=text)),
    "report_number": lambda one, text: replace(one, body=report(report_number=text)),
    "channel": lambda one, text: replace(one, body=report(channel=text)),
    "statute": lambda one, text: replace(one, body=report(offences=(OffenceAlleged(Offence.RAPE, text),))),
    "code": lambda one, text: replace(one, body=report(offences=(OffenceAlleged(text),))),
    "system": lambda one, text: replace(one, imported=Imported(bytes(32), 1, text)),
}


@pytest.mark.parametrize("field", UNSEALED)
@pytest.mark.parametrize("text", ["Max Mustermann", ""])
def test_a_name_in_the_place_of_an_id_or_a_code_is_refused_before_anything_is_sent(
    url: str, field: str, text: str
) -> None:
    one = action(report(), INTAKE)
    with connect(url) as log:
        with pytest.raises(SubmissionRefused, match=rf"^action 2 .*'{field}' holds no .*nothing was sent") as refused:
            log.submit_many([one, UNSEALED[field](one, text)])
        assert "Muster" not in "".join(format_exception(refused.value))
        assert sum(log.log.end_offsets(Topic.ACTIONS).values()) == 0


def test_many_outcomes_come_in_the_order_of_their_receipts(url: str) -> None:
    actions = [one for number in range(40) for one in life(f"C-{number}")]
    with connect(url) as log:
        receipts = log.submit_many(actions)
        shuffled = receipts[::-3] + receipts[::2]
        outcomes = log.wait_many(shuffled)
    assert len({receipt.partition for receipt in receipts}) == 3
    assert [one.event.action_id for one in outcomes] == [one.action_id for one in shuffled]
    assert all(one.result == "accepted" for one in outcomes)


def test_no_actions_have_no_receipts_and_no_receipts_no_outcomes(url: str) -> None:
    with connect(url) as log:
        assert log.submit_many([]) == []
        assert log.wait_many([]) == []


def test_an_outcome_can_be_asked_for_again_and_again(url: str) -> None:
    with connect(url) as log:
        receipt = log.submit(action(report(), INTAKE))
        assert log.wait(receipt) == log.wait(receipt) == log.wait_many([receipt, receipt])[1]


def test_an_old_receipt_finds_its_outcome_among_very_many(url: str) -> None:
    with connect(url) as log:
        receipts = [receipt for part in range(6) for receipt in log.submit_many(_lives(part))]
        log.wait(receipts[-1])
    with connect(url) as log:
        assert log.wait_many(receipts)[0].event.action_id == receipts[0].action_id
    with connect(url) as log:
        for receipt in (receipts[-1], receipts[0], receipts[len(receipts) // 2], receipts[7], receipts[0]):
            assert log.wait(receipt, timeout=5).event.action_id == receipt.action_id


def _lives(part: int) -> list[Any]:
    return [one for number in range(300) for one in life(f"part-{part}-case-{number}")]


def test_the_same_action_submitted_twice_is_refused_the_second_time(url: str) -> None:
    one = action(report(), INTAKE)
    with connect(url) as log:
        first, second = log.wait_many([log.submit(one), log.submit(one)])
        assert first.result == "accepted"
        assert (second.result, second.code) == ("rejected", "duplicate-action")
        assert log.wait(log.submit(action(Assigned(DETECTIVE.id)))).event.number == 3


@pytest.mark.parametrize("between", [0, 100])
def test_a_repetition_tells_how_the_action_was_answered_the_first_time(
    url: str, between: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earlier, "FIRST_STEP", 5)
    refused, accepted = action(Assigned(DETECTIVE.id), SERGEANT, "nobody"), action(report(), INTAKE, "C-1")
    with connect(url) as log:
        log.submit_many([refused, accepted, replace(refused, case_id="another"), refused])
        log.wait_many(log.submit_many([one for number in range(between) for one in life(f"between-{number}")]))
        outcomes = log.wait_many(log.submit_many([refused, accepted, action(report(), INTAKE, "C-2")]))
        assert [one.code for one in outcomes] == ["duplicate-action", "duplicate-action", None]
        firsts = [log.first_answer(one) for one in outcomes]
        assert [(one.result, one.code, one.event.case_id) for one in firsts] == [
            ("rejected", "no-such-case", "nobody"), ("accepted", None, "C-1"), ("accepted", None, "C-2"),
        ]  # fmt: skip
        assert firsts[2] is outcomes[2]
        assert [one.event.number for one in firsts] == [1, 1, 1]


def test_a_first_answer_that_is_not_found_in_time_is_no_answer(url: str) -> None:
    one = action(report(), INTAKE)
    with connect(url) as log:
        _, again = log.wait_many([log.submit(one), log.submit(one)])
        with pytest.raises(LogUnreachable, match="not found in time"):
            log.first_answer(again, timeout=-1)


def test_an_action_submitted_again_after_an_error_doubles_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = action(report(), INTAKE)
    with connect(url) as log:
        append = log.log.append

        def lost(*arguments: Any) -> Any:
            append(*arguments)
            raise LogUnreachable("the answer was lost on its way")

        with monkeypatch.context() as patched:
            patched.setattr(log.log, "append", lost)
            with pytest.raises(LogUnreachable):
                log.submit(one)
        outcome = log.wait(log.submit(one))
        assert (outcome.result, outcome.code) == ("rejected", "duplicate-action")
        first = log.log.read_one(Topic.EVENTS, outcome.event.partition, 0)
        assert first is not None
        assert first.value is not None and one.action_id in first.value


def test_without_a_recorder_the_outcome_is_pending_and_the_same_receipt_finds_it_later(url: str) -> None:
    with connect(url) as log:
        receipt = log.submit(action(report(), INTAKE))
        recorder, log._recorder = log._recorder, None
        began = time.monotonic()
        with pytest.raises(
            OutcomePending, match=r"has no outcome after 0.3 s; it is in the log.*is a recorder running"
        ):
            log.wait(receipt, timeout=0.3)
        assert time.monotonic() - began < 1
        log._recorder = recorder
        assert log.wait(receipt).result == "accepted"


def test_where_a_receipt_cannot_be_looked_up_the_outcome_is_pending_still(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(*_: object) -> None:
        raise LogUnreachable("no answer from the brokers")

    with connect(url) as log:
        receipt = log.submit(action(report(), INTAKE))
        log._recorder = None
        monkeypatch.setattr(log.log, "read_one", no_answer)
        with pytest.raises(OutcomePending, match=r"has taken it, and could not be asked .*no answer from the brokers"):
            log.wait(receipt, timeout=0)


def test_a_pending_outcome_is_counted_with_the_others_that_are(url: str) -> None:
    with connect(url) as log:
        receipts = log.submit_many(life("C-1"))
        log._recorder = None
        with pytest.raises(OutcomePending, match=r"\(and 5 others\)"):
            log.wait_many(receipts, timeout=0)


WRONG = {
    "an action id of 15 bytes": lambda one: replace(one, action_id=bytes(15)),
    "a time without a zone": lambda one: replace(one, occurred_at=datetime(2026, 3, 2)),  # noqa: DTZ001
    "no time": lambda one: replace(one, occurred_at=cast(Any, None)),
    "a case id that is a number": lambda one: replace(one, case_id=cast(Any, 7)),
    "half a surrogate": lambda one: replace(one, case_id="C-\ud800"),
    "no actor": lambda one: replace(one, actor=cast(Any, None)),
    "no body": lambda one: replace(one, body=cast(Any, None)),
    "a number for a code": lambda one: replace(one, body=report(channel=5)),
    "a number that no long holds": lambda one: replace(one, body=report(offences=(OffenceAlleged(cast(Any, 2**70)),))),
    "no action": lambda one: cast(Any, "an action"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_encoded_is_refused_before_anything_is_sent(url: str, what: str) -> None:
    one = action(report(), INTAKE)
    with connect(url) as log:
        with pytest.raises(SubmissionRefused, match=r"^action 2 .* cannot be encoded.*nothing was sent"):
            log.submit_many([one, WRONG[what](one)])
        assert sum(log.log.end_offsets(Topic.ACTIONS).values()) == 0


def test_an_action_that_is_too_large_is_refused_before_anything_is_sent(url: str) -> None:
    large = action(report(report_number="x" * ACTION_BYTES), INTAKE)
    with connect(url) as log:
        with pytest.raises(SubmissionRefused, match=f"{ACTION_BYTES} are allowed; nothing was sent"):
            log.submit_many([action(report(), INTAKE), large])
        assert sum(log.log.end_offsets(Topic.ACTIONS).values()) == 0


def test_a_refusal_does_not_repeat_what_the_action_holds(url: str) -> None:
    with connect(url) as log, pytest.raises(SubmissionRefused) as refused:
        log.submit(action(report(channel=cast(Any, ["Jane Doe"])), INTAKE))
    assert "Jane" not in str(refused.value)


def test_a_receipt_of_another_log_is_not_waited_for(url: str, tmp_path: Path) -> None:
    other = f"sqlite:{tmp_path / 'other.db'}"
    init_log(other).close()
    with connect(url) as log:
        receipt = log.submit(action(report(), INTAKE))
    with connect(other) as log, pytest.raises(ReceiptContradicted, match="of the log 'kcpd', not of 'other'"):
        log.wait(receipt)


def test_a_receipt_shows_that_the_history_was_replaced(url: str, tmp_path: Path) -> None:
    replaced = f"sqlite:{tmp_path / 'replaced.db'}"
    init_log(replaced, name="kcpd", partitions=3).close()
    with connect(url) as log:
        receipt = log.submit(action(report(), INTAKE))
    with connect(replaced) as log:
        log.submit(action(report(report_number="R-2"), INTAKE))
        with pytest.raises(ReceiptContradicted, match="replaced"):
            log.wait(receipt)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"offset": 1}, "holds nothing at"),
        ({"offset": 10**12}, "holds nothing at"),
        ({"offset": -5}, "has no such place as"),
        ({"partition": 3}, "has no such place as"),
        ({"partition": -1}, "has no such place as"),
    ],
)
def test_a_receipt_for_what_the_log_does_not_hold_is_not_said_to_be_in_it(
    url: str, change: dict[str, Any], what: str
) -> None:
    with connect(url) as log:
        receipt = replace(log.submit(action(report(), INTAKE)), **change)
        with pytest.raises(ReceiptContradicted, match=f"{what} partition.*tell an auditor"):
            log.wait(receipt, timeout=0.1)


def test_a_receipt_of_an_unanswered_action_shows_that_the_history_was_replaced(url: str, tmp_path: Path) -> None:
    with connect(url) as log:
        receipt = log.submit(action(report(), INTAKE))
        log._recorder = None
        for _ in range(2):
            with pytest.raises(OutcomePending):
                log.wait(receipt, timeout=0)
        with pytest.raises(ReceiptContradicted, match="holds another action at"):
            log.wait(replace(receipt, action_hash=bytes(32)), timeout=0)


def test_the_trace_context_goes_on_to_the_event(url: str) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with connect(url) as log:
        outcome = log.wait(log.submit(action(report(), INTAKE), traceparent=parent))
        event = log.log.read_one(Topic.EVENTS, outcome.event.partition, outcome.offset)
    assert event is not None
    assert event.headers == (("traceparent", parent.encode()),)


@pytest.mark.parametrize(
    "text", ["", "x" * 1_000_001, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", "00-" + "é" * 52, "0" * 55]
)
def test_a_trace_context_that_is_none_is_refused_before_anything_is_sent(url: str, text: str) -> None:
    with connect(url) as log:
        with pytest.raises(SubmissionRefused, match=r"no traceparent.*nothing was sent") as refused:
            log.submit(action(report(), INTAKE), traceparent=text)
        assert len(str(refused.value)) < 200
        assert sum(log.log.end_offsets(Topic.ACTIONS).values()) == 0


def test_many_may_come_from_a_generator(url: str) -> None:
    actions = life("C-1")
    with connect(url) as log:
        receipts = log.submit_many(one for one in actions)
        outcomes = log.wait_many(one for one in receipts)
    assert [one.event.action_id for one in outcomes] == [one.action_id for one in actions]


@pytest.mark.parametrize("timeout", [None, float("inf"), 1e300])
def test_a_timeout_may_be_none_or_without_end(url: str, timeout: float | None) -> None:
    with connect(url) as log:
        outcome = log.wait(log.submit(action(report(), INTAKE), timeout=timeout), timeout=timeout)
        assert log.first_answer(outcome, timeout=timeout).result == "accepted"


def test_whatever_goes_wrong_with_the_log_is_one_kind_of_error() -> None:
    for name in publishing.__all__:
        kind = getattr(publishing, name)
        if isinstance(kind, type) and issubclass(kind, Exception):
            assert issubclass(kind, LogError), name
    assert issubclass(OutcomePending, TimeoutError)


def test_a_log_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogMissing, match="casetrail log init"):
        connect(f"sqlite:{tmp_path / 'none.db'}")
    with pytest.raises(BadAddress, match="write sqlite:PATH or kafka:"):
        connect("postgresql://localhost/kcpd")


def test_brokers_that_are_not_there_are_named_soon() -> None:
    began = time.monotonic()
    with pytest.raises(LogUnreachable, match=r"127\.0\.0\.1:9, |127\.0\.0\.1:9 "):
        connect("kafka://127.0.0.1:9/kcpd")
    assert time.monotonic() - began < 15


def test_a_locked_log_is_unreachable_within_the_timeout(url: str) -> None:
    with connect(url) as holder, connect(url) as log:
        database = cast(Any, holder.log).database
        database.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(LogUnreachable, match="another process"):
            log.submit(action(report(), INTAKE), timeout=0.5)
        assert time.monotonic() - began < 3
        database.execute("ROLLBACK")
        assert log.submit(action(report(), INTAKE)).offset == 0


def test_a_closed_connection_says_so(url: str) -> None:
    log = connect(url)
    receipt = log.submit(action(report(), INTAKE))
    log.close()
    assert isinstance(log, Connection)
    with pytest.raises(LogUnreachable, match="has been closed"):
        log.wait(receipt)
    with pytest.raises(LogUnreachable, match="has been closed"):
        log.submit(action(report(), INTAKE))
