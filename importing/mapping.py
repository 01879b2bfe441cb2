"""The mapping: which columns of a file become which actions. A TOML file; docs/importing.md describes it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from casetrail.domain.actions import Body
from casetrail.domain.codes import SealedName
from casetrail.domain.kinds import ACTION_KINDS
from casetrail.domain.shapes import field_types
from casetrail.domain.values import is_id
from casetrail.importing.errors import BadMapping
from casetrail.importing.templates import Tables, Template

KINDS: Final[dict[str, type[Body]]] = {kind.__name__: kind for kind in ACTION_KINDS}
TOKENS: Final = frozenset({"child", "child_born", "suspect", "suspect_born", "address"})
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
    if not is_id(settings["system"]):
        raise BadMapping("'system' must be an id: letters, digits and . _ : @ + -")
    tables: Tables = {
        name: {str(old): str(new) for old, new in table.items()} for name, table in settings.get("codes", {}).items()
    }
    activity = settings.get("activity")
    return ImportMapping(
        system=settings["system"],
        encoding=settings.get("encoding", "utf-8"),
        delimiter=delimiter_of(settings),
        zone=_zone(settings.get("time_zone")),
        time_formats=tuple(settings.get("time_formats", ())),
        case=Template(settings["case"], tables, columns),
        activity=Template(activity, tables, columns) if activity else None,
        ignore=frozenset(settings.get("ignore", ())),
        actions=tuple(_action(one, settings, tables, columns) for one in settings["actions"]),
    )


def _known(found: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        raise BadMapping(f"{where} has '{unknown[0]}', which is not known; known are: {', '.join(sorted(known))}")


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadMapping(f"there is no time zone '{name}'") from error


def _action(
    found: Mapping[str, Any], settings: Mapping[str, Any], tables: Tables, columns: frozenset[str]
) -> ActionTemplate:
    kind: Any = KINDS.get(found.get("action", ""))
    if kind is None:
        raise BadMapping(f"there is no action '{found.get('action')}'; actions are: {', '.join(KINDS)}")
    names = frozenset(name for name, _ in field_types(kind)) - {"sealed", "tokens"}
    where = f"the action {kind.__name__}"
    _known(found, OF_ACTION | names, where)
    if "at" not in found:
        raise BadMapping(f"{where} has no 'at': from which column is its time?")
    if "activity" not in settings and "activity" in found:
        raise BadMapping(f"{where} names an activity, but the mapping does not say in which column activities are")

    def template(text: Any) -> Template:
        return Template(str(text), tables, columns)

    when = found.get("when")
    return ActionTemplate(
        kind=kind,
        activity=found.get("activity"),
        at=template(found["at"]),
        person=template(found.get("person", settings.get("person", "importer"))),
        agency=template(found.get("agency", settings["agency"]) if "agency" not in names else settings["agency"]),
        when=None if when is None else (template(when["value"]), str(when["is"])),
        fields={name: _fields(found[name], template) for name in names if name in found},
        seal={_sealed_name(name, where): template(text) for name, text in found.get("seal", {}).items()},
        tokens={_token_name(name, where): template(text) for name, text in found.get("tokens", {}).items()},
    )


def _fields(value: Any, template: Any) -> tuple[Template, ...]:
    return tuple(template(one) for one in (value if isinstance(value, list) else [value]))


def _sealed_name(name: str, where: str) -> SealedName:
    if name not in SealedName._value2member_map_:
        raise BadMapping(f"{where} seals '{name}'; what can be sealed is: {', '.join(SealedName)}")
    return SealedName(name)


def _token_name(name: str, where: str) -> str:
    if name not in TOKENS:
        raise BadMapping(f"{where} has a token of '{name}'; tokens are of: {', '.join(sorted(TOKENS))}")
    return name
