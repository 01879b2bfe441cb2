"""When a report was received, and which acts answer it: those since then, and those from shortly before."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from casetrail.domain.case import Recorded
from casetrail.domain.intake import ReportReceived
from casetrail.domain.linking import FactCorrected

CORRECTING: Final = frozenset({ReportReceived, FactCorrected})
BEFOREHAND: Final = timedelta(hours=24)
"""An act that was done so shortly before the report was received answers it: who was there before it was written has.

As long as the law gives for the first visit (RSMo 210.145). What was done longer before is about something else. Where a
patrol was there, and the report was typed in days later, it was received when the patrol was: its receipt can be
corrected to that.
"""


def answers(at: datetime, received: datetime) -> bool:
    """Whether what was done at a moment answers a report that was received at another."""
    return received - at <= BEFOREHAND


def received_at(history: Sequence[Recorded]) -> datetime | None:
    """When the report was received: the earliest time that is stated of it, as ``FactCorrected`` says."""
    number, found = 0, None
    for event in history:
        body = event.body
        if type(body) not in CORRECTING:
            continue
        if isinstance(body, ReportReceived) and event.action is not None:
            number, found = event.originator_version, event.action.occurred_at
        elif isinstance(body, FactCorrected) and found is not None and body.corrects == number and body.happened_at:
            found = min(found, body.happened_at)
    return found
