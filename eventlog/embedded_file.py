"""The file of an embedded log: its tables, the triggers that keep it append-only, its connections and transactions."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Final

from casetrail.eventlog.embedded_opening import BUSY_TIMEOUT, GARBLED, OF_WHOM, Connection, connect, no_log, reading
from casetrail.eventlog.errors import LogDamaged, LogExists, LogMissing, LogUnreachable
from casetrail.eventlog.limits import MOST_BYTES
from casetrail.eventlog.port import NO_TIME, Flaw, Record, Topic, Weakness, record_of
from casetrail.eventlog.transaction import committing, primary_code, write_ahead
from casetrail.eventlog.unlocked import is_shared

FORMAT: Final = "casetrail-log-2"
MOST_OFFSET: Final = 2**62
"""No log comes so far. What stands beyond was put there past this program, and is not read."""
MOST_NAMED: Final = 100
SHOWN: Final = 20
"""So many letters of what somebody has put in the place of a topic or a partition are shown."""
MOST_PARTITIONS: Final = 10_000
LENGTH: Final = 4
"""Bytes that say how long a header's name or value is."""

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

REMEDIES: Final = {
    sqlite3.SQLITE_BUSY: "is another process holding it?",
    sqlite3.SQLITE_LOCKED: "is another process holding it?",
    sqlite3.SQLITE_READONLY: OF_WHOM,
    sqlite3.SQLITE_CANTOPEN: OF_WHOM,
}
"""What to do where the file cannot be written, by SQLite's code."""

COLUMNS: Final = "partition, offset, appended_at, CAST(key AS BLOB), CAST(value AS BLOB), CAST(headers AS BLOB)"
"""Bytes, whatever somebody has put there past this program: a text that is not UTF-8 would end all reading."""

CUT_COLUMNS: Final = "partition, offset, appended_at, " + ", ".join(
    f"substr(CAST({name} AS BLOB), 1, {MOST_BYTES + 1})" for name in ("key", "value", "headers")
)
"""The same, and of what is longer than any log takes only so much that this shows."""
ORDINARY: Final = 100_000
"""Bytes of a field, more than those of any event and of what anybody submits who wants it to be read."""
AT_ONCE: Final = 2**24
"""Bytes of records that are larger which are read together, and one of them more."""

RECORDS_GUARDED: Final = "records can be changed, deleted or put in between unseen"
LOG_GUARDED: Final = "the log's name or number of partitions can be changed: its cases would go to other partitions"


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
        try:
            write_ahead(database, BUSY_TIMEOUT)
        except sqlite3.OperationalError as error:
            raise LogUnreachable(f"the log's file cannot be written ({error})") from error
        with transaction(database):
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise LogExists(f"{path} has just been made by another process; it is left as it is")
            for statement in (*TABLES, *GUARDS.values()):
                database.execute(statement)
            database.execute("INSERT INTO log VALUES (?, ?, ?)", (name, partitions, FORMAT))
    finally:
        database.close()


def describe_file(path: Path) -> tuple[str, int]:
    """Name and number of partitions of the log in a file, which is not changed. Raises ``LogMissing``, ``LogDamaged``."""
    _check_file(path)
    database = connect(path)
    try:
        made = database.execute(
            "SELECT type, sql FROM sqlite_master WHERE name IN ('log', 'writer', 'record')"
        ).fetchall()
        row = database.execute("SELECT name, partitions, format FROM log").fetchone()
    except sqlite3.OperationalError as error:
        if primary_code(error) != sqlite3.SQLITE_ERROR:  # that one is of what was asked: there is no such table
            raise LogUnreachable(f"the log's file {path} cannot be read ({error})") from error
        raise LogMissing(f"{path} is not a log of casetrail ({error})") from error
    except sqlite3.DatabaseError as error:
        raise no_log(path, error) from error
    finally:
        database.close()
    if row is None:
        raise LogMissing(f"{path} is not a log of casetrail (it has no name)")
    name, partitions, form = row
    if form != FORMAT:
        raise LogMissing(
            f"{path} has the form {form}, this version of casetrail reads {FORMAT}: read it with the version that wrote it"
        )
    if sorted(made) != sorted(("table", sql) for sql in TABLES):  # a view could give any records, and without end
        raise LogDamaged(f"the tables of {path} are not those of a log: it {GARBLED}")
    if not isinstance(name, str) or not isinstance(partitions, int) or not 1 <= partitions <= MOST_PARTITIONS:
        raise LogMissing(f"{path} says of itself what no log does: its name or number of partitions was altered")
    return name, partitions


def _check_file(path: Path) -> None:
    """Whether there is a file. Raises ``LogMissing``."""
    if path.is_dir():
        raise LogMissing(f"{path} is a folder, and an embedded log is a file in one: name that")
    if not path.is_file():
        raise LogMissing(f"there is no log at {path}; 'casetrail log init' makes one")
    if path.stat().st_size == 0 and not is_shared(path):  # while one is made, it stands in its journal first
        raise LogMissing(f"{path} is empty: it is no log, or a copy that came to nothing")


@contextmanager
def transaction(database: sqlite3.Connection, timeout: float = BUSY_TIMEOUT) -> Iterator[None]:
    """``BEGIN IMMEDIATE`` … ``COMMIT``. Raises ``LogUnreachable`` where the file stays locked or cannot be written."""
    try:
        database.execute(f"PRAGMA busy_timeout={int(timeout * 1000)}")
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.DatabaseError as error:
        raise _unwritten(error) from error
    try:
        with committing(database):
            yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.DatabaseError as error:
        raise _unwritten(error) from error


def _unwritten(error: sqlite3.DatabaseError) -> LogUnreachable:
    """What it means that the file cannot be written, and what to do."""
    remedy = REMEDIES.get(primary_code(error), "is the disk full?")
    return LogUnreachable(f"the log's file cannot be written ({error}); {remedy}")


def weaknesses_of(database: Connection) -> list[Weakness]:
    """The guards that are gone or altered, and a journal that does not keep what was acknowledged."""
    with reading(database):
        guards = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall())
        journal = database.journal_mode()
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


OFFSET: Final = itemgetter(1)
TIME: Final = itemgetter(2)

MISPLACED: Final = "records out of place"
PLACES: Final = """
WITH RECURSIVE named (topic) AS (
    SELECT (SELECT topic FROM record ORDER BY topic LIMIT 1)
    UNION ALL
    SELECT (SELECT topic FROM record WHERE topic > named.topic ORDER BY topic LIMIT 1)
    FROM named WHERE named.topic IS NOT NULL
    LIMIT :most
), place (topic, partition) AS (
    SELECT topic, (SELECT partition FROM record WHERE topic = named.topic ORDER BY partition LIMIT 1)
    FROM named WHERE topic IS NOT NULL
    UNION ALL
    SELECT topic, (SELECT partition FROM record WHERE topic = place.topic AND partition > place.partition ORDER BY partition LIMIT 1)
    FROM place WHERE partition IS NOT NULL
)
SELECT CAST(topic AS BLOB), CAST(partition AS BLOB), typeof(topic) = 'text' AND typeof(partition) = 'integer' FROM place
WHERE partition IS NOT NULL LIMIT :most
"""
"""Each topic with each of its partitions: looked up, not read. What is no text or number comes as bytes."""


def misplaced(database: Connection, partitions: Mapping[Topic, int]) -> list[Weakness]:
    """The places in the file where there are records that no reader is ever shown. ``partitions``: how many each topic has."""
    known = {
        (topic.value.encode(), str(number).encode()) for topic, count in partitions.items() for number in range(count)
    }
    with reading(database):
        found = database.execute(PLACES, {"most": len(known) + MOST_NAMED}).fetchall()
        strange = [row[:2] for row in found if not row[2] or row[:2] not in known]
        beyond = [
            (topic, number)
            for topic, count in partitions.items()
            for number in range(count)
            if database.execute(
                "SELECT 1 FROM record WHERE topic = ? AND partition = ? AND offset > ? LIMIT 1",
                (topic, number, MOST_OFFSET),
            ).fetchone()
        ]
    meaning = "somebody has put records there past this program, where nobody reads them"
    made = [
        Weakness("all", MISPLACED, f"topic {_shown(topic)}, partition {_shown(number)}", "none", meaning)
        for topic, number in strange[:MOST_NAMED]
    ]
    return made + [
        Weakness(topic.value, MISPLACED, f"partition {number}, at what is no offset", "none", meaning)
        for topic, number in beyond
    ]


def _shown(name: bytes) -> str:
    """A name that anybody can have chosen, as far as it can do no harm."""
    return ascii(name[:SHOWN].decode(errors="replace"))


Row = tuple[int, float, object, bytes | None, bytes | None, bytes | None]
"""A row of ``COLUMNS``, whatever somebody has put there: the partition was asked for."""
ROWS: Final = (
    "SELECT {} FROM record WHERE topic = ? AND partition = ? AND offset BETWEEN ? AND ? ORDER BY offset LIMIT ?"
)


def rows_from(database: sqlite3.Connection, place: tuple[object, ...]) -> tuple[Sequence[Row], Sequence[Flaw]]:
    """The rows at a place: topic, partition, first and last offset, and how many at the most. Fewer where they are large.

    A file that somebody hands over may have records of a gigabyte. SQLite itself ends the reading at the first field that is
    large, so those of an ordinary log are read as fast as without a limit.
    """
    usual = database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, ORDINARY)
    try:
        return database.execute(ROWS.format(COLUMNS), place).fetchall(), ()
    except sqlite3.DataError:  # string or blob too big
        pass
    finally:
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, usual)
    return _few_from(database, place)


def _few_from(database: sqlite3.Connection, place: tuple[object, ...]) -> tuple[Sequence[Row], Sequence[Flaw]]:
    rows, flaws, size = list[Row](), list[Flaw](), 0
    with closing(database.execute(ROWS.format(CUT_COLUMNS), place)) as cursor:
        for row in cursor:
            rows.append(row)
            lengths = [len(field) for field in row[3:] if field is not None]
            if any(length > MOST_BYTES for length in lengths) and type(row[1]) is int:
                found = f"a field has more than the {MOST_BYTES} bytes that a log takes: what comes behind them was not read"
                flaws.append(Flaw(row[0], row[1], found))
            size += sum(lengths)
            if size > AT_ONCE:
                break
    return rows, flaws


def to_records(rows: Sequence[Row]) -> tuple[list[Record], Sequence[Flaw]]:
    """Rows of ``COLUMNS`` as records, and what in them no log gives out."""
    made = record_of
    try:
        if type(sum(map(OFFSET, rows)) + sum(map(TIME, rows))) is int:
            return [
                made((partition, offset, appended_at, key, value, unpack_headers(headers) if headers else ()))
                for partition, offset, appended_at, key, value, headers in rows
            ], ()
    except (TypeError, ValueError):
        pass
    return _mended(rows)


def _mended(rows: Iterable[Row]) -> tuple[list[Record], list[Flaw]]:
    """The same where somebody has put something else than whole numbers and headers there: row by row."""
    records, flaws = [], []
    for partition, offset, appended_at, key, value, packed in rows:
        if type(offset) is not int:
            flaws.append(Flaw(partition, offset, "a record stands at an offset that is no whole number"))
            continue
        at = appended_at if type(appended_at) is int else NO_TIME
        headers: tuple[tuple[str, bytes], ...] = ()
        try:
            headers = unpack_headers(packed)
        except ValueError:
            flaws.append(Flaw(partition, offset, "its headers cannot be read"))
        records.append(Record(partition, offset, at, key, value, headers))
    return records, flaws


def pack_headers(headers: tuple[tuple[str, bytes], ...]) -> bytes | None:
    """Headers as one value: each name and value after its length in four bytes."""
    if not headers:
        return None
    parts = [part for name, value in headers for part in (name.encode(), value)]
    return b"".join(len(part).to_bytes(4) + part for part in parts)


def unpack_headers(packed: bytes | None) -> tuple[tuple[str, bytes], ...]:
    """What ``pack_headers`` packed. Raises ``ValueError`` for what it never packs."""
    parts, at = [], 0
    while packed and at < len(packed):
        start = at + LENGTH
        at = start + int.from_bytes(packed[at:start])
        parts.append(packed[start:at])
    if packed and at != len(packed):
        raise ValueError("the headers are cut off")
    return tuple((name.decode(), value) for name, value in zip(parts[::2], parts[1::2], strict=True))
