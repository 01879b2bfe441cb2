"""A log that shows two witnesses different histories is found out when they lay side by side what they hold."""

import json
from hashlib import sha256
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
            (row,) = compare(shell, *words, code=exits.OK)
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
    (row,) = compare(shell, "court.db", "newest", "--log-key", log_key, code=exits.OK)
    assert row["verdict"] == "unproven"
    (row,) = compare(shell, "court.db", log, "--log-key", log_key, code=exits.OK)
    assert row["verdict"] == "same"


def test_what_cannot_be_compared_is_a_message(shell: Shell, log_key: str) -> None:
    (shell.folder / "a").write_text("not a checkpoint\n")
    words = ["audit", "compare", "a"]
    assert "blank line" in shell.run(*words, "a", "--log-key", log_key, code=exits.FAULTS).output
    assert "--log-key" in shell.run(*words, "a", code=exits.USAGE).output
    assert (
        "cannot be read"
        in shell.run("audit", "compare", "missing", "a", "--log-key", log_key, code=exits.FAILED).output
    )
    dead = "http://127.0.0.1:9/checkpoint"
    assert "does not answer" in shell.run("audit", "compare", dead, "a", "--log-key", log_key, code=exits.FAILED).output
    with serving(shell.folder, "court", log_key) as url:
        done = shell.run("audit", "compare", f"{url}/{CHECKPOINT}", "a", "--log-key", log_key, code=exits.NOT_FOUND)
    assert "answers 404" in done.output
