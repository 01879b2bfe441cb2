"""What a ``LogTree`` remembers in its SQLite file: checkpoints, which events each took in, cosignatures, witnesses."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from casetrail.eventlog.errors import LogError, LogUnreachable

FORMAT: Final = "casetrail-tree-1"

COSIGNED: Final = (
    "(EXISTS (SELECT 1 FROM cosignature known WHERE known.record_hash = checkpoint.record_hash) "
    "OR instr(substr(note, instr(note, x'0ae28094') + 1), x'0ae28094'))"
)
"""Whether anybody besides the log may have signed a checkpoint, after its record or in it: there with a second line that begins with a
dash."""

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


class TreeUnreachable(LogUnreachable):
    """The folder of a tree cannot be read or written: its disk is full or out of reach, or that is not allowed."""

    code = "tree-unreachable"


class TreeDamaged(LogError):
    """The file of a tree is no database, or a damaged one."""

    code = "tree-damaged"


@contextmanager
def tree_errors(folder: Path) -> Iterator[None]:
    """Let errors of SQLite and of the disk out as ``TreeBusy``, ``TreeUnreachable`` or ``TreeDamaged``."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        if "locked" in str(error):
            raise TreeBusy(f"{folder} cannot be used ({error}): another process works in this folder") from error
        # of a disk that is mounted read-only SQLite says no more than 'disk I/O error'
        why = "nothing can be written there" if folder.is_dir() and not os.access(folder, os.W_OK) else error
        raise TreeUnreachable(
            f"{folder} cannot be read or written ({why}); look at its disk, owner and mode"
        ) from error
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):  # faults of this program
        raise
    except sqlite3.DatabaseError as error:
        raise TreeDamaged(
            f"the tree in {folder} is none, or damaged ({error}); move the folder away, and it is made again from the log"
        ) from error


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
        """Open or create it. Raises ``TreeBusy``, ``TreeUnreachable``, ``TreeDamaged``, the last two as every method does."""
        self._path = path
        with self.errors():
            self.database = sqlite3.connect(path, isolation_level=None, timeout=2.0, check_same_thread=False)
        try:
            with self.errors():
                self._prepare(log)
        except BaseException:
            self.database.close()
            raise

    def _prepare(self, log: str) -> None:
        self.database.execute("PRAGMA locking_mode=EXCLUSIVE")
        self.database.execute("PRAGMA journal_mode=WAL")
        self.database.execute("PRAGMA synchronous=NORMAL")  # what a power failure takes is folded again from the log
        self.database.execute("BEGIN EXCLUSIVE")
        if not self._rows("SELECT 1 FROM sqlite_master WHERE name = 'tree'"):
            for statement in TABLES:
                self.database.execute(statement)
            self.database.execute("INSERT INTO tree VALUES (?, ?)", (FORMAT, log))
        self.database.execute("COMMIT")

    def errors(self) -> AbstractContextManager[None]:
        """Let SQLite's errors, and those of the disk, out as this room's."""
        return tree_errors(self._path.parent)

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self.errors():
            return self.database.execute(query, values).fetchall()

    def roll_back(self) -> None:
        """Undo the transaction that is open, if one is: some errors end it by themselves."""
        with self.errors():
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")

    @property
    def names(self) -> tuple[str, str]:
        """The format of the file, and the log that it is of."""
        ((form, log),) = self._rows("SELECT format, log FROM tree")
        return form, log

    def included(self) -> dict[int, int]:
        """For each partition, the offset behind the last event that a checkpoint covers."""
        return dict(self._rows("SELECT partition, next FROM included"))

    def newest(self) -> Sealed | None:
        """The newest checkpoint."""
        return self._one("ORDER BY number DESC LIMIT 1")

    @property
    def size(self) -> int:
        """Of the tree, as of the newest checkpoint."""
        newest = self.newest()
        return 0 if newest is None else newest.size

    def numbered(self, number: int) -> Sealed | None:
        """The checkpoint of that number; the first is 0."""
        return self._one("WHERE number = ?", number)

    def of_size(self, size: int) -> Sealed | None:
        """A checkpoint of that tree size."""
        return self._one("WHERE size = ? ORDER BY number LIMIT 1", size)

    def covering(self, index: int) -> Sealed | None:
        """The first checkpoint whose tree has the leaf ``index``."""
        return self._one("WHERE size > ? ORDER BY size LIMIT 1", index)

    def cosigned_from(self, number: int) -> Sealed | None:
        """The first checkpoint from this number on that somebody besides the log may have signed, whoever it was."""
        return self._one(f"WHERE number >= ? AND {COSIGNED} ORDER BY number LIMIT 1", number)

    def cosigned_up_to(self, number: int) -> Sealed | None:
        """The last such checkpoint up to this number."""
        return self._one(f"WHERE number <= ? AND {COSIGNED} ORDER BY number DESC LIMIT 1", number)

    def _one(self, which: str, *values: int) -> Sealed | None:
        columns = "number, offset, appended_at, record_hash, size, root, map_root, note"
        rows = self._rows(f"SELECT {columns} FROM checkpoint {which}", values)  # noqa: S608
        return Sealed(*rows[0]) if rows else None

    def add(self, sealed: Sealed, segments: list[Segment]) -> None:
        """Remember a checkpoint and what it took in."""
        with self.errors():
            self.database.execute("INSERT INTO checkpoint VALUES (?, ?, ?, ?, ?, ?, ?, ?)", sealed)
            self.database.executemany("INSERT INTO segment VALUES (?, ?, ?, ?, ?)", segments)
            self.database.executemany(
                "INSERT INTO included VALUES (?, ?) ON CONFLICT (partition) DO UPDATE SET next = excluded.next",
                [(segment.partition, segment.end) for segment in segments],
            )

    def segment_of(self, partition: int, offset: int) -> Segment | None:
        """Which leaves an offset is among; None while no checkpoint covers it."""
        rows = self._rows(
            "SELECT partition, start, end, first_leaf, leaves FROM segment WHERE partition = ? AND start <= ? "
            "ORDER BY start DESC LIMIT 1",
            (partition, offset),
        )
        return Segment(*rows[0]) if rows and offset < rows[0][2] else None

    def segments_from(self, first_leaf: int) -> Iterator[Segment]:
        """The segments that have leaves, from the one on that begins with leaf ``first_leaf``, in leaf order."""
        query = (
            "SELECT partition, start, end, first_leaf, leaves FROM segment WHERE first_leaf >= ? AND leaves > 0 "
            "ORDER BY first_leaf"
        )
        with self.errors():
            for row in self.database.execute(query, (first_leaf,)):
                yield Segment(*row)

    def covered_by(self, partition: int, size: int) -> int:
        """The offset behind the last event of a partition that the checkpoint of that tree size covers."""
        rows = self._rows(
            "SELECT end FROM segment WHERE partition = ? AND first_leaf <= ? ORDER BY start DESC LIMIT 1",
            (partition, size),
        )
        return int(rows[0][0]) if rows else 0

    def before_last(self) -> dict[bytes, tuple[int, bytes] | None]:
        """By case key: how those cases stood before the newest checkpoint that it has changed; None: the case was not there."""
        rows = self._rows("SELECT key, number, last_hash FROM before_last")
        return {key: None if number is None else (number, last) for key, number, last in rows}

    def cosigned(self, record_hash: bytes, lines: bytes) -> None:
        """Remember cosignatures."""
        self._rows("INSERT OR IGNORE INTO cosignature VALUES (?, ?)", (record_hash, lines))

    def cosignatures(self, record_hash: bytes) -> bytes:
        """All signature lines that witnesses gave for a checkpoint. One that somebody left without its end spoils no other."""
        query = "SELECT lines FROM cosignature WHERE record_hash = ? ORDER BY lines"
        return b"".join(
            lines if lines.endswith(b"\n") else lines + b"\n" for (lines,) in self._rows(query, (record_hash,))
        )

    def witness_size(self, name: str) -> int:
        """The tree size that a witness has last said to know."""
        rows = self._rows("SELECT size FROM witness WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else 0

    def set_witness_size(self, name: str, size: int) -> None:
        """Remember what a witness knows."""
        self._rows("INSERT OR REPLACE INTO witness VALUES (?, ?)", (name, size))

    def close(self) -> None:
        """Close the file."""
        self.database.close()
