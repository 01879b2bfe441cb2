"""Actions and events of every kind, for the tests of their bytes: fixed ones, and any that the types allow."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from casetrail.domain.actions import Action, ActionRejected, Actor, Body, Imported, SubmissionUnreadable
from casetrail.domain.answering import FindingAnswered, FindingTold
from casetrail.domain.assignment import Acknowledged, Assigned, Reassigned, Released
from casetrail.domain.closure import ClosureApproved, ClosureRefused, ClosureRequested, ExceptionalConditions, Reopened
from casetrail.domain.codes import (
    AgencyKind,
    Channel,
    Clearance,
    ClosureRefusal,
    ConcernAnswer,
    ConcernKind,
    ConcernOutcome,
    ContactFailure,
    ContactMethod,
    CorrectionReason,
    Desk,
    Disposition,
    EscalationAnswer,
    ExtensionReason,
    FindingAnswer,
    HandoverReason,
    Level,
    MachineKind,
    MergeReason,
    Offence,
    ReferralReason,
    Relation,
    ReopeningReason,
    ReporterKind,
    ResumptionReason,
    ReviewResult,
    Role,
    ScreeningReason,
    SealedName,
    Service,
    Step,
    SuspensionReason,
    TokenKind,
)
from casetrail.domain.concern import ConcernAnswered, ConcernClosed, ConcernRaised
from casetrail.domain.contact import VictimContactAttempted, VictimContactMade
from casetrail.domain.escalation import DeadlineMissed, Escalated, EscalationAnswered, Recipient
from casetrail.domain.extension import DecisionExtended
from casetrail.domain.heartbeat import Heartbeat
from casetrail.domain.intake import OffenceAlleged, ReportReceived, ScreenedIn, ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken, NoteAdded, SupervisorReviewed
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    ReferralWithdrawn,
)
from casetrail.domain.registry import AgencyRegistered, PersonJoined, PersonLeft, PersonMoved, PolicyAdopted
from casetrail.domain.sealed import SealedField, Token
from casetrail.domain.shapes import to_plain
from casetrail.domain.suspension import Resumed, Suspended
from casetrail.domain.values import at_millis
from casetrail.eventlog.codec import Event
from tests.domain.histories import WIDE, once

THEN = datetime(2026, 3, 2, 9, 15, 30, 123456, tzinfo=UTC)
ACTOR = Actor("det.01", "metro-pd", Role.INVESTIGATOR)
IMPORTED = Imported(sha256(b"an export").digest(), 17, "old-rms")


def sealed(name: SealedName) -> SealedField:
    """A sealed field with recognisable bytes."""
    return SealedField(name, sha256(name.encode()).digest(), b"twelve bytes", b"ciphertext")


RATIONALE = (sealed(SealedName.RATIONALE),)
NARRATIVE = (sealed(SealedName.NARRATIVE),)

BODIES: tuple[Body, ...] = (
    ActionRejected("Assigned", "not-an-id", "holder"),
    SubmissionUnreadable("not-framed", 3, b"C-1", b"???"),
    ReportReceived(
        "R-2026-0017", Channel.HOTLINE, ReporterKind.MANDATED_REPORTER, "metro-pd", "child-crimes",
        (OffenceAlleged(Offence.FONDLING, "566.067"), OffenceAlleged(Offence.OTHER)), True,
        (Token(TokenKind.CHILD, sha256(b"a child").digest()),),
        (sealed(SealedName.CHILD_NAME), sealed(SealedName.NARRATIVE)),
    ),
    ScreenedIn(ScreeningReason.ALLEGES_CRIME),
    ScreenedOut(ScreeningReason.OUTSIDE_JURISDICTION, "county-so", NARRATIVE),
    Assigned("det.02"),
    Acknowledged(),
    Reassigned("det.03", HandoverReason.LEFT_AGENCY),
    Released(HandoverReason.WORKLOAD),
    VictimContactAttempted(ContactMethod.PHONE, ContactFailure.NO_ANSWER, NARRATIVE),
    VictimContactMade(ContactMethod.IN_PERSON, NARRATIVE),
    ReferralMade("ref-1", Service.MEDICAL_EVALUATION, "clinic", True),
    ReferralAccepted("ref-1", THEN + timedelta(days=1)),
    ReferralCompleted("ref-1", False, NARRATIVE),
    ReferralDeclined("ref-1", ReferralReason.NO_CAPACITY),
    ReferralWithdrawn("ref-1", ReferralReason.MADE_IN_ERROR),
    InvestigativeStepTaken(Step.EVIDENCE_COLLECTED, NARRATIVE),
    SupervisorReviewed(ReviewResult.STEPS_DIRECTED, NARRATIVE),
    NoteAdded(NARRATIVE),
    Suspended(SuspensionReason.AWAITING_LAB, THEN + timedelta(days=21), NARRATIVE),
    Resumed(ResumptionReason.AWAITED_ARRIVED),
    ClosureRequested(
        Disposition.CLEARED_EXCEPTIONALLY, Clearance.PROSECUTION_DECLINED,
        ExceptionalConditions(True, True, True, True), 4, "county-so", "K-9", RATIONALE,
    ),
    ClosureApproved(),
    ClosureRefused(ClosureRefusal.WORK_REMAINS, RATIONALE),
    Reopened(ReopeningReason.PARTNER_CONCERN),
    Merged("C-2", MergeReason.SAME_INCIDENT),
    Linked("C-3", Relation.SAME_ADDRESS),
    FactCorrected(
        1, CorrectionReason.SOURCE_CORRECTED, (OffenceAlleged(Offence.RAPE, None),), True, THEN - timedelta(days=3),
        NARRATIVE,
    ),
    ConcernRaised("con-1", ConcernKind.NO_INVESTIGATOR, NARRATIVE),
    ConcernAnswered("con-1", ConcernAnswer.INVESTIGATOR_ASSIGNED, NARRATIVE),
    DecisionExtended(THEN + timedelta(days=45), ExtensionReason.AWAITING_LAB, NARRATIVE),
    AgencyRegistered("clinic", AgencyKind.MEDICAL),
    PersonJoined("det.04", "metro-pd", Role.INVESTIGATOR, "child-crimes"),
    PersonMoved("det.04", Role.SUPERVISOR, "homicide"),
    PersonLeft("det.04"),
    PolicyAdopted(THEN + timedelta(days=1), b'name = "generic"\n'),
    DeadlineMissed("referral_answer", THEN - timedelta(hours=2), "ref-1", 12),
    Escalated(
        "referral_answer", THEN - timedelta(hours=2), Level.SUPERVISOR,
        (Recipient("child-crimes", Desk.SUPERVISOR), Recipient("clinic")), "ref-1",
    ),
    EscalationAnswered(
        "referral_answer", THEN - timedelta(hours=2), EscalationAnswer.RESOURCES_ASKED_FOR, "ref-1", NARRATIVE
    ),
    ConcernClosed("con-1", ConcernOutcome.TAKEN_FURTHER, NARRATIVE),
    FindingAnswered("0123456789abcdef", "untouched", FindingAnswer.EXPLAINED, NARRATIVE),
    Heartbeat("watchdog-1", MachineKind.WATCHDOG, 600),
    FindingTold(
        "0123456789abcdef", "silent_machine", Level.COMMANDER,
        (Recipient("child-crimes", Desk.COMMANDER), Recipient("clinic")), "watchdog",
    ),
)  # fmt: skip
"""One body of each kind of event, every field filled."""


def example_action(body: Body) -> Action:
    """The same action each time."""
    return Action(bytes(range(16)), "C-1", THEN, ACTOR, body, IMPORTED)


def example_event(body: Body) -> Event:
    """The same event each time."""
    unreadable = isinstance(body, SubmissionUnreadable)
    return Event(
        action_hash=sha256(b"an action").digest(),
        previous_hash=sha256(b"an event").digest(),
        action_id=bytes(16) if unreadable else bytes(range(16)),
        number=300,
        partition=3,
        action_offset=2**33,
        recorded_at=at_millis(1_772_442_931_004),
        case_id="C-1",
        log="metro",
        rule_set=1,
        occurred_at=None if unreadable else THEN,
        actor=None if unreadable else ACTOR,
        imported=None if unreadable else IMPORTED,
        body=body,
    )


@once
def events(kind: type[Body]) -> SearchStrategy[Event]:
    """Any event of one kind."""
    return st.builds(
        Event,
        action_hash=st.binary(min_size=32, max_size=32),
        previous_hash=st.binary(min_size=32, max_size=32),
        action_id=st.binary(min_size=16, max_size=16),
        number=WIDE.numbers.map(lambda number: max(1, abs(number) - 1)),  # the events of a case are numbered from 1
        partition=WIDE.numbers,
        action_offset=WIDE.numbers,
        recorded_at=st.integers(0, 2**45).map(at_millis),
        case_id=WIDE.ids | st.just("~stray.0"),
        log=WIDE.ids,
        rule_set=WIDE.numbers,
        occurred_at=st.none() | WIDE.moments,
        actor=st.none() | WIDE.made(Actor),
        imported=st.none() | WIDE.made(Imported),
        body=WIDE.made(kind),
    )


def _named(body: Body) -> tuple[str, dict[str, Any]]:
    return f"casetrail.{type(body).__name__}", to_plain(body)


def plain_action(action: Action) -> dict[str, Any]:
    """The action as a general Avro library takes it."""
    return {**to_plain(action), "body": _named(action.body)}


def plain_event(event: Event) -> dict[str, Any]:
    """The event as a general Avro library takes it."""
    return {
        **event._asdict(),
        "actor": None if event.actor is None else to_plain(event.actor),
        "imported": None if event.imported is None else to_plain(event.imported),
        "body": _named(event.body),
    }
