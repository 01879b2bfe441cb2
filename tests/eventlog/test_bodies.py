"""What is read strictly is what fastavro reads, and stands in the bytes just as it is written."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casetrail.domain.actions import Body
from casetrail.domain.kinds import ACTION_KINDS, EVENT_KINDS
from casetrail.domain.rules import Refused
from casetrail.domain.shapes import from_plain
from casetrail.eventlog import bodies, codec
from casetrail.eventlog.binary import NotAvro
from casetrail.eventlog.bodies import body_bytes, kinds_of, read_plain, read_strictly
from casetrail.eventlog.codec import Unreadable, decode_event, encode_event
from casetrail.eventlog.schemas import current_ids, published, schema_id
from tests.eventlog.examples import BODIES, events, example_event

ENCODED = [body_bytes("event", body) for body in BODIES]
EVENT = current_ids()["event"]
PREFIXES = (b"", b"some bytes before it")
each_kind = pytest.mark.parametrize("kind", EVENT_KINDS, ids=lambda kind: kind.__name__)
some = settings(max_examples=12, deadline=None)


def by_fastavro(name: str, value: bytes, at: int) -> Body | None:
    """The same body, read the long way."""
    try:
        kind, fields, _ = read_plain(name, value, at)
        return from_plain(kind, fields)  # type: ignore[no-any-return]
    except (NotAvro, Refused):
        return None


@each_kind
@some
@given(data=st.data())
def test_what_we_write_is_read_strictly(kind: type[Body], data: st.DataObject) -> None:
    body = data.draw(events(kind)).body
    for name in ("event", "action") if kind in ACTION_KINDS else ("event",):
        for prefix in PREFIXES:
            value = prefix + body_bytes(name, body)
            assert read_strictly(name, value, len(prefix)) == body == by_fastavro(name, value, len(prefix))


def assert_strict(value: bytes) -> None:
    """What is read strictly of these bytes, first or again, is what fastavro reads, and what we would write."""
    for prefix in PREFIXES:
        for _ in range(2):
            found = read_strictly("event", prefix + value, len(prefix))
            if found is not None:
                assert found == by_fastavro("event", prefix + value, len(prefix))
                assert body_bytes("event", found) == value


@settings(max_examples=400, deadline=None)
@given(
    value=st.sampled_from(ENCODED),
    at=st.floats(0, 1),
    cut=st.integers(0, 3),
    new=st.binary(max_size=3) | st.sampled_from([b"\x80\x00", b"\x01", b"\x03", b"\x82\x00", b"\xff" * 9 + b"\x01"]),
)
def test_bytes_with_a_change_somewhere_are_read_as_fastavro_reads_them_or_left_to_it(
    value: bytes, at: float, cut: int, new: bytes
) -> None:
    place = int(at * len(value))
    assert_strict(value[:place] + new + value[place + cut :])


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2 * len(EVENT_KINDS) + 1), st.binary(max_size=80))
def test_any_bytes_are_read_as_fastavro_reads_them_or_left_to_it(branch: int, rest: bytes) -> None:
    assert_strict(bytes((branch,)) + rest)


@pytest.mark.parametrize("value", ENCODED, ids=[type(body).__name__ for body in BODIES])
def test_bytes_that_end_early_or_late_are_no_body(value: bytes) -> None:
    for short in (value[:end] for end in range(len(value))):
        assert read_strictly("event", short, 0) is None
    assert read_strictly("event", value + b"\x00", 0) is None


def test_known_bodies_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_KNOWN", 3)
    monkeypatch.setattr(bodies, "_known", {})
    for value in (*ENCODED, *ENCODED):
        assert read_strictly("event", value, 0) is not None
        assert len(bodies._known) <= 3
    assert all(len(value) <= bodies.SHORT for _, value in bodies._known)


# --- schemas that only added kinds ---


def with_later_schema(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> Mapping[int, int]:
    """``kinds_of`` events, as if the schema had been changed and published anew."""
    later = json.loads(published()[EVENT])
    change(later)
    schemas = {**published(), schema_id(later): json.dumps(later)}
    monkeypatch.setattr(bodies, "published", lambda: schemas)
    monkeypatch.setattr(bodies, "current_ids", lambda: {"event": schema_id(later)})
    return kinds_of.__wrapped__("event")


def added(name: str) -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "casetrail", "fields": []}


def test_a_schema_that_only_added_kinds_reads_what_was_written_before(monkeypatch: pytest.MonkeyPatch) -> None:
    found = with_later_schema(monkeypatch, lambda later: later["fields"][-1]["type"].extend([added("A"), added("B")]))
    assert found[EVENT] == len(EVENT_KINDS)
    assert len(EVENT_KINDS) + 2 in found.values()


@pytest.mark.parametrize(
    "change",
    [
        lambda later: later["fields"][-1]["type"].insert(0, added("A")),
        lambda later: later["fields"][-1]["type"][-1]["fields"].append({"name": "more", "type": ["null", "long"]}),
        lambda later: later["fields"].insert(3, {"name": "more", "type": ["null", "long"]}),
    ],
    ids=["a kind in between", "a field of a kind", "a field of the event"],
)
def test_after_any_other_change_earlier_values_are_resolved_by_fastavro(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]
) -> None:
    assert EVENT not in with_later_schema(monkeypatch, change)


def test_a_kind_that_the_values_own_schema_has_not_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = {frame: kinds - 3 for frame, kinds in codec._frames("event").items()}
    monkeypatch.setattr(codec, "_frames", lambda _: earlier)
    for body in BODIES:
        event = example_event(body)
        value = encode_event(event)
        if EVENT_KINDS.index(type(body)) < len(EVENT_KINDS) - 3:
            assert decode_event(value) == event
        else:
            with pytest.raises(Unreadable):
                decode_event(value)
