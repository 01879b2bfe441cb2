"""The cases that are held by somebody who has left: in truth by nobody, until they are handed over."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from casetrail.domain.memory import load_case
from casetrail.domain.registry import REGISTRY
from casetrail.domain.registry_facts import RegistryFacts
from casetrail.domain.status import Status
from casetrail.projections.database import Database
from casetrail.projections.queries import CaseFilter, cases, folded

LEFT: Final = ("holder", "unit", "left_at", "case_id", "status", "received_at", "assigned_at", "last_act_at", "days")
ALL: Final = 2**31 - 1

Row = dict[str, Any]


def left_behind(database: Database, now: datetime) -> list[Row]:
    """The open cases of everybody who had left by then, the longest left behind first; ``days`` since they left."""
    rows = [row for some in _of_the_departed(database, now).values() for row in some if row["left_at"] is not None]
    return sorted(rows, key=lambda row: (row["left_at"], row["holder"], row["case_id"]))


def held(database: Database, rows: Iterable[Row], now: datetime) -> list[Row]:
    """What ``queries.holds`` says by holder, with what the departed hold as held by nobody."""
    found = {row["holder"]: row for row in rows}
    for holder, some in _of_the_departed(database, now).items():
        left = [row for row in some if row["left_at"] is not None]
        if not left:
            continue
        found[holder] = _counted(holder, [row for row in some if row["left_at"] is None], now)
        found[None] = _together(found.get(None) or _counted(None, [], now), _counted(None, left, now))
    kept = [row for row in found.values() if row["open_cases"]]
    return sorted(kept, key=lambda row: (-row["open_cases"], row["holder"] is not None, row["holder"] or ""))


def _counted(holder: str | None, some: Sequence[Row], now: datetime) -> Row:
    dues = [row["due_at"] for row in some if row["due_at"] is not None]
    return {
        "holder": holder,
        "open_cases": len(some),
        "suspended": sum(row["status"] == Status.SUSPENDED for row in some),
        "overdue": sum(due < now for due in dues),
        "first_due_at": min(dues, default=None),
    }


def _together(one: Row, other: Row) -> Row:
    dues = [row["first_due_at"] for row in (one, other) if row["first_due_at"] is not None]
    counts = {name: one[name] + other[name] for name in ("open_cases", "suspended", "overdue")}
    return {"holder": None, **counts, "first_due_at": min(dues, default=None)}


def _of_the_departed(database: Database, now: datetime) -> dict[str, list[Row]]:
    """The open cases of whoever has left a unit; ``left_at`` is None where the case is not one of that unit."""
    state = folded(database, REGISTRY)
    registry = None if state is None else load_case(REGISTRY, state).facts.registry
    if registry is None:
        return {}
    gone = [name for name, person in registry.people.items() if person.left_at is not None or person.former]
    return {name: _of_holder(database, registry, name, now) for name in gone}


def _of_holder(database: Database, registry: RegistryFacts, holder: str, now: datetime) -> list[Row]:
    rows = []
    for row in cases(database, CaseFilter(holder=holder, open_only=True, limit=ALL)):
        state = folded(database, row["case_id"])
        facts = load_case(row["case_id"], state or "").facts
        left_at = registry.left(holder, facts.agency, facts.unit)
        is_gone = left_at is not None and left_at <= now and facts.assigned_at is not None
        more = {"left_at": left_at if is_gone else None, "assigned_at": facts.assigned_at}
        rows.append({**row, **more, "days": (now - left_at).days if left_at is not None else None})
    return rows
