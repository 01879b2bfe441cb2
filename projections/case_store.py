"""Folded cases by id, in one local SQLite file: what a recorder must know of a case to decide on its next action.

The file is a convenience. It names the position up to which it follows the events, is checked against them when it is
opened, and may be deleted at any time: everything is folded anew. Memory stays bounded: only the cases used last are
kept, the others are read back when they are needed.

Recorders of one machine may share a file. A partition has one recorder at a time, but may come back to one that had it
before: so what is in memory is held against the file wherever another process may have written to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.domain.memory import MEMORY, dump_case, load_case
from casetrail.eventlog.outcome import History
from casetrail.eventlog.transaction import write_ahead
from casetrail.projections.cache import CACHED_CASES, HistoryCache
from casetrail.projections.errors import ViewMoved
from casetrail.projections.local_file import LocalFile

MOST_VARIABLES: Final = 500
PATIENCE: Final = 30.0
"""Seconds that others who use the file are waited for."""

TABLES: Final = """
CREATE TABLE IF NOT EXISTS history (
    case_id TEXT PRIMARY KEY, partition INTEGER NOT NULL, last_hash BLOB NOT NULL, state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS form (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS position (
    partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL, last_hash BLOB NOT NULL
);
"""
"""The first is made first: by it a file is recognised whose making was broken off."""


class Position(NamedTuple):
    """The last event that the store has followed in a partition: its offset, and its leaf hash."""

    offset: int
    last_hash: bytes


class CaseStore:
    """Histories of cases, read and written through a bounded cache. Not for use by several threads or processes."""

    def __init__(self, path: Path | str, log: str, cached: int = CACHED_CASES) -> None:
        """Open or create the file for the log of that name; a file of another log or form is emptied.

        Raises ``ViewError`` where the file is no database, ``StateUnreachable`` where it cannot be opened or written. So
        does every method that reads or writes; of what was to be written nothing is, then.
        """
        self._file = LocalFile(
            path, "the state file", "history", "if it is one, delete it: it is made anew from the log", PATIENCE
        )
        self._database = self._file.database
        self.cache = HistoryCache(self._load, cached)
        self._rests_on: dict[int, Position | None] = {}  # the position from which memory goes on, by partition
        with self._file.opening():
            write_ahead(self._database, PATIENCE)
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(TABLES)
            self._version = self._file_version()
            self._check_form({"log": log, "memory": MEMORY})

    def _check_form(self, form: Mapping[str, str]) -> None:
        found = dict(self._database.execute("SELECT name, value FROM form"))
        if found == form:
            return
        with self._file.transaction() as database:
            for table in ("form", "history", "position"):
                database.execute(f"DELETE FROM {table}")  # noqa: S608  (a fixed name)
            database.executemany("INSERT INTO form VALUES (?, ?)", form.items())

    def _load(self, case_ids: Sequence[str]) -> dict[str, History]:
        found = {}
        for start in range(0, len(case_ids), MOST_VARIABLES):
            some = case_ids[start : start + MOST_VARIABLES]
            marks = ",".join("?" * len(some))
            query = f"SELECT case_id, last_hash, state FROM history WHERE case_id IN ({marks})"  # noqa: S608
            for case_id, last_hash, state in self._file.rows(query, some):
                found[case_id] = History(load_case(case_id, state), last_hash)
        return found

    def _file_version(self) -> int:
        """Another one when another process has written."""
        return int(self._file.rows("PRAGMA data_version")[0][0])

    def position(self, partition: int) -> Position | None:
        """Up to where the stored histories follow a partition's events, to go on from there; None: not at all."""
        if (version := self._file_version()) != self._version:
            self._version = version
            self.unlearn()
        self._rests_on[partition] = self._stored_position(partition)
        return self._rests_on[partition]

    def check(self, partition: int) -> None:
        """Raises ``ViewMoved`` where another process has moved a partition on in the file since it was asked for."""
        if self._stored_position(partition) != self._rests_on.get(partition):
            self.unlearn()
            raise ViewMoved(f"partition {partition}: another recorder has gone on with it in the same state file")

    def _stored_position(self, partition: int) -> Position | None:
        rows = self._file.rows("SELECT offset, last_hash FROM position WHERE partition = ?", (partition,))
        return Position(*rows[0]) if rows else None

    @property
    def unsaved(self) -> int:
        """How many changed histories are kept in memory only."""
        return self.cache.unwritten

    def save(self, positions: Mapping[int, Position]) -> None:
        """Write what has changed, together with the positions that it stands for, in one transaction.

        Raises ``ViewMoved`` where another process has moved one of these partitions on: nothing is written then.
        """
        rows = [
            (history.case.id, partition, history.last_hash, dump_case(history.case))
            for partition, history in self.cache.changes()
        ]
        with self._file.transaction() as database:
            for partition in positions:
                self.check(partition)
            database.executemany(
                "INSERT INTO history VALUES (?, ?, ?, ?) ON CONFLICT (case_id) DO UPDATE "
                "SET partition = excluded.partition, last_hash = excluded.last_hash, state = excluded.state",
                rows,
            )
            database.executemany(
                "INSERT INTO position VALUES (?, ?, ?) ON CONFLICT (partition) DO UPDATE "
                "SET offset = excluded.offset, last_hash = excluded.last_hash",
                [(partition, *position) for partition, position in positions.items()],
            )
        self._rests_on |= positions
        self.cache.written()

    def unlearn(self) -> None:
        """Drop all that is in memory only: some of it was decided, but never appended."""
        self.cache.clear()

    def forget(self, partition: int) -> None:
        """Delete what is stored of a partition: it does not follow from the log's events."""
        self.unlearn()
        with self._file.transaction() as database:
            database.execute("DELETE FROM history WHERE partition = ?", (partition,))
            database.execute("DELETE FROM position WHERE partition = ?", (partition,))
        self._rests_on[partition] = None

    def stored(self) -> Iterator[tuple[int, History, str]]:
        """Every stored history, with its partition and its text; what is unsaved is not among them."""
        query = "SELECT partition, case_id, last_hash, state FROM history"
        with self._file.errors():
            for partition, case_id, last_hash, state in self._database.execute(query):
                yield partition, History(load_case(case_id, state), last_hash), state

    def close(self) -> None:
        """Close the file. What was not saved is folded anew from the events next time."""
        self._database.close()
