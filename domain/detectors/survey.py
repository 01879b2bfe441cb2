"""What is counted over many cases: by person and unit, by day and month. Judged by the detectors that look beyond one case.

A survey takes in one case after the other, in any order, and keeps counters only, each with its earliest events; so its
size goes with people and days, not with cases. What it needs of each report is kept where its maker wants it. Days and months are those of UTC, and go by when things were recorded.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

from casetrail.domain.closure import ClosureRequested
from casetrail.domain.detectors.detector import SettingsAt
from casetrail.domain.detectors.finding import Evidence
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.traces import Traces, trace_of
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ScreenedOut
from casetrail.domain.suspension import Suspended

MOST_EVIDENCE: Final = 20
QUICK: Final = timedelta(minutes=1)
"""A closure that is approved within this time of being asked for was not read."""


class Tally:
    """A number of events, and the earliest of them."""

    __slots__ = ("_first", "count")

    def __init__(self) -> None:
        self.count = 0
        self._first: list[tuple[datetime, str, int, bytes]] = []

    def add(self, case_id: str, step: Step) -> None:
        """Count an event."""
        self.count += 1
        if len(self._first) < MOST_EVIDENCE or step.known_at <= self._first[-1][0]:
            insort(self._first, (step.known_at, case_id, step.number, step.hash))
            del self._first[MOST_EVIDENCE:]

    @classmethod
    def joined(cls, tallies: Iterable["Tally"]) -> "Tally":
        """Several tallies as one."""
        made = cls()
        for one in tallies:
            made.count += one.count
            made._first += one._first
        made._first.sort()
        del made._first[MOST_EVIDENCE:]
        return made

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The earliest of them, at most twenty."""
        return tuple([Evidence(*one[1:]) for one in self._first])


class Person(NamedTuple):
    """Somebody in a unit."""

    unit: str
    id: str


class Ending(NamedTuple):
    """A way in which work on a case ends or rests: a code, with the name of its vocabulary."""

    vocabulary: str
    code: str


class Approvals:
    """The closures that one supervisor approved in one month."""

    def __init__(self) -> None:
        self.all, self.quick = Tally(), Tally()
        self.by_day: defaultdict[date, Tally] = defaultdict(Tally)
        self.by_asker: defaultdict[str, Tally] = defaultdict(Tally)


class Entries:
    """What one person entered in one month: how many acts, and those that were late."""

    def __init__(self) -> None:
        self.count = 0
        self.late = Tally()


class Survey:
    """Counts over many cases."""

    def __init__(self, late: Callable[[datetime], timedelta], quiet: SettingsAt, traces: Traces) -> None:
        """``late``: how long after it was done an act is entered late, by the policy of a moment.

        ``quiet``: the settings by which a case is quiet. ``traces`` keeps what is needed of each report to recognise the
        next one about the same people.
        """
        self._late, self._quiet = late, quiet
        self.traces = traces
        self.given: defaultdict[Person, defaultdict[date, Tally]] = defaultdict(lambda: defaultdict(Tally))
        """The cases that each person was given, by day."""
        self.gone: defaultdict[Person, defaultdict[date, int]] = defaultdict(lambda: defaultdict(int))
        """How many cases each person no longer held, by day: handed on, let go, or ended."""
        self.approvals: defaultdict[tuple[Person, str], Approvals] = defaultdict(Approvals)
        self.endings: defaultdict[tuple[Person, str], defaultdict[Ending, Tally]] = defaultdict(
            lambda: defaultdict(Tally)
        )
        """How each person let work end or rest, by month."""
        self.entries: defaultdict[tuple[Person, str], Entries] = defaultdict(Entries)

    def add(self, history: History) -> None:
        """Count a case."""
        if (trace := trace_of(history, self._quiet)) is not None:
            self.traces.add(trace)
        case_id, unit = history.case.id, history.case.facts.unit
        holder: str | None = None
        asked: Step | None = None
        for step in history.steps:
            held = step.holder if step.is_open else None
            if held != holder:
                self._pass_on(unit, holder, held, case_id, step)
                holder = held
            if isinstance(step.body, ClosureRequested):
                asked = step
            elif Happening.CLOSED in step.what and asked is not None:
                self._approve(unit, asked, case_id, step)
            self._end(unit, case_id, step)
            if step.is_act and step.action.imported is None:
                self._enter(unit, case_id, step)

    def _pass_on(self, unit: str, before: str | None, after: str | None, case_id: str, step: Step) -> None:
        day = step.known_at.date()
        if before is not None:
            self.gone[Person(unit, before)][day] += 1
        if after is not None:
            self.given[Person(unit, after)][day].add(case_id, step)

    def _approve(self, unit: str, asked: Step, case_id: str, step: Step) -> None:
        found = self.approvals[Person(unit, step.action.actor.id), month_of(step.known_at)]
        found.all.add(case_id, step)
        found.by_day[step.known_at.date()].add(case_id, step)
        found.by_asker[asked.action.actor.id].add(case_id, step)
        if step.known_at - asked.known_at < QUICK and step.action.imported is None:
            found.quick.add(case_id, step)

    def _end(self, unit: str, case_id: str, step: Step) -> None:
        body = step.body
        if isinstance(body, ClosureRequested):
            ending = Ending("Disposition", body.disposition)
        elif isinstance(body, Suspended):
            ending = Ending("SuspensionReason", body.reason)
        elif isinstance(body, ScreenedOut):
            ending = Ending("ScreeningReason", body.reason)
        else:
            return
        self.endings[Person(unit, step.action.actor.id), month_of(step.known_at)][ending].add(case_id, step)

    def _enter(self, unit: str, case_id: str, step: Step) -> None:
        found = self.entries[Person(unit, step.action.actor.id), month_of(step.known_at)]
        found.count += 1
        if step.known_at - step.at > self._late(step.known_at):
            found.late.add(case_id, step)


def month_of(moment: datetime | date) -> str:
    """The month of a moment: ``2026-03``."""
    return f"{moment.year:04}-{moment.month:02}"


def end_of_day(day: date) -> datetime:
    """The moment after a day."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


def end_of_month(month: str) -> datetime:
    """The moment after a month."""
    year, number = int(month[:4]), int(month[5:])
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)


def months_before(month: str, count: int) -> str:
    """The month so many months before another."""
    number = int(month[:4]) * 12 + int(month[5:]) - 1 - count
    return f"{number // 12:04}-{number % 12 + 1:02}"
