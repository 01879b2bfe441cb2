"""The stored hashes are those of the tree, whatever happened to the process between."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casetrail.eventlog.hashing import leaf_hash
from casetrail.proofs.hashes import HashesAltered, HashMissing, HashStore
from casetrail.proofs.tree import (
    Frontier,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    root_of,
)

LEAVES = [leaf_hash(number.to_bytes(4)) for number in range(140_000)]


def root(leaves: Sequence[bytes]) -> bytes:
    tree = Frontier()
    tree.extend(leaves)
    return tree.root()


def stored_root(store: HashStore) -> bytes:
    return root_of(store.size, store.hash_at)


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000, 131_072, 140_000])
def test_the_stored_tree_is_the_tree(tmp_path: Path, size: int) -> None:
    with HashStore(tmp_path) as store:
        store.append(LEAVES[:size])
        assert store.size == size
        assert stored_root(store) == root(LEAVES[:size])
    with HashStore(tmp_path) as store:
        assert store.size == size
        assert stored_root(store) == root(LEAVES[:size])


def test_every_perfect_subtree_can_be_asked_for(tmp_path: Path) -> None:
    size = 66_100
    with HashStore(tmp_path) as store:
        store.append(b"".join(LEAVES[:size]))
        for level in range(17):
            count = size >> level
            for index in {0, 1, count // 2, count - 2, count - 1} & set(range(count)):
                assert store.hash_at(level, index) == root(LEAVES[index << level : (index + 1) << level])


@pytest.mark.parametrize(("level", "index"), [(0, 300), (0, -1), (-1, 0), (8, 1), (9, 0), (5, 9), (64, 0)])
def test_a_subtree_that_is_not_complete_is_not_invented(tmp_path: Path, level: int, index: int) -> None:
    with HashStore(tmp_path) as store:
        store.append(LEAVES[:300])
        with pytest.raises(HashMissing) as caught:
            store.hash_at(level, index)
        assert caught.value.code == "hash-missing"


def test_proofs_from_the_store_hold_while_it_grows(tmp_path: Path) -> None:
    with HashStore(tmp_path) as store:
        sizes, roots = [1, 200, 256, 700, 65_536, 66_001], []
        for size in sizes:
            store.append(LEAVES[store.size : size])
            roots.append(stored_root(store))
            for index in {0, size // 3, size - 1}:
                check_inclusion(LEAVES[index], index, size, inclusion_proof(index, size, store.hash_at), roots[-1])
        for old, old_root in zip(sizes, roots, strict=True):
            for new, new_root in zip(sizes, roots, strict=True):
                if old <= new:
                    proof = consistency_proof(old, new, store.hash_at)
                    check_consistency(old, old_root, new, new_root, proof)


def test_leaves_come_back_as_they_were_appended(tmp_path: Path) -> None:
    with HashStore(tmp_path) as store:
        store.append(LEAVES[:1000])
        assert store.leaves(250, 260) == b"".join(LEAVES[250:260])
        assert store.leaves(1000, 1000) == b""
        for start, end in ((990, 1001), (-1, 2), (5, 4)):
            with pytest.raises(HashMissing):
                store.leaves(start, end)


def test_half_a_hash_is_not_appended(tmp_path: Path) -> None:
    with HashStore(tmp_path) as store:
        for leaves in (b"\0" * 33, [LEAVES[0], b"\0" * 31]):
            with pytest.raises(ValueError, match="32 bytes"):
                store.append(leaves)
        assert store.size == 0


def test_a_store_that_was_cut_grows_another_way(tmp_path: Path) -> None:
    kept, other = 65_500, LEAVES[70_000:75_000]
    expected = [*LEAVES[:kept], *other]
    with HashStore(tmp_path) as store:
        store.append(LEAVES[:66_000])
        for index in (0, kept, kept + 20, 65_999):
            inclusion_proof(
                index, store.size, store.hash_at
            )  # what was read before the cut must not come back after it
        store.truncate(kept)
        store.append(other)
        size, made = store.size, stored_root(store)
        assert made == root(expected)
        for index in (0, kept, kept + 20, 65_999):
            check_inclusion(expected[index], index, size, inclusion_proof(index, size, store.hash_at), made)
        with pytest.raises(ValueError, match="cannot be cut"):
            store.truncate(size + 1)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 1200)),
        st.tuples(st.just("truncate"), st.integers(0, 3000)),
        st.tuples(st.just("open again"), st.just(0)),
        st.tuples(st.just("read"), st.integers(0, 3000)),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(steps, st.booleans())
def test_whatever_is_done_in_whatever_order_the_tree_is_that_of_its_leaves(
    steps: list[tuple[str, int]], as_one: bool
) -> None:
    expected: list[bytes] = []
    taken = 0
    with TemporaryDirectory() as directory:
        store = HashStore(Path(directory))
        for step, number in steps:
            if step == "append":
                leaves = LEAVES[taken : taken + number]
                taken += number
                expected += leaves
                store.append(b"".join(leaves) if as_one else leaves)
            elif step == "truncate":
                del expected[number:]
                store.truncate(len(expected))
            elif step == "open again":
                store.close()
                store = HashStore(Path(directory))
            elif number < len(expected):
                assert store.hash_at(0, number) == expected[number]
        assert store.size == len(expected)
        assert stored_root(store) == root(expected)
        store.close()


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_after_a_crash_anywhere_past_the_last_sync_the_tree_of_the_last_sync_is_there(data: st.DataObject) -> None:
    good = data.draw(st.integers(0, 70_000))
    with TemporaryDirectory() as place:
        directory, crashed = Path(place, "store"), Path(place, "crashed")
        with HashStore(directory) as store:
            store.append(LEAVES[:good])
            store.sync()
            synced = files(directory)
            store.append(LEAVES[good : good + data.draw(st.integers(1, 1000))])
        crashed.mkdir()
        for name, content in files(directory).items():
            kept = len(synced.get(name, b""))
            end = data.draw(st.integers(kept, len(content)))
            garbage = data.draw(st.integers(kept, end))  # what a disk may show of pages that were not synced
            crashed.joinpath(name).write_bytes(content[:garbage] + bytes(end - garbage))
        with HashStore(crashed) as store:
            assert store.size >= good
            store.truncate(good)
            assert stored_root(store) == root(LEAVES[:good])
            store.append(LEAVES[good : good + 2000])
            assert stored_root(store) == root(LEAVES[: good + 2000])


@pytest.mark.parametrize("lost", ["level-8", "level-16"])
def test_an_upper_level_that_was_lost_is_computed_anew(tmp_path: Path, lost: str) -> None:
    with HashStore(tmp_path / "one") as store:
        store.append(LEAVES[:66_000])
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    tmp_path.joinpath("other", lost).unlink()
    with HashStore(tmp_path / "other") as store:
        assert stored_root(store) == root(LEAVES[:66_000])
    assert files(tmp_path / "other") == files(tmp_path / "one")


def test_an_upper_level_that_is_ahead_of_the_leaves_is_cut(tmp_path: Path) -> None:
    with HashStore(tmp_path) as store:
        store.append(LEAVES[:1000])
    with tmp_path.joinpath("level-0").open("r+b") as file:
        file.truncate(300 * 32 + 7)
    with HashStore(tmp_path) as store:
        assert store.size == 300
        store.append(LEAVES[2000:3000])
        assert stored_root(store) == root([*LEAVES[:300], *LEAVES[2000:3000]])


def test_a_file_that_was_cut_under_an_open_store_is_named(tmp_path: Path) -> None:
    with HashStore(tmp_path) as store:
        store.append(LEAVES[:1000])
        store.sync()
        with tmp_path.joinpath("level-0").open("r+b") as file:
            file.truncate(320)
        with pytest.raises(HashMissing, match="level-0"):
            store.leaves(0, 20)


@pytest.mark.parametrize(("name", "at"), [("level-0", 5), ("level-0", 65_535), ("level-8", 3), ("level-8", 255)])
def test_a_hash_that_was_exchanged_in_a_file_is_met_by_whoever_reads_it(tmp_path: Path, name: str, at: int) -> None:
    with HashStore(tmp_path) as store:
        store.append(LEAVES[:66_000])
    with tmp_path.joinpath(name).open("r+b") as file:
        file.seek(at * 32)
        file.write(LEAVES[139_999])
    with HashStore(tmp_path) as store:
        assert stored_root(store) == root(LEAVES[:66_000])  # which takes other hashes
        leaf = at if name == "level-0" else at * 256
        with pytest.raises(HashesAltered, match=rf"tile {at // 256} of {name}"):
            inclusion_proof(leaf ^ 1 if name == "level-0" else leaf, 66_000, store.hash_at)
