"""While the log cannot be reached, what somebody submits waits on this machine, and the command line says so."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result

from casetrail.cli import exits
from tests.cli.shell import INTAKE, REPORT, Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    made = Shell(tmp_path)
    made.run("log", "init", "--name", "kcpd")
    monkeypatch.setenv("CASETRAIL_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setattr("casetrail.publishing.submitter.PATIENCE", 0.05)
    return made


@contextmanager
def away(shell: Shell) -> Iterator[None]:
    """Somebody holds the log's file: it cannot be written."""
    holder = sqlite3.connect(shell.log, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    yield
    holder.close()


def report(shell: Shell, case_id: str, *more: str) -> Result:
    return shell.run(*INTAKE, "report", case_id, *REPORT, *more, code=None)


def test_a_submission_waits_while_the_log_is_away_and_says_that_it_is_in_no_log(shell: Shell, tmp_path: Path) -> None:
    with away(shell):
        waiting = report(shell, "C-1", "--format", "json", "--receipt", str(tmp_path / "receipt"))
    assert waiting.exit_code == exits.PENDING
    assert json.loads(waiting.stdout)[0]["result"] == "spooled"
    assert "is in no log yet" in waiting.stderr
    assert not (tmp_path / "receipt").exists()
    (row,) = shell.rows("spool", "show", code=exits.FAULTS)
    assert row["waiting"] == 1


def test_what_waits_is_delivered_with_the_next_submission(shell: Shell) -> None:
    with away(shell):
        report(shell, "C-1")
    assert report(shell, "C-2").exit_code == exits.OK
    assert {row["case_id"] for row in shell.rows("cases")} == {"C-1", "C-2"}
    assert shell.rows("spool", "show")[0]["waiting"] == 0


def test_what_waits_is_delivered_on_demand_and_gives_receipts(shell: Shell, tmp_path: Path) -> None:
    with away(shell):
        report(shell, "C-1")
    (tmp_path / "receipts").mkdir()
    (row,) = shell.rows("spool", "deliver", "--receipts", str(tmp_path / "receipts"))
    assert (row["case_id"], row["offset"]) == ("C-1", 0)
    assert (tmp_path / "receipts" / f"{row['action_id']}.receipt").read_text().startswith("casetrail-receipt@v1\n")
    assert shell.rows("spool", "deliver") == []


def test_a_receipt_is_handed_out_also_after_the_next_submission_has_delivered(shell: Shell, tmp_path: Path) -> None:
    with away(shell):
        waiting = report(
            shell, "C-1", "--promised-within", "3600", "--receipt", str(tmp_path / "c1"), "--format", "json"
        )
    action_id = json.loads(waiting.stdout)[0]["action_id"]
    assert f"casetrail spool receipt {action_id}" in waiting.stderr
    assert shell.run("spool", "receipt", action_id, code=exits.PENDING).stdout == ""
    assert report(shell, "C-2", "--receipt", str(tmp_path / "c2")).exit_code == exits.OK
    (tmp_path / "receipts").mkdir()
    (row,) = shell.rows("spool", "deliver", "--receipts", str(tmp_path / "receipts"))
    assert (row["case_id"], row["offset"]) == ("C-1", 0)
    (path,) = (tmp_path / "receipts").iterdir()
    assert path.name == f"{action_id}.receipt"
    assert "case C-1\n" in path.read_text()
    assert path.read_text().endswith("within 3600\n")
    assert shell.run("spool", "receipt", action_id).stdout == path.read_text()
    assert shell.rows("spool", "deliver", "--receipts", str(tmp_path / "receipts")) == []


def test_a_receipt_that_could_not_be_written_is_written_the_next_time(shell: Shell, tmp_path: Path) -> None:
    with away(shell):
        report(shell, "C-1")
    folder = tmp_path / "receipts"
    folder.mkdir()
    action_id = shell_waiting(shell, tmp_path)
    (folder / f"{action_id}.receipt").mkdir()  # nothing can be written there
    shell.run("spool", "deliver", "--receipts", str(folder), code=None)
    (folder / f"{action_id}.receipt").rmdir()
    with away(shell):
        shell.rows("spool", "deliver", "--receipts", str(folder))  # nothing waits: the log is not asked
    assert (folder / f"{action_id}.receipt").read_text().startswith("casetrail-receipt@v1\n")


def shell_waiting(shell: Shell, tmp_path: Path) -> str:
    """The id of the one action that waits."""
    from casetrail.privacy.wrapping import local_wrapper
    from casetrail.publishing.spool import Spool

    master = tmp_path / "spool.master"
    with Spool(tmp_path / "spool", f"sqlite:{shell.log}", local_wrapper(master, may_create=False)) as spool:
        (waiting,) = spool.first(2)
    return waiting.spooled.action_id.hex()


def test_a_repetition_says_whether_the_action_was_refused_the_first_time(shell: Shell) -> None:
    again = ("--action-id", "ab" * 16)
    assert report(shell, "C-1", *again, "--at", "2199-01-01T00:00:00Z").exit_code == exits.REJECTED
    with away(shell):
        assert report(shell, "C-1", *again).exit_code == exits.PENDING
    shell.run("spool", "deliver")
    repeated = report(shell, "C-1", *again)
    assert repeated.exit_code == exits.REJECTED
    assert "the first time it was rejected, by event 1 of the case (occurred-in-the-future" in repeated.stderr
    assert report(shell, "C-2", "--action-id", "cd" * 16).exit_code == exits.OK
    assert "the first time it was accepted" in report(shell, "C-2", "--action-id", "cd" * 16).stderr


def test_a_log_that_is_still_away_is_said_to_be(shell: Shell) -> None:
    with away(shell):
        report(shell, "C-1")
        assert shell.run("spool", "deliver", code=None).exit_code == exits.UNREACHABLE


def test_the_doctor_tells_of_what_waits(shell: Shell) -> None:
    with away(shell):
        report(shell, "C-1")
    rows = {row["check"]: row for row in shell.rows("doctor", code=None)}
    assert rows["spool"]["result"] == "wrong"
    assert "1 submission(s) wait" in rows["spool"]["detail"]


def test_the_doctor_tells_of_a_disk_that_is_nearly_full(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {row["check"]: row["result"] for row in shell.rows("doctor", code=None)}["disk"] == "ok"
    monkeypatch.setattr("casetrail.cli.doctor.LITTLE_ROOM", 1 << 62)
    rows = {row["check"]: row for row in shell.rows("doctor", code=exits.FAULTS)}
    assert rows["disk"]["result"] == "wrong"
    assert "make room" in rows["disk"]["detail"]


def test_without_a_spool_there_is_nothing_to_show(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.run("log", "init")
    assert "no spool is configured" in shell.run("spool", "show", code=exits.USAGE).output
