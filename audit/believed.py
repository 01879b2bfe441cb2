"""Which checkpoints of a log a trust policy believes, and since when its witnesses vouch for one."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from casetrail.eventlog.errors import LogError
from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.note import Note, parse_note, verify_note
from casetrail.proofs.policy import NONE, Policy
from casetrail.proofs.treefile import Sealed


class NotWitnessed(LogError):
    """No checkpoint that would do has been cosigned by the quorum that the policy asks for."""

    code = "not-witnessed"


class Believed(NamedTuple):
    """A checkpoint of the log, and its note with all cosignatures that the log has."""

    sealed: Sealed
    note: bytes


def newest_believed(tree: LogTree, policy: Policy | None, below: Sealed | None = None) -> Believed:
    """The newest checkpoint with the policy's quorum, of those before ``below`` if that is given; without a policy the newest.

    Raises ``NotWitnessed`` where there is none.
    """
    newest = tree.newest() if below is None else tree.file.numbered(below.number - 1)
    if newest is None:
        raise NotWitnessed(
            "the log has no checkpoint yet: 'casetrail serve notary' makes them"
            if below is None
            else f"the log has no checkpoint yet before the one of {_leaves(below)}"
        )
    for sealed in _downwards(tree, newest, policy):
        if (found := believed(tree, sealed, policy)) is not None:
            return found
    raise NotWitnessed(
        f"none of the log's checkpoints, up to the {'newest' if below is None else 'one'} of {_leaves(newest)}, is cosigned by "
        "the policy's quorum yet" + not_counted(tree, newest, policy)
    )


def first_believed(tree: LogTree, policy: Policy | None, index: int) -> Believed | None:
    """The first checkpoint with the policy's quorum that covers a leaf; None while there is none."""
    sealed = tree.file.covering(index)
    following = tree.file.cosigned_from if _needs_witnesses(policy) else tree.file.numbered
    while sealed is not None:
        if (found := believed(tree, sealed, policy)) is not None:
            return found
        sealed = following(sealed.number + 1)
    return None


def believed(tree: LogTree, sealed: Sealed, policy: Policy | None) -> Believed | None:
    """This checkpoint if the policy believes it, else None: also where another key signed it, and a later one covers it."""
    note = tree.cosigned_note(sealed, None if policy is None else policy.keys)
    try:
        if policy is None or policy.check(parse_note(note)).satisfied:
            return Believed(sealed, note)
    except NoteInvalid:
        return None
    return None


def not_counted(tree: LogTree, sealed: Sealed, policy: Policy | None) -> str:
    """Which witnesses have cosigned a checkpoint with times that have not come yet, see ``Standing.not_counted``."""
    if policy is None:
        return ""
    try:
        return policy.check(parse_note(tree.cosigned_note(sealed, policy.keys))).not_counted()
    except NoteInvalid:
        return ""


def witnessed_at(policy: Policy, note: Note) -> datetime | None:
    """When the last witness that the quorum needs cosigned this checkpoint (UTC), as they state it themselves.

    None where the policy needs no witness, the quorum is not reached, or it is only with witnesses that state no time.
    Raises ``NoteInvalid`` as ``Policy.check`` does.
    """
    policy.check(note)
    if policy.quorum == NONE:
        return None
    names = {one.key: one.name for one in policy.witnesses}
    times: dict[str, datetime] = {}
    for one in verify_note(note, {*names, *(log.key for log in policy.logs)}):
        name = names.get(one.key)
        if name is not None and one.at is not None and policy.has_come(one.at):
            times[name] = min(one.at, times.get(name, one.at))
    seen: set[str] = set()
    for at, name in sorted((at, name) for name, at in times.items()):
        seen.add(name)
        if policy.satisfied_by(seen):
            return at
    return None


def _leaves(sealed: Sealed) -> str:
    return "1 leaf" if sealed.size == 1 else f"{sealed.size} leaves"


def _needs_witnesses(policy: Policy | None) -> bool:
    return policy is not None and policy.quorum != NONE


def _downwards(tree: LogTree, newest: Sealed, policy: Policy | None) -> Iterator[Sealed]:
    """The checkpoints that a policy may believe, the newest first.

    A witness that sees one a month is cosigned by hand: to verify what stands between, which nobody has cosigned, takes half a
    minute.
    """
    previous = tree.file.cosigned_up_to if _needs_witnesses(policy) else tree.file.numbered
    sealed = previous(newest.number)
    while sealed is not None:
        yield sealed
        sealed = previous(sealed.number - 1)
