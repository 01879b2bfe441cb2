"""Comparing what two parties hold: whether a log has shown both of them one history.

A log that shows different histories must sign different trees. Whoever lays two signed checkpoints side by side sees it: two
roots for one size contradict each other by themselves; of two sizes, the larger tree must begin with the smaller one, which
takes the hashes of a whole tree to tell. Either way the two notes are evidence that nobody but the log's key can have made.
"""

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import islice
from typing import Final, NamedTuple

from casetrail.audit.held import Held, Tree
from casetrail.eventlog.errors import LogError
from casetrail.proofs.errors import NoteInvalid, ProofInvalid
from casetrail.proofs.keys import VerifierKey
from casetrail.proofs.note import parse_note, verify_note
from casetrail.proofs.tree import check_consistency, consistency_proof, root_of

MOST_CONTRADICTIONS: Final = 100


class NothingToCompare(LogError):
    """The two parties hold no checkpoints of the same log that is believed."""

    code = "nothing-to-compare"


class Verdict(StrEnum):
    """What a comparison comes to."""

    SAME = "same"
    EXTENDS = "extends"
    UNPROVEN = "unproven"
    CUT = "cut"
    CONTRADICTION = "contradiction"


FAULTS: Final = frozenset({Verdict.CUT, Verdict.CONTRADICTION})
"""What convicts the log. ``UNPROVEN`` is no answer either way: hashes are needed for one."""


class Finding(NamedTuple):
    """A verdict over two checkpoints of one log, the smaller first, in plain words.

    Where sizes differ and trees contradict each other: ``root`` is the one that the larger tree has over as many leaves as the
    smaller one, and ``proof`` the consistency proof from there to the larger tree.
    """

    verdict: Verdict
    first: Held
    second: Held
    meaning: str
    root: bytes | None = None
    proof: tuple[bytes, ...] = ()


class Comparison:
    """The checkpoints of believed logs that two parties hold. All are kept in memory: some 500 bytes each."""

    def __init__(self, one: Iterable[Held], other: Iterable[Held], keys: Iterable[VerifierKey]) -> None:
        """``keys`` are those of the logs that are believed; checkpoints of others are passed over.

        Raises ``NothingToCompare`` where a party holds none and is no log without any, ``NoteInvalid`` where one that matters is
        not signed by its log.
        """
        self._keys: dict[str, list[VerifierKey]] = {}
        for key in keys:
            self._keys.setdefault(key.name, []).append(key)
        self._sides: tuple[dict[tuple[str, int], Held], ...] = ({}, {})
        self._empty: list[Held | None] = [None, None]
        """For each side the log without any checkpoint that it is."""
        self.contradictions: list[Finding] = []
        for number, found in enumerate((one, other)):
            self._take(number, found)
            if not self._sides[number] and self._empty[number] is None:
                raise NothingToCompare("one of the two holds no checkpoint of a log that is believed")
        if not any(self._sides):
            raise NothingToCompare("neither log has a checkpoint")

    def _take(self, number: int, found: Iterable[Held]) -> None:
        side = self._sides[number]
        for held in found:
            if not held.note:
                self._empty[number] = held
            if held.origin not in self._keys:
                continue
            key = held.origin, held.size
            for earlier in dict.fromkeys(known[key] for known in self._sides if key in known):
                if earlier.root != held.root and len(self.contradictions) < MOST_CONTRADICTIONS:
                    self.contradictions.append(self._two_roots(earlier, held))
            side.setdefault(key, held)

    def verify(self, held: Held) -> Held:
        """The same, once a key of its log is found to have signed it. Raises ``NoteInvalid``."""
        try:
            verify_note(parse_note(held.note), self._keys[held.origin])
        except NoteInvalid as error:
            raise NoteInvalid(f"{held.where}, checkpoint of {held.size} leaves: {error}") from error
        return held

    @property
    def is_settled(self) -> bool:
        """Whether a tree could tell no more: there are contradictions, or both hold the very same, or a log holds nothing."""
        return bool(self.contradictions) or any(self._empty) or self._sides[0].keys() == self._sides[1].keys()

    def findings(self, tree: Tree | None = None, progress: Callable[[int], None] | None = None) -> list[Finding]:
        """The contradictions, or how the two stand to each other, log by log.

        With a tree every checkpoint that is held is checked against it; ``progress`` is told of checkpoints. Raises
        ``NothingToCompare``, ``NoteInvalid``, and ``ProofInvalid`` where the tree is not that of its own checkpoint.
        """
        if self.contradictions:
            return self.contradictions
        if tree is not None:
            if tree.held.note:
                self.verify(tree.held)
            if root_of(tree.held.size, tree.hash_at) != tree.held.root:
                raise ProofInvalid(f"the tree in {tree.held.where} is not the one that its checkpoint is of")
            if faults := list(islice(self._against(tree, progress), MOST_CONTRADICTIONS)):
                return faults
        if cuts := list(self._cut_sides(tree)):
            return cuts
        ones, others = map(_newest, self._sides)
        common = [origin for origin in ones if origin in others]
        if not common:
            raise NothingToCompare("the two hold checkpoints of different logs")
        return [self._standing(self.verify(ones[origin]), self.verify(others[origin]), tree) for origin in common]

    def _against(self, tree: Tree, progress: Callable[[int], None] | None) -> Iterator[Finding]:
        for side in self._sides:
            for held in side.values():
                if progress is not None:
                    progress(1)
                if tree.held.note and held.origin != tree.held.origin:
                    continue
                if held.size > tree.held.size:
                    if tree.is_log:
                        yield self._cut(held, tree.held)
                elif held.size == tree.held.size:
                    if held.root != tree.held.root:
                        yield self._two_roots(held, tree.held)
                elif (root := root_of(held.size, tree.hash_at)) != held.root:
                    yield self._not_begun_with(held, tree, root)

    def _cut_sides(self, tree: Tree | None) -> Iterator[Finding]:
        """A side that is a log, and ends before what the other side has of it."""
        for mine, other in ((0, 1), (1, 0)):
            ends = _newest(self._sides[mine])
            for origin, held in _newest(self._sides[other]).items():
                end = self._empty[mine] or ends.get(origin)
                if end is None or not end.by_log or end.size >= held.size:
                    continue
                is_copy = held.by_log or (tree is not None and tree.is_log and tree.held.origin == origin)
                if not end.note or not is_copy:  # of a log that is there, too, a shorter one may be an old copy
                    yield self._cut(held, end)

    def _two_roots(self, first: Held, second: Held) -> Finding:
        meaning = (
            f"the log has signed two roots for the same {first.size} leaves: it has shown different histories, or its key "
            "is in other hands"
        )
        return Finding(Verdict.CONTRADICTION, self.verify(first), self.verify(second), meaning)

    def _not_begun_with(self, held: Held, tree: Tree, root: bytes) -> Finding:
        second = tree.held
        proof = tuple(consistency_proof(held.size, second.size, tree.hash_at))
        check_consistency(held.size, root, second.size, second.root, proof)
        meaning = (
            f"the log has signed a tree of {held.size} leaves, and a tree of {second.size} leaves that begins otherwise: it has "
            "shown different histories, or its key is in other hands"
        )
        return Finding(Verdict.CONTRADICTION, self.verify(held), second, meaning, root, proof)

    def _cut(self, held: Held, newest: Held) -> Finding:
        if not newest.note:
            meaning = (
                f"the log has signed {held.size} leaves, and {newest.where} has no checkpoint at all: they were deleted, or it "
                "is another log"
            )
            return Finding(Verdict.CUT, newest._replace(origin=held.origin), self.verify(held), meaning)
        meaning = (
            f"the log has signed {held.size} leaves, and what is there now ends with {newest.size}: its end was cut off, or "
            f"{newest.where} is another branch of it, or an old copy"
        )
        return Finding(Verdict.CUT, self.verify(newest), self.verify(held), meaning)

    def _standing(self, one: Held, other: Held, tree: Tree | None) -> Finding:
        first, second = sorted((one, other), key=lambda held: held.size)
        if first.size == second.size:
            return Finding(Verdict.SAME, one, other, f"both hold the same tree of {first.size} leaves")
        key = first.origin, first.size
        if all(key in side for side in self._sides):
            meaning = (
                f"both hold the same tree of {first.size} leaves; {second.where} holds later ones, up to {second.size}"
            )
            return Finding(Verdict.SAME, first, second, meaning)
        if tree is not None and tree.held.origin == first.origin and second.size <= tree.held.size:
            meaning = (
                f"the tree of {second.size} leaves begins with the tree of {first.size}: proven with the hashes of "
                f"{tree.held.where}"
            )
            return Finding(Verdict.EXTENDS, first, second, meaning)
        meaning = (
            f"not contradicting, not proven: whether the tree of {second.size} leaves begins with the tree of {first.size}, only "
            "the log's hashes can tell; give --log (before the command) or --from DIR"
        )
        return Finding(Verdict.UNPROVEN, first, second, meaning)


def _newest(side: dict[tuple[str, int], Held]) -> dict[str, Held]:
    found: dict[str, Held] = {}
    for held in side.values():
        if held.origin not in found or found[held.origin].size < held.size:
            found[held.origin] = held
    return found


def evidence(findings: Sequence[Finding], keys: Iterable[VerifierKey]) -> str:
    """A document with the signed notes that contradict each other, and how anybody can check them."""
    parts = []
    known = list(keys)
    for one in findings:
        origin = one.first.origin
        parts += [
            f"{one.verdict.upper()} in the log {origin}",
            one.meaning[0].upper() + one.meaning[1:] + ".",
            "",
            "Its checkpoints (c2sp.org/tlog-checkpoint) are signed by the log. Its verifier key:",
            *(f"    {key}" for key in known if key.name == origin),
        ]
        for held in (one.first, one.second):
            if not held.note:
                parts += ["", f"---- in {held.where}: no checkpoint ----"]
                continue
            parts += ["", f"---- held in {held.where}: {held.size} leaves ----", held.note.decode().removesuffix("\n")]
        parts += ["----", *_proof_lines(one), "", ""]
    return "\n".join(parts)


def _proof_lines(one: Finding) -> list[str]:
    if one.root is None:
        return []
    return [
        "",
        f"Over its first {one.first.size} leaves the tree of {one.second.size} leaves has the root",
        f"    {base64.b64encode(one.root).decode()}",
        "as this consistency proof (RFC 6962, 2.1.2) shows:",
        *(f"    {base64.b64encode(each).decode()}" for each in one.proof),
    ]
