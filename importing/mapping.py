"""The mapping: which columns of a file become which actions. A TOML file; docs/importing.md describes it."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from casetrail.domain.actions import Body
from casetrail.domain.codes import SealedName
from casetrail.domain.intake import OffenceAlleged
from casetrail.domain.kinds import ACTION_KINDS
from casetrail.domain.shapes import field_types, item_of, optional
from casetrail.domain.values import is_id
from casetrail.importing.errors import BadMapping
from casetrail.importing.templates import TO_ID, Tables, Template

KINDS: Final[dict[str, type[Body]]] = {kind.__name__: kind for kind in ACTION_KINDS}
TOKENS: Final = frozenset({"child", "child_born", "suspect", "suspect_born", "address"})
OF_NAMES: Final = frozenset({"child", "suspect", *(name for name in SealedName if name.endswith("_name"))})
"""What is made of a name: tokens, and texts that are sealed."""
SETTINGS: Final = frozenset(
    {"system", "encoding", "delimiter", "time_zone", "time_formats", "agency", "person", "case", "activity", "ignore",
     "codes", "actions"}
)  # fmt: skip
OF_ACTION: Final = frozenset({"action", "activity", "at", "person", "agency", "seal", "tokens", "when"})


@dataclass(frozen=True)
class ActionTemplate:
    """How one action is made of a row. It is made when the activity is ``activity`` and ``at`` is not empty."""

    kind: Any
    activity: str | None
    at: Template
    person: Template
    agency: Template
    when: tuple[Template, str] | None
    fields: Mapping[str, tuple[Template, ...]]
    seal: Mapping[SealedName, Template]
    tokens: Mapping[str, Template]


@dataclass(frozen=True)
class ImportMapping:
    """A mapping that has been read and understood, for a file with certain columns."""

    system: str
    encoding: str
    delimiter: str
    zone: ZoneInfo | None
    time_formats: tuple[str, ...]
    case: Template
    activity: Template | None
    ignore: frozenset[str]
    actions: tuple[ActionTemplate, ...]

    @property
    def activities(self) -> frozenset[str]:
        """The activities that become actions."""
        return frozenset(one.activity for one in self.actions if one.activity is not None)


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping file as plain values. Raises ``BadMapping``."""
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise BadMapping(f"cannot read the mapping {path}: {error.strerror}") from error
    except ValueError as error:  # that of tomllib, of a number of thousands of digits, or no UTF-8
        raise BadMapping(f"{path} is no TOML: {error}") from error


def delimiter_of(settings: Mapping[str, Any]) -> str:
    """What stands between the cells: one character. Raises ``BadMapping``."""
    found = settings.get("delimiter", ",")
    if not isinstance(found, str) or len(found) != 1 or found in '\r\n"':
        raise BadMapping("'delimiter' must be one character, such as ; or a tab")
    return found


def mapping_for(settings: Mapping[str, Any], columns: frozenset[str]) -> ImportMapping:
    """The mapping for a file with these columns. Raises ``BadMapping``, naming what is not understood."""
    _known(settings, SETTINGS, "the mapping")
    for name in ("system", "case", "agency", "actions"):
        if name not in settings:
            raise BadMapping(f"the mapping has no '{name}'")
    if not isinstance(settings["system"], str) or not is_id(settings["system"]):
        raise BadMapping("'system' must be an id: letters, digits and . _ : @ + -")
    codes = _table(settings, "codes", "the mapping")
    tables: Tables = {
        name: {old: _text(table, old, f"'codes.{name}'") for old in table}
        for name in codes
        for table in [_table(codes, name, "'codes'")]
    }
    activity = _text(settings, "activity", "the mapping") if "activity" in settings else ""
    made = ImportMapping(
        system=settings["system"],
        encoding=_text(settings, "encoding", "the mapping") if "encoding" in settings else "utf-8",
        delimiter=delimiter_of(settings),
        zone=_zone(_text(settings, "time_zone", "the mapping")) if "time_zone" in settings else None,
        time_formats=_texts(settings, "time_formats"),
        case=Template(_text(settings, "case", "the mapping"), tables, columns),
        activity=Template(activity, tables, columns) if activity else None,
        ignore=frozenset(_texts(settings, "ignore")),
        actions=tuple(_action(one, settings, tables, columns) for one in _actions(settings["actions"])),
    )
    _check_names(made)
    return made


def _check_names(mapping: ImportMapping) -> None:
    """Refuse to put into the log in the open what stands in a column that a name is made of. What a code table gives is a code."""
    sealed = ((*one.seal.items(), *one.tokens.items()) for one in mapping.actions)
    names = {column for some in sealed for name, one in some if name in OF_NAMES for column, _ in one.places}
    for setting, template in _in_the_open(mapping):
        for column, table in template.places:
            if column in names and table in (None, TO_ID):
                raise BadMapping(
                    f"the column '{column}' holds a name, and '{setting}' would put it into the log unsealed, for good: make it of another one"
                )


def _in_the_open(mapping: ImportMapping) -> Iterator[tuple[str, Template]]:
    """What everybody reads who reads the log, by the names of the settings."""
    yield "case", mapping.case
    for one in mapping.actions:
        yield "person", one.person
        yield "agency", one.agency
        for name, templates in one.fields.items():
            yield from ((name, template) for template in templates)


def _known(found: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        raise BadMapping(f"{where} has '{unknown[0]}', which is not known; known are: {', '.join(sorted(known))}")


def _text(found: Mapping[str, Any], name: str, where: str) -> str:
    """A value that stands for a text: a text, a number, yes or no, a date. Raises ``BadMapping`` for any other."""
    value = found[name]
    if not isinstance(value, str | int | float | date | time):
        raise BadMapping(f"'{name}' in {where} must be a text, not {_what(value)}")
    return str(value)


def _texts(settings: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = settings.get(name, [])
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in texts):
        raise BadMapping(f"'{name}' must be a text or a list of texts")
    return tuple(texts)


def _table(found: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    value = found.get(name, {})
    if not isinstance(value, dict):
        raise BadMapping(f"'{name}' in {where} must be a table, not {_what(value)}")
    return value


def _actions(found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadMapping("'actions' must be tables, each of them written as [[actions]]")
    return found


def _what(value: Any) -> str:
    return "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a value of another kind"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadMapping(f"there is no time zone '{name}'") from error


def _action(
    found: Mapping[str, Any], settings: Mapping[str, Any], tables: Tables, columns: frozenset[str]
) -> ActionTemplate:
    named = _text(found, "action", "an action") if "action" in found else ""
    kind: Any = KINDS.get(named)
    if kind is None:
        raise BadMapping(f"there is no action '{named}'; actions are: {', '.join(KINDS)}")
    hints = {name: hint for name, hint in field_types(kind) if name not in ("sealed", "tokens")}
    names = frozenset(hints)
    where = f"the action {kind.__name__}"
    _known(found, OF_ACTION | names, where)
    if "at" not in found:
        raise BadMapping(f"{where} has no 'at': from which column is its time?")
    if "activity" not in settings and "activity" in found:
        raise BadMapping(f"{where} names an activity, but the mapping does not say in which column activities are")

    def template(values: Mapping[str, Any], name: str) -> Template:
        return Template(_text(values, name, where), tables, columns)

    def own(name: str, default: str | None = None) -> Template:
        """A template of the action, else of the mapping, else a text that both can do without."""
        if name in found and not (name == "agency" and name in names):
            return template(found, name)
        return template(settings, name) if name in settings or default is None else Template(default, tables, columns)

    def field(name: str) -> tuple[Template, ...]:
        value = found[name]
        if isinstance(value, list) and (is_list(hints[name]) or len(value) == 1):
            return tuple(template({name: one}, name) for one in value)
        return (template(found, name),)

    seal, tokens = _table(found, "seal", where), _table(found, "tokens", where)
    return ActionTemplate(
        kind=kind,
        activity=_text(found, "activity", where) if "activity" in found else None,
        at=template(found, "at"),
        person=own("person", "importer"),
        agency=own("agency"),
        when=_when(found, where, template) if "when" in found else None,
        fields={name: field(name) for name in names if name in found},
        seal={_sealed_name(name, where): template(seal, name) for name in seal},
        tokens={_token_name(name, where): template(tokens, name) for name in tokens},
    )


def is_list(hint: Any) -> bool:
    """Whether a field of this type can be given several templates."""
    return item_of(optional(hint) or hint) is OffenceAlleged


def _when(
    found: Mapping[str, Any], where: str, template: Callable[[Mapping[str, Any], str], Template]
) -> tuple[Template, str]:
    when = _table(found, "when", where)
    if set(when) != {"value", "is"}:
        raise BadMapping(f"'when' in {where} must be such as {{ value = '{{status}}', is = 'CLOSED' }}")
    return template(when, "value"), _text(when, "is", f"'when' in {where}")


def _sealed_name(name: str, where: str) -> SealedName:
    if name not in SealedName._value2member_map_:
        raise BadMapping(f"{where} seals '{name}'; what can be sealed is: {', '.join(SealedName)}")
    return SealedName(name)


def _token_name(name: str, where: str) -> str:
    if name not in TOKENS:
        raise BadMapping(f"{where} has a token of '{name}'; tokens are of: {', '.join(sorted(TOKENS))}")
    return name
