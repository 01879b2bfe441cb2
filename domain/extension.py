"""Extension: a decision takes longer than the law gives it, for good cause that stays on record."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from casetrail.domain.actions import Action, Body
from casetrail.domain.case import Case
from casetrail.domain.codes import ExtensionReason
from casetrail.domain.parties import LEADERS
from casetrail.domain.rules import rule
from casetrail.domain.sealed import SealedField
from casetrail.domain.status import OPEN

LONGEST_EXTENSION: Final = timedelta(days=45)

EXTENSION_PAST: Final = rule("extension-past", "A decision is extended to a date that is not past.")
EXTENSION_TOO_FAR: Final = rule(
    "extension-too-far", "A decision is extended by 45 days at most; a supervisor can extend it again then.",
    "RSMo 210.183: 45 days, with good cause 90",
)  # fmt: skip


@dataclass(frozen=True)
class DecisionExtended(Body):
    """A supervisor gives the decision time until a date (UTC), for a stated reason: good cause, documented."""

    until: datetime
    reason: ExtensionReason
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = LEADERS
    when: ClassVar = OPEN

    def check(self, case: Case, action: Action) -> None:
        EXTENSION_PAST.require(self.until > action.occurred_at, action)
        EXTENSION_TOO_FAR.require(self.until <= action.occurred_at + LONGEST_EXTENSION, action)
