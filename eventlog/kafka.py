"""The log on Apache Kafka. See ``port.Log`` for what its methods promise."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from casetrail.eventlog.entries import places
from casetrail.eventlog.errors import LogError, LogMissing, LogUnreachable, OffsetGone, WriterFenced
from casetrail.eventlog.kafka_batches import append_batches, send_batches
from casetrail.eventlog.kafka_client import checked_options, client_options, close_producer, log_errors, translated
from casetrail.eventlog.kafka_connecting import answered
from casetrail.eventlog.kafka_group import KafkaGroup
from casetrail.eventlog.kafka_records import read_fast
from casetrail.eventlog.kafka_topics import create_topics, topic_name, weaknesses
from casetrail.eventlog.port import Appended, Entry, Group, Reader, Record, Topic, Weakness, Writer

__all__ = ["KafkaLog", "create_topics"]

SETTLE_TIMEOUT: Final = 60.0
TRANSACTION_TIMEOUT_MS: Final = 60_000
COMMIT_TIMEOUT_MS: Final = 15_000
MANY: Final = 32
"""Entries that are worth batches of their own; fewer share one with what other threads append at the same time."""
AHEAD: Final = 4000
"""So many records are taken over from the client at once."""
LOOK_BACK: Final = (4, 64, 1024, 16_384)
WRITERS: Final = {Topic.EVENTS: "recorder", Topic.CHECKPOINTS: "notary"}
"""Who writes a topic in transactions: part of the transactional id, which a cluster's rules of access name."""


class KafkaLog:
    """A log whose topics are on a Kafka cluster."""

    def __init__(self, bootstrap: str, name: str, partitions: int, options: Mapping[str, Any]) -> None:
        self.bootstrap, self.name, self.partitions, self.options = bootstrap, name, partitions, options
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None
        self._lookups: dict[str, KafkaConsumer] = {}
        self._version: tuple[int, ...] | None = None

    @classmethod
    def open(cls, bootstrap: str, name: str, options: Mapping[str, object]) -> Self:
        """Open a log. Raises ``LogUnreachable``, ``LogMissing``."""
        checked = checked_options(options)
        log = cls(bootstrap, name, 0, checked)
        try:
            found = log._known_partitions(topic_name(name, Topic.EVENTS))
        except LogError:
            log.close()
            raise
        if not found:
            log.close()
            raise LogMissing(f"there is no log '{name}' at {bootstrap}; 'casetrail log init' makes one")
        log.partitions = found
        return log

    def _known_partitions(self, name: str) -> int:
        """How many partitions the brokers know of a topic; 0 where they know no such topic."""

        def ask() -> int:
            consumer._cluster.need_all_topic_metadata = False  # where the question has failed, the client leaves it set
            return len(consumer.partitions_for_topic(name))

        with self._lookup("read_uncommitted") as consumer:
            return answered(ask, self.bootstrap)

    def topic_partitions(self, topic: Topic) -> int:
        """How many partitions a topic has."""
        return self.partitions if topic in (Topic.ACTIONS, Topic.EVENTS) else 1

    def consumer(self, isolation: str = "read_committed", **more: Any) -> KafkaConsumer:
        """A consumer that starts nowhere by itself and commits nothing."""
        options = {
            "enable_auto_commit": False,
            "metrics_enabled": False,
            "auto_offset_reset": "none",
            "isolation_level": isolation,
            "allow_auto_create_topics": False,
            "max_partition_fetch_bytes": 4 * 1024 * 1024,
            "fetch_max_wait_ms": 100,
            "api_version": self._version,  # asking for it again takes a new consumer a tenth of a second
            **client_options(self.bootstrap, self.options, consumer=True),
            **more,
        }
        with log_errors(self.bootstrap):
            consumer = KafkaConsumer(**options)
        self._version = consumer.config["api_version"]
        read_fast(consumer)
        return consumer

    @contextmanager
    def _lookup(self, isolation: str) -> Any:
        """A consumer for single questions, one at a time."""
        with self._lock, log_errors(self.bootstrap):
            if isolation not in self._lookups:
                self._lookups[isolation] = self.consumer(isolation)
            yield self._lookups[isolation]

    # --- appending ---

    def append(self, topic: Topic, entries: Sequence[Entry], timeout: float = 30.0) -> list[Appended]:
        partitions = places(entries, self.topic_partitions(topic))
        if any(entry.key is None and entry.value is None for entry in entries):
            raise ValueError("the Kafka client sends no entry that has neither key nor value")
        until = time.monotonic() + timeout
        name = topic_name(self.name, topic)
        with log_errors(self.bootstrap):
            producer = self._append_producer()
            if len(entries) >= MANY:
                return append_batches(producer, name, entries, partitions, timeout)
            futures = [_send(producer, name, entry, where) for entry, where in zip(entries, partitions, strict=True)]
            producer.flush(timeout)
            sent = [future.get(max(0.001, until - time.monotonic())) for future in futures]
        return [Appended(one.partition, one.offset, one.timestamp) for one in sent]

    def _append_producer(self) -> KafkaProducer:
        with self._lock:
            if self._producer is None:
                self._producer = KafkaProducer(
                    acks="all",
                    enable_idempotence=True,
                    allow_auto_create_topics=False,
                    batch_size=131_072,
                    linger_ms=1,
                    max_block_ms=1000 * 10,
                    delivery_timeout_ms=60_000,
                    **client_options(self.bootstrap, self.options),
                )
            return self._producer

    def writer(self, partition: int, topic: Topic = Topic.EVENTS) -> Writer:
        return KafkaWriter(self, topic, partition)

    # --- reading ---

    def reader(self, topic: Topic, start: Mapping[int, int]) -> Reader:
        return KafkaReader(self, topic, start)

    def _topic(self, topic: Topic) -> list[TopicPartition]:
        return [TopicPartition(topic_name(self.name, topic), number) for number in range(self.topic_partitions(topic))]

    def start_offsets(self, topic: Topic) -> dict[int, int]:
        with self._lookup("read_uncommitted") as consumer:
            return {one.partition: offset for one, offset in consumer.beginning_offsets(self._topic(topic)).items()}

    def end_offsets(self, topic: Topic) -> dict[int, int]:
        with self._lookup("read_uncommitted") as consumer:
            return {one.partition: offset for one, offset in consumer.end_offsets(self._topic(topic)).items()}

    def settle(self, topic: Topic, partition: int) -> int:
        """Wait until no transaction of a partition is open below its high watermark; that watermark.

        What a predecessor has committed may stand above the last stable offset while its markers are being written.
        Raises ``LogUnreachable`` where a transaction stays open.
        """
        where = TopicPartition(topic_name(self.name, topic), partition)
        with self._lookup("read_uncommitted") as consumer:
            high: int = consumer.end_offsets([where])[where]
        until = time.monotonic() + SETTLE_TIMEOUT
        while True:
            with self._lookup("read_committed") as consumer:
                stable: int = consumer.end_offsets([where])[where]
            if stable >= high:
                return high
            if time.monotonic() > until:
                raise LogUnreachable(
                    f"{where.topic}, partition {partition}: a transaction has stayed open at offset {stable} for "
                    f"{SETTLE_TIMEOUT:.0f} s; find and abort it with the cluster's tools (kafka-transactions)"
                )
            time.sleep(0.01)

    def last(self, topic: Topic, partition: int) -> Record | None:
        high = self.settle(topic, partition)
        where = TopicPartition(topic_name(self.name, topic), partition)
        with self._lookup("read_committed") as consumer:
            first: int = consumer.beginning_offsets([where])[where]
            for back in (*LOOK_BACK, high - first):
                start = max(first, high - back)
                found = _read_to(consumer, where, start, high)
                if found is not None or start == first:
                    return found
        return None

    def read_one(self, topic: Topic, partition: int, offset: int) -> Record | None:
        where = TopicPartition(topic_name(self.name, topic), partition)
        with self._lookup("read_committed") as consumer:
            first: int = consumer.beginning_offsets([where])[where]
            end: int = consumer.end_offsets([where])[where]
            if not first <= offset < end:
                return None
            found = _read_to(consumer, where, offset, offset + 1)
        return found if found is not None and found.offset == offset else None

    def join(
        self,
        group: str,
        on_assigned: Callable[[Iterable[int]], Mapping[int, int]],
        on_revoked: Callable[[Iterable[int]], None],
    ) -> Group:
        return KafkaGroup(self, group, on_assigned, on_revoked)

    def weaknesses(self) -> list[Weakness]:
        starts = {topic: max(self.start_offsets(topic).values()) for topic in Topic}
        return weaknesses(self.bootstrap, self.name, self.options, starts)

    def close(self) -> None:
        with self._lock:
            for consumer in self._lookups.values():
                consumer.close()
            self._lookups.clear()
            if self._producer is not None:
                close_producer(self._producer, 5)
                self._producer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class KafkaReader:
    """A cursor over partitions of one topic. See ``port.Reader``.

    The client is asked seldom, for many records at once: being asked costs it as much as a hundred records. And it is asked
    before all of them are given out, so that the next ones come while those are looked at.
    """

    def __init__(self, log: KafkaLog, topic: Topic, start: Mapping[int, int]) -> None:
        self._log, self._name = log, topic_name(log.name, topic)
        self._consumer = log.consumer()
        self._partitions = {partition: TopicPartition(self._name, partition) for partition in start}
        self._consumer.assign(list(self._partitions.values()))
        for partition, offset in start.items():
            self._consumer.seek(self._partitions[partition], offset)
        self._waiting: dict[int, list[Record]] = {}
        self._asked = False
        self._failure: Exception | None = None

    def poll(self, timeout: float, max_records: int = 5000) -> list[Record]:
        if not self._waiting and self._failure is None:
            self._fetch(timeout)
        if not self._waiting and self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        found: list[Record] = []
        for partition in list(self._waiting):
            records, room = self._waiting.pop(partition), max_records - len(found)
            if len(records) > room:
                self._waiting[partition] = records[room:]
                del records[room:]
            found += records
            if len(found) == max_records:
                break
        if found and not self._asked and self._failure is None and sum(map(len, self._waiting.values())) < AHEAD:
            self._fetch(0)
        return found

    def _fetch(self, timeout: float) -> None:
        """Take over what the client has, and have it ask for more."""
        try:
            fetched = self._consumer.poll(timeout_ms=int(timeout * 1000), max_records=AHEAD)
        except KafkaError as error:
            self._failure = self._error(error)  # raised behind what waits
            self._failure.__cause__ = error
            return
        self._asked = not fetched
        for where, records in fetched.items():
            self._waiting.setdefault(where.partition, []).extend(records)

    def _error(self, error: KafkaError) -> Exception:
        made = translated(error, self._log.bootstrap)
        if isinstance(made, OffsetGone) or "NoOffsetForPartition" in type(error).__name__:
            return OffsetGone(
                f"{self._name}: the log does not have all records any more; its beginning has been deleted"
            )
        return made

    def position(self, partition: int) -> int:
        if partition in self._waiting:
            return self._waiting[partition][0].offset
        with log_errors(self._log.bootstrap):
            position = self._consumer.position(self._partitions[partition])
        if position is None:
            raise LogUnreachable(f"{self._name}, partition {partition}: the position is not known")
        return int(position)

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class KafkaWriter:
    """The writer of one partition of a topic, by its transactional id: opening another one fences this one."""

    def __init__(self, log: KafkaLog, topic: Topic, partition: int) -> None:
        self._log, self._partition = log, partition
        self._name = topic_name(log.name, topic)
        with log_errors(log.bootstrap):
            self._producer = KafkaProducer(
                acks="all",
                transactional_id=f"{log.name}.{WRITERS[topic]}.{partition}",
                transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
                allow_auto_create_topics=False,
                batch_size=262_144,
                linger_ms=2,
                max_block_ms=30_000,
                **{**client_options(log.bootstrap, log.options), "retry_backoff_ms": 1},
            )
            self._producer.init_transactions()
        log.settle(topic, partition)

    def append(self, entries: Sequence[Entry]) -> None:
        try:
            self._producer.begin_transaction()
            batches = send_batches(self._producer, self._name, self._partition, entries)
            self._commit()
            for batch in batches:
                batch.check()
        except (KafkaError, AssertionError) as error:
            made = translated(error, self._log.bootstrap)
            if isinstance(made, WriterFenced):
                made = WriterFenced(f"{self._name}, partition {self._partition}: another writer has taken over")
            self.close()
            raise made from error

    def _commit(self) -> None:
        """Commit, for a bounded time: the client's own ``commit_transaction`` waits for ever where brokers were lost."""
        result = self._producer._transaction_manager.begin_commit()
        self._producer._sender.wakeup()
        if not result.wait(timeout_ms=COMMIT_TIMEOUT_MS):
            raise KafkaTimeoutError(f"the commit was not answered in {COMMIT_TIMEOUT_MS // 1000} s")

    def close(self) -> None:
        close_producer(self._producer, 0)


def _send(producer: KafkaProducer, topic: str, entry: Entry, partition: int) -> Any:
    headers = list(entry.headers) or None
    return producer.send(topic, value=entry.value, key=entry.key, headers=headers, partition=partition)


def _read_to(consumer: KafkaConsumer, where: TopicPartition, start: int, end: int) -> Record | None:
    """The last record with an offset of at least ``start`` and less than ``end``."""
    consumer.assign([where])
    consumer.seek(where, start)
    last: Record | None = None
    until = time.monotonic() + SETTLE_TIMEOUT
    while consumer.position(where) < end:
        for records in consumer.poll(timeout_ms=100).values():
            for one in records:
                if one.offset < end:
                    last = one
            if records and records[-1].offset >= end:
                return last
        if time.monotonic() > until:
            raise LogUnreachable(f"{where.topic}, partition {where.partition}: no records came; check the brokers")
    return last
