"""``casetrail export``: histories as event logs for process-mining tools, and as tables for statistics."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, an_id, choice, format_option, guarded, moment, pass_config
from casetrail.cli.known import NO_UNIT
from casetrail.cli.outputs import while_read
from casetrail.cli.overwriting import check_output
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import fields
from casetrail.cli.unrepeated import typed
from casetrail.domain.codes import Offence

if TYPE_CHECKING:
    from casetrail.exporting.histories import Source, Wanted

FORMS: Final = ("ocel", "xes", "csv", "parquet")
PIPED: Final = ("csv", "xes")
PIPE: Final = "-"


@click.command()
@click.argument("kind", metavar="FORM", type=click.Choice(FORMS))
@click.option(
    "--output", "out", type=click.Path(path_type=Path), required=True, help="The file to write; - is standard output."
)
@click.option("--case", "cases", multiple=True, type=an_id, metavar="CASE", help="Only this case; repeatable.")
@click.option("--unit", "units", multiple=True, type=an_id, metavar="ID", help="Only cases of this unit; repeatable.")
@click.option(
    "--offence", "offences", multiple=True, type=choice(Offence), help="Only cases of this NIBRS code; repeatable."
)
@click.option("--since", metavar="TIME", help="Only what happened from then on.")
@click.option("--until", metavar="TIME", help="Only what happened before.")
@click.option("--as-of", metavar="TIME", help="Only what had been recorded by then.")
@click.option(
    "--pseudonyms",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Put keyed hashes in the place of people's ids, by the key in this file.",
)
@format_option
@pass_config
@guarded
def export(config: Config, kind: str, out: Path, key_file: Path | None, form: str, **given: Any) -> None:
    """Export histories as FORM: ocel (OCEL 2.0), xes, csv or parquet.

    Ids and codes only, nothing that is sealed. Refused and unreadable submissions are events of a kind of their own. Every
    event of the log is read; the file is in its place only when it is whole.
    """
    from casetrail.exporting.export import Form
    from casetrail.exporting.export import export as write
    from casetrail.exporting.histories import Wanted
    from casetrail.exporting.pseudonyms import plainly, pseudonyms

    if str(out) == PIPE and kind not in PIPED:
        raise click.UsageError(f"{kind} needs a file: give --output FILE; {' and '.join(PIPED)} can be piped")
    check_output(config, out, {"the key of the pseudonyms": key_file})
    wanted = Wanted(
        frozenset(given["cases"]),
        frozenset(given["units"]),
        frozenset(map(Offence, given["offences"])),
        *(moment(config, given[name], f"--{name.replace('_', '-')}") if given[name] else None
          for name in ("as_of", "since", "until")),
    )  # fmt: skip
    blind = plainly if key_file is None else pseudonyms(key_file)
    source = _source(str(out) == PIPE, config.log_url(), dict(config.kafka), wanted)
    with progress_bar("exporting", 2 * source.events) as progress, _opened(out) as opened:
        done = write(source, Form(kind), opened, blind, progress)
        if missing := sorted(wanted.cases - done.found):
            raise Failure(f"the log has nothing of case {missing[0]} that is asked for", exits.NOT_FOUND)
        if not wanted.cases and (unknown := sorted(wanted.units - source.named)):
            raise Failure(NO_UNIT.format(typed(unknown[0])), exits.NOT_FOUND)
    if str(out) != PIPE:
        fields({"file": str(out), "cases": done.cases, "events": done.events, "unaccepted": done.unaccepted}, form)


def _source(is_piped: bool, log_url: str, options: dict[str, object], wanted: "Wanted") -> "Source":
    """What is exported; into a pipe, for as long as somebody reads."""
    from casetrail.exporting.histories import Exported, Source, Told

    class WhileRead(Source):
        def histories(self, told: Told) -> Iterator[Exported]:
            return while_read(super().histories(told))

    return (WhileRead if is_piped else Source)(log_url, options, wanted)


@contextmanager
def _opened(out: Path) -> Iterator[BinaryIO]:
    """The file to write to, or standard output."""
    from casetrail.proofs.files import growing

    if str(out) == PIPE:
        yield sys.stdout.buffer
        return
    try:
        with growing(out) as opened:
            yield opened
    except OSError as error:
        raise Failure(f"{out} cannot be written ({error.strerror})") from error
