"""The 149 are seen, and soon; cases that were handled well are left in peace."""

from collections import Counter
from datetime import UTC, datetime
from statistics import median
from typing import Final

import pytest

from casetrail.domain.detectors.finding import Finding
from tests.domain.detecting import judge
from tests.domain.populations import DAY, clean, histories, the_149

TODAY: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEEN_BY: Final = {
    "never_begun", "never_screened", "never_assigned", "held_by_nobody", "untouched", "no_contact", "contact_lost",
    "partner_waiting", "interview_missed", "suspended_for_ever", "screened_out_unasked", "closed_without_work",
    "shuffled", "entered_late", "reported_again", "ignored_alarm",
}  # fmt: skip


@pytest.mark.parametrize("seed", [149, 7, 2016])
def test_all_of_the_149_are_seen_by_what_their_own_cases_say_half_of_them_within_three_days(seed: int) -> None:
    days: dict[str, float] = {}
    seen_by = set[str]()
    judging, found = judge(), list[Finding]()
    received = {}
    for history in histories(the_149(seed, TODAY)):
        received[history.case.id] = history.steps[0].at
        found += judging.case(history, TODAY)
        judging.count(history)
    found += judging.many(TODAY)
    for finding in found:
        seen_by.add(finding.detector)
        if finding.subject in received:
            after = (finding.since - received[finding.subject]) / DAY
            days[finding.subject] = min(after, days.get(finding.subject, after))
    assert len(days) == len(received) == 149
    assert median(days.values()) < 3 and max(days.values()) < 45
    assert seen_by >= SEEN_BY


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_100_cases_that_were_handled_well_there_are_at_most_2_findings(seed: int) -> None:
    population = clean(seed, 1000, datetime(2025, 1, 1, tzinfo=UTC))
    judging, found = judge(), list[Finding]()
    for history in histories(population):
        found += judging.case(history, TODAY)
        judging.count(history)
    about_people = list(judging.many(TODAY))
    assert len(found) <= 20, Counter(one.detector for one in found)
    assert {one.detector for one in about_people} <= {"too_many_new", "convenient_code"}, (
        "1,000 cases are many for eight"
    )
