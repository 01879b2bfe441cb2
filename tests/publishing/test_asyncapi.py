"""docs/asyncapi.yaml says what is true of this version.

This checks what only we can know (schema files, ids, sizes, settings, references). Whether the document is well-formed
AsyncAPI is checked against that initiative's schema in ``tests/foreign``, which needs npm.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from casetrail.domain.values import is_id
from casetrail.eventlog.kafka_topics import SETTINGS
from casetrail.eventlog.limits import ACTION_BYTES, EVENT_BYTES
from casetrail.eventlog.outcome import stray_id
from casetrail.eventlog.port import Topic
from casetrail.eventlog.schemas import current_ids, parsed, published

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def document() -> Any:
    """The document."""
    return yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))


def references(value: Any) -> Iterator[str]:
    """Every ``$ref`` in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def test_every_reference_leads_somewhere(document: Any) -> None:
    found = list(references(document))
    assert len(found) > 20
    for reference in found:
        if not reference.startswith("#/"):
            assert (DOCS / reference).is_file(), reference
            continue
        target = document
        for part in reference[2:].split("/"):
            assert part in target, reference
            target = target[part]


@pytest.mark.parametrize("name", ["action", "event", "checkpoint", "cosignature"])
def test_messages_are_of_the_schemas_that_this_version_writes(document: Any, name: str) -> None:
    message = document["components"]["messages"][name]
    number = f"{current_ids()[name]:08x}"
    assert message["x-casetrail-schema-id"] == number
    assert message["x-casetrail-prefix"] == f"00{number}"
    file = DOCS / message["payload"]["schema"]["$ref"]
    assert file.read_text("utf-8") == published()[current_ids()[name]]
    assert message["name"] == parsed(current_ids()[name])["name"].removeprefix("casetrail.")


@pytest.mark.parametrize(("name", "most"), [("action", ACTION_BYTES), ("event", EVENT_BYTES)])
def test_messages_are_as_long_as_a_log_takes_them(document: Any, name: str, most: int) -> None:
    message = document["components"]["messages"][name]
    assert message["x-casetrail-most-bytes"] == most
    assert str(most) in message["description"]


def test_the_topics_are_those_of_a_log(document: Any) -> None:
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert addresses == {f"{{log}}.{topic}" for topic in Topic}


def test_services_send_actions_and_receive_the_rest(document: Any) -> None:
    done = {(one["action"], one["channel"]["$ref"]) for one in document["operations"].values()}
    assert done == {
        ("send", "#/channels/actions"),
        ("receive", "#/channels/events"),
        ("receive", "#/channels/checkpoints"),
        ("receive", "#/channels/schemas"),
    }


def test_the_topics_are_kept_as_log_init_makes_them(document: Any) -> None:
    settings = document["components"]["channelBindings"]["keptForever"]["kafka"]["topicConfiguration"]
    assert settings["cleanup.policy"] == [SETTINGS["cleanup.policy"][0]]
    for name in ("retention.ms", "retention.bytes", "compression.type"):
        assert str(settings[name]) == SETTINGS[name][0]


def test_keys_are_those_that_the_recorder_takes(document: Any) -> None:
    messages = document["components"]["messages"]
    case_id, history_id, schema_id = (
        messages[name]["bindings"]["kafka"]["key"] for name in ("action", "event", "schema")
    )
    for text in ("C-1", "a", "KC:2026/1", "~stray.0", "x" * 64, "x" * 65, "", "a b", "é", "a@b+c", "-a", ".a", "_a"):
        allowed = bool(re.fullmatch(case_id["pattern"].strip("^$"), text)) and len(text) <= case_id["maxLength"]
        assert allowed == is_id(text), text
    assert stray_id(7).replace("7", "N") in history_id["description"]
    for number in published():
        assert re.fullmatch(schema_id["pattern"].strip("^$"), f"{number:08x}")
