"""The newest checkpoint that a log has, found from its end."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from casetrail.domain.notarized import CheckpointPublished
from casetrail.eventlog.codec import Unreadable
from casetrail.eventlog.notarized import decode_notarized
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.eventlog.stream import batches

BACK: Final = 100
"""Records that are read first: each checkpoint is followed by what its witnesses signed."""


def newest_checkpoint(log: Log) -> bytes | None:
    """The note of the newest checkpoint in ``LOG.checkpoints``, as it is, nothing verified; None where there is none."""
    found = _newest(log)
    return None if found is None else found[1].note


def newest_record(log: Log, wait: float | None = None) -> Record | None:
    """The record of the same: it says when the log got it.

    Raises ``LogUnreachable`` where nothing comes for ``wait`` seconds (as long as ever, unless given): behind a transaction that was left open, too.
    """
    found = _newest(log, wait)
    return None if found is None else found[0]


class Covering(NamedTuple):
    """The note of a checkpoint, and how many offsets of events it covers."""

    note: bytes
    covered: int


def newest_covering(log: Log, ends: Mapping[int, int]) -> Covering | None:
    """The newest checkpoint that covers nothing but events before these offsets, nothing verified; None where there is none.

    It reads from the end back to where every partition that has events was covered once more: what a checkpoint covers starts
    where those before it ended.
    """
    needed = {partition for partition, end in log.end_offsets(Topic.EVENTS).items() if end}
    end = log.end_offsets(Topic.CHECKPOINTS)[0]
    for start in _starts(end):
        published = [one for record in _records(log, start, end) if (one := _published(record)) is not None]
        covered = _covered_before(published)
        if start and not needed <= covered.keys():
            continue
        if (found := _last_within(published, covered, ends)) is not None:
            return found
    return None


def _covered_before(published: Iterable[CheckpointPublished]) -> dict[int, int]:
    """What was covered before the first of these checkpoints, of the partitions that occur in them."""
    covered: dict[int, int] = {}
    for checkpoint in published:
        for one in checkpoint.ranges:
            covered.setdefault(one.partition, one.start)
    return covered


def _last_within(
    published: Iterable[CheckpointPublished], covered: dict[int, int], ends: Mapping[int, int]
) -> Covering | None:
    """The last of these checkpoints up to which nothing is covered but events before these offsets."""
    found = None
    for checkpoint in published:
        covered |= {one.partition: max(one.end, covered.get(one.partition, 0)) for one in checkpoint.ranges}
        if any(end > ends.get(partition, 0) for partition, end in covered.items()):
            break
        found = Covering(checkpoint.note, sum(covered.values()))
    return found


def _published(record: Record) -> CheckpointPublished | None:
    """The checkpoint that a record publishes; None for all else: whoever can write to the topic can put anything there."""
    try:
        notarized = decode_notarized(record.value)
    except Unreadable:
        return None
    return notarized if isinstance(notarized, CheckpointPublished) else None


def _newest(log: Log, wait: float | None = None) -> tuple[Record, CheckpointPublished] | None:
    end = log.end_offsets(Topic.CHECKPOINTS)[0]
    for start in _starts(end):
        found = None
        for record in _records(log, start, end, wait):
            if (published := _published(record)) is not None:
                found = record, published
        if found is not None:
            return found
    return None


def _starts(end: int) -> Iterator[int]:
    """Where to start reading, ever further back from the end."""
    back = BACK
    while end > back:
        yield end - back
        back *= 10
    if end:
        yield 0


def _records(log: Log, start: int, end: int, wait: float | None = None) -> Iterator[Record]:
    with log.reader(Topic.CHECKPOINTS, {0: start}) as reader:
        for records in batches(reader, {0: end}, wait):
            yield from records
