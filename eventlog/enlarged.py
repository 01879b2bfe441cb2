"""With how many partitions a log was made, as its oldest events show: nothing else in it says so.

Kafka lets topics be given more partitions, and the owner of a file can change the number in it. Then cases go on in another
partition than they began in. A recorder writes each event into the partition of its case, so the events that stand
elsewhere were written while there were fewer.
"""

from collections.abc import Collection, Iterator
from typing import Final

from casetrail.domain.values import is_id
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Log, Topic, Weakness
from casetrail.eventlog.stream import Stream

FIRST_PARTITIONS: Final = 4
"""Those that are looked at: partitions are added behind them."""
OLDEST: Final = 200
"""Events of each that are."""
FEW: Final = 3
"""So many cases elsewhere and no fewer show it: one or two may have been put there past the recorder."""

Stands = tuple[int, bytes]
"""In which partition an event of a case stands, and the case."""


def enlarged(log: Log, topic: str) -> list[Weakness]:
    """The weakness that a log has more partitions than it was made with, if it shows. Raises ``LogUnreachable``, ``LogRefused``."""
    made = made_with(frozenset(_oldest(log)), log.partitions)
    if made == log.partitions:
        return []
    meaning = (
        "partitions were added to actions and events: cases go on in another partition than they began in, where nobody knows "
        "them. Record nothing more in this log, and make one of a new name"
    )
    return [Weakness(topic, "partitions", str(log.partitions), str(made), meaning)]


def made_with(stands: Collection[Stands], partitions: int) -> int:
    """The number of partitions, fewer than now, with which all cases that stand elsewhere are in their place; now's where there is none."""
    elsewhere = {(partition, case) for partition, case in stands if partition_for(case, partitions) != partition}
    if len(elsewhere) < FEW:
        return partitions
    for fewer in range(partitions - 1, 0, -1):
        if all(partition_for(case, fewer) == partition for partition, case in elsewhere):
            return fewer
    return partitions


def _oldest(log: Log) -> Iterator[Stands]:
    starts, ends = log.start_offsets(Topic.EVENTS), log.end_offsets(Topic.EVENTS)
    for partition in range(min(FIRST_PARTITIONS, log.partitions)):
        start = max(0, starts[partition])
        end = min(ends[partition], start + OLDEST)
        if start < end:
            with log.reader(Topic.EVENTS, {partition: start}) as reader:
                for record in Stream(reader, partition, end):
                    if is_id(
                        (record.key or b"").decode(errors="replace")
                    ):  # else of no case: where it came in, it stands
                        yield partition, record.key or b""
