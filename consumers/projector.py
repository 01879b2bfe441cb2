"""The projector: follows ``LOG.events`` and keeps the views up to date, batch by batch."""

from typing import Final

from casetrail.eventlog.port import Log, Topic
from casetrail.projections.views import Views

BATCH: Final = 5000


class Projector:
    """Follows all partitions from where the views stand. Call ``step`` again and again, then ``close``.

    ``ViewMoved`` out of ``step`` means: another projector was faster, or the views were swapped for rebuilt ones;
    close this one and make a new one. ``ChainBroken`` means: the log was altered; the views stay where they are.
    """

    def __init__(self, log: Log, views: Views, batch: int = BATCH) -> None:
        self._views, self._batch = views, batch
        self._positions = {partition: views.next_offset(partition) for partition in range(log.partitions)}
        self._reader = log.reader(Topic.EVENTS, self._positions)
        self.projected = 0
        views.database.keep_following()

    @property
    def positions(self) -> dict[int, int]:
        """For each partition the offset of the event that the views have to see next."""
        return dict(self._positions)

    def step(self, timeout: float) -> int:
        """Take in what has come, waiting up to ``timeout`` seconds for it; how many events that were."""
        records = self._reader.poll(timeout, self._batch)
        if not records:
            return 0
        after = {record.partition: self._reader.position(record.partition) for record in records}
        self._views.apply(records, {partition: (self._positions[partition], at) for partition, at in after.items()})
        self._positions |= after
        self.projected += len(records)
        return len(records)

    def close(self) -> None:
        """Stop following. What was taken in stays."""
        self._reader.close()
        self._views.close()
