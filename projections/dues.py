"""All that is owed in one case: by the clocks that are judged, else by the usual limits."""

from datetime import datetime
from typing import Final

from casetrail.projections.database import Database, has_judgements
from casetrail.projections.judgement_queries import STATE
from casetrail.projections.queries import Answer, at_micros, folded, micros

DUES: Final = ("clock", "subject", "owed_by", "due_at", "state")


def dues(database: Database, case_id: str, now: datetime) -> Answer:
    """What is owed in a case, the most urgent first; ``subject``: the referral or concern that it is owed for."""
    return _by_clocks(database, case_id, now) if has_judgements(database) else _by_usual_limits(database, case_id, now)


def _by_clocks(database: Database, case_id: str, now: datetime) -> Answer:
    rows = database.rows(
        f"SELECT clock, subject, owed_by, due_at, {STATE.replace(':now', str(micros(now)))} FROM clock "  # noqa: S608
        "WHERE case_id = ? AND ended_at IS NULL ORDER BY due_at, clock, number",
        (case_id,),
    )
    return [dict(zip(DUES, (*row[:3], at_micros(row[3]), row[4]), strict=True)) for row in rows]


def _by_usual_limits(database: Database, case_id: str, now: datetime) -> Answer:
    """These are limits of the whole case: none is paused, and none names what it is owed for."""
    from casetrail.domain.due import dues as usual
    from casetrail.domain.memory import load_case

    state = folded(database, case_id)
    return [
        {
            "clock": due.kind.value,
            "subject": None,
            "owed_by": due.owed_by,
            "due_at": due.at,
            "state": "missed" if now > due.at else "running",
        }
        for due in (usual(load_case(case_id, state)) if state else ())
    ]
