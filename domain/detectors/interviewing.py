"""When a grave offence was alleged in a case, and when an interview of the child was offered there."""

from collections.abc import Iterator
from typing import Final

from casetrail.domain.clocks import conditions_of
from casetrail.domain.codes import Service
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.lasting import Lasting, lasting
from casetrail.domain.detectors.offering import (
    ANSWERED,
    NOT_THE_UNITS,
    OF_REFERRALS,
    Referrals,
    is_not_offered,
    referral_of,
)
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ReportReceived, ScreenedOut
from casetrail.domain.investigation import HEARING, InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected, Merged
from casetrail.domain.policy import Condition
from casetrail.domain.referral import ReferralCompleted, ReferralWithdrawn

GRAVE: Final = Condition.SEXUAL_OR_SERIOUS_PHYSICAL_ABUSE
SPOKEN: Final = frozenset({*ANSWERED, Happening.VICTIM_CONTACT})


def graves(history: History) -> tuple[Lasting, ...]:
    """When an offence was alleged for which a child is interviewed, by the report as it was corrected."""
    if "FactCorrected" in history.case.kinds:
        return tuple(_lasting(history, _alleged(history)))
    reports = history.which(Happening.REPORT_RECEIVED) if GRAVE in history.conditions else []
    return tuple([lasting(history, step) for _, step in reports[:1]])


def _alleged(history: History) -> Iterator[tuple[Step, bool]]:
    for step in history.steps:
        body = step.body
        if isinstance(body, ReportReceived | FactCorrected) and body.offences:
            yield step, GRAVE in conditions_of(False, body.offences)


def offers(history: History, *, is_merged: bool, of_child: bool) -> tuple[Lasting, ...]:
    """When an interview was offered, or held; nothing where nobody asks: what was always grave owes it by itself, unless a
    report of another child is merged into it. Then each offer lasts for itself: it may be for that child.

    ``of_child``: whether the case has the token of a child. ``is_merged``: whether it was ever said to go on in another. Where an old system said so, of which that was
    imported, it is not known what it had offered: that is taken to have been.
    """
    if is_merged and history.case.facts.imported and any(map(_was_merged_before, history.steps)):
        return tuple(_lasting(history, ((step, True) for step in history.steps)))
    always = GRAVE in history.conditions and "FactCorrected" not in history.case.kinds
    if not history.has(SPOKEN):
        return ()
    each = tuple(_each(history)) if of_child else ()
    return each if always and not is_merged else (*_lasting(history, _offered(history)), *each)


def _was_merged_before(step: Step) -> bool:
    return isinstance(step.body, Merged | ScreenedOut) and step.action.imported is not None


def _offered(history: History) -> Iterator[tuple[Step, bool]]:
    referrals, is_heard = Referrals(history.is_partner), False
    for _, step in history.which(*OF_REFERRALS, Happening.VICTIM_CONTACT):
        body = step.body
        referrals.follow(step)
        is_heard |= isinstance(body, InvestigativeStepTaken) and body.step in HEARING
        if _is_given_to_nobody(step):
            referrals.forget(referral_of(step))
        yield step, is_heard or referrals.was_offered(Service.FORENSIC_INTERVIEW)


def _each(history: History) -> Iterator[Lasting]:
    """Each offer of an interview by itself, until the unit withdraws that one, or nothing is offered by it any more; and each
    interview that was attended."""
    offered: dict[str, Step] = {}
    for _, step in history.which(*ANSWERED, Happening.REFERRAL_WITHDRAWN, Happening.VICTIM_CONTACT):
        body = step.body
        if isinstance(body, InvestigativeStepTaken):
            if body.step in HEARING:
                yield lasting(history, step)
        elif not step.is_any(Happening.VICTIM_CONTACT):
            name = referral_of(step)
            if isinstance(body, ReferralWithdrawn):
                ends = body.reason not in NOT_THE_UNITS
            else:
                ends = is_not_offered(body) or _is_given_to_nobody(step)
            if not ends and not isinstance(body, ReferralWithdrawn) and _is_interview(history, name):
                offered.setdefault(name, step)
            elif ends and name in offered:
                yield lasting(history, offered.pop(name), step)
    for step in offered.values():
        yield lasting(history, step)


def _is_given_to_nobody(step: Step) -> bool:
    """Whether a partner gives it after all when the case has ended, and nobody comes: no interview that anybody heard."""
    return isinstance(step.body, ReferralCompleted) and step.body.holder_attended is False and not step.is_open


def _is_interview(history: History, referral: str) -> bool:
    asked = history.case.facts.referrals[referral]
    is_another = asked.to_agency != history.case.facts.agency
    return (
        asked.service is Service.FORENSIC_INTERVIEW
        and is_another
        and history.is_partner(asked.to_agency, asked.service)
    )


def _lasting(history: History, said: Iterator[tuple[Step, bool]]) -> Iterator[Lasting]:
    """From when until when something was so, by what each step says of it."""
    since: Step | None = None
    for step, is_so in said:
        if is_so:
            since = since or step
        elif since is not None:
            yield lasting(history, since, step)
            since = None
    if since is not None:
        yield lasting(history, since)
