"""Deadlines that pass are seen by whoever watches, whenever they look; and what nobody answers is a finding."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from casetrail.domain.actions import Actor
from casetrail.domain.alarms import PATIENCE, Alarm, Owing, Watch
from casetrail.domain.assignment import Assigned
from casetrail.domain.case import Recorded
from casetrail.domain.clocks import clocks, judged, told_by_now
from casetrail.domain.codes import (
    AgencyKind,
    ConcernKind,
    ContactMethod,
    CorrectionReason,
    Desk,
    EscalationAnswer,
    Level,
    Offence,
    Role,
    Service,
)
from casetrail.domain.concern import ConcernRaised
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.escalation import DeadlineMissed, Escalated, EscalationAnswered, Recipient, deadline_key
from casetrail.domain.intake import OffenceAlleged
from casetrail.domain.leaving import NOBODY_LEFT, Departure, Departures
from casetrail.domain.linking import FactCorrected
from casetrail.domain.policy import InForce
from casetrail.domain.referral import ReferralMade
from casetrail.domain.registry import AgencyRegistered, Overseer, overseers
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, REGISTRAR, SERGEANT, action
from tests.domain.clock_histories import HOUR, Story, day, random_events
from tests.domain.clock_stories import MERGED, REOPENED, approved, held, received, screened
from tests.domain.detecting import found
from tests.domain.policies import preset
from tests.domain.registry_examples import COMMANDER

POLICIES = InForce([(HAPPENED, preset())])
WATCHDOG = Actor("watchdog.1", "metro-pd", Role.SYSTEM)
CONTACT = VictimContactMade(ContactMethod.IN_PERSON)
MOMENT = timedelta(microseconds=1)


def watched(
    events: Iterable[Recorded], now: datetime, departures: Departures = NOBODY_LEFT, over: tuple[Overseer, ...] = ()
) -> Watch:
    watch = Watch("C-1", POLICIES, departures, over)
    for event in events:
        watch.follow(event)
    watch.until(now)
    return watch


def alarm_of(story: Story, clock: str, now: datetime, *over: Overseer) -> Alarm:
    watch = watched(story.events, now, over=over)
    (one,) = [alarm for alarm in watch.alarms.values() if alarm.clock.name == clock]
    return one


def test_a_deadline_is_missed_when_it_has_passed_and_there_was_time_to_enter_what_was_done() -> None:
    story, due = received(), day(1)
    assert watched(story.events, due + PATIENCE - MOMENT).alarms == {}
    assert watched(story.events, due).next_at() == due + PATIENCE
    alarm = alarm_of(story, "first_response", due + PATIENCE)
    assert (alarm.clock.due_at, alarm.seen_at, alarm.is_owed, alarm.clock.started_by) == (due, due, True, 1)


def test_what_was_done_in_time_and_entered_a_little_later_is_not_missed() -> None:
    story = received().tell(day(1), CONTACT, DETECTIVE, late=PATIENCE - MOMENT)
    assert not any(alarm.clock.name == "first_response" for alarm in watched(story.events, day(2)).alarms.values())


def test_those_who_are_told_come_step_by_step_until_it_is_done() -> None:
    story = received()
    ladder = [
        (Level.HOLDER, ("child-crimes/intake",), day(1)),
        (Level.SUPERVISOR, ("child-crimes/supervisor",), day(2)),
        (Level.COMMANDER, ("child-crimes/commander",), day(4)),
    ]
    for count, (_, _, at) in enumerate(ladder, 1):
        assert (
            alarm_of(story, "first_response", at + PATIENCE - MOMENT * (count > 1)).told
            == ladder[: count - (count > 1)]
        )
        assert alarm_of(story, "first_response", at + PATIENCE).told == ladder[:count]
    story.tell(day(3), CONTACT, DETECTIVE)
    ended = alarm_of(story, "first_response", day(99))
    assert (ended.told, ended.ended_at, ended.ended_by) == (ladder[:2], day(3), 2)


def answered(actor: Actor, story: Story | None = None) -> Story:
    """A missed first response for which somebody answers; nobody holds the case unless a story says so."""
    story = story or received()
    story.tell(day(1) + PATIENCE, DeadlineMissed("first_response", day(1), None, 1), WATCHDOG)
    return story.tell(day(1.5), EscalationAnswered("first_response", day(1), EscalationAnswer.NOTHING_OWED), actor)


OVER = Overseer("inspectorate", day(-9))


@pytest.mark.parametrize(
    ("actor", "told"),
    [
        (INTAKE, [Level.HOLDER, Level.SUPERVISOR, Level.COMMANDER, Level.OVERSIGHT]),
        (DETECTIVE, [Level.HOLDER, Level.SUPERVISOR, Level.COMMANDER, Level.OVERSIGHT]),
        (SERGEANT, [Level.HOLDER, Level.COMMANDER, Level.OVERSIGHT]),
        (COMMANDER, [Level.HOLDER, Level.OVERSIGHT]),
    ],
)
def test_an_answer_ends_the_ladder_up_to_the_level_of_who_answers(actor: Actor, told: list[Level]) -> None:
    alarm = alarm_of(answered(actor), "first_response", day(99), OVER)
    assert [one.level for one in alarm.told] == told
    assert (alarm.is_owed, alarm.recorded_by) == (True, [2]), "and what is owed is owed still"


@pytest.mark.parametrize("actor", [INTAKE, DETECTIVE, SERGEANT, COMMANDER])
@pytest.mark.parametrize("with_partners", [False, True])
def test_whoever_reckons_who_is_told_without_watching_comes_to_the_same(actor: Actor, with_partners: bool) -> None:
    story = received()
    if with_partners:
        story.tell(day(0.1), ReferralMade("ref-1", Service.VICTIM_ADVOCACY, "advocates"), DETECTIVE)
    answered(actor, story)
    watch = watched(story.events, day(99), over=(OVER,))
    (alarm,) = [alarm for alarm in watch.alarms.values() if alarm.clock.name == "first_response"]
    (clock,) = [clock for clock in judged(watch.runs, day(99)) if clock.name == "first_response"]
    assert [step.level for step in told_by_now(watch.runs, clock)] == [one.level for one in alarm.told]


def test_whoever_holds_a_case_answers_as_its_holder_whatever_the_role() -> None:
    story = answered(SERGEANT, story=screened().tell(day(0), Assigned(SERGEANT.id)))
    alarm = alarm_of(story, "first_response", day(99))
    assert [one.level for one in alarm.told] == [Level.HOLDER, Level.SUPERVISOR, Level.COMMANDER]
    assert alarm.answered_at is None


def test_an_answer_of_somebody_above_those_who_owe_it_counts() -> None:
    assert alarm_of(answered(INTAKE), "first_response", day(99)).answered_at is None
    by_sergeant = alarm_of(answered(SERGEANT), "first_response", day(99))
    assert (by_sergeant.answered_at, by_sergeant.answered_by) == (day(1.5), 3)
    review = held().tell(day(0.1), CONTACT, DETECTIVE)
    due = review.only("supervisor_review", day(40)).due_at
    review.tell(due + PATIENCE, DeadlineMissed("supervisor_review", due, None, 3), WATCHDOG)
    review.tell(due + HOUR, EscalationAnswered("supervisor_review", due, EscalationAnswer.NOTHING_OWED), SERGEANT)
    assert alarm_of(review, "supervisor_review", day(99)).answered_at is None, "it is the supervisors who owe it"
    review.tell(due + 2 * HOUR, EscalationAnswered("supervisor_review", due, EscalationAnswer.HANDED_OVER), COMMANDER)
    assert alarm_of(review, "supervisor_review", day(99)).answered_at == due + 2 * HOUR


def test_what_is_entered_late_ends_an_alarm_and_does_not_undo_it() -> None:
    story = received().tell(day(0.5), CONTACT, DETECTIVE, late=timedelta(days=5))
    assert story.only("first_response", day(99)).state == "met", "it was done in time"
    alarm = alarm_of(story, "first_response", day(99))
    assert (alarm.ended_at, len(alarm.told)) == (day(5.5), 3), "but for days nobody could know"


def test_an_old_report_that_is_entered_now_is_missed_now() -> None:
    story = Story()
    story.tell(day(0), received().events[0].body, INTAKE, late=timedelta(days=10))
    alarm = alarm_of(story, "first_response", day(11))
    assert (alarm.clock.due_at, alarm.seen_at) == (day(1), day(10))
    assert watched(story.events, day(10)).alarms == {}, "there is time to enter the rest"


def test_when_asked_as_of_a_moment_before_all_was_entered_everything_that_is_known_counts() -> None:
    story = Story()
    story.tell(day(0), received().events[0].body, INTAKE, late=timedelta(days=300))
    story.tell(day(0.2), CONTACT, DETECTIVE)
    names = {alarm.clock.name for alarm in watched(story.events, day(60)).alarms.values()}
    assert names == {"screening", "progress"}, "and not the first response, which was in time"


def test_those_with_oversight_are_told_once_the_registry_knows_them() -> None:
    asked = action(AgencyRegistered("inspectorate", AgencyKind.OVERSIGHT), REGISTRAR, "registry")
    (known,) = overseers([Recorded("registry", 1, day(3), asked, asked.body)])
    assert known == Overseer("inspectorate", day(3))
    told = alarm_of(received(), "first_response", day(99), known).told
    assert told[-1] == (Level.OVERSIGHT, ("inspectorate",), day(15))
    late = Overseer("inspectorate", day(20))
    assert alarm_of(received(), "first_response", day(20), late).told[-1].level is Level.OVERSIGHT
    assert watched(received().events, day(20) - MOMENT, over=(late,)).next_at() == day(20)
    told = alarm_of(received(), "first_response", day(99), late).told
    assert told[-2].level is Level.COMMANDER
    assert told[-1] == (Level.OVERSIGHT, ("inspectorate",), day(20)), "it is owed still"
    done = received().tell(day(19), CONTACT, DETECTIVE)
    assert alarm_of(done, "first_response", day(99), late).told[-1].level is Level.COMMANDER


def test_a_partner_who_joins_when_partners_had_their_turn_is_told_then() -> None:
    story = received().tell(day(30), ReferralMade("ref-1", Service.VICTIM_ADVOCACY, "advocates"), DETECTIVE)
    told = alarm_of(story, "first_response", day(30), OVER).told
    assert told[-1] == (Level.PARTNERS, ("advocates",), day(30))
    story.tell(day(31), ReferralMade("ref-2", Service.MENTAL_HEALTH, "clinic"), DETECTIVE)
    assert alarm_of(story, "first_response", day(99), OVER).told == told, "a level is told once"


def test_a_partner_who_joins_at_the_moment_of_something_else_is_told() -> None:
    story = received().tell(day(30), ReferralMade("ref-1", Service.VICTIM_ADVOCACY, "advocates"), DETECTIVE)
    story.tell(day(30), ReferralMade("ref-2", Service.MENTAL_HEALTH, "clinic"), DETECTIVE)
    assert alarm_of(story, "first_response", day(31)).told[-1] == (Level.PARTNERS, ("advocates", "clinic"), day(30))
    story = received().tell(day(30), ReferralMade("ref-1", Service.VICTIM_ADVOCACY, "advocates"), DETECTIVE)
    story.tell(day(30), FactCorrected(1, CorrectionReason.ENTERED_WRONG, immediate_danger=True), INTAKE)
    assert alarm_of(story, "first_response", day(31)).told[-1] == (Level.PARTNERS, ("advocates",), day(30))


def test_a_partner_who_joined_while_nothing_was_owed_is_told_when_it_is_owed_again() -> None:
    story = received().tell(day(20), MERGED, SERGEANT)
    story.tell(day(30), ConcernRaised("c1", ConcernKind.NO_RESPONSE), CLINIC)
    story.tell(day(40), REOPENED, SERGEANT)
    first = next(one for one in watched(story.events, day(41)).alarms.values() if one.clock.name == "first_response")
    assert first.told[-1] == (Level.PARTNERS, (CLINIC.agency,), day(40))


def test_a_partner_who_joins_with_what_ends_an_alarm_is_not_told_of_it() -> None:
    story = received().tell(day(30), CONTACT, DETECTIVE)
    story.tell(day(31), ReferralMade("ref-1", Service.VICTIM_ADVOCACY, "advocates"), DETECTIVE)
    assert Level.PARTNERS not in {one.level for one in alarm_of(story, "first_response", day(99)).told}


def test_a_departure_starts_a_clock_once_the_registry_says_so() -> None:
    left: Departures = {DETECTIVE.id: [Departure("child-crimes", day(1), day(4), 7, bytes(32))]}
    watch = watched(held().tell(day(0.5), CONTACT, DETECTIVE).events, day(4) + PATIENCE - MOMENT, left)
    assert not any(alarm.clock.name == "assignment" for alarm in watch.alarms.values())
    watch = watched(held().tell(day(0.5), CONTACT, DETECTIVE).events, day(4) + PATIENCE, left)
    (alarm,) = [alarm for alarm in watch.alarms.values() if alarm.clock.name == "assignment"]
    assert (alarm.seen_at, alarm.clock.started_at, alarm.clock.started_by) == (day(4), day(1), None)


def test_a_case_that_is_given_to_somebody_who_had_left_is_held_by_nobody_at_once() -> None:
    left: Departures = {DETECTIVE.id: [Departure("child-crimes", day(-9), day(-9), 7, bytes(32))]}
    watch = watched(screened().tell(day(0.5), Assigned(DETECTIVE.id)).events, day(9), left)
    alarm = next(one for one in watch.alarms.values() if one.clock.name == "assignment" and one.is_owed)
    assert (alarm.clock.started_at, alarm.told[0].who) == (day(0.5), ("child-crimes/intake",))


@pytest.mark.parametrize("back_at", [None, day(3), day(0.8)])
def test_whoever_has_left_is_not_told(back_at: datetime | None) -> None:
    left: Departures = {DETECTIVE.id: [Departure("child-crimes", day(0.5), day(0.5), 7, bytes(32), back_at)]}
    watch = watched(held().events, day(9), left)
    (alarm,) = [alarm for alarm in watch.alarms.values() if alarm.clock.name == "first_response"]
    is_back = back_at == day(0.8)
    assert alarm.told[0] == (Level.HOLDER, (DETECTIVE.id if is_back else "child-crimes/intake",), alarm.clock.due_at)


def test_another_limit_by_a_correction_is_another_deadline() -> None:
    story = held(offences=(OffenceAlleged(Offence.SIMPLE_ASSAULT),))
    corrected = FactCorrected(1, CorrectionReason.NEW_INFORMATION, (OffenceAlleged(Offence.RAPE),))
    story.tell(day(50), corrected, SERGEANT)
    decisions = [one for one in watched(story.events, day(200)).alarms.values() if one.clock.name == "decision"]
    assert [(one.clock.due_at, one.is_owed) for one in decisions] == [(day(45), False), (day(120), True)]


@pytest.mark.parametrize("seed", range(6))
def test_a_watch_ends_with_the_clocks_that_anybody_computes(seed: int) -> None:
    left: Departures = {DETECTIVE.id: [Departure("child-crimes", day(-100), day(-99), 7, bytes(32), day(-80))]}
    gone: Departures = {DETECTIVE.id: [Departure("child-crimes", day(-100), day(-99), 7, bytes(32))]}
    for departures in (NOBODY_LEFT, left, gone):
        for case_id, events in random_events(seed, count=200).items():
            now = events[-1].timestamp + 30 * 24 * HOUR
            watch = Watch(case_id, POLICIES, departures)
            for event in events:
                watch.follow(event)
            watch.until(now)
            assert judged(watch.runs, now) == clocks(case_id, events, POLICIES, now, departures)


@pytest.mark.parametrize("seed", range(6))
def test_whoever_looks_again_and_again_sees_what_one_sees_who_looks_once(seed: int) -> None:
    for case_id, events in random_events(seed, count=200).items():
        now = events[-1].timestamp + 60 * 24 * HOUR
        once = Watch(case_id, POLICIES)
        for event in events:
            once.follow(event)
        once.until(now)
        seen: dict[object, tuple[object, ...]] = {}
        for count in range(1, len(events) + 1):
            partial = Watch(case_id, POLICIES)
            for event in events[:count]:
                partial.follow(event)
            partial.until(events[count].timestamp - timedelta(milliseconds=1) if count < len(events) else now)
            for deadline, alarm in partial.alarms.items():
                known = seen.setdefault(deadline, (alarm.seen_at,))
                assert known == (alarm.seen_at,)
                assert once.alarms[deadline].told[: len(alarm.told)] == alarm.told
        assert seen.keys() == once.alarms.keys()


def test_a_watch_says_when_to_look_again() -> None:
    for case_id, events in random_events(3, count=200).items():
        watch = Watch(case_id, POLICIES)
        for event in events:
            watch.follow(event)
        now = events[-1].timestamp
        watch.until(now)
        while (later := watch.next_at()) is not None:
            before = [(alarm.steps, alarm.seen_at) for alarm in watch.alarms.values()]
            watch.until(later - MOMENT)
            assert [(alarm.steps, alarm.seen_at) for alarm in watch.alarms.values()] == before
            watch.until(later)
            assert [(alarm.steps, alarm.seen_at) for alarm in watch.alarms.values()] != before


# --- alarms that nobody answers ---

DONE = received().tell(day(0.1), CONTACT, DETECTIVE)


def ignored(story: Story, now: datetime, clock: str = "first_response") -> list[Finding]:
    """The findings of one deadline."""
    return [one for one in found(story, "ignored_alarm", now) if (one.deadline or "").startswith(f"{clock}/")]


def test_a_missed_deadline_that_nobody_recorded_is_an_ignored_alarm_all_the_same() -> None:
    since = day(11)  # the commander is told on day 4, a Friday; five business days later is the next Friday
    assert ignored(received(), since) == []
    (one,) = ignored(received(), since + MOMENT)
    assert (one.since, one.is_open, [event.number for event in one.evidence]) == (since, True, [1])
    assert one.deadline == deadline_key("first_response", None, day(1))


def recorded(story: Story) -> Story:
    """What a watchdog records of it until the commander is told."""
    story.tell(day(1) + PATIENCE, DeadlineMissed("first_response", day(1), None, 1), WATCHDOG)
    for level, at in ((Level.HOLDER, day(1) + PATIENCE), (Level.SUPERVISOR, day(2)), (Level.COMMANDER, day(4))):
        told = (Recipient("child-crimes", Desk.INTAKE if level is Level.HOLDER else Desk(level)),)
        story.tell(at, Escalated("first_response", day(1), level, told), WATCHDOG)
    return story


def test_what_a_watchdog_recorded_is_evidence_and_changes_neither_id_nor_time() -> None:
    (one,), (without,) = ignored(recorded(received()), day(30)), ignored(received(), day(30))
    assert [event.number for event in one.evidence] == [1, 2, 3, 4, 5]
    assert (one.id, one.since) == (without.id, without.since)


def test_an_answer_settles_an_ignored_alarm_and_so_does_what_was_owed() -> None:
    answer = EscalationAnswered("first_response", day(1), EscalationAnswer.HANDED_OVER)
    assert ignored(recorded(received()).tell(day(9), answer, SERGEANT), day(99)) == []
    (late,) = ignored(recorded(received()).tell(day(15), answer, SERGEANT), day(99))
    assert (late.settled_at, late.settled_by and late.settled_by.number) == (day(15), 6)
    (done,) = ignored(received().tell(day(20), CONTACT, DETECTIVE), day(99))
    assert (done.settled_at, done.settled_by and done.settled_by.number) == (day(20), 2)
    (ended,) = ignored(approved(held(), day(30)), day(99))
    assert not ended.is_open


def test_the_answer_of_whoever_owes_it_settles_no_ignored_alarm() -> None:
    answer = EscalationAnswered("first_response", day(1), EscalationAnswer.NOTHING_OWED)
    (one,) = ignored(recorded(received()).tell(day(4.5), answer, INTAKE), day(99))
    assert one.is_open
    (once,) = ignored(answered(DETECTIVE), day(99))
    assert once.is_open, "also where he was quick"


def calm(is_calm: bool) -> FactCorrected:
    return FactCorrected(1, CorrectionReason.ENTERED_WRONG, immediate_danger=not is_calm)


def undone(by: str, *, ended: float, again: float, story: Story | None = None) -> tuple[Story, str]:
    """A missed deadline that is owed by nobody for a while: the case is merged and reopened, or corrected there and back."""
    if by == "merged":
        story = story or received()
        return story.tell(day(ended), MERGED).tell(day(again), REOPENED), "first_response"
    story = story or received(immediate_danger=True)
    return story.tell(day(ended), calm(True)).tell(day(again), calm(False)), "danger_contact"


UNDONE = pytest.mark.parametrize("by", ["merged", "corrected"])


@UNDONE
def test_what_is_owed_again_is_the_alarm_that_it_was(by: str) -> None:
    story, clock = undone(by, ended=3, again=4)
    alarm = alarm_of(story, clock, day(99))
    assert alarm.is_owed and (alarm.ended_at, alarm.ended_by) == (None, None)
    assert alarm.owing == [Owing(day(1), 1, day(3), 2), Owing(day(4), 3)]
    story.tell(day(20), CONTACT, INTAKE)
    assert alarm_of(story, clock, day(99)).owing[1:] == [Owing(day(4), 3, day(20), 4)]


@UNDONE
def test_a_merger_or_a_correction_that_is_undone_keeps_no_alarm_from_being_ignored(by: str) -> None:
    plain = received() if by == "merged" else received(immediate_danger=True)
    story, clock = undone(by, ended=5, again=5.5)
    (one,), (without,) = ignored(story, day(99), clock), ignored(plain, day(99), clock)
    assert (one.is_open, one.since, one.deadline) == (True, without.since, without.deadline), "and gains no time"
    assert [event.number for event in one.evidence] == [3], "it is seen by what undid it"
    (beyond,) = ignored(undone(by, ended=5, again=30)[0], day(99), clock)
    assert (beyond.since, beyond.is_open) == (day(30) + PATIENCE, True), "nobody owed it when the limit was over"
    settled = undone(by, ended=5, again=5.5)[0].tell(day(40), CONTACT, INTAKE)
    assert [one.settled_at for one in ignored(settled, day(99), clock)] == [day(40)]


@UNDONE
def test_whoever_is_told_only_when_it_is_owed_again_has_the_time_to_answer(by: str) -> None:
    story, clock = undone(by, ended=1.1, again=21)
    (one,) = ignored(story, day(99), clock)
    assert one.since == day(28), "five business days after the commander was told"


@UNDONE
def test_an_ignored_alarm_that_has_ended_and_is_owed_again_is_found_again(by: str) -> None:
    story, clock = undone(by, ended=30, again=40)
    before = Story()
    before.events = story.events[:-1]
    (ended,) = ignored(before, day(35), clock)
    first, again = ignored(story, day(99), clock)
    assert (first, ended.settled_at) == (ended, day(30)), "what had settled it goes on settling it"
    assert (again.since, again.is_open) == (day(40) + PATIENCE, True)
    answer = EscalationAnswered(clock, day(1), EscalationAnswer.HANDED_OVER)
    missed = story.tell(day(41), DeadlineMissed(clock, day(1), None, 1), WATCHDOG)
    assert ignored(missed.tell(day(42), answer, SERGEANT), day(99), clock)[1].settled_at == day(42)


def test_each_missed_deadline_is_a_finding_of_its_own() -> None:
    every = found(held(), "ignored_alarm", day(300))
    assert len({one.id for one in every}) == len(every) >= 4
