"""Single questions to the brokers (offsets, one record): each is answered, or given up, within a time that is known before.

A client is kept for them, as making one takes its time. Where it has got no answer for a while, a fresh one asks again: it
carries along nothing of what the kept one believes, or waits for.

kafka-python 3.0.12 asks for a partition's offsets whoever it believes to lead that partition. Told that another one does, it
asks the same broker again, at once, until its time is over, without ever asking who leads now. And where it knows no leader
of some partitions, it leaves those out without a word.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError, NotLeaderForPartitionError, StaleMetadata, UnknownBrokerIdError

from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.kafka_client import log_errors
from casetrail.eventlog.kafka_connecting import PAUSE, finding_timeout
from casetrail.eventlog.port import Record
from casetrail.eventlog.process import OwnProcess

Answer = TypeVar("Answer")

Question = Callable[[KafkaConsumer, float], Answer]
"""Asks a client, and takes so many seconds at most before ``KafkaTimeoutError``: without progress, where it takes several steps."""


class Lookups:
    """Asks for all threads of a process, one question at a time. ``timeout``: seconds after which a question is given up."""

    def __init__(self, bootstrap: str, make: Callable[[str], KafkaConsumer], timeout: float) -> None:
        self._bootstrap, self._make, self._timeout = bootstrap, make, timeout
        self._process = OwnProcess()
        self._lock = threading.Lock()
        self._kept: dict[str, KafkaConsumer] = {}

    def ask(self, isolation: str, question: Question[Answer], timeout: float | None = None) -> Answer:
        """What the brokers answer to a client of this isolation level.

        Raises ``LogUnreachable`` where they have not within ``timeout`` seconds, and at once what does not pass by itself.
        """
        self._process.check()
        timeout = self._timeout if timeout is None else timeout
        until = time.monotonic() + timeout
        if not self._lock.acquire(timeout=timeout):
            raise LogUnreachable(f"no answer from the brokers at {self._bootstrap}: other questions to them still wait")
        try:
            with log_errors(self._bootstrap):
                return self._answer(isolation, question, until)
        finally:
            self._lock.release()

    def _answer(self, isolation: str, question: Question[Answer], until: float) -> Answer:
        while True:
            if isolation not in self._kept:
                self._kept[isolation] = self._make(isolation)
                follow_leaders(self._kept[isolation])
            attempt = max(PAUSE, min(finding_timeout(self._bootstrap), until - time.monotonic()))
            try:
                return question(self._kept[isolation], attempt)
            except KafkaError as error:
                if isinstance(error, KafkaTimeoutError):
                    self._kept.pop(isolation).close()
                passes = error.retriable or isinstance(error, UnknownBrokerIdError)  # it leads, and is not listed yet
                if not passes or time.monotonic() >= until:
                    raise
                time.sleep(PAUSE)

    def close(self) -> None:
        """Close all clients. In a fork, forget them: closing waits for threads that are not there."""
        if not self._process.is_here():
            self._kept = {}
            return
        with self._lock:
            for consumer in self._kept.values():
                consumer.close()
            self._kept.clear()


def follow_leaders(consumer: KafkaConsumer) -> None:
    """Let this consumer ask who leads a partition now, where the one it has asked for offsets leads it no longer."""
    fetcher = consumer._fetcher
    handle, group = fetcher._handle_list_offsets_response, fetcher._group_list_offset_requests

    def handled(response: Any) -> Any:
        found, again = handle(response)
        if again:
            raise NotLeaderForPartitionError(again)  # upon this the client asks
        return found, again

    def grouped(timestamps: Any) -> Any:
        by_node = group(timestamps)
        if sum(map(len, by_node.values())) < len(timestamps):
            raise StaleMetadata("some partitions have no leader")
        return by_node

    fetcher._handle_list_offsets_response, fetcher._group_list_offset_requests = handled, grouped


def known_partitions(topic: str, beside: str) -> Question[int]:
    """How many partitions the brokers know of a topic; 0 where they know no such topic.

    No more than of the one ``beside``, where this user may see that: they were made with the same number, and it can only grow.
    """

    def ask(consumer: KafkaConsumer, seconds: float) -> int:
        cluster, wait = consumer._cluster, consumer._manager.wait_for
        until = time.monotonic() + seconds
        if cluster.metadata_refresh_in_progress:  # its answer may know less
            consumer._net.run(wait, cluster.request_update(), seconds * 1000)
        cluster.need_all_topic_metadata = True
        try:
            consumer._net.run(wait, cluster.request_update(), max(0.0, until - time.monotonic()) * 1000)
        finally:
            cluster.need_all_topic_metadata = False
        known, others = (len(cluster.partitions_for_topic(one) or ()) for one in (topic, beside))
        return min(known, others or known)

    return ask


def last_between(where: TopicPartition, start: int, end: int) -> Question[Record | None]:
    """The last record with an offset of at least ``start`` and less than ``end``."""

    def ask(consumer: KafkaConsumer, seconds: float) -> Record | None:
        consumer.assign([where])
        consumer.seek(where, start)
        last: Record | None = None
        read, since = start, time.monotonic()
        while read < end:
            for records in consumer.poll(timeout_ms=100).values():
                last = next((one for one in reversed(records) if one.offset < end), last)
                if records and records[-1].offset >= end:
                    return last
            position = consumer.position(where, timeout_ms=int(seconds * 1000)) or read
            if position > read:
                read, since = position, time.monotonic()
            elif time.monotonic() - since > seconds:
                raise KafkaTimeoutError(f"no records of {where.topic}, partition {where.partition}, came")
        return last

    return ask
