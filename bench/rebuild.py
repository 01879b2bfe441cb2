"""Rebuilding all views from Kafka, into SQLite and PostgreSQL."""

import time
from itertools import islice
from pathlib import Path

from bench.data import events
from bench.peers import raw_consume, runner_projects
from bench.servers import Memory
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Log, Topic
from casetrail.projections.as_of import replay
from casetrail.projections.rebuild import rebuild

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
    memory: dict[int, float] = {}
    for factor in (1, 3):
        url = f"kafka://{bootstrap}/rebuild{factor}"
        with init_log(url, partitions=PARTITIONS, replication=1, min_isr=1) as log:
            count = fill(log, int(20_000 * factor * scale))
            raw = raw_consume(bootstrap, f"rebuild{factor}.events", PARTITIONS, count)
            for name, views in (("SQLite", f"sqlite:{folder / f'views{factor}'}"), ("PostgreSQL", postgres_url)):
                with Memory() as watched:
                    started = time.perf_counter()
                    rebuild(log, url, views)
                    rate = count / (time.perf_counter() - started)
                rows.append(
                    (f"rebuild into {name}, {count:,} events (events/s)", rate, f"{rate / raw:.2f} × raw consume")
                )
                memory[count] = max(memory.get(count, 0), watched.most)
            rows.append((f"raw client, consume, {count:,} events (records/s)", raw, "peer"))
            started = time.perf_counter()
            sum(1 for _ in replay(log))
            rows.append(("replay of all cases from the log (events/s)", count / (time.perf_counter() - started), ""))
    rows += [(f"most memory of a process, {count:,} events (MB)", most, "") for count, most in memory.items()]
    runner = runner_projects(folder, postgres_url, 3000)
    rows.append(("eventsourcing, subscription into a SQLite view, one by one (events/s)", runner, "peer"))
    return rows
