"""Histories from the log alone, case by case, each event with its place in the log, so that a row can be traced back.

All events are read and set aside by case first, so memory stays flat however many there are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from casetrail.domain.actions import Actor, Unaccepted
from casetrail.domain.case import Case, Facts
from casetrail.domain.codes import Offence
from casetrail.domain.registry import REGISTRY
from casetrail.domain.reserved import MACHINES
from casetrail.domain.values import is_id
from casetrail.eventlog.codec import Event
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.outcome import History, follow
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Record, Topic
from casetrail.projections.building import Share, set_aside
from casetrail.projections.spill import spilled

Told = Callable[[int], None]


class Of(StrEnum):
    """What a history is of."""

    CASE = "case"
    REGISTRY = "registry"
    MACHINE = "machine"  # heartbeats
    STRAY = "stray"  # submissions that belong to no case


class Place(NamedTuple):
    """An event with its place in the log, its leaf hash, and who held the case, in which unit, after it."""

    event: Event
    partition: int
    offset: int
    leaf_hash: bytes
    holder: str | None
    agency: str
    unit: str

    @property
    def time(self) -> datetime:
        """When it happened; where that cannot be read, when it was recorded."""
        return self.event.occurred_at or self.event.recorded_at

    @property
    def actor(self) -> Actor | None:
        """Who acted, where that can be read."""
        return self.event.actor

    @property
    def is_fact(self) -> bool:
        """Whether it was accepted."""
        return not isinstance(self.event.body, Unaccepted)


class Exported(NamedTuple):
    """What is exported of a history. ``places`` by the time at which they happened; ``case``: as its events left it."""

    id: str
    of: Of
    case: Case
    places: list[Place]


@dataclass(frozen=True)
class Wanted:
    """What is to be exported. What is None or empty does not restrict. Moments are UTC.

    ``as_of``: only what had been recorded by then. ``since`` and ``until``: only what happened from then on, and before.
    ``units`` and ``offences``: only cases of one of these units, and of one of these offences.
    """

    cases: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    offences: frozenset[Offence] = frozenset()
    as_of: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, facts: Facts) -> bool:
        """Whether a case is wanted."""
        return (not self.units or facts.unit in self.units) and (
            not self.offences or not self.offences.isdisjoint(facts.offences)
        )

    def has(self, place: Place) -> bool:
        """Whether an event is."""
        return (self.since is None or place.time >= self.since) and (self.until is None or place.time < self.until)


class Source:
    """What is wanted of a log, up to the end that it has now. ``events``: about how many are read for it.

    ``named``: those of the wanted units that anything names which was read, whatever is exported of it.
    """

    def __init__(self, log_url: str, log_options: dict[str, object], wanted: Wanted) -> None:
        """Raises ``LogUnreachable``."""
        self._url, self._options, self.wanted = log_url, log_options, wanted
        self.named: set[str] = set()
        with open_log(log_url, log_options) as log:
            self.name, ends = log.name, log.end_offsets(Topic.EVENTS)
            homes = {partition_for(case_id.encode(), log.partitions) for case_id in wanted.cases}
        self._ends = {partition: end for partition, end in ends.items() if not homes or partition in homes}
        self.events = sum(self._ends.values())

    def histories(self, told: Told) -> Iterator[Exported]:
        """History by history. ``told`` is told twice of each event: when it was read, and when it is done.

        Raises ``ChainBroken`` where an event does not follow from the one before it.
        """
        with TemporaryDirectory(prefix="casetrail-") as folder:
            share = Share(self._url, self._options, self._ends, Path(folder), "events")
            for path in set_aside(share, told).files:
                yield from self._of_file(path, told)
                path.unlink()

    def _of_file(self, path: Path, told: Told) -> Iterator[Exported]:
        for history_id, one in _read(path, self.wanted, told).items():
            if self.wanted.units:
                self.named |= self.wanted.units & _units(one.places)
            made = _exported(history_id, one, self.wanted)
            if made.places and self.wanted.fits(made.case.facts):
                yield made


@dataclass
class _Read:
    """A history while it is read."""

    history: History
    places: list[Place] = field(default_factory=list)


def _read(path: Path, wanted: Wanted, told: Told) -> dict[str, _Read]:
    found: dict[str, _Read] = {}
    for key, records in spilled(path):
        history_id = key.decode(errors="replace")
        told(len(records))
        if not wanted.cases or history_id in wanted.cases:
            one = found.setdefault(history_id, _Read(History.empty(history_id)))
            one.places += [_followed(one.history, record) for record in records]
    return found


def _units(places: list[Place]) -> set[str | None]:
    """The units that a history names: a case's own ones, and those of whom the registry speaks."""
    return {unit for place in places for unit in (place.unit, getattr(place.event.body, "unit", None))}


def _followed(history: History, record: Record) -> Place:
    event = follow(history, record)
    facts = history.case.facts
    return Place(event, record.partition, record.offset, history.last_hash, facts.holder, facts.agency, facts.unit)


def _exported(history_id: str, one: _Read, wanted: Wanted) -> Exported:
    places, case = one.places, one.history.case
    if wanted.as_of is not None:
        as_of = wanted.as_of
        places = [place for place in places if place.event.recorded_at <= as_of]
        case = _folded(history_id, places)
    chosen = sorted(filter(wanted.has, places), key=lambda place: (place.time, place.event.number))
    return Exported(history_id, _of(history_id), case, chosen)


def _folded(history_id: str, places: list[Place]) -> Case:
    """The case as these events left it."""
    case = Case.unreported(history_id)
    for place in places:
        event = place.event
        case.fold(event.number, event.recorded_at, event.action(), event.body)
    return case


def _of(history_id: str) -> Of:
    if history_id == REGISTRY:
        return Of.REGISTRY
    if history_id.startswith(MACHINES):
        return Of.MACHINE
    return Of.CASE if is_id(history_id) else Of.STRAY
