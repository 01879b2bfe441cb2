"""A policy: which clocks run in a case and how long, what a person may hold, which codes are withdrawn, who is told.

Each agency adopts its own, and a clock is judged by the policy that was in force when it started. ``policy_file`` reads a
policy from text, ``policy_diff`` says what another one weakens, ``clocks`` judges by it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, NamedTuple

from casetrail.domain.business_time import Span
from casetrail.domain.calendars import Calendar
from casetrail.domain.codes import AgencyKind, Service
from casetrail.domain.codes import Level as Level  # it is recorded, and known from here to all who judge
from casetrail.domain.happenings import ABOUT_A_CONCERN, ABOUT_A_REFERRAL, Happening
from casetrail.domain.values import EPOCH

NO_AGENCIES: Final[Mapping[str, AgencyKind]] = {}
ONE: Final = {"minutes": timedelta(minutes=1), "hours": timedelta(hours=1), "days": timedelta(days=1)}


class Unit(StrEnum):
    """What a limit is counted in."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"


class Limit(NamedTuple):
    """How long a clock may run: so many minutes, hours or days."""

    amount: int
    unit: Unit

    def length(self, calendar: Calendar | None) -> timedelta:
        """The time that counts. A day has 24 hours; on a business calendar it is as long as the office is open on one."""
        if self.unit is Unit.DAYS and calendar is not None:
            return self.amount * calendar.day_length
        return self.amount * ONE[self.unit]

    def __str__(self) -> str:
        return f"{self.amount} {self.unit.removesuffix('s') if self.amount == 1 else self.unit}"


class Condition(StrEnum):
    """A kind of case that a clock, or another limit of it, is for."""

    IMMEDIATE_DANGER = "immediate_danger"
    SEXUAL_ABUSE = "sexual_abuse"
    SEXUAL_OR_SERIOUS_PHYSICAL_ABUSE = "sexual_or_serious_physical_abuse"
    ONLY_EDUCATIONAL_NEGLECT = "only_educational_neglect"


class Owes(StrEnum):
    """Who owes what a clock waits for."""

    HOLDER = "holder"  # while nobody holds the case: the unit's intake desk
    INTAKE = "intake"
    SUPERVISOR = "supervisor"
    COMMANDER = "commander"
    PARTNER = "partner"  # the agency that was asked


class Step(NamedTuple):
    """Who is told, and how long (on the wall clock) after the clock was missed, unless somebody answered by then."""

    level: Level
    after: Limit


@dataclass(frozen=True)
class Escalation:
    """Who is told of a missed clock and when, in the order of ``Level``."""

    name: str
    steps: tuple[Step, ...]
    source: str


@dataclass(frozen=True)
class ClockRule:
    """A clock. It starts when one of ``start`` happens, and stops when one of ``stop`` does; ``void`` makes it pointless.

    A clock that a referral or a concern starts runs for each of them. Any other ends with the case, if not before.
    ``where``: only in such cases. ``instead``: the limit in some kinds of cases, the first that fits. ``calendar``: None
    is the wall clock. ``pausable``: it rests while the case is suspended, up to the review date; ``pauses_once``: only
    during the first suspension, not while that is renewed, nor during later ones. ``stated_date``: what is
    due is due on the date that the starting event names, if that is earlier. ``service`` and ``acute``: only referrals
    for this service, only acute ones. ``source`` says where the limit comes from.
    """

    name: str
    start: tuple[Happening, ...]
    stop: tuple[Happening, ...]
    limit: Limit
    owed_by: Owes
    escalation: Escalation
    source: str
    void: tuple[Happening, ...] = ()
    instead: tuple[tuple[Condition, Limit], ...] = ()
    where: Condition | None = None
    calendar: Calendar | None = None
    pausable: bool = False
    stated_date: bool = False
    service: Service | None = None
    acute: bool = False
    pauses_once: bool = False

    def pauses(self, started_at: datetime, suspended: Sequence[Span]) -> Sequence[Span]:
        """During which of the spans in which a case was suspended it rests, once it has started."""
        if not self.pausable or not suspended:
            return ()
        if not self.pauses_once:
            return suspended
        return [one for one in suspended if one[1] > started_at][:1]

    @cached_property
    def lengths(self) -> Mapping[Limit, timedelta]:
        """The time that counts of each of its limits."""
        return {limit: limit.length(self.calendar) for limit in (self.limit, *(limit for _, limit in self.instead))}

    @cached_property
    def shortest(self) -> timedelta:
        """It never runs out sooner: on a calendar, or with pauses, it takes longer."""
        return min(self.lengths.values())

    @cached_property
    def has_subject(self) -> bool:
        """Whether it runs for each referral or concern, and goes on when the case has ended."""
        return not (ABOUT_A_REFERRAL | ABOUT_A_CONCERN).isdisjoint(self.start)


class Measure(StrEnum):
    """What a limit to a person's workload is about."""

    OPEN_CASES = "open_cases"  # held at the same time
    NEW_CASES_A_MONTH = "new_cases_a_month"
    HANDED_OVER_A_DAY = "handed_over_a_day"  # given to one person on one day


class WorkloadLimit(NamedTuple):
    """The most that one person may have of a measure."""

    measure: Measure
    most: int
    source: str


class Withdrawn(NamedTuple):
    """A code that must not be used from a moment (UTC) on. ``vocabulary``: the name of its vocabulary in ``codes``."""

    vocabulary: str
    code: str
    since: datetime
    source: str


@dataclass(frozen=True)
class Policy:
    """What an agency holds itself to. ``detectors``: settings of each detector by its name, which it checks itself."""

    name: str
    time_zone: str
    clocks: tuple[ClockRule, ...]
    calendars: tuple[Calendar, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    workload: tuple[WorkloadLimit, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()
    detectors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    starting: Mapping[Happening, tuple[ClockRule, ...]] = field(init=False, repr=False, compare=False)
    """The clocks that each happening starts."""

    @cached_property
    def levels(self) -> frozenset[Level]:
        """The levels at which somebody is told of a missed clock."""
        return frozenset(step.level for clock in self.clocks for step in clock.escalation.steps)

    @cached_property
    def withdrawn_from(self) -> frozenset[str]:
        """The vocabularies from which codes are withdrawn."""
        return frozenset(one.vocabulary for one in self.withdrawn)

    def __post_init__(self) -> None:
        starting = {what: tuple(rule for rule in self.clocks if what in rule.start) for what in Happening}
        object.__setattr__(self, "starting", starting)


class InUse(NamedTuple):
    """What says since when a log has been in use, UTC: ``adopted``, since any agency's first policy has been in force, and
    ``registered``, since the registry has known an agency. None where that never came.
    """

    adopted: datetime | None = None
    registered: datetime | None = None

    def by(self, moment: datetime) -> datetime | None:
        """Since when it had been in use by a moment: since a policy was in force; where none was yet, since an agency was known."""
        return next((since for since in self if since is not None and since <= moment), None)


NOT_IN_USE: Final = InUse()


class InForce:
    """Which policy was in force when. The first one is taken to have been in force before, too."""

    def __init__(
        self, policies: Iterable[tuple[datetime, Policy]], agencies: Mapping[str, AgencyKind] = NO_AGENCIES,
        in_use: InUse = NOT_IN_USE,
    ) -> None:  # fmt: skip
        """``policies``: each with the moment (UTC) from which it is in force; of two from the same, the later one counts.

        ``agencies``: those that the registry knows, whose answers to referrals count.
        """
        self.agencies, self.in_use = agencies, in_use
        ordered = sorted(policies, key=lambda one: one[0])
        if not ordered:
            raise ValueError("there is no policy to judge by")
        self._since = [since for since, _ in ordered]
        self._policies = [policy for _, policy in ordered]

    def at(self, moment: datetime) -> Policy:
        """The policy that was in force at a moment."""
        if len(self._policies) == 1:  # as of most agencies
            return self._policies[0]
        return self._policies[max(bisect_right(self._since, moment) - 1, 0)]

    @property
    def all(self) -> Sequence[Policy]:
        """All of them."""
        return self._policies

    def of(self, agency: str) -> "InForce":
        """The policies that an agency is held to: here the same for all."""
        return self

    @property
    def clock_names(self) -> frozenset[str]:
        """The names of all clocks that run by any of them, whoever is held to it."""
        return frozenset(rule.name for policy in self._policies for rule in policy.clocks)


class Adopted(InForce):
    """What each agency has adopted. Until then, and for one that has adopted nothing, ``default`` is in force.

    By itself it is what ``agency`` is held to.
    """

    def __init__(
        self, default: Policy, adopted: Iterable[tuple[str, datetime, Policy]], agency: str | None,
        agencies: Mapping[str, AgencyKind] = NO_AGENCIES, registered: datetime | None = None,
    ) -> None:  # fmt: skip
        """``adopted``: by which agency, from when on (UTC), and what; in the order in which it was adopted.

        ``registered``: since when the registry has known an agency.
        """
        by_agency: dict[str, list[tuple[datetime, Policy]]] = {}
        for one, since, policy in adopted:
            by_agency.setdefault(one, [(EPOCH, default)]).append((since, policy))
        self._default = InForce([(EPOCH, default)])
        self._agencies = {one: InForce(some) for one, some in by_agency.items()}
        first = min((since for some in by_agency.values() for since, _ in some[1:]), default=None)
        super().__init__(by_agency.get(agency or "", [(EPOCH, default)]), agencies, InUse(first, registered))

    def of(self, agency: str) -> InForce:
        return self._agencies.get(agency, self._default)

    @property
    def clock_names(self) -> frozenset[str]:
        return self._default.clock_names.union(*(one.clock_names for one in self._agencies.values()))
