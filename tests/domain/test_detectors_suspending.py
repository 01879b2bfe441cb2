"""Cases that are kept warm: suspended again and again with a call in between, or closed for a minute and reopened."""

from random import Random
from typing import Final

import pytest

from casetrail.domain.actions import Body
from casetrail.domain.assignment import Acknowledged, Assigned
from casetrail.domain.case import Recorded
from casetrail.domain.closure import ClosureApproved, Reopened
from casetrail.domain.codes import ContactMethod, ReopeningReason
from casetrail.domain.codes import Step as Kind
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.investigation import InvestigativeStepTaken
from tests.actions import DETECTIVE, HAPPENED, INTAKE, OTHER_SERGEANT, SERGEANT, report
from tests.domain import test_detectors_properties
from tests.domain.clock_histories import DAY, Story, day
from tests.domain.clock_stories import (
    ASKED,
    ATTEMPT,
    CONTACT,
    IN,
    MERGED,
    RESUMED,
    SIMPLE,
    STEP,
    approved,
    extended,
    held,
    suspended,
)  # fmt: skip
from tests.domain.detecting import found, history_of, judge, numbers, only, with_settings
from tests.domain.populations import Doing, recorded
from tests.domain.test_detectors_properties import check_prefixes

CALL: Final = VictimContactMade(ContactMethod.PHONE)
REQUEST: Final = InvestigativeStepTaken(Kind.RECORDS_REQUESTED)
IN_ERROR: Final = Reopened(ReopeningReason.CLOSED_IN_ERROR)
NEW: Final = Reopened(ReopeningReason.NEW_INFORMATION)


def worked() -> Story:
    """A case in which the child was seen and a scene visited on the first day."""
    return held(offences=SIMPLE).tell(day(0), CONTACT, DETECTIVE).tell(day(0), STEP, DETECTIVE)


def told(story: Story, *doings: Body | int, first: float = 1) -> Story:
    """What is done in turn: a number is a suspension of so many days, which goes by."""
    at = first
    for one in doings:
        if isinstance(one, int):
            story.tell(day(at), suspended(day(at + one)))
            at += one
        else:
            story.tell(day(at), one, DETECTIVE if isinstance(one, InvestigativeStepTaken | type(CALL)) else SERGEANT)
        at += 0.01
    return story


def everything(story: Story, now: float) -> list[Finding]:
    return list(judge().case(history_of(story.events), day(now)))


# --- a call now and then ---


@pytest.mark.parametrize("token", [CALL, REQUEST, ATTEMPT, VictimContactMade(ContactMethod.THROUGH_CAREGIVER)])
def test_three_suspensions_and_a_call_and_three_more_are_a_suspension_that_is_renewed_and_renewed(token: Body) -> None:
    one = only(told(worked(), 9, 9, 9, token, 9, 9), "renewed_again", day(99))
    assert (len(numbers(one)), one.is_open) == (5, True)
    assert one.says == "suspended 5 times, and no more than a call or a request was made in between"
    again = found(told(worked(), 9, 9, 9, token, 9, 9, 9, token, 9, 9, 9), "renewed_again", day(199))
    assert [one.is_open for one in again] == [False, True]
    assert [len(numbers(one)) for one in again] == [5, 3], "it goes on"


def test_who_calls_before_each_renewal_or_works_in_between_only_waits() -> None:
    calls: list[Body | int] = [9, CALL] * 12
    assert found(told(worked(), *calls), "renewed_again", day(300)) == []
    for body in (InvestigativeStepTaken(Kind.WITNESS_INTERVIEWED), CONTACT):
        waiting: list[Body | int] = [9, 9, 9, body] * 4
        assert found(told(worked(), *waiting), "renewed_again", day(300)) == []


def test_a_laboratory_that_takes_two_months_while_the_case_is_worked_is_no_finding_at_all() -> None:
    story = told(worked(), 29, InvestigativeStepTaken(Kind.WITNESS_INTERVIEWED), CALL, 29)
    story.tell(day(60), RESUMED).tell(day(60), InvestigativeStepTaken(Kind.RECORDS_RECEIVED), DETECTIVE)
    assert [one.detector for one in everything(story, 70)] == ["ignored_alarm"], "its decision was not extended"


def test_a_call_while_a_case_is_suspended_does_not_give_it_the_rest_of_the_suspension() -> None:
    story = told(worked(), 30, 30, 30)
    story.tell(day(91.1), suspended(day(121))).tell(day(92), CALL, DETECTIVE)
    first, second = found(told(story, 30, 30, 30, first=121), "rested_long", day(300))
    assert (first.since, first.settled_at) == (day(91.1), day(92))
    assert (second.since, second.is_open, numbers(second)) == (day(182.02), True, [11, 10, 12, 13, 14])


# --- reopened in a minute ---


def flicked(story: Story, at: float, body: Reopened) -> Story:
    """Closed, and reopened at once: everything is owed anew, and a call meets the first of it."""
    story.tell(day(at), ASKED).tell(day(at), ClosureApproved(), OTHER_SERGEANT).tell(day(at), body)
    story.tell(day(at), Assigned(DETECTIVE.id)).tell(day(at), Acknowledged(), DETECTIVE)
    return story.tell(day(at), CALL, DETECTIVE).tell(day(at), REQUEST, DETECTIVE)


@pytest.mark.parametrize("body", [IN_ERROR, NEW])
def test_a_case_that_is_kept_warm_for_years_is_seen_for_years(body: Reopened) -> None:
    story = worked()
    for number in range(12):
        at = 1 + 91 * number
        told(story, 30, 30, first=at).tell(day(at + 61), extended(day(at + 105)))
        flicked(told(story, 29, first=at + 61.1), at + 90.5, body)
    seen = [one for one in everything(story, 1093) if one.detector == "rested_long"]
    assert len(seen) >= 5
    open_for = sum(((one.settled_at or day(1093)) - one.since).days for one in seen)
    assert open_for > 300, "a third of the time: somebody is told each time"


def test_what_was_closed_in_error_goes_on_as_it_was() -> None:
    story = flicked(told(worked(), 30, 30), 65, IN_ERROR)
    one = only(told(story, 30, 30, first=66), "rested_long", day(200))
    assert len(numbers(one)) == 4
    renewed = flicked(told(worked(), 9, 9, 9), 40, IN_ERROR)
    assert len(numbers(only(told(renewed, 9, 9, first=41), "renewed_again", day(99)))) == 5
    longer = worked()
    for number in range(3):
        longer.tell(day(number), extended(day(9)))
    flicked(longer, 5, IN_ERROR).tell(day(6), extended(day(20)))
    assert len(numbers(only(longer, "extended_again", day(99)))) == 4


def test_a_suspension_after_the_case_was_reopened_for_something_new_renews_none_before() -> None:
    for body, count in ((IN_ERROR, 1), (NEW, 0)):
        story = approved(told(worked(), 9, 9, 9), day(40)).tell(day(41), body)
        assert len(found(told(story, 9, first=42), "renewed_again", day(99))) == count


def test_what_was_done_long_before_the_report_and_is_entered_meanwhile_lets_no_suspension_pass() -> None:
    story = told(worked(), 9, 9).tell(day(-9), STEP, DETECTIVE, late=29 * DAY)
    assert len(found(told(story, 9, 9, first=21), "renewed_again", day(99))) == 1


def test_requests_for_records_go_on_where_a_case_was_closed_in_error() -> None:
    for body, count in ((IN_ERROR, 1), (NEW, 0)):
        story = worked()
        for at in (13, 26, 39):
            story.tell(day(at), REQUEST, DETECTIVE)
        story.tell(day(50), ASKED).tell(day(50), ClosureApproved(), OTHER_SERGEANT).tell(day(50), body)
        story.tell(day(51), REQUEST, DETECTIVE).tell(day(64), REQUEST, DETECTIVE)
        assert len(found(story, "only_asked", day(99))) == count


@pytest.mark.parametrize("body", [STEP, CONTACT, InvestigativeStepTaken(Kind.EVIDENCE_COLLECTED)])
def test_a_case_that_is_reopened_for_something_new_and_worked_begins_anew(body: Body) -> None:
    story = flicked(told(worked(), 30, 30, 25), 95, NEW).tell(day(96), body, DETECTIVE)
    assert found(told(story, 30, 30, 25, first=97), "rested_long", day(300)) == []
    renewed = flicked(told(worked(), 9, 9, 9), 40, NEW).tell(day(41), body, DETECTIVE)
    assert found(told(renewed, 9, 9, 9, first=42), "renewed_again", day(99)) == []


def test_and_so_does_one_that_had_ended_long_before() -> None:
    old = approved(told(worked(), 30, 30, 25), day(95)).tell(day(400), Reopened(ReopeningReason.COURT_ORDER))
    assert found(told(old, 30, 30, 25, first=401), "rested_long", day(900)) == []
    soon = approved(told(worked(), 30, 30, 25), day(95)).tell(day(99), Reopened(ReopeningReason.COURT_ORDER))
    assert len(found(told(soon, 30, first=100), "rested_long", day(900))) == 1
    policy = with_settings('[detectors.rested_long]\nmost = "300 days"')
    assert found(told(soon, 30, first=200), "rested_long", day(900), policy) == []


def by_chance(seed: int) -> list[Recorded]:
    """A case that is suspended again and again, called about, worked, closed, merged and reopened by chance."""
    chance, now = Random(seed), 0.0
    doings: list[Doing] = [(day(0), INTAKE, report()), (day(0), INTAKE, IN), (day(0), SERGEANT, Assigned(DETECTIVE.id))]
    working: list[Body] = [CALL, CALL, REQUEST, ATTEMPT, STEP, RESUMED]
    ending: list[Body] = [ASKED, ClosureApproved(), IN_ERROR, NEW, MERGED]
    for _ in range(40):
        now += chance.choice((0.01, 3, 6))
        until = day(now + chance.choice((9, 30)))
        body = chance.choice([*[suspended(until)] * 8, *working, extended(until), extended(until)])
        if chance.random() < 0.3:
            body = chance.choice(ending)
        actor = DETECTIVE if isinstance(body, InvestigativeStepTaken | VictimContactMade) else SERGEANT
        doings.append((day(now), OTHER_SERGEANT if isinstance(body, ClosureApproved) else actor, body))
    return recorded("C-1", [(one[0], one) for one in doings])


def test_what_was_seen_of_a_case_that_is_suspended_by_chance_stays_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"renewed_again", "rested_long", "extended_again"}
    policy = with_settings('[detectors.rested_long]\nmost = "20 days"')
    monkeypatch.setattr(test_detectors_properties, "JUDGE", judge((HAPPENED, policy), detectors=names))
    found = [one for seed in range(40) for one in check_prefixes(by_chance(seed)).values()]
    assert {one.detector for one in found} == names
