"""Ids that nothing names. A mistyped unit, agency, person or case is an error: no rows about it are no good news."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from casetrail.cli import exits
from casetrail.cli.context import Failure
from casetrail.cli.unrepeated import typed

if TYPE_CHECKING:
    from casetrail.domain.case import Case, Recorded
    from casetrail.projections.database import Database


NO_UNIT: Final = "no case and no entry of the registry names a unit {}; 'casetrail holds --by unit' lists them"


def no_such_case(case_id: str, when: str = "") -> Failure:
    """What to raise where the views know no such case. ``when``: ' then', where a past moment is asked about."""
    return Failure(f"the views know no case {typed(case_id)}{when}", exits.NOT_FOUND)


class Wanted(NamedTuple):
    """The ids that an answer was restricted to. None restricts nothing."""

    case: str | None = None
    unit: str | None = None
    agency: str | None = None
    holder: str | None = None
    owed_by: str | None = None


class Registered(NamedTuple):
    """All ids that the registry names, also those of who has left."""

    units: frozenset[str]
    agencies: frozenset[str]
    people: frozenset[str]


class Names(ABC):
    """Where it is looked up whether anything names an id."""

    @abstractmethod
    def has_case(self, case_id: str) -> bool:
        """Whether there is such a case."""

    @abstractmethod
    def cases_name_unit(self, unit: str) -> bool:
        """Whether any case is or was the unit's."""

    @abstractmethod
    def cases_name_agency(self, agency: str) -> bool:
        """Whether any case is an agency's, or has to do with it."""

    @abstractmethod
    def cases_name_holder(self, person: str) -> bool:
        """Whether somebody holds a case, or ever did."""

    @abstractmethod
    def registry(self) -> "Iterable[Recorded]":
        """The registry's events."""

    @cached_property
    def _registered(self) -> Registered:
        return registered(self.registry())

    def has_unit(self, unit: str) -> bool:
        """Whether cases or registry name a unit."""
        return self.cases_name_unit(unit) or unit in self._registered.units

    def has_agency(self, agency: str) -> bool:
        """Whether cases or registry name an agency."""
        return self.cases_name_agency(agency) or agency in self._registered.agencies

    def has_person(self, person: str) -> bool:
        """Whether somebody ever held a case, or is in the registry."""
        return self.cases_name_holder(person) or person in self._registered.people

    def has_owing(self, who: str) -> bool:
        """Whether it is somebody who can owe something: a person, an agency, or a desk of a unit."""
        from casetrail.domain.codes import Desk

        unit, slash, desk = who.partition("/")
        if slash:
            return desk in list(Desk) and self.has_unit(unit)
        return self.has_person(who) or self.has_agency(who)


class InViews(Names):
    """The views."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    def has_case(self, case_id: str) -> bool:
        from casetrail.projections.named import has_case

        return has_case(self._database, case_id)

    def cases_name_unit(self, unit: str) -> bool:
        from casetrail.projections.named import has_unit

        return has_unit(self._database, unit)

    def cases_name_agency(self, agency: str) -> bool:
        from casetrail.projections.named import has_agency

        return has_agency(self._database, agency)

    def cases_name_holder(self, person: str) -> bool:
        from casetrail.projections.named import has_holder

        return has_holder(self._database, person)

    def registry(self) -> "Iterable[Recorded]":
        from casetrail.cli.case_histories import history_of
        from casetrail.domain.reserved import REGISTRY

        return history_of(self._database, REGISTRY)


class Heard(Names):
    """What the log's cases named while they were gone through: of the ids that are wanted, and no others."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted: Collection[str] = {
            one for id_ in wanted if id_ is not None for one in (id_, id_.partition("/")[0])
        }
        self._cases, self._units, self._agencies, self._holders = set[str](), set[str](), set[str](), set[str]()
        self._registry: Sequence[Recorded] = ()

    def hear(self, case: "Case", events: "Iterable[Recorded]") -> None:
        """Take in a case with its events, as one of all."""
        if not self._wanted:
            return
        from casetrail.domain.partner_ledger import entries
        from casetrail.domain.reserved import REGISTRY

        events = list(events)
        self._note(self._cases, case.id)
        if case.id == REGISTRY:
            self._registry = events
            return
        bodies = [event.body for event in events]
        self._note(self._units, case.facts.unit, *(getattr(body, "unit", None) for body in bodies))
        self._note(self._agencies, case.facts.agency, *(one.agency for one in entries(case)))
        self.hear_holders(case.facts.holder, *(getattr(body, "holder", None) for body in bodies))

    def hear_holders(self, *people: str | None) -> None:
        """Take in who holds a case, or is who something was found about."""
        self._note(self._holders, *people)

    def _note(self, found: set[str], *ids: str | None) -> None:
        found.update(one for one in ids if one is not None and one in self._wanted)

    def has_case(self, case_id: str) -> bool:
        return case_id in self._cases

    def cases_name_unit(self, unit: str) -> bool:
        return unit in self._units

    def cases_name_agency(self, agency: str) -> bool:
        return agency in self._agencies

    def cases_name_holder(self, person: str) -> bool:
        return person in self._holders

    def registry(self) -> "Iterable[Recorded]":
        return self._registry


def check_known(names: Names, wanted: Wanted) -> None:
    """End the command where an id that was asked for is none. To be called where there are no rows: it takes a look each."""
    for id_, has, message in (
        (wanted.case, names.has_case, "there is no case {}"),
        (
            wanted.unit,
            names.has_unit,
            NO_UNIT,
        ),
        (wanted.agency, names.has_agency, "no case and no entry of the registry names an agency {}"),
        (
            wanted.holder,
            names.has_person,
            "{} has never held a case, and is not in the registry; 'casetrail holds' lists who holds cases",
        ),
        (
            wanted.owed_by,
            names.has_owing,
            "nothing is ever owed by {}: give a person, an agency, or a desk (UNIT/intake, UNIT/supervisor, UNIT/commander)",
        ),
    ):
        if id_ is not None and not has(id_):
            raise Failure(message.format(typed(id_)), exits.NOT_FOUND)


def registered(events: "Iterable[Recorded]") -> Registered:
    """The ids that the registry's events name. Whose agency recorded something there is an agency, too."""
    from casetrail.cli.registry_rows import folded_registry
    from casetrail.domain.registry import registry_of

    events = list(events)
    facts = registry_of(folded_registry(events))
    places = {(one.agency, one.unit or "") for one in facts.people.values()}
    for person in facts.people.values():
        places |= {(agency, unit) for agency, _, unit in (former.partition("/") for former in person.former)}
    acting = {event.action.actor.agency for event in events if event.action is not None}
    agencies = {agency for agency, _ in places} | acting | set(facts.agencies)
    return Registered(frozenset(unit for _, unit in places if unit), frozenset(agencies), frozenset(facts.people))
