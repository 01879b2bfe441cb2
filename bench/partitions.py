"""What many partitions cost: the same events on one broker, in 6, 60 and 600 partitions.

Each thing is done by a process of its own, with an end: what does not come to one within the limit is said to be so.
"""

import multiprocessing
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.audit_replay import fill
from bench.measuring import Rows, say
from bench.notary import notarised
from bench.servers import Memory, brokers
from casetrail.audit.verification.verify import Asked, verify
from casetrail.consumers.projector import Projector
from casetrail.consumers.recorder import Recorder
from casetrail.eventlog.opening import CONFLUENT, PYTHON, init_log, open_log
from casetrail.eventlog.port import Topic
from casetrail.projections.case_store import CaseStore
from casetrail.projections.database import open_database
from casetrail.projections.rebuild import rebuild
from casetrail.projections.views import Views

COUNTS = (6, 60, 600)
CASES = 6000
LIMIT = 120.0
"""Seconds that a thing may take."""

Options = dict[str, object]


def open_it(url: str, options: Options, _: str) -> None:
    """Open the log, and ask for its ends."""
    with open_log(url, options) as log:
        log.end_offsets(Topic.EVENTS)


def take_over(url: str, options: Options, state: str) -> None:
    """Become the recorder of all partitions."""
    with open_log(url, options) as log:
        store = CaseStore(Path(state), log.name)
        recorder = Recorder(log, store)
        while len(recorder.owned) < log.partitions:
            recorder.step(0.05)
        recorder.close()
        store.close()


def project(url: str, options: Options, views: str) -> None:
    """Take all events into new views without judgements, as a projector does."""
    with open_log(url, options) as log:
        projector = Projector(log, Views.create(open_database(f"sqlite:{views}", create=True), log.name))
        ends = log.end_offsets(Topic.EVENTS)
        while any(at < ends[partition] for partition, at in projector.positions.items()):
            projector.step(0.05)
        projector.close()


def build(url: str, options: Options, views: str) -> None:
    """Rebuild the views without judgements."""
    with open_log(url, options) as log:
        rebuild(log, url, f"sqlite:{views}", options, judged=False)


def notarise(url: str, options: Options, folder: str) -> None:
    """Bring all events under a checkpoint."""
    with open_log(url, options) as log:
        notarised(log, Path(folder))


def check(url: str, options: Options, _: str) -> None:
    """Verify the log."""
    if not verify(url, options, Asked(datetime.now(UTC))).holds:
        raise RuntimeError("an honest log does not hold")


class Timed(NamedTuple):
    """How long a thing took, start-up of its process included; the most memory of all its processes, MB; what went wrong."""

    seconds: float
    memory: float
    trouble: str


def timed(work: Callable[[str, Options, str], None], url: str, options: Options, place: Path) -> Timed:
    """Do a thing in a process of its own."""
    context = multiprocessing.get_context("spawn")
    process: Any = context.Process(target=work, args=(url, options, str(place)))
    started = time.monotonic()
    with Memory() as watched:
        process.start()
        process.join(LIMIT)
        seconds = time.monotonic() - started
    if process.exitcode is None:
        process.kill()
        process.join()
        return Timed(seconds, watched.together, f"NOT DONE within {LIMIT:.0f} s")
    return Timed(seconds, watched.together, "" if process.exitcode == 0 else "FAILED: the error is on stderr")


def measured(bootstrap: str, folder: Path, count: int, cases: int) -> Rows:
    """All of it with that many partitions."""
    url = f"kafka://{bootstrap}/partitions-{count}"
    started = time.monotonic()
    with init_log(url, partitions=count, replication=1, min_isr=1) as log:
        yield f"{count} partitions: log init (s)", time.monotonic() - started, ""
        events, _ = fill(log, cases)
    fast: Options = {"client": CONFLUENT}
    usual: Options = {"client": PYTHON}
    place = folder / f"partitions-{count}"
    place.mkdir()
    jobs: list[tuple[str, Callable[[str, Options, str], None], Options, str]] = [
        ("open the log", open_it, usual, ""),
        ("recorder takes over all, without a state file", take_over, usual, "state"),
        ("recorder takes over all, with its state file", take_over, usual, "state"),
        ("recorder takes over all, with its state file, casetrail[fast]", take_over, fast, "state"),
        ("projector from nothing", project, usual, "followed"),
        ("rebuild", build, usual, "rebuilt"),
        ("notary from nothing", notarise, usual, "notary"),
        ("verify", check, usual, ""),
    ]
    for label, work, options, name in jobs:
        found = timed(work, url, options, place / name)
        say(f"{count} partitions: {label}: {found.seconds:.1f} s {found.trouble}")
        remark = found.trouble or f"{events:,} events"
        yield f"{count} partitions: {label} (s)", found.seconds, remark
        yield f"{count} partitions: {label}, memory (MB)", found.memory, found.trouble
    for memory, files in brokers():
        yield f"{count} partitions: the broker's memory (MB)", memory, "heap of 512 MB at most"
        yield f"{count} partitions: the broker's open files", files, "those of fewer partitions included"


def run(bootstrap: str, folder: Path, scale: float) -> Rows:
    """The same number of events each time."""
    for count in COUNTS:
        yield from measured(bootstrap, folder, count, max(100, int(CASES * scale)))
