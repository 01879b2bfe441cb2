"""Missed deadlines that are on the record, from the views: what was recorded of each, and who owes it now."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from casetrail.domain.case import Case, Recorded
from casetrail.domain.clocks import Deadline
from casetrail.domain.escalation import DeadlineMissed, Escalated, EscalationAnswered
from casetrail.domain.memory import load_case
from casetrail.domain.values import EPOCH
from casetrail.eventlog.codec import decode_event
from casetrail.projections.database import Database, in_parts, marks
from casetrail.projections.rows import MICROSECOND

KINDS: Final = (DeadlineMissed.__name__, Escalated.__name__, EscalationAnswered.__name__)


class Owed(NamedTuple):
    """Who owes what a deadline was for, or did in the end; and whether it is owed still."""

    owed_by: str
    is_owed: bool


class Missed(NamedTuple):
    """A case with missed deadlines on its record: the events that record them, and its clocks as they stand."""

    case: Case
    events: list[Recorded]
    owed: dict[Deadline, Owed]


def cases_with_missed(database: Database, case_id: str | None = None) -> Iterator[Missed]:
    """The cases that have missed deadlines on their record, or one of them, in the order of their ids.

    The whole timeline is looked at, but for one case.
    """
    only = "" if case_id is None else " AND case_id = ?"
    rows = database.rows(
        f"SELECT case_id, event FROM timeline WHERE kind IN ({marks(KINDS)}){only} ORDER BY case_id, number",  # noqa: S608
        KINDS if case_id is None else (*KINDS, case_id),
    )
    found = [
        (one, [decode_event(bytes(event)).recorded() for _, event in some])
        for one, some in groupby(rows, itemgetter(0))
    ]
    for part in in_parts(found):
        case_ids = [one for one, _ in part]
        cases, owed = cases_of(database, case_ids), owed_in(database, case_ids)
        for one, events in part:
            yield Missed(cases[one], events, owed.get(one, {}))


def cases_of(database: Database, case_ids: Sequence[str]) -> dict[str, Case]:
    """These cases, folded."""
    found = {}
    for part in in_parts(case_ids):
        rows = database.rows(f"SELECT case_id, state FROM case_status WHERE case_id IN ({marks(part)})", part)  # noqa: S608
        found.update({case_id: load_case(case_id, state) for case_id, state in rows})
    return found


def owed_in(database: Database, case_ids: Sequence[str]) -> dict[str, dict[Deadline, Owed]]:
    """The deadlines of each case; where two runs of a clock have one, by that which goes on, or else by the last."""
    rows = database.rows(
        "SELECT case_id, clock, subject, due_at, owed_by, ended_at FROM clock "  # noqa: S608  (fixed names)
        f"WHERE case_id IN ({marks(case_ids)}) ORDER BY case_id, number",
        case_ids,
    )
    found: dict[str, dict[Deadline, Owed]] = {}
    for case_id, clock, subject, due_at, owed_by, ended_at in rows:
        deadlines = found.setdefault(case_id, {})
        deadline = Deadline(clock, subject, EPOCH + due_at * MICROSECOND)
        if not (deadline in deadlines and deadlines[deadline].is_owed):
            deadlines[deadline] = Owed(owed_by, ended_at is None)
    return found
