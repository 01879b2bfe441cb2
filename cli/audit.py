"""``casetrail audit``: what an auditor does with a log, or with files alone. Each command stands in a file of its own."""

import importlib
from typing import Final

import click

COMMANDS: Final[dict[str, str]] = {
    "verify": "casetrail.cli.audit_verify:verify",
    "publish": "casetrail.cli.audit_publish:publish",
    "export": "casetrail.cli.audit_export:export",
    "check": "casetrail.cli.audit_export:check",
    "replay": "casetrail.cli.audit_replay:replay",
    "reconcile": "casetrail.cli.audit_reconcile:reconcile",
    "compare": "casetrail.cli.audit_compare:compare",
}
"""Each command and where it stands: ``module:attribute``."""


class AuditGroup(click.Group):
    """Imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=AuditGroup)
def audit() -> None:
    """Verify the whole history, trusting nobody."""
