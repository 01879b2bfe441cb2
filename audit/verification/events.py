"""Judging events: does each answer its action, and does it follow in its case?"""

import re
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from casetrail.audit.faults import Fault, Faults, Kind
from casetrail.audit.verification.outline import Writer
from casetrail.domain.actions import ActionRejected, SubmissionUnreadable, kind_of
from casetrail.domain.values import append_time, is_append_time, is_id
from casetrail.eventlog.binary import NotAvro, read_long
from casetrail.eventlog.codec import PREFIX, Event, Unreadable, decode_event, read_action
from casetrail.eventlog.exact import is_exact, is_written_as_now
from casetrail.eventlog.hashing import NO_HASH, leaf_hash
from casetrail.eventlog.headers import ACTION_HASH, NUMBER_AT, PREVIOUS_HASH, Header, read_header
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.outcome import KEPT_KEY_BYTES, NO_ACTION_ID, case_of, stray_id
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Record, Topic

State = tuple[int, bytes]
"""How a case stands: the number of its events, and the leaf hash of the last one."""

STRAY: Final = re.compile(r"~stray\.[0-9]{1,9}", re.ASCII)
"""Under such an id a partition keeps submissions that belong to no case."""

First = tuple[int, bytes, int]
"""An event whose case was not seen before: its number, the hash that it links to, and its offset."""


class Place(NamedTuple):
    """What events are judged by: the log's name and number of partitions, the partition, and see ``Promises.skew``."""

    log: str
    partitions: int
    partition: int
    skew: int


def what_breaks(state: State | None, number: int, previous: bytes) -> tuple[Kind, str] | None:
    """Why an event with this number and link does not follow where its case stands; None where it does."""
    count, last = state or (0, NO_HASH)
    if number != count + 1:
        return Kind.NUMBER_WRONG, f"event {number} of the case stands behind event {count}"
    if previous != last:
        return Kind.CHAIN_BROKEN, f"event {number} of the case does not link to event {count} as it is stored"
    return None


def named(case_id: str) -> str | None:
    """A case id as a report shows it; None where it is none, and could be anything."""
    return case_id if is_id(case_id) or STRAY.fullmatch(case_id) else None


class Judge:
    """Judges the events of one partition, one after the other, and takes each in as a leaf and into its case.

    After an event that does not follow it goes on from what is recorded. How a case stood before its first event here
    somebody else has to know: that event is in ``firsts``.
    """

    def __init__(self, place: Place, faults: Faults) -> None:
        self._place, self.faults = place, faults
        self._writer = Writer(place.log, place.partition)
        self._is_answer = self._writer.is_answer
        self.counts: Counter[str] = Counter()
        """Outcomes: ``accepted``, ``rejected``, ``unreadable``."""
        self.schemas: set[bytes] = set()
        """The beginnings of the values of events, and of the actions that were accepted."""
        self._earlier: dict[bytes, State] = {}
        self._begin()

    def _begin(self) -> None:
        self.leaves: list[bytes] = []
        self.changes: dict[bytes, State] = {}
        self.firsts: dict[bytes, First] = {}

    def next_piece(self) -> None:
        """Begin to collect anew; how the cases stand stays known."""
        self._earlier |= self.changes
        self._begin()

    # --- events as almost all of them are ---

    def in_step(self, events: Sequence[Record], actions: Sequence[Record]) -> int:
        """Judge events, each with the action beside it, up to one that answers another action; how many were judged."""
        done = right = accepted = 0
        for event, action in zip(events, actions, strict=False):
            outcome = self._right(event, action)
            if outcome is not None:
                right += 1
                accepted += outcome
            elif not self.answer(event, action):
                break
            done += 1
        if right:
            self.schemas.update(half for pair in self._writer.pairs for half in (pair[:PREFIX], pair[PREFIX:]))
            self.counts["accepted"] += accepted
            self.counts["rejected"] += right - accepted
        return done

    def _right(self, event: Record, action: Record) -> bool | None:
        """Take in an event that is just what a recorder writes: whether it accepts the action. None: it is not."""
        _, offset, at, key, value, _ = event
        _, asked_offset, asked_at, asked_key, asked, _ = action
        if key is None or key != asked_key or value is None or asked is None or at < asked_at:
            return None
        state, first = self.changes.get(key) or self._earlier.get(key), None
        if state is None:
            first = self._first(key, value, offset)
            if first is None:
                return None
            state = first[0] - 1, first[1]
        number = state[0] + 1
        accepted = self._is_answer(value, asked, asked_offset, asked_at, key, number, state[1])
        if accepted is None:
            return None
        if first is not None:
            self.firsts[key] = first
        leaf = sha256(b"\x00" + value).digest()  # as leaf_hash, without the cost of a call
        self.leaves.append(leaf)
        self.changes[key] = number, leaf
        return accepted

    def _first(self, key: bytes, value: bytes, offset: int) -> First | None:
        try:
            number, _ = read_long(value, NUMBER_AT)
            known = number > 0 and self._is_here(key.decode())
        except (NotAvro, UnicodeDecodeError):
            return None
        return (number, value[PREVIOUS_HASH], offset) if known else None

    def _is_here(self, case_id: str) -> bool:
        """Whether a case of that id belongs to this partition."""
        place = self._place
        if not is_id(case_id):
            return case_id == stray_id(place.partition)
        return partition_for(case_id.encode(), place.partitions) == place.partition

    # --- events that have to be looked at closely ---

    def answer(self, event: Record, action: Record) -> bool:
        """Judge an event that answers this action; False where it answers another one, or is none."""
        try:
            header = read_header(event.value)
        except Unreadable:
            return False
        if header[2] != action.offset:
            return False
        self._follow(event, header)
        self._compare(event, header, action)
        return True

    def alone(self, event: Record, kind: Kind | None, found: str = "") -> None:
        """Judge an event that answers no action which could be shown to it. That is a fault of this kind, or none."""
        try:
            header = read_header(event.value)
        except Unreadable as error:
            self.leaves.append(leaf_hash(event.value or b""))
            self._fault(Kind.EVENT_UNREADABLE, event, None, error.code)
            return
        self._follow(event, header)
        self._decoded(event, header)
        if kind is not None:
            self._fault(kind, event, header[4], found)

    def passed_over(self, action: Record) -> None:
        """No event has answered an action when it was its turn."""
        place = Topic.ACTIONS, action.partition, action.offset, case_of(action, self._place.partitions)
        self.faults.add(Fault(Kind.ACTION_UNANSWERED, "no event answers it in its turn", *place))

    def _follow(self, event: Record, header: Header) -> None:
        number, partition, _, _, case_id = header
        value, key = event.value or b"", case_id.encode()
        previous = value[PREVIOUS_HASH]
        state = self.changes.get(key) or self._earlier.get(key)
        if state is None:
            self.firsts[key] = number, previous, event.offset
        elif wrong := what_breaks(state, number, previous):
            self._fault(wrong[0], event, case_id, wrong[1])
        leaf = leaf_hash(value)
        self.leaves.append(leaf)
        self.changes[key] = number, leaf
        if event.key != key:
            self._fault(Kind.KEY_DIFFERS, event, case_id, "the key is another one")
        if partition != self._place.partition:
            self._fault(Kind.CASE_MISPLACED, event, case_id, f"the event names partition {partition}")
        elif not self._is_here(case_id):
            self._fault(Kind.CASE_MISPLACED, event, case_id, "no case of this id belongs to this partition")

    def _compare(self, event: Record, header: Header, action: Record) -> None:
        recorded, case_id = header[3], header[4]
        early = action.appended_at - event.appended_at
        asked_at = append_time(action.appended_at)
        if early > self._place.skew and is_append_time(action.appended_at) and is_append_time(event.appended_at):
            self._fault(Kind.EVENT_BEFORE_ACTION, event, case_id, f"{early / 1000:.3f} s before action {action.offset}")
        if recorded != asked_at:
            found = f"{(recorded - asked_at) / 1000:+.3f} s from the append time of action {action.offset}"
            self._fault(Kind.TIME_DIFFERS, event, case_id, found)
        if case_of(action, self._place.partitions) != case_id:
            self._fault(Kind.CASE_DIFFERS, event, case_id, f"action {action.offset} is of another case")
        stored = self._decoded(event, header)
        if (event.value or b"")[ACTION_HASH] != leaf_hash(action.value or b""):
            self._fault(Kind.ACTION_DIFFERS, event, case_id, f"the hash of action {action.offset} is another one")
        elif stored is not None and (differs := self._differs(stored, action)):
            self._fault(Kind.CONTENT_DIFFERS, event, case_id, f"{differs}: not as in action {action.offset}")
        elif stored is not None and is_written_as_now(event.value or b"") and not is_exact(event.value or b"", stored):
            self._fault(Kind.CONTENT_DIFFERS, event, case_id, "bytes that libraries could read differently")

    def _decoded(self, event: Record, header: Header) -> Event | None:
        try:
            stored = decode_event(event.value)
        except Unreadable as error:
            self._fault(Kind.EVENT_UNREADABLE, event, header[4], error.code)
            return None
        self.schemas.add((event.value or b"")[:PREFIX])
        if stored.log != self._place.log:
            self._fault(Kind.LOG_DIFFERS, event, stored.case_id, "the event names another log")
        self._writer.judge_by(stored.rule_set)
        body = stored.body
        unreadable, rejected = isinstance(body, SubmissionUnreadable), isinstance(body, ActionRejected)
        self.counts["unreadable" if unreadable else "rejected" if rejected else "accepted"] += 1
        return stored

    def _differs(self, stored: Event, action: Record) -> str:
        """What an event says otherwise than the submission that it answers: names of fields, '' for nothing."""
        value, body = action.value or b"", stored.body
        if isinstance(body, SubmissionUnreadable):
            kept = (len(value), (action.key or b"")[:KEPT_KEY_BYTES], value[:ACTION_BYTES])
            said = (body.size, body.key, body.value)
            bare = (stored.action_id, stored.occurred_at, stored.actor, stored.imported)
            return "" if said == kept and bare == (NO_ACTION_ID, None, None, None) else "the submission's bytes"
        try:
            asked, _ = read_action(action.value)
        except Unreadable:
            return "the whole event (the submission cannot be read)"
        names = ["action_id", "occurred_at", "actor", "imported"]
        differing = [name for name in names if getattr(stored, name) != getattr(asked, name)]
        if isinstance(body, ActionRejected):
            same = body.kind == kind_of(asked.body)
        else:
            self.schemas.add(value[:PREFIX])
            same = body == asked.body and stored.case_id == asked.case_id
        return ", ".join(differing if same else [*differing, "body"])

    def _fault(self, kind: Kind, event: Record, case_id: str | None, found: str) -> None:
        shown = None if case_id is None else named(case_id)
        self.faults.add(Fault(kind, found, Topic.EVENTS, event.partition, event.offset, shown))
