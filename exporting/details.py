"""What an event's body says, as plain values by name: ids, codes, numbers and moments. What is sealed has no name here.

Which details a kind of action has follows from its fields, so a new kind is exported without a line here. Each detail's
name is that of the field after ``detail_``.
"""

from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final, NamedTuple

from casetrail.domain.kinds import EVENT_KINDS
from casetrail.domain.sealed import SealedField, Token
from casetrail.domain.shapes import field_types, item_of, marks, optional
from casetrail.domain.values import Fixed, IdMark, is_id
from casetrail.exporting.pseudonyms import Blind

Value = str | bool | int | datetime
Read = Callable[[Any, Blind], Value | None]

PREFIX: Final = "detail_"
NOBODY: Final = frozenset(
    {"report_number", "agency", "to_agency", "transferred_to", "referred_to", "unit", "referral", "concern", "into",
     "other", "acknowledgement", "statute", "kind", "code", "field", "clock", "subject", "finding", "detector",
     "machine"}
)  # fmt: skip
"""Fields with ids that are no person's. Any other id is taken for one, and blinded where people are."""


class Type(StrEnum):
    """The type of a detail, by its name in OCEL 2.0."""

    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    TIME = "time"


class Detail(NamedTuple):
    """A field of a body as it is exported. ``read`` makes its value; None where there is none."""

    field: str
    name: str
    type: Type
    read: Read


def details_of(kind: Any) -> tuple[Detail, ...]:
    """The details of a kind of body, in the order of its fields."""
    return _kept_details(kind)


@cache
def _kept_details(kind: Any) -> tuple[Detail, ...]:
    return tuple(_details(kind))


def _details(kind: Any) -> Iterator[Detail]:
    for field, hint in field_types(kind):
        if (found := _reader(field, hint)) is not None:
            yield Detail(field, PREFIX + field, *found)


@cache
def all_details() -> dict[str, Type]:
    """Every detail of every kind, by name. One that has another type in another kind is a text."""
    found: dict[str, Type] = {}
    for kind in EVENT_KINDS:
        for one in details_of(kind):
            found[one.name] = one.type if found.get(one.name, one.type) is one.type else Type.STRING
    return found


def safe_id(text: str) -> str | None:
    """An id, or nothing: what a refused submission has in the place of an id may be a name."""
    return text if is_id(text) else None


def _reader(field: str, hint: Any) -> tuple[Type, Read] | None:
    """How a field is exported; None where it is not: sealed, a token, or bytes of any length."""
    hint = optional(hint) or hint
    inner = item_of(hint)
    if inner in (SealedField, Token):
        return None
    if inner is not None:
        return _texts(field, inner)
    if is_dataclass(hint):
        return _parts(hint)
    return _scalar(field, hint)


def _scalar(field: str, hint: Any) -> tuple[Type, Read] | None:
    if hint is bool:
        return Type.BOOLEAN, _as_it_is
    if hint is int:
        return Type.INTEGER, _as_it_is
    if hint is datetime:
        return Type.TIME, _as_it_is
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Type.STRING, _code
    if any(isinstance(mark, IdMark) for mark in marks(hint)):
        return Type.STRING, _id if field in NOBODY else _person
    if any(isinstance(mark, Fixed) for mark in marks(hint)):
        return Type.STRING, _hex
    return None


def _as_it_is(value: Any, _: Blind) -> Value | None:
    return value  # type: ignore[no-any-return]


def _code(value: Any, _: Blind) -> str | None:
    return None if value is None else str(value.value)


def _id(value: Any, _: Blind) -> str | None:
    return None if value is None else safe_id(value)


def _person(value: Any, blind: Blind) -> str | None:
    return None if value is None or not is_id(value) else blind(value)


def _hex(value: Any, _: Blind) -> str | None:
    return None if value is None else str(value.hex())


def _parts(kind: Any) -> tuple[Type, Read]:
    """Several values in one: ``11A:566.030``. Of what is true or false, the names of what is true."""

    def read(value: Any, blind: Blind) -> str | None:
        if value is None:
            return None
        found = ((one, one.read(getattr(value, one.field), blind)) for one in details_of(kind))
        return ":".join(one.field if part is True else str(part) for one, part in found if part not in (None, False))

    return Type.STRING, read


def _texts(field: str, inner: Any) -> tuple[Type, Read] | None:
    found = _reader(field, inner)
    if found is None:
        return None
    _, one = found

    def read(values: Any, blind: Blind) -> str | None:
        texts = [str(text) for value in values or () if (text := one(value, blind)) is not None]
        return " ".join(texts) or None

    return Type.STRING, read
