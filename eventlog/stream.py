"""One partition of a topic read from front to back, up to an end that was taken before."""

from collections.abc import Iterator
from time import monotonic
from typing import Final

from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.port import Reader, Record

POLL: Final = 5000
POLL_WAIT: Final = 0.1
"""Short, because the last offsets before an end may hold no records: they are passed without waking anybody."""
WAIT: Final = 30.0


class Stream:
    """The records of one partition of a topic up to an end, one by one."""

    def __init__(self, reader: Reader, partition: int, end: int) -> None:
        self._reader, self._partition, self._end = reader, partition, end
        self._waiting: list[Record] = []
        self.ended = False

    def next(self) -> Record | None:
        """The next record; None at the end. Raises ``LogUnreachable`` where the log has more, but nothing comes."""
        until = monotonic() + WAIT
        while not self._waiting and not self.ended:
            self.ended = self._reader.position(self._partition) >= self._end
            if not self.ended:
                self._waiting = self._reader.poll(POLL_WAIT, POLL)[::-1]
                if not self._waiting and monotonic() > until:
                    raise LogUnreachable(
                        f"partition {self._partition}: the log has more, but nothing came in {WAIT:.0f} s; "
                        "check the brokers"
                    )
        if self._waiting and self._waiting[-1].offset < self._end:
            return self._waiting.pop()
        self.ended = True
        return None

    def __iter__(self) -> Iterator[Record]:
        while (record := self.next()) is not None:
            yield record
