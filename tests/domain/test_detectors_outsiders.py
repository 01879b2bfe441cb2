"""Decisions of another agency in a case."""

import pytest

from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Assigned
from casetrail.domain.closure import Reopened
from casetrail.domain.codes import ReopeningReason, ReviewResult, Role
from casetrail.domain.investigation import SupervisorReviewed
from tests.actions import DETECTIVE, INTAKE, SERGEANT
from tests.domain.clock_histories import day
from tests.domain.clock_stories import CONTACT, IN, OUT, STEP, held, received, screened, suspended
from tests.domain.detecting import SECOND, found, numbers, only

ELSEWHERE = Actor("sgt.else", "other-pd", Role.SUPERVISOR)
COLLEAGUE = Actor("det.else", "other-pd", Role.INVESTIGATOR)


@pytest.mark.parametrize(
    ("begin", "decision"),
    [(received, IN), (received, OUT), (screened, Assigned(DETECTIVE.id)), (held, suspended(day(20)))],
)
def test_what_another_agency_decides_is_seen_at_once(begin: "object", decision: Body) -> None:
    story = begin().tell(day(2), decision, ELSEWHERE)  # type: ignore[operator]
    one = only(story, "decided_elsewhere", day(2) + SECOND)
    assert (one.since, one.is_open, numbers(one)) == (day(2), True, [len(story.events)])


def test_what_the_agency_of_the_case_decides_is_none_and_neither_is_anybodys_work() -> None:
    assert found(held(), "decided_elsewhere", day(99)) == []
    assert (
        found(held().tell(day(2), CONTACT, COLLEAGUE).tell(day(3), STEP, COLLEAGUE), "decided_elsewhere", day(99)) == []
    )


def test_a_review_or_a_reopening_by_the_cases_own_agency_settles_it() -> None:
    review = SupervisorReviewed(ReviewResult.CONTINUE)
    story = received().tell(day(1), IN, ELSEWHERE).tell(day(3), review, ELSEWHERE)
    assert only(story, "decided_elsewhere", day(9)).is_open
    assert only(story.tell(day(4), review, SERGEANT), "decided_elsewhere", day(9)).settled_at == day(4)
    out = received().tell(day(1), OUT, ELSEWHERE).tell(day(2), Reopened(ReopeningReason.AUDIT), SERGEANT)
    assert only(out, "decided_elsewhere", day(9)).settled_at == day(2)


def test_only_the_first_is_named_until_it_is_settled() -> None:
    review = SupervisorReviewed(ReviewResult.CONTINUE)
    story = received().tell(day(1), IN, ELSEWHERE).tell(day(2), Assigned(DETECTIVE.id), ELSEWHERE)
    assert numbers(only(story, "decided_elsewhere", day(3))) == [2]
    story.tell(day(4), review, SERGEANT).tell(day(5), suspended(day(20)), ELSEWHERE)
    assert [numbers(one) for one in found(story, "decided_elsewhere", day(9))] == [[2], [5]]
    assert found(received().tell(day(1), IN, INTAKE), "decided_elsewhere", day(9)) == []
