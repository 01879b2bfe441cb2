"""The records of ``LOG.checkpoints`` as bytes and back: framed as actions and events are, so that any Avro tool reads them."""

from functools import cache
from io import BytesIO
from typing import Any, Final

from fastavro import schemaless_reader, schemaless_writer

from casetrail.domain.notarized import CheckpointCosigned, CheckpointPublished, Notarized
from casetrail.domain.rules import Refused
from casetrail.domain.shapes import from_plain, to_plain
from casetrail.eventlog.codec import MAGIC, PREFIX, Unreadable, schema_of
from casetrail.eventlog.schemas import UnknownSchema, current_ids, parsed

NAMES: Final = {CheckpointPublished: "checkpoint", CheckpointCosigned: "cosignature"}


@cache
def _kinds() -> dict[str, type[Notarized]]:
    return {f"casetrail.{name.capitalize()}": kind for kind, name in NAMES.items()}


def encode_notarized(record: Notarized) -> bytes:
    """The bytes of a record of ``LOG.checkpoints``."""
    number = current_ids()[NAMES[type(record)]]
    out = BytesIO()
    out.write(MAGIC + number.to_bytes(4))
    schemaless_writer(out, parsed(number), to_plain(record))
    return out.getvalue()


def decode_notarized(value: bytes | None) -> Notarized:
    """The checkpoint or cosignature that is stored.

    Raises ``Unreadable``: then it was not written by a notary, was altered, or is not written as Avro libraries write it.
    """
    if value is None:
        raise Unreadable("no-value")
    number = schema_of(value)
    try:
        schema: Any = parsed(number)
    except UnknownSchema as error:
        raise Unreadable("unknown-schema") from error
    if (kind := _kinds().get(schema["name"])) is None:
        raise Unreadable("unknown-schema")
    data = BytesIO(value)
    data.seek(PREFIX)
    try:
        plain: Any = schemaless_reader(data, schema, parsed(current_ids()[NAMES[kind]]))
        found: Notarized = from_plain(kind, plain)
    except Refused as refused:
        raise Unreadable("not-decodable") from refused
    except Exception as error:  # whatever hostile bytes make the decoder raise
        raise Unreadable("not-decodable") from error
    if data.tell() != len(value) or (number == current_ids()[NAMES[kind]] and encode_notarized(found) != value):
        raise Unreadable("not-decodable")
    return found
