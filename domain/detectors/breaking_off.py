"""What partners were to do for a child, and what the unit broke off: by ending the case, or by withdrawing it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from casetrail.domain.closure import ClosureRequested
from casetrail.domain.codes import AgencyKind, Disposition, ReferralReason, ScreeningReason, Service
from casetrail.domain.codes import Step as Kind
from casetrail.domain.detectors.closing import INVESTIGATING, REOPENED, begins_anew, leads_to_nobody, request_before
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.offering import (
    ANSWERED,
    NOT_THE_UNITS,
    OF_REFERRALS,
    Allegations,
    Asked,
    Referrals,
    is_not_offered,
    referral_of,
)
from casetrail.domain.detectors.settings import Laxer, Setting, Settings, days, hours
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ScreenedOut
from casetrail.domain.investigation import HEARING, InvestigativeStepTaken
from casetrail.domain.policy import Condition
from casetrail.domain.referral import ReferralCompleted, ReferralDeclined, ReferralWithdrawn

INTERVIEW: Final = Service.FORENSIC_INTERVIEW
SERVICES: Final = (Service.FORENSIC_INTERVIEW, Service.MEDICAL_EVALUATION)
GRACE: Final = hours(1)
REFERRED: Final = frozenset({Happening.REFERRAL_MADE})
WITHDRAWN: Final = frozenset({Happening.REFERRAL_WITHDRAWN})
DECLINED: Final = (Happening.REFERRAL_DECLINED,)
BROUGHT_BY: Final = {
    Service.FORENSIC_INTERVIEW: HEARING,
    Service.MEDICAL_EVALUATION: frozenset({Kind.RECORDS_RECEIVED}),
}
"""Steps by which the unit has what a partner found, whether or not the partner has entered that it is done."""
BRINGING: Final = frozenset(kind for kinds in BROUGHT_BY.values() for kind in kinds)


@detector(
    Setting("services", SERVICES, "services that are waited for", codes=Service),
    Setting("not_for", (Disposition.TRANSFERRED,), "dispositions after which another agency waits for them",
            codes=Disposition, laxer=Laxer.MORE),
    Setting("takers", INVESTIGATING, "kinds of agency that go on with a case: one of another kind that is named does not",
            codes=AgencyKind, laxer=Laxer.MORE),
    Setting("reasons", (ScreeningReason.INSUFFICIENT_INFORMATION, ScreeningReason.NOT_A_CRIME),
            "reasons for screening out that presuppose that nothing is still to come", codes=ScreeningReason),
    Setting("excused", NOT_THE_UNITS, "reasons for withdrawing an acute examination that are not the unit's",
            codes=ReferralReason, laxer=Laxer.MORE),
    Setting("grace", GRACE, "how soon after it was made a referral that nobody has answered may be taken back"),
    needs=[Happening.CLOSED, Happening.SCREENED_OUT],
)  # fmt: skip
def closed_over_partner(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that was ended while a partner had still to interview or examine the child.

    Rule: a case was closed, or screened out for want of information or as no crime, or passed on to an agency of which the
    registry says that it does not investigate; and a referral to another agency for a forensic interview or a medical
    evaluation had been made or accepted, and neither completed, declined nor withdrawn. Or one for an acute medical
    evaluation had been withdrawn, or declined because the partner has no room or should not have been asked, and no partner
    (as "interview withdrawn" knows them) has accepted, given or otherwise declined one instead: not where the family
    declined, nor what was taken back at once, nor before a case was reopened for something new (the interview of which that
    is so is found as closed without work). It is no finding where since the referral somebody of the unit attended the interview, or
    received records, as of the examination. What was imported is not judged.

    Evidence: the end of the case, the request to close it, and the last word on each such referral.

    Settled by: reopening the case; or, for each of the referrals, the partner's saying that it gives no such service (that it
    has no room is not that), that the holder was there, or that it had been given before the end of the case. That it is given only afterwards, or
    withdrawn by the unit, settles nothing: what the child says or the doctor sees is read by nobody.

    May be wrong: where a partner enters weeks later what it did: its entry settles it; or where a child was examined by a
    doctor who does not take part in the log: record that his records were received.

    Found in: Kansas City, where detectives almost never came to forensic interviews.
    """
    if not _may_wait(history):
        return
    referrals, brought = Referrals(history.is_partner), _brought(history)
    broken: dict[str, Asked] = {}  # acute examinations, as they stood before
    for place, step in history.which(*OF_REFERRALS, Happening.CLOSED, Happening.SCREENED_OUT, *REOPENED):
        if Happening.REFERRAL_WITHDRAWN in step.what or is_not_offered(step.body):
            before = referrals.by_id.get(referral_of(step))
            if before is not None and _is_acute(before):
                broken[referral_of(step)] = before
        elif begins_anew(step):
            broken.clear()
        referrals.follow(step)
        if not step.is_any(Happening.CLOSED, Happening.SCREENED_OUT):
            continue
        standard, asked = settings(step.known_at), _request_of(history, place)
        if step.action.imported is not None or not _ends_all(history, step, asked, standard):
            continue
        waited = [one for one in referrals.of(standard.codes("services")) if one.is_running]
        waited += _broken_off(referrals, broken, standard) if broken else []
        missing = [one for one in waited if not _is_brought(brought, place, one)]
        if missing:
            evidence = [step, *([] if asked is None else [asked]), *(one.last for one in missing)]
            settled = _given_after_all(history, place, missing)
            names = " and ".join(dict.fromkeys(map(_named, missing)))
            yield of_case(history, standard, step.known_at, evidence, f"ended before the {names}", settled, now)


def _may_wait(history: History) -> bool:
    """Whether some referral may wait when a case ends: not where a partner has offered all before, and none was withdrawn.

    So it is in most cases, and looking closer costs several times as much.
    """
    if not history.has(REFERRED) or history.has(WITHDRAWN):
        return history.has(REFERRED)
    answers = history.which(Happening.REFERRAL_COMPLETED, Happening.REFERRAL_DECLINED)
    answered = {referral_of(step): place for place, step in answers if not is_not_offered(step.body)}
    ends = history.which(Happening.CLOSED, Happening.SCREENED_OUT)
    first = ends[0][0] if ends else 0
    return any(not place < answered.get(referral_of(step), place) < first for place, step in history.which(*REFERRED))


def _is_acute(one: Asked) -> bool:
    return one.body.service is Service.MEDICAL_EVALUATION and one.body.acute


def _broken_off(referrals: Referrals, broken: Mapping[str, Asked], standard: Settings) -> list[Asked]:
    """The acute examinations that were withdrawn for a reason of the unit's own, or had no room, if none is arranged instead."""
    exam, excused = Service.MEDICAL_EVALUATION, standard.codes("excused")
    if exam not in standard.codes("services") or referrals.was_offered(exam, excused) or referrals.is_unanswered(exam):
        return []
    now = [(referrals.by_id[name], before) for name, before in broken.items() if name in referrals.by_id]
    return [one for one, before in now
            if is_not_offered(one.last.body) or (one.is_withdrawn and not _is_taken_back(before, one.last, standard))]  # fmt: skip


def _named(one: Asked) -> str:
    if is_not_offered(one.last.body):
        return "acute examination, which was declined for want of room"
    return "acute examination, which was withdrawn" if one.is_withdrawn else one.body.service.replace("_", " ")


def _request_of(history: History, place: int) -> Step | None:
    """The request that was approved where a case was closed."""
    return None if isinstance(history.steps[place].body, ScreenedOut) else request_before(history, place)


def _ends_all(history: History, step: Step, asked: Step | None, standard: Settings) -> bool:
    """Whether nobody goes on with a case after it has ended so."""
    body = step.body
    if isinstance(body, ScreenedOut):
        return body.reason in standard.codes("reasons") or leads_to_nobody(history, body.referred_to, standard)
    wanted = asked.body if asked is not None else None
    if not isinstance(wanted, ClosureRequested) or wanted.disposition not in standard.codes("not_for"):
        return True
    return leads_to_nobody(history, wanted.transferred_to, standard)


def _brought(history: History) -> list[tuple[int, Step, Kind]]:
    """The steps by which the unit has what a partner found, with their places and kinds."""
    some = history.which(Happening.INVESTIGATIVE_STEP)
    bodies = [(place, step, step.body) for place, step in some]
    return [(place, step, body.step) for place, step, body in bodies
            if isinstance(body, InvestigativeStepTaken) and body.step in BRINGING]  # fmt: skip


def _is_brought(brought: Iterable[tuple[int, Step, Kind]], place: int, one: Asked) -> bool:
    """Whether the unit has what a partner found before a place, though the partner has not entered that it is done."""
    kinds = BROUGHT_BY.get(one.body.service, frozenset())
    return any(at < place and step.at >= one.made.at for at, step, kind in brought if kind in kinds)


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
    return isinstance(later.body, ReferralDeclined) and later.body.reason is not ReferralReason.NO_CAPACITY


@detector(
    Setting("limit", days(5), "within what time another forensic interview is accepted", clock="forensic_interview"),
    Setting("limit_acute", hours(72), "the same of an acute medical evaluation", clock="medical_evaluation"),
    Setting("reasons", NOT_THE_UNITS, "reasons for withdrawing that are not the unit's",
            codes=ReferralReason, laxer=Laxer.MORE),
    Setting("grace", GRACE, "how soon after it was made a referral that nobody has answered may be taken back"),
    needs=[Happening.REFERRAL_WITHDRAWN, Happening.REFERRAL_DECLINED],
)  # fmt: skip
def interview_withdrawn(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A forensic interview, or an acute examination, that was withdrawn or had no room, and that nobody arranged anew.

    Rule: in a case in which a sexual offence or an aggravated assault is alleged, a referral for a forensic interview was
    withdrawn, or declined because the partner has no room or should not have been asked, or in any case one for an acute
    medical evaluation; and within the limit no partner has accepted, given or otherwise declined another one, and nobody of
    the unit attended an interview (one from more than 24 hours before the report is none). It is no finding where another
    one stood already, or where the family declined. For an interview the time does not count during which the case is
    suspended, up to the review date; and where the case has ended and is reopened, the limit runs anew. Where the registry knows any agency, the word of one that it does not know, or that it
    knows as a school, a hotline or oversight, arranges nothing.

    Evidence: the withdrawal, or the partner's no, and the referral; where the case was reopened since, first that.

    Settled by: the partner's word on another referral, the interview, or the end of the case: without an interview it is
    found as closed without work, without the examination as closed over a partner.

    May be wrong: where a child was examined elsewhere, by a doctor who does not take part in the log; or where there is no
    other partner, and the first has no room for weeks.

    Found in: practice: what a partner has answered once has met the time limit, and nobody asks whether it still holds.
    """
    if not history.has(WITHDRAWN) and not any(is_not_offered(step.body) for _, step in history.which(*DECLINED)):
        return
    waits: list[_Withdrawn] = []
    pending: dict[Service, list[_Withdrawn]] = {}
    referrals, allegations, is_heard = Referrals(history.is_partner), Allegations(), False
    last: _Withdrawn | None = None  # of interviews: evidence that an acute examination would have found is lost by then
    for step in history.steps:
        allegations.follow(step)
        before = None
        if step.is_any(*OF_REFERRALS):
            before = referrals.by_id.get(referral_of(step))
            referrals.follow(step)
        hears = any(map(is_hearing, history.work_known_by(step)))
        is_heard |= hears
        is_word = before is not None and history.is_partner(before.body.to_agency, before.body.service)
        for service in _over(step, hears, before if is_word and not is_not_offered(step.body) else None):
            for wait in pending.pop(service, ()):
                wait.settled = step
        if before is not None and before.body.service in SERVICES and _breaks_off(step, before, settings):
            begun = _Withdrawn(step, before)
            last = begun if begun.service is INTERVIEW else last
        elif last is not None and step.is_any(*REOPENED):
            begun = _Withdrawn(last.step, last.asked, step)
        else:
            continue
        excused = settings(step.known_at).codes("reasons")
        is_arranged = referrals.was_offered(begun.service, excused) or (is_heard and begun.service is INTERVIEW)
        if step.is_open and _is_due(allegations.conditions, begun.asked) and not is_arranged:
            waits.append(begun)
            pending.setdefault(begun.service, []).append(begun)
    for wait in waits:
        yield _not_anew(history, settings(wait.step.known_at), wait, now)


@dataclass
class _Withdrawn:
    """What was withdrawn, or had no room: by which step, how it had been asked for, and after which step it is owed no longer.

    ``reopened``: by which step the case was, since when it is owed again.
    """

    step: Step
    asked: Asked
    reopened: Step | None = None
    settled: Step | None = None

    @property
    def service(self) -> Service:
        return self.asked.body.service


def _not_anew(history: History, standard: Settings, wait: _Withdrawn, now: datetime) -> Finding | None:
    """What was withdrawn, and not arranged anew within the limit."""
    is_interview = wait.service is INTERVIEW
    limit, rests = ("limit", history.rests) if is_interview else ("limit_acute", ())
    begins = wait.reopened or wait.step
    since = standard.due(limit, begins.at, history.conditions, rests)
    what = "forensic interview" if is_interview else "acute examination"
    how = "withdrawn" if isinstance(wait.step.body, ReferralWithdrawn) else "declined for want of room"
    says = f"the {what} was {how}, and not arranged anew"
    rests_on = [wait.step, wait.asked.made]
    return of_case(
        history, standard, since, [wait.reopened, *rests_on] if wait.reopened else rests_on, says, wait.settled, now
    )


def _breaks_off(step: Step, before: Asked, settings: SettingsAt) -> bool:
    """Whether by a step nothing is offered: for a reason of the unit's own, and not just taking it back."""
    body, standard = step.body, settings(step.known_at)
    if is_not_offered(body):
        return True
    if not isinstance(body, ReferralWithdrawn) or body.reason in standard.codes("reasons"):
        return False
    return not _is_taken_back(before, step, standard)


def _is_taken_back(before: Asked, withdrawal: Step, standard: Settings) -> bool:
    """Whether a referral was taken back at once, before anybody had answered it."""
    is_unanswered = Happening.REFERRAL_MADE in before.last.what
    return is_unanswered and withdrawal.known_at <= before.made.known_at + standard.span("grace")


def _is_due(alleged: Collection[Condition], before: Asked) -> bool:
    """Whether what was asked for cannot just be left."""
    if before.body.service is Service.MEDICAL_EVALUATION:
        return before.body.acute
    return Condition.SEXUAL_OR_SERIOUS_PHYSICAL_ABUSE in alleged


def is_hearing(step: Step) -> bool:
    """Whether somebody of the unit attends an interview of the child."""
    return isinstance(step.body, InvestigativeStepTaken) and step.body.step in HEARING


def _over(step: Step, hears: bool, before: Asked | None) -> Collection[Service]:
    """The services that after a step are arranged anew, or that nobody owes any longer.

    ``before``: the referral, if the step may be a partner's word on one.
    """
    if not step.is_open:
        return SERVICES
    if before is not None and step.is_any(*ANSWERED):
        return (before.body.service,)
    return (INTERVIEW,) if hears else ()
