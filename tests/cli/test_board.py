"""What a board says, read from the views: what ``--once`` writes, and what a shift has to see of it."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.cli import exits
from casetrail.cli.board import command
from casetrail.cli.board.head import head
from casetrail.cli.board.reading import Views
from casetrail.cli.board.rows import KINDS, Asked, LogFacts, Row, Section, Snapshot, Target, in_order, length
from casetrail.cli.config import Config
from casetrail.cli.context import Failure
from casetrail.domain.values import iso
from tests.actions import HAPPENED
from tests.cli.shell import DETECTIVE, INTAKE, REPORT, SERGEANT, Shell
from tests.cli.test_registry import register
from tests.consumers.watching import World, settle

NOW: Final = datetime.now(UTC)
MONTH: Final = NOW + timedelta(days=30)
EMPTY: Final = tuple(Section(key, [], 0) for key in ("overdue", "due", "escalations", "findings", "holds"))


def ago(days: int) -> tuple[str, str]:
    return "--at", iso(NOW - timedelta(days=days))


def snapshot(shell: Shell, asked: Asked | None = None) -> Snapshot:
    return Views(Config(log=f"sqlite:{shell.log}")).snapshot(asked or Asked(at=MONTH))


def ids(found: Snapshot, section: str) -> set[str]:
    return {row["case_id"] for row in found.section(section).rows}


@pytest.fixture
def shift(shell: Shell) -> Shell:
    """Two cases of one unit, the older one assigned; and one of another unit and agency."""
    shell.report("OLD", *ago(20))
    shell.report("NEW", *ago(10))
    shell.run(*INTAKE, "act", "screened-in", "OLD", "--reason", "alleges_crime")
    shell.run(*SERGEANT, "act", "assigned", "OLD", "--holder", "det.01")
    elsewhere = ("--person", "desk", "--agency", "county", "--role", "intake")
    shell.run(*elsewhere, "report", "FAR", *REPORT[:4], "--unit", "juvenile", "--offence", "11A", *ago(15))
    return shell


# --- once ---


def test_what_is_longest_overdue_comes_first_and_the_exit_code_says_that_something_is(shift: Shell) -> None:
    written = shift.run("board", "--once", code=exits.FAULTS).stdout
    overdue = written.partition("\noverdue\n")[2].partition("\n\n")[0].splitlines()
    hours = [int(line.split()[0]) for line in overdue[1:]]
    assert hours == sorted(hours, reverse=True) and hours[0] > 0
    assert written.index("OLD") < written.index("FAR") < written.index("NEW")


def test_where_nothing_is_overdue_the_exit_code_is_0(shell: Shell) -> None:
    shell.report()
    written = shell.run("board", "--once", code=exits.OK)
    assert "C-1" in written.stdout.partition("next due")[2]
    assert "overdue: none" in written.stderr


def test_without_a_terminal_it_says_how_to_go_without(shell: Shell) -> None:
    assert "--once" in shell.run("board", code=exits.USAGE).stderr


def test_without_the_library_it_is_said_what_to_install(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "NEEDED", "no_such_library")
    assert "no_such_library: install casetrail[board]" in shell.run("board", code=exits.FAILED).stderr
    shell.run("board", "--once", code=exits.OK)


def test_where_there_is_no_log_it_is_an_error_and_no_board(tmp_path: Path) -> None:
    assert "no log" in Shell(tmp_path).run("board", "--once", code=exits.NOT_FOUND).stderr


# --- the same as the commands say ---


def test_a_board_says_what_the_commands_say(shift: Shell) -> None:
    found = snapshot(shift)
    for key, words, code in (
        ("overdue", ("overdue",), 0),
        ("due", ("due",), 0),
        ("findings", ("findings",), exits.FAULTS),
        ("escalations", ("escalations",), 0),
    ):
        said = shift.rows(*words, "--now", iso(MONTH), *(("--limit", "900") if key != "escalations" else ()), code=code)
        names = set(KINDS[key].emitted) & set(said[0] if said else ())
        section = found.section(key)
        assert section.total == len(section.rows) == len(said)
        assert [{name: _plain(row[name]) for name in names} for row in section.rows] == [
            {name: row[name] for name in names} for row in said
        ]


def _plain(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else list(value) if isinstance(value, tuple) else value


def test_a_unit_and_an_agency_are_chosen_in_every_table(shift: Shell) -> None:
    for asked in (Asked(unit="juvenile", at=MONTH), Asked(agency="county", at=MONTH)):
        found = snapshot(shift, asked)
        assert ids(found, "overdue") == {row["subject"] for row in found.section("findings").rows} == {"FAR"}
        assert [row["open_cases"] for row in found.section("holds").rows] == [1]
        assert found.section("overdue").total == len(found.section("overdue").rows)
    assert set(snapshot(shift).units) == {"child-crimes", "juvenile"}


def test_what_nobody_holds_comes_first_then_what_those_have_left_who_have_gone(shift: Shell) -> None:
    for number in range(3):
        shift.report(f"MORE-{number}")
        shift.run(*INTAKE, "act", "screened-in", f"MORE-{number}", "--reason", "alleges_crime")
        shift.run(*SERGEANT, "act", "assigned", f"MORE-{number}", "--holder", "det.02")
    holds = snapshot(shift).section("holds").rows
    assert [(row["holder"], row["open_cases"]) for row in holds] == [(None, 2), ("det.02", 3), ("det.01", 1)]
    register(shift, "agency-registered", "--agency", "metro-pd", "--agency-kind", "law_enforcement", *ago(90))
    works = ("--agency", "metro-pd", "--role", "investigator", "--unit", "child-crimes")
    register(shift, "person-joined", "--person", "det.01", *works, *ago(90))
    register(shift, "person-left", "--person", "det.01")
    holds = snapshot(shift).section("holds").rows
    assert [(row["holder"], row["left_behind"]) for row in holds] == [(None, 0), ("det.01", 1), ("det.02", 0)]
    assert holds[1]["note"].startswith("LEFT") and holds[2]["note"] is None


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[World]:
    """A report that nobody took up, for a week, with a watchdog that records and tells."""
    world = World(tmp_path)
    world.report()
    watchdog = world.watchdog()
    world.go_on(watchdog, HAPPENED + timedelta(days=7))
    settle(watchdog)
    watchdog.close()
    world.log.close()
    yield world


def test_what_a_watchdog_has_recorded_is_unanswered_until_somebody_answers(watched: World) -> None:
    shell = Shell(watched.folder)
    said = shell.rows("escalations", "--now", iso(MONTH), code=exits.FAULTS)
    names = ("case_id", "clock", "level", "told")
    found = snapshot(shell).section("escalations").rows
    assert [[row[name] for name in names] for row in found] == [[row[name] for name in names] for row in said] != []
    assert all(row["told"] for row in found)
    one = found[0]
    words = ("--clock", one["clock"], "--due-at", iso(one["due_at"]), "--answer", "being_worked_now")
    shell.run(*DETECTIVE, "act", "escalation-answered", "C-1", *words)
    assert snapshot(shell).section("escalations").rows == found, "nobody answers an alarm about himself"
    shell.run(*SERGEANT, "act", "escalation-answered", "C-1", *words)
    after = snapshot(shell).section("escalations").rows
    assert [row["clock"] for row in after] == [row["clock"] for row in found[1:]]
    assert one["clock"] in {row["clock"] for row in snapshot(shell).section("overdue").rows}, "it is owed still"


# --- what a row leads to ---


def test_a_case_shows_its_history_its_clocks_and_what_was_found(shift: Shell) -> None:
    views = Views(Config(log=f"sqlite:{shift.log}"))
    page = views.page(Target("case", "OLD"), Asked(at=MONTH))
    by_key = {section.key: section.rows for section in page.sections}
    assert [row["kind"] for row in by_key["history"]] == ["ReportReceived", "ScreenedIn", "Assigned"]
    said = shift.rows("clock", "OLD", "--now", iso(MONTH))
    assert sorted((row["clock"], row["state"]) for row in by_key["clocks"]) == sorted(
        (row["clock"], row["state"]) for row in said
    )
    assert {row["detector"] for row in by_key["seen"]}
    assert dict(page.facts)["holder"] == "det.01"


def test_a_finding_shows_all_of_its_evidence_and_a_holder_all_that_is_held(shift: Shell) -> None:
    views = Views(Config(log=f"sqlite:{shift.log}"))
    (row, *_) = [row for row in snapshot(shift).section("findings").rows if row["subject"] == "OLD"]
    page = views.page(Target("finding", row["finding"]), Asked(at=MONTH))
    assert dict(page.facts)["says"] == row["says"]
    assert [f"{one['case_id']}#{one['number']}:{one['hash']}" for one in page.sections[0].rows] == row["evidence"]
    held = views.page(Target("holder", "det.01"), Asked(at=MONTH))
    assert [one["case_id"] for one in held.sections[0].rows] == ["OLD"]
    by_nobody = views.page(Target("holder", ""), Asked(unit="child-crimes", at=MONTH))
    assert [one["case_id"] for one in by_nobody.sections[0].rows] == ["NEW"]


# --- what is away ---


def test_while_the_log_is_away_the_views_are_shown_as_they_were_left(shift: Shell) -> None:
    before = snapshot(shift)
    away = shift.log.with_name("away.db")
    shutil.move(shift.log, away)
    found = snapshot(shift)
    assert found.sections == before.sections
    assert "as they were left" in found.troubles[0]
    written = shift.run("board", "--once", code=exits.FAULTS).stdout
    assert "! the views are as they were left" in written
    shutil.move(away, shift.log)
    assert snapshot(shift).troubles == ()


def test_views_that_were_thrown_away_are_made_anew(shift: Shell) -> None:
    before = snapshot(shift)
    for file in shift.folder.glob("log.db.views*"):
        file.unlink()
    assert snapshot(shift) == before


def test_a_moment_before_what_the_log_speaks_of_is_refused(shift: Shell) -> None:
    with pytest.raises(Failure, match="--now"):
        snapshot(shift, Asked(at=NOW - timedelta(days=12)))


# --- the lines at the top ---


def lines(snapshot: Snapshot, facts: LogFacts | None) -> list[str]:
    return [line.text for line in head(snapshot, facts, Asked())]


def test_the_head_says_how_far_the_views_are_behind_and_how_old_the_checkpoint_is() -> None:
    found = Snapshot("metro", NOW, EMPTY, taken_in={0: 5, 1: 7})
    said = lines(found, LogFacts({0: 5, 1: 1207}, NOW - timedelta(hours=3)))[1]
    assert "1,200 events behind" in said and "checkpoint: 3 h 0 m old" in said
    said = lines(found, LogFacts({0: 5, 1: 7}, None))[1]
    assert "up to date" in said and "checkpoint: none yet" in said
    assert "nobody knows" in lines(found, None)[1]


def test_a_machine_that_falls_silent_is_a_warning_in_words() -> None:
    heard = {"watchdog": NOW - timedelta(hours=2), "recorder": NOW + timedelta(minutes=5)}
    found = [line for line in head(Snapshot("metro", NOW, EMPTY, heard_until=heard), None, Asked()) if line.warns]
    assert [line.text.startswith("! SILENT: watchdog") for line in found] == [True]


def test_columns_are_sorted_by_what_they_mean_and_what_is_missing_stands_last() -> None:
    late = KINDS["overdue"].columns[0]
    rows: list[Row] = [
        {"late": timedelta(hours=9)},
        {"late": None},
        {"late": timedelta(days=3)},
        {"late": timedelta(hours=10)},
    ]
    assert [length(row["late"]) for row in in_order(rows, late, False)] == ["9 h 0 m", "10 h 0 m", "3 d 0 h", ""]
    assert [length(row["late"]) for row in in_order(rows, late, True)] == ["3 d 0 h", "10 h 0 m", "9 h 0 m", ""]


# --- on PostgreSQL ---


@pytest.mark.postgres
def test_the_board_is_the_same_on_postgresql(shift: Shell, postgres_database: str) -> None:
    shift.run("--views", postgres_database, "views", "rebuild")
    views = Views(Config(log=f"sqlite:{shift.log}", views=postgres_database))
    assert views.snapshot(Asked(at=MONTH)) == snapshot(shift)
    for target in (Target("case", "OLD"), Target("holder", "det.01"), Target("event", "OLD#1")):
        assert views.page(target, Asked(at=MONTH)) == Views(Config(log=f"sqlite:{shift.log}")).page(
            target, Asked(at=MONTH)
        )
