"""The file of a log is replaced or taken away while it is in use: nothing is taken for recorded that stands in neither file."""

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from casetrail.consumers.health import Health
from casetrail.consumers.loop import run
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.errors import LogReplaced
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Appended, Entry, Topic

ENTRY = [Entry(b"k", b"v")]
USES: dict[str, Callable[[EmbeddedLog], object]] = {
    "append": lambda log: log.append(Topic.ACTIONS, ENTRY),
    "become the writer": lambda log: log.writer(0),
    "ask for its end": lambda log: log.end_offsets(Topic.ACTIONS),
    "look for a record": lambda log: log.read_one(Topic.ACTIONS, 0, 0),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with EmbeddedLog.create(tmp_path / "log.db", "log") as log:
        log.append(Topic.ACTIONS, ENTRY)
    return tmp_path / "log.db"


def restore(path: Path) -> None:
    """Put a copy in the place of the file, as after a fault of the disk."""
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(copy)) as made:
        database.backup(made)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    copy.replace(path)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_log_whose_file_was_replaced_is_used_no_more(path: Path, use: Callable[[EmbeddedLog], object]) -> None:
    with EmbeddedLog.open(path) as log:
        use(log)
        restore(path)
        with pytest.raises(LogReplaced, match=r"log\.db.*begin anew"):
            use(log)
    with EmbeddedLog.open(path) as log:
        use(log)


def test_nor_is_one_whose_file_was_taken_away(path: Path) -> None:
    with EmbeddedLog.open(path) as log:
        log.append(Topic.ACTIONS, ENTRY)
        path.rename(path.with_name("away.db"))
        with pytest.raises(LogReplaced):
            log.append(Topic.ACTIONS, ENTRY)
        path.with_name("away.db").rename(path)
        assert log.append(Topic.ACTIONS, ENTRY)[0].offset == 2


def test_who_waits_for_records_and_who_writes_them_hear_of_it(path: Path) -> None:
    with EmbeddedLog.open(path) as log:
        reader, writer = log.reader(Topic.EVENTS, {0: 0}), log.writer(0)
        restore(path)
        with pytest.raises(LogReplaced):
            reader.poll(0.0)
        with pytest.raises(LogReplaced):
            writer.append(ENTRY)


def test_what_was_appended_while_the_file_was_replaced_is_not_acknowledged(path: Path) -> None:
    def replaced_meanwhile() -> int:
        restore(path)
        return 1

    log = EmbeddedLog.open(path, clock=replaced_meanwhile)
    with closing(log), pytest.raises(LogReplaced):
        log.append(Topic.ACTIONS, ENTRY)


@pytest.mark.parametrize("by_writer", [False, True])
def test_nor_is_what_was_already_written_when_the_file_was_replaced(
    path: Path, monkeypatch: pytest.MonkeyPatch, by_writer: bool
) -> None:
    """Just before the transaction ends: it ends well, in a file that nobody opens any more."""
    with EmbeddedLog.open(path) as log:
        writer, insert = log.writer(0), EmbeddedLog.insert

        def inserted(*given: Any) -> list[Appended]:
            found = insert(*given)
            path.rename(path.with_name("away.db"))
            return found

        monkeypatch.setattr(EmbeddedLog, "insert", inserted)
        with pytest.raises(LogReplaced):
            if by_writer:
                writer.append(ENTRY)
            else:
                log.append(Topic.ACTIONS, ENTRY)


def test_another_working_folder_makes_it_no_other_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    with open_log("sqlite:log.db") as log:
        log.append(Topic.ACTIONS, ENTRY)
        monkeypatch.chdir(os.sep)
        log.append(Topic.ACTIONS, ENTRY)


def test_a_service_ends_so_that_it_is_started_with_the_file_that_is_there(path: Path) -> None:
    class Reading:
        def __init__(self, log: EmbeddedLog) -> None:
            self._log = log

        def step(self, timeout: float) -> int:
            restore(path)
            return len(self._log.end_offsets(Topic.EVENTS))

        def close(self) -> None:
            pass

    with EmbeddedLog.open(path) as log, pytest.raises(LogReplaced):
        run("projector", lambda: Reading(log), threading.Event(), Health())
