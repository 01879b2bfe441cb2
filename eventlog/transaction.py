"""SQLite files that several may use: one piece each for every file that rooms above this one keep."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Final

RETRY_AFTER: Final = 0.01


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


def _is_locked(error: sqlite3.OperationalError) -> bool:
    """Whether this is SQLite's word for 'somebody else is writing'."""
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def write_ahead(database: sqlite3.Connection, timeout: float) -> None:
    """Readers and a writer at once: a property of the file, set by whoever opens it first.

    While another does so just now SQLite refuses at once, however long it was told to wait, so this waits: ``timeout``
    seconds. SQLite's errors come out as they are.
    """
    until = monotonic() + timeout
    while True:
        try:
            database.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if not _is_locked(error) or monotonic() > until:
                raise
            sleep(RETRY_AFTER)
