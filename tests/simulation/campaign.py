"""Many seeds, in several processes, and what is told of one that fails."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from tests.simulation.mutations import named, planted
from tests.simulation.plan import plan_of
from tests.simulation.running import run, simulated
from tests.simulation.shrinking import shrink

CHUNK: Final = 100
AUDITED: Final = 16
"""At the end of each so-many-th seed the auditors look at the whole log, too: that takes as long as the run itself."""


class Chunk(NamedTuple):
    """Some seeds that were run, and those of them that failed."""

    done: int
    failed: list[int]


def run_seeds(first: int, count: int, bug: str | None = None) -> Chunk:
    """Run some seeds in this process."""
    failed = []
    with simulated() as directory, planted(None if bug is None else named(bug)):
        for seed in range(first, first + count):
            if _fails(seed, directory):
                failed.append(seed)
    return Chunk(count, failed)


def _fails(seed: int, directory: Path) -> bool:
    return run(plan_of(seed), directory, audits=seed % AUDITED == 0).violated is not None


def run_all(first: int, count: int, processes: int | None = None, bug: str | None = None) -> Iterator[Chunk]:
    """Run seeds in several processes (as many as there are processors); what each chunk came to, in order."""
    starts = range(first, first + count, CHUNK)
    with ProcessPoolExecutor(processes or os.cpu_count() or 1, get_context("spawn")) as pool:
        given = [pool.submit(run_seeds, start, min(CHUNK, first + count - start), bug) for start in starts]
        try:
            for one in given:
                yield one.result()
        finally:
            for one in given:
                one.cancel()


def told(seed: int, bug: str | None = None) -> str:
    """The history of a seed; where it fails, the smallest one that fails in the same way, and how to see it again."""
    with simulated() as directory, planted(None if bug is None else named(bug)):
        plan = plan_of(seed)
        audits = seed % AUDITED == 0
        outcome = run(plan, directory, audits=audits)
        if outcome.violated is None:
            return f"seed {seed}: {_setting(plan.setting)}\n{outcome.text()}"
        least, smallest = shrink(plan, outcome, directory, audits=audits)
    again = f"python -m tests.simulation --seed {seed}" + ("" if bug is None else f" --bug '{bug}'")
    return (
        f"seed {seed} fails: {outcome.violated}\nthe least that fails so ({len(least.ops)} of {len(plan.ops)} things done):\n"
        f"{_setting(plan.setting)}\n{smallest.text()}\nagain: {again}"
    )


def _setting(setting: NamedTuple) -> str:
    return ", ".join(f"{name} {value}" for name, value in setting._asdict().items())
