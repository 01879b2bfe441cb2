"""Events that no checkpoint covers yet: read as they come, kept by partition until a checkpoint takes them in."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from casetrail.eventlog.codec import Unreadable
from casetrail.eventlog.headers import read_case
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.eventlog.stream import POLL, batches

Change = tuple[int, bytes]
"""How many events a case has, and the leaf hash of the last one."""


class Leaves(NamedTuple):
    """What was read of a partition, side by side: offsets, leaf hashes, and the number in its case with the case's id.

    None where the record is no event: it is in the log all the same, so it is a leaf; ``audit verify`` names it. (Lists of plain
    values, not of objects: the collector of garbage does not go through them again and again.)
    """

    offsets: list[int]
    hashes: list[bytes]
    cases: list[tuple[int, str] | None]


class Part(NamedTuple):
    """The leaves of one partition that a checkpoint takes in, and what they change in the case map."""

    partition: int
    leaves: bytes
    changes: dict[str, Change]


class Pending:
    """The events behind those that are included, partition by partition."""

    def __init__(self, log: Log, included: Mapping[int, int]) -> None:
        self._reader = log.reader(Topic.EVENTS, included)
        self._read = {partition: Leaves([], [], []) for partition in included}

    def poll(self, timeout: float) -> int:
        """Read on, waiting up to ``timeout`` seconds for the first event; how many have come."""
        return self._keep(self._reader.poll(timeout, POLL))

    def read_to(self, ends: Mapping[int, int]) -> None:
        """Read on until these partitions are read up to their ends. Raises ``LogUnreachable`` where nothing comes."""
        for records in batches(self._reader, ends):
            self._keep(records)

    def _keep(self, records: Sequence[Record]) -> int:
        read = self._read
        for partition, offset, _, _, value, _ in records:
            offsets, hashes, cases = read[partition]
            offsets.append(offset)
            hashes.append(sha256(b"\x00" + (value or b"")).digest())  # as leaf_hash, without the cost of a call
            try:
                cases.append(read_case(value))
            except Unreadable:
                cases.append(None)
        return len(records)

    @property
    def count(self) -> int:
        """How many events wait."""
        return sum(len(leaves.offsets) for leaves in self._read.values())

    def position(self, partition: int) -> int:
        """Up to which offset a partition has been read."""
        return self._reader.position(partition)

    def part(self, partition: int, end: int) -> Part:
        """What waits in a partition before the offset ``end``."""
        offsets, hashes, cases = self._read[partition]
        count = bisect_left(offsets, end)
        chosen = hashes[:count]
        changes = {case[1]: (case[0], hashed) for case, hashed in zip(cases, chosen, strict=False) if case is not None}
        return Part(partition, b"".join(chosen), changes)

    def included(self, partition: int, end: int) -> None:
        """A checkpoint has taken in what stood before ``end``."""
        leaves = self._read[partition]
        count = bisect_left(leaves.offsets, end)
        for each in leaves:
            del each[:count]

    def close(self) -> None:
        """Stop reading."""
        self._reader.close()
