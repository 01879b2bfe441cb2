"""An SQLite file that several open at the same moment for the first time."""

import sqlite3
import threading
from pathlib import Path

import pytest

from casetrail.eventlog.transaction import write_ahead


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
