"""What the rules of escalations, findings and heartbeats refuse, and the like that they let pass: rows of ``test_rules.Example``."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from casetrail.domain.actions import Action, Actor
from casetrail.domain.answering import FindingAnswered, FindingTold
from casetrail.domain.codes import (
    ConcernKind,
    ConcernOutcome,
    Desk,
    EscalationAnswer,
    FindingAnswer,
    Level,
    MachineKind,
    Role,
    Service,
)
from casetrail.domain.concern import ConcernClosed, ConcernRaised
from casetrail.domain.escalation import DeadlineMissed, Escalated, EscalationAnswered, Recipient
from casetrail.domain.heartbeat import LONGEST_SILENCE, Heartbeat, machine_key
from casetrail.domain.referral import ReferralMade
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, SERGEANT, action, report

WATCHDOG: Final = Actor("watchdog.1", "metro-pd", Role.SYSTEM)
ADVOCATE: Final = Actor("adv.kim", "advocates", Role.PARTNER)
AUDITOR: Final = Actor("auditor.1", "inspectorate", Role.AUDITOR)
OWN_AUDITOR: Final = Actor("auditor.2", "metro-pd", Role.AUDITOR)
DUE: Final = HAPPENED - timedelta(hours=1)
SUPERVISORS: Final = (Recipient("child-crimes", Desk.SUPERVISOR),)

Row = tuple[str, tuple[Action, ...], Action, Action, tuple[Action, ...] | None]


def missed(due_at: datetime = DUE, **fields: Any) -> Action:
    return action(DeadlineMissed("first_response", due_at, **fields), WATCHDOG)


def escalated(level: Level = Level.SUPERVISOR, due_at: datetime = DUE) -> Action:
    return action(Escalated("first_response", due_at, level, SUPERVISORS), WATCHDOG)


def answered(actor: Actor = SERGEANT, subject: str | None = None) -> Action:
    return action(EscalationAnswered("first_response", DUE, EscalationAnswer.BEING_WORKED_NOW, subject), actor)


def closed(actor: Actor = CLINIC) -> Action:
    return action(ConcernClosed("con-1", ConcernOutcome.SETTLED), actor)


def finding(finding_id: str) -> Action:
    return action(FindingAnswered(finding_id, "untouched", FindingAnswer.EXPLAINED), SERGEANT)


def heartbeat(machine: str, within: int = 600, key: str | None = None) -> Action:
    body = Heartbeat(machine, MachineKind.WATCHDOG, within)
    return action(body, WATCHDOG, key or machine_key(machine, HAPPENED))


RECEIVED: Final = (action(report(), INTAKE),)
MISSED: Final = (*RECEIVED, missed())
RAISED: Final = (*RECEIVED, action(ConcernRaised("con-1", ConcernKind.NO_RESPONSE), CLINIC))
TOLD: Final = action(FindingTold("0123456789abcdef", "untouched", Level.SUPERVISOR, SUPERVISORS), WATCHDOG)
OWN: Final = replace(CLINIC, agency="metro-pd")
REFERRED: Final = (
    *RECEIVED,
    action(ReferralMade("ref-1", Service.MEDICAL_EVALUATION, CLINIC.agency), DETECTIVE),
    missed(subject="ref-1"),
)

ESCALATION_EXAMPLES: Final[tuple[Row, ...]] = (
    ("deadline-not-passed", RECEIVED, missed(HAPPENED + timedelta(microseconds=1)), missed(HAPPENED), None),
    ("deadline-recorded", MISSED, missed(), missed(DUE + timedelta(minutes=1)), None),
    ("no-such-deadline", RECEIVED, escalated(), escalated(), MISSED),
    ("level-told", (*MISSED, escalated()), escalated(), escalated(Level.COMMANDER), None),
    ("escalation-answered", (*MISSED, answered()), escalated(Level.SUPERVISOR), escalated(Level.COMMANDER), None),
    ("agency-does-not-owe", REFERRED, answered(ADVOCATE, "ref-1"), answered(CLINIC, "ref-1"), None),
    ("concern-closed", (*RAISED, closed()), closed(), closed(), RAISED),
    ("concern-closed-by-unit", RAISED, closed(OWN_AUDITOR), closed(AUDITOR), None),
    ("agency-did-not-raise", RAISED, closed(ADVOCATE), closed(CLINIC), None),
    ("not-a-finding", (*RECEIVED, TOLD), finding("0123456789abcdeF"), finding("0123456789abcdef"), None),
    ("heartbeat-key", (), heartbeat("w1", key=machine_key("w2", HAPPENED)), heartbeat("w3"), None),
    ("silence-too-long", (), heartbeat("w4", LONGEST_SILENCE + 1), heartbeat("w5", LONGEST_SILENCE), None),
)  # fmt: skip
