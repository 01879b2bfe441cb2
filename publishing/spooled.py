"""What waits in a spool: what its submitter is given, how it is packed, and what can be wrong with it."""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from casetrail.domain.values import at_millis
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.port import Entry
from casetrail.publishing.receipt import PROMISED_WITHIN, Receipt
from casetrail.publishing.shape import is_traceparent


class SpoolUnusable(LogError):
    """The spool cannot be written or read. What was being submitted is kept nowhere, and nothing that waits is lost."""

    code = "spool-unusable"


class SpoolStuck(LogError):
    """The submission that has waited longest can never be delivered, so nothing behind it is; new ones wait behind it, too.

    ``number``: which one. ``casetrail spool set-aside`` takes it out of the way.
    """

    code = "spool-stuck"

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class NotStuck(LogError):
    """Only the submission at which delivery is stuck can be set aside, and it is not stuck at this one."""

    code = "spool-not-stuck"


@dataclass(frozen=True)
class Spooled:
    """What waits in a spool: which action, since when (milliseconds since 1970 UTC), and the leaf hash of its bytes.

    The log has not seen it: it is no receipt. ``promised_within`` is what its receipt will say. ``code`` and ``why``: what kept
    it from the log when it was submitted, as a code and as a sentence; empty where that is not known any more.
    """

    case_id: str
    action_id: bytes
    spooled_at: int
    action_hash: bytes
    promised_within: int = PROMISED_WITHIN
    code: str = field(default="", compare=False)
    why: str = field(default="", compare=False)

    @property
    def since(self) -> datetime:
        """Since when it waits (UTC, by this machine's clock)."""
        return at_millis(self.spooled_at)


class Waiting(NamedTuple):
    """A submission in the spool, as the log is to get it. ``number``: its place in the order."""

    number: int
    spooled: Spooled
    entry: Entry


class Sealed(NamedTuple):
    """The same as it stands on the disk. Its number is sealed with it: it cannot take another's place."""

    number: int
    spooled_at: int
    nonce: bytes
    sealed: bytes

    @property
    def since(self) -> datetime:
        """Since when it waits (UTC, by this machine's clock)."""
        return at_millis(self.spooled_at)


class HandedOut(NamedTuple):
    """The receipt of what waited in the spool at this ``number``, since when, for whoever submitted it."""

    number: int
    spooled_at: int
    receipt: Receipt

    @property
    def since(self) -> datetime:
        """Since when it waited (UTC, by this machine's clock)."""
        return at_millis(self.spooled_at)


def spooled_for(entry: Entry, case_id: str, action_id: bytes, at: int) -> Spooled:
    """What is given to whoever submitted an entry that has to wait."""
    return Spooled(case_id, action_id, at, leaf_hash(entry.value or b""))


def packed(entry: Entry, spooled: Spooled) -> bytes:
    """A line of JSON on the entry, and its value."""
    head = {
        "case": spooled.case_id,
        "action": spooled.action_id.hex(),
        "within": spooled.promised_within,
        "headers": [[name, value.hex()] for name, value in entry.headers],
    }
    return json.dumps(head).encode() + b"\n" + (entry.value or b"")


def unpacked(number: int, spooled_at: int, plain: bytes) -> Waiting:
    """What was packed."""
    line, _, value = plain.partition(b"\n")
    head = json.loads(line)
    headers = tuple((name, bytes.fromhex(text)) for name, text in head["headers"])
    headers = tuple(
        one for one in headers if is_traceparent(one[1].decode("ascii", "replace"))
    )  # earlier versions kept any
    entry = Entry(head["case"].encode(), value, headers=headers)
    spooled = spooled_for(entry, head["case"], bytes.fromhex(head["action"]), spooled_at)
    return Waiting(number, replace(spooled, promised_within=head.get("within", PROMISED_WITHIN)), entry)
