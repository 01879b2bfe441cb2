"""Views that a rebuild has put in the place of others stay there, whatever comes after that."""

import os
from pathlib import Path

import pytest

from casetrail.projections.rebuild import rebuild
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
