"""docs/threats.md is held to what there is: each attack names the tests that perform it, each finding is one that they expect."""

import ast
import re
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from casetrail.audit.compare import Verdict
from casetrail.audit.faults import Kind as FaultKind
from casetrail.audit.reconciliation.reconcile import Verdict as Reconciled
from casetrail.audit.replaying.findings import Kind as ReplayKind
from casetrail.audit.verification.feed import CLOCKS, KAFKA
from casetrail.consumers.notary import Cadence
from casetrail.domain.status import Status

HERE: Final = Path(__file__).parent
PAGE: Final = (HERE.parents[1] / "docs" / "threats.md").read_text("utf-8")
TABLES, REST = PAGE.split("## What is not detected")
CODES: Final = {*FaultKind, *ReplayKind, *Verdict, *Reconciled, *Status}
COMMANDS: Final = {"check", "compare", "count"}
"""They are written as codes are."""


class Row(NamedTuple):
    """An attack: what it is, the codes that show it, and the names of the tests."""

    attack: str
    codes: frozenset[str]
    tests: tuple[str, ...]


def rows() -> list[Row]:
    """The rows of all tables of attacks. "The same" are the tests of the row above."""
    found: list[Row] = []
    for line in TABLES.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 4 and cells[0] not in ("attack", "---"):
            tests = tuple(re.findall(r"`(test_\w+)`", cells[3]))
            if cells[3].strip(" |") == "the same":
                tests = found[-1].tests
            found.append(Row(cells[0], frozenset(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", cells[1])), tests))
    return found


def files_with_tests() -> dict[Path, list[str]]:
    """The tests of this room, but for those of this page."""
    return {
        path: [one.name for one in ast.parse(path.read_text("utf-8")).body
               if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")]
        for path in sorted(HERE.glob("test_*.py")) if path != Path(__file__)
    }  # fmt: skip


ROWS: Final = rows()
FILES: Final = files_with_tests()


def test_the_page_has_all_its_rows() -> None:
    assert len(ROWS) == TABLES.count("\n| ") - 2 * TABLES.count("\n| --- ") - 5  # five who look
    assert len(ROWS) > 40


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.attack[:60])
def test_each_attack_names_tests_that_expect_each_of_its_findings(row: Row) -> None:
    assert row.tests, "an attack that nobody performs"
    files = {path for path, names in FILES.items() for test in row.tests if test in names}
    assert {name for path in files for name in FILES[path]} >= set(row.tests)
    expected = "".join(path.read_text("utf-8") for path in files)
    assert row.codes - COMMANDS <= CODES
    assert [code for code in row.codes - COMMANDS if f'"{code}"' not in expected] == []


def test_each_test_of_an_attack_stands_on_the_page() -> None:
    assert [name for names in FILES.values() for name in names if f"`{name}`" not in PAGE] == []


def test_each_test_that_is_named_exists() -> None:
    assert set(re.findall(r"`(test_\w+)`", PAGE)) == {name for names in FILES.values() for name in names}


def test_the_page_has_the_numbers_of_the_code() -> None:
    assert Cadence().every == 60 and "a minute apart unless set otherwise" in TABLES
    assert f"by more than {KAFKA.skew / 1000:.0f} s" in TABLES
    assert f"by more than {CLOCKS.total_seconds() / 60:.0f} minutes" in TABLES
    assert "against witnesses by five minutes" in REST
