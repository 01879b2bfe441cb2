"""Logs that somebody has manipulated: by a crooked recorder while recording, or in the file afterwards."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from casetrail.audit.replaying.findings import Finding, Kind, Verdict
from casetrail.audit.replaying.replay import extents_of, replay, replay_partition
from casetrail.domain.actions import Action, ActionRejected
from casetrail.eventlog.codec import Event, decode_event, encode_action, encode_event
from casetrail.eventlog.hashing import NO_HASH, leaf_hash
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.outcome import History, case_of, follow, outcome_of
from casetrail.eventlog.port import Entry, Log, Record, Topic
from tests.actions import life
from tests.consumers.test_recorder import records

Crook = Callable[[Event, Record], Event | None]
"""What a crooked recorder makes of the event that an honest one would append: another one, or none at all."""

REFUSED: Final = ActionRejected("ScreenedIn", "role-may-not")


def honest(event: Event, _: Record) -> Event:
    """Not crooked at all."""
    return event


def record_crookedly(log: Log, crook: Crook = honest) -> None:
    """Answer all actions as a recorder does that goes on from what it has written, honest or not."""
    histories: dict[str, History] = {}
    for action in records(log, Topic.ACTIONS):
        case_id = case_of(action, log.partitions)
        history = histories.setdefault(case_id, History.empty(case_id))
        event = crook(outcome_of(history, action, log.name, log.partitions).event, action)
        if event is not None:
            value = encode_event(event)
            entry = Entry(event.case_id.encode(), value, action.partition)
            (at,) = log.append(Topic.EVENTS, [entry])
            if event.case_id == case_id:
                follow(history, Record(at.partition, at.offset, at.appended_at, entry.key, value))


def make_log(path: Path, *actions: Action, partitions: int = 1, crook: Crook | None = honest) -> str:
    """A log with these actions and, unless ``crook`` is None, their events; its address."""
    with init_log(f"sqlite:{path}", partitions=partitions, name="test-log") as log:
        log.append(Topic.ACTIONS, [Entry(one.case_id.encode(), encode_action(one)) for one in actions])
        if crook is not None:
            record_crookedly(log, crook)
    return f"sqlite:{path}"


def cases(count: int, steps: int = 3) -> list[Action]:
    """The beginnings of the lives of some cases, ``case-00`` and so on, all of them under way at once."""
    lives = [life(f"case-{number:02}", steps) for number in range(count)]
    return [one for round_ in zip(*lives, strict=True) for one in round_]


def verdicts_on(url: str, case_id: str | None = None) -> list[Verdict]:
    """The verdicts on a log; the same, whether a partition's cases are judged together or in parts."""
    whole = replay(url, case_id=case_id)
    if case_id is None:
        with open_log(url) as log:
            for extent, verdict in zip(extents_of(log), whole, strict=True):
                one, other, third = (replay_partition(log, extent._replace(part=(n, 3))) for n in range(3))
                assert one.join(other).join(third) == verdict
    return whole


def findings_in(url: str, case_id: str | None = None) -> list[Finding]:
    """All findings in a log."""
    return [finding for verdict in verdicts_on(url, case_id) for finding in verdict.findings]


def found(url: str, case_id: str | None = None) -> list[tuple[Kind, str | None, int | None]]:
    """The findings that are no mere consequences, in short: kind, case, and the offset of the action."""
    return [(one.kind, one.case_id, one.action_offset) for one in findings_in(url, case_id) if not one.follows]


class File:
    """The file of an embedded log in the hands of somebody who owns it: nothing refuses him."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = sqlite3.connect(url.removeprefix("sqlite:"), isolation_level=None)
        for trigger in ("no_update", "no_delete", "only_append"):
            self.database.execute(f"DROP TRIGGER IF EXISTS {trigger}")

    def value(self, offset: int, topic: Topic = Topic.EVENTS) -> bytes:
        """A stored value of partition 0."""
        return bytes(self._rows("SELECT value FROM record WHERE topic = ? AND offset = ?", topic, offset)[0][0])

    def event(self, offset: int) -> Event:
        """A stored event of partition 0."""
        return decode_event(self.value(offset))

    def put(self, offset: int, value: bytes, topic: Topic = Topic.EVENTS) -> None:
        """Put other bytes in the place of a value."""
        self._rows("UPDATE record SET value = ? WHERE topic = ? AND offset = ?", value, topic, offset)

    def change(self, offset: int, **fields: Any) -> None:
        """Change fields of a stored event; its successors keep the link to what it was."""
        self.put(offset, encode_event(self.event(offset)._replace(**fields)))

    def delete(self, offset: int, topic: Topic = Topic.EVENTS) -> None:
        """Delete a record."""
        self._rows("DELETE FROM record WHERE topic = ? AND offset = ?", topic, offset)

    def delete_before(self, offset: int, topic: Topic) -> None:
        """Delete the beginning of a topic."""
        self._rows("DELETE FROM record WHERE topic = ? AND offset < ?", topic, offset)

    def swap(self, one: int, other: int) -> None:
        """Exchange the places of two events."""
        self.move(one, -1)
        self.move(other, one)
        self.move(-1, other)

    def move(self, offset: int, to: int) -> None:
        """Give an event another offset that is free."""
        self._rows("UPDATE record SET offset = ? WHERE topic = 'events' AND offset = ?", to, offset)

    def insert(self, offset: int, event: Event) -> None:
        """Put an event in, moving those behind it."""
        for (later,) in self._rows(
            "SELECT offset FROM record WHERE topic = 'events' AND offset >= ? ORDER BY offset DESC", offset
        ):
            self.move(later, later + 1)
        self._rows(
            "INSERT INTO record SELECT 'events', 0, ?, max(appended_at), ?, ?, NULL FROM record",
            offset, event.case_id.encode(), encode_event(event),
        )  # fmt: skip

    def repair_chain(self, case_id: str) -> None:
        """Number and link the events of a case anew, so that nothing shows within the events."""
        last = NO_HASH
        stored = self._rows(
            "SELECT offset, value FROM record WHERE topic = 'events' AND key = ? ORDER BY offset", case_id.encode()
        )
        for number, (offset, value) in enumerate(stored, 1):
            mended = encode_event(decode_event(value)._replace(number=number, previous_hash=last))
            last = leaf_hash(mended)
            self.put(offset, mended)

    def _rows(self, statement: str, *values: object) -> list[Any]:
        return self.database.execute(statement, values).fetchall()
