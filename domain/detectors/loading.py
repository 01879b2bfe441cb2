"""What one person is given: more open cases, more new ones, or more at once than anybody can work."""

from collections.abc import Iterator
from datetime import date, datetime

from casetrail.domain.detectors.counting import Person
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_person
from casetrail.domain.detectors.settings import Settings
from casetrail.domain.detectors.survey import Survey, Tally, end_of_day, end_of_month, evidence_of_tallies, month_of
from casetrail.domain.policy import Measure


@detector()
def overloaded(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A person who holds more open cases than the policy allows.

    Rule: at the end of a day (UTC) somebody holds more open cases than the policy's limit `open_cases`.

    Evidence: the cases that the person was given last, up to that day.

    Settled by: a day at the end of which the person holds no more than the limit.

    May be wrong: where one name stands for a team, or cases are left open that nobody works any more.

    Found in: Kansas City, where eight detectives had about 1,000 cases a year.
    """
    for person, given in survey.given.items():
        yield from _overloaded(person, given, survey, settings, now)


def _overloaded(
    person: Person, given: dict[date, Tally], survey: Survey, settings: SettingsAt, now: datetime
) -> Iterator[Finding | None]:
    held, last = 0, None
    begun: tuple[datetime, Settings, Tally, int] | None = None
    for day in sorted({*given, *survey.gone[person]}):
        if day in given:
            last = given[day]
            held += last.count
        held -= survey.gone[person].get(day, 0)
        over_at = end_of_day(day)
        standard = settings(over_at)
        most = _most(standard, Measure.OPEN_CASES)
        if begun is None and last is not None and most is not None and held > most:
            begun = over_at, standard, last, held
        elif begun is not None and (most is None or held <= most):
            yield _too_many(person, *begun, now, over_at)
            begun = None
    if begun is not None:
        yield _too_many(person, *begun, now, None)


def _too_many(
    person: Person, since: datetime, standard: Settings, last: Tally, held: int, now: datetime, until: datetime | None
) -> Finding | None:
    most = _most(standard, Measure.OPEN_CASES)
    says = f"holds {held} open cases, where {most} are the most"
    return of_person(person.id, person.unit, standard, since, evidence_of_tallies([last]), says, now, settled_at=until)


def _most(standard: Settings, measure: Measure) -> int | None:
    return next((one.most for one in standard.policy.workload if one.measure is measure), None)


@detector()
def bulk_handover(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A person who was given many cases on one day.

    Rule: on one day (UTC) somebody was given more cases than the policy's limit `handed_over_a_day`. It is judged when the
    day is over.

    Evidence: the cases that were given, the first twenty of them.

    Settled by: nothing: the day has passed. Somebody has to say who looked through the cases.

    May be wrong: where a desk is given all that comes in, and hands it on.

    Found in: Kansas City, where a detective inherited 72 cases on the day he started.
    """
    for person, days in survey.given.items():
        for day, given in days.items():
            since = end_of_day(day)
            standard = settings(since)
            most = _most(standard, Measure.HANDED_OVER_A_DAY)
            if most is not None and given.count > most:
                says = f"was given {given.count} cases on {day.isoformat()}, where {most} are the most"
                yield of_person(person.id, person.unit, standard, since, evidence_of_tallies([given]), says, now)


@detector()
def too_many_new(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A person who was given more cases in a month than the policy allows.

    Rule: in one month (UTC) somebody was given more cases, new or from others, than the policy's limit
    `new_cases_a_month`. It is judged when the month is over.

    Evidence: the cases that were given on the first days of the month, twenty at most.

    Settled by: nothing: the month has passed. Somebody has to say how the work will be done.

    May be wrong: where a desk is given all that comes in, and hands it on.

    Found in: Kansas City, where one detective had 80 new cases a month.
    """
    for person, days in survey.given.items():
        months: dict[str, list[date]] = {}
        for day in sorted(days):
            months.setdefault(month_of(day), []).append(day)
        for month, some in months.items():
            since = end_of_month(month)
            standard = settings(since)
            most = _most(standard, Measure.NEW_CASES_A_MONTH)
            count = sum(days[day].count for day in some)
            if most is not None and count > most:
                evidence = evidence_of_tallies(days[day] for day in some)
                says = f"was given {count} cases in {month}, where {most} are the most"
                yield of_person(person.id, person.unit, standard, since, evidence, says, now, month=month)
