"""A table of one section, and several of them: all at a time where there is room, else one."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.coordinate import Coordinate
from textual.message import Message
from textual.widgets import DataTable, Static

from casetrail.cli.board.rows import KINDS, Column, Row, Section, Target, fits, in_order, opens

IDENTITY: Final = ("case_id", "clock", "subject", "due_at", "finding", "number", "holder")
PADDING: Final = 1
SPACE: Final = 2 * PADDING


class Pane(DataTable[Text]):
    """The rows of a section. What they say is text and nothing else: no markup, no control characters."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "Open", key_display="Enter")]

    class Opened(Message):
        """Somebody wants to see what a row leads to."""

        def __init__(self, target: Target) -> None:
            super().__init__()
            self.target = target

    def __init__(self, section: Section, number: int) -> None:
        super().__init__(cursor_type="row", id=section.key, cell_padding=PADDING, header_height=1)
        self.section, self.number = section, number
        self.words = ""
        self.sorted_by: Column | None = None
        self.descending = False
        self.chosen: list[Row] = []
        self._shown: object = None

    # --- what it shows ---

    def put(self, section: Section) -> None:
        """Show these rows instead; the cursor stays at its row, if that is still there."""
        self.section = section
        self.fill()

    def fill(self) -> None:
        """Show the rows that fit the filter, in order, as wide as there is room."""
        before = self._identity()
        rows = [row for row in self.section.rows if not self.words or fits(self.section.key, row, self.words)]
        self.chosen = rows if self.sorted_by is None else in_order(rows, self.sorted_by, self.descending)
        if self.size.width <= 0:  # it is not on the screen: it is filled when it comes there
            return
        columns = self.columns_wanted
        texts = [[column.text(row.get(column.name)) for column in columns] for row in self.chosen]
        heads = [self._head(column) for column in columns]
        widths = _fitted([self._natural(column) for column in columns], columns, self._room())
        shown = (heads, widths, texts)
        if shown == self._shown:
            return
        self._shown = shown
        self._write(heads, widths, texts)
        self._go_back_to(before)

    def title(self) -> str:
        """Its number, its name, how many rows there are in all, and how many of these are shown."""
        kind, section = KINDS[self.section.key], self.section
        fit = f"{len(self.chosen):,} of " if self.words else ""
        return f"{self.number} {kind.title} {fit}{section.total:,}"

    def full_title(self) -> str:
        """The same, and how many rows were read, where these are not all."""
        section = self.section
        return self.title() + (f", first {len(section.rows):,}" if section.total > len(section.rows) else "")

    def sort_by_next(self) -> None:
        """Sort by the next column; after the last one as it was read."""
        columns = [None, *self.columns_wanted]
        at = columns.index(self.sorted_by) if self.sorted_by in columns else 0
        self.sorted_by, self.descending = columns[(at + 1) % len(columns)], False
        self.fill()

    def turn_round(self) -> None:
        """Sort the other way."""
        if self.sorted_by is None:
            self.sorted_by = self.columns_wanted[0]
        self.descending = not self.descending
        self.fill()

    @property
    def columns_wanted(self) -> list[Column]:
        """The columns, in their order, without those for which there is no room."""
        kind = KINDS[self.section.key]
        left = self._room() - sum(self._natural(one) + SPACE for one in kind.columns if not one.wide)
        wanted = []
        for column in kind.columns:
            if column.wide:
                left -= self._natural(column) + SPACE
            if not column.wide or left >= 0:
                wanted.append(column)
        return wanted

    def _natural(self, column: Column) -> int:
        """As wide as a column is by its head and its texts, these up to its most."""
        texts = (cell_len(column.text(row.get(column.name))) for row in self.chosen)
        return max(cell_len(self._head(column)), min(column.most, max(texts, default=0)))

    def _room(self) -> int:
        return self.scrollable_content_region.width - self.styles.scrollbar_size_vertical

    def _head(self, column: Column) -> str:
        if column != self.sorted_by:
            return column.head
        return f"{'▼' if self.descending else '▲'}{column.head}"

    def _write(self, heads: list[str], widths: list[int], texts: list[list[str]]) -> None:
        top = self.scroll_y
        self.clear(columns=True)
        for head, width in zip(heads, widths, strict=True):
            self.add_column(Text(head), width=width)
        for row in texts:
            self.add_row(*(_cut(text, width) for text, width in zip(row, widths, strict=True)))
        self.scroll_to(y=top, animate=False)

    # --- where the cursor is ---

    def _identity(self) -> tuple[object, ...] | None:
        """What names the row at the cursor; None at the top: there it stays at the top."""
        if not 0 < self.cursor_row < len(self.chosen):
            return None
        return _named(self.chosen[self.cursor_row])

    def _go_back_to(self, before: tuple[object, ...] | None) -> None:
        if before is None:
            return
        for number, row in enumerate(self.chosen):
            if _named(row) == before:
                self.cursor_coordinate = Coordinate(number, 0)
                return

    # --- what happens to it ---

    def on_resize(self, _: events.Resize) -> None:
        self.fill()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if event.cursor_row < len(self.chosen):
            target = opens(self.section.key, self.chosen[event.cursor_row])
            if target is not None:
                self.post_message(self.Opened(target))

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        event.stop()
        column = self.columns_wanted[event.column_index]
        self.descending = self.sorted_by == column and not self.descending
        self.sorted_by = column
        self.fill()


def _named(row: Row) -> tuple[object, ...]:
    return tuple(row.get(name) for name in IDENTITY)


def _cut(text: str, width: int) -> Text:
    made = Text(text, no_wrap=True, end="")
    made.truncate(width, overflow="ellipsis")
    return made


def _fitted(widths: list[int], columns: list[Column], room: int) -> list[int]:
    """How wide each column is; where that is too much for all of them, the widest give way, the last one first."""
    room -= SPACE * len(columns)
    while sum(widths) > room:
        spare = [number for number, column in enumerate(columns) if widths[number] > column.least]
        if not spare:
            break
        widths[max(spare, key=lambda number: (widths[number], number))] -= 1
    return widths


class Panes(Container):
    """Panes beside each other where there is room; else the current one, under a line that names all."""

    DEFAULT_CSS: ClassVar[str] = """
    Panes > #names { height: auto; width: 1fr; display: none; }
    Panes Pane { height: 1fr; border: round $surface-lighten-2; scrollbar-size-vertical: 1; }
    Panes Pane:focus { border: heavy $primary; border-title-style: bold reverse; }
    Panes.one > #names { display: block; }
    Panes.one Pane { display: none; border: none; }
    Panes.one Pane.current { display: block; }
    """

    def __init__(self, sections: Iterable[Section], laid: Sequence[str] = ()) -> None:
        """``laid``: in which order a grid takes them, where that is another than theirs."""
        super().__init__()
        self.panes = [Pane(section, number) for number, section in enumerate(sections, 1)]
        self._laid = sorted(self.panes, key=lambda pane: laid.index(pane.section.key)) if laid else self.panes
        self._names = Static(id="names")
        self.at = 0

    def compose(self) -> ComposeResult:
        yield self._names
        yield from self._laid

    def on_mount(self) -> None:
        self.go_to(0)

    @property
    def current(self) -> Pane | None:
        """The pane that the keys are for; None where there is none."""
        return self.panes[self.at] if self.panes else None

    def go_to(self, at: int) -> None:
        """Make another pane the current one."""
        if not self.panes:
            return
        self.at = at % len(self.panes)
        for number, pane in enumerate(self.panes):
            pane.set_class(number == self.at, "current")
        self.panes[self.at].focus()
        self.name_all()

    def put(self, sections: Iterable[Section]) -> None:
        """Show these sections instead: of the same kinds, in the same order."""
        for pane, section in zip(self.panes, sections, strict=True):
            pane.put(section)
        self.name_all()

    def filter_by(self, words: str) -> None:
        """Show only rows in which all of these words stand."""
        for pane in self.panes:
            pane.words = words
            pane.fill()
        self.name_all()

    def name_all(self) -> None:
        """Name the panes and how much is in them."""
        titles = []
        for number, pane in enumerate(self.panes):
            pane.border_title = pane.full_title()
            at = number == self.at
            titles.append(
                Content(f"[{pane.full_title()}]").stylize("bold reverse") if at else Content(f" {pane.title()} ")
            )
        self._names.update(Content("").join(titles))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Pane) and self.panes[self.at] is not event.widget:
            self.go_to(self.panes.index(event.widget))
