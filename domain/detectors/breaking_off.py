"""What partners were to do for a child, and what the unit broke off: by ending the case, or by withdrawing it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from casetrail.domain.closure import ClosureRequested
from casetrail.domain.codes import Disposition, ReferralReason, ScreeningReason, Service
from casetrail.domain.codes import Step as Kind
from casetrail.domain.detectors.closing import REOPENED, request_before
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.offering import (
    ANSWERED,
    NOT_THE_UNITS,
    Asked,
    conditions_before,
    referral_of,
    referrals_before,
    steps_before,
    was_offered,
)
from casetrail.domain.detectors.settings import Laxer, Setting, Settings, days, hours
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ScreenedOut
from casetrail.domain.investigation import HEARING, InvestigativeStepTaken
from casetrail.domain.policy import Condition
from casetrail.domain.referral import ReferralCompleted, ReferralWithdrawn

SERVICES: Final = (Service.FORENSIC_INTERVIEW, Service.MEDICAL_EVALUATION)
REFERRED: Final = frozenset({Happening.REFERRAL_MADE})
BROUGHT_BY: Final = {
    Service.FORENSIC_INTERVIEW: HEARING,
    Service.MEDICAL_EVALUATION: frozenset({Kind.RECORDS_RECEIVED}),
}
"""Steps by which the unit has what a partner found, whether or not the partner has entered that it is done."""


@detector(
    Setting("services", SERVICES, "services that are waited for", codes=Service),
    Setting("not_for", (Disposition.TRANSFERRED,), "dispositions after which another agency waits for them",
            codes=Disposition, laxer=Laxer.MORE),
    Setting("reasons", (ScreeningReason.INSUFFICIENT_INFORMATION, ScreeningReason.NOT_A_CRIME),
            "reasons for screening out that presuppose that nothing is still to come", codes=ScreeningReason),
    needs=[Happening.CLOSED, Happening.SCREENED_OUT],
)  # fmt: skip
def closed_over_partner(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that was ended while a partner had still to interview or examine the child.

    Rule: a case was closed, or screened out for want of information or as no crime, and a referral to another agency for a
    forensic interview or a medical evaluation had been made or accepted, and neither completed, declined nor withdrawn. It is
    no finding where since the referral somebody of the unit attended the interview, or received records, as of the
    examination. What was imported is not judged.

    Evidence: the end of the case, the request to close it, and the last word on each such referral.

    Settled by: reopening the case; or, for each of the referrals, the partner's saying that it gives no such service, that
    the holder was there, or that it had been given before the end of the case. That it is given only afterwards, or
    withdrawn by the unit, settles nothing: what the child says or the doctor sees is read by nobody.

    May be wrong: where a partner enters weeks later what it did: its entry settles it.

    Found in: Kansas City, where detectives almost never came to forensic interviews.
    """
    if not history.has(REFERRED):
        return
    for place, step in history.which(Happening.CLOSED, Happening.SCREENED_OUT):
        standard, asked = settings(step.known_at), _request_of(history, place)
        if step.action.imported is not None or not _ends_all(step, asked, standard):
            continue
        running = [
            one
            for one in referrals_before(history, place, standard.codes("services")).values()
            if one.is_running and not _is_brought(history, place, one)
        ]
        if running:
            names = " and ".join(dict.fromkeys(one.body.service.replace("_", " ") for one in running))
            evidence = [step, *([] if asked is None else [asked]), *(one.last for one in running)]
            settled = _given_after_all(history, place, running)
            yield of_case(history, standard, step.known_at, evidence, f"ended before the {names}", settled, now)


def _request_of(history: History, place: int) -> Step | None:
    """The request that was approved where a case was closed."""
    return None if isinstance(history.steps[place].body, ScreenedOut) else request_before(history, place)


def _ends_all(step: Step, asked: Step | None, standard: Settings) -> bool:
    """Whether nobody goes on with a case after it has ended so."""
    if isinstance(step.body, ScreenedOut):
        return step.body.reason in standard.codes("reasons")
    wanted = asked.body if asked is not None else None
    return not (isinstance(wanted, ClosureRequested) and wanted.disposition in standard.codes("not_for"))


def _is_brought(history: History, place: int, one: Asked) -> bool:
    """Whether the unit has what a partner found, though the partner has not entered that it is done."""
    kinds = BROUGHT_BY.get(one.body.service, frozenset())
    return any(step.at >= one.made.at for step in steps_before(history, place, kinds))


def _given_after_all(history: History, place: int, running: Sequence[Asked]) -> Step | None:
    """The step at which a case is reopened, or after which each referral is known to have come to nothing or to have been
    given before."""
    ended = history.steps[place]
    left = {one.body.referral for one in running}
    for later in history.steps[place + 1 :]:
        if later.is_any(*REOPENED):
            return later
        if _is_explained(later, ended):
            left.discard(referral_of(later))
        if not left:
            return later
    return None


def _is_explained(later: Step, ended: Step) -> bool:
    """Whether a partner says after the end of a case that nothing was missed by it."""
    if isinstance(later.body, ReferralCompleted):
        attended = later.body.holder_attended
        return attended is True or (attended is None and later.at <= ended.at)
    return Happening.REFERRAL_DECLINED in later.what


@detector(
    Setting("limit", days(5), "within what time another forensic interview is accepted", clock="forensic_interview"),
    Setting("limit_acute", hours(72), "the same of an acute medical evaluation", clock="medical_evaluation"),
    Setting("reasons", NOT_THE_UNITS, "reasons for withdrawing that are not the unit's",
            codes=ReferralReason, laxer=Laxer.MORE),
    Setting("grace", hours(1), "how soon after it was made a referral that nobody has answered may be taken back"),
    needs=[Happening.REFERRAL_WITHDRAWN],
)  # fmt: skip
def interview_withdrawn(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A forensic interview, or an acute examination, that was withdrawn, and that nobody arranged anew.

    Rule: in a case in which a sexual offence or an aggravated assault is alleged, a referral for a forensic interview was
    withdrawn, or in any case one for an acute medical evaluation, and within the limit no partner has accepted, given or
    declined another one, and nobody of the unit attended an interview. It is no finding where another one stood already, or
    where the family declined. For an interview the time does not count during which the case is suspended, up to the review
    date.

    Evidence: the withdrawal, and the referral.

    Settled by: the partner's word on another referral, the interview, or the end of the case: without an interview it is
    found as closed without work.

    May be wrong: where a child was examined elsewhere, by a doctor who does not take part in the log.

    Found in: practice: what a partner has accepted once has met the time limit, and nobody asks whether it still holds.
    """
    for place, step in history.which(Happening.REFERRAL_WITHDRAWN):
        body, standard = step.body, settings(step.known_at)
        if not isinstance(body, ReferralWithdrawn) or body.reason in standard.codes("reasons") or not step.is_open:
            continue
        before = referrals_before(history, place, SERVICES).get(body.referral)
        if before is None or _is_taken_back(before, step, standard) or not _is_due(history, place, before):
            continue
        service = before.body.service
        if was_offered(history, place + 1, service, standard.codes("reasons")) or _is_heard(history, place, service):
            continue
        is_interview = service is Service.FORENSIC_INTERVIEW
        limit, rests = ("limit", history.rests) if is_interview else ("limit_acute", ())
        since = standard.due(limit, step.at, history.conditions, rests)
        settled = history.until(place, lambda later: _is_over(history, later, service))  # noqa: B023  (called at once)
        says = (
            f"the {'forensic interview' if is_interview else 'acute examination'} was withdrawn, and not arranged anew"
        )
        yield of_case(history, standard, since, [step, before.made], says, settled, now)


def _is_taken_back(before: Asked, withdrawal: Step, standard: Settings) -> bool:
    """Whether a referral was taken back at once, before anybody had answered it."""
    is_unanswered = Happening.REFERRAL_MADE in before.last.what
    return is_unanswered and withdrawal.known_at <= before.made.known_at + standard.span("grace")


def _is_due(history: History, place: int, before: Asked) -> bool:
    """Whether what was asked for cannot just be left."""
    if before.body.service is Service.MEDICAL_EVALUATION:
        return before.body.acute
    return Condition.SEXUAL_OR_SERIOUS_PHYSICAL_ABUSE in conditions_before(history, place)


def _is_heard(history: History, place: int, service: Service) -> bool:
    return service is Service.FORENSIC_INTERVIEW and any(steps_before(history, place, HEARING))


def _is_over(history: History, later: Step, service: Service) -> bool:
    """Whether a service was arranged anew, or nobody owes it any longer."""
    if not later.is_open:
        return True
    if isinstance(later.body, InvestigativeStepTaken):
        return service is Service.FORENSIC_INTERVIEW and later.body.step in HEARING
    if not later.is_any(*ANSWERED):
        return False
    asked = referrals_before(history, history.place_of(later), (service,))
    return referral_of(later) in asked
