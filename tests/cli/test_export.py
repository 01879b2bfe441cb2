"""``casetrail export``: a file that is whole or not there, a pipe, what is chosen, and what is said where it cannot be done."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from casetrail.cli import exits
from tests.cli.shell import INTAKE, PROGRAM, SERGEANT, Shell, environment

COMMANDER = ("--person", "cmd.1", "--agency", "metro-pd", "--role", "commander")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path)
    made.run("log", "init")
    made.report("C-1")
    made.report("C-2", "--unit", "north")
    made.run(*INTAKE, "act", "screened-in", "C-1", "--reason", "alleges_crime")
    made.run(*INTAKE, "act", "screened-in", "C-1", "--reason", "alleges_crime", code=exits.REJECTED)
    made.run(*SERGEANT, "act", "assigned", "C-1", "--holder", "det.01")
    registered = ("--agency", "metro-pd", "--agency-kind", "law_enforcement")
    made.run(*COMMANDER, "act", "agency-registered", "registry", *registered)
    return made


def out(shell: Shell, kind: str) -> tuple[str, ...]:
    return "export", kind, "--output", str(shell.folder / f"log.{kind}")


def piped(shell: Shell, *words: str) -> list[dict[str, str]]:
    return list(csv.DictReader(shell.run("export", "csv", "--output", "-", *words).stdout.splitlines()))


@pytest.mark.parametrize("kind", ["ocel", "xes", "csv", "parquet"])
def test_a_file_is_written_and_what_is_in_it_is_told(shell: Shell, kind: str) -> None:
    before = set(shell.folder.iterdir())
    (row,) = shell.rows(*out(shell, kind))
    assert row == {"file": str(shell.folder / f"log.{kind}"), "cases": 2, "events": 6, "unaccepted": 1}
    assert set(shell.folder.iterdir()) - before == {shell.folder / f"log.{kind}"}


def test_a_pipe_gets_the_rows_and_nothing_else(shell: Shell) -> None:
    assert [(row["case_id"], row["activity"]) for row in piped(shell) if row["history"] == "case"] == [
        (row["case_id"], row["activity"]) for row in piped(shell, "--case", "C-1", "--case", "C-2")
    ]
    process = shell.process("export", "xes", "--output", "-")
    assert process.stdout.startswith("<?xml") and process.stdout.endswith("</log>\n") and process.stderr == ""
    assert "needs a file" in shell.run("export", "ocel", "--output", "-", code=exits.USAGE).stderr


def test_a_reader_that_stops_reading_ends_the_export_quietly(shell: Shell) -> None:
    command = f"{PROGRAM} --log sqlite:{shell.log} export csv --output - | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=shell.folder, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == ("0", "")


def test_the_registry_stands_apart_from_the_cases(shell: Shell) -> None:
    (one,) = (row for row in piped(shell) if row["history"] == "registry")
    assert (one["case_id"], one["activity"]) == ("registry", "AgencyRegistered")
    shell.run(*out(shell, "ocel"))
    objects = json.loads((shell.folder / "log.ocel").read_text())["objects"]
    assert {one["id"] for one in objects if one["type"] in ("case", "registry")} == {
        "case:C-1",
        "case:C-2",
        "registry:registry",
    }


def test_cases_are_chosen_by_id_unit_offence_and_time(shell: Shell) -> None:
    assert {row["case_id"] for row in piped(shell, "--case", "C-2")} == {"C-2"}
    assert {row["case_id"] for row in piped(shell, "--unit", "north")} == {"C-2"}
    assert {row["case_id"] for row in piped(shell, "--offence", "11A")} == {"C-1", "C-2"}
    assert piped(shell, "--offence", "370") == []
    assert piped(shell, "--until", "2020-01-01T00:00:00Z") == piped(shell, "--as-of", "2020-01-01T00:00:00Z") == []
    assert len(piped(shell, "--since", "2020-01-01T00:00:00Z")) == 6


def test_a_case_that_the_log_has_not_is_an_error_and_leaves_no_file(shell: Shell) -> None:
    said = shell.run(*out(shell, "csv"), "--case", "C-1", "--case", "C-9", code=exits.NOT_FOUND).stderr
    assert "C-9" in said
    assert not (shell.folder / "log.csv").exists()


def test_where_something_fails_the_file_that_was_there_stays(shell: Shell) -> None:
    (shell.folder / "log.csv").write_text("mine")
    shell.run(*out(shell, "csv"), "--case", "C-9", code=exits.NOT_FOUND)
    assert (shell.folder / "log.csv").read_text() == "mine"
    nowhere = shell.folder / "nowhere" / "log.csv"
    said = shell.run("export", "csv", "--output", str(nowhere), code=exits.FAILED).stderr
    assert "cannot be written" in said and "nowhere" in said


def test_pseudonyms_are_made_by_the_key_that_is_given(shell: Shell) -> None:
    key = shell.folder / "key"
    key.write_bytes(b"k" * 32)
    written = shell.run("export", "csv", "--output", "-", "--pseudonyms", str(key)).stdout
    assert "det.01" not in written and "sgt.archer" not in written and ",p-" in written
    key.write_bytes(b"k")
    assert "32 random bytes" in shell.run(*out(shell, "csv"), "--pseudonyms", str(key), code=exits.FAILED).stderr


def test_without_pyarrow_it_is_said_what_to_install(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = shell.run(*out(shell, "parquet"), code=exits.FAILED).stderr
    assert "casetrail[analysis]" in said
    assert not (shell.folder / "log.parquet").exists()
    shell.run(*out(shell, "csv"))
