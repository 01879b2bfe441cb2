"""The Avro schemas of what a log holds, made from the dataclasses; the files in ``schemas/`` are written from here.

The files are what counts: they are published and never change. A test holds them equal to what this module makes.
Every string says what it may hold: ``"id": true`` (see ``values.IdMark``) or ``"codes": "Disposition"`` (see ``codes``).
"""

import inspect
from collections.abc import Iterable
from dataclasses import is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, get_args, get_origin

from casetrail.domain.actions import Action, Actor, Body, Imported
from casetrail.domain.kinds import ACTION_KINDS, EVENT_KINDS
from casetrail.domain.notarized import CheckpointCosigned, CheckpointPublished
from casetrail.domain.shapes import field_types, item_of, marks, optional
from casetrail.domain.values import Fixed, IdMark

NAMESPACE: Final = "casetrail"
MICROS: Final = {"type": "long", "logicalType": "timestamp-micros"}
MILLIS: Final = {"type": "long", "logicalType": "timestamp-millis"}
ID: Final = {"type": "string", "id": True}

Schema = dict[str, Any]


def fixed(size: int) -> Schema:
    """A named type for bytes of one length."""
    return {"type": "fixed", "name": f"Bytes{size}", "namespace": NAMESPACE, "size": size}


def avro_type(hint: Any) -> Any:
    """What a field of this Python type is stored as."""
    if inner := optional(hint):
        return ["null", avro_type(inner)]
    if inner := item_of(hint):
        return {"type": "array", "items": avro_type(inner)}
    for mark in marks(hint):
        if isinstance(mark, IdMark):
            return ID
        if isinstance(mark, Fixed):
            return fixed(mark.size)
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {"type": "string", "codes": hint.__name__}
    if is_dataclass(hint):
        return record(hint)
    return {bool: "boolean", int: "long", bytes: "bytes", datetime: MICROS}[hint]


def _field(name: str, kind: Any, doc: str = "") -> Schema:
    made: Schema = {"name": name, "type": kind}
    if doc:
        made["doc"] = doc
    if isinstance(kind, list) and kind[0] == "null":  # a default must fit the first branch of a union
        made["default"] = None
    return made


def record(kind: Any) -> Schema:
    """The record schema of a dataclass."""
    listed = [_field(name, avro_type(hint)) for name, hint in field_types(kind)]
    return {
        "type": "record",
        "name": kind.__name__,
        "namespace": NAMESPACE,
        "doc": inspect.cleandoc(kind.__doc__),
        "fields": listed,
    }


def action_schema() -> Schema:
    """The schema of a record of ``LOG.actions``."""
    return {
        "type": "record",
        "name": "Action",
        "namespace": NAMESPACE,
        "doc": inspect.cleandoc(Action.__doc__ or ""),
        "fields": [
            _field(
                "action_id", fixed(16), "Chosen by the submitter, unique in the case: repeating it doubles nothing."
            ),
            _field("case_id", ID, "The same as the record's key."),
            _field("occurred_at", MICROS, "When it happened, as the submitter says. UTC."),
            _field("actor", record(Actor)),
            _field("imported", ["null", record(Imported)]),
            _field("body", [record(kind) for kind in ACTION_KINDS]),
        ],
    }


def event_schema() -> Schema:
    """The schema of a record of ``LOG.events``. What a checker of chains needs comes first, at known places."""
    return {
        "type": "record",
        "name": "Event",
        "namespace": NAMESPACE,
        "doc": "What was decided of one submission: exactly one event for each record of LOG.actions, in its order.",
        "fields": [
            _field("action_hash", fixed(32), "RFC 6962 leaf hash of the action's bytes."),
            _field("previous_hash", fixed(32), "Leaf hash of the case's previous event; 32 zero bytes for the first."),
            _field("action_id", fixed(16), "The submitter's; zero where the submission could not be read."),
            _field("number", "long", "1, 2, 3, … within the case."),
            _field("partition", "long"),
            _field("action_offset", "long", "Of the record of LOG.actions that this event answers."),
            _field("recorded_at", MILLIS, "The log's append time of the action. UTC."),
            _field("case_id", {"type": "string"}, "The same as the record's key."),
            _field("log", ID),
            _field("rule_set", "long", "The version of the rules by which it was decided."),
            _field("occurred_at", ["null", MICROS], "As submitted; null where the submission could not be read."),
            _field("actor", ["null", record(Actor)]),
            _field("imported", ["null", record(Imported)]),
            _field("body", [record(kind) for kind in EVENT_KINDS]),
        ],
    }


def checkpoint_schema() -> Schema:
    """The schema of a checkpoint in ``LOG.checkpoints``."""
    return {**record(CheckpointPublished), "name": "Checkpoint"}


def cosignature_schema() -> Schema:
    """The schema of a cosignature in ``LOG.checkpoints``."""
    return {**record(CheckpointCosigned), "name": "Cosignature"}


def each_named_once(schema: Any, seen: set[str] | None = None) -> Any:
    """The same schema with every named type spelled out at its first use only, as Avro wants it."""
    seen = set() if seen is None else seen
    if isinstance(schema, list):
        return [each_named_once(branch, seen) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    if schema["type"] in ("record", "fixed"):
        full = f"{schema['namespace']}.{schema['name']}"
        if full in seen:
            return full
        seen.add(full)
    if schema["type"] == "record":
        fields = [{**field, "type": each_named_once(field["type"], seen)} for field in schema["fields"]]
        return {**schema, "fields": fields}
    if schema["type"] == "array":
        return {**schema, "items": each_named_once(schema["items"], seen)}
    return schema


def record_kinds() -> Iterable[type[Body]]:
    """The kinds that have a schema file of their own."""
    return EVENT_KINDS
