"""Queries: an empty log, filters, and the past."""

from datetime import timedelta
from typing import Final

import pytest

from casetrail.cli import exits
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.publishing import Connection
from tests.actions import DETECTIVE, HAPPENED, INTAKE, SERGEANT, action, report
from tests.cli.shell import Shell

DAY: Final = 86_400_000
STARTED: Final = int(HAPPENED.timestamp() * 1000)


@pytest.mark.parametrize("form", ["table", "json", "csv", "ndjson"])
def test_every_query_works_on_an_empty_log(shell: Shell, form: str) -> None:
    for query in ("cases", "holds", "referrals", "intake", "replay", "views info", "log check"):
        result = shell.run(*query.split(), "--format", form)
        expected = {"table": "", "json": "[]", "ndjson": ""}
        if form == "csv":
            assert len(result.stdout.splitlines()) == 1, query
        else:
            assert result.stdout.strip() == expected[form], query
    for query in ("count", "log info", "doctor"):
        assert shell.run(*query.split(), "--format", form).stdout, query
    assert shell.run("watch", "--no-follow").stdout == ""
    assert "rebuilt from 0 event(s)" in shell.run("views", "rebuild").stdout


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Four cases on days 0, 10, 20 and 30: received; screened in; held and worked; closed over to others."""
    from casetrail.domain.assignment import Assigned
    from casetrail.domain.codes import Offence, ScreeningReason, Step
    from casetrail.domain.intake import OffenceAlleged, ScreenedIn, ScreenedOut
    from casetrail.domain.investigation import InvestigativeStepTaken
    from casetrail.eventlog.schemas import register_in_log

    shell = Shell(tmp_path_factory.mktemp("years"))
    now = [STARTED]
    log = EmbeddedLog.create(shell.log, "years", clock=lambda: now[0])
    register_in_log(log)
    screened = ScreenedIn(ScreeningReason.ALLEGES_CRIME)
    story = [
        (0, "C-1", INTAKE, report()),
        (10, "C-2", INTAKE, report(unit="night", agency="county")),
        (11, "C-2", INTAKE, screened),
        (20, "C-3", INTAKE, report(offences=(OffenceAlleged(Offence.FONDLING), OffenceAlleged(Offence.SODOMY)))),
        (21, "C-3", INTAKE, screened),
        (22, "C-3", SERGEANT, Assigned(DETECTIVE.id)),
        (23, "C-3", DETECTIVE, InvestigativeStepTaken(Step.SCENE_VISITED)),
        (30, "C-4", INTAKE, report()),
        (31, "C-4", INTAKE, ScreenedOut(ScreeningReason.OUTSIDE_JURISDICTION)),
    ]
    with Connection(log) as connection:
        for day, case_id, actor, body in story:
            now[0] = STARTED + day * DAY
            connection.wait(connection.submit(action(body, actor, case_id, HAPPENED + timedelta(days=day))))
    return shell


def on(day: int) -> str:
    """A day of the story, an hour after the day's event."""
    return (HAPPENED + timedelta(days=day, hours=1)).isoformat()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", "C-1 C-2 C-3 C-4"),
        ("--status received", "C-1"),
        ("--status received --status screened_out", "C-1 C-4"),
        ("--offence 11D", "C-3"),
        ("--offence 11B", "C-3"),
        ("--offence 11A", "C-1 C-2 C-4"),
        ("--offence 11A --offence 11D", "C-1 C-2 C-3 C-4"),
        ("--offence 100", ""),
        ("--holder det.01", "C-3"),
        ("--holder det.01 --status received", ""),
        ("--nobody", "C-1 C-2"),
        ("--unit night", "C-2"),
        ("--agency county", "C-2"),
        ("--open", "C-1 C-2 C-3"),
        (f"--older-than 15 --now {on(30)}", "C-1 C-2"),
        (f"--older-than 0 --now {on(10)}", "C-1 C-2"),
        (f"--quiet-for 15 --now {on(35)}", "C-1 C-2"),
        (f"--quiet-for 12 --now {on(36)}", "C-1 C-2 C-3"),
        ("--overdue --now 2026-03-02T10:00:00Z", ""),
        (f"--overdue --now {on(2)}", "C-1"),
        ("--sort case --descending", "C-4 C-3 C-2 C-1"),
        ("--sort received --descending --limit 2", "C-4 C-3"),
        ("--limit 1", "C-1"),
        ("--quiet-for 36500", ""),
        ("--older-than 36500 --now 0001-01-02T00:00:00Z", ""),
    ],
)
def test_cases_can_be_found(years: Shell, words: str, found: str) -> None:
    assert [row["case_id"] for row in years.rows("cases", *words.split())] == found.split()


@pytest.mark.parametrize("sort", ["received", "due", "act", "recorded", "case"])
def test_cases_can_be_sorted(years: Shell, sort: str) -> None:
    column = {"received": "received_at", "due": "due_at", "act": "last_act_at", "case": "case_id"}.get(sort)
    rows = years.rows("cases", "--sort", sort)
    assert len(rows) == 4
    if column is not None:
        values = [row[column] for row in rows if row[column] is not None]
        assert values == sorted(values)


def test_the_past_can_be_replayed_by_time(years: Shell) -> None:
    def status(day: int) -> dict[str, str]:
        return {row["case_id"]: row["status"] for row in years.rows("replay", "--as-of", on(day))}

    assert status(-1) == {}
    assert status(0) == {"C-1": "received"}
    assert status(10) == {"C-1": "received", "C-2": "received"}
    assert status(22) == {"C-1": "received", "C-2": "unassigned", "C-3": "assigned"}
    assert status(40)["C-4"] == "screened_out"
    assert [row["status"] for row in years.rows("replay", "C-3", "--as-of", on(21))] == ["unassigned"]
    years.run("replay", "C-3", "--as-of", on(19), code=6)


def test_the_past_can_be_replayed_by_offset(years: Shell) -> None:
    assert years.rows("replay", "--as-of", "0") == []
    assert [row["case_id"] for row in years.rows("replay", "--as-of", "2")] == ["C-1", "C-2"]
    assert years.rows("replay", "--as-of", "999999999999999999") == years.rows("replay")


def test_replay_and_views_say_the_same(years: Shell) -> None:
    cases = years.rows("cases", "--sort", "case")
    replayed = years.rows("replay")
    assert cases == [{name: row[name] for name in cases[0]} for row in replayed]


def test_who_holds_what(years: Shell) -> None:
    assert {row["holder"]: row["open_cases"] for row in years.rows("holds")} == {None: 2, "det.01": 1}
    assert {row["unit"]: row["open_cases"] for row in years.rows("holds", "--by", "unit")} == {
        "child-crimes": 2,
        "night": 1,
    }
    assert all(row["overdue"] == 0 for row in years.rows("holds", "--now", "2026-03-02T08:00:00Z"))


def test_intake_counts_by_month(years: Shell) -> None:
    rows = years.rows("intake")
    assert sum(row["received"] for row in rows) == 4
    assert sum(row["screened_out"] for row in rows) == 1
    assert sum(row["worked"] for row in rows) == 1


def test_intake_of_some_units_offences_and_months(years: Shell) -> None:
    def received(*words: str) -> int:
        return sum(row["received"] for row in years.rows("intake", *words))

    assert received("--unit", "night") == 1
    assert received("--offence", "11D") == 1  # the first of the report
    assert received("--offence", "11B") == 0
    months = [row["month"] for row in years.rows("intake")]
    first, last = min(months), max(months)
    assert first < last
    assert received("--since", last) == months.count(last)
    assert received("--since", last) + received("--until", first) == 4
    assert received("--since", first, "--until", last, "--offence", "11D", "--offence", "11A") == 4
    for text in ("2026-13", "2026-1", "2026", "March"):
        assert "write one as 2026-03" in years.run("intake", "--until", text, code=exits.USAGE).stderr


def test_views_can_be_rebuilt_to_the_same_rows(years: Shell) -> None:
    before = years.rows("cases")
    assert "rebuilt from 9 event(s)" in years.run("views", "rebuild").stdout
    assert years.rows("cases") == before
