"""A folded case as a short JSON text and back, for whoever keeps cases between events (recorder, views).

Only facts that differ from an empty case's are written. Whoever stores such texts keeps ``MEMORY`` beside them and
folds anew from the events when it has changed: the text is a convenience, never the record.
"""

import json
from base64 import b64decode
from binascii import b2a_base64
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from hashlib import sha256
from typing import Any, Final, get_args, get_origin, get_type_hints

from casetrail.domain.case import Case, ClosureRequest, Concern, Facts, MissedDeadline, Referral
from casetrail.domain.kinds import EVENT_KINDS
from casetrail.domain.registry_facts import Person, RegistryFacts
from casetrail.domain.shapes import field_types, item_of, optional
from casetrail.domain.values import EPOCH, MILLISECOND, at_millis

KIND_NAMES: Final = tuple(kind.__name__ for kind in EVENT_KINDS)
KIND_NUMBERS: Final = {name: number for number, name in enumerate(KIND_NAMES)}
NO_ID: Final = bytes(16)
MICROSECOND: Final = timedelta(microseconds=1)
PLAIN: Final = frozenset({str, int, bool})
ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode  # made once: making it takes as long as its work


def dump_case(case: Case) -> str:
    """The folded case as JSON text."""
    ids = [NO_ID] * case.version
    for action_id, number in case.numbers.items():
        ids[number - 1] = action_id
    facts: dict[str, Any] = {}
    for name, value in vars(case.facts).items():
        if value is None or value is (default := DEFAULTS[name]):
            continue
        if type(value) is datetime:  # most facts are moments, which no fact is by default
            facts[name] = (value - EPOCH) // MICROSECOND
        elif value != default:
            facts[name] = value if type(value) in PLAIN else _plain(value)
    return ENCODE(
        {
            "ids": b2a_base64(b"".join(ids), newline=False).decode(),
            "zero": case.numbers.get(NO_ID),  # a submitter may have chosen the very id that stands for none
            "kinds": b2a_base64(bytes([KIND_NUMBERS[kind] for kind in case.kinds]), newline=False).decode(),
            "recorded": (case.modified_on - EPOCH) // MILLISECOND,
            "occurred": _plain(case.last_occurred_at),
            "facts": facts,
        }
    )


def load_case(case_id: str, text: str) -> Case:
    """The case that ``dump_case`` made ``text`` from."""
    plain = json.loads(text)
    case = Case.unreported(case_id)
    case.kinds = [KIND_NAMES[number] for number in b64decode(plain["kinds"])]
    ids = b64decode(plain["ids"])
    for number in range(len(case.kinds)):
        action_id = ids[16 * number : 16 * number + 16]
        if action_id != NO_ID:
            case.numbers.setdefault(action_id, number + 1)
    if plain["zero"] is not None:
        case.numbers[NO_ID] = plain["zero"]
    case.version = len(case.kinds)
    case.modified_on = at_millis(plain["recorded"])
    case.last_occurred_at = _moment(plain["occurred"])
    for name, value in plain["facts"].items():
        setattr(case.facts, name, FACT_READERS[name](value))
    return case


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else EPOCH + timedelta(microseconds=micros)


def _plain(value: Any) -> Any:
    """A fact as JSON takes it. Most facts are plain already, or moments."""
    kind = type(value)
    if kind is datetime:
        return (value - EPOCH) // MICROSECOND
    if kind is tuple:
        return [_plain(item) for item in value]
    if kind is dict:
        return {key: _plain(item) for key, item in value.items()}
    if kind in NESTED:
        return [_plain(item) for item in value.__dict__.values()]
    return value


def _reader(hint: Any) -> Callable[[Any], Any]:
    """How a fact of this type is read from what ``_plain`` made of it."""
    hint = optional(hint) or hint
    if hint is datetime:
        return _moment
    if inner := item_of(hint):
        return _each(_reader(inner))
    if get_origin(hint) is dict:
        return _values(_reader(get_args(hint)[1]))
    if is_dataclass(hint):
        return _instance(hint, [_reader(item) for _, item in field_types(_any(hint))])
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _code(hint)
    return _any


def _each(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda plain: tuple([read(item) for item in plain])


def _values(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda plain: {key: read(item) for key, item in plain.items()}


def _instance(kind: Any, readers: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    return lambda plain: kind(*[read(item) for read, item in zip(readers, plain, strict=True)])


def _code(kind: type[StrEnum]) -> Callable[[Any], Any]:
    return lambda plain: None if plain is None else kind(plain)


def _any(value: Any) -> Any:
    return value


DEFAULTS: Final = {
    field.name: field.default_factory() if field.default_factory is not MISSING else field.default
    for field in fields(Facts)
}
NESTED: Final = frozenset({Referral, Concern, MissedDeadline, ClosureRequest, RegistryFacts, Person})
FACT_READERS: Final = {name: _reader(hint) for name, hint in get_type_hints(Facts).items()}


@cache
def _described(kind: Any) -> str:
    """A dataclass and all that it is made of, as a text that changes when any of it does."""
    parts = []
    for name, hint in field_types(kind):
        inner: Any = optional(hint) or hint
        inner = item_of(inner) or (get_args(inner)[1] if get_origin(inner) is dict else inner)
        nested = _described(_any(inner)) if is_dataclass(inner) else ""
        parts.append(f"{name}:{hint}{nested}")
    return ";".join(parts)


MEMORY: Final = sha256(("2;" + _described(Facts) + ",".join(KIND_NAMES)).encode()).hexdigest()[:16]
"""Names the form of these texts. Texts of another form are of no use: fold from the events."""
