"""Files that are written from a log of everything hostile: readable by those who read such files, and in their place."""

import csv
import io
import json
import re
import sqlite3
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet
import pytest
from lxml import etree

from casetrail.cli import exits
from casetrail.domain.values import is_id
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Topic
from tests.cli.hostile import HOSTILE, LONG_ID, assert_harmless, assert_no_formula, attack
from tests.cli.notarial_shell import Office
from tests.cli.shell import INTAKE, REPORT, SERGEANT, Shell

NOW: Final = ("--now", "2036-01-01T00:00:00Z")
VOID: Final = frozenset({"meta", "link", "br", "hr", "img", "input", "path", "rect", "line", "circle", "polyline"})
OURS: Final = re.compile(r"(class|id|role|lang|charset|content|name|http-equiv|href|scope|tabindex|datetime|aria-[a-z]+|d|x|y|"
                         r"x1|x2|y1|y2|rx|ry|r|cx|cy|width|height|viewbox|transform|xmlns|type|download|open|colspan|rel)")  # fmt: skip


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A log into which everything hostile was put wherever it goes, all of it under a checkpoint."""
    with pytest.MonkeyPatch.context() as alone:
        folder = tmp_path_factory.mktemp("attacked")
        (folder / "beside").mkdir()
        alone.chdir(folder)
        made = Office(Shell(folder))
        made.run("log", "init")
        for number in range(12):
            made.report(f"C-{number}")
            made.run(*SERGEANT, "act", "note-added", f"C-{number}", "--seal", "narrative=-", text="an invented note")
        attack(made.log)
        made.report("LAST")
        made.notarise(times=2)
        yield made


@pytest.fixture
def place(office: Office, tmp_path: Path) -> Iterator[Path]:
    """A folder to write into; nothing else is written anywhere near it, nor where hostile paths lead."""
    yield tmp_path / "deep" / "in" / "here"
    assert {path.name for path in tmp_path.iterdir()} <= {"deep"}
    assert {path.name for path in (tmp_path / "deep").iterdir()} <= {"in"}
    assert {path.name for path in (tmp_path / "deep" / "in").iterdir()} <= {"here"}


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or path.is_symlink()}


def test_csv_for_analysts_has_no_formula_and_no_text_that_is_no_id(office: Office, place: Path) -> None:
    place.mkdir(parents=True)
    office.run("export", "csv", "--output", str(place / "log.csv"))
    assert names(place) == {"log.csv"}
    sheet = (place / "log.csv").read_bytes().decode()
    assert_harmless(sheet)
    assert_no_formula(sheet)
    rows = list(csv.DictReader(io.StringIO(sheet, newline="")))
    with EmbeddedLog.open(office.log) as log:
        assert len(rows) == sum(log.end_offsets(Topic.EVENTS).values())
    assert {row["actor"] for row in rows if row["actor"]} == {
        one for one in {row["actor"] for row in rows} if is_id(one)
    }
    assert {row["actor"] for row in rows} & set(HOSTILE.values()) == set()


def test_xes_is_well_formed_and_has_no_element_that_came_from_data(office: Office, place: Path) -> None:
    place.mkdir(parents=True)
    office.run("export", "xes", "--output", str(place / "log.xes"))
    found = etree.fromstring((place / "log.xes").read_bytes())
    assert {one.tag for one in found.iter()} == {
        "log", "extension", "global", "classifier", "trace", "event", "string", "date", "int", "boolean",
    }  # fmt: skip
    assert {name for one in found.iter() for name in one.attrib} <= {
        "key", "value", "name", "prefix", "uri", "scope", "keys", "xes.version", "xes.features",
    }  # fmt: skip
    assert all(value.isprintable() for one in found.iter() for value in one.attrib.values())


def test_ocel_and_parquet_hold_printable_values_only(office: Office, place: Path) -> None:
    place.mkdir(parents=True)
    for form in ("ocel", "parquet"):
        office.run("export", form, "--output", str(place / f"log.{form}"))
    texts = set(_texts(json.loads((place / "log.ocel").read_bytes())))
    texts |= set(_texts(pyarrow.parquet.read_table(place / "log.parquet").to_pylist()))
    assert LONG_ID in texts
    assert all(text.isprintable() for text in texts)
    assert texts & set(HOSTILE.values()) == set()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for one in (*value, *value.values()) for text in _texts(one))
    elif isinstance(value, list):
        yield from (text for one in value for text in _texts(one))


class Page(HTMLParser):
    """The elements of a page with their attributes; it fails where they are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name in ("href", "src", "xlink:href")}
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag


def test_the_report_for_the_public_has_no_element_attribute_or_link_that_came_from_data(
    office: Office, place: Path
) -> None:
    office.run("sunlight", str(place), *NOW)
    assert all(name in ("index.html", "sunlight.json", "checkpoint.txt") or re.fullmatch(r"data/[a-z-]+\.csv", name)
               for name in names(place))  # fmt: skip
    text = (place / "index.html").read_text("utf-8")
    assert_harmless(text)
    page = Page(text)
    assert page.tags.isdisjoint({"script", "iframe", "object", "embed", "form", "img", "base", "a:a", "foreignobject"})
    assert {one for one in page.attributes if OURS.fullmatch(one) is None} == set()
    assert {
        one
        for one in page.links
        if re.match(r"#|data/[a-z-]+\.csv|sunlight\.json|checkpoint\.txt|https://", one) is None
    } == set()
    for sheet in place.glob("data/*.csv"):
        assert_no_formula(sheet.read_bytes().decode())
        assert_harmless(sheet.read_bytes().decode())
    assert all(one.isprintable() for one in _texts(json.loads((place / "sunlight.json").read_bytes())))


def test_a_partners_file_has_no_formula(office: Office, place: Path) -> None:
    place.mkdir(parents=True)
    office.run("keys", "create", "clinic.example/casetrail", "--file", str(place / "key"), "--for", "log")
    for agency in ("metro-pd", LONG_ID):
        office.run("partner", "export", agency, "--output", str(place / "out.csv"), "--key", str(place / "key"))
        assert_no_formula((place / "out.csv").read_bytes().decode())
        assert_harmless((place / "out.csv").read_bytes().decode())
    assert names(place) >= {"out.csv", "out.csv.statement"}
    for agency in ("../../x", "=1", "a/b", ""):
        office.run("partner", "export", agency, "--output", str(place / "no.csv"), "--key", str(place / "key"), code=2)
    assert not (place / "no.csv").exists()


def test_a_published_log_has_no_file_whose_name_came_from_data(office: Office, place: Path) -> None:
    office.run(*office.policy, "audit", "publish", str(place))
    assert all(
        re.fullmatch(r"checkpoint|tile/(\d|entries)/[x0-9/]+(\.p/\d+)?|schemas/[0-9a-f]{8}\.avsc", name)
        for name in names(place)
    )
    done = office.run(*office.policy, "audit", "verify", "--from", str(place))
    assert_harmless(done.output)


def test_the_export_of_an_attacked_case_proves_it_and_shows_nothing_that_harms(office: Office, place: Path) -> None:
    place.mkdir(parents=True)
    for case_id in ("C-1", LONG_ID):
        office.run(*office.policy, "audit", "export", case_id, "--output", str(place / "case"))
        for form in ("table", "csv", "json"):
            shown = office.run(*office.policy, "audit", "check", str(place / "case"), "--format", form)
            assert_harmless(shown.output)
    for case_id in ("../../x", "/etc/passwd", "C-1\x1b[2J"):
        office.run(*office.policy, "audit", "export", case_id, "--output", str(place / "no"), code=2)
    assert names(place) == {"case"}


def test_an_export_without_end_is_not_read_to_its_end(office: Office) -> None:
    told = office.run(*office.policy, "audit", "check", "/dev/zero", code=exits.FAILED).stderr
    assert "has more than" in told


def test_receipts_from_the_spool_are_named_by_digits_alone(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASETRAIL_SPOOL", str(shell.folder / "beside"))
    monkeypatch.setattr("casetrail.publishing.submitter.PATIENCE", 0.05)
    holder = sqlite3.connect(shell.log, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    shell.run(*INTAKE, "report", LONG_ID, *REPORT, "--action-id", "2e" * 16, code=None)
    holder.close()
    (shell.folder / "receipts").mkdir()
    shell.run("spool", "deliver", "--receipts", str(shell.folder / "receipts"))
    assert names(shell.folder / "receipts") == {f"{'2e' * 16}.receipt"}
