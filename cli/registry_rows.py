"""The registry as rows with stable names."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from casetrail.domain.case import Case, Recorded
from casetrail.domain.codes import Role
from casetrail.domain.registry import REGISTRY, registry_of
from casetrail.domain.registry_facts import RegistryFacts

COUNTED: Final = (Role.INTAKE, Role.INVESTIGATOR, Role.SUPERVISOR, Role.COMMANDER)
COLUMNS: Final = {
    "person": ("person", "agency", "unit", "role", "since", "left_at"),
    "unit": ("agency", "unit", "people", *(f"{role}s" for role in COUNTED), "left"),
    "agency": ("agency", "kind", "units", "people", "left"),
}

Row = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """Which rows. What is left as it is does not restrict."""

    agency: str | None = None
    unit: str | None = None
    left: bool = False


def folded_registry(events: Iterable[Recorded]) -> Case:
    """The registry's history, folded."""
    case = Case.unreported(REGISTRY)
    for event in events:
        event.mutate(case)
    return case


def rows(events: Iterable[Recorded], by: str, wanted: Wanted) -> list[Row]:
    """The registry by ``person``, ``unit`` or ``agency``, sorted by that."""
    facts = registry_of(folded_registry(events))
    people = [row for row in _people(facts) if _fits(row, wanted)]
    if by == "person":
        return people
    if by == "unit":
        places = sorted({(row["agency"], row["unit"]) for row in people if row["unit"] is not None})
        return [_unit(agency, unit, people) for agency, unit in places]
    return [_agency(facts, agency, people) for agency in sorted(facts.agencies) if wanted.agency in (None, agency)]


def _people(facts: RegistryFacts) -> list[Row]:
    found = []
    for name, it in sorted(facts.people.items()):
        who = {"person": name, "agency": it.agency}
        found.append({**who, "unit": it.unit, "role": it.role.value, "since": it.joined_at, "left_at": it.left_at})
        for former, left_at in sorted(it.former.items()):
            agency, _, unit = former.partition("/")
            where = {"person": name, "agency": agency, "unit": unit or None}
            found.append({**where, "role": None, "since": None, "left_at": left_at})
    return found


def _fits(row: Row, wanted: Wanted) -> bool:
    is_there = wanted.agency in (None, row["agency"]) and wanted.unit in (None, row["unit"])
    return is_there and (not wanted.left or row["left_at"] is not None)


def _unit(agency: str, unit: str, people: list[Row]) -> Row:
    here = [row for row in people if (row["agency"], row["unit"]) == (agency, unit)]
    roles = Counter(row["role"] for row in here if row["left_at"] is None)
    counts = {f"{role}s": roles[role.value] for role in COUNTED}
    return {"agency": agency, "unit": unit, "people": roles.total(), **counts, "left": len(here) - roles.total()}


def _agency(facts: RegistryFacts, agency: str, people: list[Row]) -> Row:
    here = [row for row in people if row["agency"] == agency and row["role"] is not None]
    working = [row for row in here if row["left_at"] is None]
    units = sorted({row["unit"] for row in working if row["unit"] is not None})
    kind = facts.agencies[agency].value
    return {"agency": agency, "kind": kind, "units": units, "people": len(working), "left": len(here) - len(working)}
