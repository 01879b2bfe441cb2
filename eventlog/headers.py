"""The first fields of a stored event, read without decoding the rest: all that chains, trees and maps need.

Fields of fixed size come first in the event schema, in every version of it, so that they stand at known places.
"""

import re
from functools import cache
from typing import Final

from casetrail.eventlog.binary import NotAvro, read_long, read_text
from casetrail.eventlog.codec import PREFIX, Unreadable, schema_of
from casetrail.eventlog.schemas import UnknownSchema, parsed

ACTION_HASH: Final = slice(PREFIX, PREFIX + 32)
PREVIOUS_HASH: Final = slice(PREFIX + 32, PREFIX + 64)
ACTION_ID: Final = slice(PREFIX + 64, PREFIX + 80)
NUMBER_AT: Final = PREFIX + 80

NUMBERS: Final = re.compile(rb"(?:[\x80-\xff]{0,8}[\x00-\x7f]){4}")
"""The number in the case and the three numbers between it and the case id: varints of up to nine bytes, 63 bits."""

SHORT_NUMBERS: Final = range(0, 0x80, 2)
"""Varints of one byte that are not negative."""

Header = tuple[int, int, int, int, str]
"""Number in the case, partition, offset of the action, recorded at (milliseconds since 1970, UTC), case id."""


@cache
def _is_event(prefix: bytes) -> bool:
    try:
        return bool(parsed(schema_of(prefix))["name"] == "casetrail.Event")
    except (UnknownSchema, Unreadable):
        return False


def read_header(value: bytes | None) -> Header:
    """The header of an event. Raises ``Unreadable`` where these are not the bytes of one."""
    if value is None:
        raise Unreadable("no-value")
    if len(value) <= NUMBER_AT or not _is_event(value[:PREFIX]):
        raise Unreadable("not-framed" if value[:1] != b"\x00" else "unknown-schema")
    try:
        number, at = read_long(value, NUMBER_AT)
        partition, at = read_long(value, at)
        offset, at = read_long(value, at)
        recorded, at = read_long(value, at)
        case_id, _ = read_text(value, at)
    except (NotAvro, IndexError) as error:
        raise Unreadable("not-decodable") from error
    if number < 1:
        raise Unreadable("not-decodable")  # events are numbered from 1: whatever this is, it stands in no history
    return number, partition, offset, recorded, case_id


def read_case(value: bytes | None) -> tuple[int, str]:
    """Number and case id of an event, passing over what stands between. Raises ``Unreadable`` as ``read_header`` does."""
    if value is not None and _is_event(value[:PREFIX]):
        numbers = NUMBERS.match(value, NUMBER_AT)
        if numbers is not None:
            try:
                number = value[NUMBER_AT]  # of one byte, most of the time
                number = number >> 1 if number in SHORT_NUMBERS else read_long(value, NUMBER_AT)[0]
                if number > 0:
                    return number, read_text(value, numbers.end())[0]
            except NotAvro as error:
                raise Unreadable("not-decodable") from error
    number, *_, case_id = read_header(value)
    return number, case_id
