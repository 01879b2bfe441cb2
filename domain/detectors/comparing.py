"""Findings by comparison: with a person's or unit's own past, or with the others of the unit."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Evidence, Finding, of_person
from casetrail.domain.detectors.settings import Setting, Settings
from casetrail.domain.detectors.statistics import chance_of, chance_of_same, discoveries
from casetrail.domain.detectors.survey import Approvals, Ending, Person, Survey, Tally, end_of_month, months_before

FALSE_ALARMS = Setting(
    "false_alarms", 0.01, "the chance that anything is found in a month in which all is as ever",
    "Benjamini and Hochberg, 1995", least=0.000_001, most=0.5,
)  # fmt: skip


class Suspicion(NamedTuple):
    """What may be a finding about a month, if it is unlikely enough: how likely it is by chance."""

    chance: float
    person: Person
    month: str
    evidence: tuple[Evidence, ...]
    says: str
    standard: Settings
    is_enough: bool
    """Whether it is often enough to be a finding. The others are tested all the same: a test is not chosen by its result."""


def _judged(suspicions: list[Suspicion], now: datetime) -> Iterator[Finding | None]:
    """The discoveries among all tests of each month."""
    months: dict[str, list[Suspicion]] = {}
    for one in suspicions:
        months.setdefault(one.month, []).append(one)
    for month, some in sorted(months.items()):
        found = discoveries([one.chance for one in some], some[0].standard.share("false_alarms"))
        for one, is_discovery in zip(some, found, strict=True):
            if is_discovery and one.is_enough:
                yield of_person(
                    one.person.id, one.person.unit, one.standard, end_of_month(month), one.evidence, one.says, now,
                    month=month,
                )  # fmt: skip


@detector(
    Setting("months", 12, "how many months before are compared with", least=1, most=120),
    Setting("least_before", 20, "how many endings those months must have", least=1),
    Setting("least", 5, "how often the code must have been used in the month", least=1),
    FALSE_ALARMS,
)
def convenient_code(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A code that somebody, or a unit, suddenly uses more often to let work end or rest.

    Rule: of all closures asked for, suspensions and screenings out of a month, the share of one code is larger than the
    months before let expect, for one person or for the whole unit. The limit is that of a p chart (exact, by the
    beta-binomial distribution, since the expected share is itself an estimate), held for all persons, units and codes of
    a month together by Benjamini and Hochberg's procedure. It is judged when the month is over.

    Evidence: the first twenty uses of the code in the month.

    Settled by: nothing: the month has passed. Somebody has to say what the code was used for.

    May be wrong: where work changes, such as a laboratory that is closed for a month. By chance alone something is found in at
    most one month in a hundred; of 2,400 random months without a change, for eight people and their unit, it was in nine.

    Found in: Houston, where 264,000 reports were suspended for lack of personnel, and Arizona.
    """
    suspicions = []
    units: defaultdict[tuple[Person, str], defaultdict[Ending, list[Tally]]] = defaultdict(lambda: defaultdict(list))
    for (person, month), endings in survey.endings.items():
        for ending, tally in endings.items():
            units[person, month][ending].append(tally)
            units[Person(person.unit, ""), month][ending].append(tally)
    history: defaultdict[Person, dict[str, dict[Ending, int]]] = defaultdict(dict)
    for (person, month), found in units.items():
        history[person][month] = {ending: sum(one.count for one in tallies) for ending, tallies in found.items()}
    for (person, month), found in units.items():
        since = end_of_month(month)
        if since < now:
            standard = settings(since)
            suspicions += list(_codes(person, month, history[person], found, standard))
    yield from _judged(suspicions, now)


def _codes(
    person: Person, month: str, history: dict[str, dict[Ending, int]], found: dict[Ending, list[Tally]],
    standard: Settings,
) -> Iterator[Suspicion]:  # fmt: skip
    first = months_before(month, standard.number("months"))
    past = [counts for name, counts in history.items() if first <= name < month]
    of_before = sum(sum(counts.values()) for counts in past)
    of = sum(history[month].values())
    if of_before < standard.number("least_before"):
        return
    for ending in {*found, *(one for counts in past for one in counts)}:
        count, before = history[month].get(ending, 0), sum(counts.get(ending, 0) for counts in past)
        yield Suspicion(
            chance_of(count, of, before, of_before),
            person,
            month,
            Tally.joined(found.get(ending, [])).evidence,
            f"{ending.code}: {count} of {of} in {month}, {before} of {of_before} before",
            standard,
            count >= standard.number("least"),
        )


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
    suspicions = []
    units: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (person, month), approvals in survey.approvals.items():
        units[person.unit, month].update({asker: one.count for asker, one in approvals.by_asker.items()})
    for (person, month), approvals in survey.approvals.items():
        since = end_of_month(month)
        if since >= now:
            continue
        standard = settings(since)
        found = _stamped(approvals, standard)
        if found is not None:
            tally, says = found
            yield of_person(person.id, person.unit, standard, since, tally.evidence, says, now, month=month)
        else:
            suspicions += list(_same_asker(units[person.unit, month], person, month, approvals, standard))
    yield from _judged(suspicions, now)


def _stamped(approvals: Approvals, standard: Settings) -> tuple[Tally, str] | None:
    if approvals.quick.count >= standard.number("quick"):
        return approvals.quick, f"approved {approvals.quick.count} closures within a minute of the request"
    day, most = max(approvals.by_day.items(), key=lambda one: (one[1].count, one[0]))
    if most.count > standard.number("a_day"):
        return most, f"approved {most.count} closures on {day.isoformat()}"
    return None


def _same_asker(
    unit: Counter[str], person: Person, month: str, approvals: Approvals, standard: Settings
) -> Iterator[Suspicion]:
    """``unit``: for whom how many closures were approved in the unit in that month."""
    asker, most = max(approvals.by_asker.items(), key=lambda one: (one[1].count, one[0]))
    of = approvals.all.count
    if of < standard.number("least"):
        return
    chance = chance_of_same(most.count, of, unit[asker], unit.total())
    says = f"approved {of} closures, {most.count} of them for {asker}"
    yield Suspicion(chance, person, month, most.evidence, says, standard, most.count >= standard.share("same") * of)


@detector(
    Setting("months", 12, "how many months before are compared with", least=1, most=120),
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
    totals: defaultdict[Person, Counter[tuple[str, bool]]] = defaultdict(Counter)
    for (person, month), entries in survey.entries.items():
        for one in (person, Person(person.unit, "")):
            totals[one].update({(month, True): entries.late.count, (month, False): entries.count})
    suspicions = []
    for (person, month), entries in survey.entries.items():
        since = end_of_month(month)
        standard = settings(since)
        if since >= now:
            continue
        months = [months_before(month, number) for number in range(standard.number("months") + 1)]
        own, unit = totals[person], totals[Person(person.unit, "")]
        before, of_before = (sum(unit[one, late] - own[one, late] for one in months) for late in (True, False))
        chance = chance_of(entries.late.count, entries.count, before, of_before)
        says = f"entered {entries.late.count} of {entries.count} acts late, the others {before} of {of_before}"
        is_enough = entries.late.count >= standard.number("least")
        suspicions.append(Suspicion(chance, person, month, entries.late.evidence, says, standard, is_enough))
    yield from _judged(suspicions, now)
