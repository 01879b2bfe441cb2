"""Rebuilding all views from Kafka, into SQLite and PostgreSQL."""

import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

from bench.data import events
from bench.peers import raw_consume, runner_projects
from bench.peers.java import streams_fold
from bench.servers import Memory
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Log, Topic
from casetrail.projections.as_of import replay

Rows = list[tuple[str, float, str]]
PARTITIONS = 4


def fill(log: Log, cases: int) -> int:
    """Write the events of that many cases straight into the log; how many there were."""
    made, count = events(cases, log.name, log.partitions), 0
    while some := list(islice(made, 5000)):
        log.append(Topic.EVENTS, some)
        count += len(some)
    return count


def run(bootstrap: str, postgres_url: str, folder: Path, scale: float) -> Rows:
    """All of it, with the peers; memory at one and at three times the number of events."""
    rows: Rows = []
    memory: list[tuple[int, Memory]] = []
    for factor in (1, 3):
        url = f"kafka://{bootstrap}/rebuild{factor}"
        with init_log(url, partitions=PARTITIONS, replication=1, min_isr=1) as log:
            count = fill(log, int(20_000 * factor * scale))
            raw = raw_consume(bootstrap, f"rebuild{factor}.events", PARTITIONS, count)
            streams = streams_fold(bootstrap, f"rebuild{factor}.events", PARTITIONS, folder)
            with Memory() as watched:
                for name, views in (("SQLite", f"sqlite:{folder / f'views{factor}'}"), ("PostgreSQL", postgres_url)):
                    rate = count / rebuilt(url, views)
                    remark = f"{rate / raw:.2f} × raw consume, {rate / streams:.2f} × Kafka Streams; to reach: 60,000"
                    rows.append((f"rebuild into {name}, {count:,} events (events/s)", rate, remark))
            memory.append((count, watched))
            rows.append((f"raw client, consume, {count:,} events (records/s)", raw, "peer"))
            rows.append((f"Kafka Streams into one table, {count:,} events (events/s)", streams, "peer"))
            started = time.perf_counter()
            sum(1 for _ in replay(log))
            rows.append(("replay of all cases from the log (events/s)", count / (time.perf_counter() - started), ""))
    (_, first), _ = memory
    for count, watched in memory:
        flat = f"{watched.together / first.together:.2f} × that of the fewer events" if watched is not first else ""
        rows.append((f"rebuild, most memory of a process, {count:,} events (MB)", watched.most, ""))
        rows.append((f"rebuild, most memory of all processes, {count:,} events (MB)", watched.together, flat))
    runner = runner_projects(folder, postgres_url, 3000)
    rows.append(("eventsourcing, subscription into a SQLite view, one by one (events/s)", runner, "peer"))
    return rows


def rebuilt(url: str, views: str) -> float:
    """Seconds that ``casetrail views rebuild`` takes for the status views alone, start-up included."""
    command = [sys.executable, "-m", "bench.casetrail", "--log", url, "--views", views, "views", "rebuild"]
    command.append("--without-judgements")
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
