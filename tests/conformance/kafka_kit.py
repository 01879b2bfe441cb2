"""What a log on Kafka must do besides, whichever client it goes through."""

import contextlib
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, Producer
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from casetrail.eventlog.errors import CodecMissing, OffsetGone, WriterFenced
from casetrail.eventlog.kafka import KafkaLog
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Entry, Reader, Topic
from tests.conformance.log_kit import LogKit, Member, options_for, read_all
from tests.servers.kafka import Broker

OTHER: dict[str, dict[str, object]] = {"KafkaLog": {"client": "confluent"}, "FastKafkaLog": {"client": "python"}}
"""The options that open a log of the one class through the other client."""


class NotText(str):
    """A name that goes out as bytes that are not in UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe\x1b[2J"


def transactional(kafka: Broker, log: KafkaLog) -> Any:
    """A client with a recorder's transactional id, which it takes over."""
    producer: Any = KafkaProducer(
        bootstrap_servers=kafka.bootstrap, transactional_id=f"{log.name}.recorder.0", retry_backoff_ms=5
    )
    producer.init_transactions()
    return producer


BOMB = 64 * 1024 * 1024
"""Bytes of a value that takes some 64 kB on its way."""


def kept_as_it_comes(kafka: Broker, topic: str) -> None:
    """Let a topic keep compressed records as they come, as one does whose settings have been weakened."""
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    settings = {"compression.type": "producer"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=settings)])
    admin.close()


def produced(kafka: Broker, topic: str, codec: str, *values: bytes) -> list[str]:
    """Produce values with a client that compresses them; what was said of those that the broker refused."""
    settings = {"bootstrap.servers": kafka.bootstrap, "compression.type": codec, "message.max.bytes": 2 * BOMB}
    refused: list[str] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refused.append(error.name())

    producer = Producer(settings)
    for value in values:
        producer.produce(topic, value, b"k", 0, on_delivery=delivered)
    assert producer.flush(60) == 0
    return refused


def values_of(reader: Reader, timeout: float) -> list[bytes | None]:
    """The values of the next records."""
    return [one.value for one in reader.poll(timeout)]


@pytest.mark.broker
class KafkaKit(LogKit):
    """The kit."""

    @pytest.fixture
    def url(self, kafka_url: str) -> str:
        return kafka_url

    def test_an_open_transaction_is_invisible_and_ended_by_the_next_writer(self, log: KafkaLog, kafka: Broker) -> None:
        log.writer(0).append([Entry(b"k", b"1")])
        producer = transactional(kafka, log)
        producer.begin_transaction()
        producer.send(f"{log.name}.events", key=b"k", value=b"never", partition=0)
        producer.flush()
        with log.reader(Topic.EVENTS, {0: 0}) as reader:
            assert values_of(reader, 2.0) == [b"1"]
            assert values_of(reader, 0.3) == []
            second = log.writer(0)
            second.append([Entry(b"k", b"2")])
            last = log.last(Topic.EVENTS, 0)
            assert last is not None
            assert last.value == b"2"
            end = log.end_offsets(Topic.EVENTS)[0]
            found = []
            while reader.position(0) < end:
                found += values_of(reader, 1.0)
            assert found == [b"2"]
        with contextlib.suppress(Exception):  # it was fenced
            producer.close(timeout=1)

    def test_a_long_tail_of_aborted_records_hides_nothing(self, log: KafkaLog, kafka: Broker) -> None:
        log.writer(0).append([Entry(b"k", b"last")])
        producer = transactional(kafka, log)
        producer.begin_transaction()
        for _ in range(200):
            producer.send(f"{log.name}.events", key=b"k", value=b"never", partition=0)
        producer.abort_transaction()
        producer.close()
        last = log.last(Topic.EVENTS, 0)
        assert last is not None
        assert last.value == b"last"
        assert [one.value for one in read_all(log, Topic.EVENTS)] == [b"last"]

    def test_reading_is_what_a_client_reads_by_itself(self, log: KafkaLog, kafka: Broker) -> None:
        topic = f"{log.name}.actions"
        kept_as_it_comes(kafka, topic)
        for compression in (None, "gzip"):
            producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, compression_type=compression, linger_ms=20)
            for number in range(300):
                value = None if number % 50 == 0 else b"v" * (number * 7 % 5000)
                key = None if number % 30 == 7 else b"k%d" % number
                headers = [("h", b"x" * number), ("empty", b"")] if number % 40 == 0 else []
                producer.send(topic, key=key, value=value, headers=headers, partition=number % 3)
            producer.close()
        found = sorted(read_all(log, Topic.ACTIONS), key=lambda one: (one.partition, one.offset))
        consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
        consumer.assign([TopicPartition(topic, number) for number in range(3)])
        plain: list[Any] = []
        while len(plain) < 600:
            plain += [one for records in consumer.poll(timeout_ms=500).values() for one in records]
        consumer.close()
        plain.sort(key=lambda one: (one.partition, one.offset))
        wanted = [(one.partition, one.offset, one.timestamp, one.key, one.value, tuple(one.headers)) for one in plain]
        assert [tuple(one) for one in found] == wanted
        with log.reader(Topic.ACTIONS, {1: 37}) as reader:  # within a batch
            assert reader.poll(5.0, 1)[0] == next(one for one in found if (one.partition, one.offset) == (1, 37))
            assert reader.position(1) == 38

    @pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
    def test_whatever_a_service_compresses_with_it_can_be_read(self, log: KafkaLog, kafka: Broker, codec: str) -> None:
        """By one that a recorder had no library for, a partition stood still for good: nothing can be taken out of the log."""
        assert produced(kafka, f"{log.name}.actions", codec, b"a" * 500, b"b") == []
        assert [one.value for one in read_all(log, Topic.ACTIONS)] == [b"a" * 500, b"b"]

    def test_what_unpacks_to_more_than_a_record_may_hold_is_refused(self, log: KafkaLog, kafka: Broker) -> None:
        assert produced(kafka, f"{log.name}.actions", "zstd", bytes(BOMB)) == ["MSG_SIZE_TOO_LARGE"]
        assert produced(kafka, f"{log.name}.actions", "zstd", b"next") == []
        assert [one.value for one in read_all(log, Topic.ACTIONS)] == [b"next"]

    def test_compressed_records_in_a_weakened_topic_are_read_or_named(self, log: KafkaLog, kafka: Broker) -> None:
        kept_as_it_comes(kafka, f"{log.name}.actions")
        produced(kafka, f"{log.name}.actions", "zstd", b"v" * 500)
        if type(log) is not KafkaLog:
            assert [one.value for one in read_all(log, Topic.ACTIONS)] == [b"v" * 500]
            return
        with log.reader(Topic.ACTIONS, {0: 0}) as reader:
            for _ in range(2):
                with pytest.raises(CodecMissing, match=r"zstd.*casetrail\[fast\]"):
                    for _ in range(20):
                        assert reader.poll(0.5) == []

    def test_an_offset_that_is_gone_is_said_again_and_again(self, log: KafkaLog, kafka: Broker) -> None:
        log.append(Topic.ACTIONS, [Entry(b"k", b"v", 0)] * 10)
        admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        admin.delete_records({TopicPartition(f"{log.name}.actions", 0): 4})
        admin.close()
        for start in (0, 1000):
            with log.reader(Topic.ACTIONS, {0: start}) as reader:
                for _ in range(2):
                    with pytest.raises(OffsetGone, match="deleted"):
                        for _ in range(20):
                            assert reader.poll(0.5) == []
                assert reader.position(0) == start

    def test_writers_of_both_clients_fence_each_other(self, log: KafkaLog, url: str) -> None:
        with open_log(url, OTHER[type(log).__name__]) as other:
            first = log.writer(0)
            first.append([Entry(b"k", b"1")])
            second = other.writer(0)
            with pytest.raises(WriterFenced, match=r"events, partition 0"):
                first.append([Entry(b"k", b"zombie")])
            second.append([Entry(b"k", b"2")])
            third = log.writer(0)
            with pytest.raises(WriterFenced, match=r"events, partition 0"):
                second.append([Entry(b"k", b"zombie")])
            third.append([Entry(b"k", b"3")])
            assert [one.value for one in read_all(log, Topic.EVENTS)] == [b"1", b"2", b"3"]

    def test_members_of_both_clients_share_the_partitions(self, log: KafkaLog, url: str) -> None:
        one = Member(log)
        self._until(lambda: one.group.poll(0.1), lambda: one.owned == {0, 1, 2})
        with open_log(url, {**options_for(url), **OTHER[type(log).__name__]}) as opened:
            other = Member(opened)
            self._until(
                lambda: (one.group.poll(0.1), other.group.poll(0.1)),
                lambda: bool(one.owned and other.owned) and one.owned | other.owned == {0, 1, 2},
            )
            assert not one.owned & other.owned
            other.group.close()
        self._until(lambda: one.group.poll(0.1), lambda: one.owned == {0, 1, 2})
        one.group.close()

    def test_what_goes_wrong_in_taking_up_a_partition_comes_out_of_the_group(self, log: KafkaLog) -> None:
        def fails(_: object) -> dict[int, int]:
            raise RuntimeError("no offset for it")

        group = log.join("kit", fails, lambda _: None)
        with pytest.raises(RuntimeError, match="no offset for it"):
            self._until(lambda: group.poll(0.2), lambda: False)
        group.close()

    def test_headers_that_are_no_text_hide_no_record(self, log: KafkaLog, kafka: Broker) -> None:
        log.append(
            Topic.ACTIONS, [Entry(b"k", b"before", 0)] * 200
        )  # calls are made in another way when there were many
        producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
        name = "h\u00fc\u0000\u202e"
        producer.send(
            f"{log.name}.actions", key=b"k", value=b"v", headers=[(name, b"\xff\x00"), ("", b"")], partition=0
        )
        headers = [(NotText("h"), b"x")]
        producer.send(f"{log.name}.actions", key=b"k", value=b"w", headers=headers, partition=0)
        producer.send(f"{log.name}.actions", key=b"k", value=b"x", headers=[("traceparent", b"00")], partition=0)
        producer.close()
        found = read_all(log, Topic.ACTIONS)
        assert [one.value for one in found[200:]] == [b"v", b"w", b"x"]
        assert found[-1].headers == (("traceparent", b"00"),)
