"""Runs of plans: clocks and files are the simulation's meanwhile, and what comes of it is a history."""

import gc
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from casetrail.consumers import judging as judging_module
from casetrail.consumers import notary as notary_module
from casetrail.consumers import recorder as recorder_module
from casetrail.consumers import watchdog as watchdog_module
from casetrail.domain.policy_file import parse_policy
from casetrail.eventlog import outcome as outcome_module
from casetrail.eventlog import stream as stream_module
from casetrail.eventlog.codec import decode_event, read_action
from casetrail.eventlog.port import Topic
from casetrail.projections import judgements as judgements_module
from casetrail.projections import judging as judging_rows_module
from casetrail.projections import local_file
from casetrail.projections import registry as registry_module
from casetrail.proofs import casemap, hashes, treefile
from tests.simulation.disks import Sqlite, WatchedLevel
from tests.simulation.invariants import Violated
from tests.simulation.memory_log import Cluster
from tests.simulation.plan import (
    Plan,
)
from tests.simulation.settling import settle
from tests.simulation.world import World, schemas

SELDOM: Final = 100_000
MAP_BITS: Final = 8
"""Buckets of the case map are few, so that it takes little memory: the root does not depend on it."""


class Outcome(NamedTuple):
    """What a run came to: its history, line by line, and what was violated."""

    history: list[str]
    violated: Violated | None
    log: Cluster

    def text(self) -> str:
        """The history, for people, and what the log holds in the end, in a hash."""
        end = "all holds" if self.violated is None else str(self.violated)
        return "\n".join([*self.history, f"the log's SHA-256: {digest(self.log)}", end])


def remembered(read: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which does not read the same bytes twice: what it gives is never changed."""
    return lru_cache(10_000)(read)


_world: World | None = None


def _current() -> World:
    assert _world is not None
    return _world


@contextmanager
def simulated() -> Iterator[Path]:
    """Within it, clocks and files of the processes are the simulation's. Gives a folder that is in memory, if there is one."""
    sqlite = Sqlite(lambda path, **more: _current().connect(path, **more))
    memory = Path("/dev/shm")
    schemas()
    with ExitStack() as stack:
        for module, name, value in (
            (local_file, "sqlite3", sqlite),
            (treefile, "sqlite3", sqlite),
            (hashes, "_Level", WatchedLevel),
            (WatchedLevel, "opened", staticmethod(lambda level: _current().opened(level))),
            (watchdog_module, "monotonic", lambda: _current().monotonic()),
            (watchdog_module, "decode_event", remembered(decode_event)),
            (judging_module, "monotonic", lambda: _current().monotonic()),
            (judgements_module, "monotonic", lambda: _current().monotonic()),
            (judgements_module, "sleep", lambda seconds: _current().idle(seconds)),
            (judging_rows_module, "decode_event", remembered(decode_event)),
            (registry_module, "parse_policy", remembered(parse_policy)),
            (notary_module, "monotonic", lambda: _current().monotonic()),
            (stream_module, "monotonic", lambda: _current().monotonic()),
            (recorder_module, "SAVE_EVERY", 1),
            (recorder_module, "decode_event", remembered(decode_event)),
            (outcome_module, "decode_event", remembered(decode_event)),
            (outcome_module, "read_action", remembered(read_action)),
            (casemap, "BUCKET_BITS", MAP_BITS),
            (casemap, "FIRST", 1 << MAP_BITS),
        ):
            stack.enter_context(patch.object(module, name, value))
        thresholds = gc.get_threshold()
        stack.callback(gc.set_threshold, *thresholds)
        gc.set_threshold(SELDOM)
        logger, before = logging.getLogger("casetrail"), logging.getLogger("casetrail").level
        stack.callback(logger.setLevel, before)
        logger.setLevel(logging.CRITICAL)  # what processes warn of here is what they are made to meet
        where = memory if memory.is_dir() else None
        yield Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="casetrail-simulation-", dir=where)))


def run(plan: Plan, directory: Path, *, audits: bool = False) -> Outcome:
    """Run a plan, within ``simulated``. ``audits``: at the end the auditors look at the whole log, too."""
    global _world
    world = _world = World(plan, directory)
    recorder_module.SAVE_EVERY = plan.setting.save_every  # type: ignore[misc]
    violated = None
    try:
        world.do(plan.ops)
        settle(world)
        world.oracle.check_end(
            world.files.views, [disk for name, disk in world.files.disks.items() if name.startswith("state")]
        )
        if audits:
            world.oracle.audit(directory / "audit")
    except Violated as found:
        violated = found
    finally:
        world.close()
        for left in directory.iterdir():
            shutil.rmtree(left)
    return Outcome(world.history, violated, world.cluster)


def digest(log: Cluster) -> str:
    """The hash of all that a log holds."""
    return sha256(repr([[lane.slots for lane in log.lanes[topic]] for topic in Topic]).encode()).hexdigest()
