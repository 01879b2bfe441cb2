"""What a case adds to the counts over persons, units and months: one thing after the other, as it was recorded."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from casetrail.domain.actions import Body
from casetrail.domain.answering import FindingAnswered
from casetrail.domain.closure import ClosureRequested
from casetrail.domain.codes import Service
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.escalation import EscalationAnswered
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ScreenedOut
from casetrail.domain.linking import Merged
from casetrail.domain.referral import ReferralWithdrawn
from casetrail.domain.suspension import Suspended

ENDING: Final[Mapping[type[Body], tuple[str, str]]] = {
    ClosureRequested: ("Disposition", "disposition"),
    Suspended: ("SuspensionReason", "reason"),
    ScreenedOut: ("ScreeningReason", "reason"),
    Merged: ("MergeReason", "reason"),
    ReferralWithdrawn: ("ReferralReason", "reason"),
}
"""What lets work end or rest: the vocabulary of the code, and the field that has it."""
SERVICES: Final = frozenset({Service.FORENSIC_INTERVIEW, Service.MEDICAL_EVALUATION})
"""Services without which work on a case rests: that the unit withdraws one counts, and no other withdrawal."""
ANSWERS: Final[frozenset[type[Body]]] = frozenset({EscalationAnswered, FindingAnswered})
QUICK: Final = timedelta(minutes=1)
"""A closure that is approved within this time of being asked for was not read."""


class What(StrEnum):
    """What is counted."""

    GIVEN = "given"  # somebody was given the case
    GONE = "gone"  # somebody no longer held it: handed on, let go, or ended
    APPROVED = "approved"  # somebody approved its closure
    ENDED = "ended"  # somebody let its work end or rest
    ENTERED = "entered"  # somebody entered an act
    ANSWERED = "answered"  # somebody answered a missed deadline or a finding


class Person(NamedTuple):
    """Somebody in a unit; the unit itself where ``id`` is empty."""

    unit: str
    id: str


class Ending(NamedTuple):
    """A way in which work on a case ends or rests: a code, with the name of its vocabulary."""

    vocabulary: str
    code: str


class Group(NamedTuple):
    """What is counted together: the same thing, of the same person, on one day (UTC).

    ``key``: for an approval, who had asked for the closure; for an ending, its vocabulary and code; for an answer, its
    code. ``marked``: approved
    within a minute of the request, or entered late.
    """

    what: What
    person: Person
    day: date
    key: str = ""
    marked: bool = False

    @property
    def ending(self) -> Ending:
        """The ending that the key names."""
        return Ending(*self.key.split(":", 1))


class Counted(NamedTuple):
    """One thing that is counted, and the step that it rests on."""

    group: Group
    step: Step


def counted(history: History, late: Callable[[datetime], timedelta]) -> Iterator[Counted]:
    """All that a case adds. ``late``: how long after it was done an act is entered late, by the policy of a moment."""
    unit = history.case.facts.unit
    holder: str | None = None
    asked: Step | None = None
    for step in history.steps:
        day = step.known_at.date()
        held = step.holder if step.is_open else None
        if held != holder:
            if holder is not None:
                yield Counted(Group(What.GONE, Person(unit, holder), day), step)
            if held is not None:
                yield Counted(Group(What.GIVEN, Person(unit, held), day), step)
            holder = held
        kind = type(step.action.body)
        if kind is ClosureRequested:
            asked = step
        if kind in ENDING and (kind is not ReferralWithdrawn or _breaks_off(history, step)):
            yield _ended(unit, day, step)
        elif Happening.CLOSED in step.what and asked is not None:
            quick = step.known_at - asked.known_at < QUICK and step.action.imported is None
            supervisor = Person(unit, step.action.actor.id)
            yield Counted(Group(What.APPROVED, supervisor, day, asked.action.actor.id, quick), step)
        if kind in ANSWERS:
            yield _answered(unit, day, step)
        if (step.is_act or step.is_beforehand) and step.action.imported is None:
            is_late = step.known_at - step.at > late(step.known_at)
            yield Counted(Group(What.ENTERED, Person(unit, step.action.actor.id), day, "", is_late), step)


def _answered(unit: str, day: date, step: Step) -> Counted:
    body: Any = step.body
    return Counted(Group(What.ANSWERED, Person(unit, step.action.actor.id), day, body.answer.value), step)


def _breaks_off(history: History, step: Step) -> bool:
    """Whether the case's own agency withdraws an interview or an examination."""
    body: Any = step.body
    facts = history.case.facts
    return step.action.actor.agency == facts.agency and facts.referrals[body.referral].service in SERVICES


def _ended(unit: str, day: date, step: Step) -> Counted:
    body: Any = step.body
    vocabulary, field = ENDING[type(body)]
    key = f"{vocabulary}:{getattr(body, field)}"
    return Counted(Group(What.ENDED, Person(unit, step.action.actor.id), day, key), step)
