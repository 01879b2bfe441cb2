"""Contact with the victim: tried, and made."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import ClassVar, Final

from casetrail.domain.actions import Action, Body
from casetrail.domain.case import Case, latest
from casetrail.domain.codes import ContactFailure, ContactMethod
from casetrail.domain.parties import UNIT
from casetrail.domain.sealed import SealedField
from casetrail.domain.status import OPEN


class Reached(Enum):
    """Whom somebody has reached who contacted a victim."""

    CHILD = auto()
    FAMILY = auto()
    NOBODY = auto()


REACHED: Final = {
    ContactMethod.IN_PERSON: Reached.CHILD,
    ContactMethod.PHONE: Reached.CHILD,
    ContactMethod.THROUGH_PARTNER: Reached.CHILD,  # of the team, for the unit (Missouri Child Welfare Manual, 5.2.5.1)
    ContactMethod.THROUGH_CAREGIVER: Reached.FAMILY,  # which is not the child, and may be the suspect
    ContactMethod.LETTER: Reached.NOBODY,  # it is an attempt
}
"""What each way of contacting a victim is worth: clocks, detectors and the public report go by it."""
UNHEARD: Final = tuple(method for method in ContactMethod if REACHED[method] is not Reached.CHILD)
"""Contacts by which nobody has heard the child."""


@dataclass(frozen=True)
class VictimContactAttempted(Body):
    """Somebody of the unit tried to reach the victim and failed. An attempt is work, but it is no contact."""

    method: ContactMethod
    failure: ContactFailure
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = UNIT
    when: ClassVar = OPEN

    def apply(self, case: Case, action: Action) -> None:
        case.facts.contact_attempts += 1
        note_act(case, action)


@dataclass(frozen=True)
class VictimContactMade(Body):
    """Somebody has contacted the victim, for the unit (RSMo 210.145: within 24 hours).

    A letter is recorded so, and is worth an attempt; to speak with the caregiver is contact with the family only.
    """

    method: ContactMethod
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = UNIT
    when: ClassVar = OPEN

    def apply(self, case: Case, action: Action) -> None:
        match REACHED[self.method]:
            case Reached.CHILD:
                note_contact(case, action)
            case Reached.NOBODY:
                case.facts.contact_attempts += 1
        note_act(case, action)


def note_contact(case: Case, action: Action) -> None:
    """Remember when the child was heard."""
    facts = case.facts
    facts.contacts += 1
    facts.first_contact_at = min(facts.first_contact_at or action.occurred_at, action.occurred_at)
    facts.last_contact_at = latest((facts.last_contact_at, action.occurred_at))


def note_act(case: Case, action: Action) -> None:
    """Remember when the unit last worked the case. Facts may be entered late, so this is not always the newest event."""
    facts = case.facts
    facts.first_act_at = min(facts.first_act_at or action.occurred_at, action.occurred_at)
    facts.last_act_at = latest((facts.last_act_at, action.occurred_at))
