"""What all parts share: rows of the table, progress on stderr, and runs that take turns."""

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from statistics import median

Row = tuple[str, float, str]
"""What was measured, the value, and a remark: the ratio to a peer, and what is to be reached."""
Rows = Iterator[Row]
"""A part gives its rows as it comes to them: what was measured before it fails is kept."""
Job = Callable[[int], float]
"""Measures once; is told the number of the run."""

_STARTED = time.monotonic()


def say(text: str) -> None:
    """Tell on stderr what is done just now."""
    print(f"{time.monotonic() - _STARTED:7.1f} s  {text}", file=sys.stderr, flush=True)


def interleaved(what: str, runs: int, jobs: Mapping[str, Job]) -> dict[str, float]:
    """The median of so many runs of each job. They take turns (A B A B …), so that a slow minute of the machine hits all."""
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(runs):
        for name, job in jobs.items():
            value = job(number)
            found[name].append(value)
            say(f"{what}, run {number + 1} of {runs}: {name}: {value:,.1f}")
    return {name: median(values) for name, values in found.items()}


def settled() -> None:
    """Take what there is in memory out of the garbage collector's sight.

    The data of a measurement are hundreds of thousands of objects. A collection goes through all of them again and
    again, which a process that does nothing but its work would not have to: it has halved what was measured.
    """
    gc.collect()
    gc.freeze()


def views_of(url: str, views: str, *more: str) -> None:
    """Build the views of a log."""
    command = [sys.executable, "-m", "bench.casetrail", "--log", url, "--views", views, "views", "rebuild", *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def times(value: float, peer: float, name: str, to_reach: float | None = None) -> str:
    """A ratio in words."""
    bar = "" if to_reach is None else f"; to reach: {to_reach:g}"
    return f"{value / peer:.2f} × {name}{bar}"
