"""Rebuilding the views from offset 0, beside the ones that serve, and swapping them in when they have caught up.

Each process takes some of the partitions: it folds their events, writes the timeline as it comes and the cases at the
end, without keys and indexes, which are added afterwards. Memory is bounded by a cache of cases, whatever the number
of events.
"""

import fcntl
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Log, Reader, Topic
from casetrail.projections.case_store import CaseStore
from casetrail.projections.database import (
    SCHEMA,
    Database,
    PostgresDatabase,
    SqliteDatabase,
    create_table_indexes,
    create_tables,
)
from casetrail.projections.folding import Batch
from casetrail.projections.rows import Row, case_row, intake_measures, referral_rows
from casetrail.projections.tables import (
    BULK_TABLES,
    CASE_STATUS,
    INTAKE,
    OUTCOMES,
    REFERRALS,
    TIMELINE,
    application_name,
)
from casetrail.projections.views import Views, write_form

CACHED_CASES: Final = 60_000
SAVE_EVERY: Final = 30_000
POLL: Final = 5_000
LOAD: Final = 20_000
WAIT: Final = 30.0
REBUILD_LOCK: Final = 4_715_239

Options = Mapping[str, object]
Progress = Callable[[int], None]


class Share(NamedTuple):
    """What one process of a rebuild does: these partitions, up to these offsets, into that database."""

    log_url: str
    log_options: dict[str, object]
    ends: dict[int, int]
    target: str  # an SQLite file, or PostgreSQL's URL
    schema: str  # PostgreSQL's schema, '' for SQLite


class Built(NamedTuple):
    """What one process has counted."""

    events: int
    positions: dict[int, int]
    outcomes: Counter[tuple[int, str]]
    intake: Counter[tuple[str, str, str, str]]


def rebuild(
    log: Log,
    log_url: str,
    views_url: str,
    options: Options | None = None,
    progress: Progress | None = None,
    processes: int | None = None,
) -> int:
    """Build the views anew and swap them in; how many events went into them.

    ``progress`` is told of events as they are done. The views that serve meanwhile stay as they are.
    """
    target = _Postgres(views_url) if not views_url.startswith("sqlite:") else _Sqlite(Path(views_url[7:]))
    ends = log.end_offsets(Topic.EVENTS)
    shares = _shares(ends, processes or min(2, os.cpu_count() or 1))
    target.begin()
    try:
        built = _build(target, log_url, dict(options or {}), shares, progress)
        database = target.finish(len(shares))
        _count(database, log.name, built)
        views = Views(database, log.name)
        count = sum(one.events for one in built) + catch_up(log, views)
        target.swap(database)
    except BaseException:
        target.abandon()
        raise
    return count


def catch_up(log: Log, views: Views) -> int:
    """Take in what has been appended since; how many events that were."""
    count = 0
    ends = log.end_offsets(Topic.EVENTS)
    at = {partition: views.next_offset(partition) for partition in ends}
    with log.reader(Topic.EVENTS, at) as reader:
        while any(reader.position(partition) < end for partition, end in ends.items()):
            records = reader.poll(1.0, POLL)
            moved = {record.partition for record in records}
            after = {partition: reader.position(partition) for partition in moved}
            if records:
                views.apply(records, {partition: (at[partition], after[partition]) for partition in moved})
                at |= after
                count += len(records)
    return count


def _shares(ends: Mapping[int, int], processes: int) -> list[dict[int, int]]:
    """The partitions with events, dealt out so that each process has about as many events."""
    shares: list[dict[int, int]] = [{} for _ in range(max(1, min(processes, len(ends))))]
    for partition, end in sorted(ends.items(), key=lambda item: -item[1]):
        min(shares, key=lambda share: sum(share.values()))[partition] = end
    return [share for share in shares if share] or [{}]


def _build(
    target: "_Target", url: str, options: dict[str, object], shares: Sequence[dict[int, int]], progress: Progress | None
) -> list[Built]:
    jobs = [Share(url, options, ends, *target.part(number)) for number, ends in enumerate(shares)]
    if sum(sum(share.values()) for share in shares) < LOAD or len(jobs) == 1:
        return [build_share(job, progress) for job in jobs]
    with get_context("spawn").Manager() as manager:
        done = manager.Queue()
        with ProcessPoolExecutor(len(jobs), get_context("spawn")) as pool:
            futures = [pool.submit(build_share, job, done.put) for job in jobs]
            _report(futures, done, progress)
            return [future.result() for future in futures]


def _report(futures: Sequence["Future[Built]"], done: "object", progress: Progress | None) -> None:
    while not all(future.done() for future in futures):
        with suppress(Exception):  # an empty queue: nothing was done in this moment
            count = done.get(timeout=0.2)  # type: ignore[attr-defined]
            if progress is not None:
                progress(count)


def build_share(share: Share, progress: Progress | None = None) -> Built:
    """Fold the events of some partitions into new tables. Runs in a process of its own."""
    database = _part_database(share)
    with (
        open_log(share.log_url, share.log_options) as log,
        tempfile.TemporaryDirectory(prefix="casetrail-") as directory,
        log.reader(Topic.EVENTS, dict.fromkeys(share.ends, 0)) as reader,
    ):
        store = CaseStore(Path(directory) / "cases", log.name, CACHED_CASES)
        events, outcomes = _fold(reader, share.ends, store, database, progress)
        intake = _load_cases(store, database)
        store.close()
        positions = {partition: reader.position(partition) for partition in share.ends}
    database.close()
    return Built(events, positions, outcomes, intake)


def _part_database(share: Share) -> Database:
    if share.schema:
        return PostgresDatabase(share.target, share.schema)
    database = SqliteDatabase(Path(share.target), create=True)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):  # thrown away if it fails
        database.run(f"PRAGMA {pragma}")
    create_tables(database, bulk=True)
    return database


def _fold(
    reader: Reader, ends: Mapping[int, int], store: CaseStore, database: Database, progress: Progress | None
) -> tuple[int, Counter[tuple[int, str]]]:
    count, outcomes, timeline = 0, Counter[tuple[int, str]](), list[Row]()
    while any(reader.position(partition) < end for partition, end in ends.items()):
        records = reader.poll(WAIT, POLL)
        if not records and any(reader.position(partition) < end for partition, end in ends.items()):
            raise TimeoutError(f"no event came within {WAIT:.0f} s though the log has more; check the brokers")
        batch = Batch()
        batch.fold(records, store.cache, count_intake=False)
        count += len(records)
        outcomes += batch.outcomes
        timeline += batch.timeline
        if len(timeline) >= LOAD:
            _load(database, timeline)
        if store.unsaved >= SAVE_EVERY:
            store.save({})
        if progress is not None and records:
            progress(len(records))
    _load(database, timeline)
    store.save({})
    return count, outcomes


def _load(database: Database, timeline: list[Row]) -> None:
    with database.transaction():
        database.load(TIMELINE, timeline)
    timeline.clear()


def _load_cases(store: CaseStore, database: Database) -> Counter[tuple[str, str, str, str]]:
    """Write the rows of all cases; what they add to the intake counts."""
    intake: Counter[tuple[str, str, str, str]] = Counter()
    cases = store.stored()
    while some := list(islice(cases, LOAD)):
        with database.transaction():
            database.load(CASE_STATUS, [case_row(history, partition, state) for partition, history, state in some])
            database.load(REFERRALS, [row for _, history, _ in some for row in referral_rows(history.case)])
        for _, history, _ in some:
            intake.update(intake_measures(history.case))
    return intake


def _count(database: Database, log: str, built: Sequence[Built]) -> None:
    """Write what the processes have counted, and the positions that the views stand at."""
    outcomes: Counter[tuple[int, str]] = sum((one.outcomes for one in built), Counter())
    intake: Counter[tuple[str, str, str, str]] = sum((one.intake for one in built), Counter())
    with database.transaction():
        database.run_many(OUTCOMES.add("events"), [(*where, n) for where, n in sorted(outcomes.items())])
        database.run_many(INTAKE.add("cases"), [(*where, n) for where, n in sorted(intake.items())])
        positions = {partition: at for one in built for partition, at in one.positions.items()}
        database.run_many(
            "INSERT INTO tracking VALUES (?, ?)",
            [(application_name(log, partition), at) for partition, at in sorted(positions.items()) if at],
        )
        write_form(database, log)


class _Target:
    """Where a rebuild goes, and how it comes into service."""

    def begin(self) -> None:
        """Make room."""

    def part(self, number: int) -> tuple[str, str]:
        """Where process ``number`` writes to: ``target`` and ``schema`` of its ``Share``."""
        raise NotImplementedError

    def finish(self, parts: int) -> Database:
        """Bring the parts together, with keys and indexes."""
        raise NotImplementedError

    def swap(self, database: Database) -> None:
        """Put the new views in the place of the old ones."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Remove what was begun."""


class _Sqlite(_Target):
    """The path of the views is a link to the file of the newest build; the link is replaced in one step."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self.path.with_name(f"{self.path.name}.rebuild.lock").open("ab")
        fcntl.flock(self._lock, fcntl.LOCK_EX)  # one rebuild at a time; it ends with its process
        serving = self.path.resolve() if self.path.exists() else None
        build = re.compile(re.escape(self.path.name) + r"\.(\d+)(-.*)?")
        self.number = 1
        for file in self.path.parent.iterdir():
            if found := build.fullmatch(file.name):
                self.number = max(self.number, int(found[1]) + 1)
                if serving is None or not file.name.startswith(serving.name):
                    file.unlink()  # left over from a rebuild that was killed
        self.file = self.path.with_name(f"{self.path.name}.{self.number}")

    def part(self, number: int) -> tuple[str, str]:
        return (str(self.file) if number == 0 else f"{self.file}-part{number}"), ""

    def finish(self, parts: int) -> Database:
        database = SqliteDatabase(self.file)
        database.run("PRAGMA synchronous=OFF")
        for number in range(1, parts):
            part = self.part(number)[0]
            database.run("ATTACH ? AS part", (part,))
            with database.transaction():
                for table in BULK_TABLES:
                    database.run(f"INSERT INTO main.{table.name} SELECT * FROM part.{table.name}")  # noqa: S608
            database.run("DETACH part")
            Path(part).unlink()
        with database.transaction():
            for table in BULK_TABLES:
                create_table_indexes(database, table, with_key=True)
        database.run("ANALYZE")
        database.run("PRAGMA synchronous=NORMAL")
        return database

    def swap(self, database: Database) -> None:
        database.run("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        link = self.path.with_name(f"{self.path.name}.link")
        link.unlink(missing_ok=True)
        link.symlink_to(self.file.name)
        old = self.path.resolve() if self.path.is_symlink() else None
        link.replace(self.path)
        if old is None:  # views that no rebuild has made stood there themselves; the link has replaced them
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        elif old != self.file.resolve():
            for suffix in ("", "-wal", "-shm"):
                old.with_name(old.name + suffix).unlink(missing_ok=True)
        self._lock.close()

    def abandon(self) -> None:
        for file in self.path.parent.glob(f"{self.file.name}*"):
            file.unlink(missing_ok=True)
        self._lock.close()


class _Postgres(_Target):
    """A schema of its own, renamed in one transaction."""

    new = f"{SCHEMA}_new"

    def __init__(self, url: str) -> None:
        self.url = url

    def begin(self) -> None:
        self._lock = PostgresDatabase(self.url, self.new)
        self._lock.rows(
            "SELECT pg_advisory_lock(?)", (REBUILD_LOCK,)
        )  # one rebuild at a time; it ends with its session
        database = PostgresDatabase(self.url, self.new)
        database.run(f"DROP SCHEMA IF EXISTS {self.new} CASCADE")
        database.run(f"CREATE SCHEMA {self.new}")
        create_tables(database, bulk=True)
        database.close()

    def part(self, number: int) -> tuple[str, str]:
        return self.url, self.new

    def finish(self, parts: int) -> Database:
        database = PostgresDatabase(self.url, self.new)
        database.run("SET maintenance_work_mem = '256MB'")
        for table in BULK_TABLES:
            create_table_indexes(database, table, with_key=True)
        database.run("ANALYZE")
        return database

    def swap(self, database: Database) -> None:
        with database.transaction():
            if database.rows("SELECT to_regclass(?)", (f"{SCHEMA}.tracking",))[0][0] is not None:
                database.run(f"LOCK TABLE {SCHEMA}.tracking")  # as a projector does first: else a deadlock may end this
            database.run(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
            database.run(f"ALTER SCHEMA {self.new} RENAME TO {SCHEMA}")
        database.close()
        self._lock.close()

    def abandon(self) -> None:
        with suppress(Exception):  # what made the rebuild fail is what the caller hears of
            database = PostgresDatabase(self.url, self.new)
            database.run(f"DROP SCHEMA IF EXISTS {self.new} CASCADE")
            database.close()
            self._lock.close()
