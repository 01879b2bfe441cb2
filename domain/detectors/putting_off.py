"""Interviews that a partner has accepted, and that are put off."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from casetrail.domain.detectors.breaking_off import INTERVIEW, REFERRED, is_hearing
from casetrail.domain.detectors.closing import REOPENED
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.offering import referral_of
from casetrail.domain.detectors.settings import Setting, days
from casetrail.domain.happenings import Happening


@detector(
    Setting("limit", days(45), "within what time after a partner has accepted it a child is interviewed",
            "practice: the 45 days of RSMo 210.183"),
    needs=[Happening.REFERRAL_ACCEPTED],
)  # fmt: skip
def interview_put_off(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A forensic interview that a partner has accepted, and that is not held.

    Rule: a partner has accepted a referral for a forensic interview, and within the limit since then it has neither given nor
    declined it, nor was it withdrawn, nor has another partner given one, nor has anybody of the unit attended one, then or
    before, and the case is open. The time does not count during which the case is suspended, up to the review date. If the
    case ended and was reopened, the limit runs anew since then. Of several that wait only the first is named; once that is
    declined or withdrawn, the next one. Where the registry knows any agency, the word of one that it does not know, or that
    it knows as a school, a hotline or oversight, counts for nothing.

    Evidence: the acceptance, and the referral; where it was named before the case ended, first the reopening.

    Settled by: the interview, by the partner's or the unit's word; the partner's no, or a withdrawal ("interview withdrawn"
    judges that); or the end of the case ("closed over partner" judges that).

    May be wrong: where the partner has held it, and neither of the two has entered that; or where the child is not ready, and
    the case was not suspended for that.

    Found in: practice: once it is accepted the time limit is met, and an appointment can be put off for ever.
    """
    for wait in _put_off(history):
        step, settled = wait.accepted, wait.settled
        standard = settings(step.at)
        begins = step if wait.reopened is None else wait.reopened
        if settled is not None and settled.known_at - begins.at <= standard.span("limit"):
            continue  # as it is mostly
        name = referral_of(step)
        made = [one for _, one in history.which(*REFERRED) if referral_of(one) == name]
        since = max(standard.due("limit", begins.at, history.conditions, history.rests), wait.step.known_at)
        rests_on = [step, *made] if wait.is_first or wait.reopened is None else [wait.reopened, step, *made]
        yield of_case(history, standard, since, rests_on, "an interview was accepted, and is not held", settled, now)


@dataclass
class _PutOff:
    """An interview that was accepted, and that is waited for since a step of an open case, and since it was ``reopened`` last.

    ``is_first``: it was not waited for before that.
    """

    step: Step
    accepted: Step
    reopened: Step | None
    is_first: bool
    settled: Step | None = None


def _put_off(history: History) -> Iterator[_PutOff]:
    """The interviews that are waited for, one after the other, until one is held."""
    if not any(_is_of_interview(history, step) for _, step in history.which(Happening.REFERRAL_ACCEPTED)):
        return
    accepted: dict[str, Step] = {}
    named: set[int] = set()
    wait: _PutOff | None = None
    reopened: Step | None = None
    for step in history.steps:
        is_held = is_hearing(step) or _is_given(history, step)
        if Happening.REFERRAL_ACCEPTED in step.what and _is_of_interview(history, step):
            accepted.setdefault(referral_of(step), step)
        elif step.is_any(Happening.REFERRAL_DECLINED, Happening.REFERRAL_WITHDRAWN):
            accepted.pop(referral_of(step), None)
        elif step.is_any(*REOPENED):
            reopened = step
        first = next(iter(accepted.values()), None) if step.is_open and not is_held else None
        if wait is not None and first is not wait.accepted:
            wait.settled = step
            yield wait
            wait = None
        if is_held:
            return
        if wait is None and first is not None:
            is_anew = reopened is not None and reopened.number > first.number
            wait = _PutOff(step, first, reopened if is_anew else None, first.number not in named)
            named.add(first.number)
    if wait is not None:
        yield wait


def _is_given(history: History, step: Step) -> bool:
    """Whether a partner says that it has interviewed the child."""
    return Happening.REFERRAL_COMPLETED in step.what and _is_of_interview(history, step)


def _is_of_interview(history: History, step: Step) -> bool:
    """Whether a step is the word of a partner on an interview."""
    asked = history.case.facts.referrals[referral_of(step)]
    return asked.service is INTERVIEW and history.is_partner(asked.to_agency, asked.service)
