"""Reports that nobody took up: never screened, never begun, never assigned."""

from collections.abc import Iterator
from datetime import datetime

from casetrail.domain.business_time import LAST
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting, Settings, days, hours
from casetrail.domain.happenings import Happening
from casetrail.domain.status import Status

SCREENED = frozenset({Happening.SCREENED_IN, Happening.SCREENED_OUT})
AGAIN = (Happening.REOPENED, Happening.REOPENED_UNSCREENED)


@detector(
    Setting("limit", hours(72), "how long a report may wait to be screened", "RSMo 210.145", clock="screening"),
)
def never_screened(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report that was received and never screened.

    Rule: a report was received, or a case was reopened to be screened again, and within the limit nobody decided whether
    it merits investigation. What is assigned has been screened in.

    Evidence: the report, or the reopening.

    Settled by: a screening, in or out, or the end of the case.

    May be wrong: where reports are screened elsewhere and the decision is not entered here.

    Found in: Houston.
    """
    for place, step in history.which(Happening.REPORT_RECEIVED, Happening.REOPENED_UNSCREENED):
        standard = settings(step.at)
        if Happening.REPORT_RECEIVED in step.what:
            due = history.since_receipt(standard, "limit")
        else:
            due = standard.due("limit", step.at, history.conditions)
        settled = history.until(place, _is_screened)
        yield of_case(history, standard, due, [step], "received and not screened in time", settled, now)


def _is_screened(step: Step) -> bool:
    return not step.is_open or not SCREENED.isdisjoint(step.what)


@detector(
    Setting("limit", hours(24), "within what time the investigation begins", "RSMo 210.145", clock="first_response"),
    Setting("grace", hours(12), "how long after that (or after the report or reopening was entered) what was done may be "
            "entered"),
)  # fmt: skip
def never_begun(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report on which nobody did anything.

    Rule: a report was received, or a case was reopened, and when the limit and the time of grace are over the log shows no
    contact with the victim, no attempt at one and no investigative step since, by anybody. What was done before a
    reopening does not count: somebody saw that it was not enough. Nor does what was done more than 24 hours before the
    report was received: it was done for something else.

    Evidence: the report, or the reopening.

    Settled by: a first contact, attempt or investigative step, or the end of the case; or that the receipt is corrected to
    an earlier time, which lets work count that was done before.

    May be wrong: where work is entered days after it was done. The limit is the law's, and short: work that is entered
    soon afterwards settles the finding. Or where a case is reopened for its papers only; or where a patrol was there days
    before its report was typed in, and that is said to be the receipt.

    Found in: Kansas City, where in many cases no investigation took place at all.
    """
    since, acted, works = LAST, 0, history.shows_work
    for place, step in history.which(Happening.REPORT_RECEIVED, *AGAIN):
        standard = settings(step.at)
        undone = place > 0 and history.steps[place - 1].status is Status.MERGED  # all is owed since it was
        if undone and acted < place:
            continue
        if not undone:
            since = max(_begins_by(history, standard, step), step.known_at) + standard.span("grace")
            works = history.shows_work if Happening.REPORT_RECEIVED in step.what else _is_act
            acted = history.place_of(history.until(place, works))
        settled = history.until(place, lambda later: works(later) or not later.is_open)  # noqa: B023  (called at once)
        received = Happening.REPORT_RECEIVED in step.what
        says = f"{'received' if received else 'reopened'} and nothing was done in time"
        yield of_case(history, standard, since, [step], says, settled, now)


def _is_act(step: Step) -> bool:
    return step.is_act


def _begins_by(history: History, standard: Settings, step: Step) -> datetime:
    """By when the investigation begins after a report or a reopening."""
    if Happening.REPORT_RECEIVED in step.what:
        return history.since_receipt(standard, "limit")
    return standard.due("limit", step.at, history.conditions)


@detector(
    Setting("limit", days(1), "how long a case that was screened in may wait for a holder", clock="assignment"),
)
def never_assigned(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that was screened in, or reopened, and never assigned.

    Rule: the case waits for an investigator, and within the limit nobody was given it. That it is suspended meanwhile
    makes no difference: somebody must hold it.

    Evidence: the screening, or the reopening.

    Settled by: an assignment, or the end of the case.

    May be wrong: where a team works cases without a named holder.

    Found in: Houston, where 1,600 cases of sexual assault of children were found unassigned in 2017.
    """
    for place, step in history.which(Happening.SCREENED_IN, Happening.REOPENED):
        if step.holder is None and step.is_open:
            standard = settings(step.at)
            since = standard.due("limit", step.at, history.conditions)
            settled = history.until(place, lambda later: later.holder is not None or not later.is_open)
            yield of_case(history, standard, since, [step], "waits for an investigator, and has none", settled, now)
