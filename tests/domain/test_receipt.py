"""Which acts answer a report: those since it was received, and those of the day before; not what was done for something else."""

from datetime import datetime, timedelta
from random import Random
from typing import Final

import pytest

from casetrail.domain.actions import Action, Actor, Body
from casetrail.domain.alarms import Watch
from casetrail.domain.assignment import Acknowledged, Assigned
from casetrail.domain.case import Case, Recorded
from casetrail.domain.clocks import clocks, judged
from casetrail.domain.closure import ClosureApproved, Reopened
from casetrail.domain.codes import CorrectionReason, ReopeningReason, ScreeningReason
from casetrail.domain.codes import Step as Kind
from casetrail.domain.deciding import decide
from casetrail.domain.detectors.counting import What, counted
from casetrail.domain.intake import ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected
from casetrail.domain.policy import InForce
from casetrail.domain.receipt import BEFOREHAND
from tests.actions import DETECTIVE, HAPPENED, INTAKE, OTHER_SERGEANT, SERGEANT, report
from tests.domain.clock_histories import CASE_ID, DAY, Story, day
from tests.domain.clock_stories import (
    ASKED,
    ATTEMPT,
    CONTACT,
    IN,
    MET,
    MISSED,
    OUT,
    REOPENED,
    REVIEW,
    RUNNING,
    SIMPLE,
    STEP,
    held,
    received,
    runs_of,
)
from tests.domain.detecting import SECOND, found, history_of, numbers, only, seen
from tests.domain.policies import preset
from tests.domain.test_detectors_properties import check_prefixes

FIRST_DAYS: Final = ("danger_contact", "first_response", "victim_contact")
FEW: Final = ScreenedOut(ScreeningReason.INSUFFICIENT_INFORMATION)


def early(story: Story, body: Body, days: float = 6.5, actor: Actor = DETECTIVE) -> Story:
    """What was done so many days before the report, and is entered now."""
    return story.tell(day(-days), body, actor)


def said(days: float) -> FactCorrected:
    """The report was received so many days earlier."""
    return FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(-days))


# --- clocks ---


@pytest.mark.parametrize("name", FIRST_DAYS)
def test_who_was_there_in_the_24_hours_before_has_answered_the_report_and_nobody_from_before_that(name: str) -> None:
    for at, state in ((HAPPENED - BEFOREHAND, MET), (HAPPENED - BEFOREHAND - SECOND, MISSED)):
        found = held(immediate_danger=True).tell(at, CONTACT, DETECTIVE).only(name, day(30))
        assert found.state is state, at
    assert found.is_owed


def test_an_act_from_long_before_changes_nothing_in_a_clock_that_has_been_stopped() -> None:
    story = held().tell(day(0.5), CONTACT, DETECTIVE)
    before = story.clocks(day(1))
    assert early(story, CONTACT).clocks(day(1)) == before


def test_an_act_from_long_before_starts_no_clock() -> None:
    story = early(received(), STEP)
    assert story.runs("progress", day(3)) == []
    story.tell(day(2), IN, INTAKE).tell(day(2), Assigned(DETECTIVE.id))
    assert runs_of(story.runs("progress", day(3))) == [(day(2), None, RUNNING)]


def test_a_receipt_that_is_corrected_lets_an_act_count() -> None:
    story = early(held(immediate_danger=True), CONTACT, 2)
    assert story.only("danger_contact", day(2)).state is MISSED
    story.tell(day(2), said(1.5), INTAKE)
    assert [story.only(name, day(2)).state for name in FIRST_DAYS] == [MET] * 3


# --- what one case is judged by ---


def test_a_contact_from_long_before_the_report_is_no_contact() -> None:
    danger = early(held(immediate_danger=True), CONTACT)
    assert seen(danger, "no_contact", day(1)).is_open
    story = early(held(), CONTACT, 25)
    assert numbers(seen(story, "no_contact", day(14))) == [3, 1]
    assert only(story.tell(day(20), CONTACT, DETECTIVE), "no_contact", day(30)).settled_at == day(20)
    assert found(early(held(), CONTACT, 1), "no_contact", day(30)) == []


@pytest.mark.parametrize("name", ["no_contact", "never_begun"])
def test_a_receipt_that_is_corrected_settles_what_was_seen_and_does_not_undo_it(name: str) -> None:
    story = early(held(immediate_danger=True), CONTACT, 2).tell(day(3), said(0.5), INTAKE)
    assert only(story, name, day(4)).is_open, "still too long before"
    one = only(story.tell(day(5), said(1), INTAKE), name, day(6))
    assert (one.settled_at, one.settled_by and one.settled_by.number) == (day(5), 7)
    in_time = early(held(immediate_danger=True), CONTACT, 2).tell(day(0.5), said(1), INTAKE)
    assert found(in_time, name, day(30)) == []


def test_a_deadline_that_is_met_by_correcting_the_receipt_days_after_it_was_missed_is_seen() -> None:
    def story(at: float) -> Story:
        return early(held(immediate_danger=True), CONTACT, 2).tell(day(at), said(1), INTAKE)

    assert found(story(3), "met_afterwards", day(30)) == []
    one = only(story(8), "met_afterwards", day(30))
    assert (one.since, numbers(one)) == (day(8), [6, 1])
    assert (
        one.says
        == "no longer missed, by what was entered 7 days after that was seen: danger_contact and first_response"
    )
    late = early(held(immediate_danger=True), CONTACT, 2).tell(day(5), CONTACT, DETECTIVE).tell(day(8), said(1), INTAKE)
    assert len(found(late, "met_afterwards", day(30))) == 1


def test_an_attempt_that_is_let_count_is_no_contact() -> None:
    story = early(held(), ATTEMPT, 2).tell(day(0.5), said(1), INTAKE)
    assert len(found(story, "no_contact", day(30))) == 1
    assert found(story, "never_begun", day(30)) == []


def test_work_from_long_before_the_report_does_not_begin_it() -> None:
    story = early(received(), STEP, actor=SERGEANT)
    assert numbers(seen(story, "never_begun", day(1.5))) == [1]
    assert only(story.tell(day(4), ATTEMPT, INTAKE), "never_begun", day(9)).settled_at == day(4)


def test_what_was_done_before_a_reopening_begins_nothing_anew_when_it_is_let_count() -> None:
    story = early(received(), CONTACT, 2).tell(day(0.2), OUT, INTAKE).tell(day(5), REOPENED)
    story.tell(day(5.5), said(1), INTAKE)
    assert numbers(only(story, "never_begun", day(9))) == [4]


def closed(story: Story, at: float) -> Story:
    return story.tell(day(at), ASKED, DETECTIVE).tell(day(at) + SECOND, ClosureApproved(), OTHER_SERGEANT)


def test_who_closes_on_work_from_long_before_the_report_closes_without_work() -> None:
    worked = early(early(held(offences=SIMPLE), CONTACT), STEP)
    one = only(closed(worked, 0.5), "closed_without_work", day(9))
    assert one.says == "closed without victim contact and without investigative step"
    mended = early(early(held(offences=SIMPLE), CONTACT, 2), STEP, 2).tell(day(0.2), said(1), INTAKE)
    assert found(closed(mended, 0.5), "closed_without_work", day(9)) == []


def test_a_suspect_who_was_known_before_must_be_heard_all_the_same_and_anew() -> None:
    story = held(offences=SIMPLE).tell(day(0.1), CONTACT, DETECTIVE).tell(day(0.1), STEP, DETECTIVE)
    for kind in (Kind.SUSPECT_IDENTIFIED, Kind.SUSPECT_INTERVIEWED):
        early(story, InvestigativeStepTaken(kind))
    assert only(closed(story, 0.5), "closed_without_work", day(9)).says == "closed without suspect interview"


def test_after_a_reopening_for_something_new_nothing_from_before_it_is_let_count() -> None:
    story = closed(early(early(held(offences=SIMPLE), CONTACT, 2), STEP, 2), 0.5).tell(
        day(1), Reopened(ReopeningReason.NEW_REPORT)
    )
    story.tell(day(1), Assigned(DETECTIVE.id)).tell(day(1), Acknowledged(), DETECTIVE)
    story.tell(day(1.1), said(1), INTAKE)
    assert len(found(closed(story, 2), "closed_without_work", day(9))) == 2


@pytest.mark.parametrize("body", [OUT, FEW])
def test_who_asked_long_before_the_report_has_not_asked_about_it(body: Body) -> None:
    story = early(received(immediate_danger=True), CONTACT, actor=INTAKE).tell(day(0.1), body, INTAKE)
    assert numbers(only(story, "screened_out_unasked", day(9))) == [3]
    mended = early(received(immediate_danger=True), CONTACT, 2, INTAKE).tell(day(0.05), said(1), INTAKE)
    assert found(mended.tell(day(0.1), body, INTAKE), "screened_out_unasked", day(9)) == []


def test_it_ends_no_row_of_attempts_and_of_screenings() -> None:
    story = held()
    for number in range(4):
        story.tell(day(number), ATTEMPT, DETECTIVE)
        early(story, CONTACT)
    assert only(story, "never_reached", day(40)).is_open
    again = early(received().tell(day(1), FEW, INTAKE).tell(day(2), Reopened(ReopeningReason.AUDIT)), CONTACT)
    assert only(again.tell(day(3), FEW, INTAKE), "screened_out_again", day(9)).is_open


def test_it_is_entered_late_all_the_same() -> None:
    story = early(early(held(), CONTACT, 9), STEP, 9)
    assert only(story, "entered_late", day(9)).says == "2 late entries of work, the latest after 9 days"
    groups = [one.group for one in counted(history_of(story.events), lambda _: timedelta(days=7))]
    assert [one.marked for one in groups if one.what is What.ENTERED] == [True, True]


# --- at any moment, and in whatever order it is entered ---

BODIES: Final[tuple[tuple[Body, Actor], ...]] = (
    (CONTACT, DETECTIVE), (ATTEMPT, DETECTIVE), (STEP, DETECTIVE), (REVIEW, SERGEANT), (IN, INTAKE), (FEW, INTAKE),
    (Assigned(DETECTIVE.id), SERGEANT), (REOPENED, SERGEANT), (ASKED, DETECTIVE), (ClosureApproved(), OTHER_SERGEANT),
)  # fmt: skip


def random_case(seed: int) -> list[Recorded]:
    """A case in which work from before the report is entered, and its receipt is corrected."""
    chance = Random(seed)
    case, now = Case.unreported(CASE_ID), HAPPENED
    told: list[tuple[datetime, Body, Actor]] = [
        (HAPPENED, report(immediate_danger=chance.random() < 0.5, offences=SIMPLE), INTAKE)
    ]
    for _ in range(14):
        body, actor = (said(3 * chance.random()), INTAKE) if chance.random() < 0.2 else chance.choice(BODIES)
        at = HAPPENED - 4 * DAY * chance.random() if chance.random() < 0.4 else now
        told.append((at, body, actor))
        now += chance.choice((0.1, 5)) * DAY * chance.random()
    events, recorded_at = list[Recorded](), HAPPENED
    for at, body, actor in told:
        recorded_at = max(recorded_at + SECOND, at)
        action = Action(chance.randbytes(16), CASE_ID, at, actor, body)
        case.record(action, decide(case, action, recorded_at), recorded_at)
        events += [event for event in case.collect_events() if isinstance(event, Recorded)]
    return events


@pytest.mark.parametrize("seed", range(40))
def test_what_was_seen_once_stays_seen(seed: int) -> None:
    check_prefixes(random_case(seed))


def test_a_watch_sees_the_clocks_that_the_whole_history_has() -> None:
    policies = InForce([(datetime.min.replace(tzinfo=HAPPENED.tzinfo), preset())])
    for seed in range(40):
        events = random_case(seed)
        watch = Watch(CASE_ID, policies)
        for count, event in enumerate(events, 1):
            watch.follow(event)
            now = event.timestamp
            assert judged(watch.runs, now) == clocks(CASE_ID, events[:count], policies, now)
