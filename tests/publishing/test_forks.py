"""A service that forks after it has connected, as a preloading server does: the fork says so, and a new connection works."""

import subprocess
import sys
from pathlib import Path

import pytest

from casetrail.eventlog.opening import init_log

ROOT = Path(__file__).parents[2]
FORKED = """
import os, sys
from contextlib import suppress
from pathlib import Path
from casetrail.eventlog.port import Topic
from casetrail.privacy.wrapping import LocalWrapper
from casetrail.publishing import OtherProcess, OutcomePending, Receipt, Spool, Submitter, connect
from tests.actions import INTAKE, action, report

url, spool, options = sys.argv[1], Path(sys.argv[2]), {"client": sys.argv[3]} if sys.argv[3] else None
log = connect(url, options)
submitter = Submitter(url, Spool(spool, url, LocalWrapper(bytes(32))), options)
receipt = log.submit(action(report(), INTAKE, "C-parent"))
submitter.submit(action(report(), INTAKE, "C-spooling-parent"))
with suppress(OutcomePending):
    log.wait(receipt, timeout=0.1)
reader = log.log.reader(Topic.EVENTS, {0: 0})
reader.poll(0.1)
child = os.fork()
if not child:
    tried = {
        "submit": lambda: log.submit(action(report(), INTAKE, "C-child")),
        "wait": lambda: log.wait(receipt),
        "append": lambda: log.log.append(Topic.ACTIONS, []) if url.startswith("kafka") else log.submit_many([]),
        "submitter": lambda: submitter.submit(action(report(), INTAKE, "C-child")),
        "deliver": submitter.deliver,
        "count": submitter.spool.count,
    }
    for name, call in tried.items():
        try:
            call()
        except OtherProcess as error:
            assert "make a new one after a fork" in str(error)
        else:
            raise AssertionError(name)
    submitter.close()
    log.close()
    if url.startswith("kafka"):
        reader.close()
    del log, submitter, reader
    with connect(url, options) as fresh:
        assert fresh.submit(action(report(), INTAKE, "C-fresh"))
    with Submitter(url, Spool(spool, url, LocalWrapper(bytes(32))), options) as fresh:
        assert isinstance(fresh.submit(action(report(), INTAKE, "C-fresh-too")), Receipt)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
assert log.submit(action(report(), INTAKE, "C-after"))
assert isinstance(submitter.submit(action(report(), INTAKE, "C-after-too")), Receipt)
reader.close()
submitter.close()
log.close()
"""


def fork(url: str, spool: Path, client: str = "") -> None:
    """Run the service; it must end by itself."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED, url, str(spool), client],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_fork_makes_its_own_connection_to_an_embedded_log(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'kcpd.db'}"
    init_log(url).close()
    fork(url, tmp_path / "spool")


@pytest.mark.broker
@pytest.mark.parametrize("client", ["python", "confluent"])
def test_a_fork_makes_its_own_connection_to_the_brokers(kafka_url: str, tmp_path: Path, client: str) -> None:
    init_log(kafka_url, partitions=2, replication=1, min_isr=1).close()
    fork(kafka_url, tmp_path / "spool", client)
