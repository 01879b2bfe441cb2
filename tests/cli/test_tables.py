"""Tables on a terminal: what somebody copies from one into the next command is whole."""

import re
import sys
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from casetrail.cli.render import emit
from casetrail.cli.tables import READABLE

AT: Final = datetime(2012, 1, 3, 8, 30, tzinfo=UTC)
CASE: Final[dict[str, Any]] = {
    "case_id": "2012-0001", "status": "under_investigation", "holder": "det.okafor", "unit": "child-crimes",
    "agency": "metro-pd", "offences": ["11A", "11D"], "received_at": AT, "last_act_at": AT, "contacts": 2, "steps": 11,
    "due": "investigative_step", "owed_by": "child-crimes/intake", "due_at": AT,
}  # fmt: skip
FINDING: Final[dict[str, Any]] = {
    "since": AT, "finding": "c566ba1d23eb92d6", "subject": "2012-0001", "month": "2012-01",
    "levels_told": ["holder", "supervisor", "commander"],
    "says": "nobody has spoken with the child in the nineteen days since the report was screened in",
}  # fmt: skip


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What a row, twice, is on a terminal of some width."""

    def show(row: dict[str, Any], width: int, title: str = "") -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        emit([row, row], list(row), "table", title)
        return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)

    return show


@pytest.mark.parametrize("width", [40, 80, 100, 120, 160, 200, 300])
@pytest.mark.parametrize("row", [CASE, FINDING])
def test_ids_clocks_and_times_are_whole_at_every_width(shown: Any, row: dict[str, Any], width: int) -> None:
    text = shown(row, width)
    for name, value in row.items():
        whole = ["2012-01-03 08:30:00"] if value is AT else value if isinstance(value, list) else [str(value)]
        if name != "says":
            assert all(text.count(one) >= 2 for one in whole), (name, text)


def test_what_fits_is_a_table_no_wider_than_the_terminal_and_only_sentences_and_lists_fold(shown: Any) -> None:
    for width in (100, 120, 150):
        lines = shown(FINDING, width, "findings").splitlines()
        assert lines[0].strip() == "findings" and lines[1].startswith("since")
        assert max(map(len, lines)) <= width
        column = lines[1].index("says")
        assert sum(line.startswith("2012-01-03 08:30:00  c566ba1d23eb92d6  2012-0001") for line in lines) == 2
        assert max(len(line[column:].strip()) for line in lines[1:]) > READABLE - len("nineteen")
        assert FINDING["says"] in " ".join(line[column:].strip() for line in lines)


def test_what_does_not_fit_is_a_line_a_field(shown: Any) -> None:
    lines = shown(CASE, 80, "cases").splitlines()
    assert lines[:4] == ["cases", "", "case id      2012-0001", "status       under_investigation"]
    assert "received at  2012-01-03 08:30:00" in lines
    assert lines.count("") == 2
    assert shown(CASE, 80).splitlines()[0] == "case id      2012-0001"


def test_a_field_without_a_value_takes_no_line(shown: Any) -> None:
    assert "holder" not in shown({**CASE, "holder": None}, 80)


def test_a_text_that_is_wider_than_any_terminal_stays_one_word(shown: Any) -> None:
    assert shown({"check": "log", "detail": "x" * 500}, 80).count("x" * 500) == 2


def test_wide_letters_are_measured_as_the_terminal_shows_them(shown: Any) -> None:
    lines = shown({"name": "児童相談所" * 3, "says": "word " * 30}, 60).splitlines()
    assert sum("児童相談所児童相談所児童相談所" in line for line in lines) == 2
