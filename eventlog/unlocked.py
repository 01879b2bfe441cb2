"""SQLite files that are read where nothing may be written: on a disk that is mounted so, in another's folder, as evidence.

SQLite makes two files beside its own even to read, a journal (-wal) and an index to it (-shm), and where it may not it reads nothing. It
does read, without any lock, a file that has no journal; and one with a journal, if it is told to keep the index in its memory. Nobody is
kept from writing meanwhile, so whoever reads like that looks afterwards whether all still stands as it stood.
"""

import os
import sqlite3
from pathlib import Path
from stat import S_ISREG
from typing import Final, NamedTuple, TypeVar

C = TypeVar("C", bound=sqlite3.Connection)

JOURNALS: Final = ("-wal", "-journal")
INDEX: Final = "-shm"
MODE_AT: Final = 18
WRITE_AHEAD: Final = b"\2\2"
"""Where a database says of itself that it has a journal of what is to be written, and how."""


class Standing(NamedTuple):
    """How a file and its journals stand: which file, how long, and when it was last written to."""

    file: tuple[int, int, int] | None
    journals: tuple[tuple[int, int, int] | None, ...]


def is_shut(path: Path) -> bool:
    """Whether this is a file which this user cannot write, or in whose folder nothing can be made."""
    place = _place(path)
    return place.is_file() and not (os.access(place, os.W_OK) and os.access(place.parent, os.W_OK))


def standing(path: Path) -> Standing:
    """How it stands now. A journal without content is as good as none."""
    return Standing(_of(_place(path)), tuple(_of(_place(path, ending)) for ending in JOURNALS))


def is_shared(path: Path) -> bool:
    """Whether journal and index are there: then SQLite reads along with whoever may be writing."""
    return all(_place(path, ending).is_file() for ending in (JOURNALS[0], INDEX))


def open_unlocked(path: Path, found: Standing, factory: type[C], timeout: float) -> C:
    """Open a file that stands like this, writing nothing and taking no lock. SQLite's errors come out as they are."""
    written_ahead, to_undo = found.journals
    how = "&vfs=unix-none" if written_ahead is not None else "&immutable=1"
    if to_undo is not None:  # the file counts only when that is done, which SQLite refuses by itself
        how = ""
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro{how}", uri=True, isolation_level=None, check_same_thread=False,
        timeout=timeout, factory=factory,
    )  # fmt: skip
    if written_ahead is not None:
        database.execute("PRAGMA locking_mode=EXCLUSIVE")  # with it SQLite keeps the index in its memory
    return database


def open_to_read(path: Path, timeout: float) -> sqlite3.Connection:
    """Open a file that may be evidence: nothing is made beside it, wherever it lies. For files whose users share them, none locks all others out."""
    if is_shared(path):
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=timeout,
        )
    return open_unlocked(path, standing(path), sqlite3.Connection, timeout)


def is_write_ahead(path: Path) -> bool:
    """Whether a file says of itself that it has a journal of that kind: of one that it reads without a journal, SQLite does not say."""
    with path.open("rb") as opened:
        opened.seek(MODE_AT)
        return opened.read(len(WRITE_AHEAD)) == WRITE_AHEAD


def _place(path: Path, ending: str = "") -> Path:
    """The file that SQLite opens, or one beside it: beside the one that a link leads to."""
    return Path(os.path.realpath(path) + ending)


def _of(place: Path) -> tuple[int, int, int] | None:
    try:
        found = place.stat()
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if S_ISREG(found.st_mode) and found.st_size else None
