"""Bringing a log's tree and case map on by events, for a checkpoint that is not there yet: uncommitted until it is sealed."""

from collections.abc import Iterable
from typing import NamedTuple

from casetrail.domain.notarized import CheckpointPublished, OffsetRange
from casetrail.eventlog.codec import Unreadable
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import decode_notarized
from casetrail.eventlog.port import Record
from casetrail.proofs.casemap import CaseMap, case_key
from casetrail.proofs.checkpoint import parse_checkpoint
from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.hashes import HashStore
from casetrail.proofs.note import parse_note
from casetrail.proofs.pending import Part, Pending
from casetrail.proofs.tree import root_of
from casetrail.proofs.treefile import Sealed, Segment, TreeFile


class Draft(NamedTuple):
    """A checkpoint that could be published now: what it would say, and what it would take in."""

    size: int
    root: bytes
    map_root: bytes
    ranges: tuple[OffsetRange, ...]
    segments: list[Segment]
    events: int


def is_of(sealed: Sealed, record: Record) -> bool:
    """Whether a checkpoint as a copy has it is that of the log's record. Its hash tells nothing of what stands beside it."""
    try:
        stored = decode_notarized(record.value)
        said = parse_checkpoint(parse_note(sealed.note).text)
    except (Unreadable, NoteInvalid):
        return False
    return (
        isinstance(stored, CheckpointPublished)
        and (stored.note, stored.map_root) == (sealed.note, sealed.map_root)
        and (said.size, said.root) == (sealed.size, sealed.root)
    )


class Drafting:
    """One draft at a time, in a transaction of the file. ``draft``: the one that there is."""

    def __init__(self, file: TreeFile, hashes: HashStore, case_map: CaseMap) -> None:
        self._file, self._hashes, self._map = file, hashes, case_map
        self.draft: Draft | None = None

    def begin(self, ranges: tuple[OffsetRange, ...], pending: Pending) -> Draft:
        """Bring tree and map on by the events of these ranges, which have been read. There is no draft yet."""
        newest = self._file.newest()
        self._file.database.execute("BEGIN")
        try:
            parts = [pending.part(one.partition, one.end) for one in ranges]
            first = b"" if newest is None else newest.record_hash
            segments, at = [], self._file.size + len(first) // 32
            for one, part in zip(ranges, parts, strict=True):
                count = len(part.leaves) // 32
                segments.append(Segment(one.partition, one.start, one.end, at, count))
                at += count
            self._hashes.append(first + b"".join([part.leaves for part in parts]))
            map_root, root = self._change_map(parts), root_of(at, self._hashes.hash_at)
            self.draft = Draft(at, root, map_root, ranges, segments, sum(one.leaves for one in segments))
            return self.draft
        except BaseException:
            self._roll_back()
            raise

    def _change_map(self, parts: Iterable[Part]) -> bytes:
        changes: dict[bytes, tuple[int, bytes]] = {}
        for part in parts:
            changes |= {case_key(case_id): change for case_id, change in part.changes.items()}
        known = self._map.get_all(changes)
        before = [(key, *known.get(key, (None, None))) for key in changes]
        self._file.database.execute("DELETE FROM before_last")
        self._file.database.executemany("INSERT INTO before_last VALUES (?, ?, ?)", before)
        return self._map.update(changes)

    def seal(self, record: Record, draft: Draft, stored: CheckpointPublished) -> None:
        """Commit the draft: it has been published, as this record."""
        newest = self._file.newest()
        number = 0 if newest is None else newest.number + 1
        made = (draft.size, draft.root, draft.map_root, stored.note)
        self._file.add(
            Sealed(number, record.offset, record.appended_at, leaf_hash(record.value or b""), *made), draft.segments
        )
        self._hashes.sync()
        self._file.database.execute("COMMIT")
        self.draft = None

    def abandon(self) -> None:
        """Forget the draft, if there is one: it is not published."""
        if self.draft is not None:
            self.draft = None
            self._roll_back()

    def _roll_back(self) -> None:
        with self._file.errors():
            self._file.roll_back()
            self._map.reload()
            self._hashes.truncate(self._file.size)
