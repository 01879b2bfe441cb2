"""The public report over 1,000,000 cases, from the views: start-up, counting, suppression, pages and files included."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.queries import judged_of, some_cases, with_id
from bench.servers import Memory
from casetrail.eventlog.opening import init_log
from casetrail.projections.database import SqliteDatabase, create_table_indexes, create_tables
from casetrail.projections.judgement_tables import CLOCK, FINDING, JUDGEMENT_BULK, JUDGEMENT_TABLES
from casetrail.projections.judgements import write_judgement_form
from casetrail.projections.rows import case_row
from casetrail.projections.tables import BULK_TABLES, CASE_COLUMNS, CASE_STATUS, TIMELINE
from casetrail.projections.views import write_views_form

Rows = list[tuple[str, float, str]]
MONTHS = 48
MONTH = timedelta(days=30) // timedelta(microseconds=1)
CASE_TIMES = [at for at, one in enumerate(CASE_COLUMNS) if one.name.endswith(("_at", "_since", "_until"))]
CLOCK_TIMES = [at for at, one in enumerate(CLOCK.columns) if one.name.endswith(("_at", "_from", "_until"))]
FINDING_TIMES = [at for at, one in enumerate(FINDING.columns) if one.name.endswith(("since", "_at"))]
SUBJECT = [one.name for one in FINDING.columns].index("subject")

Row = tuple[Any, ...]


def earlier(row: Row, times: list[int], by: int) -> Row:
    """A row with its moments so many microseconds earlier."""
    moved = list(row)
    for at in times:
        if moved[at] is not None:
            moved[at] -= by
    return tuple(moved)


def views_with(folder: Path, cases: int) -> Path:
    """A log without events, and views as if it had that many cases over four years: made from a thousand real ones."""
    path = folder / f"sunlight-{cases}.db"
    with init_log(f"sqlite:{path}") as log:
        name = log.name
    histories, timeline = some_cases()
    rows = [case_row(history, 0) for history in histories]
    clocks, findings = (rows for table, rows in judged_of(timeline) if table in (CLOCK, FINDING))
    file = folder / f"sunlight-{cases}.db.views.1"
    database = SqliteDatabase(file, create=True)
    database.run("PRAGMA synchronous=OFF")
    create_tables(database, bulk=True)
    create_tables(database, JUDGEMENT_TABLES, bulk=True)
    with database.transaction():
        for number, start in enumerate(range(0, cases, len(histories))):
            by = number % MONTHS * MONTH
            database.load(CASE_STATUS, (earlier(with_id(row, 0, start), CASE_TIMES, by) for row in rows))
            database.load(TIMELINE, (with_id(row, 0, start) for row in timeline))
            database.load(CLOCK, (earlier(with_id(row, 0, start), CLOCK_TIMES, by) for row in clocks))
            database.load(FINDING, (earlier(with_id(row, SUBJECT, start), FINDING_TIMES, by) for row in findings))
        write_views_form(database, name)
        write_judgement_form(database, name)
    for table in (*BULK_TABLES, *JUDGEMENT_BULK):
        create_table_indexes(database, table, with_key=True)
    database.run("ANALYZE")
    database.close()
    (folder / f"sunlight-{cases}.db.views").symlink_to(file.name)
    return path


def counted(path: Path) -> Iterator[tuple[str, int]]:
    """How many rows the report counts."""
    database = SqliteDatabase(path.with_name(f"{path.name}.views"))
    for what, table in (("reports", CASE_STATUS), ("runs of clocks", CLOCK), ("findings", FINDING)):
        yield what, database.rows(f"SELECT count(*) FROM {table.name}")[0][0]
    database.close()


def run(folder: Path, scale: float, runs: int) -> Rows:
    """The report as a process of its own: the median of some runs, and the most memory of any."""
    path = views_with(folder, int(1_000_000 * scale))
    sizes = dict(counted(path))
    command = [sys.executable, "-m", "bench.casetrail", "--log", f"sqlite:{path}", "sunlight", str(folder / "report"),
               "--now", "2028-01-01T00:00:00Z"]  # fmt: skip
    taken = []
    with Memory() as watched:
        for _ in range(runs):
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            taken.append(time.perf_counter() - started)
    about = ", ".join(f"{number:,} {what}" for what, number in sizes.items())
    return [
        (f"sunlight, {sizes['reports']:,} cases (s)", sorted(taken)[len(taken) // 2], f"{about}; to reach: under 20"),
        (f"sunlight, most memory, {sizes['reports']:,} cases (MB)", watched.most, ""),
    ]
