"""How long judging keeps the status views waiting: as many events are judged at once as patience allows."""

from typing import cast

import pytest

from casetrail.consumers import judging
from casetrail.consumers.judging import BATCH, LEAST, PATIENCE, Judging, Projecting
from casetrail.consumers.projector import Projector


class Backlog:
    """Stands for who judges, far behind: judging takes so many seconds an event, by the clock of this test."""

    def __init__(self) -> None:
        self.now, self.seconds, self.left, self.asked = 0.0, PATIENCE / 500, 1_000_000, list[int]()
        self.positions = {0: 0}

    def step(self, timeout: float, most: int) -> int:
        """Judge all that is asked for, while there is some."""
        done = min(most, self.left)
        self.asked.append(most)
        self.left -= done
        self.now += done * self.seconds
        return done


class Quiet:
    """Stands for a projector to which nothing comes."""

    positions: dict[int, int] = {0: 1}

    def step(self, timeout: float) -> int:
        """Nothing has come."""
        return 0


@pytest.fixture
def backlog(monkeypatch: pytest.MonkeyPatch) -> Backlog:
    """A backlog whose clock is the one that is looked at."""
    made = Backlog()
    monkeypatch.setattr(judging, "monotonic", lambda: made.now)
    return made


def both(backlog: Backlog) -> Projecting:
    """A projector with that backlog beside it."""
    return Projecting(cast(Projector, Quiet()), cast(Judging, backlog))


def test_after_one_long_step_judging_keeps_to_what_patience_allows(backlog: Backlog) -> None:
    projecting = both(backlog)
    for _ in range(20):
        projecting.step(0)
    assert backlog.asked[0] == BATCH
    assert all(most * backlog.seconds <= 2 * PATIENCE for most in backlog.asked[1:])
    assert max(backlog.asked[5:]) * backlog.seconds >= PATIENCE / 2


def test_where_judging_becomes_faster_more_is_judged_at_once(backlog: Backlog) -> None:
    projecting = both(backlog)
    projecting.step(0)
    backlog.seconds = PATIENCE / BATCH / 10
    for _ in range(30):
        projecting.step(0)
    assert backlog.asked[-1] == BATCH


def test_however_long_judging_takes_it_does_not_go_on_in_crumbs(backlog: Backlog) -> None:
    projecting = both(backlog)
    backlog.seconds = 100 * PATIENCE
    assert [projecting.step(0) for _ in range(3)] == [BATCH, LEAST, LEAST]


def test_a_step_without_events_changes_nothing(backlog: Backlog) -> None:
    projecting = both(backlog)
    backlog.left, backlog.seconds = 0, 0.0
    assert [projecting.step(0) for _ in range(3)] == [0, 0, 0]
    assert backlog.asked == [BATCH] * 3
