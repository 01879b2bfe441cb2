"""The reports that reach the unit in four years, and which of them are the 149.

Counts by group are the article's (Kansas City Star, 2016; see docs/sources.md), and so is about how many reports came in a
year. When they come goes by season, weekday and hour.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Final, NamedTuple

from casetrail.demo.dropped import PATTERNS, Pattern, reported_again
from casetrail.demo.people import PERIOD, family
from casetrail.demo.telling import DAY, HOUR, Report
from casetrail.domain.codes import Offence

GROUPS: Final = (
    ("rape", 28, Offence.RAPE, "566.030"),
    ("molestation", 27, Offence.FONDLING, "566.067"),
    ("sodomy", 29, Offence.SODOMY, "566.060"),
    ("sexual misconduct", 9, Offence.FONDLING, "566.083"),
    ("assault", 7, Offence.AGGRAVATED_ASSAULT, "565.050"),
    ("abuse", 34, Offence.FAMILY_NONVIOLENT, "568.060"),
    ("other", 15, Offence.OTHER, ""),
)
"""Group, number of reports among the 149, NIBRS code, statute (RSMo)."""

REPORTS: Final = 4_000
"""In four years: about 1,000 a year."""
AGAIN: Final = 0.06
"""How many are about a child that was reported before, within a year or so."""
IN_DANGER: Final = 0.12
QUIET_END: Final = 60 * DAY
"""None of the 149 comes so late that the story would end before anybody could have noticed."""
MIDNIGHT: Final = 6 * HOUR
"""When a day begins in the Midwest, in UTC."""
BY_WEEKDAY: Final = (1.15, 1.1, 1.1, 1.1, 1.15, 0.75, 0.65)
BY_HOUR: Final = (2, 1, 1, 1, 1, 1, 2, 4, 8, 10, 10, 10, 9, 10, 11, 12, 11, 9, 8, 7, 6, 5, 4, 3)
BY_MONTH: Final = (1.0, 0.99, 1.02, 1.03, 1.04, 0.97, 0.95, 0.97, 1.04, 1.03, 1.0, 0.96)
"""Schools report, so there are fewer in summer."""


class Arrival(NamedTuple):
    """A report that comes, and the pattern in which it is dropped; None where it is handled well."""

    report: Report
    pattern: Pattern | None


def arrivals(chance: Random, end: datetime) -> list[Arrival]:
    """All reports of the four years before ``end``, in the order in which they come."""
    times = sorted(_moment(chance, end) for _ in range(REPORTS))
    patterns = _chosen(chance, times, end)
    groups = [one for one in GROUPS for _ in range(one[1])]
    chance.shuffle(groups)
    numbers: dict[int, int] = {}
    made: list[Arrival] = []
    for place, at in enumerate(times):
        year = (at - MIDNIGHT).year
        numbers[year] = numbers.get(year, 0) + 1
        pattern = patterns.get(place)
        group, _, offence, statute = groups.pop() if pattern else chance.choices(GROUPS, [one[1] for one in GROUPS])[0]
        case_id = f"{year}-{numbers[year]:04}"
        in_danger = chance.random() < (0.06 if pattern else IN_DANGER)
        report = Report(case_id, at, group, offence, statute, family(chance, at), in_danger)
        made.append(Arrival(_known(chance, report, made) if pattern is None else report, pattern))
    return _second_reports(made)


def _moment(chance: Random, end: datetime) -> datetime:
    while True:
        day = end - PERIOD + chance.randrange(PERIOD // DAY) * DAY
        likely = BY_WEEKDAY[day.weekday()] * BY_MONTH[day.month - 1] / 1.3
        if chance.random() < likely:
            hour = chance.choices(range(24), BY_HOUR)[0]
            at = _midnight(day) + hour * HOUR + chance.randrange(3600) * HOUR / 3600
            if at < _midnight(end):
                return at


def _midnight(day: datetime) -> datetime:
    return day.replace(hour=0, minute=0, second=0, microsecond=0) + MIDNIGHT


def _chosen(chance: Random, times: Sequence[datetime], end: datetime) -> dict[int, Pattern]:
    """Which of the reports are dropped, and how."""
    chosen: dict[int, Pattern] = {}
    moments = [at - (end - PERIOD) for at in times]
    for pattern in sorted(PATTERNS, key=lambda one: not one.when):
        for number in range(pattern.reports):
            since, until = (
                pattern.when[number % len(pattern.when)] if pattern.when else (5.0, (PERIOD - QUIET_END) / DAY)
            )
            among = range(bisect_left(moments, since * DAY), bisect_left(moments, until * DAY))
            places = [place for place in among if place not in chosen]
            chosen[chance.choice(places)] = pattern
    return chosen


def _known(chance: Random, report: Report, before: Sequence[Arrival]) -> Report:
    """The report, now and then about a child that was reported before."""
    if chance.random() < AGAIN and before:
        earlier = chance.choice(before[-1200:])
        if earlier.pattern is None:
            people = earlier.report.family
            known = tuple(one.report.case_id for one in before if one.report.family is people)
            return replace(report, family=people, again=known)
    return report


def _second_reports(made: Sequence[Arrival]) -> list[Arrival]:
    """Where the pattern is that a child is reported again: the next report that nobody screened is about that child."""
    found = list(made)
    for place, (report, pattern) in enumerate(made):
        if pattern is not None and pattern.tell is reported_again:
            later = next(
                number
                for number in range(place + 1, len(found))
                if found[number].report.at > report.at + 9 * DAY and found[number].pattern is not None
            )
            second = found[later]
            found[later] = second._replace(report=replace(second.report, family=report.family))
    return found
