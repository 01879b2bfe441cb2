"""The servers that other tests rest on are the real ones, come back over their data, and outlive nobody."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

from tests.servers.kafka import CLASSES, ROOT, Broker, jars, new_cluster_id, ready, start_cluster
from tests.servers.maven import java
from tests.servers.postgres import Postgres

STARTED_AND_FORGOTTEN = """
import subprocess, sys
from tests.servers.guard import Guard
server = subprocess.Popen(["sleep", "60"], start_new_session=True)
Guard(server.pid)
print(server.pid, flush=True)
sys.stdin.read()
"""


def produce(broker: Broker, topic: str, value: bytes) -> None:
    """Append one record and wait until it is stored."""
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all")
    producer.send(topic, value, partition=0).get(timeout=20)
    producer.close()


def consume(broker: Broker, topic: str) -> bytes:
    """The first record of a topic."""
    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=20_000
    )
    try:
        return bytes(next(iter(consumer)).value)
    finally:
        consumer.close()


def test_no_cluster_id_reads_as_an_option() -> None:
    assert not [one for one in (new_cluster_id() for _ in range(2_000)) if one.startswith("-") or len(one) != 22]


@pytest.mark.broker
def test_a_record_goes_through_the_broker(kafka: Broker) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.create_topics([NewTopic("smoke", 1, 1)])
    admin.close()
    produce(kafka, "smoke", b"one record")
    assert consume(kafka, "smoke") == b"one record"


@pytest.mark.broker
def test_a_killed_broker_comes_back_over_its_folder(tmp_path: Path) -> None:
    (broker,) = start_cluster(tmp_path)
    try:
        admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
        admin.create_topics([NewTopic("kept", 1, 1)])
        admin.close()
        produce(broker, "kept", b"still here")
        broker.kill()
        broker.start()
        assert consume(broker, "kept") == b"still here"
    finally:
        broker.kill()


@pytest.mark.broker
def test_java_takes_the_classes_that_the_first_broker_left_behind(kafka: Broker) -> None:
    if not kafka.java_options():
        pytest.skip("this Java keeps no archive of classes")
    command = [str(java()[0]), "-Xshare:on", f"-XX:SharedArchiveFile={ready() / CLASSES}", "-cp", f"{jars()}/*"]
    done = subprocess.run([*command, "-version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.broker
def test_each_broker_of_a_cluster_has_a_number_and_an_id_of_its_own(tmp_path: Path) -> None:
    cluster_id = new_cluster_id()
    brokers = [Broker(tmp_path / str(number), number) for number in (1, 2)]
    for broker in brokers:
        broker.prepare(cluster_id, f"1@127.0.0.1:{brokers[0].controller_port}", 1)
    lines = [(broker.data / "meta.properties").read_text().splitlines() for broker in brokers]
    told = [dict(line.split("=", 1) for line in some) for some in lines]
    assert [one["node.id"] for one in told] == ["1", "2"]
    assert {one["cluster.id"] for one in told} == {cluster_id}
    assert len({one["directory.id"] for one in told}) == 2


@pytest.mark.postgres
def test_postgresql_answers(postgres_database: str) -> None:
    with psycopg.connect(postgres_database) as connection:
        row = connection.execute("SELECT version()").fetchone()
    assert row is not None
    assert row[0].startswith("PostgreSQL 18")


@pytest.mark.postgres
def test_a_killed_postgresql_comes_back_over_its_folder(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres")
    server.start()
    try:
        with psycopg.connect(server.url()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        server.kill()
        server.start()
        with psycopg.connect(server.url()) as connection:
            assert connection.execute("SELECT one FROM kept").fetchall() == [(1,)]
    finally:
        server.kill()


def test_a_server_ends_with_the_process_that_started_it_even_by_sigkill() -> None:
    tests = subprocess.Popen(
        [sys.executable, "-c", STARTED_AND_FORGOTTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert tests.stdout is not None
    server = int(tests.stdout.readline())
    os.kill(server, 0)
    tests.kill()
    tests.communicate()
    assert _gone_within(server, 10.0)


def _gone_within(process: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        state = Path(f"/proc/{process}/stat")
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True  # ended; whoever adopted it has not collected it yet
        time.sleep(0.05)
    return False
