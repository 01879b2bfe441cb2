"""Contact with the victim: tried, and made."""

from dataclasses import dataclass
from typing import ClassVar

from casetrail.domain.actions import Action, Body
from casetrail.domain.case import Case, latest
from casetrail.domain.codes import ContactFailure, ContactMethod
from casetrail.domain.parties import UNIT
from casetrail.domain.sealed import SealedField
from casetrail.domain.status import OPEN


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
    """Somebody of the unit has spoken with the victim (RSMo 210.145: within 24 hours)."""

    method: ContactMethod
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = UNIT
    when: ClassVar = OPEN

    def apply(self, case: Case, action: Action) -> None:
        facts = case.facts
        facts.contacts += 1
        facts.first_contact_at = min(facts.first_contact_at or action.occurred_at, action.occurred_at)
        facts.last_contact_at = latest((facts.last_contact_at, action.occurred_at))
        note_act(case, action)


def note_act(case: Case, action: Action) -> None:
    """Remember when the unit last worked the case. Facts may be entered late, so this is not always the newest event."""
    facts = case.facts
    facts.first_act_at = min(facts.first_act_at or action.occurred_at, action.occurred_at)
    facts.last_act_at = latest((facts.last_act_at, action.occurred_at))
