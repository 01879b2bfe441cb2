"""The unit says that it was at the child's interview, and the centre that it was not."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from time import process_time

import pytest

from casetrail.domain.actions import Actor
from casetrail.domain.assignment import Assigned
from casetrail.domain.case import Recorded
from casetrail.domain.closure import ClosureApproved, Reopened
from casetrail.domain.codes import CorrectionReason, ReopeningReason, Role, Service
from casetrail.domain.codes import Step as Kind
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected
from casetrail.domain.referral import ReferralCompleted, ReferralMade
from tests.actions import CLINIC, DETECTIVE, INTAKE, OTHER_DETECTIVE, OTHER_SERGEANT, SERGEANT, report
from tests.domain.clock_histories import HOUR, Story, day
from tests.domain.clock_stories import ASKED, CONTACT, IN, REOPENED, REVIEW, STEP, approved, held, referred
from tests.domain.detecting import SECOND, found, numbers, only
from tests.domain.populations import Doing, recorded
from tests.domain.test_detectors_properties import check_prefixes

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


# --- what was denied is no contact ---


def test_whom_the_holder_did_not_come_to_hear_is_not_contacted_until_somebody_reviews_it() -> None:
    one = only(denied(), "no_contact", day(99))
    assert (one.since, one.is_open, numbers(one)) == (day(14), True, [7, 6, 1])
    late = referred(Service.FORENSIC_INTERVIEW).tell(day(3), ATTENDED, DETECTIVE)
    late.tell(day(3), NOBODY_CAME, CLINIC, late=timedelta(days=20))
    assert only(late, "no_contact", day(99)).since == day(23)
    for body, actor in ((REVIEW, SERGEANT), (CONTACT, DETECTIVE)):
        assert found(denied().tell(day(9), body, actor), "no_contact", day(99)) == []
        assert only(denied().tell(day(20), body, actor), "no_contact", day(99)).settled_at == day(20)


def test_a_claim_that_comes_after_the_denial_settles_nothing() -> None:
    story = referred(Service.FORENSIC_INTERVIEW).tell(day(3), NOBODY_CAME, CLINIC)
    story.tell(day(2), ATTENDED, DETECTIVE, late=timedelta(days=18))
    one = only(story, "no_contact", day(99))
    assert (one.since, one.is_open, numbers(one)) == (day(14), True, [3, 1])
    assert only(story.tell(day(30), REVIEW, SERGEANT), "no_contact", day(99)).settled_at == day(30)


def test_a_claim_that_is_made_again_after_the_case_was_reopened_is_a_finding_of_its_own() -> None:
    """Both had one id, and views in which two findings have one cannot be rebuilt."""
    story = approved(denied(), day(20)).tell(day(21), Reopened(ReopeningReason.CLOSED_IN_ERROR), SERGEANT)
    story.tell(day(21), Assigned(DETECTIVE.id)).tell(day(2), ATTENDED, DETECTIVE, late=timedelta(days=21))
    first, second = found(story, "no_contact", day(99))
    assert [numbers(one) for one in (first, second)] == [[7, 6, 1], [12, 7, 1]]
    assert (first.settled_at, second.since, second.is_open) == (day(20), day(23), True)
    assert first.id != second.id


def test_a_child_whom_somebody_else_has_heard_or_a_colleague_at_the_interview_is_contacted() -> None:
    by_colleague = referred(Service.FORENSIC_INTERVIEW).tell(day(3), ATTENDED, OTHER_DETECTIVE)
    assert found(by_colleague.tell(day(4), NOBODY_CAME, CLINIC), "no_contact", day(99)) == []
    for at in (1, 3):
        story = referred(Service.FORENSIC_INTERVIEW).tell(day(at), CONTACT, DETECTIVE).tell(day(3), ATTENDED, DETECTIVE)
        assert found(story.tell(day(4), NOBODY_CAME, CLINIC), "no_contact", day(99)) == []
    both = siblings().tell(day(3), NOBODY_CAME, CLINIC).tell(day(4), ReferralCompleted("r2", False), CLINIC)
    assert numbers(only(both, "no_contact", day(99))) == [8, 7, 1]


def test_a_case_is_not_closed_on_an_interview_at_which_nobody_was() -> None:
    one = only(approved(denied(), day(9)), "closed_without_work", day(99))
    assert one.says == "closed without victim contact and without investigative step"
    assert numbers(one) == [9, 8, 7]
    assert found(approved(denied().tell(day(8), REVIEW, SERGEANT), day(9)), "closed_without_work", day(99)) == []
    heard = denied().tell(day(8), CONTACT, DETECTIVE).tell(day(8), STEP, DETECTIVE)
    assert found(approved(heard, day(9)), "closed_without_work", day(99)) == []
    by_colleague = referred(Service.FORENSIC_INTERVIEW).tell(day(3), ATTENDED, OTHER_DETECTIVE)
    by_colleague.tell(day(4), NOBODY_CAME, CLINIC)
    assert found(approved(by_colleague, day(9)), "closed_without_work", day(99)) == []
    afterwards = referred(Service.FORENSIC_INTERVIEW).tell(day(3), ATTENDED, DETECTIVE)
    story = approved(afterwards, day(5)).tell(day(3), NOBODY_CAME, CLINIC, late=timedelta(days=9))
    assert found(story, "closed_without_work", day(99)) == [], "the log did not show it by then"


def told_by_turns(seed: int) -> list[Recorded]:
    """A case in which interviews are asked for, claimed and denied by chance; some of it is entered late."""
    chance = Random(seed)
    doings: list[Doing] = [(day(0), INTAKE, report()), (day(0), INTAKE, IN), (day(0), SERGEANT, Assigned(DETECTIVE.id))]
    entered = [(one[0], one) for one in doings]
    for number in range(1, 30):
        named = f"r{chance.randrange(number)}"
        actor, body = chance.choice(
            [
                *[(DETECTIVE, ReferralMade(f"r{number}", Service.FORENSIC_INTERVIEW, CLINIC.agency))] * 3,
                *[(DETECTIVE, ATTENDED)] * 3,
                *[(CLINIC, ReferralCompleted(named, attended)) for attended in (False, False, False, True)],
                (SERGEANT, REVIEW),
                (OTHER_DETECTIVE, chance.choice((ATTENDED, CONTACT))),
                (DETECTIVE, ASKED),
                *[(OTHER_SERGEANT, ClosureApproved())] * 2,
                (SERGEANT, REOPENED),
                (SERGEANT, Assigned(DETECTIVE.id)),
                (INTAKE, FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(-number))),
            ]
        )
        late = chance.choice((0, 0, 0, 3, 7, 30))
        entered.append((day(2 * number), (day(2 * number - late), actor, body)))
    return recorded("C-1", entered)


def test_whatever_is_claimed_and_denied_by_turns_what_was_seen_stays_seen() -> None:
    found = [one for seed in range(30) for one in check_prefixes(told_by_turns(seed)).values()]
    by_partners = {one.detector for one in found if len(one.evidence) == 3}
    assert "no_contact" in by_partners
