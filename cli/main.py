"""``casetrail``: the command line. Commands are imported when they are used, so that each starts fast."""

import importlib
import sys
from pathlib import Path
from typing import Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import SETTINGS, load_config
from casetrail.cli.outputs import outlive_readers
from casetrail.cli.render import harmless
from casetrail.cli.unrepeated import unrepeated

COMMANDS: Final = {
    "Operators": {
        "report": "casetrail.cli.submit:report",
        "act": "casetrail.cli.submit:act",
        "cases": "casetrail.cli.ask:cases",
        "show": "casetrail.cli.ask:show",
        "history": "casetrail.cli.ask:history",
        "due": "casetrail.cli.clocks:due",
        "overdue": "casetrail.cli.clocks:overdue",
        "clock": "casetrail.cli.clocks:clock",
        "findings": "casetrail.cli.findings:findings",
        "escalations": "casetrail.cli.escalations:escalations",
        "holds": "casetrail.cli.ask:holds",
        "referrals": "casetrail.cli.ask:referrals",
        "intake": "casetrail.cli.ask:intake",
        "partner": "casetrail.cli.partner:partner",
        "sunlight": "casetrail.cli.sunlight:sunlight",
        "board": "casetrail.cli.board.command:board",
        "watch": "casetrail.cli.watch:watch",
    },
    "Auditors": {
        "replay": "casetrail.cli.auditor:replay",
        "count": "casetrail.cli.auditor:count",
        "audit": "casetrail.cli.audit:audit",
        "export": "casetrail.cli.export:export",
        "receipt": "casetrail.cli.receipt:receipt",
        "witness": "casetrail.cli.witness:witness",
    },
    "Services and administrators": {
        "serve": "casetrail.cli.serve:serve",
        "log": "casetrail.cli.admin:log",
        "schemas": "casetrail.cli.schemas:schemas",
        "spool": "casetrail.cli.spool:spool",
        "views": "casetrail.cli.admin:views",
        "keys": "casetrail.cli.keys:keys",
        "import": "casetrail.cli.importer:import_file",
        "registry": "casetrail.cli.registry:registry",
        "demo": "casetrail.cli.demo:demo",
        "policy": "casetrail.cli.policy:policy",
        "doctor": "casetrail.cli.doctor:doctor",
    },
}

SHORT: Final = {
    "report": "Record a report: a case begins.",
    "act": "Record what has happened in a case.",
    "cases": "List cases.",
    "show": "Show where a case stands and what is due.",
    "history": "Show every event of a case.",
    "due": "List what is due next, and who owes it.",
    "overdue": "List what is overdue, and who is to be told by now.",
    "clock": "Show every clock of a case.",
    "holds": "Show who holds how many open cases.",
    "referrals": "List referrals by partner agency.",
    "intake": "Count reports by month, unit and offence.",
    "partner": "Show a partner agency its cases, and what they wait for.",
    "findings": "List what the detectors find, and explain a finding.",
    "sunlight": "Write the report for the public.",
    "escalations": "List missed deadlines that are open on the record, and who was told.",
    "board": "Show a shift what it has to see, live on a terminal.",
    "watch": "Follow the log as it grows.",
    "replay": "Show cases as they were, from the log alone.",
    "count": "Check submitted = accepted + rejected + unreadable + pending.",
    "audit": "Verify the whole history, trusting nobody.",
    "export": "Export histories as event logs for analysts.",
    "receipt": "Prove and check what a reporter was promised.",
    "witness": "Be a witness of a partner's log: cosign what only ever grows.",
    "serve": "Run recorder, projector, notary, watchdog, outbox, or all of them.",
    "log": "Make, check and describe a log.",
    "schemas": "Put the log's schemas where other tools look for them.",
    "spool": "Show and deliver what waits because the log could not be reached.",
    "views": "Rebuild and describe views.",
    "keys": "Destroy a case's key (expunge), disclose one sealed field, make keys that sign.",
    "import": "Import an export of a records system.",
    "registry": "List agencies, people and units; import a staff list.",
    "demo": "Play four years of a unit, the 149 reports among them.",
    "policy": "Check, show, compare and adopt the limits that cases are judged by.",
    "doctor": "Check configuration, log, views and keyring.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when one of them is used, listed by who uses them."""

    def make_context(self, *args: Any, **given: Any) -> click.Context:
        with unrepeated():
            return super().make_context(*args, **given)

    def invoke(self, ctx: click.Context) -> Any:
        with unrepeated():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in COMMANDS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for names in COMMANDS.values():
            if cmd_name in names:
                module, _, attribute = names[cmd_name].partition(":")
                command: click.Command = getattr(importlib.import_module(module), attribute)
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, SHORT[name]) for name in names])


def _setting_options(command: Any) -> Any:
    for name, meaning in reversed(SETTINGS.items()):
        command = click.option(
            f"--{name.replace('_', '-')}", name, metavar="TEXT", help=f"{meaning[0].upper()}{meaning[1:]}."
        )(command)
    return command


def harmless_lines(message: str) -> str:
    """A message without control characters: it may repeat what was typed, or the name of a file."""
    return "\n".join(harmless(line) for line in message.split("\n"))


EPILOG: Final = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in exits.MEANINGS.items()) + "."


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="casetrail", prog_name="casetrail")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file (casetrail.toml).")
@_setting_options
def cli(config_file: Path | None, **options: str | None) -> None:
    """Track cases so that none can be dropped in silence.

    Every action is an immutable event; what is shown here is rebuilt from those events.
    """
    click.get_current_context().obj = load_config(config_file, options)


def main() -> None:
    """The program. Never returns."""
    outlive_readers()
    try:
        code = cli.main(prog_name="casetrail", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(exits.INTERRUPTED)
    except click.ClickException as error:
        vars(error)["message"] = harmless_lines(error.message)
        error.show()
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else exits.OK)
