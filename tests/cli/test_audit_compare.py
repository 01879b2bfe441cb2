"""A log that shows two witnesses different histories is found out when they lay side by side what they hold."""

import json
import sqlite3
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from casetrail.cli import exits
from casetrail.cli.main import cli
from casetrail.proofs.keys import load_verifier_key
from casetrail.proofs.note import parse_note, verify_note
from tests.cli.shell import Shell
from tests.cli.test_witness import forked
from tests.cli.witnesses import ORIGIN, make_keys, notarise, serving, verifier_key

CHECKPOINT = f"{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"


@pytest.fixture
def log_key(shell: Shell) -> str:
    make_keys(shell, "court", "clinic")
    return verifier_key(shell.folder / "log.key")


def compare(shell: Shell, *words: str, code: int, log: str | None = None) -> list[dict[str, Any]]:
    before = [] if log is None else ["--log", log]
    done = CliRunner().invoke(cli, [*before, "audit", "compare", *words, "--format", "json"])
    assert done.exit_code == code, (done.output, done.exception)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


@pytest.mark.parametrize("same_size", [True, False])
def test_a_split_view_is_caught_by_the_first_exchange_of_what_two_witnesses_hold(
    shell: Shell, log_key: str, same_size: bool
) -> None:
    folder, court, clinic = shell.folder, shell.folder / "court.key", shell.folder / "clinic.key"
    with serving(folder, "court", log_key) as court_url, serving(folder, "clinic", log_key) as clinic_url:
        shell.report("C-1")
        notarise(shell.log, folder / "log.key", (court, court_url), (clinic, clinic_url))
        (row,) = compare(shell, f"{court_url}/{CHECKPOINT}", "clinic.db", "--log-key", log_key, code=exits.OK)
        assert row["verdict"] == "same"

        # two branches with the log's own key: the court is shown one, the clinic the other
        other = forked(shell)
        shell.report("C-2")
        for case in ("C-3",) if same_size else ("C-3", "C-4"):
            other.report(case)
        size = notarise(shell.log, folder / "log.key", (court, court_url))
        other_size = notarise(other.log, folder / "log.key", (clinic, clinic_url))
        assert (size == other_size) is same_size

        # each has cosigned in good faith; one exchange, and it shows
        words = (f"{court_url}/{CHECKPOINT}", "clinic.db", "--log-key", log_key)
        log = None if same_size else f"sqlite:{other.log}"
        if not same_size:
            (row,) = compare(shell, *words, code=exits.PENDING)
            assert (row["verdict"], "not proven" in row["meaning"]) == ("unproven", True)
        (row,) = compare(shell, *words, "--output", "evidence.txt", code=exits.FAULTS, log=log)
    assert row["verdict"] == "contradiction"
    evidence = (folder / "evidence.txt").read_text("utf-8")
    for name in ("first_note", "second_note"):
        verify_note(parse_note(row[name].encode()), [load_verifier_key(folder / "log.key.pub")])
        assert row[name] in evidence
    assert parse_note(row["first_note"].encode()).text != parse_note(row["second_note"].encode()).text
    assert bool(row["proof"]) is not same_size


def test_a_table_shows_the_evidence_below_it(shell: Shell, log_key: str) -> None:
    shell.report("C-1")
    other = forked(shell)
    shell.report("C-2")
    other.report("C-3")
    for one in (shell, other):
        notarise(one.log, shell.folder / "log.key")
    logs = f"sqlite:{shell.log}", f"sqlite:{other.log}"
    done = shell.run("audit", "compare", *logs, "--log-key", log_key, code=exits.FAULTS)
    assert done.stdout.startswith("verdict")
    assert f"CONTRADICTION in the log {ORIGIN}" in done.stdout
    assert done.stdout.count("— kcpd.example/casetrail ") == 2
    assert not (shell.folder / "evidence.txt").exists()
    piped = shell.run("audit", "compare", *logs, "--log-key", log_key, "--output", "-", code=exits.FAULTS)
    assert piped.stdout.count("— kcpd.example/casetrail ") == 2
    assert not (shell.folder / "-").exists()


def test_what_a_witness_holds_is_proven_to_be_the_beginning_of_the_log(shell: Shell, log_key: str) -> None:
    with serving(shell.folder, "court", log_key) as url:
        shell.report("C-1")
        size = notarise(shell.log, shell.folder / "log.key", (shell.folder / "court.key", url))
    shell.report("C-2")
    larger = notarise(shell.log, shell.folder / "log.key")
    log = f"sqlite:{shell.log}"
    shell.run("witness", "request", "--from", "0", "--output", "newest")
    (row,) = compare(shell, "court.db", "newest", "--log-key", log_key, code=exits.OK, log=log)
    assert (row["verdict"], row["first_size"], row["second_size"]) == ("extends", size, larger)
    (row,) = compare(shell, "court.db", "newest", "--log-key", log_key, code=exits.PENDING)
    assert row["verdict"] == "unproven"
    (row,) = compare(shell, "court.db", log, "--log-key", log_key, code=exits.PENDING)  # though it has the court's, too
    assert row["verdict"] == "unproven"
    (row,) = compare(shell, "court.db", log, "--log-key", log_key, code=exits.OK, log=log)
    assert row["verdict"] == "extends"


def test_what_cannot_be_compared_is_a_message_and_convicts_nobody(shell: Shell, log_key: str) -> None:
    (shell.folder / "a").write_text("not a checkpoint\n")
    (shell.folder / "folder").mkdir()
    (shell.folder / "folder" / "checkpoint").write_bytes(b"\xff garbage")
    words = ["audit", "compare", "a"]
    assert "blank line" in shell.run(*words, "a", "--log-key", log_key, code=exits.FAILED).output
    assert "--log-key" in shell.run(*words, "a", code=exits.USAGE).output
    for wrong in ("log.key", "folder"):
        shell.run("audit", "compare", wrong, "a", "--log-key", log_key, code=exits.FAILED)
    for missing in ("missing", "."):
        done = shell.run("audit", "compare", missing, "a", "--log-key", log_key, code=exits.NOT_FOUND)
        assert "cannot be read" in done.output
    dead = "http://127.0.0.1:9/checkpoint"
    done = shell.run("audit", "compare", dead, "a", "--log-key", log_key, code=exits.UNREACHABLE)
    assert "does not answer" in done.output
    with serving(shell.folder, "court", log_key) as url:
        done = shell.run("audit", "compare", f"{url}/{CHECKPOINT}", "a", "--log-key", log_key, code=exits.NOT_FOUND)
    assert "answers 404" in done.output


def test_a_signature_that_is_wrong_is_a_finding(shell: Shell, log_key: str) -> None:
    shell.report("C-1")
    notarise(shell.log, shell.folder / "log.key")
    shell.run("witness", "request", "--from", "0", "--output", "right")
    right = (shell.folder / "right").read_bytes()
    (shell.folder / "wrong").write_bytes(right.replace(f"\n{ORIGIN}\n1\n".encode(), f"\n{ORIGIN}\n2\n".encode()))
    words = ("audit", "compare", "wrong", "right", "--log-key", log_key)
    assert "wrong" in shell.run(*words, code=exits.FAULTS).stderr


def test_a_log_whose_checkpoints_were_deleted_is_cut(shell: Shell, log_key: str) -> None:
    with serving(shell.folder, "court", log_key) as url:
        shell.report("C-1")
        size = notarise(shell.log, shell.folder / "log.key", (shell.folder / "court.key", url))
    shell.run("witness", "request", "--from", "0", "--output", "kept")
    shell.report("C-2")
    notarise(shell.log, shell.folder / "log.key")
    shell.run("witness", "request", "--from", "0", "--output", "later")
    with sqlite3.connect(shell.log) as database:
        database.execute("DROP TRIGGER no_delete")
        database.execute("DELETE FROM record WHERE topic = 'checkpoints'")
    other = Shell(shell.folder / "other")
    other.folder.mkdir()
    other.run("log", "init")
    for log in (f"sqlite:{shell.log}", f"sqlite:{other.log}"):
        (row,) = compare(shell, "court.db", log, "--log-key", log_key, "--output", "evidence", code=exits.FAULTS)
        assert (row["verdict"], row["first"], row["first_size"], row["first_note"]) == ("cut", log, 0, "")
        assert (row["origin"], row["second_size"]) == (ORIGIN, size)
        assert row["second_note"] in (shell.folder / "evidence").read_text("utf-8")
    (shell.folder / "log.db.tree").rename(shell.folder / "moved")  # it would tell by itself
    found = compare(shell, "kept", "later", "--log-key", log_key, code=exits.FAULTS, log=f"sqlite:{shell.log}")
    assert {one["verdict"] for one in found} == {"cut"}


def test_what_an_auditor_has_verified_is_compared_and_proves(shell: Shell, log_key: str) -> None:
    """The folder of ``audit verify --state``: evidence, so nothing in it may change."""
    with serving(shell.folder, "court", log_key) as url:
        shell.report("C-1")
        size = notarise(shell.log, shell.folder / "log.key", (shell.folder / "court.key", url))
    shell.report("C-2")
    larger = notarise(shell.log, shell.folder / "log.key")
    shell.run("audit", "verify", "--no-policy", "--state", "mine")
    other = forked(shell)
    other.report("C-3")
    for one in (shell, other):
        notarise(one.log, one.folder / "log.key")
        one.run("witness", "request", "--from", "0", "--output", f"of-{one.folder.name}")
    before = {file: file.read_bytes() for file in (shell.folder / "mine").rglob("*") if file.is_file()}
    assert before
    (row,) = compare(shell, "court.db", "mine", "--log-key", log_key, code=exits.PENDING)
    assert (row["verdict"], row["first_size"], row["second_size"]) == ("unproven", size, larger)
    (row,) = compare(shell, "court.db", "mine", "--log-key", log_key, "--from", "mine", code=exits.OK)
    assert (row["verdict"], row["first_size"], row["second_size"]) == ("extends", size, larger)
    words = ("court.db", "newest", "--log-key", log_key)
    Path("newest").write_text(row["second_note"], "utf-8")
    (row,) = compare(shell, *words, code=exits.PENDING)
    (row,) = compare(shell, *words, "--from", "mine", code=exits.OK)
    assert (row["verdict"], "mine" in row["meaning"]) == ("extends", True)
    for later in ("of-fork", f"of-{shell.folder.name}"):
        compare(shell, "mine", later, "--log-key", log_key, code=exits.PENDING)
    assert {file: file.read_bytes() for file in (shell.folder / "mine").rglob("*") if file.is_file()} == before
    Path("mine/tree.db").write_bytes(b"")
    done = shell.run("audit", "compare", "mine", "court.db", "--log-key", log_key, code=exits.FAILED)
    assert "state of an auditor" in done.stderr
