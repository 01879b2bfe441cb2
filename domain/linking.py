"""Cases that belong together, and facts that were recorded wrong."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from casetrail.domain.actions import Action, Body
from casetrail.domain.case import Case
from casetrail.domain.codes import CorrectionReason, MergeReason, Relation, Role
from casetrail.domain.intake import OffenceAlleged
from casetrail.domain.investigation import OWN_CASE
from casetrail.domain.parties import LEADERS, UNIT
from casetrail.domain.rules import rule
from casetrail.domain.sealed import SealedField, Token
from casetrail.domain.status import REPORTED, UNMERGED
from casetrail.domain.values import Id

SELF_REFERENCE: Final = rule(
    "same-case", "A case is not merged into itself, nor linked with itself.", binds_imported=True
)
NO_SUCH_FACT: Final = rule(
    "no-such-fact", "A correction names the number of an accepted event of this case.", binds_imported=True
)
NOTHING_CORRECTED: Final = rule("nothing-corrected", "A correction says what is right.", binds_imported=True)
CORRECTION_DOES_NOT_FIT: Final = rule(
    "correction-does-not-fit", "Offences and immediate danger are facts of the report: correct the ReportReceived event.",
    binds_imported=True,
)  # fmt: skip


@dataclass(frozen=True)
class Merged(Body):
    """The case goes on under the id of another. It can be linked and reopened; partners and alarms are heard in it still."""

    into: Id
    reason: MergeReason

    roles: ClassVar = LEADERS
    when: ClassVar = UNMERGED

    def check(self, case: Case, action: Action) -> None:
        SELF_REFERENCE.require(self.into != case.id, action)
        OWN_CASE.require(action.actor.id != case.facts.holder, action)

    def apply(self, case: Case, action: Action) -> None:
        case.facts.merged_into = self.into


@dataclass(frozen=True)
class Linked(Body):
    """The case belongs together with another one."""

    other: Id
    relation: Relation

    roles: ClassVar = UNIT | {Role.REGISTRAR, Role.SYSTEM}
    when: ClassVar = REPORTED

    def check(self, case: Case, action: Action) -> None:
        SELF_REFERENCE.require(self.other != case.id, action)

    def apply(self, case: Case, action: Action) -> None:
        if self.other not in case.facts.links:
            case.facts.links += (self.other,)


@dataclass(frozen=True)
class FactCorrected(Body):
    """An earlier event, named by its number in the case, was wrong; this is right. The earlier one stays as it is.

    ``happened_at`` (UTC) corrects when it happened. A corrected time of receipt moves the case's clocks only to an
    earlier start: a correction cannot be used to gain time. Persons and addresses that are sealed in it have ``tokens`` as
    those of a report have, so that a child who is identified only later is recognised from then on.
    """

    corrects: int
    reason: CorrectionReason
    offences: tuple[OffenceAlleged, ...] | None = None
    immediate_danger: bool | None = None
    happened_at: datetime | None = None
    sealed: tuple[SealedField, ...] = ()
    tokens: tuple[Token, ...] | None = None

    roles: ClassVar = UNIT | {Role.REGISTRAR}
    when: ClassVar = UNMERGED

    def check(self, case: Case, action: Action) -> None:
        NO_SUCH_FACT.require(case.is_fact(self.corrects), action)
        of_report = bool(self.offences) or self.immediate_danger is not None
        NOTHING_CORRECTED.require(of_report or self.happened_at is not None or len(self.sealed) > 0, action)
        CORRECTION_DOES_NOT_FIT.require(not of_report or self._corrects_report(case), action)

    def apply(self, case: Case, action: Action) -> None:
        if not self._corrects_report(case):
            return
        facts = case.facts
        if self.offences:
            facts.offences = tuple(offence.code for offence in self.offences)
        if self.immediate_danger is not None:
            facts.immediate_danger = self.immediate_danger
        if self.happened_at is not None and facts.received_at is not None:
            facts.received_at = min(facts.received_at, self.happened_at)

    def _corrects_report(self, case: Case) -> bool:
        return case.is_fact(self.corrects) and case.kinds[self.corrects - 1] == "ReportReceived"
