"""What a witness has seen: one SQLite file with the checkpoints that a known log has signed and shown to it, up to a limit.

The file is the witness's whole memory, and its evidence. What it says when a transaction ends is on the disk, so a cosignature
that leaves afterwards can never be contradicted by a later one. Losing the file, or going back to an old copy of it, makes a
witness forget, and then it can be shown a fork: keep it, and never restore it from a backup.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, Self

from casetrail.eventlog.errors import LogError
from casetrail.eventlog.transaction import file_at, write_ahead
from casetrail.eventlog.unlocked import open_to_read
from casetrail.proofs.checkpoint import Checkpoint
from casetrail.proofs.keys import TIME_BYTES
from casetrail.proofs.note import MOST_BYTES, parse_signatures
from casetrail.proofs.within import check_plain

FORMAT: Final = "casetrail-witness-1"
PATIENCE: Final = 5.0
"""Seconds that others who use the file are waited for."""
MOST_LEAVES: Final = 2**63 - 1
"""What SQLite can count."""
MOST_REFUSED: Final = 10_000
"""So many refused checkpoints of a log are kept, and as many again that contradict one that is there: evidence enough.

A log needs no more than its key to sign others without end. Those that are kept convict it: they are trees that it never has.
"""
MOST_AN_HOUR: Final = 360
"""So many cosigned checkpoints of a log are kept of an hour, the newest among them: what a log publishes every ten seconds.

A log needs no more than its key to have others cosigned without end, each of which extends the one before. Of those beyond that
each goes when the next one comes, which was shown to contain it: so a fork of the one is a fork of the other, and proofs show that. What
contradicts another one stays, for it convicts by itself.
"""
HOUR: Final = timedelta(hours=1)

TABLES: Final = (
    "CREATE TABLE witness (format TEXT NOT NULL)",
    "CREATE TABLE checkpoint (number INTEGER PRIMARY KEY, origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, "
    "seen_at INTEGER NOT NULL, note BLOB NOT NULL, cosignature TEXT, refused TEXT, contradicts INTEGER NOT NULL DEFAULT 0, "
    "UNIQUE (origin, size, root))",
    # the promise itself: whatever the program does, it cannot cosign two roots for one size
    "CREATE UNIQUE INDEX one_root_per_size ON checkpoint (origin, size) WHERE cosignature IS NOT NULL",
    "CREATE INDEX contradicting ON checkpoint (number) WHERE contradicts",
    "CREATE TRIGGER no_update BEFORE UPDATE OF number, origin, size, root, seen_at ON checkpoint "
    "BEGIN SELECT RAISE(ABORT, 'what was seen stays as it was'); END",
    "CREATE TRIGGER no_unsigning BEFORE UPDATE OF cosignature ON checkpoint WHEN NEW.cosignature IS NULL "
    "BEGIN SELECT RAISE(ABORT, 'what was cosigned stays cosigned'); END",
)
NO_DELETE: Final = (
    "CREATE TRIGGER no_delete BEFORE DELETE ON checkpoint WHEN OLD.cosignature IS NULL OR OLD.contradicts OR NOT EXISTS "
    "(SELECT 1 FROM checkpoint WHERE origin = OLD.origin AND size > OLD.size AND cosignature IS NOT NULL) "
    "BEGIN SELECT RAISE(ABORT, 'what was seen stays, unless a larger tree that was cosigned contains it'); END"
)
REFUSED: Final = "CREATE INDEX IF NOT EXISTS refused_of ON checkpoint (origin) WHERE refused IS NOT NULL"
"""States that were begun before these two were thought of get them, too."""
COLUMNS: Final = "number, origin, size, root, seen_at, note, cosignature, refused, contradicts"


NOTES: Final = (
    "SELECT substr(CAST(note AS BLOB), 1, ?), substr(CAST(cosignature AS BLOB), 1, ?) FROM checkpoint ORDER BY number"
)


class StateUnusable(LogError):
    """A witness's state cannot be read or written: nothing is cosigned."""

    code = "witness-state-unusable"


class Seen(NamedTuple):
    """A checkpoint that a witness has seen. ``seen_at``: when first, UTC.

    ``note`` carries the log's signatures only. ``cosignature`` are the lines that the witness gave last, ``refused`` the code
    of why it gave none. ``contradicts``: the log has signed another root for the same size.
    """

    number: int
    origin: str
    size: int
    root: bytes
    seen_at: datetime
    note: bytes
    cosignature: str | None
    refused: str | None
    contradicts: bool

    @property
    def cosigned_note(self) -> bytes:
        """The note with the witness's cosignatures, if it gave any."""
        return self.note + (self.cosignature or "").encode()

    @property
    def cosigned_at(self) -> datetime:
        """The time that the witness stated when it cosigned last. It has to have cosigned."""
        (signature, *_) = parse_signatures(self.cosignature or "")
        return datetime.fromtimestamp(int.from_bytes(signature.signature[:TIME_BYTES]), UTC)


def check_tables(database: sqlite3.Connection) -> None:
    """Whether a file that somebody else may have made has its rows in tables. Raises ``sqlite3.DatabaseError``.

    A view, or a virtual table, is a program of its maker's: it may never end.
    """
    database.execute("PRAGMA trusted_schema=OFF")
    if database.execute("SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view') AND rootpage = 0").fetchone():
        raise sqlite3.DatabaseError("there are views in it, and casetrail makes none")


def check_beside(path: Path) -> None:
    """Whether what a database file that somebody else may have made has beside it are files. Raises ``OSError``.

    SQLite opens them unasked, and waits for whoever writes into a pipe.
    """
    for suffix in ("-journal", "-wal", "-shm"):
        check_plain(path.with_name(path.name + suffix))


class WitnessState:
    """The file. Not for two threads at once; several processes may use it."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the file, or begin a new one. Raises ``StateUnusable``, ``read_only`` also where there is none."""
        self.path = path
        self.is_new = not path.exists()
        if read_only and self.is_new:
            raise StateUnusable(f"there is no state of a witness at {path}")
        try:
            if read_only:
                check_beside(path.resolve())
                self._database = open_to_read(path, PATIENCE)
            else:
                self._database = sqlite3.connect(
                    path.absolute(), isolation_level=None, timeout=PATIENCE, check_same_thread=False
                )
        except (sqlite3.Error, OSError) as error:
            raise StateUnusable(f"the witness's state {path} cannot be opened ({error})") from error
        try:
            if read_only:
                check_tables(self._database)
            else:
                self._prepare()
            (form,) = self._database.execute("SELECT format FROM witness").fetchone()
        except (sqlite3.Error, TypeError) as error:
            self.close()
            raise StateUnusable(f"{path} is not the state of a witness, or cannot be read ({error})") from error
        if form != FORMAT:
            self.close()
            raise StateUnusable(f"the witness's state {path} is of another version of casetrail")
        self._place = path.absolute()
        self._file = file_at(self._place)

    def _prepare(self) -> None:
        write_ahead(self._database, PATIENCE)  # who lists what was seen does not stop who cosigns
        self._database.execute("PRAGMA synchronous=FULL")  # what is committed survives a power failure, too
        self._database.execute("BEGIN IMMEDIATE")
        if not self._database.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in TABLES:
                self._database.execute(statement)
            self._database.execute("INSERT INTO witness VALUES (?)", (FORMAT,))
        self._database.execute(REFUSED)
        if self._database.execute("SELECT sql FROM sqlite_master WHERE name = 'no_delete'").fetchone() != (NO_DELETE,):
            self._database.execute("DROP TRIGGER IF EXISTS no_delete")
            self._database.execute(NO_DELETE)
        self._database.execute("COMMIT")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Nobody else writes meanwhile, and at the end all is on the disk. Raises ``StateUnusable`` where it is not."""
        self._check_file()
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StateUnusable(f"the witness's state {self.path} cannot be written ({error})") from error
        self._check_file()

    def _check_file(self) -> None:
        """Raise ``StateUnusable`` where another file stands in the place of this one, or none: whoever begins anew reads that."""
        try:
            found = file_at(self._place)
        except OSError as error:
            raise StateUnusable(f"the witness's state {self.path} cannot be reached ({error.strerror})") from error
        if found != self._file:
            raise StateUnusable(
                f"the witness's state {self.path} was replaced or taken away since it was opened here: nothing is cosigned any more. "
                "Put the file back that was here, with those beside it, and begin anew: from an older copy a fork could be cosigned"
            )

    def newest(self, origin: str) -> Seen | None:
        """The largest checkpoint of that log that was cosigned."""
        return self._one("WHERE origin = ? AND cosignature IS NOT NULL ORDER BY size DESC LIMIT 1", origin)

    def cosigned(self, origin: str, size: int) -> Seen | None:
        """The checkpoint of that size that was cosigned."""
        return self._one("WHERE origin = ? AND size = ? AND cosignature IS NOT NULL", origin, size)

    def find(self, checkpoint: Checkpoint) -> Seen | None:
        """That checkpoint, if it was seen before."""
        values = checkpoint.origin, checkpoint.size, checkpoint.root
        return self._one("WHERE origin = ? AND size = ? AND root = ?", *values)

    def _one(self, which: str, *values: str | int | bytes) -> Seen | None:
        return next(self._all(which, *values), None)

    def _all(self, which: str, *values: str | int | bytes) -> Iterator[Seen]:
        try:
            for row in self._database.execute(f"SELECT {COLUMNS} FROM checkpoint {which}", values):  # noqa: S608
                yield _seen(row)
        except sqlite3.Error as error:
            raise StateUnusable(f"the witness's state {self.path} cannot be read ({error})") from error

    def keep(self, checkpoint: Checkpoint, note: bytes, at: datetime, refused: str | None) -> bool:
        """Remember a checkpoint that was not seen before, inside a transaction, and mark what it contradicts.

        Returns whether it did: there is no room for what is refused without end (``MOST_REFUSED``).
        """
        key = checkpoint.origin, checkpoint.size
        (others,) = self._database.execute(
            "SELECT count(*) FROM checkpoint WHERE origin = ? AND size = ?", key
        ).fetchone()
        if refused is not None and self._refused(checkpoint.origin) >= MOST_REFUSED * (2 if others else 1):
            return False
        self._database.execute(
            "INSERT INTO checkpoint (origin, size, root, seen_at, note, refused) VALUES (?, ?, ?, ?, ?, ?)",
            (*key, checkpoint.root, int(at.timestamp()), note, refused),
        )
        if others:
            self._database.execute("UPDATE checkpoint SET contradicts = 1 WHERE origin = ? AND size = ?", key)
        return True

    def _refused(self, origin: str) -> int:
        query = "SELECT count(*) FROM checkpoint WHERE origin = ? AND refused IS NOT NULL"
        (count,) = self._database.execute(query, (origin,)).fetchone()
        return int(count)

    def sign(self, checkpoint: Checkpoint, note: bytes, cosignature: str) -> None:
        """Remember that a checkpoint, which is kept already, is cosigned as it stands in ``note``; inside a transaction."""
        self._database.execute(
            "UPDATE checkpoint SET note = ?, cosignature = ?, refused = NULL WHERE origin = ? AND size = ? AND root = ?",
            (note, cosignature, checkpoint.origin, checkpoint.size, checkpoint.root),
        )

    def thin(self, origin: str, now: datetime) -> None:
        """Let go of the checkpoint that was cosigned before the newest, where too many of the last hour are kept; inside a transaction."""
        cosigned = "WHERE origin = ? AND cosignature IS NOT NULL ORDER BY size DESC LIMIT 1 OFFSET"
        oldest = self._one(f"{cosigned} ?", origin, MOST_AN_HOUR)
        if oldest is not None and oldest.cosigned_at <= now < oldest.cosigned_at + HOUR:
            self._database.execute(
                f"DELETE FROM checkpoint WHERE NOT contradicts AND number = (SELECT number FROM checkpoint {cosigned} 1)",  # noqa: S608
                (origin,),
            )

    def contradictions(self) -> int:
        """How many checkpoints contradict another one."""
        try:
            (count,) = self._database.execute("SELECT count(*) FROM checkpoint WHERE contradicts").fetchone()
        except sqlite3.Error as error:
            raise StateUnusable(f"the witness's state {self.path} cannot be read ({error})") from error
        return int(count)

    def seen(self, *, refused: bool = False) -> Iterator[Seen]:
        """All that was seen, in the order in which it came; only what was refused or contradicts, if so asked."""
        return self._all(f"{'WHERE refused IS NOT NULL OR contradicts' if refused else ''} ORDER BY number")

    def notes(self) -> Iterator[bytes]:
        """The cosigned notes of all that was seen, in that order, as bytes that somebody may have changed.

        For whoever was given the file: what stands beside a note is whatever its owner has written there.
        """
        try:
            for note, lines in self._database.execute(NOTES, (MOST_BYTES + 1, MOST_BYTES + 1)):
                yield (note or b"") + (lines or b"")
        except sqlite3.Error as error:
            raise StateUnusable(f"the witness's state {self.path} cannot be read ({error})") from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _seen(row: tuple[int, str, int, bytes, int, bytes, str | None, str | None, int]) -> Seen:
    number, origin, size, root, seen_at, note, cosignature, refused, contradicts = row
    try:
        at = datetime.fromtimestamp(seen_at, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        raise StateUnusable(
            f"checkpoint {number} in the witness's state was seen at {seen_at!r}, which is no time: the file was altered"
        ) from None
    return Seen(number, origin, size, root, at, note, cosignature, refused, bool(contradicts))
