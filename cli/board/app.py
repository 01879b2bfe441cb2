"""The board on a terminal: it asks its readers again and again, and shows what they find."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing import resource_tracker
from typing import Any, ClassVar, Final

from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message

from casetrail.cli import context
from casetrail.cli.board.head import Line, head
from casetrail.cli.board.pane import Pane
from casetrail.cli.board.reader import Reader
from casetrail.cli.board.reading import Source
from casetrail.cli.board.rows import Asked, LogFacts, Page, Snapshot, Target, length
from casetrail.cli.board.screens import BoardScreen, HelpScreen, PageScreen, UnitDialog
from casetrail.cli.render import harmless

LONG: Final = timedelta(seconds=5)
"""What has been waited for so long is said."""


class Found(Message):
    """Something was read: in the screen's own thread, somebody is told."""

    def __init__(self, then: Callable[[Any], None], found: Any) -> None:
        super().__init__()
        self.then, self.found = then, found


class Board(App[None]):
    """A live board. Everything that is read is read in other threads: the screen never waits."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "casetrail board"
    CSS = """
    #head { height: auto; }
    #facts { height: auto; max-height: 40%; }
    #facts.alone { max-height: 100%; }
    BoardScreen Panes { layout: grid; grid-size: 2 6; grid-columns: 1fr 1fr; grid-rows: 1fr; height: 1fr; }
    BoardScreen #overdue { row-span: 4; }
    BoardScreen #escalations, BoardScreen #findings, BoardScreen #due, BoardScreen #holds { row-span: 2; }
    Sheet Panes.one { layout: vertical; }
    PageScreen Panes { height: 1fr; }
    #filter { height: 1; }
    #filter Static { width: auto; }
    #filter Input { width: 1fr; }
    Pane > .datatable--cursor { text-style: none; }
    Pane:focus > .datatable--cursor { text-style: bold reverse; }
    UnitDialog, HelpScreen { align: center middle; }
    .dialog { width: 90%; max-width: 100; height: auto; max-height: 90%; border: heavy $primary; padding: 0 1; }
    .dialog OptionList { height: auto; max-height: 20; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "read", "Refresh"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(self, source: Source, asked: Asked, refresh: float, first: Snapshot) -> None:
        """``refresh``: seconds between two readings. ``first``: what is shown until then."""
        super().__init__(
            ansi_color=True if "NO_COLOR" in os.environ else None
        )  # then colours are the terminal's, and left out
        resource_tracker.ensure_running()  # while there still is a real stderr: processes that rebuild views need it
        self.source, self.asked, self.refresh_every, self.snapshot = source, asked, refresh, first
        self.facts: LogFacts | None = None
        self.read_at = context.now()
        self.asked_at: datetime | None = None
        self.troubles: dict[str, str] = {}
        self.board = BoardScreen(first.sections)

    def on_mount(self) -> None:
        self.views = Reader("views", self._tell)
        self.log_reader = Reader("log", self._tell)
        self.push_screen(self.board)
        self.set_interval(self.refresh_every, self.action_read)
        self.set_interval(1, self.show_head)
        self.action_read()

    def on_unmount(self) -> None:
        self.views.close()
        self.log_reader.close()

    def _tell(self, then: Callable[[Any], None], found: Any) -> None:
        self.post_message(Found(then, found))

    def on_found(self, message: Found) -> None:
        message.then(message.found)

    # --- reading ---

    def action_read(self) -> None:
        """Have everything that is shown read anew, unless that is under way."""
        if not self.views.is_busy:
            asked = self.asked
            self.asked_at = context.now()
            self.views.ask(lambda: self.source.snapshot(asked), lambda found: self._take_snapshot(asked, found))
            if isinstance(self.screen, PageScreen):
                target = self.screen.target
                self.views.ask(lambda: self.source.page(target, asked), lambda found: self._take_page(target, found))
        if not self.log_reader.is_busy:
            self.log_reader.ask(lambda: self.source.log_facts(), self._take_facts)
        self.show_head()

    def _take_snapshot(self, asked: Asked, found: Snapshot | Exception) -> None:
        self.asked_at = None
        self._note("views", found)
        if isinstance(found, Snapshot):
            if asked != self.asked:  # another unit has been chosen meanwhile
                self.action_read()
                return
            self.snapshot, self.read_at = found, context.now()
            self.board.panes.put(found.sections)
        self.show_head()

    def _take_facts(self, found: LogFacts | Exception) -> None:
        self._note("log", found)
        self.facts = found if isinstance(found, LogFacts) else None
        self.show_head()

    def _note(self, what: str, found: object) -> None:
        """Remember what cannot be read, until it can."""
        if isinstance(found, Exception):
            self.troubles[what] = trouble(found)
        else:
            self.troubles.pop(what, None)

    # --- what is shown ---

    def show_head(self) -> None:
        """The lines over the board."""
        self.board.say([*head(self.snapshot, self.facts, self.asked), *self._warnings(context.now())])

    def _warnings(self, now: datetime) -> list[Line]:
        lines = []
        if "views" in self.troubles:
            lines.append(f"VIEWS cannot be read: {self.troubles['views']}; shown is what was read {self._ago(now)} ago")
        if "log" in self.troubles:
            lines.append(f"LOG cannot be read: {self.troubles['log']}")
        if self.asked_at is not None and now - self.asked_at > LONG:
            lines.append(f"WAITING for the views; shown is what was read {self._ago(now)} ago")
        return [Line(f"! {text}", True) for text in lines]

    def _ago(self, now: datetime) -> str:
        time = now - self.read_at
        return f"{time.seconds} s" if time < timedelta(minutes=1) else length(time)

    # --- keys ---

    def on_pane_opened(self, message: Pane.Opened) -> None:
        target, asked = message.target, self.asked
        self.views.ask(lambda: self.source.page(target, asked), lambda found: self._open(target, found))

    def _open(self, target: Target, found: Page | Exception) -> None:
        self._note("views", found)
        self.show_head()
        if isinstance(found, Page):
            self.push_screen(PageScreen(target, found))

    def _take_page(self, target: Target, found: Page | Exception) -> None:
        self._note("views", found)
        screen = self.screen
        if isinstance(found, Page) and isinstance(screen, PageScreen) and screen.target == target:
            screen.put(found)

    def action_choose_unit(self) -> None:
        self.push_screen(UnitDialog(self.snapshot.units, self.asked.unit), self._take_unit)

    def _take_unit(self, unit: str | None) -> None:
        if unit is not None and (unit or None) != self.asked.unit:
            self.asked = replace(self.asked, unit=unit or None)
            self.action_read()

    def action_help(self) -> None:
        self.push_screen(HelpScreen())


def trouble(error: Exception) -> str:
    """An error in a line."""
    said = " ".join(harmless(line) for line in (str(error) or type(error).__name__).splitlines())
    return (
        said
        if isinstance(getattr(error, "code", None), str) or isinstance(error, context.Failure)
        else f"{type(error).__name__}: {said}"
    )
