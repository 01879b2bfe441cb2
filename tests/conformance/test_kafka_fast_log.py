"""The log on Kafka through librdkafka passes the kit against a real broker; and which client is taken, and when."""

import signal
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest

from casetrail.eventlog import opening
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.kafka_appending import MANY
from casetrail.eventlog.kafka_client import PASSED_THROUGH, BadOption, checked_options
from casetrail.eventlog.kafka_fast import FastKafkaLog
from casetrail.eventlog.kafka_fast_client import consumer_options, fast_options
from casetrail.eventlog.kafka_fast_writing import Appender
from casetrail.eventlog.opening import ClientMissing, open_log
from casetrail.eventlog.port import Entry, Topic
from tests.conformance.kafka_kit import KafkaKit
from tests.conformance.log_kit import options_for, read_all
from tests.servers.kafka import Broker

NOWHERE = "kafka://127.0.0.1:1/kcpd"


class TestFastKafkaLog(KafkaKit):
    @pytest.fixture
    def options(self, url: str) -> dict[str, object]:
        return {**options_for(url), "client": "confluent"}

    def test_the_client_is_the_one_that_was_asked_for(self, log: FastKafkaLog) -> None:
        assert type(log) is FastKafkaLog

    def test_whoever_waits_is_given_all_that_came_together(self, log: FastKafkaLog) -> None:
        entries = [Entry(b"k", str(number).encode()) for number in range(50)]
        with log.reader(Topic.EVENTS, {0: 0}) as reader, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lambda: next(found for _ in range(100) if (found := reader.poll(1.0))))
            log.writer(0).append(entries)
            assert [one.value for one in waiting.result()] == [entry.value for entry in entries]

    def test_few_and_many_stand_in_the_order_in_which_they_were_appended(self, log: FastKafkaLog) -> None:
        entries = [Entry(b"k", str(number).encode(), headers=(("h", b"v"),)) for number in range(2 * MANY + 2)]
        parts = [entries[:1], entries[1 : MANY + 1], entries[MANY + 1 : MANY + 2], entries[MANY + 2 :]]
        given = [one for part in parts for one in log.append(Topic.ACTIONS, part)]
        found = read_all(log, Topic.ACTIONS)
        assert [(one.offset, one.value, one.headers) for one in found] == [
            (where.offset, entry.value, entry.headers) for where, entry in zip(given, entries, strict=True)
        ]

    def test_many_are_appended_as_batches(self, log: FastKafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Appender, "append", lambda *_: pytest.fail("each record by itself"))
        log.append(Topic.ACTIONS, [Entry(b"k", b"v")] * MANY)
        assert len(read_all(log, Topic.ACTIONS)) == MANY

    def test_a_broker_that_does_not_answer_costs_the_writer_and_nothing_else(
        self, log: FastKafkaLog, kafka: Broker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("casetrail.eventlog.kafka_fast_writing.COMMIT_TIMEOUT_MS", 500)
        writer = log.writer(0)
        writer.append([Entry(b"k", b"before")])
        kafka.signal(signal.SIGSTOP)
        try:
            with pytest.raises(LogUnreachable):
                writer.append([Entry(b"k", b"never answered")])
            with pytest.raises(LogUnreachable, match="not acknowledged"):
                log.append(Topic.ACTIONS, [Entry(b"k", b"v")], timeout=0.3)
        finally:
            kafka.signal(signal.SIGCONT)
        log.writer(0).append([Entry(b"k", b"after")])
        values = [one.value for one in read_all(log, Topic.EVENTS)]
        assert (values[0], values[-1]) == (b"before", b"after")


def test_a_client_that_is_not_known_or_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadOption, match="'python' or 'confluent'"):
        open_log(NOWHERE, {"client": "java"})
    monkeypatch.setattr(opening, "find_spec", lambda name: None if name == "confluent_kafka" else find_spec(name))
    with pytest.raises(ClientMissing, match=r"casetrail\[fast\]"):
        open_log(NOWHERE, {"client": "confluent"})


def test_each_setting_is_handed_on_or_refused() -> None:
    values = {name: "true" if kind is bool else "7" if kind is int else "some" for name, kind in PASSED_THROUGH.items()}
    for name, value in checked_options(values).items():
        if name.startswith("sasl_kerberos"):
            with pytest.raises(BadOption, match=f"'{name}'.*'python'"):
                fast_options("127.0.0.1:1", {name: value})
        else:
            assert len(consumer_options("127.0.0.1:1", {name: value}, "g")) >= len(
                consumer_options("127.0.0.1:1", {}, "g")
            )
    assert fast_options("b", {"ssl_check_hostname": False})["ssl.endpoint.identification.algorithm"] == "none"
    assert fast_options("b", {"sasl_plain_password": "p"})["sasl.password"] == "p"
    assert "session.timeout.ms" not in fast_options("b", {"session_timeout_ms": 1})
