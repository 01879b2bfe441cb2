"""A rogue recorder that writes what some libraries read in one way and some in another, and passes for right by what it hashes to."""

from io import BytesIO
from typing import Final

import pytest
from fastavro import schemaless_reader, schemaless_writer

from casetrail.cli import exits
from casetrail.consumers.recorder import RecorderFault
from casetrail.domain.values import at_millis
from casetrail.eventlog.codec import MAGIC, PREFIX, decode_action, decode_event, encode_action, encode_event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.outcome import History, outcome_of
from casetrail.eventlog.port import Entry, Topic
from casetrail.eventlog.schemas import parsed
from tests.actions import INTAKE, action, report
from tests.attacks.scene import Scene

SAME_FIELDS: Final = 0x5D07843D
"""A schema of which the current one only has more kinds."""
OTHER_FIELDS: Final = 0x15414D1E
CURRENT: Final = 0x19EFD9BD


def written_with(schema_id: int, value: bytes) -> bytes:
    """An event of today as a recorder of then would have written it."""
    data, out = BytesIO(value), BytesIO()
    data.seek(PREFIX)
    plain = schemaless_reader(data, parsed(CURRENT), None, return_record_name=True, return_record_name_override=True)
    schemaless_writer(out, parsed(schema_id), plain)
    return MAGIC + schema_id.to_bytes(4) + out.getvalue()


GARBAGE: Final = b"\xff\xff garbage"


def append(scene: Scene, schema_id: int, *, sloppy: bool) -> None:
    """Answer a report of a child in immediate danger; ``sloppy``: with a byte 2 where that is said."""
    (held,) = scene.submit(action(report(immediate_danger=True), INTAKE, "N-1"))
    place = held.partition, held.offset
    (asked,) = (one for one in scene.records(Topic.ACTIONS) if (one.partition, one.offset) == place)
    event = outcome_of(History.empty("N-1"), asked, scene.log.name, scene.log.partitions).event
    safe = event._replace(body=report(immediate_danger=False))
    value, other = (bytearray(written_with(schema_id, encode_event(one))) for one in (event, safe))
    (at,) = (one for one in range(len(value)) if value[one] != other[one])
    value[at] += sloppy
    assert decode_event(bytes(value)) == event
    scene.log.append(Topic.EVENTS, [Entry(b"N-1", bytes(value), held.partition)])
    scene.publish()


@pytest.mark.parametrize("schema_id", [SAME_FIELDS, OTHER_FIELDS])
def test_an_event_that_libraries_read_differently_is_convicted_by_the_replay(embedded: Scene, schema_id: int) -> None:
    append(embedded, schema_id, sloppy=True)
    assert embedded.convicted() == {("altered", "N-1")}
    if schema_id == SAME_FIELDS:
        assert set(embedded.faults()) == {"content-differs"}


@pytest.mark.parametrize("schema_id", [SAME_FIELDS, OTHER_FIELDS])
def test_an_event_of_an_earlier_schema_as_recorders_wrote_it_is_right(embedded: Scene, schema_id: int) -> None:
    append(embedded, schema_id, sloppy=False)
    assert embedded.convicted() == set()
    assert embedded.faults() == {}
    embedded.counted(exits.OK)


def test_garbage_that_is_copied_into_an_event_only_those_find_who_decode_it(embedded: Scene) -> None:
    embedded.go_on(action(report(), INTAKE, "N-1"))
    ((_, before),) = embedded.events("N-1")
    asked = encode_action(action(report(), INTAKE, "N-1")) + GARBAGE
    (held,) = embedded.log.append(Topic.ACTIONS, [Entry(b"N-1", asked)])
    event = before._replace(
        number=2, previous_hash=leaf_hash(encode_event(before)), action_offset=held.offset, action_hash=leaf_hash(asked),
        action_id=asked[PREFIX : PREFIX + 16], recorded_at=at_millis(held.appended_at), body=decode_action(asked[: -len(GARBAGE)]).body,
        occurred_at=decode_action(asked[: -len(GARBAGE)]).occurred_at,
    )  # fmt: skip
    embedded.log.append(Topic.EVENTS, [Entry(b"N-1", encode_event(event) + GARBAGE, held.partition)])
    embedded.publish()
    assert embedded.faults() == {}  # the page says so
    assert embedded.convicted() == {("no-event", "N-1")}
    embedded.counted(exits.FAULTS)
    embedded.submit(action(report(), INTAKE, "N-1"))
    with pytest.raises(RecorderFault):
        embedded.record()
