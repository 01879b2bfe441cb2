"""Partitions that somebody adds to a topic of the log, which Kafka allows whoever may alter topics: named, and never recorded in."""

import json
import time

import pytest
from click.testing import CliRunner
from kafka import KafkaAdminClient

from casetrail.cli import exits
from casetrail.cli.main import cli
from casetrail.consumers.recorder import PartitionMissing, Recorder
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Topic
from casetrail.projections.case_store import CaseStore
from tests.consumers.notarial import fill, records
from tests.servers.kafka import Broker

pytestmark = pytest.mark.broker


def add(kafka: Broker, url: str, topic: Topic, partitions: int) -> str:
    """A log of two partitions, one of whose topics is made to have so many; the topic's name."""
    with init_log(url, partitions=2, replication=1, min_isr=1) as log:
        name = f"{log.name}.{topic.value}"
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.create_partitions({name: partitions})
    admin.close()
    return name


@pytest.mark.parametrize("topic", Topic)
def test_partitions_that_were_added_are_a_weakness_of_their_topic(kafka: Broker, kafka_url: str, topic: Topic) -> None:
    name = add(kafka, kafka_url, topic, 3)
    with open_log(kafka_url) as log:
        (found,) = [one for one in log.weaknesses() if one.setting != "replication factor"]
    made = "2" if topic in (Topic.ACTIONS, Topic.EVENTS) else "1"
    assert found[:4] == (name, "partitions", "3", made)
    assert found.meaning.startswith("partitions were added")


@pytest.mark.parametrize("topic", [Topic.ACTIONS, Topic.EVENTS])
def test_log_check_doctor_and_verify_name_partitions_that_were_added(
    kafka: Broker, kafka_url: str, topic: Topic
) -> None:
    name = add(kafka, kafka_url, topic, 3)
    done = CliRunner().invoke(cli, ["--log", kafka_url, "log", "check"])
    assert (done.exit_code, "partitions were added" in done.output) == (exits.FAULTS, True)
    done = CliRunner().invoke(cli, ["--log", kafka_url, "doctor"])
    assert f"{name}: partitions is 3" in done.output
    done = CliRunner().invoke(cli, ["--log", kafka_url, "audit", "verify", "--format", "json"])
    faults = [one["found"] for one in json.loads(done.stdout)["faults"] if one["kind"] == "setting-weakened"]
    assert [one.startswith(f"{name}: partitions is 3; partitions were added") for one in faults] == [True]


def test_a_log_goes_on_with_the_partitions_that_it_was_made_with(kafka: Broker, kafka_url: str) -> None:
    add(kafka, kafka_url, Topic.EVENTS, 3)
    with open_log(kafka_url) as log:
        assert log.partitions == 2
        fill(log, ["C-1", "C-2", "C-3"])
        assert {one.partition for one in records(log, Topic.EVENTS)} == {0, 1}
        assert sum(log.end_offsets(Topic.ACTIONS).values()) == len(records(log, Topic.EVENTS))


def test_a_recorder_that_is_given_a_partition_without_events_says_why_it_stops(kafka: Broker, kafka_url: str) -> None:
    add(kafka, kafka_url, Topic.ACTIONS, 3)
    with open_log(kafka_url) as log:
        store = CaseStore(":memory:", log.name, 100)
        recorder, until = Recorder(log, store), time.monotonic() + 60
        with pytest.raises(PartitionMissing, match="a partition 2, and this log was made with 2 partition"):
            while time.monotonic() < until:
                recorder.step(0.2)
        assert recorder.owned == {}
        recorder.close()
        store.close()
