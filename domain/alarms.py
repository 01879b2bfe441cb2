"""Alarms: the deadlines of a case that passed while something was owed, and who is told of each, step by step.

They are seen as whoever watches the log sees them: by what had been recorded at each moment. What is entered late ends an
alarm, and does not undo it. So the same events give the same alarms, whenever somebody looks: a watchdog that slept has
missed nothing, and what no watchdog recorded can be seen all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from casetrail.domain.actions import Unaccepted
from casetrail.domain.answering import FindingAnswered, FindingTold
from casetrail.domain.business_time import FIRST, LAST, Span
from casetrail.domain.case import Recorded
from casetrail.domain.clock_runs import Runs, fold
from casetrail.domain.clocks import PATIENCE as PATIENCE
from casetrail.domain.clocks import Clock, Deadline, Told, conditions_of, judged_run, told
from casetrail.domain.concern import ConcernRaised
from casetrail.domain.escalation import (
    DeadlineMissed,
    Escalated,
    EscalationAnswered,
    answers_for,
    is_answer,
    level_of,
    owing_level,
)
from casetrail.domain.happenings import Happening
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.leaving import NOBODY_LEFT, Departures
from casetrail.domain.linking import FactCorrected
from casetrail.domain.policy import Condition, InForce, Level, Step
from casetrail.domain.receipt import received_at
from casetrail.domain.referral import ReferralMade
from casetrail.domain.registry import Overseer, overseeing, overseers_told
from casetrail.domain.stopping import Run

MICROSECOND: Final = timedelta(microseconds=1)
CHANGE_NOTHING: Final = (
    Unaccepted, DeadlineMissed, Escalated, EscalationAnswered, FindingAnswered, FindingTold, NoteAdded,
)  # fmt: skip
"""After these the same is owed as before."""
WITH_PARTNERS: Final = (ReferralMade, ConcernRaised)
"""By these an agency becomes a partner of a case that was none."""


class Owing(NamedTuple):
    """From when to when the log showed that somebody owes what was missed: since which event, and until which one.

    None where the registry says so. Moments are UTC.
    """

    since: datetime
    since_event: int | None
    until: datetime | None = None
    until_event: int | None = None


@dataclass
class Alarm:
    """A deadline that passed. ``clock`` is as it stood then. Moments are UTC.

    ``seen_at``: since when anybody could see it: since it was due, or since what started the clock was recorded, if that
    came later. ``owing``: when somebody owed it: more than once where a merger was undone, or a correction. ``told``: the
    steps that have been reached, without those at which there is nobody to tell; ``passed_over``: the levels of these, which
    are told as soon as there is somebody, if it is owed still. ``answered``: the highest level at which
    somebody has answered. ``answered_at``: when an answer of somebody above those who owe it was first recorded, and
    ``answered_by`` the event. ``met_by``: the event, entered only afterwards, by which the deadline counts as met all the
    same, or as owed by nobody. ``recorded_by``: the events that record it, by number.
    """

    clock: Clock
    seen_at: datetime
    owing: list[Owing]
    told: list[Told] = field(default_factory=list)
    steps: int = 0
    """How many steps have been reached."""
    passed_over: list[Level] = field(default_factory=list)
    answered: Level | None = None
    answered_at: datetime | None = None
    answered_by: int | None = None
    met_by: int | None = None
    recorded_by: list[int] = field(default_factory=list)

    @property
    def is_owed(self) -> bool:
        """Whether somebody owes it still, or again."""
        return self.ended_at is None

    @property
    def ended_at(self) -> datetime | None:
        """When it was last recorded that nobody owes it; None while somebody does."""
        return self.owing[-1].until

    @property
    def ended_by(self) -> int | None:
        """The event that recorded it; None where the registry says so."""
        return self.owing[-1].until_event

    def seen_from(self, moment: datetime) -> datetime:
        """Since when those who are told of it at a moment could know: when it is owed again, if it was not owed then."""
        for one in self.owing:
            if one.until is None or max(moment, one.since) + PATIENCE < one.until:
                return max(moment, one.since)
        return moment

    def owe(self, since: datetime, by: int | None) -> None:
        """Note that somebody owes it, if that was not so."""
        if not self.is_owed:
            self.owing.append(Owing(since, by))

    def end(self, at: datetime, by: int | None) -> None:
        """Note that nobody owes it any longer, if somebody did."""
        if self.is_owed:
            self.owing[-1] = self.owing[-1]._replace(until=at, until_event=by)

    @property
    def next_step(self) -> Step | None:
        """Who is told next if more time passes; None where nobody is."""
        steps = self.clock.rule.escalation.steps
        return steps[self.steps] if self.is_owed and self.steps < len(steps) else None

    def answer(self, level: Level, at: datetime, by: int) -> None:
        """Note an answer, which is one of those who owe it, or ends it for those above them."""
        if not answers_for(self.answered, level):
            self.answered = level
        if self.answered_at is None and is_answer(level, owing_level(self.clock.owed_by)):
            self.answered_at, self.answered_by = at, by


@dataclass(slots=True)
class _Owed:
    """A clock that runs. ``known_at``: since when it is known to run so, and ``known_by`` which event.

    ``basis``: what its due time follows from.
    ``rings_at``: when its deadline is taken for missed: a moment that does not lie after that, until ``clock`` is reckoned.
    """

    run: Run
    known_at: datetime
    known_by: int | None
    basis: tuple[object, ...]
    fitting: frozenset[Condition]
    rings_at: datetime
    clock: Clock | None = None
    alarm: Alarm | None = None


Name = tuple[str, str | None, datetime]


class Watch:
    """Watches one case: ``follow`` its events in order, then ``until`` a moment."""

    def __init__(
        self, case_id: str, policies: InForce, departures: Departures = NOBODY_LEFT, overseers: Sequence[Overseer] = (),
        patience: timedelta = PATIENCE, horizon: datetime = LAST,
    ) -> None:  # fmt: skip
        """``departures`` and ``overseers``: what the registry knows of people who left, and of who has oversight.

        ``horizon``: nothing that comes later is seen; what was recorded later counts as known just before it.
        """
        self.alarms: dict[Deadline, Alarm] = {}
        self.runs = Runs(case_id, policies)
        """The case with its clocks, as followed so far."""
        self._policies, self._departures, self._overseers = policies, departures, overseers
        self._patience, self._horizon = patience, horizon
        self._events: list[Recorded] = []
        self._at = self._known_at = FIRST
        self._may_have_come = False  # somebody to be told, to a case in which there was nobody at that level
        self._owed: dict[Name, _Owed] = {}

    def follow(self, event: Recorded) -> None:
        """See the next event of the case, and all that came due before it was known."""
        known_at = event.timestamp
        if event.action is not None and event.action.imported is not None:  # the old system knew it
            known_at = min(known_at, event.action.occurred_at)
        if known_at > self._horizon:
            known_at = self._horizon - self._patience
        self._known_at = known_at = max(known_at, self._known_at)
        self._pass(known_at)
        self._events.append(event)
        self._may_have_come |= isinstance(event.body, WITH_PARTNERS)
        dated_anew = self._is_dated_anew(event)
        anew = dated_anew or bool(self._leavings())
        if not anew:
            self.runs.follow(event)
            anew = bool(self._leavings())  # the case was given to somebody who has left before, or had
        if anew:
            self._fold(known_at)
        if anew or not isinstance(event.body, CHANGE_NOTHING):
            self._look(known_at, event.originator_version)
            if self.alarms and event.action is not None and known_at - event.action.occurred_at >= self._patience:
                self._meet(event.originator_version)
            if self.alarms and dated_anew:
                self._meet_from_before(event.originator_version)
        self._note(event)

    def _is_dated_anew(self, event: Recorded) -> bool:
        """Whether an event corrects when the report was received, so that another time counts from now on."""
        body = event.body
        if not isinstance(body, FactCorrected) or body.happened_at is None:
            return False
        return received_at(self._events) != self.runs.received_at

    def until(self, now: datetime) -> None:
        """See all that comes due by a moment. What was recorded after it counts as known just before it."""
        if self._known_at > now:
            self._at = now - self._patience
            for owed in self._owed.values():
                if owed.known_at > self._at:
                    owed.known_at, owed.clock, owed.rings_at = self._at, None, FIRST
        self._pass(now)
        self._fire(now + MICROSECOND)

    def event(self, number: int) -> Recorded:
        """Event ``number`` of the case."""
        return self._events[number - 1]

    def next_at(self) -> datetime | None:
        """When the next deadline passes, or somebody is told next, if nothing else happens; None where nothing is owed."""
        found = [self._rings_at(owed) for owed in self._owed.values() if owed.alarm is None]
        found += [self._tells_at(alarm, step) for alarm in self.alarms.values() if (step := alarm.next_step)]
        if any(Level.OVERSIGHT in alarm.passed_over and alarm.is_owed for alarm in self.alarms.values()):
            found += [one.since for one in self._overseers]  # by this clock, which may be behind, nobody has it yet
        return min(found, default=None)

    # --- time passes ---

    def _pass(self, until: datetime) -> None:
        """Go on to a moment, and stop at each at which the registry says something of the holder."""
        for moment in sorted(one for one in self._leavings() if self._at < one <= until):
            self._fire(moment)
            self._fold(moment)
            self._look(moment, None)
        self._fire(until)
        self._at = max(self._at, until)

    def _fire(self, until: datetime) -> None:
        """All that comes before a moment."""
        for owed in self._owed.values():
            if owed.alarm is None and owed.rings_at < until and self._rings_at(owed) < until:
                self._ring(owed, self._clock(owed))
        for alarm in self.alarms.values():
            while (step := alarm.next_step) and self._tells_at(alarm, step) < until:
                self._tell(alarm, step)
        if (self._may_have_come or self._overseers) and self._at < until:
            self._may_have_come = False
            for alarm in self.alarms.values():
                if alarm.passed_over and alarm.is_owed:
                    self._tell_who_came(alarm, until)

    def _rings_at(self, owed: _Owed) -> datetime:
        owed.rings_at = max(self._clock(owed).due_at, owed.known_at) + self._patience
        return owed.rings_at

    def _clock(self, owed: _Owed) -> Clock:
        if owed.clock is None:
            owed.clock = judged_run(self.runs, owed.run, owed.fitting, owed.known_at)
        return owed.clock

    def _ring(self, owed: _Owed, clock: Clock) -> None:
        seen_at = max(clock.due_at, owed.known_at)
        self._may_have_come |= clock.deadline in self.alarms
        owed.alarm = self.alarms.setdefault(clock.deadline, Alarm(clock, seen_at, [Owing(seen_at, owed.known_by)]))
        owed.alarm.owe(seen_at, owed.known_by)

    def _tells_at(self, alarm: Alarm, step: Step) -> datetime:
        return max(alarm.clock.due_at + step.after.length(None), alarm.seen_at) + self._patience

    def _tell(self, alarm: Alarm, step: Step) -> None:
        at = alarm.clock.due_at + step.after.length(None)
        alarm.steps += 1
        if answers_for(alarm.answered, step.level):
            return
        oversight = overseeing(self._overseers, max(at, alarm.seen_at)) if self._overseers else ()
        if who := self._who(alarm, step.level, oversight):
            alarm.told.append(Told(step.level, who, at))
        else:
            alarm.passed_over.append(step.level)

    def _tell_who_came(self, alarm: Alarm, until: datetime) -> None:
        """Tell those of a level at which there was nobody when its turn came, if they have come since."""
        since = max(self._at, alarm.owing[-1].since)
        for level in tuple(alarm.passed_over):
            oversight, at = overseers_told(self._overseers, since) if level is Level.OVERSIGHT else ((), since)
            if at < until and (who := self._who(alarm, level, oversight)):
                alarm.passed_over.remove(level)
                alarm.told.append(Told(level, who, at))

    def _who(self, alarm: Alarm, level: Level, oversight: tuple[str, ...]) -> tuple[str, ...]:
        return told(self.runs.case.facts, alarm.clock, level, oversight, holder_left=self.runs.holder_left)

    # --- what is owed ---

    def _fold(self, known_at: datetime) -> None:
        """All of the case anew: what is known now changes what happened before."""
        known = {
            person: [one._replace(back_at=one.back_at if one.back_at and one.back_at <= known_at else None)
                     for one in some if one.known_at <= known_at]
            for person, some in self._departures.items()
        }  # fmt: skip
        self.runs = fold(self.runs.case.id, self._events, self._policies, known_at, known)

    def _look(self, known_at: datetime, by: int | None) -> None:
        """See what is owed now, and end the alarms of what is not."""
        fitting = conditions_of(self.runs.case.facts.immediate_danger, self.runs.offences)
        pauses: tuple[Span, ...] = tuple(self.runs.suspended)
        before, self._owed = self._owed, {}
        for run in self.runs.running():
            rule = run.rule
            if rule.where is not None and rule.where not in fitting:
                continue
            name = rule.name, run.subject, run.started_at
            basis = (rule, pauses if rule.pausable else None, fitting if rule.instead else None, run.stated)
            owed = before.pop(name, None)
            if owed is None or owed.basis != basis:
                self._owed[name] = self._begin(run, known_at, by, basis, fitting)
                if owed is not None:
                    before[name] = owed
            else:
                owed.run = run
                self._owed[name] = owed
        self._end(before, known_at, by)

    def _begin(
        self, run: Run, known_at: datetime, by: int | None, basis: tuple[object, ...], fitting: frozenset[Condition]
    ) -> _Owed:
        # On a calendar, or with pauses, a clock runs longer than its limit: that saves reckoning its end, mostly.
        shorter = run.rule.stated_date or run.rule.instead
        least = run.started_at if shorter else run.started_at + run.rule.limit.length(run.rule.calendar)
        return _Owed(run, known_at, by, basis, fitting, max(least, known_at) + self._patience)

    def _end(self, before: dict[Name, _Owed], known_at: datetime, by: int | None) -> None:
        """End the alarms of what was owed before, and is not; or is by another deadline."""
        for name, owed in before.items():
            if owed.alarm is None:
                continue
            now = self._owed.get(name)
            if now is not None and self._clock(now).deadline == owed.alarm.clock.deadline:
                now.alarm = owed.alarm
                continue
            owed.alarm.end(known_at, by)

    def _meet(self, number: int) -> None:
        """Note which missed deadlines count as met, or as owed by nobody, by an event that was entered afterwards."""
        self._note_met([run for run in self.runs.all() if run.ended_by == number], number)

    def _meet_from_before(self, number: int) -> None:
        """Note which missed deadlines count as met since a correction of the receipt: by what was too long before the report."""
        self._note_met([run for run in self.runs.all() if run.start is Happening.REPORT_RECEIVED], number)

    def _note_met(self, runs: Sequence[Run], number: int) -> None:
        for run in runs:
            for alarm in self.alarms.values():
                clock = alarm.clock
                in_time = run.ended_at is not None and run.ended_at <= clock.due_at
                if in_time and alarm.met_by is None and _is_run_of(run, clock):
                    alarm.met_by = number

    def _note(self, event: Recorded) -> None:
        """Note what is recorded of an alarm."""
        body = event.body
        if not isinstance(body, DeadlineMissed | Escalated | EscalationAnswered) or event.action is None:
            return
        deadline = Deadline(body.clock, body.subject, body.due_at)
        for owed in self._owed.values():  # whoever recorded it was less patient
            if owed.alarm is None and (owed.run.rule.name, owed.run.subject) == (body.clock, body.subject):
                clock = self._clock(owed)
                if clock.deadline == deadline and clock.due_at <= self._known_at:
                    self._ring(owed, clock)
        alarm = self.alarms.get(deadline)
        if alarm is None:
            return
        if isinstance(body, EscalationAnswered):
            alarm.answer(level_of(self.runs.case, event.action.actor), self._known_at, event.originator_version)
        else:
            alarm.recorded_by.append(event.originator_version)

    def _leavings(self) -> list[datetime]:
        """When the registry says something of whoever holds the case."""
        if not self._departures:
            return []
        some = self._departures.get(self.runs.case.facts.holder or "", ())
        return [at for one in some for at in (one.known_at, one.back_at) if at is not None]


def _is_run_of(run: Run, clock: Clock) -> bool:
    """Whether a clock is the same run, also where it began with the report, and the receipt was corrected since."""
    if (clock.name, clock.subject) != (run.rule.name, run.subject):
        return False
    of_report = run.start is Happening.REPORT_RECEIVED and clock.started_by == run.started_by
    return of_report or clock.started_at == run.started_at
