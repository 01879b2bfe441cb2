"""Keeps the judgements right: follows ``LOG.events`` after the projector, batch by batch."""

from time import monotonic
from typing import Final

from casetrail.consumers.projector import Projector
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.projections.judgements import Judgements

BATCH: Final = 2000
PATIENCE: Final = 0.1
"""Seconds for which judging may keep the status views from what has come meanwhile, if that is enough for ``LEAST`` events."""
LEAST: Final = 250
"""Events that are judged together where so many wait: what is compared over many cases takes as long for one as for hundreds."""


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

    def step(self, timeout: float, most: int = BATCH) -> int:
        """Take in what has come, waiting up to ``timeout`` seconds for it; how many events that were, ``most`` at most."""
        records = self._waiting = self._waiting or self._reader.poll(timeout, min(most, self._batch))
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
    """A projector, and who keeps the judgements beside its views right, step by step: as one consumer.

    Judging takes many times what projecting takes. Where more comes than can be judged, the judgements fall behind, in steps
    short enough for the status views to keep up.
    """

    def __init__(self, projector: Projector, judging: Judging) -> None:
        self._projector, self._judging, self._most = projector, judging, BATCH

    @property
    def positions(self) -> dict[int, int]:
        """For each partition the offset of the event that is to be taken in next by one of the two."""
        judged = self._judging.positions
        return {partition: min(at, judged[partition]) for partition, at in self._projector.positions.items()}

    def step(self, timeout: float) -> int:
        """Take in what has come, waiting up to ``timeout`` seconds for it; how many events that were."""
        is_behind = self._judging.positions != self._projector.positions
        done = self._projector.step(0 if is_behind else timeout)
        return max(done, self._judge())

    def _judge(self) -> int:
        """Judge as many events as patience allows, by what the last ones took, or ``LEAST``; how many that were."""
        started = monotonic()
        done = self._judging.step(0, self._most)
        share = PATIENCE / max(monotonic() - started, 1e-6)
        if done and share < 1:
            self._most = max(LEAST, int(done * share))
        elif done == self._most:
            self._most = min(BATCH, 2 * done)
        return done

    def close(self) -> None:
        """Stop following. What was taken in stays."""
        self._projector.close()
        self._judging.close()
