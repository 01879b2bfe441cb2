"""Cases that are let rest, and not looked at again; decisions that are put off and off."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from casetrail.domain.detectors.closing import REOPENED
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting, days
from casetrail.domain.happenings import Happening
from casetrail.domain.suspension import Suspended

GOES_ON: Final = (Happening.RESUMED, Happening.CLOSURE_REQUESTED)


@detector(
    Setting("grace", days(2), "how long after its review date a suspension may stand: a weekend"),
    needs=[Happening.SUSPENDED],
)
def suspended_for_ever(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A suspension that stands beyond its review date.

    Rule: the review date of the suspension has passed, and the days of grace after it, and the case was neither resumed
    nor renewed nor asked to be closed.

    Evidence: the suspension.

    Settled by: resuming the case, renewing the suspension, a request to close the case, or its end.

    May be wrong: where a case is worked on and nobody enters that it was resumed.

    Found in: Houston, where 264,000 reports were suspended for lack of personnel.
    """
    for place, step in history.which(Happening.SUSPENDED):
        body = step.body
        if isinstance(body, Suspended) and step.is_open:
            standard = settings(step.at)
            since = standard.due("grace", body.review_at)
            settled = history.until(place, lambda later: later.is_any(Happening.SUSPENDED) or _goes_on(later))
            yield of_case(history, standard, since, [step], "suspended beyond its review date", settled, now)


@detector(
    Setting("most", 2, "how often a suspension may be renewed", least=0, most=100),
    needs=[Happening.SUSPENDED],
)
def renewed_again(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A suspension that is renewed and renewed.

    Rule: the case has been suspended again more often than the setting allows, and in between nobody in the unit contacted
    the victim, tried to, or took an investigative step. That it was resumed in between, or that its closure was asked for
    and refused, makes no difference.

    Evidence: the suspension and every renewal.

    Settled by: a contact, an attempt or an investigative step, or the end of the case.

    May be wrong: where a laboratory or a court takes longer than that, and somebody looks at the case each time.

    Found in: Houston.
    """
    chain: list[Step] = []
    for place, step in enumerate(history.steps):
        if _is_worked(step):
            chain = []
        elif Happening.SUSPENDED in step.what:
            chain.append(step)
            standard = settings(chain[0].at)
            if len(chain) == standard.number("most") + 2:
                says = f"suspended {len(chain)} times, and nothing was done in between"
                yield of_case(history, standard, step.known_at, chain, says, history.until(place, _is_worked), now)


@detector(
    Setting("most", days(90), "how long a case may rest in all", "practice: three suspensions of 30 days"),
    needs=[Happening.SUSPENDED],
)
def rested_long(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that has been suspended for most of its life.

    Rule: all the time during which the case was suspended, from the recording to the resumption or the review date, is
    longer together than the setting allows. It counts since the report or the reopening; after a finding, since the act
    that settled it.

    Evidence: every suspension that counts.

    Settled by: a contact, an attempt or an investigative step, or the end of the case.

    May be wrong: where a laboratory or a court takes longer than that.

    Found in: Houston, where 264,000 reports were suspended for lack of personnel.
    """
    counted, rested, settled_at = list[Step](), timedelta(), 0
    for place, step in history.which(Happening.SUSPENDED, *REOPENED):
        if place < settled_at:
            continue
        if Happening.SUSPENDED not in step.what:
            counted, rested = [], timedelta()
            continue
        counted.append(step)
        standard = settings(counted[0].at)
        rest, left = _rest(history, place), standard.span("most") - rested
        rested += rest
        if rest > left:
            since = step.known_at + left
            settled = history.until(place, lambda later: _is_worked(later) and later.known_at > since)  # noqa: B023
            says = f"suspended for more than {standard.span('most').days} days in all"
            yield of_case(history, standard, since, counted, says, settled, now)
            counted, rested, settled_at = [], timedelta(), history.place_of(settled)


def _rest(history: History, place: int) -> timedelta:
    """How long a suspension lasts: to its review date at most."""
    step = history.steps[place]
    ends = history.until(place, lambda later: later.is_any(Happening.SUSPENDED, Happening.RESUMED) or not later.is_open)
    review_at = step.body.review_at if isinstance(step.body, Suspended) else step.known_at
    until = review_at if ends is None else min(review_at, ends.known_at)
    return max(until - step.known_at, timedelta())


@detector(
    Setting("most", 3, "how often a decision may be extended", "practice: half a year; RSMo 210.183: 45 days, with good "
            "cause 90", least=0, most=100),
    needs=[Happening.EXTENDED],
)  # fmt: skip
def extended_again(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A decision that is extended and extended.

    Rule: since the report or the reopening the decision has been given more time more often than the setting allows.

    Evidence: every extension since.

    Settled by: the end of the case, or a charge.

    May be wrong: where a laboratory or a prosecutor takes longer than that.

    Found in: practice: each extension gives 45 days more, and nothing else says how many there may be.
    """
    for place, chain, standard in history.too_often(settings, Happening.EXTENDED, Happening.CHARGED, *REOPENED):
        if chain[-1].is_open:
            says = f"its decision was extended {len(chain)} times"
            settled = history.until(place, lambda later: Happening.CHARGED in later.what or not later.is_open)
            yield of_case(history, standard, chain[-1].known_at, chain, says, settled, now)


def _goes_on(step: Step) -> bool:
    return step.is_any(*GOES_ON) or not step.is_open


def _is_worked(step: Step) -> bool:
    return step.is_act or not step.is_open
