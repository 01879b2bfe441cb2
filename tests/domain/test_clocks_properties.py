"""Clocks of histories that nobody thought of; the policies that were in force; and what ``due`` says of the same cases."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import Final

import pytest
from hypothesis import given, settings

from casetrail.domain.actions import Action
from casetrail.domain.assignment import Assigned
from casetrail.domain.business_time import elapsed
from casetrail.domain.case import Case, Recorded
from casetrail.domain.clocks import Clock, ClockState, clocks
from casetrail.domain.due import Due, DueKind, dues
from casetrail.domain.policy import InForce
from casetrail.domain.policy_file import parse_policy
from tests.actions import DETECTIVE, HAPPENED
from tests.domain.clock_histories import CASE_ID, DAY, Story, day, folded, random_events
from tests.domain.clock_stories import IN, STEP, WORKLOAD, held, received, screened
from tests.domain.histories import LAST_RECORDED, played, submissions
from tests.domain.policies import changed, preset, within
from tests.histories import BEGINNING

POLICIES: Final = InForce([(HAPPENED, preset())])
SEEDS: Final = range(6)
ENDED: Final = {ClockState.MET, ClockState.MET_LATE, ClockState.LAPSED}


def recorded(submitted: list[Action]) -> tuple[Case, list[Recorded]]:
    """A case, and its events, from what was submitted."""
    from casetrail.domain.deciding import decide

    case, events = Case.unreported(CASE_ID), list[Recorded]()
    for number, action in enumerate(submitted):
        at = LAST_RECORDED + timedelta(milliseconds=number)
        case.record(action, decide(case, action, at), at)
        events += [event for event in case.collect_events() if isinstance(event, Recorded)]
    return case, events


@settings(max_examples=150, deadline=None)
@given(submissions())
def test_in_every_history_an_open_case_has_something_owed_and_an_ended_one_only_to_partners(
    submitted: list[Action],
) -> None:
    *_, last = [None, *played(submitted)]
    case, events = recorded(submitted)
    assert last is None or last.status is case.status
    found = clocks(CASE_ID, events, POLICIES, LAST_RECORDED)
    owed = [one for one in found if one.is_owed]
    if case.is_open:
        assert any(not one.rule.has_subject for one in owed)
    else:
        assert all(one.rule.has_subject for one in owed)
    for one in found:
        check(one, LAST_RECORDED)


def check(one: Clock, now: datetime) -> None:
    """What is true of every clock."""
    assert one.owed_by and one.due_at >= min(one.started_at, one.due_at)
    assert (one.ended_at is None) == (one.ended_by is None)
    assert one.ended_at is None or one.ended_at >= one.started_at
    late = (now if one.ended_at is None else one.ended_at) > one.due_at
    assert (one.state in (ClockState.MISSED, ClockState.MET_LATE)) == late
    assert (one.state in ENDED) <= (one.ended_at is not None)


def prefixes(seed: int) -> Iterator[tuple[list[Recorded], datetime]]:
    """The histories of some cases as they grew, each with the moment of its last event."""
    for events in random_events(seed).values():
        for count in range(1, len(events) + 1):
            yield events[:count], events[count - 1].timestamp


@pytest.mark.parametrize("seed", SEEDS)
def test_of_one_clock_never_two_run_at_the_same_time_whatever_is_entered_late(seed: int) -> None:
    for case_id, events in random_events(seed, count=300).items():
        runs: dict[tuple[str, str | None], list[Clock]] = {}
        for one in clocks(case_id, events, POLICIES, BEGINNING + 400 * DAY):
            runs.setdefault((one.name, one.subject), []).append(one)
            check(one, BEGINNING + 400 * DAY)
        for some in runs.values():
            some.sort(key=lambda one: (one.started_at, one.ended_at or datetime.max.replace(tzinfo=UTC)))
            assert sum(one.is_owed for one in some) <= 1
            for before, after in pairwise(some):
                assert before.ended_at is not None and before.ended_at <= after.started_at


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_events_give_the_same_clocks(seed: int) -> None:
    for case_id, events in random_events(seed).items():
        now = BEGINNING + 60 * DAY
        assert clocks(case_id, events, POLICIES, now) == clocks(case_id, iter(events), POLICIES, now)


@pytest.mark.parametrize("seed", SEEDS)
def test_waiting_makes_no_clock_better(seed: int) -> None:
    """With the same events, what is running may be missed later on, and nothing else changes."""
    for case_id, events in random_events(seed).items():
        before = clocks(case_id, events, POLICIES, BEGINNING + 20 * DAY)
        for one, later in zip(before, clocks(case_id, events, POLICIES, BEGINNING + 90 * DAY), strict=True):
            assert one._replace(state=later.state) == later
            assert one.state is later.state or one.is_owed


# --- what ``due`` says of the same cases ---

SAME: Final = {
    DueKind.SCREENING: "screening",
    DueKind.FIRST_RESPONSE: "first_response",
    DueKind.ASSIGNMENT: "assignment",
    DueKind.ACKNOWLEDGEMENT: "acknowledgement",
    DueKind.VICTIM_CONTACT: "victim_contact",
    DueKind.PROGRESS: "progress",
    DueKind.SUPERVISOR_REVIEW: "supervisor_review",
    DueKind.DECISION: "decision",
    DueKind.SUSPENSION_REVIEW: "suspension_review",
    DueKind.CLOSURE_DECISION: "closure_decision",
    DueKind.REFERRAL_ANSWER: "referral_answer",
    DueKind.MEDICAL_EVALUATION: "medical_evaluation",
    DueKind.CONCERN_ANSWER: "concern_answer",
}
AFTER_A_REOPENING: Final = {DueKind.SCREENING, DueKind.FIRST_RESPONSE, DueKind.VICTIM_CONTACT, DueKind.DECISION}
"""A case that is open again has its clocks anew; for ``due`` they go on from the report."""
REPEATING: Final = {DueKind.PROGRESS, DueKind.SUPERVISOR_REVIEW}
"""For ``due`` an assignment after some act, a suspension and a closure that was asked for begin these anew."""
ACTS: Final = {"VictimContactMade", "VictimContactAttempted", "InvestigativeStepTaken", "SupervisorReviewed"}
ANEW: Final = {"Reassigned", "Released", "Suspended", "ClosureRequested", "Reopened"}


def comparable(kind: DueKind, case: Case) -> bool:
    """Whether ``due`` and the clocks mean the same by it."""
    if "FactCorrected" in case.kinds or case.facts.imported:
        return False
    if kind is DueKind.DECISION and "ReferralCompleted" in case.kinds:  # the prosecutor has decided: it stops the clock
        return False
    if kind in AFTER_A_REOPENING and case.facts.reopenings:
        return False
    if kind is DueKind.ASSIGNMENT and "Merged" in case.kinds:  # by the clocks it is owed since it was, by ``due`` anew
        return False
    if kind is DueKind.VICTIM_CONTACT and case.facts.suspensions:
        return False
    before = case.kinds[: case.kinds.index("Assigned")] if "Assigned" in case.kinds else []
    return kind not in REPEATING or (ANEW.isdisjoint(case.kinds) and ACTS.isdisjoint(before))


def in_order(events: list[Recorded]) -> list[Recorded]:
    """The same history, everything having happened when it was recorded."""
    from dataclasses import replace

    return [
        replace(event, action=event.action and replace(event.action, occurred_at=event.timestamp)) for event in events
    ]


def says_the_same(due: Due, owed: list[Clock], case: Case) -> bool:
    """Whether one of the clocks that are owed says what ``due`` says, nothing that counts being between the two moments."""
    name = SAME[due.kind]
    if due.kind is DueKind.VICTIM_CONTACT and case.facts.immediate_danger:
        name = "danger_contact"
    return any(
        one.due_at == due.at or (one.rule.calendar and not elapsed(one.due_at, due.at, one.rule.calendar))
        for one in owed
        if (one.name, one.owed_by) == (name, due.owed_by)
    )


def test_what_is_due_is_due_by_the_clocks_of_the_generic_policy_too() -> None:
    compared = Counter[DueKind]()
    for events, now in chain.from_iterable(map(prefixes, range(20))):
        history = in_order(events)
        case = folded(history, events[0].originator_id)
        owed = [one for one in clocks(case.id, history, POLICIES, now) if one.is_owed]
        for due in dues(case):
            if comparable(due.kind, case):
                assert says_the_same(due, owed, case), (due, case.kinds)
                compared[due.kind] += 1
    assert set(compared) == set(DueKind), compared


# --- policies ---


def test_a_clock_is_judged_by_the_policy_in_force_when_it_started() -> None:
    lax = parse_policy(within("clocks.screening", "72 hours", "30 days"))
    story = received()
    assert story.only("screening", day(4), (day(-9), preset()), (day(1), lax)).state is ClockState.MISSED
    assert story.only("screening", day(4), (day(-9), preset()), (day(-1), lax)).state is ClockState.RUNNING


def test_a_repeated_clock_is_judged_by_the_policy_of_each_of_its_starts() -> None:
    lax = parse_policy(within("clocks.progress", "14 days", "60 days"))
    story = held().tell(day(10), STEP, DETECTIVE)
    found = story.runs("progress", day(30), (day(-9), preset()), (day(5), lax))
    assert [one.due_at for one in found] == [day(14), day(70)]


def test_a_clock_that_a_policy_drops_still_binds_those_that_it_had_started_for() -> None:
    without = parse_policy(changed(("[clocks.screening]", "[clocks.something_else]")))
    assert received().only("screening", day(4), (day(-9), preset()), (day(1), without)).state is ClockState.MISSED


def test_a_receipt_that_is_corrected_is_judged_by_the_policy_of_its_day() -> None:
    from casetrail.domain.codes import CorrectionReason
    from casetrail.domain.linking import FactCorrected
    from tests.actions import INTAKE

    lax = parse_policy(within("clocks.screening", "72 hours", "30 days"))
    story = received().tell(day(1), FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(-20)), INTAKE)
    found = story.only("screening", day(2), (day(-99), preset()), (day(-3), lax))
    assert (found.due_at, found.state) == (day(-17), ClockState.MISSED)


def test_a_clock_of_ones_own_making_runs() -> None:
    own = """
[clocks.follow_up]
start = ["reassigned"]
stop = ["victim_contact"]
limit = "36 hours"
owed_by = "commander"
escalation = "usual"
source = "practice"
"""
    from casetrail.domain.assignment import Reassigned
    from tests.actions import OTHER_DETECTIVE

    policy = parse_policy(changed() + own)
    story = screened().tell(day(0), Assigned(DETECTIVE.id)).tell(day(2), Reassigned(OTHER_DETECTIVE.id, WORKLOAD))
    found = story.only("follow_up", day(3), (HAPPENED, policy))
    assert (found.due_at, found.owed_by) == (day(3.5), "child-crimes/commander")


def test_a_case_of_which_no_report_is_known_has_no_clocks() -> None:
    assert Story().clocks(day(9)) == []
    from casetrail.domain.actions import ActionRejected

    assert Story().record(None, ActionRejected(type(IN).__name__, "no-such-case")).clocks(day(9)) == []
