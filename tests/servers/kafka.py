"""A real Apache Kafka for tests and benchmarks: its jars from Maven Central, on the machine's Java or a wheel's."""

import base64
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import SystemRandom
from typing import Final

from tests.servers.guard import Guard
from tests.servers.maven import CannotStart, java, libraries, made_once

ROOT: Final = Path(__file__).resolve().parents[2]
POM: Final = Path(__file__).with_name("pom.xml")
PORTS: Final = (15_000, 29_999)
"""Below those that systems give to outgoing connections (RFC 6335 and Linux have them higher up)."""
_given: Final[set[int]] = set()
START_TIMEOUT: Final = 60.0
CLASSES: Final = "classes.jsa"
BOOTSTRAP: Final = "bootstrap.checkpoint"

SETTINGS: Final = {
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "log.retention.check.interval.ms": "1000",
    "log.initial.task.delay.ms": "500",  # else nothing is deleted in a broker's first half minute
    "log.cleaner.backoff.ms": "1000",
    "controlled.shutdown.enable": "true",
}


def jars() -> Path:
    """The folder with Kafka's jars. Raises ``CannotStart``."""
    return libraries(POM, "kafka-4.1.0", "the broker tests need Apache Kafka's jars")


def ready() -> Path:
    """A folder with what a first broker leaves to all others: Kafka's classes as Java had them in memory, where it can keep
    them, and what the storage was formatted with. So no other reads, checks and links them again: that is half of a start.
    """
    return made_once(jars().with_name(f"{jars().name}.ready"), _make_ready)


def _make_ready(folder: Path) -> None:
    folder.mkdir()
    with tempfile.TemporaryDirectory(prefix="casetrail-kafka-") as temporary:
        first = _FirstBroker(Path(temporary))
        first.prepare(new_cluster_id(), f"{first.number}@127.0.0.1:{first.controller_port}", 1)
        shutil.copy(first.data / BOOTSTRAP, folder)
        first.options = [f"-XX:ArchiveClassesAtExit={folder / CLASSES}"]
        first.start()
        first.stop(5 * START_TIMEOUT)  # its last act is to write them, and half an archive would be of no use


def free_port() -> int:
    """A port that nothing listens on just now, that no outgoing connection will be given, and that was not given before."""
    while True:
        port = SystemRandom().randint(*PORTS)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


class Broker:
    """One broker (and controller) in a process of its own, over a folder of its own."""

    def __init__(self, directory: Path, number: int = 1, settings: Mapping[str, str] | None = None) -> None:
        self.directory, self.number = directory, number
        self.data = directory / "data"
        self.port, self.controller_port = free_port(), free_port()
        self.settings = dict(settings or {})
        self.process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def bootstrap(self) -> str:
        """Where clients connect to."""
        return f"127.0.0.1:{self.port}"

    def prepare(self, cluster_id: str, voters: str, replicas: int) -> None:
        """Write the configuration and format the storage."""
        settings = {
            "process.roles": "broker,controller",
            "node.id": str(self.number),
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.data),
            "offsets.topic.replication.factor": str(replicas),
            "transaction.state.log.replication.factor": str(replicas),
            "transaction.state.log.min.isr": str(max(1, replicas - 1)),
            "share.coordinator.state.topic.replication.factor": str(replicas),
            "share.coordinator.state.topic.min.isr": str(max(1, replicas - 1)),
            **SETTINGS,
            **self.settings,
        }
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.directory / "server.properties").write_text(text)
        self.format(cluster_id)

    def format(self, cluster_id: str) -> None:
        """Format the storage as Kafka's own tool has formatted the first broker's: that takes no second Java."""
        self.data.mkdir()
        shutil.copy(ready() / BOOTSTRAP, self.data)
        names = {"version": 1, "cluster.id": cluster_id, "node.id": self.number, "directory.id": new_cluster_id()}
        (self.data / "meta.properties").write_text("".join(f"{name}={value}\n" for name, value in names.items()))

    def format_by_tool(self, cluster_id: str, *arguments: str) -> None:
        """Format the storage by Kafka's own tool."""
        self._java("kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", "server.properties", *arguments).wait()

    def java_options(self) -> Sequence[str]:
        """What Java is started with, besides."""
        classes = ready() / CLASSES
        return [f"-XX:SharedArchiveFile={classes}"] if classes.exists() else []

    def _java(self, *arguments: str) -> subprocess.Popen[bytes]:
        java_itself = [str(java()[0]), *self.java_options(), "-Xmx512m", "-Xms256m", "-cp", f"{jars()}/*"]
        with (self.directory / "output").open("ab") as out:
            return subprocess.Popen(
                [*java_itself, *arguments], cwd=self.directory, stdout=out, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def launch(self) -> None:
        """Start the process without waiting for it."""
        self.process = self._java("kafka.Kafka", "server.properties")
        self._guard = Guard(self.process.pid)

    def wait_ready(self) -> None:
        """Wait until it listens."""
        until = time.monotonic() + START_TIMEOUT
        while time.monotonic() < until:
            if self.process is None or self.process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise CannotStart(f"the broker did not start: {(self.directory / 'output').read_text()[-3000:]}")

    def start(self) -> None:
        """Start over the same folder, and wait until it listens."""
        self.launch()
        self.wait_ready()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def stop(self, timeout: float = 15) -> None:
        """Stop it in good order."""
        self.signal(signal.SIGTERM)
        self._gone(timeout)

    def kill(self) -> None:
        """Stop it at once."""
        self.signal(signal.SIGKILL)
        self._gone(5)

    def _gone(self, timeout: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait(5)
        self.process = None
        if self._guard is not None:
            self._guard.release()
            self._guard = None


class _FirstBroker(Broker):
    """A broker for which nothing is ready yet."""

    options: Sequence[str] = ()

    def format(self, cluster_id: str) -> None:
        self.format_by_tool(cluster_id)

    def java_options(self) -> Sequence[str]:
        return self.options


def new_cluster_id() -> str:
    """A new id in Kafka's form, 22 characters of base64url. Never with a dash in front: tools take it for an option."""
    first, *others = uuid.uuid4().bytes
    return base64.urlsafe_b64encode(bytes([first & 0x7F, *others])).decode().rstrip("=")


def start_cluster(directory: Path, brokers: int = 1, settings: Mapping[str, str] | None = None) -> Sequence[Broker]:
    """Start a cluster of brokers that are controllers too, each in a folder below ``directory``."""
    cluster = [Broker(directory / f"broker-{number}", number, settings) for number in range(1, brokers + 1)]
    voters = ",".join(f"{broker.number}@127.0.0.1:{broker.controller_port}" for broker in cluster)
    cluster_id = new_cluster_id()
    try:
        for broker in cluster:
            broker.prepare(cluster_id, voters, min(3, brokers))
        for broker in cluster:
            broker.launch()
        for broker in cluster:
            broker.wait_ready()
    except BaseException:
        for broker in cluster:
            broker.kill()
        raise
    return cluster
