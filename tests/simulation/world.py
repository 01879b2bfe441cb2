"""The world in which a plan is run: processes, their files, the log, and the faults that strike between any two calls.

Everything runs in one thread. A process that stands still does so in the middle of a call, while others go on: when it
comes back it knows nothing of that. That is what a zombie is.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casetrail.consumers.judging import Judging
from casetrail.consumers.loop import PASSING, Consumer
from casetrail.consumers.notary import Cadence, Notary
from casetrail.consumers.projector import Projector
from casetrail.consumers.recorder import Recorder
from casetrail.consumers.watchdog import Watchdog
from casetrail.domain.values import EPOCH, MILLISECOND, at_millis
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.port import Record, Topic
from casetrail.eventlog.schemas import register_in_log
from casetrail.projections.case_store import CaseStore
from casetrail.projections.errors import ViewError
from casetrail.projections.judgements import Judgements
from casetrail.projections.views import Views
from casetrail.projections.watch_store import WatchStore
from casetrail.proofs.keys import Algorithm, SignerKey
from casetrail.proofs.logtree import TreeContradicted
from casetrail.proofs.treefile import TreeBusy, TreeDamaged
from tests.consumers.watching import WATCHDOG
from tests.histories import BEGINNING
from tests.simulation.disks import LOCKED, Disk, DiskViews, WatchedLevel
from tests.simulation.files import NAME, Files
from tests.simulation.invariants import Invariant, Oracle, Violated
from tests.simulation.lives import Crashed, Life
from tests.simulation.memory_log import Cluster, CommitUnderWay, Manner, MemoryLog
from tests.simulation.plan import (
    JUDGES,
    NOTARIES,
    PROJECTORS,
    RECORDERS,
    WATCHDOGS,
    Expire,
    Fault,
    Jump,
    Kill,
    Kind,
    Op,
    Plan,
    Rebalance,
    Run,
    Stop,
    Submit,
    Tear,
    all_ops,
)
from tests.simulation.submissions import story

KEY: Final = SignerKey(
    "simulated.example/casetrail", Algorithm.ED25519, Ed25519PrivateKey.from_private_bytes(sha256(b"invented").digest())
)
CADENCE: Final = Cadence(every=12.0, most=5)
START: Final = (BEGINNING - EPOCH) // MILLISECOND + 10 * 86_400_000


def watchdog(log: MemoryLog, store: WatchStore, millis: Callable[[], int]) -> Watchdog:
    """A watchdog."""
    return Watchdog(log, store, WATCHDOG, lambda: at_millis(millis()), since=BEGINNING)


@cache
def schemas() -> tuple[Record | None, ...]:
    """The records of ``LOG.schemas``, as ``log init`` writes them."""
    cluster = Cluster(NAME, 1, lambda: START)
    register_in_log(MemoryLog(cluster))
    return tuple(cluster.lanes[Topic.SCHEMAS][0].slots)


class World:
    """Runs one plan."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self.setting = setting = plan.setting
        self.now, self.seconds = START, 1000.0
        self.cluster = Cluster(NAME, setting.partitions, lambda: self.now, setting.manner)
        self.cluster.lanes[Topic.SCHEMAS][0].slots[:] = schemas()
        self.cluster.idle = self.idle
        self.oracle = Oracle(self.cluster)
        self.cluster.seen = self.oracle.seen
        self.story = story(setting.story, setting.partitions, setting.judged)
        self.lives: dict[str, Life] = {}
        self.running: list[Life] = []
        keeps = any(isinstance(op, Kill) and op.tear is Tear.OLDER for op in all_ops(plan.ops))
        self.files = Files(setting, directory, keeps=keeps)
        self.history: list[str] = []
        self.batch = setting.batch

    # --- what the processes find ---

    def monotonic(self) -> float:
        """Seconds, as every process's own clock shows them."""
        return self.seconds

    def idle(self, timeout: float) -> None:
        """Wait for so many seconds."""
        self.seconds += timeout

    def connect(self, path: Any, **_: Any) -> Any:
        """In the place of ``sqlite3.connect``."""
        if not self.running:
            return sqlite3.connect(path, **_)
        name = path if isinstance(path, str) else f"tree of {path.parent.name}"
        return self.running[-1].connect(self.files.disk(name))

    def opened(self, level: WatchedLevel) -> None:
        """A file of hashes was opened."""
        if self.running:
            self.running[-1].opened(level)

    def written(self, disk: Disk) -> None:
        """A transaction was committed."""
        if disk.name == "views":
            self.oracle.check_views(disk)
            if self.setting.judged:
                self.oracle.check_judged(disk)
        elif disk.name.startswith("state"):
            self.oracle.check_state(disk)
        elif disk.name.startswith("watch"):
            self.oracle.check_watch(disk)
        self.files.keep(disk)

    # --- what happens ---

    def tell(self, text: str) -> None:
        """Write a line of the history."""
        self.history.append(f"{'    ' * len(self.running)}{text}")

    def do(self, ops: Sequence[Op]) -> None:
        """Let these things happen."""
        for op in ops:
            self.now += 1000
            self.seconds += 1.0
            match op:
                case Submit(first, count):
                    self._submit(first, count)
                case Run(process, fault):
                    self.run(process, fault)
                case Stop(process, fault):
                    self.stop(process, fault)
                case Kill(process, tear):
                    self._kill(process, tear)
                case Expire():
                    self.expire()
                case Rebalance():
                    self._rebalance()
                case Jump(by):
                    self.now += by
                    self.tell(f"the broker's clock jumps by {by / 1000:+g} s")

    def _submit(self, first: int, count: int) -> None:
        submissions = self.story[first : first + count]
        log = MemoryLog(self.cluster)
        at = log.append(Topic.ACTIONS, [one.entry for one in submissions])
        for number, (one, where) in enumerate(zip(submissions, at, strict=True), first):
            self.tell(f"submission {number} ({one.text}) becomes action {where.partition}/{where.offset}")

    def run(self, name: str, fault: Fault | None = None) -> int:
        """Let a process make a step, and start it first where it is not there; how much it did."""
        life = self.lives.get(name)
        if life in self.running:
            return 0
        started = life is None
        if life is None:
            life = self.lives[name] = Life(name, self.cluster, self.strike, self.written)
        life.await_fault(fault)
        told = len(self.history)
        self.running.append(life)
        done = 0
        try:
            if life.consumer is None:
                life.consumer = self._make(name, life)
            done = life.consumer.step(0.0)
            result = f"{done} done"
        except Crashed:
            result = "dead"
            self._bury(life)
        except PASSING as error:
            result = f"begins anew ({error.code})"
            life.await_fault(None)
            if life.consumer is None and name in NOTARIES and life.holds_files():
                raise Violated(Invariant.STOPPED, f"{name} leaves its files locked: it cannot begin anew") from error
            self._close(life)
        except KeyboardInterrupt:
            result = "ends"
            self._close(life)
        except (ViewError, TreeBusy, TreeDamaged, TreeContradicted, sqlite3.Error, OSError) as error:
            result = self._broken(life, error)
        except Exception as error:
            raise Violated(Invariant.STOPPED, f"{name}: {type(error).__name__}: {error}") from error
        finally:
            self.running.pop()
        life.await_fault(None)
        self.history.insert(told, f"{'    ' * len(self.running)}{name} {'starts and ' * started}steps: {result}")
        return done

    def _make(self, name: str, life: Life) -> Consumer:
        setting = self.setting
        if name in RECORDERS:
            life.store = CaseStore(self.files.name_of(name), NAME, setting.cached)
            return Recorder(life.log, life.store, batch=self.batch)
        if name in PROJECTORS:
            return Projector(life.log, Views(DiskViews(life.connect(self.files.views)), NAME), self.batch)
        if name in JUDGES:
            return Judging(life.log, Judgements(DiskViews(life.connect(self.files.views)), NAME), self.batch)
        if name in WATCHDOGS:
            return watchdog(life.log, WatchStore(self.files.name_of(name), NAME), lambda: self.now)
        return Notary(life.log, self.files.directory / name, KEY, CADENCE)

    def strike(self, life: Life, fault: Fault, what: str, on_disk: bool) -> None:
        """A fault strikes a process that is about to do something."""
        self.tell(f"{life.name} {fault.kind} before it can: {what}")
        if fault.kind is Kind.CRASH:
            self._bury(life)
            raise Crashed
        if fault.kind is Kind.FAILURE:
            raise sqlite3.OperationalError("disk I/O error") if on_disk else LogUnreachable("no answer")
        if fault.kind is Kind.INTERRUPT:
            raise KeyboardInterrupt
        if fault.kind is Kind.DOUBT:
            raise CommitUnderWay("no answer")
        self.do(fault.meanwhile)
        self.tell(f"{life.name} goes on")
        if life.dead:
            raise Crashed

    def _bury(self, life: Life) -> None:
        life.die()
        if self.lives.get(life.name) is life:
            del self.lives[life.name]
        if self.setting.manner is Manner.EMBEDDED:
            self._forget({life})  # the operating system gives its lock back

    def _close(self, life: Life) -> None:
        """Give back what it has, as the loop does."""
        try:
            if life.consumer is not None:
                with suppress(*PASSING):
                    life.consumer.close()
                if life.store is not None:
                    life.store.close()
        except (Crashed, KeyboardInterrupt, sqlite3.Error):
            pass
        self._bury(life)

    def _broken(self, life: Life, error: Exception) -> str:
        """Its files cannot be used. It is started again; where that does not help, somebody deletes what is broken."""
        self._bury(life)
        cause = error if isinstance(error, sqlite3.Error) else error.__cause__
        if isinstance(cause, sqlite3.OperationalError) and (self.setting.shared or str(cause) != LOCKED):
            return f"dead ({cause})"
        if not self.files.of(life.name).garbage:
            raise Violated(Invariant.STOPPED, f"{life.name}: {type(error).__name__}: {error}") from error
        self.files.tear(life.name, Tear.LOST)
        return f"cannot use its files ({type(error).__name__}); they are deleted"

    def stop(self, name: str, fault: Fault | None = None) -> None:
        """Stop a process in the orderly way."""
        life = self.lives.get(name)
        if life is None or life in self.running:
            return
        life.await_fault(fault)
        self.running.append(life)
        self._close(life)
        self.running.pop()
        self.tell(f"{name} is stopped")

    def _kill(self, name: str, tear: Tear | None) -> None:
        if (life := self.lives.get(name)) is not None:
            self._bury(life)
        if tear is None:
            self.tell(f"{name} is killed")
        elif self.files.of(name).holder is None and not self._is_shared(name):
            self.files.tear(name, tear)
            self.tell(f"{name} is killed, and its files {tear}")

    def _is_shared(self, name: str) -> bool:
        """Whether another recorder that is alive has the same file open: it would keep the file as it is."""
        return name in RECORDERS and self.setting.shared and any(one in self.lives for one in RECORDERS)

    def expire(self) -> None:
        """The group gives up who is silent."""
        silent = {life for life in self._members() if life.dead or life in self.running}
        if silent and self.setting.manner is Manner.KAFKA:
            self._forget(silent)
            self.tell(f"the group gives up {', '.join(sorted({life.name for life in silent}))}")

    def _rebalance(self) -> None:
        for members in self.cluster.groups.values():
            members.generation += 1
        self.tell("the group deals its partitions out anew")

    def _members(self) -> set[Life]:
        found = {member.log.owner for members in self.cluster.groups.values() for member in members.order}
        return {life for life in found if isinstance(life, Life)}

    def _forget(self, lives: set[Life]) -> None:
        for members in self.cluster.groups.values():
            for member in list(members.order):
                if member.log.owner in lives:
                    members.leave(member)

    def close(self) -> None:
        """Throw everything away."""
        for life in list(self.lives.values()):
            life.die()
        self.files.close()
