"""Deadlines that the log showed as missed, and that were met by what somebody entered afterwards."""

from datetime import timedelta

from casetrail.domain.assignment import Acknowledged, Assigned, Reassigned
from casetrail.domain.codes import ConcernAnswer, ConcernKind, CorrectionReason, Service
from casetrail.domain.concern import ConcernAnswered, ConcernRaised
from casetrail.domain.linking import FactCorrected
from casetrail.domain.policy_file import parse_policy
from casetrail.domain.referral import ReferralAccepted, ReferralMade
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, OTHER_DETECTIVE, REGISTRAR, report
from tests.domain.clock_histories import HOUR, Story, day
from tests.domain.clock_stories import (
    CONTACT,
    MET,
    REVIEW,
    STEP,
    WORKLOAD,
    held,
    screened,
)
from tests.domain.detecting import found, numbers, only, with_settings
from tests.domain.policies import within

DETECTOR = "met_afterwards"
MOMENT = timedelta(microseconds=1)


def seen_late(at: float, entered: float, story: Story | None = None) -> Story:
    """A child in danger who is said to have been seen, and since when that is in the log."""
    story = story or held(immediate_danger=True)
    return story.tell(day(at), CONTACT, DETECTIVE, late=timedelta(days=entered - at))


def test_a_missed_deadline_that_is_met_by_what_is_entered_on_the_sixth_day_is_seen_then() -> None:
    story = seen_late(20 / 24, 6)
    assert story.only("danger_contact", day(9)).state is MET
    one = only(story, DETECTOR, day(9))
    assert (one.since, numbers(one), one.is_open) == (day(6), [5, 1], True)
    assert (
        one.says
        == "no longer missed, by what was entered 5 days after that was seen: danger_contact and first_response"
    )


def test_nothing_that_is_done_afterwards_settles_it() -> None:
    story = seen_late(20 / 24, 6).tell(day(7), REVIEW).tell(day(8), CONTACT, DETECTIVE)
    assert only(story, DETECTOR, day(99)).is_open


def test_what_is_entered_within_three_business_days_after_the_deadline_is_usual() -> None:
    assert found(seen_late(20 / 24, 4), DETECTOR, day(9)) == []
    assert len(found(seen_late(20 / 24, 4.01), DETECTOR, day(9))) == 1


def test_an_honest_night_shift_before_days_off_and_a_weekend_makes_no_finding() -> None:
    friday = day(4)
    story = Story().tell(friday, report(immediate_danger=True), INTAKE)
    story.tell(
        friday + 14 * HOUR, CONTACT, DETECTIVE, late=timedelta(days=4)
    )  # on Friday night; entered on Tuesday night
    assert story.only("danger_contact", day(9)).state is MET
    assert found(story, DETECTOR, day(99)) == []


def test_a_policy_says_what_is_usual_on_the_calendar_on_which_cases_are_taken_on() -> None:
    strict = with_settings('[detectors.met_afterwards]\nusual = "1 hour"')
    assert found(seen_late(20 / 24, 1 + 1 / 24), DETECTOR, day(9), strict) == []
    assert len(found(seen_late(20 / 24, 1.1), DETECTOR, day(9), strict)) == 1
    wall = parse_policy(within("clocks.acknowledgement", 'calendar = "business_days"', 'calendar = "wall"'))
    friday = Story().tell(day(3), report(), INTAKE).tell(day(3.5), CONTACT, DETECTIVE, late=timedelta(days=4.5))
    assert found(friday, DETECTOR, day(99)) == []
    assert len(found(friday, DETECTOR, day(99), wall)) == 1


def test_an_act_that_came_too_late_or_was_entered_before_the_deadline_is_none() -> None:
    assert found(seen_late(1.1, 9), DETECTOR, day(99)) == []
    assert found(held().tell(day(0.5), CONTACT, DETECTIVE), DETECTOR, day(99)) == []
    assert found(held().tell(day(1), CONTACT, DETECTIVE).tell(day(2), STEP, DETECTIVE, late=timedelta(days=9)),
                 DETECTOR, day(99)) == [], "it only comes between two acts that were in time"  # fmt: skip


def test_what_had_been_met_in_the_log_is_not_met_again_by_an_earlier_act_that_is_entered_late() -> None:
    story = seen_late(0.9, 0.95)
    assert found(seen_late(0.2, 9, story), DETECTOR, day(99)) == []
    late = seen_late(2, 2)
    assert numbers(only(seen_late(0.5, 9, late), DETECTOR, day(99))) == [6, 1], "what was late is in time by it"


def test_the_gap_between_two_acts_that_somebody_fills_afterwards_is_seen() -> None:
    story = held().tell(day(0.5), CONTACT, DETECTIVE).tell(day(30), STEP, DETECTIVE)
    story.tell(day(12), STEP, DETECTIVE, late=timedelta(days=20))
    one = only(story, DETECTOR, day(99))
    assert (one.since, numbers(one)) == (day(32), [7, 5])
    assert one.says.endswith(": progress")


def test_reviews_acknowledgements_assignments_and_answers_are_seen_like_work() -> None:
    late = timedelta(days=30)
    raised = held().tell(day(1), ConcernRaised("c1", ConcernKind.OTHER), CLINIC)
    for story, clock in (
        (held().tell(day(29), REVIEW, late=late), "supervisor_review"),
        (screened().tell(day(0), Assigned(DETECTIVE.id)).tell(day(0.5), Acknowledged(), DETECTIVE, late=late), "acknowledgement"),
        (screened().tell(day(0.5), Assigned(DETECTIVE.id), late=late), "assignment"),
        (raised.tell(day(2), ConcernAnswered("c1", ConcernAnswer.EXPLAINED), late=late), "concern_answer"),
        (screened().tell(day(0), Assigned(DETECTIVE.id)).tell(day(0.5), Reassigned(OTHER_DETECTIVE.id, WORKLOAD), late=late), "acknowledgement"),
    ):  # fmt: skip
        assert clock in only(story, DETECTOR, day(99)).says


def test_a_report_that_was_entered_late_leaves_time_to_enter_the_rest() -> None:
    def drawer(entered: float) -> Story:
        story = Story().tell(HAPPENED, report(), INTAKE, late=timedelta(days=10))
        return story.tell(day(0.5), CONTACT, DETECTIVE, late=timedelta(days=entered - 0.5))

    assert found(drawer(11), DETECTOR, day(99)) == []
    assert len(found(drawer(15.1), DETECTOR, day(99))) == 1


def test_what_is_imported_or_entered_by_another_agency_is_none() -> None:
    late = timedelta(days=30)
    old = Story().tell(HAPPENED, report(), REGISTRAR, imported=True, late=late)
    assert found(old.tell(day(0.5), STEP, REGISTRAR, imported=True, late=late), DETECTOR, day(99)) == []
    asked = held().tell(day(0.5), ReferralMade("r1", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE)
    asked.tell(day(1), CONTACT, DETECTIVE).tell(day(1.5), ReferralAccepted("r1"), CLINIC, late=late)
    assert asked.only("forensic_interview", day(99)).state is MET
    assert found(asked, DETECTOR, day(99)) == []


def test_no_correction_that_comes_afterwards_changes_what_was_found() -> None:
    calm = FactCorrected(1, CorrectionReason.ENTERED_WRONG, immediate_danger=False)
    story = seen_late(0.5, 6).tell(day(7), calm, INTAKE)
    assert only(story, DETECTOR, day(99)) == only(seen_late(0.5, 6), DETECTOR, day(99))
