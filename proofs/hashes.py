"""The hashes of a log's tree on disk, so that any proof can be made without reading the log again.

One flat file for each eighth level (``level-0``, ``level-8``, …), 32 bytes a hash: 256 hashes of one file are the tile
whose root stands in the next. Levels between are computed from the tile when they are asked for. 10 million leaves take
321 MB on disk; in memory are only the unfinished tiles and those that were used last.

The files follow from the log: whoever loses them builds them anew. One process at a time writes here.

Whoever opens them need not believe them: a tile that is read must be the one whose root stands in the level above. Where these
end, the unfinished tiles are what ``tree.root_of`` of all leaves is made of. So once that is known to be right, every hash is.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from casetrail.eventlog.errors import LogError
from casetrail.proofs.tree import HASH_BYTES, hashes_in, parents

TILE_LEVELS: Final = 8
TILE: Final = 1 << TILE_LEVELS
TILE_BYTES: Final = TILE * HASH_BYTES
BLOCK_BYTES: Final = 64 * TILE_BYTES
"""How much is hashed and written at once: bounds the memory of an append of any length."""
CACHED_TILES: Final = 512
"""Tiles kept in memory, with all the hashes between: 16 KB each."""


class HashesAltered(LogError):
    """The stored levels do not fit each other: the files were altered, so no proof can be made from them."""

    code = "hashes-altered"


class HashMissing(LogError):
    """The hash of a subtree was asked for that the stored tree does not have, or not yet in full."""

    code = "hash-missing"


def _levels_above(hashes: list[bytes]) -> Iterator[list[bytes]]:
    """The given level of a tile, then each level above it, up to the one below the tile's root."""
    for _ in range(TILE_LEVELS):
        yield hashes
        hashes = parents(hashes)


class _Level:
    """The file of one stored level. ``tail`` holds the hashes of its last, unfinished tile."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b", buffering=TILE_BYTES * 16)
        self.count = os.fstat(self._file.fileno()).st_size // HASH_BYTES
        self.tail = bytearray()
        self.truncate(self.count)

    def append(self, data: bytes) -> bytes:
        """Write hashes; returns the roots of the tiles that they complete."""
        self._file.write(data)
        self.count += len(data) // HASH_BYTES
        self.tail += data
        finished = len(self.tail) // TILE_BYTES * TILE_BYTES
        hashes = hashes_in(self.tail[:finished])
        del self.tail[:finished]
        for _ in range(TILE_LEVELS):
            hashes = parents(hashes)
        return b"".join(hashes)

    def read(self, start: int, end: int) -> bytes:
        """Hashes ``start`` to ``end``, from the file."""
        self._file.flush()
        wanted = (end - start) * HASH_BYTES
        data = os.pread(self._file.fileno(), wanted, start * HASH_BYTES)
        if len(data) != wanted:
            raise HashMissing(f"{self._file.name} is shorter than it was: delete its directory, it is built anew")
        return data

    def truncate(self, count: int) -> None:
        self._file.flush()
        os.ftruncate(self._file.fileno(), count * HASH_BYTES)
        self.count = count
        self.tail[:] = self.read(count - count % TILE, count)

    def sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


class HashStore:
    """The stored tree of one log. What is appended is safe on disk after ``sync``.

    After a crash the files may end anywhere past the last ``sync``: the caller, who knows the size of then, calls
    ``truncate`` with it. What is left of a half-written append is repaired on opening.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._levels = [self._open(0)]
        self._tile = lru_cache(CACHED_TILES)(self._read_tile)
        while self._levels[-1].count >= TILE or self._path(len(self._levels)).exists():
            self._levels.append(self._open(len(self._levels)))
            self._fit(len(self._levels) - 1)

    def _path(self, stored: int) -> Path:
        return self._directory / f"level-{stored * TILE_LEVELS}"

    def _open(self, stored: int) -> _Level:
        return _Level(self._path(stored))

    def _fit(self, stored: int) -> None:
        """Bring a stored level to what the one below it has in full."""
        below, level = self._levels[stored - 1], self._levels[stored]
        level.truncate(min(level.count, below.count // TILE))
        while level.count < below.count // TILE:
            *_, halves = _levels_above(hashes_in(below.read(level.count * TILE, (level.count + 1) * TILE)))
            level.append(parents(halves)[0])

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._levels[0].count

    def append(self, leaves: bytes | Sequence[bytes]) -> None:
        """Append leaves, given as their hashes: one after the other, or as one run of 32 bytes each."""
        data = leaves if isinstance(leaves, bytes) else b"".join(leaves)
        if len(data) % HASH_BYTES:
            raise ValueError(f"leaves come as hashes of {HASH_BYTES} bytes each")
        for at in range(0, len(data), BLOCK_BYTES):
            self._append(0, data[at : at + BLOCK_BYTES])

    def _append(self, stored: int, data: bytes) -> None:
        if stored == len(self._levels):
            self._levels.append(self._open(stored))
        if roots := self._levels[stored].append(data):
            self._append(stored + 1, roots)

    def hash_at(self, level: int, index: int) -> bytes:
        """The hash of the perfect subtree over leaves ``index * 2^level`` to ``(index + 1) * 2^level``.

        Raises ``HashMissing`` where the tree does not have all of them, ``HashesAltered`` where what is stored of them is not
        what was.
        """
        if level < 0 or index < 0 or (index + 1) << level > self.size:
            raise HashMissing(f"the stored tree of {self.size} leaves has no hash {index} at level {level}")
        stored, within = divmod(level, TILE_LEVELS)
        tile, first = divmod(index << within, TILE)
        if tile < self._levels[stored].count // TILE:
            at = (first >> within) * HASH_BYTES
            return self._tile(stored, tile)[within][at : at + HASH_BYTES]
        hashes = hashes_in(self._levels[stored].tail[first * HASH_BYTES : (first + (1 << within)) * HASH_BYTES])
        for _ in range(within):
            hashes = parents(hashes)
        return hashes[0]

    def _read_tile(self, stored: int, tile: int) -> list[bytes]:
        """All levels of a complete tile, each as one run of hashes."""
        data = self._levels[stored].read(tile * TILE, (tile + 1) * TILE)
        levels = list(_levels_above(hashes_in(data)))
        if parents(levels[-1]) != [self.hash_at((stored + 1) * TILE_LEVELS, tile)]:
            raise HashesAltered(
                f"tile {tile} of level-{stored * TILE_LEVELS} does not fit the level above it in {self._directory}: one of the two "
                "was altered. Move the whole folder of the tree away, and keep it; it is built anew from the log"
            )
        return [b"".join(hashes) for hashes in levels]

    def leaves(self, start: int, end: int) -> bytes:
        """The hashes of leaves ``start`` to ``end``, 32 bytes each. Raises ``HashMissing`` past the size."""
        if not 0 <= start <= end <= self.size:
            raise HashMissing(f"the stored tree of {self.size} leaves has no leaves {start} to {end}")
        return self._levels[0].read(start, end)

    def truncate(self, size: int) -> None:
        """Forget all leaves from ``size`` on."""
        if not 0 <= size <= self.size:
            raise ValueError(f"a tree of {self.size} leaves cannot be cut to {size}")
        for stored in reversed(range(len(self._levels))):
            self._levels[stored].truncate(size >> stored * TILE_LEVELS)
        self._tile.cache_clear()

    def sync(self) -> None:
        """Make all that was appended safe on disk."""
        for level in self._levels:
            level.sync()
        directory = os.open(self._directory, os.O_RDONLY)  # a file that is new is lasting only with its entry there
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def close(self) -> None:
        """Write what is buffered, and close the files: all of them, whatever one says."""
        with ExitStack() as closing:
            for level in self._levels:
                closing.callback(level.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
