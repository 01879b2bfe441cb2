"""``casetrail registry import``: a staff list from CSV."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import (
    Failure,
    batch_timeout_option,
    format_option,
    guarded,
    now,
    pass_config,
    rejects_option,
    zone_of,
)
from casetrail.cli.overwriting import check_output
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import csv_cell, emit, fields, harmless

if TYPE_CHECKING:
    from casetrail.importing.errors import RowRefused
    from casetrail.importing.staff import Staff

WOULD: Final = ("line", "action", "at", "person", "agency", "role", "unit", "agency_kind")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@rejects_option
@click.option("--dry-run", is_flag=True, help="List what would be recorded, and record nothing.")
@batch_timeout_option
@format_option
@pass_config
@guarded
def import_staff(config: Config, file: Path, rejects: Path | None, dry_run: bool, timeout: float, form: str) -> None:
    """Import a staff list: who works where, in which role, since when and until when.

    Columns: person, agency, role, joined; and, where wanted, unit, left, agency_kind. docs/registry.md explains them. Only
    what the registry lacks is recorded, so the same list or next month's can be imported again at any time. Exit code 8
    where some rows could not be taken.
    """
    if not file.is_file():
        raise Failure(f"there is no file {file}", exits.NOT_FOUND)
    rejects = rejects or file.with_name(f"{file.name}.rejects.csv")
    check_output(config, rejects, {"the staff list": file})
    staff = _staff(config)
    is_clean = _rehearse(staff, file, form) if dry_run else _import(config, staff, file, rejects, timeout, form)
    if not is_clean:
        click.echo("some rows could not be taken" + ("" if dry_run else ": see the rejects file"), err=True)
        click.get_current_context().exit(exits.FAULTS)


def _staff(config: Config) -> "Staff":
    from casetrail.cli.case_histories import hashed_history_in_log
    from casetrail.cli.registry_rows import folded_registry
    from casetrail.cli.submit import actor_of
    from casetrail.domain.registry import REGISTRARS, REGISTRY
    from casetrail.importing.staff import Staff

    actor = actor_of(config)
    if actor.role not in REGISTRARS:
        raise click.UsageError(f"who imports a staff list is a {', a '.join(sorted(REGISTRARS))}: give --role")
    registry = folded_registry(event for event, _ in hashed_history_in_log(config, REGISTRY))
    return Staff(registry, actor, now(), zone_of(config))


def _rehearse(staff: "Staff", file: Path, form: str) -> bool:
    """List what would be recorded; whether every row could be taken."""
    from casetrail.domain.actions import kind_of, plain_fields
    from casetrail.importing.staff import changes

    refused: list[int] = []

    def refuse(line: int, why: "RowRefused") -> None:
        refused.append(line)
        click.echo(harmless(f"line {line}: {why}"), err=True)

    rows: list[dict[str, Any]] = [
        {"line": line, "action": kind_of(action.body), "at": action.occurred_at, **plain_fields(action.body)}
        for batch in changes(staff, file, refuse)
        for line, action in batch
    ]
    emit(rows, WOULD, form, "would be recorded")
    return not refused


def _import(config: Config, staff: "Staff", file: Path, rejects: Path, timeout: float, form: str) -> bool:
    """Record what the registry lacks; whether every row could be taken."""
    from casetrail.cli.importer import lines_in
    from casetrail.importing.staff import changes
    from casetrail.importing.submitting import Submitter, Summary, opened_rejects
    from casetrail.publishing import connect

    summary, rows = Summary(), 0

    with (
        connect(config.log_url(), config.kafka) as connection,
        opened_rejects(rejects, False, csv_cell) as writer,
        progress_bar("importing rows", lines_in(file)) as progress,
    ):
        submitter = Submitter(connection, summary, writer, timeout, always=True)  # the registry lacks it still

        def told(count: int) -> None:
            nonlocal rows
            rows += count
            if progress is not None:
                progress(count)

        for batch in changes(staff, file, submitter.refuse, told):
            if batch:
                submitter.submit(batch)
    names = ("actions", "accepted", "rejected", "repeated", "refused_rows")
    fields({"rows": rows, "known": staff.known, **{name: getattr(summary, name) for name in names}}, form)
    return not (summary.refused_rows or summary.rejected)
