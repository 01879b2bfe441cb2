"""``casetrail witness``: cosign the checkpoints of a partner's log, on the network or by hand, and show what was seen."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, format_option, guarded, loaded_policy, opened_log, pass_config, passphrase_in
from casetrail.cli.documents import read_document, write_document
from casetrail.cli.overwriting import check_output
from casetrail.cli.render import emit
from casetrail.cli.trust import believed_logs, log_key_option

if TYPE_CHECKING:
    from casetrail.audit.witnessing.state import Seen
    from casetrail.audit.witnessing.witness import Cosigner
    from casetrail.proofs.addcheckpoint import AddCheckpoint

SEEN: Final = ("seen_at", "origin", "size", "root", "result", "contradicts")
MOST_BYTES: Final = 1_100_000

FILE: Final = click.Path(path_type=Path, dir_okay=False)
KEY = click.option("--key", type=FILE, required=True, help="The witness's key ('casetrail keys create --for witness').")
PASSPHRASE = click.option("--passphrase-file", type=FILE, help="File with the passphrase of that key.")
STATE = click.option(
    "--state",
    type=FILE,
    required=True,
    help="File with all that this witness has seen. Without it, it could be shown a fork.",
)
OUTPUT = click.option("--output", type=FILE, help="File to write; standard output unless given.")


@click.group()
def witness() -> None:
    """Be a witness of a partner's log: cosign what only ever grows."""


@witness.command("serve")
@KEY
@PASSPHRASE
@log_key_option
@STATE
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8090, show_default=True, help="Port; 0: any.")
@pass_config
@guarded
def serve(
    config: Config,
    key: Path,
    passphrase_file: Path | None,
    log_keys: Sequence[str],
    state: Path,
    address: str,
    port: int,
) -> None:
    """Cosign checkpoints over HTTP (c2sp.org/tlog-witness). SIGTERM and Ctrl-C stop it in good order.

    Known are the logs of --log-key, or of the configured policy. Put a web server with TLS before it. /health says what was
    seen; /HASH/checkpoint gives the newest cosigned checkpoint of a log, for anybody to compare.
    """
    import logging
    import signal
    import sys
    import threading

    from casetrail.audit.witnessing.server import WitnessServer

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _cosigner(config, key, passphrase_file, log_keys, state) as cosigner:
        try:
            server = WitnessServer(cosigner, address, port)
        except OSError as error:
            raise Failure(f"cannot listen on {address}:{port}: {error.strerror}") from error
        threading.Thread(target=server.serve_forever, name="witness").start()
        try:
            place = f"http://{f'[{address}]' if ':' in address else address}:{server.port}"
            click.echo(f"witness {cosigner.key.verifier_key}\nlistening at {place}")
            for name, origin in server.origins.items():
                newest = cosigner.newest(origin)
                click.echo(f"{origin}: {newest.size if newest else 0} leaves cosigned; {place}/{name}/checkpoint")
            stop.wait()
        finally:
            server.stop()


@witness.command("cosign")
@click.argument("file", type=click.Path(path_type=Path))
@KEY
@PASSPHRASE
@log_key_option
@STATE
@OUTPUT
@pass_config
@guarded
def cosign(
    config: Config,
    file: Path,
    key: Path,
    passphrase_file: Path | None,
    log_keys: Sequence[str],
    state: Path,
    output: Path | None,
) -> None:
    """Cosign a checkpoint that was carried by hand, and write it with the cosignature.

    FILE is what 'casetrail witness request' has written, or a bare checkpoint where no proof is needed: the first one of a log,
    or one that was cosigned before; '-' reads standard input. Exit code 8 where the log contradicts itself.
    """
    from casetrail.audit.witnessing.witness import NotConsistent, Refused, SizeConflict
    from casetrail.proofs.addcheckpoint import is_add_checkpoint, parse_add_checkpoint
    from casetrail.proofs.checkpoint import parse_checkpoint
    from casetrail.proofs.note import parse_note

    check_output(config, output, {"the key": key, "its passphrase": passphrase_file, "the state of the witness": state})
    content = read_document(file, MOST_BYTES)
    with _cosigner(config, key, passphrase_file, log_keys, state) as cosigner:
        request = parse_add_checkpoint(content) if is_add_checkpoint(content) else _bare(cosigner, content)
        checkpoint = parse_checkpoint(parse_note(request.note).text)
        known = cosigner.newest(checkpoint.origin)
        try:
            lines = cosigner.cosign(request)
        except Refused as error:
            if error.contradicts:
                raise Failure(
                    f"not cosigned: the log has signed two roots for the same {checkpoint.size} leaves: it was forked, or its "
                    f"key is in other hands; both signed checkpoints are kept in {state}: they are evidence",
                    exits.FAULTS,
                ) from error
            if not isinstance(error, SizeConflict | NotConsistent):
                raise
            size = known.size if known else 0
            hint = f"ask the log for what 'casetrail witness request --from {size}' writes"
            raise Failure(f"not cosigned: {error}; {hint}") from error
    write_document(_with(request.note, lines), output)


@witness.command("request")
@click.option(
    "--from", "old", type=click.IntRange(0), required=True, help="Size of the tree that the witness knows; 0: none."
)
@OUTPUT
@pass_config
@guarded
def request(config: Config, old: int, output: Path | None) -> None:
    """Write what a witness needs to cosign the newest checkpoint, to be carried by hand.

    A witness says with 'casetrail witness list' how many leaves it knows.
    """
    from casetrail.cli.local_tree import opened_tree
    from casetrail.proofs.addcheckpoint import AddCheckpoint

    check_output(config, output)
    with opened_log(config) as log, opened_tree(config, log, loaded_policy(config)) as tree:
        newest = tree.newest()
        if newest is None:
            raise Failure("the log has no checkpoint yet: 'casetrail serve notary' makes them", exits.NOT_FOUND)
        if old > newest.size:
            raise Failure(
                f"the log has {newest.size} leaves. If a witness knows {old} that the log has signed, the log was cut or "
                "forked: compare with 'casetrail audit compare'",
                exits.FAULTS,
            )
        made = AddCheckpoint(old, tuple(tree.consistency(old, newest.size)), newest.note)
    write_document(made.format(), output)


@witness.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@pass_config
@guarded
def add(config: Config, file: Path) -> None:
    """Give the notary a checkpoint that a witness has cosigned by hand.

    To be called where 'casetrail serve notary' runs: FILE goes into its inbox, and with its next checkpoint the notary records
    the cosignatures of the policy's witnesses in the log, so that receipts carry them.
    """
    from casetrail.consumers.inbox import Inbox
    from casetrail.proofs.note import parse_note

    policy = loaded_policy(config)
    if policy is None:
        raise click.UsageError("which witnesses are known? give --policy FILE (before the command)")
    note = read_document(file, MOST_BYTES)
    standing = policy.check(parse_note(note))
    if not standing.witnesses:
        raise Failure("no witness of the policy has cosigned this checkpoint")
    Inbox(config.inbox_folder(), []).put(note)
    names = ", ".join(standing.witnesses)
    click.echo(f"for the notary: {standing.checkpoint.size} leaves, cosigned by {names}")


@witness.command("list")
@STATE
@click.option("--refused", is_flag=True, help="Only what was refused, and what contradicts another checkpoint.")
@format_option
@guarded
def list_seen(state: Path, refused: bool, form: str) -> None:
    """List the checkpoints that a witness has seen, with what became of each.

    All formats but the table have each checkpoint's signed note. Exit code 8 where the log has signed two roots for one size.
    """
    from casetrail.audit.witnessing.state import WitnessState

    if not state.exists():
        raise Failure(f"there is no state of a witness at {state}", exits.NOT_FOUND)
    with WitnessState(state, read_only=True) as seen:
        rows = map(_row, seen.seen(refused=refused))
        emit(rows, SEEN if form == "table" else (*SEEN, "note"), form, "checkpoints that were seen")
        contradictions = seen.contradictions()
    if contradictions:
        click.echo(
            f"{contradictions} checkpoints contradict another one that the same log has signed; "
            "'casetrail audit compare' writes the evidence",
            err=True,
        )
        click.get_current_context().exit(exits.FAULTS)


@contextmanager
def _cosigner(
    config: Config, key: Path, passphrase_file: Path | None, log_keys: Sequence[str], path: Path
) -> "Iterator[Cosigner]":
    from casetrail.audit.witnessing.state import WitnessState
    from casetrail.audit.witnessing.witness import Cosigner
    from casetrail.proofs.keys import load_key

    signer, logs = load_key(key, passphrase_in(passphrase_file)), believed_logs(config, log_keys)
    with WitnessState(path) as state:
        cosigner = Cosigner(signer, logs, state)
        if state.is_new:
            click.echo(f"{path} is new: this witness remembers nothing, and believes the first that it sees", err=True)
        yield cosigner


def _bare(cosigner: "Cosigner", note: bytes) -> "AddCheckpoint":
    """A request without a proof, from the size that the witness knows."""
    from casetrail.proofs.addcheckpoint import AddCheckpoint
    from casetrail.proofs.checkpoint import parse_checkpoint
    from casetrail.proofs.note import parse_note

    checkpoint = parse_checkpoint(parse_note(note).text)
    known = cosigner.newest(checkpoint.origin)
    return AddCheckpoint(min(known.size if known else 0, checkpoint.size), (), note)


def _with(note: bytes, lines: str) -> bytes:
    """The note with these signature lines, in the place of earlier ones by the same key."""
    from casetrail.proofs.note import Note, format_note, parse_note, parse_signatures

    found, new = parse_note(note), parse_signatures(lines)
    keys = {(one.name, one.key_id) for one in new}
    others = tuple(one for one in found.signatures if (one.name, one.key_id) not in keys)
    return format_note(Note(found.text, others + new))


def _row(seen: "Seen") -> dict[str, Any]:
    return {
        "seen_at": seen.seen_at,
        "origin": seen.origin,
        "size": seen.size,
        "root": seen.root,
        "result": seen.refused or "cosigned",
        "contradicts": seen.contradicts,
        "note": seen.cosigned_note.decode(),
    }
