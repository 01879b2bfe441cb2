"""Pauses, late entries, corrections and refusals: a clock goes by what happened, and nobody gains time by entering it."""

from datetime import timedelta
from typing import Any, Final

import pytest

from casetrail.domain.actions import ActionRejected, Actor
from casetrail.domain.assignment import Acknowledged, Assigned, Reassigned
from casetrail.domain.clocks import told
from casetrail.domain.closure import ClosureApproved
from casetrail.domain.codes import ConcernKind, ContactMethod, CorrectionReason, Role
from casetrail.domain.codes import Step as Kind
from casetrail.domain.concern import ConcernRaised
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected
from casetrail.domain.policy import Level
from casetrail.domain.policy_file import parse_policy
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, OTHER_DETECTIVE, OTHER_SERGEANT, REGISTRAR, report
from tests.domain.clock_histories import DAY, Story, day, folded
from tests.domain.clock_stories import (
    ASKED,
    CONTACT,
    DESK,
    FONDLING,
    IN,
    LAPSED,
    LEADER,
    MERGED,
    MET,
    MET_LATE,
    MISSED,
    OUT,
    PAUSED,
    PROSECUTOR,
    REOPENED,
    RESUMED,
    RUNNING,
    SIMPLE,
    STEP,
    TRUANCY,
    WORKLOAD,
    approved,
    extended,
    held,
    received,
    referred,
    runs_of,
    screened,
    suspended,
)
from tests.domain.policies import within

# --- pauses ---


def test_a_suspension_pauses_what_the_policy_says_and_nothing_else() -> None:
    story = held().tell(day(10), suspended(day(20)))
    paused = {one.name: one.due_at for one in story.clocks(day(12)) if one.state is PAUSED}
    assert paused == {"victim_contact": day(24), "progress": day(24), "supervisor_review": day(40)}
    assert story.only("decision", day(12)).state is RUNNING
    assert story.only("decision", day(12)).due_at == day(120)


def test_work_that_goes_on_earlier_is_due_earlier() -> None:
    story = held().tell(day(10), suspended(day(20))).tell(day(12), RESUMED)
    assert story.only("progress", day(13)).due_at == day(16)
    assert story.only("progress", day(13)).state is RUNNING


def test_a_pause_ends_with_the_review_date_whether_or_not_somebody_resumes() -> None:
    story = held().tell(day(10), suspended(day(20)))
    assert story.only("progress", day(20)).state is RUNNING
    assert story.only("progress", day(24.1)).state is MISSED
    assert story.only("suspension_review", day(20.1)).state is MISSED


def test_a_renewed_suspension_is_reviewed_anew() -> None:
    story = held().tell(day(10), suspended(day(20))).tell(day(19), suspended(day(25)))
    assert runs_of(story.runs("suspension_review", day(24))) == [(day(10), day(19), MET), (day(19), None, RUNNING)]
    assert story.only("progress", day(24)).due_at == day(29)


def test_the_contact_with_a_victim_is_put_off_by_one_suspension_and_by_none_that_is_renewed_or_comes_later() -> None:
    story = held().tell(day(10), suspended(day(20)))
    assert (story.only("victim_contact", day(12)).due_at, story.only("victim_contact", day(12)).state) == (
        day(24),
        PAUSED,
    )
    story.tell(day(19), suspended(day(40))).tell(day(30), RESUMED).tell(day(30), suspended(day(50)))
    found = story.only("victim_contact", day(22))
    assert (found.due_at, found.state) == (day(23), RUNNING)
    assert story.only("victim_contact", day(23.1)).state is MISSED
    anew = approved(story, day(41)).tell(day(60), REOPENED).tell(day(61), suspended(day(71)))
    assert anew.runs("victim_contact", day(62))[-1].due_at == day(84)


def test_what_was_missed_is_not_paused_away() -> None:
    assert held().tell(day(15), suspended(day(30))).only("progress", day(16)).state is MISSED


def test_nobody_can_pause_the_past() -> None:
    entered_late = held().tell(day(5), suspended(day(12)), late=5 * DAY)  # recorded on day 10
    assert entered_late.only("progress", day(11)).due_at == day(16)
    too_late = held().tell(day(5), suspended(day(12)), late=9 * DAY)  # recorded on day 14
    assert too_late.only("progress", day(14)).due_at == day(14)


def test_an_imported_suspension_counts_from_when_it_happened() -> None:
    story = Story()
    for at, body in ((0.0, report()), (0.0, IN), (0.0, Assigned(DETECTIVE.id)), (5.0, suspended(day(12)))):
        story.tell(day(at), body, Actor("registrar.1", "metro-pd", Role.REGISTRAR), late=300 * DAY, imported=True)
    assert story.only("progress", day(14)).due_at == day(21)


# --- entered late, in another order, corrected, refused ---


def test_entering_a_report_late_gains_no_time() -> None:
    story = Story().tell(HAPPENED, report(), INTAKE, late=20 * DAY)
    assert story.only("screening", day(20)).due_at == day(3)


def test_an_act_that_is_entered_late_finds_its_place() -> None:
    story = held().tell(day(30), STEP, DETECTIVE).tell(day(12), CONTACT, DETECTIVE, late=25 * DAY)
    assert runs_of(story.runs("progress", day(38))) == [
        (day(0), day(12), MET), (day(12), day(30), MET_LATE), (day(30), None, RUNNING),
    ]  # fmt: skip
    assert [one.ended_by for one in story.runs("progress", day(38))] == [6, 5, None]


def test_a_first_contact_that_is_entered_late_counts_from_when_it_was_made() -> None:
    story = held().tell(day(20), CONTACT, DETECTIVE)
    assert story.only("victim_contact", day(21)).state is MET_LATE
    found = story.tell(day(3), CONTACT, DETECTIVE, late=20 * DAY).only("victim_contact", day(24))
    assert (found.state, found.ended_at, found.ended_by) == (MET, day(3), 6)


def test_who_was_there_before_the_report_was_written_has_answered_it() -> None:
    story = held().tell(day(-0.1), CONTACT, DETECTIVE, late=2 * DAY)
    assert (story.only("first_response", day(9)).state, story.only("first_response", day(9)).ended_at) == (MET, day(0))


def test_an_act_from_before_the_assignment_is_no_progress_after_it() -> None:
    story = screened().tell(day(5), Assigned(DETECTIVE.id)).tell(day(2), STEP, DETECTIVE, late=4 * DAY)
    assert story.only("progress", day(20)).state is MISSED


def test_what_follows_from_something_never_comes_before_it() -> None:
    story = screened().tell(day(1), Assigned(DETECTIVE.id)).tell(day(0.5), Acknowledged(), DETECTIVE, late=1 * DAY)
    assert runs_of(story.runs("acknowledgement", day(9))) == [(day(1), day(1), MET)]


def test_an_acknowledgement_is_of_the_last_assignment_only() -> None:
    story = screened().tell(day(0), Assigned(DETECTIVE.id)).tell(day(4), Reassigned(OTHER_DETECTIVE.id, WORKLOAD))
    story.tell(day(0.5), Acknowledged(), OTHER_DETECTIVE, late=4 * DAY)
    assert runs_of(story.runs("acknowledgement", day(9))) == [(day(0), day(4), MISSED), (day(4), day(4), MET)]


def test_a_correction_counts_from_the_beginning() -> None:
    def corrected(**changes: Any) -> Story:
        body = FactCorrected(1, CorrectionReason.ENTERED_WRONG, **changes)
        return held(offences=SIMPLE).tell(day(3), body, INTAKE)

    assert corrected(immediate_danger=True).only("danger_contact", day(3)).state is MISSED
    assert corrected(offences=FONDLING).only("decision", day(3)).due_at == day(120)
    missed, longer = corrected(offences=TRUANCY).runs("first_response", day(3))
    assert (missed.due_at, missed.ended_at, longer.due_at, longer.is_owed) == (day(1), day(3), day(3), True)
    earlier = corrected(happened_at=day(-40)).only("decision", day(3))
    assert (earlier.started_at, earlier.due_at) == (day(-40), day(5))
    assert corrected(happened_at=day(2)).only("decision", day(3)).started_at == HAPPENED


def test_what_is_decided_counts_from_when_it_is_recorded() -> None:
    after = timedelta(days=30)
    patient = after - timedelta(minutes=10)
    late = held(offences=SIMPLE).tell(day(44), extended(day(80)), late=after)
    assert runs_of(late.runs("decision", day(99))) == [(day(0), day(44) + patient, MET_LATE)]
    assert late.only("extended_decision", day(99)).started_at == day(44), "entering late gains no time"
    asked = held().tell(day(1), ASKED, DETECTIVE).tell(day(2), ClosureApproved(), late=after)
    assert runs_of(asked.runs("closure_decision", day(99))) == [(day(1), day(2) + patient, MET_LATE)]
    assert asked.only("victim_contact", day(99)).state is MISSED, "the case has not ended before it was recorded"
    drawer = received(immediate_danger=True).tell(day(0.1), OUT, INTAKE, late=after)
    assert drawer.only("screening", day(99)).state is MET_LATE
    assert drawer.only("danger_contact", day(99)).state is MISSED
    renewed = held().tell(day(1), suspended(day(20))).tell(day(19), suspended(day(40)), late=after)
    assert renewed.runs("suspension_review", day(99))[0].state is MET_LATE
    merged = held().tell(day(1), MERGED, late=after)
    assert merged.only("first_response", day(99)).state is MISSED


def test_who_decides_in_time_has_ten_minutes_to_enter_it() -> None:
    for late, state in ((10, MET), (11, MET_LATE)):
        story = received().tell(day(3), OUT, INTAKE, late=timedelta(minutes=late))
        assert story.only("screening", day(9)).state is state


def test_an_imported_decision_counts_from_when_it_was_taken() -> None:
    story = Story().tell(HAPPENED, report(), REGISTRAR, imported=True, late=400 * DAY)
    story.tell(day(1), OUT, REGISTRAR, imported=True, late=400 * DAY)
    assert story.only("screening", day(500)).state is MET


def test_a_child_in_danger_is_seen_in_person_only() -> None:
    for method in ContactMethod:
        story = held(immediate_danger=True).tell(day(0.5), VictimContactMade(method), DETECTIVE)
        seen = method is ContactMethod.IN_PERSON
        assert story.only("danger_contact", day(2)).state is (MET if seen else MISSED), method


HEARD: Final = (ContactMethod.IN_PERSON, ContactMethod.PHONE, ContactMethod.THROUGH_PARTNER)


@pytest.mark.parametrize("method", ContactMethod)
def test_only_who_hears_the_child_has_contacted_it_and_begun(method: ContactMethod) -> None:
    story = held().tell(day(0.5), VictimContactMade(method), DETECTIVE)
    state = MET if method in HEARD else MISSED
    assert story.only("victim_contact", day(15)).state is state
    assert story.only("first_response", day(15)).state is state
    assert [one.due_at for one in story.runs("progress", day(1))] == [day(14), day(14.5)], "it is work all the same"
    facts = folded(story.events).facts
    assert (facts.first_contact_at == day(0.5), facts.contacts == 1) == (method in HEARD, method in HEARD)
    assert facts.contact_attempts == (method is ContactMethod.LETTER)


def test_whoever_attends_the_forensic_interview_has_heard_the_child_and_worked_the_case() -> None:
    attended = InvestigativeStepTaken(Kind.FORENSIC_INTERVIEW_ATTENDED)
    story = held().tell(day(0.5), attended, DETECTIVE)
    assert {story.only(name, day(15)).state for name in ("victim_contact", "first_response")} == {MET}
    assert folded(story.events).facts.first_contact_at == day(0.5)
    story.tell(day(9), STEP, DETECTIVE).tell(day(4), attended, DETECTIVE, late=6 * DAY)
    assert [one.started_at for one in story.runs("progress", day(20))] == [day(0), day(0.5), day(4), day(9)]


def test_correspondence_is_no_work() -> None:
    story = held().tell(day(0.5), InvestigativeStepTaken(Kind.CORRESPONDENCE), DETECTIVE)
    assert story.only("first_response", day(2)).state is MISSED
    assert story.only("progress", day(15)).state is MISSED
    facts = folded(story.events).facts
    assert (facts.steps, facts.first_act_at) == (0, None)


def test_a_policy_may_say_that_any_contact_is_enough() -> None:
    by_phone = held(immediate_danger=True).tell(day(0.5), VictimContactMade(ContactMethod.PHONE), DETECTIVE)
    lax = parse_policy(within("clocks.danger_contact", '["victim_seen"]', '["victim_contact"]'))
    assert by_phone.only("danger_contact", day(2), (day(-9), lax)).state is MET


def wrong(**changes: Any) -> FactCorrected:
    return FactCorrected(1, CorrectionReason.ENTERED_WRONG, **changes)


def test_a_deadline_that_was_missed_is_not_corrected_away() -> None:
    story = held(immediate_danger=True).tell(day(4), wrong(immediate_danger=False))
    missed = story.only("danger_contact", day(99))
    assert (missed.state, missed.due_at, missed.ended_at, missed.ended_by) == (MISSED, day(1), day(4), 5)
    assert not missed.is_owed, "since the correction nobody owes it"
    story.tell(day(6), CONTACT, DETECTIVE)
    assert story.only("danger_contact", day(99)) == missed
    story.tell(day(9), wrong(immediate_danger=True))
    assert runs_of(story.runs("danger_contact", day(99))) == [(day(0), day(6), MET_LATE)]


def test_what_was_done_stays_done_whatever_is_corrected_later() -> None:
    for at, state in ((0.5, MET), (2, MET_LATE)):
        story = held(immediate_danger=True).tell(day(at), CONTACT, DETECTIVE)
        found = story.tell(day(4), wrong(immediate_danger=False)).only("danger_contact", day(99))
        assert (found.state, found.ended_at) == (state, day(at))


def test_what_is_corrected_in_time_is_owed_no_longer() -> None:
    story = held(immediate_danger=True).tell(day(0.5), wrong(immediate_danger=False))
    assert runs_of(story.runs("danger_contact", day(99))) == [(day(0), day(0.5), LAPSED)]
    entered_late = held(immediate_danger=True).tell(day(0.5), wrong(immediate_danger=False), late=4 * DAY)
    assert entered_late.only("danger_contact", day(99)).ended_at == day(4.5), "nobody corrects in the past"
    again = held(immediate_danger=True)
    for number in range(1, 9):
        again.tell(day(number / 10), wrong(immediate_danger=number % 2 == 0))
    assert again.only("danger_contact", day(99)).state is MISSED


def test_a_longer_limit_by_correction_undoes_no_missed_deadline() -> None:
    for at, expected in ((50, [(day(0), day(50), MISSED), (day(0), None, RUNNING)]), (40, [(day(0), None, RUNNING)])):
        story = held(offences=SIMPLE).tell(day(at), wrong(offences=FONDLING))
        assert runs_of(story.runs("decision", day(99))) == expected
        assert [one.due_at for one in story.runs("decision", day(99)) if one.is_owed] == [day(120)]
    late = approved(held(offences=SIMPLE), day(50)).tell(day(60), wrong(offences=FONDLING))
    assert runs_of(late.runs("decision", day(99))) == [(day(0), day(50), MET_LATE)]


def test_what_is_no_longer_alleged_when_it_is_reopened_is_not_owed() -> None:
    story = received(immediate_danger=True).tell(day(0.2), OUT, INTAKE).tell(day(0.3), wrong(immediate_danger=False))
    story.tell(day(5), REOPENED)
    assert runs_of(story.runs("danger_contact", day(99))) == [(day(0), day(0.2), LAPSED)]


def test_what_was_refused_stops_no_clock() -> None:
    story = held().tell(day(1), ASKED, DETECTIVE)
    story.record(None, ActionRejected("ClosureApproved", "closing-takes-two"))
    assert story.only("closure_decision", day(2)).state is RUNNING


def test_who_is_assigned_was_screened_in() -> None:
    story = Story()
    for at, body in ((0.0, report()), (1.0, Assigned(DETECTIVE.id))):
        story.tell(day(at), body, Actor("registrar.1", "metro-pd", Role.REGISTRAR), late=9 * DAY, imported=True)
    assert story.only("screening", day(9)).state is MET
    assert story.runs("assignment", day(9)) == []


# --- escalation ---


def test_a_missed_clock_names_who_is_told_step_by_step() -> None:
    found = held().only("decision", day(200))
    assert found.tells() == [
        (Level.HOLDER, day(120)), (Level.SUPERVISOR, day(121)), (Level.COMMANDER, day(123)), (Level.PARTNERS, day(127)),
        (Level.OVERSIGHT, day(134)),
    ]  # fmt: skip


def test_a_step_is_somebody_of_the_case() -> None:
    from tests.domain.clock_histories import folded

    story = referred().tell(day(1), ConcernRaised("c1", ConcernKind.OTHER), PROSECUTOR)
    facts = folded(story.events).facts
    assert told(facts, story.only("decision", day(1)), Level.HOLDER) == (DETECTIVE.id,)
    assert told(facts, story.only("referral_answer", day(1)), Level.HOLDER) == (CLINIC.agency,)
    assert told(facts, story.only("decision", day(1)), Level.SUPERVISOR) == (LEADER,)
    assert told(facts, story.only("decision", day(1)), Level.COMMANDER) == ("child-crimes/commander",)
    assert told(facts, story.only("decision", day(1)), Level.PARTNERS) == (CLINIC.agency, "prosecutor")
    assert told(facts, story.only("decision", day(1)), Level.OVERSIGHT) == ()


def test_of_a_case_that_nobody_holds_the_intake_desk_is_told() -> None:
    from tests.domain.clock_histories import folded

    story = screened()
    assert told(folded(story.events).facts, story.only("decision", day(1)), Level.HOLDER) == (DESK,)


def test_a_second_person_matters_to_no_clock() -> None:
    story = held().tell(day(1), ASKED, DETECTIVE).tell(day(2), ClosureApproved(), OTHER_SERGEANT)
    assert story.only("closure_decision", day(3)).state is MET
