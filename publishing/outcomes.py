"""Watching ``LOG.events`` for the answers to submissions."""

import threading
from time import monotonic

from casetrail.eventlog.codec import Unreadable, decode_event
from casetrail.eventlog.port import Log, Reader, Record, Topic

KEPT = 100_000
LOOK_BACK = 2_000


class OutcomeWatch:
    """Finds the event that answers an action. One thread reads at a time, for all that wait."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._readers: dict[int, Reader] = {}
        self._found: dict[int, dict[int, Record]] = {}
        self._first: dict[int, int] = {}

    def find(self, partition: int, action_offset: int, timeout: float) -> Record | None:
        """The event that answers the action at that offset; None when there is none within ``timeout`` seconds."""
        until = monotonic() + timeout
        while True:
            with self._lock:
                found = self._known(partition, action_offset)
                if found is None:
                    self._read(partition, max(0.0, min(0.1, until - monotonic())))
                    found = self._known(partition, action_offset)
            if found is not None or monotonic() >= until:
                return found

    def _known(self, partition: int, action_offset: int) -> Record | None:
        if partition not in self._readers or action_offset < self._first[partition]:
            self._begin(partition, action_offset)
        return self._found[partition].pop(action_offset, None)

    def _begin(self, partition: int, action_offset: int) -> None:
        """Read from a place where every event answers an action no later than ``action_offset``."""
        if partition in self._readers:
            self._readers[partition].close()
        start = self._log.end_offsets(Topic.EVENTS)[partition]
        back = LOOK_BACK
        while start > 0:
            start = max(0, start - back)
            back *= 4
            if self._answers(partition, start) <= action_offset:
                break
        self._readers[partition] = self._log.reader(Topic.EVENTS, {partition: start})
        self._found[partition] = {}
        self._first[partition] = action_offset

    def _answers(self, partition: int, offset: int) -> int:
        """Which action is answered by the first event at or after an offset."""
        with self._log.reader(Topic.EVENTS, {partition: offset}) as reader:
            for record in reader.poll(1.0, 10):
                try:
                    return decode_event(record.value).action_offset
                except Unreadable:
                    continue
        return offset

    def _read(self, partition: int, timeout: float) -> None:
        found = self._found[partition]
        for record in self._readers[partition].poll(timeout):
            try:
                answered = decode_event(record.value).action_offset
            except Unreadable:
                continue  # not written by a recorder: it answers nothing
            if answered >= self._first[partition]:
                found[answered] = record
        while len(found) > KEPT:
            found.pop(next(iter(found)))

    def close(self) -> None:
        """Stop watching."""
        with self._lock:
            for reader in self._readers.values():
                reader.close()
            self._readers.clear()
