"""Longs and texts as the Avro specification has them."""

from collections.abc import Callable
from io import BytesIO

import pytest
from fastavro import schemaless_reader, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from casetrail.domain.values import LATEST_MILLIS
from casetrail.eventlog.binary import (
    NULL,
    PRESENT,
    NotAvro,
    long_bytes,
    read_long,
    read_micros,
    read_millis,
    read_present,
    read_text,
    text_bytes,
)

LONGS = st.integers(-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("number", "value"),
    [(0, "00"), (-1, "01"), (1, "02"), (-2, "03"), (2, "04"), (-64, "7f"), (64, "8001"), (8192, "808001")],
)
def test_longs_are_those_of_the_specification(number: int, value: str) -> None:
    assert long_bytes(number).hex() == value
    assert read_long(bytes.fromhex(value), 0) == (number, len(value) // 2)


@given(LONGS)
def test_a_long_is_written_as_fastavro_writes_it(number: int) -> None:
    out = BytesIO()
    schemaless_writer(out, "long", number)
    assert long_bytes(number) == out.getvalue()
    assert read_long(b"??" + long_bytes(number) + b"!", 2) == (number, 2 + len(out.getvalue()))


@given(st.text())
def test_a_text_is_written_as_fastavro_writes_it(text: str) -> None:
    out = BytesIO()
    schemaless_writer(out, "string", text)
    assert text_bytes(text) == out.getvalue()
    assert read_text(b"?" + text_bytes(text) + b"!", 1) == (text, 1 + len(out.getvalue()))


@given(st.binary(max_size=14))
def test_any_bytes_are_a_long_or_not_avro(data: bytes) -> None:
    try:
        number, at = read_long(data, 0)
    except NotAvro:
        return
    assert -(2**63) <= number < 2**63
    assert number == schemaless_reader(BytesIO(data[:at]), "long", None)


@pytest.mark.parametrize("read", [read_millis, read_micros])
@given(
    data=LONGS.map(long_bytes)
    | st.binary(max_size=14)
    | st.integers(2**39, 2**56).map(long_bytes)
    | st.integers(-(2**42), 2**42).map(long_bytes)
    | st.integers(LATEST_MILLIS - 2, LATEST_MILLIS + 2).map(long_bytes)
    | st.lists(st.sampled_from([0, 1, 0x7F, 0x80, 0x81, 0xFF]), max_size=12).map(bytes)
)
def test_a_time_is_read_as_any_long_is(read: Callable[[bytes, int], tuple[int, int]], data: bytes) -> None:
    for prefix in (b"", b"???"):
        try:
            found: tuple[int, int] | None = read_long(prefix + data, len(prefix))
        except NotAvro:
            found = None
        if found is None or (read is read_millis and not 0 <= found[0] <= LATEST_MILLIS):
            with pytest.raises(NotAvro):
                read(prefix + data, len(prefix))
        else:
            assert read(prefix + data, len(prefix)) == found


@given(st.binary(max_size=80))
def test_any_bytes_are_a_text_or_not_avro(data: bytes) -> None:
    try:
        text, at = read_text(data, 0)
    except NotAvro:
        return
    assert text == schemaless_reader(BytesIO(data[:at]), "string", None)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80", b"\x80" * 9, b"\x80" * 11 + b"\x01", b"\xff" * 9 + b"\x02", b"\xff" * 1000],
    ids=["nothing", "cut", "cut late", "overlong", "beyond 64 bits", "endless"],
)
def test_what_is_no_long_is_not_avro(data: bytes) -> None:
    with pytest.raises(NotAvro):
        read_long(data, 0)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x01A", b"\x04A", b"\x02\xff", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01A"],
    ids=["nothing", "negative length", "cut", "not UTF-8", "huge length"],
)
def test_what_is_no_text_is_not_avro(data: bytes) -> None:
    with pytest.raises(NotAvro):
        read_text(data, 0)


def test_a_nullable_value_is_there_or_not() -> None:
    assert read_present(NULL, 0) == (False, 1)
    assert read_present(PRESENT, 0) == (True, 1)
    assert read_present(b"\x82\x00", 0) == (True, 2)  # the same number, written longer
    for data in (b"", b"\x04", b"\x01", b"\x80"):
        with pytest.raises(NotAvro):
            read_present(data, 0)
