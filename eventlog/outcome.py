"""The outcome of a submission: the one pure function that recorder, replay and audit share.

From the case as its earlier events left it, and the record of ``LOG.actions``, follow the bytes of the event, and
nothing else does: no clock, no chance, no environment.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from casetrail.domain.actions import Action, Body, SubmissionUnreadable
from casetrail.domain.case import Case
from casetrail.domain.deciding import Decide, deciding_by
from casetrail.domain.rules import RULE_SET
from casetrail.domain.values import at_millis, is_id
from casetrail.eventlog.codec import Event, Unreadable, decode_event, encode_event, read_action
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.hashing import NO_HASH, leaf_hash
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Record

KEPT_KEY_BYTES: Final = 1024
NO_ACTION_ID: Final = bytes(16)


class ChainBroken(LogError):
    """An event does not follow from the one before it in its case: altered, removed, or not written by a recorder."""

    code = "chain-broken"


@dataclass
class History:
    """A case as its events left it, and the leaf hash of the last of them."""

    case: Case
    last_hash: bytes = NO_HASH

    @classmethod
    def empty(cls, case_id: str) -> "History":
        """The history of a case without events."""
        return cls(Case.unreported(case_id))


def stray_id(partition: int) -> str:
    """Under this id a partition keeps submissions that belong to no case. No case can have such an id."""
    return f"~stray.{partition}"


def case_of(record: Record, partitions: int) -> str:
    """The id of the case in whose history the answer to this record of ``LOG.actions`` stands."""
    return stray_id(record.partition) if _misplaced(record, partitions) else (record.key or b"").decode()


def _misplaced(record: Record, partitions: int) -> str | None:
    """Why a record belongs to no case's history: a code of ``UNREADABLE``, or None."""
    try:
        key = (record.key or b"").decode()
    except UnicodeDecodeError:
        return "bad-key"
    if not is_id(key):
        return "bad-key"
    return None if partition_for(key.encode(), partitions) == record.partition else "wrong-partition"


def answer(history: History, record: Record, log: str, partitions: int, rule_set: int = RULE_SET) -> bytes:
    """The event that answers ``record``, as the bytes to store; ``history`` (of ``case_of`` the record) is brought on.

    Never raises for what a submission holds: that is what ``ActionRejected`` and ``SubmissionUnreadable`` are for.
    Raises ``UnknownRuleSet`` where nobody knows the rules to decide by.
    """
    made = outcome_of(history, record, log, partitions, rule_set)
    bring_on(history, made)
    return made.value


class Outcome(NamedTuple):
    """What answers a record of ``LOG.actions``: the event, its bytes, and the action (None: it cannot be read)."""

    event: Event
    value: bytes
    action: Action | None


def outcome_of(history: History, record: Record, log: str, partitions: int, rule_set: int = RULE_SET) -> Outcome:
    """The same as ``answer``, but ``history`` stays as it is: for whoever compares before going on."""
    case = history.case
    recorded_at = at_millis(record.appended_at)
    action, body, body_bytes = _decided(case, record, partitions, deciding_by(rule_set))
    event = Event(
        action_hash=leaf_hash(record.value or b""),
        previous_hash=history.last_hash,
        action_id=NO_ACTION_ID if action is None else action.action_id,
        number=case.version + 1,
        partition=record.partition,
        action_offset=record.offset,
        recorded_at=recorded_at,
        case_id=case.id,
        log=log,
        rule_set=rule_set,
        occurred_at=None if action is None else action.occurred_at,
        actor=None if action is None else action.actor,
        imported=None if action is None else action.imported,
        body=body,
    )
    return Outcome(event, encode_event(event, body_bytes), action)


def bring_on(history: History, outcome: Outcome) -> None:
    """Bring ``history`` on by the outcome that was made for it."""
    event = outcome.event
    history.case.fold(event.number, event.recorded_at, outcome.action, event.body)
    history.last_hash = leaf_hash(outcome.value)


def _decided(case: Case, record: Record, partitions: int, decide: Decide) -> tuple[Action | None, Body, bytes | None]:
    """The action, the body that answers it, and that body's bytes where they are the submitter's own."""
    try:
        if code := _misplaced(record, partitions):
            raise Unreadable(code)
        action, body_bytes = read_action(record.value)
    except Unreadable as unreadable:
        value = record.value or b""
        key = (record.key or b"")[:KEPT_KEY_BYTES]
        return None, SubmissionUnreadable(unreadable.code, len(value), key, value[:ACTION_BYTES]), None
    body = decide(case, action, at_millis(record.appended_at), case.id)
    return action, body, body_bytes if body is action.body else None


def follow(history: History, record: Record) -> Event:
    """Bring ``history`` on by a stored event of its case, and return it.

    Raises ``ChainBroken`` where number or hash do not fit what came before, ``Unreadable`` where it is no event.
    """
    case = history.case
    event = follows(case.id, case.version, history.last_hash, record)
    case.fold(event.number, event.recorded_at, event.action(), event.body)
    history.last_hash = leaf_hash(record.value or b"")
    return event


def follows(case_id: str, number: int, last_hash: bytes, record: Record) -> Event:
    """The stored event that follows event ``number`` of a case, whose leaf hash that is; nothing is folded.

    Raises ``ChainBroken`` where it does not follow, ``Unreadable`` where it is no event.
    """
    event = decode_event(record.value)
    if event.number != number + 1 or event.previous_hash != last_hash or event.case_id != case_id:
        raise ChainBroken(
            f"event at partition {record.partition}, offset {record.offset} does not follow event {number} of "
            f"case {case_id}: the history was altered or is incomplete; run 'casetrail replay' on a trusted copy"
        )
    return event
