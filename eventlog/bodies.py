"""Bodies of actions and events as bytes: the number of the union's branch, then the fields in Avro binary.

Bodies are read in two ways. Nearly all are read strictly, by functions made from the fields' types: they take only what
Avro libraries write, which can be read in one way alone, and build the body as they go. All else is left to fastavro,
which is slower and decides what is readable at all. A test holds the two equal.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from io import BytesIO
from typing import Annotated, Any, Final, get_args, get_origin

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from casetrail.domain.actions import Body
from casetrail.domain.kinds import KIND_BY_NAME
from casetrail.domain.shapes import field_types, item_of, marks, optional, to_plain
from casetrail.domain.values import EPOCH, Fixed
from casetrail.eventlog.binary import LONG_OR_NEGATIVE, PRESENT, NotAvro, long_bytes, read_long, read_micros, text_bytes
from casetrail.eventlog.schemas import current_ids, parsed, published, schema_id

Read = Callable[[bytes, int], tuple[Any, int]]
"""Reads a value at a position, and gives it with the position after it."""

MICROSECOND: Final = timedelta(microseconds=1)
SHORT: Final = 64
MOST_KNOWN: Final = 16_384
_known: dict[tuple[str, bytes], Body] = {}
"""Short bodies by their bytes: the same few codes and ids come again and again, and bodies never change."""


def body_bytes(name: str, body: Body) -> bytes:
    """A body with its branch number, as it stands in an action or event (``name``)."""
    kind: Any = type(body)
    branch, schema = branch_of(name, kind)
    out = BytesIO()
    out.write(branch)
    schemaless_writer(out, schema, to_plain(body))
    return out.getvalue()


@cache
def branches(name: str) -> tuple[type[Body], ...]:
    """The kinds of body, in the order of the union's branches in the current schema."""
    fields = {field["name"]: field for field in parsed(current_ids()[name])["fields"]}
    return tuple(KIND_BY_NAME[branch["name"].rpartition(".")[2]] for branch in fields["body"]["type"])


@cache
def _branch_schemas(name: str) -> tuple[Any, ...]:
    """The schema of each branch, with all that it refers to."""
    whole = parsed(current_ids()[name])
    fields = {field["name"]: field for field in whole["fields"]}
    named = whole["__named_schemas"]
    return tuple(parse_schema(branch, named) for branch in fields["body"]["type"])


@cache
def branch_of(name: str, kind: Any) -> tuple[bytes, Any]:
    """The number of a kind's branch, as bytes, and its schema."""
    number = branches(name).index(kind)
    return long_bytes(number), _branch_schemas(name)[number]


@cache
def kinds_of(name: str) -> Mapping[int, int]:
    """The schemas whose values are read just as the current one's are, by id, each with how many kinds of body it has.

    That is the current one, and the earlier ones that it only added kinds to: their branches have the same numbers.
    """
    current = json.loads(published()[current_ids()[name]])
    *envelope, body = current["fields"]
    found = {current_ids()[name]: len(body["type"])}
    for known, text in published().items():
        schema = json.loads(text)
        if schema["name"] == current["name"] and known not in found:
            number = len(schema["fields"][-1]["type"])
            shorter = {**body, "type": body["type"][:number]}
            if schema_id({**current, "fields": [*envelope, shorter]}) == known:
                found[known] = number
    return found


def read_plain(name: str, value: bytes, at: int) -> tuple[type[Body], dict[str, Any], int]:
    """The kind of body at position ``at``, its plain fields, and where its fields begin. It must end the value.

    Raises ``NotAvro``.
    """
    branch, start = read_long(value, at)
    kinds = branches(name)
    if not 0 <= branch < len(kinds):
        raise NotAvro("no such kind")
    data = BytesIO(value)
    data.seek(start)
    try:
        fields = schemaless_reader(data, _branch_schemas(name)[branch], None)
    except Exception as error:  # whatever hostile bytes make the decoder raise: they are kept, and named unreadable
        raise NotAvro("the body is not decodable") from error
    if data.tell() != len(value):
        raise NotAvro("there are bytes after the body")
    return kinds[branch], fields, start  # type: ignore[return-value]


# --- reading strictly ---


def read_strictly(name: str, value: bytes, at: int) -> Body | None:
    """The body at position ``at`` to the end, if it stands there just as ``body_bytes`` writes it.

    None where it does not, or has a code that is in no vocabulary: ``read_plain`` then decides.
    """
    own = value[at:]
    if len(own) > SHORT:
        return _read(name, own)
    known = _known.get((name, own))
    if known is None:
        known = _read(name, own)
        if known is not None:
            if len(_known) >= MOST_KNOWN:
                _known.clear()
            _known[name, own] = known
    return known


def _read(name: str, own: bytes) -> Body | None:
    try:
        number, at = _long(own, 0)
        body, at = _readers(name)[number](own, at)
    except (NotAvro, IndexError, OverflowError):
        return None
    return body if at == len(own) and number >= 0 else None


@cache
def _readers(name: str) -> Sequence[Read]:
    return [_record(kind) for kind in branches(name)]


def _reader(hint: Any) -> Read:
    """How a field of this type is read, as ``domain.avro.avro_type`` stores it."""
    if inner := optional(hint):
        return _optional(_reader(inner))
    if inner := item_of(hint):
        return _array(_reader(inner))
    for mark in marks(hint):
        if isinstance(mark, Fixed):
            return _fixed(mark.size)
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _code(hint)
    if is_dataclass(hint):
        return _record(hint)
    return {str: _text, bool: _boolean, int: _long, bytes: _bytes, datetime: _moment}[hint]


def _record(kind: Any) -> Read:
    """Fields are put where the constructor puts them: as bodies never change, it takes three times as long for it."""
    readers = [(name, _reader(hint)) for name, hint in field_types(kind)]

    def read(data: bytes, at: int) -> tuple[Any, int]:
        made = object.__new__(kind)
        fields = made.__dict__
        for name, one in readers:
            fields[name], at = one(data, at)
        return made, at

    return read


def _optional(inner: Read) -> Read:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        branch = data[at]
        if not branch:
            return None, at + 1
        if branch != PRESENT[0]:
            raise NotAvro("no branch of an optional field")
        return inner(data, at + 1)

    return read


def _array(inner: Read) -> Read:
    """All items are in one block, or there are none."""

    def read(data: bytes, at: int) -> tuple[Any, int]:
        count = data[at]
        if not count:
            return (), at + 1
        if count & LONG_OR_NEGATIVE:
            count, at = _size(data, at)
        else:
            count, at = count >> 1, at + 1
        items = []
        for _ in range(count):
            item, at = inner(data, at)
            items.append(item)
        if data[at]:
            raise NotAvro("more than one block")
        return tuple(items), at + 1

    return read


def _fixed(size: int) -> Read:
    return lambda data, at: (data[at : at + size], at + size)


def _code(kind: type[StrEnum]) -> Read:
    codes = {text_bytes(member.value): member for member in kind}

    def read(data: bytes, at: int) -> tuple[Any, int]:
        end = at + 1 + (data[at] >> 1)
        code = codes.get(data[at:end])
        if code is None:
            raise NotAvro("no code of this vocabulary")
        return code, end

    return read


def _boolean(data: bytes, at: int) -> tuple[bool, int]:
    if data[at] > 1:
        raise NotAvro("no boolean")
    return data[at] == 1, at + 1


def _long(data: bytes, at: int) -> tuple[int, int]:
    number, end = read_long(data, at)
    if end - at > 1 and not data[end - 1]:
        raise NotAvro("a varint is longer than it must be")
    return number, end


def _size(data: bytes, at: int) -> tuple[int, int]:
    """A number of bytes or items that are there, an item having a byte at least."""
    size, at = _long(data, at)
    if not 0 <= size <= len(data) - at:
        raise NotAvro("no size")
    return size, at


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size = data[at]
    if size >= 0x80 and 0 < (second := data[at + 1]) < 0x80 and not size & 1:  # ciphertexts have some hundred bytes
        size, at = (size & 0x7F | second << 7) >> 1, at + 2
    else:
        size, at = _size(data, at)
    return data[at : at + size], at + size


def _text(data: bytes, at: int) -> tuple[str, int]:
    size = data[at]
    if size & LONG_OR_NEGATIVE:
        size, at = _size(data, at)
    else:  # most texts are short; whoever reads beyond the end does not end there
        size, at = size >> 1, at + 1
    try:
        return data[at : at + size].decode(), at + size
    except UnicodeDecodeError as error:
        raise NotAvro("a string is not UTF-8") from error


def _moment(data: bytes, at: int) -> tuple[datetime, int]:
    micros, end = read_micros(data, at)
    if end - at > 1 and not data[end - 1]:
        raise NotAvro("a varint is longer than it must be")
    return EPOCH + micros * MICROSECOND, end
