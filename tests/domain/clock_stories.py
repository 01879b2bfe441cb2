"""Cases as they may begin, for the tests of clocks."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Acknowledged, Assigned
from casetrail.domain.clocks import Clock, ClockState
from casetrail.domain.closure import ClosureApproved, ClosureRefused, ClosureRequested, Reopened
from casetrail.domain.codes import (
    ClosureRefusal,
    ContactFailure,
    ContactMethod,
    Disposition,
    ExtensionReason,
    HandoverReason,
    MergeReason,
    Offence,
    ReopeningReason,
    ResumptionReason,
    ReviewResult,
    Role,
    ScreeningReason,
    SealedName,
    Service,
    Step,
    SuspensionReason,
)
from casetrail.domain.contact import VictimContactAttempted, VictimContactMade
from casetrail.domain.extension import DecisionExtended
from casetrail.domain.intake import OffenceAlleged, ScreenedIn, ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken, SupervisorReviewed
from casetrail.domain.linking import Merged
from casetrail.domain.referral import ReferralMade
from casetrail.domain.sealed import SealedField
from casetrail.domain.suspension import Resumed, Suspended
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, report
from tests.domain.clock_histories import Story, day

RUNNING, PAUSED, MISSED = ClockState.RUNNING, ClockState.PAUSED, ClockState.MISSED
MET, MET_LATE, LAPSED = ClockState.MET, ClockState.MET_LATE, ClockState.LAPSED

PROSECUTOR: Final = Actor("pros.lee", "prosecutor", Role.PARTNER)
PROTECTIVE: Final = Actor("cps.kim", "childrens-division", Role.PARTNER)
POLICE_AS_PARTNER: Final = Actor("sgt.archer", "metro-pd", Role.PARTNER)

DESK, LEADER, HOLDER = "child-crimes/intake", "child-crimes/supervisor", DETECTIVE.id
FONDLING: Final = (OffenceAlleged(Offence.FONDLING),)
SIMPLE: Final = (OffenceAlleged(Offence.SIMPLE_ASSAULT),)
TRUANCY: Final = (OffenceAlleged(Offence.FAMILY_NONVIOLENT, "167.031"),)
IN: Final = ScreenedIn(ScreeningReason.ALLEGES_CRIME)
OUT: Final = ScreenedOut(ScreeningReason.NOT_A_CRIME)
CONTACT: Final = VictimContactMade(ContactMethod.IN_PERSON)
ATTEMPT: Final = VictimContactAttempted(ContactMethod.PHONE, ContactFailure.NO_ANSWER)
STEP: Final = InvestigativeStepTaken(Step.SCENE_VISITED)
REVIEW: Final = SupervisorReviewed(ReviewResult.CONTINUE)
RATIONALE: Final = (SealedField(SealedName.RATIONALE, bytes(32), bytes(12), b"sealed"),)
ASKED: Final = ClosureRequested(Disposition.INACTIVATED, sealed=RATIONALE)
REFUSED: Final = ClosureRefused(ClosureRefusal.WORK_REMAINS)
MERGED: Final = Merged("C-2", MergeReason.SAME_INCIDENT)
REOPENED: Final = Reopened(ReopeningReason.NEW_INFORMATION)
RESUMED: Final = Resumed(ResumptionReason.NEW_INFORMATION)
WORKLOAD: Final = HandoverReason.WORKLOAD


def suspended(until: datetime) -> Suspended:
    return Suspended(SuspensionReason.AWAITING_LAB, until)


def extended(until: datetime) -> DecisionExtended:
    return DecisionExtended(until, ExtensionReason.AWAITING_LAB)


def received(**changes: Any) -> Story:
    """A report."""
    return Story().tell(HAPPENED, report(**changes), INTAKE)


def screened(**changes: Any) -> Story:
    """Screened in on the first day."""
    return received(**changes).tell(day(0), IN, INTAKE)


def held(**changes: Any) -> Story:
    """Assigned and taken on, on the first day."""
    return screened(**changes).tell(day(0), Assigned(DETECTIVE.id)).tell(day(0), Acknowledged(), DETECTIVE)


def referred(service: Service = Service.VICTIM_ADVOCACY, acute: bool = False, agency: str = CLINIC.agency) -> Story:
    """A partner asked for something on the first day."""
    return held().tell(day(0), ReferralMade("r1", service, agency, acute), DETECTIVE)


def assistance_asked() -> Story:
    """Protective services have asked the police to assist."""
    return screened().tell(day(0), ReferralMade("r1", Service.OTHER, "metro-pd"), PROTECTIVE)


def answered(body: Body, actor: Actor) -> Callable[[Story, datetime], Story]:
    return lambda story, at: story.tell(at, body, actor)


def approved(story: Story, at: datetime) -> Story:
    return story.tell(at, ASKED, DETECTIVE).tell(at, ClosureApproved())


def runs_of(found: list[Clock]) -> list[tuple[datetime, datetime | None, ClockState]]:
    return [(one.started_at, one.ended_at, one.state) for one in found]
