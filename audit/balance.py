"""The balance of a log: submitted = accepted + rejected + unreadable + pending, for every partition, at every moment.

Counted from both topics side by side: the event that answers an action carries its offset and its hash, so a gap, a
repeat, a disorder or an exchanged action shows where it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from casetrail.domain.actions import ActionRejected, SubmissionUnreadable
from casetrail.eventlog.codec import Event, Unreadable, decode_event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.eventlog.stream import Stream

POLL: Final = 5000
KEPT_FAULTS: Final = 100


@dataclass
class Balance:
    """The count of one partition, and what is wrong with it (the first hundred faults)."""

    partition: int
    submitted: int = 0
    accepted: int = 0
    rejected: int = 0
    unreadable: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def pending(self) -> int:
        """Submissions without an outcome yet."""
        return self.submitted - self.accepted - self.rejected - self.unreadable

    def fault(self, text: str) -> None:
        """Note a fault."""
        if len(self.faults) < KEPT_FAULTS:
            self.faults.append(text)


def balance(log: Log, progress: Callable[[int], None] | None = None) -> list[Balance]:
    """Count a log as it stands now. ``progress`` is told of submissions as they are counted."""
    event_ends = log.end_offsets(Topic.EVENTS)  # first: an event that comes later answers a later count
    action_ends = log.end_offsets(Topic.ACTIONS)
    return [_count(log, number, end, event_ends[number], progress) for number, end in sorted(action_ends.items())]


def _count(
    log: Log, partition: int, action_end: int, event_end: int, progress: Callable[[int], None] | None
) -> Balance:
    found = Balance(partition)
    starts = {topic: log.start_offsets(topic)[partition] for topic in (Topic.ACTIONS, Topic.EVENTS)}
    for topic, start in starts.items():
        if start > 0:
            found.fault(f"{topic.value} before offset {start} have been deleted")
    with (
        log.reader(Topic.ACTIONS, {partition: starts[Topic.ACTIONS]}) as actions_reader,
        log.reader(Topic.EVENTS, {partition: starts[Topic.EVENTS]}) as events_reader,
    ):
        actions = Stream(actions_reader, partition, action_end)
        events = Stream(events_reader, partition, event_end)
        record = events.next()
        while (action := actions.next()) is not None:
            found.submitted += 1
            if progress is not None and found.submitted % POLL == 0:
                progress(POLL)
            if record is not None:
                record = _match(found, action, record, events)
        while record is not None:
            found.fault(f"event at offset {record.offset} answers no action that is in the log")
            record = events.next()
    return found


def _match(found: Balance, action: Record, record: Record, events: Stream) -> Record | None:
    """Match an action with its event; the event to look at next."""
    following: Record | None = record
    while following is not None:
        record = following
        event = _event(found, record)
        if event is not None and event.action_offset >= action.offset:
            break
        if event is not None:
            found.fault(f"event at offset {record.offset} answers action {event.action_offset} again, or out of order")
        following = events.next()
    else:
        return None
    if event.action_offset > action.offset:
        found.fault(f"action at offset {action.offset} was passed over: the next event answers {event.action_offset}")
        return record
    if event.action_hash != leaf_hash(action.value or b""):
        found.fault(f"event at offset {record.offset} answers action {action.offset}, but with other content")
    _add(found, event)
    return events.next()


def _event(found: Balance, record: Record) -> Event | None:
    try:
        return decode_event(record.value)
    except Unreadable:
        found.fault(f"the record at offset {record.offset} of the events is no event: not written by a recorder")
        return None


def _add(found: Balance, event: Event) -> None:
    if isinstance(event.body, ActionRejected):
        found.rejected += 1
    elif isinstance(event.body, SubmissionUnreadable):
        found.unreadable += 1
    else:
        found.accepted += 1
