"""The tables about time limits: by clock, by month of receipt, and by offence.

All three are about the same runs of clocks, and have the same columns. Where two runs change places between the rows of one
of them, the others stay as they are: so each is protected by itself, as long as all withhold the same columns of totals.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from casetrail.domain.sunlight import CLOCK_FIGURES, CLOCK_STATES, OffenceGroup
from casetrail.domain.suppression import Columns, Row, Table, added_up, pooled, printable
from casetrail.sunlight.counting import Runs
from casetrail.sunlight.published import Layout, Published, by_kind, columns_of, publish, row_of
from casetrail.sunlight.reports import span

COUNTED: Final = "runs of a clock"
CLOCK: Final = "Clock"
FIGURES: Final = {one.name: one for one in CLOCK_FIGURES}
BY_CLOCK: Final = Layout("clocks", CLOCK, COUNTED, FIGURES)
BY_MONTH: Final = Layout("clocks-by-month", "Month of receipt", COUNTED, FIGURES)
BY_OFFENCE: Final = Layout("clocks-by-offence", "Offence", COUNTED, FIGURES)


@dataclass(frozen=True)
class Limits:
    """The tables about time limits."""

    by_clock: Published
    by_month: Published
    by_offence: Published


def publish_limits(found: Runs) -> Limits:
    """The tables of all runs of clocks."""
    columns = columns_of(CLOCK_FIGURES, CLOCK_STATES)
    clocks = _rows(columns, found, lambda _month, _group, clock: clock.replace("_", " "))
    months = _rows(columns, found, lambda month, _group, _clock: month)
    groups = _rows(columns, found, lambda _month, group, _clock: group.value)
    everything = added_up("All", clocks)
    printed = printable(columns, everything.counts, everything.about)
    by_month = Table([added_up(span(group), group) for group in pooled(months)], columns.all)
    return Limits(
        by_kind(columns, printed, BY_CLOCK, clocks),
        publish(columns, printed, BY_MONTH, by_month),
        by_kind(columns, printed, BY_OFFENCE, groups),
    )


def _rows(columns: Columns, found: Runs, name_of: Callable[[str, OffenceGroup, str], str]) -> list[Row]:
    """The runs by what they are called, in the order of these names."""
    rows: dict[str, list[Row]] = {}
    for (month, group), kinds in found.items():
        for clock, states in kinds.items():
            name = name_of(month, group, clock)
            rows.setdefault(name, []).append(row_of(columns, name, states))
    return [added_up(name, some) for name, some in sorted(rows.items())]
