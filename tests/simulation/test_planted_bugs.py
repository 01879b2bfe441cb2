"""The simulation bites: bugs that are planted in our own code are noticed, each within a bounded number of seeds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.mutations import MUTATIONS, Mutation, found_by, invariants_table, table
from tests.simulation.running import simulated

PAGE = Path(__file__).parents[2] / "docs" / "simulation.md"


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with simulated() as directory:
        yield directory


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_planted_bug_is_noticed(mutation: Mutation, directory: Path) -> None:
    seeds, _, outcome = found_by(mutation, directory)
    assert outcome.violated is not None
    print(f"{mutation.name}: after {seeds} seeds: {outcome.violated}")
    assert outcome.violated.invariant in mutation.caught_by, outcome.text()


def test_the_documentation_names_every_planted_bug_and_every_invariant() -> None:
    page = PAGE.read_text("utf-8")
    assert table() in page, f"write into docs/simulation.md:\n{table()}"
    assert invariants_table() in page, f"write into docs/simulation.md:\n{invariants_table()}"
