"""The file of an embedded log: its tables, the triggers that keep it append-only, its connections and transactions."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from casetrail.eventlog.errors import LogExists, LogMissing, LogUnreachable
from casetrail.eventlog.port import Record, Weakness, record_of
from casetrail.eventlog.transaction import committing

FORMAT: Final = "casetrail-log-2"
BUSY_TIMEOUT: Final = 30.0

TABLES: Final = (
    "CREATE TABLE log (name TEXT NOT NULL, partitions INTEGER NOT NULL, format TEXT NOT NULL)",
    "CREATE TABLE writer (topic TEXT NOT NULL, partition INTEGER NOT NULL, epoch INTEGER NOT NULL, "
    "PRIMARY KEY (topic, partition))",
    "CREATE TABLE record (topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, "
    "appended_at INTEGER NOT NULL, key BLOB, value BLOB, headers BLOB, "
    "PRIMARY KEY (topic, partition, offset)) WITHOUT ROWID",
)
"""Records lie in the order of reading (no row ids, no second index): a range is read at half a million a second."""

OF_PARTITION: Final = "SELECT 1 FROM record WHERE topic = NEW.topic AND partition = NEW.partition"

GUARDS: Final = {
    "no_update": "CREATE TRIGGER no_update BEFORE UPDATE ON record "
    "BEGIN SELECT RAISE(ABORT, 'the log is append-only: no record is ever changed'); END",
    "no_delete": "CREATE TRIGGER no_delete BEFORE DELETE ON record "
    "BEGIN SELECT RAISE(ABORT, 'the log is append-only: no record is ever deleted'); END",
    # without this one, INSERT OR REPLACE would change a record: a replacement fires no trigger for deletes
    "only_append": "CREATE TRIGGER only_append BEFORE INSERT ON record "
    f"WHEN EXISTS ({OF_PARTITION} AND offset >= NEW.offset) OR NEW.offset < 0 OR (NEW.offset > 0 AND NOT EXISTS "
    f"({OF_PARTITION} AND offset = NEW.offset - 1 AND appended_at <= NEW.appended_at)) "
    "BEGIN SELECT RAISE(ABORT, 'the log is append-only: records follow each other without gaps, in time'); END",
    "same_log": "CREATE TRIGGER same_log BEFORE UPDATE ON log "
    "BEGIN SELECT RAISE(ABORT, 'name and partitions of a log never change'); END",
    "one_log": "CREATE TRIGGER one_log BEFORE INSERT ON log WHEN EXISTS (SELECT 1 FROM log) "
    "BEGIN SELECT RAISE(ABORT, 'a file holds one log'); END",
    "kept_log": "CREATE TRIGGER kept_log BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'a log is never deleted'); END",
}

COLUMNS: Final = "partition, offset, appended_at, CAST(key AS BLOB), CAST(value AS BLOB), CAST(headers AS BLOB)"
"""Bytes, whatever somebody has put there past this program: a text that is not UTF-8 would end all reading."""

RECORDS_GUARDED: Final = "records can be changed, deleted or put in between unseen"
LOG_GUARDED: Final = "the log's name or number of partitions can be changed: its cases would go to other partitions"


class Connection(sqlite3.Connection):
    """A connection that is closed when the thread that made it has ended."""


def make_file(path: Path, name: str, partitions: int) -> None:
    """Make the file of a new log. Raises ``LogExists``, ``LogUnreachable``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and (not path.is_file() or path.stat().st_size > 0):
            raise LogExists(f"{path} exists already; it is left as it is")
    except OSError as error:
        raise LogUnreachable(f"no log can be made at {path} ({error})") from error
    database = connect(path)
    try:
        _write_ahead(database)
        with transaction(database):
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise LogExists(f"{path} has just been made by another process; it is left as it is")
            for statement in (*TABLES, *GUARDS.values()):
                database.execute(statement)
            database.execute("INSERT INTO log VALUES (?, ?, ?)", (name, partitions, FORMAT))
    finally:
        database.close()


def _write_ahead(database: sqlite3.Connection) -> None:
    """Readers and a writer at once: a property of the file, set once. Another process may be setting it just now."""
    until = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            database.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if time.monotonic() > until:
                raise LogUnreachable(f"the log's file cannot be written ({error})") from error
            time.sleep(0.01)


def describe_file(path: Path) -> tuple[str, int]:
    """Name and number of partitions of the log in a file, which is not changed. Raises ``LogMissing``."""
    if not path.is_file():
        raise LogMissing(f"there is no log at {path}; 'casetrail log init' makes one")
    database = connect(path)
    try:
        row = database.execute("SELECT name, partitions, format FROM log").fetchone()
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "open" in str(error):
            raise LogUnreachable(f"the log's file {path} cannot be read ({error})") from error
        raise LogMissing(f"{path} is not a log of casetrail ({error})") from error
    except sqlite3.DatabaseError as error:
        raise LogMissing(f"{path} is not a log of casetrail ({error})") from error
    finally:
        database.close()
    if row is None:
        raise LogMissing(f"{path} is not a log of casetrail (it has no name)")
    name, partitions, form = row
    if form != FORMAT:
        raise LogMissing(f"{path} has the form {form}, this version of casetrail reads {FORMAT}")
    return name, partitions


def connect(path: Path) -> Connection:
    """Open the file. Raises ``LogUnreachable`` where that is not allowed."""
    try:
        database = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT, factory=Connection
        )
        database.execute("PRAGMA synchronous=FULL")  # what was acknowledged survives a power failure
    except sqlite3.OperationalError as error:
        raise LogUnreachable(f"the log's file {path} cannot be opened ({error}); look at its owner and mode") from error
    except sqlite3.DatabaseError as error:
        raise LogMissing(f"{path} is not a log of casetrail ({error})") from error
    return database


@contextmanager
def reading() -> Iterator[None]:
    """Let SQLite's errors out as the log's."""
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
        raise LogUnreachable(f"the log's file cannot be read ({error}); check the disk and the file") from error


@contextmanager
def transaction(database: sqlite3.Connection, timeout: float = BUSY_TIMEOUT) -> Iterator[None]:
    """``BEGIN IMMEDIATE`` … ``COMMIT``. Raises ``LogUnreachable`` where the file stays locked or cannot be written."""
    try:
        database.execute(f"PRAGMA busy_timeout={int(timeout * 1000)}")
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.DatabaseError as error:
        raise LogUnreachable(f"the log's file cannot be written ({error}); is another process holding it?") from error
    try:
        with committing(database):
            yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.DatabaseError as error:
        raise LogUnreachable(f"the log's file cannot be written ({error}); is the disk full?") from error


def weaknesses_of(database: sqlite3.Connection) -> list[Weakness]:
    """The guards that are gone or altered, and a journal that does not keep what was acknowledged."""
    with reading():
        guards = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall())
        journal = str(database.execute("PRAGMA journal_mode").fetchone()[0])
    found = [
        Weakness(
            "all", name, guards.get(name) or "missing", sql, LOG_GUARDED if name.endswith("_log") else RECORDS_GUARDED
        )
        for name, sql in GUARDS.items()
        if guards.get(name) != sql
    ]
    found += [
        Weakness("all", f"trigger {name}", guards[name], "none", "it may change what is appended")
        for name in sorted(guards.keys() - GUARDS.keys())
    ]
    if journal != "wal":
        meaning = "a reader can keep the log from being appended to, and the other way round"
        found.append(Weakness("all", "journal_mode", journal, "wal", meaning))
    return found


def to_record(row: tuple[int, int, int, bytes | None, bytes | None, bytes | None]) -> Record:
    """A row of ``COLUMNS`` as a record."""
    partition, offset, appended_at, key, value, headers = row
    return record_of((partition, offset, appended_at, key, value, unpack_headers(headers) if headers else ()))


def pack_headers(headers: tuple[tuple[str, bytes], ...]) -> bytes | None:
    """Headers as one value: each name and value after its length in four bytes."""
    if not headers:
        return None
    parts = [part for name, value in headers for part in (name.encode(), value)]
    return b"".join(len(part).to_bytes(4) + part for part in parts)


def unpack_headers(packed: bytes) -> tuple[tuple[str, bytes], ...]:
    """What ``pack_headers`` packed."""
    parts, at = [], 0
    while at < len(packed):
        length = int.from_bytes(packed[at : at + 4])
        parts.append(packed[at + 4 : at + 4 + length])
        at += 4 + length
    return tuple((parts[i].decode(), parts[i + 1]) for i in range(0, len(parts), 2))
