"""Of what a witness cosigns it keeps so much an hour, its newest checkpoint, and whatever contradicts another one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from casetrail.audit.witnessing.state import WitnessState
from casetrail.audit.witnessing.witness import Contradiction, Cosigner, OldSizeTooLarge, SizeConflict
from casetrail.proofs.addcheckpoint import AddCheckpoint
from tests.audit.small_log import AT, LOG_KEY, WITNESS_KEY, cosigner
from tests.audit.test_witness import FORK, LOG, known_size, refused


@pytest.fixture
def state(tmp_path: Path) -> Iterator[WitnessState]:
    with WitnessState(tmp_path / "witness.db") as opened:
        yield opened


def kept_sizes(state: WitnessState) -> list[int]:
    return sorted(one.size for one in state.seen() if one.cosignature is not None)


def test_of_what_extends_each_other_without_end_so_much_an_hour_is_kept_and_the_newest(
    state: WitnessState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casetrail.audit.witnessing.state.MOST_AN_HOUR", 5)
    times = [AT + timedelta(hours=hours, seconds=one) for hours, many in ((0, 20), (2, 10)) for one in range(many)]
    witness = Cosigner(WITNESS_KEY, [LOG_KEY.verifier_key], state, lambda: now[0])
    now = [AT]
    for size, now[0] in enumerate(times, 1):
        witness.cosign(LOG.request(size - 1, size))
        assert known_size(witness) == size
    assert kept_sizes(state) == [1, 2, 3, 4, 20, 21, 22, 23, 24, 30]
    contradiction = refused(witness, AddCheckpoint(30, (), FORK.note(23)), OldSizeTooLarge)
    assert contradiction.contradicts and witness.contradictions() == 2
    assert not refused(witness, AddCheckpoint(10, (), FORK.note(12)), SizeConflict).contradicts
    assert FORK.note(12) in state.notes()  # a fork of one that is forgotten is one of the newest, which contains it


def test_what_contradicts_is_kept_however_much_comes(state: WitnessState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casetrail.audit.witnessing.state.MOST_AN_HOUR", 2)
    witness = Cosigner(WITNESS_KEY, [LOG_KEY.verifier_key], state, lambda: AT)
    for size in range(1, 20):
        witness.cosign(LOG.request(size - 1, size))
        if size == 12:
            assert refused(witness, AddCheckpoint(12, (), FORK.note(12)), Contradiction).contradicts
    assert kept_sizes(state) == [1, 12, 19]
    assert witness.contradictions() == 2


def test_what_was_shown_long_before_it_was_cosigned_counts_from_then(
    state: WitnessState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casetrail.audit.witnessing.state.MOST_AN_HOUR", 3)
    now = [AT]
    witness = Cosigner(WITNESS_KEY, [LOG_KEY.verifier_key], state, lambda: now[0])
    for size in range(2, 20):
        refused(witness, LOG.request(1, size), SizeConflict)
    now[0] = AT + timedelta(days=1)
    for size in range(1, 20):
        witness.cosign(LOG.request(size - 1, size))
    assert kept_sizes(state) == [1, 2, 19]


def test_a_clock_that_was_ahead_makes_no_witness_forget(state: WitnessState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casetrail.audit.witnessing.state.MOST_AN_HOUR", 2)
    now = [AT + timedelta(days=400)]
    witness = Cosigner(WITNESS_KEY, [LOG_KEY.verifier_key], state, lambda: now[0])
    witness.cosign(LOG.request(0, 1))
    witness.cosign(LOG.request(1, 2))
    for size in range(3, 6):
        now[0] = AT + timedelta(hours=size)
        witness.cosign(LOG.request(size - 1, size))
    assert kept_sizes(state) == [1, 2, 3, 4, 5]


def test_a_state_of_before_that_kept_everything_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "witness.db"
    monkeypatch.setattr("casetrail.audit.witnessing.state.MOST_AN_HOUR", 1)
    cosigner(path).cosign(LOG.request(0, 1))
    with closing(sqlite3.connect(path)) as older:
        older.execute("DROP TRIGGER no_delete")
        older.execute(
            "CREATE TRIGGER no_delete BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'what was seen stays'); END"
        )
    with WitnessState(path) as state:
        witness = Cosigner(WITNESS_KEY, [LOG_KEY.verifier_key], state, lambda: AT)
        for size in range(2, 6):
            witness.cosign(LOG.request(size - 1, size))
        assert kept_sizes(state) == [5]
