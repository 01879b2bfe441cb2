"""``casetrail import``."""

from pathlib import Path

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import (
    Failure,
    batch_timeout_option,
    format_option,
    guarded,
    opened_keyring,
    pass_config,
    rejects_option,
)
from casetrail.cli.lost_keys import checked_for_import
from casetrail.cli.overwriting import check_output
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import csv_cell, fields
from casetrail.importing.importer import Importer, written_for
from casetrail.importing.mapping import read_settings
from casetrail.publishing import connect


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--mapping", type=click.Path(path_type=Path), required=True, help="TOML file; see docs/importing.md.")
@rejects_option
@click.option("--progress", "progress_file", type=click.Path(path_type=Path), help="Where it is kept how far it came.")
@batch_timeout_option
@format_option
@pass_config
@guarded
def import_file(
    config: Config,
    file: Path,
    mapping: Path,
    rejects: Path | None,
    progress_file: Path | None,
    timeout: float,
    form: str,
) -> None:
    """Import the CSV file of an old records system.

    Can be interrupted and run again: nothing doubles. Every event is marked as imported, with the file's hash and the
    line. Exit code 8 where some rows could not be taken.
    """
    if not file.is_file():
        raise Failure(f"{file} is a folder" if file.is_dir() else f"there is no file {file}", exits.NOT_FOUND)

    rejects = rejects or file.with_name(f"{file.name}.rejects.csv")
    read = {"the file that is imported": file, "the mapping": mapping}
    check_output(config, rejects, read)
    with connect(config.log_url(), config.kafka) as connection, progress_bar("importing rows", lines_in(file)) as told:
        progress_file = progress_file or file.with_name(f"{file.name}.{connection.log.name}.progress")
        for one in written_for(progress_file):
            check_output(config, one, {**read, "the rejects file": rejects})
        summary = Importer(
            connection,
            lambda: checked_for_import(config, opened_keyring(config), read_settings(mapping)),
            file,
            mapping,
            rejects,
            progress_file,
            csv_cell,
            timeout,
            told,
        ).run()
    fields(vars(summary), form)
    if summary.already_done:
        click.echo("this file has been imported into this log already; the counts are those of then", err=True)
    if summary.refused_rows or summary.rejected:
        click.echo("some rows could not be taken: see the rejects file", err=True)
        click.get_current_context().exit(exits.FAULTS)


def lines_in(file: Path) -> int:
    """How many lines a file has."""
    with file.open("rb") as opened:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: opened.read(1 << 20), b""))
