"""Judgements in SQLite keep every promise."""

from itertools import count
from pathlib import Path

import pytest

from tests.conformance.judgements_kit import Fresh, JudgementsKit


class TestSqliteJudgements(JudgementsKit):
    @pytest.fixture
    def fresh(self, tmp_path: Path) -> Fresh:
        numbers = count()
        return lambda: f"sqlite:{tmp_path}/views-{next(numbers)}/views"
