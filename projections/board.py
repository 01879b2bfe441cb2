"""Questions of a shift to the views: how much is owed, who holds what, which alarms are on the record, which machines are heard."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from casetrail.domain.actions import Body
from casetrail.domain.escalation import DeadlineMissed, Escalated, EscalationAnswered
from casetrail.eventlog.codec import decode_event
from casetrail.projections.database import Database, in_parts, marks
from casetrail.projections.judgement_queries import STATE, judged_up_to
from casetrail.projections.queries import Answer, at_micros, micros
from casetrail.projections.tables import application_name

CLOCKS: Final = ("number", "clock", "subject", "state", "started_at", "due_at", "ended_at", "owed_by")
ALARMS: Final = (DeadlineMissed.__name__, Escalated.__name__, EscalationAnswered.__name__)


def count_owed(database: Database, now: datetime, unit: str | None, agency: str | None) -> tuple[int, int]:
    """How many clocks are overdue, and how many are owed and not overdue."""
    where, values = _of("clock", unit, agency)
    rows = database.rows(
        "SELECT count(*), sum(CASE WHEN due_at < ? THEN 1 ELSE 0 END) FROM clock "  # noqa: S608  (fixed names)
        f"WHERE ended_at IS NULL{where}",
        [micros(now), *values],
    )
    late = int(rows[0][1] or 0)
    return late, rows[0][0] - late


def who_holds(database: Database, now: datetime, unit: str | None, agency: str | None) -> Answer:
    """Who holds how many open cases, in how many of them something is overdue, and when something is due next.

    What nobody holds (``holder`` is None) comes first, then whoever holds most.
    """
    where, values = _of("case_status", unit, agency)
    owed: dict[str | None, tuple[int, int | None]] = {
        holder: (late, at)
        for holder, late, at in database.rows(
            "SELECT holder, count(DISTINCT CASE WHEN clock.due_at < ? THEN clock.case_id END), "  # noqa: S608
            "min(CASE WHEN clock.due_at >= ? THEN clock.due_at END) FROM clock "
            "JOIN case_status ON case_status.case_id = clock.case_id "
            f"WHERE clock.ended_at IS NULL AND is_open = 1{where} GROUP BY holder",
            [micros(now), micros(now), *values],
        )
    }
    rows = database.rows(
        "SELECT holder, count(*), CAST(sum(CASE WHEN status = 'suspended' THEN 1 ELSE 0 END) AS BIGINT) "  # noqa: S608
        f"FROM case_status WHERE is_open = 1{where} GROUP BY holder ORDER BY 2 DESC, holder",
        values,
    )
    found = []
    for holder, count, suspended in sorted(rows, key=lambda row: row[0] is not None):
        late, at = owed.get(holder, (0, None))
        found.append(
            {
                "holder": holder,
                "open_cases": count,
                "suspended": suspended,
                "overdue": late,
                "next_due_at": at_micros(at),
            }
        )
    return found


def units(database: Database) -> list[str]:
    """The units that have open cases: those first that have most."""
    rows = database.rows(
        "SELECT unit FROM case_status WHERE is_open = 1 AND unit <> '' GROUP BY unit ORDER BY count(*) DESC, unit"
    )
    return [unit for (unit,) in rows]


def alarms(database: Database, case_ids: Iterable[str]) -> dict[str, list[tuple[Body, datetime]]]:
    """What is recorded of missed deadlines of these cases, in order; each with when it was said to have happened."""
    found: defaultdict[str, list[tuple[Body, datetime]]] = defaultdict(list)
    for some in in_parts(sorted(set(case_ids))):
        for case_id, value in database.rows(
            f"SELECT case_id, event FROM timeline WHERE case_id IN ({marks(some)}) AND kind IN ({marks(ALARMS)}) "  # noqa: S608
            "ORDER BY case_id, number",
            [*some, *ALARMS],
        ):
            event = decode_event(bytes(value))
            if event.occurred_at is not None:
                found[case_id].append((event.body, event.occurred_at))
    return found


def clocks_of(database: Database, case_id: str, now: datetime) -> Answer:
    """Every run of every clock of a case, by due time."""
    names = ", ".join(STATE if name == "state" else name for name in CLOCKS).replace(":now", str(micros(now)))
    rows = database.rows(f"SELECT {names} FROM clock WHERE case_id = ? ORDER BY number", (case_id,))  # noqa: S608
    return [
        {name: at_micros(value) if name.endswith("_at") else value for name, value in zip(CLOCKS, row, strict=True)}
        for row in rows
    ]


def heard_until(database: Database) -> dict[str, datetime]:
    """By kind of machine, until when the last heartbeat said that it would be heard again. One never heard is not there."""
    rows = database.rows("SELECT kind, max(until) FROM beating GROUP BY kind ORDER BY kind")
    return {kind: at for kind, until in rows if (at := at_micros(until)) is not None}


def log_name(database: Database) -> str:
    """The name of the log that the views are of."""
    rows = database.rows("SELECT value FROM form WHERE name = 'log'")
    return str(rows[0][0]) if rows else ""


def taken_in(database: Database, log: str) -> dict[int, int]:
    """By partition, the offset before which the views, and what is judged beside them, have taken in all events."""
    judged = judged_up_to(database, log)
    seen: dict[str, int] = dict(database.rows("SELECT application_name, notification_id FROM tracking"))
    return {partition: min(at, seen.get(application_name(log, partition), 0)) for partition, at in judged.items()}


def _of(table: str, unit: str | None, agency: str | None) -> tuple[str, list[Any]]:
    some = [(name, value) for name, value in (("unit", unit), ("agency", agency)) if value is not None]
    return "".join(f" AND {table}.{name} = ?" for name, _ in some), [value for _, value in some]
