"""What the registry knows: which agencies there are, and who works where."""

from dataclasses import dataclass, field
from datetime import datetime

from casetrail.domain.codes import AgencyKind, Role


@dataclass
class Person:
    """Somebody who can act, by id. ``unit``: None where the agency has none.

    ``joined_at`` is since when they have been in this unit. ``left_at``: when they left the agency, if they did.
    ``former``: units of the agency that they have left, and when. All UTC.
    """

    agency: str
    unit: str | None
    role: Role
    joined_at: datetime
    left_at: datetime | None = None
    former: dict[str, datetime] = field(default_factory=dict)

    def left_unit(self, unit: str) -> datetime | None:
        """When they stopped working in a unit, as far as is known; None where they work there, or never did."""
        if self.unit == unit:
            return self.left_at
        return self.former.get(unit)


@dataclass
class RegistryFacts:
    """Agencies and people by id, and how many policies have been adopted."""

    agencies: dict[str, AgencyKind] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    policies: int = 0

    def left(self, holder: str, unit: str, assigned_at: datetime) -> datetime | None:
        """When the holder of a case of ``unit``, assigned then, has left the unit; None where they have not."""
        person = self.people.get(holder)
        left_at = None if person is None else person.left_unit(unit)
        return left_at if left_at is not None and left_at >= assigned_at else None
