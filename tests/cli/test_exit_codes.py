"""Scripts rely on exit codes: each means one thing."""

import socket
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from casetrail.cli import exits
from casetrail.cli.main import cli
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.embedded_group import FileLock
from casetrail.eventlog.port import Entry, Topic
from tests.cli.shell import DETECTIVE, INTAKE, PROGRAM, REPORT, SERGEANT, Shell, environment


def test_accepted_is_0(shell: Shell) -> None:
    shell.run(*INTAKE, "report", "C-1", *REPORT, code=exits.OK)


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("cases", "--nonsense"),
        ("cases", "--status", "nonsense"),
        ("cases", "--older-than", "-1"),
        ("cases", "--older-than", "99999999999"),
        ("cases", "--limit", "0"),
        ("cases", "--now", "yesterday"),
        ("cases", "--now", "2026-01-01T00:00:00"),
        ("cases", "--now", "0001-01-01T00:00:00+14:00"),
        ("replay", "--as-of", "²"),
        ("replay", "--as-of", "-1"),
        ("act", "assigned", "C-1"),
        ("act", "assigned", "C-1", "--holder", "det.01"),
        (*SERGEANT, "act", "assigned", "C-1", "--holder", "det.01", "--at", "2026-03-02"),
        (*SERGEANT, "act", "assigned", "C-1", "--holder", "det.01", "--action-id", "12"),
        (*SERGEANT, "act", "note-added", "C-1", "--seal", "nobody=x"),
        (*SERGEANT, "act", "note-added", "C-1", "--seal", "narrative=x", "--seal", "narrative=y"),
        ("--person", "x y", "--agency", "a", "--role", "supervisor", "act", "acknowledged", "C-1"),
        ("--person", "x", "--agency", "a", "--role", "king", "act", "acknowledged", "C-1"),
        (*INTAKE, "report", "C-1", "--channel", "phone", "--reporter", "family", "--unit", "u", "--offence", "99Z"),
        (*INTAKE, "report", "C-1", "--channel", "phone", "--reporter", "family", "--unit", "u", "--offence", "11A:x y"),
        (*INTAKE, "report", "C-1", *REPORT, "--child-name", "Ada", "--child-born", "long ago"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_2_and_nothing_is_submitted(shell: Shell, words: tuple[str, ...]) -> None:
    result = shell.run(*words, code=exits.USAGE)
    assert "Error: " in result.stderr
    assert sum(row["submitted"] for row in shell.rows("count")) == 0


def test_a_refused_action_is_3_and_says_which_rule(shell: Shell) -> None:
    shell.report()
    result = shell.run(*DETECTIVE, "act", "closure-approved", "C-1", code=exits.REJECTED)
    assert "rejected" in result.stdout
    assert len(result.stderr.split()) > 4


def test_the_same_action_id_again_is_refused_as_a_duplicate_and_doubles_nothing(shell: Shell) -> None:
    words = (*INTAKE, "report", "C-1", *REPORT, "--action-id", "0f" * 16)
    shell.run(*words)
    assert "duplicate-action" in shell.run(*words, code=exits.REJECTED).stdout
    assert len(shell.rows("cases")) == 1


def test_what_is_no_id_is_never_submitted_and_not_repeated(shell: Shell) -> None:
    """A name in the place of an id would stand in the history for ever."""
    for words in (
        (*INTAKE, "report", "Ada Lovelace", *REPORT),
        (*SERGEANT, "act", "assigned", "C-1", "--holder", "Ada Lovelace"),
        (*SERGEANT, "act", "linked", "C-1", "--other", "Ada Lovelace", "--relation", "same_child"),
    ):
        result = shell.run(*words, code=exits.USAGE)
        assert "Lovelace" not in result.output
        assert "not an id" in result.stderr
    assert b"Lovelace" not in shell.log.read_bytes()


def test_unreadable_bytes_of_others_are_counted(shell: Shell) -> None:
    shell.report()
    with EmbeddedLog.open(shell.log) as log:
        log.append(Topic.ACTIONS, [Entry(b"C-1", b"a fax"), Entry(b"C 1", None)])
    (row,) = shell.rows("count")
    assert (row["submitted"], row["pending"]) == (3, 2)
    shell.report("C-2")
    (row,) = shell.rows("count")
    assert (row["submitted"], row["accepted"], row["unreadable"], row["pending"]) == (4, 2, 2, 0)
    assert [one["result"] for one in shell.rows("history", "C-1")] == ["accepted", "unreadable"]


def test_without_an_outcome_in_time_is_5_and_the_receipt_is_shown(shell: Shell) -> None:
    result = shell.run(*INTAKE, "report", "C-1", *REPORT, "--timeout", "0", code=exits.PENDING)
    assert "pending" in result.stdout
    assert "action hash" in result.stdout
    assert shell.rows("count")[0]["pending"] == 1
    assert shell.run("cases").stdout == ""


def test_while_another_process_holds_the_recorder_an_action_is_pending(shell: Shell) -> None:
    lock = next(iter(shell.folder.glob("*.lock")), None) or _lock_of(shell)
    held = FileLock(lock)
    assert held.take(0.0)
    shell.run(*INTAKE, "report", "C-1", *REPORT, "--timeout", "0.3", code=exits.PENDING)
    held.release()
    shell.report("C-2")
    assert {row["case_id"] for row in shell.rows("cases")} == {"C-1", "C-2"}


def _lock_of(shell: Shell) -> Path:
    """Where the lock lies: another log's recorder shows it."""
    other = Shell(shell.folder / "other")
    other.run("log", "init")
    other.report()
    (lock,) = other.folder.glob("*.lock")
    return shell.folder / lock.name


@pytest.mark.parametrize(
    "words", [("show", "C-9"), ("history", "C-9"), ("replay", "C-9"), ("history", "C-9", "--unseal")]
)
def test_a_case_that_is_not_there_is_6(shell: Shell, words: tuple[str, ...]) -> None:
    shell.report()
    assert "C-9" in shell.run(*words, code=exits.NOT_FOUND).stderr


@pytest.mark.parametrize("words", [("cases",), ("count",), ("replay",), ("watch", "--no-follow"), ("log", "check")])
def test_a_log_that_is_not_there_is_6_and_is_not_made(tmp_path: Path, words: tuple[str, ...]) -> None:
    result = Shell(tmp_path).run(*words, code=exits.NOT_FOUND)
    assert "casetrail log init" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_log_is_6(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_bytes(b"nothing of ours" * 1000)
    Shell(tmp_path).run("cases", code=exits.NOT_FOUND)


NOTARY: Final = ("keys", "create", "unit.example/log", "--file", "good.key", "--for", "log")


@pytest.mark.parametrize(
    "words",
    [
        "--config nope cases",
        "--policy nope audit verify",
        "--master-key-file nope keys disclose C-1 1 narrative",
        "keys show nope",
        "keys show good.key --passphrase-file nope",
        "keys check 1 nope",
        "serve notary --key nope",
        "serve notary --key good.key --passphrase-file nope",
        "serve outbox --recipients nope",
        "serve outbox --recipients people.toml",
        "partner export clinic --key nope --output out",
        "export csv --pseudonyms nope --output out",
        "--spool waiting spool deliver --receipts nope",
        "import good.key --mapping nope",
        "import nope --mapping good.key",
        "audit reconcile good.key --mapping nope",
        "registry import nope",
        "policy show nope",
        "receipt check nope",
        "receipt check nodir/nope",
    ],
)
def test_a_file_that_is_not_there_is_6_and_is_named(shell: Shell, words: str) -> None:
    shell.run(*NOTARY)
    Path("people.toml").write_text('[addresses]\n"*" = {webhook = "https://example.org/", secret_file = "nope"}\n')
    shell.run(*INTAKE, "report", "C-1", *REPORT, "--seal", "narrative=x")
    result = shell.run(*words.split(), code=exits.NOT_FOUND)
    assert "nope" in result.stderr
    assert "Errno" not in result.output
    assert not Path("out").exists()


def test_a_new_file_for_which_there_is_no_folder_is_1_for_nothing_that_was_asked_for_is_missing(shell: Shell) -> None:
    shell.run(*NOTARY)
    for words in ("keys create unit.example/log --file nodir/k --for log", "export csv --output nodir/out"):
        assert "nodir" in shell.run(*words.split(), code=exits.FAILED).stderr


def test_a_broker_that_does_not_answer_is_7_within_ten_seconds() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody answers here
        url = f"kafka://127.0.0.1:{taken.getsockname()[1]}/kcpd"
        began = time.monotonic()
        result = CliRunner().invoke(cli, ["--log", url, "count"])
    assert result.exit_code == exits.UNREACHABLE
    assert "127.0.0.1" in result.stderr
    assert time.monotonic() - began < 10


def test_a_keyring_that_cannot_be_opened_is_7(shell: Shell) -> None:
    (shell.folder / "file").write_text("")
    words = ("--keyring", "sqlite:file/keys", *INTAKE, "report", "C-1", *REPORT, "--child-name", "Ada Lovelace")
    assert "Ada" not in shell.run(*words, code=exits.UNREACHABLE).output


def test_a_fault_that_a_check_finds_is_8(shell: Shell) -> None:
    shell.report()
    shell.report("C-2")
    with sqlite3.connect(shell.log) as database:
        database.execute("DROP TRIGGER no_delete")
        database.execute("DELETE FROM record WHERE topic = 'events' AND offset = 0")
    result = shell.run("count", code=exits.FAULTS)
    assert "action at offset 0 was passed over" in result.stderr
    assert "no_delete" in shell.run("log", "check", code=exits.FAULTS).stdout


def test_a_dropped_or_rewritten_trigger_is_named(shell: Shell) -> None:
    assert shell.rows("log", "check") == []
    with sqlite3.connect(shell.log) as database:
        database.execute("DROP TRIGGER no_update")
        database.execute("CREATE TRIGGER no_update BEFORE UPDATE ON record BEGIN SELECT 1; END")
        database.execute("DROP TRIGGER no_delete")
    found = {row["setting"]: row["found"] for row in shell.rows("log", "check", code=exits.FAULTS)}
    assert found["no_delete"] == "missing"
    assert "SELECT 1" in found["no_update"]


@pytest.mark.parametrize("form", ["table", "ndjson"])
def test_a_full_disk_behind_standard_output_is_1_and_is_said(shell: Shell, form: str) -> None:
    shell.report()
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [PROGRAM, "--log", f"sqlite:{shell.log}", "cases", "--format", form],
            cwd=shell.folder, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == exits.FAILED
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr
