"""Escalation: a deadline was missed, who was told of it step by step, and what they answered.

An answer ends the telling up to the level of whoever answers, and no further: nobody ends with a word that those above are
told. The watchdog has the first two recorded. They are computed from the events like every clock (``clocks``): what it does not
record was missed all the same. A deadline is named by its clock, the referral or concern that it runs for, and when it
was due.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from casetrail.domain.actions import Action, Actor, Body
from casetrail.domain.case import Case, MissedDeadline
from casetrail.domain.codes import Desk, EscalationAnswer, Level, Role
from casetrail.domain.linking import NO_SUCH_FACT
from casetrail.domain.parties import UNIT
from casetrail.domain.rules import Refused, rule
from casetrail.domain.sealed import SealedField
from casetrail.domain.status import REPORTED
from casetrail.domain.values import EPOCH, Id

DEADLINE_AHEAD: Final = rule(
    "deadline-not-passed", "A deadline is missed, and somebody told of it, once it has passed."
)
DEADLINE_KNOWN: Final = rule("deadline-recorded", "It has been recorded already that this deadline was missed.")
NO_SUCH_DEADLINE: Final = rule(
    "no-such-deadline", "It has not been recorded that this deadline was missed.", binds_imported=True
)
LEVEL_TOLD: Final = rule("level-told", "This level has been told of the missed deadline already.")
ESCALATION_ANSWERED: Final = rule(
    "escalation-answered",
    "Somebody of this level or above has answered for this missed deadline already: only those above are told and answer.",
)
NOT_OWED: Final = rule(
    "agency-does-not-owe", "A partner answers for a referral that was made to it, and no other deadline."
)

MICROSECOND: Final = timedelta(microseconds=1)
RANKS: Final = {level: rank for rank, level in enumerate(Level)}
ANSWERING: Final = {Role.SUPERVISOR: Level.SUPERVISOR, Role.COMMANDER: Level.COMMANDER}
"""At which level somebody in a role answers; everybody else, and whoever holds the case, as the one who owes it."""
DESKS: Final = {Desk.SUPERVISOR: Level.SUPERVISOR, Desk.COMMANDER: Level.COMMANDER}


@dataclass(frozen=True)
class Recipient:
    """Who is told: a person or an agency; or a desk of a unit, where ``desk`` is given. ``str``: ``UNIT/DESK``."""

    id: Id
    desk: Desk | None = None

    def __str__(self) -> str:
        return self.id if self.desk is None else f"{self.id}/{self.desk}"

    @classmethod
    def of(cls, text: str) -> "Recipient":
        """The one that is written so. No id has a slash."""
        name, _, desk = text.partition("/")
        return cls(name, Desk(desk) if desk else None)


@dataclass(frozen=True)
class DeadlineMissed(Body):
    """A deadline passed, and what it was for had not been recorded.

    ``subject``: the referral or concern, where the clock runs for one. ``started_by``: the number of the event that
    started the clock; none where the registry did, because the holder had left. ``due_at`` is UTC.
    """

    clock: Id
    due_at: datetime
    subject: Id | None = None
    started_by: int | None = None

    roles: ClassVar = frozenset({Role.SYSTEM})
    when: ClassVar = REPORTED
    makes_live: ClassVar = False  # a watchdog does not end an import that is under way

    def check(self, case: Case, action: Action) -> None:
        DEADLINE_AHEAD.require(self.due_at <= action.occurred_at, action)
        DEADLINE_KNOWN.require(deadline_key(self.clock, self.subject, self.due_at) not in case.facts.deadlines, action)
        NO_SUCH_FACT.require(self.started_by is None or case.is_fact(self.started_by), action)

    def apply(self, case: Case, action: Action) -> None:
        key = deadline_key(self.clock, self.subject, self.due_at)
        case.facts.deadlines.setdefault(key, MissedDeadline(self.clock, self.subject, self.due_at))


@dataclass(frozen=True)
class Escalated(Body):
    """Nobody has answered for a missed deadline: the next level is told. ``told``: who that is."""

    clock: Id
    due_at: datetime
    level: Level
    told: tuple[Recipient, ...]
    subject: Id | None = None

    roles: ClassVar = frozenset({Role.SYSTEM})
    when: ClassVar = REPORTED
    makes_live: ClassVar = False

    def check(self, case: Case, action: Action) -> None:
        deadline = missed(case, self.clock, self.subject, self.due_at)
        DEADLINE_AHEAD.require(self.due_at <= action.occurred_at, action)
        LEVEL_TOLD.require(self.level not in deadline.told, action)
        ESCALATION_ANSWERED.require(not answers_for(deadline.answered, self.level), action)

    def check_by_1(self, case: Case, action: Action) -> None:
        """Rule set 1: any answer ended the telling."""
        deadline = missed(case, self.clock, self.subject, self.due_at)
        DEADLINE_AHEAD.require(self.due_at <= action.occurred_at, action)
        LEVEL_TOLD.require(self.level not in deadline.told, action)
        ESCALATION_ANSWERED.require(deadline.answered_at is None, action)

    def apply(self, case: Case, action: Action) -> None:
        missed(case, self.clock, self.subject, self.due_at).told += (self.level,)


@dataclass(frozen=True)
class EscalationAnswered(Body):
    """Somebody answers for a missed deadline: up to their level nobody is told of it. What was owed is owed still."""

    clock: Id
    due_at: datetime
    answer: EscalationAnswer
    subject: Id | None = None
    sealed: tuple[SealedField, ...] = ()

    roles: ClassVar = UNIT | {Role.PARTNER}
    when: ClassVar = REPORTED

    def check(self, case: Case, action: Action) -> None:
        deadline = missed(case, self.clock, self.subject, self.due_at)
        ESCALATION_ANSWERED.require(not answers_for(deadline.answered, level_of(case, action.actor)), action)
        self._check_owing(case, action)

    def check_by_1(self, case: Case, action: Action) -> None:
        """Rule set 1: any answer was the last one."""
        deadline = missed(case, self.clock, self.subject, self.due_at)
        ESCALATION_ANSWERED.require(deadline.answered_at is None, action)
        self._check_owing(case, action)

    def _check_owing(self, case: Case, action: Action) -> None:
        if action.actor.role is Role.PARTNER:
            referral = case.facts.referrals.get(self.subject or "")
            NOT_OWED.require(referral is not None and referral.to_agency == action.actor.agency, action)

    def apply(self, case: Case, action: Action) -> None:
        deadline, level = missed(case, self.clock, self.subject, self.due_at), level_of(case, action.actor)
        deadline.answered_at = action.occurred_at
        if not answers_for(deadline.answered, level):
            deadline.answered = level


def owing_level(owed_by: str) -> Level:
    """At which level those stand who owe something (``Clock.owed_by``): a desk at its own, all others as the holder does."""
    desk = Recipient.of(owed_by).desk
    return Level.HOLDER if desk is None else DESKS.get(desk, Level.HOLDER)


def level_of(case: Case, actor: Actor) -> Level:
    """At which level somebody answers: whoever holds the case does so as its holder, in whatever role."""
    return level_beside(case.facts.holder, actor)


def level_beside(holder: str | None, actor: Actor) -> Level:
    """The same, by who holds the case."""
    return Level.HOLDER if actor.id == holder else ANSWERING.get(actor.role, Level.HOLDER)


def is_answer(answered: Level | None, owing: Level) -> bool:
    """Whether somebody above those who owe it has answered; a commander answers for all, having nobody above in the unit."""
    return answered is Level.COMMANDER or (answered is not None and not answers_for(owing, answered))


def answers_for(answered: Level | None, level: Level) -> bool:
    """Whether an answer given at one level (None: there is none) is one for another: its own, or one below."""
    return answered is not None and RANKS[answered] >= RANKS[level]


def highest(levels: Iterable[Level]) -> Level | None:
    """The highest of some levels; None where there is none."""
    return max(levels, key=RANKS.__getitem__, default=None)


def deadline_key(clock: str, subject: str | None, due_at: datetime) -> str:
    """What names a deadline in its case. No id has a slash."""
    return f"{clock}/{subject or ''}/{(due_at - EPOCH) // MICROSECOND}"


def missed(case: Case, clock: str, subject: str | None, due_at: datetime) -> MissedDeadline:
    """A deadline of which it is recorded that it was missed. Raises ``Refused``."""
    deadline = case.facts.deadlines.get(deadline_key(clock, subject, due_at))
    if deadline is None:
        raise Refused(NO_SUCH_DEADLINE)
    return deadline
