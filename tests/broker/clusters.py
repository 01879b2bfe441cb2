"""Clusters that these tests take a broker away from."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.kafka import Broker, start_cluster
from tests.servers.maven import CannotStart


@contextmanager
def three_brokers(folder: Path) -> Iterator[Sequence[Broker]]:
    """Three brokers that miss one of them after some seconds; a test may leave some asleep."""
    try:
        brokers = start_cluster(folder, 3, {"broker.session.timeout.ms": "6000"})
    except CannotStart as error:
        pytest.fail(str(error), pytrace=False)
    try:
        yield brokers
    finally:
        for broker in brokers:
            broker.signal(signal.SIGCONT)
            broker.kill()
