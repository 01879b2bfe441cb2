"""The case map: a Merkle tree over all cases of a log, so that "the case stands at event 7" and "there is no such case"
can both be proven.

A case stands at the 256 bits of its key, SHA-256 of its id. The tree is *compact*: a subtree without cases is 32 zero
bytes; one with a single case is the case's leaf, at whatever depth; any other is the node over its halves. So a path is
about as long as the number of cases has bits (see docs/decisions/0004-compact-case-map.md), and the root follows from
the cases alone, not from the order in which they came.

Stored are the cases and, for the ``BUCKET_BITS`` first bits of the key, the root of each such bucket; the tree above is
in memory, the tree within a bucket is computed from its cases. All that follows from the log and can be built anew.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from operator import itemgetter
from sqlite3 import Connection
from typing import Final

from casetrail.proofs.errors import ProofInvalid

KEY_BITS: Final = 256
HASH_BYTES: Final = 32
EMPTY: Final = bytes(HASH_BYTES)
"""Stands for a subtree without cases; the root of the map without cases."""
BUCKET_BITS: Final = 16
FIRST: Final = 1 << BUCKET_BITS
PAGE: Final = 256
"""Bucket roots that are stored together."""
NO_CASE, ONE_CASE, CASES = range(3)

Entry = tuple[int, bytes]
"""What the map says of a case: the number of its events, and the leaf hash of the last one."""

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS map_case (
    key BLOB PRIMARY KEY, number INTEGER NOT NULL, last_hash BLOB NOT NULL, leaf BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS map_page (page INTEGER PRIMARY KEY, roots BLOB NOT NULL, kinds BLOB NOT NULL)
"""


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
        right = bits >> (KEY_BITS - 1 - level) & 1
        computed = _node(sibling, computed) if right else _node(computed, sibling)
    if computed != root:
        raise ProofInvalid("the map proof does not lead to the root of the case map")


def _end_of_way(bits: int, key: bytes, depth: int, entry: Entry | None, other: tuple[bytes, bytes] | None) -> bytes:
    if entry is not None:
        if other is not None:
            raise ProofInvalid("the map proof of a case shows another case in its place")
        number, last_hash = entry
        if len(last_hash) != HASH_BYTES or not 0 <= number < 1 << 63:
            raise ProofInvalid("the entry of the case is not a number of events and a hash")
        return leaf_of(key, case_value(number, last_hash))
    if other is None:
        return EMPTY
    if other[0] == key:
        raise ProofInvalid("the map proof of absence shows the case itself")
    if (int.from_bytes(other[0]) ^ bits) >> (KEY_BITS - depth):
        raise ProofInvalid("the map proof of absence shows a case that stands elsewhere")
    return leaf_of(*other)


class _Subtree:
    """Cases in the order of their keys: all whose keys begin with the same bits."""

    def __init__(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        self.keys: list[int] = []
        self.leaves: list[bytes] = []
        for key, leaf in rows:
            self.keys.append(int.from_bytes(key))
            self.leaves.append(leaf)

    def middle(self, start: int, end: int, depth: int) -> int:
        """Where cases ``start`` to ``end``, which share ``depth`` bits, divide by the next bit."""
        rest = KEY_BITS - 1 - depth
        return bisect_left(self.keys, (self.keys[start] >> rest | 1) << rest, start, end)

    def root(self, start: int, end: int, depth: int) -> bytes:
        if end - start == 1:
            return self.leaves[start]
        if start == end:
            return EMPTY
        middle = self.middle(start, end, depth)
        return _node(self.root(start, middle, depth + 1), self.root(middle, end, depth + 1))


class CaseMap:
    """The case map of one log in a SQLite database.

    Never begins or ends a transaction: what ``update`` wrote becomes lasting, or not, with the caller's transaction.
    After a rollback call ``reload``.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        # A heap: node i has the children 2i and 2i + 1, the root is node 1, bucket b is node FIRST + b.
        self._hashes = bytearray(2 * FIRST * HASH_BYTES)
        self._kinds = bytearray(2 * FIRST)
        self.reload()

    def reload(self) -> None:
        """Take the state from the database: after a rollback, or when somebody else wrote."""
        stored = {page: (roots, kinds) for page, roots, kinds in self._connection.execute("SELECT * FROM map_page")}
        nodes: set[int] = set()
        for at in range(FIRST, 2 * FIRST, PAGE):
            roots, kinds = stored.get((at - FIRST) // PAGE, (bytes(PAGE * HASH_BYTES), bytes(PAGE)))
            place = slice(at * HASH_BYTES, (at + PAGE) * HASH_BYTES)
            if self._hashes[place] != roots or self._kinds[at : at + PAGE] != kinds:
                self._hashes[place] = roots
                self._kinds[at : at + PAGE] = kinds
                nodes.update(range(at, at + PAGE))
        self._raise(nodes)

    @property
    def root(self) -> bytes:
        """The root of the map."""
        return self._hash(1)

    def get(self, key: bytes) -> Entry | None:
        """The entry of a case, or None where the map has no such case."""
        found = self._connection.execute("SELECT number, last_hash FROM map_case WHERE key = ?", (key,)).fetchone()
        return None if found is None else (found[0], found[1])

    def update(self, changes: Mapping[bytes, Entry | None]) -> bytes:
        """Set the entries of cases, new ones or known ones, and return the new root. None takes a case out again."""
        rows, gone = [], []
        for key, entry in sorted(changes.items(), key=itemgetter(0)):
            if entry is None:
                gone.append((key,))
                continue
            number, last_hash = entry
            if len(key) != HASH_BYTES or len(last_hash) != HASH_BYTES:
                raise ValueError(f"keys and hashes are {HASH_BYTES} bytes long")
            rows.append((key, number, last_hash, leaf_of(key, case_value(number, last_hash))))
        self._connection.executemany("DELETE FROM map_case WHERE key = ?", gone)
        self._connection.executemany("INSERT OR REPLACE INTO map_case VALUES (?, ?, ?, ?)", rows)
        self._renew({int.from_bytes(key[:4]) >> 32 - BUCKET_BITS for key in changes})
        return self.root

    def _renew(self, buckets: set[int]) -> None:
        """Compute these buckets anew from their cases, and what stands above them."""
        for bucket in buckets:
            cases = self._cases(bucket, BUCKET_BITS)
            count = len(cases.keys)
            self._set(FIRST + bucket, cases.root(0, count, BUCKET_BITS), min(count, CASES))
        self._store_pages({bucket // PAGE for bucket in buckets})
        self._raise({FIRST + bucket for bucket in buckets})

    def prove(self, key: bytes) -> MapProof:
        """The proof that ``key`` has the entry ``get(key)``, or, for None, that the map has no such case."""
        bits, siblings, node, depth = int.from_bytes(key), [], 1, 0
        while depth < BUCKET_BITS and self._kinds[node] == CASES:
            node = 2 * node + (bits >> (KEY_BITS - 1 - depth) & 1)
            siblings.append(self._hash(node ^ 1))
            depth += 1
        cases = self._cases(bits >> (KEY_BITS - depth), depth)
        start, end = 0, len(cases.keys)
        while end - start > 1:
            middle = cases.middle(start, end, depth)
            if bits >> (KEY_BITS - 1 - depth) & 1:
                siblings.append(cases.root(start, middle, depth + 1))
                start = middle
            else:
                siblings.append(cases.root(middle, end, depth + 1))
                end = middle
            depth += 1
        return MapProof(tuple(siblings), self._other(cases.keys[start:end], bits))

    def _other(self, found: Sequence[int], bits: int) -> tuple[bytes, bytes] | None:
        """Key and value of the case that stands where ``bits`` would."""
        if not found or found[0] == bits:
            return None
        key = found[0].to_bytes(HASH_BYTES)
        entry = self.get(key)
        assert entry is not None  # read a moment ago, in the same transaction
        return key, case_value(*entry)

    def _cases(self, prefix: int, depth: int) -> _Subtree:
        """The cases whose keys begin with the ``depth`` bits of ``prefix``."""
        low = prefix << (KEY_BITS - depth)
        high = low + (1 << (KEY_BITS - depth)) - 1
        return _Subtree(
            self._connection.execute(
                "SELECT key, leaf FROM map_case WHERE key BETWEEN ? AND ? ORDER BY key",
                (low.to_bytes(HASH_BYTES), high.to_bytes(HASH_BYTES)),
            )
        )

    def _hash(self, node: int) -> bytes:
        return bytes(self._hashes[node * HASH_BYTES : (node + 1) * HASH_BYTES])

    def _set(self, node: int, value: bytes, kind: int) -> None:
        self._hashes[node * HASH_BYTES : (node + 1) * HASH_BYTES] = value
        self._kinds[node] = kind

    def _raise(self, nodes: set[int]) -> None:
        """Compute anew what stands above these nodes, which are of one level."""
        kinds = self._kinds
        while nodes and 1 not in nodes:
            nodes = {node >> 1 for node in nodes}
            for node in nodes:
                left, right = 2 * node, 2 * node + 1
                if kinds[left] + kinds[right] < CASES:  # a lone case stands for the whole subtree
                    self._set(node, self._hash(left if kinds[left] else right), kinds[left] + kinds[right])
                else:
                    self._set(node, _node(self._hash(left), self._hash(right)), CASES)

    def _store_pages(self, pages: set[int]) -> None:
        for page in pages:
            at = FIRST + page * PAGE
            roots = self._hashes[at * HASH_BYTES : (at + PAGE) * HASH_BYTES]
            self._connection.execute(
                "INSERT OR REPLACE INTO map_page VALUES (?, ?, ?)", (page, roots, self._kinds[at : at + PAGE])
            )
