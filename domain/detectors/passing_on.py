"""Reports that are sent away: screened out again and again, or passed on to somebody who never says that he has them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from casetrail.domain.closure import ClosureRequested
from casetrail.domain.codes import Disposition, ScreeningReason
from casetrail.domain.detectors.closing import REOPENED, request_before
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import WORK, History, Step
from casetrail.domain.detectors.settings import Setting, days, hours
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ScreenedOut
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.linking import Linked, Merged
from casetrail.domain.policy import Condition

TAKEN: Final = (Happening.REFERRAL_ACCEPTED, Happening.REFERRAL_COMPLETED)


@detector(
    Setting("most", 1, "how often a report may be screened out before anything is done about it", least=1, most=100),
    needs=[Happening.SCREENED_OUT],
)
def screened_out_again(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report that is screened out, reopened and screened out again, and that nobody works in between.

    Rule: the report has been screened out more often than the setting allows, and since the first of these times nobody in
    the unit contacted the victim, tried to, or took an investigative step.

    Evidence: every screening out since.

    Settled by: a contact, an attempt or an investigative step.

    May be wrong: where a report is reopened because something was entered wrong, and rightly screened out again.

    Found in: practice: each reopening gives every time limit anew.
    """
    for place, chain, standard in history.too_often(settings, Happening.SCREENED_OUT, *WORK):
        says = f"screened out {len(chain)} times, and nothing was done in between"
        settled = history.until(place, lambda later: later.is_act)
        yield of_case(history, standard, chain[-1].known_at, chain, says, settled, now)


@detector(
    Setting("limit", days(2), "within what time the log shows who has the report now", clock="referral_answer"),
    Setting("limit_in_danger", hours(24), "the same where the report says that a child is in danger", "RSMo 210.145",
            clock="danger_contact"),
    Setting("known", (ScreeningReason.DUPLICATE_REPORT,), "screened out so, a case is linked with the one that is meant",
            codes=ScreeningReason),
    Setting("elsewhere", (ScreeningReason.OTHER_AGENCY_RESPONSIBLE, ScreeningReason.OUTSIDE_JURISDICTION), "screened out "
            "so, another agency says that it has the report", codes=ScreeningReason),
    Setting("taken", (Disposition.TRANSFERRED,), "closed so, the agency that is named says that it has the case",
            codes=Disposition),
    needs=[Happening.SCREENED_OUT, Happening.CLOSED],
)  # fmt: skip
def led_nowhere(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report that was passed on, and that nobody says he has.

    Rule: a report was screened out as known already, and within the limit the case is linked with no other. Or it was
    screened out because another agency is responsible or it happened elsewhere, or closed because another agency took it,
    and within the limit the log has no word of that agency, or of any where none is named: it has accepted no referral, and
    written no note afterwards. That somebody in the unit writes down the other's acknowledgement is not enough.

    Evidence: the screening, or the approval of the closure and the request that it approved.

    Settled by: the link, the word of the other agency, or reopening the case.

    May be wrong: where the other agency does not take part in the log. A note in its name, or a referral that it accepts, settles it.

    Found in: Arizona, where reports were put aside though the law demanded that all be investigated; and practice: nobody
    looks for a report that somebody else has.
    """
    linked: int | None = None
    for place, step in history.which(Happening.SCREENED_OUT, Happening.CLOSED):
        body = step.action.body
        asked = None if isinstance(body, ScreenedOut) else request_before(history, place)
        standard = settings(step.known_at)
        if isinstance(body, ScreenedOut) and body.reason in standard.codes("known"):
            linked = _first_link(history) if linked is None else linked
            if place < linked:
                yield _unlinked(history, settings, place, now)
        elif isinstance(body, ScreenedOut) and body.reason in standard.codes("elsewhere"):
            yield _untaken(history, settings, place, [step], body.referred_to, now)
        elif asked is not None:
            wanted = asked.action.body
            if isinstance(wanted, ClosureRequested) and wanted.disposition in standard.codes("taken"):
                yield _untaken(history, settings, place, [step, asked], wanted.transferred_to, now)


def _unlinked(history: History, settings: SettingsAt, place: int, now: datetime) -> Finding | None:
    """A report that was screened out as known, and that no link leads on from."""
    step = history.steps[place]
    standard = settings(step.known_at)
    since = standard.due(_limit(history), step.known_at, history.conditions)
    settled = history.until(place, lambda later: _is_link(later) or later.is_any(*REOPENED))
    says = "screened out as known already, and linked with no other case"
    return of_case(history, standard, since, [step], says, settled, now)


def _untaken(
    history: History, settings: SettingsAt, place: int, steps: Sequence[Step], agency: str | None, now: datetime
) -> Finding | None:
    """A case that another agency is said to have. ``agency``: which one, where it is named."""
    if any(earlier < place and _is_of(step, agency, history) for earlier, step in history.which(*TAKEN)):
        return None
    standard = settings(steps[0].known_at)
    since = standard.due(_limit(history), steps[0].known_at, history.conditions)
    settled = history.until(place, lambda later: _says_so(later, agency, history) or later.is_any(*REOPENED))
    says = f"passed on to {agency or 'nobody who is named'}, and the log has no word of it from there"
    return of_case(history, standard, since, steps, says, settled, now)


def _limit(history: History) -> str:
    """The limit that a case has."""
    return "limit_in_danger" if Condition.IMMEDIATE_DANGER in history.conditions else "limit"


def _first_link(history: History) -> int:
    """The place of the first link with another case; beyond the last step where there is none."""
    return next((place for place, step in enumerate(history.steps) if _is_link(step)), len(history.steps))


def _is_link(step: Step) -> bool:
    return isinstance(step.body, Linked | Merged)


def _says_so(step: Step, agency: str | None, history: History) -> bool:
    """Whether an agency says, after a case ended, that it has it."""
    return (step.is_any(*TAKEN) or isinstance(step.body, NoteAdded)) and _is_of(step, agency, history)


def _is_of(step: Step, agency: str | None, history: History) -> bool:
    """Whether it is the word of that agency; of any other than the case's own where none is named."""
    actor = step.action.actor.agency
    return actor != history.case.facts.agency and agency in (None, actor)
