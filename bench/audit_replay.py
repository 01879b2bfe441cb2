"""The replay verdict: events a second from an embedded log and from Kafka, memory at one and at three times the events."""

import time
from itertools import islice
from pathlib import Path

from bench.data import actions
from bench.measuring import Rows, settled
from bench.servers import Memory
from casetrail.audit.replaying.replay import replay
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.outcome import History, answer, case_of
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Entry, Log, Record, Topic

PARTITIONS = 4
BATCH = 5000


def fill(log: Log, cases: int) -> tuple[int, float]:
    """Write the actions of that many cases and the events that answer them; how many, and how many were decided a second.

    The time is that of the deciding alone, in this one process: the least that a replay has to do again.
    """
    histories: dict[str, History] = {}
    made, count, deciding = actions(cases), 0, 0.0
    while some := list(islice(made, BATCH)):
        entries = [Entry(key.encode(), value, partition_for(key.encode(), log.partitions)) for key, value in some]
        appended = log.append(Topic.ACTIONS, entries)
        records = [
            Record(at.partition, at.offset, at.appended_at, one.key, one.value)
            for at, one in zip(appended, entries, strict=True)
        ]
        events = []
        started = time.perf_counter()
        for record in sorted(records, key=lambda one: (one.partition, one.offset)):
            history = histories.setdefault(case_of(record, log.partitions), History.empty((record.key or b"").decode()))
            events.append(Entry(record.key, answer(history, record, log.name, log.partitions), record.partition))
        deciding += time.perf_counter() - started
        log.append(Topic.EVENTS, events)
        count += len(some)
        for one in [name for name, history in histories.items() if history.case.version == 10]:
            del histories[one]
    return count, count / deciding


def measure(url: str, count: int) -> float:
    """Replayed events a second, over all partitions in two processes."""
    started = time.perf_counter()
    verdicts = replay(url, processes=2)
    rate = count / (time.perf_counter() - started)
    if sum(one.compared for one in verdicts) != count or any(one.counts for one in verdicts):
        raise RuntimeError("the replay of honest events found differences")
    return rate


def run(bootstrap: str, folder: Path, scale: float) -> Rows:
    """From both logs, with the deciding alone beside it."""
    for factor in (1, 3):
        url = f"sqlite:{folder / f'replay{factor}.db'}"
        with init_log(url, partitions=PARTITIONS) as log:
            count, alone = fill(log, int(20_000 * factor * scale))
        settled()
        with Memory() as watched:
            rate = measure(url, count)
        remark = f"{rate / alone:.2f} × deciding; 25,000"
        yield f"audit replay, embedded log, {count:,} events (events/s)", rate, remark
        yield f"deciding alone, in one process, {count:,} events (events/s)", alone, "peer"
        yield f"audit replay, most memory of a process, {count:,} events (MB)", watched.most, ""
    url = f"kafka://{bootstrap}/audit-replay"
    with init_log(url, partitions=PARTITIONS, replication=1, min_isr=1) as log:
        count, alone = fill(log, int(20_000 * scale))
    settled()
    rate = measure(url, count)
    yield f"audit replay, Kafka, {count:,} events (events/s)", rate, f"{rate / alone:.2f} × deciding; to reach: 25,000"
