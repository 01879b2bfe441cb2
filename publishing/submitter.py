"""Submitting to a log that may be away: what cannot be appended waits in a spool, and is delivered in order later."""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic, time
from typing import Final, NamedTuple, Self

from casetrail.domain.actions import Action
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.port import Entry
from casetrail.publishing.client import Connection, connect, entries_of, receipts_for
from casetrail.publishing.receipt import Receipt
from casetrail.publishing.spool import Spool, Spooled, spooled_for

AT_ONCE: Final = 200
PATIENCE: Final = 10.0
"""Seconds within which a log must take what is appended, unless another time is given: here there is another way."""
RETRY_AFTER: Final = 10.0
"""Seconds for which a log that was away is not tried again by whoever submits: they would all wait for it."""


class Delivered(NamedTuple):
    """A submission that had to wait, and what the log gave for it."""

    spooled: Spooled
    receipt: Receipt


class Submitter:
    """Submits, whether the log can be reached or not. Use it as a context manager, or ``close`` it.

    Submissions keep their order: while any waits, new ones wait behind it. An action whose append was not answered may
    stand in the log already; it waits all the same, and the second copy is refused as ``duplicate-action``.
    """

    def __init__(
        self, url: str, spool: Spool, options: Mapping[str, object] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:  # fmt: skip
        """The log is reached when it is first needed. ``clock``: seconds, for when to try again."""
        self._url, self._options, self._clock = url, options, clock
        self.spool = spool
        self._connection: Connection | None = None
        self._away_until = clock()

    def submit(
        self, action: Action, *, timeout: float | None = None, traceparent: str | None = None
    ) -> Receipt | Spooled:
        """Append an action to the log, or let it wait. Raises ``SubmissionRefused``, ``SpoolUnusable``."""
        return self.submit_many([action], timeout=timeout, traceparent=traceparent)[0]

    def submit_many(
        self, actions: Sequence[Action], *, timeout: float | None = None, traceparent: str | None = None
    ) -> Sequence[Receipt | Spooled]:
        """The same for many actions at once: all of them are in the log then, or all of them wait."""
        entries, timeout = entries_of(actions, traceparent), PATIENCE if timeout is None else timeout
        if self._clock() >= self._away_until:
            try:
                if not self.spool.count() or not self._delivered(timeout)[1]:
                    return self.connection().submit_many(actions, timeout=timeout, traceparent=traceparent)
            except LogUnreachable:
                self._went_away()
        return self._wait_behind(actions, entries)

    def _wait_behind(self, actions: Sequence[Action], entries: Sequence[Entry]) -> list[Spooled]:
        at = int(time() * 1000)
        spooled = [
            spooled_for(entry, action.case_id, action.action_id, at)
            for action, entry in zip(actions, entries, strict=True)
        ]
        self.spool.put(entries, spooled)
        return spooled

    def deliver(self, timeout: float | None = None) -> list[Delivered]:
        """Append what waits, in its order; what the log gave for it. Raises ``LogUnreachable``, ``SpoolUnusable``.

        What was delivered before an error stays delivered. Where another process delivers, it is left to that one.
        """
        try:
            return self._delivered(PATIENCE if timeout is None else timeout)[0]
        except LogUnreachable:
            self._went_away()
            raise

    def _delivered(self, timeout: float) -> tuple[list[Delivered], int]:
        """What was delivered, and how many still wait."""
        found: list[Delivered] = []
        with self.spool.delivering(timeout) as is_alone:
            while is_alone and (waiting := self.spool.first(AT_ONCE)):
                log = self.connection().log
                receipts = receipts_for(
                    log, [one.entry for one in waiting],
                    [(one.spooled.case_id, one.spooled.action_id) for one in waiting], timeout,
                )  # fmt: skip
                done = list(zip(waiting, receipts, strict=True))
                self.spool.done(done)
                found += [Delivered(one.spooled, receipt) for one, receipt in done]
        return found, self.spool.count()

    def connection(self) -> Connection:
        """The connection to the log. Raises ``LogUnreachable``, ``LogMissing``."""
        """The connection to the log. Raises ``LogUnreachable``, ``LogMissing``."""
        if self._connection is None:
            self._connection = connect(self._url, self._options)
        return self._connection

    def _went_away(self) -> None:
        """Forget the connection, and do not try for a while."""
        self._away_until = self._clock() + RETRY_AFTER
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Close the connection and the spool. What waits stays there."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
