"""A folded case as a short JSON text and back, for whoever keeps cases between events (recorder, views).

Only facts that differ from an empty case's are written. Whoever stores such texts keeps ``MEMORY`` beside them and
folds anew from the events when it has changed: the text is a convenience, never the record.
"""

import json
from base64 import b64decode, b64encode
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from hashlib import sha256
from typing import Any, Final, get_args, get_origin, get_type_hints

from casetrail.domain.case import Case, Facts
from casetrail.domain.kinds import EVENT_KINDS
from casetrail.domain.shapes import field_types, item_of, optional
from casetrail.domain.values import EPOCH, at_millis

KIND_NAMES: Final = tuple(kind.__name__ for kind in EVENT_KINDS)
KIND_NUMBERS: Final = {name: number for number, name in enumerate(KIND_NAMES)}
NO_ID: Final = bytes(16)
MICROSECOND: Final = timedelta(microseconds=1)


def dump_case(case: Case) -> str:
    """The folded case as JSON text."""
    ids = [NO_ID] * case.version
    for action_id, number in case.numbers.items():
        ids[number - 1] = action_id
    facts = {
        name: _plain(value) for name, value in vars(case.facts).items() if value != DEFAULTS[name] and value is not None
    }
    return json.dumps(
        {
            "ids": b64encode(b"".join(ids)).decode(),
            "zero": case.numbers.get(NO_ID),  # a submitter may have chosen the very id that stands for none
            "kinds": b64encode(bytes(KIND_NUMBERS[kind] for kind in case.kinds)).decode(),
            "recorded": (case.modified_on - EPOCH) // timedelta(milliseconds=1),
            "occurred": _plain(case.last_occurred_at),
            "facts": facts,
        },
        separators=(",", ":"),
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
        setattr(case.facts, name, _typed(FACT_TYPES[name], value))
    return case


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else EPOCH + timedelta(microseconds=micros)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - EPOCH) // MICROSECOND
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if is_dataclass(value):
        return [_plain(item) for item in vars(value).values()]
    return value


def _typed(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    hint = optional(hint) or hint
    if hint is datetime:
        return _moment(value)
    if inner := item_of(hint):
        return tuple(_typed(inner, item) for item in value)
    if get_origin(hint) is dict:
        return {key: _typed(get_args(hint)[1], item) for key, item in value.items()}
    if is_dataclass(hint):
        types = (item_hint for _, item_hint in field_types(hint))  # type: ignore[arg-type]
        return hint(*(_typed(item_hint, item) for item_hint, item in zip(types, value, strict=True)))  # type: ignore[operator]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    return value


DEFAULTS: Final = {
    field.name: field.default_factory() if field.default_factory is not MISSING else field.default
    for field in fields(Facts)
}
FACT_TYPES: Final = get_type_hints(Facts)


def _any(value: Any) -> Any:
    return value


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
