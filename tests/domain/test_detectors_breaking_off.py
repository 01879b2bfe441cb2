"""Interviews and examinations that are broken off: by the end of the case, or by being withdrawn."""

from datetime import timedelta

import pytest

from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Assigned
from casetrail.domain.closure import ClosureApproved, ClosureRequested, Reopened
from casetrail.domain.codes import (
    AgencyKind,
    CorrectionReason,
    Disposition,
    ReferralReason,
    ReopeningReason,
    Role,
    ScreeningReason,
    Service,
)  # fmt: skip
from casetrail.domain.codes import Step as Kind
from casetrail.domain.detectors.counting import What, counted
from casetrail.domain.intake import ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    ReferralWithdrawn,
)
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, REGISTRAR, report
from tests.domain.clock_histories import DAY, Story, day
from tests.domain.clock_stories import (
    ASKED,
    IN,
    OUT,
    RATIONALE,
    REOPENED,
    RESUMED,
    SIMPLE,
    STEP,
    approved,
    held,
    received,
    suspended,
)
from tests.domain.detecting import found, history_of, numbers, only, seen, with_settings

OVER, WITHDRAWN = "closed_over_partner", "interview_withdrawn"
INTERVIEW, EXAM = Service.FORENSIC_INTERVIEW, Service.MEDICAL_EVALUATION
CENTER = Actor("cac.ng", "cac", Role.PARTNER)
ATTENDED = InvestigativeStepTaken(Kind.FORENSIC_INTERVIEW_ATTENDED)
NOT_NEEDED = ReferralReason.NOT_NEEDED


def asked_for(
    name: str, service: Service = INTERVIEW, acute: bool = False, agency: str = CENTER.agency
) -> ReferralMade:
    return ReferralMade(name, service, agency, acute)


def running(service: Service = INTERVIEW, accepted: bool = True, acute: bool = False) -> Story:
    """A partner was asked on the first day, and said yes."""
    story = held().tell(day(0.1), asked_for("r1", service, acute), DETECTIVE)
    return story.tell(day(0.2), ReferralAccepted("r1"), CENTER) if accepted else story


# --- closed over a running service ---


@pytest.mark.parametrize("service", [INTERVIEW, EXAM])
@pytest.mark.parametrize("accepted", [True, False])
def test_a_case_that_is_closed_before_the_interview_or_exam_is_seen_at_once(service: Service, accepted: bool) -> None:
    one = only(approved(running(service, accepted), day(2)), OVER, day(3))
    assert (one.since, one.is_open) == (day(2), True)
    assert numbers(one) == ([8, 7, 6] if accepted else [7, 6, 5])
    assert one.says == f"ended before the {service.replace('_', ' ')}"


def test_that_it_is_given_afterwards_or_withdrawn_settles_nothing_and_reopening_does() -> None:
    for body, actor in (
        (ReferralCompleted("r1", False), CENTER),
        (ReferralCompleted("r1"), CENTER),
        (ReferralWithdrawn("r1", NOT_NEEDED), DETECTIVE),
    ):
        assert only(approved(running(), day(2)).tell(day(8), body, actor), OVER, day(99)).is_open
    assert only(approved(running(), day(2)).tell(day(8), REOPENED), OVER, day(99)).settled_at == day(8)


def test_what_had_been_given_before_or_is_not_given_at_all_settles_it() -> None:
    late = approved(running(), day(2)).tell(day(1), ReferralCompleted("r1"), CENTER, late=timedelta(days=7))
    assert only(late, OVER, day(99)).settled_at == day(8)
    absent = approved(running(), day(2)).tell(day(1), ReferralCompleted("r1", False), CENTER, late=timedelta(days=7))
    assert only(absent, OVER, day(99)).is_open
    for body in (ReferralCompleted("r1", True), ReferralDeclined("r1", ReferralReason.COULD_NOT_REACH)):
        assert only(approved(running(), day(2)).tell(day(8), body, CENTER), OVER, day(99)).settled_at == day(8)


def test_of_several_that_run_all_must_be_explained() -> None:
    story = running().tell(day(0.3), asked_for("r2", EXAM, agency=CLINIC.agency), DETECTIVE)
    story = approved(story, day(2)).tell(day(3), ReferralCompleted("r1", True), CENTER)
    assert only(story, OVER, day(99)).is_open
    assert only(story, OVER, day(99)).says == "ended before the forensic interview and medical evaluation"
    story.tell(day(4), ReferralDeclined("r2", ReferralReason.OUTSIDE_CRITERIA), CLINIC)
    assert only(story, OVER, day(99)).settled_at == day(4)


@pytest.mark.parametrize(
    ("body", "actor"),
    [
        (ReferralCompleted("r1"), CENTER),
        (ReferralDeclined("r1", ReferralReason.OUTSIDE_CRITERIA), CENTER),
        (ReferralWithdrawn("r1", NOT_NEEDED), DETECTIVE),
        (ATTENDED, DETECTIVE),
    ],
)
def test_what_is_over_when_the_case_is_closed_is_no_finding(body: Body, actor: Actor) -> None:
    assert found(approved(running().tell(day(1), body, actor), day(2)), OVER, day(99)) == []


def test_records_that_were_received_since_bring_the_examination_and_no_interview() -> None:
    fetched = InvestigativeStepTaken(Kind.RECORDS_RECEIVED)
    assert found(approved(running(EXAM).tell(day(1), fetched, DETECTIVE), day(2)), OVER, day(99)) == []
    assert len(found(approved(running().tell(day(1), fetched, DETECTIVE), day(2)), OVER, day(99))) == 1
    before = held().tell(day(0), fetched, DETECTIVE).tell(day(0.1), asked_for("r1", EXAM), DETECTIVE)
    assert len(found(approved(before, day(2)), OVER, day(99))) == 1


def test_other_services_and_assistance_and_what_another_agency_goes_on_with_are_no_finding() -> None:
    assert found(approved(running(Service.VICTIM_ADVOCACY), day(2)), OVER, day(99)) == []
    to_itself = held().tell(day(0.1), asked_for("r1", agency="metro-pd"), CENTER)
    assert found(approved(to_itself, day(2)), OVER, day(99)) == []
    away = ClosureRequested(Disposition.TRANSFERRED, transferred_to="sheriff", acknowledgement="S-1", sealed=RATIONALE)
    assert found(running().tell(day(2), away, DETECTIVE).tell(day(2), ClosureApproved()), OVER, day(99)) == []
    policy = with_settings(f'[detectors.{OVER}]\nservices = ["medical_evaluation"]')
    assert found(approved(running(), day(2)), OVER, day(99), policy) == []


AGENCIES = {
    "sheriff": AgencyKind.LAW_ENFORCEMENT,
    "advocates": AgencyKind.VICTIM_ADVOCACY,
    "cac": AgencyKind.CHILD_ADVOCACY_CENTER,
}


@pytest.mark.parametrize(("agency", "is_found"), [("sheriff", False), ("advocates", True), ("unheard-of", False)])
def test_who_transfers_a_case_to_an_agency_that_does_not_investigate_has_ended_it(agency: str, is_found: bool) -> None:
    away = ClosureRequested(Disposition.TRANSFERRED, transferred_to=agency, acknowledgement="S-1", sealed=RATIONALE)
    story = running().tell(day(2), away, DETECTIVE).tell(day(2), ClosureApproved())
    assert len(found(story, OVER, day(99), agencies=AGENCIES)) == is_found
    assert found(story, OVER, day(99)) == [], "the registry knows nobody"
    elsewhere = ScreenedOut(ScreeningReason.OTHER_AGENCY_RESPONSIBLE, referred_to=agency)
    screened = received().tell(day(0.1), asked_for("r1", EXAM, acute=True), INTAKE).tell(day(0.2), elsewhere, INTAKE)
    assert len(found(screened, OVER, day(99), agencies=AGENCIES)) == is_found


def test_screening_out_while_a_child_is_examined_is_found_unless_somebody_else_has_the_report() -> None:
    def out(reason: ScreeningReason) -> Story:
        story = received().tell(day(0.1), asked_for("r1", EXAM, acute=True), INTAKE)
        return story.tell(day(0.2), ScreenedOut(reason), INTAKE)

    one = only(out(OUT.reason), OVER, day(9))
    assert (one.since, numbers(one)) == (day(0.2), [3, 2])
    assert found(out(ScreeningReason.OTHER_AGENCY_RESPONSIBLE), OVER, day(9)) == []


def test_what_is_given_after_the_case_was_reopened_does_not_undo_that_it_had_been_closed_before() -> None:
    story = approved(running(), day(2)).tell(day(3), REOPENED).tell(day(4), ReferralCompleted("r1", True), CENTER)
    assert only(approved(story.tell(day(5), Assigned(DETECTIVE.id)), day(9)), OVER, day(99)).settled_at == day(3)


def test_a_referral_that_has_the_id_of_one_that_an_old_system_had_done_with_runs_all_the_same() -> None:
    old, late = Story(), 40 * DAY
    words = (report(), IN, asked_for("r1"), ReferralCompleted("r1"), asked_for("r1"))
    for at, body in enumerate(words):
        old.tell(day(at), body, REGISTRAR, imported=True, late=late)
    assert len(found(approved(old.tell(day(50), Assigned(DETECTIVE.id)), day(51)), OVER, day(99))) == 1


def test_what_an_old_system_closed_is_not_judged() -> None:
    story = Story()
    for body in (report(), IN, Assigned(DETECTIVE.id), asked_for("r1"), ASKED, ClosureApproved()):
        story.tell(HAPPENED, body, REGISTRAR, imported=True, late=timedelta(days=400))
    assert found(story, OVER, day(900)) == []


# --- an acute examination that was withdrawn before the end ---


def broken_off(reason: ReferralReason = ReferralReason.NOT_NEEDED, acute: bool = True) -> Story:
    """An examination that the clinic had accepted, and that was withdrawn on the first day."""
    return running(EXAM, acute=acute).tell(day(1), ReferralWithdrawn("r1", reason), DETECTIVE)


def test_a_case_that_is_closed_after_the_acute_examination_was_withdrawn_is_seen_at_once() -> None:
    one = only(approved(broken_off(), day(2)), OVER, day(3))
    assert (one.since, numbers(one)) == (day(2), [9, 8, 7])
    assert one.says == "ended before the acute examination, which was withdrawn"
    assert only(approved(broken_off(), day(2)).tell(day(4), REOPENED), OVER, day(9)).settled_at == day(4)
    for story in (broken_off(ReferralReason.FAMILY_DECLINED), broken_off(acute=False)):
        assert found(approved(story, day(2)), OVER, day(9)) == []
    policy = with_settings(f"[detectors.{OVER}]\nexcused = []")
    assert len(found(approved(broken_off(ReferralReason.FAMILY_DECLINED), day(2)), OVER, day(9), policy)) == 1


def test_who_arranged_another_or_took_back_a_wrong_one_or_has_the_records_has_not_broken_it_off() -> None:
    another = broken_off().tell(day(1), asked_for("r2", EXAM, True, CLINIC.agency), DETECTIVE)
    assert [numbers(one)[2:] for one in found(approved(another, day(2)), OVER, day(9))] == [[8]], "it still runs"
    for body in (ReferralCompleted("r2"), ReferralDeclined("r2", ReferralReason.OUTSIDE_CRITERIA)):
        story = broken_off().tell(day(1), asked_for("r2", EXAM, True, CLINIC.agency), DETECTIVE)
        assert found(approved(story.tell(day(1.5), body, CLINIC), day(2)), OVER, day(9)) == []
    wrong = running(EXAM, accepted=False, acute=True).tell(day(0.12), ReferralWithdrawn("r1", NOT_NEEDED), DETECTIVE)
    assert found(approved(wrong, day(2)), OVER, day(9)) == []
    fetched = broken_off().tell(day(1), InvestigativeStepTaken(Kind.RECORDS_RECEIVED), DETECTIVE)
    assert found(approved(fetched, day(2)), OVER, day(9)) == []
    away = ClosureRequested(Disposition.TRANSFERRED, transferred_to="sheriff", acknowledgement="S-1", sealed=RATIONALE)
    assert found(broken_off().tell(day(2), away, DETECTIVE).tell(day(2), ClosureApproved()), OVER, day(9)) == []


def test_a_case_that_is_reopened_years_later_for_something_new_owes_no_old_examination() -> None:
    for reason, count in ((ReopeningReason.NEW_INFORMATION, 1), (ReopeningReason.CLOSED_IN_ERROR, 2)):
        story = approved(broken_off(), day(2)).tell(day(400), Reopened(reason)).tell(day(400), Assigned(DETECTIVE.id))
        assert len(found(approved(story, day(410)), OVER, day(900))) == count


# --- withdrawn ---


def withdrawn(story: Story, at: float = 1, name: str = "r1", reason: ReferralReason = NOT_NEEDED) -> Story:
    return story.tell(day(at), ReferralWithdrawn(name, reason), DETECTIVE)


def test_an_interview_that_was_accepted_and_withdrawn_is_seen_when_no_other_is_arranged_in_time() -> None:
    one = seen(withdrawn(running()), WITHDRAWN, day(8))  # five business days, from Tuesday to Tuesday
    assert (numbers(one), one.says) == ([7, 5], "the forensic interview was withdrawn, and not arranged anew")
    assert numbers(seen(withdrawn(running(EXAM, acute=True)), WITHDRAWN, day(4))) == [7, 5]
    unanswered = withdrawn(running(EXAM, accepted=False, acute=True))
    assert numbers(seen(unanswered, WITHDRAWN, day(4))) == [6, 5]


def test_another_one_the_interview_itself_or_the_end_of_the_case_settles_it() -> None:
    for body, actor in ((ReferralAccepted("r2"), CLINIC), (ATTENDED, DETECTIVE), (ClosureApproved(), None)):
        for at in (2, 12):
            story = withdrawn(running()).tell(day(1), asked_for("r2", agency=CLINIC.agency), DETECTIVE)
            if actor is None:
                story.tell(day(at), ASKED, DETECTIVE).tell(day(at), body)
            else:
                story.tell(day(at), body, actor)
            listed = found(story, WITHDRAWN, day(99))
            assert [one.settled_at for one in listed] == ([] if at == 2 else [day(12)])
    other_service = withdrawn(running()).tell(day(2), asked_for("r2", EXAM), DETECTIVE)
    assert only(other_service.tell(day(3), ReferralAccepted("r2"), CENTER), WITHDRAWN, day(9)).is_open
    to_itself = withdrawn(running()).tell(day(2), asked_for("r2", agency="metro-pd"), CENTER)
    police = Actor("sgt.archer", "metro-pd", Role.PARTNER)
    assert only(to_itself.tell(day(3), ReferralAccepted("r2"), police), WITHDRAWN, day(9)).is_open


def test_another_one_that_an_agency_accepts_which_the_registry_does_not_know_arranges_nothing() -> None:
    story = withdrawn(running()).tell(day(1), asked_for("r2", agency="annex"), DETECTIVE)
    story.tell(day(2), ReferralAccepted("r2"), Actor("dr.x", "annex", Role.PARTNER))
    assert only(story, WITHDRAWN, day(99), agencies={CENTER.agency: AgencyKind.CHILD_ADVOCACY_CENTER}).is_open
    assert found(story, WITHDRAWN, day(99)) == [], "where no agency is registered, each is taken at its word"


def test_nor_is_it_an_appointment_beside_which_another_may_be_withdrawn() -> None:
    annex = Actor("dr.x", "annex", Role.PARTNER)
    story = running().tell(day(0.3), asked_for("r2", agency="annex"), DETECTIVE)
    story = withdrawn(story.tell(day(0.4), ReferralAccepted("r2"), annex))
    assert only(story, WITHDRAWN, day(99), agencies={CENTER.agency: AgencyKind.CHILD_ADVOCACY_CENTER}).is_open
    assert found(story, WITHDRAWN, day(99)) == []


def test_who_has_another_appointment_or_was_interviewed_may_withdraw_one() -> None:
    two = running().tell(day(0.5), asked_for("r2", agency=CLINIC.agency), DETECTIVE)
    assert found(withdrawn(two.tell(day(0.5), ReferralAccepted("r2"), CLINIC)), WITHDRAWN, day(99)) == []
    assert found(withdrawn(running().tell(day(0.5), ATTENDED, DETECTIVE)), WITHDRAWN, day(99)) == []


def test_what_the_family_declines_is_no_finding_and_what_an_agency_counts_so_is_a_setting() -> None:
    assert found(withdrawn(running(), reason=ReferralReason.FAMILY_DECLINED), WITHDRAWN, day(99)) == []
    policy = with_settings(f"[detectors.{WITHDRAWN}]\nreasons = []")
    assert len(found(withdrawn(running(), reason=ReferralReason.FAMILY_DECLINED), WITHDRAWN, day(99), policy)) == 1


def test_what_was_taken_back_at_once_or_need_not_be_is_no_finding() -> None:
    assert found(withdrawn(running(accepted=False), at=0.12), WITHDRAWN, day(99)) == []
    assert len(found(withdrawn(running(accepted=False), at=0.3), WITHDRAWN, day(99))) == 1
    assert len(found(withdrawn(running(), at=0.21), WITHDRAWN, day(99))) == 1  # a partner had said yes
    assert found(withdrawn(running(EXAM)), WITHDRAWN, day(99)) == []  # not acute
    assert found(withdrawn(running(Service.VICTIM_ADVOCACY)), WITHDRAWN, day(99)) == []
    simple = held(offences=SIMPLE).tell(day(0.1), asked_for("r1"), DETECTIVE)
    assert found(withdrawn(simple.tell(day(0.2), ReferralAccepted("r1"), CENTER)), WITHDRAWN, day(99)) == []
    lesser = FactCorrected(1, CorrectionReason.SOURCE_CORRECTED, offences=SIMPLE)
    assert found(withdrawn(running().tell(day(0.3), lesser, INTAKE)), WITHDRAWN, day(99)) == []


def test_a_suspension_pauses_the_limit_for_an_interview_and_not_for_evidence_that_is_lost() -> None:
    resting = withdrawn(running()).tell(day(2), suspended(day(20)))
    assert found(resting, WITHDRAWN, day(20)) == [] and len(found(resting, WITHDRAWN, day(30))) == 1
    seen(withdrawn(running(EXAM, acute=True)).tell(day(2), suspended(day(20))), WITHDRAWN, day(4))


def test_what_is_withdrawn_after_the_end_of_a_case_is_none_of_its_findings() -> None:
    assert found(withdrawn(approved(running(), day(2)), at=3), WITHDRAWN, day(99)) == []


def test_how_often_a_unit_withdraws_an_interview_or_exam_and_why_is_counted_like_other_codes() -> None:
    story = withdrawn(running(), reason=ReferralReason.FAMILY_DECLINED)
    story.tell(day(1), asked_for("r2", Service.VICTIM_ADVOCACY), DETECTIVE)
    story.tell(day(1), asked_for("r3", EXAM), CLINIC).tell(day(2), ReferralWithdrawn("r3", NOT_NEEDED), CLINIC)
    withdrawn(story, at=2, name="r2")
    groups = [one.group for one in counted(history_of(story.events), lambda _: DAY)]
    ended = [(one.person.id, one.key) for one in groups if one.what is What.ENDED]
    assert ended == [(DETECTIVE.id, "ReferralReason:family_declined")]


def test_an_interview_from_long_before_the_report_arranges_nothing_unless_the_receipt_is_corrected() -> None:
    def heard(at: float) -> Story:
        return withdrawn(running()).tell(day(at), ATTENDED, DETECTIVE, late=timedelta(days=2 - at))

    assert only(heard(-5), WITHDRAWN, day(99)).is_open
    assert found(heard(-0.2), WITHDRAWN, day(99)) == []
    earlier = FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(-5))
    assert only(heard(-5).tell(day(10), earlier, INTAKE), WITHDRAWN, day(99)).settled_at == day(10)
    before = running().tell(day(-5), ATTENDED, DETECTIVE, late=timedelta(days=5.5))
    assert only(withdrawn(before), WITHDRAWN, day(99)).is_open


def test_an_interview_that_was_withdrawn_is_owed_again_when_the_case_is_reopened() -> None:
    """The end had settled it, and the reopening what was found of the end: while the case was open nothing was found."""
    in_error = Reopened(ReopeningReason.CLOSED_IN_ERROR)
    before = approved(withdrawn(running()), day(3)).tell(day(4), in_error)
    assert numbers(seen(before, WITHDRAWN, day(11))) == [10, 7, 5]
    while_closed = withdrawn(approved(running(), day(2)), at=3).tell(day(4), in_error)
    assert numbers(seen(while_closed, WITHDRAWN, day(11))) == [10, 9, 5]
    assert found(approved(before.tell(day(5), Assigned(DETECTIVE.id)), day(6)), WITHDRAWN, day(99)) == []
    again = withdrawn(approved(running(), day(2)), at=3).tell(day(4), in_error)
    again.tell(day(5), asked_for("r2"), DETECTIVE).tell(day(15), ReferralAccepted("r2"), CENTER)
    assert only(again, WITHDRAWN, day(99)).settled_at == day(15)
    heard = running().tell(day(0.5), ATTENDED, DETECTIVE)
    assert found(approved(withdrawn(heard), day(3)).tell(day(4), in_error), WITHDRAWN, day(99)) == []
    exam = approved(withdrawn(running(EXAM, acute=True)), day(2)).tell(day(4), in_error)
    assert found(exam, WITHDRAWN, day(99)) == []


# --- accepted, and not held ---

PUT_OFF = "interview_put_off"


def test_an_interview_that_is_accepted_and_not_held_is_seen_after_45_days() -> None:
    one = seen(running().tell(day(20), STEP, DETECTIVE), PUT_OFF, day(45.2))
    assert (numbers(one), one.says) == ([6, 5], "an interview was accepted, and is not held")


@pytest.mark.parametrize(
    ("body", "actor"),
    [
        (ReferralCompleted("r1"), CENTER),
        (ReferralCompleted("r1", False), CENTER),
        (ReferralDeclined("r1", ReferralReason.FAMILY_DECLINED), CENTER),
        (ReferralWithdrawn("r1", NOT_NEEDED), DETECTIVE),
        (ATTENDED, DETECTIVE),
    ],
)
def test_the_interview_or_a_word_that_there_will_be_none_settles_it(body: Body, actor: Actor) -> None:
    assert found(running().tell(day(44), body, actor), PUT_OFF, day(99)) == []
    assert only(running().tell(day(60), body, actor), PUT_OFF, day(99)).settled_at == day(60)


def test_the_end_of_the_case_settles_it_and_another_judges_that() -> None:
    assert only(approved(running(), day(60)), PUT_OFF, day(99)).settled_at == day(60)
    assert len(found(approved(running(), day(60)), OVER, day(99))) == 1


def test_the_time_of_a_suspension_does_not_count_and_what_was_held_before_is_not_held_again() -> None:
    rested = running().tell(day(1), suspended(day(30))).tell(day(30), RESUMED)
    assert seen(rested, PUT_OFF, day(74.2))
    heard = held().tell(day(0.05), ATTENDED, DETECTIVE).tell(day(0.1), asked_for("r1"), DETECTIVE)
    assert found(heard.tell(day(0.2), ReferralAccepted("r1"), CENTER), PUT_OFF, day(99)) == []
    assert found(running(EXAM), PUT_OFF, day(99)) == []
    assert found(running(accepted=False), PUT_OFF, day(99)) == []


def test_only_the_first_that_waits_is_named() -> None:
    two = running().tell(day(3), asked_for("r2"), DETECTIVE).tell(day(4), ReferralAccepted("r2"), CENTER)
    assert numbers(only(two, PUT_OFF, day(99))) == [6, 5]


def test_once_the_first_is_withdrawn_the_next_one_is_named() -> None:
    """What had been accepted before that was never looked at again: nothing else found it either."""

    def two() -> Story:
        return running().tell(day(3), asked_for("r2"), DETECTIVE).tell(day(4), ReferralAccepted("r2"), CENTER)

    assert numbers(seen(withdrawn(two(), at=20), PUT_OFF, day(49))) == [8, 7]
    first, second = sorted(found(withdrawn(two(), at=60), PUT_OFF, day(99)), key=lambda one: one.since)
    assert (numbers(first), first.settled_at) == ([6, 5], day(60))
    assert (numbers(second), second.since, second.is_open) == ([8, 7], day(60), True)


def test_whoever_reopens_the_case_has_the_limit_anew_and_no_more() -> None:
    def reopened(ended: float) -> Story:
        return approved(running(), day(ended)).tell(day(ended + 1), Reopened(ReopeningReason.CLOSED_IN_ERROR))

    assert numbers(seen(reopened(30), PUT_OFF, day(76))) == [9, 6, 5]
    first, second = sorted(found(reopened(60), PUT_OFF, day(200)), key=lambda one: one.since)
    assert (numbers(first), first.settled_at) == ([6, 5], day(60))
    assert (numbers(second), second.since, second.is_open) == ([9, 6, 5], day(106), True)
    assert found(reopened(30).tell(day(70), ATTENDED, DETECTIVE), PUT_OFF, day(200)) == []
    anew = running().tell(day(3), asked_for("r2"), DETECTIVE).tell(day(4), ReferralAccepted("r2"), CENTER)
    anew = approved(anew, day(30)).tell(day(31), REOPENED)
    assert numbers(seen(withdrawn(anew, at=40), PUT_OFF, day(76))) == [8, 7]


def test_an_acceptance_after_a_reopening_counts_by_itself() -> None:
    story = approved(held(), day(1)).tell(day(2), REOPENED).tell(day(3), asked_for("r1"), DETECTIVE)
    assert numbers(seen(story.tell(day(4), ReferralAccepted("r1"), CENTER), PUT_OFF, day(49))) == [9, 8]


def test_what_a_school_says_of_an_interview_is_none() -> None:
    school = Actor("school.day", "school", Role.PARTNER)
    known = {CENTER.agency: AgencyKind.CHILD_ADVOCACY_CENTER, school.agency: AgencyKind.SCHOOL}
    story = running().tell(day(3), asked_for("r2", agency=school.agency), DETECTIVE)
    story.tell(day(4), ReferralCompleted("r2"), school)
    assert numbers(only(story, PUT_OFF, day(99), agencies=known)) == [6, 5]
    assert found(story, PUT_OFF, day(99)) == [], "where no agency is registered, each is taken at its word"
