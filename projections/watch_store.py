"""What a watchdog must know of cases to watch them, in one local SQLite file: their events, and when to look at each again.

The file is a convenience: it may be deleted at any time, and is made anew from the log. The position in the log, the
events and the times change in one transaction. One watchdog has it at a time.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.domain.values import EPOCH
from casetrail.eventlog.port import Record
from casetrail.projections.local_file import LocalFile
from casetrail.projections.queries import MICROSECOND, micros

FORM: Final = "2"
AT_ONCE: Final = 0

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS form (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS position (partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL, last BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS event (case_id TEXT, number INTEGER, value BLOB NOT NULL, PRIMARY KEY (case_id, number)) "
    "WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS look (case_id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS look_by_time ON look (at)",
    "CREATE TABLE IF NOT EXISTS ahead (case_id TEXT PRIMARY KEY, partition INTEGER NOT NULL, number INTEGER NOT NULL, "
    "log_at INTEGER NOT NULL, again_at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS ahead_by_time ON ahead (partition, log_at)",
    "CREATE TABLE IF NOT EXISTS looked (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), at INTEGER NOT NULL)",
)


class Ahead(NamedTuple):
    """What the log refused of a case because its own clock had not come so far.

    ``partition``: the case's. ``number``: the newest event that refuses. ``log_at``: when, by the log's clock, the first of it is not ahead any more.
    ``again_at``: when, by the watchdog's clock, it is tried whatever is known of the log's.
    """

    partition: int
    number: int
    log_at: datetime
    again_at: datetime


class WatchStore:
    """Events by case, and when to look at each case. Not for use by several threads."""

    def __init__(self, path: Path | str, log: str) -> None:
        """Open or create the file for the log of that name; a file of another log or form is emptied.

        Raises ``StateUnreachable`` while another watchdog has it, or where it cannot be opened or written, ``ViewError``
        where it is no database. So does every method; of what was to be written nothing is, then.
        """
        self._file = LocalFile(path, "the watchdog's file", "look", "delete it: it is made anew from the log", 0)
        self._database = self._file.database
        with self._file.opening():
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            with self._file.transaction():
                for statement in TABLES:
                    self._database.execute(statement)
            self._check_form([("form", FORM), ("log", log)])

    def _check_form(self, form: list[tuple[str, str]]) -> None:
        if sorted(self._database.execute("SELECT name, value FROM form")) != form:
            with self._file.transaction() as database:
                self._empty()
                database.execute("DELETE FROM form")
                database.executemany("INSERT INTO form VALUES (?, ?)", form)

    def clear(self) -> None:
        """Forget everything."""
        with self._file.transaction():
            self._empty()

    def _empty(self) -> None:
        for table in ("position", "event", "look", "ahead", "looked"):
            self._database.execute(f"DELETE FROM {table}")  # noqa: S608  (fixed names)

    def positions(self) -> dict[int, tuple[int, bytes]]:
        """By partition: the offset to be read next, and the last event before it."""
        rows = self._file.rows("SELECT partition, offset, last FROM position")
        return {partition: (offset, last) for partition, offset, last in rows}

    def take(
        self,
        events: Sequence[tuple[str, int, Record]],
        positions: Mapping[int, tuple[int, bytes]],
        log_times: Mapping[int, datetime],
    ) -> None:
        """Take in events of cases (each with its number): their cases are to be looked at.

        ``log_times``: what the log's clock showed last, by partition. Cases in which something is ahead of it no more are
        looked at, too.
        """
        with self._file.transaction():
            run = self._database.executemany
            run(
                "INSERT OR REPLACE INTO event VALUES (?, ?, ?)",
                [(case, number, one.value) for case, number, one in events],
            )
            run(
                "INSERT OR REPLACE INTO look VALUES (?, ?)",
                [(case, AT_ONCE) for case in {case for case, _, _ in events}],
            )
            run(
                "UPDATE look SET at = ? WHERE case_id IN (SELECT case_id FROM ahead WHERE partition = ? AND log_at <= ?)",
                [(AT_ONCE, partition, micros(at)) for partition, at in log_times.items()],
            )
            run("INSERT OR REPLACE INTO position VALUES (?, ?, ?)", [(one, *at) for one, at in positions.items()])

    def events(self, case_id: str) -> list[bytes]:
        """The events of a case, in their order."""
        rows = self._file.rows("SELECT value FROM event WHERE case_id = ? ORDER BY number", (case_id,))
        return [value for (value,) in rows]

    def due(self, now: datetime, limit: int) -> list[str]:
        """Cases that are to be looked at by now, those first that have waited longest."""
        rows = self._file.rows(
            "SELECT case_id FROM look WHERE at <= ? ORDER BY at, case_id LIMIT ?", (micros(now), limit)
        )
        return [case_id for (case_id,) in rows]

    def look_again(self, times: Sequence[tuple[str, datetime | None, Ahead | None]], now: datetime) -> None:
        """When to look at each of some cases, as reckoned now, and what is ahead in it; None: only when something is recorded of it."""
        if not times:
            return
        with self._file.transaction() as database:
            database.execute("INSERT OR REPLACE INTO looked VALUES (1, ?)", (micros(now),))
            for case_id, at, ahead in times:
                database.execute("DELETE FROM look WHERE case_id = ?", (case_id,))
                database.execute("DELETE FROM ahead WHERE case_id = ?", (case_id,))
                if at is not None:
                    database.execute("INSERT INTO look VALUES (?, ?)", (case_id, micros(at)))
                if ahead is not None:
                    row = case_id, ahead.partition, ahead.number, micros(ahead.log_at), micros(ahead.again_at)
                    database.execute("INSERT INTO ahead VALUES (?, ?, ?, ?, ?)", row)

    def look_at_all(self) -> None:
        """Look at all cases that have something owed: what the registry says of them has changed, or the clock was set back."""
        with self._file.transaction():
            self._database.execute("UPDATE look SET at = ?", (AT_ONCE,))
            self._database.execute("DELETE FROM looked")

    def looked_at(self) -> datetime | None:
        """What the watchdog's clock showed when it was last reckoned when to look at a case; None where it need not be known."""
        rows = self._file.rows("SELECT at FROM looked")
        return EPOCH + rows[0][0] * MICROSECOND if rows else None

    def ahead(self, case_id: str) -> Ahead | None:
        """What the log refused of a case as ahead of its clock, and when it is tried again."""
        rows = self._file.rows("SELECT partition, number, log_at, again_at FROM ahead WHERE case_id = ?", (case_id,))
        return Ahead(*rows[0][:2], *(EPOCH + at * MICROSECOND for at in rows[0][2:])) if rows else None

    @property
    def watched(self) -> int:
        """How many cases have something owed, or are to be looked at."""
        ((count,),) = self._file.rows("SELECT count(*) FROM look")
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._database.close()
