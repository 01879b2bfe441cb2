"""``casetrail policy``: the file that says which clocks run and how long, who is told, and what one person may hold.

``show`` has its rows in ``policy_rows``, ``adopt`` and ``history`` stand in ``policy_adopting``.
"""

from typing import TYPE_CHECKING, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import format_option, guarded, pass_config
from casetrail.cli.documents import write_document
from casetrail.cli.policies import DEFAULT, checked_policy, policy_text, untold
from casetrail.cli.policy_adopting import adopt, history
from casetrail.cli.policy_rows import PARTS
from casetrail.cli.render import emit

if TYPE_CHECKING:
    from casetrail.domain.case import Recorded

PROBLEM: Final = ("key", "problem", "advice")
DIFFERENCE: Final = ("key", "change", "before", "after")


@click.group()
def policy() -> None:
    """Check, show, compare and adopt the limits that cases are judged by.

    A policy is a TOML file, or a preset: generic, missouri. It is not the trust policy that --policy names.
    """


@policy.command()
@click.argument("file", metavar="FILE")
@format_option
@pass_config
@guarded
def check(config: Config, file: str, form: str) -> None:
    """Check a policy file: all that is wrong in it, where, and what to do. Exit code 8 where something is.

    Where there are views, it is also said at which of its levels their registry knows nobody who would be told.
    """
    from casetrail.domain.policy_file import PolicyFileInvalid

    try:
        found = checked_policy(file)
    except PolicyFileInvalid as error:
        rows = [{"key": path or None, "problem": problem, "advice": advice} for path, problem, advice in error.problems]
        emit(rows, PROBLEM, form, f"problems of {file}")
        click.get_current_context().exit(exits.FAULTS)
    emit([], PROBLEM, form, f"problems of {file}")
    if form == "table":
        click.echo(f"this is a policy, with {len(found.clocks)} clock(s)")
    registry = _registry_in_views(config)
    if registry is not None and (nobody := untold(registry, config.agency or "", found)):
        click.echo(nobody, err=True)


def _registry_in_views(config: Config) -> "list[Recorded] | None":
    """The registry's events, where there are views of a log; they need not be up to date."""
    from casetrail.cli.case_histories import history_of
    from casetrail.domain.registry import REGISTRY
    from casetrail.projections.database import open_database
    from casetrail.projections.errors import ViewError, ViewMissing

    if config.log is None and config.views is None:
        return None
    try:
        database = open_database(config.views_url())
    except ViewMissing:
        return None
    except ViewError as error:  # the file is a policy all the same
        click.echo(f"who is told cannot be seen: {error}", err=True)
        return None
    try:
        return history_of(database, REGISTRY) if database.exists() else None
    finally:
        database.close()


@policy.command()
@click.argument("source", metavar="[PRESET|FILE]", default=DEFAULT)
@click.option(
    "--part",
    type=click.Choice(["clocks", "escalations", "calendars", "workload", "withdrawn", "detectors"]),
    default="clocks",
    show_default=True,
    help="What to show of it.",
)
@click.option("--text", is_flag=True, help="Its text instead, as a file of your own may begin.")
@format_option
@guarded
def show(source: str, part: str, text: bool, form: str) -> None:
    """Show a policy: its clocks, or another part of it."""
    if text:
        write_document(policy_text(source).encode(), None)
        return
    columns, rows = PARTS[part]
    emit(rows(checked_policy(source)), columns, form, part)


@policy.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@format_option
@guarded
def diff(before: str, after: str, form: str) -> None:
    """Say what policy B weakens, tightens, adds and removes of policy A. Each is a preset or a file."""
    from casetrail.domain.policy_diff import difference

    rows = [
        {"key": key, "change": change.value, "before": was or None, "after": now or None}
        for key, change, was, now in difference(checked_policy(before), checked_policy(after))
    ]
    emit(rows, DIFFERENCE, form, "differences")


policy.add_command(adopt)
policy.add_command(history)
