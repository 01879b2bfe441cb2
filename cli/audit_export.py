"""``casetrail audit export`` and ``check``: one case as a file that proves itself, and its check without the log."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, an_id, format_option, guarded, opened_log, pass_config
from casetrail.cli.documents import PIPE, read_document, write_document
from casetrail.cli.local_tree import convicting, opened_tree, required_policy
from casetrail.cli.overwriting import check_output
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import emit, fields
from casetrail.eventlog.port import Topic

if TYPE_CHECKING:
    from casetrail.audit.exported import Checked

CHECKED = ("what", "holds", "found")
ABOUT = ("case_id", "in_log", "events", "later_events", "as_of_size", "as_of_witnessed_at")


@click.command()
@click.argument("case_id", metavar="CASE", type=an_id)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write; - is standard output.",
)
@format_option
@pass_config
@guarded
def export(config: Config, case_id: str, output: Path, form: str) -> None:
    """Write the whole history of CASE, with the proof that it is whole, to one file.

    For a case that is not in the log the file proves that. 'casetrail audit check FILE' checks it without the log, with the
    trust policy only. It is as of the newest checkpoint of which witnesses say how old it is; what came later is in the file, too,
    and marked as such. Exit code 5 while witnesses have not seen enough for a proof: try again; 8 where what the log holds of
    the case does not fit the log's own checkpoints.
    """
    from casetrail.audit.export import export_case
    from casetrail.audit.exported import check_export, proven_by

    policy = required_policy(config)
    check_output(config, output)
    with convicting(), opened_log(config) as log, opened_tree(config, log, policy) as tree:
        total = sum(log.end_offsets(Topic.EVENTS).values()) // log.partitions
        with progress_bar("searching", total) as progress:
            made = export_case(log, tree, policy, case_id, progress)
        newest = tree.size
    write_document(made.format(), output)
    found = check_export(made, policy)
    proven = proven_by(made, policy) if all(one.holds for one in found) else None
    row = {
        "case_id": case_id,
        "in_log": made.in_log,
        "events": made.covered,
        "later_events": made.later_proven,
        "unproven_events": len(made.later) - made.later_proven,
        "as_of_size": proven and proven.as_of_size,
        "as_of_witnessed_at": proven and proven.as_of_witnessed_at,
        "file": str(output),
    }
    if str(output) != PIPE:
        fields(row, form)
    if newest > made.size:
        click.echo(f"the log's newest checkpoint, of {newest} leaves, has not the policy's quorum yet", err=True)
    if unproven := row["unproven_events"]:
        some = "1 event of the case stands" if unproven == 1 else f"{unproven} events of the case stand"
        click.echo(f"{some} in the log without a proof: export it again when its witnesses have seen more", err=True)
    _convict(found)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--case", "wanted", metavar="CASE", type=an_id, help="The case that the file is to be of.")
@format_option
@pass_config
@guarded
def check(config: Config, file: Path, wanted: str | None, form: str) -> None:
    """Check the export of a case in FILE, without the log: the trust policy is all that is needed.

    All formats but the table say on each row which case it is, whether the log has it, with how many events as of which size
    of the tree, when witnesses had seen the log like that, and how many events are proven to have come later: nothing of it
    where anything does not hold. Exit code 8 then, or where the file is not of the case that --case names.
    """
    from casetrail.audit.export import MOST_BYTES, ExportInvalid, NoExport, parse_export
    from casetrail.audit.exported import check_export, proven_by

    policy = required_policy(config)
    try:
        made = parse_export(read_document(file, MOST_BYTES))
    except ExportInvalid as error:
        raise Failure(f"{file}: {error}", exits.FAILED if isinstance(error, NoExport) else exits.FAULTS) from error
    found = check_export(made, policy, wanted)
    about: dict[str, Any] = {"case_id": made.case_id}
    if all(one.holds for one in found):
        about |= proven_by(made, policy)._asdict()
    rows = [{**one._asdict(), **about} for one in found]
    emit(rows, CHECKED if form == "table" else (*CHECKED, *ABOUT), form, f"case {made.case_id}")
    _convict(found)


def _convict(found: "list[Checked]") -> None:
    """Say what does not hold, and give exit code 8 for it."""
    faults = [one for one in found if not one.holds]
    if faults:
        raise Failure("\n".join(f"{one.what}: {one.found}" for one in faults), exits.FAULTS)
