"""Sealed fields open with their key, for their place in the history, and for nothing else."""

import hashlib
import hmac
import json
import re
import traceback
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from casetrail.domain.codes import SealedName
from casetrail.domain.sealed import SealedField
from casetrail.privacy.errors import DisclosureMalformed, NotSealable, PrivacyError, SealBroken, TextTooLong
from casetrail.privacy.sealing import (
    MOST_TEXT_BYTES,
    Disclosure,
    bucket,
    check_disclosure,
    commitment,
    disclose,
    seal,
    unseal,
)

PAGE = Path(__file__).parents[2] / "docs" / "sealing.md"
VECTOR, DISCLOSED = (
    json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
)

KEY = bytes(range(32))
ACTION = bytes(range(16))
SECRET = "Persephone Quillfeather"
TEXTS = st.text(st.characters(codec="utf-8"), max_size=600)


def sealed(text: str = SECRET, name: SealedName = SealedName.CHILD_NAME) -> SealedField:
    return seal(KEY, "KC-1", ACTION, name, text)


@given(TEXTS, st.sampled_from(SealedName))
def test_what_was_sealed_opens_to_the_same_text(text: str, name: SealedName) -> None:
    field = sealed(text, name)
    opened = unseal(KEY, "KC-1", ACTION, field)
    assert (opened.name, opened.text) == (name, text)
    assert commitment(name, text, opened.salt) == field.commitment


def test_the_published_vector_is_what_sealing_makes() -> None:
    field = seal(
        bytes.fromhex(VECTOR["case_key"]), VECTOR["case_id"], bytes.fromhex(VECTOR["action_id"]),
        SealedName(VECTOR["name"]), VECTOR["text"], random=lambda size: bytes(range(size)),
    )  # fmt: skip
    assert field.nonce.hex() == VECTOR["nonce"]
    assert field.ciphertext.hex() == VECTOR["ciphertext"]
    assert field.commitment.hex() == VECTOR["commitment"]


def test_the_published_vector_opens_with_nothing_but_the_page() -> None:
    """A second implementation, from the page's table alone."""
    case, name = VECTOR["case_id"].encode(), VECTOR["name"].encode()
    context = b"casetrail/sealed/1" + len(case).to_bytes(2, "big") + case + bytes.fromhex(VECTOR["action_id"])
    context += len(name).to_bytes(2, "big") + name
    extracted = hmac.digest(bytes(32), bytes.fromhex(VECTOR["case_key"]), "sha256")
    field_key = hmac.digest(extracted, context + b"\x01", "sha256")
    plain = AESGCM(field_key).decrypt(bytes.fromhex(VECTOR["nonce"]), bytes.fromhex(VECTOR["ciphertext"]), context)
    text = VECTOR["text"].encode()
    sized = len(text).to_bytes(4, "big") + text
    assert plain == bytes.fromhex(VECTOR["salt"]) + sized + bytes(64 - len(sized))
    committed = b"casetrail/commitment/1" + plain[:32] + len(name).to_bytes(2, "big") + name + sized
    assert hashlib.sha256(committed).hexdigest() == VECTOR["commitment"]


def test_the_published_disclosure_fits_the_published_field() -> None:
    field = SealedField(
        SealedName(VECTOR["name"]), bytes.fromhex(VECTOR["commitment"]), bytes.fromhex(VECTOR["nonce"]),
        bytes.fromhex(VECTOR["ciphertext"]),
    )  # fmt: skip
    made = disclose(bytes.fromhex(VECTOR["case_key"]), VECTOR["case_id"], bytes.fromhex(VECTOR["action_id"]), field)
    assert json.loads(made.to_json()) == DISCLOSED
    assert check_disclosure(Disclosure.from_json(json.dumps(DISCLOSED)), field)


def test_the_same_text_sealed_twice_shows_nothing_in_common() -> None:
    one, other = sealed(), sealed()
    assert one.nonce != other.nonce and one.ciphertext != other.ciphertext and one.commitment != other.commitment


def test_a_field_opens_nowhere_but_in_its_place() -> None:
    field = sealed()
    for key, case_id, action_id, moved in (
        (bytes(32), "KC-1", ACTION, field),
        (KEY, "KC-2", ACTION, field),
        (KEY, "KC-1", bytes(16), field),
        (KEY, "KC-1", ACTION, replace(field, name=SealedName.SUSPECT_NAME)),
    ):
        with pytest.raises(SealBroken):
            unseal(key, case_id, action_id, moved)


@given(st.integers(min_value=0), st.integers(1, 255), st.sampled_from(["commitment", "nonce", "ciphertext"]))
def test_a_field_with_one_altered_byte_does_not_open(place: int, change: int, part: str) -> None:
    field = sealed()
    altered = bytearray(getattr(field, part))
    altered[place % len(altered)] ^= change
    with pytest.raises(SealBroken):
        unseal(KEY, "KC-1", ACTION, SealedField(**{**vars(field), part: bytes(altered)}))


@pytest.mark.parametrize("ciphertext", [b"", b"x", bytes(16), bytes(48)])
@pytest.mark.parametrize("nonce", [b"", bytes(12), bytes(200)])
def test_nonsense_is_refused_as_broken(ciphertext: bytes, nonce: bytes) -> None:
    with pytest.raises(SealBroken):
        unseal(KEY, "KC-1", ACTION, SealedField(SealedName.ADDRESS, bytes(32), nonce, ciphertext))


@pytest.mark.parametrize(
    "padded",
    [
        b"",
        b"\x00\x00",
        b"\xff\xff\xff\xff" + bytes(60),
        b"\x00\x00\x00\x02ab" + bytes(57) + b"\x01",  # padding that carries something
        b"\x00\x00\x00\x02ab" + bytes(122),  # more padding than needed
        b"\x00\x00\x00\x02ab",  # none
        b"\x00\x00\x00\x02\xff\xfe" + bytes(58),  # no UTF-8
    ],
)
def test_a_field_that_another_program_padded_otherwise_is_refused(
    padded: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = b"casetrail/sealed/1\x00\x04KC-1" + ACTION + b"\x00\x07address"
    extracted = hmac.digest(bytes(32), KEY, "sha256")
    field_key = hmac.digest(extracted, context + b"\x01", "sha256")
    nonce, salt = bytes(12), bytes(32)
    committed = b"casetrail/commitment/1" + salt + b"\x00\x07address" + padded[:6]
    ciphertext = AESGCM(field_key).encrypt(nonce, salt + padded, context)
    field = SealedField(SealedName.ADDRESS, hashlib.sha256(committed).digest(), nonce, ciphertext)
    with pytest.raises(SealBroken):
        unseal(KEY, "KC-1", ACTION, field)


def test_the_length_of_a_name_does_not_tell() -> None:
    assert (
        len({len(sealed(name).ciphertext) for name in ("Al", "Bo Li", "2012-05-09", "+1 816 555 0100", "x" * 60)}) == 1
    )


@given(st.integers(1, MOST_TEXT_BYTES + 4))
def test_padding_is_never_too_small_and_grows_in_steps(size: int) -> None:
    assert size <= bucket(size) <= max(64, min(2 * size, size + 1023))
    assert bucket(size) in (64, 128, 256, 512) or bucket(size) % 1024 == 0


def test_the_longest_text_fits_an_action_and_one_byte_more_is_refused() -> None:
    longest = sealed("é" * (MOST_TEXT_BYTES // 2), SealedName.NARRATIVE)
    assert len(longest.ciphertext) < 20 * 1024
    assert len(unseal(KEY, "KC-1", ACTION, longest).text) == MOST_TEXT_BYTES // 2
    with pytest.raises(TextTooLong) as caught:
        sealed("é" * (MOST_TEXT_BYTES // 2) + "x", SealedName.NARRATIVE)
    assert caught.value.code == "text-too-long"


def test_keys_and_ids_of_the_wrong_shape_are_refused() -> None:
    for key, case_id, action_id in ((b"short", "KC-1", ACTION), (KEY, "Jane Doe", ACTION), (KEY, "KC-1", b"x" * 15)):
        with pytest.raises(NotSealable):
            seal(key, case_id, action_id, SealedName.ADDRESS, "x")


def test_no_error_and_no_repr_holds_a_plaintext() -> None:
    field = sealed()
    shown = disclose(KEY, "KC-1", ACTION, field)
    said = [repr(unseal(KEY, "KC-1", ACTION, field)), repr(shown), repr(field)]
    attempts = (
        lambda: sealed(SECRET * 2_000),
        lambda: sealed(SECRET + "\udc80"),
        lambda: unseal(bytes(32), "KC-1", ACTION, field),
        lambda: unseal(KEY, "KC-1", ACTION, replace(field, commitment=bytes(32))),
        lambda: Disclosure.from_json(f'{{"text": "{SECRET}"'),
        lambda: Disclosure.from_json(shown.to_json().replace("child_name", SECRET)),
    )
    for attempt in attempts:
        with pytest.raises(PrivacyError) as caught:
            attempt()
        assert caught.value.__cause__ is None and caught.value.__context__ is None
        said += traceback.format_exception(caught.value)[-1:]
    assert "Persephone" not in "".join(said) and KEY.hex() not in "".join(said)


@given(TEXTS)
def test_a_disclosure_travels_as_json_and_can_be_checked_without_a_key(text: str) -> None:
    field = sealed(text)
    received = Disclosure.from_json(disclose(KEY, "KC-1", ACTION, field).to_json())
    assert received.text == text
    assert check_disclosure(received, field)


def test_a_disclosure_of_anything_else_is_found_out() -> None:
    field = sealed()
    shown = disclose(KEY, "KC-1", ACTION, field)
    for false in (
        replace(shown, text=SECRET.lower()),
        replace(shown, text=SECRET + "\udc80"),
        replace(shown, salt=bytes(32)),
        replace(shown, salt=b""),
        replace(shown, name=SealedName.SUSPECT_NAME),
    ):
        assert not check_disclosure(false, field)
    assert not check_disclosure(shown, sealed())
    assert not check_disclosure(shown, replace(field, name=SealedName.SUSPECT_NAME))


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", "{}", "[" * 100_000, '"\ud800"',
        json.dumps(DISCLOSED | {"format": "casetrail/disclosure/2"}),
        json.dumps(DISCLOSED | {"text": 7}),
        json.dumps(DISCLOSED | {"more": "x"}),
        json.dumps(DISCLOSED | {"salt": "00"}),
        json.dumps(DISCLOSED | {"salt": "zz" * 32}),
        json.dumps(DISCLOSED | {"salt": " 0" * 32}),
        json.dumps(DISCLOSED | {"action_id": "A0" * 16}),
        json.dumps(DISCLOSED | {"name": "shoe_size"}),
        json.dumps(DISCLOSED | {"case_id": "Jane Doe"}),
    ],
)  # fmt: skip
def test_what_is_no_disclosure_is_refused(text: str) -> None:
    with pytest.raises(DisclosureMalformed):
        Disclosure.from_json(text)
