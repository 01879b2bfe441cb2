"""Cases that go on for months by calls, requests and meetings; closures that are asked for in a circle."""

import pytest

from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Assigned, Released
from casetrail.domain.closure import ClosureApproved, Reopened
from casetrail.domain.codes import (
    AgencyKind,
    ContactMethod,
    HandoverReason,
    ReferralReason,
    ReopeningReason,
    Role,
    Service,
)
from casetrail.domain.codes import Step as Kind
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.referral import ReferralAccepted, ReferralCompleted, ReferralDeclined, ReferralMade
from tests.actions import DETECTIVE, OTHER_DETECTIVE, OTHER_SERGEANT, REGISTRAR, report
from tests.domain.clock_histories import DAY, Story, day
from tests.domain.clock_stories import (
    ASKED,
    ATTEMPT,
    CONTACT,
    IN,
    MERGED,
    OUT,
    PROSECUTOR,
    REFUSED,
    REOPENED,
    RESUMED,
    STEP,
    approved,
    held,
    received,
    screened,
    suspended,
)
from tests.domain.detecting import found, numbers, only, seen, with_settings

KEPT = "kept_alive"
CAREGIVER = VictimContactMade(ContactMethod.THROUGH_CAREGIVER)
CALL = VictimContactMade(ContactMethod.PHONE)
LETTER = VictimContactMade(ContactMethod.LETTER)
SCHOOL = Actor("school.day", "school", Role.PARTNER)
KNOWN = {"metro-pd": AgencyKind.LAW_ENFORCEMENT, "prosecutor": AgencyKind.PROSECUTION, "school": AgencyKind.SCHOOL}


def step(kind: Kind) -> InvestigativeStepTaken:
    return InvestigativeStepTaken(kind)


REQUEST, MEETING, OTHER = map(step, (Kind.RECORDS_REQUESTED, Kind.TEAM_REVIEW_HELD, Kind.OTHER))


def kept(*bodies: Body, until: int = 150, story: Story | None = None) -> Story:
    """Seen on the first day; then every twelve days one of these, in turn."""
    story = story or held().tell(day(1), CONTACT, DETECTIVE)
    for number, at in enumerate(range(12, until, 12)):
        story.tell(day(at), bodies[number % len(bodies)], DETECTIVE)
    return story


# --- kept alive ---


@pytest.mark.parametrize("body", [CAREGIVER, CALL, LETTER, ATTEMPT, REQUEST, MEETING, OTHER])
def test_a_case_that_goes_on_by_what_leads_nowhere_is_seen_after_90_days(body: Body) -> None:
    one = seen(kept(body), KEPT, day(91))
    assert numbers(one) == [5, 12], "when the child was seen, and the last act by then"
    assert one.says == "for more than 90 days nothing in it led any further"


def test_all_of_them_together_lead_nowhere_either() -> None:
    assert numbers(seen(kept(CAREGIVER, REQUEST, MEETING, OTHER, ATTEMPT, LETTER), KEPT, day(91))) == [5, 12]


LEADING = [one for one in Kind if step(one) not in (REQUEST, MEETING, OTHER, step(Kind.CORRESPONDENCE))]


@pytest.mark.parametrize("kind", LEADING)
def test_a_step_that_leads_further_begins_the_time_anew_and_settles_it(kind: Kind) -> None:
    worked = kept(CAREGIVER, until=80).tell(day(80), step(kind), DETECTIVE)
    assert found(worked, KEPT, day(170)) == []
    late = kept(CAREGIVER, until=200).tell(day(200), step(kind), DETECTIVE)
    assert only(late, KEPT, day(201)).settled_at == day(200)


def test_whoever_does_it_a_child_that_is_seen_again_settles_it_and_so_do_the_end_and_a_merger() -> None:
    seen_again = kept(CAREGIVER, until=100).tell(day(100), CONTACT, OTHER_DETECTIVE)
    assert only(seen_again, KEPT, day(120)).settled_at == day(100)
    assert only(approved(kept(CAREGIVER, until=100), day(100)), KEPT, day(400)).settled_at == day(100)
    assert only(kept(CAREGIVER, until=100).tell(day(100), MERGED), KEPT, day(400)).settled_at == day(100)


def test_a_case_that_nobody_was_given_or_in_which_nothing_was_done_is_seen_by_others() -> None:
    assert found(screened(), KEPT, day(300)) == []
    assert found(held().tell(day(1), CONTACT, DETECTIVE), KEPT, day(300)) == []
    assert len(found(held().tell(day(1), CONTACT, DETECTIVE), "untouched", day(300))) == 1


def test_before_the_child_was_ever_seen_it_counts_from_the_report() -> None:
    assert numbers(seen(kept(CALL, story=held()), KEPT, day(90))) == [1, 11]


def test_after_months_in_which_nothing_was_done_at_all_the_limit_runs_anew_from_what_is_done_next() -> None:
    """ "Untouched" was settled by the first call, and so no detector found the years of calls that came after it."""
    late = kept(CALL, story=held().tell(day(1), CONTACT, DETECTIVE).tell(day(95), CALL, DETECTIVE), until=0)
    for at in range(105, 300, 10):
        late.tell(day(at), CALL, DETECTIVE)
    assert numbers(seen(late, KEPT, day(185))) == [5, 15]
    given = screened().tell(day(95), Assigned(DETECTIVE.id))
    for at in range(96, 300, 10):
        given.tell(day(at), CALL, DETECTIVE)
    assert numbers(seen(given, KEPT, day(186)))[0] == 1
    worked = held().tell(day(1), CONTACT, DETECTIVE).tell(day(95), CALL, DETECTIVE).tell(day(150), STEP, DETECTIVE)
    assert found(worked, KEPT, day(200)) == []


def test_what_leads_further_and_is_entered_late_keeps_nothing_alive_itself() -> None:
    late = held().tell(day(5), CONTACT, DETECTIVE).tell(day(3), STEP, DETECTIVE, late=97 * DAY)
    assert found(late, KEPT, day(400)) == [], "nothing was done meanwhile"
    for at, rests_on in ((3, [10, 9]), (0.5, [10, 5, 9])):
        late = kept(CALL, until=60).tell(day(at), STEP, DETECTIVE, late=(100 - at) * DAY)
        first, again = sorted(found(late, KEPT, day(400)), key=lambda one: one.since)
        assert (numbers(first), first.since, first.settled_at) == ([5, 9], day(91), day(100))
        assert (numbers(again), again.since, again.is_open) == (rests_on, day(100), True)


@pytest.mark.parametrize("body", [STEP, CONTACT])
def test_what_was_done_long_before_the_report_leads_nowhere(body: Body) -> None:
    one = only(kept(CALL, until=99).tell(day(-5), body, DETECTIVE, late=105 * DAY), KEPT, day(150))
    assert (one.since, one.is_open) == (day(91), True)


def test_what_is_done_next_counts_since_it_is_entered() -> None:
    late = held().tell(day(1), CONTACT, DETECTIVE).tell(day(5), CALL, DETECTIVE, late=100 * DAY)
    assert numbers(seen(late, KEPT, day(105))) == [5, 6]


def test_who_has_been_let_go_of_waits_for_others_whatever_was_asked_for_before() -> None:
    story = circle(times=3).tell(day(30), Released(HandoverReason.WORKLOAD)).tell(day(60), Assigned(DETECTIVE.id))
    for at in range(61, 200, 12):
        story.tell(day(at), CALL, DETECTIVE)
    assert found(story, KEPT, day(130.7)) == [] != found(story, KEPT, day(130.9))


def test_the_time_of_a_suspension_does_not_count_nor_that_of_a_decision_on_the_closure() -> None:
    rested = held().tell(day(1), CONTACT, DETECTIVE).tell(day(2), suspended(day(30))).tell(day(30), RESUMED)
    for at in range(32, 200, 12):
        rested.tell(day(at), CAREGIVER, DETECTIVE)
    assert seen(rested, KEPT, day(119))
    asked = held().tell(day(1), CONTACT, DETECTIVE).tell(day(5), ASKED, DETECTIVE).tell(day(10), REFUSED)
    for at in range(12, 200, 12):
        asked.tell(day(at), CAREGIVER, DETECTIVE)
    assert seen(asked, KEPT, day(96))


def test_a_case_that_is_reopened_for_something_new_begins_anew_and_one_closed_in_error_does_not() -> None:
    def closed(reason: ReopeningReason) -> Story:
        story = approved(kept(CAREGIVER, until=60), day(61)).tell(day(62), Reopened(reason))
        for at in range(72, 240, 12):
            story.tell(day(at), CAREGIVER, DETECTIVE)
        return story

    assert numbers(seen(closed(ReopeningReason.NEW_INFORMATION), KEPT, day(152)))[0] == 12
    one = only(closed(ReopeningReason.CLOSED_IN_ERROR), KEPT, day(240))
    assert (numbers(one)[:2], one.since) == ([12, 5], day(91.0)), "the reopening, and when the child was seen"


def test_a_reopening_that_is_said_to_be_older_than_the_report_begins_with_that_and_what_was_done_before_it_is_none() -> (
    None
):
    def story() -> Story:
        closed = approved(kept(CAREGIVER, until=30), day(31))
        return closed.tell(day(-20), Reopened(ReopeningReason.NEW_INFORMATION), late=60 * DAY)

    assert found(story(), KEPT, day(300)) == []
    called = story().tell(day(50), Assigned(DETECTIVE.id)).tell(day(50), CALL, DETECTIVE)
    assert numbers(seen(called, KEPT, day(90))) == [10, 12]


def test_while_a_prosecutor_has_the_file_nothing_is_asked_and_after_a_charge_neither() -> None:
    def referred(agency: str) -> Story:
        return (
            held()
            .tell(day(1), CONTACT, DETECTIVE)
            .tell(day(2), ReferralMade("p", Service.PROSECUTOR, agency), DETECTIVE)
        )

    accepted = kept(CAREGIVER, story=referred("prosecutor").tell(day(3), ReferralAccepted("p"), PROSECUTOR))
    assert found(accepted, KEPT, day(400), agencies=KNOWN) == []
    charged = kept(CAREGIVER, story=referred("prosecutor").tell(day(3), ReferralCompleted("p"), PROSECUTOR))
    assert found(charged, KEPT, day(400), agencies=KNOWN) == []
    declined = referred("prosecutor").tell(day(3), ReferralAccepted("p"), PROSECUTOR)
    declined.tell(day(20), ReferralDeclined("p", ReferralReason.INSUFFICIENT_EVIDENCE), PROSECUTOR)
    assert seen(kept(CAREGIVER, story=declined), KEPT, day(91 + 17), agencies=KNOWN)
    later = kept(CAREGIVER, story=referred("prosecutor")).tell(day(150), ReferralCompleted("p"), PROSECUTOR)
    one = only(later, KEPT, day(400), agencies=KNOWN)
    assert (one.since, one.settled_at) == (day(91), day(150))
    for body in (ReferralAccepted("p"), ReferralCompleted("p")):
        advocate = held().tell(day(1), CONTACT, DETECTIVE)
        advocate.tell(day(2), ReferralMade("p", Service.VICTIM_ADVOCACY, "prosecutor"), DETECTIVE)
        advocate = kept(CAREGIVER, story=advocate.tell(day(3), body, PROSECUTOR))
        assert only(advocate, KEPT, day(149), agencies=KNOWN).since == day(91), "that is no file"
        by_school = kept(CAREGIVER, story=referred("school").tell(day(3), body, SCHOOL))
        assert only(by_school, KEPT, day(149), agencies=KNOWN).since == day(91), "a school charges nobody"


def test_a_policy_can_say_how_long_and_what_leads_nowhere() -> None:
    sooner = with_settings('[detectors.kept_alive]\nlimit = "60 days"\nsteps = ["correspondence"]')
    assert seen(kept(CAREGIVER), KEPT, day(61), sooner)
    assert found(kept(MEETING), KEPT, day(150), sooner) == []


# --- closures that are asked for in a circle ---


def circle(first: int = 13, every: int = 5, times: int = 40) -> Story:
    """Seen on the first day, its closure asked for, refused in time, asked for again at once, and so on."""
    story = held().tell(day(1), CONTACT, DETECTIVE)
    for at in range(first, first + every * times, every):
        story.tell(day(at), ASKED, DETECTIVE).tell(day(at + every - 0.1), REFUSED)
    return story


def test_a_closure_that_is_asked_for_a_third_time_with_nothing_done_gains_no_time() -> None:
    assert only(circle(), "untouched", day(200)).since <= day(31)
    assert only(circle(), "contact_lost", day(200)).since <= day(57)


def test_a_closure_that_is_asked_for_again_once_or_after_an_act_accuses_nobody() -> None:
    twice = circle(times=1).tell(day(18), ASKED, DETECTIVE)
    assert found(twice, "untouched", day(24)) == []
    worked = held().tell(day(1), CONTACT, DETECTIVE)
    for at in range(13, 60, 5):
        worked.tell(day(at), ASKED, DETECTIVE).tell(day(at + 4), REFUSED).tell(day(at + 4.5), STEP, DETECTIVE)
    assert found(worked, "untouched", day(60)) == []
    assert found(worked.tell(day(63), ASKED, DETECTIVE), "untouched", day(99)) == [], "its decision is waited for"


def test_reopening_begins_it_anew() -> None:
    story = approved(circle(times=2), day(24)).tell(day(30), REOPENED)
    assert found(story, "untouched", day(40)) == []
    story.tell(day(31), Assigned(DETECTIVE.id)).tell(day(32), ASKED, DETECTIVE)
    assert found(story, "untouched", day(60)) == []


# --- reopened and ended again ---

AGAIN = "ended_again"
IN_ERROR = Reopened(ReopeningReason.CLOSED_IN_ERROR)


def cycles(times: int, *between: Body) -> Story:
    """Closed on the first day; then reopened each six days, and closed again within the hour."""
    story = approved(held(), day(1))
    for number in range(1, times + 1):
        story.tell(day(1 + 6 * number), IN_ERROR)
        for body in between:
            story.tell(day(1 + 6 * number), body, DETECTIVE)
        story.tell(day(1 + 6 * number), ASKED, OTHER_SERGEANT).tell(day(1 + 6 * number), ClosureApproved())
    return story


@pytest.mark.parametrize("between", [[], [ATTEMPT], [CALL], [CAREGIVER, REQUEST], [MEETING, OTHER]])
def test_a_case_that_is_reopened_and_closed_again_and_again_is_seen_at_the_third_time(between: list[Body]) -> None:
    one = only(cycles(3, *between), AGAIN, day(20))
    assert (one.since, one.is_open, len(numbers(one))) == (day(19), True, 3)
    assert one.says == "reopened and ended again 3 times, and nothing in between led any further"
    assert found(cycles(2, *between), AGAIN, day(99)) == []
    assert only(cycles(9, *between), AGAIN, day(99)).since == day(19), "going on so adds nothing, and settles nothing"


@pytest.mark.parametrize("worked", [STEP, CONTACT])
def test_work_that_leads_further_settles_it_and_is_no_such_circle(worked: Body) -> None:
    assert found(cycles(5, worked), AGAIN, day(99)) == []
    story = cycles(3).tell(day(30), IN_ERROR).tell(day(31), worked, DETECTIVE)
    assert only(story, AGAIN, day(99)).settled_at == day(31)


def test_a_report_that_is_screened_out_again_and_again_is_seen_whatever_calls_come_between() -> None:
    story = received().tell(day(0.5), ATTEMPT, DETECTIVE).tell(day(1), OUT)
    for at in (7, 13, 19):
        story.tell(day(at), IN_ERROR).tell(day(at), ATTEMPT, DETECTIVE).tell(day(at), OUT)
    assert only(story, AGAIN, day(20)).since == day(19)


def test_only_the_ends_since_it_was_led_further_last_are_counted() -> None:
    def then(story: Story, at: float, *between: Body) -> Story:
        for body in (IN_ERROR, *between):
            story.tell(day(at), body, OTHER_SERGEANT)
        return story.tell(day(at), ASKED, OTHER_SERGEANT).tell(day(at), ClosureApproved())

    assert found(then(then(cycles(2), 30, STEP), 40), AGAIN, day(99)) == []
    assert found(then(then(cycles(1, STEP), 30), 40), AGAIN, day(99)) == []
    assert only(then(then(then(cycles(1, STEP), 30), 40), 50), AGAIN, day(99)).since == day(50)


def test_ends_that_an_old_system_kept_do_not_count() -> None:
    story = Story()
    end = (ASKED, ClosureApproved())
    bodies = (report(), IN, Assigned(DETECTIVE.id), *end, *(IN_ERROR, *end) * 4)
    for number, body in enumerate(bodies):
        story.tell(day(number), body, REGISTRAR, imported=True, late=400 * DAY)
    assert found(story, AGAIN, day(900)) == []


def test_a_case_that_was_closed_once_or_whose_end_is_put_right_is_none() -> None:
    assert found(approved(held(), day(1)), AGAIN, day(99)) == []
    assert found(cycles(1), AGAIN, day(99)) == []
    policy = with_settings("[detectors.ended_again]\nmost = 1")
    assert only(cycles(2), AGAIN, day(20), policy).since == day(13)
