"""``casetrail partner export`` and ``check``: an agency's view as a file that can be shown to others, signed."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli.clocks import views_asked
from casetrail.cli.config import Config
from casetrail.cli.context import (
    Failure,
    format_option,
    guarded,
    loaded_policy,
    opened_log,
    pass_config,
    passphrase_in,
)
from casetrail.cli.documents import read_document
from casetrail.cli.keys import PASSPHRASE
from casetrail.cli.known import InViews, Wanted, check_known
from casetrail.cli.local_tree import convicting
from casetrail.cli.overwriting import check_output
from casetrail.cli.partner_list import AGENCY
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import csv_lines, fields
from casetrail.cli.trust import believed_logs, log_key_option

if TYPE_CHECKING:
    from casetrail.cli.clocks import Asked
    from casetrail.projections.database import Database
    from casetrail.proofs.checkpoint import Checkpoint
    from casetrail.proofs.statement import Statement

SUBJECT: Final = "partner"
MOST_BYTES: Final = 2**31

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@AGENCY
@click.option(
    "--output", "out", type=FILE, required=True, help="The CSV file; its statement goes to FILE.statement beside it."
)
@click.option("--key", type=FILE, required=True, help="Key that signs the statement: Ed25519, made for a log.")
@PASSPHRASE
@click.option(
    "--as-of", "until_text", metavar="TIME", help="As it was then: only what had been recorded by then counts."
)
@format_option
@pass_config
@guarded
def export(
    config: Config, agency: str, out: Path, key: Path, passphrase_file: Path | None, until_text: str | None, form: str
) -> None:
    """Write all that 'casetrail partner AGENCY' shows into a CSV file, with a signed statement of what it is.

    The statement names the agency, the moment, the number of rows, the file's SHA-256 and the newest checkpoint of what
    the views have seen of the log. Whoever gets both files checks them by 'casetrail partner check'.
    """
    from casetrail.projections.position import positions, snapshot
    from casetrail.proofs.files import put
    from casetrail.proofs.keys import load_key
    from casetrail.proofs.statement import Statement, statement_file

    for file in (out, statement_file(out)):
        check_output(config, file, {"the key that signs": key, "the passphrase": passphrase_file})
    signer = load_key(key, passphrase_in(passphrase_file))
    asked = views_asked(config, {"until_text": until_text, "moment_text": None, "judge_by": None})
    with convicting(), opened_log(config) as log, asked as (database, question), snapshot(database):
        check_known(InViews(database), Wanted(agency=agency))
        checkpoint = _newest(config, log, positions(database, log))
        content, count = _csv(database, agency, question)
    statement = Statement(f"{SUBJECT} {agency}", log.name, question.at, count, sha256(content).hexdigest(), checkpoint)
    signed = statement.sign(signer)
    try:
        put(out, content)
        put(statement_file(out), signed)
    except OSError as error:
        raise Failure(f"{out} cannot be written ({error.strerror})") from error
    fields(_row(statement, [signer.name]), form)


def _newest(config: Config, log: Any, seen: Mapping[int, int]) -> "Checkpoint | None":
    """The newest checkpoint that covers no more than was seen; signed as the trust policy says, where one is configured."""
    from casetrail.proofs.checkpoint import parse_checkpoint
    from casetrail.proofs.newest import newest_covering
    from casetrail.proofs.note import parse_note

    found, policy = newest_covering(log, seen), loaded_policy(config)
    if found is None:
        return None
    parsed = parse_note(found.note)
    return parse_checkpoint(parsed.text) if policy is None else policy.check(parsed).checkpoint


def _csv(database: "Database", agency: str, question: "Asked") -> tuple[bytes, int]:
    from casetrail.cli.partner_rows import COLUMNS, Chosen, rows
    from casetrail.projections.partner import Wanted, count

    with progress_bar("entries", count(database, agency)) as told:
        lines = list(csv_lines(rows(database, Wanted(agency), Chosen(), question, told), COLUMNS))
    return "".join(lines).encode(), len(lines) - 1


@click.command()
@click.argument("file", type=FILE)
@log_key_option
@format_option
@pass_config
@guarded
def check(config: Config, file: Path, log_keys: tuple[str, ...], form: str) -> None:
    """Check a file that 'casetrail partner export' wrote, by its statement (FILE.statement) and the trust policy alone.

    Says what it rests on: as of when, and which checkpoint of the log. Exit code 8 where a byte of either was changed, or
    nobody who is believed has signed it.
    """
    from casetrail.proofs.note import MOST_BYTES as MOST_NOTE
    from casetrail.proofs.note import parse_note, verify_note
    from casetrail.proofs.statement import parse_statement, statement_file

    keys = believed_logs(config, log_keys)
    content = read_document(file, MOST_BYTES)
    with convicting():
        note = parse_note(read_document(statement_file(file), MOST_NOTE))
        signed = verify_note(note, keys)
        statement = parse_statement(note.text)
        statement.check(content)
    fields(_row(statement, [one.key.name for one in signed]), form)
    click.echo("the file is what was signed", err=True)


def _row(statement: "Statement", signers: list[str]) -> dict[str, Any]:
    checkpoint = statement.checkpoint
    return {
        "of": statement.subject,
        "log": statement.log,
        "as_of": statement.as_of,
        "rows": statement.rows,
        "sha256": statement.sha256,
        "checkpoint_origin": checkpoint and checkpoint.origin,
        "checkpoint_size": checkpoint and checkpoint.size,
        "checkpoint_root": checkpoint and checkpoint.root,
        "signed_by": signers,
    }
