"""Opening the file of an embedded log, and what it means that it cannot be opened or read."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Final

from casetrail.eventlog.errors import LogDamaged, LogError, LogMissing, LogUnreachable
from casetrail.eventlog.transaction import primary_code
from casetrail.eventlog.unlocked import Standing, is_shared, is_shut, is_write_ahead, open_unlocked, standing

BUSY_TIMEOUT: Final = 30.0
TRIES: Final = 5
AGAIN_AFTER: Final = 0.02
GARBLED: Final = "is damaged, or was altered past this program: keep a copy of it, and look at its disk"
COPIED: Final = "; if it is a copy, it may have been taken while the log was written to: ask for one that was made with sqlite3's .backup"
OF_WHOM: Final = "look at owner and mode of it, of its folder, and of the files beside it that end in -wal and -shm"

SIZE_AT: Final = 16
PAGES_AT: Final = 28
HEAD: Final = 100
"""In the first bytes of a database: how long a page is, and how many there are."""


class Connection(sqlite3.Connection):
    """A connection that is closed when the thread that made it has ended."""

    path: Path
    unlocked: Standing | None = None
    """How the files stood when this was opened, where nobody is kept from writing to them."""

    def is_outdated(self) -> bool:
        """Whether somebody has written to the file since, which is read without a lock: from then on it must be opened anew."""
        return self.unlocked is not None and standing(self.path) != self.unlocked

    def check(self) -> None:
        """Raise ``LogUnreachable`` where it is outdated: what has just been read counts for nothing."""
        if self.is_outdated():
            raise LogUnreachable(
                f"the log's file {self.path} is being written to, and this user, who may write nothing there, reads it without a lock: "
                "what was read may not fit together. Do it again, or read a copy (sqlite3's .backup)"
            )

    def journal_mode(self) -> str:
        """How the file is written to, as SQLite calls it."""
        found = str(self.execute("PRAGMA journal_mode").fetchone()[0])
        return "wal" if self.unlocked is not None and is_write_ahead(self.path) else found


def connect(path: Path) -> Connection:
    """Open the file. Raises ``LogUnreachable`` where that is not allowed, ``LogMissing``, ``LogDamaged``."""
    left = TRIES
    while True:
        try:
            return _opened(path)
        except sqlite3.OperationalError as error:
            left -= 1
            if left == 0 or not is_shut(path):
                raise LogUnreachable(f"the log's file {path} cannot be opened ({error}); {OF_WHOM}") from error
            sleep(AGAIN_AFTER)  # whoever wrote may have ended just now, and taken away what was to be read along with
        except sqlite3.DatabaseError as error:
            raise no_log(path, error) from error


def _opened(path: Path) -> Connection:
    if not is_shut(path) or is_shared(path):
        database = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT, factory=Connection
        )
    else:
        found = standing(path)
        database = open_unlocked(path, found, Connection, BUSY_TIMEOUT)
        database.unlocked = found
    database.path = path
    database.execute("PRAGMA trusted_schema=OFF")  # what somebody has written into the schema runs nothing
    database.execute("PRAGMA synchronous=FULL")  # what was acknowledged survives a power failure
    return database


def no_log(path: Path, error: sqlite3.DatabaseError) -> LogError:
    """What it means that a file cannot be opened as a log."""
    if _is_corrupt(error):
        return _damaged(path, error)
    return LogMissing(f"{path} is not a log of casetrail ({error})")


@contextmanager
def reading(database: Connection) -> Iterator[None]:
    """Let SQLite's errors out as the log's; and nothing that was read while others wrote."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        database.check()
        if _is_corrupt(error):
            raise _damaged(database.path, error) from error
        raise LogUnreachable(
            f"the log's file {database.path} cannot be read ({error}); check the disk and the file"
        ) from error
    database.check()


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    """Whether SQLite has found its file garbled or cut off, rather than out of reach, or no database at all."""
    return primary_code(error) == sqlite3.SQLITE_CORRUPT


def _damaged(path: Path, error: sqlite3.DatabaseError) -> LogDamaged:
    cut = _cut_off(path)
    return LogDamaged(f"the log's file {path} {GARBLED} ({f'{cut}, ' if cut else ''}{error}){COPIED}")


def _cut_off(path: Path) -> str:
    """How much of the file is there, where that is less than its first page says."""
    try:
        with path.open("rb") as opened:
            head, is_there = opened.read(HEAD), path.stat().st_size
    except OSError:
        return ""
    size = int.from_bytes(head[SIZE_AT : SIZE_AT + 2])
    whole = (65_536 if size == 1 else size) * int.from_bytes(head[PAGES_AT : PAGES_AT + 4])
    return f"its end is missing: {is_there} of {whole} bytes are there" if is_there < whole else ""
