"""The tables about reports tell the truth, and nobody learns of a small count from all of them together."""

from collections import Counter
from collections.abc import Iterable
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from casetrail.domain.sunlight import (
    AGES,
    FIGURE,
    OffenceGroup,
    Standing,
    age_band,
    age_name,
    figures_of,
    report_columns,
)
from casetrail.domain.suppression import THRESHOLD, is_small
from casetrail.sunlight.counting import Months
from casetrail.sunlight.published import Line, Published
from casetrail.sunlight.reports import Reports, publish_reports
from tests.sunlight.examples import some_reports

NOW_MONTH = "2015-12"

Mask = Any
"""An array of truths, one for each unknown count."""


def months_of(line: Line, found: Months) -> set[str]:
    """The months that a line counts."""
    first, _, last = line.name.partition(" to ")
    return {month for month, _, _ in found if first <= month <= (last or first)}


def months_of_age(name: str, months: Iterable[str]) -> set[str]:
    """The months in which reports of an age were received."""
    first, last = next((a, b) for a in range(len(AGES)) for b in range(a, len(AGES)) if age_name(a, b) == name)
    return {month for month in months if first <= age_band(month, NOW_MONTH) <= last}


def true_count(
    found: Months, figure: str | None, months: set[str] | None = None, groups: set[str] | None = None
) -> int:
    return sum(
        count
        for (month, group, standing), count in found.items()
        if (months is None or month in months)
        and (groups is None or group.value in groups)
        and (figure is None or figure in set(figures_of(standing)))
    )


@pytest.mark.parametrize(("count", "spread"), [(4000, 48), (300, 24), (60, 12), (20, 3)])
def test_every_number_that_is_printed_is_true(count: int, spread: int) -> None:
    found = some_reports(count, spread, seed=count)
    reports = publish_reports(found, NOW_MONTH)
    for table in (reports.by_month, reports.by_offence):
        for line in (*table.lines, table.totals):
            months = months_of(line, found) if table is reports.by_month and line is not table.totals else None
            groups = set(line.name.split(", ")) if table is reports.by_offence and line is not table.totals else None
            assert line.total == true_count(found, None, months, groups)
            for figure, number in zip(table.figures, line.numbers, strict=True):
                assert number in (None, true_count(found, figure.name, months, groups))
    assert reports.ages is not None
    for name, number in reports.ages:
        assert number == true_count(found, "open", months_of_age(name, {month for month, _, _ in found}))


@pytest.mark.parametrize("seed", range(4))
def test_no_number_that_is_printed_is_small(seed: int) -> None:
    reports = publish_reports(some_reports(400, 24, seed), NOW_MONTH)
    for table in (reports.by_month, reports.by_offence):
        for line in (*table.lines, table.totals):
            assert not any(number is not None and is_small(number) for number in (line.total, *line.numbers))


def test_most_counts_of_a_large_unit_are_printed() -> None:
    reports = publish_reports(some_reports(4000, 48, seed=3), NOW_MONTH)
    assert reports.by_offence.withheld < reports.by_offence.counts / 4
    assert len(reports.by_month.lines) == 48


def test_of_a_million_reports_nothing_is_withheld() -> None:
    found = some_reports(20_000, 24, seed=5)
    many = Counter({key: 50 * count for key, count in found.items()})
    reports = publish_reports(many, NOW_MONTH)
    assert reports.by_month.withheld == reports.by_offence.withheld == 0


def test_of_three_reports_nothing_is_told_but_that_there_are_few() -> None:
    reports = publish_reports(some_reports(3, 2, seed=1), NOW_MONTH)
    assert reports.ages is None
    assert (reports.by_month.lines, reports.by_month.totals.total) == ([], None)


def test_months_without_reports_stand_between_those_with_some() -> None:
    standing = Standing("open", True, "within_7_days")
    found: Months = Counter({(month, OffenceGroup.RAPE, standing): 30 for month in ("2015-01", "2015-04")})
    reports = publish_reports(found, NOW_MONTH)
    assert [line.name for line in reports.by_month.lines] == ["2015-01", "2015-02", "2015-03", "2015-04"]


# --- an attacker who has the whole report ---


class Attacker:
    """Solves every equation between the numbers of a report, in whole numbers: about reports by month, offence and profile."""

    def __init__(self, reports: Reports) -> None:
        columns = report_columns()
        self._bits = {name: 1 << bit for bit, name in enumerate(columns.names)}
        months, offences = ([line.name for line in one.lines] for one in (reports.by_month, reports.by_offence))
        unknown = list(product(months, offences, sorted(columns.possible)))
        self.month, self.offence, self._profile = (np.array(one) for one in zip(*unknown, strict=True))
        self._known: list[Mask] = []
        self._values: list[int] = []
        self._read(reports.by_month, self.month)
        self._read(reports.by_offence, self.offence)
        for name, number in reports.ages or ():
            old = {line for line in months if months_of_age(name, [line[:7]])}
            self._learn(np.isin(self.month, list(old)) & self.counted("open"), number)

    def counted(self, figure: str) -> Mask:
        """Which of the unknown counts are of reports that count in a figure."""
        return (self._profile & self._bits[figure]) > 0

    def _read(self, table: Published, rows: Any) -> None:
        for line in (*table.lines, table.totals):
            here = np.ones(len(rows), bool) if line is table.totals else rows == line.name
            self._learn(here, line.total)
            for figure, number in zip(table.figures, line.numbers, strict=True):
                self._learn(here & self.counted(figure.name), number)

    def _learn(self, which: Mask, number: int | None) -> None:
        if number is not None:
            self._known.append(which)
            self._values.append(number)

    def most(self, which: Mask) -> int:
        """The most that a count can be, for all that is printed."""
        values = np.array(self._values)
        found = milp(
            -which.astype(float),
            constraints=LinearConstraint(np.array(self._known, dtype=float), values, values),
            integrality=np.ones(len(which)),
            bounds=Bounds(0, np.inf),
        )
        assert found.success, found.message
        return round(float(-found.fun))


@pytest.mark.parametrize("seed", range(3))
def test_whoever_solves_the_whole_report_learns_of_no_count_that_it_is_small(seed: int) -> None:
    found = some_reports(90, 10, seed, (OffenceGroup.RAPE, OffenceGroup.ABUSE))
    reports = publish_reports(found, NOW_MONTH)
    attacker = Attacker(reports)
    small = []
    for line in reports.by_month.lines:
        row = attacker.month == line.name
        for figure in reports.by_month.figures:
            count = true_count(found, figure.name, months_of(line, found))
            small += [row & attacker.counted(figure.name)] if is_small(count) else []
            small += [row & ~attacker.counted(figure.name)] if is_small((line.total or 0) - count) else []
    for line in reports.by_offence.lines:
        for name in FIGURE:
            if is_small(true_count(found, name, None, set(line.name.split(", ")))):
                small.append((attacker.offence == line.name) & attacker.counted(name))
    assert len(small) > 10
    for which in small:
        assert attacker.most(which) >= THRESHOLD
