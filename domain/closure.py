"""Closure: one asks, another decides; and what has ended can be opened again."""

from dataclasses import dataclass
from typing import ClassVar, Final

from casetrail.domain.actions import Action, Body
from casetrail.domain.assignment import NOT_THE_HOLDER, let_go
from casetrail.domain.case import Case, ClosureRequest
from casetrail.domain.codes import Clearance, ClosureRefusal, Disposition, ReopeningReason, Role, SealedName
from casetrail.domain.parties import LEADERS, POLICE
from casetrail.domain.rules import rule
from casetrail.domain.sealed import SealedField
from casetrail.domain.status import Status
from casetrail.domain.values import Id

RATIONALE_NEEDED: Final = rule("rationale-needed", "A closure is asked for with a rationale, sealed.", "practice")
CLEARANCE_DOES_NOT_FIT: Final = rule(
    "clearance-does-not-fit",
    "An exceptional clearance names its kind, A to E; every other disposition has the clearance N.",
    "NIBRS data element 4", binds_imported=True,
)  # fmt: skip
CONDITIONS_NOT_MET: Final = rule(
    "conditions-not-met",
    "Cleared exceptionally only when all four conditions hold: offender identified; probable cause to arrest, charge "
    "and prosecute; exact location known; a reason outside police control.",
    "FBI, NIBRS User Manual, exceptional clearance",
)  # fmt: skip
TRANSFER_NOT_ACKNOWLEDGED: Final = rule(
    "transfer-not-acknowledged", "A transfer names the agency that has taken the case and its acknowledgement.",
    "practice",
)  # fmt: skip
BASIS_NEEDED: Final = rule(
    "unfounded-needs-basis", "Unfounded names the event of this case that showed the report to be false or baseless.",
    "FBI, NIBRS User Manual: unfounded",
)  # fmt: skip
CLOSING_TAKES_TWO: Final = rule(
    "closing-takes-two",
    "A closure is decided by a supervisor who neither asked for it nor holds the case, nor held it when it was asked.",
    "practice: four-eyes principle",
)  # fmt: skip

CLOSABLE: Final = frozenset({Status.UNASSIGNED, Status.ASSIGNED, Status.INVESTIGATING, Status.SUSPENDED})


@dataclass(frozen=True)
class ExceptionalConditions:
    """The four conditions of an exceptional clearance, each stated by who asks for it."""

    offender_identified: bool
    probable_cause: bool
    location_known: bool
    outside_police_control: bool


@dataclass(frozen=True)
class ClosureRequested(Body):
    """Somebody asks for the case to be closed, names how it ends, and says why (sealed ``rationale``).

    ``basis_number`` is the number of the event that shows an unfounded report to be so; ``transferred_to`` and
    ``acknowledgement`` (the other agency's reference) belong to a transfer.
    """

    disposition: Disposition
    clearance: Clearance = Clearance.NOT_APPLICABLE
    conditions: ExceptionalConditions | None = None
    basis_number: int | None = None
    transferred_to: Id | None = None
    acknowledgement: Id | None = None
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = POLICE
    when: ClassVar = CLOSABLE

    def check(self, case: Case, action: Action) -> None:
        if action.actor.role is Role.INVESTIGATOR:
            NOT_THE_HOLDER.require(action.actor.id == case.facts.holder, action)
        exceptional = self.disposition is Disposition.CLEARED_EXCEPTIONALLY
        CLEARANCE_DOES_NOT_FIT.require(exceptional == (self.clearance is not Clearance.NOT_APPLICABLE), action)
        if exceptional:
            CONDITIONS_NOT_MET.require(self.conditions == ExceptionalConditions(True, True, True, True), action)
        if self.disposition is Disposition.TRANSFERRED:
            TRANSFER_NOT_ACKNOWLEDGED.require(None not in (self.transferred_to, self.acknowledgement), action)
        if self.disposition is Disposition.UNFOUNDED:
            BASIS_NEEDED.require(case.is_fact(self.basis_number), action)
        RATIONALE_NEEDED.require(any(field.name is SealedName.RATIONALE for field in self.sealed), action)

    def apply(self, case: Case, action: Action) -> None:
        case.facts.closure = ClosureRequest(
            action.actor.id, action.occurred_at, case.facts.holder, self.disposition, self.clearance
        )


def second_person(case: Case, action: Action) -> None:
    """Raise ``Refused`` where the one who decides on a closure is not a second person."""
    closure = case.facts.closure
    if closure is not None:
        others = {closure.asked_by, closure.holder, case.facts.holder}
        CLOSING_TAKES_TWO.require(action.actor.id not in others, action)


@dataclass(frozen=True)
class ClosureApproved(Body):
    """A second person agrees: the case is closed as it was asked for."""

    roles: ClassVar = LEADERS
    when: ClassVar = frozenset({Status.CLOSURE_REQUESTED})

    def check(self, case: Case, action: Action) -> None:
        second_person(case, action)

    def apply(self, case: Case, action: Action) -> None:
        facts = case.facts
        facts.closed_at = action.occurred_at
        facts.suspended_until = None
        if facts.closure is not None:
            facts.disposition, facts.clearance = facts.closure.disposition, facts.closure.clearance
        facts.closure = None


@dataclass(frozen=True)
class ClosureRefused(Body):
    """A second person does not agree: the case stays open."""

    reason: ClosureRefusal
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = LEADERS
    when: ClassVar = frozenset({Status.CLOSURE_REQUESTED})

    def check(self, case: Case, action: Action) -> None:
        second_person(case, action)

    def apply(self, case: Case, action: Action) -> None:
        case.facts.closure = None


@dataclass(frozen=True)
class Reopened(Body):
    """A case that was closed, screened out or merged is open again, held by nobody until it is assigned."""

    reason: ReopeningReason

    roles: ClassVar = LEADERS
    when: ClassVar = frozenset({Status.CLOSED, Status.SCREENED_OUT, Status.MERGED})

    def apply(self, case: Case, action: Action) -> None:
        facts = case.facts
        facts.closed_at = facts.disposition = facts.clearance = facts.closure = None
        facts.suspended_until = None
        facts.merged_into = None
        if facts.screened_in is False:
            facts.screened_in = facts.screened_at = None
        facts.reopenings += 1
        let_go(case, action)
