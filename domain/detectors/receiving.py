"""Reports that nobody took up: never screened, never begun, never assigned."""

from collections.abc import Iterator
from datetime import datetime

from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting, days, hours
from casetrail.domain.happenings import Happening

SCREENED = frozenset({Happening.SCREENED_IN, Happening.SCREENED_OUT})


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
    Setting("grace", hours(12), "how long after that (or after the report was entered) what was done may be entered"),
)
def never_begun(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report on which nobody did anything.

    Rule: a report was received, and when the limit and the time of grace are over the log shows no contact with the
    victim, no attempt at one and no investigative step, by anybody.

    Evidence: the report.

    Settled by: a first contact, attempt or investigative step, or the end of the case.

    May be wrong: where work is entered days after it was done. The limit is the law's, and short: work that is entered
    soon afterwards settles the finding.

    Found in: Kansas City, where in many cases no investigation took place at all.
    """
    for place, step in history.which(Happening.REPORT_RECEIVED):
        standard = settings(step.at)
        since = history.since_receipt(standard, "limit") + standard.span("grace")
        settled = history.until(place, lambda later: later.is_act or not later.is_open)
        yield of_case(history, standard, since, [step], "received and nothing was done in time", settled, now)


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
