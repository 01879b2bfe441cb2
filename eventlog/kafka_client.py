"""How the Kafka client is set up: which options pass through, and what its errors mean for the log."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import (
    AuthorizationError,
    CorruptRecordError,
    InvalidProducerEpochError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    ProducerFencedError,
    SaslAuthenticationFailedError,
    TransactionCoordinatorFencedError,
    UnsupportedCodecError,
)

from casetrail.eventlog.errors import (
    CodecMissing,
    EntryTooLarge,
    LogDamaged,
    LogError,
    LogRefused,
    LogUnreachable,
    OffsetGone,
    WriterFenced,
)
from casetrail.eventlog.kafka_connecting import SteadyClient, finding_timeout

logging.getLogger("kafka").addHandler(logging.NullHandler())  # its warnings go to who configures logging, not to stderr

PASSED_THROUGH: Final[dict[str, type]] = {
    "security_protocol": str,
    "ssl_check_hostname": bool,
    "ssl_cafile": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_crlfile": str,
    "ssl_password": str,
    "ssl_ciphers": str,
    "sasl_mechanism": str,
    "sasl_plain_username": str,
    "sasl_plain_password": str,
    "sasl_kerberos_name": str,
    "sasl_kerberos_service_name": str,
    "sasl_kerberos_domain_name": str,
    "client_id": str,
    "request_timeout_ms": int,
    "session_timeout_ms": int,
    "heartbeat_interval_ms": int,
}
"""The client's settings that a configuration may give, by kafka-python's names. SCRAM takes ``sasl_plain_*`` too."""

CONSUMER_ONLY: Final = frozenset({"session_timeout_ms", "heartbeat_interval_ms"})


class BadOption(LogError):
    """A setting of the Kafka client that does not exist, or has the wrong type."""

    code = "bad-option"


def checked_options(options: Mapping[str, object]) -> dict[str, Any]:
    """The options with their right types. Raises ``BadOption``."""
    checked: dict[str, Any] = {}
    for name, value in options.items():
        kind = PASSED_THROUGH.get(name)
        if kind is None:
            known = ", ".join(PASSED_THROUGH)
            raise BadOption(f"'{name}' is no setting of the Kafka client; known are: {known}")
        if kind is bool and isinstance(value, str):
            value = value.lower() in ("true", "yes", "1", "on")
        try:
            checked[name] = kind(value)
        except (TypeError, ValueError) as error:
            raise BadOption(f"the setting '{name}' must be of type {kind.__name__}") from error
    return checked


def client_options(bootstrap: str, options: Mapping[str, Any], *, consumer: bool = False) -> dict[str, Any]:
    """What every client is made with."""
    chosen = {name: value for name, value in options.items() if consumer or name not in CONSUMER_ONLY}
    return {
        "kafka_client": SteadyClient,
        "bootstrap_servers": bootstrap.split(","),
        "bootstrap_timeout_ms": int(finding_timeout(bootstrap) * 1000),
        "retry_backoff_ms": 2,
        "reconnect_backoff_ms": 20,
        "reconnect_backoff_max_ms": 1000,
        **chosen,
    }


REFUSALS: Final = (AuthorizationError, SaslAuthenticationFailedError)
FENCED: Final = (ProducerFencedError, InvalidProducerEpochError, TransactionCoordinatorFencedError)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that it wraps: the client puts the real one into arguments, causes and contexts."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, *(arg for arg in one.args if isinstance(arg, BaseException))]


def translated(error: BaseException, bootstrap: str) -> LogError:
    """What an error of the client means."""
    found = list(causes(error))
    if any(isinstance(one, FENCED) or "fenced" in str(one).lower() for one in found):
        return WriterFenced("another recorder has taken over the partition")
    if any(isinstance(one, MessageSizeTooLargeError) for one in found):
        return EntryTooLarge("the broker does not take a record of this size")
    if any(isinstance(one, OffsetOutOfRangeError) for one in found):
        return OffsetGone("the log has no record at this offset any more: its beginning has been deleted")
    if damaged := next((one for one in found if isinstance(one, CorruptRecordError)), None):
        return LogDamaged(
            f"what the brokers at {bootstrap} give back was damaged, or altered on their disks ({damaged}); keep a copy of the "
            "partition's files"
        )
    if packed := next((one for one in found if isinstance(one, UnsupportedCodecError)), None):
        return CodecMissing(
            f"somebody has written compressed records to the log at {bootstrap}, which this installation cannot read ({packed}): read it "
            "with casetrail[fast] and client = \"confluent\"; 'casetrail log check' names the topic that takes such records"
        )
    if any(isinstance(one, REFUSALS) or "AuthorizationFailed" in str(one) for one in found):  # some come as text only
        return LogRefused(f"the brokers at {bootstrap} refuse this user ({type(error).__name__}: {error})")
    return LogUnreachable(
        f"no answer from the brokers at {bootstrap} ({type(error).__name__}: {error}); are they running, and is the "
        "address right?"
    )


@contextmanager
def log_errors(bootstrap: str) -> Iterator[None]:
    """Let the client's errors out as the log's."""
    try:
        yield
    except KafkaError as error:
        raise translated(error, bootstrap) from error


def close_producer(producer: KafkaProducer, timeout: float) -> None:
    """Close a producer, waiting up to ``timeout`` seconds for what is under way.

    The client's own ``close`` raises where something is still under way then, and leaves its thread sending for ever.
    """
    try:
        producer.close(timeout=timeout)
    except KafkaTimeoutError:
        producer._sender.force_close()
        producer._closed = True
