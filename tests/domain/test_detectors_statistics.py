"""Detectors that compare: they find a jump, leave steady months in peace, and keep the false-alarm rate that they state."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from random import Random
from typing import Final

import pytest

from casetrail.domain.codes import Disposition, SuspensionReason
from casetrail.domain.detectors.counting import Ending, Group, Person, What
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.detectors.judging import Judge
from casetrail.domain.detectors.statistics import chance_of, discoveries
from casetrail.domain.detectors.survey import month_of, months_before
from casetrail.domain.policy import InForce
from tests.actions import HAPPENED
from tests.domain.policies import preset

PEOPLE: Final = [f"det.{number:02}" for number in range(1, 9)]
USUAL: Final = {
    Ending("Disposition", Disposition.REFERRED_TO_PROSECUTOR): 40,
    Ending("Disposition", Disposition.INACTIVATED): 20,
    Ending("Disposition", Disposition.CLEARED_BY_ARREST): 15,
    Ending("Disposition", Disposition.UNFOUNDED): 10,
    Ending("SuspensionReason", SuspensionReason.AWAITING_LAB): 10,
    Ending("SuspensionReason", SuspensionReason.OTHER): 5,
}
CONVENIENT: Final = Ending("SuspensionReason", SuspensionReason.LACK_OF_PERSONNEL)


def months(count: int, first: str = "2020-01") -> Iterator[str]:
    for number in range(count):
        yield months_before(first, -number)


class Counted:
    """A judge whose counters are filled by hand."""

    def __init__(self, *detectors: str) -> None:
        self.judge = Judge(InForce([(HAPPENED, preset())]), detectors)
        self.survey = self.judge.survey("metro-pd")
        self._number = 0

    def end(self, person: str, month: str, ending: Ending, count: int = 1) -> None:
        for _ in range(count):
            self._count(What.ENDED, person, month, ":".join(ending))

    def enter(self, person: str, month: str, count: int, late: int) -> None:
        for number in range(count):
            self._count(What.ENTERED, person, month, marked=number < late)

    def _count(self, what: What, person: str, month: str, key: str = "", marked: bool = False) -> None:
        self._number += 1
        at = datetime(int(month[:4]), int(month[5:]), 1 + self._number % 28, 12, self._number % 60, tzinfo=UTC)
        event = at, f"C-{self._number}", self._number, sha256(f"{self._number}{month}".encode()).digest()
        group = Group(what, Person("child-crimes", person), at.date(), key, marked)
        self.survey.take(group, 1, lambda tally: tally.add(event))

    def found(self) -> list[Finding]:
        return list(self.judge.many(datetime(2100, 1, 1, tzinfo=UTC)))


def steady(counted: Counted, chance: Random, count: int) -> None:
    """So many months in which everybody ends about ten cases, by the same chances."""
    for month in months(count):
        for person in PEOPLE:
            for ending in chance.choices(list(USUAL), weights=list(USUAL.values()), k=chance.randrange(5, 16)):
                counted.end(person, month, ending)


def test_a_reason_that_is_suddenly_used_by_one_person_is_seen_of_the_person_and_of_the_unit() -> None:
    counted = Counted("convenient_code")
    steady(counted, Random(1), 24)
    counted.end(PEOPLE[0], "2022-01", CONVENIENT, 12)
    found = [one for one in counted.found() if one.month == "2022-01"]
    assert {(one.about.value, one.subject) for one in found} == {("person", "det.01"), ("unit", "child-crimes")}
    assert all(one.since == datetime(2022, 2, 1, tzinfo=UTC) and len(one.evidence) == 12 for one in found)
    assert found[0].says.startswith("lack_of_personnel: 12 of 12")


def test_a_code_that_spreads_over_a_whole_unit_is_seen_though_nobody_alone_stands_out() -> None:
    counted = Counted("convenient_code")
    steady(counted, Random(2), 25)
    for person in PEOPLE:
        counted.end(person, "2022-01", CONVENIENT, 2)
    assert {one.about.value for one in counted.found() if one.month == "2022-01"} == {"unit"}


def test_what_has_no_past_is_not_compared() -> None:
    counted = Counted("convenient_code")
    counted.end("det.01", "2022-01", CONVENIENT, 30)
    assert counted.found() == []


@pytest.mark.parametrize("seed", [11, 12])
def test_in_months_without_a_change_something_is_found_as_seldom_as_it_says(seed: int) -> None:
    """The rate that the detector's page states: at most one month in a hundred, measured on random months."""
    counted = Counted("convenient_code")
    steady(counted, Random(seed), 240)
    assert len({one.month for one in counted.found()}) <= 5, "more than 2 in a hundred of 240 months"


def test_who_enters_late_more_often_than_the_others_is_seen() -> None:
    counted = Counted("late_entries")
    chance = Random(3)
    for month in months(24):
        for person in PEOPLE:
            counted.enter(person, month, 30, sum(chance.random() < 0.05 for _ in range(30)))
    counted.enter(PEOPLE[3], "2021-06", 12, 12)
    found = counted.found()
    assert {(one.subject, one.month) for one in found} >= {("det.04", "2021-06")}
    assert len(found) <= 2


def test_a_unit_that_enters_late_altogether_has_nobody_who_stands_out() -> None:
    counted = Counted("late_entries")
    chance = Random(4)
    for month in months(36):
        for person in PEOPLE:
            counted.enter(person, month, 30, sum(chance.random() < 0.4 for _ in range(30)))
    assert len({one.month for one in counted.found()}) <= 1


def test_the_chances_are_those_of_the_book() -> None:
    """With a past so long that the share is known, the tail is the binomial one; with none, Jeffreys' prior decides."""
    assert chance_of(0, 10, 3, 50) == 1
    assert chance_of(8, 10, 500_000, 1_000_000) == pytest.approx(56 / 1024, rel=1e-3)
    assert chance_of(1, 1, 0, 0) == pytest.approx(0.5)


def test_discoveries_are_those_of_benjamini_and_hochbergs_example() -> None:
    """The fifteen chances of their paper of 1995, at 0.05: the first four are rejected."""
    chances = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
               0.7590, 1.0]  # fmt: skip
    assert discoveries(chances, 0.05) == [True] * 4 + [False] * 11
    assert discoveries([], 0.05) == []


def test_without_scipy_the_other_detectors_run_and_those_that_need_it_say_so() -> None:
    program = """
import sys
sys.modules["scipy"] = sys.modules["scipy.stats"] = None
from datetime import UTC, datetime
from casetrail.domain.detectors import judging, statistics
judging.available = lambda: False
from casetrail.domain.policy import InForce
from tests.domain.policies import preset
judge = judging.Judge(InForce([(datetime(2020, 1, 1, tzinfo=UTC), preset())]))
print(judge.left_out, list(judge.many(datetime(2021, 1, 1, tzinfo=UTC))))
try:
    statistics.chance_of(1, 2, 3, 4)
except statistics.StatisticsMissing as error:
    print(error.code, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "('convenient_code', 'late_entries', 'rubber_stamp') []" in done.stdout
    assert "statistics-missing statistical detectors need SciPy: install casetrail[statistics]" in done.stdout


def test_months_are_counted_over_the_turn_of_the_year() -> None:
    assert months_before("2026-01", 1) == "2025-12" and months_before("2025-12", -1) == "2026-01"
    assert month_of(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03"
