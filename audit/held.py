"""Where checkpoints are held: files, a witness's or an auditor's state, a published folder, a log, a URL.

Nothing is verified here, and nothing is changed: what is read may be evidence.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from functools import lru_cache
from hashlib import sha256
from os.path import lexists
from pathlib import Path
from sys import intern
from typing import Final, NamedTuple

from casetrail.audit.export import MOST_BYTES as MOST_EXPORT
from casetrail.audit.export import ExportInvalid, is_export, parse_export
from casetrail.audit.publication.published import PublishedLog, TileInvalid
from casetrail.audit.witnessing.state import PATIENCE, WitnessState, check_beside, check_tables
from casetrail.domain.notarized import CheckpointPublished
from casetrail.eventlog.codec import Unreadable
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.notarized import decode_notarized
from casetrail.eventlog.port import Log, Topic
from casetrail.eventlog.stream import batches
from casetrail.eventlog.unlocked import Standing, is_shut, open_unlocked, standing
from casetrail.proofs.addcheckpoint import is_add_checkpoint, parse_add_checkpoint
from casetrail.proofs.checkpoint import HASH_BYTES, parse_checkpoint
from casetrail.proofs.errors import NoteInvalid, ProofInvalid
from casetrail.proofs.hashes import TILE, TILE_LEVELS
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.note import MOST_BYTES, format_note, parse_note
from casetrail.proofs.prooffile import VERSION, parse_proof
from casetrail.proofs.tiles import CHECKPOINT, Tile
from casetrail.proofs.tree import HashAt, hashes_in, parents
from casetrail.proofs.treefile import FORMAT
from casetrail.proofs.within import check_plain, open_within

SQLITE: Final = b"SQLite format 3\x00"
CACHED_TILES: Final = 256
STATE: Final = "tree.db"
HASHES: Final = "hashes"
NO_LEAVES: Final = sha256(b"").digest()
"""The root of a tree without leaves (RFC 6962, 2.1)."""


class SourceUnreadable(LogError):
    """There is nothing there that can be read as checkpoints: it is another file, not one that was altered."""

    code = "source-unreadable"


class SourceMissing(SourceUnreadable):
    """There is no such file."""

    code = "source-missing"


class Held(NamedTuple):
    """A checkpoint that somebody holds: where, what it says, and the signed note.

    ``by_log``: it was read in a log itself, at ``offset`` of its checkpoints. A log that holds none has one of no leaves, which
    nobody has signed: no note.
    """

    where: str
    origin: str
    size: int
    root: bytes
    note: bytes
    by_log: bool = False
    offset: int | None = None

    @property
    def place(self) -> str:
        """Which one it is of those at ``where``."""
        return f"checkpoint of {self.size} leaves" if self.offset is None else _at(self.offset)


class PassedOver(NamedTuple):
    """What stands among the checkpoints of a source and is none of its log's: where, at which place, and why.

    Whoever may write there can put it there. So it convicts nobody, and must not keep what the log has signed from being
    compared.
    """

    where: str
    place: str
    why: str


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


def held_at(source: str, access: Access) -> Iterator[Held | PassedOver]:
    """The checkpoints at a source, and what stands among those of a log and is none.

    A source is the address of a log (``sqlite:``, ``kafka:``), a URL of a checkpoint, a published folder, the state of an
    auditor or a witness, or a file with a checkpoint, a request to cosign one, a proof, or the export of a case. Raises ``SourceUnreadable``, and
    what reading a log raises; ``NoteInvalid`` where a state holds what is no checkpoint.
    """
    if source.startswith(("sqlite:", "kafka:")):
        with access.open_log(source) as log:
            yield from _of_log(source, log)
    elif source.startswith(("https://", "http://")):
        yield _in(source, access.fetch(source))
    elif _is_state(path := Path(source)):
        yield from _of_state(path)
    else:
        yield from _of_file(source, path)


def _is_state(directory: Path) -> bool:
    return lexists(directory / STATE) and not (directory / CHECKPOINT).exists()


def _of_state(directory: Path) -> Iterator[Held]:
    """What an auditor's run has verified, or another copy of a log's tree."""
    path = directory / STATE
    try:
        check_plain(path)
        check_beside(path)
        found = standing(path)
        with closing(_opened(path, found)) as database:
            check_tables(database)
            ((form,),) = database.execute("SELECT format FROM tree")
            if form != FORMAT:
                raise SourceUnreadable(f"{directory} is of another version of casetrail")
            for (note,) in database.execute("SELECT CAST(note AS BLOB) FROM checkpoint ORDER BY number"):
                yield held(str(directory), note)
        if standing(path) != found:
            raise SourceUnreadable(f"{directory} is being written to by another process: do it again")
    except (sqlite3.Error, ValueError, OSError) as error:
        raise SourceUnreadable(f"{directory} cannot be read as the state of an auditor ({error})") from error


def _opened(path: Path, found: Standing) -> sqlite3.Connection:
    """A tree's file. Without a journal nobody writes to it; with one somebody may, who locks all others out, where that can be seen."""
    if found.journals[0] is None or is_shut(path):
        return open_unlocked(path, found, sqlite3.Connection, PATIENCE)
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)


def _of_file(where: str, source: Path) -> Iterator[Held | PassedOver]:
    """What a file holds, or the checkpoint of a folder: that may be one that somebody else has made."""
    is_folder = source.is_dir()
    path = source / CHECKPOINT if is_folder else source
    try:
        with open_within(source, CHECKPOINT) if is_folder else path.open("rb") as opened:
            start = opened.read(MOST_BYTES + 1)
            rest = opened.read(MOST_EXPORT) if is_export(start) else b""
    except OSError as error:
        kind = SourceMissing if isinstance(error, FileNotFoundError) else SourceUnreadable
        raise kind(f"{path} cannot be read ({error.strerror})") from error
    if start.startswith(SQLITE):
        with WitnessState(path, read_only=True) as state:
            for row, note in enumerate(state.notes(), 1):
                try:
                    yield held(where, note)  # nothing beside it counts: nobody has signed that
                except NoteInvalid:
                    yield PassedOver(where, f"row {row}", "is no checkpoint")
    elif is_export(start):
        yield from _of_export(where, start + rest)
    else:
        yield _in(where, start)


def _of_export(where: str, content: bytes) -> Iterator[Held]:
    try:
        for note in parse_export(content).notes():
            yield held(where, note)
    except (ExportInvalid, NoteInvalid) as error:
        raise SourceUnreadable(str(error) if str(error).startswith(where) else f"{where}: {error}") from None


def _in(where: str, content: bytes) -> Held:
    """The checkpoint in a file, as far as it can be read as one: whether it was altered, its signature tells."""
    try:
        if is_add_checkpoint(content):
            content = parse_add_checkpoint(content).note
        elif content.startswith(VERSION.encode()):
            content = format_note(parse_proof(content).note)
        return held(where, content)
    except ProofInvalid as error:
        raise SourceUnreadable(f"{where}: {error}") from None
    except NoteInvalid as error:
        raise SourceUnreadable(str(error) if str(error).startswith(where) else f"{where}: {error}") from None


def _of_log(where: str, log: Log) -> Iterator[Held | PassedOver]:
    ends, is_empty = log.end_offsets(Topic.CHECKPOINTS), True
    with log.reader(Topic.CHECKPOINTS, dict.fromkeys(ends, 0)) as reader:
        for records in batches(reader, ends):
            for record in records:
                try:
                    stored = decode_notarized(record.value)
                    if isinstance(stored, CheckpointPublished):
                        yield held(where, stored.note)._replace(by_log=True, offset=record.offset)
                        is_empty = False
                except (Unreadable, NoteInvalid):
                    yield PassedOver(where, _at(record.offset), "not written by a notary")
    if is_empty:
        yield nothing(where)


def _at(offset: int) -> str:
    return f"offset {offset}"


def nothing(where: str) -> Held:
    """What a log holds that has no checkpoint."""
    return Held(where, "", 0, NO_LEAVES, b"", by_log=True)


def tree_of_log(where: str, tree: LogTree) -> Tree:
    """The tree that was made from the log; one of no leaves where the log has no checkpoint."""
    newest = tree.newest()
    made = nothing(where) if newest is None else held(where, newest.note)._replace(by_log=True)
    return Tree(made, tree.hashes.hash_at, is_log=True)


def tree_of_folder(directory: Path) -> Tree:
    """The tree that is published in a folder, or that an auditor keeps there.

    Raises ``SourceUnreadable``, also later, for hashes that are not there.
    """
    if _is_state(directory):
        found = next(reversed(list(_of_state(directory))), None)
        read = _kept_hashes(directory)
    else:
        found = next((one for one in _of_file(str(directory), directory) if isinstance(one, Held)), None)
        read = PublishedLog(directory).hashes
    if found is None:
        raise SourceUnreadable(f"{directory} holds no checkpoint")
    return Tree(found, _hashes_of(directory, found.size, read), is_log=False)


def _kept_hashes(directory: Path) -> Callable[[Tile], bytes | None]:
    """Reads a tile in the flat files of ``proofs.hashes``, which are not opened as such: that would write."""

    def read(tile: Tile) -> bytes | None:
        try:
            with open_within(directory, f"{HASHES}/level-{(tile.level or 0) * TILE_LEVELS}") as opened:
                opened.seek(tile.number * TILE * HASH_BYTES)
                content = opened.read(tile.width * HASH_BYTES)
        except OSError:
            return None
        return content if len(content) == tile.width * HASH_BYTES else None

    return read


def _hashes_of(directory: Path, size: int, read: Callable[[Tile], bytes | None]) -> HashAt:
    """The hashes in the files of a tree: a whole tile only where its root is what the level above has in its place.

    So once the unfinished tiles are known to be right, as ``root_of`` of all leaves tells, all are, whoever has made the files.
    """

    @lru_cache(CACHED_TILES)
    def tile(level: int, number: int) -> list[list[bytes]]:
        one = Tile(level, number, min((size >> TILE_LEVELS * level) - number * TILE, TILE))
        try:
            content = read(one)
        except TileInvalid as error:
            raise SourceUnreadable(f"{directory}, {one.path}: {error}") from error
        if content is None:
            raise SourceUnreadable(f"{directory} has no {one.path}: what is there is not whole")
        levels = [hashes_in(content)]
        while len(levels) < TILE_LEVELS:
            levels.append(parents(levels[-1]))
        if one.width == TILE and parents(levels[-1]) != [hash_at((level + 1) * TILE_LEVELS, number)]:
            raise ProofInvalid(f"{one.path} does not fit the level above it, one of the two was altered")
        return levels

    def hash_at(level: int, index: int) -> bytes:
        above, within = divmod(level, TILE_LEVELS)
        number, at = divmod(index << within, TILE)
        return tile(above, number)[within][at >> within]

    return hash_at
