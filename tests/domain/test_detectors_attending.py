"""The unit says that it was at the child's interview, and the centre that it was not."""

from collections.abc import Callable
from datetime import timedelta
from time import process_time

import pytest

from casetrail.domain.actions import Actor
from casetrail.domain.closure import Reopened
from casetrail.domain.codes import ReopeningReason, Role, Service
from casetrail.domain.codes import Step as Kind
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.referral import ReferralCompleted, ReferralMade
from tests.actions import CLINIC, DETECTIVE, OTHER_DETECTIVE, SERGEANT
from tests.domain.clock_histories import HOUR, Story, day
from tests.domain.clock_stories import REVIEW, STEP, approved, held, referred
from tests.domain.detecting import SECOND, found, numbers, only

NAME = "attendance_denied"
ATTENDED = InvestigativeStepTaken(Kind.FORENSIC_INTERVIEW_ATTENDED)
NOBODY_CAME, CAME, UNSAID = (ReferralCompleted("r1", attended) for attended in (False, True, None))
ELSEWHERE = Actor("sgt.else", "other-pd", Role.SUPERVISOR)


def denied() -> Story:
    """Attended on the third day, by what the detective says; not by what the centre says an hour later."""
    return (
        referred(Service.FORENSIC_INTERVIEW).tell(day(3), ATTENDED, DETECTIVE).tell(day(3) + HOUR, NOBODY_CAME, CLINIC)
    )


def test_a_contradiction_is_seen_at_once_whoever_speaks_first() -> None:
    one = only(denied(), NAME, day(3) + HOUR + SECOND)
    assert (one.since, one.is_open, numbers(one)) == (day(3) + HOUR, True, [7, 6])
    centre_first = referred(Service.FORENSIC_INTERVIEW).tell(day(3), NOBODY_CAME, CLINIC)
    centre_first.tell(day(3), ATTENDED, OTHER_DETECTIVE, late=timedelta(days=2))
    one = only(centre_first, NAME, day(9))
    assert (one.since, numbers(one)) == (day(5), [6, 7])


@pytest.mark.parametrize("said", [CAME, UNSAID])
def test_where_the_centre_does_not_say_so_it_is_no_finding(said: ReferralCompleted) -> None:
    story = referred(Service.FORENSIC_INTERVIEW).tell(day(3), ATTENDED, DETECTIVE).tell(day(4), said, CLINIC)
    assert found(story, NAME, day(99)) == []


def test_a_recording_that_is_watched_afterwards_is_no_finding_and_neither_is_another_service() -> None:
    story = referred(Service.FORENSIC_INTERVIEW).tell(day(3), NOBODY_CAME, CLINIC).tell(day(4), ATTENDED, DETECTIVE)
    assert found(story, NAME, day(99)) == []
    examined = referred(Service.MEDICAL_EVALUATION).tell(day(3), ATTENDED, DETECTIVE).tell(day(4), NOBODY_CAME, CLINIC)
    assert found(examined, NAME, day(99)) == []


def test_an_earlier_interview_is_not_the_one_that_was_asked_for_later() -> None:
    story = referred(Service.FORENSIC_INTERVIEW).tell(day(3), CAME, CLINIC).tell(day(3) + HOUR, ATTENDED, DETECTIVE)
    story.tell(day(9), ReferralMade("r2", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE)
    assert found(story.tell(day(20), ReferralCompleted("r2", False), CLINIC), NAME, day(99)) == []


def siblings() -> Story:
    """Two children are to be interviewed; the holder was with one of them."""
    story = held().tell(day(0), ReferralMade("r1", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE)
    story.tell(day(0), ReferralMade("r2", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE)
    return story.tell(day(3), ATTENDED, DETECTIVE)


def test_who_was_with_another_child_of_the_case_is_no_finding() -> None:
    one, other = CAME, ReferralCompleted("r2", False)
    assert found(siblings().tell(day(3), one, CLINIC).tell(day(3) + HOUR, other, CLINIC), NAME, day(99)) == []
    settled = only(siblings().tell(day(3), other, CLINIC).tell(day(3) + HOUR, one, CLINIC), NAME, day(99))
    assert settled.settled_at == day(3) + HOUR
    both = siblings().tell(day(3), NOBODY_CAME, CLINIC).tell(day(4), other, CLINIC)
    assert [numbers(one) for one in found(both, NAME, day(99))] == [[8, 7], [9, 7]]


def reopened(story: Story) -> Story:
    return approved(story, day(5)).tell(day(6), Reopened(ReopeningReason.AUDIT))


@pytest.mark.parametrize(
    "goes_on",
    [
        lambda story: story.tell(day(5), STEP, DETECTIVE),
        lambda story: story.tell(day(5), ATTENDED, DETECTIVE),
        lambda story: approved(story, day(5)),
        lambda story: story.tell(day(5), REVIEW, ELSEWHERE),
        reopened,
    ],
)
def test_neither_work_nor_the_end_of_the_case_nor_anothers_review_settles_it(goes_on: Callable[[Story], Story]) -> None:
    assert only(goes_on(denied()), NAME, day(99)).is_open


def test_a_review_of_the_units_agency_settles_it_by_somebody_who_has_not_said_so_himself() -> None:
    assert only(denied().tell(day(5), REVIEW, SERGEANT), NAME, day(99)).settled_at == day(5)
    assert only(reopened(denied()).tell(day(7), REVIEW, SERGEANT), NAME, day(99)).settled_at == day(7)
    story = referred(Service.FORENSIC_INTERVIEW).tell(day(3), ATTENDED, SERGEANT).tell(day(4), NOBODY_CAME, CLINIC)
    assert only(story.tell(day(5), REVIEW, SERGEANT), NAME, day(99)).is_open


def test_what_the_centre_says_after_the_end_of_the_case_is_heard() -> None:
    story = referred(Service.FORENSIC_INTERVIEW).tell(day(1), ATTENDED, DETECTIVE)
    assert only(approved(story, day(2)).tell(day(8), NOBODY_CAME, CLINIC), NAME, day(99)).since == day(8)


def test_many_interviews_with_as_many_contradictions_are_judged_in_time_that_grows_with_their_number() -> None:
    story = held()
    for number in range(400):
        at = day(1 + number)
        story.tell(at, ReferralMade(f"r{number}", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE)
        story.tell(at, ATTENDED, DETECTIVE).tell(at, ReferralCompleted(f"r{number}", False), CLINIC)
    begun = process_time()
    assert len(found(story, "attendance_denied", day(999))) == 400
    assert process_time() - begun < 1  # of each pair every other interview was asked after once: that took 4 seconds
