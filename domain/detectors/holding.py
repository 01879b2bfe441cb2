"""Who holds a case: nobody any more, or one after another."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Evidence, Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting, days
from casetrail.domain.happenings import Happening
from casetrail.domain.leaving import Departure
from casetrail.domain.reserved import REGISTRY


@detector(
    Setting("limit", days(1), "how long a case may be held by nobody", clock="assignment"),
    needs=[Happening.RELEASED],
)
def held_by_nobody(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case whose holder left or let it go, and that nobody took over.

    Rule: the case was released while it was open, and within the limit nobody else was given it.

    Evidence: the release.

    Settled by: an assignment, or the end of the case.

    May be wrong: hardly. Who answers for a case while nobody holds it?

    Found in: Kansas City, where a detective inherited 72 cases on the day he started.
    """
    for place, step in history.which(Happening.RELEASED):
        if step.holder is None and step.is_open:
            standard = settings(step.at)
            since = standard.due("limit", step.at, history.conditions)
            settled = history.until(place, lambda later: later.holder is not None or not later.is_open)
            yield of_case(history, standard, since, [step], "released, and nobody has it", settled, now)


@detector(
    Setting("limit", days(1), "how long a case may be held by somebody who has left", clock="assignment"),
)
def holder_left(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case whose holder has left the unit, and that was not handed over.

    Rule: by the registry the holder of the open case no longer works in the unit of the case, and within the limit since
    then (or since the case was given to somebody who had left) nobody else was given it.

    Evidence: the departure in the registry, and how the holder got the case.

    Settled by: handing the case over, releasing it, its end, or the holder's return.

    May be wrong: where somebody keeps a case after moving to another unit, as agreed. Then say so in the registry.

    Found in: Kansas City, where cases stayed with those who had left.
    """
    if not history.departures:
        return
    for place, step in enumerate(history.steps):
        if step.holder is None or step.holder == step.held_before or not step.is_open:
            continue
        handed = history.until(place, lambda later: later.holder != step.holder or not later.is_open)  # noqa: B023
        before: list[Absence] = []
        for one in _absences(history, settings, step, handed):
            if one.left.known_at > step.known_at:
                yield _left(history, settings, step, one, handed, now)
            else:
                before.append(one)
        if before:  # however often the holder had left before: the case was given to somebody who was not there
            yield _left(history, settings, step, min(before, key=lambda one: one.since), handed, now)


class Absence(NamedTuple):
    """From when until when a departure of the holder is a finding."""

    left: Departure
    since: datetime
    until: datetime | None


def _absences(history: History, settings: SettingsAt, step: Step, handed: Step | None) -> Iterator[Absence]:
    """Those of the one who was given the case with ``step``, until it was ``handed`` over."""
    for left in history.departures.get(step.holder or "", ()):
        if left.unit in (None, history.case.facts.unit):
            start = max(left.at, step.at)
            limit_over = settings(start).due("limit", start, history.conditions)
            since = max(limit_over, left.known_at, step.known_at)
            until = min((at for at in (left.back_at, handed and handed.known_at) if at is not None), default=None)
            if until is None or until > since:
                yield Absence(left, since, until)


def _left(
    history: History, settings: SettingsAt, step: Step, absence: Absence, handed: Step | None, now: datetime
) -> Finding | None:
    left, since, until = absence
    standard = settings(max(left.at, step.at))
    found = of_case(history, standard, since, [step], f"its holder {step.holder} has left the unit", handed, now)
    if found is None:
        return None
    departure = Evidence(REGISTRY, left.number, left.hash)
    in_order = (departure, *found.evidence) if left.known_at > step.known_at else (*found.evidence, departure)
    if until is not None and until == left.back_at and until <= now:
        return replace(found, evidence=in_order, settled_at=until, settled_by=None)
    return replace(found, evidence=in_order)


@detector(
    Setting("most", 2, "how often a case may change hands without work in between", least=0, most=100),
)
def shuffled(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that is handed on and on, and not worked.

    Rule: since the last investigative act, by whomever, the case has gone from one holder to another more often than the
    setting allows. That it was first assigned counts for nothing.

    Evidence: every handover since the last act.

    Settled by: an investigative act, or the end of the case.

    May be wrong: where a unit is reorganised, and cases pass through a desk that hands them out.

    Found in: practice.
    """
    last_holder: str | None = None
    handovers: list[Step] = []
    found = False
    for place, step in enumerate(history.steps):
        if step.is_act or not step.is_open:
            handovers, found = [], False
        elif step.holder is not None and last_holder not in (None, step.holder):
            handovers.append(step)
            standard = settings(handovers[0].at)
            if len(handovers) > standard.number("most") and not found:
                found = True
                settled = history.until(place, lambda later: later.is_act or not later.is_open)
                says = f"changed hands {len(handovers)} times, and was not worked"
                yield of_case(history, standard, step.known_at, handovers, says, settled, now)
        last_holder = step.holder or last_holder
