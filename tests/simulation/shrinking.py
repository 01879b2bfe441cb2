"""From a plan that fails to one that fails in the same way and has nothing left to leave out."""

from pathlib import Path
from typing import Final

from tests.simulation.plan import Plan, fewer
from tests.simulation.running import Outcome, run

MOST_RUNS: Final = 3_000


def shrink(plan: Plan, outcome: Outcome, directory: Path, *, audits: bool = False) -> tuple[Plan, Outcome]:
    """The smallest plan that is found by leaving out one thing after the other, and what it came to."""
    assert outcome.violated is not None
    invariant, runs, found = outcome.violated.invariant, 0, True
    while found and runs < MOST_RUNS:
        found = False
        for less in fewer(plan):
            runs += 1
            tried = run(less, directory, audits=audits)
            if tried.violated is not None and tried.violated.invariant is invariant:
                plan, outcome, found = less, tried, True
                break
    return plan, outcome
