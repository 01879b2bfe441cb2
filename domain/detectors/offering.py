"""What partners were asked for, what they said of it, and what is alleged, as the log showed it at some place of a case.

Each is folded step by step: whoever asks at many places of a long case need not look through it each time.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from casetrail.domain.actions import Body
from casetrail.domain.clocks import conditions_of
from casetrail.domain.codes import ReferralReason, Service
from casetrail.domain.detectors.history import Step
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import OffenceAlleged, ReportReceived
from casetrail.domain.linking import FactCorrected
from casetrail.domain.policy import Condition
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    ReferralWithdrawn,
)

OF_REFERRALS: Final = (
    Happening.REFERRAL_MADE, Happening.REFERRAL_ACCEPTED, Happening.REFERRAL_COMPLETED, Happening.REFERRAL_DECLINED,
    Happening.REFERRAL_WITHDRAWN, Happening.ASSISTANCE_ASKED,
)  # fmt: skip
"""Steps that a fold of the referrals must be told of."""
WORDS: Final[Mapping[type[Body], Happening]] = {
    ReferralMade: Happening.REFERRAL_MADE,
    ReferralAccepted: Happening.REFERRAL_ACCEPTED,
    ReferralCompleted: Happening.REFERRAL_COMPLETED,
    ReferralDeclined: Happening.REFERRAL_DECLINED,
    ReferralWithdrawn: Happening.REFERRAL_WITHDRAWN,
}
"""The same by the kinds of body, which are looked up by their type: it is done for every step."""
RUNNING: Final = (Happening.REFERRAL_MADE, Happening.REFERRAL_ACCEPTED)
ANSWERED: Final = (Happening.REFERRAL_ACCEPTED, Happening.REFERRAL_COMPLETED, Happening.REFERRAL_DECLINED)
"""A partner gives the service, has given it, or says why not: it was offered."""
NOT_THE_UNITS: Final = (ReferralReason.FAMILY_DECLINED,)
"""Reasons for withdrawing what was offered that are not the unit's own."""
OF_CHILDREN: Final = frozenset({Service.FORENSIC_INTERVIEW, Service.MEDICAL_EVALUATION})
NOT_OFFERED: Final = frozenset({ReferralReason.NO_CAPACITY, ReferralReason.MADE_IN_ERROR})
"""Reasons for which a partner declines, and has offered nothing: somebody else is still to be asked."""


class Asked(NamedTuple):
    """A referral to another agency: how it was made, and the last word on it."""

    made: Step
    last: Step
    word: tuple[Service, str]
    """Its service, and what the last word on it is; where it was withdrawn, or nothing was offered, for which reason."""

    @property
    def body(self) -> ReferralMade:
        """What was asked for."""
        body = self.made.body
        assert isinstance(body, ReferralMade)  # nothing else makes one
        return body

    @property
    def is_running(self) -> bool:
        """Whether the partner has still to give it, or to say that it will not."""
        return self.word[1] in RUNNING

    @property
    def is_withdrawn(self) -> bool:
        """Whether it was withdrawn."""
        return Happening.REFERRAL_WITHDRAWN in self.last.what


def referral_of(step: Step) -> str:
    """The referral that a step is about."""
    body: Any = step.body
    return str(body.referral)


def _said(body: Body, service: Service) -> ReferralReason | None:
    """The reason for which a child is offered nothing, where that is what is said of a referral."""
    if isinstance(body, ReferralWithdrawn):
        return body.reason
    return vars(body)["reason"] if service in OF_CHILDREN and is_not_offered(body) else None


def is_not_offered(body: Body) -> bool:
    """Whether a partner says that it has no room, or should not have been asked."""
    return isinstance(body, ReferralDeclined) and body.reason in NOT_OFFERED


class Referrals:
    """The referrals of a case to other agencies, as far as its steps were followed."""

    def __init__(self, is_heard: Callable[[str, Service], bool] | None = None) -> None:
        """``is_heard``: whether what an agency says of a service counts, where it is asked what was offered or given;
        anybody's, unless it is said."""
        self.by_id: dict[str, Asked] = {}
        self._words: Counter[tuple[Service, str]] = Counter()
        self._is_heard = is_heard

    def follow(self, step: Step) -> None:
        """Take in a step, if it is about one."""
        body = step.action.body
        word = WORDS.get(type(body))
        if word is None:
            return
        referral, now = referral_of(step), None
        if isinstance(body, ReferralMade):
            # an imported one may have the id of another: what is said from then on is said of it
            before = self.by_id.pop(referral, None)
            if Happening.REFERRAL_MADE in step.what:
                now = Asked(step, step, (body.service, word))
        elif (before := self.by_id.get(referral)) is not None:
            now = Asked(before.made, step, (before.word[0], _said(body, before.word[0]) or word))
        if before is not None:
            self._count(before, -1)
        if now is not None:
            self.by_id[referral] = now
            self._count(now, 1)

    def forget(self, referral: str) -> None:
        """Take in nothing of a referral, neither what was said of it nor what is said from now on."""
        before = self.by_id.pop(referral, None)
        if before is not None:
            self._count(before, -1)

    def _count(self, one: Asked, times: int) -> None:
        if one.word[1] not in ANSWERED or self._hears(one):
            self._words[one.word] += times

    def _hears(self, one: Asked) -> bool:
        return self._is_heard is None or self._is_heard(one.body.to_agency, one.body.service)

    def of(self, services: Collection[str]) -> list[Asked]:
        """Those for some services."""
        return [one for one in self.by_id.values() if one.body.service in services]

    def is_unanswered(self, service: Service) -> bool:
        """Whether a partner was asked for a service, and has not said anything yet."""
        return self._words[service, Happening.REFERRAL_MADE] > 0

    def stands(self, service: Service) -> bool:
        """Whether a partner was asked for a service, whatever it has said, and nobody has withdrawn that."""
        return any(self._words[service, one] > 0 for one in (*RUNNING, *ANSWERED))

    def was_declined(self, service: Service) -> bool:
        """Whether a partner has declined a service."""
        return self._words[service, Happening.REFERRAL_DECLINED] > 0

    def was_offered(self, service: Service, excused: Iterable[str] = NOT_THE_UNITS) -> bool:
        """Whether a partner has accepted, given or declined a service (not for want of room), and nobody has withdrawn it.

        ``excused``: what was withdrawn for such a reason was offered.
        """
        return any(self._words[service, one] > 0 for one in (*ANSWERED, *excused))

    def was_given(self, services: Collection[str], since: int) -> bool:
        """Whether a partner has said after the event of a number that one of these services was given."""
        return any(
            Happening.REFERRAL_COMPLETED in one.last.what and one.last.number > since and self._hears(one)
            for one in self.of(services)
        )


class Allegations:
    """Which kinds of case this one is, by the report as it has been corrected, as far as its steps were followed."""

    def __init__(self) -> None:
        self.conditions = frozenset[Condition]()
        self.offences: tuple[OffenceAlleged, ...] = ()
        self._danger = False

    def follow(self, step: Step) -> None:
        """Take in a step, if it says what is alleged."""
        body = step.body
        if isinstance(body, ReportReceived | FactCorrected):
            self.offences = body.offences or self.offences
            self._danger = self._danger if body.immediate_danger is None else body.immediate_danger
            self.conditions = conditions_of(self._danger, self.offences)
