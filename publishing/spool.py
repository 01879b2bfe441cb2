"""Submissions that wait on this machine's disk while the log cannot be reached: encrypted, in order, never doubled.

What waits is in no log yet: nobody else can see it, and whoever has this disk can drop it. So a ``Spooled`` says what it
is: proof of a promise, not of a submission. It is exchanged for a ``Receipt`` once the log has the action.

What waits is deliverable on a full disk too: room for its receipt is taken up together with it, the journal stays as large as
it once was, and what is to be noted of a delivery is rehearsed, byte for byte, before anything is appended.
"""

import hashlib
import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import time
from typing import Final, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from casetrail.eventlog.embedded_group import FileLock
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.port import Entry
from casetrail.eventlog.process import OwnProcess
from casetrail.eventlog.transaction import immediate
from casetrail.publishing.receipt import Receipt, ReceiptInvalid
from casetrail.publishing.spooled import (
    HandedOut,
    NotStuck,
    Sealed,
    Spooled,
    SpoolStuck,
    SpoolUnusable,
    Waiting,
    packed,
    unpacked,
)

FORM: Final = b"casetrail-spool@v1"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
BUSY_TIMEOUT: Final = 30.0
RECEIPT_BYTES: Final = 640
"""So long every receipt is made with blanks: it takes the place of what was put there for it, and needs no more room."""
NO_RECEIPT: Final = "none yet"
KEPT: Final = 400 * 86_400_000
"""Milliseconds for which a receipt that was handed out can be asked for again; one that was not is kept until it is."""
SWEPT: Final = (1000, 8, 1)
"""So many that are needed no more are taken out at once; fewer where the disk has no room for the journal of so many."""
TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS spool (log TEXT NOT NULL, wrapped_key BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, spooled_at INTEGER NOT NULL, "
    "nonce BLOB NOT NULL, sealed BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS done (up_to INTEGER NOT NULL, rehearsed INTEGER NOT NULL)",
    "INSERT INTO done SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM done)",
    "CREATE TABLE IF NOT EXISTS receipts (number INTEGER PRIMARY KEY, spooled_at INTEGER NOT NULL, "
    "action BLOB NOT NULL, receipt TEXT NOT NULL, handed_out INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX IF NOT EXISTS receipts_by_action ON receipts (action)",
    "CREATE INDEX IF NOT EXISTS receipts_to_hand_out ON receipts (number) WHERE handed_out = 0",
    "CREATE TABLE IF NOT EXISTS delivered (action_id BLOB NOT NULL, receipt TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS delivered_by_action ON delivered (action_id)",
)
"""``delivered`` holds the receipts of earlier versions. What waits has a number greater than ``done.up_to``."""
FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_CANTOPEN})
NOT_TAKEN: Final = "What was submitted is kept nowhere"
AS_BEFORE: Final = "All that waits in it still waits"
NOT_APPENDED: Final = "Nothing was appended: what waits in it still waits, and nothing new is taken"


class Wrapper(Protocol):
    """Encrypts the spool's key under a key that is not on its disk. ``privacy.wrapping.LocalWrapper`` is one."""

    def wrap(self, key: bytes) -> bytes: ...
    def unwrap(self, wrapped: bytes) -> bytes: ...


class Spool:
    """One file of submissions for one log. Any number of threads and processes may use it at once."""

    def __init__(self, path: Path, log: str, wrapper: Wrapper) -> None:
        """``log``: the log's address; a spool delivers to no other. Raises ``SpoolUnusable``, ``MasterKeyBad``."""
        self.path = path
        self._lock_file = path.with_name(f"{path.name}.lock")
        self._process = OwnProcess()
        self._lock = threading.RLock()
        with self._used():
            path.touch(0o600, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            with self._used():
                found = self._prepared(log, wrapper)
            if found[0] != log:
                raise SpoolUnusable(f"the spool {path} is one for the log {found[0]}, not for {log}: name another file")
            self._key = wrapper.unwrap(found[1])
            self._cipher = AESGCM(self._key)
        except BaseException:
            self.close()
            raise

    def _prepared(self, log: str, wrapper: Wrapper) -> tuple[str, bytes]:
        """The log that the spool is for, and its key, wrapped; a new spool is for this one."""
        tables = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "spool" not in tables:
            raise SpoolUnusable(
                f"{self.path} holds something else than a spool, and is left as it is: name another file"
            )
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(
            "PRAGMA journal_mode = PERSIST"
        )  # its room is not given back, so it is there when needed
        with immediate(self._database) as database:
            for table in TABLES:
                database.execute(table)
            found: tuple[str, bytes] | None = database.execute("SELECT log, wrapped_key FROM spool").fetchone()
            if found is None:
                found = log, wrapper.wrap(secrets.token_bytes(KEY_BYTES))
                database.execute("INSERT INTO spool VALUES (?, ?)", found)
        self._make_lock()
        return found

    def _make_lock(self) -> None:
        """Give the lock's file its content now: an empty one cannot be locked while the disk is full."""
        if self._lock_file.exists() and self._lock_file.stat().st_size:
            return
        with closing(sqlite3.connect(self._lock_file, timeout=0)) as database:
            try:
                database.execute("CREATE TABLE IF NOT EXISTS lock (held)")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):  # else another time will do
                    raise

    def put(self, entries: Sequence[Entry], spooled: Sequence[Spooled]) -> None:
        """Let entries wait, in their order; they are on the disk when this returns. Raises ``SpoolUnusable``."""
        with self._used(), immediate(self._database):
            (last,) = self._database.execute(
                "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'waiting'), 0), up_to) FROM done"
            ).fetchone()
            for number, (entry, one) in enumerate(zip(entries, spooled, strict=True), last + 1):
                nonce = secrets.token_bytes(NONCE_BYTES)
                sealed = self._cipher.encrypt(nonce, packed(entry, one), FORM + str(number).encode())
                self._database.execute(
                    "INSERT INTO waiting VALUES (?, ?, ?, ?)", (number, one.spooled_at, nonce, sealed)
                )
                self._make_room(number, one)

    def _make_room(self, number: int, spooled: Spooled) -> None:
        self._database.execute(
            "INSERT OR IGNORE INTO receipts VALUES (?, ?, ?, ?, 0)",
            (number, spooled.spooled_at, self._blinded(spooled.action_id), _filled(NO_RECEIPT)),
        )

    def _blinded(self, action_id: bytes) -> bytes:
        """What an action is found by: its id may have been made from what is known elsewhere, so it is not written down."""
        return hashlib.blake2b(action_id, digest_size=16, key=self._key).digest()

    def count(self) -> int:
        """How many submissions wait."""
        with self._used():
            (count,) = self._database.execute(
                "SELECT count(*) FROM waiting WHERE number > (SELECT up_to FROM done)"
            ).fetchone()
        return int(count)

    def since(self) -> int | None:
        """Since when the submission waits that waits longest (milliseconds since 1970 UTC); None where none does."""
        with self._used():
            (since,) = self._database.execute(
                "SELECT min(spooled_at) FROM waiting WHERE number > (SELECT up_to FROM done)"
            ).fetchone()
        return None if since is None else int(since)

    def first(self, most: int) -> list[Waiting]:
        """The submissions that have waited longest, in their order, up to one that was altered.

        Raises ``SpoolStuck`` where the very first one was.
        """
        found: list[Waiting] = []
        for row in self.sealed(most):
            try:
                found.append(self.opened(row))
            except SpoolStuck:
                if not found:
                    raise
                break
        return found

    def sealed(self, most: int, behind: int = 0) -> list[Sealed]:
        """The same as they stand on the disk. ``behind``: only those that stand behind this number."""
        with self._used():
            rows = self._database.execute(
                "SELECT number, spooled_at, nonce, sealed FROM waiting WHERE number > max((SELECT up_to FROM done), ?) "
                "ORDER BY number LIMIT ?",
                (behind, most),
            ).fetchall()
        return [Sealed(*row) for row in rows]

    def opened(self, one: Sealed) -> Waiting:
        """A submission that stands on the disk. Raises ``SpoolStuck`` where it was altered."""
        try:
            plain = self._cipher.decrypt(one.nonce, one.sealed, FORM + str(one.number).encode())
        except InvalidTag:
            raise SpoolStuck(
                f"submission {one.number} in the spool {self.path} was altered, and nothing behind it is delivered: 'casetrail "
                f"spool set-aside {one.number}' takes it out of the way, into a file for the auditor",
                one.number,
            ) from None
        return unpacked(one.number, one.spooled_at, plain)

    def ready(self, most: int) -> list[Waiting]:
        """The same, and it is certain that it can be noted of them that the log has them: else none may be appended.

        They are fewer where the disk is full and the room for the journal is small. Raises ``SpoolUnusable``.
        """
        while found := self.first(most):
            try:
                self._rehearse(found)
                break
            except SpoolUnusable:
                if len(found) == 1:
                    raise
                most = len(found) // 2
        return found

    def _rehearse(self, waiting: Sequence[Waiting]) -> None:
        """Write to the pages that ``done`` writes to, as many bytes, and take it to the disk."""
        with self._used(NOT_APPENDED):
            with immediate(self._database):
                for one in waiting:
                    self._make_room(one.number, one.spooled)  # an earlier version took none
            with immediate(self._database):
                self._database.execute("UPDATE done SET rehearsed = rehearsed + 1")
                (count,) = self._database.execute("SELECT rehearsed FROM done").fetchone()
                for one in waiting:
                    self._note(one.number, f"{NO_RECEIPT} {count}")

    def done(self, delivered: Sequence[tuple[Waiting, Receipt]]) -> None:
        """Note that the log has them, in the order of ``ready``, and what it gave for them."""
        consequence = "The log has what was delivered: it is appended again, and refused as a duplicate"
        with self._used(consequence), immediate(self._database):
            for waiting, receipt in delivered:
                self._database.execute("UPDATE done SET up_to = ?", (waiting.number,))
                self._note(waiting.number, json.dumps(receipt.to_dict()))
        self._thin(
            "DELETE FROM waiting WHERE number IN (SELECT number FROM waiting WHERE number <= (SELECT up_to FROM done) "
            "ORDER BY number LIMIT ?)"
        )

    def _note(self, number: int, receipt: str) -> None:
        self._database.execute("UPDATE receipts SET receipt = ? WHERE number = ?", (_filled(receipt), number))

    def _thin(self, statement: str, *values: int) -> None:
        """Take out what is needed no more. Where there is no room even for that, it is done some other time."""
        for most in SWEPT:
            with suppress(SpoolUnusable), self._used(), immediate(self._database):
                self._database.execute(statement, (*values, most))
                return

    def take_out(self, number: int) -> None:
        """Let the first that waits wait no longer: it stands elsewhere. Raises ``NotStuck`` where it is another one by now."""
        with self._used(AS_BEFORE), immediate(self._database):
            if [one.number for one in self.sealed(1)] != [number]:
                raise NotStuck(f"submission {number} is not the first that waits in the spool {self.path}")
            for table in ("waiting", "receipts"):  # the room for its receipt, too
                self._database.execute(f"DELETE FROM {table} WHERE number = ?", (number,))  # noqa: S608  (fixed names)

    def receipt_for(self, action_id: bytes) -> Receipt | None:
        """The receipt of an action that has been delivered from here; None while it waits, or where it never waited."""
        with self._used():
            found = (
                self._database.execute(
                    "SELECT receipt FROM receipts WHERE action = ? AND number <= (SELECT up_to FROM done) ORDER BY number",
                    (self._blinded(action_id),),
                ).fetchone()
                or self._database.execute("SELECT receipt FROM delivered WHERE action_id = ?", (action_id,)).fetchone()
            )
        return None if found is None else self._receipt(found[0])

    def to_hand_out(self, most: int) -> list[HandedOut]:
        """The first receipts that nobody has been given yet, in the order of delivery."""
        with self._used():
            rows = self._database.execute(
                "SELECT number, spooled_at, receipt FROM receipts WHERE handed_out = 0 AND "
                "number <= (SELECT up_to FROM done) ORDER BY number LIMIT ?",
                (most,),
            ).fetchall()
        return [HandedOut(number, spooled_at, self._receipt(text)) for number, spooled_at, text in rows]

    def handed_out(self, receipts: Sequence[HandedOut]) -> None:
        """Note that these receipts have been given to somebody."""
        with self._used("It is handed out once more"), immediate(self._database):
            self._database.executemany(
                "UPDATE receipts SET handed_out = 1 WHERE number = ?", [(one.number,) for one in receipts]
            )
        self._thin(
            "DELETE FROM receipts WHERE number IN (SELECT number FROM receipts WHERE handed_out = 1 AND spooled_at < ? "
            "ORDER BY number LIMIT ?)",
            int(time() * 1000) - KEPT,
        )

    def _receipt(self, text: str) -> Receipt:
        try:
            return Receipt.from_dict(json.loads(text))
        except (ValueError, KeyError) as error:
            raise ReceiptInvalid(f"a receipt in the spool {self.path} was altered") from error

    @contextmanager
    def delivering(self, timeout: float) -> Iterator[bool]:
        """Be the only one who delivers from this spool; whether that was to be had within ``timeout`` seconds."""
        lock = FileLock(self._lock_file)
        try:
            taken = lock.take(timeout)
        except LogUnreachable as error:  # it is the lock that is, not the log
            raise SpoolUnusable(f"the spool {self.path} cannot be used: {error}. {NOT_APPENDED}") from error
        try:
            yield taken
        finally:
            lock.release()

    @contextmanager
    def _used(self, otherwise: str = NOT_TAKEN) -> Iterator[None]:
        """For one thread at a time. ``otherwise``: what follows from it where the file cannot be used."""
        self._process.check()
        with self._lock:
            try:
                yield
            except (sqlite3.Error, OSError) as error:
                is_full = getattr(error, "sqlite_errorcode", None) in FULL or isinstance(error, OSError)
                guess = ": is the disk full?" if is_full else "."
                raise SpoolUnusable(f"the spool {self.path} cannot be used ({error}){guess} {otherwise}") from error

    def close(self) -> None:
        """Close the file, unless a process does that this one was forked off."""
        if not self._process.is_here():
            return
        with self._lock:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _filled(receipt: str) -> str:
    return receipt.ljust(RECEIPT_BYTES)
