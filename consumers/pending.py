"""What waits in a log for its outcome, in every partition: also in one that no recorder owns, and so none would report."""

from typing import Final

from casetrail.eventlog.codec import Unreadable, decode_event
from casetrail.eventlog.port import Log, Topic

NOTHING: Final = (0, 0)


def answered(log: Log, partition: int) -> int:
    """The offset of the action that is to be answered next. Raises ``Unreadable`` where the last event is none."""
    last = log.last(Topic.EVENTS, partition)
    return 0 if last is None else decode_event(last.value).action_offset + 1


class Pending:
    """Measures again and again, and reads a partition only where its events have moved on since."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._known: dict[int, tuple[int, int]] = {}
        """By partition the end of its events, and how many of its actions are answered up to there."""

    def measure(self) -> dict[int, int]:
        """By partition the number of actions without an event. Raises ``LogUnreachable``.

        Where the last event was not written by a recorder, that is all of them: nobody answers there any more.
        """
        found = {}
        events = self._log.end_offsets(
            Topic.EVENTS
        )  # before the actions: what comes between them is pending, not answered twice
        for partition, end in self._log.end_offsets(Topic.ACTIONS).items():
            known, done = self._known.get(partition, NOTHING)
            if known != events[partition]:
                done = self._answered(partition)
                self._known[partition] = events[partition], done
            found[partition] = max(0, end - done)  # what was read after the ends may answer later ones
        return found

    def _answered(self, partition: int) -> int:
        try:
            return answered(self._log, partition)
        except Unreadable:
            return 0
