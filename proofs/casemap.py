"""The case map: a Merkle tree over all cases of a log, so that "the case stands at event 7" and "there is no such case"
can both be proven.

A case stands at the 256 bits of its key, SHA-256 of its id. The tree is *compact*: a subtree without cases is 32 zero
bytes; one with a single case is the case's leaf, at whatever depth; any other is the node over its halves. So a path is
about as long as the number of cases has bits (see docs/decisions/0004-compact-case-map.md), and the root follows from
the cases alone, not from the order in which they came.

Cases that share the first ``BUCKET_BITS`` bits make a bucket. Stored are the cases, and the roots of the buckets; the tree
above the buckets is in memory (at most 40 MB, for any number of cases), the tree within one is computed from its cases.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from sqlite3 import Connection
from typing import Final

from casetrail.proofs.errors import ProofInvalid
from casetrail.proofs.tree import hashes_in

HASH_BYTES: Final = 32
KEY_BITS: Final = 256
EMPTY: Final = bytes(HASH_BYTES)
"""Stands for a subtree without cases; the root of the map without cases."""
BUCKET_BITS: Final = 18
"""No part of the map's definition, but of what is stored: with another number the tables must be made anew."""
FIRST: Final = 1 << BUCKET_BITS
PAGE: Final = 256
"""Bucket roots that are stored together."""
ASKED: Final = 400
"""Cases that are looked up by one statement."""
NO_CASE, ONE_CASE, CASES = range(3)
"""What a subtree has: the three kinds that the compact form tells apart."""

Entry = tuple[int, bytes]
"""What the map says of a case: the number of its events, and the leaf hash of the last one."""

SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS map_case (
        bucket INTEGER, key BLOB, number INTEGER NOT NULL, last_hash BLOB NOT NULL, leaf BLOB NOT NULL,
        PRIMARY KEY (bucket, key)
    ) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS map_page (page INTEGER PRIMARY KEY, roots BLOB NOT NULL, kinds BLOB NOT NULL)",
)


def case_key(case_id: str) -> bytes:
    """SHA-256 of the case id in UTF-8: where the case stands in the map."""
    return sha256(case_id.encode()).digest()


def case_value(number: int, last_hash: bytes) -> bytes:
    """SHA-256(number of events, 8 bytes big-endian ‖ leaf hash of the last one)."""
    return sha256(number.to_bytes(8, "big") + last_hash).digest()


def leaf_of(key: bytes, value: bytes) -> bytes:
    """SHA-256(0x00 ‖ key ‖ value): a subtree with this case only."""
    return sha256(b"\x00" + key + value).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class MapProof:
    """The way from the root towards a key, and what stands at its end."""

    siblings: tuple[bytes, ...]
    """The hashes of the subtrees beside the way, from the root down."""
    other: tuple[bytes, bytes] | None = None
    """For absence where another case stands at the end: its key and its value. Otherwise None."""


def check_map_proof(root: bytes, key: bytes, entry: Entry | None, proof: MapProof) -> None:
    """Check that in the map with this root the key has this entry, or, for None, that it has none.

    Raises ``ProofInvalid``.
    """
    depth = len(proof.siblings)
    if any(len(each) != HASH_BYTES for each in (root, key, *proof.siblings, *(proof.other or ()))):
        raise ProofInvalid(f"a hash in the map proof is not {HASH_BYTES} bytes long")
    if depth > KEY_BITS:
        raise ProofInvalid(f"the map proof is longer than the {KEY_BITS} bits of a key")
    bits = int.from_bytes(key)
    computed = _end_of_way(bits, key, depth, entry, proof.other)
    for level in reversed(range(depth)):
        sibling = proof.siblings[level]
        computed = _node(sibling, computed) if _bit(bits, level) else _node(computed, sibling)
    if computed != root:
        raise ProofInvalid("the map proof does not lead to the root of the case map")


def _end_of_way(bits: int, key: bytes, depth: int, entry: Entry | None, other: tuple[bytes, bytes] | None) -> bytes:
    """The hash of what the proof says to stand at the end of the way: the case, another one, or nothing."""
    if entry is not None:
        if other is not None:
            raise ProofInvalid("the map proof of a case shows another case in its place")
        try:
            return leaf_of(key, _checked_value(entry))
        except ValueError as error:
            raise ProofInvalid(f"the entry of the case is none: {error}") from error
    if other is None:
        return EMPTY
    if other[0] == key:
        raise ProofInvalid("the map proof of absence shows the case itself")
    if (int.from_bytes(other[0]) ^ bits) >> (KEY_BITS - depth):
        raise ProofInvalid("the map proof of absence shows a case that stands elsewhere")
    return leaf_of(*other)


def _checked_value(entry: Entry) -> bytes:
    number, last_hash = entry
    if not 0 < number < 1 << 63 or len(last_hash) != HASH_BYTES:
        raise ValueError(f"a case has at least one event, and the hash of the last one is {HASH_BYTES} bytes long")
    return case_value(number, last_hash)


def _bit(bits: int, depth: int) -> int:
    """Which way a key goes at a node of this depth: 0 left, 1 right."""
    return bits >> (KEY_BITS - 1 - depth) & 1


def _bucket(key: bytes) -> int:
    return int.from_bytes(key[:4]) >> 32 - BUCKET_BITS


class _Cases:
    """Some neighbouring cases of a bucket, in the order of their keys, and the trees over them."""

    def __init__(self, rows: Iterable[tuple[int, bytes, bytes]]) -> None:
        found = list(rows)
        self.keys = [int.from_bytes(key) for _, key, _ in found]
        self.leaves = [leaf for _, _, leaf in found]

    def middle(self, start: int, end: int, depth: int) -> int:
        """Where cases ``start`` to ``end``, which share ``depth`` bits, divide by the next bit."""
        rest = KEY_BITS - 1 - depth
        return bisect_left(self.keys, (self.keys[start] >> rest | 1) << rest, start, end)

    def root(self, start: int, end: int, depth: int) -> bytes:
        """The root of the subtree over cases ``start`` to ``end``, which share ``depth`` bits."""
        if end - start == 1:
            return self.leaves[start]
        if start == end:
            return EMPTY
        middle = self.middle(start, end, depth)
        return _node(self.root(start, middle, depth + 1), self.root(middle, end, depth + 1))


class CaseMap:
    """The case map of one log in a SQLite database, whose tables it makes where they are missing.

    Never begins or ends a transaction: what ``update`` wrote becomes lasting, or not, with the caller's transaction.
    After a rollback call ``reload``.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        for statement in SCHEMA:
            connection.execute(statement)
        # A heap: node i has the children 2i and 2i + 1, the root is node 1, bucket b is node FIRST + b.
        self._hashes = [EMPTY] * (2 * FIRST)  # cut out of one run of bytes, raising a node would take twice the time
        self._kinds = bytearray(2 * FIRST)
        self._unstored: set[int] = set()  # pages of buckets
        self.reload()

    def reload(self) -> None:
        """Take the state from the database: after a rollback, or when somebody else wrote."""
        self._unstored.clear()
        stored = {page: (roots, kinds) for page, roots, kinds in self._connection.execute("SELECT * FROM map_page")}
        nothing = (bytes(PAGE * HASH_BYTES), bytes(PAGE))
        changed: set[int] = set()
        for page in range(FIRST // PAGE):
            roots, kinds = stored.get(page, nothing)
            nodes = _page(page)
            if self._kinds[nodes] != kinds or b"".join(self._hashes[nodes]) != roots:
                both = zip(self._kinds[nodes], kinds, strict=True)
                changed.update(nodes.start + at for at, (was, now) in enumerate(both) if was or now)
                self._hashes[nodes], self._kinds[nodes] = hashes_in(roots), kinds
        self._raise(changed)

    @property
    def root(self) -> bytes:
        """The root of the map, 32 bytes; ``EMPTY`` without cases."""
        return self._hashes[1]

    def get(self, key: bytes) -> Entry | None:
        """The entry of a case, or None where the map has no such case."""
        where = (_bucket(key), key)
        query = "SELECT number, last_hash FROM map_case WHERE bucket = ? AND key = ?"
        found = self._connection.execute(query, where).fetchone()
        return None if found is None else (found[0], found[1])

    def get_all(self, keys: Iterable[bytes]) -> dict[bytes, Entry]:
        """The entries of those of many cases that the map has. One by one they would take twice the time."""
        found: dict[bytes, Entry] = {}
        wanted = sorted(keys)
        for start in range(0, len(wanted), ASKED):
            some = wanted[start : start + ASKED]
            query = (  # CROSS: it is the map that is searched, not the list
                f"WITH wanted (at, name) AS (VALUES {','.join(['(?, ?)'] * len(some))}) "  # noqa: S608  (nothing but marks)
                "SELECT key, number, last_hash FROM wanted CROSS JOIN map_case ON bucket = at AND key = name"
            )
            places = [part for key in some for part in (_bucket(key), key)]
            for key, number, last_hash in self._connection.execute(query, places):
                found[key] = number, last_hash
        return found

    def update(self, changes: Mapping[bytes, Entry | None], *, stores: bool = True) -> bytes:
        """Set the entries of cases, known or not, and return the new root. None takes a case out of the map.

        ``stores``: otherwise the roots of buckets are written by the next update that does, or by ``store``; a database whose
        transaction ends before that is of no use.
        """
        rows, gone = [], []
        for key, entry in sorted(changes.items(), key=itemgetter(0)):
            if len(key) != HASH_BYTES:
                raise ValueError(f"a key is {HASH_BYTES} bytes long")
            if entry is None:
                gone.append((_bucket(key), key))
            else:
                rows.append((_bucket(key), key, *entry, leaf_of(key, _checked_value(entry))))
        self._connection.executemany("DELETE FROM map_case WHERE bucket = ? AND key = ?", gone)
        self._connection.executemany("INSERT OR REPLACE INTO map_case VALUES (?, ?, ?, ?, ?)", rows)
        self._renew({_bucket(key) for key in changes})
        if stores:
            self.store()
        return self.root

    def store(self) -> None:
        """Write the roots of the buckets that have changed."""
        for page in self._unstored:
            nodes = _page(page)
            stored = (page, b"".join(self._hashes[nodes]), self._kinds[nodes])
            self._connection.execute("INSERT OR REPLACE INTO map_page VALUES (?, ?, ?)", stored)
        self._unstored.clear()

    def _renew(self, buckets: set[int]) -> None:
        """Compute these buckets anew from their cases, and what stands above them."""
        for bucket in buckets:
            self._set(FIRST + bucket, EMPTY, NO_CASE)
        # One statement for all buckets: a hundred thousand small ones would take longer than the hashing.
        query = """SELECT bucket, key, leaf FROM map_case
            WHERE bucket IN (SELECT value FROM json_each(?)) ORDER BY bucket, key"""
        for bucket, rows in groupby(self._connection.execute(query, (json.dumps([*buckets]),)), itemgetter(0)):
            found = list(rows)
            if len(found) == 1:
                self._set(FIRST + bucket, found[0][2], ONE_CASE)
            else:
                self._set(FIRST + bucket, _Cases(found).root(0, len(found), BUCKET_BITS), CASES)
        self._unstored |= {bucket // PAGE for bucket in buckets}
        self._raise({FIRST + bucket for bucket in buckets})

    def prove(self, key: bytes) -> MapProof:
        """The proof that ``key`` has the entry ``get(key)``, or, for None, that the map has no such case."""
        bits, siblings, node, depth = int.from_bytes(key), [], 1, 0
        while depth < BUCKET_BITS and self._kinds[node] == CASES:
            node = 2 * node + _bit(bits, depth)
            siblings.append(self._hashes[node ^ 1])
            depth += 1
        cases = self._below(node, depth)
        start, end = 0, len(cases.keys)
        while end - start > 1:
            middle = cases.middle(start, end, depth)
            depth += 1
            if _bit(bits, depth - 1):
                siblings.append(cases.root(start, middle, depth))
                start = middle
            else:
                siblings.append(cases.root(middle, end, depth))
                end = middle
        return MapProof(tuple(siblings), self._other(cases.keys[start:end], bits))

    def _below(self, node: int, depth: int) -> _Cases:
        """The cases of the buckets below a node of this depth."""
        rest = BUCKET_BITS - depth
        first = (node << rest) - FIRST
        query = "SELECT bucket, key, leaf FROM map_case WHERE bucket BETWEEN ? AND ? ORDER BY bucket, key"
        return _Cases(self._connection.execute(query, (first, first + (1 << rest) - 1)))

    def _other(self, found: Sequence[int], bits: int) -> tuple[bytes, bytes] | None:
        """Key and value of the case that stands where ``bits`` would."""
        if not found or found[0] == bits:
            return None
        key = found[0].to_bytes(HASH_BYTES)
        entry = self.get(key)
        assert entry is not None  # it was read a moment ago
        return key, case_value(*entry)

    def _set(self, node: int, value: bytes, kind: int) -> None:
        self._hashes[node], self._kinds[node] = value, kind

    def _raise(self, nodes: set[int]) -> None:
        """Compute anew what stands above these nodes, which are all of one depth."""
        hashes, kinds = self._hashes, self._kinds
        while nodes and 1 not in nodes:
            nodes = {node >> 1 for node in nodes}
            for node in nodes:
                left = 2 * node
                children = kinds[left] + kinds[left + 1]
                if children >= CASES:
                    hashes[node], kinds[node] = sha256(b"\x01" + hashes[left] + hashes[left + 1]).digest(), CASES
                else:  # a single case stands for the whole subtree
                    hashes[node], kinds[node] = hashes[left + kinds[left + 1]], children


def _page(page: int) -> slice:
    """Where the buckets of a page are among the nodes."""
    first = FIRST + page * PAGE
    return slice(first, first + PAGE)
