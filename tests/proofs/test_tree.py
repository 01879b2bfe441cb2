"""The tree is that of RFC 6962, and a proof that was touched anywhere proves nothing."""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.eventlog.hashing import leaf_hash
from casetrail.proofs.errors import ProofInvalid
from casetrail.proofs.tree import (
    EMPTY_ROOT,
    Frontier,
    HashAt,
    begins_with,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    node_hash,
    root_of,
)

# The reference entries, hashes and proofs of the Certificate Transparency project (merkletree tests of
# google/certificate-transparency; testonly/ of transparency-dev/merkle). "hN-M" below is the node over leaves N to M.
ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
H = {
    "h0": "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "h1": "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "h4": "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "h6": "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
    "h0-1": "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "h2-3": "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "h4-5": "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "h6-7": "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "h0-3": "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "h4-7": "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
}
INCLUSION = [
    (0, 1, []),
    (0, 8, ["h1", "h2-3", "h4-7"]),
    (5, 8, ["h4", "h6-7", "h0-3"]),
    (2, 3, ["h0-1"]),
    (1, 5, ["h0", "h2-3", "h4"]),
]
CONSISTENCY = [
    (0, 8, []),
    (1, 1, []),
    (1, 8, ["h1", "h2-3", "h4-7"]),
    (6, 8, ["h4-5", "h6-7", "h0-3"]),
    (2, 5, ["h2-3", "h4"]),
    (6, 7, ["h4-5", "h6", "h0-3"]),
]
REFERENCE = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]

MANY = [leaf_hash(number.to_bytes(4)) for number in range(600)]
sizes = st.integers(0, len(MANY))


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, as it is written there (over leaf hashes)."""
    if len(leaves) == 0:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def hashes_of(leaves: Sequence[bytes]) -> HashAt:
    """The perfect subtrees of these leaves; asking for one that they do not have fails."""

    def hash_at(level: int, index: int) -> bytes:
        subtree = leaves[index << level : (index + 1) << level]
        assert len(subtree) == 1 << level
        return naive_root(subtree)

    return hash_at


def touched(proof: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The proof with one thing changed, in every way that a forger would begin with."""
    for at, each in enumerate(proof):
        for byte in (0, 31):
            changed = bytearray(each)
            changed[byte] ^= 1
            yield [*proof[:at], bytes(changed), *proof[at + 1 :]]
        yield [*proof[:at], *proof[at + 1 :]]
        yield [*proof[:at], each, *proof[at:]]
        yield [*proof[:at], each[:-1], *proof[at + 1 :]]
        if at:
            yield [*proof[: at - 1], each, proof[at - 1], *proof[at + 1 :]]
    yield [*proof, bytes(32)]
    yield [bytes(32), *proof]


def refused(check: Callable[..., None], *arguments: object) -> None:
    with pytest.raises(ProofInvalid) as caught:
        check(*arguments)
    assert caught.value.code == "proof-invalid"


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_reference_tree(size: int) -> None:
    tree = Frontier()
    tree.extend(REFERENCE[:size])
    assert tree.root().hex() == ROOTS[size]
    assert root_of(size, hashes_of(REFERENCE)).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "expected"), INCLUSION)
def test_inclusion_proofs_are_those_of_the_reference_tree(index: int, size: int, expected: list[str]) -> None:
    proof = inclusion_proof(index, size, hashes_of(REFERENCE))
    assert [each.hex() for each in proof] == [H[name] for name in expected]
    check_inclusion(REFERENCE[index], index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new", "expected"), CONSISTENCY)
def test_consistency_proofs_are_those_of_the_reference_tree(old: int, new: int, expected: list[str]) -> None:
    proof = consistency_proof(old, new, hashes_of(REFERENCE))
    assert [each.hex() for each in proof] == [H[name] for name in expected]
    check_consistency(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), proof)


@given(sizes)
def test_the_root_is_the_recursive_definition_of_the_rfc(size: int) -> None:
    assert root_of(size, hashes_of(MANY)) == naive_root(MANY[:size])


@given(st.lists(st.integers(0, 300), max_size=4), st.integers(0, 20))
def test_leaves_one_by_one_and_in_any_parts_make_the_same_tree(parts: list[int], singly: int) -> None:
    tree, size = Frontier(), 0
    for part in parts:
        leaves = [leaf_hash(number.to_bytes(4)) for number in range(size, size + part)]
        tree.extend(leaves)
        size += part
    for number in range(size, size + singly):
        tree.append(leaf_hash(number.to_bytes(4)))
    size += singly
    leaves = [leaf_hash(number.to_bytes(4)) for number in range(size)]
    assert (tree.size, tree.root()) == (size, naive_root(leaves))
    assert len(tree.hashes) == size.bit_count()
    again = Frontier.of(size, hashes_of(leaves))
    assert (again.size, again.hashes) == (tree.size, tree.hashes)


def test_a_copy_grows_on_its_own() -> None:
    tree = Frontier()
    tree.extend(MANY[:7])
    root, copy = tree.root(), tree.copy()
    copy.extend(MANY[7:20])
    assert (tree.size, tree.root()) == (7, root)
    assert (copy.size, copy.root()) == (20, naive_root(MANY[:20]))


def test_a_frontier_that_does_not_fit_its_size_is_not_taken() -> None:
    with pytest.raises(ValueError, match="perfect subtrees"):
        Frontier(3, [MANY[0]])


@given(st.data())
def test_every_leaf_is_proven_in_every_tree(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(MANY)))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, hashes_of(MANY))
    check_inclusion(MANY[index], index, size, proof, naive_root(MANY[:size]))


@given(sizes, sizes)
def test_every_tree_is_proven_to_begin_every_longer_one(one: int, other: int) -> None:
    old, new = sorted((one, other))
    proof = consistency_proof(old, new, hashes_of(MANY))
    check_consistency(old, naive_root(MANY[:old]), new, naive_root(MANY[:new]), proof)


@pytest.mark.parametrize("size", [*range(1, 18), 31, 32, 33])
def test_a_touched_inclusion_proof_proves_nothing(size: int) -> None:
    root = naive_root(MANY[:size])
    for index in range(size):
        proof = inclusion_proof(index, size, hashes_of(MANY))
        for changed in touched(proof):
            refused(check_inclusion, MANY[index], index, size, changed, root)
        for other in (set(range(-1, size + 2))) - {index}:
            refused(check_inclusion, MANY[index], other, size, proof, root)
        refused(check_inclusion, MANY[size], index, size, proof, root)
        refused(check_inclusion, MANY[index], index, size, proof, naive_root(MANY[: size + 1]))
        refused(check_inclusion, MANY[index][:31], index, size, proof, root)


@pytest.mark.parametrize("new", [*range(1, 18), 31, 32, 33])
def test_a_touched_consistency_proof_proves_nothing(new: int) -> None:
    new_root = naive_root(MANY[:new])
    for old in range(new + 1):
        old_root = naive_root(MANY[:old])
        proof = consistency_proof(old, new, hashes_of(MANY))
        for changed in touched(proof):
            refused(check_consistency, old, old_root, new, new_root, changed)
        forged = naive_root([*MANY[: max(old - 1, 0)], MANY[-1]])
        refused(check_consistency, old, forged, new, new_root, proof)
        if old:
            refused(check_consistency, old, old_root, new, naive_root([MANY[-1], *MANY[1:new]]), proof)


def test_a_history_that_was_changed_is_never_consistent_with_what_was_before() -> None:
    """The forger chooses the proof freely: that of the old history, that of the new one, none, or one hash of each."""
    changed = [MANY[0], MANY[-1], *MANY[2:]]
    for old, new in ((2, 3), (2, 8), (3, 7), (4, 8), (5, 5), (8, 13)):
        proofs = [consistency_proof(old, new, hashes_of(leaves)) for leaves in (MANY, changed)]
        for proof in (*proofs, [], [naive_root(MANY[:old]), *proofs[1]], [naive_root(changed[:old]), *proofs[1]]):
            refused(check_consistency, old, naive_root(MANY[:old]), new, naive_root(changed[:new]), proof)


@given(sizes, sizes)
def test_whether_a_tree_begins_with_another_is_proven_either_way(one: int, other: int) -> None:
    old, new = sorted((one, other))
    whole, at = naive_root(MANY[:new]), hashes_of(MANY)
    assert begins_with(old, naive_root(MANY[:old]), new, whole, at)
    assert not begins_with(old, naive_root([MANY[-1], *MANY[1:old]] if old else MANY[:1]), new, whole, at)


def test_hashes_of_two_trees_prove_nothing_about_either() -> None:
    """The first leaves of another history, below the levels that the whole tree's root is made of."""
    other = [*MANY[:256], *MANY[:344]]

    def mixed(level: int, index: int) -> bytes:
        return hashes_of(other if level < 8 and 256 <= index << level < 512 else MANY)(level, index)

    assert root_of(600, mixed) == naive_root(MANY)
    assert root_of(300, mixed) == naive_root(other[:300])
    for leaves in (MANY, other):
        with pytest.raises(ProofInvalid, match="contradict each other"):
            begins_with(300, naive_root(leaves[:300]), 600, naive_root(MANY), mixed)


def test_a_shorter_tree_is_no_extension() -> None:
    for proof in ([], consistency_proof(5, 8, hashes_of(MANY))):
        with pytest.raises(ProofInvalid, match="does not extend"):
            check_consistency(8, naive_root(MANY[:8]), 5, naive_root(MANY[:5]), proof)
    with pytest.raises(ProofInvalid, match="does not extend"):
        check_consistency(-1, EMPTY_ROOT, 5, naive_root(MANY[:5]), [])


def test_a_proof_for_a_lower_tree_is_not_taken_for_a_higher_one() -> None:
    old_root, new_root = naive_root(MANY[:2]), naive_root(MANY[:3])
    refused(check_consistency, 2, old_root, 8, new_root, consistency_proof(2, 3, hashes_of(MANY)))
    refused(check_inclusion, MANY[0], 0, 8, inclusion_proof(0, 3, hashes_of(MANY)), new_root)


def test_two_hashes_are_not_divided_elsewhere() -> None:
    """A node covers 64 bytes in a row: 31 and 33 of them would give the same hash."""
    left, right = MANY[0], MANY[1]
    root = node_hash(left, right)
    check_inclusion(left, 0, 2, [right], root)
    check_consistency(1, left, 2, root, [right])
    refused(check_inclusion, left[:31], 0, 2, [left[31:] + right], root)
    refused(check_consistency, 1, left[:31], 2, root, [left[31:] + right])


def test_from_the_empty_tree_only_the_empty_proof_and_its_only_root_are_taken() -> None:
    root = naive_root(MANY[:5])
    check_consistency(0, EMPTY_ROOT, 5, root, [])
    check_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    refused(check_consistency, 0, EMPTY_ROOT, 5, root, [root])
    refused(check_consistency, 0, root, 5, root, [])
    refused(check_consistency, 0, EMPTY_ROOT, 0, root, [])


def test_proofs_that_cannot_exist_are_not_made() -> None:
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(ValueError, match="is not in a tree"):
            inclusion_proof(index, size, hashes_of(MANY))
    for old, new in ((4, 3), (-1, 3)):
        with pytest.raises(ValueError, match="does not extend"):
            consistency_proof(old, new, hashes_of(MANY))


def test_a_proof_takes_few_hashes_from_the_store() -> None:
    """An inclusion proof reads each of its hashes once, and one side of the right edge: never more than 2 log n."""
    size, asked = (1 << 40) - 3, 0

    def hash_at(level: int, index: int) -> bytes:
        nonlocal asked
        asked += 1
        assert (index + 1) << level <= size
        return node_hash(level.to_bytes(32), index.to_bytes(32))

    inclusion_proof(12_345_678_901, size, hash_at)
    assert asked <= 80
    asked = 0
    consistency_proof(12_345_678_901, size, hash_at)
    assert asked <= 80
