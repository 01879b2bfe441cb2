"""``casetrail spool``: what waits on this machine because the log could not be reached, and delivering it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, format_option, guarded, pass_config
from casetrail.cli.render import emit
from casetrail.publishing.receipt import Receipt

if TYPE_CHECKING:
    from casetrail.publishing.spool import Spool
    from casetrail.publishing.submitter import Submitter

AT_ONCE: Final = 100
COLUMNS: Final = ("case_id", "action_id", "since", "action_hash", "partition", "offset", "appended_at")
WAITING: Final = ("waiting", "since", "spool")


@click.group()
def spool() -> None:
    """Show and deliver submissions that wait on this machine because the log could not be reached."""


@spool.command("show")
@format_option
@pass_config
@guarded
def show(config: Config, form: str) -> None:
    """Show how many submissions wait, and since when. Exit code 8 where any does."""
    count, since = waiting_in(config)
    emit([{"waiting": count, "since": since, "spool": str(spool_file(config))}], WAITING, form, "spool")
    if count:
        click.get_current_context().exit(exits.FAULTS)


@spool.command("deliver")
@click.option(
    "--receipts",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Write into this folder, as ACTION-ID.receipt, every receipt that nobody has been given yet.",
)
@format_option
@pass_config
@guarded
def deliver(config: Config, receipts: Path | None, form: str) -> None:
    """Append what waits to the log, in its order. What the log has already is refused there, and never doubled.

    With --receipts, also what an earlier submission has delivered is shown, and its receipts are written: each is handed out once.
    """
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

    wanted = action_id_of(action_id)
    if not spool_file(config).exists():
        raise Failure(f"there is no spool at {spool_file(config)}", exits.NOT_FOUND)
    with opened_submitter(config) as submitter:
        receipt = submitter.spool.receipt_for(wanted)
    if receipt is None:
        raise Failure(
            "no action of this id has been delivered from this spool; 'casetrail spool deliver' delivers what waits",
            exits.PENDING,
        )
    click.echo(receipt.to_text(), nl=False)


def _row(receipt: Receipt, since: datetime) -> dict[str, Any]:
    return {**receipt.to_dict(), "since": since, "appended_at": receipt.submitted_at}


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


def waiting_in(config: Config) -> tuple[int, datetime | None]:
    """How many submissions wait in the spool, and since when the oldest does. No spool file yet: none."""
    if not spool_file(config).exists():
        return 0, None
    with opened_submitter(config) as submitter:
        first = submitter.spool.first(1)
        return submitter.spool.count(), first[0].spooled.since if first else None


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
