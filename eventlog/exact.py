"""Whether a stored event has the only bytes that it can have: what a recorder writes is written in one way alone.

Libraries differ on sloppy bytes: a boolean of 2 is true for some and false for others, and some pass over what others refuse. So
two readers could see two histories in the same bytes, under the same hash.
"""

from io import BytesIO
from typing import Any

from fastavro import schemaless_reader, schemaless_writer

from casetrail.eventlog.bodies import kinds_of
from casetrail.eventlog.codec import PREFIX, Event, encode_event, schema_of
from casetrail.eventlog.schemas import parsed


def is_written_as_now(value: bytes) -> bool:
    """Whether an event's schema is the current one, or has no other bytes for the same fields."""
    return schema_of(value) in kinds_of("event")


def is_exact(value: bytes, event: Event) -> bool:
    """Whether an event, which is this one as it is read here, has the bytes that its schema has for it."""
    if is_written_as_now(value):
        return value[PREFIX:] == encode_event(event)[PREFIX:]
    return _is_exact_then(value)


def _is_exact_then(value: bytes) -> bool:
    """The same of a value of an earlier schema: written anew with that, it must be the same."""
    schema: Any = parsed(schema_of(value))
    data, out = BytesIO(value), BytesIO()
    data.seek(PREFIX)
    try:
        plain = schemaless_reader(data, schema, None, return_record_name=True, return_record_name_override=True)
        schemaless_writer(out, schema, plain)
    except Exception:  # whatever hostile bytes make the library raise: what it cannot write again no recorder wrote
        return False
    return out.getvalue() == value[PREFIX:]
