"""A table for as long as an import runs, in a file without a name: memory does not grow with what is in it."""

import sqlite3
from typing import Any

from casetrail.importing.errors import ImportFailed

AT_ONCE = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
"""Nobody reads the file after a crash."""


class Scratch:
    """SQL tables that are gone once they are closed. Each method raises ``ImportFailed`` where there is no room for them."""

    def __init__(self, tables: str) -> None:
        """``tables``: the SQL that makes them."""
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(AT_ONCE + tables)

    def one(self, query: str, *values: object) -> Any:
        """The first row of a query; None where there is none."""
        try:
            return self._database.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise _no_room() from error

    def put(self, statement: str, *values: object) -> bool:
        """Run a statement; whether it changed anything."""
        try:
            return self._database.execute(statement, values).rowcount > 0
        except sqlite3.Error as error:
            raise _no_room() from error

    def close(self) -> None:
        """Forget all."""
        self._database.close()


def _no_room() -> ImportFailed:
    return ImportFailed(
        "there is no room for the tables that an import needs while it runs: make some where SQLITE_TMPDIR or TMPDIR is, "
        "else in /var/tmp; running again goes on, and doubles nothing"
    )
