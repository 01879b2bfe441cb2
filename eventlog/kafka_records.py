"""Reading the client's fetched record batches straight into records of the port.

The client makes two objects and some thirty calls of each record that it reads, which is most of what reading costs. Here
a batch is read in one loop. Everything around it stays the client's: fetching, checksums, decompression, positions, and
which transactions were aborted. A test holds both ways of reading equal. The format is Kafka's record batch, version 2
(Apache Kafka protocol guide, "Record Batch").
"""

from collections.abc import Iterator
from typing import Any

from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError

from casetrail.eventlog.port import Record


def read_fast(consumer: Any) -> None:
    """Let this consumer (and no other) give ``port.Record`` objects from its ``poll``."""
    consumer._fetcher.PartitionRecords = FetchedRecords


class FetchedRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one fetched partition, in order; aborted ones and transaction markers are passed over."""

    def _unpack_records(self, tp: Any, records: Any, *_: Any) -> Iterator[Record]:
        while (batch := records.next_batch()) is not None:
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(f"a record batch of {tp} at offset {batch.base_offset} fails its checksum")
            if batch.magic != 2:
                raise CorruptRecordError(f"a record batch of {tp} has the old format {batch.magic}")
            self.leader_epoch = batch.leader_epoch
            if self._is_data(batch):
                for record in batch_records(batch, tp.partition):
                    self.records_read += 1
                    self.next_fetch_offset = record.offset + 1
                    yield record
            self.next_fetch_offset = batch.next_offset
        self.drain()

    def _is_data(self, batch: Any) -> bool:
        """Whether a batch holds records that count: no marker, and no part of an aborted transaction."""
        if self.isolation_level and batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if self._contains_abort_marker(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
                return False
            if self._is_batch_aborted(batch):
                return False
        return not batch.is_control_batch


def batch_records(batch: Any, partition: int) -> list[Record]:
    """The records of a batch. Raises ``CorruptRecordError`` where a record has not the length that it says."""
    batch._maybe_uncompress()
    data, at = bytes(batch._buffer), batch._pos
    base, first, fixed = batch.base_offset, batch.first_timestamp, batch.timestamp_type
    newest = batch.max_timestamp
    found = []
    try:
        for _ in range(batch.records_count):
            length, at = varint(data, at)
            end = at + length
            delta, at = varint(data, at + 1)  # after one byte of attributes, which are not used
            offset, at = varint(data, at)
            size, at = varint(data, at)
            key = value = None
            if size >= 0:
                key, at = data[at : at + size], at + size
            size, at = varint(data, at)
            if size >= 0:
                value, at = data[at : at + size], at + size
            headers: tuple[tuple[str, bytes], ...] = ()
            if data[at]:
                headers, at = _headers(data, at)
            else:
                at += 1
            if at != end:
                raise CorruptRecordError(f"a record at offset {base + offset} has not the length that it says")
            found.append(Record(partition, base + offset, newest if fixed else first + delta, key, value, headers))
    except IndexError as error:
        raise CorruptRecordError(f"a record batch at offset {base} ends too early") from error
    if at > len(data):
        raise CorruptRecordError(f"a record batch at offset {base} ends too early")
    return found


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The zigzag varint at a position, and the position after it."""
    byte = data[at]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at + 1
    second = data[at + 1]
    if second < 0x80:
        number = byte & 0x7F | second << 7
        return (number >> 1) ^ -(number & 1), at + 2
    number, shift = byte & 0x7F, 7
    at += 1
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
        shift += 7


def _headers(data: bytes, at: int) -> tuple[tuple[tuple[str, bytes], ...], int]:
    count, at = varint(data, at)
    found = []
    for _ in range(count):
        size, at = varint(data, at)
        name, at = data[at : at + size].decode(errors="replace"), at + size
        size, at = varint(data, at)
        if size < 0:
            continue  # a header without a value says nothing
        found.append((name, data[at : at + size]))
        at += size
    return tuple(found), at
