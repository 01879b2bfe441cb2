"""What an outbox has to send, in one local SQLite file: position in the log and messages change in one transaction."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from sqlite3 import Connection
from types import MappingProxyType
from typing import Final, NamedTuple

from casetrail.domain.values import EPOCH
from casetrail.projections.errors import ViewError
from casetrail.projections.local_file import LocalFile
from casetrail.projections.queries import MICROSECOND, at_micros, micros

FORM: Final = "1"
KEPT: Final = timedelta(days=400)
"""How long it can be looked up in the file that a message was sent; for ever, the log says that it was to be."""
Message = tuple[str, str, str]
"""A message: its id, the address that it is for, its content."""
TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS form (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS position (partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS message (id TEXT, address TEXT, content TEXT NOT NULL, attempts INTEGER NOT NULL, "
    "next_at INTEGER NOT NULL, sent_at INTEGER, trouble TEXT, PRIMARY KEY (id, address))",
    "CREATE INDEX IF NOT EXISTS message_waiting ON message (next_at) WHERE sent_at IS NULL",
    "CREATE INDEX IF NOT EXISTS message_sent ON message (sent_at) WHERE sent_at IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS collected (id TEXT PRIMARY KEY, told TEXT NOT NULL, content TEXT NOT NULL, "
    "at INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS seen (partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL, last BLOB NOT NULL, "
    "at INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS before (partition INTEGER PRIMARY KEY, at INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS unreached (address TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID",
)


class Waiting(NamedTuple):
    """A message that waits to be sent to an address; how often that was tried."""

    id: str
    address: str
    content: str
    attempts: int


class Collected(NamedTuple):
    """What somebody is told together with other things, soon; and since when it waits for them."""

    id: str
    told: str
    content: str
    at: datetime


class Seen(NamedTuple):
    """The last event that was read of a partition: its offset and leaf hash, and when it was recorded."""

    offset: int
    last: bytes
    at: datetime


class OutboxStore:
    """Messages, and how far the log has been read. Not for use by several threads."""

    def __init__(self, path: Path | str, log: str) -> None:
        """Open or create the file for the log of that name.

        Raises ``StateUnreachable`` while another outbox has it, ``ViewError`` where it is no database or another log's.
        """
        self._file = LocalFile(
            path,
            "the outbox's file",
            "message",
            "what waits in it is lost where it is deleted: put a copy back if there is one",
            0,
        )
        self._database = self._file.database
        with self._file.opening():
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._database.execute("PRAGMA synchronous=FULL")
            with self._file.transaction() as database:
                for statement in TABLES:
                    database.execute(statement)
                database.execute("INSERT OR IGNORE INTO form VALUES ('form', ?)", (FORM,))
                database.execute("INSERT OR IGNORE INTO form VALUES ('log', ?)", (log,))
            found = dict(self._database.execute("SELECT name, value FROM form"))
            if (found["form"], found["log"]) != (FORM, log):
                raise ViewError(f"{path} is the outbox of the log '{found.get('log')}': give another file")

    def begin(
        self, positions: Mapping[int, int], since: datetime, seen: Mapping[int, Seen] = MappingProxyType({})
    ) -> None:
        """Begin a new outbox: where it reads first, what stands before that, and from when on what was recorded is sent."""
        with self._file.transaction() as database:
            database.execute("INSERT OR REPLACE INTO form VALUES ('since', ?)", (str(micros(since)),))
            _move(database, positions, seen)

    def seen(self) -> dict[int, Seen]:
        """By partition the last event that was read."""
        rows = self._file.rows("SELECT partition, offset, last, at FROM seen")
        return {partition: Seen(offset, last, EPOCH + at * MICROSECOND) for partition, offset, last, at in rows}

    def begin_again(self, partition: int) -> None:
        """Read a partition from its first event, since the log has another history there: what was recorded until then is not sent again."""
        with self._file.transaction() as database:
            database.execute(
                "INSERT OR REPLACE INTO before SELECT partition, at FROM seen WHERE partition = ?", (partition,)
            )
            database.execute("DELETE FROM seen WHERE partition = ?", (partition,))
            database.execute("INSERT OR REPLACE INTO position VALUES (?, 0)", (partition,))
            database.execute("INSERT OR REPLACE INTO form VALUES ('history', ?)", (str(self.history() + 1),))

    def history(self) -> int:
        """How often the log had another history than had been read."""
        rows = self._file.rows("SELECT value FROM form WHERE name = 'history'")
        return int(rows[0][0]) if rows else 0

    def before(self) -> dict[int, datetime]:
        """By partition until when was recorded what has been read in an earlier history."""
        return {
            partition: EPOCH + at * MICROSECOND for partition, at in self._file.rows("SELECT partition, at FROM before")
        }

    def since(self) -> datetime | None:
        """From when on what was recorded is sent; None where the outbox has not begun."""
        rows = self._file.rows("SELECT value FROM form WHERE name = 'since'")
        return at_micros(int(rows[0][0])) if rows else None

    def positions(self) -> dict[int, int]:
        """By partition the offset of the event to be read next."""
        return dict(self._file.rows("SELECT partition, offset FROM position"))

    def take(
        self, messages: Iterable[Message], positions: Mapping[int, int], collected: Iterable[Collected] = (),
        seen: Mapping[int, Seen] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        """Take in messages, what is collected for others, how far the log has been read, and what was last there."""
        with self._file.transaction() as database:
            _put(database, messages)
            rows = [(one.id, one.told, one.content, micros(one.at)) for one in collected]
            database.executemany("INSERT OR IGNORE INTO collected VALUES (?, ?, ?, ?)", rows)
            _move(database, positions, seen)

    def collected(self, since: datetime, most: int) -> list[Collected]:
        """What is collected for somebody for whom anything was by then, the first of it, so many at most."""
        rows = self._file.rows(
            "SELECT id, told, content, at FROM collected WHERE told = (SELECT told FROM collected WHERE at <= ? "
            "ORDER BY at, rowid LIMIT 1) ORDER BY rowid LIMIT ?",
            (micros(since), most),
        )
        return [Collected(one, told, content, EPOCH + at * MICROSECOND) for one, told, content, at in rows]

    def put_together(self, collected: Iterable[Collected], messages: Iterable[Message]) -> None:
        """Send messages in the place of what was collected."""
        with self._file.transaction() as database:
            _put(database, messages)
            database.executemany("DELETE FROM collected WHERE id = ?", [(one.id,) for one in collected])

    def waiting(self, now: datetime, limit: int) -> list[Waiting]:
        """What is to be sent by now, the oldest first."""
        rows = self._file.rows(
            "SELECT id, address, content, attempts FROM message WHERE sent_at IS NULL AND next_at <= ? "
            "ORDER BY rowid LIMIT ?",
            (micros(now), limit),
        )
        return [Waiting(*row) for row in rows]

    def sent(self, one: Waiting, now: datetime) -> None:
        """It has arrived. What has long ago is deleted."""
        with self._file.transaction() as database:
            database.execute(
                "UPDATE message SET sent_at = ?, attempts = attempts + 1, trouble = NULL WHERE id = ? AND address = ?",
                (micros(now), one.id, one.address),
            )
            database.execute("DELETE FROM unreached WHERE address = ?", (one.address,))
            database.execute("DELETE FROM message WHERE sent_at < ?", (micros(now - KEPT),))

    def put_off(self, one: Waiting, now: datetime, until: datetime, trouble: str) -> None:
        """It has not arrived: everything for this address waits until then."""
        with self._file.transaction() as database:
            database.execute("INSERT OR IGNORE INTO unreached VALUES (?, ?)", (one.address, micros(now)))
            database.execute(
                "UPDATE message SET attempts = attempts + 1, trouble = ? WHERE id = ? AND address = ?",
                (trouble, one.id, one.address),
            )
            database.execute(
                "UPDATE message SET next_at = ? WHERE address = ? AND sent_at IS NULL", (micros(until), one.address)
            )

    def clock_set_back(self, now: datetime, longest: timedelta) -> None:
        """Let nothing wait for a time that a clock has shown which was ahead. ``longest``: no attempt is put off for longer."""
        with self._file.transaction() as database:
            database.execute(
                "UPDATE message SET next_at = ?1 WHERE sent_at IS NULL AND next_at > ?2",
                (micros(now), micros(now + longest)),
            )
            database.execute("UPDATE unreached SET since = ?1 WHERE since > ?1", (micros(now),))
            database.execute("UPDATE collected SET at = ?1 WHERE at > ?1", (micros(now),))

    def elsewhere(self, addresses: Iterable[str]) -> list[Waiting]:
        """What waits to be sent to other addresses than these."""
        rows = self._file.rows(
            "SELECT id, address, content, attempts FROM message WHERE sent_at IS NULL AND address NOT IN "
            "(SELECT value FROM json_each(?)) ORDER BY rowid",
            (json.dumps(list(addresses)),),
        )
        return [Waiting(*row) for row in rows]

    def redirect(self, one: Waiting, messages: Iterable[tuple[str, str]], now: datetime) -> None:
        """Send a message (address, content) to these instead."""
        with self._file.transaction() as database:
            database.executemany(
                "INSERT OR IGNORE INTO message VALUES (?, ?, ?, 0, ?, NULL, NULL)",
                [(one.id, address, content, micros(now)) for address, content in messages],
            )
            database.execute("DELETE FROM message WHERE id = ? AND address = ?", (one.id, one.address))
            database.execute("DELETE FROM unreached WHERE address = ?", (one.address,))

    def unreached_since(self) -> datetime | None:
        """Since when the address is not reached that has not been for longest, of those for which something waits."""
        ((since,),) = self._file.rows("SELECT min(since) FROM unreached")
        return at_micros(since)

    def waiting_now(self) -> int:
        """How many messages wait."""
        ((waiting,),) = self._file.rows("SELECT count(*) FROM message WHERE sent_at IS NULL")
        return int(waiting)

    def counts(self) -> tuple[int, int]:
        """How many messages were sent, and how many wait."""
        ((sent, waiting),) = self._file.rows("SELECT count(sent_at), count(*) - count(sent_at) FROM message")
        return int(sent), int(waiting)

    def troubles(self) -> Sequence[tuple[str, int, str]]:
        """Addresses that messages do not reach: how many wait, and what was last said."""
        return self._file.rows(
            "SELECT address, count(*), max(trouble) FROM message WHERE sent_at IS NULL GROUP BY address "
            "HAVING max(attempts) > 0 ORDER BY address"
        )

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _move(database: Connection, positions: Mapping[int, int], seen: Mapping[int, Seen]) -> None:
    database.executemany("INSERT OR REPLACE INTO position VALUES (?, ?)", positions.items())
    rows = [(partition, one.offset, one.last, micros(one.at)) for partition, one in seen.items()]
    database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", rows)


def _put(database: Connection, messages: Iterable[Message]) -> None:
    """Put messages behind those that wait for the same address."""
    for message in messages:
        database.execute(
            "INSERT OR IGNORE INTO message VALUES (?1, ?2, ?3, 0, (SELECT coalesce(max(next_at), 0) "
            "FROM message WHERE address = ?2 AND sent_at IS NULL), NULL, NULL)",
            message,
        )
