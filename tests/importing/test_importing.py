"""Histories of old systems: taken as they are, once, with the reason for every row that is not taken."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casetrail.cli import exits
from casetrail.domain.codes import TokenKind
from casetrail.domain.intake import ReportReceived
from casetrail.domain.linking import FactCorrected
from casetrail.eventlog.codec import decode_event
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Topic
from casetrail.importing.reading import file_hash
from tests.cli.shell import Shell
from tests.conformance.log_kit import read_all

REPORTS_MAPPING = """
system = "old-rms"
agency = "metro-pd"
person = "importer"
case = "{number}"
time_zone = "America/Chicago"
time_formats = ["%m/%d/%Y %H:%M"]

[codes.nibrs]
RAPE = "11A"
ABUSE = "90F"

[[actions]]
action = "ReportReceived"
at = "{received}"
report_number = "{number}"
channel = "phone"
reporter_kind = "family"
agency = "metro-pd"
unit = "child-crimes"
offences = ["{offence|nibrs}"]
seal.narrative = "{story}"
tokens.child = "{child}"

[[actions]]
action = "ScreenedIn"
at = "{screened}"
reason = "alleges_crime"

[[actions]]
action = "Assigned"
at = "{assigned}"
holder = "{officer|id}"
"""
REPORTS = """number,received,offence,story,child,screened,assigned,officer
R-1,01/05/2016 08:00,RAPE,Invented story,Invented Child,01/05/2016 09:00,01/06/2016 10:00,Det. One
R-2,07/05/2016 08:00,ABUSE,,,,,
R-3,soon,RAPE,Secret Words,,,,
R-4,01/05/2016 08:00,ARSON,Secret Words,,,,
R-5,01/05/2016 08:00,RAPE
"""


def imported(shell: Shell, file: Path, mapping: Path, *more: str, code: int = exits.OK) -> dict[str, Any]:
    """Import a file; the summary."""
    where = ("--rejects", str(shell.folder / "rejects.csv"), "--progress", str(shell.folder / "progress"))
    words = ("import", str(file), "--mapping", str(mapping), *where, *more, "--format", "json")
    found = json.loads(shell.run(*words, code=code).stdout)
    summary: dict[str, Any] = found[0] if isinstance(found, list) else found
    return summary


def reports(shell: Shell, text: str = REPORTS) -> tuple[Path, Path]:
    """A file with a row a report, and its mapping."""
    file, mapping = shell.folder / "reports.csv", shell.folder / "reports.toml"
    file.write_text(text)
    mapping.write_text(REPORTS_MAPPING)
    return file, mapping


def test_a_row_a_report_becomes_the_actions_of_its_columns(shell: Shell) -> None:
    file, mapping = reports(shell)
    summary = imported(shell, file, mapping, code=exits.FAULTS)
    assert (summary["rows"], summary["accepted"], summary["refused_rows"]) == (5, 4, 3)
    with EmbeddedLog.open(shell.log) as log:
        events = [decode_event(record.value) for record in read_all(log, Topic.EVENTS)]
    assert [(event.case_id, type(event.body).__name__) for event in events] == [
        ("R-1", "ReportReceived"),
        ("R-1", "ScreenedIn"),
        ("R-1", "Assigned"),
        ("R-2", "ReportReceived"),
    ]
    assert {event.imported and (event.imported.file_hash, event.imported.line) for event in events} == {
        (file_hash(file), 2),
        (file_hash(file), 3),
    }
    # the old system's own times, in its own zone: winter and summer
    assert events[0].occurred_at == datetime(2016, 1, 5, 14, 0, tzinfo=UTC)
    assert events[3].occurred_at == datetime(2016, 7, 5, 13, 0, tzinfo=UTC)
    assert events[0].recorded_at > datetime(2026, 1, 1, tzinfo=UTC)


IDENTIFIED = """
[[actions]]
action = "FactCorrected"
at = "{screened}"
corrects = "1"
reason = "new_information"
seal.child_name = "{child}"
tokens.child = "{child}"
"""


def test_a_child_whom_only_a_correction_names_has_its_token_there(shell: Shell) -> None:
    file, mapping = reports(shell)
    anonymous, name = REPORTS_MAPPING.replace('tokens.child = "{child}"', "", 1), "Invented Child"
    mapping.write_text(anonymous + IDENTIFIED)
    imported(shell, file, mapping, code=exits.FAULTS)
    with EmbeddedLog.open(shell.log) as log:
        bodies = [decode_event(record.value).body for record in read_all(log, Topic.EVENTS)]
    received = [body.tokens for body in bodies if isinstance(body, ReportReceived)]
    (corrected,) = [body.tokens or () for body in bodies if isinstance(body, FactCorrected)]
    assert received == [(), ()] and [token.kind for token in corrected] == [TokenKind.CHILD]
    assert name not in (shell.folder / "rejects.csv").read_text()


def test_a_refused_row_is_kept_with_line_column_and_reason_but_without_its_content(shell: Shell) -> None:
    imported(shell, *reports(shell), code=exits.FAULTS)
    text = (shell.folder / "rejects.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["line"], row["column"]) for row in rows] == [("4", "received"), ("5", "offence"), ("6", "")]
    assert all(row["reason"] for row in rows)
    assert "Secret" not in text


def test_a_quote_that_is_never_closed_swallows_no_row_in_silence(shell: Shell) -> None:
    more = "R-6,01/05/2016 08:00,RAPE,Told again,,,,\n"
    file, mapping = reports(
        shell, REPORTS.splitlines(keepends=True)[0] + 'R-1,01/05/2016 08:00,RAPE,"never closed,,,,\n' + more
    )
    summary = imported(shell, file, mapping, code=exits.FAULTS)
    assert (summary["rows"], summary["accepted"]) == (1, 0)
    (row,) = csv.DictReader((shell.folder / "rejects.csv").read_text().splitlines())
    assert row["line"] == "2"
    assert "lines 2 to 3" in row["reason"]


def test_no_text_about_a_person_reaches_the_log_in_the_clear(shell: Shell) -> None:
    imported(shell, *reports(shell), code=exits.FAULTS)
    for file in shell.folder.glob("log.db*"):
        assert b"Invented" not in file.read_bytes()


def test_one_action_that_is_too_large_costs_no_other_row(shell: Shell) -> None:
    large = REPORTS.replace("Invented story", "x" * 40_000)
    summary = imported(shell, *reports(shell, large), code=exits.FAULTS)
    assert summary["accepted"] == 1
    assert "16384" in (shell.folder / "rejects.csv").read_text()
    assert "R-2" in {row["case_id"] for row in shell.rows("cases")}


def test_a_name_of_nothing_but_signs_is_no_reason_to_lose_a_report(shell: Shell) -> None:
    summary = imported(shell, *reports(shell, REPORTS.replace("Invented Child", "???")), code=exits.FAULTS)
    assert (summary["accepted"], summary["refused_rows"]) == (4, 3)


@pytest.mark.parametrize("option", ["--rejects", "--progress"])
def test_a_place_that_cannot_be_written_is_named(shell: Shell, option: str) -> None:
    file, mapping = reports(shell)
    nowhere = str(shell.folder / "nowhere" / "file")
    result = shell.run("import", str(file), "--mapping", str(mapping), option, nowhere, code=exits.FAILED)
    assert nowhere in result.stderr
    assert option in result.stderr


def test_an_action_can_depend_on_a_status(shell: Shell) -> None:
    file, mapping = reports(shell)
    when = 'when = { value = "{offence}", is = "RAPE" }\n'
    mapping.write_text(REPORTS_MAPPING.replace('action = "ReportReceived"\n', f'action = "ReportReceived"\n{when}'))
    imported(shell, file, mapping, code=exits.FAULTS)
    assert {row["case_id"] for row in shell.rows("cases")} == {"R-1"}


def test_a_mapping_that_names_what_is_not_there_is_refused_before_any_row(shell: Shell) -> None:
    file, mapping = reports(shell)
    mapping.write_text(REPORTS_MAPPING.replace("{offence|nibrs}", "{crime|nibrs}"))
    result = shell.run("import", str(file), "--mapping", str(mapping), code=None)
    assert result.exit_code not in (exits.OK, exits.FAULTS)
    assert "crime" in result.stderr
    assert shell.rows("count")[0]["submitted"] == 0
