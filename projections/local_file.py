"""The SQLite file on this machine in which one consumer keeps what it knows: opened, used and closed with clear errors."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from casetrail.eventlog.transaction import immediate
from casetrail.projections.errors import StateUnreachable, ViewError


class LocalFile:
    """Says of every trouble with the file which file it is, what SQLite said, and what to do."""

    def __init__(self, path: Path | str, what: str, table: str, remedy: str, timeout: float) -> None:
        """``what``: whose file it is. ``table``: one that every such file has, and no other. ``remedy``: what to do where it is no
        database, or damaged. ``timeout``: seconds that another process is waited for.
        """
        self._name, self._table, self._remedy = f"{what} {path}", table, remedy
        with self.errors():
            self.database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=timeout)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Let SQLite's errors out as ``StateUnreachable`` (it may pass: locked, full, not allowed) or ``ViewError``."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StateUnreachable(
                f"{self._name} is in use, or cannot be opened, read or written ({error}); "
                "look for another process, and at disk, owner and mode"
            ) from error
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):  # faults of this program
            raise
        except sqlite3.DatabaseError as error:
            raise ViewError(f"{self._name} cannot be used ({error}); {self._remedy}") from error

    @contextmanager
    def opening(self) -> Iterator[None]:
        """``errors``, and the connection is closed where anything is raised: the file is free for the next one.

        Raises ``ViewError`` where something else is kept in the file.
        """
        try:
            with self.errors():
                tables = {
                    name for (name,) in self.database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                }
                if tables and self._table not in tables:
                    raise ViewError(
                        f"{self._name} holds something else, and is left as it is; name another file (--state), or move that one away"
                    )
                yield
        except BaseException:
            self.database.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, with ``errors``."""
        with self.errors(), immediate(self.database):
            yield self.database

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query, with ``errors``."""
        with self.errors():
            return self.database.execute(query, values).fetchall()
