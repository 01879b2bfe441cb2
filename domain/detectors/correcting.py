"""Corrections by which less is owed than before."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from casetrail.domain.business_time import due_after
from casetrail.domain.clocks import conditions_of, limit_of
from casetrail.domain.codes import Service
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.offering import Referrals, referral_of
from casetrail.domain.detectors.settings import Setting, hours
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import OffenceAlleged, ReportReceived
from casetrail.domain.investigation import HEARING, InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected
from casetrail.domain.policy import ClockRule, Condition, Policy
from casetrail.domain.stopping import Run

LOOKED_AT: Final = (Happening.REVIEWED, Happening.CLOSED)
OF_REFERRALS: Final = frozenset(
    {Happening.REFERRAL_ACCEPTED, Happening.REFERRAL_COMPLETED, Happening.REFERRAL_DECLINED}
)


Begun = Mapping[str, Sequence[Run]]


class Correction(NamedTuple):
    """A correction of what is alleged: the kinds of case that it was taken for, and is; at which place in the history.

    ``latest``: of every happening (of a referral: with its service), when it happened last before.
    """

    place: int
    step: Step
    before: frozenset[Condition]
    after: frozenset[Condition]
    latest: dict[str, tuple[int, datetime]]


@detector(
    Setting("grace", hours(1), "how soon after the report was recorded what was mistyped may be corrected"),
)
def owed_less(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A correction by which less is owed than before.

    Rule: what the report alleges was corrected, and a clock of the policy that waited for something, or would have once the
    case was screened in, is no longer for this case; or has a longer limit, without another clock being for it now; and the
    deadline had been missed by then, or the correction came later than the time of grace after the report was recorded, or
    less is owed by it than by what another agency had reported: only who recorded a report knows what was mistyped in it.
    A clock that has been stopped waits for nothing: whoever has seen the child may know better. But where a partner stopped
    it by accepting, and the unit has withdrawn that, or does so afterwards, other than because the family does not want it,
    and nobody has given it, it waits still.

    Evidence: the correction, and the report; before these the withdrawal, where it came later.

    Settled by: what the clocks waited for; correcting it back; or a review or a closure by somebody else than who
    corrected it.

    May be wrong: where somebody learns from a partner that it was otherwise, or that the partner mistyped it; and that an
    interview is not needed then. Then let somebody else look at it, too.

    Found in: practice: a child who is not said to be in danger need not be seen in a day.
    """
    if "FactCorrected" not in history.case.kinds:
        return
    corrections, begun = list(_corrections(history)), _begun(history)
    for number, one in enumerate(corrections):
        standard, later = settings(one.step.known_at), corrections[number + 1 :]
        report = next(step for step in history.steps if Happening.REPORT_RECEIVED in step.what)
        lowered = list(_lowered(begun, one, standard.policy))
        owed = {one.place: lowered} if lowered else {}
        for place, rule in _broken_off(history, one, standard.policy, lowered, later):
            owed.setdefault(place, []).append(rule)
        missed = [rule for rule in lowered if _was_missed(history, one, rule)]
        is_soon = one.step.known_at <= report.known_at + standard.span("grace")
        less = [rule for rules in owed.values() for rule in rules]
        if is_soon and not missed and not _is_of_others(history, one, report, less):
            continue
        for place, rules in sorted(owed.items()):
            step = history.steps[place]
            names = [_said(rule, rule in lowered, rule in missed) for rule in rules]
            says = f"corrected so that less is owed: {' and '.join(names)}"
            steps = [one.step, report] if place == one.place else [step, one.step, report]
            settled = _settled(history, one, place, rules, later)
            yield of_case(history, standard, step.known_at, steps, says, settled, now)


def _said(rule: ClockRule, is_lowered: bool, is_missed: bool) -> str:
    """What is said of a clock by which less is owed."""
    return f"{rule.name} (missed)" if is_missed else rule.name if is_lowered else f"{rule.name} (withdrawn)"


def _broken_off(
    history: History, one: Correction, policy: Policy, lowered: Sequence[ClockRule], later: Sequence[Correction]
) -> Iterator[tuple[int, ClockRule]]:
    """The clocks that a partner had stopped by saying yes, and that are for the case no longer, while what was promised is
    withdrawn and not given: since which place in the history."""
    for rule in policy.clocks:
        is_lost = limit_of(rule, one.before) is not None and limit_of(rule, one.after) is None
        if rule.service is not None and is_lost and rule not in lowered:
            back = next((other.place for other in later if limit_of(rule, other.after) is not None), None)
            place = _withdrawn_by(history, one.place, rule.service, history.steps[:back])
            if place is not None:
                yield place, rule


def _withdrawn_by(history: History, since: int, service: Service, steps: Sequence[Step]) -> int | None:
    """The first place, not before another, at which the unit has withdrawn a service, and nobody has given or declined it."""
    referrals, is_withdrawn = Referrals(history.is_partner), False
    for place, step in enumerate(steps):
        referrals.follow(step)
        if isinstance(step.body, InvestigativeStepTaken) and step.body.step in HEARING:
            return None
        if Happening.REFERRAL_WITHDRAWN in step.what:
            asked = referrals.by_id.get(referral_of(step))
            is_withdrawn |= asked is not None and asked.body.service is service
        if place < since:
            continue
        if not step.is_open:
            return None
        if is_withdrawn and not referrals.was_offered(service):
            return place
    return None


def _corrections(history: History) -> Iterator[Correction]:
    offences: Sequence[OffenceAlleged] = ()
    danger = False
    latest: dict[str, tuple[int, datetime]] = {}
    for place, step in enumerate(history.steps):
        body = step.body
        if isinstance(body, ReportReceived):
            offences, danger = body.offences, body.immediate_danger
        elif isinstance(body, FactCorrected) and (body.offences or body.immediate_danger is not None):
            before = conditions_of(danger, offences)
            offences = body.offences or offences
            danger = danger if body.immediate_danger is None else body.immediate_danger
            after = conditions_of(danger, offences)
            if step.is_open and before != after:
                yield Correction(place, step, before, after, dict(latest))
        for what in step.what:
            latest[_named(history, step, what)] = place, step.at


def _named(history: History, step: Step, what: Happening) -> str:
    """A happening, of a referral with its service."""
    if what not in OF_REFERRALS:
        return what
    body: Any = step.body
    return f"{what}:{history.case.facts.referrals[body.referral].service}"


def _lowered(begun: Begun, one: Correction, policy: Policy) -> Iterator[ClockRule]:
    """The clocks for which something was owed, and is no longer, or not as soon."""
    limits = [(rule, limit_of(rule, one.before), limit_of(rule, one.after)) for rule in policy.clocks]
    gained = any(before is None and after is not None for _, before, after in limits)
    for rule, before, after in limits:
        if before is None or not _is_owed(one, rule) or _began_met(begun, rule, one.step.number):
            continue
        if after is None or (not gained and rule.lengths[after] > rule.lengths[before]):
            yield rule


def _is_of_others(history: History, one: Correction, report: Step, lowered: Sequence[ClockRule]) -> bool:
    """Whether less is owed by a correction than by the report as another agency recorded it."""
    if one.step.action.actor.agency == report.action.actor.agency:
        return False
    reported = history.conditions
    return any(limit_of(rule, reported) is not None and not _as_much(rule, reported, one.after) for rule in lowered)


def _is_owed(one: Correction, rule: ClockRule) -> bool:
    started = max((one.latest[what][0] for what in rule.start if what in one.latest), default=-1)
    stopped = max((one.latest[what][0] for what in _stops(rule) if what in one.latest), default=-1)
    will_start = started < 0 and Happening.SCREENED_IN in rule.start
    return started > stopped or (will_start and stopped < 0)


def _begun(history: History) -> Begun:
    """The runs of each clock that events began, by the numbers of these; of those that one began, the last one first."""
    found: dict[str, list[Run]] = {}
    for run in reversed(history.runs.all() if history.runs else []):
        if run.started_by is not None:
            found.setdefault(run.rule.name, []).append(run)
    return {name: sorted(runs, key=_started_by) for name, runs in found.items()}


def _started_by(run: Run) -> int:
    return run.started_by or 0


def _began_met(begun: Begun, rule: ClockRule, number: int) -> bool:
    """Whether a clock was met by what came before its last start before an event: what a partner had arranged already."""
    runs = begun.get(rule.name, [])
    place = bisect_left(runs, number, key=_started_by)
    return place > 0 and runs[place - 1].met and (runs[place - 1].ended_by or number) < _started_by(runs[place - 1])


def _stops(rule: ClockRule) -> list[str]:
    """What stops a clock, as ``_named`` names it."""
    return [f"{what}:{rule.service}" if what in OF_REFERRALS else what for what in rule.stop]


def _was_missed(history: History, one: Correction, rule: ClockRule) -> bool:
    limit = limit_of(rule, one.before)
    started = max((one.latest[what] for what in rule.start if what in one.latest), default=None)
    if limit is None or started is None:
        return False
    rests = history.rests if rule.pausable else ()
    return due_after(started[1], rule.lengths[limit], rule.calendar, rests) < one.step.known_at


def _settled(
    history: History, one: Correction, since: int, lowered: Sequence[ClockRule], later: Sequence[Correction]
) -> Step | None:  # fmt: skip
    """What settles it first, after a place."""
    back = next(
        (other.place for other in later if all(_as_much(rule, one.before, other.after) for rule in lowered)), None
    )
    wanted = [set(_stops(rule)) for rule in lowered]
    who = one.step.action.actor.id
    for place in range(since + 1, len(history.steps)):
        step = history.steps[place]
        if place == back or (step.is_any(*LOOKED_AT) and step.action.actor.id != who):
            return step
        done = {_named(history, step, what) for what in step.what}
        wanted = [stops for stops in wanted if stops.isdisjoint(done)]
        if not wanted:
            return step
    return None


def _as_much(rule: ClockRule, before: frozenset[Condition], after: frozenset[Condition]) -> bool:
    """Whether by a clock as much is owed in a case of the kinds ``after`` as in one of the kinds ``before``, and as soon."""
    was, now = limit_of(rule, before), limit_of(rule, after)
    return was is not None and now is not None and rule.lengths[now] <= rule.lengths[was]
