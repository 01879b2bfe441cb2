"""Findings by comparison: with a person's or unit's own past, or with the others of the unit."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from casetrail.domain.detectors.counting import Ending, Person
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_person
from casetrail.domain.detectors.settings import Laxer, Setting, Settings
from casetrail.domain.detectors.statistics import Seen, chance_of_same, chances_of, discoveries
from casetrail.domain.detectors.survey import (
    Approvals,
    Survey,
    Tally,
    end_of_month,
    evidence_of_tallies,
    months_before,
)

FALSE_ALARMS = Setting(
    "false_alarms", 0.01, "the chance that anything is found in a month in which all is as ever",
    "Benjamini and Hochberg, 1995", least=0.000_001, most=0.5, laxer=Laxer.LESS,
)  # fmt: skip


class Suspicion(NamedTuple):
    """What may be a finding about a month, if it is unlikely enough. ``says``: only where it is often enough, too."""

    person: Person
    tally: Tally | None
    says: str
    is_enough: bool
    """Whether it is often enough to be a finding. The others are tested all the same: a test is not chosen by its result."""


def _judged(
    month: str, suspicions: Sequence[Suspicion], chances: Sequence[float], standard: Settings, now: datetime
) -> Iterator[Finding | None]:
    """The discoveries among all tests of a month; ``chances``: how likely each of the suspicions is by chance."""
    found = discoveries(chances, standard.share("false_alarms"))
    for one, is_discovery in zip(suspicions, found, strict=True):
        if is_discovery and one.is_enough and one.tally is not None:
            yield of_person(
                one.person.id, one.person.unit, standard, end_of_month(month), evidence_of_tallies([one.tally]),
                one.says, now, month=month,
            )  # fmt: skip


@detector(
    Setting("months", 12, "how many months before are compared with", least=1, most=120, laxer=Laxer.UNKNOWN),
    Setting("least_before", 20, "how many endings those months must have", least=1),
    Setting("least", 5, "how often the code must have been used in the month", least=1),
    FALSE_ALARMS,
)
def convenient_code(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A code that somebody, or a unit, suddenly uses more often to let work end or rest.

    Rule: of all closures asked for, suspensions, screenings out and mergers of a month, and of the interviews and
    examinations that the unit withdrew, the share of one code is larger than the months before let expect, for one person or
    for the whole unit. The limit is that of a p chart (exact, by the
    beta-binomial distribution, since the expected share is itself an estimate), held for all persons, units and codes of
    a month together by Benjamini and Hochberg's procedure. It is judged when the month is over.

    Evidence: the first twenty uses of the code in the month.

    Settled by: nothing: the month has passed. Somebody has to say what the code was used for.

    May be wrong: where work changes, such as a laboratory that is closed for a month. By chance alone something is found in at
    most one month in a hundred; of 2,400 random months without a change, for eight people and their unit, it was in nine.

    Found in: Houston, where 264,000 reports were suspended for lack of personnel, and Arizona.
    """
    for month in survey.judged(survey.endings):
        since = end_of_month(month)
        if since < now:
            standard = settings(since)
            tested = list(_codes(month, survey, standard))
            suspicions = [one for one, _ in tested]
            if any(one.is_enough for one in suspicions):
                yield from _judged(month, suspicions, chances_of([seen for _, seen in tested]), standard, now)


def _codes(month: str, survey: Survey, standard: Settings) -> Iterator[tuple[Suspicion, Seen]]:
    """What is tested of a month: of each person and unit, every code that was used then or in the months before."""
    earlier = [months_before(month, number) for number in range(1, standard.number("months") + 1)]
    past = [survey.endings[one] for one in earlier if one in survey.endings]
    least_before, least = standard.number("least_before"), standard.number("least")
    for person, found in survey.endings[month].items():
        before: dict[Ending, int] = {}
        for counts in past:
            if person in counts:
                for ending, one in counts[person].items():
                    before[ending] = before.get(ending, 0) + one.count
        of_before, of = sum(before.values()), sum(one.count for one in found.values())
        if of_before < least_before:
            continue
        for ending in sorted({*found, *before}):
            tally = found.get(ending)
            count = 0 if tally is None else tally.count
            before_of_it = before.get(ending, 0)
            is_enough = count >= least
            says = (
                f"{ending.code}: {count} of {of} in {month}, {before_of_it} of {of_before} before" if is_enough else ""
            )
            yield Suspicion(person, tally, says, is_enough), Seen(count, of, before_of_it, of_before)


@detector(
    Setting("quick", 5, "how many approvals within a minute of the request are a finding in one month", least=1),
    Setting("a_day", 10, "how many approvals on one day one supervisor may give", least=1),
    Setting("least", 10, "how many approvals a month must have to be compared", least=2),
    Setting("same", 0.8, "what share of a supervisor's approvals may be for one person", least=0.01, most=1),
    FALSE_ALARMS,
)
def rubber_stamp(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A supervisor who approves closures without looking.

    Rule: in one month, several closures were approved within a minute of being asked for; or more on one day than one can
    read; or nearly all for one person, more than the approvals of the whole unit let expect (hypergeometric
    distribution, held for all supervisors of a month together by Benjamini and Hochberg's procedure). It is judged when
    the month is over.

    Evidence: the approvals, the first twenty of them.

    Settled by: nothing: the month has passed. Somebody else has to look through the closures.

    May be wrong: where a supervisor has read a case before its closure is asked for, or is responsible for one
    investigator only. Of 2,400 random months, with approvals dealt out to two supervisors by chance, something was found
    in none.

    Found in: Houston.
    """
    for month in survey.judged(survey.approvals):
        since = end_of_month(month)
        if since < now:
            yield from _stamps(month, survey.approvals[month], settings(since), now)


def _stamps(
    month: str, supervisors: dict[Person, Approvals], standard: Settings, now: datetime
) -> Iterator[Finding | None]:
    units: dict[str, Counter[str]] = {}
    for person, approvals in supervisors.items():
        counts = {asker: one.count for asker, one in approvals.by_asker.items()}
        units.setdefault(person.unit, Counter()).update(counts)
    suspicions: list[Suspicion] = []
    chances: list[float] = []
    for person, approvals in supervisors.items():
        found = _stamped(approvals, standard)
        if found is not None:
            tally, says = found
            evidence = evidence_of_tallies([tally])
            yield of_person(person.id, person.unit, standard, end_of_month(month), evidence, says, now, month=month)
        elif approvals.all.count >= standard.number("least"):
            suspicion, chance = _same_asker(units[person.unit], person, approvals, standard)
            suspicions.append(suspicion)
            chances.append(chance)
    yield from _judged(month, suspicions, chances, standard, now)


def _stamped(approvals: Approvals, standard: Settings) -> tuple[Tally, str] | None:
    if approvals.quick.count >= standard.number("quick"):
        return approvals.quick, f"approved {approvals.quick.count} closures within a minute of the request"
    day, most = max(approvals.by_day.items(), key=lambda one: (one[1].count, one[0]))
    if most.count > standard.number("a_day"):
        return most, f"approved {most.count} closures on {day.isoformat()}"
    return None


def _same_asker(
    unit: Counter[str], person: Person, approvals: Approvals, standard: Settings
) -> tuple[Suspicion, float]:
    """``unit``: for whom how many closures were approved in the unit in that month."""
    asker, most = max(approvals.by_asker.items(), key=lambda one: (one[1].count, one[0]))
    of = approvals.all.count
    chance = chance_of_same(most.count, of, unit[asker], unit.total())
    says = f"approved {of} closures, {most.count} of them for {asker}"
    return Suspicion(person, most, says, most.count >= standard.share("same") * of), chance


@detector(
    Setting("months", 12, "how many months before are compared with", least=1, most=120, laxer=Laxer.UNKNOWN),
    Setting("least", 5, "how many late entries a month must have", least=1),
    FALSE_ALARMS,
)
def late_entries(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A person who enters work late more often than the others of the unit.

    Rule: of the contacts, attempts and investigative steps that somebody entered in a month, more were entered late (by the
    detector entered_late's setting `late`) than what the others of the unit entered in that month and the months before
    lets expect: exact, by the beta-binomial distribution, held for all people of a month together by Benjamini and
    Hochberg's procedure. It is judged when the month is over.

    Evidence: the first twenty late entries.

    Settled by: nothing: the month has passed. Somebody has to say what the entries rest on.

    May be wrong: where somebody works outside, and enters all at once when back. By chance alone something is found in at
    most one month in a hundred; of 2,400 random months, for eight people who all enter one act in ten late, it was in 18.

    Found in: Kansas City, where there was deception to cover the tracks.
    """
    for month in survey.judged(survey.entries):
        since = end_of_month(month)
        if since < now:
            standard = settings(since)
            tested = list(_entered(month, survey, standard))
            suspicions = [one for one, _ in tested]
            if any(one.is_enough for one in suspicions):
                yield from _judged(month, suspicions, chances_of([seen for _, seen in tested]), standard, now)


def _entered(month: str, survey: Survey, standard: Settings) -> Iterator[tuple[Suspicion, Seen]]:
    """What is tested of a month: everybody who entered something, against the others of the unit."""
    months = [months_before(month, number) for number in range(standard.number("months") + 1)]
    late: dict[Person, int] = {}
    count: dict[Person, int] = {}
    for one in months:
        for person, entries in survey.entries[one].items() if one in survey.entries else ():
            late[person] = late.get(person, 0) + entries.late.count
            count[person] = count.get(person, 0) + entries.count
    late_in, count_in = Counter[str](), Counter[str]()
    for person in count:
        late_in[person.unit] += late[person]
        count_in[person.unit] += count[person]
    least = standard.number("least")
    for person, entries in survey.entries[month].items():
        before, of_before = late_in[person.unit] - late[person], count_in[person.unit] - count[person]
        late_of = entries.late.count
        is_enough = late_of >= least
        says = (
            f"entered {late_of} of {entries.count} acts late, the others {before} of {of_before}" if is_enough else ""
        )
        yield Suspicion(person, entries.late, says, is_enough), Seen(late_of, entries.count, before, of_before)
