"""The outcome of a submission: the one pure function that recorder, replay and audit share.

From the case as its earlier events left it, and the record of ``LOG.actions``, follow the bytes of the event, and
nothing else does: no clock, no chance, no environment.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from casetrail.domain.actions import Action, Body, SubmissionUnreadable
from casetrail.domain.case import Case
from casetrail.domain.deciding import Decide, deciding_by
from casetrail.domain.rules import RULE_SET, Refused
from casetrail.domain.values import ID_LETTERS, at_millis, is_id
from casetrail.eventlog.codec import Event, Unreadable, decode_event, encode_event, event_of, read_action
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.hashing import NO_HASH, leaf_hash
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Record

KEPT_KEY_BYTES: Final = 1024
NO_ACTION_ID: Final = bytes(16)
ALTERED: Final = "the history was altered or is incomplete; run 'casetrail audit replay' on a trusted copy"

FORGED: Final = (KeyError, Refused)
"""What folding raises where something was accepted that rests on what the case has not had, which no rule lets pass."""

_moment = lru_cache(1024)(at_millis)  # the log stamps many records with the same time


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
    return _home(record.key or b"", record.partition, partitions)[0]


def _home(key: bytes, partition: int, partitions: int) -> tuple[str, str | None]:
    """The case to which a record with this key belongs, and None; or the stray id, and why: a code of ``UNREADABLE``."""
    text = key.decode(errors="replace") if len(key) <= ID_LETTERS else ""  # so that nothing long is remembered
    if not is_id(text):
        return stray_id(partition), "bad-key"
    if partition_for(key, partitions) != partition:
        return stray_id(partition), "wrong-partition"
    return text, None


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
    case, (partition, offset, appended_at, _, value, _) = history.case, record
    recorded_at = _moment(appended_at)
    action, body, ending = _decided(case, record, partitions, recorded_at, deciding_by(rule_set))
    if action is None:
        action_id, occurred_at, actor, imported = NO_ACTION_ID, None, None, None
    else:
        action_id, occurred_at, actor, imported = action.action_id, action.occurred_at, action.actor, action.imported
    event = event_of((
        leaf_hash(value or b""), history.last_hash, action_id, case.version + 1, partition, offset, recorded_at,
        case.id, log, rule_set, occurred_at, actor, imported, body,
    ))  # fmt: skip
    return Outcome(event, encode_event(event, ending), action)


def bring_on(history: History, outcome: Outcome) -> None:
    """Bring ``history`` on by the outcome that was made for it."""
    event = outcome.event
    history.case.fold(event.number, event.recorded_at, outcome.action, event.body)
    history.last_hash = leaf_hash(outcome.value)


def _decided(
    case: Case, record: Record, partitions: int, recorded_at: datetime, decide: Decide
) -> tuple[Action | None, Body, bytes | None]:
    """The action, the body that answers it, and how the event ends where that is the submitter's own."""
    try:
        if code := _home(record.key or b"", record.partition, partitions)[1]:
            raise Unreadable(code)
        action, ending = read_action(record.value)
    except Unreadable as unreadable:
        value = record.value or b""
        key = (record.key or b"")[:KEPT_KEY_BYTES]
        return None, SubmissionUnreadable(unreadable.code, len(value), key, value[:ACTION_BYTES]), None
    body = decide(case, action, recorded_at, case.id)
    return action, body, ending if body is action.body else None


def follow(history: History, record: Record) -> Event:
    """Bring ``history`` on by a stored event of its case, and return it.

    Raises ``ChainBroken`` where number or hash do not fit what came before, where it is no event, and where it was accepted
    against every rule.
    """
    case = history.case
    event = follows(case.id, case.version, history.last_hash, record)
    try:
        case.fold(event.number, event.recorded_at, event.action(), event.body)
    except FORGED as error:
        raise forged(case.id, f"event {event.number}") from error
    history.last_hash = leaf_hash(record.value or b"")
    return event


def forged(case_id: str, what: str) -> ChainBroken:
    """The error for what folding has raised (``FORGED``) in a case."""
    return ChainBroken(f"{what} of case {case_id} rests on something that the case never had: {ALTERED}")


def follows(case_id: str, number: int, last_hash: bytes, record: Record) -> Event:
    """The stored event that follows event ``number`` of a case, whose leaf hash that is; nothing is folded.

    Raises ``ChainBroken`` where it does not follow, or is no event.
    """
    place = f"partition {record.partition}, offset {record.offset}"
    try:
        event = decode_event(record.value)
    except Unreadable as error:
        raise ChainBroken(f"the record at {place} of the events is no event ({error}): {ALTERED}") from error
    if event.number != number + 1 or event.previous_hash != last_hash or event.case_id != case_id:
        raise ChainBroken(f"event at {place} does not follow event {number} of case {case_id}: {ALTERED}")
    return event
