"""Business calendars: when an office is open, in the local time of a zone, and which days are holidays.

Rules for holidays that come every year are written as people say them: ``january 1``, ``third monday of january``,
``last monday of may``. What no such rule can say (Easter, a day of mourning) is a date of its own.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

DAY: Final = timedelta(days=1)
MINUTES_A_DAY: Final = 24 * 60
FIRST_DAY: Final = date(1, 1, 3).toordinal()
LAST_DAY: Final = date(9999, 12, 28).toordinal()
"""Calendars know the days between these two: beyond, there is no moment that every zone could show."""


class Weekday(StrEnum):
    """The days of a week, in the order of ``datetime.weekday``."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


WEEKDAYS: Final = tuple(Weekday)
MONTHS: Final = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
                 "november", "december")  # fmt: skip
COUNTS: Final = ("first", "second", "third", "fourth", "fifth")
SATURDAY: Final = 5
SUNDAY: Final = 6
LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

Hours = tuple[datetime, datetime]
"""From when to when an office is open, UTC."""

DATE_RULE: Final = re.compile(rf"({'|'.join(MONTHS)}) ([1-9]|[12][0-9]|3[01])")
WEEKDAY_RULE: Final = re.compile(rf"({'|'.join(COUNTS)}|last) ({'|'.join(WEEKDAYS)}) of ({'|'.join(MONTHS)})")


@dataclass(frozen=True)
class Yearly:
    """A holiday that comes every year: ``day`` of a month, or its ``count``-th ``weekday`` (-1: the last; 0 is Monday)."""

    month: int
    day: int = 0
    count: int = 0
    weekday: int = 0

    def on(self, year: int) -> date | None:
        """When it is in a year; None where that year has no such day."""
        if self.day:
            try:
                return date(year, self.month, self.day)
            except ValueError:  # 29 February
                return None
        if self.count > 0:
            first = date(year, self.month, 1)
            found = first + timedelta(days=(self.weekday - first.weekday()) % 7 + 7 * (self.count - 1))
            return found if found.month == self.month else None
        last = date(year + self.month // 12, self.month % 12 + 1, 1) - DAY
        return last - timedelta(days=(last.weekday() - self.weekday) % 7)

    def __str__(self) -> str:
        month = MONTHS[self.month - 1]
        if self.day:
            return f"{month} {self.day}"
        return f"{COUNTS[self.count - 1] if self.count > 0 else 'last'} {WEEKDAYS[self.weekday]} of {month}"


def clock_time(minutes: int) -> str:
    """Minutes after midnight as a clock shows them: ``08:00``."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def parse_yearly(text: str) -> Yearly | None:
    """The rule that a text such as ``third monday of january`` states; None where it states none."""
    if found := DATE_RULE.fullmatch(text):
        month, day = MONTHS.index(found[1]) + 1, int(found[2])
        return Yearly(month, day) if day <= LONGEST_MONTHS[month - 1] else None
    if found := WEEKDAY_RULE.fullmatch(text):
        count = -1 if found[1] == "last" else COUNTS.index(found[1]) + 1
        return Yearly(MONTHS.index(found[3]) + 1, 0, count, WEEKDAYS.index(found[2]))
    return None


@dataclass(frozen=True)
class Calendar:
    """When an office is open: on ``weekdays`` (0 is Monday) from ``opens`` to ``closes``, but not on holidays.

    ``opens`` and ``closes`` are minutes after midnight, 0 to 1,440, as the clocks of the IANA ``time_zone`` show them
    (where clocks are set back, as they show them the first time). ``holidays`` are single dates; yearly ones that fall on
    a Saturday or Sunday may move to the Friday before or the Monday after.
    """

    name: str
    time_zone: str
    weekdays: frozenset[int] = frozenset(range(5))
    opens: int = 0
    closes: int = MINUTES_A_DAY
    holidays: frozenset[date] = frozenset()
    yearly: tuple[Yearly, ...] = ()
    saturday_to_friday: bool = False
    sunday_to_monday: bool = False

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    _hours: dict[int, Hours | None] = field(default_factory=dict, init=False, repr=False, compare=False)
    _kept: dict[int, frozenset[date]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def day_length(self) -> timedelta:
        """How long a business day is: as long as the office is open on a day on which no clock is changed."""
        return timedelta(minutes=self.closes - self.opens)

    def is_business_day(self, day: date) -> bool:
        """Whether the office is open on a day."""
        return day.weekday() in self.weekdays and day not in self.holidays and day not in self._holidays_of(day.year)

    def hours(self, ordinal: int) -> Hours | None:
        """From when to when (UTC) the office is open on a day, given by its proleptic ordinal; None where it is not."""
        if ordinal not in self._hours:
            self._hours[ordinal] = self._hours_of(date.fromordinal(ordinal))
        return self._hours[ordinal]

    def local_ordinal(self, moment: datetime) -> int:
        """The ordinal of the day that the office's clocks show at a moment, which lies between the days that are known."""
        return moment.astimezone(self._zone).toordinal()

    def _hours_of(self, day: date) -> Hours | None:
        if not self.is_business_day(day):
            return None
        opens, closes = self._at(day, self.opens), self._at(day, self.closes)
        if self.local_ordinal(opens) != day.toordinal():  # a day that the zone has skipped, by crossing the date line
            return None
        return (opens, closes) if opens < closes else None  # the very hours that clocks skip on this day

    def _at(self, day: date, minutes: int) -> datetime:
        """The moment at which the clocks first show this time of day."""
        days, rest = divmod(minutes, MINUTES_A_DAY)
        local = datetime.combine(day + days * DAY, time(rest // 60, rest % 60), ZoneInfo(self.time_zone))
        return local.astimezone(UTC)

    def _holidays_of(self, year: int) -> frozenset[date]:
        """The days of a year on which yearly holidays are kept: New Year's Day may be kept in the year before."""
        if year not in self._kept:
            years = range(max(year - 1, 1), min(year + 2, 9999))
            kept = [self._kept_on(day) for some in years for rule in self.yearly if (day := rule.on(some)) is not None]
            self._kept[year] = frozenset(day for day in kept if day.year == year)
        return self._kept[year]

    def _kept_on(self, day: date) -> date:
        if day.weekday() == SATURDAY and self.saturday_to_friday:
            return day - DAY
        if day.weekday() == SUNDAY and self.sunday_to_monday:
            return day + DAY
        return day
