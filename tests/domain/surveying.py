"""Many cases in tests: what the detectors that look beyond one case find in stories."""

from collections.abc import Iterable
from datetime import datetime

from casetrail.domain.case import Recorded
from casetrail.domain.codes import ScreeningReason
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.intake import ScreenedOut
from casetrail.domain.policy import Policy
from tests.actions import HAPPENED, INTAKE, SERGEANT
from tests.domain.clock_histories import day
from tests.domain.clock_stories import REOPENED
from tests.domain.detecting import history_of, judge
from tests.domain.policies import preset
from tests.domain.populations import Doing, recorded


def told(case_id: str, *doings: Doing) -> list[Recorded]:
    """The events of a case, each recorded when it happened."""
    return recorded(case_id, [(one[0], one) for one in doings])


def found(cases: Iterable[list[Recorded]], name: str, now: datetime, policy: Policy | None = None) -> list[Finding]:
    """What one detector finds in cases."""
    one = judge((HAPPENED, policy or preset()), detectors=[name])
    for events in cases:
        one.count(history_of(events, events[0].originator_id))
    return list(one.many(now))


def evidence(one: Finding) -> list[str]:
    """On what a finding rests: cases, each with the number of its event."""
    return [f"{event.case_id}#{event.number}" for event in one.evidence]


# --- what is done in these stories, at so many days ---


def known(at: float) -> Doing:
    """A report is screened out as known already."""
    return day(at), INTAKE, ScreenedOut(ScreeningReason.DUPLICATE_REPORT)


def reopened(at: float) -> Doing:
    """A case is reopened."""
    return day(at), SERGEANT, REOPENED
