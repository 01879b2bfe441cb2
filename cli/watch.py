"""``casetrail watch``: follow the log as it grows."""

from collections.abc import Iterator
from typing import Any

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, a_history, guarded, opened_log, pass_config
from casetrail.cli.history import event_row
from casetrail.cli.outputs import while_read
from casetrail.cli.render import cell, emit
from casetrail.eventlog.codec import Unreadable, decode_event
from casetrail.eventlog.port import Log, Topic

COLUMNS = ("recorded_at", "case_id", "number", "kind", "result", "actor", "role", "agency", "detail")


@click.command()
@click.option("--from-start", is_flag=True, help="Show what is there already first.")
@click.option("--case", "case_id", metavar="CASE", type=a_history, help="Only events of this case.")
@click.option("--no-follow", is_flag=True, help="Stop at the end instead of waiting for more.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["lines", "ndjson", "csv"]),
    default="lines",
    show_default=True,
    help="How to write the events.",
)
@pass_config
@guarded
def watch(config: Config, from_start: bool, case_id: str | None, no_follow: bool, form: str) -> None:
    """Follow the log as it grows, until Ctrl-C."""
    with opened_log(config) as log:
        rows = while_read(_events(log, from_start, case_id, no_follow))
        if form != "lines":
            emit(rows, COLUMNS, form)
            return
        for row in rows:
            click.echo("  ".join(cell(row[name]) for name in COLUMNS))


def _events(log: Log, from_start: bool, case_id: str | None, no_follow: bool) -> Iterator[dict[str, Any]]:
    ends = log.end_offsets(Topic.EVENTS)
    start = dict.fromkeys(ends, 0) if from_start or no_follow else ends
    is_heard_of = case_id is None
    with log.reader(Topic.EVENTS, start) as reader:
        while not no_follow or any(reader.position(partition) < end for partition, end in ends.items()):
            for record in reader.poll(0.5):
                if case_id is not None and record.key != case_id.encode():
                    continue
                is_heard_of = True
                try:
                    yield event_row(decode_event(record.value))
                except Unreadable:
                    yield {
                        **dict.fromkeys(COLUMNS),
                        "kind": "",
                        "result": "no event",
                        "detail": {"partition": record.partition, "offset": record.offset},
                    }
    if not is_heard_of:
        raise Failure(f"the log has nothing of case {case_id}", exits.NOT_FOUND)
