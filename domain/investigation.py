"""Investigation: steps taken, reviews held, notes kept."""

from dataclasses import dataclass
from typing import ClassVar, Final

from casetrail.domain.actions import Action, Body
from casetrail.domain.case import Case, latest
from casetrail.domain.codes import ReviewResult, Step
from casetrail.domain.contact import note_act, note_contact
from casetrail.domain.parties import ANYBODY, LEADERS, POLICE
from casetrail.domain.rules import rule
from casetrail.domain.sealed import SealedField
from casetrail.domain.status import OPEN, UNMERGED

OWN_CASE: Final = rule("own-case", "A supervisor's review is of somebody else's case.", "practice: four-eyes principle")
NOTHING_NOTED: Final = rule("nothing-noted", "A note has a text, sealed.", binds_imported=True)

HEARING: Final = frozenset({Step.FORENSIC_INTERVIEW_ATTENDED})
"""Steps by which the child is heard as well: whoever speaks at the centre need not be questioned again."""
CLERICAL: Final = (Step.CORRESPONDENCE,)
"""Steps by which nothing is investigated. They stand in the history, and are no work."""


@dataclass(frozen=True)
class InvestigativeStepTaken(Body):
    """Work on the case: an interview, evidence, a warrant. ``step`` says which; details are sealed.

    Correspondence is no work. Whoever attends the forensic interview has heard the child.
    """

    step: Step
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = POLICE
    when: ClassVar = OPEN

    def apply(self, case: Case, action: Action) -> None:
        if self.step in CLERICAL:
            return
        case.facts.steps += 1
        case.facts.suspects_identified += self.step is Step.SUSPECT_IDENTIFIED
        case.facts.suspects_interviewed += self.step is Step.SUSPECT_INTERVIEWED
        if self.step in HEARING:
            note_contact(case, action)
        note_act(case, action)


@dataclass(frozen=True)
class SupervisorReviewed(Body):
    """A supervisor looked through the case (every 30 days, practice)."""

    result: ReviewResult
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = LEADERS
    when: ClassVar = OPEN

    def check(self, case: Case, action: Action) -> None:
        OWN_CASE.require(action.actor.id != case.facts.holder, action)

    def apply(self, case: Case, action: Action) -> None:
        case.facts.reviewed_at = latest((case.facts.reviewed_at, action.occurred_at))


@dataclass(frozen=True)
class NoteAdded(Body):
    """A note. It is no investigative work: adding notes does not make an untouched case a touched one."""

    sealed: tuple[SealedField, ...]

    roles: ClassVar = ANYBODY
    when: ClassVar = UNMERGED

    def check(self, case: Case, action: Action) -> None:
        NOTHING_NOTED.require(len(self.sealed) > 0, action)
