"""The screens of a board: the board itself, a page, and the questions that it asks."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from casetrail.cli.board.head import Line
from casetrail.cli.board.pane import Panes
from casetrail.cli.board.rows import Page, Section, Target, minute
from casetrail.cli.render import cell, harmless

HELP: Final = """\
Tab, Shift+Tab  the next table, the one before; 1 to 5: that table
Up, Down        the next row, the one before; Home, End, Page Up/Down
Enter           open it: a case, a finding, what somebody holds
Escape          back
f               filter: only rows that have all of these words
u               choose a unit
s, S            sort by the next column; the other way round
r               read the views at once
q               end

Times are UTC. Late: how long ago something was due. Told: the
highest level that is told by now. Unanswered: a watchdog has
recorded the missed deadline, and nobody above those who owe it has
answered for it.
Holds: who holds how many open cases; first what nobody holds, then
what people hold who have left (LEFT, since when, and how many cases
are to be handed over). ! at the top: somebody should see to that."""


class Sheet(Screen[None]):
    """A screen with lines at the top and panes under them."""

    SMALL: ClassVar[tuple[int, int]] = (110, 36)
    """Under so many cells in a line, or so many lines, one pane is shown at a time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "go(1)", "Next", key_display="Tab"),
        Binding("shift+tab", "go(-1)", "Before", show=False),
        Binding("f", "filter", "Filter"),
        Binding("s", "sort", "Sort"),
        Binding("S", "turn_round", "Other way", show=False),
        *(Binding(str(number), f"go_to({number})", show=False) for number in range(1, 10)),
    ]

    def __init__(self, sections: Iterable[Section], laid: Sequence[str] = ()) -> None:
        super().__init__()
        self.top = Static(id="head")
        self.panes = Panes(sections, laid)
        self.words = Input(placeholder="words that a row must have", compact=True, id="words")
        label = Static(Content("Filter (Enter keeps it, Escape shows all): "))
        self.question = Horizontal(label, self.words, id="filter")

    def compose(self) -> ComposeResult:
        yield self.top
        yield self.panes
        yield self.question
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.question.display = False
        self.lay_out(self.size.width, self.size.height)

    def on_resize(self, event: events.Resize) -> None:
        self.lay_out(event.size.width, event.size.height)

    def lay_out(self, width: int, height: int) -> None:
        """Show all panes or one, by the room that there is."""
        self.panes.set_class(width < self.SMALL[0] or height < self.SMALL[1], "one")

    def say(self, lines: Iterable[Line]) -> None:
        """Write the lines at the top."""
        made = [Content(line.text).stylize("bold reverse") if line.warns else Content(line.text) for line in lines]
        self.top.update(Content("\n").join(made))

    # --- keys ---

    def action_go(self, by: int) -> None:
        self.panes.go_to(self.panes.at + by)

    def action_go_to(self, number: int) -> None:
        if number <= len(self.panes.panes):
            self.panes.go_to(number - 1)

    def action_sort(self) -> None:
        if self.panes.current is not None:
            self.panes.current.sort_by_next()

    def action_turn_round(self) -> None:
        if self.panes.current is not None:
            self.panes.current.turn_round()

    def action_filter(self) -> None:
        self.question.display = True
        self.words.focus()

    @on(Input.Changed, "#words")
    def _narrow(self, event: Input.Changed) -> None:
        self.panes.filter_by(event.value)

    @on(Input.Submitted, "#words")
    def _keep(self, event: Input.Submitted) -> None:
        self.question.display = bool(event.value.strip())
        self.panes.go_to(self.panes.at)

    def leave_filter(self) -> bool:
        """End filtering; whether there was anything to end."""
        if not self.question.display:
            return False
        self.words.value = ""
        self.question.display = False
        self.panes.go_to(self.panes.at)
        return True


class BoardScreen(Sheet):
    """The board: on the left what is owed, on the right what was seen of it."""

    LAID: ClassVar[tuple[str, ...]] = ("overdue", "escalations", "findings", "due", "holds")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "app.choose_unit", "Unit"),
        Binding("escape", "leave_filter", show=False),
    ]

    def __init__(self, sections: Iterable[Section]) -> None:
        super().__init__(sections, self.LAID)

    def action_leave_filter(self) -> None:
        self.leave_filter()


class PageScreen(Sheet):
    """All there is to know of one thing."""

    SMALL: ClassVar[tuple[int, int]] = (0, 36)
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Back")]

    def __init__(self, target: Target, page: Page) -> None:
        super().__init__(page.sections)
        self.target = target
        self._page = page

    def compose(self) -> ComposeResult:
        with VerticalScroll(
            id="facts", can_focus=not self._page.sections, classes="" if self._page.sections else "alone"
        ):
            yield self.top
        yield self.panes
        yield self.question
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.put(self._page)

    def put(self, page: Page) -> None:
        """Show this page instead, of the same thing."""
        facts = [f"{name.replace('_', ' ')}: {_fact(value)}" for name, value in page.facts]
        self.say([Line(harmless(page.title)), Line(" | ".join(facts))])
        if [one.key for one in page.sections] == [pane.section.key for pane in self.panes.panes]:
            self.panes.put(page.sections)

    def action_back(self) -> None:
        if not self.leave_filter():
            self.dismiss()


def _fact(value: Any) -> str:
    return minute(value) if isinstance(value, datetime) else cell(value)


class UnitDialog(ModalScreen[str | None]):
    """Which unit? '' is every unit; None: as before."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, units: Iterable[str], now: str | None) -> None:
        super().__init__()
        self._units = ["", *units]
        self._now = now or ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content("Which unit? Enter chooses, Escape leaves it as it is."))
            yield OptionList(*(Option(Content(harmless(one) if one else "all units")) for one in self._units))

    def on_mount(self) -> None:
        if self._now in self._units:
            self.query_one(OptionList).highlighted = self._units.index(self._now)

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._units[event.option_index])


class HelpScreen(ModalScreen[None]):
    """What the keys do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,question_mark,q", "dismiss", "Back"),
    ]

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog"):
            yield Static(Content(HELP))
