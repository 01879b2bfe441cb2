"""The case: what is known of a report at any point of its history.

A ``Case`` is an ``eventsourcing`` aggregate that is folded from its events, all of them of one class, ``Recorded``: the
action that was submitted and the body that was decided for it (the action's own when it was accepted). ``deciding``
makes new events; the bodies in the files named below change the state. A case's life in order:

    received ─▶ screened out                        (intake)
        └─▶ unassigned ─▶ assigned ─▶ investigating (intake, assignment)
                │ contact, referral, investigation: facts that may come at any time while the case is open
                ├─▶ suspended ─▶ …                  (suspension)
                ├─▶ closure requested ─▶ closed     (closure; two people)
                └─▶ merged                          (linking)
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from eventsourcing.domain import BaseAggregate, CanMutateAggregate

from casetrail.domain.actions import Action, ActionRejected, Body, SubmissionUnreadable, Unaccepted
from casetrail.domain.codes import (
    SEXUAL_OFFENCES,
    Channel,
    Clearance,
    Disposition,
    Level,
    Offence,
    ReporterKind,
    Service,
)
from casetrail.domain.registry_facts import RegistryFacts
from casetrail.domain.status import OPEN, Status
from casetrail.domain.values import EPOCH

UNACCEPTED: Final = frozenset(kind.__name__ for kind in (ActionRejected, SubmissionUnreadable))


class ReferralState(StrEnum):
    """How far a referral has come."""

    MADE = "made"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


@dataclass
class Referral:
    """A partner agency was asked for a service."""

    service: Service
    from_agency: str
    to_agency: str
    acute: bool
    made_at: datetime
    state: ReferralState = ReferralState.MADE
    answered_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass
class Concern:
    """A partner said that something is not being followed through."""

    agency: str
    raised_at: datetime
    answered_at: datetime | None = None
    closed_at: datetime | None = None


@dataclass
class MissedDeadline:
    """A deadline that was missed, by the record: who has been told of it, and when somebody answered last.

    ``answered``: the highest level at which somebody has answered.
    """

    clock: str
    subject: str | None
    due_at: datetime
    told: tuple[Level, ...] = ()
    answered_at: datetime | None = None
    answered: Level | None = None


@dataclass(frozen=True)
class ClosureRequest:
    """Somebody asked for the case to be closed. ``holder`` is who held it then."""

    asked_by: str
    asked_at: datetime
    holder: str | None
    disposition: Disposition
    clearance: Clearance


@dataclass
class Facts:
    """All that is folded from a case's accepted events. Times are ``occurred_at`` unless they say otherwise."""

    received_at: datetime | None = None
    report_number: str = ""
    agency: str = ""
    unit: str = ""
    channel: Channel | None = None
    reporter_kind: ReporterKind | None = None
    offences: tuple[Offence, ...] = ()
    immediate_danger: bool = False
    reported_in: str = ""  # the agency that submitted the report

    screened_in: bool | None = None
    screened_at: datetime | None = None

    holder: str | None = None
    assigned_at: datetime | None = None
    acknowledged_at: datetime | None = None
    free_since: datetime | None = None  # since when nobody has held the case
    handovers: int = 0

    contact_attempts: int = 0
    contacts: int = 0
    first_contact_at: datetime | None = None
    last_contact_at: datetime | None = None

    steps: int = 0
    suspects_identified: int = 0
    suspects_interviewed: int = 0
    first_act_at: datetime | None = None
    last_act_at: datetime | None = None
    reviewed_at: datetime | None = None

    suspended_until: datetime | None = None
    suspensions: int = 0

    closure: ClosureRequest | None = None
    closed_at: datetime | None = None
    disposition: Disposition | None = None
    clearance: Clearance | None = None
    reopenings: int = 0

    merged_into: str | None = None
    links: tuple[str, ...] = ()

    referrals: dict[str, Referral] = field(default_factory=dict)
    concerns: dict[str, Concern] = field(default_factory=dict)
    deadlines: dict[str, MissedDeadline] = field(default_factory=dict)  # missed ones; see ``escalation.deadline_key``

    registry: RegistryFacts | None = None  # only in the history of the registry itself

    imported: bool = False  # some events were imported
    live: bool = False  # some events were not


class Case(BaseAggregate[str]):
    """One case, folded from its events. Make one with ``Case.unreported``, then let ``mutate`` and ``record`` grow it.

    ``version`` is the number of the last event (1, 2, 3, …; 0 before the first).
    """

    facts: Facts
    numbers: dict[bytes, int]
    """Which event answers which action id."""
    kinds: list[str]
    """The kind of each event by number (the first is at index 0): ``Assigned``, ``ActionRejected``, …"""
    last_occurred_at: datetime | None

    @classmethod
    def unreported(cls, case_id: str) -> "Case":
        """A case of which the log holds nothing yet."""
        case = cls.__new__(cls)
        case.__base_init__(case_id, 0, EPOCH)
        case.facts = Facts()
        case.numbers = {}
        case.kinds = []
        case.last_occurred_at = None
        return case

    @property
    def status(self) -> Status:
        """Where the case stands, from its facts."""
        facts = self.facts
        if facts.merged_into is not None:
            return Status.MERGED
        if facts.closed_at is not None:
            return Status.CLOSED
        if facts.received_at is None:
            return Status.UNREPORTED
        if facts.screened_in is None:
            return Status.RECEIVED
        if not facts.screened_in:
            return Status.SCREENED_OUT
        if facts.closure is not None:
            return Status.CLOSURE_REQUESTED
        if facts.suspended_until is not None:
            return Status.SUSPENDED
        if facts.holder is None:
            return Status.UNASSIGNED
        return Status.ASSIGNED if facts.acknowledged_at is None else Status.INVESTIGATING

    @property
    def is_open(self) -> bool:
        """Whether somebody owes something."""
        return self.status in OPEN

    @property
    def alleges_sexual_abuse(self) -> bool:
        """Whether an offence of the report is a sexual one (RSMo 210.183 gives such a case 120 days)."""
        return not SEXUAL_OFFENCES.isdisjoint(self.facts.offences)

    def is_fact(self, number: int | None) -> bool:
        """Whether event ``number`` of this case is an accepted fact (not a rejected or unreadable submission)."""
        return number is not None and 1 <= number <= len(self.kinds) and self.kinds[number - 1] not in UNACCEPTED

    def fold(self, number: int, recorded_at: datetime, action: Action | None, body: Body) -> None:
        """Bring the case on by its event ``number``, which must be the next one: an action and what was decided."""
        self.kinds.append(type(body).__name__)
        self.version, self.modified_on = number, recorded_at
        if action is None:
            return
        self.numbers.setdefault(action.action_id, number)
        if isinstance(body, Unaccepted):  # it stays in the history, and changes nothing
            return
        self.last_occurred_at = action.occurred_at
        if action.imported is None:
            self.facts.live |= body.makes_live
        else:
            self.facts.imported = True
        body.apply(self, action)

    def record(self, action: Action | None, body: Body, recorded_at: datetime) -> None:
        """Add the event that answers an action; ``collect_events`` hands it over. ``recorded_at`` is the log's time."""
        self.trigger_event(Recorded, timestamp=recorded_at, action=action, body=body)


@dataclass(frozen=True)
class Recorded(CanMutateAggregate[str]):
    """An event of a case: an action, and what was decided. ``timestamp`` is the log's append time of the action."""

    originator_id: str
    originator_version: int
    timestamp: datetime
    action: Action | None
    """None where the submission could not be read."""
    body: Body

    def apply(self, aggregate: Case) -> None:
        """Fold this event into the case."""
        aggregate.fold(self.originator_version, self.timestamp, self.action, self.body)


def latest(moments: Iterable[datetime | None]) -> datetime | None:
    """The latest of the moments that are there."""
    found = None
    for moment in moments:
        if moment is not None and (found is None or moment > found):
            found = moment
    return found
