"""Keeps the judgements right: follows ``LOG.events`` after the projector, batch by batch."""

import gc
from time import monotonic
from typing import Final

from casetrail.domain.detectors import statistics
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.projections.judgements import Judgements

BATCH: Final = 200
"""So that the status views never wait long for the database while a batch is written."""
BEHIND: Final = 5
"""So many batches are taken in at once where a whole one was waiting: a case is judged once for all of its events in them, and
who is far behind is there in less than half of the time."""
PATIENCE: Final = 0.1
"""Seconds for which what is stale may keep the next events waiting: what is compared over many cases takes as long for one
event as for hundreds."""


class Judging:
    """Follows all partitions from where the judgements stand. Call ``step`` again and again, then ``close``.

    It takes in no event before the status views have: their timeline has the history that it belongs to. ``ViewMoved`` out
    of ``step`` means: another was faster, or the views were swapped for rebuilt ones; close this one and make a new one.
    """

    def __init__(self, log: Log, judgements: Judgements, batch: int = BATCH) -> None:
        self._judgements, self._batch = judgements, batch
        self._positions = {partition: judgements.next_offset(partition) for partition in range(log.partitions)}
        self._reader = log.reader(Topic.EVENTS, self._positions)
        self._most = batch
        self._waiting: list[Record] = []
        self._is_stale = True  # for all that is known here
        judgements.database.keep_following()

    @property
    def positions(self) -> dict[int, int]:
        """For each partition the offset of the event that is to be judged next."""
        return dict(self._positions)

    def step(self, timeout: float) -> int:
        """Take in what has come, waiting up to ``timeout`` seconds for it, and judge anew what is stale, for a moment.

        How many events that were, and how many cases, months and persons were judged anew; 0: all is right.
        """
        done = self._take_in(0 if self._is_stale else timeout)
        return done + self._judge_stale()

    def _take_in(self, timeout: float) -> int:
        records = self._waiting = self._waiting or self._reader.poll(timeout, self._most)
        self._most = self._batch * BEHIND if len(records) >= self._batch else self._batch
        if not records:
            return 0
        after = {record.partition: self._reader.position(record.partition) for record in records}
        if not self._judgements.wait_for_timeline(after, timeout):
            return 0
        self._judgements.apply(
            records, {partition: (self._positions[partition], at) for partition, at in after.items()}
        )
        self._positions |= after
        self._waiting, self._is_stale = [], True
        return len(records)

    def _judge_stale(self) -> int:
        until, done = monotonic() + PATIENCE, 0
        while self._is_stale:
            some = self._judgements.judge_stale()
            self._is_stale, done = some > 0, done + some
            if monotonic() > until:
                break
        return done

    def close(self) -> None:
        """Stop following. What was taken in stays."""
        self._reader.close()
        self._judgements.close()


def settle_in() -> None:
    """For a process that does nothing but judge: what the first event would wait for is done before it comes.

    All that is loaded by now stays, and need not be gone through again and again by the collector of garbage: with SciPy
    that takes as long as judging several events.
    """
    statistics.load()
    gc.freeze()
