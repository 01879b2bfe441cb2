"""The tables about reports: by month of receipt, by offence, and the ages of those that are open."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from casetrail.domain.sunlight import (
    AGES,
    CLOSED_AS,
    CONTACT_HEADINGS,
    FIGURE,
    OffenceGroup,
    age_band,
    age_name,
    figures_of,
    report_columns,
)
from casetrail.domain.suppression import Columns, Row, Table, Unprotected, added_up, is_small, pooled, printable, size
from casetrail.sunlight.counting import Months
from casetrail.sunlight.published import Layout, Published, by_kind, publish

STAGES: Final = ("screened", "screened_out", "assigned", "contacted", "closed", "closed_unseen", "open")
CONTACTS: Final = tuple(f"contact_{name}" for name in CONTACT_HEADINGS)
FIRST_CONTACTS: Final = CONTACTS[:2]
"""Those that are told month by month. Of more, a unit with some 80 reports a month would have to withhold most."""
ENDS: Final = tuple(f"as_{name}" for name in CLOSED_AS)
MONTHS_OF_A_GAP: Final = 12
"""Months without a report stand in the table, unless there are more of them in a row."""

FEWEST: Final = 20
"""Months with fewer reports are added up: of so few hardly a count could be printed."""

BY_MONTH: Final = Layout("by-month", "Month of receipt", "reports received", FIGURE)
BY_OFFENCE: Final = Layout("by-offence", "Offence", "reports received", FIGURE)

Ages = Sequence[tuple[str, int]]
"""How many open reports are how old."""


@dataclass(frozen=True)
class Reports:
    """The tables about reports. ``ages`` is None where there is nothing that could be told of them."""

    by_month: Published
    by_offence: Published
    ages: Ages | None


def publish_reports(found: Months, now_month: str) -> Reports:
    """The tables about reports that were received up to a month (``YYYY-MM``)."""
    columns = report_columns()
    by_month, by_offence = _profiles(columns, found)
    rows = [Row(group.value, counts) for group, counts in by_offence.items()]
    printed = printable(columns, added_up("All", rows).counts)
    month_table, ages = _by_month(columns, printed, _filled(by_month), now_month)
    return Reports(month_table, by_kind(columns, printed, BY_OFFENCE, rows), ages)


def _profiles(columns: Columns, found: Months) -> tuple[dict[str, Counter[int]], dict[OffenceGroup, Counter[int]]]:
    by_month: dict[str, Counter[int]] = {}
    by_offence: dict[OffenceGroup, Counter[int]] = {group: Counter() for group in OffenceGroup}
    for (month, group, standing), count in found.items():
        profile = columns.profile(figures_of(standing))
        by_month.setdefault(month, Counter())[profile] += count
        by_offence[group][profile] += count
    return by_month, by_offence


def _filled(by_month: Mapping[str, Counter[int]]) -> dict[str, Counter[int]]:
    """The months in order, with those between them in which no report was received."""
    found: dict[str, Counter[int]] = {}
    last = None
    for month in sorted(by_month):
        at = 12 * int(month[:4]) + int(month[5:]) - 1
        if last is not None and at - last <= MONTHS_OF_A_GAP:
            found |= {f"{one // 12:04}-{one % 12 + 1:02}": Counter() for one in range(last + 1, at)}
        found[month] = by_month[month]
        last = at
    return found


# --- months, and the ages that they are ---

Band = tuple[int, int]
"""The first and the last of neighbouring bands of ages that are counted together."""


def _by_month(
    columns: Columns, printed: int, months: Mapping[str, Counter[int]], now_month: str
) -> tuple[Published, Ages | None]:
    """Both at once: the ages are sums over months of the column of open reports, and each could give the other away."""
    is_open, shown = columns.profile(["open"]), columns.profile((*STAGES, *FIRST_CONTACTS, *ENDS))
    everything: Band = (0, len(AGES) - 1)
    bands = _bands(months, now_month, is_open) if printed & is_open else [everything]
    while True:
        names = {band: age_name(*band) for band in bands}
        rows = [Row(month, counts, names[_band(month, now_month, bands)]) for month, counts in months.items()]
        lines = [added_up(span(group), group) for group in pooled(rows, FEWEST)]
        try:
            made = publish(columns, printed, BY_MONTH, Table(lines, shown, is_open if len(bands) > 1 else 0))
        except Unprotected as error:
            bands = _joined(bands, list(names.values()).index(error.block))
            continue
        ages = [(name, _open(is_open, (row for row in rows if row.block == name))) for name in names.values()]
        return made, ages if printed & is_open and not is_small(sum(number for _, number in ages)) else None


def _open(is_open: int, rows: Iterable[Row]) -> int:
    return sum(count for row in rows for profile, count in row.counts.items() if profile & is_open)


def span(rows: Sequence[Row]) -> str:
    """What months are called that are added up."""
    return rows[0].name if len(rows) == 1 else f"{rows[0].name} to {rows[-1].name}"


def _band(month: str, now_month: str, bands: Sequence[Band]) -> Band:
    number = age_band(month, now_month)
    return next(band for band in bands if band[0] <= number <= band[1])


def _bands(months: Mapping[str, Counter[int]], now_month: str, is_open: int) -> list[Band]:
    """The bands of ages, so many together that neither those open nor the others in any are few."""
    bands = [(number, number) for number in range(len(AGES))]
    place = 0
    while len(bands) > 1 and place < len(bands):
        rows = [Row(month, some) for month, some in months.items() if _band(month, now_month, bands) == bands[place]]
        still = _open(is_open, rows)
        others = size(rows) - still
        if any(map(is_small, (still, others, still + others))):
            bands, place = _joined(bands, place), 0
        else:
            place += 1
    return bands


def _joined(bands: Sequence[Band], place: int) -> list[Band]:
    """A band together with that of older reports, or, where it is the last, of younger ones."""
    at = min(place, len(bands) - 2)
    return [*bands[:at], (bands[at][0], bands[at + 1][1]), *bands[at + 2 :]]
