"""What the registry knows: which agencies there are, and who works where."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from casetrail.domain.codes import AgencyKind, Level, Role

AT_DESKS: Final = {
    Level.HOLDER: frozenset({Role.INTAKE, Role.INVESTIGATOR}),
    Level.SUPERVISOR: frozenset({Role.SUPERVISOR}),
    Level.COMMANDER: frozenset({Role.COMMANDER}),
}
"""In which roles people are told at the levels of a unit."""


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

    def untold(self, agency: str, levels: Collection[Level]) -> list[Level]:
        """At which of these levels nobody is known who could be told of what an agency has missed.

        Where nobody of the agency is registered, its desks are taken to have somebody: whom the registry does not know is
        taken at their word.
        """
        roles = {one.role for one in self.people.values() if one.agency == agency and one.left_at is None}
        others = {kind for name, kind in self.agencies.items() if name != agency}
        told = {level for level, some in AT_DESKS.items() if not roles or not some.isdisjoint(roles)}
        told |= {Level.PARTNERS} if others - {AgencyKind.OVERSIGHT} else set()
        told |= {Level.OVERSIGHT} if AgencyKind.OVERSIGHT in self.agencies.values() else set()
        return [level for level in Level if level in levels and level not in told]
