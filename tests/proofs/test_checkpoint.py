"""Checkpoints: three lines, in one form only."""

import base64
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint, parse_decimal
from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.keys import VerifierKey
from casetrail.proofs.note import parse_note, verify_note

# c2sp.org/tlog-checkpoint, first example
EXAMPLE: Final = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
# The head of the Go checksum database at this size, and the database's key, which every Go toolchain holds
SUMDB_KEY: Final = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB: Final = (
    "go.sum database tree\n6476701\nmb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=\n\n"
    "— sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=\n"
).encode()
ROOT: Final = base64.b64encode(bytes(range(32))).decode()


def test_the_example_of_the_specification_is_read() -> None:
    found = parse_checkpoint(EXAMPLE)
    assert (found.origin, found.size, found.root[:4].hex()) == ("example.com/behind-the-sofa", 20852163, "0ac5186a")
    assert found.text() == EXAMPLE


def test_a_checkpoint_of_a_log_in_the_world_verifies() -> None:
    note = parse_note(SUMDB)
    assert verify_note(note, [VerifierKey.parse(SUMDB_KEY)])
    assert parse_checkpoint(note.text).size == 6476701


def test_lines_that_other_logs_add_are_kept_and_mean_nothing() -> None:
    found = parse_checkpoint(f"a log with spaces\n0\n{ROOT}\nmore 1\nmore 2\n")
    assert (found.origin, found.size, found.extensions) == ("a log with spaces", 0, ("more 1", "more 2"))


MALFORMED: Final = {
    "nothing": "",
    "two lines": f"a\n{ROOT}\n",
    "no newline at the end": f"a\n1\n{ROOT}",
    "an empty line at the end": f"a\n1\n{ROOT}\n\n",
    "an empty line within": f"a\n1\n{ROOT}\n\nmore\n",
    "an empty origin": f"\n1\n{ROOT}\n",
    "a control character in the origin": f"a\tb\n1\n{ROOT}\n",
    "a leading zero": f"a\n01\n{ROOT}\n",
    "a sign": f"a\n+1\n{ROOT}\n",
    "a negative size": f"a\n-1\n{ROOT}\n",
    "a space": f"a\n1 \n{ROOT}\n",
    "an underscore": f"a\n1_0\n{ROOT}\n",
    "digits that are not ASCII": f"a\n١\n{ROOT}\n",
    "65 bits": f"a\n{2**64}\n{ROOT}\n",
    "a carriage return": f"a\r\n1\r\n{ROOT}\r\n",
    "a short root": "a\n1\nAAAA\n",
    "a long root": f"a\n1\n{base64.b64encode(bytes(33)).decode()}\n",
    "a root in hex": f"a\n1\n{bytes(32).hex()}\n",
    "a root with bits that say nothing": f"a\n1\n{'A' * 42}B=\n",
    "a root that is not ASCII": "a\n1\né\n",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    ("origin", "size", "root", "extensions"),
    [
        ("", 1, bytes(32), ()),
        ("a\nb", 1, bytes(32), ()),
        ("a", -1, bytes(32), ()),
        ("a", 2**64, bytes(32), ()),
        ("a", 1, bytes(31), ()),
        ("a", 1, bytes(32), ("",)),
        ("a", 1, bytes(32), ("b\nc",)),
    ],
)
def test_a_checkpoint_that_could_not_be_read_is_not_made(
    origin: str, size: int, root: bytes, extensions: tuple[str, ...]
) -> None:
    with pytest.raises(NoteInvalid):
        Checkpoint(origin, size, root, extensions)


@given(
    st.builds(
        Checkpoint,
        st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1),
        st.integers(0, 2**64 - 1),
        st.binary(min_size=32, max_size=32),
        st.lists(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1), max_size=3).map(
            tuple
        ),
    )
)
def test_every_checkpoint_reads_back_as_it_was_written(checkpoint: Checkpoint) -> None:
    assert parse_checkpoint(checkpoint.text()) == checkpoint


@given(st.lists(st.sampled_from(["a", "0", "1", "01", ROOT, ROOT[:-1], "", " "]), max_size=6).map("\n".join))
def test_what_is_read_is_written_the_same_whatever_it_is(text: str) -> None:
    try:
        checkpoint = parse_checkpoint(text)
    except NoteInvalid:
        return
    assert checkpoint.text() == text


@given(st.integers(0, 2**64 - 1))
def test_numbers_have_one_form(number: int) -> None:
    assert parse_decimal(str(number)) == number
    with pytest.raises(ValueError, match="without leading zeroes"):
        parse_decimal(f"0{number}")
