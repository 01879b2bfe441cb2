"""What is needed of each report to recognise the next one about the same people, kept in a file while findings are sought.

So memory does not grow with cases. The file holds blinded tokens and ids only, and is removed with its folder.
"""

import pickle
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from casetrail.domain.detectors.traces import Trace
from casetrail.domain.values import EPOCH, MILLISECOND

TOGETHER: Final = 5_000
TABLES: Final = (
    "CREATE TABLE trace (id INTEGER PRIMARY KEY, known_at INTEGER, case_id TEXT, merged INTEGER, trace BLOB)",
    "CREATE TABLE token (token BLOB, trace INTEGER)",
)
SHARING: Final = """
SELECT trace FROM trace WHERE id IN (
    SELECT trace FROM token WHERE token IN (SELECT token FROM token GROUP BY token HAVING count(*) > 1)
) ORDER BY known_at, case_id
"""

MERGED: Final = "SELECT trace FROM trace WHERE merged = 1 ORDER BY known_at, case_id"
OF_CASE: Final = "SELECT trace FROM trace WHERE case_id = ?"


class TracesOnDisk:
    """Keeps traces in a file in a folder of the caller's."""

    def __init__(self, folder: Path) -> None:
        self._database = sqlite3.connect(folder / "traces", isolation_level=None)
        for pragma in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", "BEGIN"):
            self._database.execute(pragma)
        for statement in TABLES:
            self._database.execute(statement)
        self._waiting: list[Trace] = []
        self._count = 0

    def add(self, trace: Trace) -> None:
        """Keep a trace."""
        self._waiting.append(trace)
        if len(self._waiting) >= TOGETHER:
            self._write()

    def sharing(self) -> Iterator[Trace]:
        """The traces that share a token with another, by when their reports were recorded."""
        self._write()
        self._database.execute("CREATE INDEX IF NOT EXISTS by_token ON token (token)")
        self._database.execute("CREATE INDEX IF NOT EXISTS by_case ON trace (case_id)")
        return self._read(SHARING)

    def merged(self) -> Iterator[Trace]:
        """The traces of cases that were ever merged, or screened out as known already, in the same order."""
        self._write()
        self._database.execute("CREATE INDEX IF NOT EXISTS by_case ON trace (case_id)")
        return iter(list(self._read(MERGED)))

    def of(self, case_id: str) -> Trace | None:
        """The trace of a case; None where no report of it was received."""
        self._write()
        return next(self._read(OF_CASE, (case_id,)), None)

    def _read(self, statement: str, values: tuple[str, ...] = ()) -> Iterator[Trace]:
        for (kept,) in self._database.execute(statement, values):
            yield pickle.loads(kept)  # noqa: S301  (written by this process, into a folder that is its own)

    def close(self) -> None:
        """Forget everything."""
        self._database.close()

    def _write(self) -> None:
        rows, tokens = [], []
        for number, trace in enumerate(self._waiting, self._count):
            known_at = (trace.known_at - EPOCH) // MILLISECOND
            rows.append((number, known_at, trace.case_id, int(bool(trace.mergers)), pickle.dumps(trace)))
            tokens += [(f"{kind}:".encode() + value, number) for kind, value in trace.tokens]
        self._database.executemany("INSERT INTO trace VALUES (?, ?, ?, ?, ?)", rows)
        self._database.executemany("INSERT INTO token VALUES (?, ?)", tokens)
        self._count += len(self._waiting)
        self._waiting.clear()
