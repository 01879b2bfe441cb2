"""The end of a run: no more faults, and all that waits must get done."""

from collections.abc import Callable
from typing import Final

from casetrail.consumers.judging import Judging
from casetrail.consumers.projector import Projector
from casetrail.consumers.watchdog import Watchdog
from casetrail.domain.alarms import PATIENCE
from casetrail.domain.values import MILLISECOND
from casetrail.eventlog.port import Topic
from casetrail.projections.judgements import Judgements
from casetrail.projections.views import Views
from casetrail.projections.watch_store import WatchStore
from tests.simulation.disks import Disk, DiskConnection, DiskViews
from tests.simulation.files import NAME
from tests.simulation.invariants import Invariant, Violated, views_template
from tests.simulation.lives import Life
from tests.simulation.memory_log import MemoryLog, nothing
from tests.simulation.plan import JUDGES, NOTARIES, PROCESSES, PROJECTORS, RECORDERS, WATCHDOGS
from tests.simulation.world import CADENCE, World, watchdog

ROUNDS: Final = 60
LARGE: Final = 1000


def settle(world: World) -> None:
    """No more faults: all that waits is done."""
    world.tell("the faults are over")
    for name in PROCESSES:
        if name != NOTARIES[0]:  # it goes on from what it has in memory
            world.stop(name)
    world.expire()
    world.batch = LARGE
    _until(world, RECORDERS[0], lambda: not world.oracle.pending)
    if world.setting.watched:
        _watch(world)
    _until(world, PROJECTORS[0], lambda: _views_at_end(world))
    if world.setting.judged:
        _judge(world)
    if world.setting.notarised:
        world.seconds += CADENCE.every
        _until(world, NOTARIES[0], lambda: _tree_at_end(world))
    for name in PROCESSES:
        world.stop(name)


def _watch(world: World) -> None:
    """Watchdogs and recorders take turns until nothing is left to be recorded."""
    for _ in range(ROUNDS):
        world.now += 2 * (PATIENCE // MILLISECOND)  # what came late is not missed at once
        submitted = sum(map(len, world.oracle.actions))
        _until(world, WATCHDOGS[0], lambda: _watched(world))
        if sum(map(len, world.oracle.actions)) == submitted:
            break
        _until(world, RECORDERS[0], lambda: not world.oracle.pending)
    else:
        raise Violated(Invariant.PROGRESS, "the watchdog submits without end")
    disk = Disk("watch of somebody else")
    world.running.append(Life("somebody else", world.cluster, world.strike, world.written))
    world.files.disks[disk.name] = disk
    world.oracle.check_watched(
        watchdog(MemoryLog(world.cluster), WatchStore(disk.name, NAME), lambda: world.now), world.now
    )
    world.running.pop()


def _judge(world: World) -> None:
    """Judge all that waits; then somebody else does who knows nothing of what happened."""
    _until(world, JUDGES[0], lambda: _judged_at_end(world.files.views))
    other = Disk("views of somebody else", views_template(NAME, judged=True))
    world.files.disks[other.name] = other
    views = DiskViews(DiskConnection(other, nothing, nothing))
    log = MemoryLog(world.cluster)
    for follow in (Projector(log, Views(views, NAME), LARGE), Judging(log, Judgements(views, NAME), LARGE)):
        for _ in range(ROUNDS):
            follow.step(0.0)
    if not _judged_at_end(other):
        raise Violated(Invariant.PROGRESS, "somebody else does not come to the end of judging")
    world.oracle.check_same_judgements(world.files.views, other)


def _judged_at_end(disk: Disk) -> bool:
    run = disk.database.execute
    seen, judged = (
        run(f"SELECT application_name, notification_id FROM {one} ORDER BY 1") for one in ("tracking", "judged")
    )
    return seen.fetchall() == judged.fetchall() and run("SELECT count(*) FROM stale").fetchone() == (0,)


def _watched(world: World) -> bool:
    life = world.lives.get(WATCHDOGS[0])
    if life is None or not isinstance(life.consumer, Watchdog):
        return False
    ends = [len(lane.slots) for lane in world.cluster.lanes[Topic.EVENTS]]
    read = all(life.consumer.positions[partition] >= end for partition, end in enumerate(ends))
    return read and not life.consumer.is_behind


def _until(world: World, name: str, reached: Callable[[], bool]) -> None:
    for _ in range(ROUNDS):
        if reached():
            return
        world.now += 1000
        world.seconds += CADENCE.every / 4
        world.run(name)
    raise Violated(Invariant.PROGRESS, f"{name} does not come to the end; {world.oracle.pending} actions wait")


def _views_at_end(world: World) -> bool:
    count = world.files.views.database.execute("SELECT count(*) FROM timeline").fetchone()[0]
    return bool(count == len(world.oracle.leaves))


def _tree_at_end(world: World) -> bool:
    offsets = zip(world.oracle.events, world.oracle.covered, strict=True)
    return all(not events or events[-1] < covered for events, covered in offsets)
