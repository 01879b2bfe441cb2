"""Rebuilding all views from Kafka, into SQLite and PostgreSQL, with both clients, beside Kafka Streams and ProjectionRunner."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.filling import EVENTS_A_CASE, fill
from bench.measuring import Rows, interleaved, say, times
from bench.peers import raw_consume, runner_projects
from bench.peers.java import streams_fold
from bench.peers.reading import reading_alone
from bench.servers import Memory
from casetrail.eventlog.opening import CONFLUENT, PYTHON
from casetrail.eventlog.port import Topic

PARTITIONS = 4
CASES = 500_000
SMALLER = 5
"""So many times fewer events and cases in the first of the two logs."""
MOST_RUNS = 3
ALONE = "status views, without judgements: "
"""Of the larger log: five would take a quarter of an hour."""
SAMPLE = 3000
"""Events for ProjectionRunner, which takes about a thousand a second."""
FAST_CONFIG = '[kafka]\nclient = "confluent"\n'


class Size(NamedTuple):
    """What memory came to, in MB: the most of one process, and the most of all at the same moment."""

    most: float
    together: float


class Rebuilds:
    """Rebuilds of one log, with the most memory that any of them took."""

    def __init__(self, bootstrap: str, name: str, count: int, folder: Path) -> None:
        self._url, self._count, self._folder, self._name = f"kafka://{bootstrap}/{name}", count, folder, name
        self.memory = Size(0.0, 0.0)
        self._fast = folder / "fast.toml"
        self._fast.write_text(FAST_CONFIG)

    def rate(self, views: str, *, is_fast: bool = False, is_judged: bool = False) -> float:
        """Events a second of one ``casetrail views rebuild``, start-up included."""
        config = ["--config", str(self._fast)] if is_fast else []
        more = [] if is_judged else ["--without-judgements"]
        command = [sys.executable, "-m", "bench.casetrail", *config, "--log", self._url, "--views", views]
        started = time.perf_counter()
        with Memory() as watched:
            subprocess.run([*command, "views", "rebuild", *more], check=True, stdout=subprocess.DEVNULL)
        rate = self._count / (time.perf_counter() - started)
        if not is_judged:
            self.memory = Size(max(self.memory.most, watched.most), max(self.memory.together, watched.together))
        return rate

    def sqlite(self, *, is_fast: bool = False, is_judged: bool = False) -> float:
        """The same into SQLite."""
        views = f"sqlite:{self._folder / f'views-{self._name}-{is_judged}'}"
        return self.rate(views, is_fast=is_fast, is_judged=is_judged)


def measured(servers: tuple[str, str, Path], cases: int, runs: int, runner: float, *, is_judged: bool) -> Rows:
    """All of one log, with that many cases. ``runner``: what ProjectionRunner makes, events a second.

    ``is_judged``: once with judgements, too, which take several times as long, and once the raw client.
    """
    bootstrap, postgres_url, folder = servers
    name = f"rebuild-{cases}"
    count = fill(f"kafka://{bootstrap}/{name}", cases, PARTITIONS)
    rebuilds = Rebuilds(bootstrap, name, count, folder)
    size, unit = f"{count:,} events, {cases:,} cases", "(events/s)"
    found = interleaved(
        f"rebuild, {size}",
        runs,
        {
            "casetrail": lambda _: rebuilds.sqlite(),
            "Kafka Streams": lambda _: streams_fold(bootstrap, f"{name}.events", PARTITIONS, folder),
            "casetrail[fast]": lambda _: rebuilds.sqlite(is_fast=True),
        },
    )
    streams, of = found["Kafka Streams"], f"; runs: {runs}"
    for kind, label, bar in (
        ("casetrail", "SQLite", 1.2),
        ("casetrail[fast]", "SQLite, casetrail[fast]", 2.0),
    ):
        remark = f"{ALONE}{times(found[kind], streams, 'Kafka Streams', bar)}; {times(found[kind], runner, 'ProjectionRunner', 25)}"
        yield f"rebuild into {label}, {size} {unit}", found[kind], remark + of
    yield f"Kafka Streams 4.1 into one table, {size} {unit}", streams, "peer: exactly once, RocksDB, 2 threads" + of
    yield from memory_rows(rebuilds, size)
    yield from once(rebuilds, postgres_url, size, streams, is_judged=is_judged)
    yield from reading_rows(f"kafka://{bootstrap}/{name}", size, count, streams)
    if is_judged:
        yield from raw_row(bootstrap, name, count, found["casetrail"])


def reading_rows(url: str, size: str, count: int, streams: float) -> Rows:
    """What there is to gain at all: both clients read the events, in two processes, and nothing is done with them."""
    for client, bar in ((PYTHON, 1.2), (CONFLUENT, 2.0)):
        rate = reading_alone(url, client, (Topic.EVENTS,), PARTITIONS, count)
        remark = f"peer: {times(rate, streams, 'Kafka Streams')}; a rebuild is to reach {bar:g} ×"
        yield f"reading alone, two processes, client {client}, {size} (events/s)", rate, remark


def raw_row(bootstrap: str, name: str, count: int, rate: float) -> Rows:
    """What the client alone reads."""
    raw = raw_consume(bootstrap, f"{name}.events", PARTITIONS, count)
    yield f"raw client, consume, {count:,} events (records/s)", raw, f"peer, one process: casetrail {rate / raw:.2f} ×"


def memory_rows(rebuilds: Rebuilds, size: str) -> Rows:
    """The most memory of the rebuilds so far: of both clients, without judgements, into SQLite."""
    yield f"rebuild, most memory of one process, {size} (MB)", rebuilds.memory.most, "to reach: under 600"
    yield f"rebuild, most memory of all processes together, {size} (MB)", rebuilds.memory.together, "shared pages twice"


def once(rebuilds: Rebuilds, postgres_url: str, size: str, streams: float, *, is_judged: bool) -> Rows:
    """What is measured a single time: PostgreSQL, and with judgements."""
    kinds: dict[str, Callable[[], float]] = {"PostgreSQL": lambda: rebuilds.rate(postgres_url)}
    if is_judged:
        kinds["SQLite, with judgements"] = lambda: rebuilds.sqlite(is_judged=True)
    for label, measure in kinds.items():
        rate = measure()
        say(f"rebuild, {size}, once: {label}: {rate:,.1f}")
        what = "" if "judgements" in label else ALONE
        yield (
            f"rebuild into {label}, {size} (events/s)",
            rate,
            f"{what}{times(rate, streams, 'Kafka Streams')}; runs: 1",
        )


def run(bootstrap: str, postgres_url: str, folder: Path, scale: float, runs: int) -> Rows:
    """Both logs. Memory must be the same for both."""
    name = "ProjectionRunner"
    runner = interleaved(name, runs, {name: lambda _: runner_projects(folder, postgres_url, SAMPLE)})[name]
    remark = f"peer: a sample of {SAMPLE:,} events into a view that only counts; runs: {runs}"
    yield "eventsourcing's ProjectionRunner into SQLite (events/s)", runner, remark
    cases = max(EVENTS_A_CASE, int(CASES * scale))
    servers = bootstrap, postgres_url, folder
    yield from measured(servers, cases // SMALLER, runs, runner, is_judged=True)
    yield from measured(servers, cases, min(runs, MOST_RUNS), runner, is_judged=False)
