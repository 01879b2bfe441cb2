"""Batches that are written in one loop are, byte for byte, those that the client writes record by record."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.memory_records import MemoryRecordsBuilder

from casetrail.eventlog.kafka_batches import builders
from casetrail.eventlog.port import Entry

NOW = 1_790_000_000_000
bytes_or_none = st.none() | st.binary(max_size=300)
entries = st.builds(
    Entry,
    bytes_or_none,
    bytes_or_none,
    headers=st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=200)), max_size=3).map(tuple),
)


def by_client(given_entries: list[Entry], batch_size: int) -> list[Any]:
    """The same records, given to the client's builders one by one."""
    made = [MemoryRecordsBuilder(2, 0, batch_size)]
    for entry in given_entries:
        if made[-1].append(NOW, entry.key, entry.value, list(entry.headers)) is None:
            made.append(MemoryRecordsBuilder(2, 0, batch_size))
            assert made[-1].append(NOW, entry.key, entry.value, list(entry.headers)) is not None
    return made if given_entries else []


def sent(builder: Any) -> tuple[int, bytes]:
    """How many records a builder has, and the bytes that go to the broker."""
    builder.set_producer_state(7, 1, 40, True)
    builder.close()
    return builder.next_offset(), bytes(builder.buffer())


def assert_the_clients(given_entries: list[Entry], batch_size: int) -> None:
    ours = list(builders(given_entries, {"batch_size": batch_size, "compression_attrs": 0}, NOW))
    assert [sent(one) for one in ours] == [sent(one) for one in by_client(given_entries, batch_size)]


@settings(max_examples=200, deadline=None)
@given(st.lists(entries, max_size=30), st.integers(0, 2000))
def test_batches_are_those_of_the_client(given_entries: list[Entry], batch_size: int) -> None:
    assert_the_clients(given_entries, batch_size)


@pytest.mark.parametrize("size", [0, 63, 64, 2047, 2048, 8191, 8192, 999_000])
def test_sizes_around_the_lengths_of_varints_are_written_the_same(size: int) -> None:
    assert_the_clients([Entry(b"k", bytes(size)), Entry(bytes(size), b"v"), Entry(None, b"")], 131_072)


def test_more_records_than_two_bytes_can_count_are_numbered_the_same() -> None:
    assert_the_clients([Entry(b"k", b"v")] * 9000, 1_000_000)


def test_a_record_that_comes_after_is_taken_as_by_the_client() -> None:
    (ours,) = builders([Entry(b"k", b"v")] * 3, {"batch_size": 9000, "compression_attrs": 0}, NOW)
    (plain,) = by_client([Entry(b"k", b"v")] * 3, 9000)
    for builder in (ours, plain):
        assert builder.append(NOW + 5, b"later", b"v").offset == 3
    assert sent(ours) == sent(plain)
