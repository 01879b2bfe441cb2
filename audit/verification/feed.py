"""One partition of a topic, read once from one offset to another; deleted records and times that go back show in passing."""

from bisect import bisect_left
from datetime import timedelta
from operator import attrgetter
from time import monotonic
from types import TracebackType
from typing import Final, NamedTuple, Self

from casetrail.audit.faults import Fault, Faults, Kind
from casetrail.domain.values import LATEST_MILLIS, is_append_time
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.port import Flaw, Log, Reader, Record, Topic

POLL: Final = 300
"""Few at a time: so they are still in the processor's cache when they are judged, which makes all of it a fifth faster."""
PAUSE: Final = 0.05
"""Short, because the last offsets before the end may hold no records: they are passed without waking anybody."""
WAIT: Final = 30.0
OFFSET: Final = attrgetter("offset")
NEVER: Final = -(2**63)
"""Earlier than any time that can be stored."""
EVER: Final = 2**63
"""Later than any time that can be stored."""
CLOCKS: Final = timedelta(minutes=5)
"""By so much the log's clock may differ from those of witnesses and auditors: they are other people's machines."""
TOLERATED: Final = CLOCKS // timedelta(milliseconds=1)

Ahead = tuple[int, int]
"""A record that was appended in the future: its offset, and its append time."""


class Promises(NamedTuple):
    """What a log promises of its offsets and times.

    ``dense``: no offset is left out. (Kafka's transactions take offsets too.) ``skew``: append times may go back by so
    many milliseconds, because a partition's leader changes between brokers whose clocks are not quite the same. ``now``: the moment of the
    verification, milliseconds UTC; nothing was appended later.
    """

    dense: bool
    skew: int
    now: int = EVER


EMBEDDED: Final = Promises(dense=True, skew=0)
KAFKA: Final = Promises(dense=False, skew=2_000)


class Feed:
    """Gives records out as they are asked for, and checks those that it gives out. Use it as a context manager.

    Records can be looked at ahead without being given out: the next reader's feed checks them.
    """

    def __init__(
        self, log: Log, topic: Topic, partition: int, start: int, end: int, promises: Promises, faults: Faults
    ) -> None:
        """From offset ``start`` up to, and without, ``end``."""
        self._topic, self._partition, self._end = topic, partition, end
        self._promises, self._faults = promises, faults
        self._latest = promises.now + TOLERATED
        self.next, self._at, self.count = start, 0, 0
        self._waiting: list[Record] = []
        self._log, self._start = log, start
        self._flaws: list[Flaw] = []
        self._reader: Reader | None = None  # where there is nothing to read, none is opened
        self.ended = start >= end
        """Whether nothing is left to be read."""
        self.first: Record | None = None
        """The first record that was given out."""
        self.last: Record | None = None
        """The last record that was given out."""
        self.newest = NEVER
        """The latest append time of those given out, milliseconds UTC; since time went back, if it did."""
        self.ahead: Ahead | None = None
        """The first record of those given out that was appended later than now."""

    def fill(self, count: int, most: int = POLL) -> int:
        """Have ``count`` records ready, or all that are left; how many are. Not many more than ``most`` are read for it.

        Raises ``LogUnreachable`` where the log has more, but nothing comes.
        """
        ready = len(self._waiting) - self._at
        if ready >= count or self.ended:
            return ready
        del self._waiting[: self._at]
        self._at, until = 0, monotonic() + WAIT
        while len(self._waiting) < count and not self.ended:
            if self._read(min(POLL, max(most, count))):
                until = monotonic() + WAIT
            elif monotonic() > until:
                raise LogUnreachable(
                    f"{self._topic.value}, partition {self._partition}: the log has more, but nothing came in {WAIT:.0f} s; "
                    "check the brokers"
                )
        return len(self._waiting)

    def _read(self, most: int) -> int:
        if self._reader is None:
            self._reader = self._log.reader(self._topic, {self._partition: self._start})
        records = self._reader.poll(PAUSE, most)
        self._flaws += self._reader.flaws
        self.ended = self._reader.position(self._partition) >= self._end
        if self.ended:
            del records[bisect_left(records, self._end, key=OFFSET) :]
        self._waiting += records
        return len(records)

    def ready(self, before: int | None = None) -> list[Record]:
        """What has been read and not given out; only what stands before the offset ``before``, if that is given."""
        waiting = self._waiting
        if before is None or not waiting or waiting[-1].offset < before:
            return waiting[self._at :]
        return waiting[self._at : bisect_left(waiting, before, self._at, key=OFFSET)]

    def peek(self) -> Record | None:
        """The next record, without giving it out; None at the end."""
        return self._waiting[self._at] if self.fill(1) else None

    def skip(self, count: int) -> None:
        """Give out so many of the records that are ready."""
        if count:
            given = self._waiting[self._at : self._at + count]
            self._at += count
            self.count += count
            self._check(given)
            self.first, self.last = self.first or given[0], given[-1]

    def finish(self, end: int) -> None:
        """All that was to be given out has been: up to, and without, this offset."""
        self._gap(end)
        for _, offset, found in self._flaws:
            if offset < end:  # what was only looked at ahead, the next one's feed tells
                whole = isinstance(offset, int)
                self._fault(Kind.RECORD_GARBLED if whole else Kind.RECORD_MISPLACED, int(offset), found)

    # --- checking ---

    def _check(self, records: list[Record]) -> None:
        if self._promises.dense and records[-1].offset - self.next + 1 != len(records):
            for record in records:
                self._gap(record.offset)
                self.next = record.offset + 1
        self.next = records[-1].offset + 1
        times = [record.appended_at for record in records]
        if 0 <= times[0] >= self.newest and times == sorted(times) and times[-1] <= LATEST_MILLIS:
            latest = self.newest = times[-1]
        else:
            latest = max(times)
            for record in records:
                self._check_time(record)
        if latest > self._latest and self.ahead is None:
            self.ahead = next((one.offset, one.appended_at) for one in records if one.appended_at > self._latest)

    def _gap(self, offset: int) -> None:
        """Whether records are missing before this offset."""
        if self._promises.dense and offset > self.next:
            missing = f"offset {self.next}" if offset == self.next + 1 else f"offsets {self.next} to {offset - 1}"
            self._fault(Kind.RECORD_DELETED, self.next, f"no record at {missing}")

    def _check_time(self, record: Record) -> None:
        if not is_append_time(record.appended_at):
            self._fault(Kind.RECORD_GARBLED, record.offset, f"its append time, {record.appended_at} ms, is none")
            return
        back = self.newest - record.appended_at
        if back > self._promises.skew:
            self._fault(Kind.TIME_WENT_BACK, record.offset, f"{back / 1000:.3f} s earlier than a record before it")
            self.newest = record.appended_at
        self.newest = max(self.newest, record.appended_at)

    def tell_ahead(self) -> None:
        """Add the fault that a record was appended later than now, if one was."""
        if self.ahead is not None:
            self._faults.add(of_future(self._topic, self._partition, self.ahead, self._promises))

    def _fault(self, kind: Kind, offset: int, found: str) -> None:
        self._faults.add(Fault(kind, found, self._topic, self._partition, offset))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.close()


def read_all(feed: Feed, end: int) -> list[Record]:
    """All records of a feed up to its end, for topics that are small."""
    found: list[Record] = []
    while feed.fill(1):
        some = feed.ready()
        feed.skip(len(some))
        found += some
    feed.finish(end)
    feed.tell_ahead()
    return found


def of_future(topic: Topic, partition: int, ahead: Ahead, promises: Promises) -> Fault:
    """The fault that a record was appended later than now: what waits since then would never be late."""
    offset, appended_at = ahead
    found = f"appended {(appended_at - promises.now) / 1000:.0f} s after the moment of this verification"
    return Fault(Kind.CLOCK_DIFFERS, found, topic, partition, offset)
