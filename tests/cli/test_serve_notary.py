"""``casetrail serve notary`` signs what has been recorded, by whomever, and refuses what does not follow."""

import json
import select
import signal
import sqlite3
import time
import urllib.request
from pathlib import Path

import pytest

from casetrail.cli import exits
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Topic
from casetrail.proofs.logtree import LogTree
from tests.cli.shell import INTAKE, REPORT, Shell


@pytest.fixture
def key(shell: Shell) -> Path:
    """A notary's key."""
    file = shell.folder / "notary.key"
    shell.run("keys", "create", "kcpd.example/casetrail", "--file", str(file), "--for", "log")
    return file


def checkpoints(shell: Shell) -> int:
    with open_log(f"sqlite:{shell.log}") as log:
        return log.end_offsets(Topic.CHECKPOINTS)[0]


def wait_for_more(shell: Shell, than: int) -> None:
    until = time.monotonic() + 30
    while checkpoints(shell) <= than:
        assert time.monotonic() < until, "no checkpoint has come"
        time.sleep(0.05)


def test_what_is_reported_while_a_notary_runs_comes_under_a_checkpoint(shell: Shell, key: Path) -> None:
    shell.report("C-1")
    serve = ("serve", "notary", "--key", str(key), "--every", "0.2", "--health-port", "0", "--heartbeat", "0")
    serving = shell.start(*serve)
    try:
        assert serving.stderr is not None
        assert select.select([serving.stderr], [], [], 30)[0]
        url = serving.stderr.readline().rpartition(" ")[2].strip()
        wait_for_more(shell, 0)
        before = checkpoints(shell)
        shell.process(*INTAKE, "report", "C-2", *REPORT)
        wait_for_more(shell, before)
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert "notary" in json.load(answer)["consumers"]
        with urllib.request.urlopen(url.replace("/health", "/metrics"), timeout=10) as answer:
            assert 'consumer="notary"' in answer.read().decode()
    finally:
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(30) == exits.OK
    with open_log(f"sqlite:{shell.log}") as log, LogTree(log, shell.folder / "mine") as tree:
        tree.follow()
        assert set(tree.file.included().values()) == {2}


def test_a_notary_needs_a_key(shell: Shell) -> None:
    assert "--key" in shell.run("serve", "notary", code=exits.USAGE).output


def test_a_notary_stops_where_the_log_contradicts_what_it_signed(shell: Shell, key: Path) -> None:
    shell.report("C-1")
    serving = shell.start("serve", "notary", "--key", str(key), "--every", "0.2", "--health-port", "0")
    wait_for_more(shell, 0)
    serving.send_signal(signal.SIGTERM)
    assert serving.wait(30) == exits.OK
    database = sqlite3.connect(shell.log)
    database.execute("DROP TRIGGER no_delete")
    database.execute("DELETE FROM record WHERE topic = 'checkpoints'")
    database.commit()
    database.close()
    done = shell.process("serve", "notary", "--key", str(key), "--health-port", "0", check=False)
    assert done.returncode == exits.FAILED
    assert "history was replaced" in done.stderr
    assert checkpoints(shell) == 0


def other_key(shell: Shell, name: str) -> Path:
    """Another key than the notary's."""
    file = shell.folder / "other.key"
    shell.run("keys", "create", name, "--file", str(file), "--for", "log")
    return file


def serve_until_more(shell: Shell, *words: str) -> None:
    """Serve until a checkpoint has come."""
    before = checkpoints(shell)
    serving = shell.start(*words, "--every", "0.2", "--health-port", "0", "--heartbeat", "0")
    wait_for_more(shell, before)
    serving.send_signal(signal.SIGTERM)
    assert serving.wait(30) == exits.OK


@pytest.mark.parametrize("name", ["kcpd.example/casetrail", "other.example/casetrail"])
def test_a_notary_refuses_a_key_that_the_policy_does_not_name(shell: Shell, key: Path, name: str) -> None:
    shell.report("C-1")
    policy = shell.folder / "policy"
    policy.write_text(f"log {key.with_name('notary.key.pub').read_text().strip()}\nquorum none\n")
    wrong = other_key(shell, name)
    serve = ("--policy", str(policy), "serve")
    done = shell.process(*serve, "notary", "--key", str(wrong), "--health-port", "0", check=False)
    assert (done.returncode, checkpoints(shell)) == (exits.FAILED, 0)
    assert "the policy does not name the key" in done.stderr
    assert "Traceback" not in done.stderr
    serving = shell.start(*serve, "all", "--key", str(wrong), "--health-port", "0", "--heartbeat", "0")
    try:
        assert serving.stderr is not None
        while "the policy does not name the key" not in (said := serving.stderr.readline()):
            assert said, "it has ended"
        receipt = shell.process(*INTAKE, "report", "C-2", *REPORT, "--timeout", "20", "--format", "json")
        assert json.loads(receipt.stdout)[0]["result"] == "accepted", "beside others it ends no recorder"
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(30) == exits.FAILED and checkpoints(shell) == 0
    finally:
        serving.kill()
        serving.communicate()
    serve_until_more(shell, *serve, "notary", "--key", str(key))


def test_a_notary_goes_on_from_what_another_key_signed_where_it_is_told_to(shell: Shell, key: Path) -> None:
    shell.report("C-1")
    serve_until_more(shell, "serve", "notary", "--key", str(other_key(shell, "kcpd.example/casetrail")))
    last = checkpoints(shell) - 1
    done = shell.process("serve", "notary", "--key", str(key), "--health-port", "0", check=False)
    assert done.returncode == exits.FAILED
    assert f"--past {last}'" in done.stderr
    serve_until_more(shell, "serve", "notary", "--key", str(key), "--past", str(last))
    shell.report("C-2")
    serve_until_more(shell, "serve", "notary", "--key", str(key))
    with open_log(f"sqlite:{shell.log}") as log, LogTree(log, shell.folder / "mine") as tree:
        tree.follow()
        assert set(tree.file.included().values()) == {2}
