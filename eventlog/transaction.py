"""All or nothing in an SQLite file: the one piece for every file that rooms above this one keep."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


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
