"""Where a rebuild goes: an SQLite file or a schema of PostgreSQL beside the ones that serve, and how it takes their place."""

import fcntl
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.projections.database import (
    SCHEMA,
    Database,
    PostgresDatabase,
    SqliteDatabase,
    create_table_indexes,
    create_tables,
)
from casetrail.projections.errors import ViewAddressBad, ViewUnreachable
from casetrail.projections.judgement_tables import JUDGED, JUDGEMENT_BULK, JUDGEMENT_TABLES, OWING
from casetrail.projections.tables import BULK_TABLES, CASE_STATUS, PARTNER_LEDGER, REFERRALS, TABLES, TRACKING, Table

REBUILD_LOCK: Final = 4_715_239
UNSAFE: Final = ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE")
"""For a file that is thrown away if anything fails before it serves."""
BY_INDEX: Final = (CASE_STATUS, REFERRALS, PARTNER_LEDGER, OWING)
"""What lists and counts of PostgreSQL are found in by an index alone: not before the table was vacuumed."""
SORTERS: Final = 2
"""Threads that sort beside the one that writes an index: that takes a third off it."""


class Part(NamedTuple):
    """Where one process of a rebuild writes to."""

    target: str  # an SQLite file, or PostgreSQL's URL
    schema: str  # PostgreSQL's schema, '' for SQLite
    judged: bool  # with the judgements


def target_at(views_url: str, judged: bool = True) -> "Target":
    """The target at the address of the views; ``judged``: with the judgements."""
    if views_url.startswith("sqlite:"):
        return SqliteTarget(Path(views_url.removeprefix("sqlite:")), judged)
    return PostgresTarget(views_url, judged)


def all_tables(judged: bool) -> Sequence[Table]:
    """All tables of the views."""
    return (*TABLES, *JUDGEMENT_TABLES) if judged else TABLES


def bulk_tables(judged: bool) -> Sequence[Table]:
    """Those that are loaded first, and get keys and indexes afterwards."""
    return (*BULK_TABLES, *JUDGEMENT_BULK) if judged else BULK_TABLES


def open_part(part: Part, *, create: bool = False) -> Database:
    """Open what one process writes to, or what has come of it; ``create``: an SQLite file is created."""
    if part.schema:
        return PostgresDatabase(part.target, part.schema)
    return SqliteDatabase(Path(part.target), create=create)


def part_database(part: Part) -> Database:
    """Open what one process writes to; an SQLite file is created."""
    database = open_part(part, create=True)
    if part.schema:
        database.run("SET synchronous_commit = off")  # the swap is committed to disk, and all before it with that
        return database
    for pragma in (*UNSAFE, "cache_size=-4096"):  # nothing is read again
        database.run(f"PRAGMA {pragma}")
    create_tables(database, all_tables(part.judged), bulk=True)
    return database


class Target:
    """Where a rebuild goes, and how it comes into service. ``judged``: with the judgements."""

    judged: bool

    def begin(self) -> None:
        """Make room."""

    def workplace(self) -> tempfile.TemporaryDirectory[str]:
        """A folder for what is set aside meanwhile, with room for all events."""
        return tempfile.TemporaryDirectory(prefix="casetrail-")

    def part(self, number: int) -> Part:
        """Where process ``number`` writes to."""
        raise NotImplementedError

    def finish(self, parts: int) -> Database:
        """Bring the parts together, with keys and indexes."""
        raise NotImplementedError

    def swap(self, database: Database) -> None:
        """Put the new views in the place of the old ones."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Remove what was begun."""


class SqliteTarget(Target):
    """The path of the views is a link to the file of the newest build, ``NAME.<number>``; the link is replaced in one step.

    The last line of the lock file has the numbers of the builds that are there. No others are removed: what is only called
    like one is somebody's copy.
    """

    def __init__(self, path: Path, judged: bool) -> None:
        self.path, self.judged = path, judged

    def begin(self) -> None:
        _spare_others(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self.path.with_name(f"{self.path.name}.rebuild.lock").open("a+b", buffering=0)
        fcntl.flock(self._lock, fcntl.LOCK_EX)  # one rebuild at a time; it ends with its process
        serving, made = self._serving(), self._made()
        if made is None:  # an earlier version wrote no numbers down
            made = {serving} - {0}
        self._replaced = made & {serving}
        for number in made - {serving}:
            self._remove_build(number)  # left over from a rebuild that was killed
        self.number = max({serving, *made}) + 1
        while self._files_of(self.number):
            self.number += 1
        self._lock.write(" ".join(map(str, [*self._replaced, self.number])).encode() + b"\n")
        self.file = self.path.with_name(f"{self.path.name}.{self.number}")

    def _serving(self) -> int:
        """The number of the build that the link leads to; 0 where it leads to none."""
        serving = self.path.resolve() if self.path.is_symlink() and self.path.exists() else None
        if serving is None or serving.parent != self.path.parent.resolve():
            return 0
        found = re.fullmatch(re.escape(self.path.name) + r"\.(\d+)", serving.name)
        return int(found[1]) if found else 0

    def _made(self) -> set[int] | None:
        """The numbers of the builds that rebuilds have made, and not removed; None where nothing is known of that."""
        self._lock.seek(0)
        lines = self._lock.read().split(b"\n")
        return {int(number) for number in lines[-2].split() if number.isdigit()} if len(lines) > 1 else None

    def _files_of(self, number: int) -> list[Path]:
        """The files and folders of a build."""
        beside = r"(-part\d+)?(-wal|-shm|-journal)?|-events-\w+"
        build = re.compile(re.escape(f"{self.path.name}.{number}") + f"({beside})")
        return [file for file in self.path.parent.iterdir() if build.fullmatch(file.name)]

    def _remove_build(self, number: int) -> None:
        for file in self._files_of(number):
            _remove(file)

    def workplace(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix=f"{self.file.name}-events-", dir=self.path.parent)

    def part(self, number: int) -> Part:
        return Part(str(self.file) if number == 0 else f"{self.file}-part{number}", "", self.judged)

    def finish(self, parts: int) -> Database:
        database = SqliteDatabase(self.file)
        for pragma in (*UNSAFE, f"threads={SORTERS}"):
            database.run(f"PRAGMA {pragma}")
        for number in range(1, parts):
            part = self.part(number).target
            database.run("ATTACH ? AS part", (part,))
            with database.transaction():
                for table in bulk_tables(self.judged):
                    database.run(f"INSERT INTO main.{table.name} SELECT * FROM part.{table.name}")  # noqa: S608
            database.run("DETACH part")
            Path(part).unlink()
        with database.transaction():
            for table in bulk_tables(self.judged):
                create_table_indexes(database, table, with_key=True)
        database.run("ANALYZE")
        database.close()
        return SqliteDatabase(self.file)

    def swap(self, database: Database) -> None:
        database.run("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        link = self.path.with_name(f"{self.path.name}.link")
        link.unlink(missing_ok=True)
        link.symlink_to(self.file.name)
        was_link = self.path.is_symlink()
        link.replace(self.path)
        if not was_link:  # views that no rebuild has made stood there themselves; the link has replaced them
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        for number in self._replaced:
            self._remove_build(number)
        self._lock.close()

    def abandon(self) -> None:
        if self.path.resolve() != self.file.resolve():  # else it was swapped in before what went wrong
            self._remove_build(self.number)
        self._lock.close()


def _spare_others(path: Path) -> None:
    """Raises ``ViewAddressBad`` where something else than views stands: a log, a keyring, somebody's letter.

    A link is one that a rebuild has made. Damaged views behind it are made anew; what stands there itself and cannot be read may be
    anything.
    """
    if path.is_symlink() or not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.OperationalError as error:
        raise ViewUnreachable(f"the views at {path} cannot be opened ({error})") from error
    except sqlite3.DatabaseError:
        tables = {"?"}
    if tables and CASE_STATUS.name not in tables:
        raise ViewAddressBad(
            f"what is at {path} is not views, and is left as it is: look at the address of the views, or move that file away"
        )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class PostgresTarget(Target):
    """A schema of its own, renamed in one transaction."""

    new = f"{SCHEMA}_new"

    def __init__(self, url: str, judged: bool) -> None:
        self.url, self.judged = url, judged

    def begin(self) -> None:
        self._lock = PostgresDatabase(self.url, self.new)
        self._lock.rows(
            "SELECT pg_advisory_lock(?)", (REBUILD_LOCK,)
        )  # one rebuild at a time; it ends with its session
        database = PostgresDatabase(self.url, self.new)
        database.run(f"DROP SCHEMA IF EXISTS {self.new} CASCADE")
        database.run(f"CREATE SCHEMA {self.new}")
        create_tables(database, all_tables(self.judged), bulk=True)
        database.close()

    def part(self, number: int) -> Part:
        return Part(self.url, self.new, self.judged)

    def finish(self, parts: int) -> Database:
        database = PostgresDatabase(self.url, self.new)
        database.run("SET maintenance_work_mem = '256MB'")
        database.run("SET idle_in_transaction_session_timeout = 0")  # it waits for processes that judge
        for table in bulk_tables(self.judged):
            create_table_indexes(database, table, with_key=True)
        for table in bulk_tables(self.judged):
            how = "VACUUM (ANALYZE)" if table in BY_INDEX else "ANALYZE"
            database.run(f"{how} {table.name}")
        return database

    def swap(self, database: Database) -> None:
        with database.transaction():
            for table in (TRACKING, JUDGED):  # as a projector or a judge does first: else a deadlock may end this
                if database.rows("SELECT to_regclass(?)", (f"{SCHEMA}.{table.name}",))[0][0] is not None:
                    database.run(f"LOCK TABLE {SCHEMA}.{table.name}")
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
