"""What is due next is the same whoever asks views in PostgreSQL for it."""

import pytest

from casetrail.projections.database import Database
from tests.conformance.due_kit import DueKit, Fresh

pytestmark = pytest.mark.postgres


class TestPostgresDue(DueKit):
    @pytest.fixture
    def fresh(self, postgres_database: str) -> Fresh:
        return lambda: postgres_database

    def test_who_holds_what_is_counted_along_an_index_alone(self, database: Database) -> None:
        pages: dict[str, int] = dict(
            database.rows("SELECT relname, relallvisible FROM pg_class WHERE relname IN ('owing', 'case_status')")
        )
        assert min(pages.values()) > 0, "the rows themselves are looked at, too"
