"""Concerns: a partner sees that something is not followed through, and says so on the record.

A partner is heard whatever the unit has done with the case: also when it has ended, or was merged into another.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from casetrail.domain.actions import Action, Body
from casetrail.domain.case import Case, Concern
from casetrail.domain.codes import ConcernAnswer, ConcernKind, ConcernOutcome, Role
from casetrail.domain.parties import POLICE
from casetrail.domain.rules import Refused, rule
from casetrail.domain.sealed import SealedField
from casetrail.domain.status import REPORTED
from casetrail.domain.values import Id

CONCERN_EXISTS: Final = rule("concern-exists", "A concern with this id has been raised in this case already.")
NO_SUCH_CONCERN: Final = rule(
    "no-such-concern", "No concern with this id has been raised in this case.", binds_imported=True
)
CONCERN_ANSWERED: Final = rule("concern-answered", "This concern has been answered already: raise it anew.")
CONCERN_CLOSED: Final = rule("concern-closed", "This concern has been closed already: raise it anew.")
CLOSED_BY_UNIT: Final = rule("concern-closed-by-unit", "A concern is never closed by the agency that it is about.")
NOT_RAISED: Final = rule(
    "agency-did-not-raise",
    "Only the agency that raised a concern can close it, or an auditor for those with oversight.",
)


@dataclass(frozen=True)
class ConcernRaised(Body):
    """A partner agency or a reporter asks what is being done. The unit owes an answer (5 business days, practice)."""

    concern: Id
    about: ConcernKind
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = frozenset({Role.PARTNER, Role.REPORTER})
    when: ClassVar = REPORTED

    def check(self, case: Case, action: Action) -> None:
        CONCERN_EXISTS.require(self.concern not in case.facts.concerns, action)

    def apply(self, case: Case, action: Action) -> None:
        case.facts.concerns[self.concern] = Concern(action.actor.agency, action.occurred_at)


@dataclass(frozen=True)
class ConcernAnswered(Body):
    """The unit answers a concern. It stays open until those who raised it, or oversight, close it."""

    concern: Id
    answer: ConcernAnswer
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = POLICE
    when: ClassVar = REPORTED

    def check(self, case: Case, action: Action) -> None:
        concern = raised(case, self.concern)
        CONCERN_ANSWERED.require(concern.answered_at is None, action)

    def apply(self, case: Case, action: Action) -> None:
        case.facts.concerns[self.concern].answered_at = action.occurred_at


@dataclass(frozen=True)
class ConcernClosed(Body):
    """Those who raised a concern, or oversight, say how it ended. The agency that it is about cannot."""

    concern: Id
    outcome: ConcernOutcome
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = frozenset({Role.PARTNER, Role.REPORTER, Role.AUDITOR})
    when: ClassVar = REPORTED

    def check(self, case: Case, action: Action) -> None:
        concern, actor = raised(case, self.concern), action.actor
        CONCERN_CLOSED.require(concern.closed_at is None, action)
        CLOSED_BY_UNIT.require(actor.agency != case.facts.agency, action)
        NOT_RAISED.require(actor.role is Role.AUDITOR or actor.agency == concern.agency, action)

    def apply(self, case: Case, action: Action) -> None:
        case.facts.concerns[self.concern].closed_at = action.occurred_at


def raised(case: Case, concern_id: str) -> Concern:
    """The concern of that id. Raises ``Refused``."""
    concern = case.facts.concerns.get(concern_id)
    if concern is None:
        raise Refused(NO_SUCH_CONCERN, "concern")
    return concern
