"""Cases closed before a child in danger was seen, or before a forensic interview was offered."""

from datetime import timedelta

import pytest

from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Assigned
from casetrail.domain.closure import ClosureApproved, ClosureRequested
from casetrail.domain.codes import (
    AgencyKind,
    ContactMethod,
    CorrectionReason,
    Disposition,
    ReferralReason,
    Service,
    TokenKind,
)
from casetrail.domain.codes import Step as Kind
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.intake import ScreenedIn
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    ReferralWithdrawn,
)
from casetrail.domain.sealed import Token
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, REGISTRAR, report
from tests.domain.clock_histories import DAY, Story, day
from tests.domain.clock_stories import (
    ASKED,
    CONTACT,
    FONDLING,
    IN,
    PROTECTIVE,
    RATIONALE,
    REOPENED,
    SIMPLE,
    STEP,
    approved,
    held,
)
from tests.domain.detecting import found, only, with_settings

PHONE = VictimContactMade(ContactMethod.PHONE)
ATTENDED = InvestigativeStepTaken(Kind.FORENSIC_INTERVIEW_ATTENDED)
MADE = ReferralMade("f1", Service.FORENSIC_INTERVIEW, CLINIC.agency)
UNSEEN, UNOFFERED = "closed without seeing the child", "closed without forensic interview"

Doing = tuple[Body, Actor]


def in_danger(*doings: Doing) -> Story:
    """A child in danger, by a report of simple assault; telephoned with, one step taken, and more on the first morning."""
    return grave(*doings, offences=SIMPLE, immediate_danger=True)


def grave(*doings: Doing, offences: object = FONDLING, immediate_danger: bool = False) -> Story:
    """A report of a sexual offence; telephoned with, one step taken, and more on the first morning."""
    story = held(offences=offences, immediate_danger=immediate_danger)
    story.tell(day(0.1), PHONE, DETECTIVE).tell(day(0.1), STEP, DETECTIVE)
    for body, actor in doings:
        story.tell(day(0.2), body, actor)
    return story


def says(story: Story, *policy: str) -> list[str]:
    closed = approved(story, day(0.5))
    return [one.says for one in found(closed, "closed_without_work", day(1), *map(with_settings, policy))]


def test_a_case_of_danger_that_is_closed_within_the_day_and_unseen_is_found_at_once() -> None:
    one = only(approved(in_danger(), day(0.5)), "closed_without_work", day(1))
    assert (one.since, one.says, one.is_open) == (day(0.5), UNSEEN, True)
    again = approved(in_danger(), day(0.5)).tell(day(3), REOPENED)
    assert only(again, "closed_without_work", day(9)).settled_at == day(3)
    partner = VictimContactMade(ContactMethod.THROUGH_PARTNER)
    assert says(in_danger((partner, DETECTIVE))) == [UNSEEN]


@pytest.mark.parametrize("service", [Service.FORENSIC_INTERVIEW, Service.MEDICAL_EVALUATION])
def test_who_met_the_child_or_has_a_partner_who_did_has_seen_it(service: Service) -> None:
    assert says(in_danger((CONTACT, DETECTIVE))) == says(in_danger((ATTENDED, DETECTIVE))) == []
    made = ReferralMade("r1", service, CLINIC.agency)
    assert says(in_danger((made, DETECTIVE), (ReferralCompleted("r1"), CLINIC))) == []
    assert says(in_danger((made, DETECTIVE), (ReferralAccepted("r1"), CLINIC))) == [UNSEEN]
    other = ReferralMade("r1", Service.VICTIM_ADVOCACY, CLINIC.agency)
    assert says(in_danger((other, DETECTIVE), (ReferralCompleted("r1"), CLINIC))) == [UNSEEN]


def test_what_is_alleged_when_the_case_is_closed_counts() -> None:
    corrected = FactCorrected(1, CorrectionReason.SOURCE_CORRECTED, immediate_danger=False)
    assert says(in_danger((corrected, INTAKE))) == []
    graver = FactCorrected(1, CorrectionReason.NEW_INFORMATION, offences=FONDLING)
    assert says(in_danger((CONTACT, DETECTIVE), (graver, INTAKE))) == [UNOFFERED]
    lesser = FactCorrected(1, CorrectionReason.SOURCE_CORRECTED, offences=SIMPLE)
    assert says(grave((lesser, INTAKE))) == []
    other = FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(-1))
    assert says(in_danger((other, INTAKE))) == [UNSEEN]


def test_a_sexual_offence_is_not_closed_before_an_interview_is_offered() -> None:
    assert says(grave()) == [UNOFFERED]
    assert says(held(offences=SIMPLE).tell(day(0.1), PHONE, DETECTIVE).tell(day(0.1), STEP, DETECTIVE)) == []


@pytest.mark.parametrize(
    "answer",
    [
        (ReferralAccepted("f1"), CLINIC),
        (ReferralCompleted("f1", True), CLINIC),
        (ReferralDeclined("f1", ReferralReason.OUTSIDE_CRITERIA), CLINIC),
        (ReferralWithdrawn("f1", ReferralReason.FAMILY_DECLINED), DETECTIVE),
        (ATTENDED, DETECTIVE),
    ],
)
def test_what_a_partner_says_or_the_family_wants_is_an_offer(answer: Doing) -> None:
    assert says(grave((MADE, DETECTIVE), answer)) == []


def test_an_interview_that_the_unit_withdraws_or_gives_itself_is_none() -> None:
    withdrawn = (ReferralWithdrawn("f1", ReferralReason.NOT_NEEDED), DETECTIVE)
    assert says(grave((MADE, DETECTIVE), (ReferralAccepted("f1"), CLINIC), withdrawn)) == [UNOFFERED]
    to_itself = ReferralMade("f1", Service.FORENSIC_INTERVIEW, "metro-pd")
    police = Actor("sgt.archer", "metro-pd", CLINIC.role)
    assert says(grave((to_itself, PROTECTIVE), (ReferralAccepted("f1"), police))) == [UNOFFERED]
    examined = ReferralMade("f1", Service.MEDICAL_EVALUATION, CLINIC.agency)
    assert says(grave((examined, DETECTIVE), (ReferralCompleted("f1"), CLINIC))) == [UNOFFERED]


def test_an_interview_that_a_partner_was_asked_for_and_has_not_given_is_found_once() -> None:
    story = approved(grave((MADE, DETECTIVE)), day(0.5))
    assert found(story, "closed_without_work", day(9)) == []
    assert only(story, "closed_over_partner", day(9)).is_open
    withdrawn = (ReferralWithdrawn("f1", ReferralReason.NOT_NEEDED), DETECTIVE)
    assert says(grave((MADE, DETECTIVE), withdrawn)) == [UNOFFERED]


def test_an_interview_that_is_asked_for_only_after_the_closure_does_not_count() -> None:
    story = approved(grave(), day(0.5)).tell(day(2), REOPENED).tell(day(2), MADE, DETECTIVE)
    assert only(story, "closed_without_work", day(9)).settled_at == day(2)
    withdrawn = ReferralWithdrawn("f1", ReferralReason.FAMILY_DECLINED)
    story = approved(grave((MADE, DETECTIVE)), day(0.5)).tell(day(2), withdrawn, DETECTIVE)
    assert only(story, "closed_over_partner", day(9)).is_open


def test_a_suspect_who_had_been_arrested_before_the_report_was_met_and_that_is_no_other_work() -> None:
    def sibling(kind: Kind) -> Story:
        story = held(offences=SIMPLE, tokens=(Token(TokenKind.SUSPECT, bytes(32)),))
        story.tell(day(0.1), PHONE, DETECTIVE).tell(day(-5), InvestigativeStepTaken(kind), DETECTIVE, late=6 * DAY)
        return story

    assert says_of(sibling(Kind.ARREST_MADE)) == ["closed without investigative step"]
    assert says_of(sibling(Kind.ARREST_MADE).tell(day(2), STEP, DETECTIVE)) == []
    interviewed = sibling(Kind.SUSPECT_INTERVIEWED).tell(day(2), STEP, DETECTIVE)
    assert says_of(interviewed) == ["closed without suspect interview"]
    another = approved(sibling(Kind.ARREST_MADE).tell(day(2), STEP, DETECTIVE), day(3)).tell(day(9), REOPENED)
    another.tell(day(9), Assigned(DETECTIVE.id)).tell(
        day(9), InvestigativeStepTaken(Kind.SUSPECT_IDENTIFIED), DETECTIVE
    )
    assert says_of(another.tell(day(9), PHONE, DETECTIVE)) == ["closed without suspect interview"]


def says_of(story: Story) -> list[str]:
    return [one.says for one in found(approved(story, day(10)), "closed_without_work", day(20))]


def test_what_is_said_of_a_referral_is_not_said_of_an_imported_one_that_had_its_id() -> None:
    story = Story()
    examination = ReferralMade("f1", Service.MEDICAL_EVALUATION, CLINIC.agency)
    for body in (report(offences=FONDLING), ScreenedIn(IN.reason), Assigned(DETECTIVE.id), MADE, examination):
        story.tell(HAPPENED, body, REGISTRAR, imported=True, late=timedelta(days=400))
    story.tell(day(401), PHONE, DETECTIVE).tell(day(401), STEP, DETECTIVE).tell(
        day(401), ReferralAccepted("f1"), CLINIC
    )
    assert only(approved(story, day(402)), "closed_without_work", day(900)).says == UNOFFERED
    assert only(story, "closed_over_partner", day(900)).says == "ended before the medical evaluation"


def test_a_child_is_interviewed_once_and_seen_anew() -> None:
    story = approved(grave((ATTENDED, DETECTIVE), immediate_danger=True), day(0.5)).tell(day(30), REOPENED)
    story.tell(day(30), Assigned(DETECTIVE.id)).tell(day(31), PHONE, DETECTIVE).tell(day(31), STEP, DETECTIVE)
    assert only(approved(story, day(32)), "closed_without_work", day(40)).says == UNSEEN
    story = approved(grave((ATTENDED, DETECTIVE)), day(0.5)).tell(day(30), REOPENED)
    story.tell(day(30), Assigned(DETECTIVE.id)).tell(day(31), PHONE, DETECTIVE).tell(day(31), STEP, DETECTIVE)
    assert found(approved(story, day(32)), "closed_without_work", day(40)) == []


def test_a_doctor_who_saw_the_child_before_the_case_was_reopened_has_not_seen_it_since() -> None:
    made = ReferralMade("r1", Service.MEDICAL_EVALUATION, CLINIC.agency)
    story = approved(in_danger((made, DETECTIVE), (ReferralCompleted("r1"), CLINIC)), day(0.5)).tell(day(30), REOPENED)
    story.tell(day(30), Assigned(DETECTIVE.id)).tell(day(31), PHONE, DETECTIVE).tell(day(31), STEP, DETECTIVE)
    assert only(approved(story, day(32)), "closed_without_work", day(40)).says == UNSEEN


def test_what_an_agency_says_that_the_registry_does_not_know_counts_no_more_than_for_clocks() -> None:
    known, others = {CLINIC.agency: AgencyKind.MEDICAL}, {"metro-pd": AgencyKind.LAW_ENFORCEMENT}
    examined = ReferralMade("r1", Service.MEDICAL_EVALUATION, CLINIC.agency)
    for story, lacks in (
        (in_danger((examined, DETECTIVE), (ReferralCompleted("r1"), CLINIC)), UNSEEN),
        (grave((MADE, DETECTIVE), (ReferralDeclined("f1", ReferralReason.OUTSIDE_CRITERIA), CLINIC)), UNOFFERED),
    ):
        approved(story, day(0.5))
        assert [one.says for one in found(story, "closed_without_work", day(9), agencies=others)] == [lacks]
        assert found(story, "closed_without_work", day(9), agencies=known) == []
        assert found(story, "closed_without_work", day(9)) == []
    unanswered = approved(grave((MADE, DETECTIVE)), day(0.5))
    assert found(unanswered, "closed_without_work", day(9), agencies=others) == [], "closed_over_partner judges it"


def test_what_is_transferred_needs_neither_and_what_is_needed_is_a_setting() -> None:
    away = ClosureRequested(Disposition.TRANSFERRED, transferred_to="sheriff", acknowledgement="S-1", sealed=RATIONALE)
    story = in_danger().tell(day(0.5), away, DETECTIVE).tell(day(0.5), ClosureApproved())
    assert found(story, "closed_without_work", day(9)) == []
    table = "[detectors.closed_without_work]\n"
    assert says(in_danger(), f'{table}needs = ["victim_contact"]') == []
    assert says(in_danger(), f'{table}unseen = ["letter"]') == []


def test_of_a_closure_from_an_old_system_neither_is_asked() -> None:
    def told(*bodies: Body) -> Story:
        story = Story()
        for body in bodies:
            story.tell(HAPPENED, body, REGISTRAR, imported=True, late=timedelta(days=400))
        return story

    first = (report(immediate_danger=True), ScreenedIn(IN.reason), Assigned(DETECTIVE.id), PHONE, STEP)
    assert found(told(*first, ASKED, ClosureApproved()), "closed_without_work", day(900)) == []
    live = approved(told(*first), day(401))
    assert only(live, "closed_without_work", day(900)).says == f"{UNSEEN} and without forensic interview"
