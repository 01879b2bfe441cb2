"""Weeks of work on one case: its holder acts, and others do what is due meanwhile: reviews, handovers, extensions."""

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Final

from casetrail.demo.telling import DAY, HOUR, Report, Telling, step
from casetrail.demo.unit import Unit
from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Acknowledged, Reassigned
from casetrail.domain.codes import (
    SEXUAL_OFFENCES,
    ContactFailure,
    ContactMethod,
    ExtensionReason,
    HandoverReason,
    Offence,
    ResumptionReason,
    ReviewResult,
    Step,
    SuspensionReason,
)
from casetrail.domain.contact import VictimContactAttempted, VictimContactMade
from casetrail.domain.extension import DecisionExtended
from casetrail.domain.investigation import SupervisorReviewed
from casetrail.domain.suspension import Resumed, Suspended

LONGEST_PAUSE: Final = 12.5 * DAY
"""The unit's policy wants an act in two weeks, and who has days off goes by the list of what is due."""
ROUTINE: Final = (Step.WITNESS_INTERVIEWED, Step.RECORDS_REQUESTED, Step.SCENE_VISITED, Step.EVIDENCE_COLLECTED,
                  Step.RECORDS_RECEIVED, Step.TEAM_REVIEW_HELD, Step.WITNESS_INTERVIEWED, Step.EVIDENCE_ANALYSED)  # fmt: skip
WAITS: Final = {
    SuspensionReason.AWAITING_LAB: ExtensionReason.AWAITING_LAB,
    SuspensionReason.AWAITING_RECORDS: ExtensionReason.AWAITING_RECORDS,
    SuspensionReason.VICTIM_NOT_READY: ExtensionReason.VICTIM_NOT_READY,
}


class Working:
    """One case that is worked: its holder, the last investigative act, and what is still to be done."""

    def __init__(self, report: Report, unit: Unit, chance: Random) -> None:
        self.report, self.unit, self.chance, self.hours = report, unit, chance, unit.hours
        self.telling = Telling(report, chance)
        self.is_sexual = report.offence in SEXUAL_OFFENCES
        self.is_serious = self.is_sexual or report.offence is Offence.AGGRAVATED_ASSAULT
        self.limit = (120 if self.is_sexual else 45) * DAY
        self.at = self.acted_at = self.contact_at = self.reviewed_at = self.acknowledged_at = report.at
        """When anything was last done; when the holder last acted, spoke with the family, was reviewed, took the case on."""
        self.todo: list[Callable[[datetime], Body]] = []
        """What an investigation like this one still needs, in its order."""
        self.is_met = False
        """Whether the child was ever spoken with."""

    def _hold(self, holder: Actor) -> None:
        self.holder, self.hands_over_at = holder, self.unit.hands_over_at(holder)

    def _next(self) -> Callable[[datetime], Body]:
        """What is done next: the family is kept informed, and there is always something to look into."""
        if self.at - self.contact_at > 20 * DAY:
            return self._reach
        return self.todo.pop(0) if self.todo else self._another()

    def _another(self) -> Callable[[datetime], Body]:
        kind = self.chance.choice(ROUTINE)
        return lambda _: step(kind)

    def _reach(self, at: datetime) -> Body:
        """Trying until the family is reached."""
        if self.chance.random() < 0.35 and at < self.report.at + 9 * DAY:
            self.todo.insert(0, self._reach)
            return VictimContactAttempted(ContactMethod.PHONE, ContactFailure.NO_ANSWER)
        self.contact_at = at
        return VictimContactMade(self._method())

    def _method(self) -> ContactMethod:
        """Somebody goes to a child in danger, and hears a child before its caregiver is only called."""
        usual = self.chance.choice((ContactMethod.IN_PERSON, ContactMethod.IN_PERSON, ContactMethod.THROUGH_CAREGIVER,
                                    ContactMethod.PHONE))  # fmt: skip
        in_person = self.report.in_danger or (not self.is_met and usual is ContactMethod.THROUGH_CAREGIVER)
        self.is_met = True
        return ContactMethod.IN_PERSON if in_person else usual

    def _act(self, what: Callable[[datetime], Body]) -> None:
        early = what == self._reach and self.at < self.report.at + 9 * DAY
        gap = self.chance.uniform(0.3, 3) if early else self.chance.triangular(2, 11, 5.5)
        at = self._turn(self.at + gap * DAY)
        body = what(at)
        self.telling.work(at, self.holder, body)
        self.at = self.acted_at = at

    def _turn(self, at: datetime) -> datetime:
        """When the holder is at work around a moment. Before, what is due by then is done by others: reviews, handovers."""
        found = self.hours.works_before_or_after(self.chance, self.holder.id, at, self.at + HOUR)
        if found > self.acted_at + LONGEST_PAUSE:
            earlier = self.hours.last_before(self.chance, self.holder.id, self.acted_at + LONGEST_PAUSE, self.at + HOUR)
            found = earlier or found
        while self.hands_over_at is not None and found >= self.hands_over_at:
            self._hand_over(max(self.hands_over_at, self.at + HOUR / 2))
            found = self.hours.works(self.chance, self.holder.id, max(at, self.acknowledged_at))
        self._reviews(found)
        self._extend(found)
        return found

    def _hand_over(self, at: datetime) -> None:
        before = self.holder
        self.unit.hold(before, at)
        self._hold(self.unit.assign(at, before))
        body = Reassigned(self.holder.id, HandoverReason.LEFT_AGENCY)
        self.telling.say(at, self.unit.sergeant(at, before), body)
        self.acknowledged_at = self.hours.works(self.chance, self.holder.id, at, 6)
        self.telling.say(self.acknowledged_at, self.holder, Acknowledged())

    def _reviews(self, until: datetime) -> None:
        while (due := self.reviewed_at + self.chance.uniform(24, 28) * DAY) < until:
            at = self.hours.after(due, self.chance.uniform(0.1, 6))
            if at >= until:
                return
            result = self.chance.choice((ReviewResult.CONTINUE, ReviewResult.CONTINUE, ReviewResult.STEPS_DIRECTED))
            self.telling.say(at, self.unit.sergeant(at, self.holder), SupervisorReviewed(result))
            self.reviewed_at = at

    def _extend(self, until: datetime, reason: ExtensionReason = ExtensionReason.NEW_INFORMATION) -> None:
        """What takes longer than the law allows is extended in time, for good cause."""
        while until > self.report.at + self.limit - 3 * DAY:
            at = self.hours.after(self.report.at + self.limit - self.chance.uniform(4, 8) * DAY, 1)
            self.limit += 30 * DAY
            body = DecisionExtended(min(self.report.at + self.limit, at + 44 * DAY), reason)
            self.telling.say(at, self.unit.sergeant(at, self.holder), body)

    def _wait(self) -> None:
        """Work rests while a laboratory, an office or the child needs time; a sergeant looks at it by the date that was set."""
        reason = self.chance.choice(list(WAITS))
        until = self.at + self.chance.uniform(12, 60) * DAY
        at = self.hours.after(self.at + HOUR, self.chance.uniform(1, 9))
        while at < until:
            review_at = at + self.chance.uniform(21, 30) * DAY
            self._reviews(at)
            self._extend(min(review_at, until), WAITS[reason])
            self.telling.say(at, self.unit.sergeant(at, self.holder), Suspended(reason, review_at))
            at = self.hours.after(review_at - self.chance.uniform(1.5, 4) * DAY, 1)
        self.acted_at = min(until, at)  # until then nobody expects anything
        resumed = self._turn(self.acted_at)
        self.telling.say(resumed, self.holder, Resumed(ResumptionReason.AWAITED_ARRIVED))
        self.at = self.acted_at = resumed
        self._act(self._another())
