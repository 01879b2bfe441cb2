"""Intake: submitted to recorded, in bulk and one at a time."""

import multiprocessing
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.data import actions
from bench.peers import application_saves, raw_produce
from bench.peers.java import flowable_works
from casetrail.eventlog.codec import decode_action
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.publishing import connect

Rows = list[tuple[str, float, str]]
PARTITIONS = 2
BATCH = 2000


def recorder(url: str, folder: Path, number: int) -> subprocess.Popen[bytes]:
    """A recorder in a process of its own."""
    command = [sys.executable, "-m", "bench.casetrail", "--log", url, "serve", "recorder", "--health-port", "0",
               "--heartbeat", "0",
               "--state", str(folder / f"state-{number}")]  # fmt: skip
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def wait_recorded(log: Log, count: int) -> None:
    """Wait until that many actions have their event."""
    from casetrail.eventlog.codec import decode_event

    while True:
        done = 0
        for partition in range(PARTITIONS):
            last = log.last(Topic.EVENTS, partition)
            done += decode_event(last.value).action_offset + 1 if last is not None else 0
        if done >= count:
            return
        time.sleep(0.05)


def append_all(url: str, entries: list[Entry]) -> None:
    """Append the actions, batch by batch."""
    with open_log(url) as log:
        for start in range(0, len(entries), BATCH):
            log.append(Topic.ACTIONS, entries[start : start + BATCH])


def submit_all(url: str, values: list[bytes], begun: Any) -> None:
    """Submit the actions as a service does; ``begun`` is told when the first one is on its way."""
    asked = [decode_action(value) for value in values]
    with connect(url) as connection:
        begun.value = time.monotonic()
        for start in range(0, len(asked), BATCH):
            connection.submit_many(asked[start : start + BATCH])


def bulk(bootstrap: str, folder: Path, cases: int) -> tuple[float, list[bytes]]:
    """Events a second from the first submission to the last outcome, submitter and recorder at the same time."""
    url = f"kafka://{bootstrap}/intake"
    log = init_log(url, partitions=PARTITIONS, replication=1, min_isr=1)
    values = [value for _, value in actions(cases)]
    process = recorder(url, folder, 1)
    log.append(Topic.ACTIONS, [Entry(decode_action(value).case_id.encode(), value) for value in values[:200]])
    wait_recorded(log, 200)
    context = multiprocessing.get_context("spawn")
    begun = context.Value("d")
    submitter = context.Process(target=submit_all, args=(url, values[200:], begun))
    submitter.start()
    wait_recorded(log, len(values))
    rate = (len(values) - 200) / (time.monotonic() - begun.value)
    submitter.join()
    process.terminate()
    process.wait()
    log.close()
    return rate, values


def backlog(bootstrap: str, folder: Path, entries: list[Entry]) -> float:
    """Events a second that one recorder makes of actions that wait for it."""
    url = f"kafka://{bootstrap}/backlog"
    log = init_log(url, partitions=PARTITIONS, replication=1, min_isr=1)
    append_all(url, entries)
    process = recorder(url, folder, 2)
    wait_recorded(log, 2000)
    started = time.perf_counter()
    wait_recorded(log, len(entries))
    rate = (len(entries) - 2000) / (time.perf_counter() - started)
    process.terminate()
    process.wait()
    log.close()
    return rate


def one_by_one(bootstrap: str, folder: Path, count: int) -> tuple[float, float]:
    """Milliseconds from submit to outcome, one submission at a time: median and 99th percentile."""
    url = f"kafka://{bootstrap}/latency"
    init_log(url, partitions=PARTITIONS, replication=1, min_isr=1).close()
    process = recorder(url, folder, 3)
    taken = []
    with connect(url) as connection:
        for number, (_, value) in enumerate(actions(count // 10)):
            started = time.perf_counter()
            connection.wait(connection.submit(decode_action(value)))
            if number >= 100:
                taken.append((time.perf_counter() - started) * 1000)
    process.terminate()
    process.wait()
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def run(bootstrap: str, postgres_url: str, folder: Path, scale: float) -> Rows:
    """All of it, with the peers."""
    cases = int(8000 * scale)
    rate, values = bulk(bootstrap, folder, cases)
    init_log(f"kafka://{bootstrap}/raw", partitions=PARTITIONS, replication=1, min_isr=1).close()
    raw = raw_produce(bootstrap, "raw.actions", values)
    entries = [Entry(key.encode(), value) for key, value in actions(cases)]
    waiting = backlog(bootstrap, folder, entries)
    median, slow = one_by_one(bootstrap, folder, 1500)
    sqlite = application_saves("sqlite", folder, "", 5000)
    postgres = application_saves("postgres", folder, postgres_url, 3000)
    flowable = flowable_works(postgres_url, int(400 * scale), folder)
    return [
        ("intake, submitted to recorded, bulk (events/s)", rate, f"{rate / raw:.2f} × the raw client's produce"),
        ("one recorder on waiting actions (events/s)", waiting, f"{waiting / raw:.2f} × the raw client's produce"),
        ("raw client, produce (records/s)", raw, "peer"),
        ("eventsourcing application, SQLite (events/s)", sqlite, f"casetrail has {rate / sqlite:.1f} ×"),
        ("eventsourcing application, PostgreSQL (events/s)", postgres, f"casetrail has {rate / postgres:.1f} ×"),
        ("Flowable CMMN 7 on PostgreSQL with history (steps/s)", flowable, f"casetrail has {rate / flowable:.1f} ×"),
        ("one submission, submit to outcome, p50 (ms)", median, "to reach: under 8"),
        ("one submission, submit to outcome, p99 (ms)", slow, "to reach: under 25"),
    ]
