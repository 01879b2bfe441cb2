"""``casetrail report`` and ``casetrail act``: each action is a subcommand, its options made from its fields."""

import re
import secrets
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, choice, format_option, guarded, moment, now, opened_keyring, pass_config
from casetrail.cli.render import fields as emit_fields
from casetrail.domain.actions import Action, Actor, Body
from casetrail.domain.closure import ExceptionalConditions
from casetrail.domain.codes import Channel, Offence, ReporterKind, Role, SealedName
from casetrail.domain.intake import OffenceAlleged, ReportReceived
from casetrail.domain.kinds import ACTION_KINDS
from casetrail.domain.rules import RULES
from casetrail.domain.sealed import SealedField, Token
from casetrail.domain.shapes import field_types, item_of, optional
from casetrail.publishing import Outcome, OutcomePending, Receipt, connect

SEALING: Final = "sealed"
CONDITIONS: Final = "conditions"
EXIT_BY_RESULT: Final = {"accepted": exits.OK, "rejected": exits.REJECTED, "unreadable": exits.UNREADABLE}

Command = Callable[..., Any]


def command_name(kind: type) -> str:
    """``VictimContactMade`` as a command: ``victim-contact-made``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


def read_sealed(values: tuple[str, ...]) -> dict[SealedName, str]:
    """``NAME=TEXT``, ``NAME=@FILE`` and ``NAME=-`` (standard input) as texts by name."""
    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or name not in SealedName._value2member_map_:
            known = ", ".join(SealedName)
            raise click.UsageError(f"--seal wants NAME=TEXT, NAME=@FILE or NAME=- with NAME one of: {known}")
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            try:
                text = Path(text[1:]).read_text("utf-8")
            except OSError as error:
                raise Failure(f"cannot read {text[1:]}: {error.strerror}", exits.NOT_FOUND) from error
        found[SealedName(name)] = text
    return found


def seal_all(config: Config, case_id: str, action_id: bytes, texts: dict[SealedName, str]) -> tuple[SealedField, ...]:
    """Seal texts under the key of the case."""
    if not texts:
        return ()
    from casetrail.privacy.sealing import seal

    keyring = opened_keyring(config)
    key = keyring.create_case_key(case_id)
    keyring.close()
    return tuple(seal(key, case_id, action_id, name, text) for name, text in texts.items())


def actor_of(config: Config) -> Actor:
    """Who acts, as configured."""
    if not (config.person and config.agency and config.role):
        raise click.UsageError(
            "who acts? give --person, --agency and --role (before the command), or configure them in casetrail.toml"
        )
    if config.role not in Role._value2member_map_:
        raise click.UsageError(f"there is no role '{config.role}'; roles are: {', '.join(Role)}")
    return Actor(config.person, config.agency, Role(config.role))


def submit(config: Config, action: Action, timeout: float, form: str) -> None:
    """Submit one action, show what became of it, and exit with the code that says so."""
    with connect(config.log_url(), config.kafka) as connection:
        receipt = connection.submit(action)
        try:
            outcome = connection.wait(receipt, timeout=timeout)
        except OutcomePending as error:
            emit_fields({"result": "pending", **receipt.to_dict()}, form)
            raise Failure(str(error), exits.PENDING) from error
    emit_fields(result_row(receipt, outcome), form)
    if outcome.code is not None:
        rule = RULES.get(outcome.code)
        field = getattr(outcome.event.body, "field", None)
        where = f" (field: {field})" if field else ""
        click.echo(f"{outcome.result}: {rule.sentence if rule else outcome.code}{where}", err=True)
        click.get_current_context().exit(EXIT_BY_RESULT[outcome.result])


def result_row(receipt: Receipt, outcome: Outcome) -> dict[str, Any]:
    """What a submission came to, as a row with stable names."""
    event = outcome.event
    return {
        "result": outcome.result,
        "code": outcome.code,
        "case_id": event.case_id,
        "number": event.number,
        "recorded_at": event.recorded_at,
        "action_id": receipt.action_id,
        "partition": receipt.partition,
        "action_offset": receipt.offset,
        "event_offset": outcome.offset,
        "action_hash": receipt.action_hash,
    }


def common_options(command: Command) -> Command:
    """Options of every submission."""
    for option in (
        click.option("--at", metavar="TIME", help="When it happened (ISO 8601 with zone); now unless given."),
        click.option(
            "--action-id", metavar="HEX", help="32 hex digits; give the same again to retry without doubling."
        ),
        click.option("--timeout", type=float, default=30.0, show_default=True, help="Seconds to wait for the outcome."),
    ):
        command = option(command)
    return format_option(command)


def action_id_of(text: str | None) -> bytes:
    """The action id that was given, or a new random one."""
    if text is None:
        return secrets.token_bytes(16)
    try:
        made = bytes.fromhex(text)
    except ValueError:
        made = b""
    if len(made) != 16:
        raise click.UsageError("--action-id wants 32 hex digits")
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
        return click.option(flag, name, required=required, type=choice(inner))
    if inner is bool:
        return click.option(f"{flag}/--no-{name.replace('_', '-')}", name, default=None if optional(hint) else False)
    if inner is int:
        return click.option(flag, name, type=int, required=required, help="Number of an event of this case.")
    return click.option(flag, name, required=required, metavar="TIME" if inner is datetime else "ID")


def body_of(kind: Any, config: Config, values: dict[str, Any], sealed: tuple[SealedField, ...]) -> Body:
    """A body from what was given on the command line."""
    made: dict[str, Any] = {}
    for name, hint in field_types(kind):
        value = values.get(name)
        inner = optional(hint) or hint
        if name == SEALING:
            made[name] = sealed
        elif name == "offences":
            made[name] = tuple(offence(text) for text in value or ()) or (None if optional(hint) else ())
        elif name == CONDITIONS:
            made[name] = ExceptionalConditions(True, True, True, True) if value else None
        elif inner is datetime and value is not None:
            made[name] = moment(config, value, name.replace("_", " "))
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
        raise click.UsageError(f"there is no offence '{code}'; NIBRS codes are: {', '.join(Offence)}")
    return OffenceAlleged(Offence(code), statute or None)


def _add(kind: Any) -> None:
    required = {field.name for field in fields(kind) if field.default is MISSING}

    @pass_config
    @guarded
    def run(
        config: Config, case_id: str, at: str | None, action_id: str | None, timeout: float, form: str, **values: Any
    ) -> None:
        chosen = action_id_of(action_id)
        sealed = seal_all(config, case_id, chosen, read_sealed(values.pop(SEALING, ())))
        body = body_of(kind, config, values, sealed)
        when = moment(config, at, "--at") if at else now()
        submit(config, Action(chosen, case_id, when, actor_of(config), body), timeout, form)

    command: Command = run
    for name, hint in reversed(field_types(kind)):
        command = _option(name, hint, name in required and name not in (SEALING, "offences"))(command)
    command = common_options(command)
    command = click.argument("case_id", metavar="CASE")(command)
    act.command(command_name(kind), help=kind.__doc__)(command)


for _kind in ACTION_KINDS:
    if _kind is not ReportReceived:
        _add(_kind)


@click.command()
@click.argument("case_id", metavar="[CASE]", required=False)
@click.option("--report-number", metavar="ID", help="The unit's or hotline's number; the case id unless given.")
@click.option("--channel", type=choice(Channel), required=True)
@click.option("--reporter", "reporter_kind", type=choice(ReporterKind), required=True)
@click.option("--for-agency", metavar="ID", help="The responsible agency; your own unless given.")
@click.option("--unit", metavar="ID", required=True, help="The responsible unit.")
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
def report(
    config: Config, case_id: str | None, at: str | None, action_id: str | None, timeout: float, form: str, **given: Any
) -> None:
    """Record a report: a case begins.

    Names, addresses and narratives are sealed before they leave this process. Give a text as NAME=@FILE or NAME=- where
    others may see your command line. Without CASE a new case id is made.
    """
    chosen, when, actor = action_id_of(action_id), moment(config, at, "--at") if at else now(), actor_of(config)
    case_id = case_id or f"{when.year}-{secrets.token_hex(5)}"
    texts, tokens = _persons(config, given)
    texts |= read_sealed(given[SEALING])
    body = ReportReceived(
        report_number=given["report_number"] or case_id,
        channel=Channel(given["channel"]),
        reporter_kind=ReporterKind(given["reporter_kind"]),
        agency=given["for_agency"] or actor.agency,
        unit=given["unit"],
        offences=tuple(offence(text) for text in given["offences"]),
        immediate_danger=given["danger"],
        tokens=tokens,
        sealed=seal_all(config, case_id, chosen, texts),
    )
    submit(config, Action(chosen, case_id, when, actor, body), timeout, form)


def _persons(config: Config, given: dict[str, Any]) -> tuple[dict[SealedName, str], tuple[Token, ...]]:
    """The texts to seal and the tokens that follow from them."""
    from casetrail.privacy.tokens import address_token, child_token, suspect_token

    child, born, suspect, address = (given[name] for name in ("child_name", "child_born", "suspect_name", "address"))
    if child == "-":
        child = click.prompt("Child's name", hide_input=True, err=True)
    pairs = {
        SealedName.CHILD_NAME: child,
        SealedName.CHILD_BIRTH_DATE: born,
        SealedName.SUSPECT_NAME: suspect,
        SealedName.ADDRESS: address,
    }
    texts = {name: text for name, text in pairs.items() if text}
    if not (child or suspect or address):
        return texts, ()
    try:
        birth = date.fromisoformat(born) if born else None
    except ValueError as error:
        raise click.UsageError("--child-born wants YYYY-MM-DD") from error
    keyring = opened_keyring(config)
    key = keyring.token_key()
    keyring.close()
    tokens = (
        child_token(key, child, birth) if child else None,
        suspect_token(key, suspect) if suspect else None,
        address_token(key, address) if address else None,
    )
    return texts, tuple(token for token in tokens if token is not None)
