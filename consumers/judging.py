"""Keeps the judgements right: follows ``LOG.events`` after the projector, batch by batch."""

from typing import Final

from casetrail.consumers.projector import Projector
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.projections.judgements import Judgements

BATCH: Final = 2000


class Judging:
    """Follows all partitions from where the judgements stand. Call ``step`` again and again, then ``close``.

    It takes in no event before the status views have: their timeline has the history that it belongs to. ``ViewMoved`` out
    of ``step`` means: another was faster, or the views were swapped for rebuilt ones; close this one and make a new one.
    """

    def __init__(self, log: Log, judgements: Judgements, batch: int = BATCH) -> None:
        self._judgements, self._batch = judgements, batch
        self._positions = {partition: judgements.next_offset(partition) for partition in range(log.partitions)}
        self._reader = log.reader(Topic.EVENTS, self._positions)
        self._waiting: list[Record] = []

    @property
    def positions(self) -> dict[int, int]:
        """For each partition the offset of the event that is to be judged next."""
        return dict(self._positions)

    def step(self, timeout: float) -> int:
        """Take in what has come, waiting up to ``timeout`` seconds for it; how many events that were."""
        records = self._waiting = self._waiting or self._reader.poll(timeout, self._batch)
        if not records:
            return 0
        after = {record.partition: self._reader.position(record.partition) for record in records}
        if not self._judgements.wait_for_timeline(after, timeout):
            return 0
        self._judgements.apply(
            records, {partition: (self._positions[partition], at) for partition, at in after.items()}
        )
        self._positions |= after
        self._waiting = []
        return len(records)

    def close(self) -> None:
        """Stop following. What was taken in stays."""
        self._reader.close()
        self._judgements.close()


class Projecting:
    """A projector, and who keeps the judgements beside its views right, step by step: as one consumer."""

    def __init__(self, projector: Projector, judging: Judging) -> None:
        self._projector, self._judging = projector, judging

    @property
    def positions(self) -> dict[int, int]:
        """For each partition the offset of the event that is to be taken in next by one of the two."""
        judged = self._judging.positions
        return {partition: min(at, judged[partition]) for partition, at in self._projector.positions.items()}

    def step(self, timeout: float) -> int:
        """Take in what has come, waiting up to ``timeout`` seconds for it; how many events that were."""
        is_behind = self._judging.positions != self._projector.positions
        done = self._projector.step(0 if is_behind else timeout)
        return max(done, self._judging.step(0))

    def close(self) -> None:
        """Stop following. What was taken in stays."""
        self._projector.close()
        self._judging.close()
