"""The folder in which an auditor keeps what was verified: looked at before anything is written there.

Only a folder that such a run has made, or an empty one, is used. What cannot be told from a new one later is told now: that
there was evidence, and that it is gone.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from casetrail.audit.verification.copy import BEGUN, FILE, HASHES, CopyUnusable
from casetrail.eventlog.transaction import primary_code
from casetrail.proofs.treefile import FORMAT, TreeDamaged, TreeUnreachable, tree_errors

OWN: Final = frozenset({FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-journal", HASHES})
NOBODYS: Final = "lost+found"
"""A disk of the folder's own has it."""
UNWRITTEN: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
)
"""SQLite's codes for a disk that is full or out of reach, or that is not allowed."""
NO_DAMAGE: Final = (sqlite3.OperationalError, sqlite3.IntegrityError, sqlite3.ProgrammingError)
"""A disk that is full or out of reach, and faults of this program."""


def check_folder(directory: Path, log: str) -> None:
    """Whether a folder is the state of an earlier run over this log, or one can be begun in it; it is not altered.

    Raises ``CopyUnusable``, ``TreeBusy``, ``TreeUnreachable``.
    """
    with tree_errors(directory):
        names = {one.name for one in directory.iterdir()} if directory.exists() else set()
        names = {one for one in names if not one.startswith(".") and one != NOBODYS}
        written = FILE in names and (directory / FILE).stat().st_size > 0
    if written:
        _check_tree(directory, log)
    elif names & OWN:
        raise _gone(directory, f"its {FILE} is {'empty' if FILE in names else 'not there'}")
    elif names:
        raise _is_none(directory, f"it holds other files, such as {min(names)}")


def _check_tree(directory: Path, log: str) -> None:
    try:
        with tree_errors(directory), closing(_opened(directory)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not tables:
                raise _gone(directory, f"its {FILE} has no tables")
            if not {"tree", "checkpoint", "verified"} <= tables:
                raise _is_none(
                    directory,
                    f"its {FILE} was made by something else, such as a notary, or for proofs; or a first run ended before it was made",
                )
            (begun,) = database.execute("PRAGMA user_version").fetchone()
            (newest,) = database.execute("SELECT max(number) FROM checkpoint").fetchone()
            (verified,) = database.execute("SELECT max(number) FROM verified").fetchone()
            if begun == BEGUN and newest is None:
                raise _gone(directory, f"its {FILE} holds no checkpoint any more")
            if (FORMAT, log) != database.execute("SELECT format, log FROM tree").fetchone():
                raise CopyUnusable(f"{directory} is the state of another log, or of another version of casetrail")
            if newest != verified:
                raise CopyUnusable(
                    f"{directory} was brought on by something else than 'casetrail audit verify', which can go on from its own work "
                    "only: give it a folder of its own"
                )
    except TreeDamaged as error:
        raise _gone(directory, f"its {FILE} is damaged ({error.__cause__})") from error


@contextmanager
def whole(directory: Path | None, temporary: Path) -> Iterator[None]:
    """Say of a folder that its file is damaged where that shows only while it is read on, and which cannot be written.

    ``temporary``: the folder that a run fills besides. Raises ``CopyUnusable``, ``TreeUnreachable``.
    """
    try:
        yield
    except OSError as error:
        raise _unwritten(directory, temporary, error.strerror or str(error)) from error
    except (TreeDamaged, sqlite3.DatabaseError) as error:
        if isinstance(error, sqlite3.Error) and primary_code(error) in UNWRITTEN:
            raise _unwritten(directory, temporary, str(error)) from error
        if directory is None or isinstance(error, NO_DAMAGE):
            raise
        raise _gone(directory, f"its {FILE} is damaged ({error.__cause__ or error})") from error


def _unwritten(directory: Path | None, temporary: Path, found: str) -> TreeUnreachable:
    """A run that cannot keep what it needs ends, whatever it has found so far: that goes for nothing."""
    where = f"the temporary folder {temporary} (TMPDIR)"
    if directory is not None:
        where = f"the state {directory}, or {where},"
    return TreeUnreachable(
        f"{where} cannot be written ({found}); look at disk (is it full?), owner and mode. So not all could be verified"
    )


def _opened(directory: Path) -> sqlite3.Connection:
    """The file, to be read only. Where no journal is beside it, none is made."""
    journal = directory / f"{FILE}-wal"
    how = "mode=ro" if journal.exists() and journal.stat().st_size else "immutable=1"
    return sqlite3.connect(f"file:{quote(str((directory / FILE).absolute()))}?{how}", uri=True, timeout=2.0)


def _gone(directory: Path, found: str) -> CopyUnusable:
    return CopyUnusable(
        f"{directory} has kept what was verified before, and {found}: the evidence of what the log has shown you is gone. A history "
        "that was replaced or cut off until now will not be recognised by it. Find out who could write there, and put back a copy "
        "of the folder; or move it away, and the next run begins another"
    )


def _is_none(directory: Path, found: str) -> CopyUnusable:
    return CopyUnusable(
        f"{directory} is not the state of 'casetrail audit verify': {found}. Nothing was written there; give it a folder of its own"
    )
