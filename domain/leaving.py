"""Who has left which unit, by the registry."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from casetrail.domain.case import Recorded
from casetrail.domain.registry import PersonJoined, PersonLeft, PersonMoved

KINDS: Final = (PersonJoined, PersonMoved, PersonLeft)


class Departure(NamedTuple):
    """Somebody left a unit, or the agency with all its units (``unit`` is None), and may have come back to it. UTC.

    ``number`` and ``hash`` are those of the event in the registry. ``back_at``: when it was recorded that they are back.
    ``agency``: whose unit it is; None where the registry's history begins in the middle.
    """

    unit: str | None
    at: datetime
    known_at: datetime
    number: int
    hash: bytes
    back_at: datetime | None = None
    agency: str | None = None

    def is_from(self, unit: str, since: datetime) -> bool:
        """Whether it is one from this unit, and they were away then or later."""
        return self.unit in (None, unit) and (self.back_at is None or self.back_at > since)


class Place(NamedTuple):
    """Where somebody works. Units of two agencies may have one name."""

    agency: str | None
    unit: str | None


NOWHERE: Final = Place(None, None)
Departures = Mapping[str, Sequence[Departure]]
"""Who left, by person."""
NOBODY_LEFT: Final[Departures] = {}


def departures(registry: Iterable[tuple[Recorded, bytes]]) -> Departures:
    """The departures of every person, from the events of the registry in their order, each with its leaf hash."""
    places: dict[str, Place] = {}
    found: defaultdict[str, list[Departure]] = defaultdict(list)
    for event, leaf in registry:
        body, action = event.body, event.action
        if action is None or not isinstance(body, KINDS):
            continue
        before = places.get(body.person)
        if isinstance(body, PersonLeft):
            places.pop(body.person, None)
            found[body.person].append(_departure(before or NOWHERE, event, leaf))
            continue
        after = Place(body.agency if isinstance(body, PersonJoined) else (before or NOWHERE).agency, body.unit)
        if isinstance(body, PersonMoved) and before is not None and before != after:
            found[body.person].append(_departure(before, event, leaf))
        places[body.person] = after
        found[body.person] = [_back(one, after, event) for one in found[body.person]]
    return {person: listed for person, listed in found.items() if listed}


def _departure(place: Place, event: Recorded, leaf: bytes) -> Departure:
    assert event.action is not None  # only who acted can have had it recorded
    known_at = event.timestamp if event.action.imported is None else event.action.occurred_at
    number = event.originator_version
    return Departure(place.unit, event.action.occurred_at, known_at, number, leaf, agency=place.agency)


def _back(left: Departure, place: Place, event: Recorded) -> Departure:
    """The departure, over if this event says that somebody works there again: in that unit of that agency."""
    is_there = left.agency in (None, place.agency) and left.unit in (None, place.unit)
    is_back = left.back_at is None and left.number != event.originator_version and is_there
    return left._replace(back_at=event.timestamp) if is_back else left
