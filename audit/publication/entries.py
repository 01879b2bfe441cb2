"""Judging the entries of a published log, in the order of the tree: what can be said of events without the log.

Whether each event answers its action only the log can tell; that, besides settings and append times, is what is missing here.
"""

import sqlite3
from collections import Counter
from typing import Final

from casetrail.audit.faults import Fault, Faults, Kind
from casetrail.domain.notarized import CheckpointPublished
from casetrail.domain.values import EPOCH, MILLISECOND
from casetrail.eventlog.codec import Unreadable, decode_event
from casetrail.eventlog.hashing import NO_HASH
from casetrail.eventlog.headers import PREVIOUS_HASH, read_header
from casetrail.eventlog.notarized import decode_notarized
from casetrail.proofs.casemap import CaseMap, Entry, case_key
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.note import parse_note
from casetrail.proofs.policy import Policy
from casetrail.proofs.tree import Frontier

SKEW: Final = 2_000
"""Milliseconds by which times may go back: a partition's leader changes between brokers with different clocks."""
UNSEEN: Final[Entry] = (0, NO_HASH)


class Entries:
    """Takes the entries one after the other. Memory grows with the largest checkpoint, not with the log."""

    def __init__(
        self,
        faults: Faults,
        origin: str,
        policy: Policy | None,
        database: sqlite3.Connection,
        checked: Counter[str],
    ) -> None:
        """``checked``: how much of each thing was, is counted there."""
        self._checked = checked
        self._faults, self._origin, self._policy = faults, origin, policy
        self._map = CaseMap(database)
        self._frontier = Frontier()
        self._waiting: list[bytes] = []
        self._ends: dict[int, int] = {}
        self._answered: dict[int, tuple[int, int]] = {}
        self._log: str | None = None
        self._begin()

    def _begin(self) -> None:
        """A checkpoint begins."""
        self._changes: dict[str, Entry] = {}
        self._counts: Counter[int] = Counter()
        self._partition = -1

    def _root(self) -> bytes:
        """The root over all that was taken."""
        self._frontier.extend(self._waiting)
        self._waiting.clear()
        return self._frontier.root()

    def take(self, value: bytes, leaf_hash: bytes) -> None:
        """Judge the next entry; its leaf hash has been computed already."""
        leaf = self._frontier.size + len(self._waiting)
        try:
            self._take_event(value, leaf_hash, leaf)
        except Unreadable:
            self._take_other(value, leaf)
        self._waiting.append(leaf_hash)

    # --- events ---

    def _take_event(self, value: bytes, leaf_hash: bytes, leaf: int) -> None:
        """Raises ``Unreadable`` where it does not even begin like an event: then it changes no case."""
        try:
            event = decode_event(value)
        except Unreadable as error:
            number, partition, offset, recorded, case_id = read_header(value)
            self._fault(Kind.EVENT_UNREADABLE, leaf, str(error), case_id)
        else:
            number, partition, offset, case_id = event.number, event.partition, event.action_offset, event.case_id
            recorded = (event.recorded_at - EPOCH) // MILLISECOND
            self._log = self._log or event.log
            if event.log != self._log:
                self._fault(Kind.LOG_DIFFERS, leaf, f"those before it are of the log '{self._log}'", case_id)
        self._checked["events"] += 1
        before = self._changes.get(case_id) or self._map.get(case_key(case_id)) or UNSEEN
        self._checked["cases"] += before is UNSEEN
        if number != before[0] + 1:
            self._fault(Kind.NUMBER_WRONG, leaf, f"number {number} after {before[0]}", case_id)
        elif value[PREVIOUS_HASH] != before[1]:
            self._fault(Kind.CHAIN_BROKEN, leaf, f"number {number} does not link to number {before[0]}", case_id)
        self._changes[case_id] = number, leaf_hash
        self._check_turn(leaf, partition, offset, recorded, case_id)

    def _check_turn(self, leaf: int, partition: int, offset: int, recorded: int, case_id: str) -> None:
        """Within a checkpoint by partition; within a partition in the order of the actions."""
        self._counts[partition] += 1
        last, at = self._answered.get(partition, (-1, 0))
        if offset <= last or partition < self._partition:
            found = f"it answers partition {partition}, offset {offset}, after offset {last}"
            self._fault(Kind.ANSWER_OUT_OF_TURN, leaf, found, case_id)
        if recorded < at - SKEW:
            self._fault(
                Kind.TIME_WENT_BACK, leaf, f"recorded {(at - recorded) / 1000:.3f} s before an earlier one", case_id
            )
        self._partition = max(partition, self._partition)
        self._answered[partition] = max(offset, last), max(recorded, at)

    # --- records of checkpoints ---

    def _take_other(self, value: bytes, leaf: int) -> None:
        """The record of a checkpoint stands right behind all that it covers, so its size is the number of its leaf."""
        try:
            record = decode_notarized(value)
            if not isinstance(record, CheckpointPublished):
                raise Unreadable("unknown-schema")
            note = parse_note(record.note)
            said = parse_checkpoint(note.text)
        except (Unreadable, NoteInvalid) as error:
            self._fault(Kind.EVENT_UNREADABLE, leaf, str(error))
            return
        if said.size != leaf:
            found = f"it is the record of a checkpoint of {said.size} leaves, which does not belong here"
            self._fault(Kind.EVENT_UNREADABLE, leaf, found)
            return
        self._checked["checkpoints"] += 1
        try:
            if self._policy is not None:
                self._policy.check(note)
                self._checked["signatures of checkpoints"] += 1
        except NoteInvalid as error:
            self._fault(Kind.SIGNATURE_INVALID, leaf, str(error))
        self._check_record(leaf, record, said)
        self._begin()

    def _check_record(self, leaf: int, record: CheckpointPublished, said: Checkpoint) -> None:
        if said.origin != self._origin:
            self._fault(Kind.LOG_KEY_CHANGED, leaf, "the checkpoint is of another log than the published one")
        if said.extensions:
            self._fault(Kind.CHECKPOINT_EXTENDED, leaf, f"lines more than three: {len(said.extensions)}")
        self._checked["roots"] += 1
        self._checked["map roots"] += 1
        if said.root != self._root():
            self._fault(Kind.ROOT_DIFFERS, leaf, f"the checkpoint of {leaf} leaves has another root than the entries")
        changes = {case_key(case_id): entry for case_id, entry in self._changes.items()}
        if self._map.update(changes) != record.map_root:
            self._fault(Kind.MAP_DIFFERS, leaf, f"the checkpoint of {leaf} leaves has another map than the entries")
        self._check_ranges(leaf, record)

    def _check_ranges(self, leaf: int, record: CheckpointPublished) -> None:
        last = -1
        for one in record.ranges:
            expected = self._ends.get(one.partition, 0)
            if one.partition <= last or one.start != expected or one.end < one.start:
                found = f"partition {one.partition} from {one.start} to {one.end}, after {expected}"
                self._fault(Kind.RANGES_WRONG, leaf, found)
            count = self._counts.pop(one.partition, 0)
            if count > one.end - one.start:
                found = f"{count} events of partition {one.partition} between offsets {one.start} and {one.end}"
                self._fault(Kind.RANGES_WRONG, leaf, found)
            self._ends[one.partition], last = one.end, one.partition
        for partition, count in self._counts.items():
            self._fault(Kind.RANGES_WRONG, leaf, f"{count} events of partition {partition}, which it does not take in")

    def _fault(self, kind: Kind, leaf: int, found: str, case_id: str | None = None) -> None:
        self._faults.add(Fault(kind, f"leaf {leaf}: {found}", offset=leaf, case_id=case_id))
