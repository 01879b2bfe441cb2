"""What a watchdog must know of cases to watch them, in one local SQLite file: their events, and when to look at each again.

The file is a convenience: it may be deleted at any time, and is made anew from the log. The position in the log, the
events and the times change in one transaction. One watchdog has it at a time.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from casetrail.eventlog.port import Record
from casetrail.projections.errors import ViewError, ViewUnreachable
from casetrail.projections.queries import micros

FORM: Final = "1"
AT_ONCE: Final = 0

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS form (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS position (partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL, last BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS event (case_id TEXT, number INTEGER, value BLOB NOT NULL, PRIMARY KEY (case_id, number)) "
    "WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS look (case_id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS look_by_time ON look (at)",
)


class WatchStore:
    """Events by case, and when to look at each case. Not for use by several threads."""

    def __init__(self, path: Path | str, log: str) -> None:
        """Open or create the file for the log of that name; a file of another log or form is emptied.

        Raises ``ViewUnreachable`` while another watchdog has it, ``ViewError`` where it is no database.
        """
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            with self._transaction():
                for statement in TABLES:
                    self._database.execute(statement)
        except sqlite3.OperationalError as error:
            raise ViewUnreachable(f"the watchdog's file {path} is in use, or cannot be opened ({error})") from error
        except sqlite3.DatabaseError as error:
            raise ViewError(
                f"the watchdog's file {path} cannot be used ({error}); delete it: it is made anew"
            ) from error
        form = [("form", FORM), ("log", log)]
        if sorted(self._database.execute("SELECT name, value FROM form")) != form:
            self.clear()
            self._database.execute("DELETE FROM form")
            self._database.executemany("INSERT INTO form VALUES (?, ?)", form)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def clear(self) -> None:
        """Forget everything."""
        with self._transaction():
            for table in ("position", "event", "look"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608  (fixed names)

    def positions(self) -> dict[int, tuple[int, bytes]]:
        """By partition: the offset to be read next, and the last event before it."""
        rows = self._database.execute("SELECT partition, offset, last FROM position")
        return {partition: (offset, last) for partition, offset, last in rows}

    def take(self, events: Sequence[tuple[str, int, Record]], positions: Mapping[int, tuple[int, bytes]]) -> None:
        """Take in events of cases (each with its number); their cases are to be looked at."""
        with self._transaction():
            run = self._database.executemany
            run(
                "INSERT OR REPLACE INTO event VALUES (?, ?, ?)",
                [(case, number, one.value) for case, number, one in events],
            )
            run(
                "INSERT OR REPLACE INTO look VALUES (?, ?)",
                [(case, AT_ONCE) for case in {case for case, _, _ in events}],
            )
            run("INSERT OR REPLACE INTO position VALUES (?, ?, ?)", [(one, *at) for one, at in positions.items()])

    def events(self, case_id: str) -> list[bytes]:
        """The events of a case, in their order."""
        rows = self._database.execute("SELECT value FROM event WHERE case_id = ? ORDER BY number", (case_id,))
        return [value for (value,) in rows]

    def due(self, now: datetime, limit: int) -> list[str]:
        """Cases that are to be looked at by now, those first that have waited longest."""
        rows = self._database.execute(
            "SELECT case_id FROM look WHERE at <= ? ORDER BY at, case_id LIMIT ?", (micros(now), limit)
        )
        return [case_id for (case_id,) in rows]

    def look_again(self, times: Iterable[tuple[str, datetime | None]]) -> None:
        """When to look at each of some cases; None: only when something is recorded of it."""
        with self._transaction():
            for case_id, at in times:
                if at is None:
                    self._database.execute("DELETE FROM look WHERE case_id = ?", (case_id,))
                else:
                    self._database.execute("INSERT OR REPLACE INTO look VALUES (?, ?)", (case_id, micros(at)))

    def look_at_all(self) -> None:
        """Look at all cases that have something owed: what the registry says of them has changed."""
        self._database.execute("UPDATE look SET at = ?", (AT_ONCE,))

    @property
    def watched(self) -> int:
        """How many cases have something owed, or are to be looked at."""
        (count,) = self._database.execute("SELECT count(*) FROM look").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._database.close()
