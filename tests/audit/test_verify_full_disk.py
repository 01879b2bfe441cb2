"""A verification that has no room to write ends with a message that says where, and spoils nothing for the next one."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from casetrail.proofs.treefile import TreeUnreachable
from tests.audit.verifying import told
from tests.read_only import read_only
from tests.small_disk import SmallDisk

SIZES = (16, 64, 80, 96, 112, 128, 160, 192, 256, 384, 512)
"""In KiB: from where not even the file can be begun to where the state fits."""


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    with closing(SmallDisk(tmp_path / "small disk", getattr(request, "param", 1024) * 1024)) as disk:
        yield disk


@pytest.mark.parametrize("disk", SIZES, indirect=True)
def test_a_state_that_finds_no_room_is_named_and_the_next_run_is_as_good_as_the_first(
    tmp_path: Path, disk: SmallDisk
) -> None:
    if not disk.is_mounted:
        pytest.skip("this user may mount nothing")
    story, state = told(tmp_path), disk.folder / "state"
    try:
        story.report(state=state)
    except TreeUnreachable as error:
        assert str(state) in str(error)
        assert "disk" in str(error)
    kept = tmp_path / "moved"
    if state.exists():
        shutil.copytree(state, kept)
    assert story.report(state=kept).holds


def test_a_temporary_folder_without_room_is_named(
    tmp_path: Path, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not disk.is_mounted:
        pytest.skip("this user may mount nothing")
    story = told(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
    with (
        disk.full(),
        pytest.raises(TreeUnreachable, match=r"small disk.* cannot be (read or )?written"),
    ):
        story.report()


@pytest.mark.parametrize("is_begun", [False, True])
def test_a_state_where_nothing_can_be_written_is_named(tmp_path: Path, is_begun: bool) -> None:
    story, folder = told(tmp_path), tmp_path / "evidence"
    folder.mkdir()
    if is_begun:
        story.report(state=folder / "state")
    with read_only(folder), pytest.raises(TreeUnreachable, match=r"evidence.*cannot be (read or )?written"):
        story.report(state=folder / "state")
