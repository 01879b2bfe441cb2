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
from tests.cli.test_formats import OUTCOME


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
    assert json.loads(waiting.stdout)[0]["code"] == "log-unreachable"
    assert "is in no log yet (log-unreachable: " in waiting.stderr
    assert waiting.stderr.count("log-unreachable") == 1
    assert not (tmp_path / "receipt").exists()
    (row,) = shell.rows("spool", "show", code=exits.FAULTS)
    assert row["waiting"] == 1


def test_a_submission_has_the_same_fields_whatever_it_came_to(shell: Shell) -> None:
    words = (*INTAKE, "report", "C-1", *REPORT, "--format", "json")
    (pending,) = json.loads(shell.run(*words, "--timeout", "0", code=exits.PENDING).stdout)
    (accepted,) = json.loads(
        shell.run(*INTAKE, "act", "screened-in", "C-1", "--reason", "alleges_crime", "--format", "json").stdout
    )
    (refused,) = json.loads(shell.run(*words, code=exits.REJECTED).stdout)
    with away(shell):
        (waiting,) = json.loads(shell.run(*words, code=exits.PENDING).stdout)
    assert [list(one) for one in (pending, accepted, refused, waiting)] == [OUTCOME.split()] * 4
    assert [one["result"] for one in (pending, accepted, refused, waiting)] == [
        "pending",
        "accepted",
        "rejected",
        "spooled",
    ]
    assert pending["action_offset"] == 0 and pending["submitted_at"].endswith("Z")
    assert [pending[name] for name in ("code", "number", "recorded_at", "event_offset")] == [None] * 4
    assert [waiting[name] for name in ("number", "submitted_at", "partition", "action_offset")] == [None] * 4
    (delivered,) = shell.rows("spool", "deliver")
    assert set(delivered) - set(OUTCOME.split()) == {"since"}
    assert delivered["action_id"] == waiting["action_id"] and delivered["submitted_at"].endswith("Z")


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
    assert (row["case_id"], row["action_offset"]) == ("C-1", 0)
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
    assert (row["case_id"], row["action_offset"]) == ("C-1", 0)
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
    monkeypatch.setattr("casetrail.consumers.health.LITTLE_ROOM", 1 << 62)
    rows = {row["check"]: row for row in shell.rows("doctor", code=exits.FAULTS)}
    assert rows["disk"]["result"] == "wrong"
    assert "make room" in rows["disk"]["detail"]


def alter_the_first(shell: Shell) -> None:
    with sqlite3.connect(shell.folder / "spool") as database:
        database.execute("UPDATE waiting SET sealed = zeroblob(length(sealed)) WHERE number = 1")


def test_what_waits_is_listed_without_its_content(shell: Shell) -> None:
    assert shell.rows("spool", "list") == []
    with away(shell):
        report(shell, "C-1")
        report(shell, "C-2")
    alter_the_first(shell)
    altered, waiting = shell.rows("spool", "list", code=exits.FAULTS)
    assert (altered["number"], altered["state"], altered["case_id"]) == (1, "altered", None)
    assert (waiting["number"], waiting["state"], waiting["case_id"], waiting["file"]) == (2, "waiting", "C-2", None)
    assert waiting["bytes"] > 50 and waiting["since"] and len(waiting["action_hash"]) == 64
    assert "child-crimes" not in shell.run("spool", "list", code=exits.FAULTS).output


def test_a_submission_that_holds_up_all_others_is_named_set_aside_and_told_of_until_that_is_settled(
    shell: Shell,
) -> None:
    with away(shell):
        report(shell, "C-1")
        report(shell, "C-2")
    alter_the_first(shell)
    stuck = shell.run("spool", "deliver", code=exits.FAULTS)
    assert "submission 1 " in stuck.stderr and "casetrail spool set-aside 1" in stuck.stderr
    behind = report(shell, "C-3")
    assert behind.exit_code == exits.PENDING and "spool-stuck: submission 1 " in behind.stderr
    assert "not what delivery is stuck at" in shell.run("spool", "set-aside", "2", code=exits.NOT_FOUND).stderr
    file = shell.folder / "spool.aside" / "1.json"
    assert str(file) in shell.run("spool", "set-aside", "1").stdout
    assert {row["case_id"] for row in shell.rows("spool", "deliver")} == {"C-2", "C-3"}
    assert shell.run("spool", "set-aside", "1", code=exits.NOT_FOUND).exit_code == exits.NOT_FOUND
    (shown,) = shell.rows("spool", "show", code=exits.FAULTS)
    assert (shown["waiting"], shown["set_aside"]) == (0, 1)
    (listed,) = shell.rows("spool", "list", code=exits.FAULTS)
    assert (listed["state"], listed["file"]) == ("aside", str(file))
    rows = {row["check"]: row for row in shell.rows("doctor", code=None)}
    assert (rows["spool"]["result"], rows["spool"]["detail"][:11]) == ("wrong", "1 set aside")
    assert "keep it for the auditor" in shell.run("spool", "put-back", "1", code=exits.FAILED).stderr
    file.rename(shell.folder / "for the auditor")
    assert shell.rows("spool", "show")[0]["set_aside"] == 0


def test_what_was_too_large_is_put_back_once_the_log_takes_it(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    with away(shell):
        report(shell, "C-" + "1" * 60)
        report(shell, "C-2")
    (size, *_) = [row["bytes"] for row in shell.rows("spool", "list", code=exits.FAULTS)]
    with monkeypatch.context() as patched:
        patched.setattr("casetrail.eventlog.entries.MOST_BYTES", size)
        assert "cannot be delivered" in shell.run("spool", "deliver", code=exits.FAULTS).stderr
        shell.run("spool", "set-aside", "1")
    shell.run("spool", "put-back", "1")
    assert [row["case_id"] for row in shell.rows("spool", "deliver")] == ["C-2", "C-" + "1" * 60]
    assert "no submission 1 was set aside" in shell.run("spool", "put-back", "1", code=exits.NOT_FOUND).stderr


def test_nothing_is_set_aside_while_the_log_is_away(shell: Shell) -> None:
    with away(shell):
        report(shell, "C-1")
        shell.run("spool", "set-aside", "1", code=exits.UNREACHABLE)
    assert shell.rows("spool", "show", code=exits.FAULTS)[0]["waiting"] == 1


def test_where_no_spool_is_none_is_made(shell: Shell) -> None:
    for command in ("set-aside", "put-back"):
        assert "there is no spool at" in shell.run("spool", command, "1", code=exits.NOT_FOUND).stderr
    assert not (shell.folder / "spool").exists()


def test_without_a_spool_there_is_nothing_to_show(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.run("log", "init")
    assert "no spool is configured" in shell.run("spool", "show", code=exits.USAGE).output
