"""``casetrail audit replay`` shows both sides of what differs, and its exit code tells."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import Result

from casetrail.cli import exits
from casetrail.cli.audit_replay import COLUMNS
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Entry, Topic
from tests.actions import INTAKE, OTHER_SERGEANT, action, report
from tests.audit.replaying import REFUSED, File, cases, make_log
from tests.cli.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Ten honest cases."""
    made = Shell(tmp_path)
    make_log(made.log, *cases(10))
    return made


@pytest.fixture
def forged(shell: Shell) -> Shell:
    """One report of them refused, one event of another case blamed on somebody else."""
    file = File(f"sqlite:{shell.log}")
    file.change(14, body=REFUSED)
    file.change(57, actor=OTHER_SERGEANT)
    return shell


def audited(shell: Shell, *words: str, code: int = exits.OK) -> Result:
    return shell.run("audit", "replay", *words, code=code)


def test_an_honest_log_ends_well(shell: Shell) -> None:
    result = audited(shell)
    assert result.stdout == ""
    assert "actions: 60, compared with their events: 60, pending: 0" in result.stderr
    assert "nothing differs" in result.stderr


def test_pending_actions_are_counted_and_are_no_fault(shell: Shell) -> None:
    with open_log(f"sqlite:{shell.log}") as log:
        log.append(Topic.ACTIONS, [Entry(b"C-1", encode_action(action(report(), INTAKE)))])
    assert "compared with their events: 60, pending: 1 (the first since 2" in audited(shell).stderr
    assert audited(shell, "--format", "json").stdout.strip() == "[]"


def test_the_table_shows_both_sides_side_by_side(forged: Shell) -> None:
    result = audited(forged, code=exits.FAULTS)
    lines = result.stdout.splitlines()
    refused = next(line for line in lines if line.startswith("wrongly-refused "))
    assert "outcome=accepted" in refused and "outcome=rejected code=role-may-not" in refused
    assert lines[-1].startswith("wrongly-refused: ") and "it was kept out of the case" in lines[-1]
    blamed = next(line for line in lines if line.startswith("misattributed "))
    assert "actor.id=det.01" in blamed and f"actor.id={OTHER_SERGEANT.id}" in blamed
    assert "differences: 3 in cases: 2 (1 chain-differs, 1 misattributed, 1 wrongly-refused)" in result.stderr


def test_json_has_every_column_under_its_stable_name(forged: Shell) -> None:
    rows = json.loads(audited(forged, "--format", "json", code=exits.FAULTS).stdout)
    assert all(tuple(row) == COLUMNS for row in rows)
    first = rows[0]
    assert (first["kind"], first["case_id"], first["action"]) == ("wrongly-refused", "case-04", "ScreenedIn")
    assert (first["partition"], first["action_offset"], first["event_offset"]) == (0, 14, 14)
    assert (first["first"], first["follows"]) == (True, False)
    assert first["expected"] == {"outcome": "accepted", "code": None}
    assert first["recorded"] == {"outcome": "rejected", "code": "role-may-not"}


def test_csv_and_ndjson_have_the_same_rows(forged: Shell) -> None:
    rows = list(csv.DictReader(io.StringIO(audited(forged, "--format", "csv", code=exits.FAULTS).stdout)))
    lines = audited(forged, "--format", "ndjson", code=exits.FAULTS).stdout.splitlines()
    assert [row["kind"] for row in rows] == [json.loads(line)["kind"] for line in lines]
    assert len(rows) == 3


def test_one_case_is_judged_alone(forged: Shell) -> None:
    rows = json.loads(audited(forged, "--case", "case-07", "--format", "json", code=exits.FAULTS).stdout)
    assert [(row["kind"], row["case_id"]) for row in rows] == [("misattributed", "case-07")]
    assert "actions: 6, compared with their events: 6" in audited(forged, "--case", "case-05").stderr


def test_a_case_that_the_log_does_not_have_is_not_found(shell: Shell) -> None:
    result = audited(shell, "--case", "case-99", code=exits.NOT_FOUND)
    assert "the log has no case case-99" in result.stderr
    result = audited(shell, "--case", "Some Body", code=exits.USAGE)
    assert "Some Body" not in result.output


def test_submissions_that_belong_to_no_case_can_be_judged_alone_too(shell: Shell) -> None:
    with open_log(f"sqlite:{shell.log}") as log:
        log.append(Topic.ACTIONS, [Entry(b"no id", b"?", 0)])
    assert "actions: 1, compared with their events: 0, pending: 1" in audited(shell, "--case", "~stray.0").stderr


def test_no_log_is_not_found(tmp_path: Path) -> None:
    audited(Shell(tmp_path), code=exits.NOT_FOUND)
