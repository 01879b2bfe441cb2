"""Reports that nobody took up, and cases that nobody holds: seen when the limit is over, settled by what was owed."""

from datetime import timedelta

import pytest

from casetrail.domain.actions import Body
from casetrail.domain.assignment import Assigned, Reassigned, Released
from casetrail.domain.codes import CorrectionReason, HandoverReason, MergeReason, Offence
from casetrail.domain.intake import OffenceAlleged
from casetrail.domain.linking import FactCorrected, Merged
from tests.actions import DETECTIVE, INTAKE, OTHER_DETECTIVE, SERGEANT
from tests.domain.clock_histories import Story, day
from tests.domain.clock_stories import (
    ATTEMPT,
    CONTACT,
    IN,
    OUT,
    REOPENED,
    STEP,
    TRUANCY,
    WORKLOAD,
    approved,
    held,
    received,
    screened,
)
from tests.domain.detecting import found, numbers, only, seen, with_settings

LEFT = Released(HandoverReason.LEFT_AGENCY)


# --- never screened ---


def test_a_report_that_nobody_screens_is_seen_after_72_hours() -> None:
    one = seen(received(), "never_screened", day(3))
    assert numbers(one) == [1] and one.subject == "C-1"
    assert [told.level for told in one.told()] == ["holder", "supervisor", "commander"], "nobody else is there"
    assert one.told()[0].who == ("child-crimes/intake",) and one.told()[1].at == day(4)


@pytest.mark.parametrize("body", [IN, OUT])
def test_a_screening_in_time_leaves_nothing_to_be_found_and_a_late_one_settles_it(body: Body) -> None:
    assert found(received().tell(day(2.9), body, INTAKE), "never_screened", day(90)) == []
    one = only(received().tell(day(5), body, INTAKE), "never_screened", day(90))
    assert (one.since, one.settled_at, one.is_open) == (day(3), day(5), False)
    assert one.settled_by is not None and one.settled_by.number == 2


def test_what_is_entered_late_settles_a_finding_and_does_not_undo_it() -> None:
    story = received().tell(day(1), IN, INTAKE, late=timedelta(days=9))
    one = only(story, "never_screened", day(20))
    assert (one.since, one.settled_at) == (day(3), day(10))


def test_a_report_that_is_entered_late_is_seen_as_soon_as_it_is_entered() -> None:
    from tests.actions import HAPPENED, report

    story = Story().tell(HAPPENED, report(), INTAKE, late=timedelta(days=30))
    assert seen(story, "never_screened", day(30)).since == day(30)


def test_a_receipt_that_is_corrected_to_an_earlier_time_brings_the_finding_forward_but_not_before_it_was_known() -> (
    None
):
    correction = FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(-2))
    assert seen(received().tell(day(0.5), correction, INTAKE), "never_screened", day(1)).since == day(1)
    assert seen(received().tell(day(2), correction, INTAKE), "never_screened", day(2)).since == day(2)
    assert only(received().tell(day(9), correction, INTAKE), "never_screened", day(12)).since == day(3)


def test_a_reopened_report_has_to_be_screened_again() -> None:
    story = received().tell(day(1), OUT, INTAKE).tell(day(50), REOPENED)
    assert numbers(seen(story, "never_screened", day(53))) == [3]


def test_an_imported_history_is_judged_by_what_the_old_system_knew() -> None:
    from tests.actions import HAPPENED, REGISTRAR, report

    story = Story().tell(HAPPENED, report(), REGISTRAR, imported=True, late=timedelta(days=900))
    story.tell(day(10), Assigned(DETECTIVE.id), REGISTRAR, imported=True, late=timedelta(days=900))
    one = only(story, "never_screened", day(1000))
    assert (one.since, one.settled_at) == (day(3), day(10))


# --- never begun ---


def test_a_report_on_which_nothing_is_done_is_seen_after_24_hours_and_12_to_enter_it() -> None:
    assert numbers(seen(screened(), "never_begun", day(1.5))) == [1]


@pytest.mark.parametrize("body", [CONTACT, ATTEMPT, STEP])
def test_any_act_begins_the_investigation(body: Body) -> None:
    assert found(received().tell(day(0.9), IN, INTAKE).tell(day(0.95), body), "never_begun", day(90)) == []


def test_a_report_of_educational_neglect_may_wait_for_72_hours() -> None:
    seen(received(offences=TRUANCY), "never_begun", day(3.5))
    both = (*TRUANCY, OffenceAlleged(Offence.RAPE))
    seen(received(offences=both), "never_begun", day(1.5))


def test_a_report_that_is_screened_out_in_time_needs_no_investigation() -> None:
    assert found(received().tell(day(0.5), OUT, INTAKE), "never_begun", day(90)) == []


def test_a_case_that_is_reopened_is_begun_anew() -> None:
    out = received(immediate_danger=True).tell(day(0.5), OUT, INTAKE).tell(day(10), REOPENED)
    one = seen(out, "never_begun", day(11.5))
    assert (numbers(one), one.says) == ([3], "reopened and nothing was done in time")
    assert only(out.tell(day(20), STEP, SERGEANT), "never_begun", day(90)).settled_at == day(20)
    closed = approved(held().tell(day(0), STEP, DETECTIVE), day(3)).tell(day(10), REOPENED)
    assert numbers(seen(closed, "never_begun", day(11.5))) == [8]
    assert found(closed.tell(day(11.6), CONTACT), "never_begun", day(90))[0].settled_at == day(11.6)


def test_undoing_a_merger_gains_no_time_and_loses_no_work() -> None:
    def merged(story: Story) -> Story:
        return story.tell(day(1), Merged("C-2", MergeReason.SAME_INCIDENT)).tell(day(9), REOPENED)

    assert numbers(seen(merged(received()), "never_begun", day(9))) == [3]
    assert found(merged(received().tell(day(0.5), ATTEMPT, INTAKE)), "never_begun", day(90)) == []


# --- never assigned ---


def test_a_case_that_nobody_is_given_is_seen_after_a_business_day() -> None:
    assert numbers(seen(screened(), "never_assigned", day(1))) == [2]
    friday = received().tell(day(4), IN, INTAKE)
    seen(friday, "never_assigned", day(7))


def test_an_assignment_settles_it() -> None:
    assert found(held(), "never_assigned", day(90)) == []
    story = screened().tell(day(4), Assigned(DETECTIVE.id))
    assert only(story, "never_assigned", day(90)).settled_at == day(4)


def test_a_reopened_case_has_to_be_assigned_again() -> None:
    story = approved(held(), day(10)).tell(day(21), REOPENED)
    assert numbers(seen(story, "never_assigned", day(22))) == [7]


# --- held by nobody ---


def test_a_case_that_its_holder_left_is_seen_when_nobody_takes_it_over() -> None:
    story = held().tell(day(1), LEFT)
    assert numbers(seen(story, "held_by_nobody", day(2))) == [5]
    assert only(story.tell(day(30), Assigned(OTHER_DETECTIVE.id)), "held_by_nobody", day(99)).settled_at == day(30)


def test_a_case_that_is_handed_over_is_not_held_by_nobody() -> None:
    story = held().tell(day(1), Reassigned(OTHER_DETECTIVE.id, WORKLOAD))
    assert found(story, "held_by_nobody", day(90)) == []
    assert found(held().tell(day(1), LEFT).tell(day(1.5), Assigned("det.03")), "held_by_nobody", day(90)) == []


def test_who_leaves_a_closed_case_leaves_nothing_open() -> None:
    assert found(approved(held(), day(1)), "held_by_nobody", day(90)) == []


# --- shuffled ---


def passed_on(story: Story, *days: float) -> Story:
    for number, one in enumerate(days):
        story.tell(day(one), Reassigned(f"det.1{number}", WORKLOAD))
    return story


def test_a_case_that_is_handed_on_and_on_is_seen_at_the_third_handover() -> None:
    assert found(passed_on(held(), 1, 2), "shuffled", day(90)) == []
    story = passed_on(held(), 1, 2, 3, 4)
    one = only(story, "shuffled", day(90))
    assert (one.since, numbers(one)) == (day(3), [5, 6, 7])
    assert one.id == only(passed_on(held(), 1, 2, 3), "shuffled", day(90)).id


def test_work_between_handovers_counts_anew_and_later_work_settles_it() -> None:
    worked = passed_on(passed_on(held(), 1, 2).tell(day(2), STEP, DETECTIVE), 3, 4)
    assert found(worked, "shuffled", day(90)) == []
    assert only(passed_on(held(), 1, 2, 3).tell(day(8), STEP, DETECTIVE), "shuffled", day(90)).settled_at == day(8)


def test_releasing_and_assigning_is_handing_over_too() -> None:
    story = held()
    for number in range(3):
        story.tell(day(number + 1), LEFT).tell(day(number + 1.2), Assigned(f"det.2{number}"))
    assert len(numbers(only(story, "shuffled", day(90)))) == 3


def test_how_often_is_a_setting() -> None:
    policy = with_settings("[detectors.shuffled]\nmost = 0")
    assert only(passed_on(held(), 1), "shuffled", day(90), policy).since == day(1)
