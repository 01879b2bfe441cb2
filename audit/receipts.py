"""What a receipt is worth: whether the log holds the submission, what became of it, and that it cannot be taken back.

The proof of a receipt is a file of c2sp.org/tlog-proof whose leaf is the event that answers the submission. The event
itself stands in the file's ``extra``, as JSON, with the times at which the log says it was recorded and included: nobody
has signed ``extra``, but the event there is the leaf, and the leaf is proven.
"""

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from casetrail.audit.believed import first_believed, not_counted, witnessed_at
from casetrail.audit.export import events_of
from casetrail.audit.publication.leaves import Cursor
from casetrail.domain.actions import ActionRejected, SubmissionUnreadable
from casetrail.domain.case import Case, Recorded
from casetrail.domain.values import at_millis, iso
from casetrail.eventlog.codec import Event, Unreadable, decode_event
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.headers import read_header
from casetrail.eventlog.outcome import ChainBroken, History, follow, stray_id
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.proofs.errors import ProofInvalid
from casetrail.proofs.logtree import LogTree, TreeContradicted
from casetrail.proofs.note import from_base64, parse_note
from casetrail.proofs.policy import Policy, Standing
from casetrail.proofs.prooffile import TlogProof

Progress = Callable[[int], None]
UNACCEPTED: Final = {ActionRejected: "rejected", SubmissionUnreadable: "unreadable"}


class ReceiptDenied(LogError):
    """The log denies what the receipt says: the action is not there, is another one, or was passed over."""

    code = "receipt-denied"


class NotProvenYet(LogError):
    """The log holds the submission, and has come no further with it yet."""

    code = "not-proven-yet"


class Submission(Protocol):
    """A receipt, as ``casetrail.publishing`` gives it."""

    @property
    def log(self) -> str: ...
    @property
    def case_id(self) -> str: ...
    @property
    def action_id(self) -> bytes: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def appended_at(self) -> int: ...
    @property
    def action_hash(self) -> bytes: ...
    @property
    def promised_by(self) -> datetime: ...


class Answered(NamedTuple):
    """What became of a submission: ``accepted``, ``rejected`` or ``unreadable``; for the last two, the code that says why."""

    result: str
    code: str | None
    event: Event


class Proven(NamedTuple):
    """The answer, and what the proof says of it.

    ``recorded_at`` and ``included_at`` are what the log said when the proof was made (None: nothing). ``witnessed_at`` is
    when the policy's quorum had cosigned, by the witnesses' own signed word; None where the policy needs no witness.
    """

    answered: Answered
    leaf: int
    standing: Standing
    recorded_at: datetime | None
    included_at: datetime | None
    witnessed_at: datetime | None

    def is_late(self, promised_by: datetime) -> bool:
        """Whether inclusion came after what was promised, by the log's word or by the witnesses'."""
        return any(at is not None and at > promised_by for at in (self.included_at, self.witnessed_at))


# --- with the log ---


def check_submitted(log: Log, receipt: Submission) -> None:
    """Whether the log still holds the very action that the receipt is for. Raises ``ReceiptDenied``, ``LogUnreachable``."""
    where = f"partition {receipt.partition}, offset {receipt.offset} of the actions of '{receipt.log}'"
    known = 0 <= receipt.partition < log.partitions
    record = log.read_one(Topic.ACTIONS, receipt.partition, receipt.offset) if known else None
    if record is None:
        raise ReceiptDenied(
            f"the log holds nothing at {where}, where the receipt says it took the action in: its history was cut off or "
            "replaced, or it is another log"
        )
    if leaf_hash(record.value or b"") != receipt.action_hash or record.appended_at != receipt.appended_at:
        raise ReceiptDenied(
            f"the log holds another action at {where} than the receipt is for: its history was altered or replaced, or it is "
            "another log"
        )


def find_answer(log: Log, receipt: Submission, progress: Progress | None = None) -> Record | None:
    """The event that answers the action, by reading its whole partition; None while the recorder has not come to it.

    Raises ``ReceiptDenied`` where later actions have been answered and this one has not.
    """
    last, end = -1, log.end_offsets(Topic.EVENTS)[receipt.partition]
    cursor = Cursor(log, Topic.EVENTS, receipt.partition, 0)
    try:
        for count, record in enumerate(cursor.until(end), 1):
            try:
                _, _, offset, _, _ = read_header(record.value)
            except Unreadable:
                continue
            if offset == receipt.offset:
                return record
            last = max(last, offset)
            if progress is not None and count % 1000 == 0:
                progress(1000)
    finally:
        cursor.close()
    if last > receipt.offset:
        raise ReceiptDenied(
            f"the log took the action in at {iso(at_millis(receipt.appended_at))} and never answered it, though it has "
            f"answered later ones in the same partition, up to offset {last}: it was passed over"
        )
    return None


def answered_by(receipt: Submission, value: bytes) -> Answered:
    """The answer in an event's bytes. Raises ``ProofInvalid`` where that answers something else than the receipt is for."""
    try:
        event = decode_event(value)
    except Unreadable as error:
        raise ProofInvalid(f"the event is none: {error}") from error
    unread = isinstance(event.body, SubmissionUnreadable)
    same = {
        "action": event.action_hash == receipt.action_hash,
        "log": event.log == receipt.log,
        "place": (event.partition, event.action_offset) == (receipt.partition, receipt.offset),
        "time of submission": event.recorded_at == at_millis(receipt.appended_at),
        "case": event.case_id == receipt.case_id or (unread and event.case_id == stray_id(receipt.partition)),
        "action id": event.action_id == receipt.action_id or unread,
    }
    different = [what for what, holds in same.items() if not holds]
    if different:
        raise ProofInvalid(
            f"the event answers another submission than the receipt is for; different: {', '.join(different)}"
        )
    code = event.body.code if isinstance(event.body, ActionRejected | SubmissionUnreadable) else None
    return Answered(UNACCEPTED.get(type(event.body), "accepted"), code, event)


def prove(tree: LogTree, policy: Policy, receipt: Submission, event: Record) -> TlogProof:
    """The proof of the event that answers the submission, under the first checkpoint with the policy's quorum.

    Raises ``NotProvenYet`` while there is none, ``ProofInvalid`` where the event answers something else,
    ``TreeContradicted`` where it is not the one that a checkpoint covers.
    """
    value = event.value or b""
    answered_by(receipt, value)
    index = tree.index_of(event.partition, event.offset, leaf_hash(value))
    if index is None:
        raise NotProvenYet("the action was recorded, and no checkpoint covers that yet")
    believed = first_believed(tree, policy, index)
    if believed is None:
        raise NotProvenYet(
            "a checkpoint covers the event, and the policy's witnesses have not cosigned one that does yet"
            + _not_counted(tree, policy, index)
        )
    size, included_at = believed.sealed.size, at_millis(believed.sealed.appended_at)
    extra = _extra(value, at_millis(event.appended_at), included_at)
    return TlogProof(index, tuple(tree.inclusion(index, size)), parse_note(believed.note), extra)


def _not_counted(tree: LogTree, policy: Policy, index: int) -> str:
    sealed = tree.file.covering(index)
    return "" if sealed is None else not_counted(tree, sealed, policy)


def check_agrees(tree: LogTree, proof: TlogProof) -> None:
    """Whether the log's tree still begins with the one that the proof was made under. Raises ``TreeContradicted``."""
    was = proof.checkpoint
    if not tree.begins_with(was.size, was.root):
        raise TreeContradicted(
            f"the log shows another history now than when the proof was made, which is under a checkpoint of {was.size} "
            "leaves: keep receipt and proof, they are evidence"
        )


def events_now(log: Log, case_id: str, progress: Progress | None = None) -> tuple[Case, list[tuple[Recorded, bytes]]]:
    """The case as the log's events leave it, and these events, each with its leaf hash.

    Raises ``ChainBroken`` where one does not follow from the one before.
    """
    history, events = History.empty(case_id), list[tuple[Recorded, bytes]]()
    for record in events_of(log, case_id, progress):
        try:
            events.append((follow(history, record).recorded(), leaf_hash(record.value or b"")))
        except Unreadable as error:
            raise ChainBroken(
                f"the event at partition {record.partition}, offset {record.offset} of case {case_id} cannot be read: {error}"
            ) from error
    return history.case, events


# --- without it ---


def check_proof(receipt: Submission, proof: TlogProof, policy: Policy) -> Proven:
    """Check that a witnessed checkpoint covers an event that answers exactly the submission. Needs no log.

    Raises ``ProofInvalid``, ``NoteInvalid``.
    """
    value, recorded_at, included_at = _read_extra(proof.extra)
    standing = proof.check(policy, leaf_hash(value))
    answered = answered_by(receipt, value)
    return Proven(answered, proof.index, standing, recorded_at, included_at, witnessed_at(policy, proof.note))


def _extra(event: bytes, recorded_at: datetime, included_at: datetime) -> bytes:
    made = {"event": b64encode(event).decode(), "recorded_at": iso(recorded_at), "included_at": iso(included_at)}
    return json.dumps(made, separators=(",", ":")).encode()


def _read_extra(extra: bytes | None) -> tuple[bytes, datetime | None, datetime | None]:
    try:
        plain = json.loads(extra or b"")
        times = [_moment(plain.get(name)) for name in ("recorded_at", "included_at")]
        return from_base64(plain["event"]), times[0], times[1]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ProofInvalid(
            "the proof does not have the event in its extra data, so it says nothing to a receipt"
        ) from error


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment
