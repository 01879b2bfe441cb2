"""Detectors of answers: the same words again and again, by one person, in one case or in a month."""

from collections.abc import Callable
from datetime import datetime, timedelta
from time import process_time

import pytest

from casetrail.domain.actions import Actor, Body
from casetrail.domain.answering import FindingAnswered
from casetrail.domain.assignment import Assigned, Released
from casetrail.domain.closure import Reopened
from casetrail.domain.codes import (
    ConcernAnswer,
    ConcernKind,
    ConcernOutcome,
    CorrectionReason,
    EscalationAnswer,
    FindingAnswer,
    HandoverReason,
    ReopeningReason,
)
from casetrail.domain.concern import ConcernAnswered, ConcernClosed, ConcernRaised
from casetrail.domain.escalation import DeadlineMissed, EscalationAnswered
from casetrail.domain.linking import FactCorrected
from tests.actions import CLINIC, DETECTIVE, INTAKE, OTHER_SERGEANT, SERGEANT, report
from tests.domain.clock_histories import HOUR, Story, day
from tests.domain.clock_stories import CONTACT, MERGED, OUT, STEP, approved, held, received, screened
from tests.domain.detecting import SECOND, found, numbers, only, seen, with_settings
from tests.domain.escalation_examples import WATCHDOG
from tests.domain.populations import Doing
from tests.domain.surveying import found as found_in_many
from tests.domain.surveying import told

NOW, HANDED = EscalationAnswer.BEING_WORKED_NOW, EscalationAnswer.HANDED_OVER
WORKED = FindingAnswered("0123456789abcdef", "untouched", FindingAnswer.BEING_WORKED_NOW)


def answer(
    story: Story, at: datetime, code: EscalationAnswer = NOW, actor: Actor = SERGEANT, clock: str = "progress"
) -> Story:
    """A deadline that was missed an hour before, and what somebody says to that."""
    due = at - HOUR
    return story.tell(due, DeadlineMissed(clock, due, None, 1), WATCHDOG).tell(
        at, EscalationAnswered(clock, due, code), actor
    )


def again(story: Story) -> int:
    """How many findings there are, ever."""
    return len(found(story, "answered_again", day(999)))


def test_the_same_answer_on_three_days_while_nothing_is_done_is_a_finding() -> None:
    story = answer(answer(held(), day(15)), day(29))
    assert again(story) == 0
    story.tell(day(43), WORKED, SERGEANT)  # an answer to a finding has the same words
    one = only(story, "answered_again", day(43) + SECOND)
    assert (one.since, one.is_open, numbers(one)) == (day(43), True, [6, 8, 9])
    assert one.says == "answered with being_worked_now on 3 days, and nothing was done"
    assert again(answer(story, day(57))) == 1, "it is one finding however often it goes on"


def test_several_answers_on_one_day_are_one() -> None:
    story = held()
    for number, clock in enumerate(("first_response", "victim_contact", "progress", "decision")):
        answer(story, day(15) + number * HOUR, clock=clock)
    assert again(story) == 0


def test_other_words_other_people_and_work_in_between_are_no_repetition() -> None:
    assert again(answer(answer(answer(held(), day(15)), day(29), HANDED), day(43))) == 0
    assert again(answer(answer(answer(held(), day(15)), day(29), actor=DETECTIVE), day(43))) == 0
    for act in (STEP, CONTACT):
        story = answer(answer(held(), day(15)), day(29)).tell(day(30), act, DETECTIVE)
        assert again(answer(answer(story, day(45)), day(60))) == 0


def test_work_settles_it_and_so_does_the_end_of_the_case() -> None:
    for end in (lambda story: story.tell(day(50), STEP, DETECTIVE), lambda story: approved(story, day(50))):
        story = answer(answer(answer(held(), day(15)), day(29)), day(43))
        (one,) = found(end(story), "answered_again", day(99))
        assert one.settled_at == day(50)


def test_how_often_is_a_setting() -> None:
    policy = with_settings("[detectors.answered_again]\nmost = 1")
    assert len(found(answer(answer(held(), day(15)), day(29)), "answered_again", day(99), policy)) == 1


# --- concerns ---

EXPLAINED, DISAGREED = ConcernAnswer.EXPLAINED, ConcernAnswer.DISAGREED
RESUMED_WORK, MADE, GIVEN = ConcernAnswer.WORK_RESUMED, ConcernAnswer.CONTACT_MADE, ConcernAnswer.INVESTIGATOR_ASSIGNED
UNTRUE = "answered_without_work"


def asked(
    story: Story,
    at: datetime,
    code: ConcernAnswer = EXPLAINED,
    actor: Actor = SERGEANT,
    about: ConcernKind = ConcernKind.CHILD_NOT_SAFE,
) -> Story:
    """A concern, and what the unit says to it an hour later."""
    concern = f"c{len(story.events)}"
    return story.tell(at - HOUR, ConcernRaised(concern, about), CLINIC).tell(at, ConcernAnswered(concern, code), actor)


def screened_out() -> Story:
    return received().tell(day(1), OUT, INTAKE)


def closed_by_clinic(story: Story, at: datetime, outcome: ConcernOutcome) -> Story:
    """Those who raised the last concern close it."""
    body = story.events[-1].body
    assert isinstance(body, ConcernAnswered)
    return story.tell(at, ConcernClosed(body.concern, outcome), CLINIC)


@pytest.mark.parametrize("begin", [held, screened_out])
def test_concerns_that_are_answered_on_three_days_are_a_finding_whoever_answers_and_how(
    begin: Callable[[], Story],
) -> None:
    story = asked(asked(begin(), day(5)), day(6), DISAGREED, OTHER_SERGEANT)
    assert again(story) == 0
    one = only(asked(story, day(7)), "answered_again", day(99))
    before = len(story.events) - 6
    assert (one.since, one.is_open, numbers(one)) == (day(7), True, [before + 2, before + 4, before + 6])
    assert one.says == "concerns were answered on 3 days, and nothing was done"
    assert again(asked(answer(held(), day(15)), day(29))) == 0, "alarms and concerns are counted for themselves"


def asked_twice() -> Story:
    return asked(asked(screened_out(), day(5)), day(6))


def reopened(story: Story, at: datetime) -> Story:
    return story.tell(at, Reopened(ReopeningReason.PARTNER_CONCERN))


def settled(story: Story, at: datetime) -> Story:
    return closed_by_clinic(story, at, ConcernOutcome.SETTLED)


@pytest.mark.parametrize("goes_on", [reopened, settled])
def test_a_reopening_and_those_who_had_asked_end_the_repetition(goes_on: Callable[[Story, datetime], Story]) -> None:
    assert again(asked(goes_on(asked_twice(), day(7)), day(8))) == 0
    assert only(goes_on(asked(asked_twice(), day(7)), day(9)), "answered_again", day(99)).settled_at == day(9)


def test_so_does_work_but_not_a_concern_that_is_taken_further() -> None:
    further = closed_by_clinic(asked(asked_twice(), day(7)), day(9), ConcernOutcome.TAKEN_FURTHER)
    assert only(further, "answered_again", day(99)).is_open
    worked = asked(asked(held(), day(5)), day(6)).tell(day(7), STEP, DETECTIVE)
    assert again(asked(worked, day(8))) == 0


def test_in_a_case_that_was_merged_neither_is_judged() -> None:
    story = held().tell(day(1), MERGED)
    story = asked(asked(asked(story, day(5), RESUMED_WORK), day(6), MADE), day(7), GIVEN)
    assert again(story) == 0 and found(story, UNTRUE, day(99)) == []
    assert found(asked(held(), day(1), RESUMED_WORK).tell(day(3), MERGED), UNTRUE, day(99)) == []


@pytest.mark.parametrize("code", [RESUMED_WORK, MADE, GIVEN])
def test_an_answer_that_names_what_the_log_does_not_have_is_seen_after_a_week(code: ConcernAnswer) -> None:
    story = asked(screened_out(), day(5), code)
    one = seen(story, UNTRUE, day(12))
    assert numbers(one) == [4, 3]
    assert one.says == f"a concern was answered with {code.replace('_', ' ')}, and the log does not have it"


@pytest.mark.parametrize("code", [EXPLAINED, DISAGREED, ConcernAnswer.RECORD_CORRECTED])
def test_other_answers_name_nothing_that_must_be_in_the_log(code: ConcernAnswer) -> None:
    assert found(asked(screened_out(), day(5), code), UNTRUE, day(99)) == []


@pytest.mark.parametrize(("code", "body"), [(RESUMED_WORK, STEP), (MADE, CONTACT)])
def test_what_was_done_shortly_before_or_after_it_is_what_the_answer_means(code: ConcernAnswer, body: Body) -> None:
    before = asked(held().tell(day(14), body, DETECTIVE), day(20), code)
    assert found(before, UNTRUE, day(99)) == []
    after = asked(held(), day(20), code).tell(day(19.9), body, DETECTIVE, late=timedelta(days=6))
    assert found(after, UNTRUE, day(99)) == []
    long_before = asked(held().tell(day(2), body, DETECTIVE), day(20), code)
    seen(long_before, UNTRUE, day(27))
    assert only(long_before.tell(day(30), body, DETECTIVE), UNTRUE, day(99)).settled_at == day(30)


def test_that_there_was_no_contact_ever_is_answered_by_any_contact() -> None:
    story = held().tell(day(2), CONTACT, DETECTIVE)
    assert found(asked(story, day(40), MADE, about=ConcernKind.NO_CONTACT_WITH_CHILD), UNTRUE, day(99)) == []
    assert len(found(asked(held(), day(40), MADE, about=ConcernKind.NO_CONTACT_WITH_CHILD), UNTRUE, day(99))) == 1


def test_an_investigator_is_one_who_holds_the_case_now() -> None:
    assert found(asked(held(), day(5), GIVEN), UNTRUE, day(99)) == []
    given = asked(screened(), day(5), GIVEN).tell(day(6), Assigned(DETECTIVE.id))
    assert found(given, UNTRUE, day(99)) == []
    let_go = asked(held().tell(day(4), Released(HandoverReason.WORKLOAD)), day(5), GIVEN)
    seen(let_go, UNTRUE, day(12))


def test_a_reopening_and_those_who_asked_settle_it() -> None:
    resumed = reopened(asked(screened_out(), day(5), RESUMED_WORK), day(20))
    assert only(resumed, UNTRUE, day(99)).settled_at == day(20)
    for outcome, settled_at in ((ConcernOutcome.SETTLED, day(20)), (ConcernOutcome.TAKEN_FURTHER, None)):
        story = closed_by_clinic(asked(screened_out(), day(5), MADE), day(20), outcome)
        assert only(story, UNTRUE, day(99)).settled_at == settled_at


# --- in a month ---


def missed(at: float, code: EscalationAnswer = NOW, actor: Actor = SERGEANT) -> list[Doing]:
    """A report with a missed deadline, and what somebody says to that."""
    due = day(at) - HOUR
    return [
        (day(at - 1), INTAKE, report()),
        (due, WATCHDOG, DeadlineMissed("screening", due, None, 1)),
        (day(at), actor, EscalationAnswered("screening", due, code)),
    ]


def test_more_than_ten_alarms_that_one_person_answers_with_the_same_code_are_a_finding_of_the_month() -> None:
    cases = [told(f"C-{number:02}", *missed(10 + number)) for number in range(11)]
    assert found_in_many(cases[:10], "same_answer", day(99)) == []
    (one,) = found_in_many(cases, "same_answer", day(99))
    assert (one.subject, one.month, one.unit, one.settled_at) == (SERGEANT.id, "2026-03", "child-crimes", None)
    assert one.says == "answered 11 alarms and findings with being_worked_now in 2026-03"
    assert [str(event).split(":")[0] for event in one.evidence] == [f"C-{number:02}#3" for number in range(11)]
    assert found_in_many(cases, "same_answer", one.since) == [], "it is judged when the month is over"
    assert found_in_many(reversed(cases), "same_answer", day(99)) == [one], "cases come in any order"


def test_other_codes_people_and_months_are_counted_for_themselves() -> None:
    ways = [(10, NOW, SERGEANT), (10, HANDED, SERGEANT), (10, NOW, DETECTIVE), (45, NOW, SERGEANT)]
    cases = [
        told(f"C-{number}.{kind}", *missed(at, code, actor))
        for number in range(10)
        for kind, (at, code, actor) in enumerate(ways)
    ]
    assert found_in_many(cases, "same_answer", day(199)) == []


def test_answers_to_findings_are_counted_with_those_to_alarms() -> None:
    doings: list[Doing] = [(day(0), INTAKE, report())]
    doings += [(day(1) + timedelta(minutes=number), SERGEANT, WORKED) for number in range(6)]
    cases = [told("C-1", *doings), *(told(f"D-{number}", *missed(10)) for number in range(5))]
    (one,) = found_in_many(cases, "same_answer", day(99))
    assert one.says.startswith("answered 11 ")


def test_a_contact_from_long_before_the_report_is_not_the_one_that_is_said_to_have_been_made() -> None:
    def met(at: float) -> Story:
        story = held().tell(day(at), CONTACT, DETECTIVE, late=timedelta(days=2 - at))
        return asked(story, day(3), MADE, about=ConcernKind.NO_CONTACT_WITH_CHILD)

    assert only(met(-5), UNTRUE, day(99)).is_open
    assert found(met(-0.2), UNTRUE, day(99)) == []
    earlier = FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(-5))
    assert only(met(-5).tell(day(20), earlier, INTAKE), UNTRUE, day(99)).settled_at == day(20)


def test_many_concerns_with_as_many_untrue_answers_are_judged_in_time_that_grows_with_their_number() -> None:
    story = held()
    for number in range(1000):
        asked(story, day(20 + number), RESUMED_WORK)
    begun = process_time()
    assert len(found(story, UNTRUE, day(9999))) == 1000
    assert process_time() - begun < 1  # all steps were looked through for each of them: that took 2 seconds
