"""``casetrail audit publish``: the log as static files that any web server serves and anybody can mirror."""

from pathlib import Path

import click

from casetrail.cli.config import Config
from casetrail.cli.context import format_option, guarded, loaded_policy, opened_log, pass_config
from casetrail.cli.local_tree import convicting, opened_tree, required_policy
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import fields


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--hashes-only", is_flag=True, help="Publish checkpoint and tree, but no entries: no event leaves the house."
)
@click.option(
    "--unwitnessed", is_flag=True, help="Publish the newest checkpoint, whether or not witnesses have seen it."
)
@format_option
@pass_config
@guarded
def publish(config: Config, directory: Path, hashes_only: bool, unwitnessed: bool, form: str) -> None:
    """Publish the log as static files in DIR.

    The files are those of c2sp.org/tlog-tiles: any web server serves them, any client of tiled logs mirrors them, and
    'casetrail audit verify --from DIR' checks them without the log. Published is the newest checkpoint that has the policy's
    quorum of witnesses. Run it again for what has come since: what is there already is not written anew.

    Entries are the events themselves: persons are sealed in them, but ids of staff, codes and times are open to read.
    Exit code 5 while no checkpoint has the quorum: try again; 8 where DIR publishes another history than the log has now.
    """
    from casetrail.audit.believed import newest_believed, witnessed_at
    from casetrail.audit.publication.publish import publish as published
    from casetrail.proofs.note import parse_note

    policy = loaded_policy(config) if unwitnessed else required_policy(config)
    with convicting(), opened_log(config) as log, opened_tree(config, log, policy) as tree:
        believed = newest_believed(tree, None if unwitnessed else policy)
        with progress_bar("publishing", believed.sealed.size) as progress:
            done = published(log, tree, believed, directory, hashes_only, progress)
    witnesses = policy.check(parse_note(done.note)).witnesses if policy is not None else {}
    row = {
        "directory": str(directory),
        "origin": done.checkpoint.origin,
        "size": done.checkpoint.size,
        "root": done.checkpoint.root,
        "witnesses": sorted(witnesses),
        "witnessed_at": None if policy is None else witnessed_at(policy, parse_note(done.note)),
        "files_written": done.files,
    }
    fields(row, form)
