"""Cases that end without work, rest for ever, use withdrawn codes, or whose work is entered long afterwards."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from casetrail.domain.actions import Body
from casetrail.domain.assignment import Assigned
from casetrail.domain.closure import ClosureApproved, ClosureRequested, Reopened
from casetrail.domain.codes import (
    ContactMethod,
    CorrectionReason,
    Disposition,
    ReopeningReason,
    ScreeningReason,
    SealedName,
    SuspensionReason,
    TokenKind,
)
from casetrail.domain.codes import Step as Kind
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.intake import ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected
from casetrail.domain.sealed import SealedField, Token
from casetrail.domain.suspension import Suspended
from tests.actions import DETECTIVE, HAPPENED, INTAKE, REGISTRAR, SERGEANT, report
from tests.domain.clock_histories import Story, day
from tests.domain.clock_stories import (
    ASKED,
    ATTEMPT,
    CONTACT,
    OUT,
    RATIONALE,
    REFUSED,
    REOPENED,
    RESUMED,
    REVIEW,
    SIMPLE,
    STEP,
    approved,
    extended,
    held,
    received,
    suspended,
)
from tests.domain.detecting import found, numbers, only, seen, with_settings


def took(story: Story, *kinds: Kind) -> Story:
    for kind in kinds:
        story.tell(day(2), InvestigativeStepTaken(kind), DETECTIVE)
    return story


def plain(**changes: Any) -> Story:
    """A case of simple assault, without danger: nobody has to be seen in person or interviewed at the centre."""
    return held(offences=SIMPLE, **changes)


def contacted() -> Story:
    return plain().tell(day(1), CONTACT, DETECTIVE)


# --- closed without work ---


def test_a_case_that_is_closed_without_any_work_is_seen_at_once() -> None:
    one = only(approved(plain(), day(5)), "closed_without_work", day(6))
    assert (one.since, numbers(one)) == (day(5), [6, 5])
    assert one.says == "closed without victim contact and without investigative step"


def test_a_named_suspect_must_have_been_interviewed() -> None:
    one = only(approved(took(contacted(), Kind.SUSPECT_IDENTIFIED), day(5)), "closed_without_work", day(6))
    assert one.says == "closed without suspect interview"
    for kind in (Kind.SUSPECT_INTERVIEWED, Kind.ARREST_MADE):
        done = approved(took(contacted(), Kind.SUSPECT_IDENTIFIED, kind), day(5))
        assert found(done, "closed_without_work", day(6)) == []


def test_a_case_that_was_worked_may_be_closed() -> None:
    assert found(approved(took(contacted(), Kind.SCENE_VISITED), day(5)), "closed_without_work", day(6)) == []
    assert found(plain().tell(day(5), ASKED, DETECTIVE), "closed_without_work", day(6)) == []
    assert found(plain().tell(day(5), ASKED, DETECTIVE).tell(day(6), REFUSED), "closed_without_work", day(9)) == []


def test_a_case_that_another_agency_has_taken_is_no_finding_and_reopening_settles_one() -> None:
    away = ClosureRequested(Disposition.TRANSFERRED, transferred_to="sheriff", acknowledgement="S-1", sealed=RATIONALE)
    story = plain().tell(day(4), away, DETECTIVE).tell(day(5), ClosureApproved())
    assert found(story, "closed_without_work", day(6)) == []
    reopened = approved(plain(), day(5)).tell(day(9), REOPENED)
    assert only(reopened, "closed_without_work", day(10)).settled_at == day(9)


def test_what_an_agency_asks_of_a_closure_is_a_setting() -> None:
    policy = with_settings('[detectors.closed_without_work]\nneeds = ["investigative_step"]')
    assert found(approved(took(plain(), Kind.SCENE_VISITED), day(5)), "closed_without_work", day(6), policy) == []


NAMED = SealedField(SealedName.SUSPECT_NAME, bytes(32), bytes(12), b"sealed")
LETTER = VictimContactMade(ContactMethod.LETTER)


@pytest.mark.parametrize("named", [{"sealed": (NAMED,)}, {"tokens": (Token(TokenKind.SUSPECT, bytes(32)),)}])
def test_a_suspect_whom_the_report_names_must_have_been_interviewed(named: dict[str, Any]) -> None:
    story = took(plain(**named).tell(day(1), CONTACT, DETECTIVE), Kind.SCENE_VISITED)
    assert only(approved(story, day(5)), "closed_without_work", day(6)).says == "closed without suspect interview"
    heard = took(plain(**named).tell(day(1), CONTACT, DETECTIVE), Kind.SUSPECT_INTERVIEWED)
    assert found(approved(heard, day(5)), "closed_without_work", day(6)) == []


def test_a_suspect_whom_a_correction_names_counts_too_and_a_child_does_not() -> None:
    for name, count in ((SealedName.SUSPECT_NAME, 1), (SealedName.CHILD_NAME, 0)):
        correction = FactCorrected(1, CorrectionReason.NEW_INFORMATION, sealed=(replace(NAMED, name=name),))
        story = took(contacted().tell(day(2), correction, INTAKE), Kind.SCENE_VISITED)
        assert len(found(approved(story, day(5)), "closed_without_work", day(6))) == count
    known = Token(TokenKind.SUSPECT, bytes(32))
    named = FactCorrected(1, CorrectionReason.NEW_INFORMATION, sealed=(replace(NAMED, name=SealedName.NARRATIVE),),
                          tokens=(known,))  # fmt: skip
    story = took(contacted().tell(day(2), named, INTAKE), Kind.SCENE_VISITED)
    assert only(approved(story, day(5)), "closed_without_work", day(6)).says == "closed without suspect interview"


def test_a_letter_is_no_contact_by_itself_and_correspondence_no_step() -> None:
    story = took(plain().tell(day(1), LETTER, DETECTIVE), Kind.CORRESPONDENCE)
    one = only(approved(story, day(5)), "closed_without_work", day(6))
    assert one.says == "closed without victim contact and without investigative step"
    both = took(contacted().tell(day(1), LETTER, DETECTIVE), Kind.CORRESPONDENCE, Kind.SCENE_VISITED)
    assert found(approved(both, day(5)), "closed_without_work", day(6)) == []
    policy = with_settings("[detectors.closed_without_work]\nunspoken = []\nunworked = []")
    written = took(plain().tell(day(1), LETTER, DETECTIVE), Kind.CORRESPONDENCE)
    assert found(approved(written, day(5)), "closed_without_work", day(6), policy) == []


def test_a_talk_with_the_caregiver_is_no_contact_and_a_forensic_interview_is_one() -> None:
    talked = plain().tell(day(1), VictimContactMade(ContactMethod.THROUGH_CAREGIVER), DETECTIVE)
    one = only(approved(took(talked, Kind.SCENE_VISITED), day(5)), "closed_without_work", day(6))
    assert one.says == "closed without victim contact"
    heard = approved(took(plain(), Kind.FORENSIC_INTERVIEW_ATTENDED), day(5))
    assert found(heard, "closed_without_work", day(6)) == []


def reopened(reason: ReopeningReason) -> Story:
    """A case that was worked, closed, and reopened for a reason."""
    story = took(contacted(), Kind.SUSPECT_IDENTIFIED, Kind.SUSPECT_INTERVIEWED)
    story = approved(story, day(5)).tell(day(30), Reopened(reason))
    return story.tell(day(30), Assigned(DETECTIVE.id))


def test_what_is_reopened_for_something_new_is_not_closed_on_the_old_work() -> None:
    one = only(approved(reopened(ReopeningReason.NEW_REPORT), day(31)), "closed_without_work", day(40))
    assert one.says == "closed without victim contact and without investigative step"
    for reason in (ReopeningReason.CLOSED_IN_ERROR, ReopeningReason.MERGED_IN_ERROR):
        assert found(approved(reopened(reason), day(31)), "closed_without_work", day(40)) == []


def test_a_suspect_is_heard_once_and_a_new_one_anew() -> None:
    again = reopened(ReopeningReason.NEW_INFORMATION).tell(day(31), CONTACT, DETECTIVE)
    worked = again.tell(day(31), InvestigativeStepTaken(Kind.EVIDENCE_ANALYSED), DETECTIVE)
    assert found(approved(worked, day(32)), "closed_without_work", day(40)) == []
    other = reopened(ReopeningReason.NEW_INFORMATION).tell(day(31), CONTACT, DETECTIVE)
    other.tell(day(31), InvestigativeStepTaken(Kind.SUSPECT_IDENTIFIED), DETECTIVE)
    assert only(approved(other, day(32)), "closed_without_work", day(40)).says == "closed without suspect interview"
    unheard = took(contacted(), Kind.SUSPECT_IDENTIFIED)
    unheard = approved(unheard, day(5)).tell(day(30), REOPENED).tell(day(30), Assigned(DETECTIVE.id))
    unheard.tell(day(31), CONTACT, DETECTIVE).tell(day(31), STEP, DETECTIVE)
    _, second = found(approved(unheard, day(32)), "closed_without_work", day(40))
    assert second.says == "closed without suspect interview"


# --- screened out ---

UNKNOWN = ScreenedOut(ScreeningReason.INSUFFICIENT_INFORMATION)


def test_a_report_that_is_screened_out_for_want_of_information_that_nobody_asked_for_is_seen_at_once() -> None:
    one = only(received().tell(day(1), UNKNOWN, INTAKE), "screened_out_unasked", day(2))
    assert (one.since, numbers(one)) == (day(1), [2])
    reopened = received().tell(day(1), UNKNOWN, INTAKE).tell(day(9), REOPENED)
    assert only(reopened, "screened_out_unasked", day(10)).settled_at == day(9)


def test_who_asked_or_has_another_reason_may_screen_out() -> None:
    tried = received(offences=SIMPLE).tell(day(0.5), ATTEMPT, INTAKE).tell(day(1), UNKNOWN, INTAKE)
    assert found(tried, "screened_out_unasked", day(2)) == []
    assert found(received(offences=SIMPLE).tell(day(1), OUT, INTAKE), "screened_out_unasked", day(2)) == []


# --- suspensions ---


def test_a_suspension_beyond_its_review_date_is_seen_after_the_days_of_grace() -> None:
    assert numbers(seen(held().tell(day(1), suspended(day(20))), "suspended_for_ever", day(22))) == [5]


def test_a_suspension_that_is_looked_at_in_time_is_no_finding() -> None:
    for body in (RESUMED, suspended(day(40)), ASKED):
        story = held().tell(day(1), suspended(day(20))).tell(day(21), body)
        assert [one for one in found(story, "suspended_for_ever", day(41)) if numbers(one) == [5]] == []
    late = held().tell(day(1), suspended(day(20))).tell(day(30), RESUMED)
    assert only(late, "suspended_for_ever", day(99)).settled_at == day(30)


def test_a_suspension_that_is_renewed_a_third_time_is_seen() -> None:
    story = held()
    for number in range(3):
        story.tell(day(1 + 25 * number), suspended(day(26 + 25 * number)))
    assert found(story, "renewed_again", day(76)) == []
    one = only(story.tell(day(76), suspended(day(100))), "renewed_again", day(77))
    assert (one.since, numbers(one)) == (day(76), [5, 6, 7, 8])
    assert only(story.tell(day(90), RESUMED), "renewed_again", day(91)).is_open
    assert only(story.tell(day(91), STEP, DETECTIVE), "renewed_again", day(92)).settled_at == day(91)


@pytest.mark.parametrize("between", [(RESUMED,), (ASKED, REFUSED)])
def test_what_is_resumed_for_a_minute_and_suspended_again_is_renewed(between: tuple[Body, ...]) -> None:
    story = held()
    for number in range(8):
        story.tell(day(1 + 28 * number), suspended(day(29 + 28 * number)))
        for body in between:
            story.tell(day(28 + 28 * number), body, DETECTIVE if body is ASKED else SERGEANT)
    one = only(story, "renewed_again", day(240))
    assert (one.since, numbers(one)[0], len(numbers(one)), one.is_open) == (day(85), 5, 4, True)


def test_suspending_anew_after_work_went_on_is_no_renewal() -> None:
    story = held()
    for number in range(6):
        story.tell(day(1 + 20 * number), suspended(day(10 + 20 * number)))
        story.tell(day(10 + 20 * number), RESUMED).tell(day(11 + 20 * number), STEP, DETECTIVE)
    assert found(story, "renewed_again", day(300)) == []


# --- all suspensions together ---


def rested(story: Story, *spans: tuple[float, float]) -> Story:
    """Suspended from one day to another, and worked on each time."""
    for begins, ends in spans:
        story.tell(day(begins), suspended(day(ends))).tell(day(ends), RESUMED).tell(day(ends), ATTEMPT, DETECTIVE)
    return story


def test_a_case_that_rests_for_more_than_90_days_in_all_is_seen_on_the_day() -> None:
    story = rested(held(), (1, 31), (32, 62), (63, 93))
    assert found(story, "rested_long", day(300)) == []
    one = seen(story.tell(day(94), suspended(day(120))), "rested_long", day(94))
    assert len(numbers(one)) == 4
    assert only(story.tell(day(110), STEP, DETECTIVE), "rested_long", day(300)).settled_at == day(110)


def test_resuming_for_a_minute_between_suspensions_hides_no_rest() -> None:
    story = held()
    for number in range(9):
        story.tell(day(1 + 28 * number), suspended(day(30 + 28 * number))).tell(day(28.9 + 28 * number), RESUMED)
    one = only(story, "rested_long", day(250))
    assert one.is_open and day(91) < one.since < day(92)


def test_only_the_time_until_the_review_date_is_rest_and_a_reopened_case_begins_anew() -> None:
    short = held()
    for number in range(5):
        short.tell(day(1 + 30 * number), suspended(day(10 + 30 * number)))
    assert found(short, "rested_long", day(900)) == []
    anew = approved(rested(held(), (1, 31), (32, 62), (63, 93)), day(94)).tell(day(95), REOPENED).tell(day(96), STEP)
    assert found(rested(anew, (96, 120)), "rested_long", day(300)) == []


def test_how_long_a_case_may_rest_is_a_setting_and_a_second_time_is_another_finding() -> None:
    policy = with_settings('[detectors.rested_long]\nmost = "20 days"')
    story = rested(held(), (1, 31), (32, 62))
    first, second = found(story, "rested_long", day(300), policy)
    assert (first.since, first.settled_at, second.since) == (day(21), day(31), day(52))


# --- extensions ---


def test_a_decision_that_is_extended_a_fourth_time_is_seen() -> None:
    story = held()
    for number in range(3):
        story.tell(day(40 + 44 * number), extended(day(84 + 44 * number)))
    assert found(story, "extended_again", day(400)) == []
    story.tell(day(172), extended(day(210))).tell(day(205), extended(day(240)))
    one = only(story, "extended_again", day(400))
    assert (one.since, numbers(one), one.is_open) == (day(172), [5, 6, 7, 8], True)
    assert only(approved(story, day(300)), "extended_again", day(400)).settled_at == day(300)
    policy = with_settings("[detectors.extended_again]\nmost = 1")
    assert only(story, "extended_again", day(400), policy).since == day(84)


def test_a_reopened_case_may_be_extended_again() -> None:
    story = held()
    for number in range(3):
        story.tell(day(number), extended(day(9)))
    story = approved(story, day(3)).tell(day(4), REOPENED).tell(day(5), extended(day(20)))
    assert found(story, "extended_again", day(400)) == []


# --- withdrawn codes ---

NO_PEOPLE = Suspended(SuspensionReason.LACK_OF_PERSONNEL, day(20))


def test_a_withdrawn_code_is_seen_when_it_is_used() -> None:
    one = only(held().tell(day(1), NO_PEOPLE), "forbidden_code", day(2))
    assert (one.since, numbers(one), one.says) == (day(1), [5], "used the withdrawn code lack_of_personnel")
    assert only(held().tell(day(1), NO_PEOPLE).tell(day(3), RESUMED), "forbidden_code", day(9)).settled_at == day(3)


def test_renewing_with_a_withdrawn_code_settles_nothing_and_is_another_finding() -> None:
    story = held().tell(day(1), NO_PEOPLE).tell(day(19), Suspended(SuspensionReason.LACK_OF_PERSONNEL, day(40)))
    first, second = found(story, "forbidden_code", day(99))
    assert (first.since, second.since, first.is_open, second.is_open) == (day(1), day(19), True, True)
    for body in (suspended(day(45)), RESUMED):
        settled = held().tell(day(1), NO_PEOPLE).tell(day(19), body)
        assert only(settled, "forbidden_code", day(99)).settled_at == day(19)


def test_other_codes_and_withdrawn_ones_before_their_day_are_no_finding() -> None:
    assert found(held().tell(day(1), suspended(day(20))), "forbidden_code", day(2)) == []
    from casetrail.domain.policy_file import parse_policy
    from tests.domain.policies import changed

    later = parse_policy(changed(("from = 2022-01-01", "from = 2026-03-04T00:00:00Z")))
    assert found(held().tell(day(1), NO_PEOPLE), "forbidden_code", day(2), later) == []
    assert len(found(held().tell(day(3), NO_PEOPLE), "forbidden_code", day(4), later)) == 1


def test_backdating_does_not_bring_a_withdrawn_code_back() -> None:
    from casetrail.domain.policy_file import parse_policy
    from tests.domain.policies import changed

    later = parse_policy(changed(("from = 2022-01-01", "from = 2026-03-04T00:00:00Z")))
    story = held().tell(day(1), NO_PEOPLE, late=timedelta(days=5))
    assert only(story, "forbidden_code", day(9), later).since == day(6)


def test_any_vocabulary_can_have_withdrawn_codes_also_those_of_lists() -> None:
    from casetrail.domain.policy_file import parse_policy
    from tests.domain.policies import text_of

    for vocabulary, code, number in (("Offence", "11A", 1), ("Disposition", "inactivated", 5), ("Channel", "phone", 1)):
        more = f'[[withdrawn]]\nvocabulary = "{vocabulary}"\ncode = "{code}"\nfrom = 2020-01-01\nsource = "practice"\n'
        policy = parse_policy(f"{text_of()}\n{more}")
        one = only(approved(held(), day(2)), "forbidden_code", day(3), policy)
        assert numbers(one) == [number]


# --- entered late ---


def late(story: Story, at: float, by: float) -> Story:
    return story.tell(day(at), STEP, DETECTIVE, late=timedelta(days=by))


def test_one_entry_that_is_a_little_late_is_no_finding_and_one_that_is_very_late_is() -> None:
    assert found(late(held(), 1, 10), "entered_late", day(90)) == []
    one = only(late(held(), 1, 31), "entered_late", day(90))
    assert (one.since, numbers(one), one.is_open) == (day(32), [5], True)


def test_several_late_entries_together_are_seen_and_those_far_apart_are_not() -> None:
    one = only(late(late(held(), 1, 10), 2, 9), "entered_late", day(90))
    assert (one.since, numbers(one)) == (day(11), [5, 6])
    assert found(late(late(held(), 1, 10), 2, 15), "entered_late", day(90)) == []


@pytest.mark.parametrize("body", [REVIEW, ASKED])
def test_a_late_entry_just_before_somebody_looks_at_the_case_is_seen(body: object) -> None:
    actor = DETECTIVE if body is ASKED else None
    story = late(held(), 1, 10)
    story = story.tell(day(12), ASKED, actor) if actor else story.tell(day(12), REVIEW)
    one = only(story, "entered_late", day(90))
    assert (one.since, numbers(one)) == (day(12), [5, 6])
    assert found(late(held(), 1, 10).tell(day(14), REVIEW), "entered_late", day(90)) == []


def test_decisions_that_are_entered_late_are_seen_like_work() -> None:
    story = held().tell(day(40), extended(day(80)), late=timedelta(days=31))
    one = only(story, "entered_late", day(90))
    assert (one.since, numbers(one), one.says) == (
        day(71),
        [5],
        "1 late entries of work or decisions, the latest after 31 days",
    )
    approval = held().tell(day(1), ASKED, DETECTIVE).tell(day(2), ClosureApproved(), late=timedelta(days=94))
    assert numbers(only(approval, "entered_late", day(99))) == [6]
    assert found(held().tell(day(40), extended(day(80)), late=timedelta(days=5)), "entered_late", day(90)) == []


def test_a_report_from_the_drawer_is_seen_when_it_is_entered() -> None:
    drawer = Story().tell(HAPPENED, report(), INTAKE, late=timedelta(days=180))
    one = only(drawer, "received_late", day(181))
    assert (one.since, numbers(one), one.says) == (day(180), [1], "received 180 days before it was entered")
    assert found(Story().tell(HAPPENED, report(), INTAKE, late=timedelta(days=3)), "received_late", day(9)) == []
    imported = Story().tell(HAPPENED, report(), REGISTRAR, imported=True, late=timedelta(days=180))
    assert found(imported, "received_late", day(999)) == []


def test_a_report_that_is_said_later_on_to_have_come_earlier_was_entered_late_too() -> None:
    corrected = received().tell(day(2), FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(-9)), INTAKE)
    one = only(corrected, "received_late", day(9))
    assert (one.since, numbers(one)) == (day(2), [1, 2])
    soon = received().tell(day(2), FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(-2)), INTAKE)
    assert found(soon, "received_late", day(9)) == []


def test_what_is_entered_in_time_or_imported_is_no_finding() -> None:
    assert found(late(late(held(), 1, 2), 2, 1).tell(day(4), REVIEW), "entered_late", day(90)) == []
    imported = Story().tell(HAPPENED, report(), REGISTRAR, imported=True, late=timedelta(days=400))
    imported.tell(day(3), STEP, REGISTRAR, imported=True, late=timedelta(days=400))
    assert found(imported, "entered_late", day(900)) == []
