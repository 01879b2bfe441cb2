"""When clocks started and stopped in a case: its history, folded by the policies that were in force.

A clock goes by when things happened, not by when they were entered, so entering late gains no time. What is entered late
still finds its place: an act between two others that were known makes two runs of one, and an earlier stop counts. An
act that was done before a clock started does not stop it, unless the report itself started it: who was there before the
report was written has answered it. But an act from longer than 24 hours before the receipt (``receipt.BEFOREHAND``) was
done for something else: it stops no clock, and starts none. What only follows from another happening never comes before
it: an acknowledgement that is said to be older than its assignment stops the clock at its start. And what a partner has
arranged when a clock starts that waits for it need not be arranged again: who was interviewed before the screening was.

What is decided is no such act: there is no decision before somebody can know of it. So it stops clocks, and ends the case,
from when it is recorded; whoever decides in time has ``PATIENCE`` to enter it. What it starts, it starts when it is said
to have been taken: that gains no time.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from casetrail.domain.actions import Action, Body
from casetrail.domain.assignment import Assigned, Reassigned
from casetrail.domain.business_time import FIRST, LAST, Span
from casetrail.domain.case import Case, Recorded
from casetrail.domain.closure import ClosureApproved, ClosureRefused
from casetrail.domain.codes import Level, Service
from casetrail.domain.ended_runs import EndedRuns
from casetrail.domain.escalation import EscalationAnswered, level_of
from casetrail.domain.extension import DecisionExtended
from casetrail.domain.happenings import ABOUT_A_CONCERN, ABOUT_A_REFERRAL, Change, Happened, Happening, bring_on
from casetrail.domain.intake import OffenceAlleged, ReportReceived, ScreenedIn, ScreenedOut
from casetrail.domain.leaving import NOBODY_LEFT, Departures
from casetrail.domain.linking import FactCorrected, Merged
from casetrail.domain.policy import ClockRule, InForce
from casetrail.domain.receipt import CORRECTING, answers, received_at
from casetrail.domain.referral import can_give
from casetrail.domain.stopping import ACTS, WITHDRAWN, Run
from casetrail.domain.suspension import Resumed, Suspended

PATIENCE: Final = timedelta(minutes=10)
"""Whoever does something in time has this long to enter it, before it is taken for missed."""
DECISIONS: Final = frozenset(
    {
        Happening.SCREENED_IN,
        Happening.SCREENED_OUT,
        Happening.EXTENDED,
        Happening.SUSPENDED,
        Happening.RESUMED,
        Happening.CLOSED,
        Happening.CLOSURE_REFUSED,
    }
)
"""What those in charge decide, and what takes effect by being recorded."""
DECIDING: Final = frozenset(
    {
        ScreenedIn, ScreenedOut, Assigned, Reassigned, DecisionExtended, Suspended, Resumed, ClosureApproved,
        ClosureRefused, Merged,
    }
)  # fmt: skip
"""Kinds of body by which anything of that happens, or the case ends; who is assigned a case has screened it in."""
NOTED: Final = CORRECTING | {EscalationAnswered}
HANDING_OVER: Final = frozenset({Assigned, Reassigned})
STATING: Final = frozenset({Suspended, DecisionExtended})
"""Kinds of body, looked up by their type: it is done for every event."""
NONE: Final[frozenset[Happening]] = frozenset()
ARRANGED: Final = frozenset({Happening.REFERRAL_ACCEPTED, Happening.REFERRAL_COMPLETED})
"""A partner gives a service, or has given it. Until it is withdrawn or declined after all, that holds."""
UNDONE: Final = frozenset({Happening.SUSPENDED, Happening.CLOSURE_REQUESTED})
"""What is no longer so in a case that is reopened."""


class Alleged(NamedTuple):
    """What is alleged, by the report or by a correction of it: event ``number``, ``since`` when it was recorded (UTC)."""

    offences: tuple[OffenceAlleged, ...]
    immediate_danger: bool
    since: datetime
    number: int


class Runs:
    """The runs of a case's clocks, folded event by event; with the case, and the spans in which it was suspended."""

    def __init__(
        self, case_id: str, policies: InForce, departures: Departures = NOBODY_LEFT, case: Case | None = None
    ) -> None:
        """``case``: one that somebody else brings on, and tells ``take`` of what that changed."""
        self.case = Case.unreported(case_id) if case is None else case
        self.offences: tuple[OffenceAlleged, ...] = ()
        self.alleged: list[Alleged] = []
        """What was alleged at first, and as it was corrected."""
        self.suspended: list[Span] = []
        self.holder_left = False
        self.answers: dict[tuple[str, str | None, datetime], list[tuple[Level, datetime]]] = {}
        """What was answered for each missed deadline (clock, subject, due time): at which level, and when that was recorded."""
        self._policies = policies
        self._departures = departures
        self._noted: set[tuple[str, datetime, Happening]] = set()
        self._running: dict[tuple[str, str | None], Run] = {}
        self._ended = EndedRuns()
        self._ends: dict[tuple[str, str | None], datetime] = {}
        self._last_end = FIRST
        self.received_at = FIRST
        """When the report was received, as it was folded."""
        self._merged: tuple[datetime, int] | None = None
        self._arranged: dict[tuple[str | None, Happening], tuple[Happened, datetime, int]] = {}
        """What partners have accepted or done since the case began, by referral: when, and by which event."""

    def all(self) -> list[Run]:
        """Every run, those that go on last. While the case is merged, only what is owed for referrals and concerns does."""
        if self._merged is None:
            return [*self._ended.all, *self._running.values()]
        at, number = self._merged
        found = [run if run.rule.has_subject else replace(run) for run in self._running.values()]
        for run in found:
            if not run.rule.has_subject:
                run.end(at, number, False, self.case.facts.holder)
        return [*self._ended.all, *found]

    def running(self) -> Iterable[Run]:
        """The runs that go on."""
        return [run for run in self._running.values() if self._merged is None or run.rule.has_subject]

    def follow(self, event: Recorded, happened_at: datetime | None = None) -> None:
        """Fold the next event of the case. ``happened_at``: when it happened, where that was corrected later on."""
        at = happened_at or (event.timestamp if event.action is None else event.action.occurred_at)
        self.leave(at)
        self.take(event, bring_on(self.case, event), at)

    def take(self, event: Recorded, change: Change | None, at: datetime) -> None:
        """Fold what the event has changed in the case, which is brought on already; it happened ``at`` that moment."""
        action = event.action
        if action is None or change is None:
            return
        case, body, before, found = self.case, event.body, change.before, change.found
        kind = type(body)
        if kind in NOTED:
            self._note_body(event, action, at)
        if before.holder != case.facts.holder or kind in HANDING_OVER:
            self.holder_left = False
        number = event.originator_version
        decided_at = _decided_at(event, action, at) if kind in DECIDING else at
        if self._running or at < self._last_end:
            self._stop_and_void(found, at, decided_at, number, before.holder)
        self._end_or_begin(change, decided_at, number)
        for one in found:
            if one.service is not None:
                self._arrange(one, at, number)
            others = {other.what for other in found} - {one.what} if len(found) > 1 else NONE
            self._start(one, others, at, number, _stated(body) if kind in STATING else None)
        if self.suspended or kind is Suspended:
            self._suspend(event, action, at)

    def _note_body(self, event: Recorded, action: Action, at: datetime) -> None:
        """Note the offences that are alleged now, or an answer for a missed deadline."""
        body = event.body
        if isinstance(body, ReportReceived | FactCorrected):
            if isinstance(body, ReportReceived):
                self.received_at = at
            self.offences = body.offences or self.offences
            self._allege(event, action, at)
        elif isinstance(body, EscalationAnswered):
            answer = level_of(self.case, action.actor), event.timestamp
            self.answers.setdefault((body.clock, body.subject, body.due_at), []).append(answer)

    def _allege(self, event: Recorded, action: Action, at: datetime) -> None:
        danger, since = self.case.facts.immediate_danger, event.timestamp if action.imported is None else at
        if not self.alleged or self.alleged[-1][:2] != (self.offences, danger):
            self.alleged.append(Alleged(self.offences, danger, since, event.originator_version))

    def leave(self, until: datetime) -> None:
        """Note what the registry says of the holder up to a moment: gone from the unit, or back in it."""
        facts = self.case.facts
        if not self._departures or facts.holder is None or facts.assigned_at is None or not self.case.is_open:
            return
        for one in self._departures.get(facts.holder, ()):
            if one.is_from(facts.unit, facts.assigned_at):
                self._note(Happening.HOLDER_LEFT, max(one.at, facts.assigned_at), until)
                self._note(Happening.HOLDER_BACK, one.back_at or LAST, until)

    def _note(self, what: Happening, at: datetime, until: datetime) -> None:
        key = (self.case.facts.holder or "", at, what)
        if at > until or key in self._noted:
            return
        self._noted.add(key)
        self.holder_left = what is Happening.HOLDER_LEFT
        self._stop(Happened(what), at, None, self.case.facts.holder)
        self._void(Happened(what), at, None, self.case.facts.holder)
        self._start(Happened(what), NONE, at, None, None)

    # --- starting and stopping ---

    def _stop_and_void(
        self, found: Sequence[Happened], at: datetime, decided_at: datetime, number: int, holder: str | None
    ) -> None:
        for one in found:
            self._stop(one, decided_at if one.what in DECISIONS else at, number, holder)
        for one in found:
            self._void(one, at, number, holder)

    def _stop(self, one: Happened, at: datetime, number: int | None, holder: str | None) -> None:
        what = one.what
        by_partner = one.partner is None or self._is_of_a_partner(one)
        stopped = [
            key
            for key, run in self._running.items()
            if what in run.rule.stop
            and run.stops(one)
            and run.may_be_stopped(what, at)
            and (by_partner or run.subject is not None)
        ]
        for key in stopped:
            self._end(key, at, number, True, holder)
        if at < self._last_end:
            for run in self._ended.may_end_at(at):
                is_begun_by_it = number is not None and run.started_by == number
                counts = (by_partner or run.subject is not None) and not is_begun_by_it
                if (
                    counts
                    and (run.rule.name, run.subject) not in stopped
                    and run.stops(one)
                    and run.lasted(one.what, at)
                ):
                    self._enter_late(run, one.what, at, number)

    def _is_of_a_partner(self, one: Happened) -> bool:
        """Whether what became of a referral counts for the case: by another agency, of those that the registry knows.

        Where it knows none, each is taken at its word. Only a prosecutor charges, and a school interviews nobody.
        """
        known = self._policies.agencies
        if one.partner == self.case.facts.agency or not known:
            return one.partner != self.case.facts.agency
        kind = known.get(one.partner or "")
        service = Service.PROSECUTOR if one.what is Happening.CHARGED else one.service
        return kind is not None and can_give(kind, service)

    def _enter_late(self, run: Run, what: Happening, at: datetime, number: int | None) -> None:
        """Let a run that has ended be stopped earlier, by what was entered only now; what goes on from there is a new run."""
        rest = replace(run, start=what, started_at=at, started_by=number)
        run.end(at, number, True, run.holder)
        if what in run.rule.start:
            self._ended.add(rest)

    def _end(
        self, key: tuple[str, str | None], at: datetime, number: int | None, met: bool, holder: str | None
    ) -> None:
        run = self._running.pop(key)
        run.end(at, number, met, holder)
        self._ended.add(run)
        ended_at = at if at > run.started_at else run.started_at
        before = self._ends.get(key)
        if before is None or before < ended_at:
            self._ends[key] = ended_at
            if self._last_end < ended_at:
                self._last_end = ended_at

    def _void(self, one: Happened, at: datetime, number: int | None, holder: str | None) -> None:
        what, withdrawn = one.what, one.what in WITHDRAWN
        voided = [key for key, run in self._running.items() if (withdrawn or what in run.rule.void) and run.voids(one)]
        for key in voided:
            self._end(key, at, number, False, holder)

    def _end_or_begin(self, change: Change, at: datetime, number: int) -> None:
        """Note where the case is merged, or has ended by a decision that counts from a moment; or goes on again."""
        before = change.before
        if self.case.facts.merged_into is not None:
            self._merged = self._merged or (at, number)
        elif self._merged is not None:
            self._undo_merger(*self._merged, before.holder)
            self._merged = None
        elif before.is_open and not change.is_open:
            self._end_of_case(at, number, before.holder)
        elif change.is_open and not before.is_open:  # what is reopened is owed anew
            self._arranged.clear()

    def _end_of_case(self, at: datetime, number: int, holder: str | None) -> None:
        """When a case ends, what is owed to a partner goes on."""
        for key, run in list(self._running.items()):
            if not run.rule.has_subject:
                self._end(key, at, number, False, holder)

    def _undo_merger(self, at: datetime, number: int, holder: str | None) -> None:
        """What was owed before a merger is owed as it was. What a reopened case does not go on with has ended with it."""
        undone = [key for key, run in self._running.items() if run.start in UNDONE and not run.rule.has_subject]
        for key in undone:
            self._end(key, at, number, False, holder)
        self._void(Happened(Happening.RELEASED), at, number, holder)

    def _arrange(self, one: Happened, at: datetime, number: int) -> None:
        """Note that a partner has accepted or done what it was asked for; or that it will not be done after all."""
        if one.what in ARRANGED:
            self._arranged[one.subject, one.what] = one, at, number
        else:
            self._arranged.pop((one.subject, Happening.REFERRAL_ACCEPTED), None)

    def _meet(self, key: tuple[str, str | None]) -> None:
        """Meet a clock that only starts now with the service for which it waits, if a partner gives that already."""
        for one, at, number in self._arranged.values():
            if self._running[key].stops(one) and self._is_of_a_partner(one):
                self._end(key, at, number, True, self.case.facts.holder)
                return

    def _start(
        self, one: Happened, others: Set[Happening], at: datetime, number: int | None, stated: datetime | None
    ) -> None:
        """Start what a happening starts, unless one of the ``others`` of the same event stops it at once, and for good."""
        what = one.what
        rules = self._policies.of(self.case.facts.agency).at(at).starting[what]
        if not rules:
            return
        about = what in ABOUT_A_REFERRAL or what in ABOUT_A_CONCERN
        if not (about or self.case.is_open):
            return
        subject = one.subject if about else None
        for rule in rules:
            unfit = about and ((rule.service or one.service) is not one.service or (rule.acute and not one.acute))
            key = rule.name, subject
            if unfit or key in self._running or (others and _end_at_once(others, rule)):
                continue
            ended_at = self._ends.get(key, at)
            # an act from before the end has its place already; one from long before the report has none
            if what not in ACTS or (at >= ended_at and answers(at, self.received_at)):
                self._running[key] = Run(rule, subject, what, at if at > ended_at else ended_at, number, stated)
                if self._arranged and rule.service is not None and one.service is None:
                    self._meet(key)

    # --- pauses ---

    def _suspend(self, event: Recorded, action: Action, at: datetime) -> None:
        """A suspension counts from when it is recorded (nobody can pause the past), and to its review date at most."""
        body = action.body
        if isinstance(body, Suspended):
            begins = at if action.imported is not None else max(at, event.timestamp)
            self._resume(begins)
            if self.suspended:
                begins = max(begins, self.suspended[-1][1])
            if body.review_at > begins:
                self.suspended.append((begins, body.review_at))
        elif self.case.facts.suspended_until is None:
            self._resume(at)

    def _resume(self, at: datetime) -> None:
        if self.suspended and self.suspended[-1][1] > at:
            begins, _ = self.suspended.pop()
            if at > begins:
                self.suspended.append((begins, at))


def fold(
    case_id: str, events: Iterable[Recorded], policies: InForce, now: datetime, departures: Departures = NOBODY_LEFT
) -> Runs:
    """The runs of a case's clocks, from all of its events in their order, and from the departures up to ``now``."""
    history = list(events)
    known = received_at(history)
    runs = Runs(case_id, policies, departures)
    for event in history:
        runs.follow(event, known if isinstance(event.body, ReportReceived) else None)
    runs.leave(now)
    return runs


def _end_at_once(others: Set[Happening], rule: ClockRule) -> bool:
    """Whether what happened besides stops a clock, and does not make it begin anew."""
    return any(one in rule.stop and one not in rule.start for one in others)


def _decided_at(event: Recorded, action: Action, at: datetime) -> datetime:
    """From when a decision counts that is said to have been taken at a moment."""
    return at if action.imported is not None else max(at, event.timestamp - PATIENCE)


def _stated(body: Body) -> datetime | None:
    """The date that an event states itself."""
    if isinstance(body, Suspended):
        return body.review_at
    return body.until if isinstance(body, DecisionExtended) else None
