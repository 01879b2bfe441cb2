"""Membership in a consumer group on Kafka. See ``port.Group``."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from kafka import ConsumerRebalanceListener, TopicPartition

from casetrail.eventlog.kafka_client import log_errors
from casetrail.eventlog.kafka_topics import topic_name
from casetrail.eventlog.port import Record, Topic

if TYPE_CHECKING:
    from casetrail.eventlog.kafka import KafkaLog


class KafkaGroup:
    """Membership in a consumer group over ``actions``. Positions come from the recorder, never from the group."""

    def __init__(
        self,
        log: "KafkaLog",
        group: str,
        on_assigned: Callable[[Iterable[int]], Mapping[int, int]],
        on_revoked: Callable[[Iterable[int]], None],
    ) -> None:
        self._log, self._name = log, topic_name(log.name, Topic.ACTIONS)
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._owned: frozenset[int] = frozenset()
        self._problem: BaseException | None = None
        waits = {"session_timeout_ms": 10_000, "heartbeat_interval_ms": 1_000, **log.options}
        self._consumer = log.consumer(group_id=group, max_poll_interval_ms=600_000, **waits)
        self._consumer.subscribe([self._name], listener=_Listener(self))

    def assigned(self, partitions: Iterable[int]) -> None:
        """The group gave this member partitions."""
        numbers = sorted(partitions)
        self._owned |= frozenset(numbers)
        try:
            for partition, offset in self._on_assigned(numbers).items():
                self._consumer.seek(TopicPartition(self._name, partition), offset)
        except Exception as error:  # the client would swallow it: ``poll`` raises it
            self._problem = error

    def revoked(self, partitions: Iterable[int]) -> None:
        """The group took partitions from this member."""
        numbers = sorted(partitions)
        self._owned -= frozenset(numbers)
        try:
            self._on_revoked(numbers)
        except Exception as error:
            self._problem = self._problem or error

    def poll(self, timeout: float, max_records: int = 2000) -> list[Record]:
        try:
            with log_errors(self._log.bootstrap):
                self._join_again_where_forgotten()
                found = self._consumer.poll(timeout_ms=int(timeout * 1000), max_records=max_records)
        finally:  # where a partition could not be taken up, the client itself only misses an offset
            problem, self._problem = self._problem, None
            if problem is not None:
                raise problem
        return [record for records in found.values() for record in records]

    def _join_again_where_forgotten(self) -> None:
        """Join again where the client has its partitions, but forgot to take them up.

        Where the answer of the group comes between two polls, kafka-python 3.0.12 takes itself for joined and never looks
        at the answer: it would own nothing, for ever. Such a join is seen by its task, which is done, but still there.
        """
        coordinator = self._consumer._coordinator
        task = coordinator._join_task
        if task is not None and task.is_done and not coordinator.need_rejoin():
            coordinator.request_rejoin()

    def rewind(self, partition: int, offset: int) -> None:
        self._consumer.seek(TopicPartition(self._name, partition), offset)

    def owned(self) -> frozenset[int]:
        return self._owned

    def close(self) -> None:
        self._consumer.close()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, group: KafkaGroup) -> None:
        self._group = group

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._group.assigned([one.partition for one in assigned])

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._group.revoked([one.partition for one in revoked])
