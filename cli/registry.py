"""``casetrail registry``: agencies, people and units, as the registry's events say; and staff lists that are imported."""

from typing import Any, Final

import click

from casetrail.cli.config import Config
from casetrail.cli.context import an_id, format_option, guarded, moment, opened_views, pass_config
from casetrail.cli.known import InViews, check_known
from casetrail.cli.known import Wanted as Ids
from casetrail.cli.registry_import import import_staff
from casetrail.cli.render import emit

BY: Final = ("person", "unit", "agency")


@click.group(invoke_without_command=True)
@click.option("--by", type=click.Choice(BY), default="person", show_default=True, help="List what.")
@click.option("--agency", metavar="ID", type=an_id, help="Only this agency.")
@click.option("--unit", metavar="ID", type=an_id, help="Only this unit; by agency, only those that have or had it.")
@click.option("--left", is_flag=True, help="Only people who have left; by unit or agency, only where somebody has.")
@click.option(
    "--as-of", "until_text", metavar="TIME", help="As it was then: only what had been recorded by then counts."
)
@format_option
@pass_config
@guarded
def registry(config: Config, by: str, form: str, **given: Any) -> None:
    """List agencies, people and units: who works where, since when, and who has left.

    People who went to another unit have a row for the unit that they left, too. 'casetrail holds --left' lists what they
    left behind.
    """
    if click.get_current_context().invoked_subcommand is not None:
        return
    from casetrail.cli.case_histories import history_of
    from casetrail.cli.registry_rows import COLUMNS, Wanted, rows
    from casetrail.domain.registry import REGISTRY

    until = moment(config, given["until_text"], "--as-of") if given["until_text"] else None
    wanted = Wanted(given["agency"], given["unit"], given["left"])
    with opened_views(config) as database:
        found = rows(history_of(database, REGISTRY, until), by, wanted)
        if not found:
            check_known(InViews(database), Ids(unit=wanted.unit, agency=wanted.agency))
    emit(found, COLUMNS[by], form, f"registry by {by}")


registry.add_command(import_staff)
