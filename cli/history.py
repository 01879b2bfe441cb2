"""Events as rows: what happened, when it was said to have happened, when it was recorded, by whom, with what outcome."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from casetrail.domain.actions import ActionRejected, Body, SubmissionUnreadable
from casetrail.domain.escalation import Recipient
from casetrail.domain.registry import PolicyAdopted
from casetrail.domain.sealed import SealedField
from casetrail.domain.shapes import field_types
from casetrail.eventlog.codec import Event, decode_event

if TYPE_CHECKING:
    from casetrail.privacy.keyring import Keyring

LATE: Final = timedelta(hours=24)
BROKEN: Final = "(does not open)"
HIDDEN: Final = frozenset({"sealed", "tokens", "kind", "code", "value", "key"})

Opener = Callable[[bytes, SealedField], str]


def history_rows(events: Iterable[tuple[int, int, bytes]], opener: Opener | None = None) -> list[dict[str, Any]]:
    """Rows of a case's history, from partition, offset and stored bytes of each event."""
    return [event_row(decode_event(value), opener) for _, _, value in events]


def event_row(event: Event, opener: Opener | None = None) -> dict[str, Any]:
    """One event as a row."""
    body = event.body
    result, kind = "accepted", type(body).__name__
    if isinstance(body, ActionRejected):
        result, kind = "rejected", body.kind
    elif isinstance(body, SubmissionUnreadable):
        result, kind = "unreadable", ""
    actor = event.actor
    return {
        "number": event.number,
        "case_id": event.case_id,
        "occurred_at": event.occurred_at,
        "recorded_at": event.recorded_at,
        "late": lateness(event),
        "kind": kind,
        "result": result,
        "actor": actor.id if actor else None,
        "role": actor.role.value if actor else None,
        "agency": actor.agency if actor else None,
        "detail": detail(event, body, opener),
    }


def lateness(event: Event) -> str | None:
    """How long after it happened a fact was recorded, in days, where that is more than one."""
    if event.occurred_at is None or event.recorded_at - event.occurred_at <= LATE:
        return None
    return f"{(event.recorded_at - event.occurred_at).days} d"


def detail(event: Event, body: Body, opener: Opener | None) -> dict[str, Any]:
    """What the body says; of sealed fields only that they are there, unless they are to be opened."""
    made: dict[str, Any] = {}
    if isinstance(body, ActionRejected | SubmissionUnreadable):
        made["code"] = body.code
    kind: Any = type(body)
    for name, _ in field_types(kind):
        value = getattr(body, name)
        if name not in HIDDEN and value not in (None, False, ()):
            made[name] = _shown(value)
    if isinstance(body, PolicyAdopted):  # a page of hexadecimal digits tells nobody anything
        made["text"] = f"({len(body.text):,} bytes: casetrail policy history --text {event.number})"
    for sealed in getattr(body, "sealed", ()):
        made[sealed.name.value] = opener(event.action_id, sealed) if opener else "(sealed)"
    if tokens := getattr(body, "tokens", ()):
        made["tokens"] = [f"{token.kind.value}:{token.value.hex()[:8]}" for token in tokens]
    if event.imported is not None:
        made["imported"] = f"{event.imported.system} line {event.imported.line}"
    return made


def _shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_shown(one) for one in value]
    if isinstance(value, Recipient):
        return str(value)
    if hasattr(value, "code"):
        return value.code.value + (f":{value.statute}" if getattr(value, "statute", None) else "")
    return value.value if hasattr(value, "value") else vars(value) if hasattr(value, "__dict__") else value


def opener_for(keyring: "Keyring", case_id: str) -> Opener:
    """What opens the sealed fields of a case. Raises ``KeyDestroyed`` where it has been expunged.

    A field that does not open hides no other: whoever may submit may submit what nobody can open.
    """
    from casetrail.privacy.errors import SealBroken
    from casetrail.privacy.sealing import unseal

    key = keyring.case_key(case_id)
    keyring.close()

    def opened(action_id: bytes, field: SealedField) -> str:
        try:
            return unseal(key, case_id, action_id, field).text
        except SealBroken:
            return BROKEN

    return opened
