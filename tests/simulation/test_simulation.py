"""Whatever dies, stands still or comes back: nothing that was accepted is lost or doubled, and every view and proof fits."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.simulation.campaign import run_all, told
from tests.simulation.mutations import found_by, named, planted
from tests.simulation.plan import fewer, plan_of
from tests.simulation.running import run, simulated
from tests.simulation.shrinking import shrink

SEEDS = int(os.environ.get("CASETRAIL_SEEDS", "10000"))
SAME = 40
BUG = "actions are answered in another order"


def histories(seeds: int = SAME) -> str:
    """The hash of what happens under some seeds, and of what their logs hold in the end."""
    with simulated() as directory:
        return sha256("".join(run(plan_of(seed), directory).text() for seed in range(seeds)).encode()).hexdigest()


@pytest.mark.timeout(1800)
def test_every_invariant_holds_under_every_seed() -> None:
    failed = [seed for chunk in run_all(0, SEEDS) for seed in chunk.failed]
    if failed:
        pytest.fail(f"{len(failed)} of {SEEDS} seeds fail: {failed[:20]}\n{told(failed[0])}", pytrace=False)


def test_the_same_seed_is_the_same_history() -> None:
    assert histories() == histories()


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_another_process_with_other_hashes_has_the_same_histories(hash_seed: str) -> None:
    code = "from tests.simulation.test_simulation import histories; print(histories())"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    root = Path(__file__).parents[2]
    other = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)
    assert other.stdout.strip() == histories(), other.stderr


def test_different_seeds_are_different_histories() -> None:
    with simulated() as directory:
        assert len({run(plan_of(seed), directory).text() for seed in range(SAME)}) == SAME


def test_of_a_seed_that_fails_nothing_more_can_be_left_out() -> None:
    with simulated() as directory:
        _, plan, found = found_by(named(BUG), directory)
        with planted(named(BUG)):
            least, smallest = shrink(plan, found, directory)
            assert smallest.violated is not None
            assert len(least.ops) <= 5 < len(plan.ops)
            for less in fewer(least):
                violated = run(less, directory).violated
                assert violated is None or violated.invariant is not smallest.violated.invariant


def test_a_seed_that_fails_is_told_in_plain_words_and_can_be_seen_again() -> None:
    with simulated() as directory:
        _, plan, found = found_by(named(BUG), directory)
    text = told(plan.seed, BUG)
    assert text.startswith(f"seed {plan.seed} fails: {found.violated}")
    assert "becomes action" in text
    assert text.endswith(f"again: python -m tests.simulation --seed {plan.seed} --bug '{BUG}'")
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(plan.seed), "--bug", BUG]
    again = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert (again.returncode, again.stdout.strip()) == (1, text)
