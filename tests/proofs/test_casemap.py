"""The case map's root follows from the cases alone, and what it proves of a case is true."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casetrail.proofs.casemap import (
    EMPTY,
    CaseMap,
    Entry,
    MapProof,
    case_key,
    case_value,
    check_map_proof,
    leaf_of,
)
from casetrail.proofs.errors import ProofInvalid

# Keys far apart, and keys that share all but a few bits: above, at and below the edge between memory and buckets.
near = st.builds(
    lambda base, at, low: (base ^ low << at) % (1 << 256),
    st.sampled_from([0, (1 << 256) - 1, 0xA5 << 248]),
    st.sampled_from([0, 1, 120, 230, 236, 237, 238, 239, 250]),
    st.integers(0, 15),
)
keys = st.one_of(near, st.integers(0, (1 << 256) - 1)).map(lambda number: number.to_bytes(32))
entries = st.tuples(st.integers(1, 1 << 40), st.binary(min_size=32, max_size=32))
changes = st.dictionaries(keys, entries, max_size=12)


def empty_map() -> CaseMap:
    return CaseMap(sqlite3.connect(":memory:", isolation_level=None))


def map_of(cases: Mapping[bytes, Entry]) -> CaseMap:
    made = empty_map()
    made.update(cases)
    return made


def naive_root(cases: Mapping[bytes, Entry], depth: int = 0) -> bytes:
    """The definition of the map, written down once more: nothing stored, nothing remembered."""
    if not cases:
        return bytes(32)
    if len(cases) == 1:
        [(key, (number, last_hash))] = cases.items()
        value = sha256(number.to_bytes(8, "big") + last_hash).digest()
        return sha256(b"\x00" + key + value).digest()
    halves: tuple[dict[bytes, Entry], dict[bytes, Entry]] = {}, {}
    for key, entry in cases.items():
        halves[key[depth // 8] >> 7 - depth % 8 & 1][key] = entry
    return sha256(b"\x01" + naive_root(halves[0], depth + 1) + naive_root(halves[1], depth + 1)).digest()


def flipped(value: bytes, byte: int = 31) -> bytes:
    return value[:byte] + bytes([value[byte] ^ 1]) + value[byte + 1 :]


def touched(proof: MapProof) -> Iterator[MapProof]:
    """The proof with one thing changed."""
    siblings = proof.siblings
    for at, each in enumerate(siblings):
        yield replace(proof, siblings=(*siblings[:at], flipped(each), *siblings[at + 1 :]))
        yield replace(proof, siblings=siblings[:at] + siblings[at + 1 :])
        yield replace(proof, siblings=(*siblings[:at], each[:-1], *siblings[at + 1 :]))
        if at and each != siblings[at - 1]:
            yield replace(proof, siblings=(*siblings[: at - 1], each, siblings[at - 1], *siblings[at + 1 :]))
    yield replace(proof, siblings=(*siblings, EMPTY))
    yield replace(proof, siblings=(EMPTY, *siblings))
    yield replace(proof, siblings=(*siblings, *[EMPTY] * 257))
    if proof.other is not None:
        key, value = proof.other
        yield replace(proof, other=None)
        yield replace(proof, other=(flipped(key), value))
        yield replace(proof, other=(key, flipped(value)))
        yield replace(proof, other=(key + value[:1], value[1:]))
    else:
        yield replace(proof, other=(sha256(b"another").digest(), bytes(32)))


def refused(root: bytes, key: bytes, entry: Entry | None, proof: MapProof) -> None:
    with pytest.raises(ProofInvalid) as caught:
        check_map_proof(root, key, entry, proof)
    assert caught.value.code == "proof-invalid"


CASES = {case_key(f"C-{number}"): (number, sha256(b"%d" % number).digest()) for number in range(1, 301)}


def test_a_map_of_one_case_and_of_none_are_as_the_format_says() -> None:
    last = sha256(b"event").digest()
    key = sha256(b"2026-000149").digest()
    assert case_key("2026-000149") == key
    assert case_value(7, last) == sha256(b"\0\0\0\0\0\0\0\x07" + last).digest()
    assert empty_map().root == bytes(32)
    assert map_of({key: (7, last)}).root == sha256(b"\x00" + key + case_value(7, last)).digest()


def test_a_lone_case_below_stands_as_a_leaf_and_an_empty_half_as_zeros() -> None:
    entry = (1, bytes(32))
    one, two, three = (number.to_bytes(32) for number in (0, 1 << 253, 1 << 255))
    leaf = {key: leaf_of(key, case_value(*entry)) for key in (one, two, three)}

    def node(left: bytes, right: bytes) -> bytes:
        return sha256(b"\x01" + left + right).digest()

    shared = node(node(leaf[one], leaf[two]), bytes(32))  # 000…, 001…: they part at the third bit
    assert map_of(dict.fromkeys((one, two, three), entry)).root == node(shared, leaf[three])


@settings(deadline=None)
@given(st.lists(changes, max_size=4), st.data())
def test_the_root_is_the_recursive_definition_after_any_changes(
    batches: list[dict[bytes, Entry]], data: st.DataObject
) -> None:
    made, expected = empty_map(), dict[bytes, Entry]()
    for batch in batches:
        gone = data.draw(st.sets(st.sampled_from(sorted(expected)))) - set(batch) if expected else set()
        assert made.update({**batch, **dict.fromkeys(gone)}) == made.root
        expected = {key: entry for key, entry in (expected | batch).items() if key not in gone}
        assert made.root == naive_root(expected)
    for key in {key for batch in batches for key in batch}:
        assert made.get(key) == expected.get(key)


@settings(deadline=None)
@given(changes, st.randoms(use_true_random=False))
def test_the_order_of_updates_does_not_matter(cases: dict[bytes, Entry], random: Random) -> None:
    shuffled = list(cases.items())
    random.shuffle(shuffled)
    made = empty_map()
    for key, (number, last_hash) in shuffled:
        made.update({key: (number + 1, last_hash)})  # what is overwritten leaves no trace
        made.update({key: (number, last_hash)})
    assert made.root == map_of(cases).root


@settings(deadline=None)
@given(changes, keys)
def test_whatever_the_map_holds_every_key_is_proven_to_have_its_entry_or_none(
    cases: dict[bytes, Entry], absent: bytes
) -> None:
    made = map_of(cases)
    for key in (*cases, absent, *(flipped(key) for key in cases)):
        proof = made.prove(key)
        check_map_proof(made.root, key, cases.get(key), proof)
        wrong = None if key in cases else (1, bytes(32))
        refused(made.root, key, wrong, proof)


def test_a_touched_proof_proves_nothing() -> None:
    made = map_of(CASES)
    absent = [case_key(f"N-{number}") for number in range(60)]
    seen = set()
    for key in (*list(CASES)[:60], *absent):
        proof, entry = made.prove(key), CASES.get(key)
        seen.add((entry is None, proof.other is None))
        for changed in touched(proof):
            refused(made.root, key, entry, changed)
        refused(flipped(made.root), key, entry, proof)
        refused(made.root[:31], key, entry, proof)
        if entry is not None:
            number, last_hash = entry
            for wrong in (
                (number + 1, last_hash),
                (number, flipped(last_hash)),
                (number, last_hash[:31]),
                (0, last_hash),
            ):
                refused(made.root, key, wrong, proof)
    # A case; absence where nothing stands; absence where another case stands.
    assert seen == {(False, True), (True, True), (True, False)}


def test_a_proof_is_for_its_own_key_only() -> None:
    made = map_of(CASES)
    for key, other in pairwise(list(CASES)[:60]):
        refused(made.root, other, CASES[key], made.prove(key))
        refused(made.root, other, None, made.prove(key))
        # Nothing that proves the absence of a key beside it denies a case.
        refused(made.root, key, None, made.prove(flipped(key)))


def test_a_case_is_not_denied_by_showing_itself() -> None:
    made = map_of(CASES)
    for key, entry in list(CASES.items())[:20]:
        refused(made.root, key, None, MapProof(made.prove(key).siblings, (key, case_value(*entry))))


def test_a_case_is_not_denied_by_its_own_bytes_divided_elsewhere() -> None:
    """A leaf covers key and value in a row: 31 and 33 bytes of them would give the same hash, and another key."""
    key, entry = next(iter(CASES.items()))
    value = case_value(*entry)
    refused(map_of({key: entry}).root, key, None, MapProof((), (key[:31], key[31:] + value)))


def test_a_case_is_not_denied_by_one_that_stands_elsewhere() -> None:
    """A map that was made to deceive: in the place where the denied case belongs it has a case of the other half."""
    denied, misplaced = bytes(32), b"\x80" + bytes(31)
    value = case_value(1, bytes(32))
    root = sha256(b"\x01" + leaf_of(misplaced, value) + EMPTY).digest()
    refused(root, denied, None, MapProof((EMPTY,), (misplaced, value)))


def test_a_node_is_not_passed_off_as_a_case() -> None:
    """The 64 bytes under a node are not taken for key and value."""
    made = map_of(CASES)
    left, right = (naive_root({k: v for k, v in CASES.items() if k[0] >> 7 == half}, 1) for half in (0, 1))
    assert made.root == sha256(b"\x01" + left + right).digest()
    refused(made.root, case_key("N-1"), None, MapProof((), (left, right)))


def test_the_map_comes_back_when_it_is_opened_again() -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)
    made = CaseMap(database)
    made.update(CASES)
    again = CaseMap(database)
    assert again.root == made.root == naive_root(CASES)
    key = next(iter(CASES))
    check_map_proof(again.root, key, CASES[key], again.prove(key))


def test_roots_that_an_update_did_not_store_are_stored_later() -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)
    made = CaseMap(database)
    cases = list(CASES.items())
    made.update(dict(cases[:100]))
    first, after = made.root, made.update(dict(cases[100:]), stores=False)
    assert CaseMap(database).root == first != after == made.root == naive_root(CASES)
    made.store()
    assert CaseMap(database).root == after


def test_what_was_not_stored_is_forgotten_with_a_rollback() -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)
    made = CaseMap(database)
    database.execute("BEGIN")
    made.update(CASES, stores=False)
    database.execute("ROLLBACK")
    made.reload()
    made.store()
    assert CaseMap(database).root == made.root == naive_root({})


def test_many_cases_are_looked_up_as_each_by_itself() -> None:
    held = {case_key(f"C-{number}"): (number, sha256(b"%d" % number).digest()) for number in range(1, 1300)}
    found = map_of(held)
    others = [case_key(f"D-{number}") for number in range(1, 900)]
    asked = [*held][::2] + others
    assert found.get_all(asked) == {key: entry for key in asked if (entry := found.get(key)) is not None}
    assert len(found.get_all(asked)) == 650
    assert found.get_all([]) == {}


def test_a_rollback_takes_the_map_back() -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)
    made = CaseMap(database)
    before = dict(list(CASES.items())[:200])
    root = made.update(before)
    database.execute("BEGIN")
    changed = made.update({**CASES, **dict.fromkeys(list(CASES)[:50])})
    assert changed != root
    assert database.in_transaction
    database.execute("ROLLBACK")
    made.reload()
    assert made.root == root
    for key in CASES:
        assert made.get(key) == before.get(key)
        check_map_proof(root, key, before.get(key), made.prove(key))
    assert made.update(CASES) == naive_root(CASES)


def test_what_is_no_entry_is_not_taken() -> None:
    made = empty_map()
    for key, entry in (
        (bytes(31), (1, bytes(32))),
        (bytes(32), (1, bytes(31))),
        (bytes(32), (0, bytes(32))),
        (bytes(32), (1 << 63, bytes(32))),
    ):
        with pytest.raises(ValueError, match="32 bytes long"):
            made.update({key: entry})
    assert made.root == EMPTY
