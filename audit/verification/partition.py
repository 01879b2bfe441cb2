"""What each process of a verification does: one run of offsets of one partition after the other, events beside actions.

Runs of the same partition are checked at the same time. So that each knows where its actions begin and end, both
neighbours of a border look at the same few events behind it (``first_in_turn``).
"""

import gc
import marshal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.audit.faults import Faults, Kind
from casetrail.audit.replaying.order import longest_growing
from casetrail.audit.verification.events import First, Judge, Place, State
from casetrail.audit.verification.feed import NEVER, Ahead, Feed, Promises
from casetrail.domain.values import append_time, is_append_time
from casetrail.eventlog.codec import Unreadable
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.headers import read_header
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Log, Record, Topic

BORDER: Final = 64
"""So many events behind a border are looked at."""
LENGTH: Final = 8
"""Bytes before each piece in a file that say how long it is. (Read value by value, a file takes much longer.)"""
SELDOM: Final = 1_000_000
"""After so many new objects a process looks for circles among them: a job makes none, and looking takes a tenth of its time."""
WINDOW: Final = 512
"""So many events are looked at together where one does not answer the action whose turn it is."""


class Extent(NamedTuple):
    """A partition as it stood when the verification began: half-open ranges of offsets of both topics."""

    partition: int
    actions: tuple[int, int]
    events: tuple[int, int]


class Job(NamedTuple):
    """A run of events of a partition, from ``start``, cut into pieces: each belongs to a checkpoint, and has an end.

    ``turn``: the offset of the first action to be answered; None where the events have to say it. ``file``: where the pieces
    are written to.
    """

    extent: Extent
    start: int
    pieces: tuple[tuple[int, int], ...]
    turn: int | None
    file: Path

    @property
    def end(self) -> int:
        """The offset behind the run."""
        return self.pieces[-1][1]


class Piece(NamedTuple):
    """What a run of events under one checkpoint comes to: leaf hashes, and how the cases in it stand afterwards.

    ``asked``: when the submission of the first event came in, as the event itself says, milliseconds UTC; None for no event.
    """

    checkpoint: int
    end: int
    leaves: bytes
    changes: dict[bytes, State]
    firsts: dict[bytes, First]
    asked: int | None


class Seen(NamedTuple):
    """The last record of a topic that was read: its offset, and the leaf hash of its value."""

    offset: int
    hash: bytes


class Times(NamedTuple):
    """The first record's offset and append time, the latest append time, and the first record that is ahead of now."""

    offset: int
    first: int
    newest: int
    ahead: Ahead | None


class Checked(NamedTuple):
    """What a job came to.

    ``turns``: the action from which on it looked for outcomes, and the offset behind the last action that had its turn.
    None for a job without events that could say it. ``pending``: actions behind the last one that has its outcome, the first of them since ``waiting``.
    """

    job: Job
    turns: tuple[int, int] | None
    faults: Faults
    counts: Counter[str]
    schemas: set[bytes]
    times: dict[Topic, Times]
    seen: dict[Topic, Seen]
    pending: int
    waiting: int | None


class Source(NamedTuple):
    """The log that a process reads, and what it promises."""

    log: Log
    promises: Promises


_open: Callable[[], Source] | None = None
"""In a process of a crew: gives its source, opened when it is first asked for."""


def begin(log_url: str, options: dict[str, object], promises: Promises) -> None:
    """What the jobs of this process will read."""
    global _open
    gc.set_threshold(SELDOM)

    @cache
    def opened() -> Source:
        source = Source(open_log(log_url, options), promises)
        gc.freeze()  # what is there by now stays, and need not be gone through after each job
        return source

    _open = opened


def open_source() -> None:
    """Open what will be read. What goes wrong, the first job says."""
    assert _open is not None
    with suppress(LogError):
        _open()


def work(job: Job) -> Checked:
    """Do a job in a process that has begun. Raises ``LogUnreachable``, ``OffsetGone``."""
    assert _open is not None
    checked = check(_open(), job)
    gc.collect()  # a client of Kafka is a circle, with all that it had fetched
    return checked


def check(source: Source, job: Job) -> Checked:
    """Check a run of events; its pieces are written to the job's file."""
    faults, partition = Faults(), job.extent.partition
    place = Place(source.log.name, source.log.partitions, partition, source.promises.skew)
    events_end = job.extent.events[1]
    with Feed(source.log, Topic.EVENTS, partition, job.start, events_end, source.promises, faults) as events:
        turn = job.turn if job.turn is not None else first_in_turn(events, job)
        end = job.extent.actions[1]
        with Feed(source.log, Topic.ACTIONS, partition, turn, end, source.promises, faults) as actions:
            walk = Walk(job, events, actions, turn, Judge(place, faults))
            with job.file.open("wb") as file:
                for checkpoint, piece_end in job.pieces:
                    piece = marshal.dumps(tuple(walk.piece(checkpoint, piece_end)))
                    file.write(len(piece).to_bytes(LENGTH) + piece)
            return walk.finish()


def pieces_in(file: Path) -> Iterator[Piece]:
    """The pieces that a job has written."""
    with file.open("rb") as opened:
        while length := opened.read(LENGTH):
            yield Piece(*marshal.loads(opened.read(int.from_bytes(length))))  # noqa: S302  (this verification's own file)


def answered(event: Record) -> int | None:
    """The offset of the action that an event answers; None where it is no event."""
    try:
        return read_header(event.value)[2]
    except Unreadable:
        return None


def asked_at(event: Record) -> int:
    """When the log took in the submission that an event answers; when the event was appended, where it is no event."""
    try:
        return append_time(read_header(event.value)[3])
    except Unreadable:
        return append_time(event.appended_at)


def in_order(answers: Sequence[int | None], lowest: int, end: int) -> frozenset[int]:
    """The places of events that answer actions in order, as many as can; the others were moved, doubled or put in."""
    places = [place for place, answer in enumerate(answers) if answer is not None and lowest <= answer < end]
    return frozenset(places[one] for one in longest_growing([answers[place] or 0 for place in places]))


def first_in_turn(events: Feed, job: Job) -> int:
    """The action that the next events begin to answer; the end of the actions where no event says it."""
    events.fill(BORDER, BORDER)
    answers = [answered(event) for event in events.ready()[:BORDER]]
    first, end = job.extent.actions
    kept = in_order(answers, first, end)
    return answers[min(kept)] or 0 if kept else end


class Walk:
    """Goes through a job's events and actions side by side."""

    def __init__(self, job: Job, events: Feed, actions: Feed, turn: int, judge: Judge) -> None:
        self._job, self._events, self._actions, self._judge = job, events, actions, judge
        self._first_turn = turn

    @property
    def _turn(self) -> int:
        """The offset behind the last action that has had its turn."""
        last = self._actions.last
        return self._first_turn if last is None else last.offset + 1

    def piece(self, checkpoint: int, end: int) -> Piece:
        """Go on up to, and without, the event at this offset."""
        judge, asked = self._judge, None
        judge.next_piece()
        while events := self._ready(end):
            if asked is None:
                asked = asked_at(events[0])
            self._actions.fill(1, len(events))
            actions = self._actions.ready()
            done = judge.in_step(events, actions)
            self._events.skip(done)
            self._actions.skip(done)
            if done < min(len(events), len(actions)) or (done < len(events) and self._actions.peek() is None):
                self._out_of_step(end)
        return Piece(checkpoint, end, b"".join(judge.leaves), judge.changes, judge.firsts, asked)

    def _ready(self, end: int) -> list[Record]:
        self._events.fill(1, max(BORDER, self._job.end - self._events.next))
        return self._events.ready(end)

    # --- where an event does not answer the action whose turn it is ---

    def _out_of_step(self, end: int) -> None:
        """Judge the next events one by one, at least one of them."""
        self._events.fill(WINDOW, WINDOW)
        window = self._events.ready()[:WINDOW]
        answers = [answered(event) for event in window]
        kept = in_order(answers, self._turn, self._job.extent.actions[1])
        for place, event in enumerate(window if len(window) < WINDOW else window[: WINDOW // 2]):
            if event.offset >= end:
                break
            self._one(event, answers[place], place in kept)
            self._events.skip(1)

    def _one(self, event: Record, answer: int | None, in_turn: bool) -> None:
        if in_turn and answer is not None:
            while (action := self._actions.peek()) is not None and action.offset <= answer:
                is_answered = action.offset == answer and self._judge.answer(event, action)
                if not is_answered:
                    self._judge.passed_over(action)
                self._actions.skip(1)
                if is_answered:
                    return
        self._judge.alone(event, *self._why(answer, in_turn))

    def _why(self, answer: int | None, in_turn: bool) -> tuple[Kind | None, str]:
        """Why no action could be shown to an event."""
        first, end = self._job.extent.actions
        if answer is None or 0 <= answer < first:
            return None, ""  # no event at all, which is a fault of its own; or its action was cut off, which is said
        if in_turn or not 0 <= answer < end:
            return Kind.ANSWERS_NOTHING, f"the log holds no action {answer}"
        return Kind.ANSWER_OUT_OF_TURN, f"answers action {answer}"

    # --- the end ---

    def finish(self) -> Checked:
        """Look at the actions that are left, when all pieces have been made."""
        job, pending, waiting = self._job, 0, None
        is_last = not self._events.fill(BORDER, BORDER)
        limit = job.extent.actions[1] if is_last else first_in_turn(self._events, job)
        turn = self._turn
        while (action := self._actions.peek()) is not None and action.offset < limit:
            if is_last:
                pending += 1
                waiting = append_time(action.appended_at) if waiting is None else waiting
            else:
                self._judge.passed_over(action)
                turn = action.offset + 1
            self._actions.skip(1)
        self._events.finish(job.end)
        self._actions.finish(limit)
        times, seen, counts = {}, {}, Counter(self._judge.counts)
        for topic, feed in ((Topic.EVENTS, self._events), (Topic.ACTIONS, self._actions)):
            counts[topic.value] += feed.count
            if feed.first is not None and feed.last is not None:
                since = feed.first.appended_at if is_append_time(feed.first.appended_at) else feed.newest
                if feed.newest != NEVER:  # no record has a time that is one
                    times[topic] = Times(feed.first.offset, since, feed.newest, feed.ahead)
                seen[topic] = Seen(feed.last.offset, leaf_hash(feed.last.value or b""))
        turns = None if job.turn is None and not counts[Topic.EVENTS.value] else (self._first_turn, turn)
        return Checked(job, turns, self._judge.faults, counts, self._judge.schemas, times, seen, pending, waiting)
