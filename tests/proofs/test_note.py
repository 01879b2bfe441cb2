"""Signed notes: what the specification's own examples say, what is refused, and that no byte can be changed."""

from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.proofs.errors import KeyUnusable, NoteInvalid
from casetrail.proofs.keys import Algorithm, VerifierKey, create_key
from casetrail.proofs.note import (
    MOST_BYTES,
    MOST_SIGNATURES,
    Note,
    Signature,
    Verified,
    Verifier,
    format_note,
    is_key_name,
    parse_note,
    parse_signatures,
    verify_note,
)

# c2sp.org/signed-note, section "Example"
EXAMPLE_KEY: Final = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE: Final = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
# Documentation of golang.org/x/mod/sumdb/note
PETER_KEY: Final = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER: Final = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()

LOG: Final = create_key("kcpd.example/casetrail", Algorithm.ED25519)
WITNESS: Final = create_key("clinic.example/witness", Algorithm.ED25519_COSIGNATURE)
CHECKPOINT: Final = f"kcpd.example/casetrail\n7\n{'A' * 43}=\n"
NOON: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
COSIGNED: Final = Note(CHECKPOINT, (LOG.sign_note(CHECKPOINT), WITNESS.cosign(CHECKPOINT, NOON)))
KNOWN: Final = (LOG.verifier_key, WITNESS.verifier_key)


@pytest.mark.parametrize(("key", "value"), [(EXAMPLE_KEY, EXAMPLE), (PETER_KEY, PETER)], ids=["c2sp", "go"])
def test_published_notes_verify_with_their_published_keys(key: str, value: bytes) -> None:
    note = parse_note(value)
    assert verify_note(note, [VerifierKey.parse(key)]) == [Verified(VerifierKey.parse(key), note.signatures[0], None)]
    assert format_note(note) == value


def test_a_cosignature_comes_with_the_time_that_it_states() -> None:
    assert [(one.key.name, one.at) for one in verify_note(COSIGNED, KNOWN)] == [(LOG.name, None), (WITNESS.name, NOON)]


def test_a_signature_of_an_unknown_key_is_passed_over() -> None:
    assert [one.key for one in verify_note(COSIGNED, [LOG.verifier_key])] == [LOG.verifier_key]


def test_a_key_of_the_same_name_with_another_id_is_unknown() -> None:
    other = create_key(LOG.name, Algorithm.ED25519)
    with pytest.raises(NoteInvalid, match="no known key"):
        verify_note(COSIGNED, [other.verifier_key])


def test_a_note_that_no_known_key_has_signed_is_refused() -> None:
    with pytest.raises(NoteInvalid, match="no known key"):
        verify_note(COSIGNED, [])


def test_one_wrong_signature_of_a_known_key_condemns_a_note_that_another_has_signed() -> None:
    forged = Signature(WITNESS.name, WITNESS.verifier_key.key_id, bytes(72))
    with pytest.raises(NoteInvalid, match="wrong"):
        verify_note(Note(CHECKPOINT, (COSIGNED.signatures[0], forged)), KNOWN)


def test_a_second_signature_of_the_same_key_is_verified_too() -> None:
    good = COSIGNED.signatures[0]
    with pytest.raises(NoteInvalid, match="wrong"):
        verify_note(Note(CHECKPOINT, (good, good._replace(signature=bytes(64)))), KNOWN)


def test_keys_that_share_name_and_id_are_not_guessed_between() -> None:
    class Impostor:
        name = LOG.name
        key_id = LOG.verifier_key.key_id

        def verify(self, text: str, signature: bytes) -> None:
            return None

    both: list[Verifier] = [LOG.verifier_key, Impostor()]
    with pytest.raises(KeyUnusable, match="share"):
        verify_note(COSIGNED, both)


def test_the_last_blank_line_ends_the_text() -> None:
    text = "one\n\ntwo\n\n\nthree\n"
    note = Note(text, (LOG.sign_note(text),))
    assert parse_note(format_note(note)) == note
    assert verify_note(parse_note(format_note(note)), KNOWN)


LINE: Final = COSIGNED.signatures[0].line()
MALFORMED: Final = {
    "nothing": b"",
    "no blank line": b"text\n" + LINE.encode(),
    "no signature": b"text\n\n",
    "no newline at the end": b"text\n\n" + LINE.rstrip("\n").encode(),
    "a blank line at the end": b"text\n\n" + LINE.encode() + b"\n",
    "a line that is no signature": b"text\n\nmore\n" + LINE.encode(),
    "a hyphen for the dash": b"text\n\n" + LINE.replace("—", "-").encode(),
    "an en dash for the dash": b"text\n\n" + LINE.replace("—", "–").encode(),
    "no name": b"text\n\n" + LINE.replace(LOG.name, "").encode(),
    "two spaces": b"text\n\n" + LINE.replace(f"{LOG.name} ", f"{LOG.name}  ").encode(),
    "a space at the end": b"text\n\n" + LINE.replace("\n", " \n").encode(),
    "a plus in the name": b"text\n\n" + LINE.replace(LOG.name, "a+b").encode(),
    "a space of Unicode in the name": b"text\n\n" + LINE.replace(LOG.name, "a\u2003b").encode(),
    "no base64": b"text\n\n" + f"— {LOG.name}\n".encode(),
    "base64 of a key id only": b"text\n\n" + f"— {LOG.name} AAAAAA==\n".encode(),
    "base64 without its padding": b"text\n\n" + LINE.replace("=", "").encode(),
    "base64 for URLs": b"text\n\n" + f"— {LOG.name} AAAAAAA_\n".encode(),
    "base64 with bits that say nothing": b"text\n\n" + f"— {LOG.name} AAAAAAB=\n".encode(),
    "base64 with something after it": b"text\n\n" + LINE.replace("=\n", "==A\n").encode(),
    "a tab": b"te\txt\n\n" + LINE.encode(),
    "a carriage return": b"text\r\n\n" + LINE.encode(),
    "a null": b"te\0xt\n\n" + LINE.encode(),
    "not UTF-8": b"te\xffxt\n\n" + LINE.encode(),
    "UTF-8 of a surrogate": b"te\xed\xa0\x80xt\n\n" + LINE.encode(),
    "too many signatures": b"text\n\n" + LINE.encode() * (MOST_SIGNATURES + 1),
    "too long": b"x" * MOST_BYTES + b"\n\n" + LINE.encode(),
}


@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_note_is_refused(value: bytes) -> None:
    with pytest.raises(NoteInvalid):
        parse_note(value)


def test_a_hundred_signatures_are_read() -> None:
    assert len(parse_note(b"text\n\n" + LINE.encode() * MOST_SIGNATURES).signatures) == MOST_SIGNATURES


def test_signature_lines_are_read_without_their_text() -> None:
    assert parse_signatures("".join(one.line() for one in COSIGNED.signatures)) == COSIGNED.signatures
    with pytest.raises(NoteInvalid):
        parse_signatures("")


def test_only_newlines_end_a_line() -> None:
    text = "one\u2028two\x85three\n"
    note = Note(text, (LOG.sign_note(text),))
    assert parse_note(format_note(note)) == note


@pytest.mark.parametrize(
    "note",
    [
        Note("text", COSIGNED.signatures),
        Note("text\n", ()),
        Note("te\rxt\n", COSIGNED.signatures),
        Note("te\ud800xt\n", COSIGNED.signatures),
        Note("text\n", (Signature("a b", bytes(4), bytes(64)),)),
        Note("text\n", (Signature("a", bytes(4), b""),)),
    ],
    ids=["no newline", "no signature", "control character", "surrogate", "bad name", "bare id"],
)
def test_what_would_not_read_back_is_not_written(note: Note) -> None:
    with pytest.raises(NoteInvalid):
        format_note(note)


letters = st.characters(min_codepoint=32, exclude_categories=["Cs"])
names = st.text(letters, min_size=1, max_size=40).filter(is_key_name)
texts = st.text(letters).map("{}\n".format)
signatures = st.builds(Signature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))


@given(st.lists(texts, min_size=1).map("".join), st.lists(signatures, min_size=1, max_size=5).map(tuple))
def test_every_note_reads_back_as_it_was_written(text: str, signed: tuple[Signature, ...]) -> None:
    note = Note(text, signed)
    assert parse_note(format_note(note)) == note


@given(st.binary(max_size=200) | st.text(max_size=60).map(lambda text: text.encode(errors="replace") + LINE.encode()))
def test_what_is_read_is_written_the_same_whatever_it_is(value: bytes) -> None:
    try:
        note = parse_note(value)
    except NoteInvalid:
        return
    assert format_note(note) == value


def flipped(value: bytes, position: int, bit: int) -> bytes:
    """The same bytes but for one bit."""
    return value[:position] + bytes([value[position] ^ 1 << bit]) + value[position + 1 :]


def test_no_byte_of_the_text_can_be_changed() -> None:
    value = format_note(COSIGNED)
    for position in range(len(CHECKPOINT)):
        for bit in range(8):
            with pytest.raises(NoteInvalid):
                verify_note(parse_note(flipped(value, position, bit)), KNOWN)


def test_no_byte_of_a_signature_line_can_be_changed_without_losing_that_signature() -> None:
    """What is left is malformed, wrongly signed, or signed by somebody unknown in that place."""
    value = format_note(COSIGNED)
    for position in range(len(CHECKPOINT), len(value)):
        for bit in range(8):
            try:
                found = verify_note(parse_note(flipped(value, position, bit)), KNOWN)
            except NoteInvalid:
                continue
            assert len(found) < len(COSIGNED.signatures), (position, bit)
