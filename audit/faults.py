"""What ``audit verify`` can find: each kind of fault with a stable code, and what it means in plain words."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from casetrail.eventlog.port import Topic

LISTED: Final = 1_000
"""So many faults of a kind are listed; all are counted. A log that was forged from end to end fills no memory."""


class Kind(StrEnum):
    """A kind of fault. The codes are stable: scripts and other rooms may rely on them."""

    # records
    HISTORY_CUT = "history-cut"
    RECORD_DELETED = "record-deleted"
    RECORD_MISPLACED = "record-misplaced"
    RECORD_GARBLED = "record-garbled"
    TIME_WENT_BACK = "time-went-back"
    EVENT_UNREADABLE = "event-unreadable"
    SCHEMA_MISSING = "schema-missing"
    SCHEMA_ALTERED = "schema-altered"
    LOG_DIFFERS = "log-differs"
    KEY_DIFFERS = "key-differs"
    CASE_MISPLACED = "case-misplaced"
    # cases
    NUMBER_WRONG = "number-wrong"
    CHAIN_BROKEN = "chain-broken"
    # outcomes
    ACTION_UNANSWERED = "action-unanswered"
    ANSWERS_NOTHING = "answers-nothing"
    ANSWER_OUT_OF_TURN = "answer-out-of-turn"
    ACTION_DIFFERS = "action-differs"
    CASE_DIFFERS = "case-differs"
    CONTENT_DIFFERS = "content-differs"
    TIME_DIFFERS = "time-differs"
    EVENT_BEFORE_ACTION = "event-before-action"
    # checkpoints
    CHECKPOINT_UNREADABLE = "checkpoint-unreadable"
    CHECKPOINT_EXTENDED = "checkpoint-extended"
    SIGNATURE_INVALID = "signature-invalid"
    LOG_KEY_CHANGED = "log-key-changed"
    RANGES_WRONG = "ranges-wrong"
    TAIL_CUT = "tail-cut"
    SIZE_DIFFERS = "size-differs"
    ROOT_DIFFERS = "root-differs"
    MAP_DIFFERS = "map-differs"
    COSIGNATURE_INVALID = "cosignature-invalid"
    COSIGNATURE_ORPHANED = "cosignature-orphaned"
    QUORUM_MISSING = "quorum-missing"
    CLOCK_DIFFERS = "clock-differs"
    # files that were published
    FILE_MISSING = "file-missing"
    BUNDLE_UNREADABLE = "bundle-unreadable"
    TILE_UNREADABLE = "tile-unreadable"
    TILE_DIFFERS = "tile-differs"
    # what an earlier run has seen
    CHECKPOINT_REPLACED = "checkpoint-replaced"
    RECORD_REPLACED = "record-replaced"
    END_WENT_BACK = "end-went-back"
    # how the log is run
    SETTING_WEAKENED = "setting-weakened"
    COPIES_FEW = "copies-few"
    RECORDER_SILENT = "recorder-silent"
    NOTARY_SILENT = "notary-silent"


FAULTS: Final[dict[Kind, str]] = {
    Kind.HISTORY_CUT: "The log no longer begins at offset 0: what stood before has been deleted and cannot be checked.",
    Kind.RECORD_DELETED: "Records are missing between others. This log leaves no offset out, so they were deleted.",
    Kind.RECORD_MISPLACED: "A record stands at a place that no log gives out: somebody put it there past this program, where "
    "hardly anybody reads it.",
    Kind.RECORD_GARBLED: "The record's append time is none, or its headers are none: it was altered past the log, or the log's "
    "clock was wrong by ages. The rest of it is checked all the same.",
    Kind.TIME_WENT_BACK: "The record has an earlier append time than one before it: the log's clock was set back, or the "
    "time was altered afterwards.",
    Kind.EVENT_UNREADABLE: "The record cannot be read as an event: no recorder wrote it, or it was altered afterwards.",
    Kind.SCHEMA_MISSING: "Records are written with a schema that the log does not carry: who holds only the log cannot "
    "read them.",
    Kind.SCHEMA_ALTERED: "What stands among the schemas is not, byte for byte, the schema that its key, or its file's name, "
    "names.",
    Kind.LOG_DIFFERS: "The event says that it belongs to another log: it was copied from there.",
    Kind.KEY_DIFFERS: "The record's key is not the case that the event names: who looks for the case by its key misses it.",
    Kind.CASE_MISPLACED: "The event does not stand in the partition of its case: who looks for the case there misses it.",
    Kind.NUMBER_WRONG: "The event does not have the number that follows in its case: one before it was removed or put in.",
    Kind.CHAIN_BROKEN: "The event was written after another event than the one that stands before it in its case now: one "
    "of the two was altered or exchanged.",
    Kind.ACTION_UNANSWERED: "The submission has no outcome, though later ones have theirs: it was passed over in silence, "
    "or its outcome was removed or altered.",
    Kind.ANSWERS_NOTHING: "The event answers a submission that the log does not hold: nobody submitted it, or the "
    "submission was deleted.",
    Kind.ANSWER_OUT_OF_TURN: "The event answers a submission whose turn it is not: it was answered twice, the events were "
    "moved, or the event was put in past the recorder.",
    Kind.ACTION_DIFFERS: "The submission is not the one that was answered: it was altered afterwards, or the event was.",
    Kind.CASE_DIFFERS: "The event stands in another case than the submission that it answers.",
    Kind.CONTENT_DIFFERS: "The event does not say what was submitted.",
    Kind.TIME_DIFFERS: "The event's recorded_at is not the time at which the log took the submission in.",
    Kind.EVENT_BEFORE_ACTION: "The event was appended before the submission that it answers.",
    Kind.CHECKPOINT_UNREADABLE: "The record among the checkpoints cannot be read: no notary wrote it, or it was altered.",
    Kind.CHECKPOINT_EXTENDED: "The checkpoint has more lines than origin, size and root. No notary writes any, no proof is "
    "made under it, and a signature by ML-DSA-44 does not cover them: anybody can have put them there.",
    Kind.SIGNATURE_INVALID: "The checkpoint is not signed by the log's key: somebody else made it, or it was altered.",
    Kind.LOG_KEY_CHANGED: "The checkpoint is signed with another key, or for another log, than those before it, and no "
    "policy says that this is right.",
    Kind.RANGES_WRONG: "The checkpoint does not take in just the events behind the ones that are under a checkpoint "
    "already: it leaves events out, or takes some in twice.",
    Kind.TAIL_CUT: "The checkpoint covers events that the log does not hold any more: its end was cut off.",
    Kind.SIZE_DIFFERS: "The checkpoint speaks of another number of leaves than the log has in what it covers: some were "
    "removed or put in.",
    Kind.ROOT_DIFFERS: "The checkpoint's root does not follow from the log: since it was signed, something it covers (an "
    "event, or an earlier checkpoint) was altered; or it was forged.",
    Kind.MAP_DIFFERS: "The checkpoint's map of cases does not follow from the events: it denies a case, or an event of one.",
    Kind.COSIGNATURE_INVALID: "The cosignature is not the witness's: it was forged, or given for another checkpoint.",
    Kind.COSIGNATURE_ORPHANED: "The cosignature is for a checkpoint that the log does not hold: that one was replaced.",
    Kind.QUORUM_MISSING: "The witnesses that the policy asks for have not cosigned in time: since then, nobody but the "
    "log's operator vouches that everybody is shown the same history.",
    Kind.CLOCK_DIFFERS: "The log's clock was wrong, by the times that witnesses state (as many of them as the policy's quorum) "
    "or by the clock of whoever verifies: it was set back or forward, or stood still, or append times were altered afterwards.",
    Kind.FILE_MISSING: "A file is not there, or is no plain file of the folder that can be read, though the published "
    "checkpoint needs it.",
    Kind.BUNDLE_UNREADABLE: "The file of entries is not made up of as many whole entries as it must have.",
    Kind.TILE_UNREADABLE: "The file of hashes is not made up of as many hashes as it must have.",
    Kind.TILE_DIFFERS: "The file's hashes do not follow from what was published below them: one of the two was altered.",
    Kind.CHECKPOINT_REPLACED: "An earlier run has seen another record at this place among the checkpoints: the history was "
    "replaced. The folder with what was seen then is evidence: keep it.",
    Kind.RECORD_REPLACED: "An earlier run has seen another record at this place: the history was replaced.",
    Kind.END_WENT_BACK: "An earlier run has seen records behind the present end of the log: its end was cut off.",
    Kind.SETTING_WEAKENED: "A setting protects the history less than it must.",
    Kind.COPIES_FEW: "There are fewer copies of the history than it should have. That alters nothing, but may lose it.",
    Kind.RECORDER_SILENT: "Submissions have waited for their outcome for longer than promised: the recorder stands still.",
    Kind.NOTARY_SILENT: "Submissions have waited for a checkpoint over their events for longer than promised: until there is "
    "one, the events could be altered or cut off unseen.",
}
"""What each kind means, for whoever reads the report."""

WARNINGS: Final = frozenset({Kind.COPIES_FEW})
"""Kinds that contradict nothing that the log promises: they are said, and the check holds all the same."""

PRESENT: Final = frozenset(
    {Kind.SETTING_WEAKENED, Kind.COPIES_FEW, Kind.RECORDER_SILENT, Kind.NOTARY_SILENT, Kind.QUORUM_MISSING}
)
"""Kinds that say how things stand now. Each run finds them anew, so they keep none from being the base of the next."""


class Severity(StrEnum):
    """How much a kind of fault weighs."""

    FAULT = "fault"
    WARNING = "warning"


@dataclass(frozen=True)
class Fault:
    """Something that is not as the log promises. ``found``: what was found there, never a text from an event's body."""

    kind: Kind
    found: str
    topic: Topic | None = None
    partition: int | None = None
    offset: int | None = None
    case_id: str | None = None

    @property
    def severity(self) -> Severity:
        """A warning contradicts nothing that the log promises."""
        return Severity.WARNING if self.kind in WARNINGS else Severity.FAULT

    @property
    def meaning(self) -> str:
        """What it means, in plain words."""
        return FAULTS[self.kind]


@dataclass
class Faults:
    """All faults, counted, and the first of each kind."""

    counts: Counter[Kind] = field(default_factory=Counter)
    listed: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Count a fault, and list it while there is room for its kind."""
        self.counts[fault.kind] += 1
        if self.counts[fault.kind] <= LISTED:
            self.listed.append(fault)

    def take(self, others: "Faults") -> None:
        """Add all that was found elsewhere."""
        room = Counter({kind: LISTED - self.counts[kind] for kind in others.counts})
        for fault in others.listed:
            if room[fault.kind] > 0:
                self.listed.append(fault)
                room[fault.kind] -= 1
        self.counts.update(others.counts)

    @property
    def holds(self) -> bool:
        """Whether nothing contradicts what the log promises."""
        return not self._any_but(WARNINGS)

    @property
    def contradicts(self) -> bool:
        """Whether what has been read contradicts itself: then it can be the base of no later run."""
        return self._any_but(PRESENT)

    def _any_but(self, kinds: Iterable[Kind]) -> bool:
        return any(count for kind, count in self.counts.items() if kind not in kinds)

    def in_order(self) -> list[Fault]:
        """Those that are listed, by kind in the order of ``FAULTS``, then by place."""
        order = {kind: place for place, kind in enumerate(FAULTS)}
        return sorted(self.listed, key=lambda one: (order[one.kind], *_place(one)))


def _place(fault: Fault) -> tuple[str, int, int]:
    return (
        fault.topic or "",
        -1 if fault.partition is None else fault.partition,
        -1 if fault.offset is None else fault.offset,
    )
