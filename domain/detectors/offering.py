"""What partners were asked for, and what they said of it, as the log showed it at some place of a case."""

from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from casetrail.domain.clocks import conditions_of
from casetrail.domain.codes import ReferralReason, Service
from casetrail.domain.codes import Step as Kind
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import OffenceAlleged, ReportReceived
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected
from casetrail.domain.policy import Condition
from casetrail.domain.referral import ReferralMade, ReferralWithdrawn

OF_REFERRALS: Final = (
    Happening.REFERRAL_MADE, Happening.REFERRAL_ACCEPTED, Happening.REFERRAL_COMPLETED, Happening.REFERRAL_DECLINED,
    Happening.REFERRAL_WITHDRAWN,
)  # fmt: skip
RUNNING: Final = (Happening.REFERRAL_MADE, Happening.REFERRAL_ACCEPTED)
ANSWERED: Final = (Happening.REFERRAL_ACCEPTED, Happening.REFERRAL_COMPLETED, Happening.REFERRAL_DECLINED)
"""A partner gives the service, has given it, or says why not: it was offered."""
NOT_THE_UNITS: Final = (ReferralReason.FAMILY_DECLINED,)
"""Reasons for withdrawing what was offered that are not the unit's own."""


class Asked(NamedTuple):
    """A referral to another agency: how it was made, and the last word on it."""

    made: Step
    last: Step

    @property
    def body(self) -> ReferralMade:
        """What was asked for."""
        body = self.made.body
        assert isinstance(body, ReferralMade)  # nothing else makes one
        return body

    @property
    def is_running(self) -> bool:
        """Whether the partner has still to give it, or to say that it will not."""
        return self.last.is_any(*RUNNING)

    @property
    def is_withdrawn(self) -> bool:
        """Whether it was withdrawn."""
        return Happening.REFERRAL_WITHDRAWN in self.last.what


def referral_of(step: Step) -> str:
    """The referral that a step is about."""
    body: Any = step.body
    return str(body.referral)


def referrals_before(history: History, place: int, services: Collection[str]) -> dict[str, Asked]:
    """The referrals for these services to other agencies that stood in the log before a place, by their ids."""
    found: dict[str, Asked] = {}
    for earlier, step in history.which(*OF_REFERRALS):
        if earlier >= place:
            break
        body = step.body
        if isinstance(body, ReferralMade):
            if body.service in services:
                found[body.referral] = Asked(step, step)
        elif (asked := found.get(referral_of(step))) is not None:
            found[referral_of(step)] = asked._replace(last=step)
    return found


def was_offered(history: History, place: int, service: Service, excused: Collection[str] = NOT_THE_UNITS) -> bool:
    """Whether before a place a partner had accepted, given or declined a service, and nobody had withdrawn it since.

    ``excused``: what was withdrawn for such a reason was offered.
    """
    return any(
        one.last.is_any(*ANSWERED) or (isinstance(one.last.body, ReferralWithdrawn) and one.last.body.reason in excused)
        for one in referrals_before(history, place, (service,)).values()
    )


def was_given(history: History, since: int, place: int, services: Collection[str]) -> bool:
    """Whether between two places a partner had said that one of these services was given."""
    found = referrals_before(history, place, services).values()
    return any(Happening.REFERRAL_COMPLETED in one.last.what and history.place_of(one.last) >= since for one in found)


def steps_before(history: History, place: int, kinds: Collection[Kind]) -> Iterator[Step]:
    """The investigative steps of these kinds that stood in the log before a place."""
    for earlier, step in history.which(Happening.INVESTIGATIVE_STEP):
        if earlier < place and isinstance(step.body, InvestigativeStepTaken) and step.body.step in kinds:
            yield step


def conditions_before(history: History, place: int) -> frozenset[Condition]:
    """The kinds of case that this one was, by the report as it had been corrected before a place."""
    if FactCorrected.__name__ not in history.case.kinds:
        return history.conditions
    offences: tuple[OffenceAlleged, ...] = ()
    danger, found = False, frozenset[Condition]()
    for step in history.steps[:place]:
        body = step.body
        if isinstance(body, ReportReceived | FactCorrected):
            offences = body.offences or offences
            danger = danger if body.immediate_danger is None else body.immediate_danger
            found = conditions_of(danger, offences)
    return found
