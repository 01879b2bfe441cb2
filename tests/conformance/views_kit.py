"""What views promise, whichever database they live in. A test module gives ``fresh``: an address where nothing is yet."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casetrail.consumers.projector import Projector
from casetrail.domain.memory import load_case
from casetrail.eventlog import stream
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Topic
from casetrail.projections import rebuild, spill
from casetrail.projections.database import open_database
from casetrail.projections.errors import ViewError, ViewForeign, ViewMissing, ViewMoved, ViewUnreachable
from casetrail.projections.partner import ledger_rows
from casetrail.projections.tables import TABLES, Table, application_name
from casetrail.projections.views import Views
from tests.histories import Recording, recorded_log

Fresh = Callable[[], str]
Tables = dict[str, list[tuple[object, ...]]]

UNHURRIED = settings(
    deadline=None,
    database=None,
    max_examples=int(os.environ.get("CASETRAIL_EXAMPLES", "10")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)

PROJECTOR_PROCESS = """
import os, signal, sys
from casetrail.consumers.projector import Projector
from casetrail.eventlog.opening import open_log
from casetrail.projections.database import open_database
from casetrail.projections.views import Views

log_url, views_url, statements = sys.argv[1], sys.argv[2], int(sys.argv[3])
log, database = open_log(log_url), open_database(views_url)

def dying(method):
    def run(*arguments):
        global statements
        statements -= 1
        if statements == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return method(*arguments)
    return run

database.run, database.run_many = dying(database.run), dying(database.run_many)
projector = Projector(log, Views(database, log.name), batch=3)
print("ready", flush=True)
while projector.step(0.0):
    pass
"""
"""Follows to the end, unless it is killed, or kills itself before its nth statement (0: never)."""


def all_rows(url: str, tables: Sequence[Table] = TABLES) -> Tables:
    """All that the views hold, or these of their tables, in an order that does not depend on how they came about."""
    with closing(open_database(url)) as database:
        return {
            table.name: sorted(
                (
                    tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
                    for row in database.rows(f"SELECT * FROM {table.name}")
                ),
                key=repr,
            )
            for table in tables
        }


def assert_same(left: Tables, right: Tables) -> None:
    """Compare table by table, so that a failure names the table."""
    for name in left:
        assert left[name] == right[name], name


def make_views(url: str, log: EmbeddedLog) -> None:
    """Make empty views."""
    with closing(open_database(url, create=True)) as database:
        Views.create(database, log.name)


def projector_at(url: str, log: EmbeddedLog, batch: int = 5000) -> Projector:
    """A projector over the views at ``url``."""
    return Projector(log, Views(open_database(url), log.name), batch)


def follow_to_end(url: str, log: EmbeddedLog, batch: int = 5000) -> int:
    """Bring views up to date; how many events that took."""
    with closing(projector_at(url, log, batch)) as projector:
        while projector.step(0.0):
            pass
        return projector.projected


def rebuilt_rows(fresh: Fresh, log: EmbeddedLog) -> Tables:
    """What a rebuild from zero gives."""
    url = fresh()
    rebuild.rebuild(log, f"sqlite:{log.path}", url)
    return all_rows(url)


class ViewsKit:
    """The promises."""

    @pytest.fixture
    def fresh(self) -> Fresh:
        """Gives, each time, the address of a place without views; what was there before may be gone."""
        raise NotImplementedError

    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[EmbeddedLog]:
        with recorded_log(tmp_path / "log", 149, actions=400, partitions=3) as log:
            yield log

    # --- going along is the same as a rebuild ---

    @UNHURRIED
    @given(seed=st.integers(0, 2**32), partitions=st.integers(1, 4), data=st.data())
    def test_going_along_gives_the_rows_of_a_rebuild(
        self, fresh: Fresh, seed: int, partitions: int, data: st.DataObject
    ) -> None:
        with tempfile.TemporaryDirectory() as directory:
            recording = Recording(Path(directory) / "log", seed, cases=8, partitions=partitions)
            url = fresh()
            make_views(url, recording.log)
            for _ in range(data.draw(st.integers(1, 4), label="restarts")):
                recording.go_on(data.draw(st.integers(0, 80), label="actions"))
                batch = data.draw(st.integers(1, 60), label="batch")
                with closing(projector_at(url, recording.log, batch)) as projector:
                    for _ in range(data.draw(st.integers(0, 12), label="steps")):
                        projector.step(0.0)
            follow_to_end(url, recording.log)
            went_along = all_rows(url)
            assert_same(went_along, rebuilt_rows(fresh, recording.log))
            recording.log.close()

    def test_the_partner_ledger_has_what_is_between_a_case_and_other_agencies(
        self, fresh: Fresh, log: EmbeddedLog
    ) -> None:
        url = fresh()
        make_views(url, log)
        follow_to_end(url, log, 5)
        with closing(open_database(url)) as database:
            states = database.rows("SELECT case_id, state FROM case_status")
        expected = [row for case_id, state in states for row in ledger_rows(load_case(case_id, state))]
        assert {row[1] for row in expected} == {"reported", "asked", "asking", "concerned"}
        assert all_rows(url)["partner_ledger"] == sorted(expected, key=repr)

    def test_every_partition_has_its_position(self, fresh: Fresh, log: EmbeddedLog) -> None:
        url = fresh()
        make_views(url, log)
        follow_to_end(url, log, 7)
        with closing(open_database(url)) as database:
            views = Views(database, log.name)
            for partition, end in log.end_offsets(Topic.EVENTS).items():
                assert views.next_offset(partition) == end
                views.wait(application_name(log.name, partition), end, timeout=0.1)
                with pytest.raises(TimeoutError):
                    views.wait(application_name(log.name, partition), end + 1, timeout=0.02)

    def test_an_empty_log_has_empty_views(self, fresh: Fresh, tmp_path: Path) -> None:
        with EmbeddedLog.create(tmp_path / "empty", "empty", 2) as log:
            url = fresh()
            assert rebuild.rebuild(log, f"sqlite:{log.path}", url) == 0
            assert {name: rows for name, rows in all_rows(url).items() if rows}.keys() == {"form"}

    def test_views_of_another_log_are_refused(self, fresh: Fresh, log: EmbeddedLog) -> None:
        url = fresh()
        make_views(url, log)
        with closing(open_database(url)) as database, pytest.raises(ViewForeign, match=f"log '{log.name}'.*'other'"):
            Views(database, "other")

    def test_where_nothing_is_views_are_missing(self, fresh: Fresh, log: EmbeddedLog) -> None:
        with pytest.raises(ViewMissing, match="casetrail views rebuild"), closing(open_database(fresh())) as database:
            Views(database, log.name)

    # --- a rebuild beside the views that serve ---

    def test_the_old_views_answer_while_they_are_rebuilt(self, fresh: Fresh, tmp_path: Path) -> None:
        recording = Recording(tmp_path / "log", 3, partitions=2)
        recording.go_on(100)
        url = fresh()
        make_views(url, recording.log)
        follow_to_end(url, recording.log)
        before = all_rows(url)
        recording.go_on(100)
        seen: list[Tables] = []
        rebuild.rebuild(recording.log, recording.url, url, progress=lambda _: seen.append(all_rows(url)))
        assert seen
        assert all(rows == before for rows in seen)
        assert_same(all_rows(url), rebuilt_rows(fresh, recording.log))

    def test_a_rebuild_that_fails_leaves_the_old_views_and_nothing_else(self, fresh: Fresh, log: EmbeddedLog) -> None:
        class PowerFailureError(Exception):
            pass

        def fail(_: int) -> None:
            raise PowerFailureError

        url = fresh()
        make_views(url, log)
        follow_to_end(url, log)
        before, places = all_rows(url), self.places(url)
        with pytest.raises(PowerFailureError):
            rebuild.rebuild(log, f"sqlite:{log.path}", url, progress=fail)
        assert_same(all_rows(url), before)
        assert self.places(url) == places
        rebuild.rebuild(log, f"sqlite:{log.path}", url)
        assert_same(all_rows(url), before)

    def places(self, url: str) -> list[str]:
        """The files or schemas that there are."""
        raise NotImplementedError

    def test_rebuilding_again_and_again_leaves_one_set_of_views(self, fresh: Fresh, log: EmbeddedLog) -> None:
        url = fresh()
        rebuild.rebuild(log, f"sqlite:{log.path}", url)
        count, before = len(self.places(url)), all_rows(url)
        for _ in range(3):
            rebuild.rebuild(log, f"sqlite:{log.path}", url)
        assert len(self.places(url)) == count
        assert_same(all_rows(url), before)

    def test_a_projector_hears_that_its_views_were_swapped(self, fresh: Fresh, tmp_path: Path) -> None:
        recording = Recording(tmp_path / "log", 5, partitions=2)
        recording.go_on(150)
        url = fresh()
        make_views(url, recording.log)
        with closing(projector_at(url, recording.log, 20)) as projector:
            projector.step(0.0)
            projector.step(0.0)
            rebuild.rebuild(recording.log, recording.url, url)
            with pytest.raises(ViewMoved):
                projector.step(0.0)
        recording.go_on(50)
        assert follow_to_end(url, recording.log) == 50
        assert_same(all_rows(url), rebuilt_rows(fresh, recording.log))

    def test_a_projector_that_was_up_to_date_loses_nothing_in_a_swap(self, fresh: Fresh, tmp_path: Path) -> None:
        recording = Recording(tmp_path / "log", 6)
        recording.go_on(100)
        url = fresh()
        make_views(url, recording.log)
        projector = projector_at(url, recording.log)
        projector.step(0.0)
        rebuild.rebuild(recording.log, recording.url, url)
        recording.go_on(30)
        try:
            projector.step(0.0)
        except ViewMoved:
            assert follow_to_end(url, recording.log) == 30
        projector.close()
        assert_same(all_rows(url), rebuilt_rows(fresh, recording.log))

    def test_a_rebuild_takes_in_what_came_meanwhile(self, fresh: Fresh, tmp_path: Path) -> None:
        recording = Recording(tmp_path / "log", 7, partitions=2)
        recording.go_on(60)
        url = fresh()
        late = [40]  # once, in the middle
        rebuild.rebuild(
            recording.log, recording.url, url, progress=lambda _: recording.go_on(late.pop()) if late else None
        )
        assert follow_to_end(url, recording.log) == 0
        assert_same(all_rows(url), rebuilt_rows(fresh, recording.log))

    def test_two_rebuilds_at_once_take_turns(self, fresh: Fresh, log: EmbeddedLog) -> None:
        url = fresh()
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(rebuild.rebuild, log, f"sqlite:{log.path}", url) for _ in range(2)]
            assert [one.result(30) for one in both] == [400, 400]
        assert_same(all_rows(url), rebuilt_rows(fresh, log))

    def test_a_rebuild_in_several_processes_gives_the_same_rows(
        self, fresh: Fresh, log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = rebuilt_rows(fresh, log)
        monkeypatch.setattr(rebuild, "FEW", 1)  # else a small log is done in this process
        url = fresh()
        assert rebuild.rebuild(log, f"sqlite:{log.path}", url, processes=2) == 400
        assert_same(all_rows(url), expected)

    def test_a_log_of_one_partition_is_folded_by_several_processes(
        self, fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with recorded_log(tmp_path / "one", 150, actions=400, cases=30, partitions=1) as log:
            expected = rebuilt_rows(fresh, log)
            monkeypatch.setattr(rebuild, "FEW", 1)
            url = fresh()
            assert rebuild.rebuild(log, f"sqlite:{log.path}", url, processes=2) == 400
            assert_same(all_rows(url), expected)

    def test_a_rebuild_that_sets_little_aside_at_a_time_gives_the_same_rows(
        self, fresh: Fresh, log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = rebuilt_rows(fresh, log)
        monkeypatch.setattr(spill, "EVENTS_A_FILE", 20)
        monkeypatch.setattr(spill, "KEPT_BYTES", 3000)
        monkeypatch.setattr(stream, "POLL", 7)
        url = fresh()
        assert rebuild.rebuild(log, f"sqlite:{log.path}", url) == 400
        assert_same(all_rows(url), expected)

    def test_a_rebuild_beside_a_busy_projector_does_not_fail(self, fresh: Fresh, tmp_path: Path) -> None:
        recording = Recording(tmp_path / "log", 8, partitions=2)
        recording.go_on(600)
        url = fresh()
        make_views(url, recording.log)
        stop = threading.Event()
        failures: list[BaseException] = []

        def follow() -> None:
            while not stop.is_set():
                try:
                    with closing(projector_at(url, recording.log, 1)) as projector:
                        while not stop.is_set():
                            projector.step(0.0)
                except (ViewMoved, ViewUnreachable):
                    continue
                except BaseException as error:
                    failures.append(error)
                    return

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            for _ in range(4):
                rebuild.rebuild(recording.log, recording.url, url)
                recording.go_on(20)
        finally:
            stop.set()
            thread.join()
        assert failures == []
        follow_to_end(url, recording.log)
        assert_same(all_rows(url), rebuilt_rows(fresh, recording.log))

    # --- crashes ---

    def test_killed_projectors_lose_nothing_and_double_nothing(self, fresh: Fresh, tmp_path: Path) -> None:
        chance = random.Random(8)
        with recorded_log(tmp_path / "log", 9, actions=1500, cases=40, partitions=3) as log:
            url = fresh()
            make_views(url, log)
            kills = 0
            for _ in range(5):
                kills += self._run_projector(log, url, statements=chance.randrange(2, 60))
                kills += self._run_projector(log, url, seconds=chance.uniform(0.0, 0.15))
            assert kills >= 5
            follow_to_end(url, log)
            assert_same(all_rows(url), rebuilt_rows(fresh, log))

    def _run_projector(self, log: EmbeddedLog, url: str, statements: int = 0, seconds: float | None = None) -> bool:
        """Run a projector in a process of its own; whether it was killed."""
        command = [sys.executable, "-c", PROJECTOR_PROCESS, f"sqlite:{log.path}", url, str(statements)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            if seconds is not None:
                time.sleep(seconds)
                process.kill()
            code = process.wait(30)
        assert code in (0, -signal.SIGKILL)
        return code != 0

    def test_rows_that_cannot_be_written_do_not_move_the_position(
        self, fresh: Fresh, log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = fresh()
        make_views(url, log)
        follow_to_end(url, log, 50)
        expected, again = all_rows(url), fresh()
        make_views(again, log)
        with closing(open_database(again)) as database:
            projector = Projector(log, Views(database, log.name), 50)
            projector.step(0.0)
            before = all_rows(again)
            with monkeypatch.context() as broken:
                broken.setattr(database, "run_many", _full_disk)
                with pytest.raises(OSError, match="full"):
                    projector.step(0.0)
            assert_same(all_rows(again), before)
        follow_to_end(again, log)
        assert_same(all_rows(again), expected)

    # --- two at once ---

    def test_the_slower_of_two_projectors_is_told_and_changes_nothing(self, fresh: Fresh, log: EmbeddedLog) -> None:
        url = fresh()
        make_views(url, log)
        with closing(projector_at(url, log, 30)) as slow:
            slow.step(0.0)
            follow_to_end(url, log)
            before = all_rows(url)
            with pytest.raises(ViewMoved):
                slow.step(0.0)
            assert_same(all_rows(url), before)

    def test_two_projectors_at_once_never_double(self, fresh: Fresh, log: EmbeddedLog) -> None:
        url = fresh()
        make_views(url, log)
        ends, moved, failures = log.end_offsets(Topic.EVENTS), [0, 0], list[BaseException]()
        barrier = threading.Barrier(2)

        def follow(number: int) -> None:
            chance = random.Random(number)
            barrier.wait()
            while True:
                try:
                    with closing(projector_at(url, log, chance.randrange(1, 9))) as projector:
                        while projector.step(0.0):
                            time.sleep(chance.uniform(0.0, 0.003))
                        if projector.positions == ends:
                            return
                except (ViewMoved, ViewUnreachable):
                    moved[number] += 1
                except BaseException as error:
                    failures.append(error)
                    return

        threads = [threading.Thread(target=follow, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failures == []
        assert sum(moved) > 0, "they never met"
        assert_same(all_rows(url), rebuilt_rows(fresh, log))

    def test_an_address_of_no_known_kind_is_refused_without_showing_it(self) -> None:
        with pytest.raises(ViewError) as caught:
            open_database("mysql://casetrail:geheim@host/views")
        assert "geheim" not in str(caught.value)


def _full_disk(*_: object) -> None:
    raise OSError("the disk is full")
