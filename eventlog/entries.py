"""What is checked of entries before any of them is sent, the same for every log."""

from collections.abc import Sequence

from casetrail.eventlog.errors import EntryTooLarge
from casetrail.eventlog.limits import MOST_BYTES
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Entry


def places(entries: Sequence[Entry], partitions: int) -> list[int]:
    """The partition that each entry goes to: the one it names, else its key's.

    Raises ``EntryTooLarge``, and ``ValueError`` for a partition that the topic does not have.
    """
    found = []
    for number, (key, value, partition, headers) in enumerate(entries):
        size = len(key or b"") + len(value or b"")
        if headers:
            size += sum(len(name.encode()) + len(content) for name, content in headers)
        if size > MOST_BYTES:
            raise EntryTooLarge(
                f"entry {number + 1} of {len(entries)} has {size} bytes, the log takes {MOST_BYTES}; nothing was sent"
            )
        if partition is None:
            partition = partition_for(key or b"", partitions)
        elif not 0 <= partition < partitions:
            raise ValueError(f"there is no partition {partition}; the topic has {partitions}, numbered from 0")
        found.append(partition)
    return found
