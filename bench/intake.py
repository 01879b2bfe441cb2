"""Intake: submitted to recorded, in bulk and one at a time, with both clients."""

import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.data import actions
from bench.measuring import Rows, interleaved, settled, times
from bench.peers import application_saves, raw_produce
from bench.peers.java import flowable_works
from casetrail.eventlog.codec import decode_action, decode_event
from casetrail.eventlog.opening import CONFLUENT, PYTHON, init_log
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.publishing import connect

PARTITIONS = 2
BATCH = 2000
CASES = 12_000
WARM_UP = 200
ONE_BY_ONE = 1000
SAVED = {"sqlite": 5000, "postgres": 2000}
FLOWABLE_CASES = 400
MAKING = {"default": {"client": PYTHON}, "casetrail[fast]": {"client": CONFLUENT}}
"""The two ways to install casetrail, and the client that each brings for recorder and submitter."""


def recorder(url: str, folder: Path, options: Mapping[str, object]) -> subprocess.Popen[bytes]:
    """A recorder in a process of its own."""
    name = url.rpartition("/")[2]
    config = folder / f"{options['client']}.toml"
    config.write_text(f'[kafka]\nclient = "{options["client"]}"\n')
    command = [sys.executable, "-m", "bench.casetrail", "--config", str(config), "--log", url, "serve", "recorder",
               "--health-port", "0", "--heartbeat", "0", "--state", str(folder / f"state-{name}")]  # fmt: skip
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Have a process end."""
    process.terminate()
    process.wait()


def wait_recorded(log: Log, count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until that many actions have their event. Raises ``RuntimeError`` where the recorder has ended before."""
    while sum(log.end_offsets(Topic.EVENTS).values()) < count or recorded(log) < count:
        if process.poll() is not None:
            raise RuntimeError("the recorder has ended")
        time.sleep(0.02)


def recorded(log: Log) -> int:
    """How many actions have their event: by the last event of each partition, since markers take up offsets, too."""
    lasts = [log.last(Topic.EVENTS, partition) for partition in range(PARTITIONS)]
    return sum(decode_event(last.value).action_offset + 1 for last in lasts if last is not None)


def submit_all(url: str, options: Mapping[str, object], values: Sequence[bytes], begun: Any) -> None:
    """Submit the actions as a service does; ``begun`` is told when the first one is on its way."""
    asked = [decode_action(value) for value in values]
    settled()  # a service does not hold so many actions at once
    with connect(url, options) as connection:
        begun.value = time.monotonic()
        for start in range(0, len(asked), BATCH):
            connection.submit_many(asked[start : start + BATCH])


def bulk(url: str, options: Mapping[str, object], folder: Path, values: Sequence[bytes]) -> float:
    """Events a second from the first submission to the last outcome, submitter and recorder at the same time."""
    context = multiprocessing.get_context("spawn")
    begun = context.Value("d")
    with init_log(url, partitions=PARTITIONS, replication=1, min_isr=1) as log:
        process = recorder(url, folder, options)
        log.append(Topic.ACTIONS, entries_of(values[:WARM_UP]))
        wait_recorded(log, WARM_UP, process)
        submitter = context.Process(target=submit_all, args=(url, options, values[WARM_UP:], begun))
        submitter.start()
        wait_recorded(log, len(values), process)
        rate = (len(values) - WARM_UP) / (time.monotonic() - float(begun.value))
        submitter.join()
        stop(process)
    return rate


def entries_of(values: Sequence[bytes]) -> list[Entry]:
    """The actions, to be appended."""
    return [Entry(decode_action(value).case_id.encode(), value) for value in values]


def backlog(url: str, options: Mapping[str, object], folder: Path, entries: Sequence[Entry]) -> float:
    """Events a second that one recorder makes of actions that wait for it."""
    first = min(2000, len(entries) // 10)
    with init_log(url, partitions=PARTITIONS, replication=1, min_isr=1) as log:
        for start in range(0, len(entries), BATCH):
            log.append(Topic.ACTIONS, entries[start : start + BATCH])
        process = recorder(url, folder, options)
        while (before := recorded(log)) < first:
            if process.poll() is not None:
                raise RuntimeError("the recorder has ended")
        started = time.perf_counter()
        wait_recorded(log, len(entries), process)
        rate = (len(entries) - before) / (time.perf_counter() - started)
        stop(process)
    return rate


def one_by_one(url: str, options: Mapping[str, object], folder: Path, count: int) -> tuple[float, float]:
    """Milliseconds from submit to outcome, one submission at a time: median and 99th percentile."""
    init_log(url, partitions=PARTITIONS, replication=1, min_isr=1).close()
    process = recorder(url, folder, options)
    asked = [decode_action(value) for _, value in actions(count // 10 + 10)]
    settled()
    taken = []
    with connect(url, options) as connection:
        for number, action in enumerate(asked):
            started = time.perf_counter()
            connection.wait(connection.submit(action))
            if number >= 100:
                taken.append((time.perf_counter() - started) * 1000)
    stop(process)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def run(bootstrap: str, postgres_url: str, folder: Path, scale: float, runs: int) -> Rows:
    """All of it, with the peers."""
    values = [value for _, value in actions(max(200, int(CASES * scale)))]
    entries = entries_of(values)
    settled()
    url = f"kafka://{bootstrap}"

    def raw(number: int) -> float:
        init_log(f"{url}/raw-{number}", partitions=PARTITIONS, replication=1, min_isr=1).close()
        return raw_produce(bootstrap, f"raw-{number}.actions", values)

    flowable_cases = max(20, int(FLOWABLE_CASES * scale))
    saved = {kind: max(500, int(count * min(1.0, scale))) for kind, count in SAVED.items()}
    found = interleaved(
        "intake",
        runs,
        {
            "default": lambda n: bulk(f"{url}/bulk-{n}", MAKING["default"], folder, values),
            "casetrail[fast]": lambda n: bulk(f"{url}/fast-{n}", MAKING["casetrail[fast]"], folder, values),
            "backlog": lambda n: backlog(f"{url}/backlog-{n}", MAKING["default"], folder, entries),
            "backlog, fast": lambda n: backlog(f"{url}/backfast-{n}", MAKING["casetrail[fast]"], folder, entries),
            "raw": raw,
            "sqlite": lambda _: application_saves("sqlite", folder, "", saved["sqlite"]),
            "postgres": lambda _: application_saves("postgres", folder, postgres_url, saved["postgres"]),
            "flowable": lambda n: flowable_works(postgres_url, flowable_cases, folder, n),
        },
    )
    yield from rate_rows(found)
    yield from latency_rows(url, folder, scale, runs)


def rate_rows(found: Mapping[str, float]) -> Rows:
    """The table of what is done a second."""
    raw = f"{{:.2f}} × the raw client's produce of {found['raw']:,.0f}"
    for kind, label, bar in (("default", "", 15_000), ("casetrail[fast]", ", casetrail[fast]", 30_000)):
        rate = found[kind]
        ratios = f"{times(rate, found['sqlite'], 'eventsourcing on SQLite', 4)}; {times(rate, found['flowable'], 'Flowable', 20)}"
        yield f"intake, submitted to recorded, bulk{label} (events/s)", rate, f"to reach: {bar:,}; {ratios}"
    for kind, label in (("backlog", ""), ("backlog, fast", ", casetrail[fast]")):
        yield f"one recorder on waiting actions{label} (events/s)", found[kind], raw.format(found[kind] / found["raw"])
    yield "raw client, kafka-python, produce (records/s)", found["raw"], "peer"
    yield "eventsourcing application, SQLite (events/s)", found["sqlite"], "peer: one event a save"
    yield "eventsourcing application, PostgreSQL (events/s)", found["postgres"], "peer: one event a save"
    yield "Flowable CMMN 7 on PostgreSQL with history (steps/s)", found["flowable"], "peer: 2 threads"


def latency_rows(url: str, folder: Path, scale: float, runs: int) -> Rows:
    """The table of how long one submission takes."""
    count = max(200, int(ONE_BY_ONE * scale))
    slow: dict[str, list[float]] = {kind: [] for kind in MAKING}

    def once(number: int, kind: str) -> float:
        options = MAKING[kind]
        median, slowest = one_by_one(f"{url}/single-{number}-{options['client']}", options, folder, count)
        slow[kind].append(slowest)
        return median

    found = interleaved(
        "one submission at a time, p50 in ms",
        runs,
        {kind: lambda number, kind=kind: once(number, kind) for kind in MAKING},  # type: ignore[misc]
    )
    for kind, label in (("default", ""), ("casetrail[fast]", ", casetrail[fast]")):
        yield f"one submission, submit to outcome{label}, p50 (ms)", found[kind], "to reach: under 8"
        yield f"one submission, submit to outcome{label}, p99 (ms)", statistics.median(slow[kind]), "to reach: under 25"
