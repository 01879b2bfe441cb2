"""What the report counts, taken from the views: one statement for reports, one each for clocks, escalations and findings.

Everything is as of a moment: reports received after it, and what could be found only later, count as if they were not.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Final

from casetrail.domain.codes import Level
from casetrail.domain.memory import load_case
from casetrail.domain.status import Status
from casetrail.domain.sunlight import (
    CONTACT_BANDS,
    FINDING_AGES,
    LATER,
    MERGED,
    NEVER,
    OPEN,
    SCREENED_OUT,
    UNSTATED,
    WAITING,
    OffenceGroup,
    Standing,
    group_of,
)
from casetrail.projections.database import Database, SqliteDatabase
from casetrail.projections.judgement_queries import STATE
from casetrail.projections.queries import micros

DAY: Final = timedelta(days=1)
BEFORE_1970: Final = date(1970, 1, 1).toordinal() - 1
"""Whole days from the first day of year 1, so that days before 1970 are whole, too."""

Months = Counter[tuple[str, OffenceGroup, Standing]]
"""Reports by month of receipt (``YYYY-MM``, UTC), offence group and standing."""

Kinds = Mapping[str, Counter[frozenset[str]]]
"""Things by kind, and by the figures that they count in."""


CLOCK_STATES_OF: Final[Mapping[str, frozenset[str]]] = {
    "met": frozenset({"met"}),
    "met_late": frozenset({"late", "met_late"}),
    "missed": frozenset({"late", "missed"}),
    "lapsed": frozenset({"lapsed"}),
    "running": frozenset({"running"}),
    "paused": frozenset({"running"}),
}
"""The figures that a run of a clock counts in, by its state."""


@dataclass(frozen=True)
class Counted:
    """All counts that a report is made from."""

    reports: Months
    clocks: Kinds
    escalations: Kinds
    findings: Kinds


def counted(database: Database, now: datetime, beside: SqliteDatabase | None = None) -> Counted:
    """Count all that the report needs, as of ``now``: no earlier than the latest moment that an event speaks of.

    ``beside``: the same views once more, to count in them what is no run of a clock at the same time.
    """
    if beside is None:
        runs, others = clocks(database, now), _others(database, now)
    else:
        runs, others = _two_at_once(database, beside, now)
    found, alarms, seen = others
    return Counted(found, runs, alarms, seen)


def _two_at_once(
    database: Database, beside: SqliteDatabase, now: datetime
) -> tuple[Kinds, tuple[Months, Kinds, Kinds]]:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_others, beside, now)
        try:
            return clocks(database, now), asked.result()
        except BaseException:
            while wait([asked], timeout=0.1).not_done:  # it may be between two questions
                beside.interrupt()
            raise


def _others(database: Database, now: datetime) -> tuple[Months, Kinds, Kinds]:
    return reports(database, now), escalations(database, now), findings(database, now)


def reports(database: Database, now: datetime) -> Months:
    """Every report that was received by ``now``."""
    found: Months = Counter()
    for day, code, course, assigned, contact, count in database.rows(_REPORTS, (micros(now),)):
        found[_month(day), group_of(code), Standing(course, bool(assigned), contact)] += count
    return found


def clocks(database: Database, now: datetime) -> Kinds:
    """Every run of a clock, by clock."""
    names = [name for (name,) in database.rows("SELECT DISTINCT clock FROM clock ORDER BY clock")]
    if not names:  # there is nothing to count, and SQL knows no CASE without a WHEN
        return _by_kind(())
    state = _number(STATE.replace(":now", str(micros(now))), [f"'{one}'" for one in CLOCK_STATES_OF])
    code = f"{len(CLOCK_STATES_OF)} * ({_number('clock', '?' * len(names))}) + {state}"
    figures = list(CLOCK_STATES_OF.values())
    counts = _counts(database, f"SELECT {code} AS code FROM clock", names)  # noqa: S608  (only states and marks)
    found = ((*divmod(code, len(figures)), count) for code, count in sorted(counts.items()))
    return _by_kind((names[name], figures[state], count) for name, state, count in found)


def _number(expression: str, among: Sequence[str]) -> str:
    """Which of some values an expression has, by their numbers."""
    return f"CASE {expression} {' '.join(f'WHEN {one} THEN {number}' for number, one in enumerate(among))} ELSE 0 END"


def _counts(database: Database, select: str, values: Sequence[Any]) -> Counter[int]:
    """How often each number comes that a query gives, one a row.

    SQLite would sort them all to group them: counting them as they come takes a third of the time.
    """
    found: Counter[int] = Counter()
    if isinstance(database, SqliteDatabase):
        for rows in database.parts(select, values):
            found.update([number for (number,) in rows])
        return found
    grouped = f"SELECT code, count(*) FROM ({select}) AS one GROUP BY code"  # noqa: S608  (it is ours)
    return Counter(dict(database.rows(grouped, values)))


def escalations(database: Database, now: datetime) -> Kinds:
    """Every missed deadline of which somebody was told, by clock; whoever owes it answers no alarm about himself."""
    found = []
    for (state,) in database.rows("SELECT state FROM case_status WHERE state LIKE ?", ('%"deadlines":{%',)):
        for deadline in load_case("", state).facts.deadlines.values():
            if deadline.told and deadline.due_at <= now:
                answered = deadline.answered not in (None, Level.HOLDER)
                found.append((deadline.clock, frozenset({"answered" if answered else "unanswered"}), 1))
    return _by_kind(found)


def findings(database: Database, now: datetime) -> Kinds:
    """Every finding that could be seen by ``now``, by detector."""
    ages = " ".join(
        f"WHEN {micros(now)} - since <= {length // timedelta(microseconds=1)} THEN '{name}'"
        for name, _, length in FINDING_AGES
    )
    state = f"CASE WHEN settled_at <= {micros(now)} THEN 'settled' {ages} ELSE 'open_longer' END"
    statement = f"SELECT detector, {state}, count(*) FROM finding WHERE since < ? GROUP BY 1, 2"  # noqa: S608
    return _by_kind(
        (detector, frozenset({one} if one == "settled" else {"open", one}), count)
        for detector, one, count in database.rows(statement, (micros(now),))
    )


def _by_kind(found: Iterable[tuple[str, frozenset[str], int]]) -> Kinds:
    kinds: dict[str, Counter[frozenset[str]]] = {}
    for kind, figures, count in found:
        kinds.setdefault(kind, Counter())[figures] += count
    return kinds


@cache
def _month(day: int) -> str:
    at = date.fromordinal(day + 1)
    return f"{at.year:04}-{at.month:02}"


def _contact() -> str:
    bands = " ".join(
        f"WHEN first_contact_at - received_at <= {length // timedelta(microseconds=1)} THEN '{name}'"
        for name, length in CONTACT_BANDS
    )
    return f"CASE WHEN first_contact_at IS NULL THEN '{NEVER}' {bands} ELSE '{LATER}' END"


_COURSE: Final = (
    f"CASE status WHEN '{Status.RECEIVED}' THEN '{WAITING}' WHEN '{Status.SCREENED_OUT}' THEN '{SCREENED_OUT}' "
    f"WHEN '{Status.MERGED}' THEN '{MERGED}' WHEN '{Status.CLOSED}' THEN coalesce(disposition, '{UNSTATED}') "
    f"ELSE '{OPEN}' END"
)
_ASSIGNED: Final = (  # a case that was let go has no assignment in its row, but three events or more
    "CASE WHEN assigned_at IS NOT NULL OR handovers > 0 OR events > 2 AND EXISTS "
    "(SELECT 1 FROM timeline WHERE timeline.case_id = case_status.case_id AND kind = 'Assigned') THEN 1 ELSE 0 END"
)
_REPORTS: Final = (
    f"SELECT day, code, course, assigned, contact, count(*) FROM (SELECT "  # noqa: S608  (fixed names)
    f"(received_at + {BEFORE_1970 * (DAY // timedelta(microseconds=1))}) / {DAY // timedelta(microseconds=1)} AS day, "
    f"substr(offences, 1, 3) AS code, {_COURSE} AS course, {_ASSIGNED} AS assigned, {_contact()} AS contact "
    f"FROM case_status WHERE received_at + 0 <= ?) AS report GROUP BY 1, 2, 3, 4, 5"
)
