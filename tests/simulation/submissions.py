"""What is submitted: stories of a few cases, encoded once. Some submissions fit nowhere, some cannot be read."""

from functools import cache
from typing import Final, NamedTuple

from casetrail.domain.actions import kind_of
from casetrail.eventlog.codec import Unreadable, decode_action
from casetrail.eventlog.port import Entry
from tests.histories import Teller

STORIES: Final = 24
LENGTH: Final = 14
CASES: Final = 3


class Submission(NamedTuple):
    """What is appended, and what it is, for people."""

    entry: Entry
    text: str


@cache
def story(number: int, partitions: int) -> tuple[Submission, ...]:
    """The submissions of a story in the order in which they were made."""
    told = Teller(number, CASES, partitions).tell(LENGTH)
    return tuple(Submission(one.entry, _text(one.entry)) for one in told)


def _text(entry: Entry) -> str:
    case = "a key that is no id" if entry.key is None or not entry.key.isascii() else entry.key.decode()[:12]
    try:
        kind = kind_of(decode_action(entry.value).body)
    except Unreadable:
        kind = "unreadable"
    return f"{kind} of {case}" if entry.partition is None else f"{kind} of {case}, straight to {entry.partition}"
