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
from casetrail.eventlog.port import Record
from casetrail.eventlog.schemas import current_ids, parsed

CASE_AT: Final = PREFIX + 16
"""Where an action's case id begins."""
TIME_BYTES: Final = 8
"""Of an occurred_at between 1979 and 3111."""
CONTINUED: Final = 0x8080808080808080
EIGHT_LONG: Final = 0x0080808080808080
NO_SHORT_TEXT: Final = 0x81
"""Bits of a length that is negative or takes two bytes."""
REJECTED: Final = "casetrail.ActionRejected"


def frame(name: str) -> bytes:
    """How every value of the current schema of this name begins."""
    return MAGIC + current_ids()[name].to_bytes(4)


def _kinds(name: str) -> list[str]:
    """The kinds of body of the current schema of this name, in the order of the union's branches."""
    schema: Any = parsed(current_ids()[name])
    body = next(field for field in schema["fields"] if field["name"] == "body")
    return [branch["name"] for branch in body["type"]]


class Outline(NamedTuple):
    """Where the parts of an action's value end: case id, occurred_at, actor and imported; and what kind it is."""

    case_end: int
    time_end: int
    body_at: int
    kind: "AsEvent"


class AsEvent(NamedTuple):
    """A kind of action in an event: the branch of an accepted one, and the beginning of the body of a rejected one."""

    accepted: bytes
    rejected: bytes


class Writer:
    """Writes the events of one partition again."""

    def __init__(self, log: str, partition: int, rule_set: int) -> None:
        self._action, self._event = frame("action"), frame("event")
        self._partition = long_bytes(partition)
        self._stamp = text_bytes(log) + long_bytes(rule_set)
        kinds = _kinds("event")
        rejected = long_bytes(kinds.index(REJECTED))
        self._as_event = {
            long_bytes(number)[0]: AsEvent(
                long_bytes(kinds.index(kind)), rejected + text_bytes(kind.removeprefix("casetrail."))
            )
            for number, kind in enumerate(_kinds("action"))
        }
        self._at, self._at_bytes = -1, b""

    def is_answer(self, value: bytes, action: Record, key: bytes, number: int, previous: bytes) -> bool | None:
        """Whether a value is the event number ``number`` of the case ``key``, and answers this action.

        True: accepted. False: rejected. None: something else, or an action that has to be looked at closely.
        """
        asked = action.value
        if asked is None or not asked.startswith(self._action):
            return None
        outline = self._outline(asked, key)
        if outline is None:
            return None
        if action.appended_at != self._at:  # one time for all that were appended together
            self._at, self._at_bytes = action.appended_at, long_bytes(action.appended_at)
        case_end, time_end, body_at, kind = outline
        head = b"".join(
            (
                self._event,
                sha256(b"\x00" + asked).digest(),
                previous,
                asked[PREFIX:CASE_AT],
                long_bytes(number),
                self._partition,
                long_bytes(action.offset),
                self._at_bytes,
                asked[CASE_AT:case_end],
                self._stamp,
                PRESENT,
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

    def _outline(self, asked: bytes, key: bytes) -> Outline | None:
        """Where the parts of an action stand; None where they do not stand as they mostly do."""
        try:
            case_end = CASE_AT + 1 + len(key)
            if asked[CASE_AT] != 2 * len(key) or asked[CASE_AT + 1 : case_end] != key or len(asked) > ACTION_BYTES:
                return None
            time_end = case_end + TIME_BYTES
            if int.from_bytes(asked[case_end:time_end], "little") & CONTINUED != EIGHT_LONG:
                return None
            person = asked[time_end]
            at = time_end + 1 + (person >> 1)
            agency = asked[at]
            at += 1 + (agency >> 1)
            role = asked[at]
            at += 1 + (role >> 1)
            if (person | agency | role) & NO_SHORT_TEXT:
                return None
            at = at + 1 if asked[at] == NULL[0] else _behind_imported(asked, at)
            kind = self._as_event.get(asked[at])
        except (IndexError, NotAvro):
            return None
        return None if kind is None else Outline(case_end, time_end, at, kind)


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
