"""From a row to its actions. What cannot be understood names its column and the reason, never the value."""

import hmac
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from casetrail.domain.actions import Action, Actor, Body, Imported
from casetrail.domain.closure import ExceptionalConditions
from casetrail.domain.codes import Offence, Role, SealedName
from casetrail.domain.intake import OffenceAlleged
from casetrail.domain.sealed import SealedField, Token
from casetrail.domain.shapes import field_types, optional
from casetrail.domain.values import is_id
from casetrail.importing.errors import RowRefused
from casetrail.importing.mapping import ActionTemplate, ImportMapping, is_list
from casetrail.importing.templates import Row, Template
from casetrail.privacy.errors import NothingToRecognise, NotSealable, TextTooLong
from casetrail.privacy.sealing import seal
from casetrail.privacy.tokens import address_token, child_token, suspect_token

TRUE: Final = frozenset({"1", "true", "yes", "y", "t", "on"})
MOST_DIGITS: Final = 9
FALSE: Final = frozenset({"0", "false", "no", "n", "f", "off"})


@dataclass(frozen=True)
class Drafted:
    """An action of a row, before its texts are sealed."""

    template: ActionTemplate
    action_id: bytes
    case_id: str
    at: datetime
    actor: Actor
    values: Mapping[str, Any]
    texts: Mapping[SealedName, str]
    persons: Mapping[str, str]


def drafts(mapping: ImportMapping, row: Row, token_key: bytes) -> list[Drafted]:
    """The actions of a row, in the mapping's order. ``token_key``: of the log. Raises ``RowRefused``."""
    for column, value in row.items():
        if value is not None and any("\ud800" <= one <= "\udfff" for one in value):
            raise RowRefused(column, f"is not in the encoding {mapping.encoding}")
    case_id = _id(mapping.case, row)
    activity = mapping.activity.fill(row) if mapping.activity else None
    if activity is not None and activity in mapping.ignore:
        return []
    made = [
        _draft(mapping, template, _action_id(mapping, number, row, case_id, token_key), row, case_id)
        for number, template in enumerate(mapping.actions)
        if template.activity in (None, activity) and _applies(template, row)
    ]
    if activity is not None and activity not in mapping.activities and not made:
        assert mapping.activity is not None
        raise RowRefused(mapping.activity.column, "is an activity that the mapping does not have")
    if not made:
        raise RowRefused("", "no action follows from this row")
    return made


def _applies(template: ActionTemplate, row: Row) -> bool:
    if template.when is not None and template.when[0].fill(row) != template.when[1]:
        return False
    return bool(template.at.fill(row))


def _action_id(mapping: ImportMapping, number: int, row: Row, case_id: str, token_key: bytes) -> bytes:
    """The same for the same row of the same system. Keyed: by a plain hash, names could be tried on the log until one fits.

    No token is made of such a text: those begin with a length.
    """
    content = "\x1f".join(f"{column}\x1e{value}" for column, value in sorted(row.items()) if value)
    named = f"casetrail/import/2\x1f{mapping.system}\x1f{case_id}\x1f{number}\x1f{content}"
    return hmac.digest(token_key, named.encode(), "sha256")[:16]


def _draft(mapping: ImportMapping, template: ActionTemplate, action_id: bytes, row: Row, case_id: str) -> Drafted:
    actor = Actor(_id(template.person, row), _id(template.agency, row), Role.REGISTRAR)
    return Drafted(
        template,
        action_id,
        case_id,
        moment(mapping, template.at, row),
        actor,
        dict(_values(mapping, template, row)),
        {name: text for name, one in template.seal.items() if (text := one.fill(row))},
        {name: text for name, one in template.tokens.items() if (text := one.fill(row))},
    )


def _id(template: Template, row: Row) -> str:
    made = template.fill(row)
    if not is_id(made):
        raise RowRefused(
            template.column, "gives no id: 1 to 64 letters, digits and . _ : @ + - ({column|id} makes one)"
        )
    return made


def moment(mapping: ImportMapping, template: Template, row: Row) -> datetime:
    """The time that a template gives, in UTC. Raises ``RowRefused``."""
    text = template.fill(row)
    found = None
    for form in mapping.time_formats or ("",):
        try:
            found = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007
            break
        except ValueError:
            continue
    if found is None:
        wanted = " or ".join(mapping.time_formats) or "ISO 8601"
        raise RowRefused(template.column, f"is no time in the form {wanted}")
    return in_utc(found, mapping.zone, template.column)


def in_utc(found: datetime, zone: ZoneInfo | None, column: str) -> datetime:
    """A time in UTC; one without a zone is in ``zone``. Raises ``RowRefused``."""
    if found.tzinfo is None:
        if zone is None:
            why = "is a time without a zone, and no time_zone is named: set it where the import is configured, or add Z or an offset"
            raise RowRefused(column, why)
        found = found.replace(tzinfo=zone)
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise RowRefused(column, "is a time out of range") from error


def _values(mapping: ImportMapping, template: ActionTemplate, row: Row) -> Iterator[tuple[str, Any]]:
    for name, hint in field_types(template.kind):
        if name in template.fields:
            value = _value(mapping, template.fields[name], row, hint, name)
            if value is not None:
                yield name, value


def _value(mapping: ImportMapping, templates: tuple[Template, ...], row: Row, hint: Any, name: str) -> Any:
    inner = optional(hint) or hint
    if is_list(hint):
        return tuple(_offence(one, row) for one in templates if one.fill(row)) or None
    (template,) = templates
    text = template.fill(row)
    if not text:
        return None
    if inner is datetime:
        return moment(mapping, template, row)
    return _plain_value(inner, text, template.column or name)


def _plain_value(kind: Any, text: str, column: str) -> Any:
    """A text as a value of a field's type. Raises ``RowRefused``."""
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        if text not in kind._value2member_map_:
            raise RowRefused(column, f"gives no code of {kind.__name__}")
        return kind(text)
    if kind is bool:
        if text.lower() not in TRUE | FALSE:
            raise RowRefused(column, "is neither yes nor no")
        return text.lower() in TRUE
    if kind is int:
        if not text.isascii() or not text.isdigit() or len(text) > MOST_DIGITS:
            raise RowRefused(column, f"is no number of at most {MOST_DIGITS} digits")
        return int(text)
    if kind is ExceptionalConditions:
        return ExceptionalConditions(*[text.lower() in TRUE] * 4)
    if not is_id(text):
        raise RowRefused(column, "gives no id: 1 to 64 letters, digits and . _ : @ + - ({column|id} makes one)")
    return text


def _offence(template: Template, row: Row) -> OffenceAlleged:
    code, _, statute = template.fill(row).partition(":")
    if code not in Offence._value2member_map_:
        raise RowRefused(template.column, "gives no NIBRS code")
    if statute and not is_id(statute):
        raise RowRefused(template.column, "gives no id of a statute")
    return OffenceAlleged(Offence(code), statute or None)


def finish(draft: Drafted, imported: Imported, case_key: bytes | None, token_key: bytes) -> Action:
    """The action of a draft, its texts sealed. Raises ``RowRefused`` where a field that it needs is missing."""
    values = dict(draft.values)
    names = {name for name, _ in field_types(draft.template.kind)}
    if "sealed" in names:
        values["sealed"] = tuple(_sealed(draft, case_key))
    if "tokens" in names and draft.persons:
        values["tokens"] = tuple(_tokens(draft.persons, token_key))
    try:
        body: Body = draft.template.kind(**values)
    except TypeError as error:
        missing = str(error).rpartition(": ")[2]
        raise RowRefused("", f"{draft.template.kind.__name__} needs {missing}") from error
    return Action(draft.action_id, draft.case_id, draft.at, draft.actor, body, imported)


def _sealed(draft: Drafted, case_key: bytes | None) -> Iterator[SealedField]:
    for name, text in draft.texts.items():
        assert case_key is not None
        try:
            yield seal(case_key, draft.case_id, draft.action_id, name, text)
        except (TextTooLong, NotSealable) as error:
            raise RowRefused("", str(error)) from error


def _tokens(persons: Mapping[str, str], key: bytes) -> Iterator[Token]:
    """Tokens of those that can be recognised: a name of nothing but signs has none, and is no reason to lose the row."""
    if child := persons.get("child"):
        with suppress(NothingToRecognise):
            yield child_token(key, child, _born(persons.get("child_born")))
    if suspect := persons.get("suspect"):
        with suppress(NothingToRecognise):
            yield suspect_token(key, suspect, _born(persons.get("suspect_born")))
    if address := persons.get("address"):
        with suppress(NothingToRecognise):
            yield address_token(key, address)


def _born(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise RowRefused("", "a date of birth is not in the form YYYY-MM-DD") from error
