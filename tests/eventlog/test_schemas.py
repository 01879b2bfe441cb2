"""A schema that was published is there for ever, is found by its content, and what it wrote stays readable."""

import json
import subprocess
import sys
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import avro.schema
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.utils import generate_many

from casetrail.domain.kinds import ACTION_KINDS
from casetrail.eventlog.codec import decode_action, decode_event
from casetrail.eventlog.schemas import UnknownSchema, current_ids, parsed, published, schema_id
from tests.eventlog.examples import BODIES, example_action, example_event, plain_action, plain_event

ROOT = Path(__file__).parents[2]


def named(number: int) -> str:
    """``action``, ``event``, ``checkpoint`` or ``cosignature``."""
    return str(json.loads(published()[number])["name"]).lower()


each_published = pytest.mark.parametrize("number", published(), ids=lambda number: f"{named(number)}-{number:08x}")


def test_the_schemas_agree_with_the_code() -> None:
    done = subprocess.run(
        [sys.executable, "tools/write_schemas.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run 'make docs': these differ:\n{done.stdout}{done.stderr}"


@each_published
def test_an_id_follows_from_the_schemas_content(number: int) -> None:
    text = published()[number]
    assert schema_id(parse_schema(json.loads(text))) == number
    assert 0 <= number < 2**31


def test_an_id_does_not_depend_on_how_a_schema_is_written_down() -> None:
    for number, text in published().items():
        schema = json.loads(text)
        schema["doc"] = "Explained in other words."
        again = json.loads(json.dumps(dict(reversed(list(schema.items())))))
        assert schema_id(parse_schema(again)) == number


def test_no_two_schemas_share_an_id() -> None:
    contents = [json.dumps(json.loads(text), sort_keys=True) for text in published().values()]
    assert len(set(contents)) == len(contents) == len(published())


def test_the_current_schemas_are_published() -> None:
    written = {name: named(number) for name, number in current_ids().items()}
    assert written == {name: name for name in ("action", "event", "checkpoint", "cosignature")}


PUBLISHED_TEXTS = {
    "42a54455": "42304d77", "46919a4f": "c011937e", "4ccfc4f8": "785413fd", "52143d41": "4e2e35fc", "6213ef7d": "e4a19190",
    "027741bc": "3051a08d", "15414d1e": "68828215", "4fb60211": "ca3e8a3d", "13a15e20": "93d4c348", "5d07843d": "91742641",
    "31035085": "a133e954", "19efd9bd": "31d7be7a",
}  # fmt: skip
"""By id, how the SHA-256 of a published schema's text begins. Only new ones may be added here."""


def test_a_published_text_never_changes() -> None:
    """Logs carry it, and an auditor holds it to be the same byte for byte: a mended explanation would convict them all."""
    found = {f"{number:08x}": sha256(text.encode()).hexdigest()[:8] for number, text in published().items()}
    assert found == PUBLISHED_TEXTS


def test_an_unknown_id_is_named() -> None:
    with pytest.raises(UnknownSchema, match="0000002a") as raised:
        parsed(42)
    assert raised.value.schema_id == 42


@each_published
def test_the_newest_version_reads_what_any_published_schema_wrote(number: int) -> None:
    name = named(number)
    newest = parsed(current_ids()[name])
    for plain in generate_many(json.loads(published()[number]), 40):
        data = BytesIO()
        schemaless_writer(data, parsed(number), plain)
        data.seek(0)
        assert schemaless_reader(data, parsed(number), newest)


@each_published
def test_the_apache_checker_calls_every_published_schema_readable(number: int) -> None:
    newest = avro.schema.parse(published()[current_ids()[named(number)]])
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    result = checker.get_compatibility(newest, avro.schema.parse(published()[number]))
    assert result.compatibility is SchemaCompatibilityType.compatible, result.messages


# --- a schema of another day: what this version does with it, shown with one that has never been published ---


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Ids of schemas as they could have been before: without the last kind, and before ``imported`` was added."""
    ids = {}
    more = dict(published())
    for name in ("action", "event"):
        schema: Any = json.loads(published()[current_ids()[name]])
        fields = {field["name"]: field for field in schema["fields"]}
        fields["body"]["type"].pop()
        schema["fields"].remove(fields["imported"])
        fields["body"]["type"] = json.loads(json.dumps(fields["body"]["type"]))
        _spell_out(schema)
        ids[name] = schema_id(parse_schema(json.loads(json.dumps(schema))))
        more[ids[name]] = json.dumps(schema)
    parsed.cache_clear()
    monkeypatch.setattr("casetrail.eventlog.schemas.published", lambda: more)
    return ids


def _spell_out(schema: Any) -> None:
    """``Bytes32`` of an action was defined where ``imported`` stood: define it where it is used first now."""
    text = json.dumps(schema)
    fixed = {"type": "fixed", "name": "Bytes32", "namespace": "casetrail", "size": 32}
    if json.dumps(fixed) not in text:
        text = text.replace('"casetrail.Bytes32"', json.dumps(fixed), 1)
    schema.clear()
    schema.update(json.loads(text))


def test_what_an_older_version_wrote_is_read_and_what_it_lacked_is_empty(older: dict[str, int]) -> None:
    asked, event = example_action(BODIES[4]), example_event(BODIES[4])
    for name, plain, decode, expected in (
        ("action", plain_action(asked), decode_action, _without(asked)),
        ("event", plain_event(event), decode_event, event._replace(imported=None)),
    ):
        data = BytesIO()
        data.write(b"\x00" + older[name].to_bytes(4))
        schemaless_writer(data, parsed(older[name]), plain)
        decoded: Any = decode(data.getvalue())
        assert decoded == expected


def _without(asked: Any) -> Any:
    return type(asked)(asked.action_id, asked.case_id, asked.occurred_at, asked.actor, asked.body, None)


def test_an_older_body_is_written_anew_in_the_event(older: dict[str, int]) -> None:
    from casetrail.eventlog.codec import read_action

    data = BytesIO()
    data.write(b"\x00" + older["action"].to_bytes(4))
    schemaless_writer(data, parsed(older["action"]), plain_action(example_action(BODIES[4])))
    assert read_action(data.getvalue())[1] is None
    assert type(BODIES[4]) in ACTION_KINDS
