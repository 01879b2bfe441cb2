"""Any query of the command line, start-up included, at 100,000 and 1,000,000 cases."""

import subprocess
import sys
import time
from pathlib import Path

from bench.data import actions
from casetrail.domain.memory import dump_case
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.outcome import History, answer, follow
from casetrail.eventlog.port import Record
from casetrail.projections.database import SqliteDatabase, create_table_indexes, create_tables
from casetrail.projections.rows import case_row, timeline_row
from casetrail.projections.tables import BULK_TABLES, CASE_STATUS, TIMELINE
from casetrail.projections.views import write_form

Rows = list[tuple[str, float, str]]

QUERIES = {
    "cases": ["cases"],
    "cases, filtered": ["cases", "--status", "assigned", "--offence", "11A", "--unit", "unit-3", "--sort", "due"],
    "cases, quiet": ["cases", "--quiet-for", "30", "--limit", "20"],
    "cases, of a holder": ["cases", "--holder", "det.007", "--open"],
    "show": ["show", "case-00000042"],
    "history": ["history", "case-00000042"],
    "holds": ["holds"],
    "referrals": ["referrals", "--state", "made", "--limit", "20"],
    "intake": ["intake"],
    "--help": ["--help"],
}


def views_with(folder: Path, cases: int) -> Path:
    """A log without events, and views as if it had that many cases: made from a thousand real ones."""
    path = folder / f"queries-{cases}.db"
    init_log(f"sqlite:{path}").close()
    log = EmbeddedLog.open(path)
    histories, rows, timeline = _some_cases()
    file = folder / f"queries-{cases}.db.views.1"
    database = SqliteDatabase(file, create=True)
    database.run("PRAGMA synchronous=OFF")
    create_tables(database, bulk=True)
    with database.transaction():
        for start in range(0, cases, len(histories)):
            renamed = [f"case-{start + number:08}" for number in range(len(histories))]
            database.load(CASE_STATUS, [(name, *row[1:]) for name, row in zip(renamed, rows, strict=True)])
            database.load(
                TIMELINE, [(name, *event[1:]) for name, one in zip(renamed, timeline, strict=True) for event in one]
            )
        write_form(database, log.name)
    for table in BULK_TABLES:
        create_table_indexes(database, table, with_key=True)
    database.run("ANALYZE")
    database.close()
    (folder / f"queries-{cases}.db.views").symlink_to(file.name)
    log.close()
    return path


def _some_cases() -> tuple[list[History], list[tuple[object, ...]], list[list[tuple[object, ...]]]]:
    """A thousand cases at every stage of their life: their rows, and those of their events."""
    histories: dict[str, History] = {}
    events: dict[str, list[tuple[object, ...]]] = {}
    for number, (case_id, value) in enumerate(actions(1000)):
        history = histories.setdefault(case_id, History.empty(case_id))
        if history.case.version > int(case_id[-3:]) % 10:  # cases stop at different points
            continue
        twin = History(history.case, history.last_hash)
        record = Record(0, number, 1_790_000_000_000, case_id.encode(), value)
        other = History.empty(case_id)
        assert dump_case(other.case)
        made = answer(twin, record, "bench", 1)
        history.last_hash = twin.last_hash
        from casetrail.eventlog.codec import decode_event

        stored = Record(0, number, 1_790_000_000_000, case_id.encode(), made)
        events.setdefault(case_id, []).append(timeline_row(stored, decode_event(made)))
    names = sorted(histories)
    rows = [case_row(histories[name], 0) for name in names]
    return [histories[name] for name in names], rows, [events[name] for name in names]


def run(folder: Path, scale: float) -> Rows:
    """All queries, best of five."""
    found: Rows = []
    for cases in (int(100_000 * scale), int(1_000_000 * scale)):
        path = views_with(folder, cases)
        for name, arguments in QUERIES.items():
            command = [sys.executable, "-m", "bench.casetrail", "--log", f"sqlite:{path}", *arguments]
            taken = []
            for _ in range(5):
                started = time.perf_counter()
                done = subprocess.run(command, capture_output=True, check=False, text=True)
                taken.append(time.perf_counter() - started)
                if done.returncode != 0:
                    raise RuntimeError(done.stderr)
            found.append((f"{name}, {cases:,} cases (s)", sorted(taken)[2], "to reach: under 0.4"))
    return found


__all__ = ["follow", "run", "views_with"]
