"""OCEL 2.0, the object-centric event log, in its JSON form: events, each with the objects that it is about.

Objects are cases, people, agencies, units, referrals and concerns. An object's id is its type and its id in the log
(``person:det.01``); a unit's names its agency, a referral's and a concern's the case that it belongs to. All values are
texts, as the standard's schema wants it; their types are declared.
"""

import json
from collections.abc import Iterator
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final, NamedTuple

from casetrail.domain.kinds import EVENT_KINDS
from casetrail.exporting.details import Type, details_of, safe_id
from casetrail.exporting.histories import Exported, Of, Place
from casetrail.exporting.pseudonyms import Blind
from casetrail.exporting.rows import FIXED, event_row, text

STATIC: Final = "1970-01-01T00:00:00.000000Z"
"""The time of what an object is from the beginning, as the standard has it."""
OF_EVENTS: Final = {name: one for name, one in FIXED.items() if name not in ("case_id", "history", "activity", "time")}
OF_OBJECTS: Final[dict[str, tuple[str, ...]]] = {
    "case": ("unit", "agency", "channel", "offences", "status", "disposition"),
    "registry": (),
    "machine": (),
    "stray": (),
    "person": (),
    "agency": (),
    "unit": ("agency",),
    "referral": ("service", "to_agency", "state"),
    "concern": ("agency",),
}
"""The types of objects, and their attributes, all of them texts."""
ABOUT: Final = {
    "holder": "person", "person": "person", "agency": "agency", "to_agency": "agency", "transferred_to": "agency",
    "referred_to": "agency", "referral": "referral", "concern": "concern",
}  # fmt: skip
"""Which fields of a body name an object, and of which type."""


class Related(NamedTuple):
    """An object that an event is about, and as what."""

    type: str
    id: str
    qualifier: str

    @property
    def object_id(self) -> str:
        """Its id in the whole log."""
        return f"{self.type}:{self.id}"


class OcelWriter:
    """Writes OCEL: events as they come; objects are kept in a file of their own until all events are written."""

    def __init__(self, out: BinaryIO, log: str, blind: Blind) -> None:
        self._out, self._blind = out, blind
        self._objects = TemporaryFile()  # noqa: SIM115  (closed with the writer)
        self._shared: set[str] = set()
        self._events_between = self._objects_between = b"\n"
        self._out.write(_types())

    def write(self, history: Exported) -> None:
        found: dict[str, Related] = {}
        for place in history.places:
            related = list(self._related(history, place))
            found.update({one.object_id: one for one in related})
            self._event(place, related)
        for one in found.values():
            if one.type in ("person", "agency", "unit"):
                if one.object_id in self._shared:
                    continue
                self._shared.add(one.object_id)
            self._object(history, one)

    def close(self) -> None:
        self._out.write(b'\n],\n"objects": [')
        self._objects.seek(0)
        copyfileobj(self._objects, self._out)
        self._objects.close()
        self._out.write(b"\n]}\n")
        self._out.flush()

    # --- events ---

    def _event(self, place: Place, related: list[Related]) -> None:
        row = event_row(place, self._blind)
        kind, at = row.pop("activity"), row.pop("time")
        self._out.write(self._events_between)
        self._events_between = b",\n"
        self._out.write(
            _json(
                {
                    "id": f"{place.partition}/{place.offset}",
                    "type": kind,
                    "time": text(at),
                    "attributes": [{"name": name, "value": text(value)} for name, value in row.items()],
                    "relationships": [{"objectId": one.object_id, "qualifier": one.qualifier} for one in related],
                }
            )
        )

    def _related(self, history: Exported, place: Place) -> Iterator[Related]:
        """The objects of an event, each once: as the first thing that it is in it."""
        seen: set[str] = set()
        for one in self._all_related(history, place):
            if one.object_id not in seen:
                seen.add(one.object_id)
                yield one

    def _all_related(self, history: Exported, place: Place) -> Iterator[Related]:
        yield Related(history.of.value, history.id, history.of.value)
        if (actor := place.actor) is not None:
            if (person := safe_id(actor.id)) is not None:
                yield Related("person", self._blind(person), "actor")
            if (agency := safe_id(actor.agency)) is not None:
                yield Related("agency", agency, "agency of the actor")
        body = place.event.body
        for one in details_of(type(body)):
            about, value = ABOUT.get(one.field), one.read(getattr(body, one.field), self._blind)
            if about is not None and isinstance(value, str):
                inner = history.of is Of.CASE and about in ("referral", "concern")
                yield Related(about, f"{history.id}/{value}" if inner else value, one.field)
        if place.holder is not None:
            yield Related("person", self._blind(place.holder), "holder")
        if place.unit:
            yield Related("unit", f"{place.agency}/{place.unit}", "unit")

    # --- objects ---

    def _object(self, history: Exported, one: Related) -> None:
        found = {
            "id": one.object_id,
            "type": one.type,
            "attributes": [
                {"name": name, "value": value, "time": STATIC} for name, value in _attributes(history, one) if value
            ],
            "relationships": [
                {"objectId": object_id, "qualifier": qualifier} for object_id, qualifier in _belongs_to(history, one)
            ],
        }
        self._objects.write(self._objects_between + _json(found))
        self._objects_between = b",\n"


def _attributes(history: Exported, one: Related) -> Iterator[tuple[str, str]]:
    facts, own = history.case.facts, one.id.rpartition("/")[2]
    if one.type == "case":
        yield "unit", facts.unit
        yield "agency", facts.agency
        yield "channel", facts.channel.value if facts.channel else ""
        yield "offences", " ".join(facts.offences)
        yield "status", history.case.status.value
        yield "disposition", facts.disposition.value if facts.disposition else ""
    elif one.type == "unit":
        yield "agency", one.id.partition("/")[0]
    elif one.type == "referral" and (referral := facts.referrals.get(own)) is not None:
        yield "service", referral.service.value
        yield "to_agency", referral.to_agency
        yield "state", referral.state.value
    elif one.type == "concern" and (concern := facts.concerns.get(own)) is not None:
        yield "agency", concern.agency


def _belongs_to(history: Exported, one: Related) -> Iterator[tuple[str, str]]:
    """Objects that an object is part of. Each of them is an object of the same history's events."""
    if one.type in ("referral", "concern") and history.of is Of.CASE:
        yield f"case:{history.id}", "of"


def _types() -> bytes:
    events = [
        {
            "name": kind.__name__,
            "attributes": [
                *({"name": name, "type": one.value} for name, one in OF_EVENTS.items()),
                *({"name": one.name, "type": one.type.value} for one in details_of(kind)),
            ],
        }
        for kind in EVENT_KINDS
    ]
    objects = [
        {"name": name, "attributes": [{"name": one, "type": Type.STRING.value} for one in attributes]}
        for name, attributes in OF_OBJECTS.items()
    ]
    return b'{"eventTypes": ' + _json(events) + b',\n"objectTypes": ' + _json(objects) + b',\n"events": ['


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
