"""How librdkafka is set up: the options of a configuration in its words, and what its errors mean for the log."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import KafkaError

from casetrail.eventlog.errors import (
    EntryTooLarge,
    LogDamaged,
    LogError,
    LogRefused,
    LogUnreachable,
    OffsetGone,
    WriterFenced,
)
from casetrail.eventlog.kafka_client import CONSUMER_ONLY, BadOption

CLIENT_LOG: Final = logging.getLogger("kafka.librdkafka")
"""Below the other client's, so that who configures or silences one has the other too."""

NAMES: Final = {
    "security_protocol": "security.protocol",
    "ssl_cafile": "ssl.ca.location",
    "ssl_certfile": "ssl.certificate.location",
    "ssl_keyfile": "ssl.key.location",
    "ssl_crlfile": "ssl.crl.location",
    "ssl_password": "ssl.key.password",
    "ssl_ciphers": "ssl.cipher.suites",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_plain_username": "sasl.username",
    "sasl_plain_password": "sasl.password",
    "client_id": "client.id",
    "request_timeout_ms": "socket.timeout.ms",
    "session_timeout_ms": "session.timeout.ms",
    "heartbeat_interval_ms": "heartbeat.interval.ms",
}
"""A configuration's settings (kafka-python's names) as librdkafka calls them. Kerberos is not in its wheels."""

LARGEST: Final = 2_000_000
"""Bytes that the client itself would take; entries are checked before, and the brokers have their own limit."""


def fast_options(bootstrap: str, options: Mapping[str, Any], *, consumer: bool = False) -> dict[str, Any]:
    """What every client is made with. Raises ``BadOption`` for a setting that librdkafka has not."""
    made: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 1000,
        "retry.backoff.ms": 2,
        "logger": CLIENT_LOG,
    }
    for name, value in options.items():
        if name == "ssl_check_hostname":
            made["ssl.endpoint.identification.algorithm"] = "https" if value else "none"
        elif name not in NAMES:
            raise BadOption(f"the setting '{name}' is none of the client 'confluent'; use the client 'python'")
        elif consumer or name not in CONSUMER_ONLY:
            made[NAMES[name]] = value
    return made


def consumer_options(bootstrap: str, options: Mapping[str, Any], group: str) -> dict[str, Any]:
    """A consumer that starts nowhere by itself, commits nothing, and says when it comes to a partition's end."""
    return {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
        "check.crcs": True,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 20,  # so long it takes to learn that nothing but markers stands before the end
        "fetch.queue.backoff.ms": 2,  # at the default of 1000 it waits where it has read far enough ahead
        "fetch.error.backoff.ms": 50,
        "max.partition.fetch.bytes": 4 * 1024 * 1024,
        "queued.min.messages": 50_000,
        "queued.max.messages.kbytes": 16 * 1024,  # what is read ahead: the most memory that a reader takes
        **fast_options(bootstrap, options, consumer=True),
    }


FENCED: Final = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        KafkaError.TRANSACTION_COORDINATOR_FENCED,
    }
)
DAMAGED: Final = frozenset(
    {KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError._NOT_IMPLEMENTED, KafkaError.INVALID_MSG}
)
REFUSED: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
LASTING: Final = REFUSED | {KafkaError._SSL, KafkaError._FATAL}
"""What does not pass by waiting, other than brokers that are down."""
PASSING: Final = frozenset(
    {
        KafkaError._MAX_POLL_EXCEEDED,  # the member joins again at its next poll
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)
"""What a consumer is told, but passes: the client goes on by itself, and whoever reads stops waiting in the end."""


def fast_translated(error: KafkaError, bootstrap: str) -> LogError:
    """What an error of librdkafka means."""
    code = error.code()
    if code in FENCED:
        return WriterFenced("another recorder has taken over the partition")
    if code == KafkaError.MSG_SIZE_TOO_LARGE:
        return EntryTooLarge("the broker does not take a record of this size")
    if code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._NO_OFFSET):
        return OffsetGone("the log has no record at this offset any more: its beginning has been deleted")
    if code in DAMAGED:
        return LogDamaged(
            f"what the brokers at {bootstrap} give back was damaged, or altered on their disks ({error.str()}); keep a copy of "
            "the partition's files"
        )
    if code in REFUSED:
        return LogRefused(f"the brokers at {bootstrap} refuse this user ({error.name()}: {error.str()})")
    return LogUnreachable(
        f"no answer from the brokers at {bootstrap} ({error.name()}: {error.str()}); are they running, and is the address right?"
    )
