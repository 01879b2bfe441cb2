"""Judging in a process of its own: real processes, killed and left alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from casetrail.consumers.judging_process import JudgingProcess, Place, Projecting
from casetrail.consumers.projector import Projector
from casetrail.eventlog.port import Topic
from casetrail.projections import rebuild
from casetrail.projections.database import open_database
from casetrail.projections.errors import JudgingEnded, ViewMissing, ViewMoved
from casetrail.projections.judgement_queries import stale
from casetrail.projections.views import Views
from tests.conformance.judgements_kit import all_rows, make, project_to_end
from tests.conformance.views_kit import assert_same
from tests.judged_histories import JudgedLog

LIMIT = 60.0
NOTHING = {0: 0, 1: 0}

ORPHANING = """
import sys, time
from casetrail.consumers.judging_process import JudgingProcess, Place

if __name__ == "__main__":
    judging = JudgingProcess(Place(sys.argv[1], {}, sys.argv[2]), {})
    while not judging.step() and not judging.positions:
        time.sleep(0.05)
    print(judging._process.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def told(tmp_path: Path) -> Iterator[JudgedLog]:
    """A log with a history."""
    made = JudgedLog(tmp_path / "log", 21)
    made.go_on(200)
    yield made
    made.log.close()


@pytest.fixture
def url(told: JudgedLog, tmp_path: Path) -> str:
    """Views that have seen all of it, and judgements that have seen nothing."""
    made = f"sqlite:{tmp_path / 'views'}"
    make(made, told.log)
    project_to_end(made, told.log)
    return made


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


def is_settled(judging: JudgingProcess, told: JudgedLog, url: str) -> bool:
    """Whether all is judged, and nothing stale."""
    judging.step()
    with closing(open_database(url)) as database:
        return judging.positions == told.log.end_offsets(Topic.EVENTS) and not stale(database)


def assert_right(told: JudgedLog, url: str, tmp_path: Path) -> None:
    """The judgements are those of a rebuild."""
    rebuilt = f"sqlite:{tmp_path / 'rebuilt'}"
    rebuild.rebuild(told.log, told.url, rebuilt)
    assert_same(all_rows(url), all_rows(rebuilt))


def test_it_judges_all_that_comes_and_tells_how_far_it_is(told: JudgedLog, url: str, tmp_path: Path) -> None:
    views = Views(open_database(url), told.log.name)
    with closing(Projecting(Projector(told.log, views), JudgingProcess(Place(told.url, {}, url), NOTHING))) as both:
        assert both.positions == NOTHING
        until(lambda: both.step(0.01) > 0)
        told.go_on(60)
        until(lambda: both.step(0.01) == 0 and both.positions == told.log.end_offsets(Topic.EVENTS))
    with closing(JudgingProcess(Place(told.url, {}, url), {})) as judging:
        until(lambda: is_settled(judging, told, url))
    assert_right(told, url, tmp_path)


def test_one_that_was_killed_is_missed_and_the_next_goes_on(told: JudgedLog, url: str, tmp_path: Path) -> None:
    with closing(JudgingProcess(Place(told.url, {}, url), NOTHING)) as judging:
        until(lambda: judging.step() > 0)
        os.kill(judging._process.pid or 0, signal.SIGKILL)
        with pytest.raises(JudgingEnded):
            until(lambda: judging.step() > 0 and False)
    with closing(JudgingProcess(Place(told.url, {}, url), NOTHING)) as judging:
        until(lambda: is_settled(judging, told, url))
    assert_right(told, url, tmp_path)


def test_it_ends_with_whoever_started_it(told: JudgedLog, url: str, tmp_path: Path) -> None:
    script = tmp_path / "orphaning.py"
    script.write_text(ORPHANING)
    command = [sys.executable, str(script), told.url, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.kill()
    until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2])


def test_what_goes_wrong_there_comes_out_here(told: JudgedLog, url: str, tmp_path: Path) -> None:
    with closing(JudgingProcess(Place(told.url, {}, url), NOTHING)) as judging:
        until(lambda: is_settled(judging, told, url))
        rebuild.rebuild(told.log, told.url, url)
        told.go_on(5)
        with pytest.raises(ViewMoved):
            until(lambda: judging.step() > 0 and False)
    plain = f"sqlite:{tmp_path / 'plain'}"
    rebuild.rebuild(told.log, told.url, plain, judged=False)
    with closing(JudgingProcess(Place(told.url, {}, plain), NOTHING)) as judging, pytest.raises(ViewMissing) as wrong:
        until(lambda: judging.step() > 0 and False)
    assert any("Traceback" in note for note in wrong.value.__notes__)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_does_not_end_it_before_its_parent_can(
    told: JudgedLog, url: str, tmp_path: Path, number: signal.Signals
) -> None:
    with closing(JudgingProcess(Place(told.url, {}, url), NOTHING)) as judging:
        until(lambda: judging.step() > 0)
        os.kill(judging._process.pid or 0, number)
        until(lambda: is_settled(judging, told, url))
        with pytest.raises(JudgingEnded):  # but where the parent does not, it ends by itself
            until(lambda: judging.step() > 0 and False)
    assert_right(told, url, tmp_path)
