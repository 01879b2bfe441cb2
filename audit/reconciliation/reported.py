"""What the log says of reports: those it has, their corrections and mergers, and those that it never took in.

Read from the log alone, once, from beginning to end.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from casetrail.audit.reconciliation.mapping import Scope
from casetrail.audit.reconciliation.matching import ACCEPTED, Later, Place, Report, micros, values_of
from casetrail.domain.actions import ActionRejected, SubmissionUnreadable
from casetrail.domain.closure import Reopened
from casetrail.domain.codes import SealedName, TokenKind
from casetrail.domain.intake import OffenceAlleged, ReportReceived
from casetrail.domain.kinds import EVENT_KINDS
from casetrail.domain.linking import FactCorrected, Merged
from casetrail.domain.sealed import Token
from casetrail.domain.values import at_millis
from casetrail.eventlog.binary import NotAvro, read_long
from casetrail.eventlog.codec import MAGIC, Event, Unreadable, decode_action, decode_event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.headers import NUMBER_AT
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.eventlog.schemas import current_ids
from casetrail.eventlog.stream import batches

PENDING: Final = "pending"
SENT_TWICE: Final = "duplicate-action"  # the very same submission was accepted before
WANTED: Final = frozenset({ActionRejected, SubmissionUnreadable, ReportReceived, FactCorrected, Merged, Reopened})
SKIPPED: Final = frozenset(number for number, kind in enumerate(EVENT_KINDS) if kind not in WANTED)
"""Branches of the event's union that say nothing of reports."""
NAMES: Final = {
    TokenKind.CHILD: frozenset({SealedName.CHILD_NAME, SealedName.CHILD_BIRTH_DATE}),
    TokenKind.SUSPECT: frozenset({SealedName.SUSPECT_NAME, SealedName.SUSPECT_BIRTH_DATE}),
}
"""Of what a token is made."""


class Batch(NamedTuple):
    """What some thousand records say of reports."""

    reports: list[tuple[Report, tuple[Token, ...]]]
    later: list[tuple[Later, tuple[Token, ...]]]
    """Later events; with the tokens of those whom a correction identifies."""


class Reported:
    """Reads a log's reports.

    After that ``unreadable`` counts the records among the events that are none, and ``cut`` has the first offset of
    each partition whose beginning has been deleted.
    """

    def __init__(self, log: Log, scope: Scope) -> None:
        self._log, self._scope = log, scope
        self.unreadable = 0
        self.cut: dict[int, int] = {}
        self._frame = MAGIC + current_ids()["event"].to_bytes(4)
        self._answered: dict[int, int] = {}  # the first action without an outcome, by partition
        self._count = 0

    def batches(self, progress: Callable[[int], None] | None = None) -> Iterator[Batch]:
        """All that the log says of reports, as it stands now. ``progress`` is told of events as they are read."""
        starts = self._log.start_offsets(Topic.EVENTS)
        self.cut = {partition: start for partition, start in starts.items() if start > 0}
        for records in _read(self._log, Topic.EVENTS, starts):
            batch = Batch([], [])
            for record in records:
                if (event := self._event(record)) is not None:
                    self._sort(record, event, batch)
            yield batch
            if progress is not None:
                progress(len(records))
        yield from self._pending()

    def _event(self, record: Record) -> Event | None:
        """The event, where it can say something of a report. Most cannot, and are passed over without being decoded."""
        value = record.value
        if value is not None and value.startswith(self._frame):
            action_offset, branch = glance(value)
            if branch in SKIPPED:
                self._answered[record.partition] = action_offset + 1
                return None
        try:
            event = decode_event(value)
        except Unreadable:
            self.unreadable += 1
            return None
        self._answered[record.partition] = event.action_offset + 1
        return event

    def _sort(self, record: Record, event: Event, batch: Batch) -> None:
        body = event.body
        if isinstance(body, ReportReceived):
            reported_in = "" if event.actor is None else event.actor.agency
            self._report(batch, ACCEPTED, _place(record, event), event.occurred_at, reported_in, body)
        elif isinstance(body, FactCorrected | Merged | Reopened):
            tokens = body.tokens if isinstance(body, FactCorrected) else None
            batch.later.append((_later(record, event, body), tokens or ()))
        elif isinstance(body, ActionRejected) and body.kind == ReportReceived.__name__ and body.code != SENT_TWICE:
            asked = self._log.read_one(Topic.ACTIONS, record.partition, event.action_offset)
            self._asked(batch, f"refused: {body.code}", _place(record, event), asked and asked.value)
        elif isinstance(body, SubmissionUnreadable):
            self._asked(batch, f"unreadable: {body.code}", _place(record, event), body.value)

    def _pending(self) -> Iterator[Batch]:
        """Reports that were submitted, and have no outcome yet."""
        starts, ends = self._log.start_offsets(Topic.ACTIONS), self._log.end_offsets(Topic.ACTIONS)
        first = {
            partition: min(max(start, self._answered.get(partition, 0)), ends[partition])
            for partition, start in starts.items()
        }
        for records in _read(self._log, Topic.ACTIONS, first):
            batch = Batch([], [])
            for record in records:
                self._asked(batch, PENDING, _submission(record), record.value)
            yield batch

    def _asked(self, batch: Batch, state: str, place: Place, value: bytes | None) -> None:
        """A report that was submitted, and is none of the log's. Bytes that cannot be read name no report."""
        try:
            action = decode_action(value)
        except Unreadable:
            return
        if isinstance(action.body, ReportReceived):
            self._report(batch, state, place, action.occurred_at, action.actor.agency, action.body)

    def _report(
        self, batch: Batch, state: str, place: Place, occurred_at: datetime | None, reported_in: str,
        body: ReportReceived,
    ) -> None:  # fmt: skip
        self._count += 1
        received_at = place.recorded_at if occurred_at is None else micros(occurred_at)
        found = {"agency": body.agency, "unit": body.unit, "channel": body.channel.value, "reported_in": reported_in}
        in_scope = all(found[name] in values for name, values in self._scope.wanted.items())
        report = Report(
            self._count, state, *place, received_at, body.report_number,
            _codes(body.offences), body.agency, body.unit, body.channel.value, reported_in, in_scope,
            any(token.kind is TokenKind.CHILD for token in body.tokens),
            values_of(TokenKind.CHILD, body.tokens), values_of(TokenKind.SUSPECT, body.tokens),
        )  # fmt: skip
        batch.reports.append((report, body.tokens))


def glance(value: bytes) -> tuple[int, int]:
    """Of an event of the current schema: the offset of the action that it answers, and the branch of its body.

    The branch is -1 where the bytes end too early.
    """
    try:
        _, at = read_long(value, NUMBER_AT)  # number
        _, at = read_long(value, at)  # partition
        action_offset, at = read_long(value, at)
        at = _past_long(value, at)  # recorded_at
        at = _past_text(value, _past_text(value, at))  # case_id, log
        at = _past_long(value, at)  # rule_set
        at = _past_long(value, at + 1) if value[at] else at + 1  # occurred_at
        at = _past_text(value, _past_text(value, _past_text(value, at + 1))) if value[at] else at + 1  # actor
        at = _past_text(value, _past_long(value, at + 33)) if value[at] else at + 1  # imported
        return action_offset, read_long(value, at)[0]
    except (NotAvro, IndexError):
        return -1, -1


def _past_long(value: bytes, at: int) -> int:
    while value[at] & 0x80:
        at += 1
    return at + 1


def _past_text(value: bytes, at: int) -> int:
    length, at = read_long(value, at)
    return at + max(0, length)


def _read(log: Log, topic: Topic, starts: Mapping[int, int]) -> Iterator[list[Record]]:
    """The records of a topic as it stands now."""
    ends = log.end_offsets(topic)
    with log.reader(topic, starts) as reader:
        for records in batches(reader, ends):
            yield [record for record in records if record.offset < ends[record.partition]]


def _place(record: Record, event: Event) -> Place:
    recorded_at, hashed = micros(event.recorded_at), leaf_hash(record.value or b"")
    kind = type(event.body).__name__
    return Place(kind, event.case_id, event.number, record.partition, record.offset, hashed, recorded_at)


def _submission(record: Record) -> Place:
    """Where a submission without an outcome stands."""
    case_id, hashed = (record.key or b"").decode(errors="replace"), leaf_hash(record.value or b"")
    return Place(
        "submission", case_id, None, record.partition, record.offset, hashed, micros(at_millis(record.appended_at))
    )


def _later(record: Record, event: Event, body: FactCorrected | Merged | Reopened) -> Later:
    place = _place(record, event)
    if isinstance(body, FactCorrected):
        offences = _codes(body.offences) if body.offences else None
        happened_at = None if body.happened_at is None else micros(body.happened_at)
        names = {one.name for one in body.sealed}
        renamed = " ".join(kind.value for kind, sealed in NAMES.items() if sealed & names)
        return Later(*place, body.corrects, offences, happened_at, None, renamed or None)
    return Later(*place, merged_into=body.into if isinstance(body, Merged) else None)


def _codes(offences: tuple[OffenceAlleged, ...]) -> str:
    return " ".join(dict.fromkeys(offence.code.value for offence in offences))
