"""``casetrail board``: what a shift has to see, live on a terminal."""

import sys
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import click

from casetrail.cli import exits
from casetrail.cli.board.rows import KINDS, Asked, Snapshot
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, Seconds, an_id, failure_of, guarded, moment, pass_config
from casetrail.cli.render import emit

if TYPE_CHECKING:
    from casetrail.cli.board.reading import Views

EXTRA: Final = "board"
NEEDED: Final = "textual"


@click.command()
@click.option("--unit", metavar="ID", type=an_id, help="Only cases of this unit.")
@click.option("--agency", metavar="ID", type=an_id, help="Only cases of this agency.")
@click.option(
    "--refresh", type=Seconds(0.5, 3600), default=10, show_default=True, metavar="SECONDS",
    help="Read the views anew so often.",
)  # fmt: skip
@click.option("--now", "moment_text", metavar="TIME", help="Judge as of this time instead of now.")
@click.option("--once", is_flag=True, help="Write it once as plain tables, and end: for pipes and cron.")
@pass_config
@guarded
def board(
    config: Config, unit: str | None, agency: str | None, refresh: float, moment_text: str | None, once: bool
) -> None:
    """Show a shift what it has to see: overdue, due next, unanswered, findings, who holds what.

    It reads the views again and again. Keys: Tab and arrows to move, Enter to open, f to filter, u for the unit, s to
    sort, r to read at once, ? for help, q to end. With --once, exit code 8 where anything is overdue.
    """
    from casetrail.cli.board.reading import Views

    asked = Asked(unit, agency, moment(config, moment_text, "--now") if moment_text else None)
    source = Views(config)
    if once:
        _once(source, asked)
        return
    if find_spec(NEEDED) is None:
        raise Failure(f"the board needs {NEEDED}: install casetrail[{EXTRA}]; with --once it does without")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("a board needs a terminal; --once writes the same as plain tables")
    first = _snapshot(source, asked)
    from casetrail.cli.board.app import Board

    Board(source, asked, refresh, first).run()


def _snapshot(source: "Views", asked: Asked) -> Snapshot:
    """What the board shows first. Where that is nothing, unit and agency must be ones that something names."""
    snapshot = source.snapshot(asked)
    if not any(section.total for section in snapshot.sections):
        source.check_known(asked)
    return snapshot


def _once(source: "Views", asked: Asked) -> None:
    from casetrail.cli.board.head import head

    snapshot = _snapshot(source, asked)
    try:
        facts = source.log_facts()
    except Exception as error:
        if failure_of(error) is None:
            raise
        facts = None
        snapshot = replace(snapshot, troubles=(*snapshot.troubles, str(error)))
    for line in head(snapshot, facts, asked):
        click.echo(line.text)
    for section in snapshot.sections:
        kind = KINDS[section.key]
        click.echo()
        more = f", of {section.total:,} the first {len(section.rows):,}" if section.total > len(section.rows) else ""
        emit(section.rows, kind.emitted, "table", f"{kind.title.lower()}{more}")
    if snapshot.section("overdue").total:
        click.get_current_context().exit(exits.FAULTS)
