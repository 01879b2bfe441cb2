"""The tables that are published: counts in rows and columns, small ones and what would give them away withheld.

Nothing reaches a page, a chart or a data file but what stands in a ``Published``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from casetrail.domain.sunlight import Figure
from casetrail.domain.suppression import Columns, Row, Table, added_up, is_small, pooled, printable, size, withheld
from casetrail.sunlight.counting import Kinds, Things

Number = int | None
"""A count; None where it is withheld."""


@dataclass(frozen=True)
class Line:
    """A row of a table. ``total``: the number of all in it."""

    name: str
    total: Number
    numbers: Sequence[Number]


@dataclass(frozen=True)
class Published:
    """A table: its figures are the columns, its lines the rows, and ``totals`` is the line of all.

    ``about``: those of which no count may be about fewer than five.
    """

    name: str
    rows_are: str
    counted: str
    figures: Sequence[Figure]
    lines: Sequence[Line]
    totals: Line
    about: str = "reports"

    @property
    def withheld(self) -> int:
        """How many of its counts are withheld."""
        return sum(number is None for line in (*self.lines, self.totals) for number in (line.total, *line.numbers))

    @property
    def counts(self) -> int:
        """How many counts it has."""
        return (len(self.lines) + 1) * (len(self.figures) + 1)

    def column(self, figure: str) -> Sequence[Number]:
        """The numbers of one column, without the total."""
        place = self._place(figure)
        return [line.numbers[place] for line in self.lines]

    def total(self, figure: str) -> Number:
        """The total of one column."""
        return self.totals.numbers[self._place(figure)]

    def _place(self, figure: str) -> int:
        return [one.name for one in self.figures].index(figure)

    def only(self, name: str, figures: Iterable[str]) -> "Published":
        """The same table with some of its columns, and of those none that counts nobody."""
        chosen = set(figures)
        kept = [at for at, one in enumerate(self.figures) if one.name in chosen and self.totals.numbers[at] != 0]
        lines = [Line(line.name, line.total, [line.numbers[at] for at in kept]) for line in (*self.lines, self.totals)]
        kept_figures = [self.figures[at] for at in kept]
        return Published(name, self.rows_are, self.counted, kept_figures, lines[:-1], lines[-1], self.about)


@dataclass(frozen=True)
class Layout:
    """What a table is called, what its rows are, what is counted in it, and its figures by the names of columns.

    ``about``: those of which no count may be about fewer than five.
    """

    name: str
    rows_are: str
    counted: str
    figures: Mapping[str, Figure]
    about: str = "reports"


def publish_kinds(
    layout: Layout,
    figures: Sequence[Figure],
    states: Iterable[frozenset[str]],
    kinds: Kinds,
) -> Published:
    """A table of things of many kinds, each of which is in one of some states: those are the figures that it counts in."""
    columns = columns_of(figures, states)
    rows = [row_of(columns, kind, some) for kind, some in sorted(kinds.items())]
    everything = added_up("All", rows)
    return by_kind(columns, printable(columns, everything.counts, everything.about), layout, rows)


def columns_of(figures: Sequence[Figure], states: Iterable[frozenset[str]]) -> Columns:
    """The columns of things that are each in one of some states."""
    names = [one.name for one in figures]
    columns = Columns(names, frozenset(), {one.name: one.worth for one in figures})
    return Columns(names, frozenset(columns.profile(state) for state in states), columns.worth)


def row_of(columns: Columns, name: str, states: Mapping[frozenset[str], Things]) -> Row:
    """A row of things in some states."""
    by_profile = {columns.profile(state): things for state, things in states.items()}
    counts = {profile: things.number for profile, things in by_profile.items()}
    return Row(name, counts, about={profile: things.about for profile, things in by_profile.items()})


def by_kind(columns: Columns, printed: int, layout: Layout, rows: Sequence[Row]) -> Published:
    """A table of rows that have no order: the largest first, so that small ones stand together when they are added up."""
    places = {row.name: place for place, row in enumerate(rows)}
    largest_first = sorted(
        (row for row in rows if size([row])), key=lambda row: (is_small(row.reports()), -size([row]), places[row.name])
    )
    groups = [sorted(group, key=lambda row: places[row.name]) for group in pooled(largest_first)]
    table = Table([added_up(", ".join(row.name for row in group), group) for group in groups], columns.all)
    return publish(columns, printed, layout, table)


def publish(columns: Columns, printed: int, layout: Layout, table: Table) -> Published:
    """The table as it may be printed. Raises ``Unprotected`` where the sums over blocks give a small count away."""
    everything = added_up("All", table.rows)
    if is_small(everything.reports()):  # then only that there are fewer than five
        return Published(layout.name, layout.rows_are, layout.counted, [], [], Line("All", None, []), layout.about)
    hidden = withheld(columns, printed, table)
    shown = [bit for bit in range(len(columns.names)) if table.shown >> bit & 1]
    lines = [
        Line(row.name, size([row]), [_number(row, bit, gone) for bit in shown])
        for row, gone in zip((*table.rows, everything), (*hidden, table.shown & ~printed), strict=True)
    ]
    figures = [layout.figures[columns.names[bit]] for bit in shown]
    return Published(layout.name, layout.rows_are, layout.counted, figures, lines[:-1], lines[-1], layout.about)


def _number(row: Row, bit: int, hidden: int) -> Number:
    return None if hidden >> bit & 1 else sum(count for profile, count in row.counts.items() if profile >> bit & 1)
