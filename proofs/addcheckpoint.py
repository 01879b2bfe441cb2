"""What a witness is asked (c2sp.org/tlog-witness, add-checkpoint): cosign this checkpoint, it extends the one you know.

The same bytes travel in the body of a request and in a file that is carried by hand.
"""

import base64
from dataclasses import dataclass
from typing import Final

from casetrail.proofs.checkpoint import HASH_BYTES, parse_checkpoint, parse_decimal
from casetrail.proofs.errors import ProofInvalid
from casetrail.proofs.note import from_base64, parse_note

MOST_HASHES: Final = 63
MOST_HEAD_BYTES: Final = 10_000
SIZE_TYPE: Final = "text/x.tlog.size"
"""Content type of a witness's answer that names the tree size it knows."""


@dataclass(frozen=True)
class AddCheckpoint:
    """The size that the witness is taken to know, the consistency proof from there, and the signed checkpoint.

    Nothing is verified yet.
    """

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def format(self) -> bytes:
        """The bytes that are sent."""
        lines = [f"old {self.old}", *(base64.b64encode(one).decode() for one in self.proof), "", ""]
        return "\n".join(lines).encode() + self.note


def is_add_checkpoint(value: bytes) -> bool:
    """Whether these bytes mean to be a request, and not a bare note: an origin that is a key's name has no space."""
    return value.startswith(b"old ")


def parse_add_checkpoint(value: bytes) -> AddCheckpoint:
    """A request from its bytes, verbatim. Raises ``ProofInvalid``, and ``NoteInvalid`` for the checkpoint in it."""
    head, blank, note = value.partition(b"\n\n")
    if not blank or len(head) > MOST_HEAD_BYTES:
        raise ProofInvalid(
            "a request has a line 'old SIZE', the lines of a consistency proof, an empty line, a checkpoint"
        )
    try:
        first, *lines = head.decode("ascii").split("\n")
        if not first.startswith("old "):
            raise ProofInvalid("the first line of a request is 'old SIZE'")
        old, proof = parse_decimal(first.removeprefix("old ")), tuple(map(from_base64, lines))
    except ValueError as error:
        raise ProofInvalid(f"this is no request to cosign a checkpoint: {error}") from None
    if len(proof) > MOST_HASHES or any(len(one) != HASH_BYTES for one in proof):
        raise ProofInvalid(f"a consistency proof has at most {MOST_HASHES} hashes, each of {HASH_BYTES} bytes")
    parse_checkpoint(parse_note(note).text)
    return AddCheckpoint(old, proof, note)
