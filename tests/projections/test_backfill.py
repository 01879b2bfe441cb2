"""What a follower writes ahead comes into the file of the views beside it, and not only when a commit finds much of it."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import enumerate as threads
from time import monotonic, sleep

import pytest

from casetrail.projections.backfill import EVERY, MOST_PAGES
from casetrail.projections.database import SqliteDatabase

PATIENCE = 30.0
PAGE = "x" * 4000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with closing(SqliteDatabase(tmp_path / "views", create=True)) as made:
        made.run("CREATE TABLE written (what TEXT)")
        yield made


def in_file(path: Path) -> int:
    """How many rows the file has without what was written ahead."""
    alone = path.with_name("alone")
    shutil.copy(path, alone)
    with closing(sqlite3.connect(alone)) as file:
        try:
            return int(file.execute("SELECT count(*) FROM written").fetchone()[0])
        except sqlite3.DatabaseError:  # not even the table; or it was written to while it was copied
            return 0


def test_who_follows_waits_for_no_commit_to_copy_what_was_written(database: SqliteDatabase, tmp_path: Path) -> None:
    with database.transaction():
        database.run("INSERT INTO written VALUES ('one')")
    sleep(3 * EVERY)
    assert in_file(tmp_path / "views") == 0
    database.keep_following()
    until = monotonic() + PATIENCE
    while in_file(tmp_path / "views") == 0:
        assert monotonic() < until, "nothing was copied"
        sleep(0.01)


def test_it_goes_on_beside_who_writes_and_reads_and_ends_with_the_database(tmp_path: Path) -> None:
    before = set(threads())
    with closing(SqliteDatabase(tmp_path / "views", create=True)) as database:
        database.run("CREATE TABLE written (what TEXT)")
        database.keep_following()
        database.keep_following()
        assert len(set(threads()) - before) == 1
        with closing(SqliteDatabase(tmp_path / "views")) as reader, reader.transaction():
            assert reader.rows("SELECT count(*) FROM written") == [(0,)]
        for number in range(300):
            with database.transaction():
                database.run("INSERT INTO written VALUES (?)", (f"{number}{PAGE}",))
            sleep(EVERY / 100)
        assert database.rows("SELECT count(*) FROM written") == [(300,)]
    assert set(threads()) == before
    assert in_file(tmp_path / "views") == 300


def test_what_is_written_ahead_stays_bounded(database: SqliteDatabase, tmp_path: Path) -> None:
    """Also where nobody copies beside: the thread may have ended on an error of the disk."""
    database.keep_following()
    assert database._backfill is not None
    database._backfill.close()
    for number in range(MOST_PAGES // 2000 * 3):
        with database.transaction():
            database.run_many("INSERT INTO written VALUES (?)", [(f"{number}{PAGE}",)] * 1000)
    assert (tmp_path / "views-wal").stat().st_size < 1.5 * MOST_PAGES * 4096
