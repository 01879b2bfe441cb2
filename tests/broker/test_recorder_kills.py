"""Recorders die at any moment, and every action still has exactly one event."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from casetrail.audit.balance import balance
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.projections.as_of import replay
from tests.actions import life

KILLS = 50
PARTITIONS = 4
CASETRAIL = (sys.executable, "-c", "from casetrail.cli.main import main; main()")


class RecorderProcess:
    """``casetrail serve recorder`` in a process of its own."""

    def __init__(self, directory: Path, number: int) -> None:
        self.directory, self.number = directory, number
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        state = str(self.directory / f"state-{self.number}")
        command = [*CASETRAIL, "serve", "recorder", "--state", state, "--health-port", "0", "--heartbeat", "0"]
        with (self.directory / f"recorder-{self.number}.log").open("ab") as out:
            self.process = subprocess.Popen(
                command, cwd=self.directory, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()


@contextmanager
def load(log: Log) -> Iterator[threading.Event]:
    """Submit cases until it is stopped."""
    stop = threading.Event()

    def submit() -> None:
        number = 0
        while not stop.is_set():
            entries = []
            for _ in range(20):
                number += 1
                case_id = f"case-{number}"
                entries += [Entry(case_id.encode(), encode_action(one)) for one in life(case_id)]
            log.append(Topic.ACTIONS, entries)
            time.sleep(0.05)

    thread = threading.Thread(target=submit)
    thread.start()
    yield stop
    stop.set()
    thread.join()


def wait_until_answered(log: Log, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while any(one.pending for one in balance(log)):
        assert time.monotonic() < until, "some actions have no outcome"
        time.sleep(0.5)


@pytest.mark.broker
@pytest.mark.timeout(400)
def test_fifty_killed_recorders_lose_nothing_and_double_nothing(kafka_url: str, tmp_path: Path) -> None:
    (tmp_path / "casetrail.toml").write_text(
        f'log = "{kafka_url}"\n[kafka]\nsession_timeout_ms = 1500\nheartbeat_interval_ms = 300\n'
    )
    init_log(kafka_url, partitions=PARTITIONS, replication=1, min_isr=1).close()
    chance = random.Random(50)
    recorders = [RecorderProcess(tmp_path, number) for number in (1, 2)]
    for recorder in recorders:
        recorder.start()
    with open_log(kafka_url) as log, load(log) as stop:
        time.sleep(3)
        for number in range(KILLS):
            victim = chance.choice(recorders)
            if number % 10 == 9:  # a zombie: it sleeps while the other takes over, then wakes up
                victim.signal(signal.SIGSTOP)
                time.sleep(2.0)
                victim.signal(signal.SIGCONT)
                time.sleep(0.5)
            victim.kill()
            victim.start()
            time.sleep(chance.uniform(0.1, 1.6))
        stop.set()
    try:
        with open_log(kafka_url) as log:
            wait_until_answered(log)
            counted = balance(log)
            assert [one.faults for one in counted] == [[]] * PARTITIONS
            assert sum(one.submitted for one in counted) > 1000
            assert all(one.submitted == one.accepted for one in counted)
            assert sum(1 for row in replay(log) if row["events"] == 6) * 6 == sum(one.submitted for one in counted)
    finally:
        for recorder in recorders:
            recorder.kill()
