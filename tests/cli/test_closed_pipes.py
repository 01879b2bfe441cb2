"""An exit code is a finding: it is the same whether or not anybody reads what is written besides."""

import json
import os
import shlex
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from casetrail.cli import exits
from casetrail.publishing import connect
from tests.actions import action, report
from tests.cli.shell import INTAKE, PROGRAM, REPORT, Shell, environment
from tests.cli.test_spool import away
from tests.cli.test_witness import forked
from tests.cli.witnesses import make_keys, notarise, verifier_key

LATER: Final = (datetime.now(UTC) + timedelta(days=90)).isoformat()

MAPPING: Final = """report_number = "{number}"
reported_at = "{date}"
time_zone = "UTC"
"""

CODES: Final = {
    "--log sqlite:damaged/log.db audit verify --no-policy": exits.FAULTS,
    "--log sqlite:damaged/log.db audit replay": exits.FAULTS,
    "--log sqlite:damaged/log.db count": exits.FAULTS,
    "--log sqlite:damaged/log.db log check": exits.FAULTS,
    "audit reconcile ledger.csv --mapping ledger.toml": exits.FAULTS,
    "audit compare sqlite:log.db sqlite:fork/log.db --log-key $(cat log.key.pub)": exits.FAULTS,
    "--policy trust audit check case.json": exits.FAULTS,
    "--log sqlite:waiting/log.db receipt check report.receipt --online": exits.PENDING,
    "doctor": exits.FAULTS,
    "findings --now $LATER": exits.FAULTS,
    "findings --from-log --now $LATER": exits.FAULTS,
    "policy check limits.toml": exits.FAULTS,
    "spool show": exits.FAULTS,
    "witness list --state court.db": exits.FAULTS,
    "history C-2": exits.OK,
}
"""Commands, and the exit codes with which they end where all that they write is read."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A log that was forked, and whose reports nobody takes up; a copy that has lost an event, and one with an action that waits."""
    shell = Shell(tmp_path_factory.mktemp("office"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(shell.folder)
        _prepare(shell)
    return shell


def _prepare(shell: Shell) -> None:
    shell.run("log", "init")
    make_keys(shell, "court")
    key = verifier_key(shell.folder / "log.key")
    Path("trust").write_text(f"log {key}\nquorum none\n", "utf-8")
    for case_id in ("C-1", "C-2"):
        shell.report(case_id)
    other = forked(shell)
    shell.report("C-3")
    other.report("C-4")
    for one in (shell, other):
        for _ in range(2):
            notarise(one.log, shell.folder / "log.key")
        one.run("witness", "request", "--from", "0", "--output", f"of-{one.folder.name}")
        cosign = ("witness", "cosign", f"of-{one.folder.name}", "--key", "court.key", "--log-key", key)
        one.run(*cosign, "--state", "court.db", "--output", "cosigned", code=exits.OK if one is shell else exits.FAULTS)
    shell.run("--policy", "trust", "audit", "export", "C-2", "--output", "case.json")
    plain = json.loads(Path("case.json").read_text("utf-8"))
    plain["statement"]["events"] = 2
    Path("case.json").write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", "utf-8")
    waiting, damaged = copied(shell, "waiting"), copied(shell, "damaged")
    waiting.run(*INTAKE, "report", "C-5", *REPORT, "--timeout", "0", "--receipt", "report.receipt", code=exits.PENDING)
    with closing(sqlite3.connect(damaged.log, isolation_level=None)) as database:
        database.execute("DROP TRIGGER no_delete")
        database.execute("DELETE FROM record WHERE topic = 'events' AND offset = 0")
    Path("ledger.csv").write_text("number,date\nR-1,2026-01-01\n", "utf-8")
    Path("ledger.toml").write_text(MAPPING, "utf-8")
    Path("limits.toml").write_text("nothing = 1\n", "utf-8")
    Path("casetrail.toml").write_text('spool = "spool"\n', "utf-8")
    with away(shell):
        shell.run(*INTAKE, "report", "C-6", *REPORT, code=exits.PENDING)


def copied(shell: Shell, name: str) -> Shell:
    """A copy of the log in a folder of its own."""
    folder = shell.folder / name
    folder.mkdir()
    with closing(sqlite3.connect(shell.log)) as source, closing(sqlite3.connect(folder / "log.db")) as copy:
        source.backup(copy)
    return Shell(folder)


def run(office: Shell, words: str, redirection: str = "") -> subprocess.CompletedProcess[str]:
    """A command as a shell runs it, and its exit code as the shell reports it."""
    said = shlex.join([PROGRAM, "--log", f"sqlite:{office.log}"]) + f" {words} {redirection}; exit ${{PIPESTATUS[0]}}"
    known = environment() | {"LATER": LATER}
    return subprocess.run(
        ["bash", "-c", said], cwd=office.folder, env=known, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("form", ["table", "ndjson"])
@pytest.mark.parametrize("words", CODES)
def test_a_command_ends_with_its_own_code_whoever_reads(office: Shell, words: str, form: str) -> None:
    asked = f"{words} --format {form}"
    read = run(office, asked)
    assert read.returncode == CODES[words], (read.stdout, read.stderr)
    for redirection in ("| true", "| head -1", "2>&1 | true", ">&-", ">&- 2>&-"):
        done = run(office, asked, redirection)
        assert done.returncode == CODES[words], (redirection, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr and "Broken pipe" not in done.stderr


@pytest.mark.parametrize("redirection", ["| true", ">&-"])
def test_what_has_no_rows_ends_with_its_own_code_too(office: Shell, redirection: str) -> None:
    assert run(office, "board --once --now $LATER", redirection).returncode == exits.FAULTS
    again = shlex.join([*INTAKE, "report", "C-2", *REPORT])
    assert run(office, again, redirection).returncode == exits.REJECTED


def test_a_reader_that_is_gone_before_anything_is_written_changes_nothing(office: Shell) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [PROGRAM, "--log", "sqlite:damaged/log.db", "audit", "verify", "--no-policy", "--format", "ndjson"]
    done = subprocess.run(
        command, cwd=office.folder, env=environment(), stdout=writing, stderr=writing, check=False, timeout=60
    )
    os.close(writing)
    assert done.returncode == exits.FAULTS


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A log whose history is longer than any pipe."""
    shell = Shell(tmp_path_factory.mktemp("busy"))
    shell.run("log", "init")
    with connect(f"sqlite:{shell.log}") as connection:
        connection.wait_many(connection.submit_many([action(report(), case_id=f"C-{n}") for n in range(500)]))
    return shell


@pytest.mark.parametrize(
    "words", ["watch --from-start", "watch --from-start --format ndjson", "watch --from-start --format csv",
              "export csv --output -", "export xes --output -"],
)  # fmt: skip
def test_what_writes_on_and_on_ends_when_nobody_reads_any_more(busy: Shell, words: str) -> None:
    for redirection in ("| head -1", ">&-"):
        done = run(busy, words, redirection)
        assert (done.returncode, done.stderr) == (exits.CUT, ""), redirection
