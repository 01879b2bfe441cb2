"""The outbox: tells people what the log says that they are told. It reads ``Escalated`` and ``FindingTold`` and sends notifications.

What is sent is exactly what stands in the log, however often the watchdog or this stops and starts: a notification is in
the outbox's file before the position in the log moves on, and stays there until it has arrived. So nothing is lost; what
was sent just before a crash may be sent again, under the same id. What comes of findings within a minute goes to each in one
notification: there may be thousands on the day on which somebody begins to look.
"""

import json
import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from operator import attrgetter
from queue import Queue
from typing import Final

from casetrail.consumers.notification import Notification, id_of, notification, of_finding, of_findings
from casetrail.consumers.recipients import Recipients
from casetrail.consumers.telling import Teller
from casetrail.consumers.transport import NotSent, Transport
from casetrail.domain.answering import FindingTold
from casetrail.domain.escalation import Escalated
from casetrail.domain.values import EPOCH, iso
from casetrail.eventlog.codec import decode_event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.projections.outbox_store import Collected, Message, OutboxStore, Seen, Waiting

LOG: Final = logging.getLogger("casetrail.outbox")
BATCH: Final = 5000
AT_ONCE: Final = 64
ADDRESSES_AT_ONCE: Final = 8
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=1)
SPREAD: Final = 0.25
"""By such a part at most a pause is shorter or longer: attempts are spread, which decides nothing."""
UNREACHED: Final = timedelta(minutes=15)
"""An address that has not been reached for this long is trouble: somebody who is told in the log does not hear of it."""
TROUBLE: Final = "notifications-do-not-arrive"

COLLECTING: Final = timedelta(minutes=1)
TOGETHER: Final = 500
"""So many findings at most are in one notification."""

Sent = tuple[Waiting, NotSent | None]


class Outbox:
    """Call ``step`` again and again, then ``close``."""

    def __init__(
        self, log: Log, store: OutboxStore, recipients: Recipients, now: Callable[[], datetime],
        since: datetime | None = None, first_pause: timedelta = FIRST_PAUSE, teller: Teller | None = None,
    ) -> None:  # fmt: skip
        """``store`` is closed with the outbox, and where it cannot begin. ``since``: when the outbox is new, what was recorded before that is not sent; None: what is recorded before now.

        ``first_pause``: how long an address rests that was not reached; after each further failure twice as long.
        ``teller``: tells that the watchdog is silent.
        """
        self._store, self._recipients, self._now, self._first_pause = store, recipients, now, first_pause
        self._log_name, self._teller = log.name, teller
        self._seen: datetime | None = None  # what the clock showed last; what it showed before this start is not known
        try:
            if store.since() is None:
                self._begin(log, since)
                LOG.info("a new outbox: it sends what is recorded from %s on", since or "now")
            self._since = store.since() or EPOCH
            self._redirect()
            self._positions = self._trusted_positions(log)
            self._before, self._history = store.before(), store.history()
            self._reader = log.reader(Topic.EVENTS, self._positions)
        except BaseException:
            store.close()  # the next outbox must be able to open it
            raise
        self._pool = ThreadPoolExecutor(ADDRESSES_AT_ONCE, "outbox")
        self.waiting = 0
        """How many notifications wait, after the last step."""
        self.unreached = timedelta(0)
        """For how long an address has not been reached, the one that has not been for longest."""
        self._look()

    def _begin(self, log: Log, since: datetime | None) -> None:
        ends, seen = log.end_offsets(Topic.EVENTS), dict[int, Seen]()
        if since is None:
            last = [log.last(Topic.EVENTS, partition) for partition in ends]
            seen = _seen([one for one in last if one is not None])
            ends = {partition: seen[partition].offset + 1 if partition in seen else 0 for partition in ends}
        self._store.begin(dict.fromkeys(ends, 0) if since else ends, since or EPOCH, seen)

    def _trusted_positions(self, log: Log) -> dict[int, int]:
        """Where to go on: where the outbox's file stands, if the log still has the very events before that; else at the beginning.

        What the restored log has had all along has been read already. What was recorded in it since is later than all of that.
        """
        for partition, seen in self._store.seen().items():
            record = log.read_one(Topic.EVENTS, partition, seen.offset)
            if record is None or leaf_hash(record.value or b"") != seen.last:
                LOG.warning(
                    "partition %d: the log has another history than the outbox has read, so an older copy of it was restored; "
                    "what was recorded after %s is sent", partition, iso(seen.at),
                )  # fmt: skip
                self._store.begin_again(partition)
        known = self._store.positions()
        return {partition: known.get(partition, 0) for partition in range(log.partitions)}

    @property
    def positions(self) -> dict[int, int]:
        """For each partition the offset of the event that is read next."""
        return dict(self._positions)

    def step(self, timeout: float) -> int:
        """Read what has come, waiting up to ``timeout`` seconds for it, and send what is due; how much that was."""
        self._see_clock()
        is_due = bool(self._store.waiting(self._now(), 1))
        records = self._reader.poll(0.0 if is_due else timeout, BATCH)
        if records:
            self._positions = {partition: self._reader.position(partition) for partition in self._positions}
            self._take(records)
        done = len(records) + self._put_together() + self._send()
        self._look()
        return done + (0 if self._teller is None else self._teller.step())

    def _see_clock(self) -> None:
        now, before = self._now(), self._seen
        self._seen = now
        if before is None or now < before:
            self._store.clock_set_back(now, LONGEST_PAUSE * (1 + SPREAD))

    def trouble(self) -> str | None:
        """A code where notifications have not arrived for long."""
        return TROUBLE if self.unreached > UNREACHED else None

    def _look(self) -> None:
        since = self._store.unreached_since()
        self.waiting = self._store.waiting_now()
        self.unreached = timedelta(0) if since is None else max(timedelta(0), self._now() - since)

    def _redirect(self) -> None:
        """Send what waits for an address that the file of recipients has no longer to where it says now."""
        for one in self._store.elsewhere(self._recipients.transports):
            made = _notification(one.content)
            transports, by_default = self._recipients.of(made.to)
            content = _content(made.by_default_or_not(by_default))
            self._store.redirect(one, [(transport.address, content) for transport in transports], self._now())
            LOG.info("a notification goes to where %s is reached now", made.to)

    def _take(self, records: Sequence[Record]) -> None:
        messages, collected, now = list[Message](), list[Collected](), self._now()
        for event in (decode_event(record.value) for record in records):
            body = event.body
            if not isinstance(body, Escalated | FindingTold) or event.recorded_at < self._since:
                continue
            if event.recorded_at <= self._before.get(event.partition, EPOCH):
                continue
            for to in map(str, body.told):
                if isinstance(body, FindingTold):
                    collected.append(Collected(id_of(event, to, self._history), to, of_finding(event, body), now))
                else:
                    messages += self._addressed(to, partial(notification, event, body, to, history=self._history))
        self._store.take(messages, self._positions, collected, _seen(records))

    def _put_together(self) -> int:
        """Make notifications of what has been collected for a while; how many findings are in them."""
        done = 0
        while some := self._store.collected(self._now() - COLLECTING, TOGETHER):
            to, parts = some[0].told, [(one.id, one.content) for one in some]

            def made(by_default: bool, to: str = to, parts: Sequence[tuple[str, str]] = parts) -> Notification:
                return of_findings(self._log_name, to, by_default, parts)

            self._store.put_together(some, self._addressed(to, made))
            done += len(some)
        return done

    def _addressed(self, to: str, made: Callable[[bool], Notification]) -> list[Message]:
        """A notification for each address of somebody."""
        transports, by_default = self._recipients.of(to)
        if by_default:
            LOG.warning("there is no address for %s: the default one is told", to)
        content = made(by_default)
        return [(content.id, transport.address, _content(content)) for transport in transports]

    # --- sending ---

    def _send(self) -> int:
        """Send what is due: to several addresses at once, to each one after the other; how many have arrived."""
        waiting = sorted(self._store.waiting(self._now(), AT_ONCE), key=attrgetter("address"))
        if not waiting:
            return 0
        groups = [list(some) for _, some in groupby(waiting, key=attrgetter("address"))]
        results: Queue[Sent | None] = Queue()
        futures = [self._pool.submit(self._send_to, group, results) for group in groups]
        arrived, running = 0, len(futures)
        while running:
            result = results.get()
            if result is None:
                running -= 1
            elif result[1] is None:
                self._store.sent(result[0], self._now())  # at once: what is noted is not sent again
                arrived += 1
            else:
                self._put_off(result[0], result[1])
        for future in futures:
            future.result()
        return arrived

    def _send_to(self, group: Sequence[Waiting], results: "Queue[Sent | None]") -> None:
        """Send to one address until something does not arrive."""
        try:
            for one in group:
                self._transport(one.address).send(_notification(one.content))
                results.put((one, None))
        except NotSent as failure:
            results.put((one, failure))
        finally:
            results.put(None)

    def _transport(self, address: str) -> Transport:
        found = self._recipients.transports.get(address)
        if found is None:
            raise NotSent("the file of recipients has this address no longer")
        return found

    def _put_off(self, one: Waiting, failure: NotSent) -> None:
        pause = min(LONGEST_PAUSE, self._first_pause * 2 ** min(one.attempts, 20))
        pause *= random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311
        LOG.warning("a notification has not arrived: %s; tried again in %.0f s", failure, pause.total_seconds())
        now = self._now()
        self._store.put_off(one, now, now + pause, str(failure))

    def close(self) -> None:
        """Stop. What waits is sent by the next one."""
        self._pool.shutdown()
        self._reader.close()
        self._store.close()


def _seen(records: Sequence[Record]) -> dict[int, Seen]:
    """By partition the last of some events."""
    return {
        one.partition: Seen(one.offset, leaf_hash(one.value or b""), decode_event(one.value).recorded_at)
        for one in {record.partition: record for record in records}.values()
    }


def _content(one: Notification) -> str:
    return json.dumps(vars(one))


def _notification(content: str) -> Notification:
    return Notification(**json.loads(content))
