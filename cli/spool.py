"""``casetrail spool``: what waits on this machine because the log could not be reached, and delivering it."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, format_option, guarded, pass_config
from casetrail.cli.render import emit
from casetrail.cli.submitting import promised
from casetrail.domain.values import at_millis
from casetrail.publishing.receipt import Receipt

if TYPE_CHECKING:
    from casetrail.publishing.spool import Spool
    from casetrail.publishing.spooled import Sealed
    from casetrail.publishing.submitter import Submitter

# Whoever submits from a terminal is told there why it waits, and need not be told twice.
logging.getLogger("casetrail.submitter").addHandler(logging.NullHandler())
AT_ONCE: Final = 100
COLUMNS: Final = ("case_id", "action_id", "since", "action_hash", "partition", "action_offset", "submitted_at")
WAITING: Final = ("waiting", "since", "set_aside", "spool")
LISTED: Final = ("number", "state", "since", "case_id", "action_id", "action_hash", "bytes", "file")


class Standing(NamedTuple):
    """How many submissions wait in a spool, since when the oldest does, and how many were set aside."""

    waiting: int
    since: datetime | None
    aside: int


@click.group()
def spool() -> None:
    """Show and deliver submissions that wait on this machine because the log could not be reached."""


@spool.command("show")
@format_option
@pass_config
@guarded
def show(config: Config, form: str) -> None:
    """Show how many submissions wait and since when, and how many were set aside. Exit code 8 where there are any."""
    found = standing_of(config)
    row = {"waiting": found.waiting, "since": found.since, "set_aside": found.aside, "spool": str(spool_file(config))}
    emit([row], WAITING, form, "spool")
    if found.waiting or found.aside:
        click.get_current_context().exit(exits.FAULTS)


@spool.command("list")
@format_option
@pass_config
@guarded
def list_(config: Config, form: str) -> None:
    """List what waits, in its order, and what was set aside; nothing of its content. Exit code 8 where there is any.

    States: waiting; altered, on this disk, so that it can never be delivered; aside, in a file that 'spool set-aside' has made.
    """
    if not spool_file(config).exists():
        emit([], LISTED, form, "spool")
        return
    from casetrail.publishing.aside import all_aside

    with opened_submitter(config) as submitter:
        rows = list(_listed(submitter.spool))
        rows += [_row_of(submitter.spool, one.sealed, one.path) for one in all_aside(submitter.spool.path)]
    emit(rows, LISTED, form, "spool")
    if rows:
        click.get_current_context().exit(exits.FAULTS)


@spool.command("set-aside")
@click.argument("number", type=click.IntRange(1))
@pass_config
@guarded
def set_aside_(config: Config, number: int) -> None:
    """Put the submission that delivery is stuck at into a file of its own: nothing is lost, and what waits behind it goes on.

    Only a submission that can never be delivered can be set aside: it was altered on this disk, or the brokers find it too large. All that
    can be is delivered first. The file stands in the folder SPOOL.aside, encrypted as before, and stays there until somebody
    has settled it. Exit code 6 where delivery is not stuck at this one, 7 where the log cannot be reached.
    """
    _check_exists(config)
    with opened_submitter(config) as submitter:
        path = submitter.set_aside(number)
    click.echo(f"submission {number} was set aside into {path}; it is in no log: keep the file until that is settled")


@spool.command("put-back")
@click.argument("number", type=click.IntRange(1))
@pass_config
@guarded
def put_back_(config: Config, number: int) -> None:
    """Let a submission that was set aside wait again, behind all others. Exit code 6 where there is none of this number.

    One that was altered cannot be put back.
    """
    from casetrail.publishing.aside import put_back

    _check_exists(config)
    with opened_submitter(config) as submitter:
        put_back(submitter.spool, number)
    click.echo(f"submission {number} waits again, behind all others; 'casetrail spool deliver' delivers it")


@spool.command("deliver")
@click.option(
    "--receipts",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write into this folder, as ACTION-ID.receipt, every receipt that nobody has been given yet.",
)
@format_option
@pass_config
@guarded
def deliver(config: Config, receipts: Path | None, form: str) -> None:
    """Append what waits to the log, in its order. What the log has already is refused there, and never doubled.

    Exit code 5 where another process delivers, 7 where the log cannot be reached or refuses this user, 8 where it is stuck at a
    submission that can never be delivered: 'spool set-aside' takes it out of the way.

    With --receipts, also what an earlier submission has delivered is shown, and its receipts are written: each is handed out once.
    """
    if receipts is not None and not receipts.is_dir():
        raise Failure(f"there is no folder {receipts} to write receipts into: make it first", exits.NOT_FOUND)
    with opened_submitter(config) as submitter:
        try:
            rows = [_row(receipt, spooled.since) for spooled, receipt in submitter.deliver()]
        finally:  # what was delivered before is so also where the log has gone away since
            given = [] if receipts is None else list(_hand_out(submitter.spool, receipts))
        left = submitter.spool.count()
    emit(rows if receipts is None else given, COLUMNS, form, "delivered")
    if left:
        raise Failure(f"{left} submission(s) still wait: another process is delivering them", exits.PENDING)


@spool.command("receipt")
@click.argument("action_id", metavar="ACTION-ID")
@pass_config
@guarded
def receipt_of(config: Config, action_id: str) -> None:
    """Print the receipt of what waited here, once it has been delivered. Exit code 5 while there is none."""
    from casetrail.cli.submit import action_id_of

    wanted = action_id_of(action_id, "ACTION-ID")
    _check_exists(config)
    with opened_submitter(config) as submitter:
        receipt = submitter.spool.receipt_for(wanted)
    if receipt is None:
        raise Failure(
            "no action of this id has been delivered from this spool; 'casetrail spool deliver' delivers what waits",
            exits.PENDING,
        )
    click.echo(receipt.to_text(), nl=False)


def _listed(spool: "Spool") -> Iterator[dict[str, Any]]:
    """What waits, a row each."""
    last = 0
    while found := spool.sealed(AT_ONCE, last):
        yield from (_row_of(spool, one) for one in found)
        last = found[-1].number


def _row_of(spool: "Spool", one: "Sealed", file: Path | None = None) -> dict[str, Any]:
    """What is known of a submission in a spool, or in a file that was set aside: ids and sizes."""
    from casetrail.publishing.spooled import SpoolStuck

    row = {
        "number": one.number,
        "state": "aside" if file else "waiting",
        "since": one.since,
        "file": file and str(file),
    }
    try:
        _, spooled, entry = spool.opened(one)
    except SpoolStuck:
        return row if file else row | {"state": "altered"}
    return row | {"case_id": spooled.case_id, "action_id": spooled.action_id, "action_hash": spooled.action_hash,
                  "bytes": len(entry.value or b"")}  # fmt: skip


def _row(receipt: Receipt, since: datetime) -> dict[str, Any]:
    return {**promised(receipt), "since": since}


def _hand_out(spool: "Spool", folder: Path) -> Iterator[dict[str, Any]]:
    """Write the receipts that nobody has been given yet: first the files, then that they are given."""
    while found := spool.to_hand_out(AT_ONCE):
        for one in found:
            path = folder / f"{one.receipt.action_id.hex()}.receipt"
            with path.open("w", encoding="utf-8", newline="\n") as out:
                out.write(one.receipt.to_text())
                out.flush()
                os.fsync(out.fileno())
        spool.handed_out(found)
        yield from (_row(one.receipt, one.since) for one in found)


def spool_file(config: Config) -> Path:
    """The configured spool."""
    if config.spool is None:
        raise click.UsageError(
            'no spool is configured: write spool = "FILE" into casetrail.toml, or set CASETRAIL_SPOOL'
        )
    return Path(config.spool)


def _check_exists(config: Config) -> None:
    """Make no new spool where one was expected."""
    if not spool_file(config).exists():
        raise Failure(f"there is no spool at {spool_file(config)}", exits.NOT_FOUND)


def standing_of(config: Config) -> Standing:
    """How it stands with the configured spool. No spool file yet: nothing waits."""
    path = spool_file(config)
    if not path.exists():
        return Standing(0, None, 0)
    from casetrail.publishing.aside import all_aside

    with opened_submitter(config) as submitter:
        since = submitter.spool.since()
        return Standing(submitter.spool.count(), None if since is None else at_millis(since), len(all_aside(path)))


@contextmanager
def opened_submitter(config: Config) -> "Iterator[Submitter]":
    """A submitter with the configured spool. The spool's key is wrapped by the master key, as the keyring's are."""
    from casetrail.privacy.wrapping import local_wrapper
    from casetrail.publishing.spool import Spool
    from casetrail.publishing.submitter import Submitter

    path = spool_file(config)
    master = Path(config.master_key_file) if config.master_key_file else path.with_name(f"{path.name}.master")
    wrapper = local_wrapper(master, may_create=not path.exists())
    with Submitter(config.log_url(), Spool(path, config.log_url(), wrapper), config.kafka) as submitter:
        yield submitter
