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
    """The registry by ``person``, ``unit`` or ``agency``, sorted by that.

    What is wanted chooses rows. A row that is chosen counts all who are, or were, in its unit or agency.
    """
    facts = registry_of(folded_registry(events))
    people = _people(facts)
    if by == "person":
        return [row for row in people if _fits(row, wanted)]
    if by == "unit":
        places = sorted({(row["agency"], row["unit"]) for row in people if row["unit"] is not None})
        found = [_unit(agency, unit, people) for agency, unit in places if _is_place(agency, unit, wanted)]
    else:
        of_unit = {row["agency"] for row in people if wanted.unit in (None, row["unit"])}
        names = [one for one in sorted(facts.agencies) if wanted.agency in (None, one)]
        found = [_agency(facts, one, people) for one in names if wanted.unit is None or one in of_unit]
    return [row for row in found if row["left"] or not wanted.left]


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
    return _is_place(row["agency"], row["unit"], wanted) and (not wanted.left or row["left_at"] is not None)


def _is_place(agency: str, unit: str | None, wanted: Wanted) -> bool:
    return wanted.agency in (None, agency) and wanted.unit in (None, unit)


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
