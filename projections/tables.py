"""The tables of the views. The same for SQLite and PostgreSQL but for the names of types."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple


class Column(NamedTuple):
    """A column of a view: its name, and its type in SQLite and PostgreSQL (``TEXT``, ``BIGINT`` or ``BLOB``)."""

    name: str
    type: str = "TEXT"


def columns(*names: str, type: str = "TEXT") -> tuple[Column, ...]:
    """Columns of one type."""
    return tuple(Column(name, type) for name in names)


CASE_COLUMNS: Final = (
    *columns("case_id"),
    *columns("partition", "events", type="BIGINT"),
    *columns("last_hash", type="BLOB"),
    *columns("status"),
    *columns("is_open", type="BIGINT"),
    *columns("agency", "unit", "holder", "report_number", "channel", "reported_in", "offences"),
    *columns(
        "offence_bits", "immediate_danger", "received_at", "screened_at", "assigned_at", "acknowledged_at",
        "free_since", "first_contact_at", "last_contact_at", "last_act_at", "reviewed_at", "suspended_until",
        "closed_at", type="BIGINT",
    ),
    *columns("disposition", "clearance", "merged_into"),
    *columns("contacts", "contact_attempts", "steps", "handovers", "reopenings", "refused", type="BIGINT"),
    *columns("last_occurred_at", "last_recorded_at", type="BIGINT"),
    *columns("due", "owed_by"),
    *columns("due_at", "imported", type="BIGINT"),
    *columns("state"),
)  # fmt: skip

TIMELINE_COLUMNS: Final = (
    *columns("case_id"),
    *columns("number", "partition", "event_offset", type="BIGINT"),
    *columns("kind"),
    *columns("recorded_at", type="BIGINT"),
    *columns("event", type="BLOB"),
)

REFERRAL_COLUMNS: Final = (
    *columns("case_id", "referral", "service", "from_agency", "to_agency"),
    *columns("acute", type="BIGINT"),
    *columns("state"),
    *columns("made_at", "answered_at", "ended_at", type="BIGINT"),
)

PARTNER_LEDGER_COLUMNS: Final = (
    *columns("case_id", "part", "subject", "agency"),
    *columns("sent_at", "is_open", type="BIGINT"),
)

INTAKE_COLUMNS: Final = (
    *columns("month", "unit", "offence", "measure"),
    *columns("cases", type="BIGINT"),
)

OUTCOME_COLUMNS: Final = (
    *columns("partition", type="BIGINT"),
    *columns("outcome"),
    *columns("events", type="BIGINT"),
)

VIEW_FORM: Final = "7"
"""Raise it when a table or an index changes, or what a case remembers (``MEMORY``): a view of an older form is rebuilt."""


class Table(NamedTuple):
    """A table: its columns, its primary key, its other indexes (each a list of columns, with a condition or '')."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, str, str], ...] = ()  # name, columns, condition

    @property
    def column_names(self) -> str:
        """The columns, for a statement."""
        return ", ".join(column.name for column in self.columns)

    def create(self, types: Mapping[str, str], *, with_key: bool = True) -> str:
        """The statement that creates it, where ``types`` are the database's own names of types, if it has any."""
        columns = [f"{column.name} {types.get(column.type, column.type)}" for column in self.columns]
        if with_key:
            columns.append(f"PRIMARY KEY ({', '.join(self.key)})")
        return f"CREATE TABLE {self.name} ({', '.join(columns)})"

    def create_indexes(self, *, with_key: bool = False) -> Iterable[str]:
        """The statements that create its indexes, the key's too where the table was created without it."""
        if with_key:
            yield f"CREATE UNIQUE INDEX {self.name}_key ON {self.name} ({', '.join(self.key)})"
        for name, columns, condition in self.indexes:
            where = f" WHERE {condition}" if condition else ""
            yield f"CREATE INDEX {name} ON {self.name} ({columns}){where}"

    def insert(self, rows: int = 1) -> str:
        """The statement that writes new rows, so many at once."""
        marks = f"({', '.join('?' * len(self.columns))})"
        return f"INSERT INTO {self.name} VALUES {', '.join([marks] * rows)}"  # noqa: S608  (a fixed name)

    def upsert(self) -> str:
        """The statement that writes a row, whether it is there or not."""
        marks = ", ".join("?" * len(self.columns))
        names = [column.name for column in self.columns if column.name not in self.key]
        changes = ", ".join(f"{name} = excluded.{name}" for name in names)
        return (
            f"INSERT INTO {self.name} ({self.column_names}) VALUES ({marks}) "  # noqa: S608  (fixed names)
            f"ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {changes}"
        )

    def add(self, counted: str) -> str:
        """The statement that adds to a counting column, from nothing where there is no row."""
        marks = ", ".join("?" * len(self.columns))
        return (
            f"INSERT INTO {self.name} ({self.column_names}) VALUES ({marks}) "  # noqa: S608  (fixed names)
            f"ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {counted} = {self.name}.{counted} + excluded.{counted}"
        )

    def remove(self, *columns: str) -> str:
        """The statement that deletes the row with this key, if these columns have the values given after the key."""
        where = " AND ".join(f"{name} = ?" for name in (*self.key, *columns))
        return f"DELETE FROM {self.name} WHERE {where}"  # noqa: S608  (fixed names)


CASE_STATUS: Final = Table(
    "case_status",
    CASE_COLUMNS,
    ("case_id",),
    (
        # all that lists of cases are filtered and sorted by: the rows themselves are wide, and read only for the answer
        (
            "case_by_receipt",
            "received_at, status, offence_bits, holder, unit, agency, is_open, due_at, last_act_at, last_recorded_at, "
            "case_id",
            "",
        ),
        ("case_by_holder", "holder, unit, agency, status, due_at, is_open", "is_open = 1"),
        # for counting alone, whose statement has the condition: a list would go by it to every wide row of a status
        ("case_by_status", "status, case_id, events", "events > 0"),
    ),
)
TIMELINE: Final = Table("timeline", TIMELINE_COLUMNS, ("case_id", "number"))
REFERRALS: Final = Table(
    "referral",
    REFERRAL_COLUMNS,
    ("case_id", "referral"),
    (("referral_by_time", "made_at, case_id, referral, to_agency, state", ""),),
)
PARTNER_LEDGER: Final = Table(
    "partner_ledger",
    PARTNER_LEDGER_COLUMNS,
    ("case_id", "part", "subject"),
    (
        ("ledger_by_agency", "agency, sent_at, case_id, part, subject", ""),
        ("ledger_open", "agency, sent_at, case_id, part, subject", "is_open = 1"),
    ),
)
INTAKE: Final = Table("intake", INTAKE_COLUMNS, ("month", "unit", "offence", "measure"))
OUTCOMES: Final = Table("outcome", OUTCOME_COLUMNS, ("partition", "outcome"))
TRACKING: Final = Table(
    "tracking", (Column("application_name"), Column("notification_id", "BIGINT")), ("application_name",)
)
FORM: Final = Table("form", (Column("name"), Column("value")), ("name",))

TABLES: Final[Sequence[Table]] = (CASE_STATUS, TIMELINE, REFERRALS, PARTNER_LEDGER, INTAKE, OUTCOMES, TRACKING, FORM)
BULK_TABLES: Final[Sequence[Table]] = (CASE_STATUS, TIMELINE, REFERRALS, PARTNER_LEDGER)


def application_name(log: str, partition: int) -> str:
    """The name of a partition of ``LOG.events`` as an upstream application in ``tracking``."""
    return f"{log}.events/{partition}"
