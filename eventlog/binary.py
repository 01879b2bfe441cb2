"""Avro's binary encoding of longs, strings and byte strings (Apache Avro 1.12, binary encoding).

The envelope of actions and events is read and written with these, the bodies with fastavro: finding the branches of
nullable unions is what a general writer spends most of its time on. A test holds the two equal, byte for byte.
"""

from functools import lru_cache
from typing import Final

from casetrail.domain.values import is_append_time


class NotAvro(ValueError):
    """The bytes end too early, or are not what the schema says."""


NULL: Final = b"\x00"
PRESENT: Final = b"\x02"
"""The branch of ``[null, X]`` that follows."""


def long_bytes(number: int) -> bytes:
    """A long as zigzag varint."""
    if 0 <= number < SMALL:
        return KNOWN[number]
    return _written(number)


def _written(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    if number < 0x80:
        return bytes((number,))
    return CONTINUED[number & 0x7F] + _rest(number >> 7)


@lru_cache(4096)
def _rest(number: int) -> bytes:
    """All bytes of a varint but the first: 64 offsets, or times, that follow each other have the same."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


CONTINUED: Final = tuple(bytes((0x80 | low,)) for low in range(0x80))
"""First bytes of numbers that take several."""


MOST_OF_LONG: Final = 10
"""Bytes, of seven bits each, that 64 bits take."""

MARKS_OF_SIX: Final = sum(0x80 << 7 * place for place in range(5))
MARKS_OF_EIGHT: Final = sum(0x80 << 7 * place for place in range(7))
"""What the marks of all bytes but the last add up to: each says that another byte follows."""

LONG_OR_NEGATIVE: Final = 0x81
"""Bits of a number's first byte: another one follows, or it is negative."""

SMALL: Final = 2048
KNOWN: Final = tuple(_written(number) for number in range(SMALL))
"""The numbers that come most."""


def text_bytes(text: str) -> bytes:
    """A string: its length in bytes, then UTF-8."""
    data = text.encode()
    return long_bytes(len(data)) + data


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """The long at position ``at``, and the position after it. Raises ``NotAvro``."""
    try:
        byte = data[at]
        if byte < 0x80:  # most numbers are small
            return (byte >> 1) ^ -(byte & 1), at + 1
        second = data[at + 1]
        if second < 0x80:
            number = byte & 0x7F | second << 7
            return (number >> 1) ^ -(number & 1), at + 2
        third = data[at + 2]
        if third < 0x80:
            number = byte & 0x7F | (second & 0x7F) << 7 | third << 14
            return (number >> 1) ^ -(number & 1), at + 3
    except IndexError as error:
        raise NotAvro("the bytes end before or within a number") from error
    return _read_longer(data, at)


def _read_longer(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    for byte in data[at : at + MOST_OF_LONG]:
        if byte < 0x80:
            number |= byte << shift
            if number >> 64:
                break
            return (number >> 1) ^ -(number & 1), at + 1 + shift // 7
        number |= (byte & 0x7F) << shift
        shift += 7
    raise NotAvro("the bytes end within a number, or it is longer than 64 bits")


def read_millis(data: bytes, at: int) -> tuple[int, int]:
    """An append time at position ``at``, and the position after it. Raises ``NotAvro``, also for what is no such time.

    Sooner where it has six bytes: milliseconds since 1970 have, from 2004 to 2039.
    """
    try:
        a, b, c, d, e, f = data[at : at + 6]
    except ValueError:
        return _read_other_millis(data, at)
    if f > 0x7F or a & 1 or not a & b & c & d & e & 0x80:  # an odd number is negative
        return _read_other_millis(data, at)
    number = (a + (b << 7) + (c << 14) + (d << 21) + (e << 28) + (f << 35)) - MARKS_OF_SIX
    return number >> 1, at + 6


def _read_other_millis(data: bytes, at: int) -> tuple[int, int]:
    number, at = read_long(data, at)
    if not is_append_time(number):
        raise NotAvro("no log appends at such a time")
    return number, at


def read_micros(data: bytes, at: int) -> tuple[int, int]:
    """The same as ``read_long``, sooner where it has eight bytes: microseconds since 1970 have, from 1979 to 3111."""
    try:
        a, b, c, d, e, f, g, h = data[at : at + 8]
    except ValueError:
        return read_long(data, at)
    if h > 0x7F or not a & b & c & d & e & f & g & 0x80:
        return read_long(data, at)
    low, high = a + (b << 7) + (c << 14) + (d << 21), e + (f << 7) + (g << 14) + (h << 21)
    number = low + (high << 28) - MARKS_OF_EIGHT
    return (number >> 1) ^ -(number & 1), at + 8


def read_text(data: bytes, at: int) -> tuple[str, int]:
    """The string at position ``at``, and the position after it. Raises ``NotAvro``."""
    if at < len(data) and not (length := data[at]) & LONG_OR_NEGATIVE:  # most texts are short
        at += 1
        length >>= 1
    else:
        length, at = read_long(data, at)
    end = at + length
    if length < 0 or end > len(data):
        raise NotAvro("the bytes end within a string")
    try:
        return data[at:end].decode(), end
    except UnicodeDecodeError as error:
        raise NotAvro("a string is not UTF-8") from error


def read_present(data: bytes, at: int) -> tuple[bool, int]:
    """Whether the value of a ``[null, X]`` at position ``at`` is there, and the position after the branch number."""
    if at < len(data) and data[at] in (0, 2):
        return data[at] == 2, at + 1
    branch, at = read_long(data, at)
    if branch not in (0, 1):
        raise NotAvro("a union has no such branch")
    return branch == 1, at
