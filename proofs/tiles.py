"""A log as static files (c2sp.org/tlog-tiles): which files there are, their names, and what entry bundles look like.

A tile holds up to 256 hashes that stand side by side at one level of the tree; its level counts in steps of eight. Only
the last tile of a level is partial. Entry bundles are cut like the tiles of level 0.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from casetrail.eventlog.errors import LogError
from casetrail.proofs.hashes import TILE, TILE_LEVELS

CHECKPOINT: Final = "checkpoint"
ENTRIES: Final = "entries"
MOST_ENTRY_BYTES: Final = 65_535
LENGTH_BYTES: Final = 2


class BundleInvalid(LogError):
    """An entry bundle is not made up of whole entries, or an entry is too large for one."""

    code = "bundle-invalid"


class Tile(NamedTuple):
    """One file: the hashes (of level ``level``) or entries from number ``256 * number`` on, ``width`` of them."""

    level: int | None
    """None for an entry bundle."""
    number: int
    width: int = TILE

    @property
    def path(self) -> str:
        """Its place below the log's prefix."""
        return f"{self.whole_path}.p/{self.width}" if self.width < TILE else self.whole_path

    @property
    def whole_path(self) -> str:
        """The place of the full tile with this number."""
        groups = [f"{self.number % 1000:03d}"]
        rest = self.number // 1000
        while rest:
            groups.append(f"x{rest % 1000:03d}")
            rest //= 1000
        kind = ENTRIES if self.level is None else str(self.level)
        return "/".join(["tile", kind, *reversed(groups)])

    @property
    def end(self) -> int:
        """How many leaves a tree must have for this tile to be in it: as many as it covers, and all before."""
        return self.number * TILE + self.width << TILE_LEVELS * (self.level or 0)


def tiles_at(level: int | None, size: int) -> Iterator[Tile]:
    """The tiles of one level in a tree of ``size`` leaves, the partial one last."""
    full, rest = divmod(size >> TILE_LEVELS * (level or 0), TILE)
    for number in range(full):
        yield Tile(level, number)
    if rest:
        yield Tile(level, full, rest)


def tiles_of(size: int) -> Iterator[Tile]:
    """All tiles of a tree of ``size`` leaves, level by level."""
    level = 0
    while size >> TILE_LEVELS * level:
        yield from tiles_at(level, size)
        level += 1


def pack_entries(values: Iterable[bytes]) -> bytes:
    """An entry bundle. Raises ``BundleInvalid`` where a value is longer than the format allows."""
    parts: list[bytes] = []
    for value in values:
        if len(value) > MOST_ENTRY_BYTES:
            raise BundleInvalid(f"an entry of {len(value)} bytes fits in no bundle: at most {MOST_ENTRY_BYTES} do")
        parts += (len(value).to_bytes(LENGTH_BYTES), value)
    return b"".join(parts)


def unpack_entries(bundle: bytes) -> list[bytes]:
    """The entries of a bundle. Raises ``BundleInvalid`` where it is cut off."""
    values, at = [], 0
    while at < len(bundle):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(bundle[start - LENGTH_BYTES : start])
        values.append(bundle[start:at])
    if at != len(bundle):
        raise BundleInvalid("the last entry of the bundle is cut off")
    return values
