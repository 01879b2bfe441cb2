"""Submitting to a log that may be away: what cannot be appended waits in a spool, and is delivered in order later."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic, time
from typing import Final, NamedTuple, Self

from casetrail.domain.actions import Action
from casetrail.eventlog.errors import EntryTooLarge, LogError, LogUnreachable
from casetrail.eventlog.port import Entry, Log
from casetrail.eventlog.process import OwnProcess
from casetrail.publishing.aside import set_aside
from casetrail.publishing.client import Connection, connect, entries_of, receipts_for, seconds
from casetrail.publishing.receipt import PROMISED_WITHIN, Receipt
from casetrail.publishing.spool import Spool
from casetrail.publishing.spooled import NotStuck, Spooled, SpoolStuck, Waiting, spooled_for

LOG: Final = logging.getLogger("casetrail.submitter")
AT_ONCE: Final = 200
PATIENCE: Final = 10.0
"""Seconds within which a log must take what is appended, unless another time is given: here there is another way."""
RETRY_AFTER: Final = 10.0
"""Seconds for which a log that was away is not tried again by whoever submits: they would all wait for it."""
LEAST: Final = 0.05
"""Seconds that are left for appending, however long connecting took."""
LEAST_FOR_CONNECTING: Final = 1.0
BEING_DELIVERED: Final = "spool-busy", "what waits before it is being delivered by another process"


class Delivered(NamedTuple):
    """A submission that had to wait, and what the log gave for it."""

    spooled: Spooled
    receipt: Receipt


class Submitter:
    """Submits, whether the log can be reached or not. Use it as a context manager, or ``close`` it.

    Submissions keep their order: while any waits, new ones wait behind it. An action whose append was not answered may
    stand in the log already; it waits all the same, and the second copy is refused as ``duplicate-action``. Whatever keeps a
    submission from the log, the ``Spooled`` says it, and so does a line of the logger ``casetrail.submitter``: as an error where
    it will not pass by itself.
    Any number of threads may use it at once; there is no order between what they submit at the same time.
    """

    def __init__(
        self, url: str, spool: Spool, options: Mapping[str, object] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:  # fmt: skip
        """The log is reached when it is first needed. ``clock``: seconds, for when to try again."""
        self._url, self._options, self._clock = url, options, clock
        self.spool = spool
        self._process = OwnProcess()
        self._lock = threading.Lock()
        self._kept: _Kept | None = None
        self._is_closed = False
        self._away_until = clock()
        self._why = BEING_DELIVERED

    def submit(
        self, action: Action, *, timeout: float | None = None, traceparent: str | None = None,
        promised_within: int = PROMISED_WITHIN,
    ) -> Receipt | Spooled:  # fmt: skip
        """Append an action to the log, or let it wait. ``promised_within``: what its receipt is to say, in seconds.

        Raises ``SubmissionRefused``, ``SpoolUnusable``, ``LogMissing``, and ``EntryTooLarge`` of brokers that take
        less than a log's own: then it is kept nowhere.
        """
        return self.submit_many([action], timeout=timeout, traceparent=traceparent, promised_within=promised_within)[0]

    def submit_many(
        self, actions: Iterable[Action], *, timeout: float | None = None, traceparent: str | None = None,
        promised_within: int = PROMISED_WITHIN,
    ) -> Sequence[Receipt | Spooled]:  # fmt: skip
        """The same for many actions at once: all of them are in the log then, or all of them wait."""
        actions, timeout = list(actions), seconds(timeout, PATIENCE)
        entries = entries_of(actions, traceparent)
        if not entries:
            return []
        at = int(time() * 1000)
        promises = [
            replace(spooled_for(entry, action.case_id, action.action_id, at), promised_within=promised_within)
            for action, entry in zip(actions, entries, strict=True)
        ]
        why = self._why
        if self._clock() >= self._away_until:
            try:
                if not self.spool.count() or not self._delivered(timeout)[1]:
                    return self._appended(entries, promises, timeout)
                why = BEING_DELIVERED
            except (LogUnreachable, SpoolStuck) as error:
                why = self._try_later(error)
                passes = type(error) is LogUnreachable
                LOG.log(
                    logging.WARNING if passes else logging.ERROR, "%s; submissions wait in %s", error, self.spool.path
                )
        promises = [replace(one, code=why[0], why=why[1]) for one in promises]
        self.spool.put(entries, promises)
        return promises

    def _try_later(self, error: LogError) -> tuple[str, str]:
        """Let nobody who submits try again for a while; why, as a code and a sentence."""
        self._away_until = self._clock() + RETRY_AFTER
        self._why = error.code, str(error)
        return self._why

    def deliver(self, timeout: float | None = None) -> list[Delivered]:
        """Append what waits, in its order; what the log gave for it.

        What was delivered before an error stays delivered. Where another process delivers, it is left to that one. Raises
        ``LogUnreachable``, ``SpoolUnusable``, and ``SpoolStuck`` where the first that waits can never be delivered.
        """
        try:
            return self._delivered(seconds(timeout, PATIENCE))[0]
        except (LogUnreachable, SpoolStuck) as error:
            self._try_later(error)
            raise

    def set_aside(self, number: int, timeout: float | None = None) -> Path:
        """Put the submission at which delivery is stuck into a file beside the spool (``publishing.aside``); its name.

        What can be delivered is, first: so nothing else is ever set aside. Raises ``NotStuck`` where it is stuck at no or at
        another one, ``LogUnreachable``, ``SpoolUnusable``.
        """
        try:
            self.deliver(timeout)
        except SpoolStuck as stuck:
            if stuck.number == number:
                return set_aside(self.spool, stuck)
            raise NotStuck(f"submission {number} is not what delivery is stuck at: {stuck}") from stuck
        raise NotStuck(f"delivery is not stuck at submission {number}, nor at any other: nothing was set aside")

    def _delivered(self, timeout: float) -> tuple[list[Delivered], int]:
        """What was delivered, and how many still wait."""
        found: list[Delivered] = []
        most = AT_ONCE
        with self.spool.delivering(timeout) as is_alone:
            while is_alone and (waiting := self.spool.ready(most)):
                try:
                    receipts = self._appended([one.entry for one in waiting], [one.spooled for one in waiting], timeout)
                except EntryTooLarge as error:
                    if len(waiting) == 1:
                        raise self._stuck_at(waiting[0], error) from error
                    most = len(waiting) // 2  # until it is alone: those before it are delivered
                    continue
                self.spool.done(list(zip(waiting, receipts, strict=True)))
                found += [Delivered(one.spooled, receipt) for one, receipt in zip(waiting, receipts, strict=True)]
                most = min(AT_ONCE, 2 * len(waiting))
        return found, self.spool.count()

    def _stuck_at(self, waiting: Waiting, error: EntryTooLarge) -> SpoolStuck:
        return SpoolStuck(
            f"submission {waiting.number} in the spool {self.spool.path} cannot be delivered, nor is anything behind it ({error}): "
            "let the brokers take as much as Kafka's own max.message.bytes, or 'casetrail spool set-aside "
            f"{waiting.number}' takes it out of the way",
            waiting.number,
        )

    def _appended(self, entries: Sequence[Entry], promises: Sequence[Spooled], timeout: float) -> list[Receipt]:
        until = monotonic() + timeout
        named = [(one.case_id, one.action_id) for one in promises]
        with self._using(max(timeout, LEAST_FOR_CONNECTING)) as connection:
            log: Log = connection.log
            receipts = receipts_for(log, entries, named, max(LEAST, until - monotonic()))
        return [
            replace(one, promised_within=promise.promised_within)
            for one, promise in zip(receipts, promises, strict=True)
        ]

    def connection(self) -> Connection:
        """The connection to the log. Raises ``LogUnreachable``, ``LogMissing``."""
        with self._using(None) as connection:
            return connection

    @contextmanager
    def _using(self, timeout: float | None) -> Iterator[Connection]:
        """The connection, for a thread that uses it now; one that finds the log away lets the next make a fresh one."""
        self._process.check()
        with self._lock:
            if self._is_closed:
                raise LogUnreachable("this submitter has been closed; make a new one")
            if self._kept is None or self._kept.has_failed():
                self._kept = _Kept(self._url, self._options)
            kept = self._kept
            kept.users += 1
        try:
            yield kept.connection(timeout)
        except LogUnreachable:
            with self._lock:
                if self._kept is kept and kept.made.done():
                    self._kept = None
            raise
        finally:
            with self._lock:
                kept.users -= 1
                is_over = not kept.users and kept is not self._kept
            if is_over:
                kept.close()

    def close(self) -> None:
        """Close the connection and the spool. What waits stays there. In a fork both are left to the other process."""
        if not self._process.is_here():
            if self._kept is not None and self._kept.made.done():
                self._kept.close()
            return
        with self._lock:
            self._is_closed = True
            kept, self._kept = self._kept, None
            is_over = kept is not None and not kept.users
        if kept is not None and is_over:
            kept.close()
        self.spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Kept:
    """A connection, or the one attempt to make it that all threads wait for, and how many use it.

    The attempt has a thread of its own: looking for brokers takes its time, and whoever submits may have less.
    """

    def __init__(self, url: str, options: Mapping[str, object] | None) -> None:
        self.made: Future[Connection] = Future()
        self.users = 0
        self._url = url
        threading.Thread(target=self._make, args=(options,), name="casetrail-connecting", daemon=True).start()

    def _make(self, options: Mapping[str, object] | None) -> None:
        try:
            self.made.set_result(connect(self._url, options))
        except BaseException as error:  # whatever it is, it is for those who wait for this
            self.made.set_exception(error)

    def connection(self, timeout: float | None) -> Connection:
        """The connection, within ``timeout`` seconds. Raises ``LogUnreachable`` and whatever ``connect`` raises."""
        try:
            return self.made.result(timeout)
        except TimeoutError as error:
            if self.made.done():
                raise
            raise LogUnreachable(f"the log could not be reached within {timeout:g} s") from error

    def has_failed(self) -> bool:
        """Whether the attempt is over and has come to nothing."""
        return self.made.done() and self.made.exception() is not None

    def close(self) -> None:
        """Close the connection, as soon as there is one."""
        self.made.add_done_callback(_close)


def _close(made: "Future[Connection]") -> None:
    if made.exception() is None:
        made.result().close()
