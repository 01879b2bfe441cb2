"""Cases that are let rest, and not looked at again; decisions that are put off and off."""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from casetrail.domain.detectors.closing import REOPENED, begins_anew
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import WORK, History, Step
from casetrail.domain.detectors.screening_out import ASKING_NOBODY
from casetrail.domain.detectors.settings import Setting, days
from casetrail.domain.happenings import Happening
from casetrail.domain.investigation import InvestigativeStepTaken
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

    Rule: the case has been suspended again more often than the setting allows, each of these times without any contact,
    attempt or investigative step of the unit since the suspension before. It counts since somebody saw the child in person
    or took a step other than to ask for records, or one of no named kind; or since the case was reopened for something new.
    A call in between lets only the next suspension pass. That the case was resumed in between, that its closure was asked
    for and refused, or that it was closed or merged in error and reopened, makes no difference.

    Evidence: the suspension and every renewal; where it was found before, the last of these and those since.

    Settled by: a contact, an attempt or an investigative step, or the end of the case. After that the next suspension with
    nothing done before it is found anew.

    May be wrong: where a laboratory or a court takes longer than that, and somebody looks at the case each time.

    Found in: Houston; and practice: three suspensions and a call, three more and a call.
    """
    if len(history.which(Happening.SUSPENDED)) == 1:
        return  # as in most cases that were ever suspended
    chain: list[Step] = []
    idle, is_idle, settled_at = 0, False, 0
    for place, step in history.which(Happening.SUSPENDED, *WORK, *REOPENED):
        if place < settled_at:
            continue
        if Happening.SUSPENDED in step.what:
            chain.append(step)
            standard, was_idle = settings(chain[0].at), is_idle
            idle, is_idle = idle + was_idle, True
            if was_idle and idle > standard.number("most"):
                settled = history.until(place, _is_worked)
                says = f"suspended {len(chain)} times, and {_done_between(history, chain)} in between"
                yield of_case(history, standard, step.known_at, chain, says, settled, now)
                chain, settled_at = [step], history.place_of(settled)
        elif _goes_further(step) or begins_anew(step):
            chain, idle, is_idle = [], 0, False
        elif step.is_act:
            is_idle = False


def _done_between(history: History, chain: Sequence[Step]) -> str:
    """What was done between suspensions, in words."""
    steps = history.steps[history.place_of(chain[0]) : history.place_of(chain[-1])]
    return "no more than a call or a request was made" if any(step.is_act for step in steps) else "nothing was done"


def _goes_further(step: Step) -> bool:
    """Whether somebody saw the child in person, or took a step by which more is done than to ask for something."""
    body = step.body
    asks = isinstance(body, InvestigativeStepTaken) and body.step in ASKING_NOBODY
    return step.is_act and not asks and step.is_any(Happening.VICTIM_SEEN, Happening.INVESTIGATIVE_STEP)


@detector(
    Setting("most", days(90), "how long a case may rest in all", "practice: three suspensions of 30 days"),
    needs=[Happening.SUSPENDED],
)
def rested_long(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that has been suspended for most of its life.

    Rule: all the time during which the case was suspended, from the recording to the resumption or the review date, is
    longer together than the setting allows. It counts since the report; after a finding, since the act that settled it. A
    case that is reopened for something new begins anew: at once, if its last suspension had ended longer before than the
    setting allows; else as soon as somebody sees the child in person or takes a step other than to ask for records, or one
    of no named kind. A case that was closed or merged in error goes on as it was.

    Evidence: every suspension that counts; before them the act that settled the last finding, if it left the case
    suspended.

    Settled by: a contact, an attempt or an investigative step, or the end of the case.

    May be wrong: where a laboratory or a court takes longer than that.

    Found in: Houston, where 264,000 reports were suspended for lack of personnel; and practice: whoever closes a case for a
    minute and reopens it has every time limit anew.
    """
    for rests in _counting_together(history, settings):
        act: list[Step] = []  # the one since which it counts, if there was a finding before
        counted, rested, waiting = list[Step](), timedelta(), deque(rests)
        while waiting:
            rest = waiting.popleft()
            begins = max(one.known_at for one in (rest.step, *act))
            if rest.ends <= begins:
                continue
            counted += [rest.step] if counted or begins == rest.step.known_at else [*act, rest.step]
            standard = settings(counted[0].at)
            left, rested = standard.span("most") - rested, rested + (rest.ends - begins)
            if rested > standard.span("most"):
                since = begins + left
                settled = history.until(rest.place, lambda later: _is_worked(later) and later.known_at > since)  # noqa: B023
                says = f"suspended for more than {standard.span('most').days} days in all"
                yield of_case(history, standard, since, counted, says, settled, now)
                if settled is None:
                    return
                act, counted, rested = [settled], [], timedelta()
                waiting.appendleft(rest)  # what is left of it may go on


class _Rest(NamedTuple):
    """A suspension, at a place in the history: from its recording to a moment."""

    place: int
    step: Step
    ends: datetime


def _counting_together(history: History, settings: SettingsAt) -> Iterator[list[_Rest]]:
    """The suspensions of a case in order, those together that are not of a case that has begun anew."""
    rests: list[_Rest] = []
    is_new = False
    suspended = history.which(Happening.SUSPENDED)
    for place, step in suspended if len(suspended) == 1 else history.which(Happening.SUSPENDED, *WORK, *REOPENED):
        if Happening.SUSPENDED in step.what:
            rests.append(_Rest(place, step, _ends(history, place)))
            continue
        is_new = bool(rests) and (is_new or begins_anew(step))
        if is_new and (_goes_further(step) or _is_long_ago(rests, step, settings)):
            yield rests
            rests, is_new = [], False
    if rests:
        yield rests


def _is_long_ago(rests: Sequence[_Rest], reopening: Step, settings: SettingsAt) -> bool:
    """Whether a case had not rested before it was reopened for as long as it may rest in all."""
    most = settings(rests[0].step.at).span("most")
    return begins_anew(reopening) and reopening.known_at - rests[-1].ends > most


def _ends(history: History, place: int) -> datetime:
    """When a suspension ends: at its review date at the latest."""
    step = history.steps[place]
    ends = history.until(place, lambda later: later.is_any(Happening.SUSPENDED, Happening.RESUMED) or not later.is_open)
    review_at = step.body.review_at if isinstance(step.body, Suspended) else step.known_at
    return review_at if ends is None else min(review_at, ends.known_at)


@detector(
    Setting("most", 3, "how often a decision may be extended", "practice: half a year; RSMo 210.183: 45 days, with good "
            "cause 90", least=0, most=100),
    needs=[Happening.EXTENDED],
)  # fmt: skip
def extended_again(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A decision that is extended and extended.

    Rule: since the report, or since the case was reopened for something new, the decision has been given more time more
    often than the setting allows.

    Evidence: every extension since.

    Settled by: the end of the case, or a charge.

    May be wrong: where a laboratory or a prosecutor takes longer than that.

    Found in: practice: each extension gives 45 days more, and nothing else says how many there may be.
    """
    chain: list[Step] = []
    for place, step in history.which(Happening.EXTENDED, Happening.CHARGED, *REOPENED):
        if Happening.EXTENDED in step.what:
            chain.append(step)
            standard = settings(chain[0].at)
            if len(chain) == standard.number("most") + 1 and step.is_open:
                says = f"its decision was extended {len(chain)} times"
                settled = history.until(place, lambda later: Happening.CHARGED in later.what or not later.is_open)
                yield of_case(history, standard, step.known_at, chain, says, settled, now)
        elif Happening.CHARGED in step.what or begins_anew(step):
            chain = []


def _goes_on(step: Step) -> bool:
    return step.is_any(*GOES_ON) or not step.is_open


def _is_worked(step: Step) -> bool:
    return step.is_act or not step.is_open
