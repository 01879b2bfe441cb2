"""Hashes, the Merkle tree and inclusion proofs: RFC 6962. What all of the program needs."""

from base64 import b64decode
from hashlib import sha256

ZERO = bytes(32)


class Wrong(Exception):
    """Something does not hold."""


def need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)


def base64(text: str) -> bytes:
    return b64decode(text, validate=True)


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """The complete subtrees of the leaves so far, the largest first: the height and the hash of each."""

    def __init__(self) -> None:
        self.size = 0
        self.parts: list[tuple[int, bytes]] = []

    def append(self, hashed: bytes) -> None:
        height = 0
        while self.parts and self.parts[-1][0] == height:
            height, hashed = height + 1, node_hash(self.parts.pop()[1], hashed)
        self.parts.append((height, hashed))
        self.size += 1

    def root(self) -> bytes:
        if not self.parts:
            return sha256(b"").digest()
        *others, (_, hashed) = self.parts
        for _, left in reversed(others):
            hashed = node_hash(left, hashed)
        return hashed


def root_by(proof: list[bytes], index: int, size: int, hashed: bytes) -> bytes:
    """The root to which an inclusion proof leads (RFC 9162, 2.1.3.2)."""
    need(0 <= index < size, f"there is no leaf {index} under a checkpoint of {size} leaves")
    at, last = index, size - 1
    for beside in proof:
        need(last > 0, f"the proof of leaf {index} is too long")
        if at & 1 or at == last:
            hashed = node_hash(beside, hashed)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            hashed = node_hash(hashed, beside)
        at, last = at >> 1, last >> 1
    need(last == 0, f"the proof of leaf {index} is too short")
    return hashed
