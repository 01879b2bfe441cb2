"""Detectors of answers: the same words again and again, by one person, in one case or in a month."""

from datetime import datetime, timedelta

from casetrail.domain.actions import Actor
from casetrail.domain.answering import FindingAnswered
from casetrail.domain.codes import EscalationAnswer, FindingAnswer
from casetrail.domain.escalation import DeadlineMissed, EscalationAnswered
from tests.actions import DETECTIVE, INTAKE, SERGEANT, report
from tests.domain.clock_histories import HOUR, Story, day
from tests.domain.clock_stories import CONTACT, STEP, approved, held
from tests.domain.detecting import SECOND, found, numbers, only, with_settings
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
