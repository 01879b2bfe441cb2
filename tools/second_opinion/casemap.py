"""The map of cases: docs/proofs.md."""

from bisect import bisect_left, insort
from hashlib import sha256
from typing import Any

from .hashes import ZERO, base64, need, node_hash


def map_key(case_id: str) -> int:
    return int.from_bytes(sha256(case_id.encode()).digest(), "big")


def map_value(events: int, last_hash: bytes) -> bytes:
    return sha256(events.to_bytes(8, "big") + last_hash).digest()


def map_leaf(key: int, value: bytes) -> bytes:
    return sha256(b"\x00" + key.to_bytes(32, "big") + value).digest()


class CaseMap:
    """All cases with their values. The hash of a subtree is remembered until something in it changes."""

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.values: dict[int, bytes] = {}
        self.known: dict[tuple[int, int], bytes] = {}

    def put(self, key: int, value: bytes) -> None:
        if key not in self.values:
            insort(self.keys, key)
        self.values[key] = value
        for depth in range(257):
            self.known.pop((depth, key >> 256 - depth), None)

    def root(self) -> bytes:
        return self._root(0, 0, 0, len(self.keys))

    def _root(self, depth: int, prefix: int, start: int, end: int) -> bytes:
        """Of the subtree of ``keys[start:end]``: those whose first ``depth`` bits are ``prefix``."""
        if start == end:
            return ZERO
        if (depth, prefix) not in self.known:
            self.known[depth, prefix] = self._hash(depth, prefix, start, end)
        return self.known[depth, prefix]

    def _hash(self, depth: int, prefix: int, start: int, end: int) -> bytes:
        if end - start == 1:
            return map_leaf(self.keys[start], self.values[self.keys[start]])
        middle = bisect_left(self.keys, (2 * prefix + 1) << 255 - depth, start, end)
        left = self._root(depth + 1, 2 * prefix, start, middle)
        return node_hash(left, self._root(depth + 1, 2 * prefix + 1, middle, end))


def map_root_by(siblings: list[bytes], key: int, end: bytes) -> bytes:
    """The root to which a map proof leads. ``end``: what stands at the end of the way to the key."""
    for depth in reversed(range(len(siblings))):
        to_the_right = key >> 255 - depth & 1
        end = node_hash(siblings[depth], end) if to_the_right else node_hash(end, siblings[depth])
    return end


def check_map_proof(case_id: str, proof: dict[str, Any], value: bytes | None, root: bytes) -> None:
    key, siblings, other = map_key(case_id), [base64(one) for one in proof["siblings"]], proof["other"]
    end = ZERO if value is None else map_leaf(key, value)
    if value is None and other is not None:
        found, below = int.from_bytes(base64(other["key"]), "big"), 256 - len(siblings)
        need(found != key and found >> below == key >> below, "the other case does not stand where this one would")
        end = map_leaf(found, base64(other["value"]))
    need(map_root_by(siblings, key, end) == root, "the proof does not lead to the map of cases")
