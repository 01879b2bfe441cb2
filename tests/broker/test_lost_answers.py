"""A client that is kept recovers by itself from answers that never come, leaders that have changed, and producers that gave up."""

import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka.producer.transaction_manager import ProducerIdAndEpoch, TransactionState

from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.kafka import KafkaLog
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Entry, Log, Topic
from tests.broker.clusters import three_brokers
from tests.conformance.log_kit import read_all
from tests.servers.kafka import Broker, new_cluster_id
from tests.servers.maven import CannotStart
from tests.servers.proxy import Proxy

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

PATIENCE = 120.0


def kept(log: Log) -> Any:
    """The producer that appends to this log go through."""
    assert isinstance(log, KafkaLog)
    assert log._appends._kept is not None
    return log._appends._kept.producer


# --- one broker, behind a network that goes wrong ---


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A broker that clients reach through this."""
    with Proxy() as proxy:
        broker = Broker(tmp_path_factory.mktemp("behind"), 1)
        broker.settings["advertised.listeners"] = f"PLAINTEXT://127.0.0.1:{proxy.port}"
        proxy.target = broker.port
        try:
            broker.prepare(new_cluster_id(), f"1@127.0.0.1:{broker.controller_port}", 1)
            broker.start()
        except CannotStart as error:
            pytest.fail(str(error), pytrace=False)
        init_log(f"kafka://127.0.0.1:{proxy.port}/kcpd", partitions=1, replication=1, min_isr=1).close()
        yield proxy
        broker.kill()


@pytest.fixture
def log(network: Proxy) -> Iterator[KafkaLog]:
    """The log there."""
    with open_log(f"kafka://127.0.0.1:{network.port}/kcpd") as opened:
        assert isinstance(opened, KafkaLog)
        yield opened
        network.mend()


def test_a_question_whose_answer_is_lost_is_asked_by_a_fresh_client(log: KafkaLog, network: Proxy) -> None:
    before = log.end_offsets(Topic.ACTIONS)
    assert network.swallow()
    assert log.end_offsets(Topic.ACTIONS) == before
    log.append(Topic.ACTIONS, [Entry(b"k", b"v")])
    last = log.last(Topic.ACTIONS, 0)
    assert network.swallow()
    assert last is not None
    assert log.last(Topic.ACTIONS, 0) == last


def test_a_question_waits_for_others_no_longer_than_for_its_own_answer(log: KafkaLog) -> None:
    log._lookups._timeout = 1.0
    asked, done = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        asked.set()
        done.wait(PATIENCE)

    thread = threading.Thread(target=log._lookups.ask, args=("read_committed", slow))
    thread.start()
    assert asked.wait(PATIENCE)
    try:
        with pytest.raises(LogUnreachable, match="other questions"):
            log.end_offsets(Topic.EVENTS)
        assert log.append(Topic.ACTIONS, [Entry(b"k", b"v")])
    finally:
        done.set()
        thread.join()


def test_after_a_batch_that_could_not_be_delivered_others_are(log: KafkaLog, network: Proxy) -> None:
    (first,) = log.append(Topic.ACTIONS, [Entry(b"k", b"first")])
    kept(log)._accumulator.config["delivery_timeout_ms"] = 1000  # a minute, else
    network.cut()
    with pytest.raises(LogUnreachable):
        log.append(Topic.ACTIONS, [Entry(b"k", b"undelivered")], 3)
    network.mend()
    (second,) = log.append(Topic.ACTIONS, [Entry(b"k", b"second")])
    assert second.offset > first.offset


@pytest.mark.parametrize("how", ["no id", "failed"])
def test_a_producer_that_has_given_up_is_replaced(log: KafkaLog, how: str) -> None:
    log.append(Topic.ACTIONS, [Entry(b"k", b"before")])
    transactions = kept(log)._transaction_manager
    if how == "no id":
        transactions.reset_producer_id()
    else:
        transactions.transition_to_fatal_error(ValueError("the brokers gave no id in time"))
    (after,) = log.append(Topic.ACTIONS, [Entry(b"k", b"after")])
    record = log.read_one(Topic.ACTIONS, 0, after.offset)
    assert record is not None and record.value == b"after"


def test_a_producer_that_gets_no_id_in_time_is_replaced(log: KafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    make = log._append_producer

    def making(seconds: float) -> Any:
        made.append(make(seconds))
        if len(made) == 1:  # the answer to its question for an id never comes
            transactions = made[0]._transaction_manager
            transactions._transition_to = transactions.set_producer_id_and_epoch = lambda *_: None
            transactions._current_state = TransactionState.INITIALIZING
            transactions.producer_id_and_epoch = ProducerIdAndEpoch(-1, -1)
        return made[-1]

    monkeypatch.setattr(log._appends, "_make", making)
    assert log.append(Topic.ACTIONS, [Entry(b"k", b"v")])
    assert len(made) == 2


def test_several_threads_share_a_producer_until_the_last_has_left_it(log: KafkaLog, network: Proxy) -> None:
    log.append(Topic.ACTIONS, [Entry(b"k", b"v")])
    old = kept(log)
    network.cut()
    appended: list[Any] = []
    patient = threading.Thread(
        target=lambda: appended.extend(log.append(Topic.ACTIONS, [Entry(b"k", b"patient")], PATIENCE))
    )
    patient.start()
    with pytest.raises(LogUnreachable):
        log.append(Topic.ACTIONS, [Entry(b"k", b"hasty")], 1)
    assert old._sender.is_alive()
    network.mend()
    patient.join(PATIENCE)
    old._sender.join(PATIENCE)
    assert (len(appended), old._sender.is_alive()) == (1, False)


# --- three brokers ---


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Broker]]:
    """Three brokers that miss one of them after some seconds."""
    with three_brokers(tmp_path_factory.mktemp("three")) as brokers:
        yield brokers


def url_of(brokers: Sequence[Broker], name: str) -> str:
    return f"kafka://{','.join(broker.bootstrap for broker in brokers)}/{name}"


def lead(cluster: Sequence[Broker], topic: str, number: int) -> None:
    """Let this broker lead partition 0 of a topic that all three have."""
    admin = KafkaAdminClient(bootstrap_servers=[broker.bootstrap for broker in cluster])
    others = [broker.number for broker in cluster if broker.number != number]
    admin.alter_partition_reassignments({TopicPartition(topic, 0): [number, *others]})
    until = time.monotonic() + PATIENCE
    while leader(admin, topic) != number:
        assert time.monotonic() < until
        admin.elect_leaders(0, {topic: [0]}, raise_errors=False)
        time.sleep(0.1)
    admin.close()


def leader(admin: KafkaAdminClient, topic: str) -> int:
    (described,) = admin.describe_topics([topic])
    return int(described["partitions"][0]["leader_id"])


def test_offsets_are_asked_of_whoever_leads_now(cluster: Sequence[Broker]) -> None:
    init_log(url_of(cluster, "moving"), partitions=1).close()
    lead(cluster, "moving.events", 1)
    with open_log(url_of(cluster, "moving"), {"request_timeout_ms": 10_000}) as log:  # no time for a second client
        assert log.end_offsets(Topic.EVENTS) == {0: 0}
        lead(cluster, "moving.events", 2)
        assert log.end_offsets(Topic.EVENTS) == {0: 0}
        lead(cluster, "moving.events", 3)
        assert log.start_offsets(Topic.EVENTS) == {0: 0}


def test_what_hangs_with_an_answer_owed_is_left_for_whoever_leads_now(cluster: Sequence[Broker]) -> None:
    init_log(url_of(cluster, "hanging"), partitions=1).close()
    for topic in ("hanging.actions", "hanging.events"):
        lead(cluster, topic, 2)
    with open_log(url_of(cluster, "hanging"), {"request_timeout_ms": 59_000}) as log:
        log.append(Topic.ACTIONS, [Entry(b"k", b"before")])
        log.end_offsets(Topic.EVENTS)
        cluster[1].signal(signal.SIGSTOP)
        try:
            assert log.append(Topic.ACTIONS, [Entry(b"k", b"meanwhile")], 50)
            assert log.end_offsets(Topic.EVENTS) == {0: 0}
        finally:
            cluster[1].signal(signal.SIGCONT)
        assert [one.value for one in read_all(log, Topic.ACTIONS)] == [b"before", b"meanwhile"]


def test_what_any_broker_can_answer_is_asked_of_another_one_each_time(cluster: Sequence[Broker]) -> None:
    init_log(url_of(cluster, "turning"), partitions=1).close()
    with open_log(url_of(cluster, "turning")) as log:
        log.append(Topic.ACTIONS, [Entry(b"k", b"v")])  # the client has connections to two of the three at most
        client = kept(log)._sender._client
        assert sorted(client.least_loaded_node() for _ in cluster) == [1, 2, 3]
        client._manager.update_backoff(2)
        assert sorted(client.least_loaded_node() for _ in range(2)) == [1, 3]


def test_a_commit_is_answered_though_the_coordinator_was_killed(
    cluster: Sequence[Broker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casetrail.eventlog.kafka.COMMIT_TIMEOUT_MS", PATIENCE * 1000)
    init_log(url_of(cluster, "coordinated"), partitions=1).close()
    with open_log(url_of(cluster, "coordinated")) as log:
        writer: Any = log.writer(0)
        writer.append([Entry(b"k", b"before")])
        coordinator = writer._producer._transaction_manager._transaction_coordinator
        killed = cluster[int(coordinator.removeprefix("coordinator-")) - 1]
        killed.kill()
        try:
            writer.append([Entry(b"k", b"after")])
        finally:
            killed.start()
        writer.close()
        assert [one.value for one in read_all(log, Topic.EVENTS)] == [b"before", b"after"]


def test_a_partition_that_nobody_leads_has_no_offset_until_somebody_does(cluster: Sequence[Broker]) -> None:
    init_log(url_of(cluster, "alone"), partitions=3, replication=1, min_isr=1).close()
    with open_log(url_of(cluster, "alone"), {"request_timeout_ms": 15_000}) as log:
        ends = log.end_offsets(Topic.EVENTS)
        cluster[2].kill()
        try:
            with pytest.raises(LogUnreachable):
                log.end_offsets(Topic.EVENTS)
        finally:
            cluster[2].start()
        until = time.monotonic() + PATIENCE
        found = None
        while found != ends:
            assert time.monotonic() < until
            try:
                found = log.end_offsets(Topic.EVENTS)
            except LogUnreachable:
                continue


@pytest.mark.timeout(60)  # else it waits for ever
def test_a_broker_that_never_finishes_the_tls_handshake_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(LogUnreachable):
        open_log(f"kafka://127.0.0.1:{silent.getsockname()[1]}/kcpd", {"security_protocol": "SSL"})
