"""What happens in a run, made from a seed alone: a list of things to do, each with the fault that strikes it, if any.

A plan is data. Running it makes no further choice, so leaving a part of it out gives another run as exact as the first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Final, NamedTuple

from tests.simulation.memory_log import Manner
from tests.simulation.submissions import LENGTH, STORIES

RECORDERS: Final = ("recorder-a", "recorder-b")
PROJECTORS: Final = ("projector-a", "projector-b")
NOTARIES: Final = ("notary-a", "notary-b")
WATCHDOGS: Final = ("watchdog-a", "watchdog-b")
JUDGES: Final = ("judge-a", "judge-b")
PROCESSES: Final = (*WATCHDOGS, *RECORDERS, *PROJECTORS, *JUDGES, *NOTARIES)
TELLING: Final = {
    RECORDERS: ("commit ", "COMMIT", "BEGIN", "read the last", "open the writer", "poll events"),
    PROJECTORS: ("BEGIN", "COMMIT"),
    NOTARIES: ("commit ", "COMMIT", "BEGIN", "open the writer"),
    WATCHDOGS: ("append", "append", "BEGIN", "COMMIT"),
    JUDGES: ("BEGIN", "COMMIT", "COMMIT", "DELETE"),
}
"""Calls before which much is decided already: faults strike there more often."""
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE


class Kind(StrEnum):
    """What a fault does, in the words of the history."""

    CRASH = "is killed"
    FAILURE = "fails"
    DOUBT = "is done, but not answered"
    PAUSE = "stands still"
    INTERRUPT = "is interrupted"


class Tear(StrEnum):
    """What happens to the files of a process that is dead."""

    LOST = "are lost"
    GARBAGE = "are overwritten with garbage"
    OLDER = "are replaced by an older copy"
    AHEAD = "are torn: they claim more than they hold"


@dataclass(frozen=True)
class Fault:
    """Strikes the ``at``-th call of a step (of those that have ``only`` in their name). While a process stands still,
    ``meanwhile`` happens."""

    kind: Kind
    at: int
    only: str = ""
    meanwhile: tuple["Op", ...] = ()


@dataclass(frozen=True)
class Submit:
    """Somebody submits a part of the story, for the first time or again."""

    first: int
    count: int


@dataclass(frozen=True)
class Run:
    """A process makes one step; one that is not there is started first."""

    process: str
    fault: Fault | None = None


@dataclass(frozen=True)
class Stop:
    """A process is stopped in the orderly way."""

    process: str
    fault: Fault | None = None


@dataclass(frozen=True)
class Kill:
    """A process loses its memory between two steps, and its files ``tear``."""

    process: str
    tear: Tear | None = None


@dataclass(frozen=True)
class Expire:
    """The group gives up those who were silent for too long: the dead, and those who stand still."""


@dataclass(frozen=True)
class Rebalance:
    """The group deals its partitions out anew."""


@dataclass(frozen=True)
class Jump:
    """The broker's clock jumps, by so many milliseconds."""

    by: int


Op = Submit | Run | Stop | Kill | Expire | Rebalance | Jump


class Setting(NamedTuple):
    """How the run is set up. ``cached``: cases that a recorder keeps in memory; ``save_every``: see ``recorder``.

    ``shared``: both recorders use one state file. ``notarised``: there are notaries; ``watched``: there are watchdogs; ``judged``:
    the views have judgements, and two who keep them right. They take as much time as all others, so they are not in every run.
    """

    manner: Manner
    partitions: int
    story: int
    batch: int
    cached: int
    save_every: int
    shared: bool
    notarised: bool
    watched: bool
    judged: bool


class Plan(NamedTuple):
    """All of it."""

    seed: int
    setting: Setting
    ops: tuple[Op, ...]


def plan_of(seed: int) -> Plan:
    """The plan that a seed stands for."""
    chance = Random(seed)
    setting = Setting(
        manner=Manner.KAFKA if chance.random() < 0.75 else Manner.EMBEDDED,
        partitions=chance.choice((1, 2, 2, 3)),
        story=chance.randrange(STORIES),
        batch=chance.choice((1, 2, 3, 100)),
        cached=chance.choice((0, 1, 100, 100)),
        save_every=chance.choice((1, 3, 1000)),
        shared=chance.random() < 0.3,
        notarised=chance.random() < 0.3,
        watched=chance.random() < 0.15,
        judged=Random(f"{seed} judged").random() < 0.12,
    )
    planner = Planner(chance, setting)
    return Plan(seed, setting, tuple(planner.op() for _ in range(chance.randrange(20, 42))))


class Planner:
    """Chooses what happens."""

    def __init__(self, chance: Random, setting: Setting) -> None:
        self._chance, self._setting = chance, setting
        self._next = 0

    def op(self, depth: int = 0, without: frozenset[str] = frozenset()) -> Op:
        """The next thing that happens; nothing of what stands still already."""
        chance = self._chance
        some = chance.random()
        if some < 0.24 or self._next == 0:
            return self._submit()
        if some < 0.86:
            return self._struck(Run, depth, without)
        if some < 0.90:
            return Kill(self._process(without), chance.choice((None, *Tear)))
        if some < 0.93:
            return self._struck(Stop, depth, without)
        if some < 0.98:
            return Rebalance() if some < 0.96 else Expire()
        by = chance.choice((-1, 1)) * chance.choice((5, MINUTE, 2 * HOUR, 24 * 12 * HOUR))
        return Jump(max(by, -MINUTE) if self._setting.watched else by)  # see docs/simulation.md

    def _submit(self) -> Submit:
        chance = self._chance
        if self._next and (self._next >= LENGTH or chance.random() < 0.2):
            return Submit(chance.randrange(self._next), 1)  # again, or late
        first = min(self._next + (chance.random() < 0.15), LENGTH - 1)  # one may be late
        count = min(chance.randrange(1, 4), LENGTH - first)
        self._next = first + count
        return Submit(first, count)

    def _process(self, without: frozenset[str]) -> str:
        kinds, weights = [RECORDERS, PROJECTORS], [10, 5]
        if self._setting.notarised:
            kinds, weights = [*kinds, NOTARIES], [*weights, 5]
        if self._setting.watched:
            kinds, weights = [*kinds, WATCHDOGS], [*weights, 4]
        if self._setting.judged:
            kinds, weights = [*kinds, JUDGES], [*weights, 8]
        (kind,) = self._chance.choices(kinds, weights)
        found = kind[self._chance.random() < 0.35]
        return found if found not in without else kind[found == kind[0]]

    def _struck(self, act: type[Run] | type[Stop], depth: int, without: frozenset[str]) -> Op:
        """A process does something, and perhaps a fault strikes it."""
        process = self._process(without)
        if process in without:
            return Expire()
        fault = self._fault(process, depth, without | {process}) if self._chance.random() < 0.45 else None
        return act(process, fault)

    def _fault(self, process: str, depth: int, without: frozenset[str]) -> Fault:
        chance = self._chance
        kind = chance.choice((Kind.CRASH, Kind.CRASH, Kind.FAILURE, Kind.DOUBT, Kind.PAUSE, Kind.PAUSE, Kind.INTERRUPT))
        if kind is Kind.DOUBT:
            return Fault(kind, 1, "commit ")
        at, only = chance.randrange(1, 28), ""
        if chance.random() < 0.5:
            at, only = (
                chance.randrange(1, 4),
                chance.choice(next(some for kind, some in TELLING.items() if process in kind)),
            )
        if kind is Kind.PAUSE and depth < 2:
            meanwhile = [self.op(depth + 1, without) for _ in range(chance.randrange(1, 5))]
            if chance.random() < 0.7:
                meanwhile = [Expire(), *meanwhile, *self._taken_over(without)]
            return Fault(kind, at, only, tuple(meanwhile))
        return Fault(Kind.CRASH if kind is Kind.PAUSE else kind, at, only)

    def _taken_over(self, without: frozenset[str]) -> list[Op]:
        """Others like those that stand still take their place, and some of them end before those come back."""
        chance, found = self._chance, list[Op]()
        for kind in (RECORDERS, PROJECTORS, NOTARIES, WATCHDOGS, *((JUDGES,) if self._setting.judged else ())):
            free = [one for one in kind if one not in without]
            if len(free) == 1 and chance.random() < 0.8:
                found += [Rebalance()] * (chance.random() < 0.3)
                found += [Run(free[0])] * chance.randrange(1, 4)
                found += [Stop(free[0])] * (chance.random() < 0.5)
        return found


def all_ops(ops: Iterable[Op]) -> Iterator[Op]:
    """All that happens, also while somebody stands still."""
    for op in ops:
        yield op
        if isinstance(op, Run | Stop) and op.fault is not None:
            yield from all_ops(op.fault.meanwhile)


def fewer(plan: Plan) -> list[Plan]:
    """The plans that lack one thing of this one: first large parts, then single things, then faults."""
    ops, found = plan.ops, []
    size = len(ops) // 2
    while size > 1:
        found += [plan._replace(ops=ops[:at] + ops[at + size :]) for at in range(0, len(ops), size)]
        size //= 2
    return found + [plan._replace(ops=less) for less in _less(ops)]


def _less(ops: tuple[Op, ...]) -> list[tuple[Op, ...]]:
    found = [ops[:at] + ops[at + 1 :] for at in range(len(ops) - 1, -1, -1)]
    for at, op in enumerate(ops):
        found += [(*ops[:at], simpler, *ops[at + 1 :]) for simpler in _simpler(op)]
    return found


def _simpler(op: Op) -> list[Op]:
    match op:
        case Submit(first, count) if count > 1:
            return [Submit(first, count - 1), Submit(first + 1, count - 1)]
        case Kill(process, tear) if tear is not None:
            return [Kill(process)]
        case Run(process, fault) | Stop(process, fault) if fault is not None:
            less = [replace(fault, meanwhile=some) for some in _less(fault.meanwhile)]
            return [type(op)(process), *(type(op)(process, one) for one in less)]
        case _:
            return []
