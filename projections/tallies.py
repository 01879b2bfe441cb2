"""Counts over many cases, from their rows: as many as are wanted are read, and what they rest on only where it matters."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Final

from casetrail.domain.detectors.counting import Group, Person, What
from casetrail.domain.detectors.survey import MOST_EVIDENCE, Event, Survey, Tally, end_of_month, month_of
from casetrail.domain.detectors.traces import TracesInMemory
from casetrail.domain.values import EPOCH
from casetrail.eventlog.hashing import leaf_hash
from casetrail.projections.database import Database
from casetrail.projections.rows import MICROSECOND

MOST_MONTHS: Final = 2
"""So many times the months that are wanted are kept: the next event may want those of a month before."""
FIRST_DAY: Final = EPOCH.date()
BY_PERSON: Final = "what IN ('given', 'gone')"
BY_DAY: Final = "what IN ('approved', 'ended', 'entered', 'answered')"
"""As the two indexes say it: so each of them is used."""


class StoredTally(Tally):
    """A tally that knows its groups, and reads their earliest events when they are asked for."""

    __slots__ = ("_agency", "_database", "_groups")

    def __init__(self, database: Database, agency: str) -> None:
        self.count = 0
        self._database, self._agency = database, agency
        self._groups: dict[Group, None] = {}

    def extend(self, group: Group, count: int) -> None:
        """Count events of a group."""
        self.count += count
        self._groups[group] = None

    @property
    def first(self) -> list[Event]:
        found: list[tuple[int, str, int]] = []
        for group in self._groups:
            first, last = _days_of(group)
            condition = BY_PERSON if group.what in (What.GIVEN, What.GONE) else BY_DAY
            found += self._database.rows(
                "SELECT known_at, case_id, number FROM counted WHERE agency = ? AND unit = ? AND person = ? AND what = ? "  # noqa: S608
                f"AND day BETWEEN ? AND ? AND key = ? AND marked = ? AND {condition} "
                "ORDER BY known_at, case_id, number LIMIT ?",
                (self._agency, *group.person, group.what.value, first, last, group.key, int(group.marked),
                 MOST_EVIDENCE),
            )  # fmt: skip
        return [self._event(*one) for one in sorted(found)[:MOST_EVIDENCE]]

    def _event(self, known_at: int, case_id: str, number: int) -> Event:
        rows = self._database.rows("SELECT event FROM timeline WHERE case_id = ? AND number = ?", (case_id, number))
        return EPOCH + known_at * MICROSECOND, case_id, number, leaf_hash(bytes(rows[0][0]))


class Tallies:
    """The counts of one agency's cases."""

    def __init__(self, database: Database, agency: str) -> None:
        self._database, self._agency = database, agency
        self._survey = self._new()
        self._months: set[str] = set()

    def _new(self) -> Survey:
        return Survey(self._agency, TracesInMemory(), lambda: StoredTally(self._database, self._agency))

    def of_person(self, person: Person) -> Survey:
        """What one person was given, and no longer held."""
        survey = self._new()
        rows = self._database.rows(
            "SELECT what, day, count(*) FROM counted WHERE agency = ? AND unit = ? AND person = ? "  # noqa: S608
            f"AND {BY_PERSON} GROUP BY what, day",
            (self._agency, *person),
        )
        for what, day, count in rows:
            take(survey, Group(What(what), person, FIRST_DAY + day * timedelta(days=1)), count)
        return survey

    def of_month(self, month: str, before: Sequence[str]) -> Survey:
        """What was counted in a month, which is the one to be judged, and in those before that it is compared with."""
        wanted = {month, *before}
        if len(self._months) > MOST_MONTHS * len(wanted):
            for one in self._months - wanted:
                self.forget(one)
        for one in wanted - self._months:
            self._load(one)
        self._survey.months = frozenset({month})
        return self._survey

    def add(self, month: str, group: Group) -> None:
        """Take in what was counted just now, if the month is in memory."""
        if month in self._months:
            day = group.day if group.what is What.APPROVED else group.day.replace(day=1)
            take(self._survey, group._replace(day=day), 1)

    def forget(self, month: str) -> None:
        """Read the month anew when it is wanted again."""
        self._months.discard(month)
        self._survey.forget(month)

    def _load(self, month: str) -> None:
        first, last = days(date.fromisoformat(f"{month}-01")), days(end_of_month(month).date()) - 1
        rows = self._database.rows(
            "SELECT what, unit, person, CASE WHEN what = 'approved' THEN day ELSE ? END AS at, key, marked, count(*) "  # noqa: S608
            f"FROM counted WHERE agency = ? AND day BETWEEN ? AND ? AND {BY_DAY} "
            "GROUP BY what, unit, person, at, key, marked",
            (first, self._agency, first, last),
        )
        for what, unit, person, day, key, marked, count in rows:
            at = FIRST_DAY + day * timedelta(days=1)
            take(self._survey, Group(What(what), Person(unit, person), at, key, bool(marked)), count)
        self._months.add(month)


def _days_of(group: Group) -> tuple[int, int]:
    """From which day to which its events are: only approvals are told apart by the day."""
    if group.what in (What.ENDED, What.ENTERED, What.ANSWERED):
        return days(group.day), days(end_of_month(month_of(group.day)).date()) - 1
    return days(group.day), days(group.day)


def take(survey: Survey, group: Group, count: int) -> None:
    """Count events of a group in a survey whose tallies are stored ones."""

    def add(tally: Tally) -> None:
        assert isinstance(tally, StoredTally)
        tally.extend(group, count)

    survey.take(group, count, add)


def days(day: date) -> int:
    """Days since 1970."""
    return (day - FIRST_DAY).days


def months_between(first: int, last: int) -> Iterable[str]:
    """The months between two days, given as days since 1970."""
    day, end = FIRST_DAY + first * timedelta(days=1), FIRST_DAY + last * timedelta(days=1)
    number, until = day.year * 12 + day.month - 1, end.year * 12 + end.month - 1
    return [f"{one // 12:04}-{one % 12 + 1:02}" for one in range(number, until + 1)]
