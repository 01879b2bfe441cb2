"""What is between a case and the other agencies, and how much of the case each of them sees."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from casetrail.domain.actions import Actor
from casetrail.domain.codes import ConcernAnswer, ConcernKind, ConcernOutcome, Role, Service
from casetrail.domain.concern import ConcernAnswered, ConcernClosed, ConcernRaised
from casetrail.domain.detectors.history import History
from casetrail.domain.partner_ledger import Part, Standing, entries, standings
from casetrail.domain.referral import ReferralAccepted, ReferralMade
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, SERGEANT, report
from tests.domain.clock_histories import Story, day
from tests.domain.clock_stories import (
    ATTEMPT,
    CONTACT,
    OUT,
    REVIEW,
    STEP,
    held,
    received,
    screened,
)
from tests.domain.detecting import history_of

CENTER = Actor("cac.lee", "cac", Role.PARTNER)
RAISED = ConcernRaised("x", ConcernKind.NO_RESPONSE)
"""The id of a concern may be that of a referral."""


def seen(story: Story, agency: str, now: datetime) -> list[Standing]:
    return standings(history_of(story.events), story.clocks(now), agency, now)


def only(story: Story, agency: str, now: datetime) -> Standing:
    (one,) = seen(story, agency, now)
    return one


def waits(one: Standing) -> list[tuple[str, str]]:
    return [(wait.clock, wait.owed_by) for wait in one.waits]


def parts(story: Story) -> list[tuple[str, Part, str]]:
    return [(one.agency, one.part, one.subject) for one in entries(history_of(story.events).case)]


def test_what_the_responsible_agency_does_in_its_own_case_is_no_partners_business() -> None:
    assert parts(held()) == []
    assert list(entries(History("C-1").case)) == []


def test_every_other_agency_is_there_by_what_it_did_or_was_asked() -> None:
    story = (
        Story().tell(HAPPENED, report(), CLINIC).tell(day(1), ReferralMade("x", Service.MENTAL_HEALTH, "cac"), CLINIC)
    )
    story.tell(day(1), ReferralMade("y", Service.VICTIM_ADVOCACY, "metro-pd"), CENTER).tell(day(2), RAISED, CENTER)
    assert parts(story) == [
        ("clinic", Part.REPORTED, "R-1"), ("cac", Part.ASKED, "x"), ("clinic", Part.ASKING, "x"),
        ("cac", Part.ASKING, "y"), ("cac", Part.CONCERNED, "x"),
    ]  # fmt: skip


def test_a_clock_of_a_referral_is_not_that_of_a_concern_with_the_same_id() -> None:
    story = screened().tell(day(1), ReferralMade("x", Service.MENTAL_HEALTH, "clinic")).tell(day(1), RAISED, CLINIC)
    asked, concerned = seen(story, "clinic", day(1))
    assert waits(asked) == [("referral_answer", "clinic")]
    assert waits(concerned) == [("concern_answer", "metro-pd")]


def test_who_reported_sees_the_clocks_of_the_case_but_not_of_others_requests() -> None:
    story = Story().tell(HAPPENED, report(), CLINIC).tell(day(1), ReferralMade("x", Service.MENTAL_HEALTH, "cac"))
    names = {clock for clock, _ in waits(only(story, "clinic", day(2)))}
    assert "screening" in names and "referral_answer" not in names


def test_who_was_asked_sees_no_clock_of_the_case_before_the_partners_are_told() -> None:
    story = held().tell(day(2), ReferralMade("x", Service.MENTAL_HEALTH, "clinic"), DETECTIVE)
    story.tell(day(2), ReferralAccepted("x"), CLINIC)
    assert waits(only(story, "clinic", day(7))) == []
    told = only(story, "clinic", day(9))
    assert ("first_response", "metro-pd") in waits(told)
    assert all(wait.is_overdue for wait in told.waits)


@pytest.mark.parametrize(("body", "counts"), [(STEP, 1), (CONTACT, 1), (ATTEMPT, 1), (REVIEW, 0)])
def test_acts_are_investigative_ones_and_reviews_are_none(body: Any, counts: int) -> None:
    story = held().tell(day(2), ReferralMade("x", Service.MENTAL_HEALTH, "clinic"), DETECTIVE)
    story.tell(day(3), body, SERGEANT)
    one = only(story, "clinic", day(4))
    assert (one.acts_since, one.last_act_at) == (counts, day(3) if counts else None)


def test_an_act_that_was_done_before_it_was_sent_is_the_last_but_none_since() -> None:
    story = held().tell(day(2), STEP, DETECTIVE).tell(day(3), RAISED, CLINIC)
    story.tell(day(1), CONTACT, DETECTIVE, late=timedelta(days=4))
    one = only(story, "clinic", day(6))
    assert (one.acts_since, one.last_act, one.last_act_at) == (0, "investigative_step", day(2))


@pytest.mark.parametrize(
    ("story", "at"),
    [
        (lambda: Story().tell(HAPPENED, report(), CLINIC), None),
        (lambda: Story().tell(HAPPENED, report(), CLINIC).tell(day(1), OUT, INTAKE), day(1)),
        (lambda: Story().tell(HAPPENED, report(), CLINIC).tell(day(1), CONTACT, DETECTIVE), day(1)),
        (lambda: Story().tell(HAPPENED, report(), CLINIC).tell(day(1), RAISED, CLINIC), None),
        (
            lambda: (
                Story()
                .tell(HAPPENED, report(), CLINIC)
                .tell(day(1), ReferralMade("x", Service.MENTAL_HEALTH, "cac"), CLINIC)
            ),
            None,
        ),
    ],
)
def test_a_report_is_acknowledged_by_what_the_responsible_agency_does(story: Any, at: datetime | None) -> None:
    one = next(one for one in seen(story(), "clinic", day(9)) if one.entry.part is Part.REPORTED)
    assert one.acknowledged_at == at


def test_a_concern_is_open_answered_and_closed() -> None:
    story = received().tell(day(1), RAISED, CLINIC)
    one = only(story, "clinic", day(2))
    assert (one.entry.state, one.answer, one.entry.is_open) == ("open", None, True)
    one = only(story.tell(day(3), ConcernAnswered("x", ConcernAnswer.EXPLAINED)), "clinic", day(4))
    assert (one.entry.state, one.answer, one.acknowledged_at, waits(one)) == ("answered", "explained", day(3), [])
    one = only(story.tell(day(5), ConcernClosed("x", ConcernOutcome.TAKEN_FURTHER), CLINIC), "clinic", day(6))
    assert (one.entry.state, one.answer, one.entry.is_open) == ("closed", "explained", False)


def test_a_concern_that_was_closed_without_an_answer_waits_for_nothing() -> None:
    story = (
        received().tell(day(1), RAISED, CLINIC).tell(day(2), ConcernClosed("x", ConcernOutcome.RAISED_IN_ERROR), CLINIC)
    )
    one = only(story, "clinic", day(3))
    assert (one.entry.state, one.acknowledged_at, waits(one)) == ("closed", None, [])
