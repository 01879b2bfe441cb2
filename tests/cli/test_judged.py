"""Clocks and findings are asked of the views, and anybody can ask the log alone: both give the same rows."""

import signal
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from casetrail.cli.clocks import asked
from casetrail.cli.config import Config
from casetrail.cli.context import Failure
from casetrail.cli.findings import finding_named
from casetrail.domain.actions import Action, Actor, Imported
from casetrail.domain.codes import Role
from casetrail.domain.registry import REGISTRY, PolicyAdopted
from casetrail.domain.values import iso
from casetrail.projections.database import open_database
from casetrail.projections.judgement_tables import CLOCK
from casetrail.projections.stale import CASE, Stale, StaleTable
from tests.actions import REGISTRAR, report
from tests.cli.shell import Shell
from tests.cli.test_clocks import DAY
from tests.domain.policies import text_of
from tests.judged_histories import PEOPLE, JudgedLog

SOON = timedelta(minutes=6)


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, JudgedLog]:
    """A log in which a year passes."""
    folder = tmp_path_factory.mktemp("judged")
    told = JudgedLog(folder / "log.db", 12, cases=20)
    told.go_on(500)
    return Shell(folder), told


@pytest.mark.parametrize(
    "question",
    [
        ("due",),
        ("due", "--within", "20", "--clock", "progress"),
        ("due", "--unit", "north", "--limit", "3"),
        ("overdue",),
        ("overdue", "--owed-by", PEOPLE[0]),
        ("findings",),
        ("findings", "--settled", "--detector", "overloaded", "--detector", "never-begun"),
        ("findings", "--holder", PEOPLE[0], "--settled"),
        ("findings", "--unit", "south"),
        ("findings", "--case", "case-3", "--settled"),
    ],
)
@pytest.mark.parametrize("days", [0, 90])
def test_the_views_say_what_the_log_says(years: tuple[Shell, JudgedLog], question: tuple[str, ...], days: int) -> None:
    shell, told = years
    now = iso(told.now + days * DAY + SOON)
    limit = () if "--limit" in question else ("--limit", "10000")
    words = (*question, *limit, "--now", now)
    from_views, from_log = shell.rows(*words, code=None), shell.rows(*words, "--from-log", code=None)
    assert from_views == from_log
    assert shell.run(*words, code=None).exit_code == shell.run(*words, "--from-log", code=None).exit_code


def test_the_questions_have_answers(years: tuple[Shell, JudgedLog]) -> None:
    shell, told = years
    now = iso(told.now + SOON)
    for question in (("due",), ("overdue",), ("findings", "--settled", "--detector", "overloaded")):
        assert shell.rows(*question, "--now", now, code=None), question


def test_clocks_as_of_a_moment_before_the_last_event_are_computed_from_the_log(years: tuple[Shell, JudgedLog]) -> None:
    shell, told = years
    early = iso(told.now - 100 * DAY)
    for question in ("due", "overdue", "findings"):
        rows = shell.rows(question, "--now", early, "--limit", "10000", code=None)
        assert rows and rows == shell.rows(question, "--now", early, "--limit", "10000", "--from-log", code=None)


def test_where_this_machines_clock_is_behind_the_log_all_commands_go_by_the_logs(
    years: tuple[Shell, JudgedLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell, told = years
    for module in ("judged", "clocks"):
        monkeypatch.setattr(f"casetrail.cli.{module}.now", lambda: told.now - 400 * DAY)
    late = shell.rows("overdue", "--limit", "1000")
    assert late
    case_id = late[0]["case_id"]
    assert {row["clock"] for row in late if row["case_id"] == case_id} <= {
        row["clock"] for row in shell.rows("clock", case_id) if row["state"] == "missed"
    }
    assert {row["case_id"] for row in shell.rows("cases", "--overdue", "--limit", "1000")} == {
        row["case_id"] for row in late
    }
    still_open = shell.rows("cases", "--overdue", "--open", "--limit", "1000")
    assert sum(row["overdue"] for row in shell.rows("holds")) == len(still_open) > 0
    assert any(due["state"] == "missed" for due in shell.rows("show", case_id)[0]["dues"])


def test_a_finding_is_explained_from_the_case_that_the_views_name(years: tuple[Shell, JudgedLog]) -> None:
    shell, told = years
    now = iso(told.now + SOON)
    for row in shell.rows("findings", "--now", now, "--settled", "--limit", "1000", code=None)[::7]:
        explained = shell.rows("findings", "explain", row["finding"], "--now", now)[0]
        assert (explained["finding"], explained["since"]) == (row["finding"], row["since"])


def test_a_finding_that_the_views_do_not_know_is_not_looked_for_in_the_whole_log(
    years: tuple[Shell, JudgedLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell, _ = years

    def read(*_: object) -> None:
        raise AssertionError("the whole log was read")

    monkeypatch.setattr("casetrail.cli.findings._found_in_all", read)
    config = Config(log=f"sqlite:{shell.log}")
    question = asked(config, None, None, None)
    with pytest.raises(Failure, match="there is no finding 0123456789abcdef"):
        finding_named(config, question, "0123456789abcdef", None, is_present=True)
    with pytest.raises(AssertionError, match="the whole log was read"):
        finding_named(config, question, "0123456789abcdef", None, is_present=False)


def test_views_without_judgements_are_made_anew_by_whoever_asks_an_embedded_log(
    years: tuple[Shell, JudgedLog],
) -> None:
    shell, told = years
    assert "rebuilt" in shell.run("views", "rebuild", "--without-judgements").stdout
    with closing(open_database(f"sqlite:{shell.log}.views")) as database:
        assert not database.has(CLOCK.name)
    assert shell.rows("cases")
    assert shell.rows("overdue", "--now", iso(told.now + SOON))


def test_what_a_killed_question_has_left_stale_is_judged_by_the_next(tmp_path: Path) -> None:
    told = JudgedLog(tmp_path / "log.db", 15)
    told.go_on(150)
    shell, now = Shell(tmp_path), iso(told.now + SOON)
    expected = shell.rows("findings", "--settled", "--now", now, "--limit", "1000", code=None)
    subject = next(row["subject"] for row in expected if row["about"] == "case")
    with closing(open_database(f"sqlite:{shell.log}.views")) as database:
        StaleTable(database).note([Stale(CASE, "", "", subject)])
        database.run("DELETE FROM finding WHERE subject = ? AND detector <> 'reported_again'", (subject,))
    assert shell.rows("findings", "--settled", "--now", now, "--limit", "1000", code=None) == expected


def test_a_projector_judges_beside_the_status_views(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.run("log", "init")
    shell.run("views", "rebuild")
    serving = shell.start("serve", "all", "--health-port", "0", "--heartbeat", "0")
    try:
        shell.report()
        until = time.monotonic() + 30
        found: list[tuple[object, ...]] = []
        while not found and time.monotonic() < until:
            with closing(open_database(f"sqlite:{shell.log}.views")) as database:
                found = database.rows("SELECT clock FROM clock WHERE case_id = 'C-1' ORDER BY clock")
    finally:
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(30) == 0
    assert ("screening",) in found and ("decision",) in found


def test_whoever_judges_by_another_policy_sees_imports_into_a_live_log_all_the_same(tmp_path: Path) -> None:
    """Since when the log is in use depends on what was adopted, not on what it is judged by."""
    told = JudgedLog(tmp_path / "log.db", 3)
    begun, commander = told.now, Actor("cmd.diaz", "metro-pd", Role.COMMANDER)
    told.take(Action(bytes(16), REGISTRY, begun, commander, PolicyAdopted(begun, text_of().encode())))
    told.now = begun + 50 * DAY
    told.take(Action(bytes(16), "C-1", begun, REGISTRAR, report(), Imported(bytes(32), 2, "old-system")))
    words = ("findings", "--detector", "imported-when-live", "--from-log", "--now", iso(told.now + SOON))
    for more in ((), ("--judge-by", "missouri")):
        assert [row["subject"] for row in Shell(tmp_path).rows(*words, *more, code=None)] == ["C-1"], more
