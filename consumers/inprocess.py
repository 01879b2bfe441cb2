"""The recorder of an embedded log, in the process of whoever submits: no server has to run.

Several processes may submit at once. One of them holds the recorder's lock and records for all; the others see their
outcomes appear.
"""

from collections.abc import Sequence
from time import monotonic
from typing import Protocol

from casetrail.consumers.recorder import Recorder
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Topic
from casetrail.eventlog.schemas import register_in_log
from casetrail.projections.case_store import CaseStore


class Submitted(Protocol):
    """Where a submission stands."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


class InProcessRecorder:
    """Records what has been submitted to an embedded log, when asked to, unless another process is doing it."""

    def __init__(self, log: EmbeddedLog) -> None:
        self._log, self._has_schemas = log, False

    def record_up_to(self, submitted: Sequence[Submitted], timeout: float) -> None:
        """Record until these submissions have their outcome. Returns earlier when ``timeout`` seconds have passed."""
        until = monotonic() + timeout
        wanted: dict[int, int] = {}
        for one in submitted:
            wanted[one.partition] = max(wanted.get(one.partition, -1), one.offset)
        while monotonic() < until and not self._answered(wanted):
            if not self._has_schemas:  # the log may be older than this program, and no notary need run
                register_in_log(self._log)
                self._has_schemas = True
            store = CaseStore(state_file(self._log), self._log.name)
            recorder = Recorder(self._log, store)
            try:
                recorder.step(0.0)
                while recorder.owned and recorder.step(0.0):
                    pass
                if not recorder.owned:  # another process holds the lock, and records for us
                    recorder.step(min(0.02, max(0.0, until - monotonic())))
            finally:
                recorder.close()
                store.close()

    def _answered(self, wanted: dict[int, int]) -> bool:
        ends = self._log.end_offsets(Topic.EVENTS)  # one event an action, both dense: the ends can be compared
        return all(ends[partition] > offset for partition, offset in wanted.items())

    def close(self) -> None:
        """Nothing stays open between calls."""


def state_file(log: EmbeddedLog) -> str:
    """Where the recorder of an embedded log keeps its folded cases."""
    return f"{log.path}.state"
