"""The log on Kafka passes the kit against a real broker; and what only it promises."""

import signal
import socket
import time
from typing import Any

import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from casetrail.eventlog.errors import EntryTooLarge, LogUnreachable
from casetrail.eventlog.kafka import KafkaLog
from casetrail.eventlog.kafka_client import BadOption
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.partitioner import murmur2, partition_for
from casetrail.eventlog.port import Entry, Topic
from tests.conformance.kafka_kit import KafkaKit
from tests.conformance.log_kit import read_all
from tests.servers.kafka import Broker


class TestKafkaLog(KafkaKit):
    def test_a_broker_that_does_not_answer_costs_the_writer_and_nothing_else(
        self, log: KafkaLog, kafka: Broker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("casetrail.eventlog.kafka.COMMIT_TIMEOUT_MS", 500)
        writer = log.writer(0)
        writer.append([Entry(b"k", b"before")])
        sender: Any = writer._producer._sender  # type: ignore[attr-defined]
        kafka.signal(signal.SIGSTOP)
        try:
            with pytest.raises(LogUnreachable):
                writer.append([Entry(b"k", b"never answered")])
            writer.close()
        finally:
            kafka.signal(signal.SIGCONT)
        sender.join(30)
        assert not sender.is_alive()
        log.writer(0).append([Entry(b"k", b"after")])
        values = [one.value for one in read_all(log, Topic.EVENTS)]
        assert (values[0], values[-1]) == (b"before", b"after")

    def test_a_batch_that_the_brokers_find_too_large_is_divided(self, log: KafkaLog, kafka: Broker) -> None:
        admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        limit = {"max.message.bytes": "20000"}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, f"{log.name}.events", configs=limit)])
        admin.close()
        writer = log.writer(0)
        entries = [Entry(b"k", b"%d" % number * 100) for number in range(500)]
        writer.append(entries)
        writer.append([Entry(b"k", b"after")])
        assert [one.value for one in read_all(log, Topic.EVENTS)] == [*(one.value for one in entries), b"after"]

    def test_whose_batch_the_brokers_find_too_large_is_told_where_each_entry_stands(
        self, log: KafkaLog, kafka: Broker
    ) -> None:
        admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        limit = {"max.message.bytes": "2000"}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, f"{log.name}.actions", configs=limit)])
        admin.close()
        entries = [Entry(b"k%d" % number, b"%d" % number * 100) for number in range(200)]
        appended = log.append(Topic.ACTIONS, entries)
        held = {(one.partition, one.offset): one for one in read_all(log, Topic.ACTIONS)}
        found = [held[one.partition, one.offset] for one in appended]
        assert [one.value for one in found] == [one.value for one in entries]
        assert [one.appended_at for one in found] == [one.appended_at for one in appended]
        assert len(held) == len(entries)
        with pytest.raises(EntryTooLarge):
            log.append(Topic.ACTIONS, [*entries[:100], Entry(b"large", bytes(3000)), *entries[100:]])
        assert len(log.append(Topic.ACTIONS, entries)) == len(entries)

    def test_each_weakened_setting_is_reported(self, log: KafkaLog, kafka: Broker) -> None:
        assert {one.setting for one in log.weaknesses()} == {"replication factor"}
        admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        changes = {
            "retention.ms": "1000000000",
            "retention.bytes": "1000000000",
            "cleanup.policy": "compact",
            "message.timestamp.type": "CreateTime",
            "unclean.leader.election.enable": "true",
            "compression.type": "producer",
            "max.message.bytes": "1000000",
        }
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, f"{log.name}.events", configs=changes)])
        admin.close()
        time.sleep(0.5)
        found = {one.setting: one for one in log.weaknesses() if one.topic == f"{log.name}.events"}
        assert set(found) == {*changes, "replication factor"}
        assert found["cleanup.policy"].found == "compact"

    def test_a_cut_beginning_is_reported(self, log: KafkaLog, kafka: Broker) -> None:
        log.append(Topic.ACTIONS, [Entry(b"k", b"v", 0)] * 10)
        admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        admin.delete_records({TopicPartition(f"{log.name}.actions", 0): 4})
        admin.close()
        assert log.start_offsets(Topic.ACTIONS)[0] == 4
        cut = [one for one in log.weaknesses() if one.setting == "log start offset"]
        assert [(one.topic, one.found) for one in cut] == [(f"{log.name}.actions", "4")]

    def test_an_unknown_option_is_named(self, log: KafkaLog, url: str) -> None:
        with pytest.raises(BadOption, match="no setting of the Kafka client"):
            open_log(url, {"sasl_mechanics": "SCRAM-SHA-512"})


def test_brokers_that_do_not_answer_are_unreachable_soon() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(LogUnreachable, match=f"127.0.0.1:{port}"):
            open_log(f"kafka://127.0.0.1:{port}/kcpd")
        assert time.monotonic() - started < 30


def test_murmur2_is_the_clients() -> None:
    from kafka.partitioner.default import murmur2 as the_clients

    for number in range(2000):
        key = b"case-%d" % number + bytes(range(number % 9))
        assert murmur2(key) == the_clients(key) & 0xFFFFFFFF
        assert partition_for(key, 12) == (the_clients(key) & 0x7FFFFFFF) % 12
