"""What ``LOG.checkpoints`` states, record by record: who signed it, and which events it takes in."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from casetrail.audit.faults import Fault, Faults, Kind
from casetrail.audit.verification.copy import Copy, Known
from casetrail.audit.verification.familiar import Familiar
from casetrail.audit.verification.feed import TOLERATED, Feed
from casetrail.audit.verification.partition import Extent
from casetrail.audit.verification.signatures import Signatures, Times
from casetrail.domain.notarized import CheckpointCosigned, CheckpointPublished, OffsetRange
from casetrail.domain.values import EPOCH, MILLISECOND
from casetrail.eventlog.codec import PREFIX, Unreadable
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import decode_notarized
from casetrail.eventlog.port import Record, Topic
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.note import Note, parse_note
from casetrail.proofs.treefile import Sealed

MOST_CHECKPOINTS: Final = 4_000
READ: Final = 500


class Stated(NamedTuple):
    """A checkpoint as its record states it.

    ``ranges``: what it takes in of the events that the log has, each of them just once, whatever the record says.
    ``sound``: the record says the same, so size, root and map root can be held against what is recomputed.
    """

    number: int
    offset: int
    appended_at: int
    record_hash: bytes
    note: bytes
    said: Checkpoint
    map_root: bytes
    ranges: tuple[OffsetRange, ...]
    sound: bool


class Step(NamedTuple):
    """The quorum has come to the checkpoint ``number``, by its own times at ``at`` (milliseconds UTC); before, to ``before``."""

    before: int
    number: int
    at: int


@dataclass
class Group:
    """Checkpoints that are recomputed together, and the cosignatures among them: checkpoint's hash, lines."""

    checkpoints: list[Stated] = field(default_factory=list)
    cosigned: list[tuple[bytes, bytes]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    events: int = 0
    witnessed: int = -1
    """The number of the newest checkpoint that the quorum had cosigned by then; -1 for none."""


class Checkpoints:
    """Reads the checkpoints of a log once, in order."""

    def __init__(self, feed: Feed, end: int, extents: Mapping[int, Extent], included: Mapping[int, int],
                 signatures: Signatures, known: Callable[[], Copy], seen: Copy | None, faults: Faults) -> None:  # fmt: skip
        """``included``: up to which offset of each partition an earlier run has found events under checkpoints.

        ``known``: gives what is known already; of an earlier run too, unless all is read again. ``seen``: what the earlier run
        knew, where all is read again.
        """
        self._feed, self._end, self._extents, self._signatures = feed, end, extents, signatures
        self._known, self._faults = known, faults
        self._familiar = Familiar(known if seen is None else lambda: seen, faults)
        self._resumed = known().newest
        self._number = -1 if self._resumed is None else self._resumed.number
        self.again = self._resumed is not None and signatures.policy is not None and not known().is_of_policy
        """Whether signatures are checked that an earlier run has seen, by another policy."""
        self.witnessed = -1 if self.again else known().witnessed
        self.witnessed_at = self._witnessed_at(known().file.numbered(self.witnessed))
        """When the quorum had cosigned that checkpoint, by its own times (milliseconds UTC); None where nobody is asked for."""
        self.began_at = {partition: included.get(partition, 0) for partition in extents}
        self.at = dict(self.began_at)
        self._claimed = dict(self.at)
        self._cut: set[int] = set()
        self._recent: dict[bytes, Known] = {}
        self._cosigned_at: dict[bytes, dict[str, int]] = {}  # by which witnesses, and when
        self._apart: dict[str, int] = {}  # by how much witnesses' clocks differ from the log's, as they last said
        self._clock_differs = False
        self.counts: Counter[str] = Counter()
        self.schemas: set[bytes] = set()

    def groups(self, events: int) -> Iterator[Group]:
        """Checkpoints, as many together as take in about so many events."""
        group = Group()
        while self._feed.fill(1, READ):
            record = self._feed.ready()[0]
            self._feed.skip(1)
            self._take(record, group)
            if group.events >= events or len(group.checkpoints) + len(group.cosigned) >= MOST_CHECKPOINTS:
                yield self._ended(group)
                group = Group()
                self._forget()
        self._feed.finish(self._end)
        self._feed.tell_ahead()
        self._familiar.end()
        if group.checkpoints or group.cosigned:
            yield self._ended(group)

    def _ended(self, group: Group) -> Group:
        group.witnessed = self.witnessed
        return group

    def _forget(self) -> None:
        """What has been recomputed is found with those that are known."""
        newest = self._known().newest
        if newest is not None:
            self._recent = {key: one for key, one in self._recent.items() if one.number > newest.number}
            self._cosigned_at = {key: times for key, times in self._cosigned_at.items() if key in self._recent}

    # --- one record ---

    def _take(self, record: Record, group: Group) -> None:
        value = record.value or b""
        record_hash = leaf_hash(value)
        if self._familiar.passes(record, record_hash) and self._resumed is not None:
            if self.again:
                self._take_again(record, record_hash)
            return
        try:
            stored = decode_notarized(record.value)
        except Unreadable as error:
            self._fault(Kind.CHECKPOINT_UNREADABLE, record, error.code)
            return
        self.schemas.add(value[:PREFIX])
        if isinstance(stored, CheckpointPublished):
            self._published(record, record_hash, stored, group)
        else:
            self._cosigned(record, stored, group)

    def _published(self, record: Record, record_hash: bytes, stored: CheckpointPublished, group: Group) -> None:
        try:
            note = parse_note(stored.note)
            said = parse_checkpoint(note.text)
        except NoteInvalid as error:
            self._fault(Kind.CHECKPOINT_UNREADABLE, record, str(error))
            return
        if self._find(record_hash) is not None:
            self._fault(Kind.RANGES_WRONG, record, "the same record stood here before: all is taken in twice")
            return
        if said.extensions:
            self._fault(Kind.CHECKPOINT_EXTENDED, record, f"lines more than three: {len(said.extensions)}")
        self._number += 1
        self.counts["checkpoints"] += 1
        times = self._check_signature(record, note, said)
        ranges, sound = self._ranges(record, stored.ranges)
        where = self._number, record.offset, record.appended_at, record_hash
        group.checkpoints.append(Stated(*where, stored.note, said, stored.map_root, ranges, sound))
        group.events += sum(one.end - one.start for one in ranges)
        self._recent[record_hash] = Known(self._number, record.appended_at, stored.note)
        self._cosigned_at[record_hash] = {}
        self._witnessed(record_hash, self._number, self._moments(times, record.appended_at), group)

    def _check_signature(self, record: Record, note: Note, said: Checkpoint) -> Times:
        """Check that the log's key has signed a checkpoint; the witnesses whose cosignatures the note itself carries."""
        wrong, times = self._signatures.of_log(note, said)
        if wrong is not None:
            self._fault(wrong[0], record, wrong[1])
        elif self._signatures.policy is not None:
            self.counts["signatures of checkpoints"] += 1
        self._check_clock(record, record.appended_at, times)
        self.counts["cosignatures"] += len(times)
        return times

    def _take_again(self, record: Record, record_hash: bytes) -> None:
        """Check the signatures in a record that an earlier run has taken in, by this run's policy."""
        if (known := self._known().known(record_hash)) is not None:
            self._published_again(record, record_hash, known)
            return
        try:
            stored = decode_notarized(record.value)
        except Unreadable:
            return  # it is not what the earlier run has seen, and that is told
        if isinstance(stored, CheckpointCosigned) and (known := self._known().known(stored.checkpoint)) is not None:
            self._check_lines(record, known, stored.lines)

    def _published_again(self, record: Record, record_hash: bytes, known: Known) -> None:
        """Check who has signed a checkpoint that an earlier run has taken in, and who had cosigned it."""
        note = parse_note(known.note)
        times = self._check_signature(record, note, parse_checkpoint(note.text))
        lines = self._known().lines_of(record_hash)
        cosigned = self._signatures.times_of(known.note, lines) if lines else {}
        moments = self._moments({**times, **cosigned}, record.appended_at)
        if known.number > self.witnessed and self._signatures.satisfied_by(moments):
            self.witnessed = known.number
            self.witnessed_at = self._signatures.satisfied_at(moments)

    def _ranges(self, record: Record, stated: tuple[OffsetRange, ...]) -> tuple[tuple[OffsetRange, ...], bool]:
        """What a checkpoint takes in of the events that the log has; and whether it says just that."""
        found, sound, last = [], True, -1
        for one in stated:
            extent = self._extents.get(one.partition)
            claimed = self._claimed.get(one.partition, 0)
            if extent is None or one.partition <= last or one.start != claimed or one.end < one.start:
                if sound:
                    where = f"partition {one.partition} from {one.start} to {one.end}, after {claimed}"
                    self._fault(Kind.RANGES_WRONG, record, f"takes in {where}")
                sound = False
            if extent is None:
                continue
            last, start, (first, end) = one.partition, self.at[one.partition], extent.events
            sound = sound and start >= first and one.end <= end
            if one.end > end and one.partition not in self._cut:
                self._cut.add(one.partition)
                self._fault(
                    Kind.TAIL_CUT, record, f"covers partition {one.partition} up to {one.end}, it ends at {end}"
                )
            self._claimed[one.partition] = one.end
            self.at[one.partition] = max(start, min(one.end, end))
            found.append(OffsetRange(one.partition, max(start, first), self.at[one.partition]))
        return tuple(one for one in found if one.end > one.start), sound

    def _cosigned(self, record: Record, stored: CheckpointCosigned, group: Group) -> None:
        known = self._find(stored.checkpoint)
        if known is None:
            self._fault(
                Kind.COSIGNATURE_ORPHANED, record, f"for a checkpoint's record of hash {stored.checkpoint.hex()}"
            )
            return
        times = self._check_lines(record, known, stored.lines)
        if stored.checkpoint not in self._cosigned_at and (earlier := self._known().lines_of(stored.checkpoint)):
            self._cosigned_at[stored.checkpoint] = self._moments(
                self._signatures.times_of(known.note, earlier), record.appended_at
            )
        group.cosigned.append((stored.checkpoint, stored.lines))
        self._witnessed(stored.checkpoint, known.number, self._moments(times, record.appended_at), group)

    def _check_lines(self, record: Record, known: Known, lines: bytes) -> Times:
        """Check the cosignatures in a record; the witnesses that gave them."""
        wrong, times, unknown = self._signatures.of_witnesses(known.note, lines)
        for kind, found in wrong:
            self._fault(kind, record, found)
        self._check_clock(record, known.appended_at, times)
        self.counts["cosignatures"] += len(times)
        self.counts["cosignatures of unknown keys"] += unknown
        return times

    def _check_clock(self, record: Record, began: int, times: Times) -> None:
        """Hold the log's clock against the witnesses': none cosigns what is not there yet, or later than its cosignature came.

        ``began``: when the log took in the checkpoint, milliseconds UTC. One witness may be wrong, a quorum is believed; and it
        is said once for as long as it stays so.
        """
        came = record.appended_at
        for name, moment in times.items():
            if moment is None:
                continue
            at = _millis(moment)
            off = at - came if at - came > TOLERATED else at - began if began - at > TOLERATED else None
            self._apart.pop(name, None)
            if off is not None:
                self._apart[name] = off
        differs = bool(self._apart) and self._signatures.satisfied_by(self._apart)
        if differs and not self._clock_differs:
            said = ", ".join(f"{name} {off / 1000:+.0f} s" for name, off in sorted(self._apart.items()))
            self._fault(Kind.CLOCK_DIFFERS, record, f"witnesses' clocks against the log's: {said}")
        self._clock_differs = differs

    def _find(self, record_hash: bytes) -> Known | None:
        """The checkpoint whose record has this hash, as far as the log has been read."""
        return self._recent.get(record_hash) or self._known().known(record_hash)

    def _witnessed(self, record_hash: bytes, number: int, times: Mapping[str, int], group: Group) -> None:
        known = self._cosigned_at.setdefault(record_hash, {})
        for name, at in times.items():
            known[name] = min(at, known.get(name, at))
        if number > self.witnessed and self._signatures.satisfied_by(known):
            moment = self._signatures.satisfied_at(known)
            if moment is not None:
                group.steps.append(Step(self.witnessed, number, moment))
            self.witnessed, self.witnessed_at = number, moment

    def _witnessed_at(self, sealed: Sealed | None) -> int | None:
        """When the quorum had cosigned a checkpoint that an earlier run has found to be witnessed."""
        if sealed is None:
            return None
        times = self._signatures.times_of(sealed.note, self._known().lines_of(sealed.record_hash))
        return self._signatures.satisfied_at(self._moments(times, sealed.appended_at))

    def _moments(self, times: Times, came: int) -> dict[str, int]:
        """When witnesses have cosigned, milliseconds UTC; where one states no time, when its cosignature ``came``.

        Those whose times have not come yet are left out.
        """
        return {name: came if at is None else _millis(at) for name, at in self._signatures.counted(times).items()}

    def _fault(self, kind: Kind, record: Record, found: str) -> None:
        self._faults.add(Fault(kind, found, Topic.CHECKPOINTS, record.partition, record.offset))


def _millis(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND
