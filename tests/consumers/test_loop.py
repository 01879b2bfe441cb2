"""The loop begins anew after what passes by itself, and stops for what does not; health says which."""

import json
import re
import threading
import time
import urllib.error
import urllib.request

import pytest

from casetrail.consumers.health import Health, HealthServer
from casetrail.consumers.loop import run, run_beside
from casetrail.eventlog.errors import LogReplaced, LogUnreachable
from casetrail.eventlog.outcome import ChainBroken
from tests.servers.kafka import ROOT


class Scripted:
    """A consumer whose steps are given: numbers are done, errors are raised."""

    def __init__(self, steps: list[int | Exception], stop: threading.Event) -> None:
        self.steps, self.stop, self.closed = steps, stop, 0

    def step(self, timeout: float) -> int:
        if not self.steps:
            self.stop.set()
            return 0
        one = self.steps.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    def close(self) -> None:
        self.closed += 1


def test_a_consumer_is_made_anew_after_what_passes_by_itself() -> None:
    stop, health = threading.Event(), Health()
    consumer = Scripted([3, LogUnreachable("gone"), 4], stop)
    made = []
    run("recorder", lambda: made.append(1) or consumer, stop, health)  # type: ignore[func-returns-value]
    assert len(made) == 2
    assert consumer.closed == 2
    assert 'casetrail_done_total{consumer="recorder"} 7' in health.metrics()
    assert 'casetrail_trouble_total{consumer="recorder",code="log-unreachable"} 1' in health.metrics()


def test_a_broken_chain_stops_the_process() -> None:
    stop = threading.Event()
    consumer = Scripted([ChainBroken("altered")], stop)
    with pytest.raises(ChainBroken):
        run("projector", lambda: consumer, stop, Health())
    assert consumer.closed == 1


def trouble(health: Health, name: str) -> str | None:
    consumers = health.report()[1]["consumers"]
    assert isinstance(consumers, dict)
    found: str | None = consumers[name]["trouble"]
    return found


def test_beside_others_a_consumer_rests_after_what_does_not_pass_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop, health = threading.Event(), Health()
    consumer = Scripted([ChainBroken("altered"), ChainBroken("altered"), 3, ChainBroken("altered"), 1], stop)
    fault = run_beside("projector", lambda: consumer, stop, health, rest=0.1)
    assert str(fault) == "altered", "some steps before it meets the same mend nothing"
    assert consumer.closed == 4
    assert health.report()[0] is False and trouble(health, "projector") == "chain-broken"
    assert health.working() == [], "it gives no heartbeat either"
    assert [one.getMessage().partition(";")[0] for one in caplog.records] == ["projector: altered (chain-broken)"]


def test_what_was_mended_leaves_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, health = threading.Event(), Health()
    left = [KeyError("a fault of the program")]

    class Mended(Scripted):
        def step(self, timeout: float) -> int:
            if left:
                raise left.pop()
            assert trouble(health, "watchdog") in ("program-fault", None)
            if trouble(health, "watchdog") is None:
                stop.set()
            time.sleep(0.01)
            return 0

    assert run_beside("watchdog", lambda: Mended([], stop), stop, health, rest=0.05) is None
    assert health.working() == ["watchdog"]
    assert 'casetrail_trouble_total{consumer="watchdog",code="program-fault"} 1' in health.metrics()


def test_a_replaced_log_ends_also_those_that_run_beside_others() -> None:
    stop = threading.Event()
    with pytest.raises(LogReplaced):
        run_beside("projector", lambda: Scripted([LogReplaced("another file")], stop), stop, Health())


def test_health_is_served_with_its_lag() -> None:
    health = Health(lambda: {("recorder", 0): 12})
    server = HealthServer(health, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.port}"
    try:
        with pytest.raises(urllib.error.HTTPError) as not_yet:
            urllib.request.urlopen(f"{base}/health")
        assert not_yet.value.code == 503
        health.stepped("recorder", 5)
        with urllib.request.urlopen(f"{base}/health") as answer:
            assert json.load(answer)["consumers"]["recorder"]["done"] == 5
        with urllib.request.urlopen(f"{base}/metrics") as answer:
            assert 'casetrail_lag{consumer="recorder",partition="0"} 12' in answer.read().decode()
        health.troubled("recorder", "log-unreachable")
        with pytest.raises(urllib.error.HTTPError) as troubled:
            urllib.request.urlopen(f"{base}/health")
        assert json.load(troubled.value)["consumers"]["recorder"]["trouble"] == "log-unreachable"
    finally:
        server.close()


def test_health_gives_a_reason_also_before_the_first_step_and_where_steps_take_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    health = Health()
    healthy, said = health.report()
    assert not healthy and "none has been made yet" in str(said["steps"])
    health.stepped("recorder", 1)
    healthy, said = health.report()
    assert healthy and "steps" not in said
    monkeypatch.setattr("casetrail.consumers.health.STALE_AFTER", 0.0)
    healthy, said = health.report()
    assert not healthy and "or longer: recorder" in str(said["steps"])


def test_whatever_operations_says_to_alarm_on_is_measured() -> None:
    named = set(re.findall(r"\bcasetrail_[a-z_]+", (ROOT / "docs" / "operations.md").read_text("utf-8")))
    measured = "".join((ROOT / file).read_text("utf-8") for file in ("consumers/health.py", "cli/serving.py"))
    assert len(named) > 8 and named <= set(re.findall(r"casetrail_[a-z_]+", measured))


def test_a_log_that_does_not_answer_keeps_nobody_waiting_for_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casetrail.consumers.health.PATIENCE", 0.05)
    asked, answers = threading.Event(), threading.Event()
    lags = {("recorder", 0): 12}

    def measure() -> dict[tuple[str, int], int]:
        if asked.is_set():
            assert answers.wait(60)
        asked.set()
        return dict(lags)

    health = Health(measure)
    until = time.monotonic() + 60
    while 'partition="0"} 12' not in (said := health.metrics()) or not asked.is_set():
        assert time.monotonic() < until, said
    lags["recorder", 0] = 13
    for _ in range(3):
        assert 'casetrail_lag{consumer="recorder",partition="0"} 12' in health.metrics(), "the last that was known"
    assert [one.name for one in threading.enumerate()].count("lags") == 1
    answers.set()
    until = time.monotonic() + 60
    while 'partition="0"} 13' not in (said := health.metrics()):
        assert time.monotonic() < until, said
    assert "casetrail_lag_age_seconds" in said


def test_a_log_that_cannot_be_reached_leaves_the_lags_that_were_known() -> None:
    found: list[dict[tuple[str, int], int]] = [{("recorder", 0): 12}]

    def measure() -> dict[tuple[str, int], int]:
        if not found:
            raise LogUnreachable("gone")
        return found.pop()

    health = Health(measure)
    assert 'partition="0"} 12' in health.metrics()
    assert 'partition="0"} 12' in health.metrics()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::", "localhost"])
def test_health_is_served_on_either_kind_of_address(address: str) -> None:
    health = Health()
    health.stepped("recorder", 5)
    server = HealthServer(health, address, 0)
    host = {"::": "[::1]", "::1": "[::1]"}.get(address, "127.0.0.1")
    try:
        with urllib.request.urlopen(f"http://{host}:{server.port}/health") as answer:
            assert answer.status == 200
    finally:
        server.close()


def test_a_log_that_owes_an_answer_for_long_is_told_and_forgotten_when_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("casetrail.consumers.health.PATIENCE", 0.05)
    monkeypatch.setattr("casetrail.consumers.health.SILENT_AFTER", 0.2)
    hangs, answers = threading.Event(), threading.Event()
    hangs.set()

    def measure() -> dict[tuple[str, int], int]:
        if hangs.is_set():
            assert answers.wait(60)
            raise LogUnreachable("it has hung for too long")
        return {}

    health = Health(measure)
    health.stepped("recorder", 1)
    until = time.monotonic() + 60
    while health.report()[0]:
        assert time.monotonic() < until
    healthy, said = health.report()
    assert not healthy and str(said["notes"]).startswith("{'log': 'no answer for ")
    assert "casetrail_up 0" in health.metrics()
    answers.set()
    assert not health.report()[0], "an answer that failed is none"
    hangs.clear()
    while not (found := health.report())[0]:
        assert time.monotonic() < until
        health.stepped("recorder", 1)
    assert "notes" not in found[1]
