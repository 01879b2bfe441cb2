"""The page, its charts and its data files: the same numbers everywhere, and nothing but them."""

import csv
import hashlib
import io
import json
import re
from base64 import b64encode
from html.parser import HTMLParser
from typing import Any

import pytest

from casetrail.cli.render import csv_cell
from casetrail.sunlight.charts import bars, columns
from casetrail.sunlight.edition import Edition
from casetrail.sunlight.files import files
from casetrail.sunlight.pages import sections
from tests.sunlight.examples import COMMAND, some_edition

EVIL = "\"><script>alert(1)</script>' onload='alert(1)"


class Reader(HTMLParser):
    """Reads a page: its elements with their attributes, and the cells of its tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self._cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.tables[-1][-1][-1] += data.strip()


def made(edition: Edition) -> dict[str, bytes]:
    return files(edition, COMMAND, "0.1.0", csv_cell)


@pytest.fixture(scope="module")
def edition() -> Edition:
    return some_edition()


@pytest.fixture(scope="module")
def found(edition: Edition) -> dict[str, bytes]:
    return made(edition)


def test_the_same_edition_is_the_same_bytes(edition: Edition, found: dict[str, bytes]) -> None:
    assert made(some_edition()) == found


def test_each_table_of_the_page_has_its_data_file_with_the_same_numbers(
    found: dict[str, bytes], edition: Edition
) -> None:
    tables = Reader(found["index.html"].decode()).tables
    data = {name: content for name, content in found.items() if name.startswith("data/")}
    assert len(tables) == len(data) == len(sections(edition)) == 13
    for table, part in zip(tables, sections(edition), strict=True):
        rows = list(csv.reader(io.StringIO(data[f"data/{part.file}"].decode())))
        plain = [[cell.replace(",", "") for cell in row[1:]] for row in table[1:]]
        assert [[cell.removeprefix("∗") for cell in row] for row in plain] == [row[1:] for row in rows[1:]]
        assert [row[0] for row in table[1:]] == [row[0] for row in rows[1:]]


def test_the_json_file_has_every_table_and_what_it_rests_on(found: dict[str, bytes], edition: Edition) -> None:
    whole: dict[str, Any] = json.loads(found["sunlight.json"])
    assert list(whole["tables"]) == [part.name for part in sections(edition)]
    assert (whole["log"], whole["now"], whole["positions"]) == ("kcpd", "2015-12-25T12:00:00Z", {"0": 36_000})
    assert whole["checkpoint"]["size"] == 36_000
    by_month = whole["tables"]["by-month"]["rows"]
    assert by_month[-1]["all"] == 4000
    assert {"name", "is_total", "all", "contacted"} <= set(by_month[0])
    assert any(row["contacted"] is None for row in by_month)


def test_the_page_names_the_checkpoint_and_the_command_that_computes_it_anew(found: dict[str, bytes]) -> None:
    page = found["index.html"].decode()
    for text in (COMMAND, "kcpd.example/casetrail", "36,000 leaves", bytes(32).hex(), "up to offset 36000"):
        assert text in page
    assert found["checkpoint.txt"] == b"the note\n"


def test_every_figure_is_explained_by_a_sentence(found: dict[str, bytes], edition: Edition) -> None:
    page = found["index.html"].decode()
    for table in edition.tables:
        for figure in table.figures:
            assert figure.meaning in page
            assert figure.meaning.endswith(".")


def test_there_is_no_script_and_nothing_is_loaded(found: dict[str, bytes]) -> None:
    elements = Reader(found["index.html"].decode()).elements
    assert not {tag for tag, _ in elements} & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    for _, attributes in elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src")]
        assert not (attributes.get("href") or "#").startswith(("http", "//", "javascript"))


def test_the_policy_of_the_page_lets_in_its_own_style_sheet_only(found: dict[str, bytes]) -> None:
    page = found["index.html"].decode()
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": policy}) in Reader(page).elements
    assert "url(" not in style
    assert "@import" not in style


def test_a_hostile_name_in_the_log_becomes_text() -> None:
    hostile = made(some_edition(clocks=(EVIL, "=cmd"), log=EVIL, origin=EVIL))
    page = hostile["index.html"].decode()
    assert "<script" not in page
    assert not [one for _, attributes in Reader(page).elements for one in attributes if one.startswith("on")]
    cells = [cell for row in csv.reader(io.StringIO(hostile["data/clocks.csv"].decode())) for cell in row]
    assert "'=cmd" in cells
    assert "=cmd" not in cells


def test_each_chart_has_a_name_a_description_and_text_as_text(found: dict[str, bytes]) -> None:
    elements = Reader(found["index.html"].decode()).elements
    charts = [attributes for tag, attributes in elements if tag == "svg"]
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(charts) == 13
    assert len(ids) == len(set(ids))
    for chart in charts:
        assert chart["role"] == "img"
        assert {chart["aria-labelledby"], chart["aria-describedby"]} <= set(ids)
    assert "no contact yet" in bars("c", "Contact", "told", ["no contact yet"], {"reports": [7]})


def test_a_chart_is_the_same_bytes_again_and_says_nothing_of_when_or_by_what_it_was_made() -> None:
    chart = columns("c", "Reports", "told", ["2015-01", "2015-02"], {"contacted": [7, None], "no contact yet": [3, 0]})
    assert chart == columns(
        "c", "Reports", "told", ["2015-01", "2015-02"], {"contacted": [7, None], "no contact yet": [3, 0]}
    )
    assert "pygal" not in chart.lower()
    assert "<!--" not in chart
    assert "style" not in chart


def test_what_is_withheld_has_no_bar() -> None:
    told = bars("c", "Closed", "told", ["arrest", "unfounded"], {"reports": [9, 7]}).count("<rect")
    assert bars("c", "Closed", "told", ["arrest", "unfounded"], {"reports": [9, None]}).count("<rect") == told - 1


@pytest.mark.parametrize("count", [0, 3, 8])
def test_a_report_of_hardly_anything_is_a_whole_page(count: int) -> None:
    small = made(some_edition(count, 2))
    page = small["index.html"].decode()
    assert page.rstrip().endswith("</html>")
    assert not re.search(r"<td>[1-4]</td>", page)


@pytest.mark.parametrize(
    ("name", "rows_are", "figure"),
    [
        ("clocks-by-month", "Month of receipt", "late"),
        ("clocks-by-offence", "Offence", "late"),
        ("time-to-contact-by-month", "Month of receipt", "contact_within_24_hours"),
        ("closed-as-by-month", "Month of receipt", "as_administratively_closed"),
    ],
)
def test_whether_limits_contact_and_closures_grow_worse_shows_row_by_row(
    found: dict[str, bytes], name: str, rows_are: str, figure: str
) -> None:
    table = json.loads(found["sunlight.json"])["tables"][name]
    assert table["rows_are"] == rows_are
    assert figure in table["figures"]
    assert len(table["rows"]) > 5
    assert sum(row[figure] is not None for row in table["rows"]) > len(table["rows"]) / 2
    assert f'aria-labelledby="{name}-title"' in found["index.html"].decode()


def test_every_kind_of_finding_that_is_counted_is_explained(found: dict[str, bytes]) -> None:
    page, tables = found["index.html"].decode(), json.loads(found["sunlight.json"])["tables"]
    assert "<dt>untouched</dt><dd>A case that has a holder who does nothing.</dd>" in page
    assert tables["findings"]["kinds"].keys() == {"untouched", "no contact", "never screened"}
    assert tables["work"]["kinds"].keys() == {"overloaded", "silent machine"}
    assert tables["clocks"]["kinds"] == {}
