"""Whatever anybody wrote, what is shown does no harm: not to a terminal, not to a spreadsheet, not to a script."""

import csv
import io
import json
import os
import pty
import re
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from casetrail.cli import exits
from casetrail.cli.render import cell, csv_cell, harmless
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Topic
from tests.cli.hostile import HOSTILE, assert_harmless, assert_no_formula
from tests.cli.shell import INTAKE, PROGRAM, REPORT, SERGEANT, Shell, environment


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_cell_carries_what_controls_a_terminal_or_a_spreadsheet(text: str) -> None:
    for value in (text, [text], {"detail": text}, {"detail": [text, {"deeper": text}]}):
        for shown in (cell(value), csv_cell(value)):
            assert shown.isprintable()
        assert not csv_cell(value).startswith(("=", "+", "-", "@", "＝"))


def test_what_is_harmless_is_left_as_it_is() -> None:
    for text in ("Zwetschkenbaum", "Łukasz Żółć", "محمد", "李小龍", "🙂", "a 'quoted' \"word\"", "\\x1b"):
        assert harmless(text) == text
    assert csv_cell(-3) == "-3"


@pytest.fixture
def attacked(shell: Shell) -> Shell:
    """A log into which everything hostile was put wherever it goes."""
    shell.report()
    for text in HOSTILE.values():
        shell.run(*SERGEANT, "act", "note-added", "C-1", "--seal", "narrative=-", text=text)
    with EmbeddedLog.open(shell.log) as log:
        entries = [Entry(key, text.encode()) for text in HOSTILE.values() for key in (b"C-1", text.encode()[:60])]
        log.append(Topic.ACTIONS, [*entries, Entry(b"\xff\xfe\x1b[2J", b"\x1b[2J" * 500), Entry(None, None)])
    shell.report("C-2")
    return shell


def test_nothing_hostile_reaches_standard_output_or_error(attacked: Shell) -> None:
    queries = ("cases --sort case", "show C-1", "history C-1", "history C-1 --unseal", "history ~stray.0", "replay", "count",
               "holds", "intake", "log info", "views info", "doctor")  # fmt: skip
    for query in queries:
        for form in ("table", "json", "csv", "ndjson"):
            result = attacked.run(*query.split(), "--format", form)
            assert_harmless(result.stdout)
            assert_harmless(result.stderr)
            if form == "csv":
                assert_no_formula(result.stdout)
    for form in ("lines", "csv", "ndjson"):
        assert_harmless(attacked.run("watch", "--no-follow", "--format", form).stdout)


def test_a_terminal_gets_no_sequence_but_those_of_heads_and_titles(attacked: Shell) -> None:
    for query in ("history C-1 --unseal", "cases --sort case", "show C-1"):
        told = re.sub(r"\x1b\[[013]?m", "", on_a_terminal(attacked, *query.split()))
        assert told
        assert_harmless(told.replace("\r\n", "\n"))


def on_a_terminal(shell: Shell, *words: str) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    command = [PROGRAM, "--log", f"sqlite:{shell.log}", *words]
    process = subprocess.Popen(
        command, env=environment() | {"TERM": "xterm"}, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    told = b""
    with suppress(OSError):  # the end of a terminal is an error
        while chunk := os.read(ours, 65536):
            told += chunk
    os.close(ours)
    assert process.wait(30) == 0
    return told.decode()


def test_nothing_is_lost_by_making_it_harmless(attacked: Shell) -> None:
    told: list[dict[str, Any]] = attacked.rows("history", "C-1", "--unseal")
    notes = [row["detail"]["narrative"] for row in told if row["kind"] == "NoteAdded"]
    assert notes == [text.removesuffix("\n").removesuffix("\r") for text in HOSTILE.values()]
    shown = attacked.run("history", "C-1", "--unseal", "--format", "csv").stdout
    details = [json.loads(row["detail"]) for row in csv.DictReader(io.StringIO(shown, newline=""))]
    assert [one["narrative"] for one in details if "narrative" in one] == notes
    lines = attacked.run("history", "C-1", "--unseal").stdout.splitlines()
    assert len(lines) == len(told) + 2, "no text makes a row of its own"
    (count,) = attacked.rows("count")
    assert (count["unreadable"], count["pending"], count["faults"]) == (2 * len(HOSTILE) + 2, 0, 0)


def test_a_hostile_argument_is_shown_harmlessly_in_the_message(shell: Shell, tmp_path: Path) -> None:
    bad = "\x1b[2J\u202e"
    for words in (
        ("--log", f"sqlite:{bad}", "count"),
        ("--config", bad, "count"),
        ("show", bad),
        ("cases", "--now", bad),
        ("replay", "--as-of", bad),
        ("cases", "--status", bad),
        (bad,),
        (*INTAKE, "report", "C-1", *REPORT, "--seal", f"narrative=@{bad}"),
        ("import", bad, "--mapping", bad),
    ):
        done = shell.process(*words, check=False)
        assert done.returncode in (exits.USAGE, exits.NOT_FOUND, exits.FAILED), done
        assert done.stderr
        assert_harmless(done.stdout + done.stderr)
    (tmp_path / "casetrail.toml").write_text(f'"{chr(92)}u001b[2J" = "x"', "utf-8")
    assert_harmless(shell.process("count", check=False).stderr)


def test_a_command_that_is_printed_to_be_run_has_a_hostile_name_in_quotes(shell: Shell) -> None:
    name = "User:x'; rm -rf / #\x07\u202e"
    words = ("--log", "kafka://localhost:1/kcpd", "log", "access", "--role", "recorder", "--principal", name)
    told = shell.run(*words).stdout
    assert_harmless(told)
    for line in told.splitlines():
        assert name.partition("\x07")[0] in shlex.split(line)[7]


def test_foreign_bytes_among_the_events_are_shown_as_what_they_are(shell: Shell) -> None:
    """Who can write to the file of the log can put anything there: it is named, and harms nobody."""
    shell.report()
    shell.run("cases")
    with EmbeddedLog.open(shell.log) as log:
        log.append(Topic.EVENTS, [Entry(b"C-1", b"\x1b[2J no event", 0)])
    result = shell.run("count", code=exits.FAULTS)
    assert "event at offset 1" in result.stderr
    assert "no event" in shell.run("watch", "--no-follow").stdout
    for query in ("cases", "replay", "history C-1"):
        done = shell.process(*query.split(), check=False)
        assert "Traceback" not in done.stderr, query
        assert_harmless(done.stdout + done.stderr)
    assert "recorder" in shell.run("doctor", code=exits.FAULTS).stdout


@pytest.mark.parametrize(
    "words", ["replay {}", "watch --no-follow --case {}", "keys disclose {} 1 narrative", "audit replay --case {}"]
)
def test_what_can_be_no_id_is_not_looked_for(shell: Shell, words: str) -> None:
    """A byte that is not UTF-8 reaches a program as a character that no text can be encoded with."""
    shell.report()
    for text in ("\udcff", "C 1", "C-1\n", "~stray.x"):
        result = shell.run(*(word.format(text) for word in words.split()), code=exits.USAGE)
        assert "not an id" in result.stderr
    assert "not an id" not in shell.run(*words.format("~stray.0").split(), code=None).stderr
