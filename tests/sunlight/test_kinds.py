"""The tables of time limits, alarms and findings: no number is about fewer than five reports, and none can be worked out."""

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from casetrail.domain.sunlight import CLOCK_FIGURES, CLOCK_STATES, FINDING_FIGURES, FINDING_STATES, Figure
from casetrail.domain.suppression import THRESHOLD, capped
from casetrail.sunlight.counting import Kinds, Things
from casetrail.sunlight.edition import CLOCKS, FINDINGS
from casetrail.sunlight.published import Layout, Line, Published, publish_kinds

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
    return publish_kinds(CLOCKS, CLOCK_FIGURES, CLOCK_STATES, kinds(runs))


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
    """Solves every equation between the numbers of a table, in whole numbers: about things by kind and state."""

    def __init__(self, table: Published, states: tuple[State, ...]) -> None:
        self._unknown = [(line.name, state) for line in table.lines for state in states]
        known, self._values = [], list[int]()
        for line in (*table.lines, table.totals):
            row = None if line is table.totals else line.name
            told = [(None, line.total), *zip((one.name for one in table.figures), line.numbers, strict=True)]
            for figure, number in told:
                if number is not None:
                    known.append(self.which(row, figure))
                    self._values.append(number)
        self._known = np.array(known)

    def which(self, row: str | None, figure: str | None, without: str | None = None) -> Any:
        return np.array(
            [
                (row in (None, name)) and (figure is None or figure in state) and without not in state
                for name, state in self._unknown
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


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("layout", "figures", "states"),
    [(CLOCKS, CLOCK_FIGURES, CLOCK_STATES), (FINDINGS, FINDING_FIGURES, FINDING_STATES)],
)
def test_whoever_solves_a_table_learns_of_no_count_that_it_is_about_few_reports(
    layout: Layout, figures: tuple[Figure, ...], states: tuple[State, ...], seed: int
) -> None:
    chance = Random(seed)
    runs = {
        (kind, state): chance.choices(reports(chance.choice((1, 3, 40))), k=chance.choice((0, 6, 12, 30)))
        for kind in ("review", "decision", "assignment", "progress")
        for state in states
    }
    table = publish_kinds(layout, figures, states, kinds(runs))
    attacker, tried = Attacker(table, states), 0
    for line in (*table.lines, table.totals):
        row = None if line is table.totals else line.name
        for figure, without in [(one.name, None) for one in figures] + [(None, one.name) for one in figures]:
            about = [
                one
                for (kind, state), some in runs.items()
                if (row is None or kind in row.split(", "))
                and (figure is None or figure in state)
                and without not in state
                for one in some
            ]
            few = len(set(about))
            if 0 < few < THRESHOLD:
                tried += 1
                which = attacker.which(row, figure, without)
                assert attacker.most(which) >= len(about) + THRESHOLD - few, (row, figure, without)
    assert tried > 3
