"""A statement reads back as what was signed, and nothing else is one."""

import csv
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.note import parse_note, verify_note
from casetrail.proofs.statement import Statement, parse_statement
from tests.consumers.notarial import KEY

CONTENT = b'case_id,clocks\r\nC-1,"a\r\nb"\r\nC-2,x\r\n'
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STATEMENT = Statement(
    "partner clinic", "kcpd", AT, 2, sha256(CONTENT).hexdigest(), Checkpoint("kcpd.example/casetrail", 9, bytes(32))
)


@pytest.mark.parametrize("checkpoint", [STATEMENT.checkpoint, None])
def test_a_signed_statement_reads_back_as_the_same(checkpoint: Checkpoint | None) -> None:
    statement = replace(STATEMENT, checkpoint=checkpoint)
    note = parse_note(statement.sign(KEY))
    assert verify_note(note, [KEY.verifier_key])
    assert parse_statement(note.text) == statement
    statement.check(CONTENT)


def test_the_page_for_partners_shows_what_is_signed() -> None:
    page = (Path(__file__).parents[2] / "docs" / "partners.md").read_text("utf-8")
    [text] = re.findall(r"```text\n(casetrail/statement/.*?)```", page, re.DOTALL)
    assert parse_statement(text).text() == text
    assert parse_statement(text).checkpoint is not None


@given(place=st.integers(0, len(STATEMENT.text()) - 1), sign=st.characters(codec="utf-8"))
def test_no_text_reads_as_a_statement_that_is_written_otherwise(place: int, sign: str) -> None:
    text = STATEMENT.text()
    text = text[:place] + sign + text[place + 1 :]
    with suppress(NoteInvalid):
        assert parse_statement(text).text() == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("statement/1", "statement/2"), ("rows 2", "rows 02"), ("rows 2\n", ""), ("clinic", "clinic  x"), ("Z\n", "\n"),
        ("Z\n", "+00:00\n"), ("sha256 ", "sha256 0"), ("\n9\n", "\n09\n"), ("partner clinic", "partner <b>"),
    ],
)  # fmt: skip
def test_what_is_no_statement_is_refused(before: str, after: str) -> None:
    assert before in STATEMENT.text()
    with pytest.raises(NoteInvalid):
        parse_statement(STATEMENT.text().replace(before, after, 1))


def test_a_statement_is_no_checkpoint_and_a_checkpoint_no_statement() -> None:
    assert STATEMENT.checkpoint is not None
    with pytest.raises(NoteInvalid):
        parse_checkpoint(STATEMENT.text())
    with pytest.raises(NoteInvalid):
        parse_statement(STATEMENT.checkpoint.text())


def test_a_file_with_other_bytes_or_rows_is_not_the_one_that_was_signed() -> None:
    with pytest.raises(NoteInvalid, match="has been changed"):
        STATEMENT.check(CONTENT + b"C-3,y\r\n")
    with pytest.raises(NoteInvalid, match="says 3 rows"):
        replace(STATEMENT, rows=3).check(CONTENT)


def test_a_file_with_a_cell_that_no_table_of_casetrail_has_is_none_whoever_signed_it() -> None:
    content = b'a,b\n"' + b"x" * 200_000 + b'",1\n'
    made = replace(STATEMENT, sha256=sha256(content).hexdigest(), rows=1)
    before = csv.field_size_limit(131_072)  # Python's own; it is one for the whole process, and reconciling raises it
    try:
        with pytest.raises(NoteInvalid, match="no table that casetrail writes"):
            made.check(content)
    finally:
        csv.field_size_limit(before)
