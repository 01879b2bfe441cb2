"""Whether somebody of the unit was at the child's interview: what the unit says of it, and what those say who held it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain, islice, takewhile
from operator import itemgetter
from typing import Final, NamedTuple

from casetrail.domain.codes import Service
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.happenings import Happening
from casetrail.domain.investigation import HEARING, InvestigativeStepTaken
from casetrail.domain.referral import ReferralCompleted, ReferralMade

Placed = tuple[int, Step]
"""A step with its place in the history."""
_place: Final = itemgetter(0)


def _moment(one: Placed) -> datetime:
    return one[1].at


class Interview(NamedTuple):
    """A forensic interview that was held: where that stands in the history, since when it was asked for, and who came."""

    place: int
    step: Step
    asked_at: datetime
    attended: bool | None

    def may_be_of(self, claim: Step) -> bool:
        """Whether who says that somebody was at an interview can mean this one."""
        return self.asked_at <= claim.at <= self.step.at


@detector(needs=[Happening.REFERRAL_COMPLETED])
def attendance_denied(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """The unit says that it was at the child's interview, and those who held it say that it was not.

    Rule: the partner that held the forensic interview says that the holder was not there, and somebody of the unit has
    recorded that it was attended, at a moment between the referral and its completion. Whichever was recorded first makes
    no difference, nor whether the case has ended. It is none where another interview of the case, at which the holder was
    by what its partner says, may be meant. Who says that it was attended later than it was completed does not contradict: a
    recording is watched afterwards.

    Evidence: the completed referral, and what the unit recorded.

    Settled by: a review by a supervisor or commander of the unit's agency who has not recorded that the interview was
    attended; in a case that has ended, after it was reopened. Or another interview of the case, at which the holder was by
    what its partner says, and that may be meant.

    May be wrong: where a colleague went instead of the holder, or a recording was watched before the partner completed the
    referral. Whoever reviews the case can ask the partner.

    Found in: Kansas City, where detectives almost never came to forensic interviews, and deceived to cover the tracks.
    """
    for denials in _denials(history):
        one = next(denials, None)  # one interview is one finding, whoever else says the same
        if one is not None:
            steps = [one.by, one.claim]
            since = max(step.known_at for step in steps)
            says = "the unit says that it attended the child's interview, and those who held it that the holder did not"
            yield of_case(history, settings(since), since, steps, says, one.settled, now)


class Denial(NamedTuple):
    """Who held an interview contradicts the claim that it was attended: by which step, as the log shows since a place."""

    by: Step
    claim: Step
    place: int
    settled: Step | None


def denied_to_holders(history: History) -> dict[int, Denial]:
    """By the number of the claim, each holder's that is contradicted: a colleague may have gone where the holder did not."""
    found: dict[int, Denial] = {}
    for one in chain.from_iterable(_denials(history)):
        if one.claim.is_act_of_holder and (one.claim.number not in found or one.place < found[one.claim.number].place):
            found[one.claim.number] = one
    return found


def _denials(history: History) -> Iterator[Iterator[Denial]]:
    """Which claims are contradicted, for each interview at which the holder was not."""
    if not any(_is_denied(step) for _, step in history.which(Happening.REFERRAL_COMPLETED)):
        return  # as in nearly all cases
    held = list(_interviews(history))
    attended = [one for one in held if one.attended is True]
    claims = sorted(
        ((place, step) for place, step in history.which(Happening.VICTIM_CONTACT) if _says_attended(step)),
        key=_moment,
    )
    meant: dict[int, list[Interview]] = {}
    reviews = [(place, step) for place, step in history.which(Happening.REVIEWED) if _is_of_the_unit(history, step)]

    def of(interview: Interview) -> Iterator[Denial]:
        some = claims[bisect_left(claims, interview.asked_at, key=_moment) :]
        for place, claim in sorted(takewhile(lambda one: interview.may_be_of(one[1]), some), key=_place):
            last = max(place, interview.place)
            if place not in meant:
                meant[place] = [one for one in attended if one.may_be_of(claim)]
            others = meant[place]
            if all(one.place >= last for one in others):  # else another interview may be meant
                yield Denial(interview.step, claim, last, _settled(reviews, others, claim, last))

    yield from [of(interview) for interview in held if interview.attended is False]


def _interviews(history: History) -> Iterator[Interview]:
    """The forensic interviews of the case that were held, by the partners that held them."""
    asked: dict[str, tuple[datetime, Service]] = {}
    happened = Happening.REFERRAL_MADE, Happening.ASSISTANCE_ASKED, Happening.REFERRAL_COMPLETED
    for place, step in history.which(*happened):
        body = step.body
        if isinstance(body, ReferralMade):
            asked[body.referral] = step.at, body.service
        elif isinstance(body, ReferralCompleted):
            at, service = asked[body.referral]
            if service is Service.FORENSIC_INTERVIEW:
                yield Interview(place, step, at, body.holder_attended)


def _is_denied(step: Step) -> bool:
    return isinstance(step.body, ReferralCompleted) and step.body.holder_attended is False


def _says_attended(step: Step) -> bool:
    return isinstance(step.body, InvestigativeStepTaken) and step.body.step in HEARING


def _is_of_the_unit(history: History, review: Step) -> bool:
    return review.action.actor.agency == history.case.facts.agency


def _settled(reviews: Sequence[Placed], others: Sequence[Interview], claim: Step, last: int) -> Step | None:
    """The first step after a place by which somebody else reviews the case, or by which another interview may be meant."""
    after = islice(reviews, bisect_right(reviews, last, key=_place), None)
    review = next((one for one in after if one[1].action.actor.id != claim.action.actor.id), None)
    found = [(one.place, one.step) for one in others if one.place > last]
    if review is not None:
        found.append(review)
    return min(found, key=_place, default=(0, None))[1]
