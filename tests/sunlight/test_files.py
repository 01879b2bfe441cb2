"""An edition comes into its place whole or not at all, and in the place of nothing but an earlier one."""

from pathlib import Path

import pytest

from casetrail.cli.render import csv_cell
from casetrail.sunlight.errors import FolderTaken
from casetrail.sunlight.files import files, put_in_place
from tests.sunlight.examples import COMMAND, some_edition


@pytest.fixture(scope="module")
def edition() -> dict[str, bytes]:
    return files(some_edition(60, 6), COMMAND, "0.1.0", csv_cell)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_edition_takes_the_place_of_an_earlier_one(tmp_path: Path, edition: dict[str, bytes]) -> None:
    folder = tmp_path / "made" / "report"
    put_in_place(edition | {"data/old.csv": b"1"}, folder)
    put_in_place(edition, folder)
    assert content(folder) == edition
    assert list(folder.parent.iterdir()) == [folder]


def test_an_empty_folder_is_filled(tmp_path: Path, edition: dict[str, bytes]) -> None:
    put_in_place(edition, tmp_path)
    assert content(tmp_path) == edition


@pytest.mark.parametrize("name", ["notes.txt", "data/notes.txt"])
def test_a_folder_with_something_else_in_it_is_left_as_it_is(
    tmp_path: Path, edition: dict[str, bytes], name: str
) -> None:
    folder = tmp_path / "report"
    put_in_place(edition, folder)
    (folder / name).write_text("mine")
    before = content(folder)
    with pytest.raises(FolderTaken):
        put_in_place(edition, folder)
    assert content(folder) == before


def test_a_folder_that_only_looks_like_an_edition_is_left_as_it_is(tmp_path: Path, edition: dict[str, bytes]) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(FolderTaken):
        put_in_place(edition, tmp_path)
    assert content(tmp_path) == {"index.html": b"mine"}


def test_where_writing_fails_the_earlier_edition_stays_and_nothing_else(
    tmp_path: Path, edition: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "report"
    put_in_place(edition, folder)
    written = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "sunlight.json":
            raise OSError("no space left")
        return written(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        put_in_place(edition | {"index.html": b"newer"}, folder)
    assert content(folder) == edition
    assert list(tmp_path.iterdir()) == [folder]


def test_where_the_new_folder_cannot_be_moved_in_the_earlier_one_is_moved_back(
    tmp_path: Path, edition: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "report"
    put_in_place(edition, folder)
    rename = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if path.name == "made":
            raise OSError("refused")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OSError, match="refused"):
        put_in_place(edition | {"index.html": b"newer"}, folder)
    assert content(folder) == edition
