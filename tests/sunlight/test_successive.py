"""Which editions of a report may follow on which."""

from datetime import UTC, datetime, timedelta

import pytest

from casetrail.sunlight.errors import TooSoon
from casetrail.sunlight.successive import LEAST_APART, Earlier, check_apart

FIRST = Earlier("kcpd", datetime(2026, 3, 1, tzinfo=UTC), {"0": 100}, {})
MORE = {"0": 101}


def test_editions_that_count_other_events_are_far_apart_whichever_is_the_later_one() -> None:
    for apart in (timedelta(0), LEAST_APART - timedelta(seconds=1)):
        other = FIRST._replace(now=FIRST.now + apart, positions=MORE)
        with pytest.raises(TooSoon):
            check_apart(FIRST, other)
        with pytest.raises(TooSoon):
            check_apart(other, FIRST)
    check_apart(FIRST, FIRST._replace(now=FIRST.now + LEAST_APART, positions=MORE))
    check_apart(FIRST, FIRST._replace(now=FIRST.now + timedelta(days=1)))  # of the same events


def test_another_logs_edition_is_none_before_it() -> None:
    check_apart(FIRST, FIRST._replace(log="other", positions=MORE))
