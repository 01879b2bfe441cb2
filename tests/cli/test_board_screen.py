"""The board on a terminal, used by its keys: on a real log, and on a source that fails, hangs and says hostile things."""

import os
import pty
import re
import subprocess
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import resource_tracker
from typing import Any

import pytest
from textual.pilot import Pilot

from casetrail.cli.board.app import Board
from casetrail.cli.board.reading import Views
from casetrail.cli.board.rows import Asked, Row, Snapshot
from casetrail.cli.board.screens import HelpScreen, PageScreen
from casetrail.cli.config import Config
from casetrail.domain.values import iso
from casetrail.projections import rebuild
from casetrail.projections.errors import ViewUnreachable
from tests.cli.boards import LARGE, SMALL, Told, late, screen, shown, until, used
from tests.cli.hostile import HOSTILE, assert_harmless
from tests.cli.shell import INTAKE, PROGRAM, SERGEANT, Shell, environment

# --- on a real log ---


@pytest.fixture
def shift(shell: Shell) -> Shell:
    for case_id, days in (("NEW", 10), ("OLD", 20)):
        shell.report(case_id, "--at", iso(datetime.now(UTC) - timedelta(days=days)))
    shell.run(*INTAKE, "act", "screened-in", "OLD", "--reason", "alleges_crime")
    shell.run(*SERGEANT, "act", "assigned", "OLD", "--holder", "det.01")
    return shell


def views_of(shell: Shell) -> Views:
    return Views(Config(log=f"sqlite:{shell.log}"))


def test_what_is_longest_overdue_is_on_top_and_enter_opens_its_history_and_clocks(shift: Shell) -> None:
    async def use(pilot: Pilot[None], app: Board) -> None:
        assert shown(app, "overdue")[0][1] == "OLD"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PageScreen))
        await pilot.pause()
        assert "Case OLD" in screen(app) and "holder: det.01" in screen(app)
        assert {"first_response", "screening"} <= {row[0] for row in shown(app, "clocks")}
        await pilot.press("tab")
        assert [row[2] for row in shown(app, "history")] == ["ReportReceived", "ScreenedIn", "Assigned"]
        await pilot.press("down", "enter")
        await until(pilot, lambda: "Event OLD#2" in screen(app))
        assert "kind: ScreenedIn" in screen(app) and "reason: alleges_crime" in screen(app)
        await pilot.press("escape", "escape")
        assert app.screen is app.board

    used(views_of(shift), use, asked=Asked())


def test_the_board_shows_what_happens_and_survives_that_its_views_are_rebuilt(shift: Shell) -> None:
    async def use(pilot: Pilot[None], app: Board) -> None:
        for number in (1, 2):
            shift.report(f"MORE-{number}", "--at", iso(datetime.now(UTC) - timedelta(days=20 + number)))
            shift.run("views", "rebuild")
            await pilot.press("r")
            await until(pilot, lambda number=number: shown(app, "overdue")[0][1] == f"MORE-{number}")  # type: ignore[misc]
            assert app.troubles == {} and "!" not in screen(app)
        for file in shift.folder.glob("log.db.views*"):
            file.unlink()
        before = shown(app, "overdue")
        await pilot.press("r")
        await until(pilot, lambda: not app.views.is_busy)
        assert (shown(app, "overdue"), app.troubles) == (before, {})

    used(views_of(shift), use, asked=Asked())


def test_views_are_rebuilt_by_several_processes_under_a_running_board(
    shift: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    views_of(shift).snapshot(Asked())
    monkeypatch.setattr(rebuild, "FEW", 0)
    tracker: Any = resource_tracker
    tracker._resource_tracker._stop()  # as in a program that has just begun

    async def use(pilot: Pilot[None], app: Board) -> None:
        for file in shift.folder.glob("log.db.views*"):
            file.unlink()
        await pilot.press("r")
        await until(pilot, lambda: not app.views.is_busy)
        await pilot.pause()
        assert app.troubles == {}

    used(views_of(shift), use, asked=Asked())


def test_it_is_there_on_a_real_terminal_without_a_colour_where_none_is_wanted_and_q_ends_it(shift: Shell) -> None:
    ours, theirs = pty.openpty()
    command = [PROGRAM, "--log", f"sqlite:{shift.log}", "board"]
    variables = environment() | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", "NO_COLOR": "1"}
    process = subprocess.Popen(command, env=variables, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written, has_asked = b"", False
    with suppress(OSError):  # the end of a terminal is an error
        while chunk := os.read(ours, 65536):
            written += chunk
            if b"OLD" in written and not has_asked:
                os.write(ours, b"q")
                has_asked = True
    os.close(ours)
    assert process.wait(30) == 0
    assert has_asked and b"Traceback" not in written
    colours = {int(one) for some in re.findall(rb"\x1b\[([0-9;]+)m", written) for one in some.split(b";")}
    assert 7 in colours, "the row at the cursor is shown reversed"
    assert not [one for one in colours if 30 <= one <= 38 or 40 <= one <= 48 or one >= 90]


# --- what is away ---


def test_a_database_that_goes_away_is_a_line_at_the_top_and_what_was_read_stays(shift: Shell) -> None:
    source = Told(late("C-1", 5))

    async def use(pilot: Pilot[None], app: Board) -> None:
        source.fails = ViewUnreachable("PostgreSQL does not answer: connection refused")
        await pilot.press("r")
        await until(pilot, lambda: "VIEWS cannot be read: PostgreSQL does not answer" in screen(app))
        assert shown(app, "overdue")[0][1] == "C-1"
        await pilot.press("enter")
        await until(pilot, lambda: not app.views.is_busy)
        assert app.screen is app.board
        source.fails, source.sections["overdue"] = None, [late("C-2", 6)]
        await pilot.press("r")
        await until(pilot, lambda: shown(app, "overdue")[0][1] == "C-2")
        assert "cannot be read" not in screen(app)

    used(source, use)


def test_a_log_that_cannot_be_reached_is_a_line_at_the_top_while_the_views_go_on() -> None:
    source = Told(late("C-1", 5))

    async def use(pilot: Pilot[None], app: Board) -> None:
        source.log_fails, source.sections["overdue"] = OSError("[Errno 111] refused"), [late("C-2", 6)]
        await pilot.press("r")
        await until(pilot, lambda: "LOG cannot be read: OSError: [Errno 111] refused" in screen(app))
        assert shown(app, "overdue")[0][1] == "C-2"
        source.log_fails = None
        await pilot.press("r")
        await until(pilot, lambda: "cannot be read" not in screen(app))

    used(source, use)


def test_the_keys_work_and_q_ends_it_while_a_database_does_not_answer() -> None:
    source = Told(late("C-1", 5))

    async def use(pilot: Pilot[None], app: Board) -> None:
        source.answers.clear()
        await pilot.press("r")
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "2", "1")
        assert app.views.is_busy and app.focused is app.board.panes.panes[0]
        assert app.asked_at is not None
        app.asked_at -= timedelta(minutes=1)
        app.show_head()
        await pilot.pause()
        assert "WAITING for the views" in screen(app)
        await pilot.press("q")

    used(source, use)
    assert not source.answers.is_set(), "nobody has waited for the answer"
    source.answers.set()


# --- keys ---


def test_tab_and_numbers_go_through_the_tables_one_at_a_time_on_a_small_terminal() -> None:
    async def use(pilot: Pilot[None], app: Board) -> None:
        for keys, key in (
            ((), "overdue"),
            (("tab",), "due"),
            (("5",), "holds"),
            (("tab",), "overdue"),
            (("shift+tab",), "holds"),
        ):
            await pilot.press(*keys)
            assert [pane.section.key for pane in app.board.panes.panes if pane.display] == [key]
            assert app.focused is not None and app.focused.id == key

    used(Told(late("C-1", 5)), use)


def test_all_tables_are_there_at_once_on_a_large_terminal_and_one_again_when_it_becomes_small() -> None:
    async def use(pilot: Pilot[None], app: Board) -> None:
        panes = app.board.panes.panes
        assert all(pane.display and pane.size.height > 3 for pane in panes)
        for title in ("1 Overdue 1", "2 Next due 0", "3 Unanswered 0", "4 Findings 0", "5 Holds 0"):
            assert title in screen(app)
        await pilot.resize_terminal(*SMALL)
        await pilot.pause()
        assert sum(pane.display for pane in panes) == 1
        assert "1 Overdue 1" in screen(app) and "C-1" in screen(app)

    used(Told(late("C-1", 5)), use, LARGE)


def test_nothing_of_an_id_or_a_time_is_cut_off_on_a_narrow_terminal() -> None:
    row = late(
        "KC-2026-0150-amended", 900, owed_by="a-unit-with-a-long-name/supervisor", clock="a_clock_with_a_long_name"
    )

    async def use(pilot: Pilot[None], app: Board) -> None:
        assert "KC-2026-0150-amended" in screen(app) and "37 d 12 h" in screen(app)
        assert app.board.panes.panes[0].max_scroll_x == 0

    used(Told(row), use, (72, 20))


def test_a_filter_keeps_what_fits_and_escape_shows_all() -> None:
    rows = [late("C-1", 5, clock="screening"), late("C-2", 4, clock="decision"), late("D-2", 3, clock="screening")]

    async def use(pilot: Pilot[None], app: Board) -> None:
        await pilot.press("f", *"Screen", "space", *"c-", "enter")
        assert [row[1] for row in shown(app, "overdue")] == ["C-1"]
        assert "1 Overdue 1 of 3" in screen(app)
        await pilot.press("r")
        await until(pilot, lambda: not app.views.is_busy)
        assert [row[1] for row in shown(app, "overdue")] == ["C-1"], "it stays so when the views are read anew"
        await pilot.press("escape")
        assert len(shown(app, "overdue")) == 3

    used(Told(*rows), use)


def test_letters_in_a_filter_are_letters() -> None:
    async def use(pilot: Pilot[None], app: Board) -> None:
        await pilot.press("f", *"qrus?1")
        assert app.is_running and app.board.words.value == "qrus?1"

    used(Told(), use)


def test_a_unit_is_chosen_and_given_up_again() -> None:
    source = Told(late("C-1", 5))

    async def use(pilot: Pilot[None], app: Board) -> None:
        await pilot.press("u", "down", "down", "enter")
        await until(pilot, lambda: source.asked[-1].unit == "v")
        assert "unit v" in screen(app)
        await pilot.press("u", "escape")
        assert app.asked.unit == "v"
        await pilot.press("u", "home", "enter")
        await until(pilot, lambda: source.asked[-1].unit is None)

    used(source, use)


def test_tables_are_sorted_by_each_column_and_the_other_way_round() -> None:
    rows = [late("B", 30), late("C", 9), late("A", 8)]

    async def use(pilot: Pilot[None], app: Board) -> None:
        def ids() -> str:
            return "".join(row[1] for row in shown(app, "overdue"))

        assert ids() == "BCA"
        await pilot.press("s")
        assert ids() == "ACB" and "▲Late" in screen(app)
        await pilot.press("s")
        assert ids() == "ABC"
        await pilot.press("S")
        assert ids() == "CBA" and "▼Case" in screen(app)

    used(Told(*rows), use)


def test_the_cursor_stays_at_its_row_when_others_come_and_at_the_top_when_it_is_there() -> None:
    source = Told(late("A", 9), late("B", 8), late("C", 7))

    async def use(pilot: Pilot[None], app: Board) -> None:
        pane = app.board.panes.panes[0]

        async def read(*rows: Row) -> None:
            source.sections["overdue"] = list(rows)
            await pilot.press("r")
            await until(pilot, lambda: len(pane.chosen) == len(rows))

        await read(late("Z", 10), *source.sections["overdue"])
        assert pane.chosen[pane.cursor_row]["case_id"] == "Z"
        await pilot.press("down", "down")
        assert pane.chosen[pane.cursor_row]["case_id"] == "B"
        await read(late("Y", 11), *source.sections["overdue"])
        assert pane.chosen[pane.cursor_row]["case_id"] == "B"
        await read(late("A", 9))
        assert pane.cursor_row == 0

    used(source, use)


def test_the_views_are_read_again_and_again_by_themselves() -> None:
    source = Told(late("C-1", 5))

    async def use(pilot: Pilot[None], app: Board) -> None:
        source.sections["overdue"] = [late("C-2", 6)]
        await until(pilot, lambda: shown(app, "overdue")[0][1] == "C-2")

    used(source, use, refresh=0.05)


# --- what others wrote ---


TEXTS = (
    "[bold red]x[/] [link=http://x]y[/link]",
    "[/nonsense]",
    "[",
    HOSTILE["clears the screen"],
    HOSTILE["right to left"],
)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_hostile_texts_are_shown_as_what_they_are(size: tuple[int, int]) -> None:
    """No id can be like this; whoever can write to the database of the views can put anything there."""
    held = {"open_cases": 1, "overdue": 1, "suspended": 0, "next_due_at": None}
    found = {"finding": "f", "about": "case", "detector": "d", "age": timedelta(1)}
    source = Told(
        *(late(text, 5, unit=text) for text in TEXTS),
        findings=[{**found, "subject": text, "says": text} for text in TEXTS],
        holds=[{**held, "holder": text, "note": text} for text in TEXTS],
    )

    async def use(pilot: Pilot[None], app: Board) -> None:
        for key, table, column in (("1", "overdue", 1), ("4", "findings", 4), ("5", "holds", 0)):
            await pilot.press(key)
            await pilot.pause()
            assert_harmless(screen(app))
            for text, row in zip(TEXTS, shown(app, table), strict=True):
                assert row[column].startswith(text[:6] if text.isprintable() else "\\u"), row
        await pilot.press("1", "f", "[", "enter", "enter")
        await until(pilot, lambda: isinstance(app.screen, PageScreen))
        await pilot.pause()
        assert TEXTS[0] in screen(app) and "[b]said[/b]" in screen(app)

    used(source, use, size)


def test_a_unit_with_brackets_is_no_markup() -> None:
    class Bracketed(Told):
        def snapshot(self, asked: Asked) -> Snapshot:
            return replace(super().snapshot(asked), units=("[bold]u", "[/]"), troubles=("[/] it says",))

    async def use(pilot: Pilot[None], app: Board) -> None:
        assert "! [/] it says" in screen(app)
        await pilot.press("u")
        await pilot.pause()
        assert "[bold]u" in screen(app) and "[/]" in screen(app)

    used(Bracketed(), use)
