"""Handing many records to the client at once, as record batches that are ready to be sent.

The client makes some forty calls and two objects with locks of each record that it is given, which is most of what
appending costs. Here a batch is written in one loop, the way ``kafka_records`` reads one. Everything around it stays the
client's: producer ids, sequences, transactions, checksums, sending, retries. A test holds both ways of writing equal.
The format is Kafka's record batch, version 2 (Apache Kafka protocol guide, "Record Batch").
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from kafka import KafkaProducer, TopicPartition
from kafka.errors import IllegalStateError, KafkaTimeoutError
from kafka.producer.producer_batch import ProducerBatch
from kafka.record.memory_records import MemoryRecordsBuilder

from casetrail.eventlog.binary import long_bytes
from casetrail.eventlog.port import Appended, Entry

BATCH_FORMAT: Final = 2
NONE: Final = long_bytes(-1)  # the numbers of a record are written as Avro's longs are


class Part:
    """A record of a batch that the brokers found too large and the client has divided: in which batch it is now, and where there."""

    def __init__(self, future: Any) -> None:
        self._future, self._index = future, 0

    def rebind(self, future: Any, index: int) -> None:
        """The client has divided the batch that it was in; whoever waits for that one need not."""
        before, self._future, self._index = self._future, future, index
        before._latch.set()

    def appended(self, handed_over_at: int, until: float) -> Appended:
        """Where it stands, once it does. Raises the client's errors."""
        while not self._future.is_done:
            if not self._future.wait(max(0.0, until - time.monotonic())):
                raise KafkaTimeoutError("not everything was acknowledged in time")
        if self._future.exception is not None:
            raise self._future.exception
        first, appended_at, error_of = self._future.value
        if error_of is not None:
            raise error_of(self._index)
        at = handed_over_at if appended_at in (None, -1) else appended_at
        return Appended(self._future.topic_partition.partition, first + self._index, at)


class Batch:
    """Some of the entries for one partition, on their way. To the client it is the list of those who wait for a record each."""

    def __init__(self, batch: Any, handed_over_at: int, count: int) -> None:
        self._result, self._handed_over_at, self._count = batch.produce_future, handed_over_at, count
        self._parts: list[Part] = []
        self._others: list[Any] = []
        batch._record_futures = self

    def __len__(self) -> int:
        return self._count + len(self._others)

    def __getitem__(self, number: int) -> Any:
        """Who waits for a record. The client asks only where it divides the batch."""
        if not self._parts:
            self._parts = [Part(self._result) for _ in range(self._count)]
        return self._parts[number] if number < self._count else self._others[number - self._count]

    def append(self, future: Any) -> None:
        """The client has put a record of another thread behind ours: there was room."""
        self._others.append(future)

    def check(self) -> None:
        """Raise the client's error, if the batch has failed. One that was divided has no answer of its own."""
        if self._result.exception is not None:
            raise self._result.exception
        if self._result.is_done and (error_of := self._result.value[2]) is not None:
            raise error_of(0)

    def appended(self, until: float) -> list[Appended]:
        """Where each entry stands, once the client has flushed the batch. Raises as ``check``."""
        if self._parts:
            return [part.appended(self._handed_over_at, until) for part in self._parts]
        self.check()
        partition = self._result.topic_partition.partition
        first, appended_at, _ = self._result.value
        at = self._handed_over_at if appended_at in (None, -1) else appended_at
        return [Appended(partition, first + number, at) for number in range(self._count)]


def append_batches(
    producer: KafkaProducer, topic: str, entries: Sequence[Entry], partitions: Sequence[int], timeout: float
) -> list[Appended]:
    """Append entries to the partitions named for them, and wait until all are durable. Raises the client's errors."""
    until = time.monotonic() + timeout
    by_partition: dict[int, list[int]] = {}
    for number, partition in enumerate(partitions):
        by_partition.setdefault(partition, []).append(number)
    sent = [
        (numbers, send_batches(producer, topic, partition, [entries[number] for number in numbers]))
        for partition, numbers in by_partition.items()
    ]
    flush(producer, timeout)
    found: dict[int, Appended] = {}
    for numbers, batches in sent:
        found.update(zip(numbers, (one for batch in batches for one in batch.appended(until)), strict=True))
    return [found[number] for number in range(len(entries))]


def flush(producer: KafkaProducer, timeout: float) -> None:
    """Wait until all that was handed over has its answer. The client's own waits so long for each batch.

    Raises ``KafkaTimeoutError`` where that takes more than ``timeout`` seconds.
    """
    until = time.monotonic() + timeout
    accumulator = producer._accumulator
    accumulator.begin_flush()
    producer._sender.wakeup()
    try:
        for batch in accumulator._incomplete.all():
            if not batch.produce_future.wait(max(0.0, until - time.monotonic())):
                raise KafkaTimeoutError(f"not everything was acknowledged in {timeout:.0f} s")
    finally:
        accumulator._flushes_in_progress.decrement()


def send_batches(producer: KafkaProducer, topic: str, partition: int, entries: Sequence[Entry]) -> list[Batch]:
    """Hand over all entries for one partition, in order. Raises the client's errors where it takes none."""
    where = TopicPartition(topic, partition)
    if producer._closed:
        raise IllegalStateError("the client has been closed")
    if producer._metadata.partitions_for_topic(topic) is None:
        producer._wait_on_metadata(topic, producer.config["max_block_ms"])
    transactions = producer._transaction_manager
    if transactions is not None and transactions.is_transactional():
        transactions.maybe_add_partition_to_transaction(where)
    now = int(time.time() * 1000)
    made = [ProducerBatch(where, builder) for builder in builders(entries, producer._accumulator.config, now)]
    sent = [Batch(batch, now, batch.record_count) for batch in made]
    _enqueue(producer._accumulator, where, made)
    producer._sender.wakeup()
    return sent


def _enqueue(accumulator: Any, where: TopicPartition, batches: Sequence[Any]) -> None:
    """Put the batches behind those that the client has already; as its ``append`` does."""
    accumulator._appends_in_progress.increment()
    try:
        with accumulator._tp_lock(where):
            if accumulator._closed:
                raise IllegalStateError("the client has been closed")
            for batch in batches:
                accumulator._batches[where].append(batch)
                accumulator._incomplete.add(batch)
    finally:
        accumulator._appends_in_progress.decrement()


def builders(entries: Sequence[Entry], config: Any, now: int) -> Iterator[Any]:
    """The client's builders, filled: no batch is larger than the client's setting, unless a single record is."""
    most = config["batch_size"]
    builder = MemoryRecordsBuilder(BATCH_FORMAT, config["compression_attrs"], most)
    empty = size = builder.size_in_bytes()
    written: list[bytes] = []
    for entry in entries:
        record = record_bytes(len(written), entry)
        if written and size + len(record) > most:
            yield _filled(builder, written, now)
            builder, written, size = MemoryRecordsBuilder(BATCH_FORMAT, config["compression_attrs"], most), [], empty
            record = record_bytes(0, entry)
        written.append(record)
        size += len(record)
    if written:
        yield _filled(builder, written, now)


def record_bytes(number: int, entry: Entry) -> bytes:
    """Record ``number`` of a batch, with the time of the batch's first one."""
    key, value, _, headers = entry
    parts = [b"\x00\x00", long_bytes(number)]  # no attributes, no later than the first
    for part in (key, value):
        parts += (NONE,) if part is None else (long_bytes(len(part)), part)
    parts.append(long_bytes(len(headers)))
    for name, content in headers:
        text = name.encode()
        parts += (long_bytes(len(text)), text, long_bytes(len(content)), content)
    record = b"".join(parts)
    return long_bytes(len(record)) + record


def _filled(builder: Any, records: list[bytes], now: int) -> Any:
    """The builder, as if the records had been appended to it one by one."""
    inner = builder._builder
    inner._buffer += b"".join(records)
    inner._num_records, inner._last_offset = len(records), len(records) - 1
    inner._first_timestamp = inner._max_timestamp = now
    builder._next_offset = len(records)
    return builder
