"""Proof files: what stands in a log is shown offline, and only if every part of the file is right."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.eventlog.hashing import leaf_hash
from casetrail.proofs.checkpoint import Checkpoint
from casetrail.proofs.errors import NoteInvalid, ProofInvalid
from casetrail.proofs.keys import Algorithm, create_key
from casetrail.proofs.note import Note
from casetrail.proofs.policy import parse_policy
from casetrail.proofs.prooffile import MOST_HASHES, TlogProof, parse_proof
from casetrail.proofs.tree import node_hash

TORCHWOOD: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "golden" / "torchwood.json").read_text("utf-8"))
FOREIGN: Final[bytes] = TORCHWOOD["proof"].encode()
FOREIGN_POLICY: Final = parse_policy(TORCHWOOD["policy"].encode())

LOG: Final = create_key("kcpd.example/casetrail", Algorithm.ED25519)
WITNESS: Final = create_key("clinic.example/witness", Algorithm.ED25519_COSIGNATURE)
POLICY: Final = parse_policy(f"log {LOG.verifier_key}\nwitness clinic {WITNESS.verifier_key}\nquorum clinic\n".encode())
LEAVES: Final = [leaf_hash(b"event %d" % number) for number in range(3)]
LEFT: Final = node_hash(LEAVES[0], LEAVES[1])
TEXT: Final = Checkpoint(LOG.name, 3, node_hash(LEFT, LEAVES[2])).text()
NOON: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
NOTE: Final = Note(TEXT, (LOG.sign_note(TEXT), WITNESS.cosign(TEXT, NOON)))
PROOF: Final = TlogProof(1, (LEAVES[0], LEAVES[2]), NOTE, b"C-1")


def test_a_proof_of_another_program_holds_under_its_policy() -> None:
    """``golden/torchwood.json`` says which: two keys of the log, an Ed25519 and an ML-DSA-44 witness."""
    proof = parse_proof(FOREIGN)
    assert proof.format() == FOREIGN
    assert (proof.index, proof.extra, proof.checkpoint.size) == (5, b"C-1", 7)
    standing = proof.check(FOREIGN_POLICY, bytes.fromhex(TORCHWOOD["leaf"]))
    assert standing.satisfied
    assert len(standing.signers) == 2
    assert set(standing.witnesses) == {"clinic", "hotline"}
    assert bytes.fromhex(TORCHWOOD["leaf"]) == leaf_hash(b"event 5")


def test_a_proof_reads_back_as_it_was_written() -> None:
    for extra in (b"C-1", b"", None):
        proof = replace(PROOF, extra=extra)
        assert parse_proof(proof.format()) == proof


def test_a_proof_shows_its_own_leaf_only() -> None:
    assert PROOF.check(POLICY, LEAVES[1]).witnesses == {"clinic": NOON}
    with pytest.raises(ProofInvalid):
        PROOF.check(POLICY, LEAVES[2])
    with pytest.raises(ProofInvalid):
        replace(PROOF, index=2).check(POLICY, LEAVES[1])
    with pytest.raises(ProofInvalid):
        replace(PROOF, index=3).check(POLICY, LEAVES[1])
    with pytest.raises(ProofInvalid):
        replace(PROOF, hashes=PROOF.hashes[:1]).check(POLICY, LEAVES[1])


def test_a_proof_without_the_quorum_is_refused() -> None:
    alone = replace(PROOF, note=NOTE._replace(signatures=NOTE.signatures[:1]))
    with pytest.raises(ProofInvalid, match="quorum"):
        alone.check(POLICY, LEAVES[1])


def test_a_proof_under_a_checkpoint_that_the_log_did_not_sign_is_refused() -> None:
    with pytest.raises(NoteInvalid):
        replace(PROOF, note=NOTE._replace(signatures=NOTE.signatures[1:])).check(POLICY, LEAVES[1])


def test_a_tree_of_one_leaf_needs_no_hashes() -> None:
    text = Checkpoint(LOG.name, 1, LEAVES[0]).text()
    note = Note(text, (LOG.sign_note(text), WITNESS.cosign(text, NOON)))
    proof = parse_proof(TlogProof(0, (), note).format())
    assert proof.check(POLICY, LEAVES[0]).satisfied


BODY: Final = PROOF.format().partition(b"\n\n")[2].decode()
HASH: Final = "A" * 43 + "="
MALFORMED: Final = {
    "nothing": "",
    "another version": f"c2sp.org/tlog-proof@v2\nindex 1\n\n{BODY}",
    "no index": f"c2sp.org/tlog-proof@v1\n\n{BODY}",
    "no number": f"c2sp.org/tlog-proof@v1\nindex\n\n{BODY}",
    "a leading zero": f"c2sp.org/tlog-proof@v1\nindex 01\n\n{BODY}",
    "a negative index": f"c2sp.org/tlog-proof@v1\nindex -1\n\n{BODY}",
    "65 bits": f"c2sp.org/tlog-proof@v1\nindex {2**64}\n\n{BODY}",
    "two indexes": f"c2sp.org/tlog-proof@v1\nindex 1\nindex 1\n\n{BODY}",
    "the index first": f"c2sp.org/tlog-proof@v1\nindex 1\nextra QQ==\n\n{BODY}",
    "two extras": f"c2sp.org/tlog-proof@v1\nextra QQ==\nextra QQ==\nindex 1\n\n{BODY}",
    "an extra without its space": f"c2sp.org/tlog-proof@v1\nextra\nindex 1\n\n{BODY}",
    "an extra that is not base64": f"c2sp.org/tlog-proof@v1\nextra Q\nindex 1\n\n{BODY}",
    "a short hash": f"c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\n{BODY}",
    "a hash in hex": f"c2sp.org/tlog-proof@v1\nindex 1\n{bytes(32).hex()}\n\n{BODY}",
    "too many hashes": f"c2sp.org/tlog-proof@v1\nindex 1\n{(HASH + chr(10)) * (MOST_HASHES + 1)}\n{BODY}",
    "too long a head": f"c2sp.org/tlog-proof@v1\nextra {'QUFB' * 30_000}\nindex 1\n\n{BODY}",
    "carriage returns": f"c2sp.org/tlog-proof@v1\r\nindex 1\r\n\r\n{BODY}",
    "not ASCII": f"c2sp.org/tlog-proof@v1\nindex 1\n{HASH}é\n\n{BODY}",
    "no checkpoint": "c2sp.org/tlog-proof@v1\nindex 1\n\n",
    "no blank line": f"c2sp.org/tlog-proof@v1\nindex 1\n{BODY}",
    "a note that is no checkpoint": f"c2sp.org/tlog-proof@v1\nindex 1\n\ntext\n\n{NOTE.signatures[0].line()}",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_proof_is_refused(text: str) -> None:
    with pytest.raises((ProofInvalid, NoteInvalid)):
        parse_proof(text.encode())


@given(
    st.integers(0, 2**64 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=MOST_HASHES),
    st.none() | st.binary(max_size=99),
)
def test_every_proof_reads_back_as_it_was_written(index: int, hashes: list[bytes], extra: bytes | None) -> None:
    proof = TlogProof(index, tuple(hashes), NOTE, extra)
    assert parse_proof(proof.format()) == proof


def test_no_byte_of_a_proof_can_be_changed_but_what_nobody_signed() -> None:
    """The extra data, that is: as the specification warns."""
    value = PROOF.format()
    start = value.index(b"extra ")
    free = range(start, value.index(b"\n", start))
    for position in range(len(value)):
        for bit in range(8):
            changed = value[:position] + bytes([value[position] ^ 1 << bit]) + value[position + 1 :]
            try:
                parse_proof(changed).check(POLICY, LEAVES[1])
            except (ProofInvalid, NoteInvalid):
                continue
            assert position in free, (position, bit)
