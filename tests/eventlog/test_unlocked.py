"""An embedded log is read where nothing can be written, to its very end; and never while others write to it unseen."""

import shutil
import sqlite3
from pathlib import Path
from typing import Final

import pytest

from casetrail.eventlog import embedded_opening
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.embedded_opening import reading
from casetrail.eventlog.errors import LogDamaged, LogUnreachable
from casetrail.eventlog.port import Entry, Topic
from tests.read_only import read_only

ENTRY: Final = [Entry(b"k", b"v")]
KEPT: Final = 40
COPIES: Final = {
    "the file alone, of a log that nobody uses": (),
    "with the journal alone": ("-wal",),
    "with journal and index": ("-wal", "-shm"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for copies."""
    made = tmp_path / "handed over"
    made.mkdir()
    return made


def copied(source: Path, folder: Path, endings: tuple[str, ...]) -> Path:
    """A copy of a log with what lies beside it; while it was in use, if there are such endings."""
    with EmbeddedLog.create(source, "log") as log:
        log.append(Topic.ACTIONS, ENTRY * KEPT)
        if endings:
            for ending in ("", *endings):
                shutil.copy(f"{source}{ending}", folder / f"log.db{ending}")
    if not endings:
        shutil.copy(source, folder / "log.db")
    return folder / "log.db"


@pytest.mark.parametrize("endings", COPIES.values(), ids=COPIES)
def test_a_log_is_read_to_its_end_where_nothing_can_be_written(
    tmp_path: Path, folder: Path, endings: tuple[str, ...]
) -> None:
    path = copied(tmp_path / "source.db", folder, endings)
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    with read_only(folder), EmbeddedLog.open(path) as log:
        with log.reader(Topic.ACTIONS, {0: 0}) as reader:
            assert len(reader.poll(0)) == KEPT
        assert log.end_offsets(Topic.ACTIONS) == {0: KEPT}
        assert log.weaknesses() == []
    assert before == {one.name: one.read_bytes() for one in folder.iterdir()}


@pytest.mark.parametrize("endings", COPIES.values(), ids=COPIES)
def test_nothing_is_appended_there(tmp_path: Path, folder: Path, endings: tuple[str, ...]) -> None:
    path = copied(tmp_path / "source.db", folder, endings)
    with read_only(folder), EmbeddedLog.open(path) as log, pytest.raises(LogUnreachable, match="owner and mode"):
        log.append(Topic.ACTIONS, ENTRY, timeout=0.1)


ALONE: Final = {name: endings for name, endings in COPIES.items() if "-shm" not in endings}


@pytest.mark.parametrize("endings", ALONE.values(), ids=ALONE)
def test_what_was_read_while_somebody_wrote_counts_for_nothing(
    tmp_path: Path, folder: Path, endings: tuple[str, ...]
) -> None:
    path = copied(tmp_path / "source.db", folder, endings)
    with read_only(folder):
        log = EmbeddedLog.open(path)
        assert log.end_offsets(Topic.ACTIONS) == {0: KEPT}
    database = log.database
    with EmbeddedLog.open(path) as writer:  # somebody who may write there
        with pytest.raises(LogUnreachable, match=r"log\.db is being written to.*Do it again"), reading(database):
            writer.append(Topic.ACTIONS, ENTRY)
        with pytest.raises(LogUnreachable, match="Do it again"), reading(database):
            raise sqlite3.DatabaseError("pages of two times do not fit together, which is no damage")
    log.close()


@pytest.mark.parametrize("endings", ALONE.values(), ids=ALONE)
def test_what_is_written_between_two_readings_is_read(tmp_path: Path, folder: Path, endings: tuple[str, ...]) -> None:
    path = copied(tmp_path / "source.db", folder, endings)
    with read_only(folder):
        log = EmbeddedLog.open(path)
        reader = log.reader(Topic.ACTIONS, {0: 0})
        assert len(reader.poll(0)) == KEPT
    with EmbeddedLog.open(path) as writer:
        writer.append(Topic.ACTIONS, ENTRY)
        assert log.end_offsets(Topic.ACTIONS) == {0: KEPT + 1}
        assert len(reader.poll(0)) == 1
    log.close()


def test_a_log_in_use_is_read_along_with_whoever_writes(tmp_path: Path, folder: Path) -> None:
    with EmbeddedLog.create(folder / "log.db", "log") as writer:
        writer.append(Topic.ACTIONS, ENTRY)
        with read_only(folder), EmbeddedLog.open(folder / "log.db") as log:
            assert log.end_offsets(Topic.ACTIONS) == {0: 1}


def test_whoever_wrote_may_end_while_the_log_is_opened(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, answers = copied(tmp_path / "source.db", folder, ()), [True]
    monkeypatch.setattr(embedded_opening, "is_shared", lambda _: bool(answers and answers.pop()))
    with read_only(folder), EmbeddedLog.open(path) as log:
        assert log.end_offsets(Topic.ACTIONS) == {0: KEPT}


def test_a_log_whose_journal_was_changed_to_another_kind_shows_there_too(tmp_path: Path, folder: Path) -> None:
    path = copied(tmp_path / "source.db", folder, ())
    with EmbeddedLog.open(path) as log:
        log.database.execute("PRAGMA journal_mode=DELETE")
    with read_only(folder), EmbeddedLog.open(path) as log:
        assert [(one.setting, one.found) for one in log.weaknesses()] == [("journal_mode", "delete")]


def test_a_file_that_this_user_cannot_write_gets_nothing_beside_it(tmp_path: Path, folder: Path) -> None:
    """Else its owner could not open what another user has left there."""
    path = copied(tmp_path / "source.db", folder, ())
    with read_only(path), EmbeddedLog.open(path) as log:
        assert log.end_offsets(Topic.ACTIONS) == {0: KEPT}
        assert [one.name for one in folder.iterdir()] == ["log.db"]


def test_of_a_file_that_is_cut_off_it_is_said_how_much_is_missing(tmp_path: Path, folder: Path) -> None:
    path = copied(tmp_path / "source.db", folder, ())
    whole = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(whole // 2)
    with pytest.raises(LogDamaged, match=rf"{whole // 2} of {whole} bytes.*if it is a copy"):
        EmbeddedLog.open(path)


def test_damage_that_is_met_while_reading_names_the_file(tmp_path: Path, folder: Path) -> None:
    path = copied(tmp_path / "source.db", folder, ())
    with EmbeddedLog.open(path) as log:
        log.append(Topic.ACTIONS, ENTRY * 5000)
    with path.open("r+b") as file:
        file.seek(-4096 * 3, 2)
        file.write(bytes(4096 * 3))
    with EmbeddedLog.open(path) as log, pytest.raises(LogDamaged, match=r"log\.db is damaged"):
        log.reader(Topic.ACTIONS, {0: 0}).poll(0)
