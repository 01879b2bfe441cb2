"""``casetrail keys``: expunge a case, disclose one sealed field, check a disclosure; make and show keys that sign."""

from pathlib import Path
from typing import Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import (
    Failure,
    a_history,
    an_id,
    choice,
    guarded,
    now,
    opened_keyring,
    opened_views,
    pass_config,
    passphrase_in,
)
from casetrail.cli.documents import read_document
from casetrail.domain.codes import SealedName
from casetrail.domain.sealed import SealedField
from casetrail.eventlog.codec import decode_event
from casetrail.privacy.errors import KeyMissing
from casetrail.privacy.sealing import Disclosure, check_disclosure
from casetrail.privacy.sealing import disclose as disclosed
from casetrail.projections.queries import timeline


@click.group()
def keys() -> None:
    """Destroy a case's key (expunge), disclose one sealed field, make keys that sign."""


MOST_BYTES: Final = 1_000_000
"""Of a disclosure: one text, of which JSON writes six characters for one."""
PASSPHRASE = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File whose first line is the passphrase of the key: a long one, short ones can be guessed.",
)


@keys.command("create")
@click.argument("name")
@click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where the key goes; a new file."
)
@click.option("--for", "purpose", type=click.Choice(["log", "witness"]), required=True, help="Who signs with it.")
@click.option(
    "--algorithm",
    type=click.Choice(["ed25519", "ml-dsa-44"]),
    default="ed25519",
    show_default=True,
    help="ml-dsa-44 withstands quantum computers; more tools understand ed25519.",
)
@click.option("--if-missing", is_flag=True, help="Succeed where the file is there already, and leave it as it is.")
@PASSPHRASE
@guarded
def create(name: str, file: Path, purpose: str, algorithm: str, if_missing: bool, passphrase_file: Path | None) -> None:
    """Make a key that signs checkpoints, and print the verifier key that others need to check them.

    NAME is a URL without its scheme, such as kcpd.example/casetrail: the log's origin, or the witness's name. The verifier
    key is kept in FILE.pub.
    """
    from casetrail.proofs.keys import Algorithm, create_key, load_key, save_key

    if if_missing and file.exists():
        click.echo(load_key(file, passphrase_in(passphrase_file)).verifier_key)
        return
    kind = Algorithm.ML_DSA_44
    if algorithm == "ed25519":
        kind = Algorithm.ED25519 if purpose == "log" else Algorithm.ED25519_COSIGNATURE
    key = create_key(name, kind)
    save_key(key, file, passphrase_in(passphrase_file))
    click.echo(key.verifier_key)


@keys.command("show")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@PASSPHRASE
@guarded
def show(file: Path, passphrase_file: Path | None) -> None:
    """Print the verifier key of the key in FILE, once both are found to belong together."""
    from casetrail.proofs.keys import load_key

    click.echo(load_key(file, passphrase_in(passphrase_file)).verifier_key)


@keys.command("destroy")
@click.argument("case_id", metavar="CASE", type=an_id)
@click.option("--reason", metavar="CODE", type=an_id, required=True, help="Why, as a code: court_order, expungement, …")
@click.option("--yes", is_flag=True, help="Confirm the action without prompting.")
@pass_config
@guarded
def destroy(config: Config, case_id: str, reason: str, yes: bool) -> None:
    """Expunge a case: destroy its key. The history stays, and every hash still verifies."""
    if not (yes or _is_confirmed()):
        raise Failure("nothing was destroyed: it was not confirmed; --yes confirms it without asking")
    keyring = opened_keyring(config)
    keyring.destroy_case_key(case_id, reason, now())
    keyring.close()
    click.echo(f"the key of case {case_id} is destroyed")


@keys.command("renew")
@click.argument("case_id", metavar="CASE", type=an_id)
@pass_config
@guarded
def renew(config: Config, case_id: str) -> None:
    """Make a new key for a case whose key is lost for good.

    What was sealed under the old one stays unreadable; what is sealed from now on can be read. A case that has a key keeps
    it, and one that was expunged gets none.
    """
    keyring = opened_keyring(config)
    try:
        keyring.case_key(case_id)
        made = False
    except KeyMissing:
        keyring.create_case_key(case_id)
        made = True
    finally:
        keyring.close()
    click.echo(f"a new key of case {case_id} is made" if made else f"case {case_id} has its key, and keeps it")


def _is_confirmed() -> bool:
    """Whether somebody says yes. The end of the input is a no; Ctrl-C interrupts, as everywhere."""
    try:
        return click.confirm("What is sealed in this case can never be opened again. Destroy its key?")
    except click.Abort as error:
        if isinstance(error.__context__, EOFError):
            click.echo(err=True)
            return False
        raise


@keys.command("disclose")
@click.argument("case_id", metavar="CASE", type=a_history)
@click.argument("number", type=int)
@click.argument("name", type=choice(SealedName))
@pass_config
@guarded
def disclose(config: Config, case_id: str, number: int, name: str) -> None:
    """Open the sealed field NAME of event NUMBER, as JSON that its receiver can check without any key."""
    keyring = opened_keyring(config)
    key = keyring.case_key(case_id)
    keyring.close()
    action_id, field = _sealed(config, case_id, number, name)
    click.echo(disclosed(key, case_id, action_id, field).to_json())


@keys.command("check")
@click.argument("number", type=int)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@pass_config
@guarded
def check(config: Config, number: int, file: Path) -> None:
    """Check a disclosure of event NUMBER against the history. Exit code 8 where it does not fit."""
    try:
        disclosure = Disclosure.from_json(read_document(file, MOST_BYTES).decode())
    except UnicodeDecodeError:
        raise Failure("this is no disclosure: it is not in UTF-8") from None
    action_id, field = _sealed(config, disclosure.case_id, number, disclosure.name)
    if action_id != disclosure.action_id or not check_disclosure(disclosure, field):
        raise Failure("this is not what the history holds", exits.FAULTS)
    click.echo("this is what the history holds")


def _sealed(config: Config, case_id: str, number: int, name: str) -> tuple[bytes, SealedField]:
    with opened_views(config) as database:
        events = timeline(database, case_id)
    if not 1 <= number <= len(events):
        raise Failure(f"case {case_id} has no event {number}", exits.NOT_FOUND)
    event = decode_event(events[number - 1][2])
    for field in getattr(event.body, "sealed", ()):
        if field.name == name:
            return event.action_id, field
    raise Failure(f"event {number} of case {case_id} has no sealed field {name}", exits.NOT_FOUND)
