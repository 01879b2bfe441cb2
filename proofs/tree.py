"""The Merkle tree of RFC 6962, section 2.1: its root, its proofs, and their verification (RFC 9162, 2.1.3 and 2.1.4).

Leaves stand here as their hashes (``eventlog.hashing.leaf_hash``). A *perfect* subtree has 2^level leaves and is named
by its level and its index within the level; its hash never changes again, so whoever makes proofs needs no more than a
function that gives these hashes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from struct import Struct
from typing import Final, Self

from casetrail.proofs.errors import ProofInvalid

HASH_BYTES: Final = 32
RUN: Final = Struct(f"{HASH_BYTES}s")
EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of the tree without leaves."""

HashAt = Callable[[int, int], bytes]
"""``hash_at(level, index)``: the hash of the perfect subtree over leaves ``index * 2^level`` to ``(index + 1) * 2^level``."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right): the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def hashes_in(data: bytes | bytearray) -> list[bytes]:
    """The hashes that stand one after the other in these bytes."""
    return [one for (one,) in RUN.iter_unpack(data)]  # cut out one by one they would take three times as long


def parents(hashes: Iterable[bytes]) -> list[bytes]:
    """The level above: the node hash of each pair. A last hash without a partner is left out."""
    pairs = iter(hashes)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]


class Frontier:
    """The right edge of a growing tree: the hashes of the perfect subtrees that make it up, the largest first.

    That is all that appending and the root need: as many hashes as ``size`` has one bits.
    """

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self._hashes = list(hashes)
        if size < 0 or len(self._hashes) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves is not made up of {len(self._hashes)} perfect subtrees")

    @classmethod
    def of(cls, size: int, hash_at: HashAt) -> Self:
        """The right edge of a tree of ``size`` leaves whose hashes are at hand."""
        return cls(size, [hash_at(level, index) for level, index in _perfect(0, size)])

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes of the perfect subtrees, from left to right."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Append one leaf, given as its hash."""
        hashes, size = self._hashes, self.size
        while size & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Append leaves, given as their hashes. Takes memory for all of them: give millions in parts."""
        nodes, edge, rest, size = list(leaves), self._hashes, [], self.size
        self.size += len(nodes)
        while nodes:
            if size & 1:
                nodes.insert(0, edge.pop())
            if len(nodes) & 1:
                rest.append(nodes.pop())
            nodes = parents(nodes)
            size >>= 1
        edge.extend(reversed(rest))

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        return _folded(self._hashes)

    def copy(self) -> Self:
        """The same tree, which then grows on its own."""
        return type(self)(self.size, self._hashes)


def _folded(hashes: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees that stand side by side, the largest first."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in hashes[-2::-1]:
        root = node_hash(left, root)
    return root


def _perfect(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Level and index of the perfect subtrees over leaves ``start`` to ``end``, where the tree has a node over them."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _range_root(start: int, end: int, hash_at: HashAt) -> bytes:
    return _folded([hash_at(level, index) for level, index in _perfect(start, end)])


def _split(start: int, end: int) -> int:
    """Where a node over leaves ``start`` to ``end`` divides: after the largest power of two that leaves a right side."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def root_of(size: int, hash_at: HashAt) -> bytes:
    """The root of the tree of the first ``size`` leaves."""
    return _range_root(0, size, hash_at)


def inclusion_proof(index: int, size: int, hash_at: HashAt) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962, 2.1.1: the siblings on the way from the leaf to the root, lowest first."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    proof, start, end = [], 0, size
    while end - start > 1:
        middle = _split(start, end)
        if index < middle:
            proof.append(_range_root(middle, end, hash_at))
            end = middle
        else:
            proof.append(_range_root(start, middle, hash_at))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, hash_at: HashAt) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962, 2.1.2: that the tree of ``new`` leaves begins with the tree of ``old`` leaves.

    Empty where there is nothing to prove: from the empty tree, and from a tree to itself.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves does not extend one of {old} leaves")
    if old in (0, new):
        return []
    proof, start, end = [], 0, new
    while end != old:
        middle = _split(start, end)
        if old <= middle:
            proof.append(_range_root(middle, end, hash_at))
            end = middle
        else:
            proof.append(_range_root(start, middle, hash_at))
            start = middle
    if start:
        proof.append(_range_root(start, end, hash_at))
    return proof[::-1]


def begins_with(size: int, root: bytes, whole: int, whole_root: bytes, hash_at: HashAt) -> bool:
    """Whether the tree of ``whole`` leaves begins with one of ``size`` leaves and this root: proven, whichever it is.

    That ``root_of`` gives the same root is no proof: it takes other hashes than the whole tree's root does, and whoever has made
    these may have taken them from two trees. Raises ``ProofInvalid`` where the hashes prove neither, ``ValueError`` for a larger
    size.
    """
    proof = consistency_proof(size, whole, hash_at)
    try:
        check_consistency(size, root, whole, whole_root, proof)
        return True
    except ProofInvalid:
        own = root_of(size, hash_at)
    try:
        check_consistency(size, own, whole, whole_root, proof)
    except ProofInvalid as error:
        raise ProofInvalid(
            f"the hashes contradict each other: those of the first {size} leaves are not those of the {whole} that they belong to"
        ) from error
    return own == root


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf (its hash) stands at ``index`` in the tree of ``size`` leaves with this root.

    Raises ``ProofInvalid``. RFC 9162, 2.1.3.2.
    """
    _check_lengths(leaf, root, *proof)
    if not 0 <= index < size:
        raise ProofInvalid(f"leaf {index} is not in a tree of {size} leaves")
    position, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofInvalid(f"the inclusion proof of leaf {index} is too long for a tree of {size} leaves")
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            rise = _trailing_zeros(position)
            position, last = position >> rise, last >> rise
        else:
            computed = node_hash(computed, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofInvalid(f"the inclusion proof of leaf {index} is too short for a tree of {size} leaves")
    if computed != root:
        raise ProofInvalid(f"the proof does not lead from leaf {index} to the root of the tree of {size} leaves")


def check_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of ``new_size`` leaves begins with the tree of ``old_size`` leaves.

    Raises ``ProofInvalid``. RFC 9162, 2.1.4.2. From the empty tree, whose root is ``EMPTY_ROOT``, and from a tree to
    itself only the empty proof is valid (C2SP tlog-witness).
    """
    _check_lengths(old_root, new_root, *proof)
    if not 0 <= old_size <= new_size:
        raise ProofInvalid(f"a tree of {new_size} leaves does not extend one of {old_size} leaves")
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise ProofInvalid("the root given for a tree without leaves is not the hash of nothing")
    if old_size in (0, new_size):
        if proof:
            raise ProofInvalid(f"from {old_size} to {new_size} leaves the consistency proof must be empty")
        if old_size and old_root != new_root:
            raise ProofInvalid(f"two roots for the same {old_size} leaves: the history was forked")
        return
    _check_growth(old_size, old_root, new_size, new_root, proof)


def _check_growth(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    hashes = list(proof)
    if old_size & old_size - 1 == 0:
        hashes.insert(0, old_root)
    if not hashes:
        raise ProofInvalid(f"the consistency proof from {old_size} to {new_size} leaves is empty")
    rise = _trailing_zeros(old_size)
    position, last = old_size - 1 >> rise, new_size - 1 >> rise
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofInvalid(f"the consistency proof from {old_size} to {new_size} leaves is too long")
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            rise = _trailing_zeros(position)
            position, last = position >> rise, last >> rise
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofInvalid(f"the consistency proof from {old_size} to {new_size} leaves is too short")
    if old != old_root or new != new_root:
        raise ProofInvalid(f"the tree of {new_size} leaves is not shown to begin with that of {old_size} leaves")


def _trailing_zeros(number: int) -> int:
    """How often ``number`` can be halved; 0 for 0."""
    return (number & -number).bit_length() - 1 if number else 0


def _check_lengths(*hashes: bytes) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofInvalid(f"a hash in the proof is not {HASH_BYTES} bytes long")
