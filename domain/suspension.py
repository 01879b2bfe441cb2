"""Suspension: work rests until a review date that is never far away."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from casetrail.domain.actions import Action, Body
from casetrail.domain.assignment import NOT_THE_HOLDER
from casetrail.domain.case import Case
from casetrail.domain.codes import ResumptionReason, Role, SuspensionReason
from casetrail.domain.parties import LEADERS, POLICE
from casetrail.domain.rules import rule
from casetrail.domain.sealed import SealedField
from casetrail.domain.status import Status

LONGEST_SUSPENSION: Final = timedelta(days=30)

REVIEW_DATE_PAST: Final = rule("review-date-past", "The review date lies after the moment of suspension.")
REVIEW_DATE_TOO_FAR: Final = rule(
    "review-date-too-far", "A suspended case is reviewed after 30 days at most; a supervisor can renew it then.",
    "practice",
)  # fmt: skip


@dataclass(frozen=True)
class Suspended(Body):
    """A supervisor lets the case rest, for a stated reason, until ``review_at`` (UTC). Again while suspended: renewed."""

    reason: SuspensionReason
    review_at: datetime
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = LEADERS
    when: ClassVar = frozenset({Status.UNASSIGNED, Status.ASSIGNED, Status.INVESTIGATING, Status.SUSPENDED})

    def check(self, case: Case, action: Action) -> None:
        REVIEW_DATE_PAST.require(self.review_at > action.occurred_at, action)
        REVIEW_DATE_TOO_FAR.require(self.review_at <= action.occurred_at + LONGEST_SUSPENSION, action)

    def apply(self, case: Case, action: Action) -> None:
        case.facts.suspended_until = self.review_at
        case.facts.suspensions += 1


@dataclass(frozen=True)
class Resumed(Body):
    """Work goes on."""

    reason: ResumptionReason

    roles: ClassVar = POLICE
    when: ClassVar = frozenset({Status.SUSPENDED})

    def check(self, case: Case, action: Action) -> None:
        if action.actor.role is Role.INVESTIGATOR:
            NOT_THE_HOLDER.require(action.actor.id == case.facts.holder, action)

    def apply(self, case: Case, action: Action) -> None:
        case.facts.suspended_until = None
