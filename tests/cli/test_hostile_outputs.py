"""Whatever a hostile service submits past every client, every command still answers, and what it shows does no harm."""

import csv
import io
import json
from contextlib import closing
from typing import Any, Final

import pytest

from casetrail.cli import exits
from casetrail.cli.history import BROKEN
from casetrail.projections import queries
from casetrail.projections.database import open_database
from tests.cli.hostile import (
    ANCIENT,
    BAD_POLICIES,
    HOSTILE,
    LONG_ID,
    NOT_UTF8,
    POLICY_NAME,
    UNOPENABLE,
    assert_harmless,
    assert_no_formula,
    attack,
    attacked_by,
)
from tests.cli.shell import Shell

QUERIES: Final = (
    "cases --sort case", "show C-1", f"show {LONG_ID}", "show AD-1", "history C-1", "history C-1 --unseal", "history registry",
    f"history {LONG_ID}", "history ~stray.0", "due", "due --from-log", "overdue", "overdue --from-log", "clock C-1",
    "clock AD-1", f"clock {LONG_ID}", "findings", "findings --from-log", "escalations", "escalations --all", "holds",
    "holds --by unit", "referrals", "intake", "partner list metro-pd", f"partner list {LONG_ID}", "replay", "count", "log info",
    "views info", "doctor", "registry", "registry --by unit", "registry --by agency", "policy history", "audit replay",
    "spool show",
)  # fmt: skip
FORMS: Final = ("table", "json", "csv", "ndjson")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A log into which everything hostile was put wherever it goes; a report before and one after."""
    with pytest.MonkeyPatch.context() as alone:
        folder = tmp_path_factory.mktemp("attacked")
        alone.chdir(folder)
        return attacked_by(folder, attack)


@pytest.fixture(autouse=True)
def _there(attacked: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(attacked.folder)
    monkeypatch.setenv("CASETRAIL_SPOOL", "spool")


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_answers_and_shows_nothing_that_harms(attacked: Shell, query: str) -> None:
    shown = {}
    for form in FORMS:
        done = attacked.run(*query.split(), "--format", form, code=None)
        assert isinstance(done.exception, SystemExit | None), done.exception
        assert done.exit_code in (exits.OK, exits.FAULTS), done.output
        assert_harmless(done.stdout)
        assert_harmless(done.stderr)
        shown[form] = done.stdout
    assert_no_formula(shown["csv"])
    rows = json.loads(shown["json"])
    lines = [json.loads(line) for line in shown["ndjson"].splitlines()]
    cells = list(csv.DictReader(io.StringIO(shown["csv"], newline="")))
    assert len(rows) == len(lines) == len(cells)
    assert [list(row) for row in rows] == [list(row) for row in lines]
    assert all(None not in row and None not in row.values() for row in cells), (
        "no text makes a cell or a row of its own"
    )


@pytest.mark.parametrize("form", ["lines", "csv", "ndjson"])
def test_who_follows_the_log_sees_nothing_that_harms(attacked: Shell, form: str) -> None:
    shown = attacked.run("watch", "--no-follow", "--format", form).stdout
    assert_harmless(shown)
    if form == "csv":
        assert_no_formula(shown)


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_json_gives_every_text_back_as_it_was(attacked: Shell, form: str) -> None:
    shown = attacked.run("history", "C-1", "--format", form).stdout
    rows: list[dict[str, Any]] = (
        json.loads(shown) if form == "json" else [json.loads(one) for one in shown.splitlines()]
    )
    assert {row["actor"] for row in rows} >= set(HOSTILE.values())
    assert {row["agency"] for row in rows} >= set(HOSTILE.values())
    imported = {row["detail"].get("imported") for row in rows}
    assert imported >= {f"{text} line -1" for text in HOSTILE.values()}


def test_nothing_hostile_is_accepted_but_a_policy_and_all_of_it_is_accounted_for(attacked: Shell) -> None:
    (count,) = attacked.rows("count")
    assert (count["pending"], count["faults"]) == (0, 0)
    strays = attacked.rows("history", "~stray.0")
    assert len(strays) == len(HOSTILE) + 2 * len(NOT_UTF8) - sum(text.isalnum() for text in HOSTILE.values())
    for case_id in ("C-1", "registry"):
        accepted = [row for row in attacked.rows("history", case_id) if row["result"] == "accepted"]
        assert {row["actor"] for row in accepted} <= {"intake.desk", "sgt.archer", "chief"}
    assert [row["case_id"] for row in attacked.rows("cases", "--sort", "case")] == [LONG_ID, *ANCIENT, "C-1", "C-2"]


def test_a_field_that_nobody_can_open_hides_no_other(attacked: Shell) -> None:
    rows = attacked.rows("history", "C-1", "--unseal")
    notes = [row["detail"]["narrative"] for row in rows if row["kind"] == "NoteAdded"]
    assert notes == ["an invented note", *[BROKEN] * len(UNOPENABLE)]


def test_a_policy_that_cannot_be_read_changes_nothing_and_is_named(attacked: Shell) -> None:
    told = attacked.run("policy", "history", "--format", "json")
    assert [row["name"] for row in json.loads(told.stdout)] == [POLICY_NAME]
    assert told.stderr.count("and is in force nowhere") == len(BAD_POLICIES)
    assert attacked.rows("overdue", "--now", "2036-01-01T00:00:00Z")


def test_views_keep_values_as_they_are_and_no_statement_is_made_of_them(attacked: Shell) -> None:
    attacked.run("cases")
    with closing(open_database(f"sqlite:{attacked.log}.views")) as database:
        kept = [value for _, _, value in queries.timeline(database, "C-1")]
        assert len(queries.folded(database, "C-2") or "") > 0
    for text in HOSTILE.values():
        assert any(text.encode() in value for value in kept)
