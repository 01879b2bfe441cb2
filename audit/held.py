"""Where checkpoints are held: files, a witness's state, a published folder, a log, a URL. Nothing is verified here."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from sys import intern
from typing import Final, NamedTuple

from casetrail.audit.publication.published import PublishedLog, TileInvalid
from casetrail.audit.witnessing.state import WitnessState
from casetrail.domain.notarized import CheckpointPublished
from casetrail.eventlog.codec import Unreadable
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.notarized import decode_notarized
from casetrail.eventlog.port import Log, Topic
from casetrail.eventlog.stream import batches
from casetrail.proofs.addcheckpoint import is_add_checkpoint, parse_add_checkpoint
from casetrail.proofs.checkpoint import HASH_BYTES, parse_checkpoint
from casetrail.proofs.errors import NoteInvalid, ProofInvalid
from casetrail.proofs.hashes import TILE, TILE_LEVELS
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.note import MOST_BYTES, format_note, parse_note
from casetrail.proofs.prooffile import VERSION, parse_proof
from casetrail.proofs.tiles import CHECKPOINT, Tile
from casetrail.proofs.tree import HashAt, hashes_in, parents

SQLITE: Final = b"SQLite format 3\x00"
CACHED_TILES: Final = 256


class SourceUnreadable(LogError):
    """There is nothing there that can be read as checkpoints."""

    code = "source-unreadable"


class Held(NamedTuple):
    """A checkpoint that somebody holds: where, what it says, and the signed note."""

    where: str
    origin: str
    size: int
    root: bytes
    note: bytes


class Access(NamedTuple):
    """How logs are opened, and URLs read, where a source is one."""

    open_log: Callable[[str], AbstractContextManager[Log]]
    fetch: Callable[[str], bytes]


class Tree(NamedTuple):
    """A whole tree, from which proofs can be made, and a signed checkpoint of it.

    ``is_log``: it was made from the log itself, so the log has no more leaves than these.
    """

    held: Held
    hash_at: HashAt
    is_log: bool


def held(where: str, note: bytes) -> Held:
    """A note as a held checkpoint. Raises ``NoteInvalid``, with the place in its message."""
    try:
        checkpoint = parse_checkpoint(parse_note(note).text)
    except NoteInvalid as error:
        raise NoteInvalid(f"{where}: {error}") from None
    return Held(where, intern(checkpoint.origin), checkpoint.size, checkpoint.root, note)


def held_at(source: str, access: Access) -> Iterator[Held]:
    """The checkpoints at a source.

    A source is the address of a log (``sqlite:``, ``kafka:``), a URL of a checkpoint, a published folder, a witness's state,
    or a file with a checkpoint, a request to cosign one, or a proof. Raises ``SourceUnreadable``, ``NoteInvalid``,
    ``ProofInvalid``, and what reading a log raises.
    """
    if source.startswith(("sqlite:", "kafka:")):
        with access.open_log(source) as log:
            yield from _of_log(source, log)
    elif source.startswith(("https://", "http://")):
        yield held(source, access.fetch(source))
    else:
        path = Path(source)
        yield from _of_file(source, path / CHECKPOINT if path.is_dir() else path)


def _of_file(where: str, path: Path) -> Iterator[Held]:
    try:
        with path.open("rb") as opened:
            start = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise SourceUnreadable(f"{path} cannot be read ({error.strerror})") from error
    if start.startswith(SQLITE):
        with WitnessState(path, read_only=True) as state:
            for seen in state.seen():
                yield Held(where, intern(seen.origin), seen.size, seen.root, seen.cosigned_note)
    else:
        yield held(where, _note_in(where, start))


def _note_in(where: str, content: bytes) -> bytes:
    try:
        if is_add_checkpoint(content):
            return parse_add_checkpoint(content).note
        if content.startswith(VERSION.encode()):
            return format_note(parse_proof(content).note)
    except (NoteInvalid, ProofInvalid) as error:
        raise type(error)(f"{where}: {error}") from None
    return content


def _of_log(where: str, log: Log) -> Iterator[Held]:
    ends = log.end_offsets(Topic.CHECKPOINTS)
    with log.reader(Topic.CHECKPOINTS, dict.fromkeys(ends, 0)) as reader:
        for records in batches(reader, ends):
            for record in records:
                try:
                    stored = decode_notarized(record.value)
                except Unreadable as error:
                    raise SourceUnreadable(
                        f"{where}: offset {record.offset} of the checkpoints was not written by a notary"
                    ) from error
                if isinstance(stored, CheckpointPublished):
                    yield held(where, stored.note)


def tree_of_log(where: str, tree: LogTree) -> Tree | None:
    """The tree that was made from the log; None while the log has no checkpoint."""
    newest = tree.newest()
    return None if newest is None else Tree(held(where, newest.note), tree.hashes.hash_at, is_log=True)


def tree_of_folder(directory: Path) -> Tree:
    """The tree that a published folder has. Raises ``SourceUnreadable``, also later, for tiles that are not there."""
    found = next(_of_file(str(directory), directory / CHECKPOINT))
    published = PublishedLog(directory)

    @lru_cache(CACHED_TILES)
    def tile(level: int, number: int) -> bytes:
        width = min((found.size >> TILE_LEVELS * level) - number * TILE, TILE)
        one = Tile(level, number, width)
        try:
            content = published.hashes(one)
        except TileInvalid as error:
            raise SourceUnreadable(f"{directory}, {one.path}: {error}") from error
        if content is None:
            raise SourceUnreadable(f"{directory} has no {one.path}: what is published is not whole")
        return content

    def hash_at(level: int, index: int) -> bytes:
        above, within = divmod(level, TILE_LEVELS)
        number, at = divmod(index << within, TILE)
        stored = tile(above, number)[at * HASH_BYTES : (at + (1 << within)) * HASH_BYTES]
        nodes = hashes_in(stored)
        while len(nodes) > 1:
            nodes = parents(nodes)
        return b"".join(nodes)

    return Tree(found, hash_at, is_log=False)
