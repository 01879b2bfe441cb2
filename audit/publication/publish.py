"""Publishing a log as static files (c2sp.org/tlog-tiles): any web server serves them, any client of tiled logs mirrors them.

    DIR/checkpoint                       the newest checkpoint that is believed, with its cosignatures
    DIR/tile/<level>/<index>[.p/<width>] hashes of the tree
    DIR/tile/entries/<index>[.p/<width>] the leaves themselves: events, and the records of earlier checkpoints
    DIR/schemas/<id>.avsc                the Avro schemas that those are written with

Each file comes into its place whole, the checkpoint last: who reads while this writes never finds a checkpoint whose
tiles are not there yet. What an earlier run has published is left as it is.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.audit.believed import Believed
from casetrail.audit.publication.leaves import Leaves
from casetrail.audit.publication.schemas import FOLDER as SCHEMAS
from casetrail.audit.publication.schemas import named_by, place_of, texts_of
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.port import Log
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.files import put
from casetrail.proofs.hashes import TILE, TILE_LEVELS
from casetrail.proofs.logtree import LogTree, TreeContradicted
from casetrail.proofs.note import MOST_BYTES, parse_note
from casetrail.proofs.tiles import CHECKPOINT, ENTRIES, Tile, pack_entries, tiles_at, tiles_of

Progress = Callable[[int], None]
TILES: Final = "tile"


class PublicationContradicted(LogError):
    """What the folder has published is not the history that the log holds now, or is none of it."""

    code = "publication-contradicted"


class FolderUnusable(LogError):
    """The folder cannot be read or written, or another process publishes into it."""

    code = "folder-unusable"


class Publication(NamedTuple):
    """What the folder publishes now, and how many files were written for it (0: it was there already)."""

    checkpoint: Checkpoint
    note: bytes
    files: int


def publish(
    log: Log,
    tree: LogTree,
    believed: Believed,
    directory: Path,
    hashes_only: bool = False,
    progress: Progress | None = None,
) -> Publication:
    """Publish the log as of a checkpoint. ``progress`` is told of leaves.

    A folder that publishes a newer checkpoint already stays as it is. Raises ``PublicationContradicted`` where it publishes
    another history, ``TreeContradicted`` where the log no longer holds what its checkpoint covers, ``BundleInvalid`` where a
    leaf is too large for the format, ``FolderUnusable`` also where a folder that has published nothing holds other files.
    """
    checkpoint = parse_checkpoint(parse_note(believed.note).text)
    with _alone(directory):
        if hashes_only and (directory / TILES / ENTRIES).exists():
            raise FolderUnusable(f"{directory} has entries, and was to have hashes only: choose another folder")
        published, size = _published(directory), 0
        if published is None:
            _check_unused(directory)
        else:
            earlier = _parsed(directory, published)
            _check_earlier(directory, earlier, tree, checkpoint.origin)
            size = earlier.size
            if size > checkpoint.size:
                return Publication(earlier, published, 0)
        files = _Folder(directory, size)
        for tile in files.missing(tiles_of(checkpoint.size)):
            files.write(tile, _hashes(tree, tile))
        if not hashes_only:
            _write_entries(log, tree, files, checkpoint.size, progress)
        if files.written or published != believed.note:
            os.sync()  # once for thousands of files: the checkpoint must not outlive what it promises
        if published != believed.note:
            files.put(CHECKPOINT, believed.note)
        files.drop_partial()
        return Publication(checkpoint, believed.note, files.written)


def _write_entries(log: Log, tree: LogTree, files: "_Folder", size: int, progress: Progress | None) -> None:
    """Write the bundles that are missing, from the first one on as the log gives their entries."""
    missing = set(files.missing(tiles_at(None, size)))
    if not missing:
        return
    start = min(one.number for one in missing) * TILE
    leaves, schemas = Leaves(log, tree), set[int]()
    try:
        values = leaves.read(start, size)
        for bundle in islice(tiles_at(None, size), start // TILE, None):
            entries = list(islice(values, bundle.width))
            first = bundle.number * TILE
            if b"".join(map(leaf_hash, entries)) != tree.hashes.leaves(first, first + bundle.width):
                raise TreeContradicted(
                    f"an event among leaves {first} to {first + bundle.width - 1} is not the one that a checkpoint covers: "
                    "it was altered afterwards"
                )
            if bundle in missing:
                files.write(bundle, pack_entries(entries))
                schemas |= named_by(entries)
            if progress is not None:
                progress(bundle.width)
    finally:
        leaves.close()
    for number, text in texts_of(log, {one for one in schemas if not files.has(place_of(one))}).items():
        files.put(place_of(number), text)


def _hashes(tree: LogTree, tile: Tile) -> bytes:
    start, level = tile.number * TILE, tile.level or 0
    if level == 0:
        return tree.hashes.leaves(start, start + tile.width)
    return b"".join(tree.hashes.hash_at(level * TILE_LEVELS, start + at) for at in range(tile.width))


def _published(directory: Path) -> bytes | None:
    """The note of the checkpoint that the folder publishes now."""
    try:
        with (directory / CHECKPOINT).open("rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FolderUnusable(f"{directory / CHECKPOINT} cannot be read ({error.strerror})") from error


def _parsed(directory: Path, published: bytes) -> Checkpoint:
    try:
        return parse_checkpoint(parse_note(published).text)
    except NoteInvalid as error:
        raise FolderUnusable(
            f"{directory / CHECKPOINT} is no checkpoint ({error}): choose another folder, or move that file away"
        ) from error


def _check_unused(directory: Path) -> None:
    """A web server serves all that is in the folder: so what else is there, a log or a key, must not be published with it."""
    try:
        others = sorted(one.name for one in directory.iterdir() if not _is_left(one.name))
    except OSError as error:
        raise FolderUnusable(f"{directory} cannot be read ({error.strerror})") from error
    if others:
        raise FolderUnusable(
            f"{directory} has published nothing yet and holds other files ({others[0]}), which a web server would serve, too: "
            "choose an empty folder"
        )


def _is_left(name: str) -> bool:
    """Whether a run that did not come to its checkpoint leaves such a file or folder; or a file system has it."""
    return name in (TILES, SCHEMAS, "lost+found") or name.startswith(f".{CHECKPOINT}.")


def _check_earlier(directory: Path, earlier: Checkpoint, tree: LogTree, origin: str) -> None:
    """Whether what the folder publishes is a beginning of the log's tree, or, for a newer one, of the same tree."""
    if earlier.origin != origin:
        raise PublicationContradicted(f"{directory} publishes another log, not {origin}: choose another folder")
    if earlier.size > tree.size:
        raise PublicationContradicted(
            f"{directory} publishes {earlier.size} leaves, and the log has checkpoints up to {tree.size} only: its end was "
            f"cut off, or it was replaced. Keep {directory / CHECKPOINT}: it is evidence"
        )
    if not tree.begins_with(earlier.size, earlier.root):
        raise PublicationContradicted(
            f"{directory} publishes another history than the log has now in its first {earlier.size} leaves: one of the two "
            f"was altered. Keep {directory / CHECKPOINT}: it is evidence"
        )


class _Folder:
    """The folder that is written into. Where it has published ``size`` leaves before, their files are complete."""

    def __init__(self, directory: Path, size: int) -> None:
        self._directory, self._size = directory, size
        self.written = 0

    def missing(self, tiles: Iterable[Tile]) -> Iterator[Tile]:
        """Those that are not there, or may be left over from a run that did not come to its end."""
        return (one for one in tiles if one.end > self._size or not self.has(one.path))

    def has(self, place: str) -> bool:
        """Whether there is such a file."""
        return (self._directory / place).is_file()

    def write(self, tile: Tile, content: bytes) -> None:
        """Write a tile."""
        self.put(tile.path, content)

    def put(self, place: str, content: bytes) -> None:
        """Bring a file into its place, whole."""
        path = self._directory / place
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            put(path, content)
        except OSError as error:
            raise FolderUnusable(f"{path} cannot be written ({error.strerror})") from error
        self.written += 1

    def drop_partial(self) -> None:
        """Delete partial tiles of the earlier publication that full ones have replaced since."""
        for level in (None, *range(64 // TILE_LEVELS)):
            full, rest = divmod(self._size >> TILE_LEVELS * (level or 0), TILE)
            tile = Tile(level, full, rest)
            if rest and (self._directory / tile.whole_path).is_file():
                shutil.rmtree((self._directory / tile.path).parent, ignore_errors=True)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keep other publishers out of the folder. Raises ``FolderUnusable``."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise FolderUnusable(f"{directory} cannot be used ({error.strerror})") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise FolderUnusable(f"another process publishes into {directory} ({error.strerror})") from error
    try:
        yield
    finally:
        os.close(descriptor)
