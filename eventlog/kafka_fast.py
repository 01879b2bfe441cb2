"""The log on Apache Kafka through librdkafka (``casetrail[fast]``).

What carries records goes through librdkafka: readers, groups, writers, and appending a few entries. Many at once are appended as by
``KafkaLog``: ``kafka_batches`` writes a batch in one loop, librdkafka's binding takes and acknowledges each record by itself. Single
questions (offsets, one record, settings of topics) are asked with kafka-python, too. Both logs pass the same conformance kit.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from casetrail.eventlog.entries import places
from casetrail.eventlog.kafka import WRITERS, KafkaLog
from casetrail.eventlog.kafka_appending import MANY
from casetrail.eventlog.kafka_fast_reading import FastGroup, FastReader
from casetrail.eventlog.kafka_fast_writing import Appender, FastWriter
from casetrail.eventlog.kafka_topics import topic_name
from casetrail.eventlog.port import Appended, Entry, Group, Reader, Topic, Writer
from casetrail.eventlog.process import OwnProcess, keep_for_good


class FastKafkaLog(KafkaLog):
    """A log whose topics are on a Kafka cluster, read and written through librdkafka."""

    def __init__(self, bootstrap: str, name: str, partitions: int, options: Mapping[str, Any]) -> None:
        super().__init__(bootstrap, name, partitions, options)
        self._process = OwnProcess()
        self._lock = threading.Lock()
        self._appender: Appender | None = None

    def append(self, topic: Topic, entries: Sequence[Entry], timeout: float = 30.0) -> list[Appended]:
        self._process.check()
        if len(entries) >= MANY:
            return super().append(topic, entries, timeout)
        partitions = places(entries, self.topic_partitions(topic))
        with self._lock:
            if self._appender is None:
                self._appender = Appender(self.bootstrap, self.options)
        return self._appender.append(topic_name(self.name, topic), entries, partitions, timeout)

    def writer(self, partition: int, topic: Topic = Topic.EVENTS) -> Writer:
        transactional_id = f"{self.name}.{WRITERS[topic]}.{partition}"
        made = FastWriter(self.bootstrap, self.options, topic_name(self.name, topic), partition, transactional_id)
        self.settle(topic, partition)
        return made

    def reader(self, topic: Topic, start: Mapping[int, int]) -> Reader:
        return FastReader(self.bootstrap, self.options, topic_name(self.name, topic), start)

    def join(
        self,
        group: str,
        on_assigned: Callable[[Iterable[int]], Mapping[int, int]],
        on_revoked: Callable[[Iterable[int]], None],
    ) -> Group:
        topic = topic_name(self.name, Topic.ACTIONS)
        return FastGroup(self.bootstrap, self.options, topic, group, on_assigned, on_revoked)

    def close(self) -> None:
        if not self._process.is_here():
            if self._appender is not None:
                keep_for_good(self._appender)
            super().close()
            return
        with self._lock:
            appender, self._appender = self._appender, None
        if appender is not None:
            appender.close(5)
        super().close()
