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

from casetrail.audit.held import Held, PassedOver, Tree, nothing
from casetrail.eventlog.errors import LogError
from casetrail.proofs.errors import NoteInvalid, ProofInvalid
from casetrail.proofs.keys import VerifierKey
from casetrail.proofs.note import parse_note, verify_note
from casetrail.proofs.tree import begins_with, check_consistency, consistency_proof, root_of

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

    def __init__(
        self, one: Iterable[Held | PassedOver], other: Iterable[Held | PassedOver], keys: Iterable[VerifierKey]
    ) -> None:
        """``keys`` are those of the logs that are believed; checkpoints of others are passed over.

        So is, by name, what a believed log has not signed. Raises ``NothingToCompare`` where a party holds nothing and is no log
        without any checkpoint, ``NoteInvalid`` where it holds only what is not signed.
        """
        self._keys: dict[str, list[VerifierKey]] = {}
        for key in keys:
            self._keys.setdefault(key.name, []).append(key)
        self._sides: tuple[dict[tuple[str, int], Held], ...] = ({}, {})
        self._empty: list[Held | None] = [None, None]
        """For each side the log without any checkpoint that it is."""
        self.contradictions: list[Finding] = []
        self.passed_over: list[PassedOver] = []
        """What was met and is no checkpoint of a believed log, though it stands where one should, or says that it is one."""
        for number, found in enumerate((one, other)):
            self._take(number, found)
            if not self._sides[number] and self._empty[number] is None:
                raise NothingToCompare("one of the two holds no checkpoint of a log that is believed")
        if not any(self._sides):
            raise NothingToCompare("neither log has a checkpoint")

    def _take(self, number: int, found: Iterable[Held | PassedOver]) -> None:
        side, last = self._sides[number], None
        for one in found:
            if isinstance(one, PassedOver):
                self.passed_over.append(one)
            elif not one.note:
                self._empty[number] = one
            elif one.origin in self._keys:
                last, key = one, (one.origin, one.size)
                if self._fits(one) and (key not in side or not self._is_signed(side[key])):
                    side[key] = one
        self._believe_newest(side)
        if last is not None and not side:
            if not last.by_log:
                self.verify(last)
            self._empty[number] = nothing(last.where)  # whatever stands there, the log has signed none of it

    def _fits(self, held: Held) -> bool:
        """Whether a checkpoint may be kept: where known ones of its size have another root, its log must have signed it.

        Then those that the log has signed, too, contradict it.
        """
        key = held.origin, held.size
        for earlier in dict.fromkeys(known[key] for known in self._sides if key in known):
            if earlier.root != held.root and len(self.contradictions) < MOST_CONTRADICTIONS:
                if not self._is_signed(held):
                    return False
                if self._is_signed(earlier):
                    self.contradictions.append(_two_roots(earlier, held))
        return True

    def _believe_newest(self, side: dict[tuple[str, int], Held]) -> None:
        """Let the newest checkpoint of each log be one that it has signed: whatever follows rests on that."""
        believed: set[str] = set()
        for held in sorted(side.values(), key=lambda one: one.size, reverse=True):
            if held.origin not in believed and self._is_signed(held):
                believed.add(held.origin)

    def _is_signed(self, held: Held) -> bool:
        """Whether a key of its log has signed it. From what is not nothing follows: it is named, and forgotten."""
        try:
            self.verify(held)
        except NoteInvalid:
            self.passed_over.append(
                PassedOver(held.where, held.place, "not signed by a key of the log that is believed")
            )
            for side in self._sides:
                if side.get((held.origin, held.size)) is held:
                    del side[held.origin, held.size]
            return False
        return True

    def verify(self, held: Held) -> None:
        """Find that a key of its log has signed it. Raises ``NoteInvalid``."""
        try:
            verify_note(parse_note(held.note), self._keys[held.origin])
        except NoteInvalid as error:
            raise NoteInvalid(f"{held.where}, checkpoint of {held.size} leaves: {error}") from error

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
                if tree.held.origin not in self._keys:
                    raise NothingToCompare(f"the tree in {tree.held.where} is of a log that is not believed")
                self.verify(tree.held)
            try:
                if root_of(tree.held.size, tree.hash_at) != tree.held.root:
                    raise ProofInvalid("it is not the one that its checkpoint is of")
                faults = list(islice(self._against(tree, progress), MOST_CONTRADICTIONS))
            except ProofInvalid as error:
                raise ProofInvalid(f"the tree in {tree.held.where} proves nothing: {error}") from error
            if faults:
                return faults
        if cuts := list(self._cut_sides(tree)):
            return cuts
        ones, others = map(_newest, self._sides)
        common = [origin for origin in ones if origin in others]
        if not common:
            raise NothingToCompare("the two hold checkpoints of different logs")
        return [self._standing(ones[origin], others[origin], tree) for origin in common]

    def _against(self, tree: Tree, progress: Callable[[int], None] | None) -> Iterator[Finding]:
        for side in self._sides:
            for held in list(side.values()):
                if progress is not None:
                    progress(1)
                if tree.held.note and held.origin != tree.held.origin:
                    continue
                if held.size > tree.held.size:
                    if tree.is_log and self._is_signed(held):
                        yield _cut(held, tree.held)
                elif held.size == tree.held.size:
                    if held.root != tree.held.root and self._is_signed(held):
                        yield _two_roots(held, tree.held)
                elif not _begins(tree, held) and self._is_signed(held):
                    yield _not_begun_with(held, tree)

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
                    yield _cut(held, end)

    def _standing(self, one: Held, other: Held, tree: Tree | None) -> Finding:
        first, second = sorted((one, other), key=lambda held: held.size)
        if first.size == second.size:
            return Finding(Verdict.SAME, one, other, f"both hold the same tree of {first.size} leaves")
        if tree is not None and tree.held.origin == first.origin and second.size <= tree.held.size:
            meaning = (
                f"the tree of {second.size} leaves begins with the tree of {first.size}: proven with the hashes of "
                f"{tree.held.where}"
            )
            return Finding(Verdict.EXTENDS, first, second, meaning)
        key = first.origin, first.size
        common = (
            f"; {second.where} has that one, too, which proves nothing of later ones"
            if all(key in side for side in self._sides)
            else ""
        )
        meaning = (
            f"not contradicting, not proven: whether the tree of {second.size} leaves begins with the tree of {first.size}, only "
            f"the log's hashes can tell{common}; give --log (before the command) or --from DIR"
        )
        return Finding(Verdict.UNPROVEN, first, second, meaning)


def _two_roots(first: Held, second: Held) -> Finding:
    meaning = (
        f"the log has signed two roots for the same {first.size} leaves: it has shown different histories, or its key "
        "is in other hands"
    )
    return Finding(Verdict.CONTRADICTION, first, second, meaning)


def _begins(tree: Tree, held: Held) -> bool:
    return begins_with(held.size, held.root, tree.held.size, tree.held.root, tree.hash_at)


def _not_begun_with(held: Held, tree: Tree) -> Finding:
    second, root = tree.held, root_of(held.size, tree.hash_at)
    proof = tuple(consistency_proof(held.size, second.size, tree.hash_at))
    check_consistency(held.size, root, second.size, second.root, proof)
    meaning = (
        f"the log has signed a tree of {held.size} leaves, and a tree of {second.size} leaves that begins otherwise: it has "
        "shown different histories, or its key is in other hands"
    )
    return Finding(Verdict.CONTRADICTION, held, second, meaning, root, proof)


def _cut(held: Held, newest: Held) -> Finding:
    if not newest.note:
        meaning = (
            f"the log has signed {held.size} leaves, and {newest.where} has no checkpoint at all: they were deleted, or it "
            "is another log"
        )
        return Finding(Verdict.CUT, newest._replace(origin=held.origin), held, meaning)
    meaning = (
        f"the log has signed {held.size} leaves, and what is there now ends with {newest.size}: its end was cut off, or "
        f"{newest.where} is another branch of it, or an old copy"
    )
    return Finding(Verdict.CUT, newest, held, meaning)


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
