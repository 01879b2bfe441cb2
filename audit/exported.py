"""Checking the export of a case, offline: with the file and a trust policy, and nothing else."""

from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from casetrail.audit.believed import witnessed_at
from casetrail.audit.export import CaseExport, ProvenLeaf, is_next
from casetrail.domain.notarized import CheckpointPublished
from casetrail.domain.values import iso
from casetrail.eventlog.codec import Unreadable, decode_event
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.hashing import NO_HASH, leaf_hash
from casetrail.eventlog.notarized import decode_notarized
from casetrail.proofs.casemap import case_key, check_map_proof
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.errors import ProofInvalid
from casetrail.proofs.note import Note, parse_note, parse_signatures
from casetrail.proofs.policy import Policy, Standing
from casetrail.proofs.tree import check_inclusion


class Checked(NamedTuple):
    """One thing that was checked: its stable name, whether it holds, and what was found, in plain words."""

    what: str
    holds: bool
    found: str


class Proven(NamedTuple):
    """What an export of which all holds proves of its case.

    ``events``: how many it had as of ``as_of_size`` leaves, these are all. ``as_of_witnessed_at``: when the policy's quorum had
    seen the log like that, by the witnesses' own signed word; None where the policy needs no witness. ``later_events``: how many
    more are leaves of the tree, and there may be others.
    """

    in_log: bool
    events: int
    later_events: int
    as_of_size: int
    as_of_witnessed_at: datetime | None


def proven_by(export: CaseExport, policy: Policy) -> Proven:
    """What the file proves, once ``check_export`` has found that all in it holds."""
    _, _, checkpoint = _stated(export)
    at = witnessed_at(policy, _as_of(export))
    return Proven(export.in_log, export.covered, export.later_proven, checkpoint.size, at)


def check_export(export: CaseExport, policy: Policy, wanted: str | None = None) -> list[Checked]:
    """Check all that the file claims, and that it is of the case ``wanted``, if one is. It holds only if each thing does."""
    asked = () if wanted is None else (("case", lambda: _check_case(export, wanted)),)
    return _checked(
        *asked,
        ("checkpoint", lambda: _check_signatures(export, policy)),
        ("record", lambda: _check_record(export, policy)),
        ("statement", lambda: _check_statement(export)),
        ("history", lambda: _check_history(export)),
        ("inclusion", lambda: _check_inclusion(export)),
        ("later_events", lambda: _check_later(export)),
    )


def _checked(*checks: tuple[str, Callable[[], str]]) -> list[Checked]:
    found = []
    for what, check in checks:
        try:
            found.append(Checked(what, True, check()))
        except (LogError, Unreadable) as error:
            found.append(Checked(what, False, str(error)))
    return found


def words_of(standing: Standing) -> str:
    """Who vouches for a checkpoint."""
    seen = ", ".join(name if at is None else f"{name} at {iso(at)}" for name, at in standing.witnesses.items())
    return (
        f"{_leaves(standing.checkpoint.size)}, signed by {standing.checkpoint.origin}, cosigned by {seen or 'nobody'}"
        + standing.not_counted()
    )


def _check_case(export: CaseExport, wanted: str) -> str:
    if export.case_id != wanted:
        raise ProofInvalid(
            f"the file is of case {export.case_id}, and {wanted} was asked for: it says nothing of that one"
        )
    return f"the file is of case {wanted}"


def _check_signatures(export: CaseExport, policy: Policy) -> str:
    standing = policy.check(parse_note(export.note))
    if not standing.satisfied:
        raise ProofInvalid(f"{words_of(standing)}: that is not the quorum that the policy asks for")
    return words_of(standing)


def _head(export: CaseExport) -> Checkpoint:
    return parse_checkpoint(parse_note(export.note).text)


def _stated(export: CaseExport) -> tuple[CheckpointPublished, Note, Checkpoint]:
    record = decode_notarized(export.record.entry)
    if not isinstance(record, CheckpointPublished):
        raise ProofInvalid("what the file gives as a checkpoint's record is none")
    note = parse_note(record.note)
    return record, note, parse_checkpoint(note.text)


def _as_of(export: CaseExport) -> Note:
    """The checkpoint whose witnesses say how old the statement is.

    It is the record's own, with the cosignatures that the file has of it: any record of long ago is a leaf under the newest
    checkpoint, whose witnesses say nothing of its age. Only where that takes in nothing but the record it is the newest one.
    """
    _, note, checkpoint = _stated(export)
    lines = parse_signatures(export.cosignatures.decode()) if export.cosignatures else ()
    if is_next(checkpoint.size, _head(export).size):
        return parse_note(export.note)
    return note._replace(signatures=(*note.signatures, *lines))


def _check_record(export: CaseExport, policy: Policy) -> str:
    _, note, checkpoint = _stated(export)
    head = _head(export)
    policy.check(note)
    if checkpoint.origin != head.origin or checkpoint.size != export.record.index:
        raise ProofInvalid(
            "the record is not that of the checkpoint before, which is the leaf after all that it covers"
        )
    _check_leaf(export.record, head)
    return f"the checkpoint of {_leaves(checkpoint.size)} is part of it, with the root of the case map; {_age(export, policy)}"


def _age(export: CaseExport, policy: Policy) -> str:
    """How old the statement is. Raises ``ProofInvalid`` where the policy asks for witnesses, and too few of them say so."""
    _, _, checkpoint = _stated(export)
    standing = policy.check(_as_of(export))
    if not standing.satisfied and standing.checkpoint.size == checkpoint.size:  # of the newest one that is told already
        raise ProofInvalid(
            f"{words_of(standing)}: that is not the quorum that the policy asks for, so nobody vouches for how old it is"
        )
    at = witnessed_at(policy, _as_of(export))
    return (
        "no witness says how old it is"
        if at is None
        else f"the policy's witnesses had seen the log like that at {iso(at)}"
    )


def _check_leaf(leaf: ProvenLeaf, head: Checkpoint) -> None:
    if leaf.index is None:
        raise ProofInvalid("there is no proof that the checkpoint covers it")
    check_inclusion(leaf_hash(leaf.entry), leaf.index, head.size, leaf.proof, head.root)


def _check_statement(export: CaseExport) -> str:
    record, _, checkpoint = _stated(export)
    check_map_proof(record.map_root, case_key(export.case_id), export.statement, export.map_proof)
    if export.statement is None:
        return f"as of {_leaves(checkpoint.size)}, the log has no case {export.case_id}"
    number, last_hash = export.statement
    return f"as of {_leaves(checkpoint.size)}, the case has {_events(number)}, the last with hash {_text(last_hash)}"


def _check_history(export: CaseExport) -> str:
    count = export.covered
    if len(export.events) < count:
        raise ProofInvalid(f"the file has {_events(len(export.events))}, and the case has {count}: some were left out")
    last_hash = _check_chain(export, 0, count)
    if export.statement is not None and last_hash != export.statement[1]:
        raise ProofInvalid(f"event {count} is not the one that the case map states: an event was altered or left out")
    return f"{_events(count)}, numbered from 1 without a gap, each with the hash of the one before: these are all"


def _check_chain(export: CaseExport, start: int, end: int) -> bytes:
    """Check that events ``start`` to ``end`` follow from one another; the hash of the last one."""
    last_hash = leaf_hash(export.events[start - 1].entry) if start else NO_HASH
    log = decode_event(export.events[0].entry).log if export.events else ""
    for number, leaf in enumerate(export.events[start:end], start + 1):
        event = decode_event(leaf.entry)
        if event.case_id != export.case_id or event.log != log:
            raise ProofInvalid(f"event {number} in the file is of another case, or of another log")
        if event.number != number or event.previous_hash != last_hash:
            raise ProofInvalid(f"event {number} does not follow from the one before it: one was altered or left out")
        last_hash = leaf_hash(leaf.entry)
    return last_hash


def _check_inclusion(export: CaseExport) -> str:
    head, events = _head(export), export.events[: export.covered]
    for number, leaf in enumerate(events, 1):
        _proven(leaf, number, head)
    return f"{_events(len(events))}, each proven to stand in the tree" if events else "there is no event to prove"


def _proven(leaf: ProvenLeaf, number: int, head: Checkpoint) -> None:
    try:
        _check_leaf(leaf, head)
    except ProofInvalid as error:
        raise ProofInvalid(f"event {number}: {error}") from error


def _check_later(export: CaseExport) -> str:
    count, head, later = export.covered, _head(export), export.later
    if not later:
        return "none in the file"
    _check_chain(export, count, len(export.events))
    included = 0
    for number, leaf in enumerate(later, count + 1):
        if leaf.index is not None or leaf.proof:
            _proven(leaf, number, head)
            included += 1
        if leaf.index is not None and leaf.index < (export.record.index or 0):
            raise ProofInvalid(
                f"event {number} is leaf {leaf.index}, so the checkpoint that the statement is of covers it, and denies it"
            )
    return f"{len(later)} more, {included} of them leaves of the tree: the statement does not cover them, so there may be others"


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"


def _leaves(count: int) -> str:
    return "1 leaf" if count == 1 else f"{count} leaves"


def _text(value: bytes) -> str:
    return b64encode(value).decode()
