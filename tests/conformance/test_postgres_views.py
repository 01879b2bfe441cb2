"""Views in PostgreSQL keep every promise."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from eventsourcing.persistence import Tracking, TrackingRecorder

from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.projections import rebuild
from casetrail.projections.database import open_database
from casetrail.projections.errors import ViewUnreachable
from casetrail.projections.tables import CASE_STATUS, INTAKE, OUTCOMES, REFERRALS, TIMELINE
from casetrail.projections.views import Views
from tests.conformance import tracking_kit
from tests.conformance.queries_kit import QueriesKit
from tests.conformance.views_kit import Fresh, ViewsKit, all_rows, assert_same, make_views, rebuilt_rows

pytestmark = pytest.mark.postgres


@pytest.fixture
def emptied(postgres_database: str) -> Fresh:
    """The one database, emptied."""

    def empty() -> str:
        with psycopg.connect(postgres_database) as connection:
            connection.execute("DROP SCHEMA IF EXISTS casetrail CASCADE")
        return postgres_database

    return empty


class TestPostgresTracking(tracking_kit.persistence.TrackingRecorderTestCase):
    """The test case that ``eventsourcing`` publishes for tracking recorders."""

    @pytest.fixture(autouse=True)
    def database(self, postgres_database: str) -> Iterator[None]:
        self.url = postgres_database
        yield
        self.recorder.close()

    def create_recorder(self) -> TrackingRecorder:
        self.recorder = Views.create(open_database(self.url, create=True), "log")
        return self.recorder


class TestPostgresViews(ViewsKit):
    @pytest.fixture
    def fresh(self, emptied: Fresh) -> Fresh:
        return emptied

    def places(self, url: str) -> list[str]:
        with psycopg.connect(url) as connection:
            rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'casetrail%'").fetchall()
        return sorted(name for (name,) in rows)

    def test_a_server_that_does_not_answer_is_named_without_a_password(self) -> None:
        with pytest.raises(ViewUnreachable) as caught:
            open_database("postgresql://casetrail:geheim@127.0.0.1:1/none")
        assert "geheim" not in str(caught.value)

    def test_a_swap_waits_for_a_projector_in_the_middle_of_its_transaction(
        self, fresh: Fresh, log: EmbeddedLog
    ) -> None:
        url = fresh()
        make_views(url, log)
        with closing(open_database(url)) as database, ThreadPoolExecutor(1) as pool:
            views = Views(database, log.name)
            with database.transaction():
                views.insert_tracking(Tracking("another", 1))
                rebuilding = pool.submit(rebuild.rebuild, log, f"sqlite:{log.path}", url)
                wait_for_lock(url)
                for table in (CASE_STATUS, REFERRALS, TIMELINE, OUTCOMES, INTAKE):  # as views are written
                    database.run(f"DELETE FROM {table.name}")
            assert rebuilding.result(20) == 400
        assert_same(all_rows(url), rebuilt_rows(fresh, log))

    def test_texts_are_sorted_as_in_sqlite_whatever_the_language_of_the_database(
        self, fresh: Fresh, log: EmbeddedLog
    ) -> None:
        url = fresh()
        rebuild.rebuild(log, f"sqlite:{log.path}", url)
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "SELECT DISTINCT collation_name FROM information_schema.columns "
                "WHERE table_schema = 'casetrail' AND data_type = 'text'"
            ).fetchall()
        assert rows == [("C",)]


def wait_for_lock(url: str) -> None:
    """Wait until somebody waits for a lock."""
    until = time.monotonic() + 20
    with psycopg.connect(url, autocommit=True) as connection:
        while not connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
            assert time.monotonic() < until, "nobody waits"
            time.sleep(0.02)


class TestPostgresQueries(QueriesKit):
    @pytest.fixture
    def fresh(self, emptied: Fresh) -> Fresh:
        return emptied
