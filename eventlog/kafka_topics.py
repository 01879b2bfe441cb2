"""The topics of a log on Kafka: the settings that an immutable history needs, and which of them have been weakened."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import InvalidReplicationFactorError, KafkaError, TopicAlreadyExistsError

from casetrail.eventlog.errors import LogError, LogExists, LogMissing
from casetrail.eventlog.kafka_client import causes, checked_options, client_options, log_errors, translated
from casetrail.eventlog.kafka_connecting import answered
from casetrail.eventlog.port import Topic, Weakness

FOREVER: Final = "-1"

SETTINGS: Final[dict[str, tuple[str, str]]] = {
    "message.timestamp.type": ("LogAppendTime", "submitters and recorders could backdate what they append"),
    "retention.ms": (FOREVER, "the history would be deleted after this time"),
    "retention.bytes": (FOREVER, "the history would be deleted beyond this size"),
    "cleanup.policy": ("delete", "compaction would remove all but the last event of each case"),
    "unclean.leader.election.enable": ("false", "acknowledged records could be lost when a broker fails"),
    "compression.type": (
        "uncompressed",
        "records could come compressed in a way that a recorder cannot read, or unpack to more than there is memory: it would stand still",
    ),
}
"""Settings of every topic: what each must be, and what another value would allow."""

MIN_ISR: Final = "min.insync.replicas"
MOST: Final = "max.message.bytes"
KAFKAS_OWN: Final = 1_048_588
"""What Kafka's brokers take unless told otherwise: room for ``limits.MOST_BYTES`` and what a record batch needs besides."""


class TooFewBrokers(LogError):
    """There are fewer brokers than copies were asked for."""

    code = "too-few-brokers"


class TooManyToWrite(LogError):
    """More copies would have to be written than there are: nobody could append to such a log."""

    code = "too-many-to-write"


def topic_name(log: str, topic: Topic) -> str:
    """The name of a topic on the cluster: ``kcpd.events``."""
    return f"{log}.{topic.value}"


def topic_settings(min_isr: int) -> dict[str, str]:
    """The settings that a topic is created with."""
    return {name: value for name, (value, _) in SETTINGS.items()} | {MIN_ISR: str(min_isr)}


def create_topics(
    bootstrap: str, name: str, partitions: int, replication: int, min_isr: int, options: Mapping[str, object]
) -> None:
    """Create the topics of a log.

    Raises ``LogExists``, ``LogRefused``, ``LogUnreachable``, ``TooFewBrokers``, ``TooManyToWrite``.
    """
    if min_isr > replication:
        raise TooManyToWrite(
            f"{min_isr} copies were asked to be written before an ack, of {replication} in all: nobody could append to such "
            f"a log, and none was made; give --min-isr {replication}, or --replication 3 (with fewer than 3 copies the "
            "history can be lost)"
        )
    wanted = [
        NewTopic(
            topic_name(name, topic),
            partitions if topic in (Topic.ACTIONS, Topic.EVENTS) else 1,
            replication,
            topic_configs=topic_settings(min_isr),
        )
        for topic in Topic
    ]
    with log_errors(bootstrap):
        admin = KafkaAdminClient(**client_options(bootstrap, checked_options(options)))
        try:
            admin.create_topics(wanted)
            admin.wait_for_topics([topic.name for topic in wanted])
        except KafkaError as error:
            if any(isinstance(one, TopicAlreadyExistsError) for one in causes(error)):
                raise LogExists(f"the log '{name}' exists at {bootstrap} already; it is left as it is") from error
            if any(isinstance(one, InvalidReplicationFactorError) for one in causes(error)):
                brokers = len(answered(admin.describe_cluster, bootstrap)["brokers"])
                raise TooFewBrokers(
                    f"at {bootstrap} there are only {brokers} broker(s), and {replication} copies were asked for: start more "
                    "brokers, or give --replication and --min-isr (with fewer than 3 copies the history can be lost)"
                ) from error
            raise translated(error, bootstrap) from error
        finally:
            admin.close()


def describe(bootstrap: str, name: str, options: Mapping[str, Any]) -> dict[Topic, tuple[int, int, dict[str, str]]]:
    """For each topic: how many partitions, how many replicas (the fewest of any), and its settings.

    Raises ``LogMissing`` where a topic is not there.
    """
    with log_errors(bootstrap):
        admin = KafkaAdminClient(**client_options(bootstrap, options))
        try:
            names = {topic_name(name, topic): topic for topic in Topic}
            found = {
                one["name"]: one
                for one in answered(lambda: admin.describe_topics(list(names)), bootstrap)
                if not one.get("error_code")
            }
            missing = sorted(set(names) - set(found))
            if missing:
                raise LogMissing(
                    f"there is no log '{name}' at {bootstrap} (missing: {', '.join(missing)}); "
                    "'casetrail log init' makes one"
                )
            resources = [ConfigResource(ConfigResourceType.TOPIC, one) for one in names]
            settings = answered(lambda: admin.describe_configs(resources, config_filter="all"), bootstrap)
        finally:
            admin.close()
    described = {}
    for full, topic in names.items():
        replicas = [len(partition["replica_nodes"]) for partition in found[full]["partitions"]]
        of_topic = _of_topic(settings, full)
        described[topic] = (len(replicas), min(replicas), of_topic)
    return described


def _of_topic(settings: Mapping[Any, Any], name: str) -> dict[str, str]:
    for by_name in settings.values():
        if name in by_name:
            return {key: str(one["value"] if isinstance(one, Mapping) else one) for key, one in by_name[name].items()}
    return {}


def weaknesses(
    bootstrap: str, name: str, options: Mapping[str, Any], starts_at: Callable[[Topic, int], int]
) -> list[Weakness]:
    """Every setting of the log's topics that protects the history less than it must.

    ``starts_at``: the highest offset at which one of so many partitions of a topic begins.
    """
    found = []
    described = describe(bootstrap, name, options)
    # partitions can be added and not taken away: the fewer are those that the log was made with
    cases = min(described[topic][0] for topic in (Topic.ACTIONS, Topic.EVENTS))
    for topic, (partitions, replicas, settings) in described.items():
        full = topic_name(name, topic)
        made = cases if topic in (Topic.ACTIONS, Topic.EVENTS) else 1
        if partitions != made:
            meaning = "partitions were added: what is written to them is read by nobody, and submissions there are never answered"
            found.append(Weakness(full, "partitions", str(partitions), str(made), meaning))
        for setting, (required, meaning) in SETTINGS.items():
            if settings.get(setting) != required:
                found.append(Weakness(full, setting, settings.get(setting, "unknown"), required, meaning))
        in_sync = int(settings.get(MIN_ISR, "1"))
        if replicas >= 3 and in_sync < 2:
            meaning = "an acknowledged record could stand on one broker only, and be lost with it"
            found.append(Weakness(full, MIN_ISR, str(in_sync), "2", meaning))
        if int(settings.get(MOST, KAFKAS_OWN)) < KAFKAS_OWN:
            meaning = "what is larger is refused by the brokers, and leaves no trace in the log"
            found.append(Weakness(full, MOST, settings[MOST], str(KAFKAS_OWN), meaning))
        if replicas < 3:
            meaning = (
                "the history is lost with the brokers that hold it; 3 copies survive the loss of one without a stop"
            )
            found.append(Weakness(full, "replication factor", str(replicas), "3", meaning))
        if (start := starts_at(topic, partitions)) > 0:
            meaning = "records before this offset have been deleted"
            found.append(Weakness(full, "log start offset", str(start), "0", meaning))
    return found
