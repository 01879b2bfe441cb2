"""``casetrail audit compare``: whether a log has shown two parties one history."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, format_option, guarded, loaded_policy, opened_log, pass_config
from casetrail.cli.documents import PIPE, write_document
from casetrail.cli.local_tree import convicting, opened_tree
from casetrail.cli.overwriting import check_output
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import emit, harmless
from casetrail.cli.trust import believed_logs, log_key_option

if TYPE_CHECKING:
    from casetrail.audit.compare import Finding
    from casetrail.audit.held import PassedOver, Tree

COLUMNS: Final = ("verdict", "origin", "first", "first_size", "second", "second_size", "meaning")
MORE: Final = ("first_note", "second_note", "root_of_first_size_in_second", "proof")
SHOWN: Final = 20
"""So many places of what was passed over are named."""


@click.command()
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@log_key_option
@click.option(
    "--from",
    "published",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of 'casetrail audit publish', or state of 'casetrail audit verify', to prove with in the place of the log.",
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="File for the evidence, if there is any."
)
@format_option
@pass_config
@guarded
def compare(
    config: Config,
    one: str,
    other: str,
    log_keys: Sequence[str],
    published: Path | None,
    output: Path | None,
    form: str,
) -> None:
    """Compare the checkpoints that two parties hold: has the log shown both of them one history?

    A and B are each a file with a checkpoint (also a request to cosign one, a proof of a receipt, or the export of a case), a
    witness's state, the state of 'casetrail audit verify', a published folder, the address of a log (sqlite:PATH, kafka://…),
    or the URL of a checkpoint, such as a witness serves.

    Two roots for one size contradict each other by themselves. That the larger of two trees begins with the smaller one is
    proven with the hashes of the configured log, or of a folder. Exit code 8 where the log contradicts itself, or ends before
    what it has signed: then the signed checkpoints are the evidence. Exit code 5 where nothing is proven either way. What stands
    among the checkpoints and was not signed by the log is passed over, and named on standard error.
    """
    from casetrail.audit.compare import FAULTS, Comparison, Verdict, evidence
    from casetrail.audit.held import Access, held_at

    read = {"what is compared": Path(one), "what it is compared with": Path(other), "what is proven with": published}
    check_output(config, output, read)
    keys = believed_logs(config, log_keys)
    access = Access(lambda url: _log_at(config, url), _fetch)
    with convicting():
        comparison = Comparison(held_at(one, access), held_at(other, access), keys)
        with (
            _tree(config, published, needed=not comparison.is_settled) as tree,
            progress_bar("comparing", None) as progress,
        ):
            try:
                found = comparison.findings(tree, progress)
            finally:
                _name(comparison.passed_over)
    faults = [finding for finding in found if finding.verdict in FAULTS]
    emit(map(_row, found), COLUMNS if form == "table" else (*COLUMNS, *MORE), form)
    if faults:
        document = evidence(faults, keys)
        if output is not None:
            write_document(document.encode(), output)
        if form == "table" and str(output) != PIPE:
            click.echo("\n" + "\n".join(map(harmless, document.split("\n"))), nl=False)
        click.get_current_context().exit(exits.FAULTS)
    if any(finding.verdict is Verdict.UNPROVEN for finding in found):
        click.get_current_context().exit(exits.PENDING)


@contextmanager
def _log_at(config: Config, url: str) -> Any:
    from casetrail.eventlog.opening import open_log

    with open_log(url, config.kafka) as log:
        yield log


def _fetch(url: str) -> bytes:
    from casetrail.consumers.witnesses import WitnessRefused, exchange

    try:
        answer = exchange(url)
    except WitnessRefused as error:
        raise Failure(str(error), exits.UNREACHABLE) from error
    if answer.status != 200:
        raise Failure(f"{url} answers {answer.status}", exits.NOT_FOUND if answer.status == 404 else exits.UNREACHABLE)
    return answer.body


@contextmanager
def _tree(config: Config, published: Path | None, needed: bool) -> "Iterator[Tree | None]":
    """The tree to prove with, if one is needed and there is one."""
    from casetrail.audit.held import tree_of_folder, tree_of_log

    if not needed or (published is None and config.log is None):
        yield None
    elif published is not None:
        yield tree_of_folder(published)
    else:
        with opened_log(config) as log, opened_tree(config, log, loaded_policy(config)) as tree:
            yield tree_of_log(config.log_url(), tree)


def _name(passed_over: "Sequence[PassedOver]") -> None:
    places: dict[tuple[str, str], list[str]] = {}
    for one in dict.fromkeys(passed_over):
        places.setdefault((one.where, one.why), []).append(one.place)
    for (where, why), some in places.items():
        more = f" and {len(some) - SHOWN} more" if len(some) > SHOWN else ""
        click.echo(
            f"{where}: {len(some)} passed over among the checkpoints, {why}: {', '.join(some[:SHOWN])}{more}; 'casetrail audit "
            "verify' says more",
            err=True,
        )


def _row(one: "Finding") -> dict[str, Any]:
    return {
        "verdict": one.verdict.value,
        "origin": one.first.origin,
        "first": one.first.where,
        "first_size": one.first.size,
        "second": one.second.where,
        "second_size": one.second.size,
        "meaning": one.meaning,
        "first_note": one.first.note.decode(),
        "second_note": one.second.note.decode(),
        "root_of_first_size_in_second": one.root,
        "proof": list(one.proof),
    }
