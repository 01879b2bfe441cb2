"""An event as a row of a flat file: one column for each thing that any kind of event can say."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from casetrail.domain.actions import ActionRejected, SubmissionUnreadable
from casetrail.exporting.details import Type, all_details, details_of, safe_id
from casetrail.exporting.histories import Exported, Place
from casetrail.exporting.pseudonyms import Blind

Row = dict[str, Any]

FIXED: Final[dict[str, Type]] = {
    "case_id": Type.STRING,
    "history": Type.STRING,
    "activity": Type.STRING,
    "time": Type.TIME,
    "recorded_at": Type.TIME,
    "number": Type.INTEGER,
    "result": Type.STRING,
    "actor": Type.STRING,
    "role": Type.STRING,
    "agency": Type.STRING,
    "holder": Type.STRING,
    "unit": Type.STRING,
    "imported": Type.BOOLEAN,
    "partition": Type.INTEGER,
    "offset": Type.INTEGER,
    "leaf_hash": Type.STRING,
}
"""What every event has. ``docs/analysis.md`` says what each column means."""


def columns() -> dict[str, Type]:
    """The columns in their order, with their types."""
    return {**FIXED, **all_details()}


def rows(history: Exported, blind: Blind) -> Iterator[Row]:
    """The events of a history. What is not there is not in the row."""
    for place in history.places:
        yield {"case_id": history.id, "history": history.of.value, **event_row(place, blind)}


def event_row(place: Place, blind: Blind) -> Row:
    """An event without what it is of."""
    event = place.event
    found = {
        "activity": activity(place),
        "time": place.time,
        "recorded_at": event.recorded_at,
        "number": event.number,
        "result": result(place),
        **_actor(place, blind),
        "holder": None if place.holder is None else blind(place.holder),
        "unit": place.unit or None,
        "imported": event.imported is not None,
        "partition": place.partition,
        "offset": place.offset,
        "leaf_hash": place.leaf_hash.hex(),
        **details(place, blind),
    }
    return {name: value for name, value in found.items() if value is not None}


def activity(place: Place) -> str:
    """The kind of action; what was refused or cannot be read is a kind of its own."""
    return type(place.event.body).__name__


def result(place: Place) -> str:
    """What was decided."""
    body = place.event.body
    if isinstance(body, ActionRejected):
        return "rejected"
    return "unreadable" if isinstance(body, SubmissionUnreadable) else "accepted"


def details(place: Place, blind: Blind) -> Row:
    """What the body says by itself."""
    body = place.event.body
    return {one.name: one.read(getattr(body, one.field), blind) for one in details_of(type(body))}


def text(value: Any) -> str:
    """A value as text: moments in UTC with six decimals, all of one form, so that no reader has to guess."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return str(value)


def _actor(place: Place, blind: Blind) -> Row:
    actor = place.actor
    if actor is None:
        return {}
    person = safe_id(actor.id)
    return {
        "actor": None if person is None else blind(person),
        "role": actor.role.value,
        "agency": safe_id(actor.agency),
    }
