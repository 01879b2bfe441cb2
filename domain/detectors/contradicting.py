"""Closures that say of a case what its log does not."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

from casetrail.domain.closure import ClosureRequested
from casetrail.domain.codes import Disposition, Service
from casetrail.domain.codes import Step as Kind
from casetrail.domain.detectors.closing import MET, REOPENED, names_suspect, request_before
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.offering import referrals_before, steps_before
from casetrail.domain.detectors.settings import Setting
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ReportReceived
from casetrail.domain.linking import FactCorrected

KNOWN: Final = MET | {Kind.SUSPECT_IDENTIFIED}
"""Steps by which a suspect is known."""


def _has_arrest(history: History, place: int) -> bool:
    return any(steps_before(history, place, (Kind.ARREST_MADE,)))


def _has_suspect(history: History, place: int) -> bool:
    named = any(
        names_suspect(step.body)
        for step in history.steps[:place]
        if isinstance(step.body, ReportReceived | FactCorrected)
    )
    return named or any(steps_before(history, place, KNOWN))


def _is_referred(history: History, place: int) -> bool:
    found = referrals_before(history, place, (Service.PROSECUTOR,)).values()
    return any(not one.is_withdrawn for one in found)


def _is_declined(history: History, place: int) -> bool:
    found = referrals_before(history, place, (Service.PROSECUTOR,)).values()
    declined = any(Happening.REFERRAL_DECLINED in one.last.what for one in found)
    return declined or any(steps_before(history, place, (Kind.PROSECUTOR_CONSULTED,)))


SHOWN: Final[Mapping[Disposition, tuple[Callable[[History, int], bool], str]]] = {
    Disposition.CLEARED_BY_ARREST: (_has_arrest, "nobody was arrested"),
    Disposition.CLEARED_EXCEPTIONALLY: (_has_suspect, "no suspect is known"),
    Disposition.REFERRED_TO_PROSECUTOR: (_is_referred, "nothing is referred to a prosecutor"),
    Disposition.DECLINED_BY_PROSECUTOR: (_is_declined, "no prosecutor has declined or was consulted"),
}
"""Dispositions that say what happened: whether the log shows it before a place, and what is so by the log if it does not."""


@detector(
    Setting("dispositions", tuple(SHOWN), "dispositions that the log must show", "FBI, NIBRS User Manual: clearances; "
            "practice", codes=Disposition),
    needs=[Happening.CLOSED],
)  # fmt: skip
def disposition_not_shown(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that was closed as what the log does not show.

    Rule: a case was closed as cleared by arrest, and no arrest is recorded in it; or as cleared exceptionally, and no suspect
    is identified, interviewed, arrested, or named by the report or a correction; or as referred to the prosecutor, and no
    referral to one stands, or the last one is withdrawn after the closure; or as declined by the prosecutor, and neither has
    one declined a referral, nor was one consulted. Other dispositions say nothing that would have to stand in the log, or are
    judged elsewhere: transferred by led_nowhere. A closure that was imported is not judged.

    Evidence: the approval, the request that it approved, and the withdrawal, if there is one.

    Settled by: reopening the case; or the prosecutor's declining what is said to be declined.

    May be wrong: where one arrest clears several cases: record it in each of them before it is closed. Where the prosecutor
    does not take part in the log, and a file is sent there without a referral.

    Found in: Kansas City, where there was deception to cover the tracks; and practice: a cleared case looks handled, and nobody
    opens it.
    """
    for place, step in history.which(Happening.CLOSED):
        asked, standard = request_before(history, place), settings(step.known_at)
        if asked is None or not isinstance(asked.body, ClosureRequested) or step.action.imported is not None:
            continue
        disposition = asked.body.disposition
        if disposition not in SHOWN or disposition not in standard.codes("dispositions"):
            continue
        shows, instead = SHOWN[disposition]
        says = f"closed as {disposition.replace('_', ' ')}, and by the log {instead}"
        if not shows(history, place):
            settled = _first(history, place, lambda later: shows(history, later + 1))  # noqa: B023  (called at once)
            yield of_case(history, standard, step.known_at, [step, asked], says, settled, now)
        elif (undone := _undone(history, place, shows)) is not None:
            reopened = _first(history, history.place_of(undone), lambda _: False)
            yield of_case(history, standard, undone.known_at, [step, asked, undone], says, reopened, now)


def _first(history: History, place: int, is_it: Callable[[int], bool]) -> Step | None:
    """The first step after a place at which a case is reopened, or that is the one that is looked for."""
    for later in range(place + 1, len(history.steps)):
        if history.steps[later].is_any(*REOPENED) or is_it(later):
            return history.steps[later]
    return None


def _undone(history: History, place: int, shows: Callable[[History, int], bool]) -> Step | None:
    """The withdrawal after which the log no longer shows what it showed when the case was closed, if it was not reopened."""
    if not history.has(frozenset({Happening.REFERRAL_WITHDRAWN})):
        return None
    undone = _first(history, place, lambda later: not shows(history, later + 1))
    return undone if undone is not None and Happening.REFERRAL_WITHDRAWN in undone.what else None
