"""Small values that actions are made of, and the marks that say how each is stored.

An unsealed string is either a code of a closed vocabulary (``codes``) or an id of this shape: there is no third kind,
so no free text, and with it no name of a child, can stand unsealed in the history.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final

ID_LETTERS: Final = 64
"""The most letters of an id. Each is one byte."""
ID_PATTERN: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:@+-]{{0,{ID_LETTERS - 1}}}")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""The last append time that is reckoned with: behind it there is room for every term that begins then."""
LATEST_MILLIS: Final = (LATEST - EPOCH) // MILLISECOND


@dataclass(frozen=True)
class Fixed:
    """Marks bytes of one fixed length."""

    size: int


@dataclass(frozen=True)
class IdMark:
    """Marks a string that must be an id: 1 to 64 of ``A-Z a-z 0-9 . _ : @ + -``, the first a letter or digit."""


Id = Annotated[str, IdMark()]
ActionId = Annotated[bytes, Fixed(16)]
Hash = Annotated[bytes, Fixed(32)]


@lru_cache(65_536)
def is_id(text: str) -> bool:
    """Whether ``text`` has the shape of an id (see ``IdMark``)."""
    return ID_PATTERN.fullmatch(text) is not None


def is_append_time(millis: int) -> bool:
    """Whether a log can have stamped a record with this time, milliseconds since 1970. Brokers store any 64 bits."""
    return 0 <= millis <= LATEST_MILLIS


def append_time(millis: int) -> int:
    """The append time that is reckoned with: in the place of what is none stands the nearest that is one.

    So a record that was stamped wrongly, or altered, is answered and judged all the same.
    """
    if is_append_time(millis):
        return millis
    return 0 if millis < 0 else LATEST_MILLIS


def at_millis(millis: int) -> datetime:
    """The moment ``millis`` milliseconds after 1970-01-01T00:00:00Z, aware and in UTC; see ``append_time``."""
    return EPOCH + append_time(millis) * MILLISECOND


def iso(moment: datetime) -> str:
    """ISO 8601 with ``Z``, as short as the moment allows (no empty microseconds)."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def harmless(text: str) -> str:
    """A text without characters that control a terminal or turn its writing round: each is shown as JSON escapes it."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
