"""Keys: what they sign and how, and that their files are for their owner only."""

import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from casetrail.proofs.checkpoint import Checkpoint
from casetrail.proofs.errors import KeyUnusable, NoteInvalid
from casetrail.proofs.keys import (
    FIELD,
    ORDER_8,
    Algorithm,
    SignerKey,
    VerifierKey,
    create_key,
    load_key,
    load_verifier_key,
    save_key,
)
from casetrail.proofs.note import format_note, parse_note
from casetrail.proofs.prooffile import parse_proof
from tests.proofs.test_note import EXAMPLE_KEY, PETER, PETER_KEY

ORIGIN: Final = "kcpd.example/casetrail"
CHECKPOINT: Final = Checkpoint(ORIGIN, 7, bytes(range(32))).text()
NOON: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
TORCHWOOD: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "golden" / "torchwood.json").read_text("utf-8"))
ALL: Final = pytest.mark.parametrize("algorithm", Algorithm)


def seeded(name: str, algorithm: Algorithm, byte: int) -> SignerKey:
    """The key whose seed is this byte, 32 times."""
    private = (
        MLDSA44PrivateKey.from_seed_bytes if algorithm is Algorithm.ML_DSA_44 else Ed25519PrivateKey.from_private_bytes
    )
    return SignerKey(name, algorithm, private(bytes([byte]) * 32))


def test_signing_gives_the_published_note_byte_for_byte() -> None:
    """Private key of the example in the documentation of golang.org/x/mod/sumdb/note."""
    seed = bytes.fromhex("810a1402d5146c8d84f2443330f54080ebf98ee17d9c74f6252fc5d5c7283173")
    peter = SignerKey("PeterNeumann", Algorithm.ED25519, Ed25519PrivateKey.from_private_bytes(seed))
    published = parse_note(PETER)
    assert str(peter.verifier_key) == PETER_KEY
    assert format_note(published._replace(signatures=(peter.sign_note(published.text),))) == PETER


def test_keys_and_cosignatures_are_those_of_another_program() -> None:
    """``golden/torchwood.json`` says which program and which seeds. Ed25519 is deterministic, ML-DSA-44 is not."""
    note = parse_proof(TORCHWOOD["proof"].encode()).note
    log, log_pq, clinic, hotline = (one.signature for one in note.signatures)
    at = datetime.fromtimestamp(int.from_bytes(clinic[:8], "big"), UTC)
    witness = seeded("clinic.example/witness", Algorithm.ED25519_COSIGNATURE, 3)
    assert seeded(ORIGIN, Algorithm.ED25519, 1).sign_note(note.text).signature == log
    assert witness.cosign(note.text, at).signature == clinic
    for name, byte, signature in ((ORIGIN, 2, log_pq), ("hotline.example/witness", 4, hotline)):
        key = seeded(name, Algorithm.ML_DSA_44, byte).verifier_key
        assert str(key) in TORCHWOOD["policy"].split()
        assert key.verify(note.text, signature) == at


def test_the_message_of_an_ml_dsa_44_cosignature_is_the_one_specified() -> None:
    """c2sp.org/tlog-cosignature, section "ML-DSA-44 signed message", written out by hand."""
    key = seeded("w.example/1", Algorithm.ML_DSA_44, 9)
    signature = key.cosign(CHECKPOINT, NOON).signature
    message = (
        b"subtree/v1\n\0"
        b"\x0bw.example/1"
        b"\0\0\0\0\x6b\x06\xcd\xc0"
        b"\x16kcpd.example/casetrail"
        b"\0\0\0\0\0\0\0\0"
        b"\0\0\0\0\0\0\0\x07"
    ) + bytes(range(32))
    assert signature[:8] == b"\0\0\0\0\x6b\x06\xcd\xc0"
    public = key.private.public_key()
    assert isinstance(public, MLDSA44PublicKey)
    public.verify(signature[8:], message)


@ALL
def test_a_verifier_key_reads_back_as_it_was_written(algorithm: Algorithm) -> None:
    key = create_key("kcpd.example/ä", algorithm).verifier_key
    assert VerifierKey.parse(str(key)) == key


def test_a_part_of_a_verifier_key_is_no_key() -> None:
    for start in range(len(EXAMPLE_KEY)):
        for end in range(start, len(EXAMPLE_KEY) + 1):
            if end - start < len(EXAMPLE_KEY):
                with pytest.raises(KeyUnusable):
                    VerifierKey.parse(EXAMPLE_KEY[start:end])


def test_no_character_of_a_verifier_key_can_be_changed() -> None:
    for position, letter in enumerate(EXAMPLE_KEY):
        for other in {"A", "a", "0", "+", " ", "\n", "é"} - {letter}:
            with pytest.raises(KeyUnusable):
                VerifierKey.parse(EXAMPLE_KEY[:position] + other + EXAMPLE_KEY[position + 1 :])


def test_an_id_in_capitals_is_no_id() -> None:
    with pytest.raises(KeyUnusable, match="NAME"):
        VerifierKey.parse(EXAMPLE_KEY.replace("530d903a", "530D903A"))


def test_a_type_of_signature_that_is_not_supported_is_named() -> None:
    with pytest.raises(KeyUnusable, match="0x65"):
        VerifierKey.parse("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb", "a\x00b", "\ud800", "https://kcpd.example/log"])
@ALL
def test_a_name_that_no_note_could_carry_is_refused(name: str, algorithm: Algorithm) -> None:
    with pytest.raises(KeyUnusable):
        create_key(name, algorithm)


def test_a_name_that_ml_dsa_44_could_not_sign_is_refused() -> None:
    create_key("é" * 127, Algorithm.ML_DSA_44)
    with pytest.raises(KeyUnusable, match="255"):
        create_key("é" * 128, Algorithm.ML_DSA_44)


def test_an_origin_that_ml_dsa_44_could_not_sign_is_refused() -> None:
    key = create_key("w.example/1", Algorithm.ML_DSA_44)
    key.cosign(Checkpoint("o" * 255, 7, bytes(32)).text(), NOON)
    with pytest.raises(NoteInvalid, match="too long"):
        key.cosign(Checkpoint("o" * 256, 7, bytes(32)).text(), NOON)


@pytest.mark.parametrize("algorithm", [Algorithm.ED25519_COSIGNATURE, Algorithm.ML_DSA_44])
def test_a_cosignature_holds_for_one_text_one_time_and_one_key(algorithm: Algorithm) -> None:
    key = create_key("w.example/1", algorithm)
    signature = key.cosign(CHECKPOINT, NOON).signature
    assert key.verifier_key.verify(CHECKPOINT, signature) == NOON
    later = (int(NOON.timestamp()) + 1).to_bytes(8, "big") + signature[8:]
    for verifier, text, given in (
        (key.verifier_key, CHECKPOINT.replace("\n7\n", "\n8\n"), signature),
        (key.verifier_key, CHECKPOINT.replace("kcpd", "kcpe"), signature),
        (key.verifier_key, CHECKPOINT, later),
        (key.verifier_key, CHECKPOINT, signature[:-1]),
        (key.verifier_key, CHECKPOINT, signature + b"\0"),
        (create_key("w.example/1", algorithm).verifier_key, CHECKPOINT, signature),
    ):
        with pytest.raises(NoteInvalid):
            verifier.verify(text, given)


def test_ml_dsa_44_signs_the_name_of_the_witness_too() -> None:
    key = create_key("w.example/1", Algorithm.ML_DSA_44)
    signature = key.cosign(CHECKPOINT, NOON).signature
    with pytest.raises(NoteInvalid, match="wrong"):
        replace(key.verifier_key, name="w.example/2").verify(CHECKPOINT, signature)


def test_a_time_in_another_zone_is_the_same_moment() -> None:
    key = create_key("w.example/1", Algorithm.ED25519_COSIGNATURE)
    at = datetime(2026, 11, 25, 6, 0, 0, 999_999, timezone(timedelta(hours=-6)))
    assert key.verifier_key.verify(CHECKPOINT, key.cosign(CHECKPOINT, at).signature) == NOON


@pytest.mark.parametrize("at", [datetime(2026, 11, 25), datetime(1970, 1, 1, tzinfo=UTC)], ids=["no zone", "no time"])  # noqa: DTZ001
def test_a_witness_states_a_moment(at: datetime) -> None:
    with pytest.raises(ValueError, match="zone"):
        create_key("w.example/1", Algorithm.ML_DSA_44).cosign(CHECKPOINT, at)


def test_a_log_with_ml_dsa_44_need_not_state_a_time() -> None:
    key = create_key(ORIGIN, Algorithm.ML_DSA_44)
    assert key.verifier_key.verify(CHECKPOINT, key.sign_note(CHECKPOINT).signature) is None
    assert key.verifier_key.verify(CHECKPOINT, key.sign_note(CHECKPOINT, NOON).signature) == NOON


def test_a_time_after_the_year_9999_is_refused() -> None:
    key = seeded("w.example/1", Algorithm.ED25519_COSIGNATURE, 5)
    seconds = 2**62
    signature = key.private.sign(f"cosignature/v1\ntime {seconds}\n{CHECKPOINT}".encode())
    with pytest.raises(NoteInvalid, match="9999"):
        key.verifier_key.verify(CHECKPOINT, seconds.to_bytes(8, "big") + signature)


def test_a_log_and_a_witness_do_not_sign_for_each_other() -> None:
    with pytest.raises(KeyUnusable, match="witness's"):
        create_key("w.example/1", Algorithm.ED25519_COSIGNATURE).sign_note(CHECKPOINT)
    with pytest.raises(KeyUnusable, match="log's"):
        create_key(ORIGIN, Algorithm.ED25519).cosign(CHECKPOINT, NOON)


@pytest.mark.parametrize("algorithm", [Algorithm.ED25519_COSIGNATURE, Algorithm.ML_DSA_44])
def test_a_witness_cosigns_checkpoints_only(algorithm: Algorithm) -> None:
    with pytest.raises(NoteInvalid):
        create_key("w.example/1", algorithm).cosign("This is no checkpoint.\n", NOON)


@pytest.mark.parametrize("text", ["", "no newline", "a\ttab\n"])
def test_a_log_signs_only_what_can_be_the_text_of_a_note(text: str) -> None:
    with pytest.raises(NoteInvalid):
        create_key(ORIGIN, Algorithm.ED25519).sign_note(text)


@pytest.mark.parametrize("passphrase", [None, b"a long passphrase of somebody"], ids=["plain", "encrypted"])
@ALL
def test_a_key_comes_back_from_its_file(tmp_path: Path, algorithm: Algorithm, passphrase: bytes | None) -> None:
    key = create_key(ORIGIN, algorithm)
    file = tmp_path / "key"
    save_key(key, file, passphrase)
    assert load_key(file, passphrase).verifier_key == key.verifier_key
    assert load_verifier_key(tmp_path / "key.pub") == key.verifier_key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["key", "key.pub"]


@pytest.mark.parametrize("taken", ["key", "key.pub"])
def test_no_key_is_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("precious")
    with pytest.raises(KeyUnusable, match="exists already"):
        save_key(create_key(ORIGIN, Algorithm.ED25519), tmp_path / "key")
    assert (tmp_path / taken).read_text() == "precious"
    assert [one.name for one in tmp_path.iterdir()] == [taken]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644])
def test_a_key_that_others_can_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    save_key(create_key(ORIGIN, Algorithm.ED25519), tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(KeyUnusable, match="chmod 600"):
        load_key(tmp_path / "key")


@pytest.mark.parametrize(
    ("saved", "given", "message"),
    [
        (b"right", b"wrong", "another passphrase"),
        (b"right", None, "needs a passphrase"),
        (None, b"right", "not encrypted"),
    ],
)
def test_a_passphrase_must_fit(tmp_path: Path, saved: bytes | None, given: bytes | None, message: str) -> None:
    save_key(create_key(ORIGIN, Algorithm.ML_DSA_44), tmp_path / "key", saved)
    with pytest.raises(KeyUnusable, match=message):
        load_key(tmp_path / "key", given)


@pytest.mark.parametrize("passphrase", [b"", bytes(1024)], ids=["empty", "too long"])
def test_a_passphrase_that_is_none_is_refused(tmp_path: Path, passphrase: bytes) -> None:
    with pytest.raises(KeyUnusable, match="1 to 1023 bytes"):
        save_key(create_key(ORIGIN, Algorithm.ED25519), tmp_path / "key", passphrase)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("algorithm", [Algorithm.ED25519, Algorithm.ML_DSA_44])
def test_a_key_beside_the_verifier_key_of_another_is_refused(tmp_path: Path, algorithm: Algorithm) -> None:
    save_key(create_key(ORIGIN, Algorithm.ED25519), tmp_path / "key")
    (tmp_path / "key.pub").write_text(f"{create_key(ORIGIN, algorithm).verifier_key}\n")
    with pytest.raises(KeyUnusable, match="do not belong together"):
        load_key(tmp_path / "key")


def test_a_key_without_its_verifier_key_is_refused(tmp_path: Path) -> None:
    save_key(create_key(ORIGIN, Algorithm.ED25519), tmp_path / "key")
    (tmp_path / "key.pub").unlink()
    with pytest.raises(KeyUnusable, match=r"key\.pub cannot be read"):
        load_key(tmp_path / "key")


def test_a_missing_key_a_key_of_another_kind_and_a_file_that_holds_no_key_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with pytest.raises(KeyUnusable, match="cannot be read"):
        load_key(file)
    file.touch(0o600)
    file.write_bytes(X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyUnusable, match="neither Ed25519 nor ML-DSA-44"):
        load_key(file)
    file.write_bytes(b"no key\xff")
    with pytest.raises(KeyUnusable, match="no PKCS#8 PEM file"):
        load_key(file)


def test_a_key_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="cannot be written"):
        save_key(create_key(ORIGIN, Algorithm.ED25519), tmp_path / "no folder" / "key")
    assert list(tmp_path.iterdir()) == []


def test_a_key_file_is_for_its_owner_whatever_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        save_key(create_key(ORIGIN, Algorithm.ED25519), tmp_path / "key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_key_does_not_show_its_private_part() -> None:
    key = seeded(ORIGIN, Algorithm.ED25519, 7)
    assert "\\x07" not in repr(key)
    assert "0707" not in repr(key)


@pytest.mark.parametrize("algorithm", [Algorithm.ED25519, Algorithm.ED25519_COSIGNATURE])
@pytest.mark.parametrize(
    "y", [1, FIELD + 1, 0, FIELD - 1, ORDER_8, FIELD - ORDER_8], ids=["1", "1+p", "0", "-1", "8", "-8"]
)
@pytest.mark.parametrize("sign", [0, 2**255], ids=["even", "odd"])
def test_a_key_whose_owner_could_disown_every_signature_is_refused(algorithm: Algorithm, y: int, sign: int) -> None:
    """With such a key the signature of one text is that of another one, too (of one in eight texts at least)."""
    with pytest.raises(KeyUnusable, match="binds nobody"):
        VerifierKey("court.example/witness", algorithm, (y + sign).to_bytes(32, "little"))


def test_the_points_of_order_eight_lie_where_it_is_said() -> None:
    d = -121665 * pow(121666, -1, FIELD)
    assert (d * pow(ORDER_8, 4, FIELD) + 2 * ORDER_8**2 - 1) % FIELD == 0  # twice such a point has y = 0
