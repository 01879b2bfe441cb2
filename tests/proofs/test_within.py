"""What somebody else has put into a folder is read only where it is a plain file of that folder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from casetrail.proofs.within import names_within, open_within

PUT: dict[str, Callable[[Path], object]] = {
    "link": lambda path: path.symlink_to(path.parent / "other"),
    "loop": lambda path: path.symlink_to(path.name),
    "fifo": os.mkfifo,
    "folder": Path.mkdir,
}


def test_a_plain_file_is_read_also_where_the_folder_itself_is_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "a" / "b").mkdir(parents=True)
    (tmp_path / "real" / "a" / "b" / "one").write_bytes(b"content")
    (tmp_path / "link").symlink_to("real")
    with open_within(tmp_path / "link", "a/b/one") as opened:
        assert opened.read() == b"content"
    assert names_within(tmp_path / "link", "a/b") == ["one"]
    with pytest.raises(FileNotFoundError):
        open_within(tmp_path / "link", "a/c/one")


@pytest.mark.parametrize("what", PUT)
def test_what_is_no_plain_file_is_named_and_neither_followed_nor_waited_for(tmp_path: Path, what: str) -> None:
    (tmp_path / "other").write_bytes(b"of somebody else")
    PUT[what](tmp_path / "one")
    with pytest.raises(OSError, match="link" if what in ("link", "loop") else "no plain file"):
        open_within(tmp_path, "one")


@pytest.mark.parametrize("what", ["link", "loop", "fifo"])
def test_a_folder_on_the_way_is_not_followed_either(tmp_path: Path, what: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "one").write_bytes(b"of somebody else")
    PUT[what](tmp_path / "a")
    with pytest.raises(OSError, match="link" if what != "fifo" else "no folder"):
        open_within(tmp_path, "a/one")
    with pytest.raises(OSError, match="link" if what != "fifo" else "no folder"):
        names_within(tmp_path, "a")


def test_a_folder_on_the_way_need_not_be_listed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"content")
    (tmp_path / "a").chmod(0o311)
    with open_within(tmp_path, "a/one") as opened:
        assert opened.read() == b"content"
