"""The tables of time limits, alarms and findings: no number is about fewer than five reports, and none can be worked out."""

from collections.abc import Mapping, Sequence
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from casetrail.domain.sunlight import CLOCK_FIGURES, CLOCK_STATES, FINDING_FIGURES, FINDING_STATES, Figure, OffenceGroup
from casetrail.domain.suppression import THRESHOLD, capped
from casetrail.sunlight.counting import Kinds, Things
from casetrail.sunlight.edition import FINDINGS
from casetrail.sunlight.limits import BY_CLOCK, publish_limits
from casetrail.sunlight.published import Line, Published, publish_kinds

State = frozenset[str]
MET: State = frozenset({"met"})
MISSED: State = frozenset({"late", "missed"})
MET_LATE: State = frozenset({"late", "met_late"})
Runs = Mapping[tuple[str, State], list[str]]
"""By clock and state, the report that each run is about."""


def kinds(runs: Runs) -> Kinds:
    found: dict[str, dict[State, Things]] = {}
    for (kind, state), about in runs.items():
        found.setdefault(kind, {})[state] = Things(len(about), capped(frozenset(about)))
    return found


def published(runs: Runs) -> Published:
    return publish_kinds(BY_CLOCK, CLOCK_FIGURES, CLOCK_STATES, kinds(runs))


def reports(count: int, first: int = 0) -> list[str]:
    return [f"C-{number}" for number in range(first, first + count)]


def lines(table: Published) -> dict[str, dict[str, int | None]]:
    names = [figure.name for figure in table.figures]
    return {
        line.name: {"all": line.total, **dict(zip(names, line.numbers, strict=True))}
        for line in (*table.lines, table.totals)
    }


def test_how_the_clocks_of_three_reports_went_is_not_told() -> None:
    runs = {("progress", MISSED): 7 * reports(3), ("progress", MET): 9 * reports(3), ("decision", MISSED): reports(3)}
    table = published(runs)
    assert (table.lines, table.figures, table.totals) == ([], [], Line("All", None, []))


def test_eight_missed_reviews_of_one_report_are_withheld() -> None:
    runs = {
        ("review", MISSED): 8 * reports(1),
        ("review", MET): reports(40),
        ("decision", MISSED): reports(20),
        ("decision", MET): reports(30),
    }
    found = lines(published(runs))
    assert found["review"] | {"all": 48, "missed": None, "late": None, "met": None} == found["review"]
    assert found["All"] | {"all": 98, "missed": 28, "met": 70} == found["All"]


def test_a_clock_that_ran_for_few_reports_is_added_up_with_others_however_often_it_ran() -> None:
    runs = {
        ("review", MISSED): 30 * reports(2),
        ("decision", MISSED): reports(20),
        ("decision", MET): reports(30),
        ("assignment", MET): reports(45),
    }
    assert list(lines(published(runs))) == ["decision", "assignment, review", "All"]


def test_reports_that_stand_in_two_states_are_counted_once() -> None:
    runs = {
        ("review", MISSED): reports(4),
        ("review", MET_LATE): reports(4),
        ("review", MET): reports(40),
        ("decision", MISSED): reports(20),
        ("decision", MET_LATE): reports(20),
        ("decision", MET): reports(30),
    }
    assert lines(published(runs))["review"]["late"] is None
    runs["review", MET_LATE] = reports(4, first=4)
    assert lines(published(runs))["review"]["late"] == 8


# --- an attacker who has a whole table ---


class Attacker:
    """Solves every equation between the numbers of tables about the same things, in whole numbers.

    Unknown is how many there are in each state, in each row of the one table and each of the other.
    """

    def __init__(self, tables: Sequence[Published], states: Sequence[State]) -> None:
        self._unknown = list(product(*([line.name for line in table.lines] for table in tables), states))
        known, self._values = [], list[int]()
        for axis, table in enumerate(tables):
            for line in (*table.lines, table.totals):
                row = None if line is table.totals else line.name
                told = [(None, line.total), *zip((one.name for one in table.figures), line.numbers, strict=True)]
                for figure, number in told:
                    if number is not None:
                        known.append(self.which(axis, row, figure))
                        self._values.append(number)
        self._known = np.array(known)

    def which(self, axis: int, row: str | None, figure: str | None, without: str | None = None) -> Any:
        return np.array(
            [
                (row in (None, names[axis])) and (figure is None or figure in state) and without not in state
                for *names, state in self._unknown
            ],
            float,
        )

    def most(self, which: Any) -> int:
        values = np.array(self._values)
        found = milp(
            -which,
            constraints=LinearConstraint(self._known, values, values),
            integrality=np.ones(len(which)),
            bounds=Bounds(0, np.inf),
        )
        assert found.success, found.message
        return round(float(-found.fun))


Thing = tuple[tuple[str, ...], State, str]
"""In which row of each table it stands, its state, and the report that it is about."""


def learns_nothing(
    tables: Sequence[Published], figures: Sequence[Figure], states: Sequence[State], things: Sequence[Thing]
) -> int:
    """How many counts are about few reports; for all that the tables tell, each could be about five."""
    attacker, tried = Attacker(tables, states), 0
    for axis, table in enumerate(tables):
        for line in (*table.lines, table.totals):
            row = None if line is table.totals else line.name
            for figure, without in [(one.name, None) for one in figures] + [(None, one.name) for one in figures]:
                about = [
                    report
                    for rows, state, report in things
                    if row in (None, rows[axis]) and (figure is None or figure in state) and without not in state
                ]
                few = len(set(about))
                if 0 < few < THRESHOLD:
                    tried += 1
                    most = attacker.most(attacker.which(axis, row, figure, without))
                    assert most >= len(about) + THRESHOLD - few, (row, figure, without)
    return tried


@pytest.mark.parametrize("seed", range(6))
def test_whoever_solves_a_table_learns_of_no_count_that_it_is_about_few_reports(seed: int) -> None:
    chance = Random(seed)
    runs = {
        (kind, state): chance.choices(reports(chance.choice((1, 3, 40))), k=chance.choice((0, 6, 12, 30)))
        for kind in ("untouched", "no_contact", "shuffled", "never_screened")
        for state in FINDING_STATES
    }
    table = publish_kinds(FINDINGS, FINDING_FIGURES, FINDING_STATES, kinds(runs))
    row_of = {kind: line.name for line in table.lines for kind in line.name.split(", ")}
    things = [((row_of[kind],), state, report) for (kind, state), some in runs.items() for report in some]
    assert learns_nothing([table], FINDING_FIGURES, FINDING_STATES, things) > 3


MONTHS = ("2015-01", "2015-02", "2015-04")
GROUPS = (OffenceGroup.RAPE, OffenceGroup.ABUSE)


@pytest.mark.parametrize("seed", range(6))
def test_whoever_solves_the_tables_of_time_limits_together_learns_of_no_count_that_it_is_about_few_reports(
    seed: int,
) -> None:
    chance = Random(seed)
    found: dict[tuple[str, OffenceGroup], Kinds] = {}
    some_runs: list[tuple[str, OffenceGroup, str, State, str]] = []
    for number, (month, group) in enumerate(product(MONTHS, GROUPS)):
        runs = {
            (kind, state): chance.choices(reports(chance.choice((1, 2, 20)), 100 * number), k=chance.choice((0, 0, 7)))
            for kind in ("review", "decision", "assignment")
            for state in CLOCK_STATES
        }
        found[month, group] = kinds(runs)
        some_runs += [(month, group, kind, state, one) for (kind, state), some in runs.items() for one in some]
    limits = publish_limits(found)
    clock_of, group_of = (
        {name: line.name for line in table.lines for name in line.name.split(", ")}
        for table in (limits.by_clock, limits.by_offence)
    )
    month_of = {month: line.name for line in limits.by_month.lines for month in MONTHS if stands_in(month, line)}
    tables = (limits.by_clock, limits.by_month, limits.by_offence)
    things = [
        ((clock_of[kind], month_of[month], group_of[group.value]), state, report)
        for month, group, kind, state, report in some_runs
    ]
    for axis, table in enumerate(tables):
        for line in table.lines:
            assert line.total == sum(rows[axis] == line.name for rows, _, _ in things)
            for figure, count in zip(table.figures, line.numbers, strict=True):
                true = sum(rows[axis] == line.name and figure.name in state for rows, state, _ in things)
                assert count in (None, true)
    assert learns_nothing(tables, CLOCK_FIGURES, CLOCK_STATES, things) > 3


def stands_in(month: str, line: Line) -> bool:
    first, _, last = line.name.partition(" to ")
    return first <= month <= (last or first)
