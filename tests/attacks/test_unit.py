"""The police unit itself, which wants a report to be forgotten, and does nothing that a rule forbids.

Each of these had kept every time limit, or closed the case, with nothing to be seen by anybody outside.
"""

from pathlib import Path

import pytest

from casetrail.demo.people import INTAKE, INTERVIEWER
from casetrail.domain.actions import Body
from casetrail.domain.assignment import Assigned
from casetrail.domain.closure import (
    ClosureApproved,
    ClosureRefused,
    ClosureRequested,
    ExceptionalConditions,
    Reopened,
)
from casetrail.domain.codes import (
    Clearance,
    ClosureRefusal,
    ContactFailure,
    ContactMethod,
    Disposition,
    MergeReason,
    Offence,
    ReferralReason,
    ReopeningReason,
    ScreeningReason,
    Service,
    Step,
    TokenKind,
)
from casetrail.domain.contact import VictimContactAttempted, VictimContactMade
from casetrail.domain.intake import OffenceAlleged, ScreenedIn
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import Merged
from casetrail.domain.referral import ReferralAccepted, ReferralCompleted, ReferralDeclined, ReferralMade
from casetrail.domain.sealed import Token
from tests.attacks.insiders import COUNSELLOR, DETECTIVE, OTHER_SERGEANT, SERGEANT, Unit, reported

SCENE = InvestigativeStepTaken(Step.SCENE_VISITED)
IN_PERSON = VictimContactMade(ContactMethod.IN_PERSON)
LEADING_NOWHERE = (
    VictimContactMade(ContactMethod.THROUGH_CAREGIVER),
    VictimContactMade(ContactMethod.PHONE),
    VictimContactAttempted(ContactMethod.PHONE, ContactFailure.NO_ANSWER),
    InvestigativeStepTaken(Step.RECORDS_REQUESTED),
    InvestigativeStepTaken(Step.TEAM_REVIEW_HELD),
    InvestigativeStepTaken(Step.OTHER),
)
MOTIONS = 240
"""So many days the unit keeps every time limit."""


@pytest.fixture
def unit(tmp_path: Path) -> Unit:
    return Unit(tmp_path)


def interview(of: str) -> ReferralMade:
    return ReferralMade("f1", Service.FORENSIC_INTERVIEW, of)


def test_a_report_that_is_kept_alive_by_calls_requests_and_meetings_is_seen_after_three_months(unit: Unit) -> None:
    unit.begins_well()
    for number, at in enumerate(range(16, MOTIONS, 12)):
        unit.say(at, DETECTIVE, LEADING_NOWHERE[number % len(LEADING_NOWHERE)])
    outsider = unit.goes_through_the_motions(MOTIONS).play()
    assert outsider.sees(94) == {}
    assert outsider.sees(95) == {"kept_alive": 94.1}
    assert outsider.to_be_told(108.2, "kept_alive") >= {"commander", "partners", "oversight"}
    assert outsider.overdue(MOTIONS - 1) == set(), "by the time limits alone nobody sees anything"


def test_a_closure_that_is_asked_for_and_refused_in_a_circle_is_seen_in_a_month(unit: Unit) -> None:
    unit.begins_well()
    refused = ClosureRefused(ClosureRefusal.RATIONALE_INSUFFICIENT)
    for at in range(16, MOTIONS, 4):
        unit.say(at, DETECTIVE, ClosureRequested(Disposition.INACTIVATED)).say(at + 3.9, OTHER_SERGEANT, refused)
    outsider = unit.goes_through_the_motions(MOTIONS).play()
    found = outsider.sees(60)
    assert found.keys() == {"untouched", "contact_lost"}
    assert 24 < found["untouched"] < 31 and 49 < found["contact_lost"] < 60
    assert outsider.to_be_told(45, "untouched") >= {"partners", "oversight"}
    assert outsider.overdue(MOTIONS - 1) == set()


@pytest.mark.parametrize("answer", [ReferralAccepted("f1"), ReferralDeclined("f1", ReferralReason.OUTSIDE_CRITERIA)])
def test_a_school_that_is_asked_for_the_forensic_interview_meets_no_time_limit(unit: Unit, answer: Body) -> None:
    unit.takes_in().say(0.2, DETECTIVE, IN_PERSON, SCENE, interview(COUNSELLOR.agency)).say(0.5, COUNSELLOR, answer)
    outsider = unit.play()
    assert "forensic_interview" in outsider.overdue(9)


def test_a_case_that_is_closed_after_a_school_was_asked_for_the_interview_is_seen_at_once(unit: Unit) -> None:
    unit.takes_in().say(0.2, DETECTIVE, IN_PERSON, SCENE, interview(COUNSELLOR.agency))
    unit.say(0.5, COUNSELLOR, ReferralDeclined("f1", ReferralReason.OUTSIDE_CRITERIA)).closes(3)
    outsider = unit.play()
    assert outsider.sees(4) == {"closed_without_work": 3.1}
    assert "oversight" in outsider.to_be_told(17.2, "closed_without_work")


def test_an_interview_for_which_there_is_no_room_is_seen_when_nobody_else_is_asked(unit: Unit) -> None:
    unit.takes_in().say(0.2, DETECTIVE, IN_PERSON, SCENE, interview(INTERVIEWER.agency))
    unit.say(0.5, INTERVIEWER, ReferralDeclined("f1", ReferralReason.NO_CAPACITY))
    found = unit.play().sees(10)
    assert found.keys() == {"interview_withdrawn"} and found["interview_withdrawn"] < 9


def test_an_interview_that_is_put_off_while_the_case_is_worked_is_seen_after_six_weeks(unit: Unit) -> None:
    unit.takes_in().say(0.2, DETECTIVE, IN_PERSON, interview(INTERVIEWER.agency))
    unit.say(0.5, INTERVIEWER, ReferralAccepted("f1"))
    for at in range(10, MOTIONS, 12):
        unit.say(at, DETECTIVE, SCENE, VictimContactMade(ContactMethod.THROUGH_CAREGIVER))
    outsider = unit.goes_through_the_motions(MOTIONS).play()
    assert outsider.sees(45) == {}
    assert outsider.sees(46) == {"interview_put_off": 45.5}
    assert "oversight" in outsider.to_be_told(60, "interview_put_off")
    assert outsider.overdue(MOTIONS - 1) == set()


def test_a_contact_through_a_partner_that_nobody_names_is_none(unit: Unit) -> None:
    unit.takes_in((OffenceAlleged(Offence.SIMPLE_ASSAULT),))
    unit.say(0.2, DETECTIVE, VictimContactMade(ContactMethod.THROUGH_PARTNER), SCENE).closes(3)
    assert unit.play().sees(4) == {"closed_without_work": 3.1}


def test_a_child_whose_report_is_merged_into_the_case_of_another_who_was_heard_long_ago_is_seen(unit: Unit) -> None:
    suspect = Token(TokenKind.SUSPECT, b"s" * 32)
    first, second = ((Token(TokenKind.CHILD, child * 32), suspect) for child in (b"a", b"b"))
    earlier = "KC-2023-0100"
    unit.say(-40, INTAKE, reported(tokens=first), ScreenedIn(ScreeningReason.ALLEGES_CRIME), case=earlier)
    unit.say(-40, SERGEANT, Assigned(DETECTIVE.id), case=earlier)
    unit.say(-39.9, DETECTIVE, IN_PERSON, interview(INTERVIEWER.agency), case=earlier)
    unit.say(-39, INTERVIEWER, ReferralAccepted("f1"), ReferralCompleted("f1", True), case=earlier)
    unit.say(-38, DETECTIVE, InvestigativeStepTaken(Step.SUSPECT_INTERVIEWED), case=earlier)
    unit.say(0, INTAKE, reported(tokens=second))
    unit.say(0.5, SERGEANT, Merged(earlier, MergeReason.SAME_CHILD_AND_SUSPECT))
    unit.say(1, DETECTIVE, SCENE, ClosureRequested(Disposition.INACTIVATED), case=earlier)
    unit.say(2, OTHER_SERGEANT, ClosureApproved(), case=earlier)
    outsider = unit.play()
    assert outsider.sees(7) == {}
    found = outsider.sees(10)
    assert found.keys() == {"merged_unheard"} and found["merged_unheard"] < 9
    assert "oversight" in outsider.to_be_told(23, "merged_unheard")


def test_a_case_that_is_reopened_for_a_minute_before_anybody_outside_is_told_is_seen_in_three_weeks(unit: Unit) -> None:
    attempt = VictimContactAttempted(ContactMethod.PHONE, ContactFailure.NO_ANSWER)
    unit.takes_in().say(0.5, DETECTIVE, attempt, SCENE).closes(1)
    for at in range(7, 90, 6):  # the partners would be told of each end after seven days, oversight after fourteen
        unit.say(at, OTHER_SERGEANT, Reopened(ReopeningReason.CLOSED_IN_ERROR))
        unit.say(at + 0.01, SERGEANT, ClosureRequested(Disposition.INACTIVATED))
        unit.say(at + 0.02, OTHER_SERGEANT, ClosureApproved())
    outsider = unit.play()
    assert outsider.sees(20).keys() == {"closed_without_work", "ended_again"}
    assert outsider.sees(20)["ended_again"] == 19.0
    assert "oversight" in outsider.to_be_told(34, "ended_again")
    assert "oversight" not in outsider.to_be_told(90, "closed_without_work"), (
        "of the ends themselves nobody outside is told"
    )


def test_prosecution_that_nobody_was_asked_about_is_not_declined(unit: Unit) -> None:
    conditions = ExceptionalConditions(True, True, True, True)
    request = ClosureRequested(Disposition.CLEARED_EXCEPTIONALLY, Clearance.PROSECUTION_DECLINED, conditions)
    unit.begins_well().say(6, DETECTIVE, InvestigativeStepTaken(Step.SUSPECT_INTERVIEWED)).closes(7, request)
    assert unit.play().sees(8) == {"disposition_not_shown": 7.1}


def test_a_file_that_a_school_accepts_is_with_no_prosecutor(unit: Unit) -> None:
    unit.begins_well().say(6, DETECTIVE, ReferralMade("p1", Service.PROSECUTOR, COUNSELLOR.agency))
    unit.say(6.5, COUNSELLOR, ReferralAccepted("p1")).closes(7, Disposition.REFERRED_TO_PROSECUTOR)
    assert unit.play().sees(8) == {"disposition_not_shown": 7.1}


def test_a_lesser_offence_that_is_named_first_takes_no_rape_out_of_the_public_report(
    unit: Unit, tmp_path: Path
) -> None:
    hidden = reported((OffenceAlleged(Offence.OTHER), OffenceAlleged(Offence.RAPE)))
    for number in range(30):
        unit.say(number / 10, INTAKE, hidden, case=f"KC-2024-{number:04}")
    rows = unit.play().published(tmp_path / "report", 40)
    assert rows == {"rape": "30", "All": "30"}
