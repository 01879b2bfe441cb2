"""How a report came into the log: refused, or imported, with what became of it, when the log was live."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from casetrail.domain.actions import ActionRejected
from casetrail.domain.codes import Role
from casetrail.domain.deciding import DUPLICATE_ACTION
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting, Settings, days, hours
from casetrail.domain.happenings import Happening
from casetrail.domain.linking import Linked
from casetrail.domain.status import Status


@detector(
    Setting("limit", hours(24), "within what time a report that was refused is accepted after all"),
    Setting(
        "same", hours(1), "how near to the case's own report one by the same agency is taken for the same once more"
    ),
)
def report_refused(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report that was refused, and that nobody sees anywhere else.

    Rule: a report was refused (its time lay in the future, its case id was another's already, something else had been
    submitted under its action id), and within the limit no report was accepted under its case id. Where the id was taken, it
    is a finding too, unless the same agency had reported the case at nearly the same time: then it was the same report once
    more. What only repeats a report of the same agency, under the same action id, is none.

    Evidence: the refused submission.

    Settled by: a supervisor's review of the case, afterwards. Where the case id was free, also a report that is accepted under
    it (by the same agency, where the action id was taken), or whatever else somebody of the agency that was refused records
    there. Where it was taken, also a link with another case, in which the report may stand; but not ordinary work, which goes
    on in such a case whether anybody has seen the second report or not. Imports settle only what was refused as an import.

    May be wrong: where the submitter mended the report and gave it another case id, until the two cases are linked. Nobody
    else can see that they did.

    Found in: intake systems that answer a caller with an error, and keep nothing.
    """
    for refused in history.refused:
        facts, agency = history.case.facts, refused.action.actor.agency
        standard = settings(refused.known_at)
        if facts.reported_in == agency and _is_same(history, refused, standard):
            continue
        since = standard.due("limit", refused.known_at)
        settled, says = _seen_to(history, refused), "a report was refused, and accepted nowhere"
        found = of_case(history, standard, since, [refused], says, settled, now)
        yield found and replace(found, partners=tuple(sorted({*found.partners, agency})))


def _is_same(history: History, refused: Step, standard: Settings) -> bool:
    """Whether the case had been reported already, at nearly the time that the refused report states."""
    had_report = refused.status is not Status.UNREPORTED and history.receipts
    return bool(had_report) and abs(refused.at - history.receipts[0][0]) <= standard.span("same")


def _seen_to(history: History, refused: Step) -> Step | None:
    """The first step by which somebody saw to a refused report, known since it was recorded: an import, too."""
    code = _code_of(history, refused)
    for step in history.steps:
        if step.number > refused.number and _sees_to(step, refused, code):
            return step._replace(known_at=history.events[step.number - 1].timestamp)
    return None


def _sees_to(step: Step, refused: Step, code: str) -> bool:
    """Whether a later step does. A machine sees to nothing: neither a watchdog, nor what links cases by itself.

    An import does only where an import was refused, which was mended then.
    """
    actor, was_imported = step.action.actor, refused.action.imported is not None
    if actor.role is Role.SYSTEM or (step.action.imported is not None and not was_imported):
        return False
    if step.is_any(Happening.REVIEWED):
        return True
    if refused.status is not Status.UNREPORTED:
        return isinstance(step.body, Linked)
    if actor.agency == refused.action.actor.agency:
        return True
    # whoever took the action id of another's report may well open the case, too
    return code != DUPLICATE_ACTION.code and step.is_any(Happening.REPORT_RECEIVED)


def _code_of(history: History, refused: Step) -> str:
    """By which rule it was refused."""
    body = history.events[refused.number - 1].body
    return body.code if isinstance(body, ActionRejected) else ""


@detector(
    Setting(
        "grace",
        days(30),
        "how long after the log came into use, by its first policy or its first agency, what is old may still be imported",
    ),
    needs=[Happening.REPORT_RECEIVED],
)
def imported_when_live(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report, or what became of it, that was imported as if from an old system when the log had been in use for long.

    Rule: something was imported into the case (the report or anything after it) when the log had been in use for longer than
    the days of grace: since the first policy that any agency adopted was in force, or, where none was by then, since the first
    agency was registered. It goes by when the import was recorded. What is imported is judged by the times that the import
    states, so a history can be invented as a whole, and what was missed can be met.

    Evidence: the first fact that was imported too late.

    Settled by: a supervisor's review that was not imported. Nothing can be imported into the case after that.

    May be wrong: where an agency with an old system of its own joins later, or an old system is used on beside the log. Before
    such an import, the agency can adopt a policy with a longer grace: that stands in the log, and in the public report.

    Found in: nowhere yet: it is the way around every clock that an insider has.
    """
    if not history.case.facts.imported or history.policies is None:
        return
    in_use = history.policies.in_use
    for place, step in enumerate(history.steps):
        if step.action.imported is None:
            continue
        recorded_at = history.events[step.number - 1].timestamp
        standard, since = settings(recorded_at), in_use.by(recorded_at)
        if since is None or recorded_at - since < standard.span("grace"):
            continue
        settled = history.until(place, _is_live_review)
        yield of_case(history, standard, recorded_at, [step], "imported when the log was live", settled, now)
        return


def _is_live_review(step: Step) -> bool:
    return step.action.imported is None and step.is_any(Happening.REVIEWED)
