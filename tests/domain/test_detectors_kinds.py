"""What an agency can give by its kind: a school interviews no child for the court, and charges nobody."""

import pytest

from casetrail.domain.actions import Actor, Body
from casetrail.domain.clocks import ClockState, clocks
from casetrail.domain.closure import ClosureApproved, ClosureRequested
from casetrail.domain.codes import AgencyKind, Disposition, ReferralReason, Role, Service
from casetrail.domain.codes import Step as Kind
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.policy import InForce
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    can_give,
)
from tests.actions import DETECTIVE, HAPPENED
from tests.domain.clock_histories import Story, day
from tests.domain.clock_stories import CONTACT, RATIONALE, SIMPLE, STEP, approved, held
from tests.domain.detecting import found, numbers, only, seen
from tests.domain.policies import preset

INTERVIEW, EXAM, FILE = Service.FORENSIC_INTERVIEW, Service.MEDICAL_EVALUATION, Service.PROSECUTOR
CLOSED, WITHDRAWN, NOT_SHOWN = "closed_without_work", "interview_withdrawn", "disposition_not_shown"
OVER = "closed_over_partner"
CENTER = Actor("cac.ng", "cac", Role.PARTNER)
SCHOOL = Actor("school.day", "school", Role.PARTNER)
ATTORNEY = Actor("pros.lee", "prosecutor", Role.PARTNER)
KNOWN = {
    "metro-pd": AgencyKind.LAW_ENFORCEMENT,
    "cac": AgencyKind.CHILD_ADVOCACY_CENTER,
    "school": AgencyKind.SCHOOL,
    "prosecutor": AgencyKind.PROSECUTION,
}
NO_ROOM = ReferralReason.NO_CAPACITY
TOO_YOUNG = ReferralReason.OUTSIDE_CRITERIA


def asked(of: Actor, *answers: Body, service: Service = INTERVIEW, acute: bool = False, **changes: object) -> Story:
    """A child is seen, and a partner is asked for something, and answers."""
    story = held(**changes).tell(day(0.2), CONTACT, DETECTIVE).tell(day(0.3), STEP, DETECTIVE)
    story.tell(day(0.4), ReferralMade("r1", service, of.agency, acute), DETECTIVE)
    for body in answers:
        story.tell(day(0.5), body, of)
    return story


def interview_clock(story: Story) -> ClockState:
    every = clocks("C-1", story.events, InForce([(HAPPENED, preset())], KNOWN), day(30))
    return next(one.state for one in every if one.name == "forensic_interview")


def test_most_kinds_give_what_they_say() -> None:
    assert (
        can_give(None, INTERVIEW) and can_give(AgencyKind.SCHOOL, None) and can_give(AgencyKind.SCHOOL, Service.OTHER)
    )
    assert {kind for kind in AgencyKind if not can_give(kind, INTERVIEW)} == {
        AgencyKind.SCHOOL, AgencyKind.HOTLINE, AgencyKind.OVERSIGHT,
    }  # fmt: skip
    assert [kind for kind in AgencyKind if can_give(kind, FILE)] == [AgencyKind.PROSECUTION]


@pytest.mark.parametrize("word", [ReferralAccepted("r1"), ReferralCompleted("r1"), ReferralDeclined("r1", TOO_YOUNG)])
def test_a_school_that_is_asked_for_a_forensic_interview_leaves_it_owed(word: Body) -> None:
    assert interview_clock(asked(SCHOOL, word)) is ClockState.MISSED
    assert interview_clock(asked(CENTER, word)) is ClockState.MET
    assert "forensic interview" in only(approved(asked(SCHOOL, word), day(2)), CLOSED, day(3), agencies=KNOWN).says
    assert found(approved(asked(CENTER, word), day(2)), CLOSED, day(3), agencies=KNOWN) == []
    assert found(approved(asked(SCHOOL, word), day(2)), CLOSED, day(3)) == [], "nobody says that it is one"


def test_a_school_has_answered_what_it_was_asked_all_the_same() -> None:
    story = asked(SCHOOL, ReferralDeclined("r1", TOO_YOUNG))
    every = clocks("C-1", story.events, InForce([(HAPPENED, preset())], KNOWN), day(30))
    assert [one.state for one in every if one.name == "referral_answer"] == [ClockState.MET]


# --- no room ---


@pytest.mark.parametrize("reason", [NO_ROOM, ReferralReason.MADE_IN_ERROR])
def test_an_interview_for_which_a_partner_has_no_room_is_to_be_arranged_elsewhere(reason: ReferralReason) -> None:
    story = asked(CENTER, ReferralDeclined("r1", reason))
    one = found(story, WITHDRAWN, day(30))[0]
    assert (numbers(one), one.says) == (
        [8, 7],
        "the forensic interview was declined for want of room, and not arranged anew",
    )
    assert (one.since, one.is_open) == (only(story, WITHDRAWN, day(30)).since, True)
    assert day(5) < one.since < day(9), "five business days"


def test_another_partner_or_the_unit_itself_settles_it() -> None:
    def declined() -> Story:
        return asked(CENTER, ReferralDeclined("r1", NO_ROOM))

    again = declined().tell(day(2), ReferralMade("r2", INTERVIEW, "clinic"), DETECTIVE)
    assert (
        found(again.tell(day(3), ReferralAccepted("r2"), Actor("c", "clinic", Role.PARTNER)), WITHDRAWN, day(30)) == []
    )
    attended = InvestigativeStepTaken(Kind.FORENSIC_INTERVIEW_ATTENDED)
    assert found(declined().tell(day(2), attended, DETECTIVE), WITHDRAWN, day(30)) == []
    no_room_either = declined().tell(day(2), ReferralMade("r2", INTERVIEW, "clinic"), DETECTIVE)
    no_room_either.tell(day(3), ReferralDeclined("r2", NO_ROOM), Actor("c", "clinic", Role.PARTNER))
    assert len(found(no_room_either, WITHDRAWN, day(30))) == 2


def test_who_declines_for_the_childs_sake_has_offered_it_and_a_lesser_matter_owes_none() -> None:
    for reason in (
        TOO_YOUNG,
        ReferralReason.FAMILY_DECLINED,
        ReferralReason.NOT_NEEDED,
        ReferralReason.COULD_NOT_REACH,
    ):
        story = asked(CENTER, ReferralDeclined("r1", reason))
        assert found(story, WITHDRAWN, day(30)) == [] == found(approved(story, day(2)), CLOSED, day(3))
    lesser = asked(CENTER, ReferralDeclined("r1", NO_ROOM), offences=SIMPLE)
    assert found(lesser, WITHDRAWN, day(30)) == [] == found(approved(lesser, day(2)), CLOSED, day(3))


def test_a_case_that_is_closed_because_there_was_no_room_is_closed_without_an_interview() -> None:
    story = approved(asked(CENTER, ReferralDeclined("r1", NO_ROOM)), day(2))
    assert "forensic interview" in only(story, CLOSED, day(3)).says


def test_an_acute_examination_for_which_there_is_no_room_is_to_be_arranged_elsewhere_and_another_one_not() -> None:
    acute = asked(CENTER, ReferralDeclined("r1", NO_ROOM), service=EXAM, acute=True, offences=SIMPLE)
    assert only(acute, WITHDRAWN, day(30)).since == day(3.5)
    assert found(asked(CENTER, ReferralDeclined("r1", NO_ROOM), service=EXAM), WITHDRAWN, day(30)) == []


@pytest.mark.parametrize("reason", [NO_ROOM, ReferralReason.MADE_IN_ERROR])
def test_a_case_that_is_closed_when_there_was_no_room_for_an_acute_examination_is_closed_over_it(
    reason: ReferralReason,
) -> None:
    def declined(acute: bool = True) -> Story:
        return asked(CENTER, ReferralDeclined("r1", reason), service=EXAM, acute=acute, offences=SIMPLE)

    one = only(approved(declined(), day(2)), OVER, day(30))
    assert (numbers(one), one.since, one.is_open) == ([10, 9, 8], day(2), True)
    assert one.says == "ended before the acute examination, which was declined for want of room"
    assert found(approved(declined(acute=False), day(2)), OVER, day(30)) == []
    again = declined().tell(day(0.6), ReferralMade("r2", EXAM, "clinic"), DETECTIVE)
    again.tell(day(0.7), ReferralAccepted("r2"), Actor("c", "clinic", Role.PARTNER))
    again.tell(day(0.8), ReferralCompleted("r2"), Actor("c", "clinic", Role.PARTNER))
    assert found(approved(again, day(2)), OVER, day(30)) == []
    at_school = declined().tell(day(0.6), ReferralMade("r2", EXAM, SCHOOL.agency), DETECTIVE)
    at_school.tell(day(0.7), ReferralCompleted("r2"), SCHOOL)
    assert only(approved(at_school, day(2)), OVER, day(30), agencies=KNOWN).is_open
    read = declined().tell(day(1), InvestigativeStepTaken(Kind.RECORDS_RECEIVED), DETECTIVE)
    assert found(approved(read, day(2)), OVER, day(30)) == []


def test_that_a_partner_has_no_room_any_more_when_a_case_is_closed_over_it_settles_nothing() -> None:
    story = approved(asked(CENTER, ReferralAccepted("r1")), day(2)).tell(
        day(3), ReferralDeclined("r1", NO_ROOM), CENTER
    )
    assert only(story, OVER, day(30)).is_open
    assert found(story, WITHDRAWN, day(30)) == [], "the case has ended"
    story = approved(asked(CENTER), day(2)).tell(day(3), ReferralDeclined("r1", TOO_YOUNG), CENTER)
    assert only(story, OVER, day(30)).settled_at == day(3)


# --- prosecutors ---


def sent_to(actor: Actor) -> Finding | None:
    """The case is closed as referred to the prosecutor, once some agency has accepted the file."""
    story = asked(actor, ReferralAccepted("r1"), service=FILE)
    request = ClosureRequested(Disposition.REFERRED_TO_PROSECUTOR, sealed=RATIONALE)
    story.tell(day(2), request, DETECTIVE).tell(day(3), ClosureApproved())
    return next(iter(found(story, NOT_SHOWN, day(4), agencies=KNOWN)), None)


def test_a_file_that_a_school_has_accepted_is_with_no_prosecutor() -> None:
    one = sent_to(SCHOOL)
    assert one is not None and one.since == day(3)
    assert sent_to(ATTORNEY) is None
    assert sent_to(Actor("d.a", "next-county", Role.PARTNER)) is None, "the registry does not say what it is"


def test_seen_as_soon_as_it_is_closed() -> None:
    story = approved(asked(SCHOOL, ReferralAccepted("r1")), day(2))
    assert seen(story, CLOSED, day(2), agencies=KNOWN).is_open
