"""The recorder: reads ``LOG.actions`` and appends exactly one event for each record of it to ``LOG.events``.

One recorder owns a partition at a time. Opening its writer ends and fences whatever a predecessor had under way; then
the events are followed up to their end, and the last of them says which action comes next. So a crash at any point
costs nothing: what was committed is found, what was not is decided again, to the same bytes.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import groupby, islice
from operator import attrgetter
from typing import Final

from casetrail.domain.values import is_id
from casetrail.eventlog.codec import Unreadable, decode_event
from casetrail.eventlog.errors import LogError, WriterFenced
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.outcome import ChainBroken, answer, case_of, follow
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Entry, Log, Reader, Record, Topic, Writer
from casetrail.projections.case_store import CaseStore, Position
from casetrail.projections.errors import ViewMoved, ViewUnreachable

LOG: Final = logging.getLogger("casetrail.recorder")
BATCH: Final = 2000
SAVE_EVERY: Final = 10_000
CATCH_UP_WAIT: Final = 30.0
TRACEPARENT: Final = "traceparent"
TRACE: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""The header that goes on from an action to its event (W3C Trace Context, 3.2). Nothing that matters is in a header."""


class RecorderFault(LogError):
    """What stands in ``LOG.events`` was not written by a recorder of this log; going on would bury that."""

    code = "recorder-fault"


class PartitionMissing(LogError):
    """``LOG.actions`` has a partition that the log was not made with: what is submitted there cannot be answered."""

    code = "partition-missing"


Told = Callable[[str | None], None]
"""Is told what a recorder is at that takes long, again and again, and then None."""


def nobody(_: str | None) -> None:
    """Nobody is told."""


class OwnedPartition:
    """One partition that this recorder owns: its writer, and how far its events have been followed."""

    def __init__(self, log: Log, store: CaseStore, partition: int, told: Told = nobody) -> None:
        self.log, self.store, self.partition, self._told = log, store, partition, told
        self.writer: Writer = log.writer(partition)
        self.next_action = 0
        self.catch_up()

    def catch_up(self) -> None:
        """Follow the events to their end. Raises ``RecorderFault`` where they do not follow from each other."""
        last = self.log.last(Topic.EVENTS, self.partition)
        if last is not None:
            self._check_place(last)
        position = self._trusted_position()
        start = 0 if position is None else position.offset + 1
        if last is not None and last.offset >= start:
            with self.log.reader(Topic.EVENTS, {self.partition: start}) as reader:
                self._follow(reader, last.offset)
        if last is not None:
            self.next_action = _answered_action(last) + 1

    def _trusted_position(self) -> Position | None:
        """Where the stored histories stand, if the log still has that very event; else they are forgotten."""
        position = self.store.position(self.partition)
        if position is None:
            return None
        record = self.log.read_one(Topic.EVENTS, self.partition, position.offset)
        if record is not None and leaf_hash(record.value or b"") == position.last_hash:
            return position
        LOG.warning("partition %d: the state file does not fit the log; folding from the first event", self.partition)
        self.store.forget(self.partition)
        return None

    def _follow(self, reader: Reader, last_offset: int) -> None:
        while reader.position(self.partition) <= last_offset:
            records = reader.poll(CATCH_UP_WAIT, BATCH)
            if not records and reader.position(self.partition) <= last_offset:
                raise RecorderFault(
                    f"partition {self.partition}: events up to offset {last_offset} exist, but none came "
                    f"in {CATCH_UP_WAIT:.0f} s; check the brokers, then start the recorder again"
                )
            if records and records[0].offset < BATCH:  # the oldest tell soonest, and the others need not be asked
                for record in records:
                    self._check_place(record)
            self.store.cache.prepare(_case_ids(records))
            for record in records:
                self._follow_one(record)
            if records and (self.store.unsaved >= SAVE_EVERY or record.offset >= last_offset):
                self.store.save({self.partition: _position(record)})
            if records and record.offset < last_offset:
                self._told(f"partition {self.partition}, offset {record.offset:,} of {last_offset:,}")

    def _check_place(self, record: Record) -> None:
        """Whether an event stands in the partition of its case. Where it does not, cases would begin anew in another one."""
        key = record.key or b""
        if is_id(key.decode(errors="replace")) and partition_for(key, self.log.partitions) != self.partition:
            raise RecorderFault(
                f"partition {self.partition}, offset {record.offset}: the event is of a case that belongs to another one of the "
                f"{self.log.partitions} partitions: partitions were added to actions and events, or it was written past the "
                "recorder; nothing is recorded in this partition until somebody has looked: run 'casetrail log check', and see "
                "docs/operations.md"
            )

    def _follow_one(self, record: Record) -> None:
        case_id = (record.key or b"").decode(errors="replace")
        try:
            follow(self.store.cache.history(case_id), record)
        except (ChainBroken, Unreadable) as error:
            self.store.check(self.partition)  # another recorder may have brought the stored case on meanwhile
            raise RecorderFault(
                f"partition {self.partition}, offset {record.offset}: {error}; nothing is recorded "
                "in this partition until somebody has looked: run 'casetrail count' and 'casetrail replay'"
            ) from error
        self.store.cache.changed(case_id, self.partition)

    def record(self, records: Iterable[Record]) -> int:
        """Answer these actions, in order, in one transaction; how many there were.

        Raises ``WriterFenced`` or ``LogUnreachable``: then what is in memory may be ahead of the log, and this
        partition must be opened again.
        """
        log, partitions, cache, partition = self.log.name, self.log.partitions, self.store.cache, self.partition
        pending = [record for record in records if record.offset >= self.next_action]
        owners = [case_of(record, partitions) for record in pending]
        cache.prepare(owners)
        entries = []
        for record, case_id in zip(pending, owners, strict=True):
            value = answer(cache.history(case_id), record, log, partitions)
            headers = _passed_through(record) if record.headers else ()
            entries.append(Entry(case_id.encode(), value, partition, headers))
        if entries:
            self.writer.append(entries)
            self.next_action = pending[-1].offset + 1
            for case_id in owners:
                cache.changed(case_id, partition)
        return len(entries)

    def last_position(self) -> Position:
        """The position of the last event. Raises ``WriterFenced`` where it is not the one that was appended from here."""
        last = self.log.last(Topic.EVENTS, self.partition)
        if last is None or _answered_action(last) + 1 != self.next_action:
            self.store.unlearn()
            raise WriterFenced(f"partition {self.partition}: another recorder has appended to it; this one starts anew")
        return _position(last)


class Recorder:
    """A member of the group of recorders of a log. Call ``step`` again and again, then ``close``.

    ``WriterFenced``, ``LogUnreachable``, ``ViewMoved`` or ``ViewUnreachable`` (the state file's disk is full, say) out of
    ``step`` means: close this recorder and make a new one, which finds out from the log what has been recorded.
    """

    def __init__(
        self, log: Log, store: CaseStore, group: str = "recorder", batch: int = BATCH, told: Told = nobody
    ) -> None:
        """``told``: how far it is with folding the histories of partitions that it takes over, which has to come first."""
        self._log, self._store, self._batch, self._told = log, store, batch, told
        self._owned: dict[int, OwnedPartition] = {}
        self.recorded = 0
        self._group = log.join(f"{log.name}.{group}", self._assigned, self._revoked)

    @property
    def owned(self) -> dict[int, int]:
        """The partitions now owned, with the offset of the action that each will answer next."""
        return {partition: owned.next_action for partition, owned in self._owned.items()}

    def _assigned(self, partitions: Iterable[int]) -> Mapping[int, int]:
        self.save()  # opening a partition may empty the cache
        if added := [one for one in partitions if one >= self._log.partitions]:
            raise PartitionMissing(
                f"the actions have a partition {added[0]}, and this log was made with {self._log.partitions} partition(s): somebody "
                "has added some, and that number can never be changed; 'casetrail log check' shows it, and docs/operations.md "
                "says what to do"
            )
        taken = ", ".join(map(str, partitions))

        def told(at: str | None) -> None:
            self._told(f"folding the histories of partitions {taken}: {at}")

        try:
            for partition in partitions:
                self._owned[partition] = OwnedPartition(self._log, self._store, partition, told)
                LOG.info("partition %d: recording from action %d", partition, self._owned[partition].next_action)
        finally:
            self._told(None)
        return {partition: self._owned[partition].next_action for partition in partitions}

    def _revoked(self, partitions: Iterable[int]) -> None:
        self.save()
        for partition in partitions:
            if owned := self._owned.pop(partition, None):
                owned.writer.close()
                LOG.info("partition %d: given up", partition)

    def step(self, timeout: float) -> int:
        """Record what has come, waiting up to ``timeout`` seconds for it; how many actions were answered."""
        try:
            count = self._answer(self._group.poll(timeout, self._batch))
        except BaseException:
            self._abandon()
            raise
        self.recorded += count
        if self._store.unsaved >= SAVE_EVERY:
            self.save()
        return count

    def _answer(self, records: Iterable[Record]) -> int:
        count = 0
        for partition, some in groupby(sorted(records, key=attrgetter("partition", "offset")), lambda r: r.partition):
            if partition in self._owned:
                count += self._owned[partition].record(some)
        return count

    def _abandon(self) -> None:
        """Own nothing, and know nothing that is not saved.

        After an error some of it was decided but never appended, or followed without a position to save it with: in the
        state file it would look like a history that somebody has altered.
        """
        self._store.unlearn()
        for owned in self._owned.values():
            owned.writer.close()
        self._owned.clear()

    def save(self) -> None:
        """Bring the state file up to what has been recorded.

        Raises ``WriterFenced`` where somebody else has appended, ``ViewMoved`` where somebody else has saved,
        ``ViewUnreachable`` where the state file cannot be written: what was recorded stays recorded.
        """
        if not self._store.unsaved:
            return
        positions = {}
        for partition, owned in self._owned.items():
            if owned.next_action:
                positions[partition] = owned.last_position()
        self._store.save(positions)

    def close(self) -> None:
        """Leave the group; what was recorded stays recorded."""
        try:
            with suppress(LogError, ViewMoved, ViewUnreachable):
                self.save()
        finally:
            self._abandon()
            self._group.close()


def _answered_action(event: Record) -> int:
    """The offset of the action that a record of ``LOG.events`` answers."""
    try:
        return decode_event(event.value).action_offset
    except Unreadable as error:
        raise RecorderFault(
            f"partition {event.partition}, offset {event.offset} of the events holds no event"
        ) from error


def _passed_through(record: Record) -> tuple[tuple[str, bytes], ...]:
    """The first trace of a record that is one: others could make its event larger than the log takes."""
    traces = (one for one in record.headers if one[0] == TRACEPARENT and TRACE.fullmatch(one[1]))
    return tuple(islice(traces, 1))


def _case_ids(records: Iterable[Record]) -> list[str]:
    return [(record.key or b"").decode(errors="replace") for record in records]


def _position(record: Record) -> Position:
    return Position(record.offset, leaf_hash(record.value or b""))
