"""Records that are read in one loop are those that the client reads one by one, whatever a batch holds."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.util import encode_varint
from kafka.structs import TopicPartition

from casetrail.eventlog.kafka_records import FetchedRecords, batch_records, varint
from casetrail.eventlog.port import Record

NOW = 1_790_000_000_000
HEADER = DefaultRecordBatch.HEADER_STRUCT.size
LOG_APPEND_TIME = 0x08
bytes_or_none = st.none() | st.binary(max_size=300)
written = st.tuples(
    st.integers(-3, 200) | st.integers(-(2**40), 2**40),
    bytes_or_none,
    bytes_or_none | st.binary(min_size=60, max_size=200),
    st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=200)), max_size=2),
)
Written = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes]]]


def batch_of(records: list[Written], *, is_stamped: bool) -> bytes:
    """A batch as a broker keeps it; ``is_stamped``: with the broker's own time for all of its records."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 10**8)
    for number, (delta, key, value, headers) in enumerate(records):
        assert builder.append(number, NOW + delta, key, value, headers) is not None
    made = bytearray(builder.build())
    if is_stamped:
        made[22] |= LOG_APPEND_TIME
    return bytes(made)


def by_client(made: bytes, partition: int) -> list[Record]:
    """The same as the client reads it; a header without a value is none."""
    return [
        Record(
            partition, one.offset, one.timestamp, one.key, one.value, tuple(h for h in one.headers if h[1] is not None)
        )
        for one in DefaultRecordBatch(made)
    ]


def ours(made: bytes, partition: int) -> list[Record]:
    found = batch_records(DefaultRecordBatch(made), partition)
    assert all(type(one) is Record for one in found)
    return found


@settings(max_examples=200, deadline=None)
@given(st.lists(written, min_size=1, max_size=150), st.booleans(), st.integers(0, 5))
def test_records_are_those_of_the_client(records: list[Written], is_stamped: bool, partition: int) -> None:
    made = batch_of(records, is_stamped=is_stamped)
    assert ours(made, partition) == by_client(made, partition)


@pytest.mark.parametrize("size", [0, 1, 30, 63, 64, 65, 2047, 2048, 8150, 8191, 8192, 999_000])
@pytest.mark.parametrize("is_stamped", [True, False])
def test_sizes_around_the_lengths_of_varints_are_read_the_same(size: int, is_stamped: bool) -> None:
    records: list[Written] = [
        (0, b"k", bytes(size), []),
        (1, bytes(size), b"v", []),
        (-1, None, bytes(size), []),
        (0, bytes(size), None, []),
        (0, b"", bytes(size), [("h", b"")]),
    ]
    made = batch_of(records * (40 if size < 10_000 else 4), is_stamped=is_stamped)  # offsets of one byte and of two
    assert ours(made, 3) == by_client(made, 3)


def test_more_records_than_two_bytes_can_count_are_read_the_same() -> None:
    made = batch_of([(0, b"case-1", bytes(100), [])] * 9000, is_stamped=True)
    assert ours(made, 0) == by_client(made, 0)


def read(reading: Any, made: bytes) -> list[Record] | None:
    """What is read of a batch; None where it is found to be none."""
    with suppress(CorruptRecordError):
        return list(reading(made, 0))
    return None


def client_errs(made: bytes) -> bool:
    """Whether a record's attributes, one byte by the protocol, are such that the client, which takes a number of any length there,
    reads on in the next field."""
    at, count = HEADER, DefaultRecordBatch(made).records_count
    with suppress(IndexError):
        for _ in range(count):
            length, at = varint(made, at)
            if length < 1:
                break
            if made[at] >= 0x80:
                return True
            at += length
    return False


def with_headers(count: bytes, rest: bytes) -> bytes:
    """A batch of one record without key and value, and with this instead of its headers."""
    made = batch_of([(0, None, None, [])], is_stamped=False)[:HEADER]
    fields = b"\x00\x00\x00\x01\x01" + count + rest
    return made + encoded(len(fields)) + fields


def encoded(number: int) -> bytes:
    """A varint."""
    found = bytearray()
    encode_varint(number, found.append)
    return bytes(found)


def test_a_name_of_less_than_no_bytes_leads_nowhere() -> None:
    """Going back by its length, reading came to the same header again, until all memory was taken."""
    made = with_headers(encoded(2**40), encoded(0) + encoded(1) + b"x" + encoded(-3))
    assert (read(ours, made), read(by_client, made)) == (None, None)


def test_a_number_without_end_is_refused_at_once() -> None:
    made = with_headers(b"\x80" * 500_000 + b"\x01", b"")
    with pytest.raises(CorruptRecordError, match="64 bits"):
        ours(made, 0)


def test_a_number_has_64_bits_and_no_more() -> None:
    assert varint(b"\xff" * 9 + b"\x01", 0) == (-(2**63), 10)
    with pytest.raises(CorruptRecordError, match="64 bits"):
        varint(b"\xff" * 10 + b"\x00", 0)


def test_a_header_that_ends_beyond_all_memory_is_refused() -> None:
    """Its length and that of the record agree, so that the next record would begin there."""
    size, head = 2**63 - 50, b"\x00\x00\x00\x01\x01" + encoded(1) + encoded(0)
    fields = head + encoded(size)
    made = bytearray(with_headers(b"", b""))[:HEADER] + encoded(len(fields) + size) + fields
    made[HEADER - 4 : HEADER] = (2).to_bytes(4)
    assert read(ours, bytes(made)) is None


def test_attributes_are_one_byte_whatever_it_is() -> None:
    made = bytearray(batch_of([(0, b"k", b"v", []), (0, b"k", b"w", [])], is_stamped=False))
    found = ours(bytes(made), 0)
    made[HEADER + 1] = 0x80  # the protocol guide: Int8, and none of its bits has a meaning
    assert ours(bytes(made), 0) == found and client_errs(bytes(made))


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_what_was_garbled_is_refused_by_one_of_both_or_read_the_same(data: st.DataObject) -> None:
    """Whoever repairs the checksum may have written anything. The client refuses a header whose name is no text, we do not."""
    records = data.draw(st.lists(written, min_size=1, max_size=5))
    made = bytearray(batch_of(records, is_stamped=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 4))):
        made[data.draw(st.integers(HEADER, len(made) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del made[data.draw(st.integers(HEADER, len(made) - 1)) :]
    found, by_it = read(ours, bytes(made)), read(by_client, bytes(made))
    assert found is None or by_it is None or found == by_it or client_errs(bytes(made))


def test_what_is_wrong_is_raised_again_and_again_without_growing() -> None:
    """An exception that is raised again keeps every frame that it has ever passed, and all that stood in them."""

    class Broken:
        def next_batch(self) -> None:
            raise CorruptRecordError("altered")

    records, depths = FetchedRecords(0, TopicPartition("log.events", 0), Broken()), []
    for _ in range(5):
        with pytest.raises(CorruptRecordError) as raised:
            records.take(10)
        depths.append(len(raised.traceback))
    assert depths[-1] <= depths[0]
