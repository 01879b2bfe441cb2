"""An SQLite file that several open at the same moment for the first time."""

import sqlite3
import threading
from pathlib import Path

import pytest

from casetrail.eventlog.transaction import begin_soon, write_ahead


def opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)


def test_whoever_comes_while_another_writes_waits_and_then_has_a_write_ahead_log(tmp_path: Path) -> None:
    first, second = opened(tmp_path / "file"), opened(tmp_path / "file")
    first.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        write_ahead(second, 0.05)
    ends = threading.Timer(0.1, first.execute, ["COMMIT"])
    ends.start()
    write_ahead(second, 60)
    assert second.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    ends.join()
    first.close()
    second.close()


def test_what_is_no_lock_is_not_waited_for(tmp_path: Path) -> None:
    made = opened(tmp_path / "file")
    made.execute("CREATE TABLE one (row)")
    made.close()
    database = sqlite3.connect(f"{(tmp_path / 'file').as_uri()}?mode=ro", uri=True, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        write_ahead(database, 600)
    database.close()


def test_whoever_begins_soon_waits_for_who_is_writing_and_leaves_the_connection_as_patient_as_it_was(
    tmp_path: Path,
) -> None:
    first, second = opened(tmp_path / "file"), opened(tmp_path / "file")
    first.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        begin_soon(second, 0.05)
    assert second.execute("PRAGMA busy_timeout").fetchone() == (50,)
    timer = threading.Timer(0.1, first.execute, ["COMMIT"])
    timer.start()
    begin_soon(second, 60)
    assert second.in_transaction
    assert second.execute("PRAGMA busy_timeout").fetchone() == (60_000,)
    timer.join()
    for database in (first, second):
        database.close()
