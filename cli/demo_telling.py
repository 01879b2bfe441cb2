"""What ``casetrail demo`` tells when it has played: where things stand, who saw what when, and how to go on."""

import shlex
import sys
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from casetrail.cli.config import Config
from casetrail.cli.context import opened_log
from casetrail.cli.history import history_rows
from casetrail.cli.judged import opened_dues
from casetrail.cli.render import emit
from casetrail.demo.arrivals import GROUPS
from casetrail.demo.seeing import Seen, Sight, by_pattern
from casetrail.domain.values import iso
from casetrail.projections import queries

if TYPE_CHECKING:
    from casetrail.demo.scenario import Story
    from casetrail.proofs.checkpoint import Checkpoint

STILL: Final = timedelta(days=30)
STANDING: Final = ("case_id", "status", "holder", "offences", "received_at", "last_act_at", "clock", "owed_by",
                   "due_at")  # fmt: skip
HISTORY: Final = ("number", "occurred_at", "kind", "result", "actor", "role", "detail")
PATTERN: Final = (
    "pattern",
    "reports",
    "seen",
    "median_days",
    "slowest_days",
    "seen_first_by",
    "seen_by_own",
    "own_median_days",
)
ROW: Final = (
    "case_id",
    "group",
    "pattern",
    "received_at",
    "seen_at",
    "days",
    "seen_by",
    "also_by",
    "levels_told",
    "outside_days",
)
SHOWN: Final = 12
"""Events of the case that is shown."""
MARK: Final = "casetrail.toml"


class Told(NamedTuple):
    """What there is to tell: the folder, the story, what was seen, the newest checkpoint; whether each is listed."""

    directory: Path
    story: "Story"
    sight: Sight
    signed: "Checkpoint"
    each: bool


def row(seen: Seen) -> dict[str, Any]:
    """One of the 149 as a row."""
    return {
        "case_id": seen.case_id,
        "group": seen.group,
        "pattern": seen.pattern,
        "received_at": seen.received_at,
        "seen_at": seen.seen_at,
        "days": None if seen.days is None else round(seen.days, 2),
        "seen_by": list(seen.seen_by),
        "also_by": list(seen.also_by),
        "levels_told": [f"{level}:{days:g}" for level, days in seen.told.items()],
        "outside_days": seen.outside_days,
    }


def tell(config: Config, told: Told) -> None:
    """Tell it on the terminal, a screen or two."""
    _begin(told)
    end = told.story.end
    with opened_dues(config) as database:
        _title("Where the cases stand")
        emit(queries.statuses(database), ("status", "cases"), "table")
        _title("Who holds what (an empty holder: nobody)")
        emit(queries.holds(database, "holder", end), ("holder", "open_cases", "overdue", "first_due_at"), "table")
        _title("What stands still: open for more than 30 days without an investigative act, the oldest first")
        still = queries.cases(database, queries.CaseFilter(quiet_since=end - STILL, open_only=True, limit=5))
        emit(still, STANDING, "table")
        shown, case_id = _told_cases(database, [one.case_id for one in told.sight.seen])
        _title(f"One of them: case {shown} ('casetrail history' shows refused attempts too)")
        emit(history_rows(queries.timeline(database, shown))[:SHOWN], HISTORY, "table")
    _tell_sight(told)
    _tell_counts(config)
    _title("What the notary signed: no byte of it can change unseen from now on")
    click.echo(f"{told.signed.size} leaves, as {told.signed.origin}")
    _go_on(told.directory, case_id, end)


def _title(text: str) -> None:
    click.secho(f"\n{text}", bold=sys.stdout.isatty())


def _begin(told: Told) -> None:
    first, last = told.story.start, told.story.end
    groups = ", ".join(f"{count} {group}" for group, count, _, _ in GROUPS)
    well = told.sight.well
    click.echo(f"A police unit, {first.year} to {(last - timedelta(days=1)).year}; all persons and dates are invented.")
    if well:
        click.echo(f"{len(told.story.arrivals)} reports of crimes against children; {well} were handled well.")
    click.echo(f"{len(told.sight.seen)} reports ({groups})")
    click.echo("were received, filed and dropped. This is what would have been seen.")


def _tell_sight(told: Told) -> None:
    sight = told.sight
    _title("How they were dropped, and days from receipt until a detector saw it")
    emit(by_pattern(sight.seen), PATTERN, "table")
    if told.each:
        _title("Each of them (days from receipt; told: who, after how many days)")
        emit([row(one) for one in sight.seen], ROW, "table")
    click.echo()
    for line in summary(sight):
        click.secho(line, bold=sys.stdout.isatty())
    click.echo(f"Each of them, with who was told when: {told.directory / 'the-149.csv'}")


def summary(sight: Sight) -> list[str]:
    """The result in a few lines."""
    slowest = sight.slowest
    outside = [one.outside_days for one in sight.seen if one.outside_days is not None]
    lines = [
        f"{len(sight.days)} of {len(sight.seen)} were seen: half of them within {sight.median_days:.1f} days of receipt, "
        f"the slowest after {slowest.days or 0:.1f} ({slowest.pattern}).",
    ]
    if outside:
        lines.append(
            f"Outside the unit, somebody was told of {len(outside)}: half of them within {median(outside):.1f} days."
        )
    if sight.well:
        lines.append(
            f"Of the {sight.well} cases that were handled well there are {len(sight.alarms)} findings: "
            f"{sight.alarms_per_100:.1f} for every 100."
        )
    return lines


def _tell_counts(config: Config) -> None:
    from casetrail.audit.balance import balance

    _title("What an auditor counts, from the log alone: submitted = accepted + rejected + unreadable + pending")
    with opened_log(config) as log:
        counted = balance(log)
    rows = [{**vars(one), "pending": one.pending, "faults": len(one.faults)} for one in counted]
    emit(rows, ("submitted", "accepted", "rejected", "unreadable", "pending", "faults"), "table")


def _told_cases(database: Any, dropped: list[str]) -> tuple[str, str]:
    """A case in which somebody was refused something, and one that somebody can still be assigned to."""
    details = [row for one in dropped if (row := queries.case(database, one)) is not None]
    free = [one for one in details if one["holder"] is None and one["status"] == "unassigned"]
    shown = max(details, key=lambda one: (one["refused"] > 0, -one["events"]))
    return str(shown["case_id"]), str((free or details)[0]["case_id"])


def _go_on(directory: Path, case_id: str, end: datetime) -> None:
    program = shlex.join([Path(sys.argv[0]).as_posix(), "--config", str(directory / MARK)])
    moment = iso(end)
    _title("Go on, on the same file:")
    for command in (
        f"overdue --now {moment} --limit 10",
        f"clock {case_id} --now {moment}",
        f"findings --now {moment} --case {case_id} --limit 10",
        f"sunlight {directory / 'sunlight'} --now {moment}",
        f"show {case_id}",
        f"history {case_id} --unseal",
        f"act assigned {case_id} --holder det.02",
        "policy history",
        "holds --left",
        f"partner childrens-clinic --waiting --now {moment} --limit 10",
        f"replay --as-of {end.year - 2}-06-30T00:00:00Z --format csv",
        "count --format json",
        "audit verify",
        "audit replay",
        f"audit export {case_id} --output {directory / 'log.db.case'}",
        "--help",
    ):
        click.echo(f"  {program} {command}")
