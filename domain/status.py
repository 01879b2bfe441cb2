"""Where a case can stand."""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a case stands. Derived from its facts, never stored by itself."""

    UNREPORTED = "unreported"  # the log has submissions for this id, but no report
    RECEIVED = "received"
    SCREENED_OUT = "screened_out"
    UNASSIGNED = "unassigned"
    ASSIGNED = "assigned"
    INVESTIGATING = "investigating"
    SUSPENDED = "suspended"
    CLOSURE_REQUESTED = "closure_requested"
    CLOSED = "closed"
    MERGED = "merged"


OPEN: Final = frozenset(
    {
        Status.RECEIVED,
        Status.UNASSIGNED,
        Status.ASSIGNED,
        Status.INVESTIGATING,
        Status.SUSPENDED,
        Status.CLOSURE_REQUESTED,
    }
)
"""Somebody owes something while a case stands at one of these."""

REPORTED: Final = frozenset(Status) - {Status.UNREPORTED}
UNMERGED: Final = REPORTED - {Status.MERGED}
