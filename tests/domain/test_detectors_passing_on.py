"""Reports that are sent away: screened out unasked, screened out again and again, or passed on to nobody."""

from dataclasses import replace
from time import process_time
from typing import Any

import pytest

from casetrail.domain.actions import Actor, Body
from casetrail.domain.closure import ClosureApproved, ClosureRequested, Reopened
from casetrail.domain.codes import (
    AgencyKind,
    ContactFailure,
    ContactMethod,
    CorrectionReason,
    Disposition,
    MergeReason,
    Offence,
    ReferralReason,
    Relation,
    ReopeningReason,
    ReporterKind,
    Role,
    ScreeningReason,
    SealedName,
    Service,
)
from casetrail.domain.codes import Step as Kind
from casetrail.domain.contact import VictimContactAttempted, VictimContactMade
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.intake import OffenceAlleged, ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken, NoteAdded
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.referral import ReferralAccepted, ReferralDeclined, ReferralMade, ReferralWithdrawn
from casetrail.domain.sealed import SealedField
from tests.actions import DETECTIVE, INTAKE, REGISTRAR, report
from tests.domain.clock_histories import DAY, Story, day
from tests.domain.clock_stories import (
    ATTEMPT,
    CONTACT,
    FONDLING,
    OUT,
    PROTECTIVE,
    RATIONALE,
    REOPENED,
    SIMPLE,
    STEP,
    held,
    received,
)
from tests.domain.detecting import SECOND, found, numbers, only, seen, with_settings

DUPLICATE = ScreenedOut(ScreeningReason.DUPLICATE_REPORT)
ELSEWHERE = ScreenedOut(ScreeningReason.OTHER_AGENCY_RESPONSIBLE, PROTECTIVE.agency)
ABROAD = ScreenedOut(ScreeningReason.OUTSIDE_JURISDICTION)
SHERIFF = Actor("desk.1", "sheriff", Role.PARTNER)
AWAY = ClosureRequested(Disposition.TRANSFERRED, transferred_to="sheriff", acknowledgement="S-1", sealed=RATIONALE)
NOTE = NoteAdded((SealedField(SealedName.NARRATIVE, bytes(32), bytes(12), b"sealed"),))
ADVOCATE = Actor("adv.po", "advocacy", Role.PARTNER)
KNOWN = {
    "metro-pd": AgencyKind.LAW_ENFORCEMENT,
    "sheriff": AgencyKind.LAW_ENFORCEMENT,
    PROTECTIVE.agency: AgencyKind.CHILD_PROTECTIVE_SERVICES,
    ADVOCATE.agency: AgencyKind.VICTIM_ADVOCACY,
    "clinic": AgencyKind.MEDICAL,
}
UNKNOWN = ScreenedOut(ScreeningReason.INSUFFICIENT_INFORMATION)
LETTER = VictimContactAttempted(ContactMethod.LETTER, ContactFailure.NO_ANSWER)
LETTER_SENT = VictimContactMade(ContactMethod.LETTER)
WRONG_NUMBER = VictimContactAttempted(ContactMethod.PHONE, ContactFailure.WRONG_DETAILS)
CAREGIVER = VictimContactMade(ContactMethod.THROUGH_CAREGIVER)
PHONED = VictimContactMade(ContactMethod.PHONE)
RECORDS = InvestigativeStepTaken(Kind.RECORDS_REQUESTED)
IDENTIFIED = InvestigativeStepTaken(Kind.SUSPECT_IDENTIFIED)
ELSE = InvestigativeStepTaken(Kind.OTHER)
WITNESS = InvestigativeStepTaken(Kind.WITNESS_INTERVIEWED)
TRIED = (VictimContactAttempted, VictimContactMade)
ASKED_FOR = ReferralMade("r1", Service.CHILD_PROTECTIVE_SERVICES, PROTECTIVE.agency)


def out(body: Body, **changes: object) -> Story:
    """A report that is screened out on the second day."""
    return received(**changes).tell(day(1), body, INTAKE)


def away() -> Story:
    """A case that was closed on the fifth day, a Saturday, because another agency is said to have it."""
    return held().tell(day(4), AWAY, DETECTIVE).tell(day(5), ClosureApproved())


# --- screened out unasked ---


def test_a_child_in_danger_is_no_case_for_a_desk_that_asked_nobody() -> None:
    one = only(out(OUT, immediate_danger=True), "screened_out_unasked", day(2))
    assert (one.since, numbers(one)) == (day(1), [2]) and "not a crime" in one.says
    assert found(out(OUT, offences=SIMPLE), "screened_out_unasked", day(2)) == []
    asked = received(immediate_danger=True).tell(day(0.5), CONTACT, INTAKE).tell(day(1), OUT, INTAKE)
    assert found(asked, "screened_out_unasked", day(2)) == []


def test_a_rape_is_not_no_crime_before_anybody_has_asked() -> None:
    one = only(out(OUT), "screened_out_unasked", day(2))
    assert (one.since, numbers(one)) == (day(1), [2])
    assert one.says == "screened out as not a crime, and nobody had asked, though a grave offence was reported"
    asked = received().tell(day(0.5), CONTACT, INTAKE).tell(day(1), OUT, INTAKE)
    assert found(asked, "screened_out_unasked", day(2)) == []
    policy = with_settings('[detectors.screened_out_unasked]\nreasons_if_serious = ["insufficient_information"]')
    assert found(out(OUT), "screened_out_unasked", day(2), policy) == []


def tokens_of_work(body: Body, out: Body, **changes: object) -> list[Finding]:
    """What is found where only this was done before a report was screened out."""
    story = received(**changes).tell(day(0.5), body, INTAKE if isinstance(body, TRIED) else DETECTIVE)
    return found(story.tell(day(0.6), out, INTAKE), "screened_out_unasked", day(200))


@pytest.mark.parametrize("body", [LETTER, LETTER_SENT, ATTEMPT, WRONG_NUMBER, RECORDS, IDENTIFIED, ELSE])
def test_one_letter_call_or_request_is_no_reason_to_say_that_a_rape_was_no_crime(body: Body) -> None:
    (one,) = tokens_of_work(body, OUT)
    assert (one.since, numbers(one)) == (day(0.6), [3, 2])
    assert one.says.startswith("screened out as not a crime, and what was done had asked nobody, though a grave")
    assert tokens_of_work(body, OUT, offences=SIMPLE) == []
    assert tokens_of_work(body, OUT, immediate_danger=True, offences=SIMPLE) != []


@pytest.mark.parametrize("body", [LETTER, LETTER_SENT, ATTEMPT, RECORDS, IDENTIFIED, ELSE])
def test_nor_to_say_that_too_little_is_known_of_it(body: Body) -> None:
    (one,) = tokens_of_work(body, UNKNOWN)
    assert one.says.startswith("screened out as insufficient information, and what was done had asked nobody")
    assert tokens_of_work(body, UNKNOWN, offences=SIMPLE) == []


@pytest.mark.parametrize("body", [CONTACT, PHONED, WITNESS, STEP])
def test_whoever_spoke_with_somebody_or_went_there_may_say_so(body: Body) -> None:
    for decided in (OUT, UNKNOWN):
        assert tokens_of_work(body, decided, immediate_danger=True) == []


def test_the_caregiver_may_say_that_it_was_no_crime_and_not_that_a_child_is_in_no_danger() -> None:
    for decided in (OUT, UNKNOWN):
        assert tokens_of_work(CAREGIVER, decided) == []
        for offences in (SIMPLE, report().offences):
            (one,) = tokens_of_work(CAREGIVER, decided, immediate_danger=True, offences=offences)
            assert (one.since, numbers(one)) == (day(0.6), [3, 2]) and "what was done had asked nobody" in one.says
    policy = with_settings("[detectors.screened_out_unasked]\nunspoken_in_danger = []")
    told = received(immediate_danger=True).tell(day(0.5), CAREGIVER, INTAKE).tell(day(0.6), OUT, INTAKE)
    assert found(told, "screened_out_unasked", day(200), policy) == []
    went = received(immediate_danger=True).tell(day(0.5), CAREGIVER, INTAKE).tell(day(0.5), STEP, DETECTIVE)
    assert found(went.tell(day(0.6), OUT, INTAKE), "screened_out_unasked", day(200)) == []


def test_a_grave_report_that_leads_to_nobody_may_be_screened_out_for_want_of_information() -> None:
    assert tokens_of_work(WRONG_NUMBER, UNKNOWN) == []
    (one,) = tokens_of_work(WRONG_NUMBER, UNKNOWN, immediate_danger=True)
    assert one.says.endswith("asked nobody, though a child was said to be in danger and a grave offence was reported")
    anonymous = ReporterKind.ANONYMOUS
    assert tokens_of_work(WRONG_NUMBER, UNKNOWN, immediate_danger=True, reporter_kind=anonymous) == []
    assert tokens_of_work(ATTEMPT, UNKNOWN, immediate_danger=True, reporter_kind=anonymous) != []


@pytest.mark.parametrize("offence", [Offence.KIDNAPPING, Offence.INVOLUNTARY_SERVITUDE])
def test_kidnapping_and_forced_labour_are_as_grave(offence: Offence) -> None:
    one = only(out(OUT, offences=(OffenceAlleged(offence),)), "screened_out_unasked", day(2))
    assert one.says == "screened out as not a crime, and nobody had asked, though a grave offence was reported"


def test_what_is_learned_to_be_grave_before_it_is_screened_out_or_afterwards_is_as_grave() -> None:
    def learned(*changes: FactCorrected) -> list[Finding]:
        story = received(offences=SIMPLE)
        for body in changes:
            story.tell(day(0.2), body, INTAKE)
        return found(story.tell(day(0.6), OUT, INTAKE), "screened_out_unasked", day(200))

    def now(**changes: Any) -> FactCorrected:
        return FactCorrected(1, CorrectionReason.NEW_INFORMATION, **changes)

    kidnapped = (OffenceAlleged(Offence.KIDNAPPING),)
    for changes in ({"immediate_danger": True}, {"offences": FONDLING}, {"offences": kidnapped}):
        (one,) = learned(now(**changes))
        assert (one.since, numbers(one)) == (day(0.6), [3])
    assert learned(now(offences=FONDLING), now(offences=SIMPLE)) == [], "what was mistyped was corrected"
    assert learned(now(happened_at=day(-1))) == [] == learned()
    asked = received(offences=SIMPLE).tell(day(0.1), PHONED, INTAKE).tell(day(0.2), now(offences=FONDLING), INTAKE)
    assert found(asked.tell(day(0.6), OUT, INTAKE), "screened_out_unasked", day(200)) == []
    later = out(OUT, offences=SIMPLE).tell(day(2), now(sealed=RATIONALE), INTAKE)
    assert found(later, "screened_out_unasked", day(200)) == []
    one = seen(later.tell(day(3), now(offences=FONDLING), INTAKE), "screened_out_unasked", day(3))
    assert numbers(one) == [4, 2]
    assert only(later.tell(day(9), REOPENED), "screened_out_unasked", day(200)).settled_at == day(9)
    reopened = out(OUT, offences=SIMPLE).tell(day(2), REOPENED).tell(day(3), now(offences=FONDLING), INTAKE)
    assert found(reopened, "screened_out_unasked", day(200)) == []


def test_of_two_screenings_that_an_old_system_kept_the_last_is_found_by_a_later_correction() -> None:
    """Both had one id, and views in which two findings have one cannot be rebuilt."""
    story = Story().tell(day(0), report(offences=SIMPLE), REGISTRAR, imported=True, late=400 * DAY)
    for at in (1, 2):
        story.tell(day(at), OUT, REGISTRAR, imported=True, late=400 * DAY)
    story.tell(day(403), FactCorrected(1, CorrectionReason.NEW_INFORMATION, offences=FONDLING), INTAKE)
    assert numbers(only(story, "screened_out_unasked", day(500))) == [4, 3]


def test_thousands_of_corrections_of_what_was_screened_out_are_gone_through_once() -> None:
    story = out(OUT, offences=SIMPLE)
    for number in range(2000):
        body = FactCorrected(1, CorrectionReason.NEW_INFORMATION, happened_at=day(0))
        story.tell(day(2) + number * SECOND, body, INTAKE)
    begun = process_time()
    assert found(story, "screened_out_unasked", day(200)) == []
    assert process_time() - begun < 1  # all of the case was folded anew for each of them: that took 3 seconds


def test_what_asks_nobody_and_what_leads_nowhere_are_settings() -> None:
    policy = with_settings('[detectors.screened_out_unasked]\nasking_nobody = []\nunreachable = ["no_answer"]')
    asked = received().tell(day(0.5), RECORDS, DETECTIVE).tell(day(1), OUT, INTAKE)
    assert found(asked, "screened_out_unasked", day(2), policy) == []
    tried = received().tell(day(0.5), ATTEMPT, INTAKE).tell(day(1), UNKNOWN, INTAKE)
    assert found(tried, "screened_out_unasked", day(2), policy) == []


# --- screened out again ---


def cycle(times: int) -> Story:
    """A report that is screened out and reopened so many times, each time within a day, and nothing else."""
    story = received(immediate_danger=True)
    for number in range(times):
        story.tell(day(3 * number + 0.1), OUT, INTAKE).tell(day(3 * number + 2.9), REOPENED)
    return story


def test_screening_out_and_reopening_in_a_circle_is_seen_at_the_second_time_and_stays_open() -> None:
    one = only(cycle(80), "screened_out_again", day(240))
    assert (one.since, numbers(one), one.is_open) == (day(3.1), [2, 4], True)


def test_work_ends_the_circle() -> None:
    assert only(cycle(3).tell(day(9), ATTEMPT, INTAKE), "screened_out_again", day(90)).settled_at == day(9)
    worked = cycle(1).tell(day(3), ATTEMPT, INTAKE).tell(day(3.1), OUT, INTAKE)
    assert found(worked, "screened_out_again", day(90)) == []
    assert found(cycle(1), "screened_out_again", day(90)) == []


def test_how_often_a_report_may_be_screened_out_is_a_setting() -> None:
    policy = with_settings("[detectors.screened_out_again]\nmost = 2")
    assert only(cycle(5), "screened_out_again", day(90), policy).since == day(6.1)


# --- led nowhere ---


def test_a_report_that_is_known_already_is_linked_with_what_is_known() -> None:
    assert numbers(seen(out(DUPLICATE), "led_nowhere", day(3))) == [2]
    link = Linked("C-2", Relation.SAME_INCIDENT)
    assert found(received().tell(day(0.5), link, INTAKE).tell(day(1), DUPLICATE, INTAKE), "led_nowhere", day(9)) == []
    assert found(out(DUPLICATE).tell(day(2), link, INTAKE), "led_nowhere", day(9)) == []
    merged = Merged("C-2", MergeReason.DUPLICATE_REPORT)
    for later in (link, merged, REOPENED):
        assert only(out(DUPLICATE).tell(day(8), later), "led_nowhere", day(9)).settled_at == day(8)


def test_who_is_said_to_be_responsible_says_so() -> None:
    assert numbers(seen(out(ELSEWHERE), "led_nowhere", day(3))) == [2]
    asked = received().tell(day(0.5), ASKED_FOR, INTAKE)
    assert only(asked.tell(day(1), ELSEWHERE, INTAKE), "led_nowhere", day(9)).is_open, "asking is no answer"
    taken = received().tell(day(0.5), ASKED_FOR, INTAKE).tell(day(0.6), ReferralAccepted("r1"), PROTECTIVE)
    assert found(taken.tell(day(1), ELSEWHERE, INTAKE), "led_nowhere", day(9)) == []
    assert found(out(ELSEWHERE).tell(day(2), NOTE, PROTECTIVE), "led_nowhere", day(9)) == []


def test_what_the_unit_writes_of_another_agency_is_not_its_word() -> None:
    assert numbers(seen(away(), "led_nowhere", day(8.625))) == [6, 5]
    own = away().tell(day(6), NOTE, INTAKE).tell(day(6), NOTE, PROTECTIVE)
    assert only(own, "led_nowhere", day(10)).is_open
    assert found(away().tell(day(8), NOTE, SHERIFF), "led_nowhere", day(90)) == []
    assert only(away().tell(day(20), NOTE, SHERIFF), "led_nowhere", day(90)).settled_at == day(20)
    assert only(away().tell(day(20), Reopened(ReopeningReason.AUDIT)), "led_nowhere", day(90)).settled_at == day(20)


def test_what_is_no_crime_leads_to_nobody_else() -> None:
    assert found(out(OUT), "led_nowhere", day(90)) == []


def test_what_happened_elsewhere_is_known_to_somebody_there() -> None:
    assert numbers(seen(out(ABROAD), "led_nowhere", day(3))) == [2]
    assert only(out(ABROAD).tell(day(9), NOTE, SHERIFF), "led_nowhere", day(10)).settled_at == day(9)
    assert found(out(ABROAD).tell(day(2), NOTE, SHERIFF), "led_nowhere", day(90)) == []
    told = out(replace(ABROAD, referred_to="sheriff")).tell(day(2), NOTE, PROTECTIVE)
    assert only(told, "led_nowhere", day(90)).is_open, "it was passed on to somebody else"


def transferred(to: str = "sheriff", by: Actor = SHERIFF, service: Service = Service.OTHER) -> Story:
    """A case that was closed on the fifth day; the other agency had accepted a referral for a service on the first."""
    asked = held().tell(day(0.5), ReferralMade("r1", service, to), DETECTIVE).tell(day(1), ReferralAccepted("r1"), by)
    return asked.tell(day(4), replace(AWAY, transferred_to=to), DETECTIVE).tell(day(5), ClosureApproved())


def test_an_agency_that_does_not_investigate_has_no_report() -> None:
    assert found(transferred(), "led_nowhere", day(90), agencies=KNOWN) == []
    helped = transferred(ADVOCATE.agency, ADVOCATE)
    one = only(helped.tell(day(6), NOTE, ADVOCATE), "led_nowhere", day(90), agencies=KNOWN)
    assert one.is_open and one.says == "passed on to advocacy, which does not investigate"
    assert found(helped, "led_nowhere", day(90)) == [], "where no agency is registered, each is taken at its word"
    protected = transferred(PROTECTIVE.agency, PROTECTIVE, Service.CHILD_PROTECTIVE_SERVICES)
    assert found(protected, "led_nowhere", day(90), agencies=KNOWN) == []
    policy = with_settings('[detectors.led_nowhere]\ntakers = ["victim_advocacy"]')
    assert found(helped, "led_nowhere", day(90), policy, agencies=KNOWN) == []


def test_an_agency_that_is_not_registered_has_none_where_others_are() -> None:
    unknown = {"metro-pd": AgencyKind.LAW_ENFORCEMENT}
    one = only(transferred().tell(day(6), NOTE, SHERIFF), "led_nowhere", day(90), agencies=unknown)
    assert one.is_open and one.says == "passed on to sheriff, which the registry does not know"


@pytest.mark.parametrize("service", sorted(set(Service) - {Service.OTHER, Service.CHILD_PROTECTIVE_SERVICES}))
def test_whoever_accepted_an_interview_or_an_examination_has_not_taken_the_report_over(service: Service) -> None:
    assert only(transferred(service=service), "led_nowhere", day(90)).is_open
    assert found(transferred(service=service).tell(day(6), NOTE, SHERIFF), "led_nowhere", day(90)) == []
    policy = with_settings(f'[detectors.led_nowhere]\nservices = ["{service}"]')
    assert found(transferred(service=service), "led_nowhere", day(90), policy) == []


def test_a_referral_that_is_withdrawn_or_declined_after_the_end_leaves_the_report_with_nobody() -> None:
    story = transferred().tell(day(11), ReferralWithdrawn("r1", ReferralReason.NOT_NEEDED), DETECTIVE)
    one = seen(story, "led_nowhere", day(15))
    assert numbers(one) == [9, 8, 7] and one.says.endswith("and the referral that had been accepted was withdrawn")
    assert found(story.tell(day(12), NOTE, SHERIFF), "led_nowhere", day(90)) == []
    declined = transferred().tell(day(11), ReferralDeclined("r1", ReferralReason.NO_CAPACITY), SHERIFF)
    assert only(declined, "led_nowhere", day(90)).says.endswith("declined")
    reopened = declined.tell(day(30), Reopened(ReopeningReason.AUDIT))
    assert only(reopened, "led_nowhere", day(90)).settled_at == day(30)


def test_nor_does_one_help_that_was_withdrawn_before() -> None:
    story = held().tell(day(0.5), ReferralMade("r1", Service.OTHER, "sheriff"), DETECTIVE)
    story.tell(day(1), ReferralAccepted("r1"), SHERIFF)
    story.tell(day(2), ReferralWithdrawn("r1", ReferralReason.NOT_NEEDED), DETECTIVE)
    story.tell(day(4), AWAY, DETECTIVE).tell(day(5), ClosureApproved())
    assert only(story, "led_nowhere", day(90)).says == "passed on to sheriff, and the log has no word of it from there"


def test_of_two_who_accepted_one_is_enough_and_each_time_nobody_is_left_is_found() -> None:
    story = received()
    for referral in ("r1", "r2"):
        story.tell(day(0.5), ReferralMade(referral, Service.OTHER, "sheriff"), INTAKE)
    story.tell(day(1), ABROAD, INTAKE).tell(day(8), ReferralAccepted("r1"), SHERIFF)
    first = only(story, "led_nowhere", day(9))
    assert (numbers(first), first.settled_at) == ([4], day(8))
    story.tell(day(9), ReferralAccepted("r2"), SHERIFF)
    story.tell(day(10), ReferralWithdrawn("r1", ReferralReason.NOT_NEEDED), DETECTIVE)
    assert only(story, "led_nowhere", day(90)).settled_at == day(8), "the other referral stands"
    story.tell(day(11), ReferralWithdrawn("r2", ReferralReason.NOT_NEEDED), DETECTIVE)
    again, second = found(story, "led_nowhere", day(90))
    assert (again.id, again.settled_at) == (first.id, day(8))
    assert (numbers(second), second.is_open) == ([8, 4], True)


def test_a_note_of_who_reported_says_only_that_they_ask() -> None:
    hospital = {**KNOWN, "sheriff": AgencyKind.MEDICAL}
    for body, note_counts in ((ABROAD, False), (replace(ABROAD, referred_to="sheriff"), True)):
        story = Story().tell(day(0), report(), SHERIFF).tell(day(1), body, INTAKE).tell(day(2), NOTE, SHERIFF)
        assert (found(story, "led_nowhere", day(90), agencies=KNOWN) == []) is note_counts
        assert only(story, "led_nowhere", day(90), agencies=hospital).is_open
    asked = Story().tell(day(0), report(), SHERIFF)
    asked.tell(day(0.5), ReferralMade("r1", Service.OTHER, "sheriff"), INTAKE).tell(day(1), ABROAD, INTAKE)
    assert found(asked.tell(day(2), ReferralAccepted("r1"), SHERIFF), "led_nowhere", day(90)) == []


def test_a_case_that_went_to_advocates_was_closed_without_work() -> None:
    for to, kind in ((ADVOCATE.agency, "victim_advocacy"), ("clinic", "medical")):
        story = held().tell(day(4), replace(AWAY, transferred_to=to), DETECTIVE).tell(day(5), ClosureApproved())
        one = only(story, "closed_without_work", day(90), agencies=KNOWN)
        assert (one.since, numbers(one)) == (day(5), [6, 5])
        assert found(story, "closed_without_work", day(90)) == []
        policy = with_settings(f'[detectors.closed_without_work]\ntakers = ["{kind}"]')
        assert found(story, "closed_without_work", day(90), policy, agencies=KNOWN) == []
    for to in ("sheriff", PROTECTIVE.agency, "police-of-another-state"):
        story = held().tell(day(4), replace(AWAY, transferred_to=to), DETECTIVE).tell(day(5), ClosureApproved())
        assert found(story, "closed_without_work", day(90), agencies=KNOWN) == [], "led_nowhere judges it"


@pytest.mark.parametrize("body", [ABROAD, ELSEWHERE, DUPLICATE])
def test_who_has_the_report_of_a_child_in_danger_is_known_in_24_hours(body: ScreenedOut) -> None:
    seen(out(body, immediate_danger=True), "led_nowhere", day(2))
