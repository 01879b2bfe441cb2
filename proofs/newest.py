"""The newest checkpoint that a log has, found from its end."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from casetrail.domain.notarized import CheckpointPublished
from casetrail.eventlog.codec import Unreadable
from casetrail.eventlog.notarized import decode_notarized
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.eventlog.stream import Stream, batches

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
    """The newest checkpoint that covers nothing but events before these offsets, nothing verified; None where there is none."""
    covered: dict[int, int] = {}
    found = None
    end = log.end_offsets(Topic.CHECKPOINTS)[0]
    with log.reader(Topic.CHECKPOINTS, {0: 0}) as reader:
        for record in Stream(reader, 0, end):
            if (published := _published(record)) is None:
                continue
            covered |= {one.partition: max(one.end, covered.get(one.partition, 0)) for one in published.ranges}
            if any(end > ends.get(partition, 0) for partition, end in covered.items()):
                break
            found = Covering(published.note, sum(covered.values()))
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
    back = BACK
    while end:
        start = max(0, end - back)
        if (found := _newest_from(log, start, end, wait)) is not None or start == 0:
            return found
        back *= 10
    return None


def _newest_from(log: Log, start: int, end: int, wait: float | None) -> tuple[Record, CheckpointPublished] | None:
    found = None
    with log.reader(Topic.CHECKPOINTS, {0: start}) as reader:
        for records in batches(reader, {0: end}, wait):
            for record in records:
                if (published := _published(record)) is not None:
                    found = record, published
    return found
