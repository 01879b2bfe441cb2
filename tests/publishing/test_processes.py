"""Several processes submit to one embedded log at once: nothing is lost, nothing doubles, even when one is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from casetrail.audit.balance import balance
from casetrail.eventlog.codec import decode_event
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Log, Topic
from casetrail.publishing import connect
from tests.actions import INTAKE, action, report

ROOT = Path(__file__).parents[2]
SUBMITTER = """
import sys
from casetrail.publishing import connect
from tests.actions import life

url, who, cases = sys.argv[1], sys.argv[2], int(sys.argv[3])
with connect(url) as log:
    for number in range(cases):
        receipts = log.submit_many(life(f"{who}-case-{number}"))
        print("submitted", *(one.action_id.hex() for one in receipts), flush=True)
        for outcome in log.wait_many(receipts, timeout=60):
            assert outcome.result == "accepted", outcome
            print("accepted", outcome.event.action_id.hex(), flush=True)
"""


def start(url: str, who: str, cases: int, out: Path) -> "subprocess.Popen[bytes]":
    """A process that submits cases and writes down what it was told."""
    with out.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-c", SUBMITTER, url, who, str(cases)],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
        )  # fmt: skip


def told(out: Path, word: str) -> list[str]:
    """The action ids that a submitter wrote down after ``word`` (complete lines only: it may have been killed)."""
    lines = out.read_text().splitlines(keepends=True)
    return [one for line in lines if line.startswith(word) and line.endswith("\n") for one in line.split()[1:]]


def recorded(log: Log) -> list[str]:
    """The action ids of all events, in the order of the log."""
    found = []
    ends = log.end_offsets(Topic.EVENTS)
    with log.reader(Topic.EVENTS, dict.fromkeys(ends, 0)) as reader:
        while any(reader.position(partition) < end for partition, end in ends.items()):
            found += [decode_event(record.value).action_id.hex() for record in reader.poll(1.0)]
    return found


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A new log with two partitions."""
    address = f"sqlite:{tmp_path / 'kcpd.db'}"
    init_log(address, partitions=2).close()
    return address


def test_processes_that_submit_at_once_lose_nothing_and_double_nothing(url: str, tmp_path: Path) -> None:
    outs = [tmp_path / f"out-{number}" for number in range(3)]
    processes = [start(url, f"p{number}", 12, out) for number, out in enumerate(outs)]
    assert [process.wait(120) for process in processes] == [0, 0, 0], [out.read_text()[-500:] for out in outs]
    submitted = [one for out in outs for one in told(out, "submitted")]
    assert len(submitted) == 3 * 12 * 6
    with open_log(url) as log:
        assert sorted(recorded(log)) == sorted(submitted)
        assert all(one.submitted == one.accepted and not one.faults for one in balance(log))


def test_processes_killed_in_the_middle_lose_nothing_and_double_nothing(url: str, tmp_path: Path) -> None:
    chance = random.Random(9)
    survivor = start(url, "survivor", 25, tmp_path / "survivor")
    killed = []
    for number in range(6):
        out = tmp_path / f"victim-{number}"
        victim = start(url, f"victim-{number}", 1000, out)
        until = time.monotonic() + 30
        while not told(out, "submitted"):
            assert time.monotonic() < until, out.read_text()[-2000:]
            time.sleep(0.02)
        time.sleep(chance.uniform(0.0, 0.25))
        os.kill(victim.pid, signal.SIGKILL)
        assert victim.wait() == -signal.SIGKILL
        killed.append(out)
    assert survivor.wait(120) == 0, (tmp_path / "survivor").read_text()[-2000:]
    with connect(url) as log:  # whoever submits next has what the killed ones left recorded too
        partitions = set()
        for number in range(20):
            outcome = log.wait(log.submit(action(report(), INTAKE, f"after-{number}")))
            partitions.add(outcome.event.partition)
        assert partitions == {0, 1}
        found = recorded(log.log)
        assert len(found) == len(set(found))
        promised = {one for out in (*killed, tmp_path / "survivor") for one in told(out, "submitted")}
        assert promised <= set(found)
        assert all(one.submitted == one.accepted and not one.faults for one in balance(log.log))
