"""From plain values to actions and back, by the fields' types. What has the wrong shape is refused by name of field.

Plain values are what an Avro library reads and writes: dicts, strings, bytes, numbers, aware datetimes.
"""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from casetrail.domain.actions import Action, Body, Malformed
from casetrail.domain.rules import Refused, rule
from casetrail.domain.values import IdMark, is_id

UNKNOWN_CODE: Final = rule(
    "unknown-code", "A field has a code that is not in its vocabulary (see docs/codes.md).", binds_imported=True
)
NOT_AN_ID: Final = rule(
    "not-an-id",
    "A field must be an id: 1 to 64 letters, digits and . _ : @ + -, the first a letter or digit.",
    binds_imported=True,
)

type_hints = cache(lambda kind: get_type_hints(kind, include_extras=True))


def optional(hint: Any) -> Any:
    """The type X of ``X | None``, else None."""
    if get_origin(hint) in (Union, UnionType):
        return next(arg for arg in get_args(hint) if arg is not NoneType)
    return None


def item_of(hint: Any) -> Any:
    """The type X of ``tuple[X, ...]``, else None."""
    return get_args(hint)[0] if get_origin(hint) is tuple else None


def marks(hint: Any) -> tuple[Any, ...]:
    """The marks of an ``Annotated`` type."""
    return hint.__metadata__ if get_origin(hint) is Annotated else ()


@cache
def field_types(kind: Any) -> tuple[tuple[str, Any], ...]:
    """The stored fields of a dataclass, in order, with their types."""
    hints = type_hints(kind)
    return tuple((field.name, hints[field.name]) for field in fields(kind))


def _if_there(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _each(convert: Callable[[Any], Any], made: Callable[[Any], Any] = tuple) -> Callable[[Any], Any]:
    return lambda value: made([convert(item) for item in value])


# --- from plain values ---


def _reader(hint: Any) -> Callable[[Any], Any] | None:
    """How a plain value becomes one of type ``hint``; None where it is one already."""
    if inner := optional(hint):
        read = _reader(inner)
        return None if read is None else _if_there(read)
    if inner := item_of(hint):
        read = _reader(inner)
        return tuple if read is None else _each(read)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint._value2member_map_.__getitem__
    if is_dataclass(hint):
        return lambda value: from_plain(hint, value)
    return None


@cache
def _readers(kind: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    return tuple((name, read) for name, hint in field_types(kind) if (read := _reader(hint)) is not None)


def from_plain(kind: Any, plain: dict[str, Any]) -> Any:
    """An instance of the dataclass ``kind`` from its plain fields. Raises ``Refused`` (``unknown-code``)."""
    name = ""
    try:
        for name, read in _readers(kind):
            plain[name] = read(plain[name])
    except KeyError as error:
        raise Refused(UNKNOWN_CODE, name) from error
    return kind(**plain)


def body_from_plain(kind: type[Body], plain: dict[str, Any]) -> Body:
    """The body, or a ``Malformed`` one that is refused by the rule that it breaks."""
    try:
        return from_plain(kind, plain)  # type: ignore[no-any-return]
    except Refused as refused:
        return Malformed(kind.__name__, refused)


# --- to plain values ---


def _writer(hint: Any) -> Callable[[Any], Any] | None:
    if inner := optional(hint):
        write = _writer(inner)
        return None if write is None else _if_there(write)
    if inner := item_of(hint):
        write = _writer(inner)
        return None if write is None else _each(write, list)
    if is_dataclass(hint):
        return to_plain
    return None


@cache
def _writers(kind: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    return tuple((name, write) for name, hint in field_types(kind) if (write := _writer(hint)) is not None)


def to_plain(value: Any) -> dict[str, Any]:
    """The plain fields of a dataclass instance, by name. Do not change what is returned: it may be the instance's own."""
    kind: Any = type(value)
    writers = _writers(kind)
    if not writers:
        return value.__dict__  # type: ignore[no-any-return]
    plain = dict(value.__dict__)
    for name, write in writers:
        plain[name] = write(plain[name])
    return plain


# --- shape ---


@cache
def _id_fields(kind: Any) -> tuple[str, ...]:
    """The fields of ``kind`` that must be ids (or None)."""
    return tuple(
        name
        for name, hint in field_types(kind)
        if any(isinstance(mark, IdMark) for mark in marks(optional(hint) or hint))
    )


@cache
def _nested_fields(kind: Any) -> tuple[str, ...]:
    """The fields of ``kind`` that hold dataclasses, or tuples of them, with ids in them."""

    def holds_ids(hint: Any) -> bool:
        inner = optional(hint) or hint
        inner = item_of(inner) or inner
        return is_dataclass(inner) and bool(_id_fields(inner))  # type: ignore[arg-type]

    return tuple(name for name, hint in field_types(kind) if holds_ids(hint))


@cache
def _checked_fields(kind: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields of ``kind`` that must be ids, and those that hold others with ids, where it is a body."""
    return _id_fields(kind), _nested_fields(kind) if issubclass(kind, Body) else ()


def check_shape(action: Action) -> None:
    """Raise ``Refused`` (``not-an-id``) where a field of the action or of its body is not an id but should be one."""
    actor, imported = action.actor, action.imported
    if not (is_id(action.case_id) and is_id(actor.id) and is_id(actor.agency)):
        _check_ids(action)
        _check_ids(actor)
    if imported is not None:
        _check_ids(imported)
    _check_ids(action.body)


def _check_ids(part: Any) -> None:
    kind: Any = type(part)
    ids, nested = _checked_fields(kind)
    for name in ids:
        value = getattr(part, name)
        if value is not None and not is_id(value):
            raise Refused(NOT_AN_ID, name)
    for name in nested:
        value = getattr(part, name)
        for item in value if isinstance(value, tuple) else (value,):
            if item is not None:
                _check_ids(item)
