"""Appending for all threads of a process, through one kept producer; one that has failed is replaced by a fresh one.

kafka-python 3.0.12 gives a producer up for good, and goes on taking entries for it, where the brokers did not give it an id in
time, and where a batch could not be delivered for longer than its time: whatever is appended after that would fail as well.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.producer.transaction_manager import TransactionState

from casetrail.eventlog.errors import LogRefused, LogUnreachable
from casetrail.eventlog.kafka_batches import append_batches, flush
from casetrail.eventlog.kafka_client import close_producer, log_errors, translated
from casetrail.eventlog.kafka_connecting import PAUSE, finding_timeout
from casetrail.eventlog.port import Appended, Entry
from casetrail.eventlog.process import OwnProcess

MANY: Final = 32
"""Entries that are worth batches of their own; fewer share one with what other threads append at the same time."""
LOOK_EVERY: Final = 0.002


class _Kept:
    """A producer, and how many threads are using it."""

    def __init__(self, producer: KafkaProducer) -> None:
        self.producer, self.users = producer, 0


class Appends:
    """Appends for all threads. ``make`` gives a producer that doubles nothing, within so many seconds."""

    def __init__(self, bootstrap: str, make: Callable[[float], KafkaProducer]) -> None:
        self._bootstrap, self._make = bootstrap, make
        self._process = OwnProcess()
        self._lock = threading.Lock()
        self._kept: _Kept | None = None

    def append(self, topic: str, entries: Sequence[Entry], partitions: Sequence[int], timeout: float) -> list[Appended]:
        """Append entries to the partitions named for them, and wait until all are durable. Raises the log's errors."""
        self._process.check()
        until = time.monotonic() + timeout
        with log_errors(self._bootstrap):
            kept = self._ready(topic, until)
            try:
                return _appended(kept.producer, topic, entries, partitions, until)
            except KafkaTimeoutError:
                self._give_up(kept)
                raise
            finally:
                self._leave(kept)

    def _ready(self, topic: str, until: float) -> _Kept:
        """A producer that can send. Nothing has been handed over to one that cannot: another may be tried."""
        while True:
            try:
                return self._taken(topic, until)
            except KafkaError as error:
                if time.monotonic() >= until or isinstance(translated(error, self._bootstrap), LogRefused):
                    raise
                time.sleep(PAUSE)

    def _taken(self, topic: str, until: float) -> _Kept:
        if not self._lock.acquire(timeout=max(0.0, until - time.monotonic())):
            raise LogUnreachable(f"no answer from the brokers at {self._bootstrap}: other threads wait for one, too")
        try:
            kept = self._kept = self._sound(until)
            kept.users += 1
        finally:
            self._lock.release()
        try:
            _wait_until_ready(kept.producer, topic, min(until, time.monotonic() + finding_timeout(self._bootstrap)))
        except KafkaError:
            self._give_up(kept)
            self._leave(kept)
            raise
        return kept

    def _sound(self, until: float) -> _Kept:
        """The kept producer, or a fresh one where that sends nothing any more."""
        if self._kept is not None and not _is_spent(self._kept.producer):
            return self._kept
        if self._kept is not None and not self._kept.users:
            close_producer(self._kept.producer, 0)
        self._kept = None
        return _Kept(self._make(max(0.0, min(finding_timeout(self._bootstrap), until - time.monotonic()))))

    def _give_up(self, kept: _Kept) -> None:
        with self._lock:
            if self._kept is kept:
                self._kept = None

    def _leave(self, kept: _Kept) -> None:
        """Use a producer no longer. The last one closes it, where it is kept no longer."""
        with self._lock:
            kept.users -= 1
            is_over = not kept.users and kept is not self._kept
        if is_over:
            close_producer(kept.producer, 0)

    def close(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for what is under way, and end. In a fork nothing is: the producer is forgotten."""
        if not self._process.is_here():
            if self._kept is not None:
                self._kept.producer._unregister_cleanup()
                self._kept.producer._closed = True
            self._kept = None
            return
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is not None:
            close_producer(kept.producer, timeout)


def _is_spent(producer: Any) -> bool:
    """Whether the client will send nothing any more: it has failed for good, or had its id taken away and asks for no other."""
    transactions = producer._transaction_manager
    is_without_id = transactions._current_state is TransactionState.READY and not transactions.has_producer_id()
    return bool(transactions.has_error() or is_without_id)


def _wait_until_ready(producer: Any, topic: str, until: float) -> None:
    """Wait until a producer has its id and knows a topic. Raises the client's errors."""
    producer._wait_on_metadata(topic, max(0.0, until - time.monotonic()) * 1000)
    transactions = producer._transaction_manager
    while not transactions.has_producer_id():
        if transactions.has_error():
            raise transactions.last_error
        if time.monotonic() >= until:
            raise KafkaTimeoutError("the brokers have given the client no producer id in time")
        time.sleep(LOOK_EVERY)


def _appended(
    producer: KafkaProducer, topic: str, entries: Sequence[Entry], partitions: Sequence[int], until: float
) -> list[Appended]:
    if len(entries) >= MANY:
        return append_batches(producer, topic, entries, partitions, until - time.monotonic())
    futures = [_send(producer, topic, entry, where) for entry, where in zip(entries, partitions, strict=True)]
    flush(producer, until - time.monotonic())
    sent = [future.get(max(0.001, until - time.monotonic())) for future in futures]
    return [Appended(one.partition, one.offset, one.timestamp) for one in sent]


def _send(producer: KafkaProducer, topic: str, entry: Entry, partition: int) -> Any:
    headers = list(entry.headers) or None
    return producer.send(topic, value=entry.value, key=entry.key, headers=headers, partition=partition)
