"""Golden histories: submissions that meet every rule in both directions, with what was decided on them once and for all.

A file holds one version of the rule set to what it decided on the day it came into force: a line that says what it is
about, then a line for each record of ``LOG.actions``, with the outcome in words and the leaf hash of the event.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from casetrail.domain.actions import Action, ActionRejected, Malformed, SubmissionUnreadable, kind_of
from casetrail.domain.codes import ScreeningReason
from casetrail.domain.intake import ScreenedIn
from casetrail.domain.reserved import is_reserved
from casetrail.domain.values import EPOCH, MILLISECOND
from casetrail.eventlog.codec import Event, encode_action
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.outcome import History, bring_on, case_of, outcome_of
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Entry, Record
from casetrail.eventlog.schemas import current_ids
from tests.domain.test_rules import EXAMPLES, RECORDED, Example, as_imported
from tests.histories import Teller

FOLDER: Final = Path(__file__).parent / "golden"
LOG: Final = "golden"
PARTITIONS: Final = 4
TOLD: Final = 300
KNOWN_CODE: Final = ScreeningReason.ALLEGES_CRIME.value.encode()
UNKNOWN_CODE: Final = b"alleges_grime"  # as long as a known one: only the code is wrong, not the encoding


class Golden(NamedTuple):
    """A record of ``LOG.actions``, the case that it belongs to, and how it was decided."""

    record: Record
    case_id: str
    outcome: str
    event_hash: bytes


class GoldenFile(NamedTuple):
    """The golden histories of a rule set, whose events were written with one schema."""

    rule_set: int
    event_schema: int
    histories: list[Golden]


def file_for(rule_set: int) -> Path:
    """Where the golden histories of a rule set stand, for the event schema that is written now."""
    return FOLDER / f"rule-set-{rule_set}.event-{current_ids()['event']:08x}.ndjson"


def in_words(event: Event) -> str:
    """The outcome as a text that a person can compare."""
    body = event.body
    if isinstance(body, ActionRejected):
        return " ".join(("rejected", body.kind, body.code, *([body.field] if body.field else [])))
    if isinstance(body, SubmissionUnreadable):
        return f"unreadable {body.code}"
    return f"accepted {kind_of(body)}"


def decided(records: Iterable[Record], rule_set: int) -> Iterator[Golden]:
    """How these records are decided by a rule set, as the code stands now."""
    histories: dict[str, History] = {}
    for record in records:
        case_id = case_of(record, PARTITIONS)
        history = histories.setdefault(case_id, History.empty(case_id))
        made = outcome_of(history, record, LOG, PARTITIONS, rule_set)
        bring_on(history, made)
        yield Golden(record, case_id, in_words(made.event), leaf_hash(made.value))


# --- files ---


def write(path: Path, rule_set: int) -> None:
    """Write down how the examples are decided now. Never over a file that is there."""
    head = {"rule_set": rule_set, "event_schema": current_ids()["event"], "log": LOG, "partitions": PARTITIONS}
    lines = [head, *map(_plain, decided(examples(), rule_set))]
    with path.open("x", encoding="utf-8") as out:
        out.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def read(path: Path) -> GoldenFile:
    """The golden histories in a file."""
    head, *lines = map(json.loads, path.read_text("utf-8").splitlines())
    return GoldenFile(head["rule_set"], head["event_schema"], [_golden(line) for line in lines])


def _plain(golden: Golden) -> dict[str, Any]:
    record = golden.record
    value, times = record.value, 1
    if value and value == value[:1] * len(value):  # the one that is too large
        value, times = value[:1], len(value)
    return {
        "partition": record.partition, "offset": record.offset, "appended_at": record.appended_at,
        "key": _text(record.key), "value": _text(value), **({"times": times} if times > 1 else {}),
        "outcome": golden.outcome, "event": golden.event_hash.hex(),
    }  # fmt: skip


def _golden(line: dict[str, Any]) -> Golden:
    value = _bytes(line["value"])
    record = Record(
        line["partition"], line["offset"], line["appended_at"], _bytes(line["key"]),
        None if value is None else value * line.get("times", 1),
    )  # fmt: skip
    return Golden(record, case_of(record, PARTITIONS), line["outcome"], bytes.fromhex(line["event"]))


def _text(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)


# --- what is submitted ---


def examples() -> Iterator[Record]:
    """The examples of all rules, live and imported; what cannot be read; and long random lives. Always the same."""
    ends = [0] * PARTITIONS
    for entry, appended_at in _entries():
        partition = partition_for(entry.key or b"", PARTITIONS) if entry.partition is None else entry.partition
        yield Record(partition, ends[partition], appended_at, entry.key, entry.value)
        ends[partition] += 1


def _entries() -> Iterator[tuple[Entry, int]]:
    recorded = (RECORDED - EPOCH) // MILLISECOND
    for example in EXAMPLES:
        for entry in _of_rule(example):
            yield entry, recorded
    for entry in _unreadable():
        yield entry, recorded
    for told in Teller(seed=1, cases=9, partitions=PARTITIONS).tell(TOLD):
        yield told.entry, (told.at - EPOCH) // MILLISECOND


def _of_rule(example: Example) -> Iterator[Entry]:
    """A case in which the rule refuses, the same of an import, and one in which it does not."""
    given = example.given if example.instead is None else example.instead
    yield from _life(example, "refused", (*example.given, example.refused), example.key)
    yield from _life(example, "imported", map(as_imported, (*example.given, example.refused)), example.key)
    yield from _life(example, "accepted", (*given, example.accepted), None)


def _life(example: Example, variant: str, actions: Iterable[Action], last_key: str | None) -> Iterator[Entry]:
    """The actions, moved into a case of their own, with ids that are the same each time."""
    case_id = f"{example.code}.{variant}"
    ids: dict[bytes, bytes] = {}
    *before, last = actions
    for action in (*before, last):
        action_id = ids.setdefault(action.action_id, len(ids).to_bytes(16))
        if is_reserved(action.case_id):  # where several examples stand in one history
            action_id = sha256(case_id.encode() + action_id).digest()[:16]
        own = case_id if action.case_id == "C-1" else action.case_id
        moved = replace(action, case_id=own, action_id=action_id)
        for name in ("other", "into"):
            if getattr(action.body, name, None) == "C-1":
                moved = replace(moved, body=replace(moved.body, **{name: case_id}))
        key = f"{case_id}.key" if last_key is not None and action is last else own
        yield Entry(key.encode(), _encoded(moved))


def _encoded(action: Action) -> bytes:
    """The bytes of an action; one that has an unknown code is made from one that has none."""
    if not isinstance(action.body, Malformed):
        return encode_action(action)
    value = encode_action(replace(action, body=ScreenedIn(ScreeningReason.ALLEGES_CRIME)))
    assert KNOWN_CODE in value and len(KNOWN_CODE) == len(UNKNOWN_CODE)
    return value.replace(KNOWN_CODE, UNKNOWN_CODE)


def _unreadable() -> Iterator[Entry]:
    """One submission for each reason not to be readable."""
    example = next(_life(EXAMPLES[0], "unreadable", EXAMPLES[0].given, None))
    key, value = example.key or b"", example.value or b""
    yield Entry(key, None)
    yield Entry(key, b"x" * (ACTION_BYTES + 1))
    yield Entry(key, b"?")
    yield Entry(key, b"\x00\x00\x00\x00\x00" + value[5:])
    yield Entry(key, value[:-1])
    yield Entry(b"no id", value, 0)
    yield Entry(None, value, 0)
    yield Entry(key, value, (partition_for(key, PARTITIONS) + 1) % PARTITIONS)
    yield example
