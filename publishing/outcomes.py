"""Watching ``LOG.events`` for the answers to submissions.

New answers come by a tail over all partitions. One thread reads it at a time, for all that wait; the others sleep until
it has read something. Answers from before the tail began are searched for: an event's place in its partition grows
with the place of the action that it answers. Memory is bounded by ``RECENT_BYTES``, whatever is submitted or waited for.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Final, NamedTuple

from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.port import Log, Reader, Record, Topic
from casetrail.publishing.earlier import answered_action, answers_between

TURN: Final = 0.1
"""Seconds that one thread reads for all before another may take over."""
FIRST_LOOK: Final = 0.05
"""Seconds that even a wait without a timeout looks for."""
IDLE: Final = 10.0
"""Seconds without anybody waiting, after which the tail may be too far behind to go on with."""
FAR_BEHIND: Final = 20_000
"""Events: reading that many takes longer than searching."""
RECENT_BYTES: Final = 16 * 1024 * 1024
RECORD_OVERHEAD: Final = 600


class Place(NamedTuple):
    """Where an action stands in ``LOG.actions``."""

    partition: int
    offset: int


class OutcomeWatch:
    """Finds the events that answer actions. Safe for use by several threads."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._changed = threading.Condition()
        self._tail: _Tail | None = None
        self._reading = False
        self._closed = False
        self._waits: dict[Place, list[_Wait]] = {}
        self._recent = _Recent()

    def begin(self) -> None:
        """Make sure that answers to what is appended from now on will be seen, without reading all of the history.

        Raises ``LogUnreachable``.
        """
        with self._changed:
            self.check_open()
            if self._tail is not None and (self._waits or self._reading or not self._tail.is_outdated()):
                return
            if self._tail is not None:
                self._tail.close()
            self._tail = _Tail(self._log)

    def find(self, wanted: Iterable[Place], timeout: float) -> dict[Place, Record]:
        """The events that answer the actions at these places, as far as there are any within ``timeout`` seconds.

        Raises ``LogUnreachable``, ``OffsetGone``.
        """
        until = monotonic() + max(timeout, FIRST_LOOK)
        self.begin()
        wait = _Wait()
        try:
            for partition, (offsets, end) in self._register(wait, wanted).items():
                for offset, record in answers_between(self._log, partition, offsets, end, until):
                    with self._changed:
                        wait.take(Place(partition, offset), record)
            while wait.missing and monotonic() < until:
                self._read_or_sleep(wait, until)
        finally:
            self._unregister(wait)
        return wait.found

    def _register(self, wait: "_Wait", wanted: Iterable[Place]) -> dict[int, tuple[Sequence[int], int]]:
        """Have the tail's events given to ``wait``. Returns where to search for what the tail will not show any more:

        by partition, the offsets of actions (in order) and the offset of ``LOG.events`` to search up to.
        """
        earlier: dict[int, list[int]] = {}
        with self._changed:
            tail = self._tail_now()
            for place in wanted:
                if (record := self._recent.get(place)) is not None:
                    wait.found[place] = record
                    continue
                wait.missing.add(place)
                self._waits.setdefault(place, []).append(wait)
                if not tail.is_ahead(place):
                    earlier.setdefault(place.partition, []).append(place.offset)
            return {partition: (sorted(offsets), tail.position[partition]) for partition, offsets in earlier.items()}

    def _unregister(self, wait: "_Wait") -> None:
        with self._changed:
            for place in (*wait.missing, *wait.found):
                waits = self._waits.get(place)
                if waits is not None and wait in waits:
                    waits.remove(wait)
                    if not waits:
                        del self._waits[place]
            self._changed.notify_all()

    def _read_or_sleep(self, wait: "_Wait", until: float) -> None:
        """Read the tail for everybody; or sleep until whoever does it has read something."""
        with self._changed:
            tail = self._tail_now()
            if not wait.missing:
                return
            if self._reading:
                self._changed.wait(max(0.0, until - monotonic()))
                return
            self._reading = True
        records: list[Record] = []
        try:
            records = tail.read(max(0.0, min(TURN, until - monotonic())))
        finally:
            with self._changed:
                self._reading = False
                for record in records:
                    self._deliver(tail, record)
                self._changed.notify_all()

    def _deliver(self, tail: "_Tail", record: Record) -> None:
        answered = answered_action(record)
        tail.passed(record, answered)
        if answered is None:
            return
        place = Place(record.partition, answered)
        self._recent.add(place, record)
        for wait in self._waits.pop(place, ()):
            wait.take(place, record)

    def _tail_now(self) -> "_Tail":
        self.check_open()
        assert self._tail is not None  # ``begin`` has made it
        return self._tail

    def check_open(self) -> None:
        """Raise ``LogUnreachable`` when this has been closed."""
        if self._closed:
            raise LogUnreachable("this connection has been closed; make a new one")

    def close(self) -> None:
        """Stop watching. Whoever still waits gets ``LogUnreachable``."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            while self._reading:
                self._changed.wait()
            if self._tail is not None:
                self._tail.close()


class _Wait:
    """What one caller waits for."""

    def __init__(self) -> None:
        self.missing: set[Place] = set()
        self.found: dict[Place, Record] = {}

    def take(self, place: Place, record: Record) -> None:
        self.missing.discard(place)
        self.found[place] = record


class _Tail:
    """A cursor over all partitions of the events, from their end at the time when this was made."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.position = log.end_offsets(Topic.EVENTS)
        # Asked for afterwards: an action that is appended from now on is answered by an event beyond ``position``.
        self._first_ahead = log.end_offsets(Topic.ACTIONS)
        self._seen: dict[int, int] = {}
        self._reader: Reader | None = None
        self._used = monotonic()

    def is_ahead(self, place: Place) -> bool:
        """Whether the answer is certain to come by this tail, if it comes at all."""
        return place.offset > self._seen.get(place.partition, self._first_ahead[place.partition] - 1)

    def is_outdated(self) -> bool:
        """Whether it is quicker to make a new tail and search than to read on from where this one stands."""
        if monotonic() - self._used < IDLE:
            return False
        self._used = monotonic()
        ends = self._log.end_offsets(Topic.EVENTS)
        return sum(end - self.position[partition] for partition, end in ends.items()) > FAR_BEHIND

    def read(self, timeout: float) -> list[Record]:
        """The next events, waiting up to ``timeout`` seconds for the first one."""
        if self._reader is None:
            self._reader = self._log.reader(Topic.EVENTS, self.position)
        self._used = monotonic()
        return self._reader.poll(timeout)

    def passed(self, record: Record, answered: int | None) -> None:
        """This event has been given to all that waited for it."""
        self.position[record.partition] = record.offset + 1
        if answered is not None:
            self._seen[record.partition] = answered

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()


class _Recent:
    """The last events that were read: whoever submits and then waits may come a little late."""

    def __init__(self) -> None:
        self._records: OrderedDict[Place, Record] = OrderedDict()
        self._bytes = 0

    def get(self, place: Place) -> Record | None:
        return self._records.get(place)

    def add(self, place: Place, record: Record) -> None:
        if place in self._records:
            return
        self._records[place] = record
        self._bytes += _size(record)
        while self._bytes > RECENT_BYTES:
            self._bytes -= _size(self._records.popitem(last=False)[1])


def _size(record: Record) -> int:
    return len(record.value or b"") + RECORD_OVERHEAD
