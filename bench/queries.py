"""Any query of the command line, start-up included, at 100,000 and 1,000,000 cases."""

import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

from bench.data import actions
from bench.measuring import Rows, say
from casetrail.eventlog.codec import decode_event
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.outcome import History, answer
from casetrail.eventlog.port import Record
from casetrail.projections.database import SqliteDatabase, create_table_indexes, create_tables
from casetrail.projections.judgement_tables import CLOCK, FINDING, JUDGEMENT_BULK, JUDGEMENT_TABLES, OWING
from casetrail.projections.judgements import write_judgement_form
from casetrail.projections.judging import CaseJudge, hashed
from casetrail.projections.partner import ledger_rows
from casetrail.projections.registry import registry_of
from casetrail.projections.rows import Row, case_row, intake_measures, referral_rows, timeline_row
from casetrail.projections.tables import BULK_TABLES, CASE_STATUS, INTAKE, PARTNER_LEDGER, REFERRALS, TIMELINE, Table
from casetrail.projections.views import write_views_form

QUERIES = {
    "cases": ["cases"],
    "cases, filtered": ["cases", "--status", "assigned", "--offence", "11A", "--unit", "unit-3", "--sort", "due"],
    "cases, quiet": ["cases", "--quiet-for", "30", "--limit", "20"],
    "cases, of a holder": ["cases", "--holder", "det.007", "--open"],
    "cases, by act": ["cases", "--sort", "act"],
    "cases, by id": ["cases", "--sort", "case", "--descending"],
    "cases, recorded last": ["cases", "--sort", "recorded", "--descending", "--agency", "metro-pd"],
    "cases, held by nobody": ["cases", "--nobody", "--unit", "unit-3", "--sort", "due"],
    "cases, overdue": ["cases", "--overdue"],
    "cases, overdue, of a holder": ["cases", "--overdue", "--holder", "det.007"],
    "cases, overdue, of a status": ["cases", "--overdue", "--status", "closed"],
    "cases, due last": ["cases", "--sort", "due", "--descending"],
    "show": ["show", "case-00000042"],
    "history": ["history", "case-00000042"],
    "holds": ["holds"],
    "holds, by unit": ["holds", "--by", "unit"],
    "referrals, of an agency": ["referrals", "--agency", "advocacy-center"],
    "referrals": ["referrals", "--state", "made", "--limit", "20"],
    "partner": ["partner", "advocacy-center"],
    "partner, waiting": ["partner", "advocacy-center", "--waiting"],
    "due": ["due"],
    "due, of a unit": ["due", "--unit", "unit-3"],
    "overdue": ["overdue"],
    "overdue, owed by": ["overdue", "--owed-by", "det.007"],
    "clock": ["clock", "case-00000042"],
    "findings": ["findings"],
    "findings, of a person": ["findings", "--holder", "det.007"],
    "findings, of a detector": ["findings", "--detector", "no_contact"],
    "intake": ["intake"],
    "views info": ["views", "info"],
    "--help": ["--help"],
}


def views_with(folder: Path, cases: int) -> Path:
    """A log without events, and views as if it had that many cases: made from a thousand real ones, nine in ten of them open.

    Of what is judged there is what is said of single cases: nothing else grows with their number.
    """
    path = folder / f"queries-{cases}.db"
    init_log(f"sqlite:{path}").close()
    histories, timeline = some_cases()
    rows = [case_row(history, 0) for history in histories]
    judged = judged_of(timeline)
    referrals = [row for history in histories for row in referral_rows(history.case)]
    ledger = [row for history in histories for row in ledger_rows(history.case)]
    intake = Counter(measure for history in histories for measure in intake_measures(history.case))
    file = folder / f"queries-{cases}.db.views.1"
    database = SqliteDatabase(file, create=True)
    database.run("PRAGMA synchronous=OFF")
    create_tables(database, bulk=True)
    create_tables(database, JUDGEMENT_TABLES, bulk=True)
    with database.transaction():
        for start in range(0, cases, len(histories)):
            for table, some in (
                (CASE_STATUS, rows), (TIMELINE, timeline), (REFERRALS, referrals), (PARTNER_LEDGER, ledger), *judged,
            ):  # fmt: skip
                place = table.columns.index(next(one for one in table.columns if one.name in ("case_id", "subject")))
                database.load(table, [with_id(row, place, start) for row in some])
        database.load(INTAKE, [(*where, count * (cases // len(histories))) for where, count in intake.items()])
        write_views_form(database, path.stem)
        write_judgement_form(database, path.stem)
    for table in (*BULK_TABLES, *JUDGEMENT_BULK):
        create_table_indexes(database, table, with_key=True)
    database.run("ANALYZE")
    database.close()
    (folder / f"queries-{cases}.db.views").symlink_to(file.name)
    return path


def renamed(case_id: str, start: int) -> str:
    """The id of the same case among the thousand that begin at ``start``."""
    return f"case-{start + int(case_id.removeprefix('case-')):08}"


def some_cases() -> tuple[list[History], list[Row]]:
    """A thousand cases at every stage of their life, and the timeline of their events."""
    histories: dict[str, History] = {}
    timeline: list[Row] = []
    for number, (case_id, value) in enumerate(actions(1000)):
        history = histories.setdefault(case_id, History.empty(case_id))
        if history.case.version > int(case_id[-3:]) % 10:  # cases stop at different points
            continue
        at = 1_790_000_000_000
        made = answer(history, Record(0, number, at, case_id.encode(), value), "bench", 1)
        timeline.append(timeline_row(Record(0, number, at, case_id.encode(), made), decode_event(made)))
    return list(histories.values()), timeline


def with_id(row: Row, place: int, start: int) -> Row:
    """A row about the same case among the thousand that begin at ``start``; its id stands at that place."""
    return (*row[:place], renamed(row[place], start), *row[place + 1 :])


def judged_of(timeline: list[Row]) -> list[tuple[Table, list[Row]]]:
    """What is judged of the cases whose events these are, by table."""
    events = defaultdict(list)
    for case_id, *_, event in timeline:
        events[case_id].append(hashed(event))
    judge = CaseJudge(registry_of([]))
    made = [judge.rows(case_id, some) for case_id, some in events.items()]
    return [
        (CLOCK, [row for one in made for row in one.clocks]),
        (FINDING, [row for one in made for row in one.findings]),
        (OWING, [row for one in made for row in one.owing]),
    ]


def run(folder: Path, scale: float) -> Rows:
    """All queries, the median of five."""
    for cases in (int(100_000 * scale), int(1_000_000 * scale)):
        say(f"queries: making views of {cases:,} cases")
        path = views_with(folder, cases)
        say(f"queries: asking {len(QUERIES)} questions of {cases:,} cases, five times each")
        for name, arguments in QUERIES.items():
            command = [sys.executable, "-m", "bench.casetrail", "--log", f"sqlite:{path}", *arguments]
            taken = []
            for _ in range(5):
                started = time.perf_counter()
                done = subprocess.run(command, capture_output=True, check=False, text=True)
                taken.append(time.perf_counter() - started)
                if done.returncode not in (0, 8):
                    raise RuntimeError(done.stderr)
            bar = "0.15" if name == "--help" else "0.3"
            yield f"{name}, {cases:,} cases (s)", sorted(taken)[2], f"to reach: under {bar}"
