"""When people work: business days, weekends on call, holidays, and the days that each of them has off."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from casetrail.domain.business_time import Span, due_after
from casetrail.domain.calendars import Calendar

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Hours:
    """The office hours of the unit and its partners, and the absences of each person."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._absences: dict[str, list[Span]] = {}

    def after(self, at: datetime, hours: float) -> datetime:
        """So many office hours after a moment."""
        return due_after(at, hours * HOUR, self._calendar)

    def days_off(self, chance: Random, person: str, first: datetime, last: datetime) -> None:
        """Give somebody holidays in summer and in winter, and sick days.

        Nobody is away for longer than a week and the weekends beside it: by the policy each case is worked every two weeks.
        """
        spans = []
        year = first
        while year < last:
            for least, most, day in ((7, 9, chance.uniform(150, 240)), (4, 9, chance.uniform(0, 120))):
                spans.append((year + day * DAY, year + (day + chance.uniform(least, most)) * DAY))
            for _ in range(chance.randrange(2, 6)):
                ill = year + chance.uniform(0, 365) * DAY
                if not any(begins - 8 * DAY < ill < ends + 5 * DAY for begins, ends in spans):
                    spans.append((ill, ill + chance.uniform(0.5, 3) * DAY))
            year += 365 * DAY
        self._absences[person] = sorted(spans)

    def absence(self, person: str, at: datetime) -> Span | None:
        """The days off that somebody has at a moment."""
        spans: Sequence[Span] = self._absences.get(person, ())
        place = bisect_right(spans, at, key=lambda span: span[0]) - 1
        return spans[place] if place >= 0 and at < spans[place][1] else None

    def works(self, chance: Random, person: str, at: datetime, within: float = 3.0) -> datetime:
        """A moment at or soon after ``at`` at which somebody is at work: up to so many office hours later."""
        found = self.after(at, chance.uniform(0.05, within))
        while (off := self.absence(person, found)) is not None:
            found = self.after(off[1], chance.uniform(0.05, within))
        return found

    def last_before(self, chance: Random, person: str, at: datetime, earliest: datetime) -> datetime | None:
        """The last moment or so before ``at`` at which somebody is at work, if there is one after ``earliest``."""
        day = at
        while day > earliest:
            found = self.after(day - DAY, chance.uniform(0.1, 4))
            if earliest < found <= at and self.absence(person, found) is None:
                return found
            day -= DAY
        return None

    def works_before_or_after(self, chance: Random, person: str, at: datetime, earliest: datetime) -> datetime:
        """The same; but what falls into days off is done before them, where that is still possible."""
        off = self.absence(person, at)
        if off is not None:
            before = self.after(off[0] - 2 * DAY, chance.uniform(0.1, 8))
            if earliest < before < off[0]:
                return before
        return self.works(chance, person, at)
