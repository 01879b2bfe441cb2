"""A receipt shows what became of a submission, or that nothing did, whoever runs the log."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casetrail.audit.receipts import (
    NotProvenYet,
    ReceiptDenied,
    answered_by,
    check_agrees,
    check_proof,
    check_submitted,
    events_now,
    find_answer,
    prove,
)
from casetrail.domain.actions import Action
from casetrail.domain.assignment import Assigned
from casetrail.domain.status import Status
from casetrail.domain.values import at_millis
from casetrail.eventlog.codec import decode_event, encode_action, encode_event
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.outcome import KEPT_KEY_BYTES, ChainBroken, History, outcome_of
from casetrail.eventlog.port import Entry, Log, Record, Topic
from casetrail.proofs.errors import ProofInvalid
from casetrail.proofs.logtree import LogTree, TreeContradicted
from casetrail.proofs.note import Note
from casetrail.proofs.policy import Policy
from casetrail.proofs.prooffile import TlogProof, parse_proof
from casetrail.publishing import Receipt, ReceiptInvalid
from tests.actions import SERGEANT, action, life
from tests.audit.witnessing import NO_QUORUM, POLICY, witnesses
from tests.consumers.notarial import fill, notary_of, publish, record, records


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """A log with one partition and some cases."""
    with init_log(f"sqlite:{tmp_path / 'log.db'}", partitions=1) as opened:
        fill(opened, ["C-1", "C-2"])
        yield opened


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.broker)])
def any_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """A log with two partitions, on either adapter."""
    url = f"sqlite:{tmp_path / 'any.db'}" if request.param == "embedded" else request.getfixturevalue("kafka_url")
    with init_log(str(url), partitions=2, replication=1, min_isr=1) as opened:
        fill(opened, ["C-1", "C-2"])
        yield opened


def submit(log: Log, *actions: Action) -> list[Receipt]:
    """Append actions, and do not record them."""
    values = [encode_action(one) for one in actions]
    appended = log.append(
        Topic.ACTIONS, [Entry(one.case_id.encode(), value) for one, value in zip(actions, values, strict=True)]
    )
    return [
        Receipt(log.name, one.case_id, one.action_id, *where, leaf_hash(value))
        for one, value, where in zip(actions, values, appended, strict=True)
    ]


def answer(log: Log, receipt: Receipt) -> Record:
    event = find_answer(log, receipt)
    assert event is not None
    return event


def notarise(log: Log, directory: Path, *names: str, at: datetime | None = None) -> None:
    with notary_of(log, directory / "n", witnesses=witnesses(*names, at=at)) as notary:
        publish(notary)


def proven(log: Log, directory: Path, receipt: Receipt, policy: Policy = POLICY) -> TlogProof:
    with LogTree(log, directory / "tree") as tree:
        tree.follow()
        return prove(tree, policy, receipt, answer(log, receipt))


def test_an_accepted_submission_is_proven_without_the_log(any_log: Log, tmp_path: Path) -> None:
    receipts = submit(any_log, *life("C-3"))
    record(any_log, len(receipts))
    notarise(any_log, tmp_path)
    for number, receipt in enumerate(receipts, 1):
        check_submitted(any_log, receipt)
        written = proven(any_log, tmp_path, receipt).format()
        found = check_proof(Receipt.from_text(receipt.to_text()), parse_proof(written), POLICY)
        assert (found.answered.result, found.answered.code, found.answered.event.number) == ("accepted", None, number)
        assert found.standing.witnesses.keys() == {"clinic", "court"}
        assert found.recorded_at is not None
        assert found.included_at is not None
        assert receipt.submitted_at <= found.recorded_at <= found.included_at
        assert not found.is_late(receipt.promised_by)


def test_any_tool_checks_the_proof_with_the_event_as_the_leaf(log: Log, tmp_path: Path) -> None:
    (receipt,) = submit(log, action(Assigned("det.07"), SERGEANT, "C-1"))
    record(log, 1)
    notarise(log, tmp_path)
    proof = proven(log, tmp_path, receipt)
    event = b64decode(json.loads(proof.extra or b"")["event"])
    assert event == records(log, Topic.EVENTS)[-1].value
    assert proof.check(POLICY, leaf_hash(event)).satisfied


def test_refusals_are_proven_too(log: Log, tmp_path: Path) -> None:
    again = life("C-1")[0]
    receipts = submit(log, again, again)
    garbage = log.append(Topic.ACTIONS, [Entry(b"C-1", b"garbage"), Entry(b"no id at all", b"garbage")])
    receipts += [
        Receipt(log.name, case_id, bytes(16), *where, leaf_hash(b"garbage"))
        for case_id, where in zip(["C-1", "no id at all"], garbage, strict=True)
    ]
    record(log, 4)
    notarise(log, tmp_path)
    found = [check_proof(one, proven(log, tmp_path, one), POLICY).answered for one in receipts]
    assert [(one.result, one.code) for one in found] == [
        ("rejected", "case-exists"), ("rejected", "duplicate-action"), ("unreadable", "not-framed"),
        ("unreadable", "bad-key"),
    ]  # fmt: skip


def test_the_largest_answer_there_can_be_fits_a_proof(log: Log, tmp_path: Path) -> None:
    value, key = bytes(ACTION_BYTES + 1), bytes(2 * KEPT_KEY_BYTES)
    (where,) = log.append(Topic.ACTIONS, [Entry(key, value, 0)])
    receipt = Receipt(log.name, "\x00", bytes(16), *where, leaf_hash(value))
    record(log, 1)
    notarise(log, tmp_path)
    written = proven(log, tmp_path, receipt).format()
    assert check_proof(receipt, parse_proof(written), POLICY).answered.code == "bad-key"


def test_what_has_not_come_far_enough_is_not_proven_yet(log: Log, tmp_path: Path) -> None:
    (receipt,) = submit(log, action(Assigned("det.07"), SERGEANT, "C-1"))
    assert find_answer(log, receipt) is None
    record(log, 1)
    with pytest.raises(NotProvenYet, match="no checkpoint covers"):
        proven(log, tmp_path, receipt)
    notarise(log, tmp_path, "clinic")
    with pytest.raises(NotProvenYet, match="have not cosigned"):
        proven(log, tmp_path, receipt)
    fill(log, ["C-5"])
    notarise(log, tmp_path)
    assert check_proof(receipt, proven(log, tmp_path, receipt), POLICY).standing.checkpoint.size > 13


def test_the_first_checkpoint_that_was_witnessed_counts(log: Log, tmp_path: Path) -> None:
    (receipt,) = submit(log, action(Assigned("det.07"), SERGEANT, "C-1"))
    record(log, 1)
    notarise(log, tmp_path)
    first = proven(log, tmp_path, receipt)
    fill(log, ["C-5"])
    notarise(log, tmp_path)
    assert proven(log, tmp_path, receipt) == first


# --- late ---


def test_late_inclusion_is_measured_by_the_word_of_the_witnesses(log: Log, tmp_path: Path) -> None:
    (receipt,) = submit(log, action(Assigned("det.07"), SERGEANT, "C-1"))
    record(log, 1)
    seen = receipt.submitted_at.replace(microsecond=0) + timedelta(days=2)
    notarise(log, tmp_path, at=seen)
    found = check_proof(receipt, proven(log, tmp_path, receipt), POLICY)
    assert found.witnessed_at == seen
    assert found.is_late(receipt.promised_by)
    assert not found.is_late(replace(receipt, promised_within=3 * 86_400).promised_by)


def test_without_witnesses_the_log_s_own_word_is_what_there_is(log: Log, tmp_path: Path) -> None:
    (receipt,) = submit(log, action(Assigned("det.07"), SERGEANT, "C-1"))
    record(log, 1)
    with notary_of(log, tmp_path / "n") as notary:
        publish(notary)
    proof = proven(log, tmp_path, receipt, NO_QUORUM)
    found = check_proof(receipt, proof, NO_QUORUM)
    assert found.witnessed_at is None
    assert found.included_at == at_millis(records(log, Topic.CHECKPOINTS)[0].appended_at)
    assert found.is_late(receipt.submitted_at - timedelta(seconds=1))
    with pytest.raises(ProofInvalid):
        check_proof(receipt, proof, POLICY)


def test_the_quorum_is_reached_with_the_last_witness_that_it_needs(log: Log, tmp_path: Path) -> None:
    (receipt,) = submit(log, action(Assigned("det.07"), SERGEANT, "C-1"))
    record(log, 1)
    noon = datetime(2031, 1, 1, 12, tzinfo=UTC)
    with notary_of(log, tmp_path / "n", witnesses=witnesses(at=noon, apart=timedelta(hours=1))) as notary:
        publish(notary)
    proof = proven(log, tmp_path, receipt)
    assert check_proof(receipt, proof, POLICY).witnessed_at == noon + timedelta(hours=1)
    either = replace(POLICY, quorum="clinic")
    assert check_proof(receipt, proof, either).witnessed_at == noon


# --- a log that denies ---


def test_a_log_without_the_action_is_convicted_by_the_receipt(log: Log, tmp_path: Path) -> None:
    (receipt,) = submit(log, action(Assigned("det.07"), SERGEANT, "C-1"))
    for changed in (
        replace(receipt, offset=receipt.offset + 1),
        replace(receipt, partition=7),
        replace(receipt, offset=receipt.offset - 1),
        replace(receipt, appended_at=receipt.appended_at - 1),
        replace(receipt, action_hash=bytes(32)),
    ):
        with pytest.raises(ReceiptDenied, match=r"nothing at|another action at"):
            check_submitted(log, changed)
    check_submitted(log, receipt)


def test_an_action_that_was_passed_over_is_said_to_be(log: Log) -> None:
    first, second = submit(
        log, action(Assigned("det.07"), SERGEANT, "C-1"), action(Assigned("det.07"), SERGEANT, "C-2")
    )
    asked = records(log, Topic.ACTIONS)[-1]
    made = outcome_of(History.empty("C-2"), asked, log.name, log.partitions)
    log.append(Topic.EVENTS, [Entry(b"C-2", made.value)])  # a recorder that leaves one case out
    assert find_answer(log, second) is not None
    with pytest.raises(ReceiptDenied, match="passed over"):
        find_answer(log, first)


def test_an_event_that_answers_something_else_proves_nothing(log: Log, tmp_path: Path) -> None:
    (receipt,) = submit(log, action(Assigned("det.07"), SERGEANT, "C-1"))
    record(log, 1)
    notarise(log, tmp_path)
    proof = proven(log, tmp_path, receipt)
    for changed in (
        replace(receipt, action_hash=bytes(32)),
        replace(receipt, log="other"),
        replace(receipt, offset=0),
        replace(receipt, partition=1),
        replace(receipt, appended_at=0),
        replace(receipt, case_id="C-2"),
        replace(receipt, action_id=bytes(16)),
    ):
        with pytest.raises(ProofInvalid, match="answers another submission"):
            check_proof(changed, proof, POLICY)
    check_proof(receipt, proof, POLICY)


def test_a_backdated_event_does_not_answer_the_receipt(log: Log) -> None:
    (receipt,) = submit(log, action(Assigned("det.07"), SERGEANT, "C-1"))
    record(log, 1)
    event = decode_event(answer(log, receipt).value)
    backdated = event._replace(recorded_at=event.recorded_at - timedelta(days=3))
    with pytest.raises(ProofInvalid, match="time of submission"):
        answered_by(receipt, encode_event(backdated))
    with pytest.raises(ProofInvalid, match="the event is none"):
        answered_by(receipt, b"\x00\x00\x00\x00\x00nothing")


def test_a_log_that_was_replaced_is_convicted_by_an_earlier_proof(log: Log, tmp_path: Path) -> None:
    (receipt,) = submit(log, action(Assigned("det.07"), SERGEANT, "C-1"))
    record(log, 1)
    notarise(log, tmp_path)
    proof = proven(log, tmp_path, receipt)
    with LogTree(log, tmp_path / "tree") as tree:
        check_agrees(tree, proof)
    for name, cases in (("short", ["D-1"]), ("long", ["D-1", "D-2", "D-3", "D-4"])):
        with init_log(f"sqlite:{tmp_path / name}.db", name=log.name) as other:
            fill(other, cases)
            notarise(other, tmp_path / name)
            with LogTree(other, tmp_path / name / "tree") as tree, pytest.raises(TreeContradicted, match="evidence"):
                tree.follow()
                check_agrees(tree, proof)


# --- the case ---


def test_the_case_is_folded_from_the_log_alone(log: Log) -> None:
    case, events = events_now(log, "C-1")
    assert case.status is Status.ASSIGNED
    assert case.version == 6
    stored = [one.value or b"" for one in records(log, Topic.EVENTS) if one.key == b"C-1"]
    assert [leaf for _, leaf in events] == [leaf_hash(value) for value in stored]
    assert events_now(log, "C-9")[1] == []
    log.append(Topic.EVENTS, [Entry(b"C-1", records(log, Topic.EVENTS)[0].value)])
    with pytest.raises(ChainBroken):
        events_now(log, "C-1")


# --- whoever touches the files ---


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Receipt, TlogProof]:
    """A receipt and its proof."""
    directory = tmp_path_factory.mktemp("pair")
    with init_log(f"sqlite:{directory / 'log.db'}", partitions=1) as log:
        fill(log, ["C-1", "C-2", "C-3"])
        (receipt,) = submit(log, action(Assigned("det.07"), SERGEANT, "C-1"))
        record(log, 1)
        notarise(log, directory)
        return receipt, proven(log, directory, receipt)


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_a_byte_that_is_changed_in_the_proof_is_refused_or_says_nothing(
    pair: tuple[Receipt, TlogProof], data: st.DataObject
) -> None:
    receipt, proof = pair
    value = proof.format()
    at = data.draw(st.integers(0, len(value) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda one: one != value[at]))
    before = check_proof(receipt, proof, POLICY)
    try:
        after = check_proof(receipt, parse_proof(value[:at] + bytes([byte]) + value[at + 1 :]), POLICY)
    except LogError:
        return
    # what nobody has signed: the times in the extra data, or how it is spelt
    assert at < value.index(b"\nindex")
    assert after._replace(recorded_at=None, included_at=None) == before._replace(recorded_at=None, included_at=None)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_byte_that_is_changed_in_the_receipt_is_refused(pair: tuple[Receipt, TlogProof], data: st.DataObject) -> None:
    receipt, proof = pair
    text = receipt.to_text()
    at = data.draw(st.integers(0, len(text) - 2))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda one: one != text[at]))
    try:
        changed = Receipt.from_text(text[:at] + letter + text[at + 1 :])
    except ReceiptInvalid:
        return
    if at >= text.index("within "):
        return  # nobody has signed what was promised
    with pytest.raises(ProofInvalid):
        check_proof(changed, proof, POLICY)


@pytest.mark.parametrize(
    "extra",
    [None, b"", b"[]", b"{}", b'{"event": 3}', b'{"event": "AAAA"}', b"\xff", b"[" * 100_000,
     b'{"event": "AAAA", "recorded_at": "2026-01-01T00:00:00"}', b'{"event": "AAAA", "recorded_at": 5}'],
)  # fmt: skip
def test_a_proof_without_its_event_says_nothing(pair: tuple[Receipt, TlogProof], extra: bytes | None) -> None:
    receipt, proof = pair
    with pytest.raises(ProofInvalid):
        check_proof(receipt, replace(proof, extra=extra), POLICY)


def test_another_event_in_the_proof_does_not_lead_to_the_root(pair: tuple[Receipt, TlogProof]) -> None:
    receipt, proof = pair
    plain = json.loads(proof.extra or b"")
    event = decode_event(b64decode(plain["event"]))
    forged = encode_event(event._replace(body=Assigned("det.08")))
    plain["event"] = b64encode(forged).decode()
    with pytest.raises(ProofInvalid, match="does not lead"):
        check_proof(receipt, replace(proof, extra=json.dumps(plain).encode()), POLICY)


def test_a_proof_without_its_cosignatures_is_not_enough(pair: tuple[Receipt, TlogProof]) -> None:
    receipt, proof = pair
    alone = Note(proof.note.text, proof.note.signatures[:1])
    with pytest.raises(ProofInvalid, match="quorum"):
        check_proof(receipt, replace(proof, note=alone), POLICY)
