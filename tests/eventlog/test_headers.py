"""The first fields of an event are found without decoding the rest, and never where no event is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.domain.values import EPOCH, MILLISECOND
from casetrail.eventlog.codec import Unreadable, decode_event, encode_event
from casetrail.eventlog.headers import ACTION_HASH, ACTION_ID, NUMBER_AT, PREVIOUS_HASH, read_case, read_header
from tests.eventlog.examples import BODIES, example_event

EVENTS = [encode_event(example_event(body)) for body in BODIES]


@pytest.mark.parametrize("value", EVENTS)
def test_a_header_is_what_the_whole_event_says(value: bytes) -> None:
    event = decode_event(value)
    recorded = (event.recorded_at - EPOCH) // MILLISECOND
    assert read_header(value) == (event.number, event.partition, event.action_offset, recorded, event.case_id)
    assert (value[ACTION_HASH], value[PREVIOUS_HASH], value[ACTION_ID]) == (
        event.action_hash,
        event.previous_hash,
        event.action_id,
    )


def outcome(read: object, value: bytes | None) -> object:
    try:
        found = read(value)  # type: ignore[operator]
    except Unreadable:
        return None
    return found[0], found[-1]


@given(st.sampled_from(EVENTS), st.binary(max_size=60), st.integers(0, 40))
def test_the_short_way_reads_what_the_long_way_reads(value: bytes, change: bytes, at: int) -> None:
    start = NUMBER_AT + at - 8
    changed = value[:start] + change + value[start + len(change) :]
    for one in (value, changed, change, value[: NUMBER_AT + at], None):
        assert outcome(read_case, one) == outcome(read_header, one)


@pytest.mark.parametrize("length", range(1, 12))
def test_numbers_of_any_length_are_judged_alike(length: int) -> None:
    varint = b"\x80" * (length - 1) + b"\x02"
    value = EVENTS[0][:NUMBER_AT] + b"\x02" + varint + b"\x02\x02\x06C-1"
    assert outcome(read_case, value) == outcome(read_header, value)
