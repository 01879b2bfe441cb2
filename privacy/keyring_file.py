"""A keyring in one SQLite file that only its owner may read."""

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from casetrail.privacy.errors import KeyMissing, KeyringAddressBad, KeyringExposed, KeyringLocked, KeyringUnreachable
from casetrail.privacy.keyring import KeyWrapper, StoredKey, check_master_key, in_order, new_key, tombstone

PATIENCE: Final = 30.0  # seconds to wait for other processes
IDS_A_QUERY: Final = 900  # older SQLite allows 999 parameters

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS case_key (
        case_id TEXT PRIMARY KEY, wrapped BLOB, reason_code TEXT, destroyed_at INTEGER,
        CHECK ((wrapped IS NULL) = (reason_code IS NOT NULL) AND (wrapped IS NULL) = (destroyed_at IS NOT NULL)))""",
    "CREATE TABLE IF NOT EXISTS token_key (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), wrapped BLOB NOT NULL)",
    # a tombstone stays whoever opens the file
    """CREATE TRIGGER IF NOT EXISTS destroyed_stays BEFORE UPDATE ON case_key WHEN OLD.wrapped IS NULL
        BEGIN SELECT RAISE(ABORT, 'a destroyed key stays destroyed'); END""",
    """CREATE TRIGGER IF NOT EXISTS nothing_is_deleted BEFORE DELETE ON case_key
        BEGIN SELECT RAISE(ABORT, 'the row of a case is never deleted'); END""",
)


def make_folder(path: Path) -> None:
    """Make the folder of a keyring. Raises ``KeyringUnreachable``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KeyringUnreachable(f"the folder of the keyring {path} cannot be made ({error.strerror})") from error


def reserve(path: Path) -> None:
    """Make an empty file where there is no keyring yet, for its owner only. Raises ``KeyringUnreachable``."""
    make_folder(path)
    try:
        _make_private(path)
    except OSError as error:
        raise KeyringUnreachable(
            f"the keyring {path} cannot be made ({error.strerror}); look at its disk (is it full?), owner and mode"
        ) from error


def is_begun(path: Path) -> bool:
    """Whether anything can have been wrapped for a keyring: in an empty file nothing was."""
    return path.exists() and path.stat().st_size > 0


class FileKeyring:
    """See ``keyring.Keyring``. A destroyed key is overwritten in the file (``secure_delete``) and gone from its WAL."""

    def __init__(self, path: Path, wrapper: KeyWrapper) -> None:
        self._path, self._place = path, path.absolute()
        self._wrapper = wrapper
        self._lock = threading.RLock()
        reserve(path)
        with self._errors():
            self._file = _file_at(path)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=PATIENCE)
        try:
            with self._errors():
                self._prepare()
            self._token_key = self._find_token_key()
        except BaseException:
            self._database.close()
            raise

    def _prepare(self) -> None:
        tables = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "case_key" not in tables:
            raise KeyringAddressBad(
                f"{self._path} holds something else than a keyring, and is left as it is: look at the address of the keyring"
            )
        _into_wal(self._database)
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute("PRAGMA secure_delete=ON")
        with self._transaction() as database:
            for statement in TABLES:
                database.execute(statement)

    def _find_token_key(self) -> bytes:
        with self._transaction() as database:
            row = database.execute("SELECT wrapped FROM token_key").fetchone()
            if row is None:
                row = (self._wrapper.wrap(new_key()),)
                database.execute("INSERT INTO token_key VALUES (1, ?)", row)
        return check_master_key(self._wrapper, row[0], str(self._path))

    def case_key(self, case_id: str) -> bytes:
        """See ``Keyring``."""
        with self._errors(), self._lock:
            self._check_file()
            found = _find(self._database, [case_id])
        if case_id not in found:
            raise KeyMissing(case_id)
        return found[case_id].opened(case_id, self._wrapper)

    def create_case_key(self, case_id: str) -> bytes:
        """See ``Keyring``."""
        return self.create_case_keys((case_id,))[case_id]

    def create_case_keys(self, case_ids: Iterable[str]) -> dict[str, bytes]:
        """See ``Keyring``."""
        wanted = in_order(case_ids)
        with self._transaction() as database:
            found = _find(database, wanted)
            keys = {case_id: stored.opened(case_id, self._wrapper) for case_id, stored in found.items()}
            made = {case_id: new_key() for case_id in wanted if case_id not in keys}
            database.executemany(
                "INSERT INTO case_key (case_id, wrapped) VALUES (?, ?)",
                ((case_id, self._wrapper.wrap(key)) for case_id, key in made.items()),
            )
        return keys | made

    def destroy_case_key(self, case_id: str, reason_code: str, at: datetime) -> None:
        """See ``Keyring``."""
        reason, millis = tombstone(reason_code, at)
        with self._transaction() as database:
            if not _find(database, [case_id]):
                raise KeyMissing(case_id)
            database.execute(
                "UPDATE case_key SET wrapped = NULL, reason_code = ?, destroyed_at = ? "
                "WHERE case_id = ? AND wrapped IS NOT NULL",
                (reason, millis, case_id),
            )
        with self._errors(), self._lock:  # the WAL, and the file until then, still hold the page as it was
            busy = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise KeyringLocked(
                f"the key of case {case_id} is destroyed, but another process keeps old pages of {self._path} open: "
                "destroy it once more to clear them"
            )

    def token_key(self) -> bytes:
        """See ``Keyring``."""
        return self._token_key

    def count(self) -> int:
        """See ``Keyring``."""
        with self._errors(), self._lock:
            row = self._database.execute("SELECT count(*) FROM case_key WHERE wrapped IS NOT NULL").fetchone()
        return int(row[0])

    def close(self) -> None:
        """See ``Keyring``."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors(), self._lock:
            self._check_file()
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
            self._check_file()

    def _check_file(self) -> None:
        """Raise ``KeyringUnreachable`` where another file stands in the place of this one, or none: a key that is made in it nobody finds again."""
        if _file_at(self._place) != self._file:
            raise KeyringUnreachable(
                f"the keyring {self._path} was replaced or taken away since it was opened here: no key is read from it or made in "
                "it any more; begin anew with what is there now"
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            if is_locked(error):
                raise KeyringLocked(f"another process kept the keyring {self._path} busy: try again") from error
            raise KeyringUnreachable(
                f"the keyring {self._path} cannot be used ({error}); look at its disk (is it full?), owner and mode"
            ) from error


def is_locked(error: Exception) -> bool:
    """Whether this is SQLite's word for 'somebody else is writing'."""
    return isinstance(error, sqlite3.OperationalError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in (5, 6)


def _file_at(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to; None where it leads nowhere."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _make_private(path: Path) -> None:
    """Make the file for its owner only; refuse one that others may read.

    An existing file is not opened for that: closing it again would drop the locks that SQLite holds on it in this process.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyringExposed(
                f"others than its owner may read or write the keyring {path} (mode {mode:o}): run chmod 600 on it"
            ) from None


def _into_wal(database: sqlite3.Connection) -> None:
    """Change to WAL mode. While another process does the same SQLite refuses at once, whatever its timeout is."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            database.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _find(database: sqlite3.Connection, case_ids: list[str]) -> dict[str, StoredKey]:
    found = {}
    for start in range(0, len(case_ids), IDS_A_QUERY):
        some = case_ids[start : start + IDS_A_QUERY]
        marks = ",".join("?" * len(some))
        rows = database.execute(
            f"SELECT case_id, wrapped, reason_code, destroyed_at FROM case_key WHERE case_id IN ({marks})",  # noqa: S608
            some,
        )
        found.update({case_id: StoredKey(*rest) for case_id, *rest in rows})
    return found
