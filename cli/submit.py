"""``casetrail report`` and ``casetrail act``: each action is a subcommand, its options made from its fields."""

import re
import secrets
from collections.abc import Callable
from dataclasses import MISSING, fields
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import click

from casetrail.cli.config import Config
from casetrail.cli.context import Seconds, an_id, choice, format_option, guarded, moment, now, pass_config
from casetrail.cli.escalation_due import exact_due
from casetrail.cli.sealing import SEALING, NamesNobody, persons, read_sealed, seal_all, tokens_of
from casetrail.cli.submitting import Wanted, submit
from casetrail.domain.actions import Action, Actor, Body
from casetrail.domain.answering import FindingTold
from casetrail.domain.closure import ExceptionalConditions
from casetrail.domain.codes import Channel, Offence, ReporterKind, Role
from casetrail.domain.escalation import DeadlineMissed, Escalated, EscalationAnswered
from casetrail.domain.heartbeat import Heartbeat
from casetrail.domain.intake import OffenceAlleged, ReportReceived
from casetrail.domain.kinds import ACTION_KINDS
from casetrail.domain.registry import PolicyAdopted
from casetrail.domain.sealed import SealedField, Token
from casetrail.domain.shapes import field_types, item_of, optional
from casetrail.domain.values import is_id
from casetrail.publishing.receipt import PROMISED_WITHIN

TOKENS: Final = "tokens"
"""These follow from what is sealed."""
WITH_COMMANDS_OF_THEIR_OWN: Final = (ReportReceived, PolicyAdopted)
OF_MACHINES: Final = (DeadlineMissed, Escalated, FindingTold, Heartbeat)
"""What only 'casetrail serve' has recorded."""
CONDITIONS: Final = "conditions"

HELP: Final = {
    "person": "person",
    "agency": "agency",
    "unit": "unit, where the agency has units",
    "holder": "person who holds the case from now on",
    "referral": "referral, one in this case",
    "concern": "concern, one in this case",
    "to_agency": "agency that is asked",
    "referred_to": "agency that the report was passed on to",
    "transferred_to": "agency that takes the case over",
    "acknowledgement": "other agency's acknowledgement",
    "into": "case that goes on",
    "other": "other case",
    "clock": "clock, by its name in the policy",
    "subject": "referral or concern that the clock runs for, if it runs for one",
    "finding": "finding, as 'casetrail findings' lists it",
    "detector": "detector, by its name",
}

Command = Callable[..., Any]


def command_name(kind: type) -> str:
    """``VictimContactMade`` as a command: ``victim-contact-made``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


def actor_of(config: Config) -> Actor:
    """Who acts, as configured."""
    if not (config.person and config.agency and config.role):
        raise click.UsageError(
            "who acts? give --person, --agency and --role (before the command), or configure them in casetrail.toml"
        )
    if config.role not in Role._value2member_map_:
        raise click.UsageError(f"the configured role is none; roles are: {', '.join(Role)}")
    for name in ("person", "agency"):
        if not is_id(getattr(config, name)):
            raise click.UsageError(f"the configured {name} is no id: 1 to 64 letters, digits and . _ : @ + -")
    return Actor(config.person, config.agency, Role(config.role))


def common_options(command: Command) -> Command:
    """Options of every submission."""
    for option in (
        click.option(
            "--promised-within",
            type=click.IntRange(0, 10**9),
            default=PROMISED_WITHIN,
            show_default=True,
            metavar="SECONDS",
            help="What the receipt says of how soon witnesses are to have seen the answer.",
        ),
        click.option(
            "--receipt",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write the receipt to this new file: what 'casetrail receipt' proves and checks.",
        ),
        click.option("--at", metavar="TIME", help="When it happened (ISO 8601 with zone); now unless given."),
        click.option(
            "--action-id", metavar="HEX", help="32 hex digits; give the same again to retry without doubling."
        ),
        click.option(
            "--timeout",
            type=Seconds(0, 86_400),
            default=30.0,
            show_default=True,
            help="Seconds to wait for the outcome.",
        ),
    ):
        command = option(command)
    return format_option(command)


def wanted_of(given: dict[str, Any]) -> Wanted:
    """The options of ``common_options``, taken out of all that was given."""
    return Wanted(*(given.pop(name) for name in ("timeout", "form", "receipt", "promised_within")))


def action_id_of(text: str | None, what: str = "--action-id") -> bytes:
    """The action id that was given as ``what``, or a new random one."""
    if text is None:
        return secrets.token_bytes(16)
    try:
        made = bytes.fromhex(text)
    except ValueError:
        made = b""
    if len(made) != 16:
        raise click.UsageError(f"{what} wants 32 hex digits")
    return made


@click.group()
def act() -> None:
    """Record what has happened in a case.

    Each kind of action is a subcommand. The outcome is shown; a rule that refuses gives exit code 3, and the refused
    attempt stays in the history of the case.
    """


def _option(name: str, hint: Any, required: bool) -> Callable[[Command], Command]:
    flag = f"--{name.replace('_', '-')}"
    if name == SEALING:
        return click.option("--seal", SEALING, multiple=True, metavar="NAME=TEXT|@FILE|-", help="A text to seal.")
    if name == "offences":
        return click.option("--offence", name, multiple=True, metavar="CODE[:STATUTE]", help="NIBRS code.")
    if name == CONDITIONS:
        return click.option("--all-four-conditions", name, is_flag=True, help=(ExceptionalConditions.__doc__ or ""))
    inner = optional(hint) or hint
    inner = item_of(inner) or inner
    if isinstance(inner, type) and issubclass(inner, StrEnum):
        help_text = (inner.__doc__ or "").split(". ")[0].rstrip(".") + "."
        return click.option(flag, name, required=required, type=choice(inner), help=help_text)
    if inner is bool:
        return click.option(
            f"{flag}/--no-{name.replace('_', '-')}",
            name,
            default=None if optional(hint) else False,
            help="Say so, or the contrary; left out: not known." if optional(hint) else "Say so, or the contrary.",
        )
    if inner is int:
        return click.option(
            flag, name, type=click.IntRange(1, 2**31), required=required, help="Number of an event of this case."
        )
    if inner is datetime:
        return click.option(flag, name, required=required, metavar="TIME", help="ISO 8601, with zone.")
    return click.option(
        flag, name, required=required, metavar="ID", type=an_id, help=f"Id of the {HELP.get(name, name)}."
    )


def body_of(
    kind: Any, config: Config, values: dict[str, Any], sealed: tuple[SealedField, ...], tokens: tuple[Token, ...] = ()
) -> Body:
    """A body from what was given on the command line."""
    made: dict[str, Any] = {}
    for name, hint in field_types(kind):
        value = values.get(name)
        inner = optional(hint) or hint
        if name == SEALING:
            made[name] = sealed
        elif name == TOKENS:
            made[name] = tokens or None
        elif name == "offences":
            made[name] = tuple(offence(text) for text in value or ()) or (None if optional(hint) else ())
        elif name == CONDITIONS:
            made[name] = ExceptionalConditions(True, True, True, True) if value else None
        elif inner is datetime and value is not None:
            made[name] = moment(config, value, f"--{name.replace('_', '-')}")
        elif isinstance(inner, type) and issubclass(inner, StrEnum) and value is not None:
            made[name] = inner(value)
        elif value is not None:
            made[name] = value
    made_body: Body = kind(**made)
    return made_body


def offence(text: str) -> OffenceAlleged:
    """``11A`` or ``11A:566.030``."""
    code, _, statute = text.partition(":")
    if code not in Offence._value2member_map_:
        raise click.UsageError(f"--offence is no NIBRS code; these are: {', '.join(Offence)}")
    if statute and not is_id(statute):
        raise click.UsageError("a statute is an id, such as 566.030: letters, digits and . _ : @ + -")
    return OffenceAlleged(Offence(code), statute or None)


def _add(kind: Any) -> None:
    required = {field.name for field in fields(kind) if field.default is MISSING}
    asked_for = [(name, hint) for name, hint in field_types(kind) if name != TOKENS]
    has_tokens = len(asked_for) < len(field_types(kind))

    @pass_config
    @guarded
    def run(config: Config, case_id: str, at: str | None, action_id: str | None, **values: Any) -> None:
        wanted = wanted_of(values)
        chosen, when, actor = action_id_of(action_id), moment(config, at, "--at") if at else now(), actor_of(config)
        if kind is EscalationAnswered:
            values["due_at"] = exact_due(config, case_id, values["clock"], values["subject"], values["due_at"])
        texts = read_sealed(values.pop(SEALING, ()))
        body_of(kind, config, values, ())  # before a key is made: what was typed wrong is found here
        tokens = tokens_of(config, texts) if has_tokens else ()
        body = body_of(kind, config, values, seal_all(config, case_id, chosen, texts), tokens)
        submit(config, Action(chosen, case_id, when, actor, body), wanted)

    command: Command = run
    for name, hint in reversed(asked_for):
        command = _option(name, hint, name in required and name not in (SEALING, "offences"))(command)
    command = common_options(command)
    command = click.argument("case_id", metavar="CASE", type=an_id)(command)
    act.command(command_name(kind), NamesNobody, help=kind.__doc__)(command)


for _kind in ACTION_KINDS:
    if _kind not in WITH_COMMANDS_OF_THEIR_OWN + OF_MACHINES:
        _add(_kind)


@click.command(cls=NamesNobody)
@click.argument("case_id", metavar="[CASE]", type=an_id, required=False)
@click.option(
    "--report-number", metavar="ID", type=an_id, help="The unit's or hotline's number; the case id unless given."
)
@click.option("--channel", type=choice(Channel), required=True, help="How it reached the unit.")
@click.option("--reporter", "reporter_kind", type=choice(ReporterKind), required=True, help="Who reported.")
@click.option(
    "--for-agency",
    metavar="ID",
    type=an_id,
    help="The responsible agency; your own unless given, and a partner gives it.",
)
@click.option("--unit", metavar="ID", type=an_id, required=True, help="The responsible unit.")
@click.option("--offence", "offences", multiple=True, required=True, metavar="CODE[:STATUTE]", help="NIBRS code.")
@click.option("--danger", is_flag=True, help="The child is in immediate danger.")
@click.option("--child-name", help="Sealed; also makes the child's token. '-' asks for it.")
@click.option("--child-born", metavar="YYYY-MM-DD", help="Sealed; part of the child's token.")
@click.option("--suspect-name", help="Sealed; also makes the suspect's token.")
@click.option("--address", help="Sealed; also makes the address's token.")
@click.option(
    "--seal", SEALING, multiple=True, metavar="NAME=TEXT|@FILE|-", help="Another text to seal (narrative, …)."
)
@common_options
@pass_config
@guarded
def report(config: Config, case_id: str | None, at: str | None, action_id: str | None, **given: Any) -> None:
    """Record a report: a case begins.

    Names, addresses and narratives are sealed before they leave this process. Give a text as NAME=@FILE or NAME=- where
    others may see your command line. Without CASE a new case id is made.
    """
    chosen, when, actor = action_id_of(action_id), moment(config, at, "--at") if at else now(), actor_of(config)
    agency = given["for_agency"] or _own_agency(actor)
    case_id = case_id or f"{when.year}-{secrets.token_hex(5)}"
    texts, tokens = persons(config, given)
    body = ReportReceived(
        report_number=given["report_number"] or case_id,
        channel=Channel(given["channel"]),
        reporter_kind=ReporterKind(given["reporter_kind"]),
        agency=agency,
        unit=given["unit"],
        offences=tuple(offence(text) for text in given["offences"]),
        immediate_danger=given["danger"],
        tokens=tokens,
        sealed=seal_all(config, case_id, chosen, texts, begins=True),
    )
    submit(config, Action(chosen, case_id, when, actor, body), wanted_of(given))


def _own_agency(actor: Actor) -> str:
    """The agency of who reports, as the responsible one. Where that may not be meant it is said: no other agency looks for it."""
    if actor.role is Role.PARTNER:
        raise click.UsageError(
            f"whose case is it? As a partner give --for-agency; for {actor.agency}'s own cases give {actor.agency}"
        )
    if actor.role is Role.REPORTER:
        click.echo(
            f"reported to your own agency {actor.agency}: give --for-agency where another one is responsible", err=True
        )
    return actor.agency
