"""The newest checkpoint that a log has, found from its end."""

from contextlib import suppress
from typing import Final

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
                with suppress(Unreadable):  # whoever can write to the topic can put anything there
                    notarized = decode_notarized(record.value)
                    if isinstance(notarized, CheckpointPublished):
                        found = record, notarized
    return found
