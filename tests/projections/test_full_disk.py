"""A rebuild that finds no room says so, and leaves the views that serve as they are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from casetrail.projections.errors import ViewUnreachable
from casetrail.projections.rebuild import rebuild
from tests.conformance.judgements_kit import all_rows
from tests.conformance.views_kit import assert_same
from tests.judged_histories import JudgedLog
from tests.small_disk import SmallDisk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "small disk")
    yield disk
    disk.close()


def test_a_rebuild_that_finds_no_room_says_what_it_needs_and_changes_nothing(disk: SmallDisk, tmp_path: Path) -> None:
    told = JudgedLog(tmp_path / "log", 31)
    told.go_on(100)
    url = f"sqlite:{disk.folder / 'views'}"
    rebuild(told.log, told.url, url)
    before, files = all_rows(url), sorted(disk.folder.iterdir())
    with disk.full(), pytest.raises(ViewUnreachable, match="room for all events"):
        rebuild(told.log, told.url, url)
    assert_same(all_rows(url), before)
    assert sorted(disk.folder.iterdir()) == files


def test_a_first_rebuild_that_finds_no_room_says_the_same(disk: SmallDisk, tmp_path: Path) -> None:
    told = JudgedLog(tmp_path / "log", 31)
    told.go_on(20)
    with disk.full(), pytest.raises(ViewUnreachable, match="room for all events"):
        rebuild(told.log, told.url, f"sqlite:{disk.folder / 'views'}")
    rebuild(told.log, told.url, f"sqlite:{disk.folder / 'views'}")
