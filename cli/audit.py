"""``casetrail audit``: what an auditor does with a log, or with files alone. Each command stands in a file of its own."""

from typing import Final

import click

from casetrail.cli.lazy import LazyCommands

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


@click.group(cls=LazyCommands, places=COMMANDS)
def audit() -> None:
    """Verify the whole history, trusting nobody."""
