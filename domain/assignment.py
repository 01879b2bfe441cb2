"""Assignment: who holds a case, and that nobody does."""

from dataclasses import dataclass
from typing import ClassVar, Final

from casetrail.domain.actions import Action, Body
from casetrail.domain.case import Case
from casetrail.domain.codes import HandoverReason, Role
from casetrail.domain.parties import LEADERS, POLICE
from casetrail.domain.rules import rule
from casetrail.domain.status import Status
from casetrail.domain.values import Id

ALREADY_ASSIGNED: Final = rule("already-assigned", "Somebody holds this case: reassign it, or release it first.")
NOBODY_HOLDS: Final = rule("nobody-holds", "Nobody holds this case: assign it first.")
SAME_HOLDER: Final = rule("same-holder", "The new holder is the one who holds the case already.")
NOT_THE_HOLDER: Final = rule("not-the-holder", "Only the investigator who holds the case can do this.")
ALREADY_ACKNOWLEDGED: Final = rule("already-acknowledged", "The holder has acknowledged this assignment already.")

HELD: Final = frozenset({Status.ASSIGNED, Status.INVESTIGATING, Status.SUSPENDED, Status.CLOSURE_REQUESTED})


@dataclass(frozen=True)
class Assigned(Body):
    """A supervisor gives the case to an investigator, its holder from now on."""

    holder: Id

    roles: ClassVar = LEADERS
    when: ClassVar = HELD | {Status.UNASSIGNED}

    def check(self, case: Case, action: Action) -> None:
        ALREADY_ASSIGNED.require(case.facts.holder is None, action)

    def apply(self, case: Case, action: Action) -> None:
        hand_to(case, self.holder, action)


@dataclass(frozen=True)
class Acknowledged(Body):
    """The holder has seen the assignment and takes the case on."""

    roles: ClassVar = frozenset({Role.INVESTIGATOR})
    when: ClassVar = HELD | {Status.UNASSIGNED}

    def check(self, case: Case, action: Action) -> None:
        NOBODY_HOLDS.require(case.facts.holder is not None, action)
        NOT_THE_HOLDER.require(action.actor.id == case.facts.holder, action)
        ALREADY_ACKNOWLEDGED.require(case.facts.acknowledged_at is None, action)

    def apply(self, case: Case, action: Action) -> None:
        case.facts.acknowledged_at = action.occurred_at


@dataclass(frozen=True)
class Reassigned(Body):
    """A supervisor gives the case to another investigator."""

    holder: Id
    reason: HandoverReason

    roles: ClassVar = LEADERS
    when: ClassVar = HELD | {Status.UNASSIGNED}

    def check(self, case: Case, action: Action) -> None:
        NOBODY_HOLDS.require(case.facts.holder is not None, action)
        SAME_HOLDER.require(self.holder != case.facts.holder, action)

    def apply(self, case: Case, action: Action) -> None:
        hand_to(case, self.holder, action)


@dataclass(frozen=True)
class Released(Body):
    """The holder lets the case go, or has left: nobody holds it, and the unit's intake desk owes an assignment."""

    reason: HandoverReason

    roles: ClassVar = POLICE | {Role.REGISTRAR}
    when: ClassVar = HELD | {Status.UNASSIGNED}

    def check(self, case: Case, action: Action) -> None:
        NOBODY_HOLDS.require(case.facts.holder is not None, action)
        if action.actor.role is Role.INVESTIGATOR:
            NOT_THE_HOLDER.require(action.actor.id == case.facts.holder, action)

    def apply(self, case: Case, action: Action) -> None:
        let_go(case, action)


def hand_to(case: Case, holder: str, action: Action) -> None:
    """Make ``holder`` the holder of the case; the assignment waits to be acknowledged."""
    facts = case.facts
    facts.handovers += facts.holder is not None
    facts.holder = holder
    facts.assigned_at = action.occurred_at
    facts.acknowledged_at = None
    facts.free_since = None
    if facts.screened_in is None:  # an imported history may have no screening: who is assigned was screened in
        facts.screened_in, facts.screened_at = True, action.occurred_at


def let_go(case: Case, action: Action) -> None:
    """Leave the case without a holder."""
    case.facts.holder = None
    case.facts.acknowledged_at = None
    case.facts.assigned_at = None
    case.facts.free_since = action.occurred_at
