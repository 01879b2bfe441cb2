"""Folded cases by id, in one local SQLite file: what a recorder must know of a case to decide on its next action.

The file is a convenience. It names the position up to which it follows the events, is checked against them when it is
opened, and may be deleted at any time: everything is folded anew. Memory stays bounded: only the cases used last are
kept, the others are read back when they are needed.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.domain.memory import MEMORY, dump_case, load_case
from casetrail.eventlog.outcome import History

CACHED_CASES: Final = 20_000
MOST_VARIABLES: Final = 500

TABLES: Final = """
CREATE TABLE IF NOT EXISTS form (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS history (
    case_id TEXT PRIMARY KEY, partition INTEGER NOT NULL, last_hash BLOB NOT NULL, state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS position (
    partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL, last_hash BLOB NOT NULL
);
"""


class Position(NamedTuple):
    """The last event that the store has followed in a partition: its offset, and its leaf hash."""

    offset: int
    last_hash: bytes


class CaseStore:
    """Histories of cases, read and written through a bounded cache. Not for use by several threads or processes."""

    def __init__(self, path: Path | str, log: str, cached: int = CACHED_CASES) -> None:
        """Open or create the file for the log of that name; a file of another log or form is emptied."""
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(TABLES)
        self._cached = cached
        self._cache: OrderedDict[str, History] = OrderedDict()
        self._dirty: dict[str, int] = {}  # case id: its partition
        self._check_form({"log": log, "memory": MEMORY})

    def _check_form(self, form: Mapping[str, str]) -> None:
        found = dict(self._database.execute("SELECT name, value FROM form"))
        if found == form:
            return
        with self._transaction() as database:
            for table in ("form", "history", "position"):
                database.execute(f"DELETE FROM {table}")  # noqa: S608  (a fixed name)
            database.executemany("INSERT INTO form VALUES (?, ?)", form.items())

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._database)

    def position(self, partition: int) -> Position | None:
        """Up to where the stored histories follow a partition's events; None: not at all."""
        row = self._database.execute("SELECT offset, last_hash FROM position WHERE partition = ?", (partition,))
        found = row.fetchone()
        return None if found is None else Position(*found)

    def prepare(self, case_ids: Iterable[str]) -> None:
        """Read the histories of these cases in as few queries as possible; ``history`` then finds them in memory."""
        missing = [case_id for case_id in dict.fromkeys(case_ids) if case_id not in self._cache]
        for start in range(0, len(missing), MOST_VARIABLES):
            some = missing[start : start + MOST_VARIABLES]
            marks = ",".join("?" * len(some))
            rows = self._database.execute(
                f"SELECT case_id, last_hash, state FROM history WHERE case_id IN ({marks})",  # noqa: S608
                some,
            )
            for case_id, last_hash, state in rows:
                self._cache[case_id] = History(load_case(case_id, state), last_hash)
        for case_id in missing:
            if case_id not in self._cache:
                self._cache[case_id] = History.empty(case_id)

    def history(self, case_id: str) -> History:
        """The history of a case: the object that is kept, to be changed in place and then ``touched``."""
        found = self._cache.get(case_id)
        if found is None:
            self.prepare((case_id,))
            found = self._cache[case_id]
        self._cache.move_to_end(case_id)
        return found

    def touched(self, case_id: str, partition: int) -> None:
        """The history of this case has changed: it is written at the next ``save``."""
        self._dirty[case_id] = partition

    @property
    def unsaved(self) -> int:
        """How many changed histories are kept in memory only."""
        return len(self._dirty)

    def save(self, positions: Mapping[int, Position]) -> None:
        """Write what has changed, together with the positions that it stands for, in one transaction."""
        rows = [
            (case_id, partition, history.last_hash, dump_case(history.case))
            for case_id, partition in self._dirty.items()
            if (history := self._cache.get(case_id)) is not None
        ]
        with self._transaction() as database:
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
        self._dirty.clear()
        self._shrink()

    def _shrink(self) -> None:
        while len(self._cache) > self._cached:
            self._cache.popitem(last=False)

    def unlearn(self) -> None:
        """Drop all that is in memory only: some of it was decided, but never appended."""
        self._cache.clear()
        self._dirty.clear()

    def forget(self, partition: int) -> None:
        """Delete what is stored of a partition: it does not follow from the log's events."""
        self.unlearn()
        with self._transaction() as database:
            database.execute("DELETE FROM history WHERE partition = ?", (partition,))
            database.execute("DELETE FROM position WHERE partition = ?", (partition,))

    def close(self) -> None:
        """Close the file. What was not saved is folded anew from the events next time."""
        self._database.close()


class _Transaction:
    """``BEGIN IMMEDIATE`` … ``COMMIT``, or ``ROLLBACK`` when an exception passes."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Connection:
        self._database.execute("BEGIN IMMEDIATE")
        return self._database

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")
