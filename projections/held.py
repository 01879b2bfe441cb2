"""Who holds how many open cases, and in how many of them something is overdue.

They are counted along an index that has no more than that. Where clocks are judged, who holds a case, of which unit and
agency, stands in it as one text: a comparison for each case, not three, is what makes a million of them quick to count.
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from casetrail.projections.database import Database, has_judgements

HELD_BY: Final = ("holder", "unit", "agency")

BY_CLOCKS: Final = """SELECT held, count(*), count(CASE WHEN due_at < ? THEN 1 END),
(SELECT min(due_at) FROM owing AS same WHERE same.held = owing.held)
FROM owing WHERE held IS NOT NULL GROUP BY held"""
"""The first due time is looked up for each group: compared for each case, it takes a third of the time."""
BY_USUAL_LIMITS: Final = """SELECT holder, unit, agency, CAST(sum(CASE WHEN status = 'suspended' THEN 1 ELSE 0 END) AS BIGINT),
count(*), count(CASE WHEN due_at < ? THEN 1 END), min(due_at)
FROM case_status WHERE is_open = 1 GROUP BY holder, unit, agency"""
"""In the order of their index, so that nothing is sorted."""


class Held(NamedTuple):
    """Open cases that one person, or nobody (``None``), holds in one unit of one agency; times in microseconds."""

    holder: str | None
    unit: str
    agency: str
    suspended: int
    cases: int
    overdue: int
    first_due_at: int | None


class Sum(NamedTuple):
    """Several of them together."""

    cases: int
    suspended: int
    overdue: int
    first_due_at: int | None


@lru_cache(4096)
def held_text(holder: str | None, unit: str, agency: str, is_suspended: bool) -> str:
    """Who holds an open case, of which unit and agency, and whether it is suspended: as it stands in ``owing.held``."""
    return json.dumps([holder, unit, agency, int(is_suspended)], separators=(",", ":"))


def all_held(database: Database, now: int) -> Iterator[Held]:
    """All open cases, counted. ``now``: in microseconds."""
    if not has_judgements(database):
        yield from (Held(*row) for row in database.rows(BY_USUAL_LIMITS, (now,)))
        return
    for text, cases, overdue, first_due_at in database.rows(BY_CLOCKS, (now,)):
        holder, unit, agency, is_suspended = json.loads(text)
        yield Held(holder, unit, agency, cases if is_suspended else 0, cases, overdue, first_due_at)


def held_by(database: Database, by: str, now: int) -> dict[str | None, Sum]:
    """The same by ``holder``, ``unit`` or ``agency``: first where most are, what nobody holds before others of as many."""
    found: dict[str | None, list[Held]] = {}
    for one in all_held(database, now):
        found.setdefault(getattr(one, by), []).append(one)
    sums = {name: _together(some) for name, some in found.items()}
    return dict(sorted(sums.items(), key=lambda item: (-item[1].cases, item[0] is not None, item[0] or "")))


def _together(some: Sequence[Held]) -> Sum:
    return Sum(
        sum(one.cases for one in some),
        sum(one.suspended for one in some),
        sum(one.overdue for one in some),
        min((one.first_due_at for one in some if one.first_due_at is not None), default=None),
    )
