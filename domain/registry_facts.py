"""What the registry knows: which agencies there are, and who works where."""

from dataclasses import dataclass, field
from datetime import datetime

from casetrail.domain.codes import AgencyKind, Role


@dataclass
class Person:
    """Somebody who can act, by id. ``unit``: None where the agency has none.

    ``joined_at`` is since when they have been in this unit. ``left_at``: when they left the agency, if they did.
    ``former``: by ``place``, what they have left and not come back to, and when. All UTC.
    """

    agency: str
    unit: str | None
    role: Role
    joined_at: datetime
    left_at: datetime | None = None
    former: dict[str, datetime] = field(default_factory=dict)

    def left_unit(self, agency: str, unit: str) -> datetime | None:
        """When they stopped working in a unit, as far as is known; None where they work there, or never did."""
        if self.agency == agency and self.unit in (None, unit):
            return self.left_at
        return self.former.get(place(agency, unit), self.former.get(place(agency, None), self.left_at))


def place(agency: str, unit: str | None) -> str:
    """A unit of an agency, or the agency where it has none: no id has a slash, and two agencies may have units of one name."""
    return f"{agency}/{unit or ''}"


@dataclass
class RegistryFacts:
    """Agencies and people by id, and how many policies have been adopted."""

    agencies: dict[str, AgencyKind] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    policies: int = 0

    def left(self, holder: str, agency: str, unit: str) -> datetime | None:
        """When the holder of a case of this unit has left it; None where they have not. It may have been assigned later."""
        person = self.people.get(holder)
        return None if person is None else person.left_unit(agency, unit)
