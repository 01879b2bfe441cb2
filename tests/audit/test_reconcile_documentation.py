"""docs/reconciling.md is run: its ledgers and mappings give what it shows."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.audit.reconciliation.mapping import GROUPS, SCOPED, SETTINGS
from casetrail.audit.reconciliation.matching import MOST_ALIKE
from casetrail.audit.reconciliation.reconcile import Verdict
from casetrail.cli import exits
from casetrail.domain.codes import Channel, Offence
from tests.actions import CLINIC as CLINIC_STAFF
from tests.audit.reconciling import Book

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = (DOCS / "reconciling.md").read_text("utf-8")
FILES: Final = re.findall(r"`(\w+\.\w+)`:\n\n```(?:csv|toml)\n(.*?)```", PAGE, re.DOTALL)
RUN: Final = re.findall(r"```console\n\$ casetrail (.*?)\n(.*?)```", PAGE, re.DOTALL)


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def fill_clinic(book: Book) -> None:
    """Two of the clinic's children are in the log, one of them late."""
    clinic: dict[str, Any] = {"channel": Channel.PARTNER_AGENCY, "actor": CLINIC_STAFF}
    ada, ben = book.child("Ada Invented", "2015-05-09"), book.child("Invented, Ben", "2018-11-30")
    book.received("C-1", utc(2, 16, 15), timedelta(hours=1.5), offence=Offence.FONDLING, tokens=[ada], **clinic)
    book.received(
        "C-2", utc(3, 16), timedelta(days=3, hours=14), offence=Offence.SIMPLE_ASSAULT, tokens=[ben], **clinic
    )


def fill_hotline(book: Book) -> None:
    """Three of the hotline's calls are in the log, one as something else; and one of which it knows nothing."""
    for case_id, number, at, offence in (
        ("C-11", "H-1001", utc(2, 20, 5), Offence.RAPE),
        ("C-12", "H-1002", utc(3, 0, 30), Offence.OTHER),
        ("C-13", "H-1003", utc(4, 14, 10), Offence.FAMILY_NONVIOLENT),
        ("C-19", "H-9999", utc(9, 12), Offence.RAPE),
        ("C-20", "H-0999", utc(1, 5), Offence.RAPE),  # a February evening in Missouri
    ):
        book.received(case_id, at, number=number, offence=offence, channel=Channel.HOTLINE)


@pytest.mark.parametrize(("shown", "fill"), list(zip(RUN, (fill_clinic, fill_hotline), strict=True)))
def test_the_examples_give_what_the_page_shows(
    shown: tuple[str, str], fill: Callable[[Book], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES:
        (tmp_path / name).write_text(text, "utf-8")
    book = Book(tmp_path)
    fill(book)
    words, expected = shown
    done = book.run(*words.split(), code=exits.FAULTS)
    table = done.stdout.splitlines()
    end = table[1].index("evidence")
    told = [line[:end].rstrip() for line in table] + done.stderr.splitlines()
    assert told == expected.splitlines()


def test_the_page_has_a_mapping_and_a_ledger_for_each_example() -> None:
    assert [name for name, _ in FILES] == ["clinic.csv", "clinic.toml", "hotline.csv", "hotline.toml"]


def test_the_page_names_every_setting_every_verdict_and_every_category() -> None:
    plain = SETTINGS - {"scope", "tokens", "codes"}
    for name in (*plain, *(f"scope.{name}" for name in ("from", "until", "reported_in")), *GROUPS):
        assert f"`{name}`" in PAGE, name
    assert "`scope.agency`, `.unit`, `.channel`" in PAGE
    assert set(SCOPED) == {"agency", "unit", "channel", "reported_in"}
    table = PAGE[PAGE.index("| verdict |") :].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [verdict.value for verdict in Verdict]
    assert f"more than {MOST_ALIKE} lines or reports" in PAGE


def test_the_pages_that_it_refers_to_are_there() -> None:
    for name in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (DOCS / name).is_file(), name
