"""Two events side by side, field by field: how they differ, what kinds of difference that is, and what is shown of it.

No side shows a text that somebody could have written freely: what is neither a code nor an id is shown by its length,
long bytes (sealed fields, unreadable submissions) by length and hash.
"""

from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from casetrail.audit.replaying.findings import Kind
from casetrail.audit.replaying.order import Answer
from casetrail.domain.actions import (
    ActionRejected,
    Body,
    Malformed,
    SubmissionUnreadable,
    kind_of,
    plain_fields,
)
from casetrail.domain.values import is_id, iso
from casetrail.eventlog.codec import PREFIX, Event, encode_event
from casetrail.eventlog.exact import is_exact, is_written_as_now
from casetrail.eventlog.outcome import Outcome
from casetrail.eventlog.port import Record

WHOLE_BYTES: Final = 32

Fields = dict[str, Any]
Differences = dict[str, tuple[Any, Any]]
"""Each field that differs: what the rules expect, and what is recorded."""

OUTCOME: Final = frozenset({"outcome", "kind", "code", "field"})
CHAIN: Final = frozenset({"number", "previous_hash"})
SUMMARY: Final = ("outcome", "kind", "code", "field", "number", "occurred_at", "recorded_at", "actor.id", "actor.agency",
                  "actor.role")  # fmt: skip


def is_expected(record: Record, made: Outcome) -> bool:
    """Whether a record of the events is this outcome, byte for byte, under its case's key."""
    return record.value == made.value and record.key == made.event.case_id.encode()


def likeliest(answers: list[Answer], made: Outcome) -> Answer:
    """Of several answers to an action the one that is right, else one that stands in order."""
    if len(answers) == 1:
        return answers[0]
    return min(answers, key=lambda answer: (not is_expected(answer.record, made), answer.moved))


def weight(found: Differences) -> tuple[bool, int]:
    """How much an event differs: in more than its link, and in how many fields."""
    return bool(found.keys() - CHAIN), len(found)


def held_against(made: Outcome, answer: Answer, event: Event) -> Differences:
    """How the recorded event differs from the expected one: in fields, or where none differs in bytes.

    An event that was written with an earlier schema may have other bytes for the same fields: but only those which that has.
    """
    if is_expected(answer.record, made):
        return {}
    value = answer.record.value or b""
    found = differences(fields_of(made.event, made.event.case_id.encode()), fields_of(event, answer.record.key))
    if not found and not (
        value[PREFIX:] == made.value[PREFIX:] if is_written_as_now(value) else is_exact(value, event)
    ):
        found["bytes"] = made.value, value
    return found


def held_loosely(made: Outcome, answer: Answer, event: Event, *, chained: bool) -> Differences:
    """The same where nobody can say how it had to be decided: the recorded outcome is granted, if it can be one."""
    wanted, action = made.event._replace(rule_set=event.rule_set), made.action
    if action is not None and not isinstance(action.body, Malformed):
        if isinstance(event.body, ActionRejected):
            wanted = wanted._replace(body=event.body)
        elif not isinstance(event.body, SubmissionUnreadable):
            wanted = wanted._replace(body=action.body)
    if not chained:
        wanted = wanted._replace(number=event.number, previous_hash=event.previous_hash)
    value = answer.record.value or b""
    found = differences(fields_of(wanted, wanted.case_id.encode()), fields_of(event, answer.record.key))
    return found or ({} if is_exact(value, event) else {"bytes": (encode_event(wanted), value)})


def unread(answer: Answer) -> Fields:
    return {"record": shown(answer.record.value or b"")}


def key_of(record: Record) -> str:
    return (record.key or b"").decode(errors="replace")


def asked(event: Event) -> str | None:
    """The kind of action that an event answers; None where the submission could not be read."""
    if isinstance(event.body, SubmissionUnreadable):
        return None
    return shown_id(event.body.kind if isinstance(event.body, ActionRejected) else kind_of(event.body))


def fields_of(event: Event, key: bytes | None) -> Fields:
    """All that an event says, field by field, and the key that it stands under."""
    return {
        **_outcome(event.body),
        "occurred_at": event.occurred_at,
        "recorded_at": event.recorded_at,
        **_parts("actor", event.actor, ("id", "agency", "role")),
        **_parts("imported", event.imported, ("file_hash", "line", "system")),
        **{name: getattr(event, name) for name in ENVELOPE},
        "key": key,
    }


ENVELOPE: Final = ("number", "case_id", "log", "partition", "action_offset", "rule_set", "action_id", "action_hash",
                   "previous_hash")  # fmt: skip


def _outcome(body: Body) -> Fields:
    if isinstance(body, ActionRejected):
        return {"outcome": "rejected", **plain_fields(body)}
    if isinstance(body, SubmissionUnreadable):
        inside = plain_fields(body)
        return {"outcome": "unreadable", "code": inside.pop("code"), **_under("body", inside)}
    return {"outcome": "accepted", "kind": kind_of(body), **_under("body", plain_fields(body))}


def _under(prefix: str, fields: Fields) -> Fields:
    return {f"{prefix}.{name}": value for name, value in fields.items()}


def _parts(prefix: str, part: Any, names: Iterable[str]) -> Fields:
    return {f"{prefix}.{name}": getattr(part, name, None) for name in names}


def differences(expected: Fields, recorded: Fields) -> Differences:
    """The fields that differ, in the order in which an event is told."""
    names = dict.fromkeys((*expected, *recorded))
    pairs = {name: (expected.get(name), recorded.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def kinds_of(found: Differences) -> dict[Kind, Differences]:
    """What kinds of difference these fields make, each with its own fields. A link alone is one, else it follows."""
    if "outcome" in found:  # whoever refuses, or cannot read, has more fields differ: they say nothing beside that
        expected, recorded = found["outcome"]
        kind = (
            Kind.WRONGLY_ACCEPTED if recorded == "accepted"
            else Kind.WRONGLY_REFUSED if expected == "accepted"
            else Kind.ALTERED
        )  # fmt: skip
        return {kind: {name: pair for name, pair in found.items() if name in OUTCOME}} | _of_people(found, recorded)
    made: dict[Kind, Differences] = {}
    for name, pair in found.items():
        if name not in CHAIN:
            made.setdefault(_kind_of_field(name), {})[name] = pair
    return made or {Kind.CHAIN_DIFFERS: found}


def _of_people(found: Differences, recorded: str) -> dict[Kind, Differences]:
    """Of an event with the wrong outcome: whether it also names another person or time. An unreadable one names none."""
    if recorded == "unreadable" or found["outcome"][0] == "unreadable":
        return {}
    made: dict[Kind, Differences] = {}
    for name, pair in found.items():
        kind = _kind_of_field(name)
        if kind in (Kind.MISATTRIBUTED, Kind.BACKDATED):
            made.setdefault(kind, {})[name] = pair
    return made


def _kind_of_field(name: str) -> Kind:
    if name.startswith("actor."):
        return Kind.MISATTRIBUTED
    return Kind.BACKDATED if name == "recorded_at" else Kind.ALTERED


def sides(found: Differences) -> tuple[Fields, Fields]:
    """Both sides of a difference, to be shown."""
    return (
        {name: shown(pair[0]) for name, pair in found.items()},
        {name: shown(pair[1]) for name, pair in found.items()},
    )


def summary(event: Event) -> Fields:
    """An event that stands alone, in short, to be shown."""
    fields = fields_of(event, None)
    return {name: shown(fields[name]) for name in SUMMARY if fields.get(name) is not None}


def shown(value: Any) -> Any:
    """A value as it may be shown to anybody: codes, ids, numbers and times as they are, all else by length and hash."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, str):
        return shown_id(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, bytes):
        return value if len(value) <= WHOLE_BYTES else f"{len(value)} bytes, SHA-256 {sha256(value).hexdigest()}"
    if isinstance(value, tuple | list):
        return [shown(one) for one in value]
    if is_dataclass(value):
        return shown(vars(value))
    if isinstance(value, Mapping):
        return {name: shown(one) for name, one in value.items()}
    return value


def shown_id(text: str) -> str:
    """An id; where somebody put another text in its place, only how long that is."""
    known = is_id(text.removeprefix("~"))  # ~stray.0 is where a partition keeps what belongs to no case
    return text if known else f"(no id: {len(text)} characters)"
