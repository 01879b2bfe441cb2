"""Where a ledger has numbers of its own, a report is recognised by whom it concerns, and nobody is taken for another."""

from pathlib import Path
from typing import Any

import pytest

from casetrail.audit.reconciliation.matching import MOST_ALIKE
from casetrail.cli import exits
from casetrail.domain.codes import MergeReason
from casetrail.domain.linking import Merged
from tests.audit.reconciling import CLINIC, DAY, HOTLINE, HOUR, MONDAY, Book, codes, verdicts
from tests.cli.shell import INTAKE as INTAKE_DESK
from tests.cli.shell import REPORT

HEAD = "seen,child,born,suspect,address\n"
ADA = "03/02/2026 03:00,Ada Invented,05/09/2015,,\n"  # 09:00 UTC
NUMBERED = CLINIC.replace('reported_at = "{seen}"', 'report_number = "{number}"\nreported_at = "{seen}"')


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    monkeypatch.chdir(tmp_path)
    return Book(tmp_path)


def one(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The only row."""
    (row,) = rows
    return row


def test_a_child_is_recognised_however_its_name_is_written(book: Book) -> None:
    book.received("C-1", tokens=[book.child("INVENTED, Áda", "2015-05-09")])
    row = one(book.reconcile(HEAD + ADA, CLINIC, code=exits.OK))
    assert (row["verdict"], row["case_id"], row["matched_by"]) == ("matched", "C-1", "token")
    assert row["report_number"] is None


def test_a_child_is_recognised_where_the_log_knows_no_date_of_birth(book: Book) -> None:
    book.received("C-1", tokens=[book.child("Ada Invented")])
    book.reconcile(HEAD + ADA, CLINIC, code=exits.OK)


def test_a_report_with_both_tokens_of_a_child_is_one(book: Book) -> None:
    book.received("C-1", tokens=[book.child("Ada Invented", "2015-05-09"), book.child("Ada Invented")])
    assert len(one(book.reconcile(HEAD + ADA, CLINIC, code=exits.OK))["evidence"]) == 1


def test_a_report_that_was_submitted_on_the_command_line_is_recognised(book: Book) -> None:
    book.run(*INTAKE_DESK, "report", "C-1", *REPORT, "--child-name", "Ada Invented", "--child-born", "2015-05-09",
             "--at", "2026-03-02T09:00Z")  # fmt: skip
    row = one(book.reconcile(HEAD + ADA, CLINIC))
    assert (row["verdict"], row["case_id"]) == ("late", "C-1")


def test_another_child_of_the_same_name_and_another_date_of_birth_is_not_the_same(book: Book) -> None:
    book.received("C-1", tokens=[book.child("Ada Invented", "2014-05-09")])
    assert verdicts(book.reconcile(HEAD + ADA, CLINIC)) == [("missing", 2, None), ("not_in_ledger", None, "C-1")]


def test_a_brother_at_the_same_address_is_never_taken_for_the_child(book: Book) -> None:
    home, man = book.address("100 Main St"), book.suspect("Sam Invented")
    book.received("C-1", tokens=[book.child("Ben Invented"), home, man])
    ledger = HEAD + "03/02/2026 03:00,Ada Invented,,Sam Invented,100 Main Street\n"
    assert verdicts(book.reconcile(ledger, CLINIC)) == [("missing", 2, None), ("not_in_ledger", None, "C-1")]


@pytest.mark.parametrize("which", ["suspect", "address"])
def test_a_suspect_or_an_address_counts_where_one_side_names_no_child(book: Book, which: str) -> None:
    token = book.suspect("Sam Invented") if which == "suspect" else book.address("100 N. Main St. #4")
    book.received("C-1", tokens=[token])
    ledger = HEAD + "03/02/2026 03:00,Ada Invented,,Sam Invented,100 North Main Street Apt 4\n"
    assert one(book.reconcile(ledger, CLINIC, code=exits.OK))["case_id"] == "C-1"
    far = ledger.replace("03/02", "03/04")
    assert one([row for row in book.reconcile(far, CLINIC) if row["line"]])["verdict"] == "missing"


def test_a_child_of_several_in_one_report_is_recognised(book: Book) -> None:
    book.received("C-1", tokens=[book.child("Ben Invented"), book.child("Ada Invented")])
    book.reconcile(HEAD + ADA, CLINIC, code=exits.OK)


def test_a_report_of_the_same_child_on_another_day_differs_in_its_date(book: Book) -> None:
    book.received("C-1", MONDAY - 20 * DAY, after=20 * DAY, tokens=[book.child("Ada Invented")])
    row = one(book.reconcile(HEAD + ADA, CLINIC))
    assert codes(row) == {"date": ("2026-03-02T09:00:00Z", "2026-02-10T09:00:00Z")}
    assert one(book.reconcile(HEAD + ADA, CLINIC, more="token_days = 19\n"))["verdict"] == "missing"


def test_two_reports_of_a_child_are_told_apart_by_their_times(book: Book) -> None:
    ada = book.child("Ada Invented")
    book.received("C-1", MONDAY, tokens=[ada])
    book.received("C-2", MONDAY + 9 * DAY, tokens=[ada])
    ledger = HEAD + ADA.replace("03/02", "03/11") + ADA
    assert verdicts(book.reconcile(ledger, CLINIC, code=exits.OK)) == [("matched", 2, "C-2"), ("matched", 3, "C-1")]


def test_several_reports_that_may_be_meant_are_all_named(book: Book) -> None:
    ada = book.child("Ada Invented")
    for number in range(3):
        book.received(f"C-{number}", MONDAY + number * HOUR, tokens=[ada])
    row = one(book.reconcile(HEAD + ADA, CLINIC))
    assert (row["verdict"], row["candidates"], row["case_id"]) == ("ambiguous", ["C-0", "C-1", "C-2"], None)
    assert sorted(place["case_id"] for place in row["evidence"]) == ["C-0", "C-1", "C-2"]


def test_several_lines_that_may_mean_one_report_are_all_named(book: Book) -> None:
    book.received("C-1", tokens=[book.child("Ada Invented")])
    rows = book.reconcile(HEAD + ADA + ADA.replace("03:00", "04:00"), CLINIC)
    assert [(row["verdict"], row["other_lines"]) for row in rows] == [("ambiguous", [3]), ("ambiguous", [2])]


def test_reports_of_a_child_that_were_merged_are_one(book: Book) -> None:
    ada = book.child("Ada Invented")
    book.received("C-1", tokens=[ada])
    book.received("C-2", MONDAY + HOUR, tokens=[ada])
    book.act("C-1", Merged("C-2", MergeReason.SAME_INCIDENT))
    row = one(book.reconcile(HEAD + ADA, CLINIC, code=exits.OK))
    assert (row["case_id"], row["late_hours"]) == ("C-2", 1.0)


def test_the_report_number_goes_before_the_child(book: Book) -> None:
    ada = book.child("Ada Invented")
    book.received("C-1", number="R-1", tokens=[ada])
    book.received("C-2", MONDAY + HOUR, number="R-2", tokens=[ada])
    ledger = "number," + HEAD + f"R-2,{ADA}"
    rows = book.reconcile(ledger + f",{ADA}", NUMBERED, code=exits.OK)
    assert verdicts(rows) == [("matched", 2, "C-2"), ("matched", 3, "C-1")]
    assert [row["matched_by"] for row in rows] == ["report_number", "token"]


def test_a_child_found_under_another_report_number_is_a_difference(book: Book) -> None:
    book.received("C-1", number="R-1", tokens=[book.child("Ada Invented")])
    row = one(book.reconcile(f"number,{HEAD}R-7,{ADA}", NUMBERED))
    assert (row["verdict"], codes(row)) == ("different", {"report_number": ("R-7", "R-1")})


def test_a_child_whose_report_was_filed_elsewhere_is_found_there(book: Book) -> None:
    book.received("C-1", unit="fraud", tokens=[book.child("Ada Invented")])
    row = one(book.reconcile(HEAD + ADA, CLINIC + '[scope]\nunit = "child-crimes"\n'))
    assert codes(row) == {"unit": ("child-crimes", "fraud")}


def test_a_report_of_that_day_filed_elsewhere_goes_before_one_of_another_day(book: Book) -> None:
    ada = book.child("Ada Invented")
    book.received("C-1", MONDAY - 9 * DAY, tokens=[ada])
    book.received("C-2", unit="fraud", tokens=[ada])
    row = one(book.reconcile(HEAD + ADA, CLINIC + '[scope]\nunit = "child-crimes"\n'))
    assert (row["case_id"], set(codes(row))) == ("C-2", {"unit"})


def test_a_child_whose_report_was_refused_is_missing_and_the_refusal_is_shown(book: Book) -> None:
    book.received("C-1", MONDAY - 90 * DAY)
    book.received("C-1", tokens=[book.child("Ada Invented")])
    row = one([row for row in book.reconcile(HEAD + ADA, CLINIC) if row["line"]])
    assert (row["verdict"], row["reason"]) == ("missing", "refused: case-exists")


@pytest.mark.parametrize("nobody", ["UNKNOWN", "unk", " N/A ", "???", "-", ""])
def test_a_place_holder_for_a_name_recognises_nobody(book: Book, nobody: str) -> None:
    book.received("C-1", tokens=[book.child("Unknown"), book.child("unk"), book.child("N/A")])
    row = one([row for row in book.reconcile(HEAD + ADA.replace("Ada Invented", nobody), CLINIC) if row["line"]])
    assert (row["verdict"], row["reason"]) == ("unreadable_row", "has nothing by which a report could be recognised")


def test_what_stands_for_nobody_is_the_mappings(book: Book) -> None:
    book.received("C-1", tokens=[book.child("Jane Doe")])
    ledger = HEAD + ADA.replace("Ada Invented", "JANE DOE").replace("05/09/2015", "")
    book.reconcile(ledger, CLINIC, code=exits.OK)
    rows = book.reconcile(ledger, CLINIC, more='unknown = ["Jane Doe"]\n')
    assert [row["verdict"] for row in rows] == ["unreadable_row", "not_in_ledger"]


def test_what_a_hundred_have_in_common_tells_nobody_apart(book: Book) -> None:
    doe = book.child("Jane Doe")
    for number in range(3):
        book.received(f"C-{number}", MONDAY + number * HOUR, tokens=[doe])
    ada = book.child("Ada Invented")
    book.received("C-9", MONDAY + HOUR, tokens=[ada, doe])
    line = "03/02/2026 0{hour}:00,Jane Doe,,,\n"
    ledger = HEAD + "".join(line.format(hour=number % 9) for number in range(MOST_ALIKE + 1)) + ADA
    rows = book.reconcile(ledger, CLINIC)
    assert {row["verdict"] for row in rows[: MOST_ALIKE + 1]} == {"ambiguous"}
    assert all(row["reason"] for row in rows[: MOST_ALIKE + 1])
    assert (rows[MOST_ALIKE + 1]["verdict"], rows[MOST_ALIKE + 1]["case_id"]) == ("matched", "C-9")
    left = sorted((row["verdict"], row["case_id"]) for row in rows[MOST_ALIKE + 2 :])
    assert left == [("ambiguous", f"C-{number}") for number in range(3)]


def test_no_name_of_the_ledger_is_shown_or_kept(book: Book) -> None:
    book.received("C-1", tokens=[book.child("Ada Invented")])
    ledger = HEAD + ADA + "soon,Secret Name,05/09/2015,Secret Name,Secret Name\n" + ADA.replace("2015", "Secret Name")
    where, how = book.files(ledger, CLINIC)
    for form in ("table", "json", "csv", "ndjson"):
        done = book.run("audit", "reconcile", where, "--mapping", how, "--format", form, code=exits.FAULTS)
        for name in ("Invented", "INVENTED", "invented", "Secret"):
            assert name not in done.output, form
    kept = [file for file in book.folder.iterdir() if file.suffix != ".csv" and b"Invented" in file.read_bytes()]
    assert not kept


def test_the_same_name_has_another_hash_in_another_ledger(book: Book) -> None:
    first, second = (book.reconcile(HEAD + ADA + more, CLINIC)[0] for more in ("", ADA))
    assert first["row_hash"] != second["row_hash"]


def test_without_the_keyring_of_the_reports_nobody_is_called_missing(book: Book) -> None:
    book.received("C-1", tokens=[book.child("Ada Invented")])
    where, how = book.files(HEAD + ADA, CLINIC)
    words = ("audit", "reconcile", where, "--mapping", how)
    done = book.run("--keyring", f"sqlite:{book.folder / 'other.keys'}", *words, code=exits.NOT_FOUND)
    assert "keyring" in done.stderr
    assert not (book.folder / "other.keys").exists()
    assert book.run("--keyring", "keys.db", *words, code=exits.FAILED).stderr


def test_a_ledger_of_numbers_needs_no_keyring(book: Book) -> None:
    book.received("C-1", number="R-1")
    for file in book.folder.glob("*.keys*"):
        file.unlink()
    book.reconcile("number,called,category\nR-1,2026-03-02T09:00Z,RAPE\n", HOTLINE, code=exits.OK)
    assert not list(book.folder.glob("*.keys*"))


def test_tokens_made_with_another_key_recognise_nobody(book: Book) -> None:
    book.received("C-1", tokens=[book.child("Ada Invented")])
    (book.folder / "other").mkdir()
    other = Book(book.folder / "other")
    where, how = book.files(HEAD + ADA, CLINIC)
    words = ("--keyring", f"sqlite:{other.log}.keys", "audit", "reconcile", where, "--mapping", how)
    assert "missing 1" in book.run(*words, code=exits.FAULTS).stderr
