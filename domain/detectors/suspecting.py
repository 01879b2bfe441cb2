"""Whether a suspect of a case is known, and was heard; and when the case was closed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from casetrail.domain.closure import ClosureRequested
from casetrail.domain.codes import Disposition
from casetrail.domain.codes import Step as Kind
from casetrail.domain.detectors.closing import MET, REOPENED, names_suspect, request_before
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.lasting import Lasting, lasting
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ReportReceived
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected

WORKED_NO_MORE: Final = frozenset({Happening.CLOSED})


class Suspected(NamedTuple):
    """Since when the log names or has identified a suspect of a case, and since when one was interviewed or arrested."""

    named_at: datetime | None
    met_at: datetime | None


UNSUSPECTED: Final = Suspected(None, None)


def suspected(history: History) -> Suspected:
    """What the log says of the suspects of a case."""
    known_by = Happening.REPORT_RECEIVED, Happening.INVESTIGATIVE_STEP  # corrections have no happening of their own
    is_corrected = "FactCorrected" in history.case.kinds
    steps = history.steps if is_corrected else [step for one in known_by for _, step in history.which(one)]
    named_at: datetime | None = None
    met_at: datetime | None = None
    for step in steps:
        body = step.action.body
        if isinstance(body, InvestigativeStepTaken):
            if named_at is None and body.step is Kind.SUSPECT_IDENTIFIED:
                named_at = step.known_at
            if met_at is None and body.step in MET:
                met_at = step.known_at
        elif named_at is None and isinstance(body, ReportReceived | FactCorrected) and names_suspect(body):
            named_at = step.known_at
    return Suspected(named_at, met_at)


def closures(history: History) -> Iterator[Lasting]:
    """From when until when a case was closed, and nobody else was to go on with it; but for what was imported."""
    if not history.has(WORKED_NO_MORE):
        return
    closed: Step | None = None
    for place, step in history.which(Happening.CLOSED, *REOPENED):
        if closed is not None and step.is_any(*REOPENED):
            yield lasting(history, closed, step)
            closed = None
        elif Happening.CLOSED in step.what and step.action.imported is None and not _is_handed_over(history, place):
            closed = step
    if closed is not None:
        yield lasting(history, closed)


def _is_handed_over(history: History, place: int) -> bool:
    asked = request_before(history, place)
    body = None if asked is None else asked.body
    return isinstance(body, ClosureRequested) and body.disposition is Disposition.TRANSFERRED
