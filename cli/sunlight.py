"""``casetrail sunlight``: the report for the public, as static pages that ask for nothing."""

import shlex
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from casetrail.cli.config import Config
from casetrail.cli.context import Failure, format_option, guarded, loaded_policy, opened_log, pass_config
from casetrail.cli.judged import moment_asked, opened_judgements
from casetrail.cli.local_tree import convicting
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import csv_cell, fields
from casetrail.domain.suppression import THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casetrail.eventlog.port import Log
    from casetrail.projections.database import Database
    from casetrail.sunlight.edition import Basis
    from casetrail.sunlight.successive import Earlier

NEEDED: Final = ("jinja2", "pygal")
ALMOST: Final = timedelta(seconds=1) - timedelta(microseconds=1)
"""Added, it makes a moment the next whole second."""


def _offsets(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[int, int] | None:
    """``--events PARTITION:OFFSET``, as often as there are partitions."""
    try:
        pairs = [(int(partition), int(offset)) for partition, offset in (one.split(":") for one in given)]
    except ValueError:
        raise click.BadParameter("not PARTITION:OFFSET, such as 0:1234") from None
    return dict(pairs) or None


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--now", "moment_text", metavar="TIME", help="Count as of this time instead of now.")
@click.option("--from-log", is_flag=True, help="Trust no view: compute everything from the events of the log.")
@click.option(
    "--events", "ends", multiple=True, metavar="PARTITION:OFFSET", callback=_offsets,
    help="With --from-log, count only the events before this offset (once for each partition).",
)  # fmt: skip
@click.option("--soon", is_flag=True, help="Replace an edition that is less than 27 days old, because it was wrong.")
@format_option
@pass_config
@guarded
def sunlight(
    config: Config,
    directory: Path,
    moment_text: str | None,
    from_log: bool,
    ends: Mapping[int, int] | None,
    soon: bool,
    form: str,
) -> None:
    """Write the report for the public into DIR: a web page without scripts, and the data behind it.

    What became of the reports, month by month and by offence: contacted, closed and how, still open and how old; time
    limits missed, alarms answered, findings. Counts about fewer than 5 reports are withheld, and so is what would give them
    away. The page names the checkpoint that it rests on, and the command that computes it anew. An earlier edition in DIR is
    replaced, not before 27 days have gone by: the difference of two editions tells what each of them withholds.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise Failure(f"the report needs {' and '.join(missing)}: install casetrail[sunlight]")
    if ends is not None and not from_log:
        raise click.UsageError("--events goes with --from-log: views stand where they stand")
    from casetrail.sunlight.basis import take
    from casetrail.sunlight.edition import edition
    from casetrail.sunlight.files import ALL, files, put_in_place
    from casetrail.sunlight.successive import check_apart, edition_in, read_edition

    with convicting(), opened_log(config) as log, _views(config, log, from_log, ends) as database:
        at, _ = moment_asked(config, database, moment_text)
        found, basis = take(database, log, (at + ALMOST).replace(microsecond=0))
        _check(config, basis)
    made = edition(found, basis)
    written = files(made, _command(basis), version("casetrail"), csv_cell)
    earlier, later = edition_in(directory), read_edition(written[ALL])
    if earlier is not None and later is not None and not soon:
        check_apart(earlier, later)
    try:
        put_in_place(written, directory)
    except OSError as error:
        raise Failure(f"{directory} cannot be written ({error.strerror})") from error
    row = {
        "directory": str(directory),
        "now": basis.now,
        "events": sum(basis.positions.values()),
        "checkpoint": basis.checkpoint and basis.checkpoint.size,
        "counts": sum(table.counts for table in made.tables),
        "withheld": sum(table.withheld for table in made.tables),
    }
    fields(row, form)
    if earlier is not None and later is not None:
        _tell_differences(earlier, later)


def _tell_differences(earlier: "Earlier", later: "Earlier") -> None:
    """Say what whoever has kept the earlier edition can tell from both."""
    from casetrail.sunlight.successive import differences

    found = differences(earlier, later)
    if found.small:
        click.echo(
            f"{found.small} of {found.numbers} numbers differ by 1 to {THRESHOLD - 1} from those of the edition of "
            f"{earlier.now:%Y-%m-%d}, which this one has replaced: whoever has kept that one knows of so few what became of them",
            err=True,
        )


@contextmanager
def _views(config: Config, log: "Log", from_log: bool, ends: Mapping[int, int] | None) -> "Iterator[Database]":
    if not from_log:
        with opened_judgements(config) as database:
            yield database
        return
    from casetrail.eventlog.port import Topic
    from casetrail.sunlight.basis import views_from

    total = sum((ends or log.end_offsets(Topic.EVENTS)).values())
    with ExitStack() as stack:
        with progress_bar("rebuilding", total) as progress:
            database = stack.enter_context(views_from(log, config.log_url(), config.kafka, ends, progress))
        yield database


def _check(config: Config, basis: "Basis") -> None:
    """Where a trust policy is configured, the checkpoint must be signed as it says. Raises ``NoteInvalid``."""
    policy = loaded_policy(config)
    if policy is not None and basis.checkpoint is not None:
        from casetrail.proofs.note import parse_note

        policy.check(parse_note(basis.checkpoint.note))


def _command(basis: "Basis") -> str:
    """What computes the same report anew, wherever the log is."""
    from casetrail.domain.values import iso

    events = [word for one in sorted(basis.positions.items()) for word in ("--events", f"{one[0]}:{one[1]}")]
    return shlex.join(["casetrail", "--log", "LOG", "sunlight", "DIR", "--from-log", "--now", iso(basis.now), *events])
