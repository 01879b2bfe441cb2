"""Checkpoints (c2sp.org/tlog-checkpoint): the head of a log's Merkle tree at one size, as the text of a signed note."""

import base64
import re
from dataclasses import dataclass
from typing import Final

from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.note import CONTROL, from_base64

HASH_BYTES: Final = 32
MOST_LEAVES: Final = 2**64 - 1
"""Sizes and indexes are signed as 64 bits (c2sp.org/tlog-cosignature)."""

DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)


@dataclass(frozen=True)
class Checkpoint:
    """The log's identity, the number of its leaves, and the root over them (32 bytes).

    ``extensions`` are opaque lines that other logs may add. casetrail writes none and believes none: an ML-DSA-44
    signature does not even cover them. Raises ``NoteInvalid`` for what cannot stand in a checkpoint.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or "\n" in line or CONTROL.search(line):
                raise NoteInvalid("the lines of a checkpoint are not empty and hold no control characters")
        if not 0 <= self.size <= MOST_LEAVES:
            raise NoteInvalid(f"a tree cannot have {self.size} leaves")
        if len(self.root) != HASH_BYTES:
            raise NoteInvalid(f"the root hash in a checkpoint has {HASH_BYTES} bytes, not {len(self.root)}")

    def text(self) -> str:
        """The text that is signed, with its final newline."""
        return "\n".join([self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions, ""])


def parse_checkpoint(text: str) -> Checkpoint:
    """A checkpoint from a note's text, verbatim: its ``text()`` is the same again. Raises ``NoteInvalid``."""
    lines = text.split("\n")  # not splitlines(): only newlines end a line here
    if len(lines) < 4 or lines.pop() != "":
        raise NoteInvalid("a checkpoint has three lines: origin, tree size, root hash")
    origin, size, root, *extensions = lines
    try:
        return Checkpoint(origin, parse_decimal(size), from_base64(root), tuple(extensions))
    except ValueError as error:
        raise NoteInvalid(f"this is no checkpoint: {error}") from None


def parse_decimal(text: str) -> int:
    """A size or an index: ASCII decimal without leading zeroes, at most 64 bits. Raises ``ValueError``."""
    if not DECIMAL.fullmatch(text) or (value := int(text)) > MOST_LEAVES:
        raise ValueError("a number is not a decimal of at most 64 bits without leading zeroes")
    return value
