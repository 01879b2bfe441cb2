"""Which events are checked together: groups of checkpoints, and then what waits for one, cut into jobs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.audit.verification.checkpoints import Checkpoints, Group
from casetrail.audit.verification.partition import Extent, Job
from casetrail.domain.notarized import OffsetRange

EVENTS: Final = 60_000
"""The most events of a job: what a process keeps in memory grows with it."""
TOGETHER: Final = 120_000
"""The events of a batch, more or less: the fewer, the more of them is put together while others are still being checked."""
SHARE: Final = 20_000
"""The events of a batch for each partition, at least: to begin a job costs as much as a thousand of them."""

Following = Callable[[int, int], int]
"""Gives for a partition, and an offset in it, the offset of the first event from there on; any large one for none."""


class Batch(NamedTuple):
    """A group of checkpoints (None: no checkpoint, the events wait for one) and the jobs that check its events."""

    group: Group | None
    jobs: list[Job]


class Plan:
    """Makes batches as checkpoints are read, so that it need not hold them all."""

    def __init__(self, checkpoints: Checkpoints, extents: Mapping[int, Extent], turns: Mapping[int, int], directory: Path,
                 following: Following) -> None:  # fmt: skip
        """``turns``: the first action to be answered in a partition, where it is known. The jobs write to ``directory``."""
        self._checkpoints, self._extents, self._directory = checkpoints, extents, directory
        self._following = following
        self._turns = dict(turns)
        self._begun: set[int] = set()
        self._numbers = count()

    def batches(self) -> Iterator[Batch]:
        """All there is to check, in the order in which it has to be put together."""
        for group in self._checkpoints.groups(max(TOGETHER, SHARE * len(self._extents))):
            ranges = [(number, one) for number, stated in enumerate(group.checkpoints) for one in stated.ranges]
            yield Batch(group, list(self._jobs(ranges)))
        at = {one.partition: self._rest(one) for one in self._extents.values()}
        while True:
            jobs = []
            for partition, start in at.items():
                at[partition] = self._end(partition, start, self._extents[partition].events[1])
                if at[partition] > start or partition not in self._begun:  # without events: to look at its actions
                    jobs.append(self._job(partition, start, [(0, at[partition])]))
            if not jobs:
                return
            yield Batch(None, jobs)

    def _rest(self, extent: Extent) -> int:
        """From where on no checkpoint covers the events that there are."""
        return min(extent.events[1], max(extent.events[0], self._checkpoints.at[extent.partition]))

    def _jobs(self, ranges: Iterable[tuple[int, OffsetRange]]) -> Iterator[Job]:
        by_partition: dict[int, list[tuple[int, OffsetRange]]] = {}
        for number, one in ranges:
            by_partition.setdefault(one.partition, []).append((number, one))
        for partition, some in sorted(by_partition.items()):
            yield from self._cut(partition, some)

    def _cut(self, partition: int, ranges: Iterable[tuple[int, OffsetRange]]) -> Iterator[Job]:
        """Jobs of at most ``EVENTS`` events, whose pieces end where a checkpoint's range does."""
        start, pieces = None, list[tuple[int, int]]()
        for number, one in ranges:
            start = one.start if start is None else start
            while one.end > (end := self._end(partition, start, one.end)):
                yield self._job(partition, start, [*pieces, (number, end)])
                start, pieces = end, []
            pieces.append((number, one.end))
        if start is not None:
            yield self._job(partition, start, pieces)

    def _end(self, partition: int, start: int, last: int) -> int:
        """Where a job ends that begins at ``start``: a stretch without events, however long, is passed over in one."""
        if last <= start + EVENTS:
            return last
        return max(start + EVENTS, min(self._following(partition, start), last))

    def _job(self, partition: int, start: int, pieces: Iterable[tuple[int, int]]) -> Job:
        """The first job of a partition knows where its actions begin, unless the events before have been deleted."""
        extent, turn = self._extents[partition], None
        if partition not in self._begun and start == self._checkpoints.began_at[partition]:
            turn = self._turns.get(partition, extent.actions[0])
        self._begun.add(partition)
        return Job(extent, start, tuple(pieces), turn, self._directory / f"job-{next(self._numbers)}")
