"""The log on Apache Kafka. See ``port.Log`` for what its methods promise."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from casetrail.eventlog.enlarged import enlarged
from casetrail.eventlog.entries import places
from casetrail.eventlog.errors import LogError, LogMissing, LogRefused, LogUnreachable, OffsetGone, WriterFenced
from casetrail.eventlog.kafka_appending import Appends
from casetrail.eventlog.kafka_batches import send_batches
from casetrail.eventlog.kafka_client import checked_options, client_options, close_producer, log_errors, translated
from casetrail.eventlog.kafka_connecting import finding_timeout
from casetrail.eventlog.kafka_group import KafkaGroup
from casetrail.eventlog.kafka_lookup import Lookups, known_partitions, last_between
from casetrail.eventlog.kafka_records import read_fast
from casetrail.eventlog.kafka_topics import create_topics, topic_name, weaknesses
from casetrail.eventlog.port import Appended, Entry, Flaw, Group, Reader, Record, Topic, Weakness, Writer
from casetrail.eventlog.process import OwnProcess

__all__ = ["KafkaLog", "create_topics"]

SETTLE_TIMEOUT: Final = 60.0
TRANSACTION_TIMEOUT_MS: Final = 60_000
COMMIT_TIMEOUT_MS: Final = 15_000
LOOKUP_TIMEOUT_MS: Final = 30_000
"""So long a question to the brokers may take, where the configuration has no ``request_timeout_ms``."""
AHEAD: Final = 4000
"""So many records are taken over from the client at once."""
LOOK_BACK: Final = (4, 64, 1024, 16_384)
WRITERS: Final = {Topic.EVENTS: "recorder", Topic.CHECKPOINTS: "notary"}
"""Who writes a topic in transactions: part of the transactional id, which a cluster's rules of access name."""


class KafkaLog:
    """A log whose topics are on a Kafka cluster."""

    def __init__(self, bootstrap: str, name: str, partitions: int, options: Mapping[str, Any]) -> None:
        self.bootstrap, self.name, self.partitions, self.options = bootstrap, name, partitions, options
        self._version: tuple[int, ...] | None = None
        self._appends = Appends(bootstrap, self._append_producer)
        self._lookups = Lookups(bootstrap, self.consumer, options.get("request_timeout_ms", LOOKUP_TIMEOUT_MS) / 1000)

    @classmethod
    def open(cls, bootstrap: str, name: str, options: Mapping[str, object]) -> Self:
        """Open a log. Raises ``LogUnreachable``, ``LogMissing``."""
        checked = checked_options(options)
        log = cls(bootstrap, name, 0, checked)
        try:
            asked = known_partitions(topic_name(name, Topic.EVENTS), topic_name(name, Topic.ACTIONS))
            found = log._lookups.ask("read_uncommitted", asked, finding_timeout(bootstrap))
        except LogError:
            log.close()
            raise
        if not found:
            log.close()
            raise LogMissing(f"there is no log '{name}' at {bootstrap}; 'casetrail log init' makes one")
        log.partitions = found
        return log

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

    # --- appending ---

    def append(self, topic: Topic, entries: Sequence[Entry], timeout: float = 30.0) -> list[Appended]:
        partitions = places(entries, self.topic_partitions(topic))
        if any(entry.key is None and entry.value is None for entry in entries):
            raise ValueError("the Kafka client sends no entry that has neither key nor value")
        return self._appends.append(topic_name(self.name, topic), entries, partitions, timeout)

    def _append_producer(self, seconds: float) -> KafkaProducer:
        return KafkaProducer(
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            batch_size=131_072,
            linger_ms=1,
            max_block_ms=1000 * 10,
            delivery_timeout_ms=60_000,
            **{**client_options(self.bootstrap, self.options), "bootstrap_timeout_ms": int(seconds * 1000)},
        )

    def writer(self, partition: int, topic: Topic = Topic.EVENTS) -> Writer:
        return KafkaWriter(self, topic, partition)

    # --- reading ---

    def reader(self, topic: Topic, start: Mapping[int, int]) -> Reader:
        return KafkaReader(self, topic, start)

    def _topic(self, topic: Topic) -> list[TopicPartition]:
        return [TopicPartition(topic_name(self.name, topic), number) for number in range(self.topic_partitions(topic))]

    def start_offsets(self, topic: Topic) -> dict[int, int]:
        return {one.partition: offset for one, offset in self._starts("read_uncommitted", self._topic(topic)).items()}

    def end_offsets(self, topic: Topic) -> dict[int, int]:
        return {one.partition: offset for one, offset in self._ends("read_uncommitted", self._topic(topic)).items()}

    def _starts(
        self, isolation: str, partitions: list[TopicPartition], timeout: float | None = None
    ) -> dict[TopicPartition, int]:
        return self._lookups.ask(isolation, lambda one, s: one.beginning_offsets(partitions, int(s * 1000)), timeout)

    def _ends(
        self, isolation: str, partitions: list[TopicPartition], timeout: float | None = None
    ) -> dict[TopicPartition, int]:
        return self._lookups.ask(isolation, lambda one, s: one.end_offsets(partitions, int(s * 1000)), timeout)

    def settle(self, topic: Topic, partition: int) -> int:
        """Wait until no transaction of a partition is open below its high watermark; that watermark.

        What a predecessor has committed may stand above the last stable offset while its markers are being written.
        Raises ``LogUnreachable`` where a transaction stays open.
        """
        where = TopicPartition(topic_name(self.name, topic), partition)
        high = self._ends("read_uncommitted", [where])[where]
        until = time.monotonic() + SETTLE_TIMEOUT
        while (stable := self._ends("read_committed", [where])[where]) < high:
            if time.monotonic() > until:
                raise LogUnreachable(
                    f"{where.topic}, partition {partition}: a transaction has stayed open at offset {stable} for "
                    f"{SETTLE_TIMEOUT:.0f} s; find and abort it with the cluster's tools (kafka-transactions)"
                )
            time.sleep(0.01)
        return high

    def last(self, topic: Topic, partition: int) -> Record | None:
        high = self.settle(topic, partition)
        where = TopicPartition(topic_name(self.name, topic), partition)
        first = self._starts("read_committed", [where])[where]
        for back in (*LOOK_BACK, high - first):
            start = max(first, high - back)
            found = self._lookups.ask("read_committed", last_between(where, start, high))
            if found is not None or start == first:
                return found
        return None

    def read_one(self, topic: Topic, partition: int, offset: int, timeout: float | None = None) -> Record | None:
        where = TopicPartition(topic_name(self.name, topic), partition)
        start = self._starts("read_committed", [where], timeout)[where]
        if not start <= offset < self._ends("read_committed", [where], timeout)[where]:
            return None
        found = self._lookups.ask("read_committed", last_between(where, offset, offset + 1), timeout)
        return found if found is not None and found.offset == offset else None

    def join(
        self,
        group: str,
        on_assigned: Callable[[Iterable[int]], Mapping[int, int]],
        on_revoked: Callable[[Iterable[int]], None],
    ) -> Group:
        return KafkaGroup(self, group, on_assigned, on_revoked)

    def weaknesses(self) -> list[Weakness]:
        found = weaknesses(self.bootstrap, self.name, self.options, self._starts_at)
        with suppress(LogRefused):  # who may look at topics need not have the right to read events
            found += enlarged(self, topic_name(self.name, Topic.EVENTS))
        return found

    def _starts_at(self, topic: Topic, partitions: int) -> int:
        """The highest offset at which one of so many partitions of a topic begins."""
        every = [TopicPartition(topic_name(self.name, topic), number) for number in range(partitions)]
        return max(self._starts("read_uncommitted", every).values())

    def close(self) -> None:
        self._lookups.close()
        self._appends.close(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class KafkaReader:
    """A cursor over partitions of one topic. See ``port.Reader``.

    The client is asked seldom, for many records at once: being asked costs it as much as a hundred records. And it is asked
    before all of them are given out, so that the next ones come while those are looked at.
    """

    flaws: Final[Sequence[Flaw]] = ()
    """What the brokers hold that is no record fails its checksum."""

    def __init__(self, log: KafkaLog, topic: Topic, start: Mapping[int, int]) -> None:
        self._log, self._name = log, topic_name(log.name, topic)
        self._process = OwnProcess()
        self._consumer = log.consumer()
        self._partitions = {partition: TopicPartition(self._name, partition) for partition in start}
        self._consumer.assign(list(self._partitions.values()))
        for partition, offset in start.items():
            self._consumer.seek(self._partitions[partition], offset)
        self._waiting: dict[int, list[Record]] = {}
        self._asked = False
        self._failure: Exception | None = None

    def poll(self, timeout: float, max_records: int = 5000) -> list[Record]:
        self._process.check()
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
        if self._process.is_here():
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
            try:
                self._producer.init_transactions()
                log.settle(topic, partition)
            except (KafkaError, LogError):
                self.close()  # else it would fence, some time, whoever comes after it
                raise

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
