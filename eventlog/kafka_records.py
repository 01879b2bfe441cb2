"""Reading the client's fetched record batches straight into records of the port.

The client makes two objects and some thirty calls of each record that it reads, which is most of what reading costs. Here
a batch is read in one loop. Everything around it stays the client's: fetching, checksums, decompression, positions, and
which transactions were aborted. A test holds both ways of reading equal. The format is Kafka's record batch, version 2
(Apache Kafka protocol guide, "Record Batch").
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError

from casetrail.eventlog.port import Record, record_of


def read_fast(consumer: Any) -> None:
    """Let this consumer (and no other) give ``port.Record`` objects from its ``poll``."""
    consumer._fetcher.PartitionRecords = FetchedRecords


class FetchedRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one fetched partition, in order; aborted ones and transaction markers are passed over."""

    next_fetch_offset: int
    record_iterator: Iterator[list[Record]] | None

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.record_iterator = self._batches(self.topic_partition, given[2] if len(given) > 2 else more["records"])
        self._batch: list[Record] = []
        self._at = 0
        self._behind = self.next_fetch_offset
        self._broken: Exception | None = None

    def take(self, n: int | None = None) -> list[Record]:
        """The next records, at most ``n``. Raises what is wrong behind them at the next call, and at every one after that."""
        found: list[Record] = []
        while n is None or len(found) < n:
            if self._at == len(self._batch) and not self._has_next(found):
                break
            some = self._batch[self._at : None if n is None else self._at + n - len(found)]
            self._at += len(some)
            self.records_read += len(some)
            self.next_fetch_offset = self._behind if self._at == len(self._batch) else some[-1].offset + 1
            found += some
        return found

    def _has_next(self, found: list[Record]) -> bool:
        """Whether there was another batch; what is wrong with it is raised once all records before it were given out.

        It is raised again and again: nothing comes from the iterator any more, and the client would ask it for ever.
        """
        if self.record_iterator is None:
            return False
        batch = None
        try:
            batch = next(self.record_iterator, None) if self._broken is None else None
        except Exception as error:
            self._broken = error
        if self._broken is not None and not found:
            raise self._broken.with_traceback(None)
        if batch is not None:
            self._batch, self._at = batch, 0
        return batch is not None

    def _batches(self, tp: Any, records: Any) -> Iterator[list[Record]]:
        """The records of each batch that counts. ``_behind``: the offset behind it."""
        while (batch := records.next_batch()) is not None:
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(f"a record batch of {tp} at offset {batch.base_offset} fails its checksum")
            if batch.magic != 2:
                raise CorruptRecordError(f"a record batch of {tp} has the old format {batch.magic}")
            self.leader_epoch = batch.leader_epoch
            found = batch_records(batch, tp.partition) if self._is_data(batch) else []
            self._behind = batch.next_offset
            if batch.base_offset < self.fetch_offset:  # a batch is fetched whole, from wherever reading begins in it
                found = [record for record in found if record.offset >= self.fetch_offset]
            if found:
                yield found
            self.next_fetch_offset = self._behind
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
    data = bytes(batch._buffer)
    try:
        found, end = _records(batch, data, partition)
    except (IndexError, OverflowError, struct.error):
        end = len(data) + 1
    if end > len(data):
        raise CorruptRecordError(f"a record batch at offset {batch.base_offset} ends too early")
    return found


def _records(batch: Any, data: bytes, partition: int) -> tuple[list[Record], int]:
    """The records in a batch's data, and where they end.

    Nearly all are alike: the record and its value have lengths of two bytes, its time and its key's length are one byte, and
    there are no headers. These are read here without a call for each number; the others by ``_record``.
    """
    at, base, first, fixed = batch._pos, batch.base_offset, batch.first_timestamp, batch.timestamp_type
    newest, made, lengths = batch.max_timestamp, record_of, LENGTHS
    found: list[Record] = []
    for _ in range(batch.records_count):
        length, delta, byte, second, third = HEAD(data, at)
        if byte < 0x80:
            offset, size, begin = byte, second, at + 6
        else:
            offset, size, begin = byte & 0x7F | second << 7, third | second & 0x80, at + 7
        length = lengths[length]
        if length > 0 and not (size | delta & 0x80 | byte & 1) & 0x81:
            behind = begin + (size >> 1)
            end = behind + 2 + lengths[SIZE(data, behind)[0]]
            if end == at + 1 + length and not data[end]:
                when = newest if fixed else _time(first, delta >> 1 ^ -(delta & 1))
                found.append(
                    made((partition, base + (offset >> 1), when, data[begin:behind], data[behind + 2 : end], ()))
                )
                at = end + 1
                continue
        (delta, offset, key, value, headers), at = _record(data, at, base)
        when = newest if fixed else _time(first, delta)
        found.append(made((partition, base + offset, when, key, value, headers)))
    return found, at


HEAD: Final = struct.Struct("<HxBBBB").unpack_from
"""What a record begins with: its length, one byte of attributes, which are not used, and the next four."""
SIZE: Final = struct.Struct("<H").unpack_from


def _lengths() -> list[int]:
    """What two bytes, read as one number with the first as the lower one, are as a varint; far below 0 where they are none of that
    length, or a negative one."""
    found = [-(2**32)] * 2**16
    for length in range(2**6, 2**13):
        zigzag = 2 * length
        found[zigzag & 0x7F | 0x80 | zigzag >> 7 << 8] = length
    return found


LENGTHS: Final = _lengths()

LONG_BITS: Final = 64

Headers = tuple[tuple[str, bytes], ...]


def _record(data: bytes, at: int, base: int) -> tuple[tuple[int, int, bytes | None, bytes | None, Headers], int]:
    """The record at a position: its time and offset beyond the batch's, key, value and headers; and the position behind it."""
    length, at = varint(data, at)
    end = at + length
    delta, at = varint(data, at + 1)
    offset, at = varint(data, at)
    key, at = _bytes(data, at)
    value, at = _bytes(data, at)
    headers, at = _headers(data, at)
    if at != end:
        raise CorruptRecordError(f"a record at offset {base + offset} has not the length that it says")
    return (delta, offset, key, value, headers), at


def _bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    size, at = varint(data, at)
    return (None, at) if size < 0 else (data[at : at + size], at + size)


def _time(first: int, delta: int) -> int:
    """The time of a record that its sender has stamped: 64 bits, beyond whose end numbers go on at the beginning."""
    return (first + delta + 2**63) % 2**64 - 2**63


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The zigzag varint at a position, and the position after it. Raises ``CorruptRecordError`` where it has more than 64 bits."""
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
        if shift >= LONG_BITS:
            raise CorruptRecordError("a number in a record has more than 64 bits")


def _headers(data: bytes, at: int) -> tuple[Headers, int]:
    count, at = varint(data, at)
    found = []
    for _ in range(count):
        size, at = varint(data, at)
        if size < 0:  # it would lead back, and the same bytes would be read again and again
            raise CorruptRecordError("a header's name has less than no bytes")
        name, at = data[at : at + size].decode(errors="replace"), at + size
        size, at = varint(data, at)
        if size < 0:
            continue  # a header without a value says nothing
        found.append((name, data[at : at + size]))
        at += size
    return tuple(found), at
