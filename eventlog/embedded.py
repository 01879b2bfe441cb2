"""The embedded log: one SQLite file, no server, several processes at once. For trying, tests and small agencies.

Records are never updated or deleted: triggers refuse it, and ``weaknesses`` reports when they are gone. (Who can write
the file can take the triggers out and change records all the same; hash chains and checkpoints show that.)
"""

import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from casetrail.domain.values import is_append_time
from casetrail.eventlog.embedded_file import (
    COLUMNS,
    MOST_OFFSET,
    MOST_PARTITIONS,
    describe_file,
    make_file,
    misplaced,
    pack_headers,
    rows_from,
    to_records,
    transaction,
    weaknesses_of,
)
from casetrail.eventlog.embedded_group import EmbeddedGroup, lock_path
from casetrail.eventlog.embedded_opening import Connection, connect, reading
from casetrail.eventlog.enlarged import enlarged
from casetrail.eventlog.entries import places
from casetrail.eventlog.errors import LogDamaged, LogReplaced, LogUnreachable, OffsetGone, WriterFenced
from casetrail.eventlog.port import Appended, Entry, Flaw, Group, Reader, Record, Topic, Weakness, Writer
from casetrail.eventlog.transaction import file_at

TAIL_INTERVAL: Final = 0.005
DAMAGED: Final = (
    "nothing can be appended: the end of the log was altered past this program, 'casetrail log check' and 'casetrail audit "
    "verify' say where"
)

Clock = Callable[[], int]
"""Milliseconds since 1970, UTC."""


def wall_clock() -> int:
    """The machine's time."""
    return time.time_ns() // 1_000_000


class EmbeddedLog:
    """A log in one SQLite file. See ``port.Log`` for what its methods promise. Each thread has its own connection."""

    def __init__(self, path: Path, name: str, partitions: int, clock: Clock) -> None:
        self.path = path
        self._place = path.absolute()
        self._file = self._found()
        self.name = name
        self.partitions = partitions
        self._clock = clock
        self._local = threading.local()
        self._opened: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path | str, name: str, partitions: int = 1, clock: Clock = wall_clock) -> Self:
        """Make a new log. Raises ``LogExists`` where the file is there already, ``LogUnreachable``, ``ValueError``."""
        if not 1 <= partitions <= MOST_PARTITIONS:
            raise ValueError(f"a log has 1 to {MOST_PARTITIONS} partitions, not {partitions}")
        make_file(Path(path), name, partitions)
        return cls(Path(path), name, partitions, clock)

    @classmethod
    def open(cls, path: Path | str, clock: Clock = wall_clock) -> Self:
        """Open a log. Raises ``LogMissing`` where there is none. Another ``clock`` than the wall's plays past years."""
        return cls(Path(path), *describe_file(Path(path)), clock)

    @property
    def database(self) -> Connection:
        """This thread's connection. Raises ``LogReplaced``."""
        self.check_file()
        found: Connection | None = getattr(self._local, "database", None)
        if found is None or found.is_outdated():
            made = found = self._local.database = connect(self.path)
            with self._lock:
                self._opened.add(made)
        return found

    def check_file(self) -> None:
        """Raise ``LogReplaced`` where another file stands in the place of this one, or none: whoever comes later opens that one."""
        if self._found() != self._file:
            raise LogReplaced(
                f"the log's file {self.path} was replaced or taken away since it was opened here, so nothing is read from it or "
                "written to it any more; begin anew with what is there now"
            )

    def _found(self) -> tuple[int, int] | None:
        try:
            return file_at(self._place)
        except OSError as error:
            raise LogUnreachable(f"the log's file {self.path} cannot be reached ({error.strerror})") from error

    def topic_partitions(self, topic: Topic) -> int:
        """How many partitions a topic has."""
        return self.partitions if topic in (Topic.ACTIONS, Topic.EVENTS) else 1

    def append(self, topic: Topic, entries: Sequence[Entry], timeout: float = 30.0) -> list[Appended]:
        partitions = places(entries, self.topic_partitions(topic))
        if not entries:
            return []
        with transaction(self.database, timeout):
            appended = self.insert(topic, entries, partitions)
        self.check_file()  # what has just gone into a file that is no longer there was not appended
        return appended

    def insert(self, topic: Topic, entries: Sequence[Entry], partitions: Sequence[int]) -> list[Appended]:
        """Append within a transaction that the caller has begun."""
        ends: dict[int, tuple[int, int]] = {}
        rows, appended = [], []
        for entry, partition in zip(entries, partitions, strict=True):
            if partition not in ends:
                ends[partition] = self._begin(topic, partition)
            offset, last_at = ends[partition]
            at = max(self._clock(), last_at)  # the log's time never goes back
            ends[partition] = offset + 1, at
            rows.append((topic, partition, offset, at, entry.key, entry.value, pack_headers(entry.headers)))
            appended.append(Appended(partition, offset, at))
        try:
            self.database.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        except sqlite3.IntegrityError as error:  # the guards let in only what follows on what is there
            raise LogDamaged(f"{topic.value}: {DAMAGED} ({error})") from error
        return appended

    def _begin(self, topic: Topic, partition: int) -> tuple[int, int]:
        """The offset of the next record, and the time before which it cannot be: an event is never before its action."""
        offset, at = self._end(topic, partition)
        if offset > MOST_OFFSET:
            raise LogDamaged(
                f"{topic.value}, partition {partition}: {DAMAGED} (a record stands at offset {offset - 1})"
            )
        asked = self._end(Topic.ACTIONS, partition)[1] if topic is Topic.EVENTS else 0
        return offset, max(at, asked if is_append_time(asked) else 0)

    def _end(self, topic: Topic, partition: int) -> tuple[int, int]:
        """The offset after the last record, and the time of that record: 0 for none."""
        row = self.database.execute(
            "SELECT offset, appended_at FROM record WHERE topic = ? AND partition = ? AND offset BETWEEN 0 AND ? "
            "AND typeof(offset) = 'integer' ORDER BY offset DESC LIMIT 1",
            (topic, partition, MOST_OFFSET),
        ).fetchone()
        return (0, 0) if row is None else (row[0] + 1, row[1] if isinstance(row[1], int) else 0)

    def reader(self, topic: Topic, start: Mapping[int, int]) -> Reader:
        return EmbeddedReader(self, topic, start)

    def start_offsets(self, topic: Topic) -> dict[int, int]:
        query = (
            "SELECT offset FROM record WHERE topic = ? AND partition = ? AND offset <= ? AND typeof(offset) = 'integer' "
            "ORDER BY offset LIMIT 1"
        )
        with reading(self.database):
            return {
                partition: (self.database.execute(query, (topic, partition, MOST_OFFSET)).fetchone() or (0,))[0]
                for partition in range(self.topic_partitions(topic))
            }

    def end_offsets(self, topic: Topic) -> dict[int, int]:
        with reading(self.database):
            return {partition: self._end(topic, partition)[0] for partition in range(self.topic_partitions(topic))}

    def count(self, topic: Topic, partition: int, start: int, end: int) -> int:
        """How many records stand at the offsets from ``start`` up to, and without, ``end``: as many as offsets, if none was deleted."""
        query = (
            "SELECT count(*) FROM record WHERE topic = ? AND partition = ? AND offset >= ? AND offset < ? "
            "AND typeof(offset) = 'integer'"
        )
        with reading(self.database):
            return int(self.database.execute(query, (topic, partition, start, end)).fetchone()[0])

    def last(self, topic: Topic, partition: int) -> Record | None:
        which = "AND offset BETWEEN 0 AND ? AND typeof(offset) = 'integer' ORDER BY offset DESC LIMIT 1"
        return self._one(topic, partition, which, MOST_OFFSET)

    def read_one(self, topic: Topic, partition: int, offset: int, timeout: float | None = None) -> Record | None:
        return self._one(topic, partition, "AND offset = ?", offset)

    def _one(self, topic: Topic, partition: int, which: str, *values: int) -> Record | None:
        query = f"SELECT {COLUMNS} FROM record WHERE topic = ? AND partition = ? {which}"  # noqa: S608
        with reading(self.database):
            rows = self.database.execute(query, (topic, partition, *values)).fetchall()
        return next(iter(to_records(rows)[0]), None)

    def writer(self, partition: int, topic: Topic = Topic.EVENTS) -> Writer:
        return EmbeddedWriter(self, topic, partition)

    def join(
        self,
        group: str,
        on_assigned: Callable[[Iterable[int]], Mapping[int, int]],
        on_revoked: Callable[[Iterable[int]], None],
    ) -> Group:
        return EmbeddedGroup(self, lock_path(self.path, group), on_assigned, on_revoked)

    def weaknesses(self) -> list[Weakness]:
        found = weaknesses_of(self.database) + misplaced(
            self.database, {one: self.topic_partitions(one) for one in Topic}
        )
        for topic in Topic:
            for partition, start in self.start_offsets(topic).items():
                if start != 0:
                    meaning = (
                        f"records of partition {partition} before this offset have been deleted" if start > 0
                        else f"records of partition {partition} have been put before its beginning past this program"
                    )  # fmt: skip
                    found.append(Weakness(topic.value, "first offset", str(start), "0", meaning))
        return found + enlarged(self, "all")

    def close(self) -> None:
        with self._lock:
            for database in list(self._opened):
                database.close()
            self._opened.clear()
        self._local = threading.local()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EmbeddedReader:
    """A cursor over partitions of one topic. See ``port.Reader``."""

    def __init__(self, log: EmbeddedLog, topic: Topic, start: Mapping[int, int]) -> None:
        self._log, self._topic = log, topic
        self._positions = dict(start)
        self._checked = False
        self.flaws: list[Flaw] = []

    def poll(self, timeout: float, max_records: int = 5000) -> list[Record]:
        until = time.monotonic() + timeout
        self.flaws = []
        if not self._checked:
            self._check_start()
        while True:
            version = self._version()
            found = self._read(max_records)
            met = found or self.flaws
            while not met and self._version() == version and time.monotonic() < until:
                time.sleep(min(TAIL_INTERVAL, max(0.0, until - time.monotonic())))
            if met or time.monotonic() >= until:
                return found

    def _version(self) -> int:
        """Changes when another connection has appended; this thread's own connection cannot while it waits here."""
        database = self._log.database
        with reading(database):
            return int(database.execute("PRAGMA data_version").fetchone()[0])

    def _check_start(self) -> None:
        """Whether reading can begin where it is to begin. Gaps further on are read over: auditors name them."""
        self._checked = True
        starts, ends = self._log.start_offsets(self._topic), self._log.end_offsets(self._topic)
        for partition, position in self._positions.items():
            if position < starts[partition]:
                raise OffsetGone(
                    f"{self._topic.value}, partition {partition}: the log begins at offset {starts[partition]}; what "
                    "stood before has been deleted"
                )
            if position > ends[partition]:
                raise OffsetGone(
                    f"{self._topic.value}, partition {partition}: the log ends at offset {ends[partition]}, reading "
                    f"was to go on at {position}; has the file been replaced by an older copy?"
                )

    def _read(self, max_records: int) -> list[Record]:
        found: list[Record] = []
        moved: dict[int, int] = {}
        for partition, position in self._positions.items():
            room = max_records - len(found)
            if room <= 0:
                break
            place = self._topic, partition, position, MOST_OFFSET, room
            database = self._log.database
            with reading(database):
                rows, cut = rows_from(database, place)
            if rows:
                records, flaws = to_records(rows)
                found += records
                self.flaws += [*cut, *flaws]
                moved[partition] = int(rows[-1][1]) + 1  # the last one's may be no whole number
        self._positions |= moved  # only now: what was read before an error is read again
        if len(self._positions) > 1 and found:  # take turns: no partition waits for another to end
            first = found[0].partition
            self._positions[first] = self._positions.pop(first)
        return found

    def position(self, partition: int) -> int:
        return self._positions[partition]

    def close(self) -> None:
        """Nothing is held between calls."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EmbeddedWriter:
    """The writer of one partition of a topic: it holds the newest epoch until another writer is opened."""

    def __init__(self, log: EmbeddedLog, topic: Topic, partition: int) -> None:
        self._log, self._topic, self._partition = log, topic, partition
        places([Entry(b"", b"", partition)], log.topic_partitions(topic))
        with transaction(log.database):
            self._epoch: int = log.database.execute(
                "INSERT INTO writer VALUES (?, ?, 1) ON CONFLICT (topic, partition) DO UPDATE SET epoch = epoch + 1 "
                "RETURNING epoch",
                (topic, partition),
            ).fetchone()[0]

    def append(self, entries: Sequence[Entry]) -> None:
        placed = [entry._replace(partition=self._partition) for entry in entries]
        partitions = places(placed, self._log.topic_partitions(self._topic))
        database = self._log.database
        newest = "SELECT epoch FROM writer WHERE topic = ? AND partition = ?"
        with transaction(database):
            if database.execute(newest, (self._topic, self._partition)).fetchone()[0] != self._epoch:
                raise WriterFenced(f"{self._topic.value}, partition {self._partition}: another writer has taken over")
            self._log.insert(self._topic, placed, partitions)
        self._log.check_file()

    def close(self) -> None:
        """Nothing is held between calls."""
