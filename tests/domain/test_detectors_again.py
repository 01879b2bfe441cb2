"""Children who are reported again after their first report was merged, or screened out as known already; and after a case was

reopened for a moment only.
"""

import pytest

from casetrail.domain.closure import ClosureApproved
from tests.actions import DETECTIVE, INTAKE, OTHER_SERGEANT, SERGEANT
from tests.domain.clock_histories import day
from tests.domain.clock_stories import ASKED, IN, STEP
from tests.domain.populations import Doing
from tests.domain.surveying import evidence, found, known, reopened, told
from tests.domain.test_detectors_astray import ADA, ADDRESS, BEN, about, corrected, into, linked

AGAIN = "reported_again"
ELM = (ADDRESS, "Elm")


def worked(at: float) -> Doing:
    return day(at), DETECTIVE, STEP


def done(at: float) -> list[Doing]:
    """Screened, and closed."""
    return [(day(at - 0.6), INTAKE, IN), *closed(at)]


def closed(at: float) -> list[Doing]:
    return [(day(at - 0.5), SERGEANT, ASKED), (day(at), OTHER_SERGEANT, ClosureApproved())]


# --- merged before ---

MERGED = [about(0, ADA, ELM), into("B", 1)]
AS_KNOWN = [about(0, ADA, ELM), linked("B", 0.5), known(1)]


@pytest.mark.parametrize("first", [MERGED, AS_KNOWN], ids=["merged", "screened out as known"])
def test_a_child_who_is_reported_again_after_a_merger_is_seen_where_the_other_case_has_ended(
    first: list[Doing],
) -> None:
    other = told("B", about(-1, BEN, ELM), worked(2), *done(6))
    cases = [other, told("A", *first), told("C", about(20, ADA))]
    (one,) = found(cases, AGAIN, day(99))
    assert (one.subject, one.since, one.is_open, evidence(one)) == ("A", day(23), True, ["C#1", "B#5"])
    assert one.says == "reported again (child) as C while it had ended in B"


@pytest.mark.parametrize("first", [MERGED, AS_KNOWN], ids=["merged", "screened out as known"])
def test_where_the_other_case_is_worked_that_is_no_finding(first: list[Doing]) -> None:
    other = told("B", about(-1, BEN, ELM), *[worked(at) for at in range(2, 40, 9)])
    assert found([other, told("A", *first), told("C", about(20, ADA))], AGAIN, day(99)) == []


def test_an_other_case_that_is_about_the_same_child_is_judged_itself() -> None:
    other = told("B", about(-1, ADA), worked(2), *done(6))
    cases = [other, told("A", *MERGED), told("C", about(20, ADA))]
    assert [one.subject for one in found(cases, AGAIN, day(99))] == ["B"]
    late = told("B", about(-1, ELM), worked(2), *done(6), corrected(50, ADA))
    assert [one.subject for one in found([late, *cases[1:]], AGAIN, day(99))] == ["B", "A"]


@pytest.mark.parametrize(
    ("mine", "others", "new", "by"),
    [
        ([], [reopened(40)], [], "B#6"),
        ([reopened(40)], [], [], "A#3"),
        ([linked("C", 40)], [], [], "A#3"),
        ([], [linked("C", 40)], [], "B#6"),
        ([], [], [linked("B", 40)], "C#2"),
        ([], [], [linked("A", 40)], "C#2"),
    ],
)
def test_what_settles_it_may_be_in_either_case(
    mine: list[Doing], others: list[Doing], new: list[Doing], by: str
) -> None:
    other = told("B", about(-1, BEN, ELM), worked(2), *done(6), *others)
    (one,) = found([other, told("A", *MERGED, *mine), told("C", about(20, ADA), *new)], AGAIN, day(99))
    assert (one.subject, one.since, one.settled_at) == ("A", day(23), day(40))
    assert one.settled_by is not None and f"{one.settled_by.case_id}#{one.settled_by.number}" == by


def test_the_case_at_the_end_of_the_mergers_is_looked_at_and_none_that_is_not_there() -> None:
    middle, end = told("B", about(-1, BEN, ELM), into("D", 3)), told("D", about(-2, BEN, ELM), worked(3.5), *done(6))
    (one,) = found([middle, end, told("A", *MERGED), told("C", about(20, ADA))], AGAIN, day(99))
    assert evidence(one) == ["C#1", "D#5"]
    assert found([told("A", *MERGED), told("C", about(20, ADA))], AGAIN, day(99)) == [], "merged_away finds that"


# --- reopened for a moment only ---


def test_a_case_that_is_reopened_and_closed_again_with_nothing_done_is_still_reported_again() -> None:
    flick = told("A", about(0, ADA), worked(1), *done(10), reopened(21), *closed(21.6))
    (one,) = found([flick, told("C", about(20, ADA))], AGAIN, day(99))
    assert (one.since, one.is_open, evidence(one)) == (day(23), True, ["C#1", "A#8"])
    late = told("A", about(0, ADA), worked(1), *done(10), reopened(22), *closed(30))
    (one,) = found([late, told("C", about(20, ADA))], AGAIN, day(99))
    assert (one.since, one.is_open) == (day(30), True)
    twice = told("A", about(0, ADA), worked(1), *done(10), reopened(21), *closed(21.6), reopened(22), *closed(40))
    assert [one.since for one in found([twice, told("C", about(20, ADA))], AGAIN, day(99))] == [day(40)]


@pytest.mark.parametrize("more", [[], [worked(22), *closed(30)], [worked(29), *closed(30)]])
def test_a_case_that_is_reopened_and_worked_or_stays_open_is_not(more: list[Doing]) -> None:
    again = told("A", about(0, ADA), worked(1), *done(10), reopened(21), *more)
    assert found([again, told("C", about(20, ADA))], AGAIN, day(99)) == []


def test_what_reopening_has_settled_stays_settled() -> None:
    late = told("A", about(0, ADA), worked(1), *done(10), reopened(25), *closed(26))
    (one,) = found([late, told("C", about(20, ADA))], AGAIN, day(99))
    assert (one.since, one.settled_at) == (day(23), day(25))
