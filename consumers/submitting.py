"""Submitting from a consumer: the watchdog and heartbeats append actions like any other submitter."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from casetrail.consumers.inprocess import InProcessRecorder
from casetrail.domain.actions import Action
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Log, Topic

PATIENCE: Final = 5.0
AT_ONCE: Final = 1000
LEAST_WAIT: Final = timedelta(minutes=10)
LONGEST_WAIT: Final = timedelta(days=1)
"""For how long nothing is tried again that the log refused as ahead of its clock, while it does not show another time."""


def submit(log: Log, actions: Sequence[Action], timeout: float = 30.0) -> None:
    """Append actions and return once they are durable. On an embedded log they are recorded, too: no server has to run.

    Raises ``LogUnreachable``, and on an embedded log whatever a recorder raises: ``LogError``, ``ViewError``.
    """
    for start in range(0, len(actions), AT_ONCE):
        some = actions[start : start + AT_ONCE]
        entries = [Entry(action.case_id.encode(), encode_action(action)) for action in some]
        appended = log.append(Topic.ACTIONS, entries, timeout)
        if isinstance(log, EmbeddedLog):
            InProcessRecorder(log).record_up_to(appended, PATIENCE)


def wait_for_clock(lacked: timedelta) -> timedelta:
    """How long to wait with what the log refused as ahead of its clock, which lacked so much."""
    return min(max(lacked, LEAST_WAIT), LONGEST_WAIT)
