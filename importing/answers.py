"""What the log answered an import's actions: which were refused, and what was taken in their cases afterwards.

``duplicate-action`` says that an id was answered before, not how. So once an action is answered with it, the log's events
are read, from its beginning, into a table on the disk; memory does not grow with the log.
"""

from collections.abc import Mapping
from hashlib import sha256
from time import monotonic
from typing import Final, NamedTuple

from casetrail.domain.actions import Action, ActionRejected, kind_of, plain_fields
from casetrail.domain.deciding import DUPLICATE_ACTION
from casetrail.eventlog.codec import Event, Unreadable, decode_action, decode_event
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.importing.scratch import Scratch

DUPLICATE: Final = DUPLICATE_ACTION.code
POLL: Final = 0.5
"""Seconds that a read waits for what should be there."""
TABLES: Final = """
CREATE TABLE refused (
    case_id TEXT, action_id BLOB, partition INT, offset INT, action_offset INT, kind TEXT, code TEXT, field TEXT,
    PRIMARY KEY (case_id, action_id)
) WITHOUT ROWID;
CREATE TABLE taken (
    case_id TEXT, action_id BLOB, offset INT, line INT, PRIMARY KEY (case_id, action_id)
) WITHOUT ROWID;
"""


class Refusal(NamedTuple):
    """The last refusal of an action, and the id under which it can be submitted again."""

    partition: int
    offset: int
    action_offset: int
    kind: str
    code: str
    field: str
    next_id: bytes


class Answers:
    """The answers in a log, as far as it has been read."""

    def __init__(self, log: Log, timeout: float) -> None:
        """``timeout``: seconds to wait for events that the log should have."""
        self._log, self._timeout = log, timeout
        self._file_hash: bytes | None = None
        self._read: dict[int, int] | None = None
        self._table = Scratch(TABLES)

    def read(self, ends: Mapping[int, int], file_hash: bytes | None) -> None:
        """Know all answers up to these offsets of ``LOG.events``, by partition. ``file_hash``: of the file imported now.

        Raises ``LogUnreachable``, and ``ImportFailed`` where there is no room for what was read.
        """
        self._file_hash = file_hash
        if self._read is None:
            self._read = self._log.start_offsets(Topic.EVENTS)
        wanted = {partition: end for partition, end in ends.items() if self._read[partition] < end}
        if not wanted:
            return
        until = monotonic() + self._timeout
        with self._log.reader(Topic.EVENTS, {partition: self._read[partition] for partition in wanted}) as reader:
            while any(reader.position(partition) < end for partition, end in wanted.items()):
                if records := reader.poll(POLL):
                    until = monotonic() + self._timeout
                    for record in records:
                        self._take(record)
                elif monotonic() > until:
                    raise LogUnreachable("the log's earlier answers could not be read: are the brokers running?")
            self._read.update((partition, reader.position(partition)) for partition in wanted)

    def refusal(self, action: Action) -> Refusal | None:
        """How an action was refused, under the last id that it was submitted by; None where it was not, or then taken."""
        found, last_id = self._last(action)
        if self._table.one("SELECT 1 FROM taken WHERE case_id = ? AND action_id = ?", action.case_id, last_id):
            return None
        return found

    def taken_later(self, action: Action) -> int | None:
        """The offset of the event that was accepted under the last id of an action that had been refused; None where none was."""
        _, last_id = self._last(action)
        row = self._table.one("SELECT offset FROM taken WHERE case_id = ? AND action_id = ?", action.case_id, last_id)
        return None if row is None else int(row[0])

    def _last(self, action: Action) -> tuple[Refusal | None, bytes]:
        """The last refusal of an action, and the id under which it was submitted after that, or can be."""
        found, action_id = None, action.action_id
        while row := self._table.one(
            "SELECT partition, offset, action_offset, kind, code, field FROM refused WHERE case_id = ? AND action_id = ?",
            action.case_id,
            action_id,
        ):
            action_id = sha256(b"casetrail/import/again/1" + action_id).digest()[:16]
            found = Refusal._make((*row, action_id))
        return found, action_id

    def is_mended(self, action: Action, refusal: Refusal) -> bool:
        """Whether an action says something else than when it was refused. Raises ``LogUnreachable``."""
        record = self._log.read_one(Topic.ACTIONS, refusal.partition, refusal.action_offset)
        try:
            return record is not None and _said(decode_action(record.value)) != _said(action)
        except Unreadable:
            return False

    def is_followed(self, case_id: str, line: int, refusal: Refusal) -> bool:
        """Whether, after a refusal, something was taken of its case that stands before ``line`` in the file."""
        return bool(
            self._table.one(
                "SELECT 1 FROM taken WHERE case_id = ? AND offset > ? AND line < ?", case_id, refusal.offset, line
            )
        )

    def close(self) -> None:
        """Forget all."""
        self._table.close()

    def _take(self, record: Record) -> None:
        try:
            event = decode_event(record.value)
        except Unreadable:
            return
        if isinstance(event.body, ActionRejected):
            if event.body.code != DUPLICATE:
                self._table.put(
                    "INSERT OR IGNORE INTO refused VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    event.case_id, event.action_id, record.partition, record.offset, event.action_offset,
                    event.body.kind, event.body.code, event.body.field or "",
                )  # fmt: skip
        elif self._table.one("SELECT 1 FROM refused WHERE case_id = ? LIMIT 1", event.case_id):
            self._table.put(
                "INSERT OR IGNORE INTO taken VALUES (?, ?, ?, ?)",
                event.case_id,
                event.action_id,
                record.offset,
                self._line(event),
            )

    def _line(self, event: Event) -> int | None:
        """The line of an event in the file that is imported now; None where it is from another: they cannot be compared."""
        imported = event.imported
        return imported.line if imported is not None and imported.file_hash == self._file_hash else None


def _said(action: Action) -> tuple[object, ...]:
    """What rules look at in an action: all but sealed texts, which never come out the same twice."""
    fields = plain_fields(action.body)
    sealed = sorted(one.name for one in fields.pop("sealed", ()))
    return kind_of(action.body), action.occurred_at, action.actor, fields, sealed
