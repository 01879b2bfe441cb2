"""Judgements in PostgreSQL keep every promise."""

import psycopg
import pytest

from tests.conformance.judgements_kit import Fresh, JudgementsKit

pytestmark = pytest.mark.postgres


class TestPostgresJudgements(JudgementsKit):
    @pytest.fixture
    def fresh(self, postgres_database: str) -> Fresh:
        def empty() -> str:
            with psycopg.connect(postgres_database) as connection:
                connection.execute("DROP SCHEMA IF EXISTS casetrail CASCADE")
            return postgres_database

        return empty
