"""Freshness: from an event's append to the moment when a separate reader first sees its row, at a steady rate.

A process of its own appends events as a recorder does, in transactions; ``casetrail serve projector`` runs as it is; a
third process asks the views again and again how far they are. Position and rows change in one SQL transaction, so who sees
the position sees the rows; that all rows are there is held after each run. Time counts from the log's append time, which lies
before the commit, in whole milliseconds: what is measured is up to 1 ms too long, never too short.
"""

import multiprocessing
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from bench.data import events
from bench.filling import EVENTS_A_CASE, fill
from bench.measuring import Rows, say, settled, views_of
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Entry, Topic
from casetrail.eventlog.stream import batches
from casetrail.projections.database import has_judgements, open_database
from casetrail.projections.tables import application_name

PARTITIONS = 2
RATE = 1000
A_TRANSACTION = 10
"""Events that are committed together: what a recorder finds waiting at this rate."""
SECONDS = 15
WARM_UP = 3
"""Seconds that do not count."""
POLL = 0.002
"""Seconds between two looks of the reader: seldom enough to leave the two cores to what is measured."""
WAITING = 500
"""Cases whose events wait for a projector that was away."""
LIMIT = 60.0
"""Seconds that it may take for them."""
BEFORE = 5000
"""Cases that are in the views already."""
MOST_RUNS = 3
JUDGED_WAIT = 120.0
"""Seconds after a run in which the judgements may catch up: what comes next would measure what was left."""


class Seen(NamedTuple):
    """A position of the views, and when it was first seen, in milliseconds since 1970."""

    partition: int
    offset: int
    at: float


def feed(url: str, first: int, seconds: int) -> None:
    """Append events at the steady rate, each transaction at its time."""
    count = RATE * seconds
    with open_log(url) as log:
        writers = [log.writer(partition) for partition in range(PARTITIONS)]
        made = list(transactions(log.name, first, count))
        settled()
        started = time.monotonic()
        for number, (partition, entries) in enumerate(made):
            time.sleep(max(0.0, started + number * A_TRANSACTION / RATE - time.monotonic()))
            writers[partition].append(entries)
        for writer in writers:
            writer.close()


def transactions(name: str, first: int, count: int) -> Iterator[tuple[int, list[Entry]]]:
    """The events of so many cases, as many a transaction as are committed together, each in one partition."""
    waiting: list[deque[Entry]] = [deque() for _ in range(PARTITIONS)]
    for entry in islice(events(count // EVENTS_A_CASE, name, PARTITIONS, first=first), count):
        some = waiting[entry.partition or 0]
        some.append(entry)
        if len(some) == A_TRANSACTION:
            yield entry.partition or 0, list(some)
            some.clear()


def watch(views: str, log: str, stop: Any, answer: Connection) -> None:
    """Ask the views again and again; what was seen first when, and how many milliseconds lay between two questions."""
    database = open_database(views)
    names = {application_name(log, partition): partition for partition in range(PARTITIONS)}
    at: dict[int, int] = {}
    seen: list[Seen] = []
    asked = [time.time()]
    while not stop.is_set():
        for name, offset in database.rows("SELECT application_name, notification_id FROM tracking"):
            partition = names.get(name)
            if partition is not None and at.get(partition) != offset:
                at[partition] = offset
                seen.append(Seen(partition, offset, time.time() * 1000))
        time.sleep(POLL)
        asked.append(time.time())
    database.close()
    between = [(after - before) * 1000 for before, after in pairwise(asked)]
    answer.send((seen, median(between), quantiles(between, n=100)[98] if len(between) > 1 else 0.0))


def appended(url: str, start: dict[int, int]) -> list[tuple[int, int, int]]:
    """The events since then: partition, offset, the log's append time in milliseconds since 1970."""
    found = []
    with open_log(url) as log:
        ends = log.end_offsets(Topic.EVENTS)
        with log.reader(Topic.EVENTS, start) as reader:
            for records in batches(reader, ends):
                found += [(one.partition, one.offset, one.appended_at) for one in records]
    return found


def delays(events_: Sequence[tuple[int, int, int]], seen: Sequence[Seen]) -> list[float]:
    """Milliseconds from the append of each event to the first position beyond it. The first seconds do not count."""
    first = min(at for _, _, at in events_) + WARM_UP * 1000
    found = []
    for partition in range(PARTITIONS):
        positions = iter([one for one in seen if one.partition == partition])
        position = next(positions)
        for _, offset, at in (one for one in events_ if one[0] == partition):
            while position.offset <= offset:
                position = next(positions)  # the run waited until all was seen
            if at >= first:
                found.append(position.at - at)
    return found


class Measured(NamedTuple):
    """One run: median and 99th percentile in ms, events a second as they came, and ms between two looks of the reader.

    ``busy``: what part of the run the projector's process had the processor. Near 1 it cannot keep up. ``unjudged``: how many
    offsets the judgements were behind when the last row was visible.
    """

    p50: float
    p99: float
    rate: float
    look: float
    slow_look: float
    busy: float
    unjudged: float


def processor_time(process: int) -> float:
    """Seconds of the processor that a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def once(url: str, views: str, first: int, seconds: int) -> Measured:
    """One run of so many seconds. The projector has caught up before it begins."""
    name = url.rpartition("/")[2]
    projector = serve_projector(url, views)
    context = multiprocessing.get_context("spawn")
    stop, (mine, theirs) = context.Event(), context.Pipe()
    reader = context.Process(target=watch, args=(views, name, stop, theirs))
    feeder = context.Process(target=feed, args=(url, first, seconds))
    try:
        with open_log(url) as log:
            start = log.end_offsets(Topic.EVENTS)
            time.sleep(2)  # the projector's start is not what is measured
            before, started = processor_time(projector.pid), time.monotonic()
            reader.start()
            feeder.start()
            feeder.join()
            until = time.monotonic() + 120
            while not reached(views, name, log.end_offsets(Topic.EVENTS)):
                if projector.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("the projector has not seen all events")
                time.sleep(0.05)
            behind = unjudged(views)
            busy = (processor_time(projector.pid) - before) / (time.monotonic() - started)
            stop.set()
            seen, look, slow_look = mine.recv()
            reader.join()
            until = time.monotonic() + JUDGED_WAIT
            while unjudged(views):
                if time.monotonic() > until:
                    raise RuntimeError("the judgements have not caught up")
                time.sleep(0.05)
    finally:
        for process in (reader, feeder):
            if process.is_alive():
                process.kill()
        projector.terminate()
        projector.wait()
    made = appended(url, start)
    check_rows(views, len(made), first)
    found = delays(made, seen)
    span = (max(at for _, _, at in made) - min(at for _, _, at in made)) / 1000
    return Measured(median(found), quantiles(found, n=100)[98], len(made) / span, look, slow_look, busy, behind)


def serve_projector(url: str, views: str) -> subprocess.Popen[bytes]:
    """A projector in a process of its own, as it is installed."""
    command = [sys.executable, "-m", "bench.casetrail", "--log", url, "--views", views, "serve", "projector"]
    return subprocess.Popen([*command, "--health-port", "0", "--heartbeat", "0"], stderr=subprocess.DEVNULL)


def backlog(url: str, views: str, first: int, cases: int) -> tuple[float, str]:
    """Events a second, judgements included, that a projector makes of those that wait for it, and what was not done in time."""
    count = fill(url, cases, PARTITIONS, first)
    with open_log(url) as log:
        ends, name = log.end_offsets(Topic.EVENTS), log.name
    started = time.monotonic()
    projector = serve_projector(url, views)
    while (left := 0 if reached(views, name, ends) else count) or (left := unjudged(views)):
        if projector.poll() is not None:
            raise RuntimeError("the projector has ended")
        if time.monotonic() - started > LIMIT:
            break
        time.sleep(0.05)
    rate = (count - min(left, count)) / (time.monotonic() - started)
    projector.terminate()
    projector.wait()
    return (
        rate,
        f"NOT DONE within {LIMIT:.0f} s: {left:,} of {count:,} left" if left else f"{count:,} events, start included",
    )


def positions(views: str, table: str) -> dict[str, int]:
    """The positions that a table of the views has; none where there is no such table."""
    database = open_database(views)
    found: dict[str, int] = {}
    if table == "tracking" or has_judgements(database):
        found = dict(database.rows(f"SELECT application_name, notification_id FROM {table}"))
    database.close()
    return found


def reached(views: str, log: str, ends: dict[int, int]) -> bool:
    """Whether the views have seen all events: up to the marker of the last transaction, which follows them."""
    at = positions(views, "tracking")
    return all(at.get(application_name(log, partition), 0) >= end - 1 for partition, end in ends.items())


def unjudged(views: str) -> int:
    """How many offsets the judgements are behind the status views; 0 where there are none."""
    judged = positions(views, "judged")
    return sum(at - judged.get(name, 0) for name, at in positions(views, "tracking").items()) if judged else 0


def check_rows(views: str, count: int, first: int) -> None:
    """Hold that the rows of the run are there: a position alone would prove nothing. Raises ``RuntimeError``."""
    database = open_database(views)
    (found,) = database.rows("SELECT COUNT(*) FROM timeline WHERE case_id >= ?", (f"case-{first:08}",))
    database.close()
    if found[0] != count:
        raise RuntimeError(f"{count} events were appended, but {found[0]} rows are in the timeline")


def run(bootstrap: str, postgres_url: str, folder: Path, scale: float, runs: int) -> Rows:
    """SQLite with the judgements, as ``serve projector`` makes them, and without; PostgreSQL."""
    url = f"kafka://{bootstrap}/visible"
    before = max(EVENTS_A_CASE, int(BEFORE * scale))
    fill(url, before, PARTITIONS)
    first, runs = before, min(runs, MOST_RUNS)
    seconds = max(WARM_UP + 2, int(SECONDS * min(1.0, scale)) + WARM_UP)
    kinds: dict[str, tuple[str, Sequence[str]]] = {
        "SQLite, without judgements": (f"sqlite:{folder}/visible-plain", ("--without-judgements",)),
        "SQLite": (f"sqlite:{folder}/visible", ()),
        "PostgreSQL": (postgres_url, ()),
    }
    for label, (views, more) in kinds.items():
        views_of(url, views, *more)
        found = []
        for number in range(runs):
            found.append(once(url, views, first, seconds))
            first += RATE * seconds // EVENTS_A_CASE
            say(f"visible, {label}, run {number + 1} of {runs}: p50 {found[-1].p50:.1f} ms, p99 {found[-1].p99:.1f} ms")
        middle = [median(values) for values in zip(*found, strict=True)]
        p50, p99, rate, look, slow_look, busy, behind = middle
        remark = (
            f"at {rate:,.0f} events/s; a look every {look:.1f} ms (p99 {slow_look:.1f}); projector busy {busy:.0%}; "
            f"judgements {behind:,.0f} offsets behind; runs of {seconds - WARM_UP} s: {runs}"
        )
        yield f"event recorded to row visible, {label}, p50 (ms)", p50, f"to reach: under 30; {remark}"
        yield f"event recorded to row visible, {label}, p99 (ms)", p99, f"to reach: under 150; {remark}"
        cases = max(10, int(WAITING * scale))
        rate, remark = backlog(url, views, first, cases)
        first += cases
        say(f"visible, {label}, waiting events: {rate:,.1f}/s")
        yield f"projector on waiting events, {label} (events/s)", rate, remark
