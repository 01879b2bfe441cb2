"""Views that a rebuild has put in the place of others stay there, whatever comes after that."""

import os
import shutil
from pathlib import Path

import pytest

from casetrail.projections.rebuild import rebuild
from casetrail.projections.targets import SqliteTarget
from tests.conformance.judgements_kit import all_rows
from tests.conformance.views_kit import assert_same
from tests.judged_histories import JudgedLog


@pytest.mark.parametrize("call", ["symlink", "replace", "unlink"])
def test_a_rebuild_that_is_interrupted_while_it_swaps_leaves_views_that_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    told = JudgedLog(tmp_path / "log", 31)
    told.go_on(100)
    url, views = f"sqlite:{tmp_path / 'served' / 'views'}", tmp_path / "served" / "views"
    rebuild(told.log, told.url, url)
    before, serving = all_rows(url), views.resolve()
    inner = getattr(os, call)

    def interrupted(*of: object, **more: object) -> None:
        inner(*of, **more)
        if any(str(one).endswith((".link", serving.name)) for one in of):
            raise KeyboardInterrupt

    monkeypatch.setattr(os, call, interrupted)
    with pytest.raises(KeyboardInterrupt):
        rebuild(told.log, told.url, url)
    monkeypatch.undo()
    assert views.exists()
    assert_same(all_rows(url), before)
    rebuild(told.log, told.url, url)  # and the next one clears away what was left
    assert_same(all_rows(url), before)
    assert sorted(one.name for one in views.parent.iterdir()) == sorted(
        ["views", "views.rebuild.lock", views.resolve().name]
    )


def test_a_rebuild_removes_no_file_that_no_rebuild_has_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = JudgedLog(tmp_path / "log", 31)
    told.go_on(20)
    views = tmp_path / "served" / "views"
    views.parent.mkdir()
    others = [views.with_name(f"views.{name}") for name in ("2", "2024", "1-before", "1.bak", "2024-wal")]
    for one in others:
        one.write_text("a copy that somebody keeps")
    rebuild(told.log, told.url, f"sqlite:{views}")
    assert [one.exists() for one in others] == [True] * len(others)
    others.append(views.with_name(views.resolve().name + "0"))  # made meanwhile: it begins as the next one's name
    others[-1].write_text("a copy that somebody keeps")
    monkeypatch.setattr(SqliteTarget, "finish", failing)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            rebuild(told.log, told.url, f"sqlite:{views}")
        assert len(list(views.parent.iterdir())) == len(others) + 3, "what was begun takes no room"
    monkeypatch.undo()
    rebuild(told.log, told.url, f"sqlite:{views}")
    assert [one.read_text() for one in others] == ["a copy that somebody keeps"] * len(others)
    assert len(list(views.parent.iterdir())) == len(others) + 3  # the views, the link to them, the lock


def test_a_copy_of_views_that_somebody_put_in_their_place_is_not_removed(tmp_path: Path) -> None:
    told = JudgedLog(tmp_path / "log", 31)
    told.go_on(20)
    views = tmp_path / "views"
    for _ in range(2):
        rebuild(told.log, told.url, f"sqlite:{views}")
    copy = views.with_name("views.2024")
    shutil.copy(views.resolve(), copy)
    views.unlink()
    views.symlink_to(copy.name)
    rebuild(told.log, told.url, f"sqlite:{views}")
    assert copy.exists() and views.resolve() != copy
    assert len(list(tmp_path.glob("views.*"))) == 3  # the copy, the newest build, the lock


def test_what_a_killed_rebuild_left_is_removed_by_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = JudgedLog(tmp_path / "log", 31)
    told.go_on(20)
    views = tmp_path / "served" / "views"
    rebuild(told.log, told.url, f"sqlite:{views}")
    with monkeypatch.context() as killed:
        killed.setattr(SqliteTarget, "abandon", lambda target: target._lock.close())
        killed.setattr(SqliteTarget, "finish", failing)
        for _ in range(2):
            with pytest.raises(RuntimeError):
                rebuild(told.log, told.url, f"sqlite:{views}")
    left = {one.name for one in views.parent.iterdir()} - {"views", "views.rebuild.lock", views.resolve().name}
    assert left
    (views.parent / f"{min(left)}-part1").write_bytes(b"of another process")
    rebuild(told.log, told.url, f"sqlite:{views}")
    assert {one.name for one in views.parent.iterdir()} == {"views", "views.rebuild.lock", views.resolve().name}


def failing(*_: object) -> None:
    raise RuntimeError
