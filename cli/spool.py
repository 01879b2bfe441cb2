"""``casetrail spool``: what waits on this machine because the log could not be reached, and delivering it."""

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

if TYPE_CHECKING:
    from casetrail.publishing.submitter import Submitter

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
    help="Write the receipt of each into this folder, as ACTION-ID.receipt.",
)
@format_option
@pass_config
@guarded
def deliver(config: Config, receipts: Path | None, form: str) -> None:
    """Append what waits to the log, in its order. What the log has already is refused there, and never doubled."""
    with opened_submitter(config) as submitter:
        done = submitter.deliver()
        left = submitter.spool.count()
    rows: list[dict[str, Any]] = []
    for spooled, receipt in done:
        rows.append({**receipt.to_dict(), "since": spooled.since, "appended_at": receipt.submitted_at})
        if receipts is not None:
            (receipts / f"{receipt.action_id.hex()}.receipt").write_text(receipt.to_text(), "utf-8", newline="\n")
    emit(rows, COLUMNS, form, "delivered")
    if left:
        raise Failure(f"{left} submission(s) still wait: another process is delivering them", exits.PENDING)


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
