"""Fixtures that several rooms' tests share: a broker and a PostgreSQL, started when the first test asks for them."""

import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from tests.servers.kafka import Broker, start_cluster
from tests.servers.maven import CannotStart
from tests.servers.postgres import Postgres

# Without compiled files each of the hundreds of processes that are started here would compile all of our modules anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell may have begun this run with Ctrl-C ignored, as it does behind an '&'; the commands that are started here would ignore it, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MEMORY: Final = Path("/dev/shm")
ROOM: Final = 12 * 1024**3  # PostgreSQL alone may come to 6


def _has_room(folder: Path) -> bool:
    """Whether a whole run's files fit there, and programs may be started from there, as PostgreSQL's may have to be."""
    found = os.statvfs(folder) if folder.is_dir() else None
    if found is None or found.f_flag & os.ST_NOEXEC:
        return False
    memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(found.f_bavail * found.f_frsize, memory) >= ROOM


if "TMPDIR" not in os.environ and _has_room(MEMORY):  # no test can tell, and none waits for the disk
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None

os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
"""Of Java: no broker of the tests lives long enough to win back what its thorough compiler costs. ``bench`` has no such setting."""

LONGEST: Final = ("tests/simulation/", "tests/demo/", "tests/faults/", "tests/broker/")
"""They come first: two files are tested at a time, and a long one at the end would leave one of two cores idle."""

# No test asserts on time: a machine that others load too is slow now and then.
settings.register_profile("casetrail", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("casetrail")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, all else in its order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One real Kafka broker for a whole run, or for a process of one."""
    try:
        (broker,) = start_cluster(tmp_path_factory.mktemp("kafka"))
    except CannotStart as error:
        pytest.fail(str(error), pytrace=False)
    yield broker
    broker.kill()


@pytest.fixture
def kafka_url(kafka: Broker) -> str:
    """The URL of a log that is not there yet."""
    return f"kafka://{kafka.bootstrap}/log-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One real PostgreSQL for a whole run, or for a process of one."""
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgres_database(postgres: Postgres) -> str:
    """The URL of a fresh, empty database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres.url(name)
