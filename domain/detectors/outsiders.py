"""What another agency's people decide in a case."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from casetrail.domain.assignment import Assigned, Reassigned, Released
from casetrail.domain.closure import ClosureApproved, ClosureRefused
from casetrail.domain.concern import ConcernAnswered
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.escalation import EscalationAnswered
from casetrail.domain.extension import DecisionExtended
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ScreenedIn, ScreenedOut
from casetrail.domain.linking import FactCorrected, Merged
from casetrail.domain.parties import UNIT
from casetrail.domain.suspension import Suspended

DECISIONS: Final = frozenset({
    ScreenedIn, ScreenedOut, Assigned, Reassigned, Released, Suspended, DecisionExtended, ClosureApproved, ClosureRefused,
    Merged, FactCorrected, ConcernAnswered, EscalationAnswered,
})  # fmt: skip
"""What the agency that is responsible for a case decides in it."""


@detector()
def decided_elsewhere(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """Somebody of another agency decided what the agency of the case decides.

    Rule: somebody in a unit's role (intake, investigator, supervisor, commander) of another agency screened the report, gave
    it to somebody, suspended or extended it, decided on its closure, merged or corrected it, or answered a concern or an
    alarm in the name of the unit. Only the first such decision is named, until it is settled.

    Evidence: the decision.

    Settled by: a review by a supervisor of the case's own agency, or the case being reopened by them.

    May be wrong: where two agencies share a desk that decides for both. Then turn the detector off, which stays visible.

    Found in: any system in which a role is asked for, and not whose.
    """
    own, open_since = history.case.facts.agency, 0
    for place, step in enumerate(history.steps):
        actor = step.action.actor
        if place < open_since or type(step.body) not in DECISIONS or actor.role not in UNIT or actor.agency == own:
            continue
        settled = history.until(place, lambda later: _is_reviewed(later, own))
        open_since = history.place_of(settled)
        yield of_case(
            history, settings(step.known_at), step.known_at, [step], "decided by another agency", settled, now
        )


def _is_reviewed(step: Step, own: str) -> bool:
    seen = step.is_any(Happening.REVIEWED, Happening.REOPENED, Happening.REOPENED_UNSCREENED)
    return seen and step.action.actor.agency == own
