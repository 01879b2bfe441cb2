"""The registry: agencies, people and policies, recorded like a case, under the key ``registry``.

So it is as public and as final as any history: who joined and left, and every policy with its whole text. A limit that was
weakened once stays visible as long as the log does.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, NamedTuple

from casetrail.domain.actions import Action, Actor, Body
from casetrail.domain.case import Case, Recorded
from casetrail.domain.codes import AgencyKind, Role
from casetrail.domain.parties import LEADERS
from casetrail.domain.registry_facts import Person, RegistryFacts, place
from casetrail.domain.reserved import REGISTRY as REGISTRY
from casetrail.domain.rules import rule
from casetrail.domain.status import Status
from casetrail.domain.values import Id

REGISTRY_ONLY: Final = rule(
    "registry-only", "Agencies, people and policies are recorded under the case id 'registry'.", binds_imported=True
)
AGENCY_REGISTERED: Final = rule("agency-registered", "An agency with this id is registered already.")
NO_SUCH_AGENCY: Final = rule("no-such-agency", "No agency with this id is registered: register it first.")
PERSON_WORKS: Final = rule("person-works-already", "Somebody with this id works already: move them, or let them leave.")
NO_SUCH_PERSON: Final = rule("no-such-person", "Nobody with this id works in an agency that is registered.")
NOTHING_MOVED: Final = rule("nothing-moved", "The person has this role in this unit already.")
POLICY_EMPTY: Final = rule("policy-empty", "A policy is a text in UTF-8 that is not empty.", binds_imported=True)
POLICY_FOR_THE_PAST: Final = rule(
    "policy-for-the-past", "A policy is in force from when it is adopted, or later: nobody changes the limits of the past.",
)  # fmt: skip

REGISTRARS: Final = LEADERS | {Role.REGISTRAR}
IN_THE_REGISTRY: Final = frozenset({Status.UNREPORTED})


def registry_of(case: Case) -> RegistryFacts:
    """What the registry knows so far."""
    if case.facts.registry is None:
        case.facts.registry = RegistryFacts()
    return case.facts.registry


def working(case: Case, person: str) -> Person | None:
    """Somebody who works somewhere; None where nobody with this id does."""
    found = None if case.facts.registry is None else case.facts.registry.people.get(person)
    return None if found is None or found.left_at is not None else found


@dataclass(frozen=True)
class AgencyRegistered(Body):
    """An agency takes part."""

    agency: Id
    agency_kind: AgencyKind

    roles: ClassVar = REGISTRARS
    when: ClassVar = IN_THE_REGISTRY

    def check(self, case: Case, action: Action) -> None:
        known = case.facts.registry is not None and self.agency in case.facts.registry.agencies
        AGENCY_REGISTERED.require(not known, action)

    def apply(self, case: Case, action: Action) -> None:
        registry_of(case).agencies[self.agency] = self.agency_kind


@dataclass(frozen=True)
class PersonJoined(Body):
    """Somebody begins to work in an agency, in a role, and in a unit where the agency has units."""

    person: Id
    agency: Id
    role: Role
    unit: Id | None = None

    roles: ClassVar = REGISTRARS
    when: ClassVar = IN_THE_REGISTRY

    def check(self, case: Case, action: Action) -> None:
        known = case.facts.registry is not None and self.agency in case.facts.registry.agencies
        NO_SUCH_AGENCY.require(known, action)
        PERSON_WORKS.require(working(case, self.person) is None, action)

    def apply(self, case: Case, action: Action) -> None:
        people = registry_of(case).people
        before = people.get(self.person)
        former = {} if before is None else before.former
        if before is not None:
            former[place(before.agency, before.unit)] = before.left_at or action.occurred_at
        former.pop(place(self.agency, self.unit), None)
        people[self.person] = Person(self.agency, self.unit, self.role, action.occurred_at, None, former)


@dataclass(frozen=True)
class PersonMoved(Body):
    """Somebody goes to another unit of the agency, or gets another role. What they hold stays behind in the unit."""

    person: Id
    role: Role
    unit: Id | None = None

    roles: ClassVar = REGISTRARS
    when: ClassVar = IN_THE_REGISTRY

    def check(self, case: Case, action: Action) -> None:
        person = working(case, self.person)
        NO_SUCH_PERSON.require(person is not None, action)
        NOTHING_MOVED.require(person is None or (person.unit, person.role) != (self.unit, self.role), action)

    def apply(self, case: Case, action: Action) -> None:
        person = registry_of(case).people.get(self.person)
        if person is None:  # an imported history may begin in the middle; nobody knows the agency
            return
        if person.unit != self.unit:
            person.former[place(person.agency, person.unit)] = action.occurred_at
        person.former.pop(place(person.agency, self.unit), None)
        person.unit, person.role, person.joined_at = self.unit, self.role, action.occurred_at


@dataclass(frozen=True)
class PersonLeft(Body):
    """Somebody no longer works in the agency. What they hold is held by nobody until it is handed over."""

    person: Id

    roles: ClassVar = REGISTRARS
    when: ClassVar = IN_THE_REGISTRY

    def check(self, case: Case, action: Action) -> None:
        NO_SUCH_PERSON.require(working(case, self.person) is not None, action)

    def apply(self, case: Case, action: Action) -> None:
        person = registry_of(case).people.get(self.person)
        if person is not None:
            person.left_at = action.occurred_at


@dataclass(frozen=True)
class PolicyAdopted(Body):
    """An agency holds itself to this policy from now on: the whole text (UTF-8), and from when (UTC) it is in force."""

    in_force_from: datetime
    text: bytes

    roles: ClassVar = frozenset({Role.COMMANDER, Role.REGISTRAR})
    when: ClassVar = IN_THE_REGISTRY

    def check(self, case: Case, action: Action) -> None:
        POLICY_EMPTY.require(is_text(self.text), action)
        POLICY_FOR_THE_PAST.require(self.in_force_from >= action.occurred_at, action)

    def apply(self, case: Case, action: Action) -> None:
        registry_of(case).policies += 1


REGISTRY_KINDS: Final = (AgencyRegistered, PersonJoined, PersonMoved, PersonLeft, PolicyAdopted)
"""What stands in the registry, and nowhere else."""


def is_text(text: bytes) -> bool:
    """Whether bytes are a text in UTF-8 that is not empty."""
    try:
        return bool(text.decode().strip())
    except UnicodeDecodeError:
        return False


class Overseer(NamedTuple):
    """An agency that has oversight, and since when the log says so (UTC)."""

    agency: str
    since: datetime


def overseers(history: Iterable[Recorded]) -> tuple[Overseer, ...]:
    """Those who have oversight, by the registry's events."""
    return tuple(
        Overseer(event.body.agency, event.timestamp)
        for event in history
        if isinstance(event.body, AgencyRegistered) and event.body.agency_kind is AgencyKind.OVERSIGHT
    )


def agencies(history: Iterable[Recorded]) -> dict[str, AgencyKind]:
    """The agencies that take part, by the registry's events."""
    bodies = [event.body for event in history if isinstance(event.body, AgencyRegistered)]
    return {body.agency: body.agency_kind for body in bodies}


def registered_since(history: Iterable[Recorded]) -> datetime | None:
    """Since when the registry has known an agency (UTC), by its events: from when the first one was recorded."""
    return next((event.timestamp for event in history if isinstance(event.body, AgencyRegistered)), None)


def overseeing(known: Iterable[Overseer], at: datetime) -> tuple[str, ...]:
    """The agencies that had oversight at a moment."""
    return tuple(one.agency for one in known if one.since <= at)


def overseers_told(known: Collection[Overseer], at: datetime) -> tuple[tuple[str, ...], datetime]:
    """The agencies with oversight that are told what comes to their turn at a moment, and when.

    Where nobody has oversight by then, those who get it first are told as soon as they have it.
    """
    moment = max(at, min((one.since for one in known), default=at))
    return overseeing(known, moment), moment


class Adoption(NamedTuple):
    """A policy that was adopted. ``since``: from when it is in force, UTC. ``number``: of the event in the registry."""

    since: datetime
    number: int
    recorded_at: datetime
    actor: Actor
    text: str


def adoptions(history: Iterable[Recorded]) -> list[Adoption]:
    """The policies that the registry's events adopt, in order. None is in force before it stood in the log."""
    found = []
    for event in history:
        body = event.body
        if isinstance(body, PolicyAdopted) and event.action is not None:
            since = max(body.in_force_from, event.timestamp)
            actor = event.action.actor
            found.append(Adoption(since, event.originator_version, event.timestamp, actor, body.text.decode()))
    return found
