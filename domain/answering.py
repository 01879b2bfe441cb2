"""Findings on the record: who was told of one, and what somebody answered. A finding is not settled by words."""

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from casetrail.domain.actions import Action, Body
from casetrail.domain.case import Case
from casetrail.domain.codes import FindingAnswer, Level, Role
from casetrail.domain.escalation import Recipient
from casetrail.domain.parties import UNIT
from casetrail.domain.rules import rule
from casetrail.domain.sealed import SealedField
from casetrail.domain.status import REPORTED, Status
from casetrail.domain.values import Id

FINDING_ID: Final = re.compile(r"[0-9a-f]{16}")

NOT_A_FINDING: Final = rule(
    "not-a-finding",
    "A finding has an id of 16 hexadecimal digits: 'casetrail findings' lists them.",
    binds_imported=True,
)


@dataclass(frozen=True)
class FindingAnswered(Body):
    """Somebody answers a finding. One about a case stands in its history, one about people or units in the registry."""

    finding: Id
    detector: Id
    answer: FindingAnswer
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = UNIT | {Role.PARTNER, Role.AUDITOR, Role.REGISTRAR}
    when: ClassVar = REPORTED

    def check(self, case: Case, action: Action) -> None:
        NOT_A_FINDING.require(FINDING_ID.fullmatch(self.finding) is not None, action)


@dataclass(frozen=True)
class FindingTold(Body):
    """A level is told of a finding. ``told``: who that is.

    One about a case stands in its history, also where its report was refused; one about people, units or machines in the
    registry, with the one that it is about as ``subject``.
    """

    finding: Id
    detector: Id
    level: Level
    told: tuple[Recipient, ...]
    subject: Id | None = None

    roles: ClassVar = frozenset({Role.SYSTEM})
    when: ClassVar = frozenset(Status)
    makes_live: ClassVar = False  # a watchdog does not end an import that is under way

    def check(self, case: Case, action: Action) -> None:
        NOT_A_FINDING.require(FINDING_ID.fullmatch(self.finding) is not None, action)
