"""docker-compose.yml keeps the Compose specification, and says what a deployment of an immutable history must.

The specification is checked by the library ``compose-spec``, a parser that refuses every key, type, duration and
condition that the specification does not have; it checks no references, so those are checked here. No container engine
is needed, and none runs: that the same settings and commands work is shown in ``test_deployment.py``, without containers.
"""

import json
import re
from pathlib import Path
from typing import Any

import click
import compose_spec
import pytest

from casetrail.cli.config import SETTINGS as CONFIGURED
from casetrail.cli.main import cli
from casetrail.cli.serve import LONGEST
from casetrail.eventlog.kafka_topics import SETTINGS
from tests.deployment.compose import BROKERS, OF_ONE_BROKER, broker_settings, command_of, load, variables_in
from tests.servers.kafka import ROOT

FILE = load()
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
OURS = {name: command for name, service in SERVICES.items() if (command := command_of(service)) is not None}


def read_by_specification(file: dict[str, Any]) -> list[str]:
    """The names of the services, read strictly. Raises ``ValueError``, ``pydantic.ValidationError``."""
    read = compose_spec.PyCompose.from_json(json.dumps(file))
    read.validate()
    read.to_spec()
    return read.service_names()


def test_the_file_keeps_the_compose_specification() -> None:
    assert sorted(read_by_specification(FILE)) == sorted(SERVICES)


@pytest.mark.parametrize(
    "mistake",
    [
        {"imagee": "casetrail:0.1.0"},
        {"restart": ["always"]},
        {"healthcheck": {"test": ["CMD", "true"], "interval": "often"}},
        {"depends_on": {"init": {"condition": "service_done"}}},
        {"deploy": {"replicas": "two"}},
    ],
    ids=lambda mistake: next(iter(mistake)),
)
def test_a_mistake_against_the_specification_is_found(mistake: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at line 1 column"):
        read_by_specification({"services": {"recorder": {"image": "casetrail:0.1.0", **mistake}}})


def test_what_a_service_refers_to_is_in_the_file() -> None:
    volumes = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert volumes == set(FILE["volumes"])
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= set(SERVICES)


def test_whoever_waits_for_health_waits_for_a_service_that_has_a_health_check() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} waits for ever for {other}"


def test_every_service_that_keeps_running_has_a_health_check() -> None:
    running = {name for name, service in SERVICES.items() if service.get("restart") == "unless-stopped"}
    assert running == {*BROKERS, "postgres", "recorder-1", "recorder-2", "projector", "notary", "watchdog"}
    assert all("healthcheck" in SERVICES[name] for name in running)


@pytest.mark.parametrize("name", OURS)
def test_every_command_in_the_file_is_one_that_casetrail_knows(name: str) -> None:
    command: click.Command = cli
    words, context = OURS[name], None
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context, info_name=command.name)
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no 'casetrail {' '.join(OURS[name])}'"
        command, words = found, words[1:]
    command.make_context(command.name, list(words), parent=context)


@pytest.mark.parametrize("name", OURS)
def test_every_variable_of_our_services_is_a_setting(name: str) -> None:
    given = {one for one in SERVICES[name].get("environment", {}) if one.startswith("CASETRAIL_")}
    assert given <= {f"CASETRAIL_{setting.upper()}" for setting in CONFIGURED}


@pytest.mark.parametrize("name", OURS)
def test_an_engine_can_end_every_service_of_ours_at_any_moment(name: str) -> None:
    assert SERVICES[name]["init"] is True, "process 1 does not hear SIGTERM until it has asked for it"


def test_no_service_is_killed_before_it_ends_by_itself() -> None:
    for name, words in OURS.items():
        if words[0] == "serve":
            grace = re.fullmatch(r"(\d+)s", SERVICES[name]["stop_grace_period"])
            assert grace is not None and int(grace[1]) > LONGEST + 10, name  # it is asked, and then ends by itself


def test_whoever_gives_heartbeats_keeps_its_name_in_a_new_container_and_has_it_alone() -> None:
    serving = {name: words for name, words in OURS.items() if words[0] == "serve"}
    assert {words[1] for words in serving.values()} == {"recorder", "projector", "notary", "watchdog"}
    machines = [(words[1], words[words.index("--machine") + 1]) for words in serving.values()]
    assert len(set(machines)) == len(machines)
    assert not any("deploy" in SERVICES[name] for name in serving), "replicas would have one name"


def test_whoever_keeps_a_file_of_its_own_has_a_volume_of_its_own() -> None:
    keeping = [name for name, words in OURS.items() if words[0] == "serve" and words[1] != "projector"]
    folders = [SERVICES[name]["volumes"] for name in keeping]
    assert all(one[0].endswith(":/var/lib/casetrail") and len(one) == 1 for one in folders)
    assert len({one[0] for one in folders}) == len(keeping)


def test_what_a_service_says_does_not_fill_the_disk() -> None:
    for name, service in SERVICES.items():
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name


def test_the_brokers_have_the_settings_that_operations_asks_for() -> None:
    asked = dict(re.findall(r"^On the brokers set `([a-z.]+)=(\d+)`", OPERATIONS, re.MULTILINE))
    assert asked and asked.items() <= broker_settings(SERVICES["kafka-1"]).items()


def test_people_can_submit_while_the_brokers_are_away() -> None:
    folders = [volume.partition(":")[2] for volume in SERVICES["casetrail"]["volumes"]]
    assert str(Path(SERVICES["casetrail"]["environment"]["CASETRAIL_SPOOL"]).parent) in folders


def test_no_password_is_in_the_file() -> None:
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable:
                assert variables_in(str(value)) == {"POSTGRES_PASSWORD"}
            assert ":" not in str(value).partition("postgresql://")[2].partition("@")[0]


def test_only_people_hold_keys_of_cases() -> None:
    holders = {name for name, service in SERVICES.items() if "CASETRAIL_KEYRING" in service.get("environment", {})}
    assert holders == {"casetrail"}
    assert SERVICES["casetrail"]["profiles"] == ["people"]


def test_the_brokers_differ_in_nothing_but_who_they_are() -> None:
    several = [broker_settings(SERVICES[name]) for name in BROKERS]
    common = [{name: value for name, value in one.items() if name not in OF_ONE_BROKER} for one in several]
    assert common[0] == common[1] == common[2]
    assert [one["node.id"] for one in several] == ["1", "2", "3"]


def test_the_brokers_lose_nothing_that_they_acknowledged_and_forget_nothing() -> None:
    settings = broker_settings(SERVICES["kafka-1"])
    assert settings["default.replication.factor"] == "3"
    assert settings["min.insync.replicas"] == "2"
    assert settings["auto.create.topics.enable"] == "false"
    for topic_setting, broker_setting in (
        ("retention.ms", "log.retention.ms"),
        ("retention.bytes", "log.retention.bytes"),
        ("message.timestamp.type", "log.message.timestamp.type"),
        ("unclean.leader.election.enable", "unclean.leader.election.enable"),
        ("compression.type", "compression.type"),
    ):
        assert settings[broker_setting] == SETTINGS[topic_setting][0]


def test_the_log_names_every_broker() -> None:
    named = SERVICES["recorder-1"]["environment"]["CASETRAIL_LOG"].removeprefix("kafka://").partition("/")[0]
    advertised = [broker_settings(SERVICES[name])["advertised.listeners"] for name in BROKERS]
    assert [f"PLAINTEXT://{one}" for one in named.split(",")] == advertised
