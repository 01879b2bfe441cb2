"""``casetrail partner``: an agency's view of the cases that it is part of, and a signed copy of it."""

from typing import Final

import click

from casetrail.cli.lazy import LazyCommands

LIST: Final = "list"
COMMANDS: Final[dict[str, str]] = {
    LIST: "casetrail.cli.partner_list:list_",
    "raise": "casetrail.cli.partner_raise:raise_",
    "export": "casetrail.cli.partner_export:export",
    "check": "casetrail.cli.partner_export:check",
}
"""Each command and where it stands: ``module:attribute``."""


class AgencyFirst(LazyCommands):
    """A group whose first word may be an agency: ``partner clinic`` is ``partner list clinic``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            args = [LIST, *args]
        return super().resolve_command(ctx, args)


@click.group(cls=AgencyFirst, places=COMMANDS, context_settings={"ignore_unknown_options": True})
def partner() -> None:
    """Show a partner agency the cases that it is part of, and what they wait for.

    'casetrail partner AGENCY' is short for 'casetrail partner list AGENCY'.
    """
