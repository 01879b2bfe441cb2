"""A machine's clock is a year ahead for a while and is set right: nobody who is to be told is told a year late for that."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from casetrail.consumers.outbox import COLLECTING, LONGEST_PAUSE, TROUBLE, UNREACHED, Outbox
from tests.actions import DETECTIVE
from tests.consumers.test_outbox import SECOND, TO_FILE, Hook, escalate, hook, lines_in, outbox, run, to_hook
from tests.consumers.test_telling import close, watch
from tests.consumers.test_telling import world as registered
from tests.consumers.watching import World, settle
from tests.domain.clock_histories import day

__all__ = ["hook", "registered"]
YEAR = timedelta(days=366)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Fast:
    """The outbox's machine is a year ahead within this, or for as long as its process lives."""

    def __init__(self, world: World) -> None:
        self._clock = world.clock

    def __enter__(self) -> None:
        self._clock.now += YEAR

    def __exit__(self, *_: object) -> None:
        self._clock.now -= YEAR


def refused_while_fast(world: World, hook: Hook, restarted: bool) -> Outbox:
    """An outbox that has tried an address while its clock was ahead; ``restarted``: a new one has taken its place since."""
    one = outbox(world, *to_hook(world, hook))
    with Fast(world):
        one.step(0.0)
    if restarted:
        one.close()
        one = outbox(world, *to_hook(world, hook))
    return one


@pytest.mark.parametrize("restarted", [False, True])
def test_what_did_not_arrive_meanwhile_is_tried_again_soon(world: World, hook: Hook, restarted: bool) -> None:
    escalate(world, day(1.5))
    hook.answers = [503]
    with closing(refused_while_fast(world, hook, restarted)) as one:
        world.clock.now += LONGEST_PAUSE
        run(one)
        assert (one.waiting, one._store.counts()) == (0, (1, 0))


@pytest.mark.parametrize("restarted", [False, True])
def test_an_address_that_is_not_reached_since_then_is_trouble(world: World, hook: Hook, restarted: bool) -> None:
    escalate(world, day(1.5))
    hook.answers = [503] * 9999
    with closing(refused_while_fast(world, hook, restarted)) as one:
        begun = world.clock.now
        while world.clock.now - begun <= UNREACHED + LONGEST_PAUSE:
            world.clock.now += 30 * SECOND
            one.step(0.0)
        assert one.trouble() == TROUBLE


def test_findings_that_were_collected_meanwhile_are_sent(registered: World) -> None:
    close(registered)
    watch(registered, 1)
    with closing(outbox(registered, *TO_FILE)) as one:
        with Fast(registered):
            one.step(0.0)
        for _ in range(2):
            registered.clock.now += COLLECTING
            run(one)
    assert [line["data"]["told"] for line in lines_in(registered.folder / "told.ndjson")] == [DETECTIVE.id]


@pytest.mark.parametrize("restarted", [False, True])
def test_deadlines_are_recorded_as_missed_when_they_are(tmp_path: Path, restarted: bool) -> None:
    """All that a watchdog records whose clock was always right, by one whose clock was a year ahead on the first day."""
    recorded = []
    for ahead in (timedelta(0), YEAR):
        (folder := tmp_path / str(ahead.days)).mkdir()
        world = World(folder)
        world.report()
        world.ahead = ahead
        watchdog = world.watchdog()
        settle(watchdog)
        assert world.recorded() == []
        world.ahead = timedelta(0)
        if restarted:
            watchdog.close()
            watchdog = world.watchdog()
        world.go_on(watchdog, day(40))
        watchdog.close()
        recorded.append(set(map(repr, world.recorded())))
    assert recorded[0] == recorded[1] and len(recorded[0]) > 9
