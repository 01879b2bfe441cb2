"""Cases that ended without the work that must come before."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from casetrail.domain.closure import ClosureRequested
from casetrail.domain.codes import Disposition, ScreeningReason
from casetrail.domain.codes import Step as Kind
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.policy import Condition

REOPENED: Final = (Happening.REOPENED, Happening.REOPENED_UNSCREENED)
MET: Final = frozenset({Kind.SUSPECT_INTERVIEWED, Kind.ARREST_MADE})
"""Steps by which a suspect was heard, or could have been: nobody who is arrested must speak."""


class Needed(StrEnum):
    """What must come before a closure."""

    VICTIM_CONTACT = "victim_contact"
    INVESTIGATIVE_STEP = "investigative_step"
    SUSPECT_INTERVIEW = "suspect_interview"  # where a suspect was identified


@detector(
    Setting("needs", tuple(Needed), "what must come before a closure", codes=Needed),
    Setting("not_for", (Disposition.TRANSFERRED,), "dispositions that need nothing of it", codes=Disposition),
    needs=[Happening.CLOSED],
)
def closed_without_work(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that was closed without the work that must come before.

    Rule: a closure was approved, and by then there was no contact with the victim, or no investigative step at all, or a
    suspect was identified and neither interviewed nor arrested. What is entered only after the closure does not count.

    Evidence: the approval, and the request that it approved.

    Settled by: reopening the case.

    May be wrong: where the victim could not be found in spite of all attempts, or a suspect has died; and in histories that
    were imported from a system that kept no contacts or steps.

    Found in: Kansas City, where cases were closed without ever interviewing a named suspect.
    """
    for place, step in history.which(Happening.CLOSED):
        before = history.steps[:place]
        lacking = list(_lacks(before))
        if not lacking:
            continue
        asked = [one for one in before if isinstance(one.body, ClosureRequested)][-1:]
        ends = {one.body.disposition for one in asked if isinstance(one.body, ClosureRequested)}
        standard = settings(step.known_at)
        if ends & standard.codes("not_for"):
            continue
        lacks = [one for one in lacking if one in standard.codes("needs")]
        if lacks:
            says = f"closed without {' and without '.join(one.replace('_', ' ') for one in lacks)}"
            settled = history.until(place, lambda later: later.is_any(*REOPENED))
            yield of_case(history, standard, step.known_at, [step, *asked], says, settled, now)


def request_before(history: History, place: int) -> Step | None:
    """The last request to close a case before the step at a place."""
    earlier = (history.steps[number] for number in range(place - 1, -1, -1))
    return next((one for one in earlier if isinstance(one.body, ClosureRequested)), None)


def _lacks(before: Sequence[Step]) -> Iterator[Needed]:
    bodies = [one.action.body for one in before]
    kinds = {body.step for body in bodies if isinstance(body, InvestigativeStepTaken)}
    if not any(Happening.VICTIM_CONTACT in one.what for one in before):
        yield Needed.VICTIM_CONTACT
    if not kinds:
        yield Needed.INVESTIGATIVE_STEP
    if Kind.SUSPECT_IDENTIFIED in kinds and MET.isdisjoint(kinds):
        yield Needed.SUSPECT_INTERVIEW


@detector(
    Setting(
        "reasons", (ScreeningReason.INSUFFICIENT_INFORMATION,), "reasons that presuppose that somebody asked",
        codes=ScreeningReason,
    ),
    Setting(
        "reasons_in_danger", (ScreeningReason.INSUFFICIENT_INFORMATION, ScreeningReason.NOT_A_CRIME),
        "the same where the report says that a child is in danger", "RSMo 210.145", codes=ScreeningReason,
    ),
    needs=[Happening.SCREENED_OUT],
)  # fmt: skip
def screened_out_unasked(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report that was screened out for what nobody had asked about.

    Rule: a report was screened out for want of information, or, where it says that a child is in danger, as no crime; and
    before that nobody in the unit had contacted the victim, tried to, or taken any investigative step.

    Evidence: the screening.

    Settled by: reopening the case.

    May be wrong: where a report was anonymous and names nobody who could be asked.

    Found in: Arizona, where 6,554 reports were marked as not to be investigated.
    """
    in_danger = Condition.IMMEDIATE_DANGER in history.conditions
    acted = next((place for place, step in enumerate(history.steps) if step.is_act), len(history.steps))
    for place, step in history.which(Happening.SCREENED_OUT):
        body = step.body
        standard = settings(step.known_at)
        if not isinstance(body, ScreenedOut):
            continue
        if place < acted and body.reason in standard.codes("reasons_in_danger" if in_danger else "reasons"):
            says = "screened out for want of information that nobody had asked for"
            if body.reason is not ScreeningReason.INSUFFICIENT_INFORMATION:
                danger = ", though a child was said to be in danger" if in_danger else ""
                says = f"screened out as {body.reason.replace('_', ' ')}, and nobody had asked{danger}"
            settled = history.until(place, lambda later: later.is_any(*REOPENED))
            yield of_case(history, standard, step.known_at, [step], says, settled, now)
