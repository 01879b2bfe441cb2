"""What an earlier run has seen among the checkpoints: up to the last one of then, all must stand where it stood."""

from collections.abc import Callable

from casetrail.audit.faults import Fault, Faults, Kind
from casetrail.audit.verification.copy import Copy
from casetrail.domain.notarized import CheckpointPublished
from casetrail.eventlog.codec import Unreadable
from casetrail.eventlog.notarized import decode_notarized
from casetrail.eventlog.port import Record, Topic


class Familiar:
    """Holds the records of ``LOG.checkpoints``, in order, against those of an earlier run."""

    def __init__(self, seen: Callable[[], Copy], faults: Faults) -> None:
        """``seen``: gives the earlier run's copy, or one that goes on from it."""
        self._seen, self._faults = seen, faults
        self._newest = seen().newest
        self._count = 0

    def passes(self, record: Record, record_hash: bytes) -> bool:
        """Whether an earlier run has seen what stood at this place. Adds a fault where something else stands there now."""
        if self._newest is None or record.offset > self._newest.offset:
            self.end()
            return False
        if self._seen().holds_record(record.offset, record_hash):
            self._count += 1
        elif (other := self._differs(record)) is not None:
            self._fault(other, record.offset)
        return True

    def _differs(self, record: Record) -> str | None:
        try:
            stored = decode_notarized(record.value)
        except Unreadable as error:
            return error.code
        if isinstance(stored, CheckpointPublished):
            return "another checkpoint stood here"
        known = self._seen().holds_cosignature(stored.checkpoint, stored.lines)
        return None if known else "this cosignature did not stand here"

    def end(self) -> None:
        """All places have been passed: whether all checkpoints of then were there. Asked again, it says no more."""
        newest, self._newest = self._newest, None
        if newest is not None and self._count <= newest.number:
            self._fault(f"{newest.number + 1 - self._count} checkpoints of then are not there", newest.offset)

    def _fault(self, found: str, offset: int) -> None:
        self._faults.add(Fault(Kind.CHECKPOINT_REPLACED, found, Topic.CHECKPOINTS, 0, offset))
