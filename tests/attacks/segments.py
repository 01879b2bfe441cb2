"""The files of a stopped broker in the hands of somebody who can write them (Kafka's record batches, version 2).

A segment file is one batch after the other. A batch's checksum (CRC-32C) covers all from its attributes to its end, so
whoever changes a byte puts it right as well, and the broker has no reason to doubt anything (Apache Kafka, "Record Batch").
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import crc32c

from casetrail.eventlog.port import Record, Topic
from tests.servers.kafka import Broker

LENGTH_AT: Final = 8
HEAD: Final = 12
CRC_AT: Final = 17
COVERED: Final = 21
LAST_OFFSET_AT: Final = 23
TIMES_AT: Final = 27
BEHIND_TIMES: Final = 43
MADE_AGAIN: Final = ("*.index", "*.timeindex", "*.snapshot")
"""What a broker makes again from a segment where it is missing."""


class Batch(NamedTuple):
    """Where a batch stands in the file, and which offsets it has."""

    start: int
    end: int
    first: int
    last: int


class Segment:
    """The one segment file of a partition."""

    def __init__(self, broker: Broker, log: str, topic: Topic, partition: int) -> None:
        (self.path,) = (broker.directory / "data" / f"{log}.{topic.value}-{partition}").glob("*.log")
        assert broker.process is None, "a broker that runs has its own mind about its files"
        self.content = bytearray(self.path.read_bytes())

    def batches(self) -> Iterator[Batch]:
        """All batches, in order."""
        start, data = 0, self.content
        while start < len(data):
            first = int.from_bytes(data[start : start + 8])
            end = start + HEAD + int.from_bytes(data[start + LENGTH_AT : start + HEAD])
            delta = int.from_bytes(data[start + LAST_OFFSET_AT : start + TIMES_AT])
            yield Batch(start, end, first, first + delta)
            start = end

    def batch_of(self, offset: int) -> Batch:
        """The batch that holds an offset."""
        return next(one for one in self.batches() if one.first <= offset <= one.last)

    def put(self, record: Record, value: bytes, *, repaired: bool = True) -> None:
        """Put a value in the place of a record's, as long as that is."""
        batch, was = self.batch_of(record.offset), record.value or b""
        assert len(value) == len(was)
        at = self.content.index(was, batch.start, batch.end)
        self.content[at : at + len(value)] = value
        self._save(batch if repaired else None)

    def set_back(self, offset: int, milliseconds: int) -> None:
        """Let the batch of an offset have been appended earlier."""
        batch = self.batch_of(offset)
        for at in (batch.start + TIMES_AT, batch.start + TIMES_AT + 8):
            moment = int.from_bytes(self.content[at : at + 8]) - milliseconds
            self.content[at : at + 8] = moment.to_bytes(8)
        self._save(batch)

    def cut_out(self, offset: int) -> Batch:
        """Take the batch of an offset out, as if it had never been."""
        batch = self.batch_of(offset)
        del self.content[batch.start : batch.end]
        self._save_cut()
        return batch

    def cut_off(self, offset: int) -> None:
        """Cut off the end, from the batch of an offset on."""
        del self.content[self.batch_of(offset).start :]
        self._save_cut()

    def _save(self, batch: Batch | None) -> None:
        """``batch``: the one whose checksum is put right."""
        if batch is not None:
            crc = crc32c.crc32c(bytes(self.content[batch.start + COVERED : batch.end]))
            self.content[batch.start + CRC_AT : batch.start + COVERED] = crc.to_bytes(4)
        self.path.write_bytes(self.content)

    def _save_cut(self) -> None:
        self._save(None)
        for pattern in MADE_AGAIN:
            for one in self.path.parent.glob(pattern):
                one.unlink()
