"""Write the pages of ``docs/`` that follow from the code: rules, events, codes and the command line."""

import inspect
import re
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click

from casetrail.cli.main import cli
from casetrail.domain import (
    answering,
    assignment,
    closure,
    codes,
    concern,
    contact,
    deciding,
    escalation,
    extension,
    heartbeat,
    intake,
    investigation,
    linking,
    referral,
    registry,
    shapes,
    suspension,
)
from casetrail.domain.actions import Actor, Body, Imported, Unaccepted
from casetrail.domain.avro import action_schema, event_schema, record
from casetrail.domain.case import ReferralState
from casetrail.domain.closure import ExceptionalConditions
from casetrail.domain.codes import SEXUAL_OFFENCES, Role
from casetrail.domain.due import DueKind
from casetrail.domain.escalation import Recipient
from casetrail.domain.intake import OffenceAlleged
from casetrail.domain.kinds import ACTION_KINDS, EVENT_KINDS
from casetrail.domain.parties import ANYBODY
from casetrail.domain.rules import RULE_SET, RULES, Rule
from casetrail.domain.sealed import SealedField, Token
from casetrail.domain.status import OPEN, REPORTED, UNMERGED, Status
from casetrail.eventlog.codec import UNREADABLE
from casetrail.eventlog.limits import ACTION_BYTES, EVENT_BYTES
from casetrail.eventlog.schemas import current_ids, published

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
MADE: Final = "<!-- Written by tools/write_docs.py from the code: change the code, then run `make docs`. -->"
CLI_WIDTH: Final = 100

LIFE: Final = (
    intake,
    assignment,
    contact,
    referral,
    investigation,
    suspension,
    extension,
    closure,
    linking,
    concern,
    escalation,
    answering,
    registry,
    heartbeat,
)
"""The files of a case's life, in its order."""
PARTS: Final = (Actor, Imported, OffenceAlleged, Token, SealedField, ExceptionalConditions, Recipient)
"""What bodies are made of."""


# --- Markdown ---


def page(title: str, *parts: str) -> str:
    """A whole page."""
    return "\n\n".join((f"# {title}", MADE, *(part for part in parts if part))) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty where there are no rows."""
    lines = [_row(cells) for cells in rows]
    return "\n".join([_row(head), _row(["---"] * len(head)), *lines]) if lines else ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def prose(thing: Any) -> str:
    """A docstring as Markdown."""
    return inspect.cleandoc(thing.__doc__ or "").replace("``", "`")


def code(text: object) -> str:
    """Set as code."""
    return f"`{text}`"


# --- rules ---


def rules_page() -> str:
    """Every rule, and who may have what recorded when."""
    owned = owners()
    parts = [
        f"Every submission is decided by these rules (rule set {RULE_SET}); each refusal is an event of its own, with the "
        "rule's code, and stays in the history. A rule that does not bind imports is not asked of an action that is "
        "imported from an old system: that system did not know it, and refusing its history would hide it. Nothing can "
        "be imported into a case that is live.",
        _rules_of("Any action", (shapes, deciding), owned),
    ]
    for module in LIFE:
        parts.append(_rules_of(_title(module), (module,), owned))
        kinds = [kind for kind in ACTION_KINDS if kind.__module__ == module.__name__]
        parts.append(table(("action", "recorded by", "while the case is"), map(_permission, kinds)))
    parts.append(f"## Statuses\n\n{prose(Status)}\n\n" + _statuses())
    return page("Rules", *parts)


def owners() -> dict[str, ModuleType]:
    """The file that each rule stands in. A rule that several files use stands in the first of them."""
    found: dict[str, ModuleType] = {}
    for module in (shapes, *LIFE, deciding):
        for value in vars(module).values():
            if isinstance(value, Rule):
                found.setdefault(value.code, module)
    missing = RULES.keys() - found.keys()
    assert not missing, f"these rules stand in no file of the domain that is listed here: {sorted(missing)}"
    return found


def _title(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2].capitalize()


def _rules_of(title: str, modules: Sequence[ModuleType], owned: dict[str, ModuleType]) -> str:
    rows = [
        (code(rule.code), rule.sentence, rule.source, "yes" if rule.binds_imported else "no")
        for rule in RULES.values()
        if owned[rule.code] in modules
    ]
    about = prose(modules[0]) if len(modules) == 1 else ""
    listed = table(("code", "rule", "source", "binds imports"), rows)
    return "\n\n".join(part for part in (f"## {title}", about, listed) if part)


def _permission(kind: type[Body]) -> tuple[str, str, str]:
    link = f"[{kind.__name__}](events.md#{kind.__name__.lower()})"
    roles = "anybody" if kind.roles == ANYBODY else ", ".join(role for role in Role if role in kind.roles)
    if ANYBODY - kind.roles == {Role.AUDITOR}:
        roles = "anybody but an auditor"
    return link, roles, _when(kind.when)


def _when(statuses: frozenset[Status]) -> str:
    named = {OPEN: "open", REPORTED: "anything but unreported", UNMERGED: "anything but unreported or merged"}
    return named.get(statuses) or ", ".join(status.replace("_", " ") for status in Status if status in statuses)


def _statuses() -> str:
    rows = ((code(status), "yes" if status in OPEN else "no") for status in Status)
    return table(("status", "open: somebody owes something"), rows)


# --- events ---


def events_page() -> str:
    """Every kind of action and event with its fields."""
    ids = current_ids()
    current = [(name, code(f"{number:08x}"), _schema_link(name, number)) for name, number in ids.items()]
    earlier = [
        (name, code(f"{number:08x}"), _schema_link(name, number))
        for number, text in published().items()
        for name in ids
        if number != ids[name] and f'"name": "{name.capitalize()}"' in text
    ]
    kinds = [_kind(kind) for kind in EVENT_KINDS]
    return page(
        "Actions and events",
        "An action is what somebody asks to have recorded of a case: a record of `LOG.actions`, under the case id as its "
        "key. The recorder answers each with exactly one event in `LOG.events`: with the action's own body when every "
        "[rule](rules.md) allows it, else with one of the two kinds that are no fact of the case.",
        "## Framing\n\nA value is `0x00`, the schema id (four bytes, big-endian), and one value of that schema in Avro's "
        "binary encoding. The id follows from the schema: it is the first four bytes of SHA-256 of its Parsing Canonical "
        "Form, top bit cleared. Every schema that a log uses is also a record of `LOG.schemas`, under its id in "
        f"hexadecimal. An action has at most {ACTION_BYTES:,} bytes, an event fewer than {EVENT_BYTES:,}. Hashes are RFC "
        "6962 leaf hashes: SHA-256 of `0x00` and the whole value.",
        table(("value", "schema id", "schema"), current),
        table(("earlier versions of", "schema id", "schema"), earlier),
        "What the records of checkpoints and cosignatures hold, and how an event begins, byte by byte: "
        "[proofs.md](proofs.md#leaves).",
        "An *id* is a string of 1 to 64 letters, digits and `. _ : @ + -`, the first a letter or digit; a *code* is a "
        "member of a [vocabulary](codes.md). There is no other kind of unsealed string, but for the case id "
        "`~stray.N` under which partition N keeps submissions that belong to no case.",
        _envelope("Action", action_schema()),
        _envelope("Event", event_schema()),
        "## Why a submission is unreadable\n\n" + table(("code", "meaning"), _unreadable()),
        "## What bodies are made of",
        *(_part(kind) for kind in PARTS),
        "## Kinds",
        *kinds,
    )


def _unreadable() -> list[tuple[str, str]]:
    return [(code(name), meaning) for name, meaning in UNREADABLE.items()]


def _schema_link(name: str, number: int) -> str:
    path = f"domain/schemas/published/{name}-{number:08x}.avsc"
    return f"[{path}](../{path})"


def _envelope(name: str, schema: dict[str, Any]) -> str:
    doc = schema["doc"].replace("``", "`")
    rows = (
        (code(field["name"]), _type_of(field), field.get("doc", "").replace("``", "`")) for field in schema["fields"]
    )
    return f"## {name}\n\n{doc}\n\n" + table(("field", "type", "meaning"), rows)


def _part(kind: Any) -> str:
    return f"### {kind.__name__}\n\n{prose(kind)}\n\n{_fields(kind)}"


def _kind(kind: type[Body]) -> str:
    name = kind.__name__
    where = "Only in events" if issubclass(kind, Unaccepted) else "In actions, and in events where it was accepted"
    path = f"domain/schemas/{name}.avsc"
    about = f"{where}. Schema: [{path}](../{path})."
    return "\n\n".join((f"### {name}", prose(kind), about, _fields(kind) or "It has no fields."))


def _fields(kind: Any) -> str:
    rows = ((code(field["name"]), _type_of(field)) for field in record(kind)["fields"])
    return table(("field", "type"), rows)


def _type_of(field: dict[str, Any]) -> str:
    kind = field["type"]
    if field["name"] == "body":
        return f"one of {len(kind)} [kinds](#kinds)"
    if isinstance(kind, list):
        return _type(kind[1]) + ", or null"
    return _type(kind)


def _type(kind: Any) -> str:
    if isinstance(kind, str):
        return kind
    if kind["type"] == "array":
        return "list of " + _type(kind["items"])
    if kind["type"] == "record":
        return f"[{kind['name']}](#{kind['name'].lower()})"
    if kind["type"] == "fixed":
        return f"{kind['size']} bytes"
    if "logicalType" in kind:
        return {"timestamp-micros": "moment, UTC, microseconds", "timestamp-millis": "moment, UTC, milliseconds"}[
            kind["logicalType"]
        ]
    if "codes" in kind:
        return f"code: [{kind['codes']}](codes.md#{kind['codes'].lower()})"
    return "id" if kind.get("id") else "string"


# --- codes ---


def codes_page() -> str:
    """Every vocabulary."""
    found = [value for value in vars(codes).values() if _is_vocabulary(value, codes)]
    sexual = ", ".join(code(offence) for offence in codes.Offence if offence in SEXUAL_OFFENCES)
    return page(
        "Codes",
        prose(codes),
        f"Sexual offences (a decision is due after 120 days, not 45: RSMo 210.183) are {sexual}.",
        *(_vocabulary(value) for value in found),
        "## Codes that are never submitted\n\nThey are derived from the history, and are shown by views and commands.",
        *(_vocabulary(value) for value in (Status, ReferralState, DueKind)),
    )


def _is_vocabulary(value: Any, module: ModuleType) -> bool:
    return isinstance(value, type) and issubclass(value, StrEnum) and value.__module__ == module.__name__


def _vocabulary(vocabulary: type[StrEnum]) -> str:
    """A vocabulary, with the comments that stand beside its members."""
    source = inspect.getsource(vocabulary)
    comments = dict(re.findall(r"^ +([A-Z_0-9]+) = \".*\"  # (.+)$", source, re.MULTILINE))
    rows = [
        (code(member), name.lower().replace("_", " "), comments.get(name, "")) for name, member in _members(vocabulary)
    ]
    if all(member == name.lower() for name, member in _members(vocabulary)):
        rows = [(value, comment) for value, _, comment in rows]  # type: ignore[misc]
        head: tuple[str, ...] = ("code", "remark")
    else:
        head = ("code", "name", "remark")
    if not comments:
        rows, head = [row[:-1] for row in rows], head[:-1]  # type: ignore[misc]
    return f"## {vocabulary.__name__}\n\n{prose(vocabulary)}\n\n{table(head, rows)}"


def _members(vocabulary: type[StrEnum]) -> list[tuple[str, str]]:
    return [(name, str(member)) for name, member in vocabulary.__members__.items()]


# --- the command line ---


def cli_page() -> str:
    """What ``--help`` says of every command."""
    return page("Command line", "What `--help` says of every command.", *_commands(cli, "casetrail", None))


def _commands(command: click.Command, name: str, parent: click.Context | None) -> list[str]:
    context = click.Context(command, parent, info_name=name, terminal_width=CLI_WIDTH, max_content_width=CLI_WIDTH)
    context.help_option_names = ["-h", "--help"]
    parts = [f"## {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```"]
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            assert found is not None, f"casetrail lists a command that it does not have: {sub}"
            parts += [] if found.hidden else _commands(found, sub, context)
    return parts


# --- writing ---


def pages() -> dict[Path, str]:
    """Every page that is written from the code."""
    return {
        DOCS / "rules.md": rules_page(),
        DOCS / "events.md": events_page(),
        DOCS / "codes.md": codes_page(),
        DOCS / "cli.md": cli_page(),
    }


def main() -> int:
    """Write what is missing or differs; 1 where ``--check`` was asked for and something did."""
    stale = {path: text for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        print(path.relative_to(DOCS.parent))
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
