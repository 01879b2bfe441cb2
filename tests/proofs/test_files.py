"""Files come into their place whole, and leave nothing beside it."""

from pathlib import Path

import pytest

from casetrail.proofs.files import growing, place, put


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    put(tmp_path / "one", b"old")
    put(tmp_path / "one", b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("one", b"new")]


def test_what_cannot_be_put_in_place_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "one" / "in-the-way").mkdir(parents=True)
    with pytest.raises(OSError, match="one"):
        put(tmp_path / "one", b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["one"]


def test_a_new_file_replaces_none_and_has_its_mode(tmp_path: Path) -> None:
    place(tmp_path / "key", b"first", 0o600)
    with pytest.raises(FileExistsError):
        place(tmp_path / "key", b"second", 0o644)
    (one,) = tmp_path.iterdir()
    assert one.read_bytes() == b"first"
    assert one.stat().st_mode & 0o777 == 0o600


def test_a_file_that_grows_is_in_its_place_only_when_it_is_whole(tmp_path: Path) -> None:
    put(tmp_path / "one", b"old")
    with growing(tmp_path / "one") as out:
        out.write(b"new")
        assert (tmp_path / "one").read_bytes() == b"old"
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("one", b"new")]


def test_of_a_file_that_was_not_finished_nothing_is_left(tmp_path: Path) -> None:
    put(tmp_path / "one", b"old")
    with pytest.raises(RuntimeError, match="no more"), growing(tmp_path / "one") as out:
        out.write(b"half")
        raise RuntimeError("no more")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("one", b"old")]
