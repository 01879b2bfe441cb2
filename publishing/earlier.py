"""Searching ``LOG.events`` for answers that were given earlier: for a receipt of yesterday, or of another process.

Within a partition events stand in the order of the actions that they answer. So a few probes lead to the place, however
long the history is.
"""

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Final

from casetrail.domain.actions import ActionRejected
from casetrail.domain.deciding import DUPLICATE_ACTION
from casetrail.eventlog.codec import Event, Unreadable, decode_event
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.port import Log, Reader, Record, Topic

SCANNED: Final = 2_000
"""Events that are read one after another rather than probed."""
FIRST_STEP: Final = 1_000
POLL: Final = 0.5


def answered_action(record: Record) -> int | None:
    """The offset of the action that an event answers; None for what no recorder wrote: it answers nothing."""
    try:
        return decode_event(record.value).action_offset
    except Unreadable:
        return None


def answers_between(
    log: Log, partition: int, offsets: Sequence[int], end: int, until: float
) -> Iterator[tuple[int, Record]]:
    """The answers to the actions at ``offsets`` (ascending) among the events before offset ``end``, each with its offset.

    Stops when the monotonic clock is at ``until``. Raises ``LogUnreachable``, ``OffsetGone``.
    """
    first = log.start_offsets(Topic.EVENTS)[partition]
    for run in _runs(offsets):
        start = _start(log, partition, run[0], first, end, until)
        wanted = set(run)
        with log.reader(Topic.EVENTS, {partition: start}) as reader:
            for record in _read(reader, partition, end, until):
                answered = answered_action(record)
                if answered in wanted:
                    yield answered, record
                if answered is not None and answered >= run[-1]:
                    break


def first_answer(log: Log, duplicate: Event, offset: int, until: float) -> Record | None:
    """The first answer to the action that ``duplicate``, the event at ``offset``, says was answered before.

    Reads back from there, in growing steps: most repetitions come soon. None: the log holds no such answer. Raises
    ``LogUnreachable``, also where the monotonic clock is at ``until`` before it is found, ``OffsetGone``.
    """
    partition, end, step = duplicate.partition, offset, FIRST_STEP
    first = log.start_offsets(Topic.EVENTS)[partition]
    while end > first:
        start = max(first, end - step)
        with log.reader(Topic.EVENTS, {partition: start}) as reader:
            for record in _read(reader, partition, end, until):
                if duplicate.action_id in (record.value or b"") and _is_first_answer(record, duplicate):
                    return record
            if reader.position(partition) < end and monotonic() >= until:
                raise LogUnreachable("the first answer to this action was not found in time; ask again with more of it")
        end, step = start, step * 8
    return None


def _is_first_answer(record: Record, duplicate: Event) -> bool:
    try:
        event = decode_event(record.value)
    except Unreadable:
        return False
    is_duplicate = isinstance(event.body, ActionRejected) and event.body.code == DUPLICATE_ACTION.code
    return (event.case_id, event.action_id) == (duplicate.case_id, duplicate.action_id) and not is_duplicate


def _runs(offsets: Sequence[int]) -> Iterator[list[int]]:
    """The offsets in groups that are worth reading in one go."""
    run: list[int] = []
    for offset in offsets:
        if run and offset - run[-1] > SCANNED:
            yield run
            run = []
        run.append(offset)
    if run:
        yield run


def _start(log: Log, partition: int, action_offset: int, first: int, end: int, until: float) -> int:
    """An offset from which on the answer to ``action_offset`` is found after at most ``SCANNED`` others.

    Recent ones are asked for most: so it goes back from the end in growing steps, then halves what is left.
    """
    low, high, step = first, end, FIRST_STEP
    while high - low > SCANNED and monotonic() < until:
        middle = max(low, high - step) if step else (low + high) // 2
        found = _answered_at(log, partition, middle, high, until)
        if found is None or found > action_offset:
            high, step = middle, step * 8
        else:
            low, step = middle, 0
    return low


def _answered_at(log: Log, partition: int, offset: int, end: int, until: float) -> int | None:
    """The action that is answered by the first event at or after ``offset``; None when there is none before ``end``."""
    with log.reader(Topic.EVENTS, {partition: offset}) as reader:
        for record in _read(reader, partition, end, until, 16):
            if (answered := answered_action(record)) is not None:
                return answered
    return None


def _read(reader: Reader, partition: int, end: int, until: float, at_once: int = 5_000) -> Iterator[Record]:
    while reader.position(partition) < end and (left := until - monotonic()) > 0:
        for record in reader.poll(min(POLL, left), at_once):
            if record.offset >= end:
                return
            yield record
