"""Short ways for tests to make actions."""

import secrets
from datetime import UTC, datetime
from typing import Any

from casetrail.domain.actions import Action, Actor, Body, Imported
from casetrail.domain.assignment import Assigned
from casetrail.domain.codes import Channel, Offence, ReporterKind, Role, ScreeningReason
from casetrail.domain.intake import OffenceAlleged, ReportReceived, ScreenedIn
from casetrail.domain.investigation import InvestigativeStepTaken

HAPPENED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday

INTAKE = Actor("intake.desk", "metro-pd", Role.INTAKE)
SERGEANT = Actor("sgt.archer", "metro-pd", Role.SUPERVISOR)
OTHER_SERGEANT = Actor("sgt.brandt", "metro-pd", Role.SUPERVISOR)
DETECTIVE = Actor("det.01", "metro-pd", Role.INVESTIGATOR)
OTHER_DETECTIVE = Actor("det.02", "metro-pd", Role.INVESTIGATOR)
CLINIC = Actor("clinic.ruiz", "clinic", Role.PARTNER)
REGISTRAR = Actor("registrar.1", "metro-pd", Role.REGISTRAR)


def report(**changes: Any) -> ReportReceived:
    """A report as it might be received."""
    values: dict[str, Any] = {
        "report_number": "R-1",
        "channel": Channel.PHONE,
        "reporter_kind": ReporterKind.FAMILY,
        "agency": "metro-pd",
        "unit": "child-crimes",
        "offences": (OffenceAlleged(Offence.RAPE, "566.030"),),
    }
    return ReportReceived(**{**values, **changes})


def action(
    body: Body,
    actor: Actor = SERGEANT,
    case_id: str = "C-1",
    at: datetime = HAPPENED,
    action_id: bytes | None = None,
    imported: Imported | None = None,
) -> Action:
    """An action with a random id unless one is given."""
    return Action(action_id or secrets.token_bytes(16), case_id, at, actor, body, imported)


def life(case_id: str, steps: int = 3) -> list[Action]:
    """The beginning of a case's life: received, screened, assigned, and some steps."""
    from casetrail.domain.codes import Step

    return [
        action(report(), INTAKE, case_id),
        action(ScreenedIn(ScreeningReason.ALLEGES_CRIME), INTAKE, case_id),
        action(Assigned(DETECTIVE.id), SERGEANT, case_id),
        *(action(InvestigativeStepTaken(Step.RECORDS_REQUESTED), DETECTIVE, case_id) for _ in range(steps)),
    ]
