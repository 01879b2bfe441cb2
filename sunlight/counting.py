"""What the report counts, taken from the views: one statement for reports, one each for clocks, escalations and findings.

Everything is as of a moment: reports received after it, and what could be found only later, count as if they were not.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Final, NamedTuple

from casetrail.domain.case import MissedDeadline
from casetrail.domain.clocks import Deadline
from casetrail.domain.codes import Level
from casetrail.domain.escalation import is_answer, owing_level
from casetrail.domain.memory import load_case
from casetrail.domain.receipt import BEFOREHAND
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
from casetrail.domain.suppression import MANY, THRESHOLD, capped
from casetrail.projections.database import Database, SqliteDatabase, in_parts
from casetrail.projections.escalated import Owed, owed_in
from casetrail.projections.judgement_queries import STATE
from casetrail.projections.queries import micros

DAY: Final = timedelta(days=1)
BEFORE_1970: Final = date(1970, 1, 1).toordinal() - 1
"""Whole days from the first day of year 1, so that days before 1970 are whole, too."""

Months = Counter[tuple[str, OffenceGroup, Standing]]
"""Reports by month of receipt (``YYYY-MM``, UTC), offence group and standing."""


class Things(NamedTuple):
    """How many things there are, and whom they are ``about``: the ids of the reports, or ``MANY``.

    What is about no one report (an officer, a unit, a machine) counts for itself.
    """

    number: int
    about: frozenset[str]

    def with_others(self, others: "Things") -> "Things":
        """These and others."""
        return Things(self.number + others.number, capped(self.about | others.about))


Kinds = Mapping[str, Mapping[frozenset[str], Things]]
"""Things by kind, and by the figures that they count in."""

Runs = Mapping[tuple[str, OffenceGroup], Kinds]
"""Runs of clocks by the month of receipt (``YYYY-MM``, UTC) and the offence group of their report."""

Others = tuple[Months, Kinds, Kinds, Kinds]
"""Reports, escalations, findings about reports, and about work."""

CLOCK_STATES_OF: Final[Mapping[str, frozenset[str]]] = {
    "met": frozenset({"met"}),
    "met_late": frozenset({"late", "met_late"}),
    "missed": frozenset({"late", "missed"}),
    "lapsed": frozenset({"lapsed"}),
    "running": frozenset({"running"}),
    "paused": frozenset({"running"}),
}
"""The figures that a run of a clock counts in, by its state."""

FINDING_STATES_OF: Final[Mapping[str, frozenset[str]]] = {
    "settled": frozenset({"settled"}),
    **{name: frozenset({"open", name}) for name in (*(name for name, _, _ in FINDING_AGES), "open_longer")},
}
"""The figures that a finding counts in, by its state."""

WORK: Final = "about <> 'case'"
"""Of findings: those about officers, units and machines."""


@dataclass(frozen=True)
class Counted:
    """All counts that a report is made from."""

    reports: Months
    clocks: Runs
    escalations: Kinds
    findings: Kinds
    work: Kinds


def counted(database: Database, now: datetime, beside: SqliteDatabase | None = None) -> Counted:
    """Count all that the report needs, as of ``now``: no earlier than the latest moment that an event speaks of.

    ``beside``: the same views once more, to count in them what is no run of a clock at the same time.
    """
    if beside is None:
        runs, others = clocks(database, now), _others(database, now)
    else:
        runs, others = _two_at_once(database, beside, now)
    found, alarms, seen, work = others
    return Counted(found, runs, alarms, seen, work)


def _two_at_once(database: Database, beside: SqliteDatabase, now: datetime) -> tuple[Runs, Others]:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_others, beside, now)
        try:
            return clocks(database, now), asked.result()
        except BaseException:
            while wait([asked], timeout=0.1).not_done:  # it may be between two questions
                beside.interrupt()
            raise


def _others(database: Database, now: datetime) -> Others:
    return reports(database, now), escalations(database, now), findings(database, now), work(database, now)


def reports(database: Database, now: datetime) -> Months:
    """Every report that was received by ``now``."""
    found: Months = Counter()
    for day, code, course, assigned, contact, count in database.rows(_REPORTS, (micros(now),)):
        found[_month(day), group_of(code), Standing(course, bool(assigned), contact)] += count
    return found


def clocks(database: Database, now: datetime) -> Runs:
    """Every run of a clock."""
    state = STATE.replace(":now", str(micros(now)))
    found: dict[tuple[str, OffenceGroup], dict[str, dict[frozenset[str], Things]]] = {}
    for month, offence, code, things in (
        _runs_case_by_case(database, state) if isinstance(database, SqliteDatabase) else _runs_grouped(database, state)
    ):
        name, _, clock = code.partition("/")
        states = found.setdefault((month, group_of(offence)), {}).setdefault(clock, {})
        figures = CLOCK_STATES_OF[name]
        states[figures] = things.with_others(states[figures]) if figures in states else things
    return found


def _runs_case_by_case(database: SqliteDatabase, state: str) -> Iterator[tuple[str, str, str, Things]]:
    """SQLite would sort all runs to group them: a row for each report, with all of its runs, takes half of the time."""
    runs = f"SELECT group_concat({state} || '/' || clock, char(10)) FROM clock WHERE clock.case_id = report.case_id"  # noqa: S608
    found: dict[tuple[int, str], dict[str, tuple[list[int], set[str]]]] = {}
    statement = f"SELECT {_DAY}, {_OFFENCE}, case_id, ({runs}) FROM case_status AS report"  # noqa: S608
    for rows in database.parts(statement):
        for day, offence, case_id, some in rows:
            if some is not None:
                of_day = found.setdefault((day, offence), {})
                for code in some.split("\n"):
                    if code not in of_day:
                        of_day[code] = [0], set()
                    number, about = of_day[code]
                    number[0] += 1
                    if len(about) < THRESHOLD:
                        about.add(case_id)
    for (day, offence), of_day in found.items():
        for code, (number, about) in of_day.items():
            yield _month(day), offence, code, Things(number[0], capped(frozenset(about)))


def _runs_grouped(database: Database, state: str) -> Iterator[tuple[str, str, str, Things]]:
    month = "to_char(to_timestamp(received_at / 1000000.0) AT TIME ZONE 'UTC', 'YYYY-MM')"
    reports = f"(SELECT case_id, {month} || '/' || {_OFFENCE} AS stands FROM case_status) AS report"  # noqa: S608
    runs = f"SELECT stands || '/' || {state} || '/' || clock AS code, case_id AS about FROM clock JOIN {reports} USING (case_id)"  # noqa: S608
    for code, things in _counts(database, runs).items():
        month, offence, run = code.split("/", 2)
        yield month, offence, run, things


def escalations(database: Database, now: datetime) -> Kinds:
    """Every missed deadline of which somebody was told, by clock; whoever owes it answers no alarm about himself."""
    found: dict[tuple[str, str], list[str]] = {}
    rows = database.rows("SELECT case_id, state FROM case_status WHERE state LIKE ?", ('%"deadlines":{%',))
    for some in in_parts(rows):
        owed = owed_in(database, [case_id for case_id, _ in some])
        for case_id, state in some:
            for deadline in load_case(case_id, state).facts.deadlines.values():
                if deadline.told and deadline.due_at <= now:
                    answered = is_answer(deadline.answered, _owing(deadline, owed.get(case_id, {})))
                    found.setdefault((deadline.clock, "answered" if answered else "unanswered"), []).append(case_id)
    return _by_kind(
        (clock, frozenset({state}), Things(len(cases), capped(frozenset(cases))))
        for (clock, state), cases in found.items()
    )


def _owing(missed: MissedDeadline, owed: Mapping[Deadline, Owed]) -> Level:
    """At which level those stand who owe it; where its clock has moved since, by another run of that clock in the case."""
    exact = owed.get(Deadline(missed.clock, missed.subject, missed.due_at))
    others = (one.owed_by for deadline, one in owed.items() if deadline.clock == missed.clock)
    return owing_level(next(others, "") if exact is None else exact.owed_by)


def findings(database: Database, now: datetime) -> Kinds:
    """Every finding about a report that could be seen by ``now``, by detector."""
    work = f"SELECT finding FROM finding WHERE {WORK}"  # noqa: S608  (so an index has all that is asked of each finding)
    source = f"FROM finding WHERE since < {micros(now)} AND finding NOT IN ({work})"
    return _things(database, "detector", "subject", _finding_state(now), FINDING_STATES_OF, source)


def work(database: Database, now: datetime) -> Kinds:
    """Every finding about an officer, a unit or a machine that could be seen by ``now``, by detector."""
    source = f"FROM finding WHERE {WORK} AND since + 0 < {micros(now)}"  # + 0: not by the index of all findings
    return _things(database, "detector", "finding", _finding_state(now), FINDING_STATES_OF, source)


def _finding_state(now: datetime) -> str:
    ages = " ".join(
        f"WHEN {micros(now)} - since <= {length // timedelta(microseconds=1)} THEN '{name}'"
        for name, _, length in FINDING_AGES
    )
    return f"CASE WHEN settled_at <= {micros(now)} THEN 'settled' {ages} ELSE 'open_longer' END"


def _things(
    database: Database, kind: str, about: str, state: str, states: Mapping[str, frozenset[str]], source: str
) -> Kinds:
    """What stands in a table by kind and state; ``kind``, ``about`` and ``state`` are expressions of SQL."""
    statement = f"SELECT {state} || '/' || {kind} AS code, {about} AS about {source}"
    found = ((code.partition("/"), things) for code, things in sorted(_counts(database, statement).items()))
    return _by_kind((name, states[one], things) for (one, _, name), things in found)


def _counts(database: Database, select: str) -> dict[str, Things]:
    """How often each ``code`` comes that a query gives, and ``about`` whom."""
    if isinstance(database, SqliteDatabase):
        return _counts_as_they_come(database, select)
    pairs = f"SELECT code, about, count(*) AS number FROM ({select}) AS one GROUP BY 1, 2"  # noqa: S608  (it is ours)
    rows = database.rows(
        f"WITH pair AS MATERIALIZED ({pairs}), total AS (SELECT code, sum(number) AS number, count(*) AS reports "  # noqa: S608
        "FROM pair GROUP BY 1) SELECT total.code, total.number, pair.about FROM total "
        f"LEFT JOIN pair ON pair.code = total.code AND reports < {THRESHOLD}"
    )
    found: dict[str, Things] = {}
    for code, number, whom in rows:
        about = MANY if whom is None else frozenset([whom])
        found[code] = Things(int(number), about | found[code].about if code in found else about)
    return found


def _counts_as_they_come(database: SqliteDatabase, select: str) -> dict[str, Things]:
    """SQLite would sort them all to group them: counting them as they come takes a third of the time."""
    counts: Counter[str] = Counter()
    about: dict[str, set[str]] = {}
    for rows in database.parts(select):
        codes = [code for code, _ in rows]
        counts.update(codes)
        few = {code for code in set(codes) if len(about.setdefault(code, set())) < THRESHOLD}
        if few:
            for code, whom in rows:
                if code in few:
                    about[code].add(whom)
    return {code: Things(count, capped(frozenset(about[code]))) for code, count in counts.items()}


def _by_kind(found: Iterable[tuple[str, frozenset[str], Things]]) -> Kinds:
    kinds: dict[str, dict[frozenset[str], Things]] = {}
    for kind, figures, things in found:
        kinds.setdefault(kind, {})[figures] = things
    return kinds


@cache
def _month(day: int) -> str:
    at = date.fromordinal(day + 1)
    return f"{at.year:04}-{at.month:02}"


def _contact() -> str:
    """The band of the first contact. One from long before the report was about something else (``receipt.BEFOREHAND``).

    Of a row that has such a one, the last contact is taken: when the first one since the report was is not in it.
    """
    since = f"received_at - {BEFOREHAND // timedelta(microseconds=1)}"
    at = f"CASE WHEN first_contact_at >= {since} THEN first_contact_at WHEN last_contact_at >= {since} THEN last_contact_at END"
    bands = " ".join(
        f"WHEN {at} - received_at <= {length // timedelta(microseconds=1)} THEN '{name}'"
        for name, length in CONTACT_BANDS
    )
    return f"CASE WHEN {at} IS NULL THEN '{NEVER}' {bands} ELSE '{LATER}' END"


_COURSE: Final = (
    f"CASE status WHEN '{Status.RECEIVED}' THEN '{WAITING}' WHEN '{Status.SCREENED_OUT}' THEN '{SCREENED_OUT}' "
    f"WHEN '{Status.MERGED}' THEN '{MERGED}' WHEN '{Status.CLOSED}' THEN coalesce(disposition, '{UNSTATED}') "
    f"ELSE '{OPEN}' END"
)
_ASSIGNED: Final = (  # a case that was let go has no assignment in its row, but three events or more
    "CASE WHEN assigned_at IS NOT NULL OR handovers > 0 OR events > 2 AND EXISTS "
    "(SELECT 1 FROM timeline WHERE timeline.case_id = case_status.case_id AND kind = 'Assigned') THEN 1 ELSE 0 END"
)
_DAY: Final = f"(received_at + {BEFORE_1970 * (DAY // timedelta(microseconds=1))}) / {DAY // timedelta(microseconds=1)}"
_OFFENCE: Final = "offences"
_REPORTS: Final = (
    f"SELECT day, code, course, assigned, contact, count(*) FROM (SELECT "  # noqa: S608  (fixed names)
    f"{_DAY} AS day, {_OFFENCE} AS code, {_COURSE} AS course, {_ASSIGNED} AS assigned, {_contact()} AS contact "
    f"FROM case_status WHERE received_at + 0 <= ?) AS report GROUP BY 1, 2, 3, 4, 5"
)
