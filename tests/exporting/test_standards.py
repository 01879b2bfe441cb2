"""Exports keep to their standards: OCEL 2.0 and XES.

The rules here are those of the standards, in our own words: the published schemas bear no licence to copy them. Where they
lie in ``../shared/data/schemas``, exports are validated against them too.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator
from lxml import etree

from casetrail.exporting.export import Form
from tests.exporting.examples import Example

SCHEMAS: Final = Path(__file__).parents[2].parent / "shared" / "data" / "schemas"

TEXT: Final = {"type": "string", "minLength": 1}
TYPES: Final = {"enum": ["string", "time", "integer", "float", "boolean"]}


def listed(**fields: Any) -> dict[str, Any]:
    """A list of objects with exactly these fields."""
    one = {"type": "object", "required": list(fields), "properties": fields, "additionalProperties": False}
    return {"type": "array", "items": one}


OCEL: Final = {
    "type": "object",
    "required": ["eventTypes", "objectTypes", "events", "objects"],
    "additionalProperties": False,
    "properties": {
        "eventTypes": listed(name=TEXT, attributes=listed(name=TEXT, type=TYPES)),
        "objectTypes": listed(name=TEXT, attributes=listed(name=TEXT, type=TYPES)),
        "events": listed(
            id=TEXT,
            type=TEXT,
            time=TEXT,
            attributes=listed(name=TEXT, value=TEXT),
            relationships=listed(objectId=TEXT, qualifier=TEXT),
        ),
        "objects": listed(
            id=TEXT,
            type=TEXT,
            attributes=listed(name=TEXT, value=TEXT, time=TEXT),
            relationships=listed(objectId=TEXT, qualifier=TEXT),
        ),
    },
}
"""OCEL 2.0, specification, section 8: all that is needed, and nothing else. Values are texts in the published schema."""

IS: Final[dict[str, Callable[[str], bool]]] = {
    "string": str.isprintable,
    "time": lambda value: datetime.fromisoformat(value).tzinfo is not None,
    "integer": lambda value: str(int(value)) == value,
    "boolean": lambda value: value in ("true", "false"),
}


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return Example(tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def ocel(example: Example) -> dict[str, Any]:
    return example.ocel()


@pytest.fixture(scope="module")
def xes(example: Example) -> Any:
    return etree.fromstring(example.written(Form.XES)[0])


def published(name: str) -> Path:
    """A schema as its standard publishes it."""
    if not (SCHEMAS / name).is_file():
        pytest.skip(f"the published schema is not at {SCHEMAS / name}")
    return SCHEMAS / name


# --- OCEL ---


def test_ocel_has_what_the_standard_wants_and_nothing_else(ocel: dict[str, Any]) -> None:
    Draft202012Validator(OCEL).validate(ocel)


def test_ocel_is_valid_by_the_published_schema(ocel: dict[str, Any]) -> None:
    schema = json.loads(published("ocel20-schema-json.json").read_bytes())
    assert schema["required"] == ["eventTypes", "objectTypes", "events", "objects"]
    Draft202012Validator(schema).validate(ocel)


@pytest.mark.parametrize(("types", "things"), [("eventTypes", "events"), ("objectTypes", "objects")])
def test_in_ocel_every_type_and_attribute_is_declared_and_every_value_is_of_its_type(
    ocel: dict[str, Any], types: str, things: str
) -> None:
    declared = {one["name"]: {each["name"]: each["type"] for each in one["attributes"]} for one in ocel[types]}
    assert len(declared) == len(ocel[types])
    for one in ocel[things]:
        names = [each["name"] for each in one["attributes"]]
        assert len(names) == len(set(names))
        assert all(IS[declared[one["type"]][each["name"]]](each["value"]) for each in one["attributes"])


def test_in_ocel_every_id_is_one_things_and_every_relationship_leads_somewhere(
    ocel: dict[str, Any], example: Example
) -> None:
    objects, events = [one["id"] for one in ocel["objects"]], [one["id"] for one in ocel["events"]]
    assert len(set(objects)) == len(objects) and len(set(events)) == len(events) == len(example.events)
    for one in (*ocel["events"], *ocel["objects"]):
        related = [each["objectId"] for each in one["relationships"]]
        assert set(related) <= set(objects)
        assert len(related) == len(set(related))
    assert {one["type"] for one in ocel["objects"]} >= {"case", "person", "agency", "unit", "referral", "concern"}
    used = {each["objectId"] for one in ocel["events"] for each in one["relationships"]}
    assert used == set(objects)


# --- XES ---


def test_xes_has_its_parts_in_the_order_of_the_standard(xes: Any) -> None:
    tags = [one.tag for one in xes]
    order = ["extension", "global", "classifier", "string", "trace"]
    assert sorted(tags, key=order.index) == tags and set(tags) == set(order)
    assert xes.get("xes.version") == "1849.2016"


def test_every_attribute_of_xes_has_a_value_of_its_type_and_each_key_once(xes: Any) -> None:
    values: dict[str, Callable[[str], bool]] = {
        "string": str.isprintable,
        "date": lambda value: datetime.fromisoformat(value).tzinfo is not None,
        "int": lambda value: -(2**63) <= int(value) < 2**63,
        "boolean": lambda value: value in ("true", "false"),
    }
    elements = [*xes.iter("event"), *xes.iter("trace"), *xes.iter("global")]
    for element in elements:
        found = [one for one in element if one.tag != "event"]
        keys = [one.get("key") for one in found]
        assert len(keys) == len(set(keys))
        for one in found:
            assert re.fullmatch(r"[a-z_]+(:[a-z]+)?", one.get("key"))
            assert values[one.tag](one.get("value"))
            assert len(one) == 0 and not one.text


def test_every_trace_and_event_of_xes_has_what_is_said_to_be_global(xes: Any, example: Example) -> None:
    scopes = {one.get("scope"): {(each.tag, each.get("key")) for each in one} for one in xes.iter("global")}
    for tag in ("trace", "event"):
        for element in xes.iter(tag):
            assert scopes[tag] <= {(one.tag, one.get("key")) for one in element}
    (classifier,) = xes.iter("classifier")
    assert classifier.get("keys") in {key for _, key in scopes["event"]}
    prefixes = {one.get("prefix") for one in xes.iter("extension")}
    used = {key.partition(":")[0] for one in xes.iter() if ":" in (key := one.get("key") or "")}
    assert used == prefixes
    names = Counter(event.case_id for event in example.events)
    assert {one[0].get("value"): len(one.findall("event")) for one in xes.iter("trace")} == names


def test_xes_is_valid_by_the_published_schema(xes: Any) -> None:
    schema = etree.XMLSchema(etree.parse(published("xes-ieee-1849-2016.xsd")))
    schema.assertValid(xes)
