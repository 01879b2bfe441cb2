"""A scene on the embedded log, on a broker, or on either."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.scene import Scene, scene_at


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Scene]:
    """A scene whose log is a file."""
    with scene_at(tmp_path, f"sqlite:{tmp_path / 'log.db'}") as made:
        yield made


@pytest.fixture
def on_broker(tmp_path: Path, kafka_url: str) -> Iterator[Scene]:
    """A scene whose log is on the broker."""
    with scene_at(tmp_path, kafka_url) as made:
        yield made


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.broker)])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A scene on either log."""
    url = f"sqlite:{tmp_path / 'log.db'}" if request.param == "embedded" else request.getfixturevalue("kafka_url")
    with scene_at(tmp_path, url) as made:
        yield made


@pytest.fixture
def in_time() -> Iterator[None]:
    """What waits without end fails here."""

    def ended(*_: object) -> None:
        raise AssertionError("it never came to an end")

    before = signal.signal(signal.SIGALRM, ended)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
