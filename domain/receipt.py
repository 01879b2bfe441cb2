"""When a report was received, by what a history says of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from casetrail.domain.case import Recorded
from casetrail.domain.intake import ReportReceived
from casetrail.domain.linking import FactCorrected

CORRECTING: Final = frozenset({ReportReceived, FactCorrected})


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
