"""Detectors on histories that nobody thought of: a finding rests on what was known, and neither time nor events undo it."""

from datetime import datetime, timedelta
from typing import Final

import pytest
from hypothesis import given, settings

from casetrail.domain.actions import Action
from casetrail.domain.case import Case, Recorded
from casetrail.domain.deciding import decide
from casetrail.domain.detectors.catalogue import OF_CASES
from casetrail.domain.detectors.finding import Finding
from tests.domain.clock_histories import CASE_ID, DAY, random_events
from tests.domain.detecting import history_of, judge
from tests.domain.histories import LAST_RECORDED, submissions
from tests.domain.populations import clean
from tests.histories import BEGINNING

JUDGE: Final = judge()
SEEDS: Final = range(8)
END: Final = BEGINNING + 400 * DAY


def findings(events: list[Recorded], now: datetime) -> dict[str, Finding]:
    """All that was ever found in a case, by id: of one id there is one finding."""
    listed = list(JUDGE.case(history_of(events, events[0].originator_id), now))
    made = {one.id: one for one in listed}
    assert len(made) == len(listed), [(one.detector, one.evidence[0].number) for one in listed]
    return made


def without_settlement(one: Finding) -> tuple[object, ...]:
    """What a later event cannot change of a finding."""
    return one.detector, one.subject, one.since, one.evidence, one.says


def check(events: list[Recorded], now: datetime) -> None:
    """What is true of every finding."""
    history = history_of(events, events[0].originator_id)
    known = {step.number: step.known_at for step in (*history.steps, *history.refused)}
    for one in findings(events, now).values():
        assert one.evidence and one.says and one.settings.escalation.steps
        assert all(known[evidence.number] <= one.since for evidence in one.evidence)
        assert one.since < now
        assert one.settled_at is None or one.since < one.settled_at <= now
        assert (one.settled_at is None) == (one.settled_by is None) == one.is_open
        assert [told.at for told in one.told()] == sorted(told.at for told in one.told())


@settings(max_examples=150, deadline=None)
@given(submissions())
def test_a_finding_never_lies_before_its_evidence(submitted: list[Action]) -> None:
    case, events = Case.unreported(CASE_ID), list[Recorded]()
    for number, action in enumerate(submitted):
        at = LAST_RECORDED + timedelta(milliseconds=number)
        case.record(action, decide(case, action, at), at)
        events += [event for event in case.collect_events() if isinstance(event, Recorded)]
    if events:
        check(events, LAST_RECORDED + DAY)
        check(events, LAST_RECORDED + 400 * DAY)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_longer_wait_loses_no_finding_and_changes_none(seed: int) -> None:
    for events in random_events(seed, count=200).values():
        last = events[-1].timestamp
        before = findings(events, last)
        for days in (1, 20, 90, 400):
            later = findings(events, last + days * DAY)
            assert all(later[name] == one for name, one in before.items())
            before = later


@pytest.mark.parametrize("seed", SEEDS)
def test_what_could_be_seen_once_stays_seen_whatever_is_recorded_later(seed: int) -> None:
    """As of any moment: what was found stays found, and what had settled it goes on settling it."""
    for events in random_events(seed, count=200).values():
        check_prefixes(events)


def test_nor_does_it_matter_how_late_work_is_entered() -> None:
    found = set[str]()
    for events in clean(16, 30, BEGINNING, late=0.6).values():
        found |= {one.detector for one in check_prefixes(events).values()}
    assert "met_afterwards" in found


def check_prefixes(events: list[Recorded]) -> dict[str, Finding]:
    """Look at a case again and again as it grows; all that is found in the end."""
    check(events, END)
    whole = findings(events, END)
    for count in range(1, len(events)):
        for now in (events[count - 1].timestamp, events[count].timestamp - timedelta(milliseconds=1)):
            for name, one in findings(events[:count], now).items():
                assert without_settlement(whole[name]) == without_settlement(one)
                assert one.is_open or (whole[name].settled_at, whole[name].settled_by) == (
                    one.settled_at,
                    one.settled_by,
                )
    return whole


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_found_in_the_whole_could_be_seen_when_it_says_so(seed: int) -> None:
    """With the events that were recorded until just after ``since``, the finding is there already."""
    for events in random_events(seed, count=200).values():
        if history_of(events, events[0].originator_id).case.facts.imported:
            continue  # the old system knew what the log did not
        for name, one in findings(events, END).items():
            moment = one.since + timedelta(microseconds=1)
            assert name in findings([event for event in events if event.timestamp <= moment], moment)


def test_a_detector_finds_nothing_where_nothing_happened_that_it_needs() -> None:
    """It is not asked there: so what it needs must be said rightly, of histories in which it happened and in which not."""
    for seed in SEEDS:
        for events in random_events(seed, count=200).values():
            history = history_of(events, events[0].originator_id)
            for detector in OF_CASES:
                if detector.needs and not history.has(detector.needs):
                    standard = JUDGE.settings(history.case.facts.agency, detector.name)
                    assert not list(filter(None, detector.find(history, standard, END))), detector.name


def test_random_histories_reach_every_detector() -> None:
    reached = {
        one.detector
        for seed in range(40)
        for events in random_events(seed, count=200).values()
        for one in findings(events, END).values()
    }
    assert {one.name for one in OF_CASES} - reached <= {
        "forbidden_code",
        "entered_late",
        "met_afterwards",
        "renewed_again",
        "holder_left",
        "led_nowhere",
        "rested_long",
        "extended_again",
        "answered_again",
        "merged_again",
        "imported_when_live",
        "attendance_denied",
        "role_not_given",
        "only_asked",
    }
