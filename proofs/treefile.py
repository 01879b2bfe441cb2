"""What a ``LogTree`` remembers in its SQLite file: checkpoints, which events each took in, cosignatures, witnesses."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.eventlog.errors import LogError

FORMAT: Final = "casetrail-tree-1"

TABLES: Final = (
    "CREATE TABLE tree (format TEXT NOT NULL, log TEXT NOT NULL)",
    "CREATE TABLE included (partition INTEGER PRIMARY KEY, next INTEGER NOT NULL)",
    "CREATE TABLE checkpoint (number INTEGER PRIMARY KEY, offset INTEGER NOT NULL, appended_at INTEGER NOT NULL, "
    "record_hash BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, root BLOB NOT NULL, map_root BLOB NOT NULL, note BLOB NOT NULL)",
    "CREATE INDEX checkpoint_by_size ON checkpoint (size)",
    "CREATE TABLE segment (partition INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL, "
    "first_leaf INTEGER NOT NULL, leaves INTEGER NOT NULL, PRIMARY KEY (partition, start)) WITHOUT ROWID",
    "CREATE TABLE cosignature (record_hash BLOB NOT NULL, lines BLOB NOT NULL, PRIMARY KEY (record_hash, lines))",
    "CREATE TABLE witness (name TEXT PRIMARY KEY, size INTEGER NOT NULL)",
    "CREATE TABLE before_last (key BLOB PRIMARY KEY, number INTEGER, last_hash BLOB)",
)


class TreeBusy(LogError):
    """Another process uses the same folder."""

    code = "tree-busy"


class Sealed(NamedTuple):
    """A checkpoint as it stands in ``LOG.checkpoints``. ``appended_at``: milliseconds since 1970, UTC."""

    number: int
    offset: int
    appended_at: int
    record_hash: bytes
    size: int
    root: bytes
    map_root: bytes
    note: bytes


class Segment(NamedTuple):
    """The leaves that a checkpoint took from one partition: offsets ``start`` up to ``end``."""

    partition: int
    start: int
    end: int
    first_leaf: int
    leaves: int


class TreeFile:
    """The SQLite file of a tree. Used by one process at a time."""

    def __init__(self, path: Path, log: str) -> None:
        self.database = sqlite3.connect(path, isolation_level=None, timeout=2.0, check_same_thread=False)
        try:
            self.database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self.database.execute("PRAGMA journal_mode=WAL")
            self.database.execute(
                "PRAGMA synchronous=NORMAL"
            )  # what a power failure takes is folded again from the log
            self.database.execute("BEGIN EXCLUSIVE")
            if not self.database.execute("SELECT 1 FROM sqlite_master WHERE name = 'tree'").fetchone():
                for statement in TABLES:
                    self.database.execute(statement)
                self.database.execute("INSERT INTO tree VALUES (?, ?)", (FORMAT, log))
            self.database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self.database.close()
            raise TreeBusy(f"{path} cannot be used ({error}): another process works in this folder") from error

    @property
    def names(self) -> tuple[str, str]:
        """The format of the file, and the log that it is of."""
        form, log = self.database.execute("SELECT format, log FROM tree").fetchone()
        return form, log

    def included(self) -> dict[int, int]:
        """For each partition, the offset behind the last event that a checkpoint covers."""
        return dict(self.database.execute("SELECT partition, next FROM included").fetchall())

    def newest(self) -> Sealed | None:
        """The newest checkpoint."""
        return self._one("ORDER BY number DESC LIMIT 1")

    def numbered(self, number: int) -> Sealed | None:
        """The checkpoint of that number; the first is 0."""
        return self._one("WHERE number = ?", number)

    def of_size(self, size: int) -> Sealed | None:
        """A checkpoint of that tree size."""
        return self._one("WHERE size = ? ORDER BY number LIMIT 1", size)

    def covering(self, index: int) -> Sealed | None:
        """The first checkpoint whose tree has the leaf ``index``."""
        return self._one("WHERE size > ? ORDER BY size LIMIT 1", index)

    def _one(self, which: str, *values: int) -> Sealed | None:
        columns = "number, offset, appended_at, record_hash, size, root, map_root, note"
        row = self.database.execute(f"SELECT {columns} FROM checkpoint {which}", values).fetchone()  # noqa: S608
        return None if row is None else Sealed(*row)

    def add(self, sealed: Sealed, segments: list[Segment]) -> None:
        """Remember a checkpoint and what it took in."""
        self.database.execute("INSERT INTO checkpoint VALUES (?, ?, ?, ?, ?, ?, ?, ?)", sealed)
        self.database.executemany("INSERT INTO segment VALUES (?, ?, ?, ?, ?)", segments)
        self.database.executemany(
            "INSERT INTO included VALUES (?, ?) ON CONFLICT (partition) DO UPDATE SET next = excluded.next",
            [(segment.partition, segment.end) for segment in segments],
        )

    def segment_of(self, partition: int, offset: int) -> Segment | None:
        """Which leaves an offset is among; None while no checkpoint covers it."""
        row = self.database.execute(
            "SELECT partition, start, end, first_leaf, leaves FROM segment WHERE partition = ? AND start <= ? "
            "ORDER BY start DESC LIMIT 1",
            (partition, offset),
        ).fetchone()
        return Segment(*row) if row is not None and offset < row[2] else None

    def segments_from(self, first_leaf: int) -> Iterator[Segment]:
        """The segments that have leaves, from the one on that begins with leaf ``first_leaf``, in leaf order."""
        rows = self.database.execute(
            "SELECT partition, start, end, first_leaf, leaves FROM segment WHERE first_leaf >= ? AND leaves > 0 "
            "ORDER BY first_leaf",
            (first_leaf,),
        )
        return map(Segment._make, rows)

    def cosigned(self, record_hash: bytes, lines: bytes) -> None:
        """Remember cosignatures."""
        self.database.execute("INSERT OR IGNORE INTO cosignature VALUES (?, ?)", (record_hash, lines))

    def cosignatures(self, record_hash: bytes) -> bytes:
        """All signature lines that witnesses gave for a checkpoint."""
        query = "SELECT lines FROM cosignature WHERE record_hash = ? ORDER BY lines"
        return b"".join(lines for (lines,) in self.database.execute(query, (record_hash,)))

    def witness_size(self, name: str) -> int:
        """The tree size that a witness has last said to know."""
        row = self.database.execute("SELECT size FROM witness WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def set_witness_size(self, name: str, size: int) -> None:
        """Remember what a witness knows."""
        self.database.execute("INSERT OR REPLACE INTO witness VALUES (?, ?)", (name, size))

    def close(self) -> None:
        """Close the file."""
        self.database.close()
