"""The clocks of a case: what is owed, since when and by when, and how it went. Computed from the events, never declared.

Anybody who has the events, the policies and a moment gets the same clocks; so stopping the machines that watch them hides
nothing. A clock is judged by the policy that was in force when it started. What is corrected counts from the beginning where
it makes more to be owed, and from when it is recorded where it makes less: what had been missed by then stays missed.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from casetrail.domain.business_time import due_after
from casetrail.domain.case import Facts, Recorded
from casetrail.domain.clock_runs import PATIENCE as PATIENCE
from casetrail.domain.clock_runs import Runs, fold
from casetrail.domain.codes import SEXUAL_OFFENCES, Offence
from casetrail.domain.escalation import answers_for
from casetrail.domain.intake import OffenceAlleged
from casetrail.domain.leaving import NOBODY_LEFT, Departures
from casetrail.domain.parties import commander_desk, intake_desk, supervisor_desk
from casetrail.domain.policy import ClockRule, Condition, InForce, Level, Limit, Owes, Step
from casetrail.domain.stopping import Run

EDUCATIONAL_NEGLECT: Final = ("167.031", "167.061")
"""Statutes on compulsory attendance (RSMo): a report of 90F that names no other is one of educational neglect."""
SEXUAL_CHAPTER: Final = "566."
"""How the statutes on sexual offences begin (RSMo chapter 566): a report of 90Z that names one is of sexual misconduct."""


class ClockState(StrEnum):
    """How a clock stands, or how it went."""

    RUNNING = "running"
    PAUSED = "paused"  # it rests while the case is suspended
    MISSED = "missed"  # what it waits for has not come in time; ended_at says since when nobody owes it any longer
    MET = "met"
    MET_LATE = "met_late"
    LAPSED = "lapsed"  # nobody owes it any longer, and it was not missed by then


class Deadline(NamedTuple):
    """What names a deadline in its case: the clock, the referral or concern that it runs for, and when it is due (UTC)."""

    clock: str
    subject: str | None
    due_at: datetime


class Told(NamedTuple):
    """Who is told at a step, and when (UTC), unless somebody has answered by then."""

    level: Level
    who: tuple[str, ...]
    at: datetime


class Clock(NamedTuple):
    """One run of a clock, judged. Moments are UTC.

    ``limit``: the one that the policy has for this kind of case.
    ``subject``: the referral or concern that it runs for. ``owed_by``: a person, a desk of the unit (``UNIT/intake``) or
    an agency. ``started_by`` and ``ended_by`` are numbers of events in the case; None where the registry says that the
    holder has left. While it is paused, ``due_at`` counts on
    the suspension's lasting until its review date.
    """

    case_id: str
    rule: ClockRule
    limit: Limit
    subject: str | None
    state: ClockState
    owed_by: str
    started_at: datetime
    started_by: int | None
    due_at: datetime
    ended_at: datetime | None
    ended_by: int | None

    @property
    def name(self) -> str:
        """The clock's name in the policy."""
        return self.rule.name

    @property
    def is_owed(self) -> bool:
        """Whether somebody still owes what it waits for."""
        return self.ended_at is None

    @property
    def is_overdue(self) -> bool:
        """Whether somebody still owes it, and should have done it by now."""
        return self.is_owed and self.state is ClockState.MISSED

    @property
    def deadline(self) -> Deadline:
        """What names its deadline in the case."""
        return Deadline(self.rule.name, self.subject, self.due_at)

    def tells(self) -> list[tuple[Level, datetime]]:
        """Who is told, step by step, and when, if it is missed and nobody answers."""
        return [(step.level, self.due_at + step.after.length(None)) for step in self.rule.escalation.steps]


def clocks(
    case_id: str, events: Iterable[Recorded], policies: InForce, now: datetime, departures: Departures = NOBODY_LEFT
) -> list[Clock]:
    """Every clock of a case, as it stands ``now`` by what ``events`` (all of its events, in order) say; by due time.

    ``departures``: what the registry knows of people who have left: what they hold is held by nobody.
    """
    return judged(fold(case_id, events, policies, now, departures), now)


def judged(runs: Runs, now: datetime) -> list[Clock]:
    """The same of a case that is folded already."""
    fitting = conditions_of(runs.case.facts.immediate_danger, runs.offences)
    before = _kinds_before(runs)
    found = []
    for run in runs.all():
        rule = run.rule
        if before and (rule.where is not None or rule.instead):
            found += _as_it_was_known(runs, run, before, fitting, now)
        elif rule.where is None or rule.where in fitting:
            found.append(judged_run(runs, run, fitting, now))
    found.sort(key=_in_order)
    return found


class _Kind(NamedTuple):
    """The kinds of case that one was taken for, until event ``number`` corrected that (UTC)."""

    fitting: frozenset[Condition]
    until: datetime
    number: int


def _kinds_before(runs: Runs) -> list[_Kind]:
    """What a case was taken for before it was corrected."""
    found = []
    for before, after in pairwise(runs.alleged):
        fitting = conditions_of(before.immediate_danger, before.offences)
        if fitting != conditions_of(after.immediate_danger, after.offences):
            found.append(_Kind(fitting, after.since, after.number))
    return found


def _as_it_was_known(
    runs: Runs, run: Run, before: Sequence[_Kind], fitting: frozenset[Condition], now: datetime
) -> list[Clock]:
    """A run in a corrected case, as it is judged now; with what had been missed of it by what the case was taken for."""
    whole = judged_run(runs, run, fitting, now) if limit_of(run.rule, fitting) is not None else None
    cut: list[Clock] = []
    for kind in before[bisect_right(before, run.started_at, key=lambda one: one.until) :]:
        over = run.ended_at is not None and run.ended_at <= kind.until
        if limit_of(run.rule, kind.fitting) is not None:
            ended = run if over else _ended_by(runs, run, kind)
            was = judged_run(runs, ended, kind.fitting, now)
            if over and (whole is None or was.due_at < whole.due_at):
                whole = was
            elif not over and all(was.due_at != one.due_at for one in cut):
                cut.append(was)
        if over:
            break
    missed = [one for one in cut if one.state is ClockState.MISSED and (whole is None or one.due_at < whole.due_at)]
    return [*missed, *([] if whole is None else [whole])] or cut[-1:]


def _ended_by(runs: Runs, run: Run, kind: _Kind) -> Run:
    """A run that a correction ended."""
    ended = replace(run)
    ended.end(kind.until, kind.number, False, runs.case.facts.holder)
    return ended


def limit_of(rule: ClockRule, fitting: frozenset[Condition]) -> Limit | None:
    """The limit of a clock in a case of these kinds; None where it is not for such cases."""
    if rule.where is not None and rule.where not in fitting:
        return None
    return next((limit for condition, limit in rule.instead if condition in fitting), rule.limit)


def _in_order(one: Clock) -> tuple[datetime, datetime, str, str]:
    return one.due_at, one.started_at, one.rule.name, one.subject or ""


def judged_run(runs: Runs, run: Run, fitting: frozenset[Condition], now: datetime) -> Clock:
    """One run, judged, in a case that is of the kinds ``fitting``."""
    rule = run.rule
    pauses = rule.pauses(run.started_at, runs.suspended)
    limit = rule.limit
    if rule.instead:
        limit = next((limit for condition, limit in rule.instead if condition in fitting), limit)
    due = due_after(run.started_at, rule.lengths[limit], rule.calendar, pauses)
    if rule.stated_date and run.stated is not None:
        due = min(due, run.stated)
    if run.ended_at is None:
        paused = bool(pauses) and any(begins <= now < ends for begins, ends in pauses)
        state = ClockState.MISSED if now > due else ClockState.PAUSED if paused else ClockState.RUNNING
    elif run.ended_at <= due:
        state = ClockState.MET if run.met else ClockState.LAPSED
    else:
        state = ClockState.MET_LATE if run.met else ClockState.MISSED
    return Clock(
        runs.case.id, rule, limit, run.subject, state, _owed_by(runs, run), run.started_at, run.started_by, due,
        run.ended_at, run.ended_by,
    )  # fmt: skip


def conditions_of(immediate_danger: bool, offences: Collection[OffenceAlleged]) -> frozenset[Condition]:
    """The kinds of case that a report makes, or that its corrected facts make."""
    codes = {one.code for one in offences}
    found = [Condition.IMMEDIATE_DANGER] if immediate_danger else []
    is_sexual = not SEXUAL_OFFENCES.isdisjoint(codes) or (Offence.OTHER in codes and any(map(_is_misconduct, offences)))
    if is_sexual:
        found.append(Condition.SEXUAL_ABUSE)
    if is_sexual or Offence.AGGRAVATED_ASSAULT in codes:
        found.append(Condition.SEXUAL_OR_SERIOUS_PHYSICAL_ABUSE)
    elif codes == {Offence.FAMILY_NONVIOLENT} and all(one.statute in EDUCATIONAL_NEGLECT for one in offences):
        found.append(Condition.ONLY_EDUCATIONAL_NEGLECT)
    return frozenset(found)


def _is_misconduct(alleged: OffenceAlleged) -> bool:
    return alleged.code is Offence.OTHER and (alleged.statute or "").startswith(SEXUAL_CHAPTER)


def _owed_by(runs: Runs, run: Run) -> str:
    facts, unit = runs.case.facts, runs.case.facts.unit
    match run.rule.owed_by:
        case Owes.HOLDER:
            holder = None if runs.holder_left else facts.holder
            return (holder if run.ended_at is None else run.holder) or intake_desk(unit)
        case Owes.INTAKE:
            return intake_desk(unit)
        case Owes.SUPERVISOR:
            return supervisor_desk(unit)
        case Owes.COMMANDER:
            return commander_desk(unit)
        case Owes.PARTNER:
            return facts.referrals[run.subject or ""].to_agency


def told(
    facts: Facts, clock: Clock, level: Level, oversight: tuple[str, ...] = (), *, holder_left: bool = False
) -> tuple[str, ...]:
    """Who is told at a step: a person, desks of the unit, agencies of the case, and those that have ``oversight``.

    ``holder_left``: whether the registry says that the holder has left: then intake is told, and nobody who is gone.
    """
    match level:
        case Level.HOLDER:
            holder = None if holder_left else facts.holder
            return (holder or intake_desk(facts.unit),) if clock.rule.owed_by is Owes.HOLDER else (clock.owed_by,)
        case Level.SUPERVISOR:
            return (supervisor_desk(facts.unit),)
        case Level.COMMANDER:
            return (commander_desk(facts.unit),)
        case Level.PARTNERS:
            return partners(facts)
        case Level.OVERSIGHT:
            return oversight


def told_by_now(runs: Runs, clock: Clock) -> Sequence[Step]:
    """The steps at which somebody is told, if it is missed: not where there is nobody, nor after an answer that ends it.

    Whether anybody has oversight is the registry's to say: that step is always among them.
    """
    steps = clock.rule.escalation.steps
    answers = runs.answers.get(clock.deadline, ())
    if not answers and partners(runs.case.facts):
        return steps
    return tuple(
        step
        for step in steps
        if (step.level is not Level.PARTNERS or partners(runs.case.facts))
        and not any(
            answers_for(level, step.level) and at < clock.due_at + step.after.length(None) + PATIENCE
            for level, at in answers
        )
    )


def partners(facts: Facts) -> tuple[str, ...]:
    """The other agencies of a case: who reported it, who was asked or asked for something, who raised a concern."""
    found = [facts.reported_in]
    for referral in facts.referrals.values():
        found += [referral.from_agency, referral.to_agency]
    found += [concern.agency for concern in facts.concerns.values()]
    return tuple(sorted({one for one in found if one and one != facts.agency}))
