"""What is due next is the same whoever asks views in SQLite for it."""

from itertools import count
from pathlib import Path

import pytest

from tests.conformance.due_kit import DueKit, Fresh


class TestSqliteDue(DueKit):
    @pytest.fixture
    def fresh(self, tmp_path: Path) -> Fresh:
        numbers = count()
        return lambda: f"sqlite:{tmp_path}/views-{next(numbers)}/views"
