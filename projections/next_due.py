"""What is due next in cases, and who owes it: by the clocks that are judged, where they are kept beside the views.

Of the runs of a case's clocks that have not ended, the one that is due first is due next, whether it goes on, rests or is
missed. So the lists of cases agree with ``due`` and ``overdue``, which list the same runs. Views without judgements know of no
adopted policy: there it stands in the rows of the cases, by the usual limits of ``domain.due``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from casetrail.projections.database import Database, has_judgements, marks

MANY: Final = 50_000
"""From so many cases on, they are no longer looked up one by one: all are gone through until enough fit."""
FIRST_CASES: Final = 5_001
"""So many cases are tried where those are asked for that come first by what is due: mostly enough of them fit. A list of 5,000 asks for one more."""


class NextDue(NamedTuple):
    """Where what is due next is found: the tables, the columns of what the tables of cases have not, and its time alone."""

    tables: str
    columns: Mapping[str, str]
    at: str

    def selected(self, *names: str) -> str:
        """Fields of cases, for a statement."""
        return ", ".join(self.columns.get(name, f"case_status.{name}") for name in names)


BY_USUAL_LIMITS: Final = NextDue("case_status", {"clock": "case_status.due"}, "case_status.due_at")
BY_CLOCKS: Final = NextDue(
    "case_status LEFT JOIN owing ON owing.case_id = case_status.case_id",
    {"clock": "owing.due", "owed_by": "owing.owed_by", "due_at": "owing.due_at"},
    "(SELECT owing.due_at FROM owing WHERE owing.case_id = case_status.case_id)",
)


def next_due(database: Database) -> NextDue:
    """Where these views say what is due next."""
    return BY_CLOCKS if has_judgements(database) else BY_USUAL_LIMITS


def cases_overdue(database: Database, at: int, status: Sequence[str] = ()) -> tuple[str, list[Any]] | None:
    """A query for the cases in which something was due before ``at``, and its values; None where they are too many.

    ``status``: those of some status only; of some there are few, and going through all cases for them takes long. Where
    events wait to be judged, a status may not be the one that a case was judged at: it is left to who asks.
    """
    which, values = "due_at < ?", list[Any]([at])
    if status and not _is_behind(database):
        which += f" AND status IN ({marks(status)})"
        values += status
    ((count,),) = database.rows(
        f"SELECT count(*) FROM (SELECT 1 AS one FROM owing WHERE {which} LIMIT {MANY}) AS found", values  # noqa: S608
    )  # fmt: skip
    return (f"SELECT case_id FROM owing WHERE {which}", values) if count < MANY else None  # noqa: S608


def _is_behind(database: Database) -> bool:
    """Whether there are events in the views that have not been judged yet."""
    ((waiting,),) = database.rows(
        "SELECT count(*) FROM tracking LEFT JOIN judged ON judged.application_name = tracking.application_name "
        "WHERE judged.notification_id IS NULL OR judged.notification_id < tracking.notification_id"
    )
    return bool(waiting)


def cases_first(descending: bool) -> str:
    """A query for the cases that come first by when something is due next, the latest first where that is asked for."""
    order = "due_at DESC" if descending else "due_at"
    return f"SELECT case_id FROM owing WHERE due_at IS NOT NULL ORDER BY {order}, case_id LIMIT {FIRST_CASES}"  # noqa: S608
