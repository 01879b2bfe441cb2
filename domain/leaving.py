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
    """

    unit: str | None
    at: datetime
    known_at: datetime
    number: int
    hash: bytes
    back_at: datetime | None = None


Departures = Mapping[str, Sequence[Departure]]
"""Who left, by person."""
NOBODY_LEFT: Final[Departures] = {}


def departures(registry: Iterable[tuple[Recorded, bytes]]) -> Departures:
    """The departures of every person, from the events of the registry in their order, each with its leaf hash."""
    units: dict[str, str | None] = {}
    found: defaultdict[str, list[Departure]] = defaultdict(list)
    for event, leaf in registry:
        body, action = event.body, event.action
        if action is None or not isinstance(body, KINDS):
            continue
        before = units.get(body.person)
        if isinstance(body, PersonLeft):
            units.pop(body.person, None)
            found[body.person].append(_departure(before, event, leaf))
            continue
        if isinstance(body, PersonMoved) and body.person in units and before != body.unit:
            found[body.person].append(_departure(before, event, leaf))
        units[body.person] = body.unit
        found[body.person] = [_back(one, body.unit, event) for one in found[body.person]]
    return {person: listed for person, listed in found.items() if listed}


def _departure(unit: str | None, event: Recorded, leaf: bytes) -> Departure:
    assert event.action is not None  # only who acted can have had it recorded
    known_at = event.timestamp if event.action.imported is None else event.action.occurred_at
    return Departure(unit, event.action.occurred_at, known_at, event.originator_version, leaf)


def _back(left: Departure, unit: str | None, event: Recorded) -> Departure:
    """The departure, over if this event says that somebody works in the unit again."""
    is_back = left.back_at is None and left.number != event.originator_version and left.unit in (None, unit)
    return left._replace(back_at=event.timestamp) if is_back else left
