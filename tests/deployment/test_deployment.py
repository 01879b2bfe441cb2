"""What docker-compose.yml runs, run by hand: its brokers' settings, its commands and its health checks, no containers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from casetrail.cli import exits
from tests.deployment.compose import (
    BROKERS,
    OF_ONE_BROKER,
    OF_THE_NETWORK,
    broker_settings,
    command_of,
    environment_of,
    load,
)
from tests.servers.guard import Guard
from tests.servers.kafka import Broker, free_port, start_cluster

CASETRAIL: Final = str(Path(sys.executable).with_name("casetrail"))
SERVICES: Final = load()["services"]
REPORT: Final = (
    "--person", "desk-1", "--agency", "kcpd", "--role", "intake", "report", "--channel", "phone", "--reporter", "public",
    "--unit", "special-victims", "--offence", "11A", "--child-name", "Robin Sample", "--child-born", "2015-01-02",
)  # fmt: skip


class Service:
    """A service of the file in a process of its own."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.port = free_port()
        self.output = folder / "output"
        command = [*(command_of(SERVICES[name]) or ()), "--health-port", str(self.port)]
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [CASETRAIL, *command], cwd=folder, env=dict(environment), stdout=out, stderr=out, start_new_session=True
            )
        self._guard = Guard(self.process.pid)
        self._health_check = [
            word.replace(":8080/", f":{self.port}/") for word in SERVICES[name]["healthcheck"]["test"][2:]
        ]

    def wait_healthy(self, seconds: float = 60.0) -> None:
        """Run the file's own health check until it succeeds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            if subprocess.run([sys.executable, *self._health_check], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.3)
        raise AssertionError(f"the service is not healthy: {self.output.read_text()[-2000:]}")

    def stop(self) -> int:
        """Stop it as a container engine does, and tell its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self._guard.release()


def run(environment: Mapping[str, str], folder: Path, *words: str) -> str:
    """Run one command that must succeed, and return what it printed."""
    code, output = run_once(environment, folder, *words)
    assert code == exits.OK, f"casetrail {' '.join(words)}: exit {code}\n{output}"
    return output


def run_once(environment: Mapping[str, str], folder: Path, *words: str) -> tuple[int, str]:
    """Run one command to its end: its exit code, and what it printed."""
    done = subprocess.run(
        [CASETRAIL, *words], cwd=folder, env=dict(environment), capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def again_until_answered(environment: Mapping[str, str], folder: Path, *words: str, seconds: float = 60.0) -> None:
    """Run a submission again, under the same action id, until its outcome is known: that cannot double it."""
    until = time.monotonic() + seconds
    while True:
        code, output = run_once(environment, folder, *words)
        if code == exits.OK or "the first time it was accepted" in output:  # what had no answer then has one now
            return
        assert code in (exits.UNREACHABLE, exits.PENDING), output
        assert time.monotonic() < until, f"not answered in {seconds:.0f} s: {output}"


@contextmanager
def cluster_of_the_file(directory: Path) -> Iterator[Sequence[Broker]]:
    """Three brokers with the settings of the file, but for the names of hosts and folders."""
    settings = broker_settings(SERVICES[BROKERS[0]])
    here = {name: value for name, value in settings.items() if name not in OF_ONE_BROKER | OF_THE_NETWORK}
    cluster = start_cluster(directory, len(BROKERS), here)
    try:
        yield cluster
    finally:
        for broker in cluster:
            broker.kill()


@pytest.mark.broker
@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_the_commands_of_the_file_record_and_show_a_report_also_when_a_broker_fails(
    tmp_path: Path, postgres_database: str
) -> None:
    with cluster_of_the_file(tmp_path / "brokers") as cluster, ExitStack() as stack:
        places = {
            ",".join(f"{name}:9092" for name in BROKERS): ",".join(broker.bootstrap for broker in cluster),
            "postgresql://casetrail@postgres:5432/casetrail": postgres_database,
            "/var/lib/casetrail": str(tmp_path),
        }
        environment = os.environ | environment_of(SERVICES["casetrail"], places)
        init = command_of(SERVICES["init"]) or []
        assert "made log 'kcpd'" in run(environment, tmp_path, *init)
        assert "there already" in run(environment, tmp_path, *init)
        run(environment, tmp_path, "log", "check")

        services = []
        for name in ("recorder-1", "recorder-2", "projector", "notary", "watchdog"):
            (tmp_path / name).mkdir()
            if name == "notary":
                run(environment, tmp_path / name, *(command_of(SERVICES["notary-key"]) or []))
            service = Service(name, tmp_path / name, environment)
            services.append(service)
            stack.callback(service.stop)
        for service in services:
            service.wait_healthy()

        run(environment, tmp_path, *REPORT, "case-1")
        cluster[2].kill()
        again_until_answered(environment, tmp_path, *REPORT, "case-2", "--action-id", "02" * 16)
        run(environment, tmp_path, "count")
        shown = ""
        until = time.monotonic() + 30
        while "case-2" not in shown and time.monotonic() < until:
            shown = run(environment, tmp_path, "cases", "--format", "csv")
        assert "case-1" in shown
        assert "case-2" in shown
        assert "Robin Sample" in run(environment, tmp_path, "history", "case-1", "--unseal")
        stack.pop_all()
        assert [service.stop() for service in services] == [0] * len(services)
