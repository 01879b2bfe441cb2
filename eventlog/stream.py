"""Reading up to an end that was taken before: some partitions of a topic in batches, or one of them record by record."""

from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Final

from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.port import Reader, Record

POLL: Final = 5000
POLL_WAIT: Final = 0.05
"""Short, because the last offsets before an end may hold no records: they are passed without waking anybody."""
WAIT: Final = 30.0


def batches(reader: Reader, ends: Mapping[int, int], wait: float | None = None) -> Iterator[list[Record]]:
    """Records as they come, none of the batches empty, until every partition is read up to its end.

    The last batches may go beyond: more is in the log by then. Raises ``LogUnreachable`` where the log has more, but
    nothing comes for ``wait`` seconds, or ``WAIT``.
    """
    wait = WAIT if wait is None else wait
    until = monotonic() + wait
    while behind := [partition for partition, end in ends.items() if reader.position(partition) < end]:
        if records := reader.poll(POLL_WAIT, POLL):
            yield records
            until = monotonic() + wait  # only now: what was done with them has taken its time
        elif monotonic() > until:
            raise LogUnreachable(
                f"partition {behind[0]}: the log has more, but nothing came in {wait:.0f} s; check the brokers"
            )


class Stream:
    """The records of one partition of a topic up to an end, one by one."""

    def __init__(self, reader: Reader, partition: int, end: int) -> None:
        self._batches, self._end = batches(reader, {partition: end}), end
        self._waiting: list[Record] = []
        self.ended = False

    def next(self) -> Record | None:
        """The next record; None at the end. Raises ``LogUnreachable`` where the log has more, but nothing comes."""
        if not self._waiting and not self.ended:
            self._waiting = next(self._batches, [])[::-1]
        if self._waiting and self._waiting[-1].offset < self._end:
            return self._waiting.pop()
        self.ended = True
        return None

    def __iter__(self) -> Iterator[Record]:
        while (record := self.next()) is not None:
            yield record
