"""Corrections by which less is owed than before."""

from datetime import timedelta
from typing import Any

import pytest

from casetrail.domain.codes import CorrectionReason, ReferralReason, Service
from casetrail.domain.codes import Step as Kind
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected
from casetrail.domain.referral import ReferralAccepted, ReferralCompleted, ReferralMade, ReferralWithdrawn
from tests.actions import CLINIC, DETECTIVE, INTAKE, OTHER_SERGEANT, SERGEANT, report
from tests.domain.clock_histories import HOUR, Story, day
from tests.domain.clock_stories import (
    CONTACT,
    FONDLING,
    IN,
    PROTECTIVE,
    REVIEW,
    SIMPLE,
    STEP,
    TRUANCY,
    approved,
    held,
    received,
)
from tests.domain.detecting import found, numbers, only, seen, with_settings

DETECTOR = "owed_less"


def wrong(**changes: Any) -> FactCorrected:
    return FactCorrected(1, CorrectionReason.ENTERED_WRONG, **changes)


CALM = wrong(immediate_danger=False)
DANGER = wrong(immediate_danger=True)


def in_danger() -> Story:
    return held(immediate_danger=True)


def test_a_danger_that_is_corrected_away_after_the_deadline_is_seen_at_once() -> None:
    one = seen(in_danger().tell(day(4), wrong(immediate_danger=False, offences=SIMPLE)), DETECTOR, day(4))
    assert (numbers(one), one.says) == (
        [5, 1], "corrected so that less is owed: danger_contact (missed) and forensic_interview",
    )  # fmt: skip


def test_so_is_one_that_is_corrected_away_just_before() -> None:
    one = only(in_danger().tell(day(0.9), CALM), DETECTOR, day(9))
    assert (one.since, one.says) == (day(0.9), "corrected so that less is owed: danger_contact")


def test_what_was_mistyped_is_corrected_soon_and_a_setting_says_how_soon() -> None:
    mistyped = received(immediate_danger=True).tell(day(0) + HOUR, CALM, INTAKE)
    assert found(mistyped, DETECTOR, day(9)) == []
    strict = with_settings('[detectors.owed_less]\ngrace = "0 hours"')
    assert len(found(mistyped, DETECTOR, day(9), strict)) == 1
    assert len(found(received(immediate_danger=True).tell(day(0) + 2 * HOUR, CALM, INTAKE), DETECTOR, day(9))) == 1


def reported_by_a_clinic(**changes: Any) -> Story:
    return Story().tell(day(0), report(**changes), CLINIC)


def test_what_another_agency_reported_is_not_mistyped() -> None:
    story = reported_by_a_clinic(immediate_danger=True).tell(day(0) + HOUR / 2, CALM, INTAKE)
    one = only(story, DETECTOR, day(9))
    assert (one.since, one.says) == (day(0) + HOUR / 2, "corrected so that less is owed: danger_contact")
    assert only(story.tell(day(2), REVIEW, SERGEANT), DETECTOR, day(9)).settled_at == day(2)


def test_whoever_mistypes_a_correction_of_it_may_correct_that() -> None:
    story = reported_by_a_clinic(offences=SIMPLE)
    for minutes, body in enumerate((wrong(immediate_danger=True, offences=FONDLING), wrong(offences=SIMPLE), CALM)):
        story.tell(day(0) + minutes * HOUR / 60, body, INTAKE)
    assert found(story, DETECTOR, day(9)) == []


def test_saying_it_once_more_does_not_make_it_ones_own() -> None:
    story = reported_by_a_clinic(offences=FONDLING, immediate_danger=True).tell(day(0), IN, INTAKE)
    for minutes, body in enumerate((wrong(offences=(*FONDLING, *SIMPLE)), DANGER, wrong(offences=SIMPLE), CALM)):
        story.tell(day(0) + minutes * HOUR / 60, body, INTAKE)
    assert [one.says for one in found(story, DETECTOR, day(9))] == [
        "corrected so that less is owed: forensic_interview", "corrected so that less is owed: danger_contact",
    ]  # fmt: skip


def test_entering_the_correction_late_makes_it_no_sooner() -> None:
    late = in_danger().tell(day(0) + HOUR, CALM, late=timedelta(days=3))
    assert only(late, DETECTOR, day(9)).since == day(3) + HOUR


def test_who_has_seen_the_child_may_know_better() -> None:
    assert found(in_danger().tell(day(0.5), CONTACT, DETECTIVE).tell(day(4), CALM), DETECTOR, day(9)) == []
    assert len(found(in_danger().tell(day(0.5), STEP, DETECTIVE).tell(day(4), CALM), DETECTOR, day(9))) == 1


def test_a_correction_by_which_more_or_as_much_is_owed_is_no_finding() -> None:
    for body in (DANGER, wrong(offences=FONDLING), wrong(happened_at=day(-3))):
        assert found(held(offences=SIMPLE).tell(day(4), body), DETECTOR, day(9)) == []
    assert found(approved(in_danger(), day(2)).tell(day(4), CALM), DETECTOR, day(9)) == [], "nothing is owed any more"


def test_an_offence_by_which_no_interview_is_owed_any_longer_is_seen_unless_one_was_offered() -> None:
    less = held(offences=FONDLING).tell(day(1), wrong(offences=SIMPLE))
    assert only(less, DETECTOR, day(9)).says == "corrected so that less is owed: forensic_interview"
    for service, findings in ((Service.FORENSIC_INTERVIEW, 0), (Service.MENTAL_HEALTH, 1)):
        story = held(offences=FONDLING).tell(day(0.5), ReferralMade("r1", service, CLINIC.agency), DETECTIVE)
        story.tell(day(0.6), ReferralAccepted("r1"), CLINIC).tell(day(1), wrong(offences=SIMPLE))
        assert len(found(story, DETECTOR, day(9))) == findings


def test_an_interview_that_was_arranged_before_the_screening_is_not_owed_less_by_a_correction() -> None:
    story = received(offences=FONDLING)
    story.tell(day(0.1), ReferralMade("r1", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE)
    story.tell(day(0.2), ReferralAccepted("r1"), CLINIC).tell(day(0.5), CONTACT, DETECTIVE).tell(day(1), IN, INTAKE)
    assert found(story.tell(day(2), wrong(offences=SIMPLE)), DETECTOR, day(9)) == []


def accepted() -> Story:
    """A partner has accepted to interview the child."""
    story = held(offences=FONDLING)
    story.tell(day(0.5), ReferralMade("r1", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE)
    return story.tell(day(0.6), ReferralAccepted("r1"), CLINIC)


NOT_NEEDED = ReferralWithdrawn("r1", ReferralReason.NOT_NEEDED)
LESSER = wrong(offences=SIMPLE)
WITHDRAWN = "corrected so that less is owed: forensic_interview (withdrawn)"


def test_an_interview_that_was_accepted_and_withdrawn_is_owed_less_by_a_correction_whichever_comes_first() -> None:
    story = accepted().tell(day(1), LESSER, DETECTIVE).tell(day(2), NOT_NEEDED, DETECTIVE)
    one = seen(story, DETECTOR, day(2))
    assert (numbers(one), one.says) == ([8, 7, 1], WITHDRAWN)
    story = accepted().tell(day(1), NOT_NEEDED, DETECTIVE).tell(day(2), LESSER, DETECTIVE)
    one = seen(story, DETECTOR, day(2))
    assert (numbers(one), one.says) == ([8, 1], WITHDRAWN)
    for body, actor in ((REVIEW, OTHER_SERGEANT), (wrong(offences=FONDLING), INTAKE)):
        told = accepted().tell(day(1), LESSER, DETECTIVE).tell(day(2), NOT_NEEDED, DETECTIVE).tell(day(4), body, actor)
        assert only(told, DETECTOR, day(9)).settled_at == day(4)
    assert only(approved(story, day(5)), DETECTOR, day(9)).settled_at == day(5), "somebody else has closed it"


def test_whoever_gives_the_interview_or_whose_family_declines_it_or_who_mistyped_is_not_found() -> None:
    family = ReferralWithdrawn("r1", ReferralReason.FAMILY_DECLINED)
    assert found(accepted().tell(day(1), LESSER, DETECTIVE).tell(day(2), family, DETECTIVE), DETECTOR, day(9)) == []
    done = accepted().tell(day(1), LESSER, DETECTIVE).tell(day(2), ReferralCompleted("r1"), CLINIC)
    assert found(done, DETECTOR, day(9)) == []
    attended = accepted().tell(day(1), InvestigativeStepTaken(Kind.FORENSIC_INTERVIEW_ATTENDED), DETECTIVE)
    attended.tell(day(2), LESSER, DETECTIVE).tell(day(3), NOT_NEEDED, DETECTIVE)
    assert found(attended, DETECTOR, day(9)) == []
    other = accepted().tell(day(0.7), ReferralMade("r2", Service.FORENSIC_INTERVIEW, PROTECTIVE.agency), DETECTIVE)
    other.tell(day(0.8), ReferralAccepted("r2"), PROTECTIVE).tell(day(1), LESSER).tell(day(2), NOT_NEEDED, DETECTIVE)
    assert found(other, DETECTOR, day(9)) == []
    soon = received(offences=FONDLING).tell(day(0) + HOUR / 2, LESSER, INTAKE).tell(day(0.1), IN, INTAKE)
    soon.tell(day(0.2), ReferralMade("r1", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE)
    soon.tell(day(0.3), ReferralAccepted("r1"), CLINIC).tell(day(2), NOT_NEEDED, DETECTIVE)
    assert found(soon, DETECTOR, day(9)) == []


def test_an_interview_that_would_have_been_owed_after_the_screening_is_seen() -> None:
    story = received(offences=FONDLING).tell(day(0.5), wrong(offences=SIMPLE), INTAKE).tell(day(0.6), IN, INTAKE)
    assert only(story, DETECTOR, day(9)).says == "corrected so that less is owed: forensic_interview"
    arranged = received(offences=FONDLING)
    arranged.tell(day(0.1), ReferralMade("r1", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE)
    arranged.tell(day(0.2), ReferralAccepted("r1"), CLINIC).tell(day(0.5), wrong(offences=SIMPLE), INTAKE)
    assert found(arranged, DETECTOR, day(9)) == []
    soon = received(offences=FONDLING).tell(day(0) + HOUR, wrong(offences=SIMPLE), INTAKE)
    assert found(soon, DETECTOR, day(9)) == []
    reported = reported_by_a_clinic(offences=FONDLING).tell(day(0) + HOUR, wrong(offences=SIMPLE), INTAKE)
    assert len(found(reported, DETECTOR, day(9))) == 1


def test_a_longer_limit_is_seen() -> None:
    one = only(held(offences=SIMPLE).tell(day(0.5), wrong(offences=TRUANCY)), DETECTOR, day(9))
    assert one.says == "corrected so that less is owed: first_response"


@pytest.mark.parametrize(
    ("body", "actor"),
    [(CONTACT, DETECTIVE), (DANGER, INTAKE), (REVIEW, OTHER_SERGEANT)],
    ids=["the child is seen", "it is corrected back", "somebody else looks at it"],
)
def test_what_settles_it(body: Any, actor: Any) -> None:
    story = in_danger().tell(day(4), CALM, SERGEANT).tell(day(7), body, actor)
    assert only(story, DETECTOR, day(9)).settled_at == day(7)


def test_who_corrected_it_does_not_settle_it_by_looking_at_it() -> None:
    story = in_danger().tell(day(4), CALM, SERGEANT).tell(day(7), REVIEW, SERGEANT)
    assert only(story, DETECTOR, day(9)).is_open


def test_what_is_owed_again_or_by_nobody_when_it_is_withdrawn_is_not_found() -> None:
    back = accepted().tell(day(1), LESSER, DETECTIVE).tell(day(2), wrong(offences=FONDLING), INTAKE)
    assert found(back.tell(day(3), NOT_NEEDED, DETECTIVE), DETECTOR, day(99)) == []
    ended = approved(accepted().tell(day(1), LESSER, DETECTIVE), day(2))
    assert found(ended.tell(day(3), NOT_NEEDED, DETECTIVE), DETECTOR, day(99)) == []


def test_what_was_owed_still_when_it_was_corrected_is_found_once() -> None:
    story = held(offences=FONDLING).tell(day(1), LESSER, DETECTIVE)
    story.tell(day(2), ReferralMade("r1", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE)
    story.tell(day(3), ReferralAccepted("r1"), CLINIC).tell(day(4), NOT_NEEDED, DETECTIVE)
    assert only(story, DETECTOR, day(99)).says == "corrected so that less is owed: forensic_interview"


def test_what_another_agency_reported_and_is_withdrawn_after_a_correction_is_found_however_soon_that_was() -> None:
    for reporter, count in ((CLINIC, 1), (INTAKE, 0)):
        story = Story().tell(day(0), report(offences=FONDLING), reporter).tell(day(0), IN, INTAKE)
        story.tell(day(0), ReferralMade("r1", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE)
        story.tell(day(0), ReferralAccepted("r1"), CLINIC).tell(day(0) + HOUR / 2, LESSER, INTAKE)
        assert len(found(story.tell(day(2), NOT_NEEDED, DETECTIVE), DETECTOR, day(99))) == count
