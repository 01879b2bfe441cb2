"""``casetrail demo``: four years of a unit that drops 149 reports, and what would have been seen of them."""

import csv
import shutil
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from casetrail.cli.config import Config, load_config
from casetrail.cli.context import Failure, format_option, guarded, opened_views
from casetrail.cli.demo_telling import ROW, Told, row, tell
from casetrail.cli.overwriting import check_content
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import csv_cell, emit
from casetrail.demo.playing import play
from casetrail.demo.scenario import Story, story
from casetrail.demo.seeing import Found, Sight, sight, tellings
from casetrail.domain.values import EPOCH, MILLISECOND
from casetrail.privacy.opening import open_keyring

if TYPE_CHECKING:
    from casetrail.proofs.checkpoint import Checkpoint

MARK: Final = "casetrail.toml"
LOG: Final = "log.db"
TRUST: Final = f"{LOG}.policy"
TABLE: Final = "the-149.csv"
FOLDERS: Final = (f"{LOG}.tree", f"{LOG}.notary")
YEARS: Final = range(1980, 2900)
CONFIGURATION: Final = """# Made by 'casetrail demo'. Everything in this folder is invented.
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
@click.option(
    "--today",
    metavar="YYYY-MM-DD",
    default="2016-01-01",
    show_default=True,
    help="The day on which the story ends.",
)
@click.option("--quick", is_flag=True, help="The 149 alone, in a few seconds.")
@click.option("--table", is_flag=True, help="List each of the 149 at the end.")
@click.option(
    "--write-page", "page", type=click.Path(path_type=Path), metavar="FILE", help="Write it as a page with charts, too."
)
@format_option
@guarded
def demo(directory: Path, seed: int, today: str, quick: bool, table: bool, page: Path | None, form: str) -> None:
    """Play four years of a police unit on an embedded log, and show who would have seen what, and when.

    The unit receives about 1,000 reports of crimes against children a year, handles most of them well, and drops 149.
    Persons and dates are invented; how reports were dropped is not. It ends with a table of what the detectors saw of
    the 149, which also lies in the folder as the-149.csv; another --format than table gives nothing but that table.
    A demonstration that was made before in the same folder is replaced.
    """
    end = _noon(today)
    if page is not None:
        check_content(page)
    _make_room(directory)
    (directory / MARK).write_text(CONFIGURATION, "utf-8")
    what = story(seed, end, quick)
    keyring = open_keyring(f"sqlite:{directory / LOG}.keys")
    with progress_bar("playing four years", len(what.scenes)) as progress:
        play(directory / LOG, "demo", keyring, what.scenes, progress)
    keyring.close()
    config = load_config(directory / MARK, {})
    _watch(config, directory, end)
    signed = _notarise(directory)
    seen = _seen(config, what)
    _write_table(directory / TABLE, seen)
    if page is not None:
        _write_page(page, what, seen)
    if form == "table":
        tell(config, Told(directory, what, seen, signed, table))
    else:
        emit((row(one) for one in seen.seen), ROW, form)


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
    return file.name in FOLDERS if file.is_dir() else file.name in (MARK, TABLE) or file.name.startswith(LOG)


def _notarise(directory: Path) -> "Checkpoint":
    """Sign what was played: two checkpoints, so that the second covers the case map of the first; the newest one."""
    from casetrail.consumers.notary import Notary
    from casetrail.eventlog.opening import open_log
    from casetrail.proofs.checkpoint import parse_checkpoint
    from casetrail.proofs.keys import Algorithm, create_key, save_key
    from casetrail.proofs.note import parse_note

    key = create_key("demo.example/casetrail", Algorithm.ED25519)
    save_key(key, directory / f"{LOG}.notary.key")
    (directory / TRUST).write_text(f"log {key.verifier_key}\nquorum none\n", "utf-8")
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


def _watch(config: Config, directory: Path, end: datetime) -> None:
    """Let a watchdog go through the four years: it records what was missed, and who is told of it and of what is found."""
    from casetrail.consumers.telling import Teller
    from casetrail.consumers.watchdog import Watchdog
    from casetrail.domain.actions import Actor
    from casetrail.domain.codes import Role
    from casetrail.eventlog.embedded import EmbeddedLog
    from casetrail.eventlog.port import Topic
    from casetrail.projections.watch_store import WatchStore

    with EmbeddedLog.open(directory / LOG, lambda: (end - EPOCH) // MILLISECOND) as log:
        store = WatchStore(f"{directory / LOG}.watchdog", log.name)
        actor = Actor("demo.watchdog", "metro-pd", Role.SYSTEM)
        teller = Teller(log, lambda: opened_views(config, judged=True), actor, lambda: end, played=True)
        watchdog = Watchdog(log, store, actor, lambda: end, played=True, teller=teller)
        with progress_bar("watching", log.end_offsets(Topic.EVENTS)[0]) as progress:
            while (done := watchdog.step(0.0)) or watchdog.is_behind:
                if progress is not None:
                    progress(done)
        watchdog.close()


def _seen(config: Config, what: Story) -> Sight:
    """What the detectors see of the story, by the policies that were adopted, and who was told."""
    from casetrail.domain.detectors.catalogue import STATISTICAL
    from casetrail.domain.detectors.statistics import EXTRA
    from casetrail.eventlog.codec import decode_event
    from casetrail.projections.judgement_queries import WantedFindings, findings, left_out
    from casetrail.projections.queries import timeline

    with progress_bar("judging", None), opened_views(config) as database:
        rows = findings(database, what.end, WantedFindings(settled=True, limit=1_000_000))
        told = {
            case_id: list(tellings(decode_event(value).recorded() for _, _, value in timeline(database, case_id)))
            for case_id in [one.report.case_id for one in what.dropped]
        }
        if left_out(database):
            click.echo(f"not judged: {', '.join(sorted(STATISTICAL))}: they need casetrail[{EXTRA}]", err=True)
    return sight(what, [Found.of(one) for one in rows], told)


def _write_table(path: Path, seen: Sight) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(ROW)
        writer.writerows([csv_cell(value) for value in row(one).values()] for one in seen.seen)


def _write_page(page: Path, what: Story, seen: Sight) -> None:
    from casetrail.cli.demo_page import write_page

    try:
        write_page(page, what, seen)
    except OSError as error:
        raise Failure(f"{page} cannot be written: {error.strerror}") from error
