"""Boards in tests: used by their keys, and a source that says, and fails, as it is told to."""

import asyncio
import html
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, Final

from textual.pilot import Pilot

from casetrail.cli.board.app import Board
from casetrail.cli.board.pane import Pane
from casetrail.cli.board.reading import Source
from casetrail.cli.board.rows import Asked, LogFacts, Page, Row, Section, Snapshot, Target

NOW: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SMALL: Final = (80, 24)
LARGE: Final = (160, 50)
TEXT: Final = re.compile(r"<text[^>]*>(.*?)</text>")

Use = Callable[[Pilot[None], Board], Awaitable[None]]


def used(
    source: Source, use: Use, size: tuple[int, int] = SMALL, asked: Asked | None = None, refresh: float = 3600
) -> None:
    """Use a board by its keys."""

    async def run() -> None:
        question = asked or Asked(at=NOW)
        app = Board(source, question, refresh, source.snapshot(question))
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: not app.views.is_busy and not app.log_reader.is_busy)
            await use(pilot, app)

    asyncio.run(run())


async def until(pilot: Pilot[None], true: Callable[[], object]) -> None:
    """Wait until something is so."""
    for _ in range(400):
        await pilot.pause(0.01)
        if true():
            return
    raise AssertionError("it does not become so")


def screen(app: Board) -> str:
    """All that stands on the screen."""
    return html.unescape(" ".join(TEXT.findall(app.export_screenshot()))).replace("\xa0", " ")


def shown(app: Board, key: str) -> list[list[str]]:
    """The cells of a table, as they are shown."""
    pane = app.screen.query_one(f"#{key}", Pane)
    return [[cell.plain for cell in pane.get_row_at(number)] for number in range(pane.row_count)]


def late(case_id: str, hours: int, **more: Any) -> Row:
    return {
        "case_id": case_id, "clock": "screening", "subject": None, "owed_by": "u/intake", "unit": "u", "to_tell": ["holder"],
        "due_at": NOW - timedelta(hours=hours), "late": timedelta(hours=hours), **more,
    }  # fmt: skip


class Told:
    """A source that says what it is told to say, fails when it is told to, and remembers what it was asked."""

    def __init__(self, *overdue: Row, **others: list[Row]) -> None:
        self.asked: list[Asked] = []
        self.fails: Exception | None = None
        self.log_fails: Exception | None = None
        self.answers = Event()
        self.answers.set()
        self.sections = {"overdue": list(overdue), "due": [], "escalations": [], "findings": [], "holds": [], **others}

    def snapshot(self, asked: Asked) -> Snapshot:
        self.asked.append(asked)
        self.answers.wait(30)
        if self.fails is not None:
            raise self.fails
        sections = tuple(Section(key, rows, len(rows)) for key, rows in self.sections.items())
        return Snapshot("metro", asked.at or NOW, sections, ("u", "v"))

    def log_facts(self) -> LogFacts:
        if self.log_fails is not None:
            raise self.log_fails
        return LogFacts({}, None)

    def page(self, target: Target, asked: Asked) -> Page:
        if self.fails is not None:
            raise self.fails
        return Page(f"{target.kind} {target.id}", (("says", "[b]said[/b]"),), (Section("history", [], 0),))
