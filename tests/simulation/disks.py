"""The files of processes: databases and hashes, of which a crash leaves what was committed or written."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from casetrail.projections.database import SqliteDatabase
from casetrail.projections.errors import ViewMoved
from casetrail.proofs import hashes
from tests.simulation.memory_log import Step

LOCKED = "database is locked"

Copy = tuple[bytes, dict[int, tuple[int, bytes]]]
"""What a file held, and which positions in it a torn write had made up."""


class Disk:
    """A database file. It outlives the processes that use it; one of them at a time is in a transaction."""

    def __init__(self, name: str, content: bytes | None = None) -> None:
        self.name = name
        self.database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        if content is not None:
            self.database.deserialize(content)
        self.holder: DiskConnection | None = None
        self.garbage = False
        self.commits = 0
        self.renewed = 0  # how often it was deleted, and another one stands in its place
        self.torn: dict[int, tuple[int, bytes]] = {}  # positions that a torn write has made up
        self.kept: list[Copy] = []  # what it held after each of its last commits, where that will be asked for

    def close(self) -> None:
        self.database.close()


class DiskConnection:
    """A process's connection: each statement is a step. Looks like ``sqlite3.Connection`` to those who use it."""

    def __init__(self, disk: Disk, step: Step, written: Any) -> None:
        self.disk, self._step, self._written = disk, step, written
        self._commits = 0
        self.exclusive = False  # nobody else may open the file until this is closed

    @property
    def in_transaction(self) -> bool:
        return self.disk.holder is self

    def execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._run(statement, lambda database: database.execute(statement, values))

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        return self._run(statement, lambda database: database.executemany(statement, rows))

    def executescript(self, script: str) -> sqlite3.Cursor:
        return self._run(script, lambda database: database.executescript(script))

    def _run(self, statement: str, act: Any) -> sqlite3.Cursor:
        disk = self.disk
        if statement.startswith("PRAGMA"):
            self.exclusive = self.exclusive or statement.endswith("locking_mode=EXCLUSIVE")
            return disk.database.execute(
                "SELECT ?", (disk.commits - self._commits,)
            )  # changes when others have written
        word = statement.split(None, 1)[0]
        self._step(f"{disk.name}: {word}")
        if disk.garbage:
            raise sqlite3.DatabaseError("file is not a database")
        if disk.holder is not None and disk.holder is not self:
            raise sqlite3.OperationalError(LOCKED)
        found: sqlite3.Cursor = act(disk.database)
        if word == "BEGIN":
            disk.holder = self
        elif not disk.database.in_transaction and word != "SELECT":
            disk.holder = None
            if word != "ROLLBACK":
                disk.commits += 1
                self._commits += 1
                self._written(disk)
        return found

    def abandon(self) -> None:
        """Its process is gone: what it has not committed never was."""
        if self.disk.holder is self:
            self.disk.holder = None
            self.disk.database.execute("ROLLBACK")

    def close(self) -> None:
        self.exclusive = False
        self.abandon()


class DiskViews(SqliteDatabase):
    """The views, on a disk."""

    def __init__(self, connection: DiskConnection) -> None:
        self._database = connection  # type: ignore[assignment]
        self._path = Path("/nowhere/views")
        self._file = None
        self._backfill = None
        self._disk, self._renewed = connection.disk, connection.disk.renewed

    def keep_following(self) -> None:
        """Nothing runs beside the one thread there is."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with super().transaction():
            if self._disk.renewed != self._renewed:  # as SqliteDatabase sees it by the file's number
                raise ViewMoved("the views were deleted: these are others")
            yield


class Sqlite:
    """In the place of the module ``sqlite3`` for those who open files by their names."""

    Connection = sqlite3.Connection
    Error, DatabaseError, OperationalError = sqlite3.Error, sqlite3.DatabaseError, sqlite3.OperationalError
    IntegrityError, ProgrammingError = sqlite3.IntegrityError, sqlite3.ProgrammingError

    def __init__(self, connect: Any) -> None:
        self.connect = connect


class WatchedLevel(hashes._Level):
    """A file of hashes. A process that dies takes with it what it has not written out."""

    opened: Any = None

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        WatchedLevel.opened(self)

    def abandon(self) -> None:
        """Whatever is still to be written goes nowhere."""
        if not self._file.closed:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, self._file.fileno())
            os.close(nowhere)
            self._file.close()
