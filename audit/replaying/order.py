"""Which event answers which action: the events of a partition, brought into the order of the actions that they name.

A recorder answers action by action, so the answers come in the order of the actions. Where they do not, somebody has
moved, doubled or invented events, and the question is which ones stand wrong: those without which the others stand in
order, and as few of them as possible (a longest growing run among the next answers decides). So one event that names a
far-off action does not make thousands of honest ones look moved.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from casetrail.eventlog.binary import NotAvro, read_long, read_text
from casetrail.eventlog.codec import Event, Unreadable, decode_event, schema_of
from casetrail.eventlog.headers import NUMBER_AT
from casetrail.eventlog.port import Record
from casetrail.eventlog.schemas import current_ids
from casetrail.eventlog.stream import Stream

AHEAD: Final = 512
"""So many answers are looked at ahead of the action whose turn it is."""
MOST_OVERDUE: Final = 5_000
NOTHING: Final = -1


class Answer(NamedTuple):
    """A record of ``LOG.events``: the offset of the action that it ``answers``, and whether it stands out of order.

    A record that is no event is taken for the answer to the action after the one before.
    """

    record: Record
    answers: int
    moved: bool = False

    def event(self) -> Event | None:
        """The event; None where the record is none."""
        try:
            return decode_event(self.record.value)
        except Unreadable:
            return None


class Answers:
    """The answers of a partition, given out action by action.

    ``action_end``: no action has this offset or a later one. ``fetch`` reads one record of the events again: of the ones
    that stand out of order only the offsets are kept. ``cut``: there were events before the first one.
    """

    def __init__(self, events: Stream, action_end: int, fetch: Callable[[int], Record | None], *, cut: bool) -> None:
        self._events, self._action_end, self._fetch = events, action_end, fetch
        self._window: deque[Answer] = deque()
        self._aside: dict[int, list[int]] = {}  # an action's offset: the events out of order that answer it
        self._overdue: deque[Answer] = deque()
        self._turn = 0
        self._before: int | None = None if cut else -1  # what the last event that was read answers
        self._disorder = False

    @property
    def ended(self) -> bool:
        """Whether no answer to a later action follows in order: who waits for one is pending."""
        return not self._window and self._events.ended

    def first_answered(self) -> int | None:
        """The first action that has an answer in its place, of those still to come."""
        self._look_ahead()
        return self._window[0].answers if self._window else None

    def overdue(self, turn: int) -> Iterator[Answer]:
        """The answers that stand before the one whose turn it is, to actions whose turn is over or that are not there.

        Read them to their end for each action (at offset ``turn``), before ``take``.
        """
        self._turn = turn
        while True:
            if 2 * len(self._window) < AHEAD and not self._events.ended:
                self._look_ahead()
            while self._window and self._window[0].answers < turn:
                yield self._window.popleft()
            while self._overdue and (
                not self._window or self._overdue[0].record.offset < self._window[0].record.offset
            ):
                yield self._overdue.popleft()
            if self._window or self._events.ended:
                return

    def take(self, turn: int) -> list[Answer]:
        """The answers to the action at this offset: none, one, or several."""
        found = []
        while self._window and self._window[0].answers == turn:
            found.append(self._window.popleft())
        for offset in self._aside.pop(turn, ()):
            record = self._fetch(offset)
            if record is not None:
                found.append(Answer(record, turn, moved=True))
        return found

    def rest(self) -> Iterator[Answer]:
        """What is left when every action has had its turn."""
        yield from self._overdue
        yield from self._window
        for answers, offsets in self._aside.items():
            for offset in offsets:
                record = self._fetch(offset)
                if record is not None:
                    yield Answer(record, answers, moved=True)
        for record in self._events:
            yield self._read(record)

    def _look_ahead(self) -> None:
        while len(self._window) < AHEAD and len(self._overdue) < MOST_OVERDUE:
            record = self._events.next()
            if record is None:
                break
            answer = self._read(record)
            if self._turn <= answer.answers < self._action_end:
                self._disorder |= bool(self._window) and answer.answers < self._window[-1].answers
                self._window.append(answer)
            else:
                self._overdue.append(answer)
        if self._disorder:
            self._set_aside()

    def _read(self, record: Record) -> Answer:
        answers = answered_action(record.value)
        if answers is not None:
            self._before = answers
        elif self._before is not None:
            self._before += 1
        return Answer(record, NOTHING if self._before is None else self._before)

    def _set_aside(self) -> None:
        """Leave in the window what stands in order (a second answer does so, too), and remember where the rest stands."""
        kept = longest_growing([answer.answers for answer in self._window], strictly=False)
        for place, answer in enumerate(self._window):
            if place not in kept:
                self._aside.setdefault(answer.answers, []).append(answer.record.offset)
        self._window = deque(answer for place, answer in enumerate(self._window) if place in kept)
        self._disorder = False


def answered_action(value: bytes | None) -> int | None:
    """The offset of the action that an event answers, without decoding the rest; None where that cannot be read."""
    try:
        if value is not None and schema_of(value) == current_ids()["event"]:
            _, at = read_long(value, NUMBER_AT)
            _, at = read_long(value, at)
            return read_long(value, at)[0]
        return decode_event(value).action_offset
    except (Unreadable, NotAvro):
        return None


def rules_named(value: bytes | None) -> int | None:
    """The rule set that an event names, likewise."""
    try:
        if value is not None and schema_of(value) == current_ids()["event"]:
            at = NUMBER_AT
            for _ in range(4):  # number, partition, offset of the action, recorded_at
                _, at = read_long(value, at)
            for _ in range(2):  # case, log
                _, at = read_text(value, at)
            return read_long(value, at)[0]
        return decode_event(value).rule_set
    except (Unreadable, NotAvro):
        return None


def longest_growing(numbers: Sequence[int], *, strictly: bool = True) -> frozenset[int]:
    """The places of a longest growing subsequence (patience sorting, O(n log n)). Not ``strictly``: it may stay the same."""
    place_of = bisect_left if strictly else bisect_right
    lowest: list[int] = []  # the lowest number that ends a growing run of each length
    ends: list[int] = []  # its place
    before: list[int | None] = []
    for place, number in enumerate(numbers):
        length = place_of(lowest, number)
        before.append(ends[length - 1] if length else None)
        lowest[length : length + 1] = [number]
        ends[length : length + 1] = [place]
    kept = set()
    at = ends[-1] if ends else None
    while at is not None:
        kept.add(at)
        at = before[at]
    return frozenset(kept)
