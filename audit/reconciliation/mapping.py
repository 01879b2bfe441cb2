"""The mapping of a ledger: which column says what, and which reports of the log belong to it.

A TOML file; docs/reconciling.md describes it. A template is a text with places: ``{column}`` is the row's text there,
``{column|table}`` looks it up in a code table, ``{column|id}`` makes an id of it, as in a mapping for an import.
"""

import math
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from casetrail.domain.codes import Channel, Offence
from casetrail.domain.values import is_id

PLACE: Final = re.compile(r"\{([^{}|]+)(?:\|([^{}|]+))?\}")
NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9._:@+-]+")
TO_ID: Final = "id"

LATE_AFTER_HOURS: Final = 24
"""Police and the Children's Division tell each other of a report at once, and act within 24 hours (RSMo 210.145)."""
DATE_TOLERANCE_HOURS: Final = 24
TOKEN_DAYS: Final = 30
UNKNOWN: Final = ("unknown", "unk", "n/a", "none", "-", "?")
"""What people write where they know no name."""

GROUPS: Final[Mapping[str, tuple[Offence, ...]]] = {
    "rape": (Offence.RAPE,),
    "sodomy": (Offence.SODOMY,),
    "molestation": (Offence.FONDLING,),
    "sexual_misconduct": (Offence.FONDLING, Offence.OTHER),
    "assault": (Offence.AGGRAVATED_ASSAULT, Offence.SIMPLE_ASSAULT),
    "abuse": (Offence.AGGRAVATED_ASSAULT, Offence.SIMPLE_ASSAULT, Offence.FAMILY_NONVIOLENT),
}
"""Everyday categories, and the NIBRS offences under which such a report may rightly stand in the log."""

SETTINGS: Final = frozenset(
    {"encoding", "delimiter", "time_zone", "time_formats", "date_formats", "unknown", "report_number", "reported_at",
     "category", "late_after_hours", "date_tolerance_hours", "token_days", "scope", "tokens", "codes"}
)  # fmt: skip
SCOPED: Final = ("agency", "unit", "channel", "reported_in")
PERSONS: Final = frozenset({"child", "child_born", "suspect", "suspect_born", "address"})

Tables = Mapping[str, Mapping[str, str]]


class ReconcileFailed(Exception):
    """Base of what can go wrong with a reconciliation. ``code`` is stable; the message says what to do."""

    code = "reconcile-failed"


class BadMapping(ReconcileFailed):
    """The mapping file is not understood."""

    code = "bad-mapping"


class CellRefused(Exception):
    """A cell that cannot be read: which column, and why. Never quotes it: it may name a person."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}" if column else reason)


class Template:
    """A text with places for a row's columns. ``unknown`` texts count as empty."""

    def __init__(self, text: str, tables: Tables, columns: Collection[str], unknown: frozenset[str]) -> None:
        """Raises ``BadMapping`` for a table or a column that does not exist, and for a text without a place."""
        self._text, self._tables, self._unknown = text, tables, unknown
        self._places: list[tuple[str, str | None]] = [(found[1], found[2]) for found in PLACE.finditer(text)]
        if not self._places:
            raise BadMapping(f"'{text}' names no column: write {{column}}")
        for column, table in self._places:
            if table is not None and table != TO_ID and table not in tables:
                raise BadMapping(f"'{text}' names the code table '{table}', which the mapping does not have")
            if column not in columns:
                raise BadMapping(f"'{text}' names the column '{column}', which the ledger does not have, or has twice")

    @property
    def column(self) -> str:
        """The first column that it names, for messages."""
        return self._places[0][0]

    def columns(self, *, as_they_are: bool = False) -> set[str]:
        """The columns that it names. ``as_they_are``: without those that a code table stands for."""
        return {column for column, table in self._places if not as_they_are or table in (None, TO_ID)}

    def codes(self) -> Iterator[tuple[str, str, str]]:
        """What the code tables give here: table, code of the ledger, ours. Nothing where a text stands beside the places."""
        if not PLACE.sub("", self._text).strip(" ,"):
            for table in dict.fromkeys(table for _, table in self._places if table is not None and table != TO_ID):
                for old, ours in self._tables[table].items():
                    yield table, old, ours

    def fill(self, row: Mapping[str, str]) -> str:
        """The text for a row; empty when every place is.

        Raises ``CellRefused`` for a code that no table has, and for what is not in the ledger's encoding.
        """
        values = [self._value(row[column].strip(), column, table) for column, table in self._places]
        if not any(values):
            return ""
        filled = iter(values)
        return PLACE.sub(lambda _: next(filled), self._text).strip()

    def _value(self, value: str, column: str, table: str | None) -> str:
        if not value or value.casefold() in self._unknown:
            return ""
        if value.encode("utf-8", "replace").decode() != value:
            raise CellRefused(column, "is not in the ledger's encoding")
        if table is None:
            return value
        if table == TO_ID:
            return NOT_IN_IDS.sub("-", value).strip("-._:@+")[:64]
        codes = self._tables[table]
        if value not in codes and "*" not in codes:
            raise CellRefused(column, f"has a code that the table '{table}' does not have")
        return codes.get(value, codes.get("*", ""))


@dataclass(frozen=True)
class Scope:
    """Which reports of the log belong to the ledger. An empty tuple takes any; ``since`` and ``until`` are UTC."""

    wanted: Mapping[str, tuple[str, ...]]
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True)
class LedgerMapping:
    """A mapping that has been read and understood, for a ledger with certain columns."""

    zone: ZoneInfo | None
    unknown: frozenset[str]
    """What people write where they know no name, in lower case."""
    time_formats: tuple[str, ...]
    date_formats: tuple[str, ...]
    report_number: Template | None
    reported_at: Template
    category: Template | None
    persons: Mapping[str, Template]
    scope: Scope
    late_after: timedelta
    """The time from the ledger's to the log's; ``timedelta.max`` where lateness is not judged."""
    date_tolerance: timedelta
    token_span: timedelta


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping file as plain values. Raises ``BadMapping``."""
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise BadMapping(f"cannot read the mapping {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadMapping(f"{path} is no TOML: {error}") from error


def mapping_for(settings: Mapping[str, Any], columns: Collection[str]) -> LedgerMapping:
    """The mapping for a ledger with these columns. Raises ``BadMapping``, naming what is not understood."""
    _known(settings, SETTINGS, "the mapping")
    tables = {name: _table(name, table) for name, table in _of(settings, "codes", dict, {}).items()}
    unknown = frozenset(one.strip().casefold() for one in _texts(settings, "unknown", UNKNOWN))
    zone = _zone(_of(settings, "time_zone", str, None))

    def template(found: Mapping[str, Any], name: str) -> Template | None:
        text = _of(found, name, str, None)
        return None if text is None else Template(text, tables, columns, unknown)

    reported_at, number = template(settings, "reported_at"), template(settings, "report_number")
    persons = _of(settings, "tokens", dict, {})
    _known(persons, PERSONS, "[tokens]")
    if reported_at is None:
        raise BadMapping("the mapping has no 'reported_at': which column says when each report was made?")
    category = template(settings, "category")
    _check_codes(category, number)
    if number is not None:
        _check_names(number, [made for name in ("child", "suspect") if (made := template(persons, name)) is not None])
    if number is None and not persons.keys() & {"child", "suspect", "address"}:
        raise BadMapping("the mapping needs 'report_number' or [tokens]: by what are reports recognised?")
    return LedgerMapping(
        zone=zone,
        unknown=unknown,
        time_formats=_forms(settings, "time_formats", ()),
        date_formats=_forms(settings, "date_formats", ("%Y-%m-%d",)),
        report_number=number,
        reported_at=reported_at,
        category=category,
        persons={name: made for name in persons if (made := template(persons, name)) is not None},
        scope=_scope(_of(settings, "scope", dict, {}), zone),
        late_after=_span(settings, "late_after_hours", LATE_AFTER_HOURS, timedelta(hours=1)),
        date_tolerance=_span(settings, "date_tolerance_hours", DATE_TOLERANCE_HOURS, timedelta(hours=1)),
        token_span=_span(settings, "token_days", TOKEN_DAYS, timedelta(days=1)),
    )


def offences_of(text: str, column: str) -> frozenset[Offence]:
    """The offences that a category allows: NIBRS codes and names of ``GROUPS``, with commas. Raises ``CellRefused``."""
    found: set[Offence] = set()
    for one in filter(None, map(str.strip, text.split(","))):
        if one in GROUPS:
            found.update(GROUPS[one])
        elif one in Offence._value2member_map_:
            found.add(Offence(one))
        else:
            raise CellRefused(column, f"gives neither a NIBRS code nor one of: {', '.join(GROUPS)}")
    return frozenset(found)


def delimiter_of(settings: Mapping[str, Any]) -> str:
    """What stands between the cells: one character. Raises ``BadMapping``."""
    delimiter: str = _of(settings, "delimiter", str, ",")
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise BadMapping("'delimiter' must be one character, such as ; or a tab")
    return delimiter


# --- settings, one by one ---


def _known(found: Mapping[str, Any], known: Collection[str], where: str) -> None:
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise BadMapping(f"{where} has '{unknown[0]}', which is not known; known are: {', '.join(sorted(known))}")


def _of(found: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = found.get(name, default)
    if value is not default and not isinstance(value, kind):
        raise BadMapping(f"'{name}' must be {'a table' if kind is dict else 'a text'}")
    return value


def _texts(found: Mapping[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """A text, or a list of them."""
    value = found.get(name, default)
    texts = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else (None,)
    if not all(isinstance(one, str) for one in texts):
        raise BadMapping(f"'{name}' must be a text or a list of texts")
    return texts


def _forms(settings: Mapping[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Forms of ``strptime`` that can be read."""
    forms = _texts(settings, name, default)
    for form in forms:
        try:
            datetime.strptime(datetime(2016, 1, 5, 13, 30, tzinfo=UTC).strftime(form), form)  # noqa: DTZ007
        except ValueError as error:
            raise BadMapping(f"'{name}' has '{form}', which is no form of strptime such as %m/%d/%Y %H:%M") from error
    return forms


def _table(name: str, table: Any) -> dict[str, str]:
    """A code table. A code may stand for several: a list of them."""
    if not isinstance(table, dict):
        raise BadMapping(f"'codes.{name}' must be a table")
    return {old: ",".join(_texts(table, old, ())) for old in table}


def _check_names(number: Template, names: Iterable[Template]) -> None:
    """The result shows report numbers: none may be made of a name."""
    for column in sorted(number.columns(as_they_are=True) & {column for one in names for column in one.columns()}):
        raise BadMapping(f"the column '{column}' holds a name, and the result would show it as the report number")


def _check_codes(category: Template | None, number: Template | None) -> None:
    """Whether the code tables give what a category, or a report number, can be."""
    for table, old, ours in category.codes() if category is not None else ():
        try:
            offences_of(ours, "")
        except CellRefused as refused:
            raise BadMapping(f"'codes.{table}' has '{ours}' for '{old}': that {refused}") from refused
    for table, old, ours in number.codes() if number is not None else ():
        if ours and not is_id(ours):
            raise BadMapping(
                f"'codes.{table}' has '{ours}' for '{old}', which is no report number: 1 to 64 letters, digits and . _ : @ + -"
            )


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadMapping(f"there is no time zone '{name}'") from error


def _span(settings: Mapping[str, Any], name: str, default: float, unit: timedelta) -> timedelta:
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or value < 0:
        raise BadMapping(f"'{name}' must be a number, 0 or more (inf for no limit)")
    try:
        return value * unit
    except OverflowError:
        return timedelta.max


def _scope(found: Mapping[str, Any], zone: ZoneInfo | None) -> Scope:
    _known(found, {*SCOPED, "from", "until"}, "[scope]")
    wanted = {name: values for name in SCOPED if (values := _texts(found, name, ()))}
    for name, values in wanted.items():
        if not all(map(is_id, values)) or (name == "channel" and not set(values) <= set(Channel)):
            known = f"; channels are: {', '.join(Channel)}" if name == "channel" else ""
            raise BadMapping(f"[scope] '{name}' has what the log cannot hold there{known}")
    since, until = _moment(found, "from", zone), _moment(found, "until", zone)
    if since is not None and until is not None and since >= until:
        raise BadMapping("[scope] 'from' must be before 'until'")
    return Scope(wanted, since, until)


def _moment(found: Mapping[str, Any], name: str, zone: ZoneInfo | None) -> datetime | None:
    """A date or time of TOML, or a text in ISO 8601."""
    value = found.get(name)
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time())
        if value is None:
            return None
        if not isinstance(value, datetime):
            raise BadMapping(f"[scope] '{name}' must be a date or a time")
        if value.tzinfo is None and zone is None:
            raise BadMapping(f"[scope] '{name}' has no zone, and the mapping names no time_zone")
        return (value if value.tzinfo is not None else value.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadMapping(f"[scope] '{name}' is no date or time in ISO 8601") from error
