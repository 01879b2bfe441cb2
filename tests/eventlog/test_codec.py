"""The bytes of actions and events are Avro as everybody knows it, and bytes that are not are named, never fatal."""

import json
from datetime import timedelta
from functools import cache
from io import BytesIO
from typing import Any

import avro.io
import avro.schema
import pytest
from fastavro import schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from casetrail.domain.actions import Action, Actor, Body, Malformed
from casetrail.domain.codes import Role
from casetrail.domain.kinds import ACTION_KINDS, EVENT_KINDS
from casetrail.domain.values import EPOCH
from casetrail.eventlog.binary import long_bytes, text_bytes
from casetrail.eventlog.bodies import body_bytes
from casetrail.eventlog.codec import (
    PREFIX,
    UNREADABLE,
    Event,
    Unreadable,
    decode_action,
    decode_event,
    encode_action,
    encode_event,
    read_action,
    schema_of,
)
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.schemas import current_ids, parsed, published
from tests.actions import SERGEANT, action, report
from tests.domain.histories import WIDE, actions
from tests.eventlog.examples import BODIES, events, example_action, example_event, plain_action, plain_event

ACTIONS = [encode_action(example_action(body)) for body in BODIES if type(body) in ACTION_KINDS]
EVENTS = [encode_event(example_event(body)) for body in BODIES]
FRAMES = {name: b"\x00" + number.to_bytes(4) for name, number in current_ids().items()}
OVERLONG = b"\x80" * 40 + b"\x01"

each_action = pytest.mark.parametrize("kind", ACTION_KINDS, ids=lambda kind: kind.__name__)
each_event = pytest.mark.parametrize("kind", EVENT_KINDS, ids=lambda kind: kind.__name__)
some = settings(max_examples=12, deadline=None)


def by_fastavro(name: str, plain: dict[str, Any]) -> bytes:
    out = BytesIO()
    out.write(FRAMES[name])
    schemaless_writer(out, parsed(current_ids()[name]), plain)
    return out.getvalue()


@cache
def apache_schema(name: str) -> avro.schema.Schema:
    return avro.schema.parse(published()[current_ids()[name]])


def by_apache(name: str, value: bytes) -> dict[str, Any]:
    """What the Apache library reads in our bytes, all of them."""
    data = BytesIO(value)
    data.seek(PREFIX)
    read = avro.io.DatumReader(apache_schema(name)).read(avro.io.BinaryDecoder(data))
    assert data.tell() == len(value)
    assert isinstance(read, dict)
    return read


def untagged(plain: dict[str, Any]) -> dict[str, Any]:
    return {**plain, "body": plain["body"][1]}


# --- Avro, as everybody knows it ---


@each_action
@some
@given(data=st.data())
def test_an_action_is_written_as_any_avro_library_writes_it(kind: type[Body], data: st.DataObject) -> None:
    drawn = data.draw(actions(WIDE, kind))
    assert encode_action(drawn) == by_fastavro("action", plain_action(drawn))


@each_event
@some
@given(data=st.data())
def test_an_event_is_written_as_any_avro_library_writes_it(kind: type[Body], data: st.DataObject) -> None:
    drawn = data.draw(events(kind))
    assert encode_event(drawn) == by_fastavro("event", plain_event(drawn))


@each_action
@some
@given(data=st.data())
def test_an_action_is_read_as_it_was_written(kind: type[Body], data: st.DataObject) -> None:
    drawn = data.draw(actions(WIDE, kind))
    value = encode_action(drawn)
    assert decode_action(value) == drawn
    assert decode_action(value) == drawn  # what has been seen before is read by a shorter way


@each_event
@some
@given(data=st.data())
def test_an_event_is_read_as_it_was_written(kind: type[Body], data: st.DataObject) -> None:
    drawn = data.draw(events(kind))
    value = encode_event(drawn)
    assert decode_event(value) == drawn
    assert decode_event(value) == drawn


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_the_apache_library_reads_our_bytes(body: Body) -> None:
    event = example_event(body)
    assert by_apache("event", encode_event(event)) == untagged(plain_event(event))
    if type(body) in ACTION_KINDS:
        asked = example_action(body)
        assert by_apache("action", encode_action(asked)) == untagged(plain_action(asked))


@each_action
@some
@given(data=st.data())
def test_the_apache_library_reads_whatever_we_write(kind: type[Body], data: st.DataObject) -> None:
    drawn = data.draw(actions(WIDE, kind))
    assert by_apache("action", encode_action(drawn)) == untagged(plain_action(drawn))


@pytest.mark.parametrize("length", [1, 2, 31, 62, 63, 64])
@pytest.mark.parametrize("field", ["id", "agency", "case", "log", "system"])
def test_ids_of_every_length_are_read(field: str, length: int) -> None:
    text = "z" * length
    actor = Actor(text if field == "id" else "det.01", text if field == "agency" else "pd", Role.SUPERVISOR)
    asked = action(BODIES[6], actor, text if field == "case" else "C-1")
    assert decode_action(encode_action(asked)) == asked
    event = example_event(BODIES[6])._replace(actor=actor, log=text if field == "log" else "metro")
    event = event._replace(imported=event.imported and type(event.imported)(bytes(32), 2, text))
    assert decode_event(encode_event(event)) == event


@each_action
@some
@given(data=st.data())
def test_the_event_of_an_accepted_action_holds_the_submitters_own_bytes(kind: type[Body], data: st.DataObject) -> None:
    drawn = data.draw(actions(WIDE, kind))
    value = encode_action(drawn)
    ending = read_action(value)[1]
    event = example_event(drawn.body)._replace(
        occurred_at=drawn.occurred_at, actor=drawn.actor, imported=drawn.imported
    )
    assert ending is not None
    assert encode_event(event, ending) == encode_event(event)
    body = body_bytes("event", drawn.body)
    assert ending.endswith(body)
    assert value.endswith(body[1:])


def sloppy(number: int) -> bytes:
    """A number in more bytes than it needs, which Avro libraries read all the same."""
    data = long_bytes(number)
    return data[:-1] + bytes((data[-1] | 0x80, 0x80, 0x00))


@pytest.mark.parametrize("place", ["occurred_at", "actor", "imported", "system"])
def test_a_number_that_was_written_sloppily_stands_in_the_event_as_it_should(place: str) -> None:
    asked = example_action(BODIES[6])
    assert asked.imported is not None
    micros = (asked.occurred_at - EPOCH) // timedelta(microseconds=1)
    sizes = {
        "occurred_at": (long_bytes(micros), sloppy(micros)),
        "actor": (text_bytes(asked.actor.id), sloppy(len(asked.actor.id)) + asked.actor.id.encode()),
        "imported": (long_bytes(asked.imported.line), sloppy(asked.imported.line)),
        "system": (
            text_bytes(asked.imported.system),
            sloppy(len(asked.imported.system)) + asked.imported.system.encode(),
        ),
    }
    value = encode_action(asked)
    head, found, tail = value.rpartition(sizes[place][0]) if place != "actor" else value.partition(sizes[place][0])
    assert found
    for _ in range(2):  # the second time the actor's bytes are known ones
        read, ending = read_action(head + sizes[place][1] + tail)
        event = example_event(asked.body)._replace(
            occurred_at=asked.occurred_at, actor=asked.actor, imported=asked.imported
        )
        assert read == asked
        assert encode_event(event, ending) == encode_event(event)


def test_the_schema_id_stands_in_front() -> None:
    assert {schema_of(value) for value in ACTIONS} == {current_ids()["action"]}
    assert {schema_of(value) for value in EVENTS} == {current_ids()["event"]}


def test_an_unknown_code_is_a_refusal_with_a_name_and_not_unreadable() -> None:
    value = encode_action(example_action(BODIES[3])).replace(b"alleges_crime", b"alleges_crimf")
    body = decode_action(value).body
    assert isinstance(body, Malformed)
    assert (body.kind, body.refusal.rule.code, body.refusal.field) == ("ScreenedIn", "unknown-code", "reason")


def test_an_action_without_an_id_of_16_bytes_is_not_written() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        encode_action(action(BODIES[6], SERGEANT, action_id=b"short"))


# --- whatever else it is ---


def outcome(value: bytes | None, decode: Any) -> str:
    """The code by which the bytes are unreadable, or "read"; whatever else is raised fails the test."""
    try:
        assert isinstance(decode(value), Action | Event)
    except Unreadable as unreadable:
        assert unreadable.code in UNREADABLE
        return unreadable.code
    return "read"


def both(value: bytes) -> None:
    outcome(value, decode_action)
    outcome(value, decode_event)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_unreadable_at_worst(value: bytes) -> None:
    both(value)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(sorted(FRAMES.values())), st.binary(max_size=300))
def test_arbitrary_bytes_behind_a_right_beginning_are_unreadable_at_worst(frame: bytes, rest: bytes) -> None:
    both(frame + rest)


@settings(max_examples=1000, deadline=None)
@given(
    st.sampled_from(ACTIONS + EVENTS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=6), st.integers(0, 6)), max_size=4),
)
def test_altered_bytes_are_unreadable_at_worst(value: bytes, changes: list[tuple[float, bytes, int]]) -> None:
    for where, put, taken in changes:
        at = int(where * len(value))
        value = value[:at] + put + value[at + taken :]
    both(value)


@pytest.mark.parametrize("value", ACTIONS + EVENTS, ids=lambda value: value[-8:].hex())
def test_every_truncation_is_unreadable(value: bytes) -> None:
    decode: Any = decode_action if value in ACTIONS else decode_event
    for end in range(len(value)):
        assert outcome(value[:end], decode) in ("not-framed", "not-decodable")
    assert outcome(value + b"\x00", decode) == "not-decodable"


@pytest.mark.parametrize("value", [ACTIONS[0], ACTIONS[-1], EVENTS[0], EVENTS[1], EVENTS[2]], ids=len)
def test_every_bit_flip_is_unreadable_at_worst(value: bytes) -> None:
    for bit in range(8 * len(value)):
        flipped = bytearray(value)
        flipped[bit // 8] ^= 1 << bit % 8
        both(bytes(flipped))


@pytest.mark.parametrize("number", [OVERLONG, b"\xff" * 9 + b"\x7f", b"\xff" * 10, b"\xfe\xff\xff\xff\x7f", b"\x01"])
def test_huge_and_negative_lengths_are_unreadable(number: bytes) -> None:
    assert outcome(FRAMES["action"] + bytes(16) + number + b"C-1", decode_action) == "not-decodable"
    for value in (*ACTIONS, *EVENTS):
        for at in range(PREFIX, len(value), 3):
            both(value[:at] + number + value[at:])
            both(value[:at] + number + value[at + 1 :])


@pytest.mark.parametrize("fill", [b"\x00", b"\x02", b"\x80", b"\xff", b"A"])
def test_ten_megabytes_are_no_burden(fill: bytes) -> None:
    much = fill * 10_000_000
    assert outcome(FRAMES["action"] + much, decode_action) == "too-large"
    assert outcome(FRAMES["event"] + much, decode_event) == "not-decodable"
    for value in (EVENTS[0], EVENTS[2]):
        assert outcome(value[:-40] + much, decode_event) in ("not-decodable", "read")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param(None, "no-value", id="no value"),
        pytest.param(b"", "not-framed", id="empty"),
        pytest.param(b"\x00\x01", "not-framed", id="too short for a schema id"),
        pytest.param(b"{}", "not-framed", id="JSON"),
        pytest.param(b"\x01" + ACTIONS[0][1:], "not-framed", id="another magic byte"),
        pytest.param(b"\x00\x00\x00\x00\x01rest", "unknown-schema", id="a registry's schema id"),
        pytest.param(EVENTS[2], "unknown-schema", id="an event is no action"),
        pytest.param(ACTIONS[0] + bytes(ACTION_BYTES), "too-large", id="too large"),
        pytest.param(ACTIONS[0][:-1], "not-decodable", id="cut short"),
    ],
)
def test_what_is_no_action_is_named(value: bytes | None, code: str) -> None:
    assert outcome(value, decode_action) == code


DANGER = encode_action(action(report(immediate_danger=True)))
STATUTE = DANGER.rindex(b"566.030")


@pytest.mark.parametrize(
    ("at", "length", "put"),
    [
        pytest.param(STATUTE + 8, 1, b"\x07", id="a boolean that is neither, which one library reads as no danger"),
        pytest.param(STATUTE - 2, 1, b"\x01", id="branch -1 of a union"),
        pytest.param(STATUTE - 1, 1, b"\x8e\x00", id="a length written longer than it is"),
    ],
)
def test_bytes_that_libraries_read_differently_are_unreadable(at: int, length: int, put: bytes) -> None:
    assert outcome(DANGER, decode_action) == "read"
    assert outcome(DANGER[:at] + put + DANGER[at + length :], decode_action) == "not-decodable"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ACTIONS), st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=2))
def test_what_is_read_of_altered_bytes_is_what_the_apache_library_reads(value: bytes, where: float, put: bytes) -> None:
    at = PREFIX + int(where * (len(value) - PREFIX))
    altered = value[:at] + put + value[at + len(put) :]
    if outcome(altered, decode_action) == "read":
        read = decode_action(altered)
        if not isinstance(read.body, Malformed):
            assert by_apache("action", altered) == untagged(plain_action(read))


def test_an_action_is_no_event() -> None:
    assert outcome(ACTIONS[0], decode_event) == "unknown-schema"
    assert outcome(None, decode_event) == "no-value"


def test_the_largest_action_is_read() -> None:
    plain = json.dumps({"a": "b" * 100}).encode()
    value = ACTIONS[0]
    assert outcome(value + plain + bytes(ACTION_BYTES - len(value) - len(plain)), decode_action) == "not-decodable"


def test_an_error_never_quotes_what_it_could_not_read() -> None:
    with pytest.raises(Unreadable) as raised:
        decode_action(b"\x00\x00\x00\x00\x01Jane Doe")
    assert "Jane" not in str(raised.value)
