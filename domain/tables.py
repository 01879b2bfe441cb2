"""Reading the tables of a file key by key: what is wrong is noted with its place and what to do, and reading goes on.

So somebody who writes a file is told of everything at once, not of one mistake after another.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from casetrail.domain.policy import Limit, Unit

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

LIMIT: Final = re.compile(r"([1-9][0-9]{0,6}|0) (minute|hour|day)s?")
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
LONGEST_DAYS: Final = 3_650
SHOWN: Final = 60
MOST_BITS: Final = 64


class Problem(NamedTuple):
    """Something wrong in a file: the path of the key (``clocks.assignment.limit``), what is wrong, and what to do."""

    path: str
    problem: str
    advice: str


@dataclass
class Table:
    """A table of a file, of which keys are taken one after another. ``problems`` is shared by all tables of the file."""

    values: dict[str, Any]
    path: str
    problems: list[Problem]

    def note(self, key: str, problem: str, advice: str) -> None:
        """Note that something is wrong with a key."""
        self.problems.append(Problem(f"{self.path}.{key}".strip("."), problem, advice))

    def take(self, key: str, fits: type[T], what: str, default: T | None = None) -> T | None:
        """The value of a key, which is of this type; the default where there is none, and where it is wrong."""
        value = self.values.pop(key, None)
        if value is None:
            if default is None:
                self.note(key, "is missing", f"write {key} = {what}")
            return default
        if not isinstance(value, fits) or (isinstance(value, bool) and fits is not bool):
            self.note(key, f"is {shown(value)}", f"write {what}")
            return default
        return value

    def text(self, key: str, what: str) -> str:
        """A text that is not empty; empty where it is wrong."""
        found = self.take(key, str, what)
        if found is not None and not found.strip():
            self.note(key, "is empty", f"write {what}")
        return found or ""

    def flag(self, key: str) -> bool:
        """``true`` or ``false``; false where it is not there."""
        return bool(self.take(key, bool, "true or false", False))

    def limit(self, key: str, *, zero: bool = False) -> Limit | None:
        """A length of time."""
        what = 'a number with minutes, hours or days, such as "24 hours"'
        found = self.take(key, str, what)
        return None if found is None else self.limit_in(key, found, zero=zero)

    def limit_in(self, key: str, text: Any, *, zero: bool = False) -> Limit | None:
        """The length of time that a text states."""
        found = LIMIT.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            self.note(key, f"is {shown(text)}", 'write a number with minutes, hours or days, such as "24 hours"')
            return None
        made = Limit(int(found[1]), Unit(f"{found[2]}s"))
        if made.length(None).days > LONGEST_DAYS or (made.amount == 0 and not zero):
            self.note(key, f"is {shown(text)}", f"a limit is longer than nothing and at most {LONGEST_DAYS} days long")
            return None
        return made

    def one_of(self, key: str, codes: type[E], default: E | None = None, *, needed: bool = True) -> E | None:
        """A code of a vocabulary."""
        if key not in self.values and not needed:
            return default
        found = self.take(key, str, f"one of {', '.join(codes)}")
        return None if found is None else self.code(key, found, codes)

    def many_of(self, key: str, codes: type[E], *, needed: bool = True) -> tuple[E, ...]:
        """A list of codes of a vocabulary."""
        if key not in self.values and not needed:
            return ()
        listed = self.take(key, list, f'a list, such as ["{next(iter(codes))}"]')
        found = [self.code(f"{key}[{number}]", one, codes) for number, one in enumerate(listed or ())]
        if listed == [] and needed:
            self.note(key, "is an empty list", f"list one or more of {', '.join(codes)}")
        return tuple(one for one in found if one is not None)

    def code(self, key: str, text: Any, codes: type[E]) -> E | None:
        """The code that a text is."""
        if isinstance(text, str) and text in codes._value2member_map_:
            return codes(text)
        self.note(key, f"is {shown(text)}", f"write {nearest(text, list(codes))}")
        return None

    def named(self, key: str, among: Mapping[str, T], kind: str) -> T | None:
        """What has the name that a key gives."""
        name = self.take(key, str, f"the name of a table [{kind}.NAME] of this file")
        if name is None or name in among:
            return None if name is None else among[name]
        self.note(key, f"is {shown(name)}, which is not in [{kind}]", f"write {nearest(name, list(among))}")
        return None

    def moment(self, key: str, zone: str) -> datetime | None:
        """A date (from its beginning in the zone on) or a moment with its offset; UTC."""
        what = "a date, such as 2026-01-01, or a time with its offset, such as 2026-01-01T08:00:00-06:00"
        found = self.take(key, date, what)
        try:
            if isinstance(found, datetime):
                if found.tzinfo is None:
                    self.note(key, "is a time without its offset", f"write {what}")
                    return None
                return found.astimezone(UTC)
            return None if found is None else datetime.combine(found, time(), ZoneInfo(zone)).astimezone(UTC)
        except OverflowError:
            self.note(key, f"is {shown(found)}", f"write {what}")
            return None

    def tables(self, key: str, *, needed: bool = False) -> Iterator[tuple[str, "Table"]]:
        """The tables under a key, by their names."""
        found = self.take(key, dict, f"tables, each [{key}.NAME]", None if needed else {})
        for name, values in (found or {}).items():
            table = self.below(f"{key}.{name}", values)
            if NAME.fullmatch(name) is None:
                table.note("", "is no name", "names are of small letters, digits and _, and begin with a letter")
            yield name, table

    def list_of_tables(self, key: str) -> Iterator["Table"]:
        """The tables of a list."""
        for number, values in enumerate(self.take(key, list, f"tables, each [[{key}]]", []) or ()):
            yield self.below(f"{key}[{number}]", values)

    def below(self, key: str, values: Any) -> "Table":
        """A table in this one."""
        if not isinstance(values, dict):
            self.note(key, f"is {shown(values)}", "make it a table")
        path = f"{self.path}.{key}".strip(".")
        return Table(dict(values) if isinstance(values, dict) else {}, path, self.problems)

    def done(self, known: Sequence[str]) -> None:
        """Note the keys that nobody has taken."""
        for key in self.values:
            self.note(key, "is not a key that is known here", f"remove it, or write {nearest(key, known)}")


def nearest(text: Any, known: Sequence[str]) -> str:
    """The known name that is most like a text; where none is, all of them."""
    close = get_close_matches(text, known, 1) if isinstance(text, str) else []
    return close[0] if close else f"one of {', '.join(known) or '(there are none)'}"


def shown(value: Any) -> str:
    """A value of the file, short and in quotes where it is a text; of tables, lists and huge numbers that they are some."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return f"a number of {value.bit_length()} bits"
    text = f"'{value}'" if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
