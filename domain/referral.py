"""Referrals: a partner agency is asked for a forensic interview, a medical evaluation, advocacy and so on.

What a partner says of a referral is accepted after the case has ended too, or was merged into another: a clinic that
examined a child is heard, whatever the unit has done with the case in the meantime.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from casetrail.domain.actions import Action, Body
from casetrail.domain.case import Case, Referral, ReferralState
from casetrail.domain.codes import AgencyKind, ReferralReason, Role, Service
from casetrail.domain.parties import UNIT
from casetrail.domain.rules import Refused, rule
from casetrail.domain.sealed import SealedField
from casetrail.domain.status import OPEN, REPORTED
from casetrail.domain.values import Id

REFERRAL_EXISTS: Final = rule("referral-exists", "A referral with this id has been made in this case already.")
NO_SUCH_REFERRAL: Final = rule("no-such-referral", "No referral with this id has been made in this case.",
                               binds_imported=True)  # fmt: skip
REFERRAL_ENDED: Final = rule(
    "referral-ended", "The referral has been completed, declined or withdrawn: make a new one."
)
REFERRAL_ACCEPTED: Final = rule("referral-accepted", "The referral has been accepted already.")
NOT_ASKED: Final = rule("agency-not-asked", "Only the agency that was asked can answer a referral.")
NOT_REFERRED: Final = rule("agency-did-not-refer", "Only the agency that made a referral can withdraw it.")

RUNNING: Final = frozenset({ReferralState.MADE, ReferralState.ACCEPTED})
OF_THE_TEAM: Final = frozenset(AgencyKind) - {AgencyKind.SCHOOL, AgencyKind.HOTLINE, AgencyKind.OVERSIGHT}
GIVEN_BY: Final = {
    Service.FORENSIC_INTERVIEW: OF_THE_TEAM,
    Service.MEDICAL_EVALUATION: OF_THE_TEAM,
    Service.PROSECUTOR: frozenset({AgencyKind.PROSECUTION}),
}
"""Services that not every kind of agency gives; what others give is anybody's. What a school says of a forensic interview leaves it owed."""


def can_give(kind: AgencyKind | None, service: Service | None) -> bool:
    """Whether an agency of a kind can give a service; where its kind is not known, it is taken at its word."""
    kinds = None if service is None else GIVEN_BY.get(service)
    return kinds is None or kind is None or kind in kinds


@dataclass(frozen=True)
class ReferralMade(Body):
    """A partner agency is asked for a service. ``acute``: evidence or safety is a matter of hours (72 h, practice)."""

    referral: Id
    service: Service
    to_agency: Id
    acute: bool = False

    roles: ClassVar = UNIT | {Role.PARTNER}
    when: ClassVar = OPEN

    def check(self, case: Case, action: Action) -> None:
        REFERRAL_EXISTS.require(self.referral not in case.facts.referrals, action)

    def apply(self, case: Case, action: Action) -> None:
        case.facts.referrals[self.referral] = Referral(
            self.service, action.actor.agency, self.to_agency, self.acute, action.occurred_at
        )


@dataclass(frozen=True)
class ReferralAccepted(Body):
    """The partner takes it on; ``scheduled_for`` where there is an appointment (UTC)."""

    referral: Id
    scheduled_for: datetime | None = None

    roles: ClassVar = frozenset({Role.PARTNER})
    when: ClassVar = REPORTED

    def check(self, case: Case, action: Action) -> None:
        referral = asked_of(case, self.referral, action)
        REFERRAL_ACCEPTED.require(referral.state is ReferralState.MADE, action)

    def apply(self, case: Case, action: Action) -> None:
        answer(case, self.referral, ReferralState.ACCEPTED, action)


@dataclass(frozen=True)
class ReferralCompleted(Body):
    """The service was given. ``holder_attended``: whether the investigator was there, where it is known."""

    referral: Id
    holder_attended: bool | None = None
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = frozenset({Role.PARTNER})
    when: ClassVar = REPORTED

    def check(self, case: Case, action: Action) -> None:
        asked_of(case, self.referral, action)

    def apply(self, case: Case, action: Action) -> None:
        answer(case, self.referral, ReferralState.COMPLETED, action)


@dataclass(frozen=True)
class ReferralDeclined(Body):
    """The partner does not give the service, for a stated reason."""

    referral: Id
    reason: ReferralReason

    roles: ClassVar = frozenset({Role.PARTNER})
    when: ClassVar = REPORTED

    def check(self, case: Case, action: Action) -> None:
        asked_of(case, self.referral, action)

    def apply(self, case: Case, action: Action) -> None:
        answer(case, self.referral, ReferralState.DECLINED, action)


@dataclass(frozen=True)
class ReferralWithdrawn(Body):
    """Those who asked no longer need the service, for a stated reason."""

    referral: Id
    reason: ReferralReason

    roles: ClassVar = UNIT | {Role.PARTNER}
    when: ClassVar = REPORTED

    def check(self, case: Case, action: Action) -> None:
        referral = running(case, self.referral, action)
        NOT_REFERRED.require(action.actor.agency == referral.from_agency, action)

    def apply(self, case: Case, action: Action) -> None:
        answer(case, self.referral, ReferralState.WITHDRAWN, action)


def running(case: Case, referral_id: str, action: Action) -> Referral:
    """The referral of that id, which has not ended. Raises ``Refused``."""
    referral = case.facts.referrals.get(referral_id)
    if referral is None:
        raise Refused(NO_SUCH_REFERRAL, "referral")
    REFERRAL_ENDED.require(referral.state in RUNNING, action)
    return referral


def asked_of(case: Case, referral_id: str, action: Action) -> Referral:
    """The running referral of that id, asked of the actor's agency. Raises ``Refused``."""
    referral = running(case, referral_id, action)
    NOT_ASKED.require(action.actor.agency == referral.to_agency, action)
    return referral


def answer(case: Case, referral_id: str, state: ReferralState, action: Action) -> None:
    """Move the referral on, and remember when."""
    referral = case.facts.referrals[referral_id]
    referral.state = state
    if state is not ReferralState.WITHDRAWN:
        referral.answered_at = referral.answered_at or action.occurred_at
    if state is not ReferralState.ACCEPTED:
        referral.ended_at = action.occurred_at
