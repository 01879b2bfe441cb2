"""The embedded log: one SQLite file, no server, several processes at once. For trying, tests and small agencies.

Records are never updated or deleted: triggers refuse it, and ``weaknesses`` reports when they are gone. (Who can write
the file can take the triggers out and change records all the same; hash chains and checkpoints show that.)
"""

import fcntl
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from casetrail.eventlog.errors import EntryTooLarge, LogExists, LogMissing, LogUnreachable, WriterFenced
from casetrail.eventlog.limits import MOST_BYTES
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Appended, Entry, Group, Reader, Record, Topic, Weakness, Writer

FORMAT: Final = "casetrail-log-1"
TAIL_INTERVAL: Final = 0.005
BUSY_TIMEOUT: Final = 30.0

GUARDS: Final = {
    "no_update": "CREATE TRIGGER no_update BEFORE UPDATE ON record "
    "BEGIN SELECT RAISE(ABORT, 'the log is append-only: no record is ever changed'); END",
    "no_delete": "CREATE TRIGGER no_delete BEFORE DELETE ON record "
    "BEGIN SELECT RAISE(ABORT, 'the log is append-only: no record is ever deleted'); END",
}

TABLES: Final = (
    "CREATE TABLE log (name TEXT NOT NULL, partitions INTEGER NOT NULL, format TEXT NOT NULL)",
    "CREATE TABLE writer (partition INTEGER PRIMARY KEY, epoch INTEGER NOT NULL)",
    "CREATE TABLE record (topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, "
    "appended_at INTEGER NOT NULL, key BLOB, value BLOB, headers BLOB, UNIQUE (topic, partition, offset))",
)

COLUMNS: Final = "partition, offset, appended_at, key, value, headers"


Clock = Callable[[], int]
"""Milliseconds since 1970, UTC."""


def wall_clock() -> int:
    """The machine's time."""
    return time.time_ns() // 1_000_000


class EmbeddedLog:
    """A log in one SQLite file. See ``port.Log`` for what its methods promise."""

    def __init__(self, path: Path, name: str, partitions: int, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self.name = name
        self.partitions = partitions
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path | str, name: str, partitions: int = 1, clock: Clock = wall_clock) -> Self:
        """Make a new log. Raises ``LogExists`` where the file is there already."""
        path = Path(path)
        if path.exists():
            raise LogExists(f"{path} exists already; it is left as it is")
        path.parent.mkdir(parents=True, exist_ok=True)
        database = _connect(path)
        with _transaction(database):
            for statement in (*TABLES, *GUARDS.values()):
                database.execute(statement)
            database.execute("INSERT INTO log VALUES (?, ?, ?)", (name, partitions, FORMAT))
        database.close()
        return cls(path, name, partitions, clock)

    @classmethod
    def open(cls, path: Path | str, clock: Clock = wall_clock) -> Self:
        """Open a log. Raises ``LogMissing`` where there is none. Another ``clock`` than the wall's plays past years."""
        path = Path(path)
        if not path.is_file():
            raise LogMissing(f"there is no log at {path}; 'casetrail log init' makes one")
        try:
            database = _connect(path)
            name, partitions, form = database.execute("SELECT name, partitions, format FROM log").fetchone()
            database.close()
        except (sqlite3.DatabaseError, TypeError) as error:
            raise LogMissing(f"{path} is not a log of casetrail ({error})") from error
        if form != FORMAT:
            raise LogMissing(f"{path} has the form {form}, this version of casetrail reads {FORMAT}")
        return cls(path, name, partitions, clock)

    @property
    def database(self) -> sqlite3.Connection:
        """This thread's connection."""
        found: sqlite3.Connection | None = getattr(self._local, "database", None)
        if found is None:
            found = self._local.database = _connect(self.path)
            with self._lock:
                self._opened.append(found)
        return found

    def topic_partitions(self, topic: Topic) -> int:
        """How many partitions a topic has."""
        return self.partitions if topic in (Topic.ACTIONS, Topic.EVENTS) else 1

    def append(self, topic: Topic, entries: Sequence[Entry], timeout: float = 30.0) -> list[Appended]:
        for entry in entries:
            if len(entry.value or b"") + len(entry.key or b"") > MOST_BYTES:
                raise EntryTooLarge(f"an entry is longer than {MOST_BYTES} bytes")
        with _transaction(self.database, timeout):
            return self._insert(topic, entries)

    def _insert(self, topic: Topic, entries: Sequence[Entry]) -> list[Appended]:
        partitions = self.topic_partitions(topic)
        now = self._clock()
        ends: dict[int, tuple[int, int]] = {}
        rows, appended = [], []
        for entry in entries:
            partition = entry.partition
            if partition is None:
                partition = partition_for(entry.key or b"", partitions)
            if partition not in ends:
                ends[partition] = self._end(topic, partition)
            offset, last_at = ends[partition]
            at = max(now, last_at)  # the log's time never goes back
            ends[partition] = offset + 1, at
            rows.append((topic, partition, offset, at, entry.key, entry.value, _pack(entry.headers)))
            appended.append(Appended(partition, offset, at))
        self.database.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        return appended

    def _end(self, topic: Topic, partition: int) -> tuple[int, int]:
        """The offset after the last record, and the time of that record."""
        row = self.database.execute(
            "SELECT offset + 1, appended_at FROM record WHERE topic = ? AND partition = ? ORDER BY offset DESC LIMIT 1",
            (topic, partition),
        ).fetchone()
        return row or (0, 0)

    def reader(self, topic: Topic, start: Mapping[int, int]) -> Reader:
        return EmbeddedReader(self, topic, start)

    def start_offsets(self, topic: Topic) -> dict[int, int]:
        query = "SELECT min(offset) FROM record WHERE topic = ? AND partition = ?"
        return {
            partition: self.database.execute(query, (topic, partition)).fetchone()[0] or 0
            for partition in range(self.topic_partitions(topic))
        }

    def end_offsets(self, topic: Topic) -> dict[int, int]:
        return {partition: self._end(topic, partition)[0] for partition in range(self.topic_partitions(topic))}

    def last(self, topic: Topic, partition: int) -> Record | None:
        return self._one(topic, partition, "ORDER BY offset DESC LIMIT 1")

    def read_one(self, topic: Topic, partition: int, offset: int) -> Record | None:
        return self._one(topic, partition, "AND offset = ?", offset)

    def _one(self, topic: Topic, partition: int, which: str, *values: int) -> Record | None:
        query = f"SELECT {COLUMNS} FROM record WHERE topic = ? AND partition = ? {which}"  # noqa: S608
        row = self.database.execute(query, (topic, partition, *values)).fetchone()
        return None if row is None else _record(row)

    def writer(self, partition: int) -> Writer:
        return EmbeddedWriter(self, partition)

    def join(
        self,
        group: str,
        on_assigned: Callable[[Iterable[int]], Mapping[int, int]],
        on_revoked: Callable[[Iterable[int]], None],
    ) -> Group:
        return EmbeddedGroup(self, group, on_assigned, on_revoked)

    def weaknesses(self) -> list[Weakness]:
        found = dict(self.database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall())
        return [
            Weakness("all", name, found.get(name) or "missing", sql, "records can be changed or deleted unseen")
            for name, sql in GUARDS.items()
            if found.get(name) != sql
        ]

    def close(self) -> None:
        with self._lock:
            for database in self._opened:
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
        self._version = -1

    def poll(self, timeout: float, max_records: int = 5000) -> list[Record]:
        until = time.monotonic() + timeout
        while True:
            version = self._log.database.execute("PRAGMA data_version").fetchone()[0]
            found = self._read(max_records)
            if found or time.monotonic() >= until:
                return found
            self._version = version
            while time.monotonic() < until:
                time.sleep(min(TAIL_INTERVAL, max(0.0, until - time.monotonic())))
                if self._log.database.execute("PRAGMA data_version").fetchone()[0] != self._version:
                    break
                if self._read_is_due():
                    break

    def _read_is_due(self) -> bool:
        """Whether this very process has appended: ``data_version`` tells of other connections only."""
        return any(
            self._log._end(self._topic, partition)[0] > position for partition, position in self._positions.items()
        )

    def _read(self, max_records: int) -> list[Record]:
        found: list[Record] = []
        query = (
            f"SELECT {COLUMNS} FROM record WHERE topic = ? AND partition = ? AND offset >= ? "  # noqa: S608
            "ORDER BY offset LIMIT ?"
        )
        for partition, position in self._positions.items():
            room = max_records - len(found)
            if room <= 0:
                break
            rows = self._log.database.execute(query, (self._topic, partition, position, room)).fetchall()
            if rows:
                found.extend([_record(row) for row in rows])
                self._positions[partition] = found[-1].offset + 1
        if len(self._positions) > 1 and found:  # take turns: no partition waits for another to end
            first = found[0].partition
            self._positions[first] = self._positions.pop(first)
        return found

    def position(self, partition: int) -> int:
        return self._positions[partition]

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EmbeddedWriter:
    """The writer of one partition of ``events``: it holds the newest epoch until another writer is opened."""

    def __init__(self, log: EmbeddedLog, partition: int) -> None:
        self._log, self._partition = log, partition
        with _transaction(log.database):
            self._epoch: int = log.database.execute(
                "INSERT INTO writer VALUES (?, 1) ON CONFLICT (partition) DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
                (partition,),
            ).fetchone()[0]

    def append(self, entries: Sequence[Entry]) -> None:
        database = self._log.database
        with _transaction(database):
            epoch = database.execute("SELECT epoch FROM writer WHERE partition = ?", (self._partition,)).fetchone()[0]
            if epoch != self._epoch:
                raise WriterFenced(f"partition {self._partition}: another recorder has taken over")
            placed = [entry._replace(partition=self._partition) for entry in entries]
            self._log._insert(Topic.EVENTS, placed)

    def close(self) -> None:
        pass


class EmbeddedGroup:
    """Recorders of one log on one machine: the one that holds a lock file owns all partitions, the others wait.

    The lock is the operating system's, so it ends with the process that holds it, however that dies.
    """

    def __init__(
        self,
        log: EmbeddedLog,
        group: str,
        on_assigned: Callable[[Iterable[int]], Mapping[int, int]],
        on_revoked: Callable[[Iterable[int]], None],
    ) -> None:
        self._log, self._on_assigned, self._on_revoked = log, on_assigned, on_revoked
        self._file = log.path.with_name(f"{log.path.name}.{group}.lock").open("ab")
        self._reader: EmbeddedReader | None = None

    def poll(self, timeout: float, max_records: int = 2000) -> list[Record]:
        if self._reader is None and not self._take(timeout):
            return []
        assert self._reader is not None
        return self._reader.poll(timeout, max_records)

    def _take(self, timeout: float) -> bool:
        until = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    return False
                time.sleep(TAIL_INTERVAL)
        start = self._on_assigned(range(self._log.partitions))
        self._reader = EmbeddedReader(self._log, Topic.ACTIONS, start)
        return True

    def rewind(self, partition: int, offset: int) -> None:
        if self._reader is not None:
            self._reader._positions[partition] = offset

    def owned(self) -> frozenset[int]:
        return frozenset(range(self._log.partitions)) if self._reader is not None else frozenset()

    def close(self) -> None:
        if self._reader is not None:
            self._on_revoked(range(self._log.partitions))
            self._reader = None
        self._file.close()


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")  # what was acknowledged survives a power failure
    return database


@contextmanager
def _transaction(database: sqlite3.Connection, timeout: float = BUSY_TIMEOUT) -> Iterator[None]:
    """``BEGIN IMMEDIATE`` … ``COMMIT``. Raises ``LogUnreachable`` where the file stays locked or cannot be written."""
    try:
        database.execute(f"PRAGMA busy_timeout={int(timeout * 1000)}")
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        raise LogUnreachable(f"the log's file cannot be written ({error}); is another process holding it?") from error
    try:
        yield
        database.execute("COMMIT")
    except sqlite3.OperationalError as error:
        database.execute("ROLLBACK")
        raise LogUnreachable(f"the log's file cannot be written ({error}); is the disk full?") from error
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _record(row: tuple[int, int, int, bytes | None, bytes | None, bytes | None]) -> Record:
    partition, offset, appended_at, key, value, headers = row
    return Record(partition, offset, appended_at, key, value, _unpack(headers) if headers else ())


def _pack(headers: tuple[tuple[str, bytes], ...]) -> bytes | None:
    """Headers as one value: each name and value after its length in four bytes."""
    if not headers:
        return None
    parts = [part for name, value in headers for part in (name.encode(), value)]
    return b"".join(len(part).to_bytes(4) + part for part in parts)


def _unpack(packed: bytes) -> tuple[tuple[str, bytes], ...]:
    parts, at = [], 0
    while at < len(packed):
        length = int.from_bytes(packed[at : at + 4])
        parts.append(packed[at + 4 : at + 4 + length])
        at += 4 + length
    return tuple((parts[i].decode(), parts[i + 1]) for i in range(0, len(parts), 2))
