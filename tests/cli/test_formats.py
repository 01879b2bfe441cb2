"""Scripts rely on the names of fields: they are the same in every format, and change only on purpose."""

import csv
import io
import json
from typing import Any, Final

import pytest

from tests.cli.shell import CLINIC, INTAKE, REPORT, SERGEANT, Shell

CASES: Final = "case_id status holder unit agency offences received_at last_act_at contacts steps clock owed_by due_at"
OUTCOME: Final = (
    "result code case_id number submitted_at recorded_at action_id partition action_offset event_offset action_hash"
)  # fmt: skip

GOLDEN: Final = {
    "cases": CASES,
    "show C-1": "case_id status report_number channel reported_in agency unit holder offences immediate_danger received_at "
    "screened_at assigned_at acknowledged_at free_since first_contact_at last_contact_at last_act_at reviewed_at "
    "suspended_until closed_at disposition clearance merged_into contacts contact_attempts steps handovers reopenings "
    "refused events last_occurred_at last_recorded_at clock owed_by due_at imported partition last_hash dues",
    "history C-1": "case_id number occurred_at recorded_at late kind result actor role agency detail",
    "clock C-1": "case_id clock subject state started_at started_by due_at ended_at ended_by owed_by limit calendar source",
    "holds": "holder open_cases suspended overdue first_due_at",
    "holds --by unit": "unit open_cases suspended overdue first_due_at",
    "referrals": "case_id referral service from_agency to_agency acute state made_at answered_at ended_at",
    "intake": "month unit offence received screened_in screened_out assigned contacted worked closed",
    "replay": "case_id status holder unit agency offences received_at last_act_at contacts steps clock owed_by due_at events "
    "last_hash",
    "count": "partition submitted accepted rejected unreadable pending faults",
    "log info": "log topic partition start_offset end_offset",
    "log check": "topic setting found required meaning",
    "views info": "status cases",
    "doctor": "check result detail",
}
"""The fields of every query, in their order."""

IN_THE_TITLE: Final = {"history C-1": ("case_id",), "clock C-1": ("case_id",)}
MAY_BE_EMPTY: Final = {"log check"}


@pytest.fixture
def told(shell: Shell) -> Shell:
    """A log with a case in it."""
    shell.report()
    shell.run(*INTAKE, "act", "screened-in", "C-1", "--reason", "alleges_crime")
    shell.run(*SERGEANT, "act", "referral-made", "C-1", "--referral", "r1", "--service", "medical_evaluation",
              "--to-agency", "clinic")  # fmt: skip
    shell.run(*CLINIC, "act", "referral-accepted", "C-1", "--referral", "r1")
    return shell


def test_every_query_has_its_fields_under_the_same_names_in_every_format(told: Shell) -> None:
    for query, fields in GOLDEN.items():
        names = fields.split()
        words = query.split()
        found: list[dict[str, Any]] = told.rows(*words)
        lines = [json.loads(line) for line in told.run(*words, "--format", "ndjson").stdout.splitlines()]
        table = told.run(*words).output
        rows = list(csv.reader(io.StringIO(told.run(*words, "--format", "csv").stdout, newline="")))
        assert rows[0] == names, query
        assert len(rows) - 1 == len(found) == len(lines), query
        assert all(list(row) == names for row in (*found, *lines)), query
        if query not in MAY_BE_EMPTY:
            assert found, query
            assert str(found[0][names[0]] or "") in table, query
            shown = [name for name in names if found[0][name] and name not in ("dues", *IN_THE_TITLE.get(query, ()))]
            assert all(name.replace("_", " ") in table for name in shown), query


def test_rows_of_all_formats_hold_the_same_values(told: Shell) -> None:
    (row,) = told.rows("cases")
    (line,) = [json.loads(one) for one in told.run("cases", "--format", "ndjson").stdout.splitlines()]
    (cells,) = csv.DictReader(io.StringIO(told.run("cases", "--format", "csv").stdout, newline=""))
    assert line == row
    assert {name: str(value) if value is not None else "" for name, value in row.items() if name != "offences"} == {
        name: value for name, value in cells.items() if name != "offences"
    }
    assert row["offences"] == [cells["offences"]] == ["11A"]


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "table"])
def test_a_submission_answers_in_every_format(shell: Shell, form: str) -> None:
    shown = shell.run(*INTAKE, "report", "C-1", *REPORT, "--format", form).stdout
    names = OUTCOME.split()
    if form == "json":
        assert list(json.loads(shown)[0]) == names
    elif form == "ndjson":
        assert list(json.loads(shown)) == names
    elif form == "csv":
        assert shown.splitlines()[0].split(",") == names
    else:
        assert shown.startswith("result")
        assert "accepted" in shown


def test_times_are_in_utc_and_say_so(told: Shell) -> None:
    (row,) = told.rows("cases")
    assert row["received_at"].endswith("Z")
    assert row["due_at"].endswith("Z")


def test_csv_is_as_rfc_4180_says(told: Shell) -> None:
    assert told.process("history", "C-1", "--format", "csv").stdout.count("\n") == 5
    raw = told.run("cases", "--format", "csv").stdout_bytes
    assert raw.count(b"\r\n") == 2


@pytest.mark.parametrize("form", ["lines", "csv", "ndjson"])
def test_watch_shows_what_there_is(told: Shell, form: str) -> None:
    shown = told.run("watch", "--no-follow", "--format", form).stdout
    assert shown.count("sgt.archer") == 1
    assert "ReferralAccepted" in shown


def test_it_is_said_where_there_are_more_referrals_than_were_listed(told: Shell) -> None:
    told.run(
        *SERGEANT,
        "act",
        "referral-made",
        "C-1",
        "--referral",
        "r2",
        "--service",
        "prosecutor",
        "--to-agency",
        "shelter",
    )
    assert told.run("referrals", "--limit", "1").stderr == "and more: give a larger --limit\n"
    assert told.run("referrals", "--limit", "2").stderr == ""
