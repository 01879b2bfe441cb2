"""The cases that are held by somebody who has left: in truth by nobody, until they are handed over."""

from datetime import datetime
from typing import Any, Final

from casetrail.domain.memory import load_case
from casetrail.domain.registry import REGISTRY
from casetrail.domain.registry_facts import RegistryFacts
from casetrail.projections.database import Database
from casetrail.projections.queries import CaseFilter, cases, folded

LEFT: Final = ("holder", "unit", "left_at", "case_id", "status", "received_at", "assigned_at", "last_act_at", "days")
ALL: Final = 2**31 - 1


def left_behind(database: Database, now: datetime) -> list[dict[str, Any]]:
    """The open cases of everybody who had left by then, the longest left behind first; ``days`` since they left."""
    state = folded(database, REGISTRY)
    registry = None if state is None else load_case(REGISTRY, state).facts.registry
    if registry is None:
        return []
    gone = [name for name, person in registry.people.items() if person.left_at is not None or person.former]
    rows = [row for name in gone for row in _of_holder(database, registry, name, now)]
    return sorted(rows, key=lambda row: (row["left_at"], row["holder"], row["case_id"]))


def _of_holder(database: Database, registry: RegistryFacts, holder: str, now: datetime) -> list[dict[str, Any]]:
    rows = []
    for row in cases(database, CaseFilter(holder=holder, open_only=True, limit=ALL)):
        state = folded(database, row["case_id"])
        facts = load_case(row["case_id"], state or "").facts
        if facts.assigned_at is None:
            continue
        left_at = registry.left(holder, facts.unit, facts.assigned_at)
        if left_at is not None and left_at <= now:
            days = (now - left_at).days
            rows.append({**row, "left_at": left_at, "assigned_at": facts.assigned_at, "days": days})
    return rows
