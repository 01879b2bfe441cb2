"""What is due next is the same whoever asks views in PostgreSQL for it."""

import pytest

from tests.conformance.due_kit import DueKit, Fresh

pytestmark = pytest.mark.postgres


class TestPostgresDue(DueKit):
    @pytest.fixture
    def fresh(self, postgres_database: str) -> Fresh:
        return lambda: postgres_database
