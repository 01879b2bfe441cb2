"""What is due and overdue, and the clocks of a case: computed from the events, as of any moment, by any policy."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.domain.assignment import Acknowledged, Assigned
from casetrail.domain.codes import ScreeningReason, Service, Step
from casetrail.domain.concern import ConcernRaised
from casetrail.domain.intake import ScreenedIn, ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.referral import ReferralMade
from casetrail.domain.values import iso
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.publishing import Connection
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, SERGEANT, action, report
from tests.cli.shell import Shell
from tests.domain.policies import within

DAY: Final = timedelta(days=1)
FORMS: Final = ("table", "json", "csv", "ndjson")


def day(number: float) -> str:
    """So many days after ``HAPPENED``, a Monday at 9:00 UTC."""
    return iso(HAPPENED + number * DAY)


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Three cases: one that nobody has looked at, one that is worked, one that is screened out with a concern open."""
    from casetrail.domain.codes import ConcernKind
    from casetrail.eventlog.schemas import register_in_log

    shell = Shell(tmp_path_factory.mktemp("unit"))
    now = [HAPPENED]
    log = EmbeddedLog.create(shell.log, "unit", clock=lambda: int(now[0].timestamp() * 1000))
    register_in_log(log)
    story: list[tuple[float, str, Any, Any]] = [
        (0, "C-1", INTAKE, report()),
        (0, "C-2", INTAKE, report(unit="night")),
        (0.5, "C-2", INTAKE, ScreenedIn(ScreeningReason.ALLEGES_CRIME)),
        (1, "C-2", SERGEANT, Assigned(DETECTIVE.id)),
        (1.5, "C-2", DETECTIVE, Acknowledged()),
        (2, "C-2", DETECTIVE, InvestigativeStepTaken(Step.SCENE_VISITED)),
        (2, "C-2", DETECTIVE, ReferralMade("r1", Service.VICTIM_ADVOCACY, CLINIC.agency)),
        (3, "C-3", INTAKE, report()),
        (3, "C-3", INTAKE, ScreenedOut(ScreeningReason.NOT_A_CRIME)),
        (4, "C-3", CLINIC, ConcernRaised("c1", ConcernKind.CLOSED_WITHOUT_WORK)),
    ]
    with Connection(log) as connection:
        for number, case_id, actor, body in story:
            now[0] = HAPPENED + number * DAY
            connection.wait(connection.submit(action(body, actor, case_id, now[0])))
    return shell


def clocks_of(rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(row["case_id"], row["clock"]) for row in rows}


def test_what_is_overdue_is_listed_with_who_owes_it_and_who_is_to_be_told(unit: Shell) -> None:
    rows = unit.rows("overdue", "--now", day(5))
    assert [(row["case_id"], row["clock"], row["overdue_hours"], row["to_tell"]) for row in rows] == [
        ("C-1", "first_response", 96, ["holder", "supervisor", "commander"]),
        ("C-1", "screening", 48, ["holder", "supervisor"]),
        ("C-2", "referral_answer", 24, ["holder", "supervisor"]),
    ]
    assert {row["owed_by"] for row in rows if row["case_id"] == "C-1"} == {"child-crimes/intake"}


@pytest.mark.parametrize(
    "words",
    [("overdue",), ("overdue", "--from-log"), ("due",), ("due", "--from-log"), ("cases",), ("cases", "--sort", "due")],
)
@pytest.mark.parametrize("form", FORMS)
def test_it_is_said_where_there_is_more_than_was_listed(unit: Shell, words: tuple[str, ...], form: str) -> None:
    words = (*words, "--now", day(5), "--format", form)
    count = len(unit.rows(*words[:-2]))
    short = unit.run(*words, "--limit", str(count - 1))
    assert short.stderr == "and more: give a larger --limit\n"
    whole = unit.run(*words, "--limit", str(count))
    assert whole.stderr == "" and len(whole.stdout) > len(short.stdout)


def test_what_is_overdue_is_not_listed_as_due(unit: Shell) -> None:
    late, soon = unit.rows("overdue", "--now", day(5)), unit.rows("due", "--now", day(5), "--limit", "99")
    assert not {(*one, row["subject"]) for row in late for one in [(row["case_id"], row["clock"])]} & {
        (row["case_id"], row["clock"], row["subject"]) for row in soon
    }
    assert [row["due_at"] for row in soon] == sorted(row["due_at"] for row in soon)
    assert ("C-3", "concern_answer") in clocks_of(soon) and ("C-2", "progress") in clocks_of(soon)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("--owed-by clinic", {("C-2", "referral_answer")}),
        ("--unit night --clock progress", {("C-2", "progress")}),
        ("--clock screening", {("C-1", "screening")}),
        ("--owed-by child-crimes/supervisor", {("C-3", "concern_answer")}),
        (f"--owed-by {DETECTIVE.id} --within 14", {("C-2", "progress"), ("C-2", "victim_contact"), ("C-2", "forensic_interview")}),
        ("--within 0", set()),
    ],
)  # fmt: skip
def test_due_can_be_asked_for_by_who_owes_it_by_unit_and_by_clock(
    unit: Shell, words: str, found: set[tuple[str, str]]
) -> None:
    now = day(4) if "supervisor" in words else day(2)
    assert clocks_of(unit.rows("due", "--now", now, *words.split())) == found


def test_the_most_urgent_come_first_and_no_more_than_asked_for(unit: Shell) -> None:
    every = unit.rows("due", "--now", day(2), "--limit", "99")
    assert unit.rows("due", "--now", day(2), "--limit", "2") == every[:2]


def test_a_past_moment_shows_what_was_recorded_by_then(unit: Shell) -> None:
    assert unit.rows("due", "--as-of", day(-1)) == []
    first = clocks_of(unit.rows("due", "--as-of", day(0.1)))
    assert ("C-2", "screening") in first and ("C-2", "assignment") not in first
    assert ("C-2", "assignment") in clocks_of(unit.rows("due", "--as-of", day(0.6)))
    assert clocks_of(unit.rows("overdue", "--as-of", day(0.6), "--now", day(5))) >= {
        ("C-2", "first_response"), ("C-2", "assignment"),
    }  # fmt: skip


def test_the_clocks_of_a_case_say_how_each_went(unit: Shell) -> None:
    rows = {(row["clock"], row["started_by"]): row for row in unit.rows("clock", "C-2", "--now", day(5))}
    assert rows["screening", 1]["state"] == "met"
    assert (rows["first_response", 1]["state"], rows["first_response", 1]["ended_by"]) == ("met_late", 5)
    assert (rows["decision", 1]["limit"], rows["decision", 1]["source"]) == ("120 days", "RSMo 210.183")
    assert rows["referral_answer", 6]["subject"] == "r1"
    assert (rows["assignment", 2]["calendar"], rows["decision", 1]["calendar"]) == ("business_days", "wall")
    assert [row["started_by"] for row in unit.rows("clock", "C-2") if row["clock"] == "progress"] == [3, 5]


def test_the_clocks_of_a_case_can_be_seen_as_they_were(unit: Shell) -> None:
    states = {row["clock"]: row["state"] for row in unit.rows("clock", "C-2", "--as-of", day(0.1))}
    assert states["screening"] == "running" and "assignment" not in states
    unit.run("clock", "C-2", "--as-of", day(-1), code=6)
    unit.run("clock", "C-99", code=6)


def test_another_policy_judges_otherwise(unit: Shell, tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(within("clocks.screening", "72 hours", "30 days"), "utf-8")
    asked = ("overdue", "--now", day(5), "--clock", "screening")
    assert clocks_of(unit.rows(*asked)) == {("C-1", "screening")}
    assert unit.rows(*asked, "--judge-by", str(file)) == []
    assert clocks_of(unit.rows(*asked, "--judge-by", "missouri")) == {("C-1", "screening")}
    assert "this is no policy" in unit.run(*asked, "--judge-by", "-", text="x", code=1).stderr


def test_an_empty_log_owes_nothing(shell: Shell) -> None:
    assert shell.rows("due") == [] == shell.rows("overdue")


@pytest.mark.parametrize("more", [(), ("--from-log",), ("--as-of", day(1))])
@pytest.mark.parametrize("command", ["due", "overdue"])
def test_a_mistyped_clock_is_no_good_news(unit: Shell, command: str, more: tuple[str, ...]) -> None:
    said = unit.run(command, "--clock", "screning", *more, code=2).stderr
    assert "no policy has such a clock: write screening" in said
    unit.run(command, "--clock", "concern_answer", "--unit", "night", *more)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_can_be_had(unit: Shell, form: str) -> None:
    for words in (("due",), ("overdue",), ("clock", "C-1")):
        assert (
            "first_response" in unit.run(*words, "--now", day(0.1 if words[0] == "due" else 9), "--format", form).stdout
        )


def test_a_time_without_a_zone_is_not_guessed(unit: Shell) -> None:
    assert "has no zone" in unit.run("overdue", "--now", "2026-03-02T09:00:00", code=2).stderr


def test_a_history_that_was_altered_is_not_judged(unit: Shell, tmp_path: Path) -> None:
    import shutil
    import sqlite3

    copy = Shell(tmp_path)
    shutil.copy(unit.log, copy.log)
    with sqlite3.connect(copy.log) as database:
        database.execute("DROP TRIGGER no_update")
        where = "WHERE topic = 'events' AND offset = 4"
        (value,) = database.execute(f"SELECT value FROM record {where}").fetchone()
        database.execute(f"UPDATE record SET value = ? {where}", (value.replace(b"det.01", b"det.02"),))
    assert "the history was altered or is incomplete" in copy.run("overdue", code=1).stderr


@pytest.mark.parametrize("words", ["clock C-2", "partner clinic", "partner clinic --case C-1", "registry"])
def test_a_question_opens_the_views_once(unit: Shell, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    opened = 0

    def count(*_: object, **__: object) -> None:
        nonlocal opened
        opened += 1

    unit.rows("clock", "C-2")  # the views are up to date
    monkeypatch.setattr("casetrail.cli.embedded_views.bring_up_to_date", count)
    unit.rows(*words.split())
    assert opened == 1
