"""Whoever administers the brokers, or the machine: settings, topics, clocks; with the cluster's own tools."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from casetrail.cli import exits
from casetrail.consumers.recorder import PartitionMissing
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog, wall_clock
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Record, Topic
from casetrail.proofs.logtree import TreeContradicted
from tests.actions import life
from tests.attacks.rewriting import kept_actions, made_anew_as_file
from tests.attacks.scene import VICTIM, Scene, at, lives, scene_at
from tests.consumers.notarial import notary_of, publish
from tests.servers.kafka import Broker

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
PATIENCE: Final = 30.0


class Cluster:
    """The cluster's own tools, in the hands of its administrator."""

    def __init__(self, broker: Broker, log: str) -> None:
        self.broker, self.log = broker, log
        self.admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)

    def name(self, topic: Topic) -> str:
        """The topic's name on the cluster."""
        return f"{self.log}.{topic.value}"

    def set(self, topic: Topic, **settings: str) -> None:
        """Change settings of a topic, and wait until they are in force."""
        named = {name.replace("_", "."): value for name, value in settings.items()}
        resource = ConfigResource(ConfigResourceType.TOPIC, self.name(topic))
        self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, self.name(topic), configs=named)])
        until(lambda: named.items() <= self._settings(resource).items())

    def _settings(self, resource: ConfigResource) -> Mapping[str, str]:
        (found,) = self.admin.describe_configs([resource], config_filter="all").values()
        (settings,) = found.values()
        return {name: one["value"] for name, one in settings.items()}

    def produce(self, topic: Topic, records: list[Record], milliseconds: int = 0) -> None:
        """Produce records as they are, with their times, or earlier ones."""
        producer = KafkaProducer(bootstrap_servers=self.broker.bootstrap, acks="all", linger_ms=5)
        with closing(producer):
            for one in records:
                moment = one.appended_at - milliseconds
                producer.send(self.name(topic), one.value, one.key, None, one.partition, moment)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


@pytest.fixture
def cluster(kafka: Broker, on_broker: Scene) -> Iterator[Cluster]:
    """The cluster of the scene."""
    made = Cluster(kafka, on_broker.log.name)
    yield made
    made.admin.close()


# --- settings ---


@pytest.mark.broker
def test_a_deleted_beginning_is_missed_at_once(on_broker: Scene, cluster: Cluster) -> None:
    record = on_broker.events()[1][0]
    cluster.admin.delete_records({TopicPartition(cluster.name(Topic.EVENTS), record.partition): record.offset + 1})
    assert on_broker.weakened() == {("events", "log start offset")}
    found = on_broker.faults()
    assert set(found) == {"history-cut"}
    assert at(found["history-cut"]) == [("events", record.partition, 0)]
    assert on_broker.convicted() == {("history-cut", None)}
    for words in (("prove",), ("check", "--online")):
        assert "deleted" in on_broker.receipt(words[0], on_broker.of()[0], *words[1:], code=exits.FAULTS).stderr


@pytest.mark.broker
def test_retention_that_was_switched_on_is_found_and_what_it_took_after_it_was_switched_off(
    on_broker: Scene, cluster: Cluster
) -> None:
    cluster.set(Topic.ACTIONS, retention_ms="1")
    assert ("actions", "retention.ms") in on_broker.weakened()
    until(lambda: min(on_broker.log.start_offsets(Topic.ACTIONS).values()) > 0)
    assert set(on_broker.faults()) == {"setting-weakened", "history-cut"}
    cluster.set(Topic.ACTIONS, retention_ms="-1")
    assert ("actions", "log start offset") in on_broker.weakened()
    assert set(on_broker.faults()) == {"history-cut"}
    assert "holds nothing at" in on_broker.receipt("prove", on_broker.of()[0], code=exits.FAULTS).stderr


@pytest.mark.broker
def test_partitions_that_are_added_so_that_nobody_answers_there_are_named_and_stop_the_recorder(
    on_broker: Scene, cluster: Cluster
) -> None:
    cluster.admin.create_partitions({cluster.name(Topic.ACTIONS): 3})
    until(lambda: on_broker.weakened() == {("actions", "partitions")})
    (record, *_) = on_broker.records(Topic.ACTIONS)
    cluster.produce(Topic.ACTIONS, [record._replace(partition=2)])
    assert set(on_broker.faults()) == {"setting-weakened"}
    with pytest.raises(PartitionMissing, match="somebody has added some"):
        on_broker.record()


@pytest.mark.broker
def test_partitions_that_are_added_to_both_topics_alike_are_named(on_broker: Scene, cluster: Cluster) -> None:
    cluster.admin.create_partitions({cluster.name(topic): 4 for topic in (Topic.ACTIONS, Topic.EVENTS)})
    until(lambda: on_broker.weakened() == {("events", "partitions")})
    found = on_broker.faults()
    assert set(found) == {"setting-weakened", "case-misplaced", "case-differs"}
    assert "partitions is 4; partitions were added to actions and events" in found["setting-weakened"][0]["found"]


@pytest.mark.broker
def test_compaction_that_was_switched_on_is_found_and_what_it_took_after_it_was_switched_off(
    on_broker: Scene, cluster: Cluster
) -> None:
    before = len(on_broker.records())
    cluster.set(Topic.EVENTS, cleanup_policy="compact", segment_ms="50", min_cleanable_dirty_ratio="0.001")
    assert on_broker.weakened() == {("events", "cleanup.policy")}
    found = on_broker.faults()
    assert set(found) == {"setting-weakened"}
    assert "compaction would remove" in found["setting-weakened"][0]["found"]
    on_broker.go_on(*life(VICTIM)[3:])  # a new segment: the old one can be cleaned
    until(lambda: len(on_broker.records()) < before)
    cluster.set(Topic.EVENTS, cleanup_policy="delete")
    assert on_broker.weakened() == set()
    found = on_broker.faults()
    assert {"action-unanswered", "number-wrong", "size-differs"} <= set(found) <= {*found, "map-differs"}
    assert ("left-out", VICTIM) in on_broker.convicted()


# --- topics ---


def made_anew_on_broker(scene: Scene, cluster: Cluster) -> None:
    """The topics are deleted and made anew, with the same submissions at the same times, but for one case."""
    kept = kept_actions(scene)
    scene.close()
    names = [cluster.name(topic) for topic in Topic]
    cluster.admin.delete_topics(names)
    until(lambda: not set(names) & set(cluster.admin.list_topics()))
    init_log(scene.url, partitions=scene.log.partitions, replication=1, min_isr=1).close()
    cluster.set(Topic.ACTIONS, message_timestamp_type="CreateTime")
    cluster.produce(Topic.ACTIONS, kept)
    cluster.set(Topic.ACTIONS, message_timestamp_type="LogAppendTime")


@pytest.mark.parametrize("kind", ["embedded", pytest.param("on_broker", marks=pytest.mark.broker)])
def test_a_log_made_anew_with_a_cleaned_history_shows_to_whoever_has_seen_the_other(
    kind: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    scene: Scene = request.getfixturevalue(kind)
    state, kept = str(scene.folder / "state"), str(scene.file("kept.note", scene.newest_note()))
    assert scene.faults("--state", state) == {}
    if kind == "embedded":
        made_anew_as_file(scene)
    else:
        made_anew_on_broker(scene, request.getfixturevalue("cluster"))
    scene.reopen()
    scene.record()
    with scene.notary(folder="anew") as notary:
        publish(notary)
        assert caplog.text.count("the log was cut, or forked") == 2  # both witnesses: 409

        assert scene.faults() == {}  # who comes for the first time sees a log in good order, with no witness
        assert set(scene.unkept()) == {"quorum-missing"}
        assert set(scene.faults("--state", state)) == {"checkpoint-replaced", "end-went-back"}
        (row,) = scene.rows("audit", "compare", kept, scene.url, code=exits.FAULTS)
        assert row["verdict"] == "cut"
        for held in scene.of():
            assert "replaced" in scene.receipt("prove", held, code=exits.FAULTS).stderr

        scene.submit(*lives("C-11", "C-12", "C-13", "C-14", "C-15"))
        scene.record()
        caplog.clear()
        publish(notary)
        assert len(re.findall("has not cosigned .* it answers 422", caplog.text)) == 2  # longer than what they know
    assert {"checkpoint-replaced", "record-replaced"} <= set(scene.faults("--state", state))
    (row,) = scene.rows("audit", "compare", kept, scene.url, code=exits.FAULTS)
    assert row["verdict"] == "contradiction"
    assert row["first_note"] == Path(kept).read_text("utf-8")
    with pytest.raises(TreeContradicted, match="its history was replaced"):
        scene.publish()  # the notary who has not lost its memory


# --- clocks ---


@pytest.mark.broker
def test_a_time_that_goes_back_on_the_brokers_is_found(on_broker: Scene, cluster: Cluster) -> None:
    """The broker stamps another time for a moment: what a clock set back does, done with a setting."""
    asked = life(VICTIM)[3]
    partition = on_broker.of()[0].partition
    place = on_broker.log.end_offsets(Topic.ACTIONS)[partition]
    cluster.set(Topic.ACTIONS, message_timestamp_type="CreateTime")
    one = Record(partition, place, wall_clock(), VICTIM.encode(), encode_action(asked))
    cluster.produce(Topic.ACTIONS, [one], 7 * DAY)
    cluster.set(Topic.ACTIONS, message_timestamp_type="LogAppendTime")
    on_broker.record()
    on_broker.publish()
    assert on_broker.weakened() == set()
    found = on_broker.faults()
    assert set(found) == {"time-went-back"}
    assert at(found["time-went-back"]) == [("actions", partition, place)]
    assert on_broker.convicted() == set()  # the recorder has done nothing wrong


@pytest.mark.broker
def test_a_time_that_is_ahead_on_the_brokers_is_found(on_broker: Scene, cluster: Cluster) -> None:
    """A submission that nobody records is stamped half an hour ahead: until then it would not be late."""
    asked = life(VICTIM)[3]
    partition = on_broker.of()[0].partition
    place = on_broker.log.end_offsets(Topic.ACTIONS)[partition]
    cluster.set(Topic.ACTIONS, message_timestamp_type="CreateTime")
    one = Record(partition, place, wall_clock(), VICTIM.encode(), encode_action(asked))
    cluster.produce(Topic.ACTIONS, [one], -HOUR // 2)
    cluster.set(Topic.ACTIONS, message_timestamp_type="LogAppendTime")
    found = on_broker.unkept()
    assert set(found) == {"clock-differs"}
    assert at(found["clock-differs"]) == [("actions", partition, place)]


@pytest.mark.broker
def test_on_a_broker_a_new_checkpoint_over_an_old_submission_is_not_young(
    tmp_path: Path, kafka: Broker, kafka_url: str
) -> None:
    """A submission of an hour ago comes under a checkpoint just now, and no witness is asked."""
    with scene_at(tmp_path, kafka_url, begun=False) as scene:
        cluster = Cluster(kafka, scene.log.name)
        place = partition_for(VICTIM.encode(), scene.log.partitions)
        cluster.set(Topic.ACTIONS, message_timestamp_type="CreateTime")
        one = Record(place, 0, wall_clock(), VICTIM.encode(), encode_action(life(VICTIM)[0]))
        cluster.produce(Topic.ACTIONS, [one], HOUR)
        cluster.set(Topic.ACTIONS, message_timestamp_type="LogAppendTime")
        cluster.admin.close()
        scene.record()
        with notary_of(scene.log, tmp_path / "alone") as notary:
            publish(notary)
        assert set(scene.faults("--promised", "300")) == {"quorum-missing"}


def test_a_clock_set_back_under_an_embedded_log_stands_still_and_witnesses_tell(embedded: Scene) -> None:
    newest = embedded.records(Topic.ACTIONS)[-1].appended_at
    embedded.passed = timedelta(days=2)  # it is the day after tomorrow, and somebody sets the log's clock to yesterday
    embedded.close()
    embedded.log = EmbeddedLog.open(embedded.folder / "log.db", lambda: wall_clock() - DAY)
    (held,) = embedded.go_on(life(VICTIM)[3])
    assert newest <= held.appended_at < newest + DAY
    found = embedded.faults()
    assert set(found) == {"clock-differs"}
    assert "clinic +172" in found["clock-differs"][0]["found"]
    assert "late: promised by" in embedded.receipt("prove", held, code=exits.FAULTS).stderr


def test_a_clock_that_was_always_wrong_is_told_by_witnesses_and_makes_receipts_late(tmp_path: Path) -> None:
    with scene_at(tmp_path, f"sqlite:{tmp_path / 'log.db'}", clock=lambda: wall_clock() - 2 * DAY) as scene:
        found = scene.faults("--promised", str(3 * DAY))
        assert set(found) == {"clock-differs"}
        assert at(found["clock-differs"]) == [("checkpoints", 0, 1)]
        assert "late: promised by" in scene.receipt("prove", scene.of()[0], code=exits.FAULTS).stderr
