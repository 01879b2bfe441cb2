"""Building the views anew in a process of its own: to its end, told to stop, killed, and where it cannot be done."""

import fcntl
import json
import multiprocessing
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from casetrail.cli import exits
from casetrail.consumers.judging_process import Place
from casetrail.consumers.rebuilding import rebuild_apart
from casetrail.projections import rebuild
from casetrail.projections.errors import RebuildingEnded, ViewUnreachable
from tests.cli.shell import Shell
from tests.conformance.judgements_kit import all_rows
from tests.conformance.views_kit import assert_same
from tests.judged_histories import JudgedLog

LIMIT = 60.0


@pytest.fixture
def told(tmp_path: Path) -> Iterator[JudgedLog]:
    """A log with a history."""
    made = JudgedLog(tmp_path / "log", 21)
    made.go_on(200)
    yield made
    made.log.close()


@contextmanager
def held(views: Path) -> Iterator[None]:
    """Meanwhile another rebuild goes on, for which the next one waits."""
    with views.with_name(f"{views.name}.rebuild.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def in_thread(place: Place, stop: threading.Event) -> tuple[threading.Thread, list[object]]:
    """Rebuild in a thread; what came of it."""
    found: list[object] = []

    def one() -> None:
        try:
            found.append(rebuild_apart(place, stop, lambda _: None))
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=one)
    thread.start()
    return thread, found


def test_the_views_are_those_of_a_rebuild_and_its_progress_is_told(told: JudgedLog, tmp_path: Path) -> None:
    done: list[int] = []
    url, there = f"sqlite:{tmp_path / 'views'}", f"sqlite:{tmp_path / 'there'}"
    assert rebuild_apart(Place(f"sqlite:{told.log.path}", {}, url), threading.Event(), done.append)
    assert sum(done) == rebuild.rebuild(told.log, f"sqlite:{told.log.path}", there)
    assert_same(all_rows(url), all_rows(there))


def test_what_waits_or_works_ends_when_it_is_told_to_and_leaves_nothing(told: JudgedLog, tmp_path: Path) -> None:
    views, stop = tmp_path / "views", threading.Event()
    with held(views):
        thread, found = in_thread(Place(f"sqlite:{told.log.path}", {}, f"sqlite:{views}"), stop)
        until(multiprocessing.active_children)
        stop.set()
        thread.join(LIMIT)
        assert found == [False]
    assert not multiprocessing.active_children()
    assert [one.name for one in tmp_path.glob("views*")] == ["views.rebuild.lock"]


def test_a_process_that_was_killed_is_told(told: JudgedLog, tmp_path: Path) -> None:
    views = tmp_path / "views"
    with held(views):
        thread, found = in_thread(Place(f"sqlite:{told.log.path}", {}, f"sqlite:{views}"), threading.Event())
        until(multiprocessing.active_children)
        for one in multiprocessing.active_children():
            one.kill()
        thread.join(LIMIT)
    assert isinstance(found[0], RebuildingEnded)


def test_what_goes_wrong_there_is_told_here(told: JudgedLog) -> None:
    place = Place(f"sqlite:{told.log.path}", {}, "postgresql://ada@127.0.0.1:1/none")
    with pytest.raises(ViewUnreachable, match="does not answer"):
        rebuild_apart(place, threading.Event(), lambda _: None)


def test_a_service_that_rebuilds_says_so_and_stops_at_once(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.run("log", "init")
    shell.report()
    with held(tmp_path / "log.db.views"):
        serving = shell.start("serve", "projector", "--health-port", "0")
        try:
            assert serving.stderr is not None
            address = serving.stderr.readline().split()[-1]
            report: dict[str, Any] = {}

            def is_rebuilding() -> bool:
                try:
                    urllib.request.urlopen(address, timeout=10).close()
                except urllib.error.HTTPError as error:
                    with closing(error):
                        report.update(json.load(error))
                return bool(report.get("consumers"))

            until(is_rebuilding)
            assert report["consumers"]["projector"]["trouble"] == "views-rebuilding"
            assert report["notes"]["views"] == "they are built anew: 0 of 1 events are done"
            with urllib.request.urlopen(address.replace("/health", "/metrics"), timeout=10) as answer:
                assert 'casetrail_rebuilding_events{consumer="projector"} 1' in answer.read().decode()
            serving.send_signal(signal.SIGTERM)
            assert serving.wait(LIMIT) == exits.OK
            assert "built anew now" in serving.stderr.read()  # communicate() passes over what came with the first line
        finally:
            serving.kill()
            serving.communicate()
