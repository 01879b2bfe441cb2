"""What a recorder would have written: an event as it follows, byte for byte, from the action and from the case so far.

Almost every event in a log is its action with a new head. So the whole event can be checked by writing it again and
comparing, which is several times faster than decoding it. What is not the same goes to ``verify_events``, which knows
the exceptions and finds out what is wrong.
"""

from hashlib import sha256
from typing import Any, Final, NamedTuple

from casetrail.eventlog.binary import NULL, PRESENT, NotAvro, long_bytes, read_long, read_text, text_bytes
from casetrail.eventlog.codec import MAGIC, PREFIX
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.schemas import current_ids, parsed

CASE_AT: Final = PREFIX + 16
"""Where an action's case id begins."""
TIME_BYTES: Final = 8
"""Of an occurred_at between 1979 and 3111."""
CONTINUED: Final = 0x8080808080808080
EIGHT_LONG: Final = 0x0080808080808080
NO_SHORT_TEXT: Final = 0x81
"""Bits of a length that is negative or takes two bytes."""
SHORT: Final = tuple(long_bytes(number) for number in range(1000))
"""Numbers in cases are small, most of the time."""
REJECTED: Final = "casetrail.ActionRejected"


def frame(name: str) -> bytes:
    """How every value of the current schema of this name begins."""
    return MAGIC + current_ids()[name].to_bytes(4)


def _kinds(name: str) -> list[str]:
    """The kinds of body of the current schema of this name, in the order of the union's branches."""
    schema: Any = parsed(current_ids()[name])
    body = next(field for field in schema["fields"] if field["name"] == "body")
    return [branch["name"] for branch in body["type"]]


class AsEvent(NamedTuple):
    """A kind of action in an event: the branch of an accepted one, and the beginning of the body of a rejected one."""

    accepted: bytes
    rejected: bytes


class Writer:
    """Writes the events of one partition again."""

    def __init__(self, log: str, partition: int, rule_set: int) -> None:
        self._action, self._event = frame("action"), frame("event")
        self._partition = long_bytes(partition)
        self._stamp = text_bytes(log) + long_bytes(rule_set) + PRESENT
        kinds = _kinds("event")
        rejected = long_bytes(kinds.index(REJECTED))
        self._as_event = {
            long_bytes(number)[0]: AsEvent(
                long_bytes(kinds.index(kind)), rejected + text_bytes(kind.removeprefix("casetrail."))
            )
            for number, kind in enumerate(_kinds("action"))
        }
        self._at, self._at_bytes = -1, b""

    def is_answer(self, value: bytes, asked: bytes, offset: int, at: int, key: bytes, number: int, previous: bytes
                  ) -> bool | None:  # fmt: skip
        """Whether a value is the event number ``number`` of the case ``key``, and answers an action.

        ``asked``, ``offset``, ``at``: the action's value, its offset, and its append time. True: the event accepts it.
        False: rejects it. None: it is something else, or an action that has to be looked at closely.
        """
        case_end = CASE_AT + 1 + len(key)
        time_end = case_end + TIME_BYTES
        if len(key) >= len(SHORT) or not (
            asked.startswith(self._action)
            and asked[CASE_AT:case_end] == SHORT[len(key)] + key
            and int.from_bytes(asked[case_end:time_end], "little") & CONTINUED == EIGHT_LONG
            and len(asked) <= ACTION_BYTES
        ):
            return None
        try:
            body_at = _body_at(asked, time_end)
            kind = self._as_event[asked[body_at]]
        except (IndexError, NotAvro, KeyError):
            return None
        if at != self._at:  # one time for all that were appended together
            self._at, self._at_bytes = at, long_bytes(at)
        head = b"".join(
            (
                self._event,
                sha256(b"\x00" + asked).digest(),
                previous,
                asked[PREFIX:CASE_AT],
                SHORT[number] if number < len(SHORT) else long_bytes(number),
                self._partition,
                long_bytes(offset),
                self._at_bytes,
                asked[CASE_AT:case_end],
                self._stamp,
                asked[case_end:time_end],
                PRESENT,
                asked[time_end:body_at],
            )
        )
        if value == head + kind.accepted + asked[body_at + 1 :]:
            return True
        if value.startswith(head) and _is_rejection(value, len(head), kind.rejected):
            return False
        return None


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
