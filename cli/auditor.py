"""Questions of auditors, answered from the log alone: ``replay`` and ``count``."""

import re

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, a_history, format_option, guarded, moment, opened_log, pass_config
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import emit
from casetrail.eventlog.port import Topic

REPLAYED = ("case_id", "status", "holder", "unit", "agency", "offences", "received_at", "last_act_at", "contacts",
            "steps", "clock", "owed_by", "due_at", "events", "last_hash")  # fmt: skip
COUNTED = ("partition", "submitted", "accepted", "rejected", "unreadable", "pending", "faults")


@click.command()
@click.argument("case_id", metavar="[CASE]", type=a_history, required=False)
@click.option("--as-of", metavar="TIME|OFFSET", help="A time (ISO 8601), or an offset: only events before it count.")
@format_option
@pass_config
@guarded
def replay(config: Config, case_id: str | None, as_of: str | None, form: str) -> None:
    """Show one case, or all, as they were: folded from the log alone.

    An event counts from the moment at which it was recorded, whatever it says of when it happened. What was due next
    goes by the policies that had been adopted by then.
    """
    from casetrail.projections.as_of import is_reported
    from casetrail.projections.as_of import replay as replayed

    offset = int(as_of) if as_of is not None and re.fullmatch("[0-9]{1,18}", as_of) else None
    at = moment(config, as_of, "--as-of") if as_of is not None and offset is None else None
    with opened_log(config) as log:
        total = sum(log.end_offsets(Topic.EVENTS).values())
        with progress_bar("replaying", total) as progress:
            rows = list(replayed(log, case_id, at, offset, progress))
    if case_id is not None and not rows:
        raise Failure(f"the log had no case {case_id} then", exits.NOT_FOUND)
    rows = [row for row in rows if is_reported(row) or case_id is not None]
    emit(sorted(rows, key=lambda row: str(row["case_id"])), REPLAYED, form, "cases as they were")


@click.command()
@format_option
@pass_config
@guarded
def count(config: Config, form: str) -> None:
    """Check submitted = accepted + rejected + unreadable + pending, for each partition.

    Both topics are read side by side. Exit code 8 where an action was passed over, answered twice, or answered with
    other content.
    """
    from casetrail.audit.balance import balance
    from casetrail.eventlog.schemas import carried, unknown_among

    with opened_log(config) as log:
        total = sum(log.end_offsets(Topic.ACTIONS).values())
        with progress_bar("counting", total) as progress:
            counted = balance(log, progress)
        newer = unknown_among(carried(log)) if any(one.faults for one in counted) else None
    rows = [{**vars(one), "pending": one.pending, "faults": len(one.faults)} for one in counted]
    if len(rows) > 1:
        rows.append({"partition": "all", **{name: sum(row[name] for row in rows) for name in COUNTED[1:]}})
    emit(rows, COUNTED, form, "submitted = accepted + rejected + unreadable + pending")
    faults = [f"partition {one.partition}: {fault}" for one in counted for fault in one.faults]
    for fault in faults:
        click.echo(fault, err=True)
    if newer is not None:
        click.echo(newer, err=True)
    if faults:
        click.get_current_context().exit(exits.FAULTS)
