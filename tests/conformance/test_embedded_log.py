"""The embedded log passes the kit; and what only it promises."""

import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.errors import LogDamaged, LogMissing, LogUnreachable
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Entry, Topic
from tests.conformance.log_kit import LogKit, read_all


class TestEmbeddedLog(LogKit):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:{tmp_path / 'log.db'}"

    def test_records_cannot_be_changed_or_deleted(self, log: EmbeddedLog) -> None:
        log.append(Topic.ACTIONS, [Entry(b"k", b"v")])
        database = sqlite3.connect(log.path)
        for statement in ("UPDATE record SET value = 'x'", "DELETE FROM record"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                database.execute(statement)
        database.close()
        assert log.weaknesses() == []

    def test_a_dropped_guard_is_reported(self, log: EmbeddedLog) -> None:
        database = sqlite3.connect(log.path)
        database.execute("DROP TRIGGER no_delete")
        database.commit()
        database.close()
        (found,) = log.weaknesses()
        assert (found.setting, found.found) == ("no_delete", "missing")

    def test_time_does_not_go_back_when_the_clock_does(self, tmp_path: Path) -> None:
        moments = iter([5000, 3000, 9000])
        log = EmbeddedLog.create(tmp_path / "clock.db", "clock", clock=lambda: next(moments))
        appended = [log.append(Topic.ACTIONS, [Entry(b"k", b"v")])[0].appended_at for _ in range(3)]
        assert appended == [5000, 5000, 9000]
        log.close()

    def test_an_event_is_never_before_its_action_whatever_the_clock_does(self, tmp_path: Path) -> None:
        moments = iter([5000, 3000, 4000])
        log = EmbeddedLog.create(tmp_path / "clock.db", "clock", clock=lambda: next(moments))
        log.append(Topic.ACTIONS, [Entry(b"k", b"v")])
        log.writer(0).append([Entry(b"k", b"answer")])
        assert [one.appended_at for one in read_all(log, Topic.EVENTS)] == [5000]
        log.close()

    def test_several_processes_append_and_nothing_is_lost(self, log: EmbeddedLog, url: str) -> None:
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=append_many, args=(url, number)) for number in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        found = read_all(log, Topic.ACTIONS)
        assert len({one.value for one in found}) == 400
        for partition in range(3):
            offsets = sorted(one.offset for one in found if one.partition == partition)
            assert offsets == list(range(len(offsets)))

    def test_a_file_that_is_no_log_is_named(self, tmp_path: Path) -> None:
        other = tmp_path / "other.db"
        other.write_text("not a database at all, but long enough to be taken for one" * 10)
        with pytest.raises(LogMissing, match="not a log of casetrail"):
            open_log(f"sqlite:{other}")
        sqlite3.connect(tmp_path / "empty.db").close()
        with pytest.raises(LogMissing):
            open_log(f"sqlite:{tmp_path / 'empty.db'}")

    def test_a_file_that_was_cut_off_is_damaged_and_not_missing(self, log: EmbeddedLog) -> None:
        log.append(Topic.ACTIONS, [Entry(b"k", bytes(100_000))])
        log.close()
        whole = log.path.read_bytes()
        log.path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(LogDamaged, match="keep a copy"), open_log(f"sqlite:{log.path}") as opened:
            read_all(opened, Topic.ACTIONS)

    def test_a_view_in_the_place_of_the_records_is_not_read(self, log: EmbeddedLog) -> None:
        log.append(Topic.ACTIONS, [Entry(b"k", b"v")])
        log.close()
        endless = "WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"
        with closing(sqlite3.connect(log.path, isolation_level=None)) as other:
            other.execute("ALTER TABLE record RENAME TO kept")
            other.execute(f"CREATE VIEW record AS SELECT 'events' AS topic, 0 AS partition, n AS offset, 0 AS appended_at, "
                          f"NULL AS key, NULL AS value, NULL AS headers FROM ({endless})")  # fmt: skip
        with pytest.raises(LogDamaged, match="not those of a log"):
            open_log(f"sqlite:{log.path}")

    def test_a_file_that_stays_locked_is_unreachable(self, log: EmbeddedLog) -> None:
        other = sqlite3.connect(log.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogUnreachable, match="another process"):
            log.append(Topic.ACTIONS, [Entry(b"k", b"v")], timeout=0.2)
        other.execute("ROLLBACK")
        other.close()

    def test_a_file_that_may_not_be_written_names_those_beside_it_too(self, log: EmbeddedLog) -> None:
        """They keep the mode that the log had when they were made: mending the log's alone does not help."""
        log.database.execute("PRAGMA query_only=ON")
        with pytest.raises(LogUnreachable, match=r"owner and mode .* -wal and -shm"):
            log.append(Topic.ACTIONS, [Entry(b"k", b"v")])


def append_many(url: str, number: int) -> None:
    """Append a hundred entries, one by one."""
    with open_log(url) as log:
        for count in range(100):
            log.append(Topic.ACTIONS, [Entry(b"%d" % count, b"%d-%d" % (number, count))])


def test_the_name_of_a_log_is_an_id(tmp_path: Path) -> None:
    from casetrail.eventlog.opening import BadAddress

    with pytest.raises(BadAddress, match="no name for a log"):
        init_log(f"sqlite:{tmp_path / 'two words.db'}")
    with pytest.raises(BadAddress, match="no address of a log"):
        open_log("file:x")
