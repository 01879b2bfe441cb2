"""Time that counts: on the wall clock all of it, on a business calendar only while the office is open. Pauses never count.

Both questions are the same measure from two sides: how much time counted between two moments (``elapsed``), and at which
moment so much has counted (``due_after``).
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from casetrail.domain.calendars import FIRST_DAY, LAST_DAY, Calendar

FIRST: Final = datetime.combine(date.fromordinal(FIRST_DAY), time(), UTC)
LAST: Final = datetime.combine(date.fromordinal(LAST_DAY), time(), UTC)
"""Time is reckoned between these two moments; one before or after them is taken for them."""

NONE: Final = timedelta()

Span = tuple[datetime, datetime]
"""From one moment up to another, UTC."""


def due_after(
    start: datetime, limit: timedelta, calendar: Calendar | None = None, pauses: Sequence[Span] = ()
) -> datetime:
    """The first moment at which ``limit`` of time that counts has passed since ``start``; ``LAST`` where none is.

    ``calendar``: None is the wall clock. ``pauses`` are in order and do not overlap.
    """
    left = limit
    if left <= NONE:
        return start
    if not pauses:  # what most clocks are reckoned by, in less time
        if not FIRST <= start <= LAST:
            start = _known(start)
        if calendar is None:
            return start + left if LAST - start >= left else LAST
        return _due_on(calendar, start, left)
    for begins, ends in _counting(_known(start), LAST, calendar, pauses):
        if ends - begins >= left:
            return begins + left
        left -= ends - begins
    return LAST


def _due_on(calendar: Calendar, start: datetime, left: timedelta) -> datetime:
    """No zone is more than a day behind UTC, in which ``start`` is: what is open then opened on the day before at the earliest."""
    for ordinal in range(max(start.toordinal() - 1, FIRST_DAY), LAST_DAY):
        hours = calendar.hours(ordinal)
        if hours is None:
            continue
        opens, closes = hours
        if closes > start:
            if opens < start:
                opens = start
            if closes - opens >= left:
                return opens + left
            left -= closes - opens
    return LAST


def elapsed(start: datetime, end: datetime, calendar: Calendar | None = None, pauses: Sequence[Span] = ()) -> timedelta:
    """How much time that counts lies between two moments; none where ``end`` is not after ``start``."""
    return sum((ends - begins for begins, ends in _counting(_known(start), _known(end), calendar, pauses)), NONE)


def _known(moment: datetime) -> datetime:
    return moment if FIRST <= moment <= LAST else min(max(moment, FIRST), LAST)


def _counting(start: datetime, end: datetime, calendar: Calendar | None, pauses: Sequence[Span]) -> Iterator[Span]:
    """The spans of time that counts between two moments, in their order."""
    for begins, ends in _open(start, end, calendar):
        for pause_begins, pause_ends in pauses:
            if pause_ends <= begins or pause_begins >= ends:
                continue
            if pause_begins > begins:
                yield begins, pause_begins
            begins = pause_ends
        if begins < ends:
            yield begins, ends


def _open(start: datetime, end: datetime, calendar: Calendar | None) -> Iterator[Span]:
    if calendar is None:
        if start < end:
            yield start, end
        return
    for ordinal in range(max(calendar.local_ordinal(start), FIRST_DAY), LAST_DAY):
        hours = calendar.hours(ordinal)
        if hours is None:
            continue
        opens, closes = hours
        if opens >= end:
            return
        if closes > start:
            yield max(opens, start), min(closes, end)
