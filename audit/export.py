"""One case as a file that proves itself: its events, that there are no others, or that the log has no such case.

Completeness comes from the case map: a checkpoint's record states the map's root, and that record is a leaf under a later
checkpoint, whose witnesses so vouch for it. But the records of long ago are leaves under it, too: how old the statement is say
only those who cosigned the record's own checkpoint. Events that came after that record are in the file too, and nothing is
claimed of them. docs/proofs.md describes the format; ``audit.exported`` checks it.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from casetrail.audit.believed import Believed, NotWitnessed, newest_believed
from casetrail.audit.publication.leaves import Cursor
from casetrail.domain.notarized import CheckpointPublished
from casetrail.domain.values import is_id
from casetrail.eventlog.codec import Unreadable
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.headers import read_header
from casetrail.eventlog.notarized import decode_notarized
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.proofs.casemap import Entry, MapProof
from casetrail.proofs.checkpoint import parse_checkpoint, parse_decimal
from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.note import from_base64, parse_note
from casetrail.proofs.policy import Policy
from casetrail.proofs.treefile import Sealed

FORMAT: Final = "casetrail-case@v2"
FEW: Final = 1_000
BYTES_A_VALUE: Final = 16
BYTES_A_LIST: Final = 64
"""An export has hashes and events: for so many bytes it has one value at the most, for so many one list or object, but for a few.

Whoever makes a file of nothing but empty lists would take thirty times its size of the memory of whoever checks it.
"""
MOST_BYTES: Final = 2**28
"""An export comes from somebody else: so much is read of it, enough for thousands of the largest events."""
NOTHING_YET: Final = "nothing is proven of any case yet: {}; try again when witnesses have seen more"
MOST_HEAD_BYTES: Final = 200
"""Where a file names its format, also when somebody has spelt its JSON in another way."""

Progress = Callable[[int], None]


class ExportInvalid(LogError):
    """The file is no export of a case as casetrail writes it."""

    code = "export-invalid"


class NoExport(ExportInvalid):
    """The file does not even say that it is one: it is another file, not one that was altered."""

    code = "no-export"


@dataclass(frozen=True)
class ProvenLeaf:
    """A leaf's stored bytes, its index, and its inclusion proof. No index: the checkpoint does not cover it."""

    entry: bytes
    index: int | None
    proof: tuple[bytes, ...]


@dataclass(frozen=True)
class CaseExport:
    """A case as of a checkpoint's record."""

    case_id: str
    statement: Entry | None
    """The number of events and the last one's hash as of the record; None: the log has no such case."""
    map_proof: MapProof
    record: ProvenLeaf
    """The record of an earlier checkpoint: it states the root of the case map."""
    cosignatures: bytes
    """The lines of those who cosigned that checkpoint; empty where ``note`` says how old it is, see ``is_next``."""
    events: tuple[ProvenLeaf, ...]
    """All events that the log had, in order, also those after the record."""
    note: bytes
    """The checkpoint under which all is proven, with its cosignatures."""

    @property
    def size(self) -> int:
        """How many leaves the tree has under which all is proven. Raises ``NoteInvalid``."""
        return parse_checkpoint(parse_note(self.note).text).size

    def notes(self) -> Iterator[bytes]:
        """The checkpoints that it rests on, the newer one first. What it gives as a record may be anything."""
        yield self.note
        with suppress(Unreadable):
            stored = decode_notarized(self.record.entry)
            if isinstance(stored, CheckpointPublished):
                yield stored.note

    @property
    def covered(self) -> int:
        """How many events the statement is about."""
        return 0 if self.statement is None else self.statement[0]

    @property
    def later(self) -> tuple[ProvenLeaf, ...]:
        """The events after those."""
        return self.events[self.covered :]

    @property
    def later_proven(self) -> int:
        """How many of the later events are leaves under ``note``."""
        return sum(one.index is not None for one in self.later)

    @property
    def in_log(self) -> bool:
        """Whether the log has the case: by the statement, or by an event that came later."""
        return self.covered + self.later_proven > 0

    def format(self) -> bytes:
        """The bytes of the file. The same export always has the same bytes."""
        other, statement = self.map_proof.other, self.statement
        made = {
            "format": FORMAT,
            "case_id": self.case_id,
            "statement": None if statement is None else {"events": statement[0], "last_hash": _text(statement[1])},
            "map_proof": {
                "siblings": [_text(one) for one in self.map_proof.siblings],
                "other": None if other is None else {"key": _text(other[0]), "value": _text(other[1])},
            },
            "record": _leaf(self.record),
            "record_cosignatures": self.cosignatures.decode(),
            "events": [_leaf(one) for one in self.events],
            "checkpoint": self.note.decode(),
        }
        return json.dumps(made, indent=1, ensure_ascii=False).encode() + b"\n"


def export_case(log: Log, tree: LogTree, policy: Policy, case_id: str, progress: Progress | None = None) -> CaseExport:
    """Export a case as of the newest checkpoint of which the policy's quorum says how old it is.

    ``progress`` is told of events that were looked at. What the log holds is put down as it is: ``audit.exported.check_export``
    says whether it fits its own checkpoints.

    Raises ``NotWitnessed`` where there is no such checkpoint with another one over it that the policy believes,
    ``TreeContradicted`` where the log does not lead back to it.
    """
    head, before, cosignatures = _chosen(tree, policy)
    try:
        record, statement, map_proof = tree.prove_case(case_id, before)
    except LookupError as error:
        raise NotWitnessed(NOTHING_YET.format(error)) from error
    stored = log.read_one(Topic.CHECKPOINTS, 0, record.offset)
    size = head.sealed.size
    events = tuple(_proven(tree, event, size) for event in events_of(log, case_id, progress))
    return CaseExport(
        case_id,
        statement,
        map_proof,
        ProvenLeaf((stored and stored.value) or b"", record.size, tuple(tree.inclusion(record.size, size))),
        cosignatures,
        events,
        head.note,
    )


def is_next(record: int, head: int) -> bool:
    """Whether a checkpoint of ``head`` leaves takes in nothing but the record of one of ``record`` leaves.

    Then what that record states is true as of the later checkpoint, too, and its witnesses say how old it is.
    """
    return head == record + 1


def _chosen(tree: LogTree, policy: Policy) -> tuple[Believed, Sealed, bytes]:
    """The newest believed checkpoint, the one that the statement is as of, and the cosignatures that say how old that is.

    That is the one before where ``is_next``, else the newest before that is believed itself: a witness may have missed some, and
    one that is carried by hand misses most.
    """
    try:
        head = newest_believed(tree, policy)
        before = tree.file.numbered(head.sealed.number - 1)
        if before is not None and is_next(before.size, head.sealed.size) and _is_signed(before, policy):
            return head, before, b""
        found = newest_believed(tree, policy, head.sealed)
    except NotWitnessed as error:
        raise NotWitnessed(NOTHING_YET.format(error)) from error
    own = parse_note(found.sealed.note).signatures
    lines = "".join(one.line() for one in parse_note(found.note).signatures if one not in own)
    return head, found.sealed, lines.encode()


def _is_signed(sealed: Sealed, policy: Policy) -> bool:
    """Whether a log that the policy names has signed a checkpoint, whoever has cosigned it."""
    try:
        policy.check(parse_note(sealed.note))
    except NoteInvalid:
        return False
    return True


def events_of(log: Log, case_id: str, progress: Progress | None = None) -> Iterator[Record]:
    """The events of a case as the log holds them now, in order, found by reading its partition from the beginning.

    Raises ``LogUnreachable``, ``OffsetGone``.
    """
    partition, wanted = partition_for(case_id.encode(), log.partitions), case_id.encode()
    cursor = Cursor(log, Topic.EVENTS, partition, 0)
    try:
        for count, record in enumerate(cursor.until(log.end_offsets(Topic.EVENTS)[partition]), 1):
            if wanted in (record.value or b"") and _case_of(record) == case_id:
                yield record
            if progress is not None and count % 1000 == 0:
                progress(1000)
    finally:
        cursor.close()


def _case_of(record: Record) -> str | None:
    try:
        return read_header(record.value)[-1]
    except Unreadable:
        return None


def _proven(tree: LogTree, event: Record, size: int) -> ProvenLeaf:
    value = event.value or b""
    index = tree.index_of(event.partition, event.offset, leaf_hash(value))
    if index is None or index >= size:
        return ProvenLeaf(value, None, ())
    return ProvenLeaf(value, index, tuple(tree.inclusion(index, size)))


def _text(value: bytes) -> str:
    return b64encode(value).decode()


def _leaf(leaf: ProvenLeaf) -> dict[str, Any]:
    return {"entry": _text(leaf.entry), "index": leaf.index, "proof": [_text(one) for one in leaf.proof]}


def is_export(value: bytes) -> bool:
    """Whether the beginning of a file says that it is one."""
    return FORMAT.encode() in value[:MOST_HEAD_BYTES]


def parse_export(value: bytes) -> CaseExport:
    """An export from the bytes of its file; ``format`` gives the same bytes again. Raises ``ExportInvalid``, ``NoExport``."""
    if not is_export(value):
        raise NoExport(f"this is no export of a case: it does not begin by saying that it is of the format {FORMAT}")
    if not _is_sparse(value):
        raise ExportInvalid("this is no export of a case: it has more values for its size than casetrail writes")
    try:
        made = _parsed(json.loads(value))
        if made.format() != value:
            raise ValueError("its bytes are not those that casetrail writes for what it says")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ExportInvalid(f"this is no export of a case: {type(error).__name__}: {error}") from None
    return made


def _is_sparse(value: bytes) -> bool:
    lists, values = value.count(b"[") + value.count(b"{"), value.count(b",") + value.count(b":")
    return lists <= FEW + len(value) // BYTES_A_LIST and values <= FEW + len(value) // BYTES_A_VALUE


def _parsed(plain: Any) -> CaseExport:
    if plain["format"] != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    statement, other = plain["statement"], plain["map_proof"]["other"]
    siblings = _hashes(plain["map_proof"]["siblings"])
    case_id = str(plain["case_id"])
    if not is_id(case_id):  # that the log has none of it is true, and may look like another case's id
        raise ValueError("no case can have that id")
    return CaseExport(
        case_id,
        None if statement is None else (_number(statement["events"]), from_base64(statement["last_hash"])),
        MapProof(siblings, None if other is None else (from_base64(other["key"]), from_base64(other["value"]))),
        _parsed_leaf(plain["record"]),
        plain["record_cosignatures"].encode(),
        tuple(map(_parsed_leaf, plain["events"])),
        plain["checkpoint"].encode(),
    )


def _parsed_leaf(plain: Any) -> ProvenLeaf:
    index = plain["index"]
    return ProvenLeaf(from_base64(plain["entry"]), None if index is None else _number(index), _hashes(plain["proof"]))


def _hashes(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(from_base64(one) for one in texts)


def _number(plain: Any) -> int:
    return parse_decimal(json.dumps(plain))
