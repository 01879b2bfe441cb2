"""What a recorder would have written: an event as it follows, byte for byte, from the action and from the case so far.

Almost every event in a log is its action with a new head. So the whole event can be checked by writing it again and
comparing, which is several times faster than decoding it. What is not the same goes to ``events``, which knows
the exceptions and finds out what is wrong.
"""

from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from typing import Any, Final, NamedTuple

from casetrail.domain.rules import RULE_SET
from casetrail.eventlog.binary import NULL, PRESENT, NotAvro, long_bytes, read_long, read_text, text_bytes
from casetrail.eventlog.codec import MAGIC, PREFIX
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.schemas import parsed, published

CASE_AT: Final = PREFIX + 16
"""Where an action's case id begins."""
TIME_BYTES: Final = 8
"""Of an occurred_at between 1979 and 3111."""
CONTINUED: Final = 0x8080808080808080
EIGHT_LONG: Final = 0x0080808080808080
NO_SHORT_TEXT: Final = 0x81
"""Bits of a length that is negative or takes two bytes."""
SHORT_BRANCHES: Final = 64
"""Branches of a union whose number takes one byte."""
SHORT: Final = tuple(long_bytes(number) for number in range(1000))
"""Numbers in cases are small, most of the time."""
FIRST_BYTES: Final = tuple(long_bytes(64 + number)[:1] for number in range(64))
"""Of the numbers from 64 on."""
REJECTED: Final = "casetrail.ActionRejected"
ACTION_FIELDS: Final = ("action_id", "case_id", "occurred_at", "actor", "imported", "body")
EVENT_FIELDS: Final = (
    "action_hash", "previous_hash", "action_id", "number", "partition", "action_offset", "recorded_at", "case_id", "log",
    "rule_set", "occurred_at", "actor", "imported", "body",
)  # fmt: skip
"""A schema with other fields, or in another order, is left to those who decode."""


class AsEvent(NamedTuple):
    """A kind of action in an event: the branch of an accepted one, and the beginning of the body of a rejected one."""

    accepted: bytes
    rejected: bytes


@cache
def _pairs() -> dict[bytes, dict[int, AsEvent]]:
    """For each schema of events with each schema of actions (how their values begin): the kinds that both have.

    By the first byte of an action's body. Later versions of a schema come only by new branches and new optional fields, so
    where the bytes are the same, they say the same.
    """
    return {
        event + action: {
            long_bytes(number)[0]: AsEvent(
                long_bytes(outcomes.index(kind)),
                long_bytes(outcomes.index(REJECTED)) + text_bytes(kind.removeprefix("casetrail.")),
            )
            for number, kind in enumerate(kinds[:SHORT_BRANCHES])
            if kind in outcomes
        }
        for event, outcomes in _kinds("casetrail.Event", EVENT_FIELDS)
        for action, kinds in _kinds("casetrail.Action", ACTION_FIELDS)
    }


def _kinds(name: str, fields: tuple[str, ...]) -> Iterator[tuple[bytes, list[str]]]:
    """How values of each published schema of this name begin, and its kinds of body in the order of the branches."""
    for number in published():
        schema: Any = parsed(number)
        if schema["name"] == name and tuple(field["name"] for field in schema["fields"]) == fields:
            yield MAGIC + number.to_bytes(4), [branch["name"] for branch in schema["fields"][-1]["type"]]


class Writer:
    """Writes the events of one partition again. ``pairs``: how events that it found right begin, each with its action."""

    def __init__(self, log: str, partition: int) -> None:
        self._partition, self._log = long_bytes(partition), text_bytes(log)
        self._known = _pairs()
        self.pairs: set[bytes] = set()
        self._meet(b"")
        self._at, self._at_bytes = -1, b""
        self._block, self._block_bytes = -1, b""
        self.judge_by(RULE_SET)

    def judge_by(self, rule_set: int) -> None:
        """From now on events name this version of the rules, most of the time."""
        self._stamp = self._log + long_bytes(rule_set) + PRESENT

    def _meet(self, pair: bytes) -> None:
        """From now on values begin like this, most of the time."""
        self._pair, self._as_event, self._is_new = pair, self._known.get(pair, {}), True

    def is_answer(self, value: bytes, asked: bytes, offset: int, at: int, key: bytes, number: int, previous: bytes
                  ) -> bool | None:  # fmt: skip
        """Whether a value is the event number ``number`` of the case ``key``, and answers an action.

        ``asked``, ``offset``, ``at``: the action's value, its offset, and its append time. True: the event accepts it.
        False: rejects it. None: it is something else, or an action that has to be looked at closely.
        """
        case_end = CASE_AT + 1 + len(key)
        time_end = case_end + TIME_BYTES
        if len(key) >= len(SHORT) or not (
            asked[CASE_AT:case_end] == SHORT[len(key)] + key
            and int.from_bytes(asked[case_end:time_end], "little") & CONTINUED == EIGHT_LONG
            and len(asked) <= ACTION_BYTES
        ):
            return None
        pair = value[:PREFIX] + asked[:PREFIX]
        if pair != self._pair:
            self._meet(pair)
        try:
            body_at = _body_at(asked, time_end)
            kind = self._as_event[asked[body_at]]
        except (IndexError, NotAvro, KeyError):
            return None
        if at != self._at:  # one time for all that were appended together
            self._at, self._at_bytes = at, long_bytes(at)
        if offset >> 6 != self._block:  # 64 offsets that follow each other have the same bytes but for the first
            self._block, self._block_bytes = offset >> 6, long_bytes(offset)[1:] if offset > 63 else b""
        parts = (
            value[:PREFIX],
            sha256(b"\x00" + asked).digest(),
            previous,
            asked[PREFIX:CASE_AT],
            SHORT[number] if number < len(SHORT) else long_bytes(number),
            self._partition,
            FIRST_BYTES[offset & 63] if offset > 63 else long_bytes(offset),
            self._block_bytes,
            self._at_bytes,
            asked[CASE_AT:case_end],
            self._stamp,
            asked[case_end:time_end],
            PRESENT,
            asked[time_end:body_at],
            kind.accepted,
            asked[body_at + 1 :],
        )
        accepted = value == b"".join(parts)
        if not accepted:
            head = b"".join(parts[:-2])
            if not (value.startswith(head) and _is_rejection(value, len(head), kind.rejected)):
                return None
        if self._is_new:
            self.pairs.add(pair)
            self._is_new = False
        return accepted


def _body_at(asked: bytes, at: int) -> int:
    """Where the body begins in an action whose actor stands at this position. Raises ``NotAvro``, ``IndexError``."""
    person = asked[at]
    at += 1 + (person >> 1)
    agency = asked[at]
    at += 1 + (agency >> 1)
    role = asked[at]
    at += 1 + (role >> 1)
    if (person | agency | role) & NO_SHORT_TEXT:
        raise NotAvro("a text that is not short")
    return at + 1 if not asked[at] else _behind_imported(asked, at)


def _behind_imported(asked: bytes, at: int) -> int:
    if asked[at] != PRESENT[0]:
        raise NotAvro("a union has no such branch")
    _, at = read_long(asked, at + 1 + 32)  # behind the hash of the file: the line
    return read_text(asked, at)[1]


def _is_rejection(value: bytes, at: int, beginning: bytes) -> bool:
    """Whether a body says that an action of this kind was refused, by a code, and for a field or none."""
    if not value.startswith(beginning, at):
        return False
    try:
        _, at = read_text(value, at + len(beginning))
        flag = value[at : at + 1]
        at = read_text(value, at + 1)[1] if flag == PRESENT else at + 1
    except NotAvro:
        return False
    return flag in (NULL, PRESENT) and at == len(value)
