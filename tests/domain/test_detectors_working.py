"""Work that is not done: untouched cases, victims that nobody speaks with, partners that wait, interviews without the holder."""

import pytest

from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Assigned, Reassigned, Released
from casetrail.domain.codes import (
    ContactMethod,
    CorrectionReason,
    HandoverReason,
    MergeReason,
    ReferralReason,
    Service,
)  # fmt: skip
from casetrail.domain.codes import Step as Kind
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected, Merged
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
)
from tests.actions import CLINIC, DETECTIVE, INTAKE, OTHER_DETECTIVE, SERGEANT
from tests.domain.clock_histories import DAY, Story, day
from tests.domain.clock_stories import (
    ASKED,
    ATTEMPT,
    CONTACT,
    POLICE_AS_PARTNER,
    PROTECTIVE,
    REFUSED,
    REOPENED,
    RESUMED,
    REVIEW,
    STEP,
    WORKLOAD,
    approved,
    assistance_asked,
    held,
    referred,
    screened,
    suspended,
)
from tests.domain.detecting import found, numbers, only, seen, with_settings

CORRESPONDENCE = InvestigativeStepTaken(Kind.CORRESPONDENCE)
LETTER = VictimContactMade(ContactMethod.LETTER)
THROUGH_CAREGIVER = VictimContactMade(ContactMethod.THROUGH_CAREGIVER)
LET_GO = Released(HandoverReason.LEAVE)


# --- untouched ---


def test_a_case_whose_holder_does_nothing_is_seen_after_14_days() -> None:
    assert numbers(seen(held(), "untouched", day(14))) == [3]
    assert numbers(seen(held().tell(day(5), STEP, DETECTIVE), "untouched", day(19))) == [5]


@pytest.mark.parametrize("body", [STEP, CONTACT, ATTEMPT])
def test_an_act_of_the_holder_settles_it(body: Body) -> None:
    one, *_ = found(held().tell(day(20), body, DETECTIVE), "untouched", day(21))
    assert (one.since, one.settled_at) == (day(14), day(20))


def test_notes_letters_about_the_case_reviews_reassignments_and_acts_of_others_are_no_work_of_the_holder() -> None:
    story = held().tell(day(3), REVIEW).tell(day(4), STEP, SERGEANT).tell(day(4), CORRESPONDENCE, DETECTIVE)
    seen(story.tell(day(5), Reassigned(OTHER_DETECTIVE.id, WORKLOAD)), "untouched", day(14))


def test_a_holder_who_acts_in_time_again_and_again_leaves_nothing_to_be_found() -> None:
    story = held()
    for number in range(1, 6):
        story.tell(day(13 * number), STEP, DETECTIVE)
    assert found(story, "untouched", day(70)) == []
    assert found(story.tell(day(70), ASKED, DETECTIVE), "untouched", day(200)) == []


def test_each_time_that_a_case_lies_still_is_a_finding_of_its_own() -> None:
    story = held().tell(day(20), STEP, DETECTIVE).tell(day(50), STEP, DETECTIVE)
    first, second = found(story, "untouched", day(51))
    assert (first.since, first.settled_at) == (day(14), day(20))
    assert (second.since, second.settled_at, first.id != second.id) == (day(34), day(50), True)


def test_a_suspension_rests_until_its_review_date_and_no_longer() -> None:
    story = held().tell(day(10), suspended(day(30)))
    seen(story, "untouched", day(34))
    seen(held().tell(day(10), suspended(day(30))).tell(day(12), RESUMED), "untouched", day(16))


def test_an_act_that_is_entered_late_settles_what_was_seen_and_gains_no_time() -> None:
    from datetime import timedelta

    story = held().tell(day(2), STEP, DETECTIVE, late=timedelta(days=18))
    first, second = found(story, "untouched", day(21))
    assert (first.since, first.settled_at) == (day(14), day(20))
    assert (second.since, second.is_open) == (day(20), True)


def test_a_closure_that_is_refused_gives_no_time_but_that_of_the_decision() -> None:
    story = held().tell(day(5), ASKED, DETECTIVE)
    assert found(story, "untouched", day(300)) == [], "it is for the supervisor to decide"
    assert numbers(seen(story.tell(day(8), REFUSED), "untouched", day(17))) == [3]
    worked = held().tell(day(4), STEP, DETECTIVE).tell(day(5), ASKED, DETECTIVE).tell(day(8), REFUSED)
    assert found(worked.tell(day(20), STEP, DETECTIVE), "untouched", day(30)) == []


def test_after_a_first_refusal_a_holder_has_a_week() -> None:
    story = held().tell(day(13), ASKED, DETECTIVE).tell(day(18), REFUSED)
    assert found(story.tell(day(24), STEP, DETECTIVE), "untouched", day(30)) == []
    late = held().tell(day(20), ASKED, DETECTIVE).tell(day(22), REFUSED)
    assert only(late, "untouched", day(30)).since == day(14), "it was seen before the closure was asked for"


def test_asking_for_the_closure_and_being_refused_in_a_circle_is_seen_and_settles_nothing() -> None:
    story = held().tell(day(0), CONTACT, DETECTIVE)
    for number in range(12):
        story.tell(day(13 + 18 * number), ASKED, DETECTIVE).tell(day(18 + 18 * number), REFUSED)
    assert numbers(seen(story, "untouched", day(25))) == [5]
    assert only(approved(story, day(230)), "untouched", day(300)).settled_at == day(230)
    assert only(story, "contact_lost", day(300)).since == day(55), "45 days, and twice five for decisions"


@pytest.mark.parametrize("next_holder", [DETECTIVE.id, OTHER_DETECTIVE.id])
def test_letting_a_case_go_and_taking_it_again_gains_no_time_and_settles_nothing(next_holder: str) -> None:
    story = held()
    for number in range(1, 9):
        story.tell(day(10 * number), LET_GO).tell(day(10 * number + 1), Assigned(next_holder))
    one = only(story, "untouched", day(90))
    assert (one.since, numbers(one), one.is_open) == (day(15), [3], True)
    by_next = Actor(next_holder, DETECTIVE.agency, DETECTIVE.role)
    assert only(story.tell(day(85), STEP, by_next), "untouched", day(90)).settled_at == day(85)
    assert found(held().tell(day(10), LET_GO), "untouched", day(90)) == [], "nobody holds it"


def test_what_was_untouched_before_a_merger_is_so_as_soon_as_somebody_holds_it_again() -> None:
    merged = held().tell(day(20), Merged("C-2", MergeReason.SAME_INCIDENT)).tell(day(24), REOPENED)
    first, second = found(merged.tell(day(25), Assigned(DETECTIVE.id)), "untouched", day(90))
    assert (first.since, first.settled_at, second.since, second.is_open) == (day(14), day(20), day(25), True)
    closed = approved(held(), day(10)).tell(day(24), REOPENED).tell(day(25), Assigned(DETECTIVE.id), late=DAY)
    seen(closed, "untouched", day(39))


def test_a_request_that_is_decided_while_the_case_rests_counts_once() -> None:
    story = held().tell(day(5), suspended(day(15))).tell(day(7), ASKED, DETECTIVE).tell(day(18), REFUSED)
    seen(story, "untouched", day(27))


def test_a_limit_of_ones_own_is_on_the_calendar_of_the_clock() -> None:
    seen(held(), "untouched", day(3), with_settings('[detectors.untouched]\nlimit = "3 days"'))
    seen(screened(), "never_assigned", day(4), with_settings('[detectors.never_assigned]\nlimit = "4 days"'))


# --- contact ---


def test_a_victim_who_is_never_contacted_is_seen_after_14_days() -> None:
    story = held().tell(day(3), STEP, DETECTIVE).tell(day(5), ATTEMPT, DETECTIVE)
    assert numbers(seen(story, "no_contact", day(14))) == [3, 1]


def test_a_child_in_danger_must_be_seen_within_24_hours() -> None:
    seen(held(immediate_danger=True), "no_contact", day(1))


def test_who_is_written_a_letter_is_not_spoken_with() -> None:
    seen(held(immediate_danger=True).tell(day(0.1), LETTER, DETECTIVE), "no_contact", day(1))
    assert found(held().tell(day(1), VictimContactMade(ContactMethod.PHONE)), "no_contact", day(90)) == []
    policy = with_settings("[detectors.no_contact]\nunspoken = []")
    assert found(held().tell(day(1), LETTER), "no_contact", day(90), policy) == []


def test_who_talks_with_the_caregiver_has_not_heard_the_child() -> None:
    seen(held().tell(day(1), THROUGH_CAREGIVER, DETECTIVE), "no_contact", day(14))
    by_partner = VictimContactMade(ContactMethod.THROUGH_PARTNER)
    attended = InvestigativeStepTaken(Kind.FORENSIC_INTERVIEW_ATTENDED)
    for body in (by_partner, attended):
        assert found(referred().tell(day(1), body, DETECTIVE), "no_contact", day(90)) == []


def test_one_suspension_puts_the_contact_off_and_no_other_and_none_where_a_child_is_in_danger() -> None:
    story = held().tell(day(1), suspended(day(29)))
    for number in range(1, 5):
        story.tell(day(28 * number), RESUMED).tell(day(28 * number), suspended(day(28 * number + 29)))
    seen(story, "no_contact", day(41))
    seen(held(immediate_danger=True).tell(day(0), suspended(day(29))), "no_contact", day(1))


def test_a_contact_in_time_leaves_nothing_to_be_found_and_a_late_one_settles_it() -> None:
    assert found(held().tell(day(13), CONTACT, DETECTIVE), "no_contact", day(90)) == []
    assert only(held().tell(day(20), CONTACT, DETECTIVE), "no_contact", day(90)).settled_at == day(20)
    assert found(screened().tell(day(0), CONTACT, INTAKE).tell(day(1), Assigned("d")), "no_contact", day(90)) == []


def test_a_victim_of_a_case_that_nobody_has_is_another_finding() -> None:
    assert found(screened(), "no_contact", day(90)) == []
    seen(screened().tell(day(30), Assigned(DETECTIVE.id)), "no_contact", day(30))


def test_a_victim_who_was_met_once_and_never_again_is_seen_after_45_days() -> None:
    story = held().tell(day(2), CONTACT, DETECTIVE)
    for number in range(1, 9):
        story.tell(day(2 + 10 * number), STEP, DETECTIVE)
    one = only(story, "contact_lost", day(83))
    assert (one.since, numbers(one)) == (day(47), [5])


@pytest.mark.parametrize("body", [CONTACT, THROUGH_CAREGIVER, ASKED])
def test_another_contact_or_the_end_of_the_work_leaves_nothing_to_be_found(body: Body) -> None:
    story = held().tell(day(2), CONTACT, DETECTIVE).tell(day(46), body, DETECTIVE)
    assert found(story, "contact_lost", day(90)) == []


@pytest.mark.parametrize("body", [ATTEMPT, LETTER])
def test_an_attempt_or_a_letter_is_no_contact_with_whom_nobody_contacts_any_more(body: Body) -> None:
    story = held().tell(day(2), CONTACT, DETECTIVE).tell(day(10), body, DETECTIVE).tell(day(46), body, DETECTIVE)
    assert numbers(seen(story, "contact_lost", day(47))) == [5]


def test_whoever_is_lost_again_after_a_later_contact_is_seen_again() -> None:
    story = held().tell(day(2), CONTACT, DETECTIVE).tell(day(60), THROUGH_CAREGIVER, DETECTIVE)
    first, second = found(story.tell(day(70), STEP, DETECTIVE), "contact_lost", day(200))
    assert (first.since, first.settled_at, numbers(first)) == (day(47), day(60), [5])
    assert (second.since, second.is_open, numbers(second)) == (day(105), True, [6])


def test_an_older_contact_that_is_entered_only_now_is_not_the_last() -> None:
    story = held().tell(day(2), CONTACT, DETECTIVE).tell(day(20), CONTACT, DETECTIVE)
    seen(story.tell(day(5), CONTACT, DETECTIVE, late=70 * DAY), "contact_lost", day(65))


def test_a_contact_from_long_before_the_report_is_none_that_was_lost() -> None:
    story = held().tell(day(-9), CONTACT, DETECTIVE, late=10 * DAY)
    assert found(story, "contact_lost", day(99)) == [], "no_contact finds it"
    earlier = FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(-9))
    assert numbers(seen(story.tell(day(40), earlier, INTAKE), "contact_lost", day(40))) == [5, 6]
    story.tell(day(50), CONTACT, DETECTIVE)
    first, second = found(story, "contact_lost", day(99))
    assert (first.settled_at, second.since, numbers(second)) == (day(50), day(95), [7])
    soon = held().tell(day(-0.5), CONTACT, DETECTIVE, late=DAY)
    assert numbers(seen(soon, "contact_lost", day(44.5))) == [5]


def attempts(*days: float) -> Story:
    story = held().tell(day(0), CONTACT, DETECTIVE)
    for one in days:
        story.tell(day(one), ATTEMPT, DETECTIVE)
    return story


def test_attempts_without_end_are_seen_at_the_fourth_after_a_month() -> None:
    story = attempts(*range(13, 240, 13))
    one = only(story, "never_reached", day(300))
    assert (one.since, numbers(one), one.is_open) == (day(52), [6, 7, 8, 9], True)
    assert only(story.tell(day(250), CONTACT), "never_reached", day(300)).settled_at == day(250)
    seen(attempts(1, 2, 3, 4), "never_reached", day(31))


def test_who_is_reached_after_some_attempts_is_no_finding() -> None:
    assert found(attempts(1, 2, 3, 4).tell(day(9), CONTACT, DETECTIVE), "never_reached", day(90)) == []
    assert found(attempts(1, 20, 40).tell(day(50), CONTACT).tell(day(60), ATTEMPT), "never_reached", day(90)) == []
    policy = with_settings("[detectors.never_reached]\nmost = 4")
    assert found(attempts(1, 2, 3, 4), "never_reached", day(90), policy) == []


# --- kept alive ---

REQUEST = InvestigativeStepTaken(Kind.RECORDS_REQUESTED)


def requests(*days: float, story: Story | None = None) -> Story:
    told = held().tell(day(0), CONTACT, DETECTIVE) if story is None else story
    for one in days:
        told.tell(day(one), REQUEST, DETECTIVE)
    return told


def test_a_case_in_which_records_are_asked_for_and_nothing_else_is_seen_at_the_fifth_request() -> None:
    story = requests(13, 26, 39, 52)
    story.tell(day(53), VictimContactMade(ContactMethod.THROUGH_CAREGIVER), DETECTIVE).tell(day(54), REVIEW)
    assert found(story, "only_asked", day(999)) == []
    one = only(requests(65, 78, story=story), "only_asked", day(999))
    assert (one.since, numbers(one), one.is_open) == (day(65), [6, 7, 8, 9, 12], True)
    seen(requests(1, 2, 3, 4, 5), "only_asked", day(31))
    assert only(story.tell(day(90), STEP, DETECTIVE), "only_asked", day(999)).settled_at == day(90)


@pytest.mark.parametrize("body", [STEP, CONTACT, InvestigativeStepTaken(Kind.RECORDS_RECEIVED)])
def test_whoever_does_anything_else_in_between_does_not_only_ask(body: Body) -> None:
    story = requests(13, 26, 39).tell(day(45), body, DETECTIVE)
    assert found(requests(52, 65, story=story), "only_asked", day(999)) == []


def test_work_from_long_before_the_report_is_none_in_between() -> None:
    def told_of(at: float) -> Story:
        story = requests(13, 26, 39).tell(day(at), STEP, DETECTIVE, late=(45 - at) * DAY)
        return requests(52, 65, story=story)

    assert numbers(only(told_of(-5), "only_asked", day(999))) == [6, 7, 8, 10, 11]
    assert found(told_of(44), "only_asked", day(999)) == []
    after = requests(13, 26, 39, 52, 65).tell(day(-5), STEP, DETECTIVE, late=75 * DAY)
    assert only(after, "only_asked", day(999)).is_open
    early = requests(story=held().tell(day(-5), REQUEST, DETECTIVE, late=6 * DAY))
    assert found(requests(13, 26, 39, 52, story=early), "only_asked", day(999)) == []


def test_many_requests_of_one_day_are_one_and_how_many_there_may_be_is_a_setting() -> None:
    assert found(requests(1, 1.01, 1.02, 1.03, 1.04), "only_asked", day(999)) == []
    policy = with_settings("[detectors.only_asked]\nmost = 5")
    assert found(requests(13, 26, 39, 52, 65), "only_asked", day(999), policy) == []
    assert found(approved(requests(1, 2, 3, 4, 5), day(20)), "only_asked", day(999)) == []


# --- partners ---

INTERVIEWED = ReferralCompleted("r1", holder_attended=False)


def interviewed(body: Body = INTERVIEWED, service: Service = Service.FORENSIC_INTERVIEW) -> Story:
    return referred(service).tell(day(3), body, CLINIC)


def test_a_partner_who_held_the_interview_waits_a_week_for_the_police() -> None:
    assert numbers(seen(interviewed(), "partner_waiting", day(10))) == [6]
    seen(interviewed(service=Service.MEDICAL_EVALUATION), "partner_waiting", day(10))


@pytest.mark.parametrize("actor", [DETECTIVE, SERGEANT])
def test_any_act_of_the_unit_answers_it(actor: Actor) -> None:
    assert found(interviewed().tell(day(9), STEP, actor), "partner_waiting", day(90)) == []
    assert only(interviewed().tell(day(11), STEP, actor), "partner_waiting", day(90)).settled_at == day(11)


def test_services_after_which_nothing_has_to_follow_are_no_finding() -> None:
    assert found(interviewed(service=Service.MENTAL_HEALTH), "partner_waiting", day(90)) == []
    declined = referred(Service.FORENSIC_INTERVIEW).tell(
        day(3), ReferralDeclined("r1", ReferralReason.NOT_NEEDED), CLINIC
    )
    assert found(declined, "partner_waiting", day(90)) == []


def test_of_several_that_wait_the_first_is_named() -> None:
    story = interviewed().tell(day(4), ReferralMade("r2", Service.MEDICAL_EVALUATION, CLINIC.agency), DETECTIVE)
    story.tell(day(5), ReferralCompleted("r2"), CLINIC)
    assert numbers(only(story, "partner_waiting", day(90))) == [6]
    again = story.tell(day(20), STEP, DETECTIVE)
    again.tell(day(21), ReferralMade("r3", Service.MEDICAL_EVALUATION, CLINIC.agency), DETECTIVE)
    assert len(found(again.tell(day(22), ReferralCompleted("r3"), CLINIC), "partner_waiting", day(90))) == 2


def test_who_asked_the_police_to_assist_waits_too_until_an_answer() -> None:
    assert numbers(seen(assistance_asked(), "partner_waiting", day(7))) == [3]
    answered = assistance_asked().tell(day(2), ReferralAccepted("r1"), POLICE_AS_PARTNER)
    assert found(answered, "partner_waiting", day(90)) == []
    other = assistance_asked().tell(day(1), ReferralMade("r2", Service.OTHER, CLINIC.agency), PROTECTIVE)
    seen(other.tell(day(2), ReferralAccepted("r2"), CLINIC), "partner_waiting", day(7))


def test_a_holder_who_does_not_come_to_the_interview_is_seen_at_once() -> None:
    one = only(interviewed(), "interview_missed", day(4))
    assert (one.since, numbers(one)) == (day(3), [6])
    assert only(interviewed().tell(day(5), STEP, DETECTIVE), "interview_missed", day(9)).settled_at == day(5)


@pytest.mark.parametrize("attended", [True, None])
def test_a_holder_who_came_or_of_whom_nothing_is_said_is_no_finding(attended: bool | None) -> None:
    assert found(interviewed(ReferralCompleted("r1", attended)), "interview_missed", day(9)) == []
    assert found(interviewed(service=Service.VICTIM_ADVOCACY), "interview_missed", day(9)) == []


def test_what_a_partner_does_after_the_end_of_a_case_is_no_finding() -> None:
    story = approved(referred(Service.FORENSIC_INTERVIEW), day(2)).tell(day(3), INTERVIEWED, CLINIC)
    assert found(story, "interview_missed", day(9)) == found(story, "partner_waiting", day(90)) == []
