"""All clocks and detectors: from zero, after one more event, and asked at the command line."""

import subprocess
import sys
import time
from datetime import timedelta
from itertools import islice
from pathlib import Path

from bench.judge_data import START, YEARS, case_id, events
from bench.servers import Memory
from casetrail.consumers.judging import Judging, settle_in
from casetrail.consumers.projector import Projector
from casetrail.domain.actions import Action, Actor
from casetrail.domain.codes import ContactMethod, Role
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.values import EPOCH, MILLISECOND
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.outcome import History, answer, follow
from casetrail.eventlog.port import Entry, Log, Record, Topic
from casetrail.projections.database import open_database
from casetrail.projections.judgements import Judgements
from casetrail.projections.queries import timeline
from casetrail.projections.views import Views

Rows = list[tuple[str, float, str]]
PARTITIONS = 4
ONE_BY_ONE = 200
HELD = "SELECT case_id FROM case_status WHERE is_open = 1 AND holder IS NOT NULL ORDER BY received_at DESC LIMIT 200"
LATE = START + YEARS - timedelta(days=15)
QUERIES = {
    "due": ["due"],
    "due, of a unit": ["due", "--unit", "unit-7"],
    "overdue": ["overdue"],
    "overdue, owed by": ["overdue", "--owed-by", "det.7.3", "--limit", "20"],
    "clock": ["clock", case_id(42)],
    "findings": ["findings"],
    "findings, of a person": ["findings", "--holder", "det.7.3"],
    "findings, of a detector": ["findings", "--detector", "overloaded", "--settled"],
}


def run(folder: Path, scale: float) -> Rows:
    """All of it; memory at one and at three times the number of events."""
    rows: Rows = []
    memory: list[tuple[int, Memory]] = []
    for factor in (1, 3):
        cases = int(40_000 / 3 * factor * scale)
        path = folder / f"judge{factor}.db"
        with init_log(f"sqlite:{path}", partitions=PARTITIONS) as log:
            count = fill(log, cases)
        with Memory() as watched:
            seconds = rebuilt(path)
        memory.append((count, watched))
        rows.append((f"views with judgements from zero, {count:,} events (events/s)", count / seconds, ""))
        without = rebuilt(path, "--without-judgements")
        rows.append((f"views without judgements from zero, {count:,} events (events/s)", count / without, ""))
        remark = "what they add; to reach: 40,000"
        rows.append((f"judgements, {count:,} events (events/s)", count / (seconds - without), remark))
    (_, first), _ = memory
    for count, watched in memory:
        flat = f"{watched.together / first.together:.2f} × that of the fewer events" if watched is not first else ""
        rows.append(
            (f"judgements from zero, most memory of all processes, {count:,} events (MB)", watched.together, flat)
        )
    rebuilt(path)
    rows += one_by_one(path, cases)
    rows += asked(path, cases)
    return rows


def fill(log: Log, cases: int) -> int:
    """Write the events of that many cases straight into the log; how many there were."""
    made, count = events(cases, log.name, log.partitions), 0
    while some := list(islice(made, 5000)):
        log.append(Topic.EVENTS, some)
        count += len(some)
    return count


def rebuilt(path: Path, *options: str) -> float:
    """Seconds that ``casetrail views rebuild`` takes, start-up included."""
    command = [sys.executable, "-m", "bench.casetrail", "--log", f"sqlite:{path}", "views", "rebuild", *options]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def one_by_one(path: Path, cases: int) -> Rows:
    """How long after one more event everything is right: it comes in a month in which all others have as much as ever."""
    settle_in()  # as the process does that judges beside a projector
    views = f"sqlite:{path}.views"
    taken: list[float] = []
    with EmbeddedLog.open(path) as log:
        database = open_database(views)
        names = [name for (name,) in database.rows(HELD)]
        projector = Projector(log, Views(database, log.name))
        judging = Judging(log, Judgements(open_database(views), log.name))
        for number in range(ONE_BY_ONE):
            name = names[number % len(names)]
            log.append(Topic.EVENTS, [next_event(log, database, name, number)])
            started = time.perf_counter()
            while not projector.step(0.1) or not judging.step(0.1):
                pass
            while judging.step(0):  # what it has made stale
                pass
            taken.append(time.perf_counter() - started)
        projector.close()
        judging.close()
    taken.sort()
    remark = "status views, clocks and findings; to reach: 100"
    return [
        (f"one more event, {cases:,} cases, median (ms)", taken[len(taken) // 2] * 1000, remark),
        (f"one more event, {cases:,} cases, p99 (ms)", taken[len(taken) * 99 // 100] * 1000, remark),
    ]


def next_event(log: Log, database: object, name: str, number: int) -> Entry:
    """One more event of a case: somebody of its unit has spoken with the victim."""
    history = History.empty(name)
    partition = 0
    for partition, offset, value in timeline(database, name):  # type: ignore[arg-type]
        follow(history, Record(partition, offset, 0, name.encode(), value))
    at = LATE + timedelta(minutes=number)
    actor = Actor(history.case.facts.holder or "det.0.0", "metro-pd", Role.INVESTIGATOR)
    value = encode_action(Action(number.to_bytes(16), name, at, actor, VictimContactMade(ContactMethod.PHONE)))
    offset = (log.end_offsets(Topic.EVENTS))[partition]
    record = Record(partition, offset, (at - EPOCH) // MILLISECOND, name.encode(), value)
    return Entry(name.encode(), answer(history, record, log.name, log.partitions), partition)


def asked(path: Path, cases: int) -> Rows:
    """All questions, the median of five."""
    found: Rows = []
    now = (START + YEARS + timedelta(days=30)).isoformat()
    for name, arguments in QUERIES.items():
        command = [sys.executable, "-m", "bench.casetrail", "--log", f"sqlite:{path}", *arguments, "--now", now]
        taken = []
        for _ in range(5):
            started = time.perf_counter()
            done = subprocess.run(command, capture_output=True, check=False, text=True)
            taken.append(time.perf_counter() - started)
            if done.returncode not in (0, 8):
                raise RuntimeError(done.stderr)
        found.append((f"{name}, {cases:,} cases (s)", sorted(taken)[2], "to reach: under 0.4"))
    return found
