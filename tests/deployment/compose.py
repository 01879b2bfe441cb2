"""The parts of docker-compose.yml that the tests look at."""

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from tests.servers.kafka import ROOT

BROKERS: Final = ("kafka-1", "kafka-2", "kafka-3")

OF_ONE_BROKER: Final = {"node.id", "advertised.listeners"}
OF_THE_NETWORK: Final = {"controller.quorum.voters", "listeners", "log.dirs"}
"""Settings that name hosts and folders of containers, and have another value wherever else a broker runs."""


def load() -> dict[str, Any]:
    """The file with its YAML anchors and merges resolved."""
    loaded = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def broker_settings(service: dict[str, Any]) -> dict[str, str]:
    """The ``server.properties`` that the image makes of its environment: ``KAFKA_LOG_DIRS`` is ``log.dirs``."""
    names = {name: name.removeprefix("KAFKA_").lower() for name in service["environment"] if name.startswith("KAFKA_")}
    assert not any("__" in name for name in names), "the image reads two underscores as one, and three as a dash"
    return {name.replace("_", "."): str(service["environment"][given]) for given, name in names.items()}


def command_of(service: dict[str, Any]) -> list[str] | None:
    """The arguments of ``casetrail`` in a service of ours; None for a service of others."""
    if not str(service["image"]).startswith("casetrail:"):
        return None
    command = service["command"]
    assert isinstance(command, list)
    return [str(word) for word in command]


def environment_of(service: dict[str, Any], places: Mapping[str, str]) -> dict[str, str]:
    """A service's environment, with what names places in this network or a container put where it is here."""
    found = {}
    for name, value in service.get("environment", {}).items():
        for place, here in places.items():
            value = value.replace(place, here)
        found[name] = value
    return {name: value for name, value in found.items() if not variables_in(value)}


def variables_in(text: str) -> set[str]:
    """The variables that a value takes from the environment or ``.env``."""
    return set(re.findall(r"\$\{([A-Z_]+)", text))
