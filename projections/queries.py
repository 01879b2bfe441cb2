"""Questions to the views. Every answer is a list of plain rows with stable names; times are aware and in UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from casetrail.domain.reserved import MACHINES, REGISTRY
from casetrail.domain.status import Status
from casetrail.domain.values import EPOCH
from casetrail.projections.database import Database, marks
from casetrail.projections.held import HELD_BY, held_by
from casetrail.projections.next_due import BY_CLOCKS, FIRST_CASES, NextDue, cases_first, cases_overdue, next_due

MICROSECOND: Final = timedelta(microseconds=1)

CASE_FIELDS: Final = (
    "case_id", "status", "holder", "unit", "agency", "offences", "received_at", "last_act_at", "contacts", "steps",
    "clock", "owed_by", "due_at",
)  # fmt: skip
CASE_DETAILS: Final = (
    "case_id", "status", "report_number", "channel", "reported_in", "agency", "unit", "holder", "offences",
    "immediate_danger", "received_at", "screened_at", "assigned_at", "acknowledged_at", "free_since",
    "first_contact_at", "last_contact_at", "last_act_at", "reviewed_at", "suspended_until", "closed_at", "disposition",
    "clearance", "merged_into", "contacts", "contact_attempts", "steps", "handovers", "reopenings", "refused",
    "events", "last_occurred_at", "last_recorded_at", "clock", "owed_by", "due_at", "imported", "partition", "last_hash",
)  # fmt: skip
SORTS: Final = {
    "received": "received_at",
    "due": "due_at",  # of whatever says what is due next
    "act": "last_act_at",
    "recorded": "last_recorded_at",
    "case": "case_status.case_id",
}
IN_INDEX: Final = {"case": "case_status.case_id || ''"}
"""Where only some cases are asked for: else the order of the key is followed, case by case, and the index is not used."""
OFTEN_MISSING: Final = frozenset({"due", "act"})
OPEN: Final = "is_open + 0 = 1"
"""Not ``is_open = 1``: that would bring in the index for ``holds``, which has only some of what is asked for here."""
RESERVED: Final = f"(case_id = '{REGISTRY}' OR substr(case_id, 1, {len(MACHINES)}) = '{MACHINES}')"
"""What stands under a reserved key is the history of no case."""
MEASURES: Final = ("received", "screened_in", "screened_out", "assigned", "contacted", "worked", "closed")

Answer = list[dict[str, Any]]


@dataclass(frozen=True)
class CaseFilter:
    """Which cases to list. What is left as it is does not restrict."""

    status: Sequence[str] = ()
    offence_bits: int = 0
    holder: str | None = None
    nobody: bool = False
    unit: str | None = None
    agency: str | None = None
    open_only: bool = False
    received_after: datetime | None = None
    received_before: datetime | None = None
    quiet_since: datetime | None = None
    overdue_at: datetime | None = None
    sort: str = "received"
    descending: bool = False
    limit: int = 50
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def asks_for_unreported(self) -> bool:
        """Whether submissions that belong to no reported case are listed too: only where that is asked for by status."""
        return Status.UNREPORTED in self.status

    def conditions(self) -> list[tuple[str, list[Any]]]:
        """The conditions, each with its values; that something is overdue is not among them."""
        which = f"NOT {RESERVED}" if self.asks_for_unreported else "received_at IS NOT NULL"
        found: list[tuple[str, list[Any]]] = [(which, [])]
        if self.status:
            found.append((f"status IN ({marks(self.status)})", list(self.status)))
        if self.offence_bits:
            found.append(("(offence_bits & ?) <> 0", [self.offence_bits]))
        for name in ("holder", "unit", "agency"):
            if (value := getattr(self, name)) is not None:
                found.append((f"{name} = ?", [value]))
        if self.nobody:
            found.append((f"holder IS NULL AND {OPEN}", []))
        if self.open_only:
            found.append((OPEN, []))
        for sign, moment in ((">=", self.received_after), ("<", self.received_before)):
            if moment is not None:
                found.append((f"received_at {sign} ?", [micros(moment)]))
        if self.quiet_since is not None:
            quiet = f"{OPEN} AND (last_act_at < ? OR (last_act_at IS NULL AND received_at < ?))"
            found.append((quiet, [micros(self.quiet_since)] * 2))
        return found


@dataclass(frozen=True)
class IntakeFilter:
    """Which intake counts to give. What is empty or None does not restrict.

    ``since`` and ``until``: the first and the last month of receipt (``YYYY-MM``, UTC), both included.
    """

    since: str | None = None
    until: str | None = None
    unit: str | None = None
    offences: Sequence[str] = ()

    def conditions(self) -> list[tuple[str, list[Any]]]:
        """The conditions, each with its values."""
        given = (("month >= ?", self.since), ("month <= ?", self.until), ("unit = ?", self.unit))
        found: list[tuple[str, list[Any]]] = [(text, [value]) for text, value in given if value is not None]
        if self.offences:
            found.append((f"offence IN ({marks(self.offences)})", [*self.offences]))
        return found


def micros(moment: datetime) -> int:
    """Microseconds since 1970, UTC."""
    return (moment - EPOCH) // MICROSECOND


def at_micros(found: int | None) -> datetime | None:
    """The moment so many microseconds after 1970, UTC."""
    return None if found is None else EPOCH + found * MICROSECOND


def _rows(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Answer:
    return [{name: _typed(name, value) for name, value in zip(names, row, strict=True)} for row in rows]


def _typed(name: str, value: Any) -> Any:
    if name.endswith("_at") or name in ("free_since", "suspended_until"):
        return at_micros(value)
    if name in ("immediate_danger", "imported", "acute"):
        return bool(value)
    if name.endswith("_hash"):
        return bytes(value).hex()
    if name == "offences":
        return value.split(",") if value else []
    return value


ALL_INTAKE: Final = IntakeFilter()


def cases(database: Database, which: CaseFilter) -> Answer:
    """The cases that fit a filter.

    They are found in an index that has all that can be asked for, and only then read: so no filter and no order costs
    more than going through that index once (a tenth of a second for a million cases). What is due next stands in
    another table where clocks are judged: there, those are tried first that come first by it.
    """
    due = next_due(database)
    conditions = which.conditions()
    if which.overdue_at is not None:
        conditions.append(_overdue(database, due, micros(which.overdue_at), which.status))
    if due is BY_CLOCKS and which.sort == "due" and which.limit <= FIRST_CASES:
        found = _listed(database, which, due, [*conditions, (f"case_id IN ({cases_first(which.descending)})", [])])
        if len(found) == which.limit:
            return found
    return _listed(database, which, due, conditions)


def _overdue(database: Database, due: NextDue, at: int, status: Sequence[str]) -> tuple[str, list[Any]]:
    some = cases_overdue(database, at, status) if due is BY_CLOCKS else None
    return (f"{due.at} < ?", [at]) if some is None else (f"case_id IN ({some[0]})", some[1])


def _listed(database: Database, which: CaseFilter, due: NextDue, conditions: Sequence[tuple[str, list[Any]]]) -> Answer:
    where = " AND ".join(text for text, _ in conditions)
    values = [value for _, some in conditions for value in some]
    column = SORTS[which.sort] if len(conditions) == 1 else IN_INDEX.get(which.sort, SORTS[which.sort])
    inner, outer = (due.at, due.columns.get(column, column)) if which.sort == "due" else (column, column)
    order = " DESC" if which.descending else ""
    if (
        which.sort in OFTEN_MISSING or which.asks_for_unreported
    ):  # the two databases differ; elsewhere it costs an index
        order += " NULLS LAST"
    found = f"SELECT case_id FROM case_status WHERE {where} ORDER BY {inner}{order}, case_id LIMIT ?"  # noqa: S608
    statement = (
        f"SELECT {due.selected(*CASE_FIELDS)} FROM {due.tables} WHERE case_status.case_id IN ({found}) "  # noqa: S608
        f"ORDER BY {outer}{order}, case_status.case_id"
    )
    return _rows(CASE_FIELDS, database.rows(statement, [*values, which.limit]))


def case(database: Database, case_id: str) -> dict[str, Any] | None:
    """All that the views know of one case; None where they know no such case."""
    due = next_due(database)
    statement = f"SELECT {due.selected(*CASE_DETAILS)} FROM {due.tables} WHERE case_status.case_id = ?"  # noqa: S608
    found = _rows(CASE_DETAILS, database.rows(statement, (case_id,)))
    return found[0] if found else None


def folded(database: Database, case_id: str) -> str | None:
    """The folded case as ``domain.memory`` text."""
    rows = database.rows("SELECT state FROM case_status WHERE case_id = ?", (case_id,))
    return rows[0][0] if rows else None


def timeline(database: Database, case_id: str) -> list[tuple[int, int, bytes]]:
    """The events of a case in their order: partition, offset and the stored bytes of each."""
    rows = database.rows(
        "SELECT partition, event_offset, event FROM timeline WHERE case_id = ? ORDER BY number", (case_id,)
    )
    return [(partition, offset, bytes(event)) for partition, offset, event in rows]


def cases_with(database: Database, kind: str) -> list[str]:
    """The cases that have an event of a kind. The whole timeline is looked at."""
    rows = database.rows("SELECT DISTINCT case_id FROM timeline WHERE kind = ? ORDER BY case_id", (kind,))
    return [case_id for (case_id,) in rows]


def reserved(database: Database) -> list[str]:
    """The ids of the histories of no case: the registry's and machines'."""
    rows = database.rows(f"SELECT case_id FROM case_status WHERE {RESERVED} ORDER BY case_id")  # noqa: S608
    return [case_id for (case_id,) in rows]


def holds(database: Database, by: str, now: datetime) -> Answer:
    """Who holds how many open cases: by ``holder`` (``None``: held by nobody), ``unit`` or ``agency``.

    ``overdue``: in how many of them something is. ``first_due_at``: when something is, or was, due first.
    """
    if by not in HELD_BY:
        raise ValueError(f"held by one of {', '.join(HELD_BY)}")
    names = (by, "open_cases", "suspended", "overdue", "first_due_at")
    return _rows(names, [(name, *counts) for name, counts in held_by(database, by, micros(now)).items()])


def referrals(database: Database, agency: str | None, states: Sequence[str], limit: int) -> Answer:
    """Referrals, by the partner agency that was asked."""
    names = ("case_id", "referral", "service", "from_agency", "to_agency", "acute", "state", "made_at", "answered_at",
             "ended_at")  # fmt: skip
    conditions, values = ["1 = 1"], list[Any]()
    if agency is not None:
        conditions.append("to_agency = ?")
        values.append(agency)
    if states:
        conditions.append(f"state IN ({marks(states)})")
        values += states
    statement = (
        f"SELECT {', '.join(names)} FROM referral WHERE {' AND '.join(conditions)} "  # noqa: S608  (fixed names)
        "ORDER BY made_at, case_id, referral LIMIT ?"
    )
    return _rows(names, database.rows(statement, [*values, limit]))


def intake(database: Database, which: IntakeFilter = ALL_INTAKE) -> Answer:
    """Intake counts by month, unit and first offence, one column a measure."""
    conditions = which.conditions()
    where = f"WHERE {' AND '.join(text for text, _ in conditions)} " if conditions else ""
    counts = ", ".join(
        f"CAST(sum(CASE measure WHEN '{one}' THEN cases ELSE 0 END) AS BIGINT) AS {one}" for one in MEASURES
    )
    statement = (
        f"SELECT month, unit, offence, {counts} FROM intake {where}"  # noqa: S608  (fixed names)
        "GROUP BY month, unit, offence ORDER BY month, unit, offence"
    )
    values = [value for _, some in conditions for value in some]
    return _rows(("month", "unit", "offence", *MEASURES), database.rows(statement, values))


def statuses(database: Database) -> Answer:
    """How many cases stand at each status."""
    rows = database.rows(
        f"SELECT status, count(*) FROM case_status "  # noqa: S608  (fixed names)
        f"WHERE events > 0 AND (status <> '{Status.UNREPORTED}' OR NOT {RESERVED}) GROUP BY status ORDER BY 2 DESC, 1"
    )
    return _rows(("status", "cases"), rows)
