"""Actions and events as bytes: ``0x00``, four bytes schema id, Avro binary (the Confluent wire format), and back.

Reading trusts nothing: whatever is not exactly one well-formed value raises ``Unreadable`` with a stable code.

An accepted action's body stands in the event with the very bytes that the submitter wrote, so both hashes cover them.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache, partial
from io import BytesIO
from typing import Any, Final, NamedTuple

from fastavro import schemaless_reader

from casetrail.domain.actions import Action, Actor, Body, Imported, Malformed
from casetrail.domain.case import Recorded
from casetrail.domain.kinds import KIND_BY_NAME
from casetrail.domain.rules import Refused
from casetrail.domain.shapes import body_from_plain, from_plain
from casetrail.domain.values import EPOCH, LATEST
from casetrail.eventlog.binary import (
    NULL,
    PRESENT,
    NotAvro,
    long_bytes,
    read_long,
    read_micros,
    read_millis,
    read_present,
    read_text,
    text_bytes,
)
from casetrail.eventlog.bodies import body_bytes, branch_of, kinds_of, read_plain, read_strictly
from casetrail.eventlog.fields import (
    MILLISECOND,
    actor_bytes,
    imported_bytes,
    log_bytes,
    millis_bytes,
    read_actor,
    read_asking,
    read_imported,
    read_log,
)
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.schemas import UnknownSchema, current_ids, parsed

MAGIC: Final = b"\x00"
PREFIX: Final = 5
HERE: Final = PRESENT[0]
LONG: Final = 0x80
"""A number whose first byte is less has no other."""
MICROSECOND: Final = timedelta(microseconds=1)

UNREADABLE: Final = {
    "no-value": "The record has no value.",
    "too-large": f"The value is longer than {ACTION_BYTES} bytes.",
    "not-framed": "The value does not begin with 0x00 and a schema id.",
    "unknown-schema": "The schema id is not that of a published action schema.",
    "not-decodable": "The bytes after the schema id are not one value of that schema, written as Avro libraries write it.",
    "bad-key": "The record's key is not a case id.",
    "wrong-partition": "The record is not in the partition that its key belongs to.",
}
"""Why a submission cannot be read: the codes of ``SubmissionUnreadable``."""


class Unreadable(ValueError):
    """These bytes are no action, or no event. ``code`` is one of ``UNREADABLE``; the message never quotes the bytes."""

    def __init__(self, code: str) -> None:
        super().__init__(f"{code}: {UNREADABLE[code]}")
        self.code = code


class Event(NamedTuple):
    """An event as it is stored. See ``domain/schemas/Event.avsc`` for the meaning of each field."""

    action_hash: bytes
    previous_hash: bytes
    action_id: bytes
    number: int
    partition: int
    action_offset: int
    recorded_at: datetime
    case_id: str
    log: str
    rule_set: int
    occurred_at: datetime | None
    actor: Actor | None
    imported: Imported | None
    body: Body

    def action(self) -> Action | None:
        """The action that was decided on, with the body that was decided; None where it could not be read."""
        if self.actor is None or self.occurred_at is None:
            return None
        return _action(self.action_id, self.case_id, self.occurred_at, self.actor, self.body, self.imported)

    def recorded(self) -> Recorded:
        """The same as an event of the ``Case`` aggregate, to fold it."""
        made = object.__new__(Recorded)  # as an action is
        fields = made.__dict__
        fields["originator_id"], fields["originator_version"] = self.case_id, self.number
        fields["timestamp"], fields["action"], fields["body"] = self.recorded_at, self.action(), self.body
        return made


event_of: Final[Callable[[tuple[object, ...]], Event]] = partial(tuple.__new__, Event)
"""An event of all its fields, in a fraction of the time that ``Event`` takes."""

# --- actions ---


def _action(
    action_id: bytes, case_id: str, occurred_at: datetime, actor: Actor, body: Body, imported: Imported | None
) -> Action:
    """An action, put together here: as it never changes, it takes three times as long for its constructor."""
    made = object.__new__(Action)
    fields = made.__dict__
    fields["action_id"], fields["case_id"], fields["occurred_at"] = action_id, case_id, occurred_at
    fields["actor"], fields["body"], fields["imported"] = actor, body, imported
    return made


def encode_action(action: Action) -> bytes:
    """The bytes of an action, as they are submitted. Raises ``ValueError`` or ``TypeError`` where a field has no shape."""
    if len(action.action_id) != 16:
        raise ValueError("an action id has 16 bytes")
    return b"".join(
        (
            _frame("action"),
            action.action_id,
            text_bytes(action.case_id),
            long_bytes((action.occurred_at - EPOCH) // MICROSECOND),
            actor_bytes(action.actor),
            imported_bytes(action.imported),
            body_bytes("action", action.body),
        )
    )


def decode_action(value: bytes | None) -> Action:
    """The action that was submitted; one with a ``Malformed`` body where a field breaks a rule of shape.

    Raises ``Unreadable``.
    """
    return read_action(value)[0]


def read_action(value: bytes | None) -> tuple[Action, bytes | None]:
    """The action, and how its event ends: the bytes from ``occurred_at`` on (None where those must be written anew).

    Raises ``Unreadable``.
    """
    if value is None:
        raise Unreadable("no-value")
    if len(value) > ACTION_BYTES:
        raise Unreadable("too-large")
    kinds = _frames("action").get(value[:PREFIX])
    if kinds is None:
        return _older_action(value, _schema_of(value, "action")), None
    try:
        case_id, begin = read_text(value, PREFIX + 16)
        occurred, at = read_micros(value, begin)
        moment = value[begin:at] if value[at - 1] or at - begin == 1 else long_bytes(occurred)
        actor, acted, at = read_asking(value, at)
        imported, came = None, NULL
        if value[at]:
            imported, at = read_imported(value, at)
            came = imported_bytes(imported)
        else:
            at += 1
        occurred_at = EPOCH + occurred * MICROSECOND
        _check_kind(value, at, kinds)
        body, own = _read_body(value, at)
    except (NotAvro, OverflowError, IndexError) as error:
        raise Unreadable("not-decodable") from error
    action = _action(value[PREFIX : PREFIX + 16], case_id, occurred_at, actor, body, imported)
    return action, b"".join((PRESENT, moment, acted, came, own))


def _read_body(value: bytes, at: int) -> tuple[Body, bytes]:
    """The body of an action at position ``at``, and its bytes in an event. Raises ``NotAvro``."""
    strict = read_strictly("action", value, at)
    if strict is not None:
        kind: Any = type(strict)
        branch, start = _branches_of(kind)
        return strict, branch + value[at + start :]
    kind, fields, start = read_plain("action", value, at)
    body = body_from_plain(kind, fields)
    own = branch_of("event", kind)[0] + value[start:]
    # Libraries differ on sloppy bytes (a boolean of 7, branch -1 of a union): what they could read differently is refused
    if not isinstance(body, Malformed) and body_bytes("event", body) != own:
        raise NotAvro("libraries could read this differently")
    return body, own


@cache
def _branches_of(kind: Any) -> tuple[bytes, int]:
    """The branch of a kind of body in an event, and how many bytes the one in an action takes."""
    return branch_of("event", kind)[0], len(branch_of("action", kind)[0])


def _older_action(value: bytes, schema_id: int) -> Action:
    """An action written with an earlier schema, by Avro's schema resolution."""
    plain = _resolved(value, schema_id, "action")
    name, fields = plain.pop("body")
    try:
        actor = from_plain(Actor, plain.pop("actor"))
        imported = None if plain["imported"] is None else from_plain(Imported, plain["imported"])
    except Refused as refused:
        raise Unreadable("not-decodable") from refused
    body = body_from_plain(KIND_BY_NAME[name.rpartition(".")[2]], fields)
    return Action(plain["action_id"], plain["case_id"], plain["occurred_at"], actor, body, imported)


# --- events ---


def encode_event(event: Event, ending: bytes | None = None) -> bytes:
    """The bytes of an event, as they are stored. ``ending``: those from ``occurred_at`` on, where they are known already."""
    (
        action_hash, previous_hash, action_id, number, partition, action_offset, recorded_at, case_id, log, rule_set,
        occurred_at, actor, imported, body,
    ) = event  # fmt: skip
    return b"".join(
        (
            _frame("event"),
            action_hash,
            previous_hash,
            action_id,
            long_bytes(number),
            long_bytes(partition),
            long_bytes(action_offset),
            millis_bytes(recorded_at),
            text_bytes(case_id),
            log_bytes(log, rule_set),
            _ending(occurred_at, actor, imported, body) if ending is None else ending,
        )
    )


def _ending(occurred_at: datetime | None, actor: Actor | None, imported: Imported | None, body: Body) -> bytes:
    return b"".join(
        (
            NULL if occurred_at is None else PRESENT + long_bytes((occurred_at - EPOCH) // MICROSECOND),
            NULL if actor is None else PRESENT + actor_bytes(actor),
            imported_bytes(imported),
            body_bytes("event", body),
        )
    )


def decode_event(value: bytes | None) -> Event:
    """The event that is stored. Raises ``Unreadable``: then it was not written by a recorder, or was altered."""
    if value is None:
        raise Unreadable("no-value")
    kinds = _frames("event").get(value[:PREFIX])
    if kinds is None:
        return _older_event(value, _schema_of(value, "event"))
    try:
        return _read_event(value, kinds)
    except (NotAvro, OverflowError, Refused, IndexError) as error:
        raise Unreadable("not-decodable") from error


def _read_event(value: bytes, kinds: int) -> Event:
    at = PREFIX + 80
    first, second = value[at], value[at + 1]
    if first < LONG and second < LONG:
        number, partition, at = (first >> 1) ^ -(first & 1), (second >> 1) ^ -(second & 1), at + 2
    else:
        number, at = read_long(value, at)
        partition, at = read_long(value, at)
    if number < 1:
        raise NotAvro("the events of a case are numbered from 1")
    offset, at = read_long(value, at)
    recorded, at = read_millis(value, at)
    case_id, at = read_text(value, at)
    log, rule_set, at = read_log(value, at)
    occurred_at = actor = imported = None
    present, at = (True, at + 1) if value[at] == HERE else read_present(value, at)
    if present:
        occurred, at = read_micros(value, at)
        occurred_at = EPOCH + occurred * MICROSECOND
    present, at = (True, at + 1) if value[at] == HERE else read_present(value, at)
    if present:
        actor, at = read_actor(value, at)
    if value[at]:
        imported, at = read_imported(value, at)
    else:
        at += 1
    _check_kind(value, at, kinds)
    body = read_strictly("event", value, at)
    if body is None:
        kind, fields, _ = read_plain("event", value, at)
        body = from_plain(kind, fields)
    return event_of(
        (
            value[5:37], value[37:69], value[69:85], number, partition, offset, EPOCH + recorded * MILLISECOND, case_id,
            log, rule_set, occurred_at, actor, imported, body,
        )
    )  # fmt: skip


def _older_event(value: bytes, schema_id: int) -> Event:
    plain = _resolved(value, schema_id, "event")
    name, fields = plain["body"]
    try:
        plain["actor"] = None if plain["actor"] is None else from_plain(Actor, plain["actor"])
        plain["imported"] = None if plain["imported"] is None else from_plain(Imported, plain["imported"])
        plain["body"] = from_plain(KIND_BY_NAME[name.rpartition(".")[2]], fields)
    except Refused as refused:
        raise Unreadable("not-decodable") from refused
    if not EPOCH <= plain["recorded_at"] <= LATEST or plain["number"] < 1:
        raise Unreadable("not-decodable")
    return Event(**plain)


# --- by which schema ---


def schema_of(value: bytes) -> int:
    """The id of the schema that a value was written with. Raises ``Unreadable`` where it is not framed."""
    if len(value) < PREFIX or value[:1] != MAGIC:
        raise Unreadable("not-framed")
    return int.from_bytes(value[1:PREFIX])


def _schema_of(value: bytes, name: str) -> int:
    """The same, of a published schema for actions (or events). Raises ``Unreadable``."""
    schema_id = schema_of(value)
    try:
        known = parsed(schema_id)["name"] == f"casetrail.{name.capitalize()}"
    except UnknownSchema as error:
        raise Unreadable("unknown-schema") from error
    if not known:
        raise Unreadable("unknown-schema")
    return schema_id


def _resolved(value: bytes, schema_id: int, name: str) -> dict[str, Any]:
    """The plain fields of a value that was written with an earlier schema. Raises ``Unreadable``."""
    data = BytesIO(value)
    data.seek(PREFIX)
    named = {"return_record_name": True, "return_record_name_override": True}
    try:
        plain = schemaless_reader(data, parsed(schema_id), parsed(current_ids()[name]), **named)  # type: ignore[arg-type]
    except Exception as error:  # whatever hostile bytes make the decoder raise: they are kept, and named unreadable
        raise Unreadable("not-decodable") from error
    if data.tell() != len(value):
        raise Unreadable("not-decodable")
    return plain  # type: ignore[return-value]


@cache
def _frame(name: str) -> bytes:
    return MAGIC + current_ids()[name].to_bytes(4)


@cache
def _frames(name: str) -> dict[bytes, int]:
    """How values begin that are read as the current schema's are, each with how many kinds of body its schema has."""
    return {MAGIC + schema_id.to_bytes(4): kinds for schema_id, kinds in kinds_of(name).items()}


def _check_kind(value: bytes, at: int, kinds: int) -> None:
    """Raise ``NotAvro`` where a value has a kind of body that its own schema did not have yet."""
    if value[at] >= 2 * kinds and read_long(value, at)[0] >= kinds:
        raise NotAvro("no such kind")
