"""Submissions that wait on this machine's disk while the log cannot be reached: encrypted, in order, never doubled.

What waits is in no log yet: nobody else can see it, and whoever has this disk can drop it. So a ``Spooled`` says what it
is: proof of a promise, not of a submission. It is exchanged for a ``Receipt`` once the log has the action.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from casetrail.domain.values import at_millis
from casetrail.eventlog.embedded_group import FileLock
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.port import Entry
from casetrail.eventlog.transaction import immediate
from casetrail.publishing.receipt import Receipt, ReceiptInvalid

FORM: Final = b"casetrail-spool@v1"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
BUSY_TIMEOUT: Final = 30.0
TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS spool (log TEXT NOT NULL, wrapped_key BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, spooled_at INTEGER NOT NULL, "
    "nonce BLOB NOT NULL, sealed BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS delivered (action_id BLOB NOT NULL, receipt TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS delivered_by_action ON delivered (action_id)",
)


class SpoolUnusable(LogError):
    """The spool cannot be written or read. What was submitted is kept nowhere: submit it again elsewhere."""

    code = "spool-unusable"


class Wrapper(Protocol):
    """Encrypts the spool's key under a key that is not on its disk. ``privacy.wrapping.LocalWrapper`` is one."""

    def wrap(self, key: bytes) -> bytes: ...
    def unwrap(self, wrapped: bytes) -> bytes: ...


@dataclass(frozen=True)
class Spooled:
    """What waits in a spool: which action, since when (milliseconds since 1970 UTC), and the leaf hash of its bytes.

    The log has not seen it: it is no receipt.
    """

    case_id: str
    action_id: bytes
    spooled_at: int
    action_hash: bytes

    @property
    def since(self) -> datetime:
        """Since when it waits (UTC, by this machine's clock)."""
        return at_millis(self.spooled_at)


class Waiting(NamedTuple):
    """A submission in the spool, as the log is to get it. ``number``: its place in the order."""

    number: int
    spooled: Spooled
    entry: Entry


class Spool:
    """One file of submissions for one log. Several processes may use it at once."""

    def __init__(self, path: Path, log: str, wrapper: Wrapper) -> None:
        """``log``: the log's address; a spool delivers to no other. Raises ``SpoolUnusable``, ``MasterKeyBad``."""
        self.path = path
        with self._used():
            path.touch(0o600, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            with self._used():
                found = self._prepared(log, wrapper)
            if found[0] != log:
                raise SpoolUnusable(f"the spool {path} is one for the log {found[0]}, not for {log}: name another file")
            self._cipher = AESGCM(wrapper.unwrap(found[1]))
        except BaseException:
            self.close()
            raise

    def _prepared(self, log: str, wrapper: Wrapper) -> tuple[str, bytes]:
        """The log that the spool is for, and its key, wrapped; a new spool is for this one."""
        self._database.execute("PRAGMA synchronous = FULL")
        with immediate(self._database) as database:
            for table in TABLES:
                database.execute(table)
            found: tuple[str, bytes] | None = database.execute("SELECT log, wrapped_key FROM spool").fetchone()
            if found is None:
                found = log, wrapper.wrap(secrets.token_bytes(KEY_BYTES))
                database.execute("INSERT INTO spool VALUES (?, ?)", found)
        return found

    def put(self, entries: Sequence[Entry], spooled: Sequence[Spooled]) -> None:
        """Let entries wait, in their order; they are on the disk when this returns. Raises ``SpoolUnusable``."""
        with self._used(), immediate(self._database):
            (last,) = self._database.execute(
                "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'waiting'"
            ).fetchone()
            for number, (entry, one) in enumerate(zip(entries, spooled, strict=True), last + 1):
                nonce = secrets.token_bytes(NONCE_BYTES)
                sealed = self._cipher.encrypt(nonce, _packed(entry, one), FORM + str(number).encode())
                self._database.execute(
                    "INSERT INTO waiting VALUES (?, ?, ?, ?)", (number, one.spooled_at, nonce, sealed)
                )

    def count(self) -> int:
        """How many submissions wait."""
        with self._used():
            (count,) = self._database.execute("SELECT count(*) FROM waiting").fetchone()
        return int(count)

    def first(self, most: int) -> list[Waiting]:
        """The submissions that have waited longest, in their order. Raises ``SpoolUnusable`` for one that was altered."""
        with self._used():
            rows = self._database.execute(
                "SELECT number, spooled_at, nonce, sealed FROM waiting ORDER BY number LIMIT ?", (most,)
            ).fetchall()
        return [self._opened(*row) for row in rows]

    def _opened(self, number: int, spooled_at: int, nonce: bytes, sealed: bytes) -> Waiting:
        try:
            plain = self._cipher.decrypt(nonce, sealed, FORM + str(number).encode())
        except InvalidTag:
            raise SpoolUnusable(
                f"submission {number} in the spool {self.path} was altered; keep a copy of the file for the auditor: "
                "nothing behind it is delivered until it is gone"
            ) from None
        return _unpacked(number, spooled_at, plain)

    def done(self, delivered: Sequence[tuple[Waiting, Receipt]]) -> None:
        """Note that the log has them, and what it gave for them."""
        with self._used(), immediate(self._database):
            for waiting, receipt in delivered:
                self._database.execute("DELETE FROM waiting WHERE number = ?", (waiting.number,))
                self._database.execute(
                    "INSERT INTO delivered VALUES (?, ?)", (receipt.action_id, json.dumps(receipt.to_dict()))
                )

    def receipt_for(self, action_id: bytes) -> Receipt | None:
        """The receipt of an action that has been delivered from here; None while it waits, or where it never waited."""
        with self._used():
            found = self._database.execute("SELECT receipt FROM delivered WHERE action_id = ?", (action_id,)).fetchone()
        if found is None:
            return None
        try:
            return Receipt.from_dict(json.loads(found[0]))
        except (ValueError, KeyError) as error:
            raise ReceiptInvalid(f"a receipt in the spool {self.path} was altered") from error

    @contextmanager
    def delivering(self, timeout: float) -> Iterator[bool]:
        """Be the only one who delivers from this spool; whether that was to be had within ``timeout`` seconds."""
        lock = FileLock(self.path.with_name(f"{self.path.name}.lock"))
        taken = lock.take(timeout)
        try:
            yield taken
        finally:
            lock.release()

    @contextmanager
    def _used(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise SpoolUnusable(
                f"the spool {self.path} cannot be used ({error}): is the disk full? What was submitted is kept nowhere"
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def spooled_for(entry: Entry, case_id: str, action_id: bytes, at: int) -> Spooled:
    """What is given to whoever submitted an entry that has to wait."""
    return Spooled(case_id, action_id, at, leaf_hash(entry.value or b""))


def _packed(entry: Entry, spooled: Spooled) -> bytes:
    """A line of JSON on the entry, and its value."""
    head = {
        "case": spooled.case_id,
        "action": spooled.action_id.hex(),
        "headers": [[name, value.hex()] for name, value in entry.headers],
    }
    return json.dumps(head).encode() + b"\n" + (entry.value or b"")


def _unpacked(number: int, spooled_at: int, plain: bytes) -> Waiting:
    line, _, value = plain.partition(b"\n")
    head = json.loads(line)
    headers = tuple((name, bytes.fromhex(text)) for name, text in head["headers"])
    entry = Entry(head["case"].encode(), value, headers=headers)
    return Waiting(number, spooled_for(entry, head["case"], bytes.fromhex(head["action"]), spooled_at), entry)
