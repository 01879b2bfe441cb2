"""Intake: a report arrives and is screened."""

from dataclasses import dataclass
from typing import ClassVar, Final

from casetrail.domain.actions import Action, Body
from casetrail.domain.case import Case
from casetrail.domain.codes import Channel, Offence, ReporterKind, Role, ScreeningReason
from casetrail.domain.parties import ANYBODY, LEADERS
from casetrail.domain.rules import rule
from casetrail.domain.sealed import SealedField, Token
from casetrail.domain.status import Status
from casetrail.domain.values import Id

CASE_EXISTS: Final = rule(
    "case-exists", "A report has already been received under this case id; a second report gets an id of its own.",
    binds_imported=True,
)  # fmt: skip
OFFENCE_NEEDED: Final = rule(
    "offence-needed", "A report names at least one offence by its NIBRS code (90Z where it is not yet known).",
    "NIBRS User Manual", binds_imported=True,
)  # fmt: skip
REASON_DOES_NOT_FIT: Final = rule(
    "screening-reason-does-not-fit", "The reason belongs to the other decision: some reasons screen in, others out.",
    "practice",
)  # fmt: skip

REASONS_TO_SCREEN_IN: Final = frozenset(
    {ScreeningReason.ALLEGES_CRIME, ScreeningReason.CHILD_AT_RISK, ScreeningReason.MANDATED_INVESTIGATION}
)
SCREENERS: Final = LEADERS | {Role.INTAKE}


@dataclass(frozen=True)
class OffenceAlleged:
    """An offence by NIBRS code, with the statute beside it where it is known (``566.067``)."""

    code: Offence
    statute: Id | None = None


@dataclass(frozen=True)
class ReportReceived(Body):
    """A report has reached a unit: the case begins.

    ``report_number`` is the number that the unit or the hotline gave it; ``agency`` and ``unit`` are responsible from
    now on. Who is concerned is sealed, and recognisable by ``tokens`` only.
    """

    report_number: Id
    channel: Channel
    reporter_kind: ReporterKind
    agency: Id
    unit: Id
    offences: tuple[OffenceAlleged, ...]
    immediate_danger: bool = False
    tokens: tuple[Token, ...] = ()
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = ANYBODY - {Role.AUDITOR}
    when: ClassVar = frozenset({Status.UNREPORTED})

    def check(self, case: Case, action: Action) -> None:
        OFFENCE_NEEDED.require(len(self.offences) > 0, action)

    def apply(self, case: Case, action: Action) -> None:
        facts = case.facts
        facts.received_at = action.occurred_at
        facts.report_number = self.report_number
        facts.agency, facts.unit = self.agency, self.unit
        facts.channel, facts.reporter_kind = self.channel, self.reporter_kind
        facts.offences = tuple(offence.code for offence in self.offences)
        facts.immediate_danger = self.immediate_danger
        facts.reported_in = action.actor.agency


@dataclass(frozen=True)
class ScreenedIn(Body):
    """The report merits investigation. From now on it waits for an investigator."""

    reason: ScreeningReason

    roles: ClassVar = SCREENERS
    when: ClassVar = frozenset({Status.RECEIVED})

    def check(self, case: Case, action: Action) -> None:
        REASON_DOES_NOT_FIT.require(self.reason in REASONS_TO_SCREEN_IN, action)

    def apply(self, case: Case, action: Action) -> None:
        case.facts.screened_in = True
        case.facts.screened_at = action.occurred_at
        if case.facts.holder is None:
            case.facts.free_since = action.occurred_at


@dataclass(frozen=True)
class ScreenedOut(Body):
    """The report is not investigated, for a reason that stays on record. ``referred_to``: the agency it went to."""

    reason: ScreeningReason
    referred_to: Id | None = None
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = SCREENERS
    when: ClassVar = frozenset({Status.RECEIVED})

    def check(self, case: Case, action: Action) -> None:
        REASON_DOES_NOT_FIT.require(self.reason not in REASONS_TO_SCREEN_IN, action)

    def apply(self, case: Case, action: Action) -> None:
        case.facts.screened_in = False
        case.facts.screened_at = action.occurred_at
