"""How judging shares its time between the events that come and what is stale."""

from typing import cast

import pytest

from casetrail.consumers import judging
from casetrail.consumers.judging import BATCH, BEHIND, PATIENCE, Judging
from casetrail.eventlog.port import Log, Record
from casetrail.projections.judgements import Judgements


class Judged:
    """Stands for judgements in which much is stale: each step of it takes so many seconds, by the clock of this test."""

    def __init__(self) -> None:
        self.now, self.seconds, self.stale, self.applied = 0.0, PATIENCE / 10, 1000, 0
        self.has_timeline, self.is_followed = True, False

    @property
    def database(self) -> "Judged":
        """It stands for that, too."""
        return self

    def keep_following(self) -> None:
        """It is written to again and again."""
        self.is_followed = True

    def next_offset(self, partition: int) -> int:
        """Nothing has been judged."""
        return 0

    def wait_for_timeline(self, positions: dict[int, int], timeout: float) -> bool:
        """Whether the views have seen what has come."""
        return self.has_timeline

    def apply(self, records: list[Record], positions: dict[int, tuple[int, int]]) -> None:
        """Count what is taken in; it makes one more thing stale."""
        self.applied += len(records)
        self.stale += 1

    def judge_stale(self) -> int:
        """Judge one thing anew."""
        self.now += self.seconds
        done = min(1, self.stale)
        self.stale -= done
        return done


class Coming:
    """Stands for a log from which one event comes at each look (or ``at_once``), so many in all."""

    partitions = 1

    def __init__(self, left: int, at_once: int = 1) -> None:
        self.left, self.at, self.at_once, self.waits, self.asked = left, 0, at_once, list[float](), list[int]()

    def reader(self, topic: object, start: object) -> "Coming":
        """It is its own reader."""
        return self

    def poll(self, timeout: float, most: int) -> list[Record]:
        """The next events, if any are left."""
        self.waits.append(timeout)
        self.asked.append(most)
        some = min(self.left, self.at_once, most)
        self.left, self.at = self.left - some, self.at + some
        return [Record(0, self.at - some + number, 0, b"case", b"") for number in range(some)]

    def position(self, partition: int) -> int:
        """The offset after what has been read."""
        return self.at


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Judged:
    """Judgements whose clock is the one that is looked at."""
    made = Judged()
    monkeypatch.setattr(judging, "monotonic", lambda: made.now)
    return made


def over(judged: Judged, log: Coming) -> Judging:
    """Judging with these."""
    return Judging(cast(Log, log), cast(Judgements, judged))


def test_what_is_stale_keeps_the_next_events_waiting_for_a_moment_only(judged: Judged) -> None:
    follows = over(judged, Coming(5))
    for number in range(1, 6):
        before = judged.now
        assert follows.step(0.25) > 1 and judged.applied == number
        assert judged.now - before <= PATIENCE + 2 * judged.seconds


def test_however_long_it_takes_something_stale_is_judged_after_each_batch(judged: Judged) -> None:
    judged.seconds = 100 * PATIENCE
    follows = over(judged, Coming(3))
    assert [follows.step(0.25) for _ in range(3)] == [2, 2, 2]


def test_it_waits_for_events_only_where_nothing_is_stale(judged: Judged) -> None:
    judged.stale = 3
    log = Coming(1)
    follows = over(judged, log)
    assert [follows.step(0.25) for _ in range(3)] == [5, 0, 0]
    assert log.waits == [0, 0.25, 0.25]


def test_what_a_crash_left_stale_is_judged_though_nothing_comes(judged: Judged) -> None:
    judged.stale, judged.seconds = 3, 0.0
    assert [over(judged, Coming(0)).step(0.25), judged.stale] == [3, 0]


def test_events_that_the_views_have_not_seen_are_kept_for_the_next_step(judged: Judged) -> None:
    judged.stale, judged.has_timeline = 0, False
    log = Coming(1)
    follows = over(judged, log)
    assert (follows.step(0.25), judged.applied, follows.positions) == (0, 0, {0: 0})
    judged.has_timeline = True
    assert (follows.step(0.25), judged.applied, follows.positions) == (2, 1, {0: 1})
    assert len(log.waits) == 1


def test_who_is_far_behind_takes_more_in_at_once_and_less_again_when_there(judged: Judged) -> None:
    log = Coming(BATCH * (BEHIND + 2) - 1, at_once=BATCH * BEHIND)
    follows = over(judged, log)
    judged.stale, judged.seconds = 0, 0.0
    while log.left:
        follows.step(0.25)
    follows.step(0.25)
    many = BATCH * BEHIND
    assert (log.asked, judged.applied) == ([BATCH, many, many, BATCH], BATCH * (BEHIND + 2) - 1)
