"""Notifications: what is said to whoever is told of a missed deadline, or of findings. No name and no narrative is in it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID, uuid5

from casetrail.domain.answering import FindingTold
from casetrail.domain.escalation import Escalated
from casetrail.domain.values import iso
from casetrail.eventlog.codec import Event

IDS: Final = UUID("0c1b7c6e-8d0b-5a55-9a0e-3b8f6d2d51a4")
"""The name space of ids of notifications. Never change it: by their id recipients know what they have had already."""
TYPE: Final = "casetrail.escalated"
FINDINGS: Final = "casetrail.findings"


@dataclass(frozen=True)
class Notification:
    """What one recipient is told by an ``Escalated`` event, or by several of ``FindingTold``. ``id`` is the same however often it is sent.

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


def notification(event: Event, body: Escalated, to: str, by_default: bool, history: int = 0) -> Notification:
    """What ``to`` is told. ``history``: see ``id_of``."""
    made = id_of(event, to, history)
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
    subject = f"casetrail: {body.clock} missed in case {event.case_id} ({body.level.value})"
    time = iso(event.occurred_at or event.recorded_at)
    cloud_event = {**_cloud_event(made, event.log, TYPE, time, data), "subject": event.case_id}
    return Notification(made, to, by_default, subject, _as_text(cloud_event))


def id_of(event: Event, to: str, history: int = 0) -> str:
    """The id of what ``to`` is told by an event. ``history``: how often the log has been replaced by an older copy."""
    again = f"/{history}" if history else ""
    return str(uuid5(IDS, f"{event.log}/{event.case_id}/{event.number}/{to}{again}"))


def of_finding(event: Event, body: FindingTold) -> str:
    """What is said of one finding, as a text: a part of ``of_findings``."""
    return json.dumps(
        {
            "case_id": event.case_id if body.subject is None else None,
            "subject": body.subject,
            "detector": body.detector,
            "finding": body.finding,
            "level": body.level.value,
            "history": event.case_id,
            "event": event.number,
            "recorded_at": iso(event.recorded_at),
        }
    )


def of_findings(log: str, to: str, by_default: bool, parts: Sequence[tuple[str, str]]) -> Notification:
    """What ``to`` is told of findings at once. ``parts``: of each the id, and what ``of_finding`` says."""
    made = str(uuid5(IDS, "/".join(one for one, _ in parts)))
    found = [json.loads(content) for _, content in parts]
    data = {"told": to, "no_address": by_default, "findings": found}
    subject = f"casetrail: {len(found)} findings" if len(found) > 1 else f"casetrail: {found[0]['detector']} found"
    time = max(one["recorded_at"] for one in found)
    return Notification(made, to, by_default, subject, _as_text(_cloud_event(made, log, FINDINGS, time, data)))


def _cloud_event(made: str, log: str, kind: str, time: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": made,
        "source": f"/casetrail/logs/{log}",
        "type": kind,
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    }


def _as_text(cloud_event: dict[str, Any]) -> str:
    return json.dumps(cloud_event, separators=(",", ":"))
