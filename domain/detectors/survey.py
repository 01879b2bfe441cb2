"""What is counted over many cases: by person and unit, by day and month. Judged by the detectors that look beyond one case.

A survey takes in one case after the other, in any order, and keeps counters only, each with its earliest events; so its
size goes with people and days, not with cases. Days and months are those of UTC, and go by when things were recorded.
"""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from casetrail.domain.detectors.counting import Ending, Group, Person, What
from casetrail.domain.detectors.finding import Evidence
from casetrail.domain.detectors.traces import Traces

MOST_EVIDENCE: Final = 20
LAST_MONTH: Final = "9999-12"

Event = tuple[datetime, str, int, bytes]
"""When an event was recorded, its case, its number there, and its leaf hash."""


class Tally:
    """A number of events, and the earliest of them."""

    __slots__ = ("_first", "count")

    def __init__(self) -> None:
        self.count = 0
        self._first: list[Event] = []

    def add(self, event: Event) -> None:
        """Count an event."""
        self.count += 1
        if len(self._first) < MOST_EVIDENCE or event[0] <= self._first[-1][0]:
            insort(self._first, event)
            del self._first[MOST_EVIDENCE:]

    @property
    def first(self) -> list[Event]:
        """The earliest of them, at most twenty."""
        return self._first


def evidence_of_tallies(tallies: Iterable[Tally]) -> tuple[Evidence, ...]:
    """The earliest events of several tallies, at most twenty."""
    first = sorted(event for tally in tallies for event in tally.first)
    return tuple([Evidence(*event[1:]) for event in first[:MOST_EVIDENCE]])


class Approvals:
    """The closures that one supervisor approved in one month."""

    def __init__(self, tally: Callable[[], Tally]) -> None:
        self.all, self.quick = tally(), tally()
        self.by_day: defaultdict[date, Tally] = defaultdict(tally)
        self.by_asker: defaultdict[str, Tally] = defaultdict(tally)

    def of(self, group: Group) -> list[Tally]:
        """The tallies in which a group of approvals is counted."""
        quick = [self.quick] if group.marked else []
        return [self.all, self.by_day[group.day], self.by_asker[group.key], *quick]


class Entries:
    """What one person entered in one month: how many acts, and those that were late."""

    def __init__(self, tally: Callable[[], Tally]) -> None:
        self.count = 0
        self.late = tally()


class Survey:
    """Counts over the cases of one agency."""

    def __init__(self, agency: str, traces: Traces, tally: Callable[[], Tally] = Tally) -> None:
        """``traces`` has what is needed of each report, of all agencies, to recognise the next one about the same people.

        ``tally``: makes a tally that has counted nothing.
        """
        self.agency, self.traces, self._tally = agency, traces, tally
        self.months: frozenset[str] | None = None
        """The months that are to be judged, where that is not all of them: the others are only compared with."""
        self.given: defaultdict[Person, defaultdict[date, Tally]] = defaultdict(lambda: defaultdict(tally))
        """The cases that each person was given, by day."""
        self.gone: defaultdict[Person, Counter[date]] = defaultdict(Counter)
        """How many cases each person no longer held, by day: handed on, let go, or ended."""
        self.approvals: defaultdict[str, defaultdict[Person, Approvals]] = defaultdict(
            lambda: defaultdict(lambda: Approvals(tally))
        )
        """By month and supervisor."""
        self.endings: defaultdict[str, defaultdict[Person, defaultdict[Ending, Tally]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(tally))
        )
        """How each person, and each unit, let work end or rest, by month."""
        self.entries: defaultdict[str, defaultdict[Person, Entries]] = defaultdict(
            lambda: defaultdict(lambda: Entries(tally))
        )
        """By month, of each person."""
        self.answers: defaultdict[str, defaultdict[Person, defaultdict[str, Tally]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(tally))
        )
        """How many alarms and findings each person answered, by month and by the code of the answer."""

    def judged(self, months: Iterable[str]) -> list[str]:
        """Those of some months that are to be judged, in their order."""
        return sorted(month for month in months if self.months is None or month in self.months)

    def take(self, group: Group, count: int, add: Callable[[Tally], None]) -> None:
        """Count so many events of a group; ``add`` adds them to a tally."""
        person, month = group.person, month_of(group.day)
        match group.what:
            case What.GIVEN:
                add(self.given[person][group.day])
            case What.GONE:
                self.gone[person][group.day] += count
            case What.APPROVED:
                for tally in self.approvals[month][person].of(group):
                    add(tally)
            case What.ENDED:
                for one in (person, Person(person.unit, "")):
                    add(self.endings[month][one][group.ending])
            case What.ENTERED:
                entries = self.entries[month][person]
                entries.count += count
                if group.marked:
                    add(entries.late)
            case What.ANSWERED:
                add(self.answers[month][person][group.key])

    def forget(self, month: str) -> None:
        """Drop what was counted of a month."""
        for counts in (self.approvals, self.endings, self.entries, self.answers):
            counts.pop(month, None)


def month_of(moment: datetime | date) -> str:
    """The month of a moment: ``2026-03``."""
    return f"{moment.year:04}-{moment.month:02}"


def end_of_day(day: date) -> datetime:
    """The moment after a day."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


def end_of_month(month: str) -> datetime:
    """The moment after a month; of the last month that there is, its last moment."""
    if month == LAST_MONTH:
        return datetime.max.replace(tzinfo=UTC)
    year, number = int(month[:4]), int(month[5:])
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)


def months_before(month: str, count: int) -> str:
    """The month so many months before another."""
    number = int(month[:4]) * 12 + int(month[5:]) - 1 - count
    return f"{number // 12:04}-{number % 12 + 1:02}"
