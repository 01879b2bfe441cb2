"""SQLite files that several may use: one piece each for every file that rooms above this one keep."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Final

RETRY_AFTER: Final = 0.01
SOON: Final = 0.002


@contextmanager
def immediate(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """``BEGIN IMMEDIATE`` … ``COMMIT``; nothing stays of what raises, nor a transaction. SQLite's errors come out as they are."""
    database.execute("BEGIN IMMEDIATE")
    with committing(database):
        yield database


@contextmanager
def committing(database: sqlite3.Connection) -> Iterator[None]:
    """Commit the transaction that has been begun, or undo it where something raises, the commit itself too."""
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # some errors end it by themselves: a full disk does
            database.execute("ROLLBACK")
        raise


def file_at(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to; None where it leads nowhere."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _is_locked(error: sqlite3.OperationalError) -> bool:
    """Whether this is SQLite's word for 'somebody else is writing'."""
    return primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def primary_code(error: sqlite3.Error) -> int:
    """What kind of error SQLite has found, whatever it says besides; 0 where it is not SQLite that has found it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def write_ahead(database: sqlite3.Connection, timeout: float) -> None:
    """Readers and a writer at once: a property of the file, set by whoever opens it first.

    While another does so just now SQLite refuses at once, however long it was told to wait, so this waits: ``timeout``
    seconds. SQLite's errors come out as they are.
    """
    _execute(database, "PRAGMA journal_mode=WAL", timeout, RETRY_AFTER)


def begin_soon(database: sqlite3.Connection, timeout: float) -> None:
    """``BEGIN IMMEDIATE`` within 2 ms of the moment from which nobody else writes, for who writes many small transactions.

    SQLite itself looks again after ever longer pauses, of up to 100 ms. ``timeout``: seconds, those of the connection, too.
    SQLite's errors come out as they are.
    """
    database.execute("PRAGMA busy_timeout=0")
    try:
        _execute(database, "BEGIN IMMEDIATE", timeout, SOON)
    finally:
        database.execute(f"PRAGMA busy_timeout={round(timeout * 1000)}")


def _execute(database: sqlite3.Connection, statement: str, timeout: float, pause: float) -> None:
    """Execute a statement, again and again while somebody else is writing."""
    until = monotonic() + timeout
    while True:
        try:
            database.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if not _is_locked(error) or monotonic() > until:
                raise
            sleep(pause)
