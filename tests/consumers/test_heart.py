"""Machines that work say so in the log, and those that do not work say nothing."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from casetrail.audit.balance import balance
from casetrail.consumers.health import Health
from casetrail.consumers.heart import Heart, Host, host_name
from casetrail.domain.codes import MachineKind
from casetrail.domain.heartbeat import Heartbeat
from casetrail.domain.values import is_id
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.errors import LogRefused, LogUnreachable
from casetrail.eventlog.port import Weakness
from casetrail.projections.errors import StateUnreachable, ViewMoved
from tests.consumers.watching import World, events_of
from tests.domain.clock_histories import day

HOST = Host("vault-1", "metro-pd")


def heartbeats(log: EmbeddedLog) -> list[Heartbeat]:
    """The heartbeats that are recorded."""
    return [one.body for one in events_of(log) if isinstance(one.body, Heartbeat)]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it has not come"
        time.sleep(0.01)


@pytest.fixture
def log(tmp_path: Path) -> EmbeddedLog:
    return EmbeddedLog.create(tmp_path / "log.db", "metro", 1)


def test_a_consumer_that_makes_steps_gives_a_heartbeat_with_its_promise(log: EmbeddedLog) -> None:
    health = Health()
    heart = Heart(log, HOST, health, every=600.0)
    heart.start()
    health.stepped("watchdog", 0)
    until(lambda: bool(heartbeats(log)))
    heart.close()
    assert heartbeats(log) == [Heartbeat("vault-1.watchdog", MachineKind.WATCHDOG, 900)]
    (event,) = events_of(log)
    assert event.case_id.startswith("machine:vault-1.watchdog:") and event.actor is not None
    assert event.actor.agency == "metro-pd"


def test_one_in_trouble_gives_none_and_the_others_do(log: EmbeddedLog) -> None:
    health = Health()
    health.stepped("recorder", 1)
    health.stepped("projector", 1)
    health.troubled("recorder", "log-unreachable")
    heart = Heart(log, HOST, health, every=0.05)
    heart.start()
    until(lambda: len(heartbeats(log)) > 2)
    heart.close()
    assert {one.machine_kind for one in heartbeats(log)} == {MachineKind.PROJECTOR}
    assert {one.within for one in heartbeats(log)} == {1}, "a second is the least that can be promised"


@pytest.mark.parametrize("error", [LogUnreachable("gone"), StateUnreachable("in use"), ViewMoved("by another")])
def test_a_log_that_takes_no_heartbeat_holds_nobody_up_and_gets_the_next_one(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    failed = threading.Event()

    def unreachable(*_: object) -> None:
        failed.set()
        raise error

    health = Health()
    health.stepped("recorder", 1)
    heart = Heart(log, HOST, health, every=0.05)
    with monkeypatch.context() as broken:
        broken.setattr("casetrail.consumers.heart.submit", unreachable)
        heart.start()
        assert failed.wait(30)
    until(lambda: bool(heartbeats(log)))
    heart.close()
    assert "no heartbeat of recorder was taken" in caplog.text


def test_a_right_that_is_missing_is_said_once_and_stands_in_the_health_until_it_is_given(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[object] = []

    def refused(*_: object) -> None:
        asked.append(None)
        raise LogRefused("the brokers refuse this user")

    health = Health()
    health.stepped("recorder", 1)
    heart = Heart(log, HOST, health, every=0.05)
    with monkeypatch.context() as broken:
        broken.setattr("casetrail.consumers.heart.submit", refused)
        heart.start()
        until(lambda: len(asked) > 3)
        healthy, report = health.report()
        assert healthy and "--role submitter" in str(report["notes"])
    until(lambda: "notes" not in health.report()[1])
    heart.close()
    assert caplog.text.count("may not append to the actions") == 1
    assert heartbeats(log)


def test_a_setting_that_is_weakened_is_said_at_the_next_beat_and_no_longer_once_it_is_mended(
    log: EmbeddedLog, caplog: pytest.LogCaptureFixture
) -> None:
    health = Health()
    health.stepped("recorder", 1)
    heart = Heart(log, HOST, health, every=0.05)
    (guard,) = log.database.execute("SELECT sql FROM sqlite_master WHERE name = 'no_update'").fetchone()
    log.database.execute("DROP TRIGGER no_update")
    heart.start()
    until(lambda: "notes" in health.report()[1])
    healthy, report = health.report()
    assert healthy and "see 'casetrail log check'" in report["notes"]["settings"]  # type: ignore[index]
    log.database.execute(guard)
    until(lambda: "notes" not in health.report()[1])
    heart.close()
    assert caplog.text.count("protected less than it must be") == 1


def test_a_setting_that_this_user_may_not_see_is_not_said_to_be_weak(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = Weakness("metro.events", "retention.ms", "unknown", "-1", "it may be deleted")
    monkeypatch.setattr(EmbeddedLog, "weaknesses", lambda _: [hidden])
    health = Health()
    health.stepped("recorder", 1)
    heart = Heart(log, HOST, health)
    heart._look_at_settings()
    assert "notes" not in health.report()[1]
    monkeypatch.setattr(EmbeddedLog, "weaknesses", lambda _: [hidden, hidden._replace(found="86400000")])
    heart._look_at_settings()
    notes = health.report()[1]["notes"]
    assert notes == {"settings": "metro.events: retention.ms is 86400000; see 'casetrail log check'"}


def test_any_host_has_an_id_that_a_heartbeat_can_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ärger im büro", "", "-", "x" * 200, "vault-1.metro.example"):
        monkeypatch.setattr("socket.gethostname", lambda name=name: name)
        assert is_id(f"machine:{host_name()}.projector:2026-03")


def test_heartbeats_and_escalations_leave_every_count_right(tmp_path: Path) -> None:
    world = World(tmp_path, partitions=3)
    world.report(3)
    watchdog = world.watchdog()
    world.go_on(watchdog, day(20), day(1) - day(0))
    watchdog.close()
    world.clock.now = datetime.now(UTC)  # heartbeats go by the machine's clock
    health = Health()
    health.stepped("watchdog", 1)
    heart = Heart(world.log, HOST, health, every=0.05)
    heart.start()
    until(lambda: any(isinstance(one.body, Heartbeat) for one in world.events()))
    heart.close()
    counted = balance(world.log)
    assert not any(one.faults or one.pending for one in counted)
    assert sum(one.submitted for one in counted) == len(world.events())
