"""A local copy of a log's Merkle tree and case map, brought up to date from the log, checkpoint by checkpoint.

The notary makes checkpoints from it, everybody else makes proofs from it. It trusts nothing that it reads: each
checkpoint must follow from the events, and from the checkpoint before it. The folder may be deleted at any time (it is
made again from the log), but with it goes what it had seen: a log that was replaced since is recognised by it.

Each record whose checkpoint follows is a leaf under the next one. Where one is not the log's own (``proofs.foreign``), the next
one of the log's own says whether it covers it.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from casetrail.domain.notarized import CheckpointCosigned, CheckpointPublished, OffsetRange
from casetrail.eventlog.codec import Unreadable
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import decode_notarized
from casetrail.eventlog.port import Log, Reader, Record, Topic
from casetrail.eventlog.stream import batches
from casetrail.proofs.casemap import CaseMap, Entry, MapProof, case_key
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.cosigned import with_cosignatures
from casetrail.proofs.drafting import Draft, Drafting, is_of
from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.foreign import NOT_OURS, Foreign, NoteCheck, Own, held_up, is_checkpoint
from casetrail.proofs.hashes import HashStore
from casetrail.proofs.keys import VerifierKey
from casetrail.proofs.note import Signature, parse_note, readable_signatures
from casetrail.proofs.pending import Pending
from casetrail.proofs.steppingback import changes_back_to
from casetrail.proofs.tree import begins_with, consistency_proof, inclusion_proof, root_of
from casetrail.proofs.treefile import FORMAT, Sealed, TreeFile, tree_errors

LOG: Final = logging.getLogger("casetrail.tree")
NOWHERE: Final = -1
DAMAGED: Final = "the tree in {} is damaged; move the folder away and keep it, and the tree is made again from the log"
OTHER_MAP: Final = (
    "the events since the checkpoint of {} leaves do not lead back to the map of cases that it states: one was altered, removed, or "
    "put in past the recorder, which 'casetrail audit verify' names, or the tree in {} is damaged"
)
REPEATED: Final = "repeats an earlier checkpoint, for which nobody needs a key"


class TreeContradicted(LogError):
    """A checkpoint does not follow from the events or from an earlier checkpoint: the history was replaced or altered."""

    code = "tree-contradicted"


class LogTree:
    """See the module. Not for several threads; one process a folder."""

    def __init__(self, log: Log, directory: Path, check: NoteCheck | None = None, past: int = NOWHERE) -> None:
        """Open the copy in ``directory``, or begin one. ``check`` says which checkpoints are the log's own.

        ``past``: up to this offset of the checkpoints those that are not its own do not hold up; only a notary may say so.
        Raises ``TreeBusy``, ``TreeDamaged``, ``TreeContradicted``, ``TreeUnreachable``, ``LogUnreachable``.
        """
        self._log, self._directory, self._own, self._past = log, directory, Own(check), past
        self._aside: list[Foreign] = []
        self._foreign: str | None = None
        with tree_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
        self.file = TreeFile(directory / "tree.db", log.name)
        with ExitStack() as opened:  # the next one must be able to open what this one could not
            opened.callback(self.file.close)
            with self.file.errors():
                self.hashes = HashStore(directory / "hashes")
                opened.callback(self.hashes.close)
                self.map = CaseMap(self.file.database)
                self._check_copy(directory)
            self._begin_with_own()
            newest = self.file.newest()
            self._reader: Reader = log.reader(Topic.CHECKPOINTS, {0: 0 if newest is None else newest.offset})
            opened.callback(self._reader.close)
            self.pending = Pending(log, self.covered())
            self._drafting = Drafting(self.file, self.hashes, self.map)
            opened.pop_all()

    def _check_copy(self, directory: Path) -> None:
        """Whether the copy is whole, and of this very log."""
        if self.file.names != (FORMAT, self._log.name):
            raise TreeContradicted(
                f"{directory} holds the tree of another log, or of another version of casetrail: {self.file.names}"
            )
        newest, size = self.file.newest(), self.file.size
        if self.hashes.size > size:
            self.hashes.truncate(size)
        if newest is None:
            return
        if self.hashes.size < size or root_of(size, self.hashes.hash_at) != newest.root:
            raise TreeContradicted(DAMAGED.format(directory))
        record = self._log.read_one(Topic.CHECKPOINTS, 0, newest.offset)
        if record is None or leaf_hash(record.value or b"") != newest.record_hash:
            raise TreeContradicted(
                f"the log no longer has checkpoint {newest.number} (tree size {newest.size}) that was seen here before, "
                f"at offset {newest.offset} of its checkpoints: its history was replaced. Keep {directory}: it is evidence"
            )
        if not is_of(newest, record):
            raise TreeContradicted(DAMAGED.format(directory))
        self._check_ends(self.covered())  # who waits for what is covered, and gone, waits in vain

    def _check_ends(self, covered: Mapping[int, int]) -> None:
        """Whether the log has events up to where checkpoints cover them, by partition."""
        ends = self._log.end_offsets(Topic.EVENTS)
        for partition, end in covered.items():
            if end > ends[partition]:
                raise TreeContradicted(
                    f"a checkpoint covers events of partition {partition} up to offset {end}, but the log has "
                    f"them only up to {ends[partition]}: its end was cut off"
                )

    def _begin_with_own(self) -> None:
        """Which checkpoints are the log's own, from the newest that is; and why the newest one is none, if it is not."""
        sealed = self.file.newest()
        while sealed is not None:
            try:
                self._own.goes_on(self._own.read(sealed.note))
                return
            except NoteInvalid as error:
                self._foreign = self._foreign or NOT_OURS.format(error)
            sealed = self.file.numbered(sealed.number - 1)

    # --- what there is ---

    @property
    def size(self) -> int:
        """Of the tree, as of the newest checkpoint."""
        return self.file.size

    def covered(self) -> dict[int, int]:
        """For each partition, the offset behind the last event that a checkpoint covers."""
        return dict.fromkeys(range(self._log.partitions), 0) | self.file.included()

    def newest(self) -> Sealed | None:
        """The newest checkpoint that was taken in."""
        return self.file.newest()

    @property
    def ends_foreign(self) -> bool:
        """Whether the newest checkpoint is not the log's own, and nothing of its own covers it yet."""
        return self._foreign is not None

    def index_of(self, partition: int, offset: int, leaf: bytes) -> int | None:
        """Where in the tree the event at that place of ``LOG.events`` is; None while no checkpoint covers it.

        ``leaf`` is its leaf hash. Raises ``TreeContradicted`` where a checkpoint covers the place, but not that event.
        """
        segment = self.file.segment_of(partition, offset)
        if segment is None:
            return None
        leaves = self.hashes.leaves(segment.first_leaf, segment.first_leaf + segment.leaves)
        at = leaves.find(leaf)
        while at % 32 and at >= 0:
            at = leaves.find(leaf, at + 1)
        if at < 0:
            raise TreeContradicted(
                f"the event at partition {partition}, offset {offset} is not the one that a checkpoint covers there: "
                "it was altered afterwards"
            )
        return segment.first_leaf + at // 32

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The inclusion proof of a leaf in the tree of that size (RFC 6962, 2.1.1)."""
        return inclusion_proof(index, size, self.hashes.hash_at)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The consistency proof between two sizes (RFC 6962, 2.1.2)."""
        return consistency_proof(old, new, self.hashes.hash_at)

    def begins_with(self, size: int, root: bytes) -> bool:
        """Whether it begins with a tree of that size, and this root. Raises ``ProofInvalid``: the stored hashes tell neither."""
        newest = self.newest()
        if newest is None or size > newest.size:
            return False
        return begins_with(size, root, newest.size, newest.root, self.hashes.hash_at)

    def cosignatures(self, sealed: Sealed, keys: Iterable[VerifierKey] | None = None) -> list[Signature]:
        """What the log has as cosignatures of a checkpoint: of these keys only, and only what they did sign; None: all lines.

        Whoever can write to ``LOG.checkpoints`` can put any lines there, under any name: they count for nothing.
        """
        text = parse_note(sealed.note).text
        known = None if keys is None else {(key.name, key.key_id): key for key in keys}
        found: dict[Signature, None] = {}
        for signature in readable_signatures(self.file.cosignatures(sealed.record_hash)):
            with suppress(NoteInvalid):
                if known is not None:
                    if (key := known.get((signature.name, signature.key_id))) is None:
                        continue
                    key.verify(text, signature.signature)
                found[signature] = None
        return list(found)

    def cosigned_note(self, sealed: Sealed, keys: Collection[VerifierKey] | None = None) -> bytes:
        """A checkpoint's note with its ``cosignatures``; see ``with_cosignatures`` where they are many."""
        return with_cosignatures(sealed.note, self.cosignatures(sealed, keys), keys)

    def prove_case(self, case_id: str, before: Sealed | None = None) -> tuple[Sealed, Entry | None, MapProof]:
        """Where a case stands as of a checkpoint that a later one covers, the last of these unless one is given; and the proof.

        None in the place of number and hash: the log has no such case. Raises ``LookupError`` where there is no such checkpoint,
        ``TreeContradicted`` where the log's events do not lead back to the map that it states, ``LogUnreachable``.
        """
        newest = self.newest()
        if before is None and newest is not None:
            before = self.file.numbered(newest.number - 1)
        if before is None or not self._own.has_made(before.note):
            raise LookupError("there is no checkpoint yet that a later one covers")
        changes, key = changes_back_to(self._log, self.file, before), case_key(case_id)
        with self.file.errors():
            self.file.database.execute("BEGIN")
            try:
                if self.map.update(changes) != before.map_root:
                    raise TreeContradicted(OTHER_MAP.format(before.size, self._directory))
                return before, self.map.get(key), self.map.prove(key)
            finally:
                self.file.roll_back()
                self.map.reload()

    # --- following the log ---

    def follow(self, progress: Callable[[int], None] | None = None) -> int:
        """Take in what has come to ``LOG.checkpoints``; how many records. ``progress`` is told of leaves.

        Raises ``TreeContradicted`` where a checkpoint does not follow, or the last one is not the log's own; what came
        before it stays taken in.
        """
        count = 0
        for records in batches(self._reader, self._log.end_offsets(Topic.CHECKPOINTS)):
            for record in records:
                before = self.size
                with self.file.errors():
                    self._take(record)
                count += 1
                if progress is not None:
                    progress(self.size - before)
        self._settle()
        return count

    def _settle(self) -> None:
        """Whether the log's own checkpoints come last. What a notary may pass is taken in where it follows, else passed over."""
        newest, found = self.newest(), [(one.record.offset, one.why) for one in self._aside]
        if self._foreign is not None and newest is not None:
            found.insert(0, (newest.offset, self._foreign))
        for offset, why in found:
            if offset > self._past:
                raise TreeContradicted(held_up(offset, why, found[-1][0]))
        for one in self._aside:
            self._follows(one)
        self._pass()

    def _follows(self, one: Foreign) -> bool:
        """Take in a checkpoint that is not the log's own, where it follows all the same."""
        try:
            if one.stored is None:
                return False
            self._include(one.record, one.stored, parse_checkpoint(parse_note(one.stored.note).text))
        except TreeContradicted:
            return False
        self._foreign = one.why
        return True

    def _pass(self) -> None:
        for one in self._aside:
            LOG.warning("the record at offset %d of the checkpoints %s; it is gone past", one.record.offset, one.why)
        self._aside = []

    def _take(self, record: Record) -> None:
        newest = self.newest()
        if newest is not None and record.offset == newest.offset:
            return  # reading begins there anew, for the cosignatures behind it
        try:
            stored = decode_notarized(record.value)
        except Unreadable:
            self._aside.append(Foreign(record, None, "was not written by a notary"))
            return
        if isinstance(stored, CheckpointCosigned):
            self.file.cosigned(stored.checkpoint, stored.lines)
            return
        self._take_checkpoint(record, stored)

    def _take_checkpoint(self, record: Record, stored: CheckpointPublished) -> None:
        try:
            said = self._own.read(stored.note)
        except NoteInvalid as error:
            known = stored if is_checkpoint(stored.note) else None
            self._aside.append(Foreign(record, known, NOT_OURS.format(error)))
            return
        if self._take_own(record, stored, said):
            self._pass()
            self._foreign = None
            self._own.goes_on(said)

    def _take_own(self, record: Record, stored: CheckpointPublished, said: Checkpoint) -> bool:
        """Take in a checkpoint of the log's own; whether it is a new one. It may cover the first of those that stand aside."""
        try:
            self._include(record, stored, said)
            return True
        except TreeContradicted as error:
            first = error
        if self._foreign is not None:
            raise TreeContradicted(
                f"{first}; or the tree in {self._directory} went on from a checkpoint that is not the log's own, and the log "
                "did not: move the folder away, keep it, and the tree is made again from the log"
            ) from first
        if self.begins_with(said.size, said.root):
            self._aside.append(Foreign(record, None, REPEATED))
            return False
        for one in self._aside:
            if self._follows(one):
                with suppress(TreeContradicted):
                    self._include(record, stored, said)
                    return True
        raise first

    def _include(self, record: Record, stored: CheckpointPublished, said: Checkpoint) -> None:
        """Take in a checkpoint, whoever signed it. Raises ``TreeContradicted`` where it does not follow."""
        where = f"the checkpoint at offset {record.offset}"
        draft = self._drafting.draft
        if draft is None or draft.ranges != stored.ranges:
            self._drafting.abandon()
            self._check_ranges(where, stored.ranges)
            self._wait_for(stored.ranges)
            draft = self._drafting.begin(stored.ranges, self.pending)
        made = Checkpoint(said.origin, draft.size, draft.root)
        if made != said or draft.map_root != stored.map_root:
            self._drafting.abandon()
            raise TreeContradicted(_difference(where, said, made, draft.map_root == stored.map_root))
        self._drafting.seal(record, draft, stored)
        for one in draft.ranges:
            self.pending.included(one.partition, one.end)

    def _check_ranges(self, where: str, ranges: Iterable[OffsetRange]) -> None:
        included = self.file.included()
        last = -1
        for one in ranges:
            expected = included.get(one.partition, 0)
            if not last < one.partition < self._log.partitions or one.start != expected or one.end < one.start:
                raise TreeContradicted(
                    f"{where} takes in partition {one.partition} from {one.start} to {one.end}, but the checkpoints "
                    f"before it cover offsets up to {expected}: it leaves events out, or takes some in twice"
                )
            last = one.partition

    def _wait_for(self, ranges: Iterable[OffsetRange]) -> None:
        covered = {one.partition: one.end for one in ranges}
        self._check_ends(covered)
        self.pending.read_to(covered)

    # --- making checkpoints ---

    def draft(self) -> Draft | None:
        """The checkpoint that would take in all events that have been read; None where it would say nothing new.

        Where the checkpoint before it took in events, one without events says something new all the same: it covers
        that checkpoint, and the case map in it. So does one after a checkpoint that is not the log's own, and the next one.
        """
        ranges = tuple(
            OffsetRange(partition, start, end)
            for partition, start in sorted(self.covered().items())
            if (end := self.pending.position(partition)) > start
        )
        if not self.pending.count and not self._is_uncovered():
            return None
        self._drafting.abandon()
        with self.file.errors():
            return self._drafting.begin(ranges, self.pending)

    def _is_uncovered(self) -> bool:
        """Whether the newest checkpoint says something that no later one covers."""
        newest = self.newest()
        if newest is None:
            return False
        before = self.file.numbered(newest.number - 1)
        if before is None or newest.size - before.size > 1:  # more than the leaf of the checkpoint before it
            return True
        return self.ends_foreign or not self._own.has_made(before.note)

    def close(self) -> None:
        """Close the copy; a draft is forgotten. Whatever cannot be written any more, nothing stays open."""
        with self.file.errors(), ExitStack() as closing:
            for close in (self.file.close, self.hashes.close, self.pending.close, self._reader.close):
                closing.callback(close)
            self._drafting.abandon()

    def __enter__(self) -> "LogTree":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _difference(where: str, said: Checkpoint, made: Checkpoint, same_map: bool) -> str:
    if said.size != made.size:
        return f"{where} speaks of {said.size} leaves, the log has {made.size} in what it covers: some were removed or added"
    if said.root != made.root:
        return (
            f"{where} has another root than the events: a byte of an event it covers, or of a checkpoint, was altered"
        )
    if said.extensions:
        return f"{where} has more lines than origin, size and root: no notary writes any"
    if not same_map:
        return f"{where} has another case map than the events: it denies a case, or an event of one"
    return f"{where} is signed for another log: {said.origin}"
