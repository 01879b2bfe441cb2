"""What an action may hold unsealed: ids and codes. Anything else could name a person, and would stand in the log for ever."""

import re
from enum import StrEnum
from functools import cache
from typing import Any, Final

from casetrail.domain.actions import Action
from casetrail.domain.rules import Refused
from casetrail.domain.shapes import UNKNOWN_CODE, check_shape, field_types, item_of, optional

TRACEPARENT: Final = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
NO_CODES: Final = frozenset[str]()


def check_unsealed(action: Action) -> None:
    """Raise ``Refused`` (``not-an-id``, ``unknown-code``), which names the field, where a string in an action is neither."""
    check_shape(action)
    _check_codes(action.actor)
    _check_codes(action.body)


def is_traceparent(text: str) -> bool:
    """Whether ``text`` has the form of a ``traceparent``: it stands beside the action, as unsealed as the ids in it."""
    return TRACEPARENT.fullmatch(text) is not None


def _check_codes(part: Any) -> None:
    kind: Any = type(part)
    for name, codes in _coded(kind):
        value = getattr(part, name)
        for item in value if isinstance(value, tuple) else (value,):
            if item is None:
                continue
            if not codes:
                _check_codes(item)
            elif item not in codes:
                raise Refused(UNKNOWN_CODE, name)


@cache
def _coded(kind: Any) -> tuple[tuple[str, frozenset[str]], ...]:
    """The fields of ``kind`` that hold codes, with all that there are; and those that hold parts with codes in them, with none."""
    found: list[tuple[str, frozenset[str]]] = []
    for name, hint in field_types(kind):
        inner = optional(hint) or hint
        inner = item_of(inner) or inner
        if isinstance(inner, type) and issubclass(inner, StrEnum):
            found.append((name, frozenset(inner)))
        elif hasattr(inner, "__dataclass_fields__") and _coded(inner):
            found.append((name, NO_CODES))
    return tuple(found)
