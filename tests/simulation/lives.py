"""A process from its start to its death."""

from collections.abc import Callable

from casetrail.consumers.loop import Consumer
from casetrail.projections.case_store import CaseStore
from tests.simulation.disks import Disk, DiskConnection, WatchedLevel
from tests.simulation.memory_log import Cluster, MemoryLog
from tests.simulation.plan import Fault

Strike = Callable[["Life", Fault, str, bool], None]
"""Is told of a process that a fault strikes, what it was about to do, and whether that was a statement."""

Written = Callable[[Disk], None]
"""Is told of a database file that has changed."""


class Crashed(BaseException):
    """The process is dead; nothing that it still does has any effect."""


class Life:
    """What a process has open, and the fault that waits for it."""

    def __init__(self, name: str, cluster: Cluster, strike: Strike, written: Written) -> None:
        self.name, self._strike, self._written = name, strike, written
        self.log = MemoryLog(cluster, self.step, self)
        self.consumer: Consumer | None = None
        self.store: CaseStore | None = None
        self.dead = False
        self._fault: Fault | None = None
        self._calls = 0
        self._open: list[DiskConnection | WatchedLevel] = []

    def await_fault(self, fault: Fault | None) -> None:
        """From now on calls are counted, until the fault strikes."""
        self._fault, self._calls = fault, 0

    def step(self, what: str, *, on_disk: bool = False) -> None:
        """A call is about to be made."""
        if self.dead:
            raise Crashed
        fault = self._fault
        if fault is not None and fault.only in what:
            self._calls += 1
            if self._calls == fault.at:
                self._fault = None
                self._strike(self, fault, what, on_disk)

    def _statement(self, what: str) -> None:
        self.step(what, on_disk=True)

    def connect(self, disk: Disk) -> DiskConnection:
        """Open a database file."""
        made = DiskConnection(disk, self._statement, self._written)
        self._open.append(made)
        return made

    def opened(self, level: WatchedLevel) -> None:
        """It has opened a file of hashes."""
        self._open.append(level)

    def holds_files(self) -> bool:
        """Whether nobody else can open one of its files, though it lives no longer."""
        return not self.dead and any(isinstance(one, DiskConnection) and one.exclusive for one in self._open)

    def die(self) -> None:
        """Lose everything that is in memory only."""
        self.dead, self.consumer = True, None
        for one in self._open:
            one.abandon()
