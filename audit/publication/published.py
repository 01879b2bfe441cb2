"""Verifying a published log (c2sp.org/tlog-tiles) from its files alone: without the log, without its operator.

Every hash is computed again from the entries, up to the root that the published checkpoint states; then the entries are
judged as events (``entries``). A folder that was published without entries still shows that its tree is whole.
"""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.audit.believed import witnessed_at
from casetrail.audit.faults import Fault, Faults, Kind
from casetrail.audit.publication.entries import Entries
from casetrail.audit.publication.schemas import check_schemas
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.schemas import unknown_among
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.hashes import TILE, TILE_BYTES, TILE_LEVELS
from casetrail.proofs.note import MOST_BYTES, Note, parse_note
from casetrail.proofs.policy import Policy, Standing
from casetrail.proofs.tiles import (
    CHECKPOINT,
    ENTRIES,
    MOST_ENTRY_BYTES,
    BundleInvalid,
    Tile,
    tiles_at,
    unpack_entries,
)
from casetrail.proofs.tree import HASH_BYTES, Frontier, hashes_in, parents
from casetrail.proofs.within import folder_within, open_within

MOST_BUNDLE_BYTES: Final = TILE * (MOST_ENTRY_BYTES + 2)
MOST_MISSING: Final = 1_000
"""So many tiles of leaves may be missing, or as many as are there; then what is behind them is not looked for.

How many leaves there are the checkpoint says, and it may say 2^63 where there is nothing.
"""

Progress = Callable[[int], None]


class NotPublished(LogError):
    """There is no published log in the folder."""

    code = "not-published"


class CheckpointUnreadable(NotPublished):
    """What is there as the checkpoint is none."""

    code = "publication-unreadable"


class TileInvalid(LogError):
    """A file of hashes is not made up of as many hashes as it must have. ``hashes``: as many of them as there are."""

    code = "tile-invalid"

    def __init__(self, message: str, hashes: bytes) -> None:
        super().__init__(message)
        self.hashes = hashes


@dataclass
class PublishedReport:
    """What a verification came to. ``checked``: how much of each thing was. ``remarks``: what could not be checked, and why."""

    checkpoint: Checkpoint
    standing: Standing | None
    """Who vouches for the checkpoint; None where no policy was given, or the log's signature is wrong."""
    checked: Counter[str] = field(default_factory=Counter)
    faults: Faults = field(default_factory=Faults)
    witnessed_at: datetime | None = None
    """When the policy's quorum had cosigned the checkpoint, by its witnesses' own word; None also where it asks for none."""
    remarks: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing contradicts what the published checkpoint promises."""
        return self.faults.holds


class _File(NamedTuple):
    """What stands in the file of a tile, and how many hashes or entries it must have: just so many, by the format."""

    content: bytes
    width: int


class PublishedLog:
    """Reads the files of a published log. Any copy will do: the folder itself, or what was mirrored from it."""

    def __init__(self, directory: Path) -> None:
        """Raises ``NotPublished``, ``CheckpointUnreadable``."""
        self._directory = directory
        try:
            with open_within(directory, CHECKPOINT) as opened:
                self.note: Note = parse_note(opened.read(MOST_BYTES + 1))
            self.checkpoint = parse_checkpoint(self.note.text)
        except OSError as error:
            raise NotPublished(
                f"no log is published in {directory}: {CHECKPOINT} cannot be read ({error.strerror})"
            ) from error
        except NoteInvalid as error:
            raise CheckpointUnreadable(f"what is published in {directory} as {CHECKPOINT} is none: {error}") from error

    @property
    def has_entries(self) -> bool:
        """Whether entries were published, and not hashes alone."""
        try:
            with folder_within(self._directory, f"tile/{ENTRIES}"):
                return True
        except OSError:
            return self.checkpoint.size == 0

    def hashes(self, tile: Tile) -> bytes | None:
        """The hashes of a tile, 32 bytes each; None where the file is missing. Raises ``TileInvalid``."""
        found = self._read(tile, TILE_BYTES)
        if found is None:
            return None
        hashes, size = found.content[: tile.width * HASH_BYTES], found.width * HASH_BYTES
        if len(found.content) != size:
            raise TileInvalid(f"it is not {size} bytes long", hashes)
        return hashes

    def bundle(self, tile: Tile) -> list[bytes] | None:
        """The entries of a bundle; None where the file is missing. Raises ``BundleInvalid``."""
        found = self._read(tile, MOST_BUNDLE_BYTES)
        if found is None:
            return None
        entries = unpack_entries(found.content)
        if len(entries) != found.width:
            raise BundleInvalid(f"it has {len(entries)} entries in the place of {found.width}")
        return entries[: tile.width]

    def entries(self) -> Iterator[bytes]:
        """All entries in the order of the tree, unchecked. Raises ``NotPublished``, ``BundleInvalid``."""
        for tile in tiles_at(None, self.checkpoint.size):
            found = self.bundle(tile)
            if found is None:
                raise NotPublished(f"{tile.path} is missing in {self._directory}")
            yield from found

    def _read(self, tile: Tile, most: int) -> _File | None:
        """A tile's file; where a partial one has been replaced by the full one since, that."""
        for place, width in ((tile.path, tile.width), (tile.whole_path, TILE)):
            try:
                with open_within(self._directory, place) as opened:
                    return _File(opened.read(most + 1), width)
            except OSError:  # missing or unreadable: the same to whoever wants to check it
                continue
        return None

    def why_missing(self, *places: str) -> str:
        """The place, of those where a file may stand that cannot be read, at which something else is, and what."""
        for place in places:
            try:
                open_within(self._directory, place).close()
            except FileNotFoundError:
                continue
            except OSError as error:
                return f"{place}: {error.strerror}"
        return places[0]


def verify_published(
    directory: Path, policy: Policy | None, progress: Progress | None = None, *, hashes_only: bool = False
) -> PublishedReport:
    """Check all files of a published log against its checkpoint, and that against the policy. ``progress``: of leaves.

    ``hashes_only``: it was published without entries, so none are asked for. A fault's ``offset`` is the number of a leaf.
    What the log has not signed promises nothing, so nothing is held against it.
    Raises ``NotPublished``.
    """
    log = PublishedLog(directory)
    found = PublishedReport(log.checkpoint, None)
    if log.checkpoint.extensions:
        _fault(
            found,
            Kind.CHECKPOINT_EXTENDED,
            f"the published one; lines more than three: {len(log.checkpoint.extensions)}",
        )
    if not _check_signatures(log, policy, found):
        return found
    with _database() as database:
        judge = None
        if hashes_only:
            found.remarks.append("only hashes were asked for: the tree is checked, and no event")
        elif log.has_entries:
            judge = Entries(found.faults, log.checkpoint.origin, policy, database, found.checked)
        else:
            place = log.why_missing(f"tile/{ENTRIES}")
            _fault(found, Kind.FILE_MISSING, f"{place}: no entries are there, so no event was checked")
        root = _check_tree(log, judge, found, progress)
    found.checked["roots"] += root is not None
    schemas, carried = check_schemas(directory, found.faults)
    found.checked["schemas"] += schemas
    if found.faults.counts[Kind.EVENT_UNREADABLE] and (newer := unknown_among(carried)) is not None:
        found.remarks.append(newer)
    if root is not None and root != log.checkpoint.root:
        _fault(found, Kind.ROOT_DIFFERS, f"the published checkpoint of {log.checkpoint.size} leaves has another root")
    return found


def _check_signatures(log: PublishedLog, policy: Policy | None, found: PublishedReport) -> bool:
    """Whether the log has signed the published checkpoint, as far as it is known whose log it is."""
    if policy is None:
        found.remarks.append("no policy was given: nobody's signature is checked")
        return True
    try:
        found.standing = policy.check(log.note)
    except NoteInvalid as error:
        _fault(found, Kind.SIGNATURE_INVALID, f"the published checkpoint: {error}")
        found.remarks.append("what the log has not signed promises nothing: neither hashes nor entries were checked")
        return False
    found.checked["signatures of checkpoints"] += 1
    found.checked["cosignatures"] += len(found.standing.witnesses)
    found.witnessed_at = witnessed_at(policy, log.note)
    if not found.standing.satisfied:
        seen = ", ".join(found.standing.witnesses) or "nobody"
        _fault(
            found, Kind.QUORUM_MISSING, f"the published checkpoint is cosigned by {seen}{found.standing.not_counted()}"
        )
    return True


def _check_tree(
    log: PublishedLog, judge: Entries | None, found: PublishedReport, progress: Progress | None
) -> bytes | None:
    """Compute the tree from the entries (where there are none, from their hashes); returns its root.

    None where so much is missing that it was given up.
    """
    size, levels, frontier = log.checkpoint.size, _Levels(log, found), Frontier()
    judging = judge is not None
    for tile in tiles_at(0, size):
        entries = _entries(log, tile, found) if judge is not None else None
        if entries is not None:
            leaves = [leaf_hash(one) for one in entries]
            levels.compare(tile, leaves)
        else:
            judging = False  # how the cases stand after a gap nobody knows
            leaves = levels.read(tile)
            if levels.missing > max(MOST_MISSING, tile.number - levels.missing):
                found.remarks.append(
                    f"of the first {tile.number + 1} tiles of leaves {levels.missing} are missing: what should be behind them, up to leaf "
                    f"{size - 1}, was not looked for"
                )
                return None
        if judge is not None and judging:
            for value, leaf in zip(entries or (), leaves, strict=True):
                judge.take(value, leaf)
        frontier.extend(leaves)
        found.checked["leaves"] += len(leaves)
        levels.add(tile, leaves)
        if progress is not None:
            progress(tile.width)
    levels.finish()
    return frontier.root()


def _entries(log: PublishedLog, tile: Tile, found: PublishedReport) -> list[bytes] | None:
    bundle = Tile(None, tile.number, tile.width)
    try:
        entries = log.bundle(bundle)
    except BundleInvalid as error:
        _fault(found, Kind.BUNDLE_UNREADABLE, f"{bundle.path}: {error}", tile.number * TILE)
        return None
    if entries is None:
        _fault(found, Kind.FILE_MISSING, log.why_missing(bundle.path, bundle.whole_path), tile.number * TILE)
    return entries


class _Levels:
    """The levels of tiles above the leaves: computed as the leaves come, and compared with the files."""

    def __init__(self, log: PublishedLog, found: PublishedReport) -> None:
        self._log, self._found = log, found
        self.missing = 0
        """Tiles of leaves that are not there, and no entries in their place."""
        self._hashes: list[list[bytes]] = []
        self._numbers: list[int] = []

    def read(self, tile: Tile) -> list[bytes]:
        """The hashes in a tile's file. Where it is missing they are zero, and nothing above them will fit."""
        content = self._content(tile)
        self.missing += content is None
        return hashes_in((content or b"").ljust(tile.width * HASH_BYTES, b"\x00"))

    def compare(self, tile: Tile, hashes: list[bytes]) -> None:
        """Compare a tile's file with what it must hold."""
        content = self._content(tile)
        if content is not None and not b"".join(hashes).startswith(content):  # what is too short has been told
            _fault(self._found, Kind.TILE_DIFFERS, tile.path, _first_leaf(tile))

    def _content(self, tile: Tile) -> bytes | None:
        """What a tile's file holds of the hashes that it must hold; None where it is missing."""
        self._found.checked["tiles"] += 1
        try:
            content = self._log.hashes(tile)
        except TileInvalid as error:
            _fault(self._found, Kind.TILE_UNREADABLE, f"{tile.path}: {error}", _first_leaf(tile))
            return error.hashes
        if content is None:
            _fault(self._found, Kind.FILE_MISSING, self._log.why_missing(tile.path, tile.whole_path), _first_leaf(tile))
        return content

    def add(self, tile: Tile, hashes: list[bytes]) -> None:
        """A tile is complete, or the last of its level: its root is a hash of the level above."""
        if tile.width < TILE:
            return
        level = (tile.level or 0) + 1
        if level > len(self._hashes):
            self._hashes.append([])
            self._numbers.append(0)
        for _ in range(TILE_LEVELS):
            hashes = parents(hashes)
        above = self._hashes[level - 1]
        above += hashes
        if len(above) == TILE:
            self._close(level)

    def _close(self, level: int) -> None:
        hashes, number = self._hashes[level - 1], self._numbers[level - 1]
        tile = Tile(level, number, len(hashes))
        self.compare(tile, hashes)
        self._hashes[level - 1], self._numbers[level - 1] = [], number + 1
        self.add(tile, hashes)

    def finish(self) -> None:
        """The last tiles of all levels, which are partial."""
        for level, hashes in enumerate(self._hashes, 1):
            if hashes:
                self._close(level)


def _first_leaf(tile: Tile) -> int:
    """The first leaf that a tile covers."""
    return tile.number * TILE << TILE_LEVELS * (tile.level or 0)


@contextmanager
def _database() -> Iterator[sqlite3.Connection]:
    """A database that needs to last no longer than this."""
    with tempfile.TemporaryDirectory(prefix="casetrail-") as directory:
        database = sqlite3.connect(Path(directory) / "cases", isolation_level=None)
        database.execute("PRAGMA journal_mode=OFF")
        database.execute("PRAGMA synchronous=OFF")
        database.execute("BEGIN")
        try:
            yield database
        finally:
            database.close()


def _fault(found: PublishedReport, kind: Kind, said: str, leaf: int | None = None) -> None:
    found.faults.add(Fault(kind, said, offset=leaf))
