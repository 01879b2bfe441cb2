"""Whether somebody of the unit was at the child's interview: what the unit says of it, and what those say who held it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from casetrail.domain.codes import Service
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.happenings import Happening
from casetrail.domain.investigation import HEARING, InvestigativeStepTaken
from casetrail.domain.referral import ReferralCompleted, ReferralMade


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
    if not any(_is_denied(step) for _, step in history.which(Happening.REFERRAL_COMPLETED)):
        return  # as in nearly all cases
    held = list(_interviews(history))
    claims = [one for one in history.which(Happening.VICTIM_CONTACT) if _says_attended(one[1])]
    for interview in held:
        if interview.attended is not False:
            continue
        for place, claim in claims:
            last = max(place, interview.place)
            if not interview.may_be_of(claim) or _is_explained(held, claim, last):
                continue
            steps = [interview.step, claim]
            since = max(one.known_at for one in steps)
            settled = history.until(last, lambda later: _settles(history, held, claim, later))  # noqa: B023
            says = "the unit says that it attended the child's interview, and those who held it that the holder did not"
            yield of_case(history, settings(since), since, steps, says, settled, now)
            break  # one interview is one finding, whoever else says the same


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


def _is_explained(held: Sequence[Interview], claim: Step, last: int) -> bool:
    """Whether, by the record up to a place, another interview may be meant at which the holder was."""
    return any(one.attended is True and one.place < last and one.may_be_of(claim) for one in held)


def _settles(history: History, held: Sequence[Interview], claim: Step, later: Step) -> bool:
    if Happening.REVIEWED in later.what:
        actor = later.action.actor
        return actor.agency == history.case.facts.agency and actor.id != claim.action.actor.id
    return any(one.step is later and one.attended is True and one.may_be_of(claim) for one in held)
