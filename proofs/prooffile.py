"""Proof files (c2sp.org/tlog-proof): that something stands in a log, checked offline with a policy and nothing else."""

import base64
from dataclasses import dataclass
from typing import Final

from casetrail.proofs.checkpoint import HASH_BYTES, Checkpoint, parse_checkpoint, parse_decimal
from casetrail.proofs.errors import ProofInvalid, WitnessAhead
from casetrail.proofs.note import Note, format_note, from_base64, parse_note
from casetrail.proofs.policy import Policy, Standing
from casetrail.proofs.tree import check_inclusion

VERSION: Final = "c2sp.org/tlog-proof@v1"
SUFFIX: Final = ".tlog-proof"
MOST_HASHES: Final = 64
MOST_HEAD_BYTES: Final = 100_000


@dataclass(frozen=True)
class TlogProof:
    """The leaf's index, the path from its sibling up to below the root, and the signed checkpoint, nothing verified yet.

    ``extra`` is data for whoever reads the file, and nobody has signed it. None where there is no such line.
    """

    index: int
    hashes: tuple[bytes, ...]
    note: Note
    extra: bytes | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint in the note. Raises ``NoteInvalid``."""
        return parse_checkpoint(self.note.text)

    def format(self) -> bytes:
        """The bytes of the file."""
        lines = [VERSION]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(one).decode() for one in self.hashes]
        return "\n".join([*lines, "", ""]).encode() + format_note(self.note)

    def check(self, policy: Policy, leaf: bytes) -> Standing:
        """Check that the leaf (its hash, 32 bytes) stands at ``index``, in a checkpoint that satisfies the policy.

        Raises ``NoteInvalid`` for the signatures, ``ProofInvalid`` for a quorum that is not reached or a path that does not
        lead to the root; ``WitnessAhead`` where it is reached only with cosignatures of times that have not come yet.
        """
        standing = policy.check(self.note)
        if not standing.satisfied and policy.satisfied_by(standing.witnesses.keys() | standing.ahead.keys()):
            raise WitnessAhead(
                "nobody vouches yet for when the checkpoint was there: a witness's clock is wrong, or this machine's"
                + standing.not_counted()
            )
        if not standing.satisfied:
            raise ProofInvalid(
                f"the checkpoint was cosigned by {len(standing.witnesses)} of the policy's witnesses, and they are not the "
                "quorum that it asks for"
            )
        check_inclusion(leaf, self.index, standing.checkpoint.size, self.hashes, standing.checkpoint.root)
        return standing


def parse_proof(value: bytes) -> TlogProof:
    """A proof from the bytes of its file, verbatim: ``format`` gives the same bytes again.

    Raises ``ProofInvalid``, and ``NoteInvalid`` where the signed checkpoint in it is malformed.
    """
    head, blank, note = value.partition(b"\n\n")
    if not blank or len(head) > MOST_HEAD_BYTES:
        raise ProofInvalid("this is no proof file: no blank line ends its first part")
    try:
        version, *lines = head.decode("ascii").split("\n")
        if version != VERSION:
            raise ProofInvalid(f"this is no proof file that is understood here: its first line is not {VERSION}")
        extra = from_base64(lines.pop(0).removeprefix("extra ")) if lines and lines[0].startswith("extra ") else None
        if not lines or not lines[0].startswith("index "):
            raise ProofInvalid("a proof file has a line 'index NUMBER', and before it at most one with extra data")
        index = parse_decimal(lines[0].removeprefix("index "))
        hashes = tuple(map(from_base64, lines[1:]))
    except ValueError as error:
        raise ProofInvalid(f"this is no proof file: {error}") from None
    if len(hashes) > MOST_HASHES or any(len(one) != HASH_BYTES for one in hashes):
        raise ProofInvalid(f"a proof file has at most {MOST_HASHES} hashes, each of {HASH_BYTES} bytes")
    proof = TlogProof(index, hashes, parse_note(note), extra)
    parse_checkpoint(proof.note.text)
    return proof
