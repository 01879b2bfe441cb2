"""Bytes that were written once are read the same for ever, and are written the same as long as the schema is the same.

There is a folder of bytes for every schema of events that was published. ``CASETRAIL_WRITE_GOLDEN=1 pytest
tests/eventlog/test_golden.py`` writes the files that are missing in the newest. It never changes one that is there: a log
that holds those bytes must stay readable.
"""

import json
import os
from pathlib import Path

import pytest

from casetrail.domain.actions import Body
from casetrail.domain.kinds import ACTION_KINDS, EVENT_KINDS
from casetrail.eventlog.codec import decode_action, decode_event, encode_action, encode_event
from casetrail.eventlog.schemas import current_ids, published
from tests.eventlog.examples import BODIES, example_action, example_event

GOLDEN = Path(__file__).parent / "golden"
NEWEST = GOLDEN / f"{current_ids()['event']:08x}"
WRITE = "CASETRAIL_WRITE_GOLDEN"
CHARACTERS_A_LINE = 100
EXAMPLES = {type(body).__name__: body for body in BODIES}


def encoded(body: Body) -> dict[str, bytes]:
    """The bytes of an action and of an event with this body; there are no actions of the two outcomes."""
    made = {"event": encode_event(example_event(body))}
    if type(body) in ACTION_KINDS:
        made["action"] = encode_action(example_action(body))
    return made


def read_golden(file: Path) -> dict[str, bytes]:
    """The bytes that were written once, from hexadecimal in lines."""
    return {name: bytes.fromhex("".join(lines)) for name, lines in json.loads(file.read_text("utf-8")).items()}


def write_golden(file: Path, body: Body) -> None:
    """Write down the bytes of today."""
    lines = {
        name: [value.hex()[at : at + CHARACTERS_A_LINE] for at in range(0, 2 * len(value), CHARACTERS_A_LINE)]
        for name, value in encoded(body).items()
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(lines, indent=1) + "\n", "utf-8")


def test_there_is_an_example_of_every_kind() -> None:
    assert {type(body) for body in BODIES} == set(EVENT_KINDS)


def test_there_are_bytes_of_every_schema_and_of_every_kind_in_the_newest() -> None:
    events = {number for number, text in published().items() if '"name": "Event"' in text}
    assert {folder.name for folder in GOLDEN.iterdir()} == {f"{number:08x}" for number in events}
    if not os.environ.get(WRITE):
        assert {file.stem for file in NEWEST.iterdir()} == {kind.__name__ for kind in EVENT_KINDS}


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*/*.json")), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_what_was_written_once_is_read_for_ever(file: Path) -> None:
    body, golden = EXAMPLES[file.stem], read_golden(file)
    assert decode_event(golden["event"]) == example_event(body)
    if type(body) in ACTION_KINDS:
        assert decode_action(golden["action"]) == example_action(body)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_the_same_is_written_as_ever(body: Body) -> None:
    file = NEWEST / f"{type(body).__name__}.json"
    if os.environ.get(WRITE) and not file.exists():
        write_golden(file, body)
    assert encoded(body) == read_golden(file)
