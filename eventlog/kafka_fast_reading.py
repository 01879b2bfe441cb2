"""Reading from Kafka through librdkafka: a cursor, and membership in a group. See ``port.Reader`` and ``port.Group``.

librdkafka passes over transaction markers without a word, and its own position stays before them. Where a partition ends with
some, only the event 'end of partition' says how far the client has read; so each reader asks for these events.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import methodcaller
from time import monotonic
from typing import Any, Final, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from casetrail.eventlog.errors import LogError, OffsetGone
from casetrail.eventlog.kafka_fast_client import LASTING, PASSING, consumer_options, fast_translated
from casetrail.eventlog.port import Flaw, Record, record_of
from casetrail.eventlog.process import OwnProcess, keep_for_good

headers_of: Final = methodcaller("headers")
"""Asks a message for its headers. Never ask it directly: where a header's name is not in UTF-8 the client gives back a
broken list together with an error. Python calls a method that it knows well without looking for that, and crashes on the
list; called from here, it looks."""


class Cursor:
    """A consumer of some partitions of one topic, and how far each of them has been read."""

    def __init__(self, bootstrap: str, options: Mapping[str, Any], topic: str, group: str) -> None:
        self.topic, self._bootstrap, self._is_member = topic, bootstrap, bool(group)
        self.positions: dict[int, int] = {}
        self._failure: LogError | None = None
        made = consumer_options(bootstrap, options, group or "reader")  # without a group of its own it joins none
        self._process = OwnProcess()
        self.consumer = Consumer({**made, "error_cb": self._told})

    def place(self, positions: Mapping[int, int]) -> None:
        """Read these partitions, and no others, from these offsets on."""
        self.positions = dict(positions)
        self.consumer.assign([TopicPartition(self.topic, *place) for place in self.positions.items()])

    def leave(self) -> None:
        """Read nothing more. In a group all partitions are taken away together, and the client waits for this very call."""
        self.positions = {}
        self.consumer.unassign()

    def read(self, timeout: float, most: int) -> list[Record]:
        """The next records, waiting for the first one. Comes back at once where only markers were passed.

        What cannot be read is said again at every call: librdkafka itself would go on behind it.
        """
        self._process.check()
        until = monotonic() + timeout
        while True:
            if self._failure is not None:
                raise self._failure
            try:
                messages = self.consumer.consume(most, 0) or self._first(until, most)
            except KafkaException as error:  # what ends the client for good
                self._fail(error.args[0])
                continue
            before = sum(self.positions.values())
            found = self._records(messages)
            if found or sum(self.positions.values()) != before or (self._failure is None and monotonic() >= until):
                return found

    def _first(self, until: float, most: int) -> list[Message]:
        """Wait for a message, and take what has come with it: a recorder makes one transaction of it, not two."""
        messages = self.consumer.consume(1, max(0.0, until - monotonic()))
        if messages and most > 1:
            messages += self.consumer.consume(most - 1, 0)
        return messages

    def _records(self, messages: Iterable[Message]) -> list[Record]:
        found, positions, made = [], self.positions, record_of
        for one in messages:
            error = one.error()
            if error is not None:
                self._not_a_record(one, error)
                if self._failure is not None:
                    break
                continue
            partition, offset = one.partition(), one.offset()
            try:
                headers = headers_of(one)
            except SystemError:  # the name of one is not in UTF-8; nothing that matters is in such headers
                headers = None
            if partition not in positions:
                continue  # it was taken away while this was under way
            found.append(
                made((partition, offset, one.timestamp()[1], one.key(), one.value(), _kept(headers) if headers else ()))
            )
            positions[partition] = offset + 1  # type: ignore[operator]
        return found

    def _not_a_record(self, message: Message, error: KafkaError) -> None:
        partition, offset = message.partition(), message.offset()
        if error.code() == KafkaError._PARTITION_EOF:
            if partition in self.positions and offset is not None:
                self.positions[partition] = max(self.positions[partition], offset)
        elif error.code() not in PASSING and not self._is_of_group(error):
            self._fail(error)

    def _is_of_group(self, error: KafkaError) -> bool:
        """Whether it is about the group, of which a reader is no member: the client asks for its coordinator all the same."""
        return not self._is_member and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED

    def _told(self, error: KafkaError) -> None:
        """The client says what is wrong between it and the brokers; most of that it mends by itself."""
        if error.code() in LASTING and not self._is_of_group(error):
            self._fail(error)

    def _fail(self, error: KafkaError) -> None:
        made = fast_translated(error, self._bootstrap)
        if isinstance(made, OffsetGone):
            made = OffsetGone(
                f"{self.topic}: the log does not have all records any more; its beginning has been deleted"
            )
        self._failure = self._failure or made

    def close(self) -> None:
        """Stop reading, and leave the group. In a fork the client is left alone: even to free it waits for its threads."""
        if self._process.is_here():
            self.consumer.close()
        else:
            keep_for_good(self.consumer)


def _kept(headers: Any) -> tuple[tuple[str, bytes], ...]:
    """Headers as the port has them: one without a value says nothing."""
    return tuple((name, value) for name, value in headers if value is not None)


class FastReader:
    """A cursor over partitions of one topic. See ``port.Reader``."""

    flaws: Final[Sequence[Flaw]] = ()

    def __init__(self, bootstrap: str, options: Mapping[str, Any], topic: str, start: Mapping[int, int]) -> None:
        self._cursor = Cursor(bootstrap, options, topic, "")
        self._cursor.place(start)

    def poll(self, timeout: float, max_records: int = 5000) -> list[Record]:
        return self._cursor.read(timeout, max_records)

    def position(self, partition: int) -> int:
        return self._cursor.positions[partition]

    def close(self) -> None:
        self._cursor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FastGroup:
    """Membership in a consumer group over ``actions``. Positions come from the recorder, never from the group."""

    def __init__(
        self,
        bootstrap: str,
        options: Mapping[str, Any],
        topic: str,
        group: str,
        on_assigned: Callable[[Iterable[int]], Mapping[int, int]],
        on_revoked: Callable[[Iterable[int]], None],
    ) -> None:
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._owned: frozenset[int] = frozenset()
        self._problem: BaseException | None = None
        waits = {"session_timeout_ms": 10_000, "heartbeat_interval_ms": 1_000, **options}
        self._cursor = Cursor(bootstrap, waits, topic, group)
        self._cursor.consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked)

    def _assigned(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = sorted(one.partition for one in partitions)
        places: Mapping[int, int] = {}
        try:
            places = self._on_assigned(numbers)
        except Exception as error:  # ``poll`` raises it, behind what the client does with the partitions
            self._problem = error
        self._owned |= frozenset(numbers)
        self._cursor.place({**self._cursor.positions, **places})

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = sorted(one.partition for one in partitions)
        self._owned -= frozenset(numbers)
        self._cursor.leave()
        try:
            self._on_revoked(numbers)
        except Exception as error:
            self._problem = self._problem or error

    def poll(self, timeout: float, max_records: int = 2000) -> list[Record]:
        try:
            return self._cursor.read(timeout, max_records)
        finally:
            problem, self._problem = self._problem, None
            if problem is not None:
                raise problem

    def rewind(self, partition: int, offset: int) -> None:
        self._cursor.place({**self._cursor.positions, partition: offset})

    def owned(self) -> frozenset[int]:
        return self._owned

    def close(self) -> None:
        self._cursor.close()
