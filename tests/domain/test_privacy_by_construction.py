"""No text can stand unsealed in the history: every string is an id or a code, and no id can be a sentence."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.domain import codes
from casetrail.domain.avro import action_schema, event_schema, record, record_kinds
from casetrail.domain.values import is_id

OPAQUE = {
    ("SealedField", "ciphertext"),  # encrypted
    ("SubmissionUnreadable", "key"),  # as it was submitted: it cannot be known what is in it
    ("SubmissionUnreadable", "value"),
    ("PolicyAdopted", "text"),  # a policy is public, and names nobody
}
"""The only fields that hold bytes of any length."""


def leaves(schema: Any, where: tuple[str, str] = ("", "")) -> Iterator[tuple[tuple[str, str], Any]]:
    """Every type in a schema that is made of no other, with the record and field that it stands in."""
    if isinstance(schema, list):
        for branch in schema:
            yield from leaves(branch, where)
    elif isinstance(schema, dict) and schema["type"] == "record":
        for field in schema["fields"]:
            yield from leaves(field["type"], (schema["name"], field["name"]))
    elif isinstance(schema, dict) and schema["type"] == "array":
        yield from leaves(schema["items"], where)
    else:
        yield where, schema


SCHEMAS = [action_schema(), event_schema(), *(record(kind) for kind in record_kinds())]
EVERYWHERE = [leaf for schema in SCHEMAS for leaf in leaves(schema)]


def test_every_string_is_an_id_or_a_code() -> None:
    strings = 0
    for where, leaf in EVERYWHERE:
        kind = leaf["type"] if isinstance(leaf, dict) else leaf
        if kind != "string" or where == ("Event", "case_id"):  # that is an id or "~stray.N", made by the recorder
            continue
        strings += 1
        assert isinstance(leaf, dict) and (leaf.get("id") is True or leaf.get("codes")), f"free text at {where}"
    assert strings > 100


def test_every_vocabulary_that_a_schema_names_exists() -> None:
    named = {leaf["codes"] for _, leaf in EVERYWHERE if isinstance(leaf, dict) and "codes" in leaf}
    assert named
    assert all(issubclass(getattr(codes, name), StrEnum) for name in named)


def test_bytes_of_any_length_are_encrypted_or_a_submission_that_nobody_can_read() -> None:
    assert {where for where, leaf in EVERYWHERE if leaf == "bytes"} == OPAQUE


@pytest.mark.parametrize("text", ["", "Jane Doe", "a\nb", "Zoë", "-x", "x" * 65, "a/b", "a'b", "x\n"])
def test_a_text_is_no_id(text: str) -> None:
    assert not is_id(text)


@given(st.text())
def test_whatever_has_a_space_or_a_letter_beyond_ascii_is_no_id(text: str) -> None:
    assert not is_id(text) or (text.isascii() and " " not in text and 1 <= len(text) <= 64)
