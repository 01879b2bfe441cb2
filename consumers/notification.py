"""Notifications: what is said to whoever is told of a missed deadline. No name and no narrative is in it."""

import json
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID, uuid5

from casetrail.domain.escalation import Escalated
from casetrail.domain.values import iso
from casetrail.eventlog.codec import Event

IDS: Final = UUID("0c1b7c6e-8d0b-5a55-9a0e-3b8f6d2d51a4")
"""The name space of ids of notifications. Never change it: by their id recipients know what they have had already."""
TYPE: Final = "casetrail.escalated"


@dataclass(frozen=True)
class Notification:
    """What one recipient is told by one ``Escalated`` event. ``id`` is the same however often it is sent.

    ``body`` is a CloudEvent (1.0) in JSON. ``to``: who is told, as the event says. ``by_default``: there is no address for
    them, and it goes to the default one.
    """

    id: str
    to: str
    by_default: bool
    subject: str
    body: str

    def by_default_or_not(self, by_default: bool) -> "Notification":
        """The same, where it is another address that is the default one, or is it no longer."""
        event = json.loads(self.body)
        event["data"]["no_address"] = by_default
        return replace(self, by_default=by_default, body=_as_text(event))

    @property
    def data(self) -> dict[str, Any]:
        """What is said."""
        data: dict[str, Any] = json.loads(self.body)["data"]
        return data


def notification(event: Event, body: Escalated, to: str, by_default: bool) -> Notification:
    """What ``to`` is told."""
    made = str(uuid5(IDS, f"{event.log}/{event.case_id}/{event.number}/{to}"))
    data = {
        "case_id": event.case_id,
        "clock": body.clock,
        "subject": body.subject,
        "due_at": iso(body.due_at),
        "level": body.level.value,
        "told": to,
        "no_address": by_default,
        "event": event.number,
        "recorded_at": iso(event.recorded_at),
    }
    cloud_event = {
        "specversion": "1.0",
        "id": made,
        "source": f"/casetrail/logs/{event.log}",
        "type": TYPE,
        "subject": event.case_id,
        "time": iso(event.occurred_at or event.recorded_at),
        "datacontenttype": "application/json",
        "data": data,
    }
    subject = f"casetrail: {body.clock} missed in case {event.case_id} ({body.level.value})"
    return Notification(made, to, by_default, subject, _as_text(cloud_event))


def _as_text(cloud_event: dict[str, Any]) -> str:
    return json.dumps(cloud_event, separators=(",", ":"))
