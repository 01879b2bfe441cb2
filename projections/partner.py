"""The partner ledger: which agency has something to do with which case, since when, and whether it may still be waiting.

It finds the cases of an agency at once. What has become of each follows from its own events and the time, so it is folded
when it is asked for, from the timeline: a page of cases at a time, whatever the log holds besides.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from casetrail.domain.case import Case
from casetrail.domain.partner_ledger import Part, entries
from casetrail.projections.database import Database
from casetrail.projections.rows import Row, micros

PAGE: Final = 200
FORGOTTEN: Final = "DELETE FROM partner_ledger WHERE case_id = ?"
"""Before a case is written anew: an imported history may take back who reported it."""

Key = tuple[str, Part, str]
"""An entry of the ledger: case, part and subject."""


@dataclass(frozen=True)
class Wanted:
    """Which entries of an agency. What is left as it is does not restrict. ``is_open``: those that may be waiting."""

    agency: str
    since: datetime | None = None
    case_id: str | None = None
    is_open: bool = False


def ledger_rows(case: Case) -> Iterable[Row]:
    """The rows of a case. Something may be owed while the case is open, or while a referral or a concern is."""
    for one in entries(case):
        may_wait = int(one.is_open or case.is_open)
        yield case.id, one.part.value, one.subject, one.agency, micros(one.sent_at), may_wait


def pages(database: Database, wanted: Wanted) -> Iterator[list[Key]]:
    """The entries that are wanted, the oldest first, a page at a time."""
    after: tuple[Any, ...] = ()
    while rows := database.rows(*_statement(wanted, after)):
        yield [(case_id, Part(part), subject) for _, case_id, part, subject in rows]
        after = rows[-1]


def _statement(wanted: Wanted, after: tuple[Any, ...]) -> tuple[str, list[Any]]:
    conditions = ["agency = ?", *(["is_open = 1"] if wanted.is_open else [])]
    values: list[Any] = [wanted.agency]
    for condition, some in (
        ("sent_at >= ?", [micros(wanted.since)] if wanted.since else []),
        ("case_id = ?", [wanted.case_id] if wanted.case_id is not None else []),
        ("(sent_at, case_id, part, subject) > (?, ?, ?, ?)", after),
    ):
        if some:
            conditions.append(condition)
            values += some
    statement = (
        f"SELECT sent_at, case_id, part, subject FROM partner_ledger WHERE {' AND '.join(conditions)} "  # noqa: S608
        f"ORDER BY sent_at, case_id, part, subject LIMIT {PAGE}"
    )
    return statement, values


def count(database: Database, agency: str) -> int:
    """How many entries an agency has."""
    found: int = database.rows("SELECT count(*) FROM partner_ledger WHERE agency = ?", (agency,))[0][0]
    return found
