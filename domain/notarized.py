"""What the notary records in ``LOG.checkpoints``: checkpoints, and the cosignatures that witnesses gave for them.

Not actions of a case: nobody submits them, no rule decides them. They stand in ``domain/`` because their schemas do.
"""

from dataclasses import dataclass
from typing import Annotated

from casetrail.domain.values import Fixed


@dataclass(frozen=True)
class OffsetRange:
    """Events of one partition, from offset ``start`` up to, and without, offset ``end``."""

    partition: int
    start: int
    end: int


@dataclass(frozen=True)
class CheckpointPublished:
    """A checkpoint: the signed note, the events it adds, and the root of the case map as of it.

    The leaves of the tree are, by checkpoint: the stored bytes of the previous checkpoint's record (where there is one),
    then the events of these ranges by partition and offset.
    """

    note: bytes
    """The signed note, UTF-8 (C2SP tlog-checkpoint)."""
    ranges: tuple[OffsetRange, ...]
    map_root: Annotated[bytes, Fixed(32)]


@dataclass(frozen=True)
class CheckpointCosigned:
    """Witnesses have seen a checkpoint: their signature lines (C2SP tlog-cosignature)."""

    checkpoint: Annotated[bytes, Fixed(32)]
    """Leaf hash of the checkpoint's record."""
    lines: bytes
    """Signature lines as they stand in a signed note, UTF-8."""


Notarized = CheckpointPublished | CheckpointCosigned
