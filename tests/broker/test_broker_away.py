"""What starts while one of three brokers is away goes on with the others, whichever of them it happens to ask first."""

import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from casetrail.cli import exits
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Entry, Topic
from tests.actions import life
from tests.broker.clusters import three_brokers
from tests.servers.guard import Guard
from tests.servers.kafka import Broker, free_port

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

CASETRAIL = (sys.executable, "-c", "from casetrail.cli.main import main; main()")
SERVED = (("recorder",), ("projector",), ("notary", "--key", "key", "--every", "0.5"), ("watchdog",))
REPORT = (
    "--person", "desk-1", "--agency", "kcpd", "--role", "intake", "report", "C-1", "--channel", "phone", "--reporter", "public",
    "--unit", "special-victims", "--offence", "11A", "--action-id", "01" * 16,
)  # fmt: skip


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Broker]]:
    """Three brokers that miss one of them after some seconds, with a log on all of them."""
    with three_brokers(tmp_path_factory.mktemp("three")) as brokers:
        init_log(url_of(brokers), partitions=3).close()
        yield brokers


@pytest.fixture(scope="module", params=["asleep", "killed"])
def away(request: pytest.FixtureRequest, cluster: Sequence[Broker]) -> Iterator[Broker]:
    """A broker that takes connections and answers nothing, or one that was killed a moment ago, and is listed still."""
    if request.param == "asleep":
        cluster[0].signal(signal.SIGSTOP)
        yield cluster[0]
        cluster[0].signal(signal.SIGCONT)
    else:
        cluster[1].kill()
        yield cluster[1]


def url_of(brokers: Sequence[Broker]) -> str:
    return f"kafka://{','.join(broker.bootstrap for broker in brokers)}/kcpd"


@pytest.fixture
def worst_chance(monkeypatch: pytest.MonkeyPatch, away: Broker) -> None:
    """Let the client's chance fall on the broker that is away, as long as it is among those that it may ask."""

    def choice(among: Sequence[Any]) -> Any:
        if away.process is None:  # it refuses at once, and the client draws again
            return random.choice(among)
        return min(among, key=lambda server: server.port != away.port)

    def shuffle(nodes: list[int]) -> None:
        nodes.sort(key=lambda node: node != away.number)

    chance = SimpleNamespace(choice=choice, shuffle=shuffle, uniform=random.uniform)
    monkeypatch.setattr("kafka.net.manager.random", chance)


@pytest.mark.usefixtures("worst_chance")
@pytest.mark.parametrize("client", ["python", "confluent"])
def test_a_log_is_opened_through_the_other_brokers(cluster: Sequence[Broker], client: str) -> None:
    with open_log(url_of(cluster), {"client": client}) as log:
        assert log.partitions == 3


@pytest.mark.usefixtures("worst_chance")
@pytest.mark.parametrize("away", ["asleep"], indirect=True)
def test_a_log_is_appended_to_through_the_other_brokers(cluster: Sequence[Broker]) -> None:
    action = life("C-2")[0]
    with open_log(url_of(cluster)) as log:
        assert len(log.append(Topic.ACTIONS, [Entry(action.case_id.encode(), encode_action(action))])) == 1


@pytest.mark.usefixtures("worst_chance")
def test_the_settings_of_topics_are_looked_at_through_the_other_brokers(cluster: Sequence[Broker]) -> None:
    with open_log(url_of(cluster)) as log:
        assert log.weaknesses() == []


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CASETRAIL, *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process that serves, and the port of its health."""
    port = free_port()
    command = [*CASETRAIL, "serve", *words, "--health-port", str(port)]
    with (folder / f"{words[0]}.output").open("ab") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out, start_new_session=True)
    guard = Guard(process.pid)
    try:
        yield process, port
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        process.wait(60)
        guard.release()


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.parametrize("away", ["asleep"], indirect=True)
def test_everything_that_serves_starts_and_a_report_is_recorded(
    cluster: Sequence[Broker], away: Broker, tmp_path: Path
) -> None:
    (tmp_path / "casetrail.toml").write_text(
        f'log = "{url_of(cluster)}"\nviews = "sqlite:{tmp_path}/views"\nkeyring = "sqlite:{tmp_path}/keys"\n'
    )
    assert run(tmp_path, "keys", "create", "kcpd.example", "--file", "key", "--for", "log").returncode == exits.OK
    until = time.monotonic() + 120
    with ExitStack() as stack:
        served = [stack.enter_context(serving(tmp_path, *words)) for words in SERVED]
        reported = run(tmp_path, *REPORT)
        while reported.returncode == exits.PENDING:  # again under the same action id, which cannot double it
            assert time.monotonic() < until, (tmp_path / "recorder.output").read_text()
            reported = run(tmp_path, *REPORT)
            if "duplicate-action" in reported.stdout:
                break  # what had no answer then has one now
        else:
            assert reported.returncode == exits.OK, reported.stdout + reported.stderr
        waiting = list(served)
        while waiting := [one for one in waiting if not healthy(one[1])]:
            for process, _ in waiting:
                assert process.poll() is None, [out.read_text() for out in tmp_path.glob("*.output")]
            assert time.monotonic() < until, [out.read_text() for out in tmp_path.glob("*.output")]
            time.sleep(0.2)
    assert [process.returncode for process, _ in served] == [0] * len(served)
    counted = run(tmp_path, "count")
    assert counted.returncode == exits.OK, counted.stdout + counted.stderr
