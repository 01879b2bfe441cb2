"""Who holds a case: nobody any more, or one after another."""

from collections.abc import Iterator
from datetime import datetime

from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting, days
from casetrail.domain.happenings import Happening


@detector(
    Setting("limit", days(1), "how long a case may be held by nobody", clock="assignment"),
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
