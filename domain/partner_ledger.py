"""What a partner agency is to a case, what it sent into it or was asked for, and what has become of that.

A partner sees the cases that it is part of, by reference numbers, codes and times: nothing sealed, no person, and of what
another partner was asked nothing at all. Of the clocks of a case it sees those of its own request; those of the report
where it reported it; and others once they are missed and the policy says that the partners are told.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from casetrail.domain.case import Case, Concern, Facts
from casetrail.domain.clocks import Clock, ClockState
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.happenings import Happening
from casetrail.domain.policy import Level, Owes
from casetrail.domain.referral import RUNNING


class Part(StrEnum):
    """What an agency is to a case."""

    REPORTED = "reported"  # it submitted the report
    ASKED = "asked"  # a referral asks it for a service
    ASKING = "asking"  # its referral asks another agency, or the responsible one to assist
    CONCERNED = "concerned"  # it raised a concern


class RequestState(StrEnum):
    """How a report or a concern stands. A referral has its own states (``ReferralState``)."""

    OPEN = "open"
    ANSWERED = "answered"  # a concern, by the unit
    CLOSED = "closed"  # a concern, by those who raised it or oversight; a report, when its case is not open


class Entry(NamedTuple):
    """Something between an agency and a case. ``subject``: the number of the report, or the id of the referral or concern.

    ``sent_at`` is when it was sent, ``answered_at`` when a referral or a concern was first answered. UTC. ``is_open``: its
    answer is still to come.
    """

    agency: str
    part: Part
    subject: str
    sent_at: datetime
    state: str
    answered_at: datetime | None
    is_open: bool


class Wait(NamedTuple):
    """A clock that somebody owes, as a partner sees it. ``owed_by`` is an agency: which person is the unit's business."""

    clock: str
    subject: str | None
    state: ClockState
    owed_by: str
    started_at: datetime
    due_at: datetime
    is_overdue: bool


class Standing(NamedTuple):
    """An entry, and what has become of it.

    ``about``: the service that is asked for, or what the concern is about. ``answer``: the code of its answer.
    ``acknowledged_at``: when it was answered; a report: when the unit first did anything with it. ``last_act`` is the
    last investigative act of the unit, ``acts_since`` how many there were after it was sent. ``waits``: the clocks that
    somebody owes: its own first, then those of the case; of each the most urgent first.
    """

    entry: Entry
    about: str | None
    acknowledged_at: datetime | None
    answer: str | None
    stage: str
    last_act: str | None
    last_act_at: datetime | None
    acts_since: int
    waits: tuple[Wait, ...]

    @property
    def is_overdue(self) -> bool:
        """Whether something that is owed should have been done by now."""
        return any(one.is_overdue for one in self.waits)


HANDLED: Final = frozenset(
    {
        Happening.SCREENED_IN, Happening.SCREENED_OUT, Happening.ASSIGNED, Happening.ACKNOWLEDGED,
        Happening.CONTACT_ATTEMPTED, Happening.FAMILY_CONTACT, Happening.VICTIM_CONTACT, Happening.INVESTIGATIVE_STEP,
        Happening.REVIEWED, Happening.REFERRAL_MADE, Happening.SUSPENDED, Happening.CLOSURE_REQUESTED, Happening.CONCERN_ANSWERED,
    }
)  # fmt: skip
"""What shows that the unit has seen a report, where the responsible agency has it recorded."""
ACTS: Final = (
    Happening.VICTIM_CONTACT, Happening.INVESTIGATIVE_STEP, Happening.FAMILY_CONTACT, Happening.CONTACT_ATTEMPTED
)  # fmt: skip


def entries(case: Case) -> Iterator[Entry]:
    """All that is between a case and other agencies than the one that is responsible for it."""
    facts = case.facts
    if facts.received_at is None:
        return
    for one in _all(case, facts, facts.received_at):
        if one.agency and one.agency != facts.agency:
            yield one


def _all(case: Case, facts: Facts, received_at: datetime) -> Iterator[Entry]:
    state = RequestState.OPEN if case.is_open else RequestState.CLOSED
    yield Entry(facts.reported_in, Part.REPORTED, facts.report_number, received_at, state, None, case.is_open)
    for name, it in facts.referrals.items():
        rest = name, it.made_at, it.state.value, it.answered_at, it.state in RUNNING
        yield Entry(it.to_agency, Part.ASKED, *rest)
        yield Entry(it.from_agency, Part.ASKING, *rest)
    for name, concern in facts.concerns.items():
        state = state_of(concern)
        is_open = state is RequestState.OPEN
        yield Entry(concern.agency, Part.CONCERNED, name, concern.raised_at, state, concern.answered_at, is_open)


def state_of(concern: Concern) -> RequestState:
    """How a concern stands. An answer does not close it."""
    if concern.closed_at is not None:
        return RequestState.CLOSED
    return RequestState.OPEN if concern.answered_at is None else RequestState.ANSWERED


def standings(history: History, clocks: Iterable[Clock], agency: str, now: datetime) -> list[Standing]:
    """All that is between a case and an agency, as it stands ``now``. ``clocks``: all of the case."""
    owed = [one for one in clocks if one.is_owed]
    return [_standing(history, owed, one, now) for one in entries(history.case) if one.agency == agency]


def _standing(history: History, owed: Iterable[Clock], entry: Entry, now: datetime) -> Standing:
    case = history.case
    acts = [step for step in history.steps if step.is_act or step.is_beforehand]
    last = max(acts, key=lambda step: step.at, default=None)
    waits = [_wait(case.facts, one) for one in owed if _is_seen(one, entry, now)]
    own = _own(history, entry)
    return Standing(
        entry,
        _code(own, "service", "about"),
        _handled_at(history) if entry.part is Part.REPORTED else entry.answered_at,
        _code(own, "answer", "reason"),
        case.status.value,
        last and next(one.value for one in ACTS if one in last.what),
        last and last.at,
        sum(step.at >= entry.sent_at for step in acts),
        tuple(sorted(waits, key=lambda one: (one.subject is None, one.due_at, one.clock))),
    )


def _is_seen(clock: Clock, entry: Entry, now: datetime) -> bool:
    """Whether the agency sees a clock by this entry."""
    if clock.subject is not None:
        is_concern = Happening.CONCERN_RAISED in clock.rule.start
        return clock.subject == entry.subject and is_concern is (entry.part is Part.CONCERNED)
    if entry.part is Part.REPORTED:
        return True
    return clock.is_overdue and any(level is Level.PARTNERS and at <= now for level, at in clock.tells())


def _wait(facts: Facts, clock: Clock) -> Wait:
    owed_by = clock.owed_by if clock.rule.owed_by is Owes.PARTNER else facts.agency
    return Wait(clock.name, clock.subject, clock.state, owed_by, clock.started_at, clock.due_at, clock.is_overdue)


def _own(history: History, entry: Entry) -> list[Step]:
    """The events about the referral or concern of an entry."""
    field = {Part.ASKED: "referral", Part.ASKING: "referral", Part.CONCERNED: "concern"}.get(entry.part)
    return [step for step in history.steps if field and vars(step.body).get(field) == entry.subject]


def _code(steps: Iterable[Step], *names: str) -> str | None:
    """The last code that one of these events has under one of these names."""
    found = [vars(step.body)[name] for step in steps for name in names if vars(step.body).get(name)]
    return str(found[-1]) if found else None


def _handled_at(history: History) -> datetime | None:
    """When the responsible agency first had anything recorded of a report."""
    responsible = history.case.facts.agency
    found = (one.at for one in history.steps if one.action.actor.agency == responsible and HANDLED & one.what)
    return min(found, default=None)
