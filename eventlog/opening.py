"""Opening a log by its URL: ``sqlite:PATH`` or ``kafka://HOST:PORT[,HOST:PORT…]/NAME``."""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from casetrail.domain.values import is_id
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.port import Log

if TYPE_CHECKING:
    from casetrail.eventlog.kafka import KafkaLog

PYTHON: Final = "python"
CONFLUENT: Final = "confluent"
"""Values of the option ``client``: kafka-python, and librdkafka, which ``casetrail[fast]`` brings."""

SERVER: Final = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\])(:[0-9]{1,5})?")
KAFKA_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Narrower than an id: topics are named by it."""


class BadAddress(LogError):
    """A log's URL has no form that casetrail knows."""

    code = "bad-address"


class ClientMissing(LogError):
    """The Kafka client that the configuration names is not installed."""

    code = "client-missing"


class Address(NamedTuple):
    """Where a log is: ``path`` for an embedded one, else ``bootstrap`` and ``name``."""

    path: Path | None
    bootstrap: str
    name: str


def parse_address(url: str) -> Address:
    """The parts of a log's URL. Raises ``BadAddress``."""
    kind, _, rest = url.partition(":")
    if kind == "sqlite" and rest:
        return Address(Path(rest), "", "")
    if kind == "kafka" and rest.startswith("//"):
        bootstrap, _, name = rest[2:].partition("/")
        if "@" in bootstrap:
            raise BadAddress("the address of a log on Kafka names no user: write user and password into [kafka]")
        if not all(SERVER.fullmatch(one) and _is_port(one) for one in bootstrap.split(",")):
            raise BadAddress(f"'{shown(url)}' is no address of a log: brokers are written HOST:PORT[,HOST:PORT]")
        if not KAFKA_NAME.fullmatch(name):
            raise BadAddress(
                f"'{shown(url)}' is no address of a log: a log on Kafka has a name of 1 to 64 letters, digits and . _ -; "
                "write kafka://HOST:PORT[,HOST:PORT]/NAME or sqlite:PATH"
            )
        return Address(None, bootstrap, name)
    # it has the form of none, so it may be anything that was typed into the wrong place
    raise BadAddress("what was given is no address of a log: write sqlite:PATH or kafka://HOST:PORT[,HOST:PORT]/NAME")


def shown(url: str) -> str:
    """An address as it may be told: what stands before the last ``@`` could be a password, but in the path of a file."""
    before, _, after = url.rpartition("@")
    return f"…@{after}" if before and not url.startswith("sqlite:") else url


def _is_port(server: str) -> bool:
    """Whether the port of a server, where it has one, is one."""
    port = server.rpartition(":")[2] if not server.endswith("]") and ":" in server else "9092"
    return 1 <= int(port) <= 65_535


def open_log(url: str, options: Mapping[str, object] | None = None) -> Log:
    """Open the log at ``url``. ``options`` are the Kafka client's settings, and which client it is (docs/operations.md).

    Raises ``LogMissing``, ``LogUnreachable``, ``BadAddress``, ``BadOption``, ``ClientMissing``.
    """
    address = parse_address(url)
    if address.path is not None:
        return EmbeddedLog.open(address.path)
    log, others = _kafka(options)
    return log.open(address.bootstrap, address.name, others)


def _kafka(options: Mapping[str, object] | None) -> "tuple[type[KafkaLog], dict[str, object]]":
    """The adapter of the client that is asked for, and the options without the client's name."""
    from casetrail.eventlog.kafka import KafkaLog  # late: importing the client takes a tenth of a second
    from casetrail.eventlog.kafka_client import BadOption

    others = dict(options or {})
    client = others.pop("client", PYTHON)
    if client == PYTHON:
        return KafkaLog, others
    if client != CONFLUENT:
        raise BadOption(f"'{client}' is no Kafka client that casetrail knows: '{PYTHON}' or '{CONFLUENT}'")
    if find_spec("confluent_kafka") is None:
        raise ClientMissing("the Kafka client 'confluent' is not installed: pip install 'casetrail[fast]'")
    from casetrail.eventlog.kafka_fast import FastKafkaLog

    return FastKafkaLog, others


def init_log(
    url: str,
    *,
    name: str | None = None,
    partitions: int | None = None,
    replication: int = 3,
    min_isr: int = 2,
    options: Mapping[str, object] | None = None,
) -> Log:
    """Make a new log at ``url`` with the settings that an immutable history needs, and its schemas in it.

    ``partitions``: 1 for an embedded log and 12 for Kafka unless given; it can never be changed. ``name`` names an
    embedded log (the file's name if not given). ``replication`` and ``min_isr`` are Kafka's. Raises ``LogExists``.
    """
    address = parse_address(url)
    log: Log
    if address.path is not None:
        named = name or address.path.stem
        if not is_id(named):
            what = f"'{named}'" if name is None else "what was given"
            raise BadAddress(f"{what} is no name for a log: 1 to 64 letters, digits and . _ : @ + -")
        log = EmbeddedLog.create(address.path, named, partitions or 1)
    else:
        from casetrail.eventlog.kafka_topics import create_topics

        adapter, others = _kafka(options)
        create_topics(address.bootstrap, address.name, partitions or 12, replication, min_isr, others)
        log = adapter.open(address.bootstrap, address.name, others)
    from casetrail.eventlog.schemas import register_in_log  # late: only a new log needs the codec

    register_in_log(log)
    return log
