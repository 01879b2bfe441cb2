"""``casetrail demo``: the 149 reports, and what an operator and an auditor would have seen."""

import shlex
import shutil
import sys
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import click

from casetrail.audit.balance import balance
from casetrail.cli.config import Config, load_config
from casetrail.cli.context import Failure, guarded, now, opened_log, opened_views
from casetrail.cli.history import history_rows
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import emit
from casetrail.consumers.notary import Notary
from casetrail.demo.playing import play
from casetrail.demo.scenario import GROUPS, scenes
from casetrail.domain.case import Case
from casetrail.domain.due import next_due
from casetrail.eventlog.codec import decode_event
from casetrail.eventlog.opening import open_log
from casetrail.privacy.opening import open_keyring
from casetrail.projections import queries
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.keys import Algorithm, create_key, save_key
from casetrail.proofs.note import parse_note

MARK = "casetrail.toml"
LOG = "log.db"
POLICY = f"{LOG}.policy"
FOLDERS = (f"{LOG}.tree", f"{LOG}.notary")
YEARS = range(1980, 2900)
STILL = timedelta(days=30)
STANDING = ("case_id", "status", "holder", "offences", "received_at", "last_act_at", "due", "owed_by", "due_at")
TOLD = ("number", "occurred_at", "kind", "result", "actor", "role", "detail")
CONFIGURATION = """# Made by 'casetrail demo'. Everything in this folder is invented.
log = "sqlite:log.db"
policy = "log.db.policy"
person = "sgt.archer"
agency = "metro-pd"
role = "supervisor"
time_zone = "America/Chicago"
"""


@click.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    default=Path("casetrail-demo"),
    show_default=True,
    help="Folder to play in.",
)
@click.option("--seed", type=int, default=149, show_default=True, help="Another seed tells another story.")
@click.option("--today", metavar="YYYY-MM-DD", help="The day on which the story ends; today unless given.")
@guarded
def demo(directory: Path, seed: int, today: str | None) -> None:
    """Play the 149 reports on an embedded log.

    A police unit received 149 reports of crimes against children, filed them, and dropped them. Persons and dates here
    are invented. A demonstration that was made before in the same folder is replaced.
    """
    end = now() if today is None else _noon(today)
    _make_room(directory)
    (directory / MARK).write_text(CONFIGURATION, "utf-8")
    story = scenes(seed, end)
    keyring = open_keyring(f"sqlite:{directory / LOG}.keys")
    with progress_bar("playing four years", len(story)) as progress:
        play(directory / LOG, "demo", keyring, story, progress)
    keyring.close()
    signed = _notarise(directory)
    _tell(load_config(directory / MARK, {}), end, directory, signed)


def _noon(day: str) -> datetime:
    try:
        found = datetime.combine(date.fromisoformat(day), time(12), UTC)
    except ValueError as error:
        raise click.UsageError("--today wants YYYY-MM-DD") from error
    if found.year not in YEARS:
        raise click.UsageError(f"--today wants a year from {YEARS.start} to {YEARS.stop - 1}")
    return found


def _make_room(directory: Path) -> None:
    """An empty folder. Only what a demonstration has made is taken away, never anything else."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        found = list(directory.iterdir())
        if found and not (_is_demonstration(directory) and all(_is_ours(one) for one in found)):
            raise Failure(f"{directory} is not empty and holds more than a demonstration; give another --dir")
        for one in found:
            if one.is_dir():
                shutil.rmtree(one)
            else:
                one.unlink()
    except OSError as error:
        raise Failure(f"{directory} cannot be used: {error.strerror}; give another --dir") from error


def _is_demonstration(directory: Path) -> bool:
    mark = directory / MARK
    return mark.is_file() and mark.read_bytes().startswith(CONFIGURATION.splitlines()[0].encode())


def _is_ours(file: Path) -> bool:
    return file.name in FOLDERS if file.is_dir() else file.name == MARK or file.name.startswith(LOG)


def _notarise(directory: Path) -> Checkpoint:
    """Sign what was played: two checkpoints, so that the second covers the case map of the first; the newest one."""
    key = create_key("demo.example/casetrail", Algorithm.ED25519)
    save_key(key, directory / f"{LOG}.notary.key")
    (directory / POLICY).write_text(f"log {key.verifier_key}\nquorum none\n", "utf-8")
    with open_log(f"sqlite:{directory / LOG}") as log:
        notary = Notary(log, directory / f"{LOG}.notary", key)
        while notary.step(0.0):
            pass
        for _ in range(2):
            notary.publish()
        newest = notary.tree.newest()
        notary.close()
    assert newest is not None  # there are events
    return parse_checkpoint(parse_note(newest.note).text)


def _title(text: str) -> None:
    click.secho(f"\n{text}", bold=sys.stdout.isatty())


def _tell(config: Config, end: datetime, directory: Path, signed: Checkpoint) -> None:
    groups = ", ".join(f"{count} {group}" for group, count, _, _ in GROUPS)
    click.echo(f"{sum(count for _, count, _, _ in GROUPS)} reports of crimes against children ({groups}).")
    click.echo("They were received, filed and dropped. This is what would have been seen.")
    with opened_views(config) as database:
        _title("Where the cases stand")
        emit(queries.statuses(database), ("status", "cases"), "table")
        _title("Who holds what (an empty holder: nobody)")
        emit(queries.holds(database, "holder", end), ("holder", "open_cases", "overdue", "next_due_at"), "table")
        _title("What stands still: open for more than 30 days without an investigative act, the oldest first")
        still = queries.cases(database, queries.CaseFilter(quiet_since=end - STILL, open_only=True, limit=8))
        emit(still, STANDING, "table")
        every = queries.cases(database, queries.CaseFilter(limit=1000))
        _title("How soon it could be seen: days from receipt until something owed was overdue, and nobody had done it")
        emit(
            _seen(database, [str(row["case_id"]) for row in every], end),
            ("overdue_first", "owed_by", "cases", "median_days"),
            "table",
        )
        case_id = _told_case(database, every)
        _title(f"One of them: case {case_id} ('casetrail history' shows refused attempts too)")
        emit(history_rows(queries.timeline(database, case_id)), TOLD, "table")
    _title("What an auditor counts, from the log alone: submitted = accepted + rejected + unreadable + pending")
    with opened_log(config) as log:
        counted = balance(log)
    rows = [{**vars(one), "pending": one.pending, "faults": len(one.faults)} for one in counted]
    emit(rows, ("submitted", "accepted", "rejected", "unreadable", "pending", "faults"), "table")
    _title("What the notary signed: no byte of it can change unseen from now on")
    click.echo(f"{signed.size} leaves, as {signed.origin}")
    _go_on(directory, case_id, end)


def _seen(database: Any, case_ids: list[str], end: datetime) -> list[dict[str, Any]]:
    """For each kind of thing owed: in how many cases it was the first to be overdue, and after how many days."""
    days: dict[tuple[str, str], list[float]] = {}
    for case_id in case_ids:
        found = _first_overdue(database, case_id, end)
        if found is not None:
            kind, owed_by, after = found
            days.setdefault((kind, owed_by), []).append(after)
    counts = Counter({key: len(values) for key, values in days.items()})
    return [
        {
            "overdue_first": kind,
            "owed_by": owed_by,
            "cases": count,
            "median_days": round(median(days[kind, owed_by]), 1),
        }
        for (kind, owed_by), count in counts.most_common()
    ]


def _first_overdue(database: Any, case_id: str, end: datetime) -> tuple[str, str, float] | None:
    """Fold the case event by event; the first thing that was due before anything else was recorded."""
    case = Case.unreported(case_id)
    events = [decode_event(value) for _, _, value in queries.timeline(database, case_id)]
    for number, event in enumerate(events):
        event.recorded().mutate(case)
        until = events[number + 1].recorded_at if number + 1 < len(events) else end
        due = next_due(case)
        received = case.facts.received_at
        if due is not None and received is not None and due.at < until:
            return due.kind.value, due.owed_by, (due.at - received).total_seconds() / 86400
    return None


def _told_case(database: Any, every: list[dict[str, Any]]) -> str:
    """A case whose history tells something, and that somebody can still be assigned to."""
    details = [row for one in every if (row := queries.case(database, str(one["case_id"]))) is not None]
    free = [row for row in details if row["holder"] is None and row["status"] in ("unassigned", "closure_requested")]
    return str(max(free or details, key=lambda row: (row["refused"] > 0, row["events"]))["case_id"])


def _go_on(directory: Path, case_id: str, end: datetime) -> None:
    program = shlex.join([Path(sys.argv[0]).as_posix(), "--config", str(directory / MARK)])
    _title("Go on, on the same file:")
    for command in (
        "cases --open --quiet-for 90 --sort due",
        f"show {case_id}",
        f"history {case_id} --unseal",
        f"act assigned {case_id} --holder det.01",
        f"replay --as-of {end.year - 2}-06-30T00:00:00Z --format csv",
        "count --format json",
        "audit verify",
        "audit replay",
        f"audit export {case_id} --output {directory / f'{LOG}.case'}",
        "--help",
    ):
        click.echo(f"  {program} {command}")
