"""Counting who holds what costs little for each case, however many there are."""

from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from casetrail.projections.database import SqliteDatabase
from casetrail.projections.held import HELD_BY
from casetrail.projections.judgement_tables import OWING
from casetrail.projections.queries import holds
from casetrail.projections.rebuild import rebuild
from tests.judged_histories import JudgedLog

COPIES = 500
MOST_STEPS = 15
"""Of SQLite's machine, for each case. With a comparison each for holder, unit and agency it takes twenty."""


@pytest.mark.parametrize("by", HELD_BY)
def test_counting_who_holds_what_takes_few_steps_a_case(tmp_path: Path, by: str) -> None:
    told = JudgedLog(tmp_path / "log", 5)
    told.go_on(150)
    views = tmp_path / "views"
    rebuild(told.log, told.url, f"sqlite:{views}")
    with closing(SqliteDatabase(views)) as database:
        before = holds(database, by, told.now)
        others = ", ".join(column.name for column in OWING.columns[1:])
        database.run(
            f"INSERT INTO owing SELECT case_id || '-' || number, {others} FROM owing, "
            f"(WITH RECURSIVE copy(number) AS (VALUES (1) UNION ALL SELECT number + 1 FROM copy WHERE number < {COPIES}) "
            "SELECT number FROM copy)"
        )
        hundreds = count()
        database._database.set_progress_handler(lambda: next(hundreds) < 0, 100)
        after = holds(database, by, told.now)
        database._database.set_progress_handler(None, 0)
    cases = sum(row["open_cases"] for row in after)
    assert [row["open_cases"] for row in after] == [row["open_cases"] * (COPIES + 1) for row in before]
    assert cases > 1000
    assert next(hundreds) * 100 / cases < MOST_STEPS
