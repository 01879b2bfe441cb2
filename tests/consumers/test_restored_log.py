"""An older copy of the log is put in its place: whom the restored log says to be told is told, and nobody twice."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from casetrail.domain.escalation import Escalated
from casetrail.eventlog.embedded import EmbeddedLog
from tests.actions import INTAKE, report
from tests.consumers.test_outbox import TO_FILE, escalate, lines_in, outbox, run
from tests.consumers.watching import World
from tests.domain.clock_histories import day


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two cases were told of, and then the log is as it was when the second one had not been reported."""
    made = World(tmp_path)
    escalate(made, day(1.5))
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(made.log.path)) as log, closing(sqlite3.connect(copy)) as there:
        log.backup(there)
    made.tell(day(1.6), report(), INTAKE, "C-2")
    escalate(made, day(3.5))
    told(made)
    made.log.close()
    for suffix in ("-wal", "-shm"):
        made.log.path.with_name(f"log.db{suffix}").unlink(missing_ok=True)
    copy.replace(made.log.path)
    (tmp_path / "watchdog").unlink()
    made.log = EmbeddedLog.open(made.log.path, made.clock)
    yield made
    made.log.close()


def told(world: World) -> list[dict[str, Any]]:
    """What has been sent, once an outbox has run for a while."""
    with closing(outbox(world, *TO_FILE)) as one:
        run(one)
        world.clock.now += timedelta(minutes=2)
        run(one)
    return lines_in(world.folder / "told.ndjson")


def said(world: World) -> set[tuple[str, str, str, str]]:
    """What the log says who was told of."""
    bodies = [(one.case_id, one.body) for one in world.events()]
    return {
        (case_id, body.clock, body.level.value, str(to))
        for case_id, body in bodies
        if isinstance(body, Escalated)
        for to in body.told
    }


@pytest.mark.parametrize("begun_before", [True, False], ids=["begun before anything new", "begun later"])
def test_what_is_recorded_from_then_on_is_sent(
    world: World, begun_before: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where the log has grown past the place that the outbox had read up to, before an outbox was started again."""
    before = lines_in(world.folder / "told.ndjson")
    if begun_before:
        assert told(world) == before, "nothing is sent again"
    for number in range(2, 9):
        world.tell(day(4), report(), INTAKE, f"C-{number}")
    escalate(world, day(8.5))
    found = told(world)
    assert found[: len(before)] == before
    new = {
        (one["data"]["case_id"], one["data"]["clock"], one["data"]["level"], one["data"]["told"])
        for one in found[len(before) :]
    }
    assert new == said(world) - {("C-1", "first_response", "holder", "child-crimes/intake")}, "that was before the copy"
    assert len({one["id"] for one in found}) == len(found), "what is new has an id that no recipient has had"
    assert "another history" in caplog.text


def test_it_goes_on_where_it_was_stopped_meanwhile(world: World) -> None:
    before = lines_in(world.folder / "told.ndjson")
    world.tell(day(4), report(), INTAKE, "C-2")
    escalate(world, day(8.5))
    for _ in range(3):
        with closing(outbox(world, *TO_FILE)) as one:
            one._reader.poll(0.0, 1)
    found = told(world)
    assert len(found) - len(before) == len(said(world)) - 1
