"""Published schemas: found by their id, which follows from their content, so that no registry has to hand it out.

Id = the first four bytes of SHA-256 of the schema's Parsing Canonical Form (Avro 1.12), top bit cleared.
"""

import json
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import chain
from typing import Any, Final

from fastavro.schema import parse_schema, to_parsing_canonical_form

from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.eventlog.stream import batches

PUBLISHED: Final = files("casetrail.domain") / "schemas" / "published"
NAMED: Final = 5
"""So many ids of schemas are told: anybody who can write there can put any number of them into a log."""


class UnknownSchema(ValueError):
    """No schema of this id has been published with this version of casetrail."""

    def __init__(self, schema_id: int) -> None:
        super().__init__(f"no schema has the id {schema_id:08x}")
        self.schema_id = schema_id


def schema_id(schema: Any) -> int:
    """The id of a schema, 0 to 2**31 - 1."""
    canonical = to_parsing_canonical_form(schema)
    return int.from_bytes(sha256(canonical.encode()).digest()[:4]) & 0x7FFFFFFF


def id_of(name: bytes | None, text: bytes) -> int | None:
    """The id of the schema whose JSON this is; None where it is none, or where ``name`` is not its id in hex."""
    try:
        number = schema_id(json.loads(text))
    except Exception:  # whatever hostile bytes make the parser raise: then this is no schema
        return None
    return number if name == f"{number:08x}".encode() else None


def what_differs(number: int | None, text: bytes) -> str:
    """What is wrong with a schema's JSON, where ``id_of`` has found this id; empty where nothing is."""
    if number is None:
        return "the schema's id does not follow from its content"
    if number in published() and text != published()[number].encode():
        return "the schema is spelt otherwise than it was published: its explanations, or defaults, are other ones"
    return ""


@cache
def published() -> dict[int, str]:
    """The JSON of every published schema, by id. File names are ``action-ID.avsc``, ``event-ID.avsc``, …"""
    found = {}
    for file in sorted(PUBLISHED.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".avsc"):
            found[int(file.name.removesuffix(".avsc").rsplit("-", 1)[1], 16)] = file.read_text("utf-8")
    return found


@cache
def current_ids() -> dict[str, int]:
    """The ids of the schemas that this version writes: ``{"action": …, "event": …, "checkpoint": …, "cosignature": …}``."""
    current: dict[str, str] = json.loads((PUBLISHED / "current.json").read_text("utf-8"))
    return {name: int(text, 16) for name, text in current.items()}


@cache
def parsed(schema_id: int) -> Any:
    """The schema of that id, ready for reading and writing. Raises ``UnknownSchema``."""
    text = published().get(schema_id)
    if text is None:
        raise UnknownSchema(schema_id)
    return parse_schema(json.loads(text))


def carried(log: Log) -> dict[int, bytes]:
    """The JSON of each schema that the log carries, by its id. Raises ``LogUnreachable``, ``OffsetGone``."""
    found: dict[int, bytes] = {}
    ends = log.end_offsets(Topic.SCHEMAS)
    with log.reader(Topic.SCHEMAS, dict.fromkeys(ends, 0)) as reader:
        for record in chain.from_iterable(batches(reader, ends)):
            text = record.value or b""
            if (number := id_of(record.key, text)) is not None:
                found.setdefault(number, text)
    return found


def unknown_among(carried: Iterable[int]) -> str | None:
    """What to tell whoever cannot read some records of a log that carries schemas which this version does not know; None for no such schema."""
    unknown = sorted(set(carried) - published().keys())
    if not unknown:
        return None
    named = ", ".join(f"{one:08x}" for one in unknown[:NAMED]) + (" and others" if len(unknown) > NAMED else "")
    return (
        f"the log carries schemas that this version of casetrail does not know ({named}): what is written with them cannot be read here, "
        "and need not be wrong. Where a newer version records, ask again with that one before anybody is accused"
    )


def register_in_log(log: Log) -> int:
    """Write the schemas that the log does not carry yet to ``LOG.schemas``; how many were written.

    Call it before the first use of a schema: whoever holds the log can then decode it without this program.
    """
    carried: set[bytes | None] = set()
    with log.reader(Topic.SCHEMAS, dict.fromkeys(log.end_offsets(Topic.SCHEMAS), 0)) as reader:
        for records in batches(reader, log.end_offsets(Topic.SCHEMAS)):
            carried.update(record.key for record in records)
    missing = [
        Entry(key, text.encode())
        for schema_id, text in published().items()
        if (key := f"{schema_id:08x}".encode()) not in carried
    ]
    if missing:
        log.append(Topic.SCHEMAS, missing)
    return len(missing)
