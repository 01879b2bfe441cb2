"""Views in SQLite keep every promise, and a few that only a file can break."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from eventsourcing.persistence import TrackingRecorder

from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.projections import rebuild
from casetrail.projections.database import open_database
from casetrail.projections.errors import ViewDamaged
from casetrail.projections.views import Views
from tests.conformance import tracking_kit
from tests.conformance.queries_kit import QueriesKit
from tests.conformance.views_kit import Fresh, ViewsKit, all_rows, assert_same, follow_to_end, make_views


@pytest.fixture
def fresh(tmp_path: Path) -> Fresh:
    numbers = count()
    return lambda: f"sqlite:{tmp_path}/views-{next(numbers)}/views"


class TestSqliteTracking(tracking_kit.persistence.TrackingRecorderTestCase):
    """The test case that ``eventsourcing`` publishes for tracking recorders."""

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "views"
        yield
        self.recorder.close()

    def create_recorder(self) -> TrackingRecorder:
        self.recorder = Views.create(open_database(f"sqlite:{self.path}", create=True), "log")
        return self.recorder


class TestSqliteViews(ViewsKit):
    @pytest.fixture
    def fresh(self, fresh: Fresh) -> Fresh:
        return fresh

    def places(self, url: str) -> list[str]:
        files = Path(url.removeprefix("sqlite:")).parent.iterdir()
        return sorted(file.name for file in files if not file.name.endswith(".lock"))

    def test_a_file_that_is_no_database_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "views").write_text("This is a letter. " * 100)
        with pytest.raises(ViewDamaged, match="views rebuild"):
            open_database(f"sqlite:{tmp_path}/views")

    def test_a_strange_path_is_a_path(self, tmp_path: Path, log: EmbeddedLog) -> None:
        url = f"sqlite:{tmp_path}/what? a #1 % file:x%20y/views"
        rebuild.rebuild(log, f"sqlite:{log.path}", url)
        assert len(all_rows(url)["timeline"]) == 400

    def test_what_a_killed_rebuild_left_behind_is_cleared_away(self, fresh: Fresh, log: EmbeddedLog) -> None:
        url = fresh()
        rebuild.rebuild(log, f"sqlite:{log.path}", url)
        serving = Path(url.removeprefix("sqlite:"))
        with (serving.parent / "views.rebuild.lock").open("a") as lock:
            lock.write("1 7\n")
        (serving.parent / "views.7-part1").write_bytes(b"half a table")
        (serving.parent / "views.7-events-abc").mkdir()
        (serving.parent / "views.7-events-abc" / "events-0-0").write_bytes(b"some events")
        rebuild.rebuild(log, f"sqlite:{log.path}", url)
        assert self.places(url) == ["views", "views.8"]

    def test_views_without_a_link_can_be_rebuilt_too(self, fresh: Fresh, log: EmbeddedLog) -> None:
        url = fresh()
        make_views(url, log)  # a plain file where the link to the newest build will be
        follow_to_end(url, log)
        before = all_rows(url)
        rebuild.rebuild(log, f"sqlite:{log.path}", url)
        assert Path(url.removeprefix("sqlite:")).is_symlink()
        assert_same(all_rows(url), before)


class TestSqliteQueries(QueriesKit):
    @pytest.fixture
    def fresh(self, fresh: Fresh) -> Fresh:
        return fresh
