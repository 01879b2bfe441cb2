"""Appending to Kafka through librdkafka: many entries with their acknowledgements, and the one writer of a partition."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from casetrail.eventlog.errors import LogError, LogUnreachable, WriterFenced
from casetrail.eventlog.kafka import COMMIT_TIMEOUT_MS, TRANSACTION_TIMEOUT_MS
from casetrail.eventlog.kafka_fast_client import LARGEST, LASTING, fast_options, fast_translated
from casetrail.eventlog.port import Appended, Entry

OPENING_TIMEOUT: Final = 30.0
SERVED_EVERY: Final = 0.1


@contextmanager
def fast_errors(bootstrap: str) -> Iterator[None]:
    """Let the client's errors out as the log's."""
    try:
        yield
    except KafkaException as error:
        raise fast_translated(error.args[0], bootstrap) from error
    except BufferError as error:
        raise LogUnreachable(f"the client for {bootstrap} holds too much that is not acknowledged yet") from error


def producer_options(bootstrap: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """A producer that doubles nothing and keeps the order, acknowledged by all replicas."""
    return {
        "acks": "all",
        "enable.idempotence": True,
        "message.max.bytes": LARGEST,
        "queue.buffering.max.messages": 0,  # no limit but that of bytes
        **fast_options(bootstrap, options),
    }


def _headers(entry: Entry) -> list[tuple[str, str | bytes | None]] | None:
    return [*entry.headers] or None


class Acknowledged:
    """The acknowledgements of some entries, as they come; ``wait`` for all of them."""

    def __init__(self, count: int) -> None:
        self._appended: list[Appended | None] = [None] * count
        self._left, self._done = count, threading.Event()
        self._error: KafkaError | None = None
        if not count:
            self._done.set()

    def of(self, number: int) -> Callable[[KafkaError | None, Message], None]:
        """What the client calls when entry ``number`` is acknowledged, or never will be. One thread calls all of them."""

        def come(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._error = self._error or error
            else:
                self._appended[number] = Appended(message.partition(), message.offset(), message.timestamp()[1])  # type: ignore[arg-type]
            self._left -= 1
            if not self._left:
                self._done.set()

        return come

    def wait(self, timeout: float) -> bool:
        """Whether all came in time."""
        return self._done.wait(timeout)

    def appended(self, bootstrap: str) -> list[Appended]:
        """Where each entry stands. Raises ``LogUnreachable``, ``EntryTooLarge``."""
        if self._error is not None:
            raise fast_translated(self._error, bootstrap)
        return [one for one in self._appended if one is not None]


class Appender:
    """Appends for all threads of a process. A thread of its own takes the acknowledgements."""

    def __init__(self, bootstrap: str, options: Mapping[str, Any]) -> None:
        self._bootstrap = bootstrap
        self._refused: LogError | None = None
        waits = {"linger.ms": 0.5, "batch.size": 262_144, "message.timeout.ms": 60_000}
        made = {**producer_options(bootstrap, options), **waits, "error_cb": self._told}
        self._producer = Producer(made)
        self._closed = threading.Event()
        self._server = threading.Thread(target=self._serve, name="acknowledgements", daemon=True)
        self._server.start()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                self._producer.poll(SERVED_EVERY)
            except KafkaException as error:  # what ends the client for good
                self._refused = fast_translated(error.args[0], self._bootstrap)
                self._closed.wait(SERVED_EVERY)

    def _told(self, error: KafkaError) -> None:
        if error.code() in LASTING:
            self._refused = fast_translated(error, self._bootstrap)

    def append(self, topic: str, entries: Sequence[Entry], partitions: Sequence[int], timeout: float) -> list[Appended]:
        """Append entries to the partitions named for them, and wait until all are durable. Raises the log's errors."""
        if self._refused is not None:
            raise self._refused
        acknowledged, produce = Acknowledged(len(entries)), self._producer.produce
        with fast_errors(self._bootstrap):
            for number, (entry, partition) in enumerate(zip(entries, partitions, strict=True)):
                come = acknowledged.of(number)
                produce(topic, entry.value, entry.key, partition, on_delivery=come, headers=_headers(entry))
        until = monotonic() + timeout
        while not acknowledged.wait(min(SERVED_EVERY, max(0.0, until - monotonic()))):
            if self._refused is not None:
                raise self._refused
            if monotonic() >= until:
                raise LogUnreachable(
                    f"the brokers at {self._bootstrap} have not acknowledged all entries in {timeout:.0f} s"
                )
        return acknowledged.appended(self._bootstrap)

    def close(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for what is under way, and end."""
        self._producer.flush(timeout)
        self._closed.set()
        self._server.join()
        self._producer.purge(blocking=False)
        self._producer.poll(0)


class FastWriter:
    """The writer of one partition of a topic, by its transactional id: opening another one fences this one."""

    def __init__(
        self, bootstrap: str, options: Mapping[str, Any], topic: str, partition: int, transactional_id: str
    ) -> None:
        self._bootstrap, self._topic, self._partition = bootstrap, topic, partition
        made = {
            **producer_options(bootstrap, options),
            "transactional.id": transactional_id,
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            "batch.size": 262_144,
            "linger.ms": 2,
            "retry.backoff.ms": 1,
        }
        self._producer = Producer(made)
        with fast_errors(bootstrap):
            self._producer.init_transactions(OPENING_TIMEOUT)

    def append(self, entries: Sequence[Entry]) -> None:
        try:
            with fast_errors(self._bootstrap):
                self._producer.begin_transaction()
                for entry in entries:
                    self._producer.produce(
                        self._topic, entry.value, entry.key, self._partition, headers=_headers(entry)
                    )
                self._producer.commit_transaction(COMMIT_TIMEOUT_MS / 1000)
        except LogError as error:
            self.close()
            if isinstance(error, WriterFenced):
                raise WriterFenced(
                    f"{self._topic}, partition {self._partition}: another writer has taken over"
                ) from error
            raise

    def close(self) -> None:
        """Send nothing more. What was not committed is aborted by the next writer, or by the brokers after a while."""
        self._producer.purge(blocking=False)
        self._producer.poll(0)
