"""Where a ledger has numbers of its own, a report is recognised by whom it concerns, and nobody is taken for another."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.audit.reconciliation.matching import MOST_ALIKE
from casetrail.cli import exits
from casetrail.domain.codes import ContactMethod, CorrectionReason, MergeReason, SealedName
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.linking import FactCorrected, Merged
from casetrail.domain.sealed import SealedField, Token
from casetrail.privacy.tokens import child_token
from tests.actions import INTAKE
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


def test_a_child_that_was_identified_only_later_is_recognised(book: Book) -> None:
    sealed = (SealedField(SealedName.CHILD_NAME, bytes(32), bytes(12), b"sealed"),)
    book.received("C-1", tokens=[book.address("100 Main St")])
    book.act("C-1", VictimContactMade(ContactMethod.IN_PERSON))
    book.act("C-1", FactCorrected(2, CorrectionReason.SOURCE_CORRECTED, sealed=sealed,
                                  tokens=(book.child("Ada Invented", "2015-05-09"), book.child("Ada Invented"))))  # fmt: skip
    row = one(book.reconcile(HEAD + ADA, CLINIC, code=exits.OK))
    assert (row["case_id"], row["matched_by"]) == ("C-1", "token")
    assert [(place["kind"], place["number"]) for place in row["evidence"]] == [
        ("ReportReceived", 1),
        ("FactCorrected", 3),
    ]
    brother = HEAD + "03/02/2026 03:00,Ben Invented,,,100 Main Street\n"
    assert [row["verdict"] for row in book.reconcile(brother, CLINIC)] == ["missing", "not_in_ledger"]


def test_tokens_of_a_correction_do_not_show_that_the_report_has_the_same_key(book: Book) -> None:
    sealed = (SealedField(SealedName.CHILD_NAME, bytes(32), bytes(12), b"sealed"),)
    book.received("C-1", number="R-1", tokens=[child_token(b"k" * 32, "Ada Invented", date(2015, 5, 9))])
    book.received("C-2", number="R-2", tokens=[child_token(b"k" * 32, "Ben Invented", date(2015, 5, 9))])
    book.act("C-2", FactCorrected(1, CorrectionReason.ENTERED_WRONG, sealed=sealed,
                                  tokens=(book.child("Ben Invented", "2015-05-09"),)))  # fmt: skip
    ledger = "number," + HEAD + f"R-1,{ADA}" + "R-2," + ADA.replace("Ada", "Ben")
    rows = book.reconcile(ledger, NUMBERED)
    assert verdicts(rows) == [("matched", 2, "C-1"), ("matched", 3, "C-2")]


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


# --- the number fits, and the child? ---

NUMBERED_HEAD: Final = "number,seen,child,born,suspect,suspect_born\n"
PERSONS: Final = NUMBERED.replace('address = "{address}"', 'suspect_born = "{suspect_born}"')
DATED_ADA: Final = "03/02/2026 03:00,Ada Invented,05/09/2015,,\n"
OTHER: Final = "another name or date of birth"


def report_of_ben(book: Book, *more: Token, **changes: Any) -> None:
    """The log has another child under the number of the line that names Ada; elsewhere it knows the key of the ledger."""
    book.received("C-1", number="R-1", tokens=[book.child("Ben Invented", "2014-01-01"), *more], **changes)
    book.received("C-9", number="R-9", tokens=[book.child("Cleo Invented", "2012-02-14")])


CLEO: Final = "R-9,03/02/2026 03:00,Cleo Invented,02/14/2012,,\n"


def test_another_child_under_the_lines_number_is_a_difference(book: Book) -> None:
    report_of_ben(book)
    first, second = book.reconcile(f"{NUMBERED_HEAD}R-1,{DATED_ADA}{CLEO}", PERSONS)
    assert (first["verdict"], first["case_id"], first["matched_by"]) == ("different", "C-1", "report_number")
    assert codes(first) == {"child": ("this child", OTHER)}
    assert second["verdict"] == "matched"


def test_the_difference_says_no_name_and_no_token(book: Book) -> None:
    report_of_ben(book)
    where, how = book.files(f"{NUMBERED_HEAD}R-1,{DATED_ADA}{CLEO}", PERSONS)
    tokens = [
        book.child(name, born).value for name, born in (("Ada Invented", "2015-05-09"), ("Ben Invented", "2014-01-01"))
    ]
    for form in ("table", "json", "csv", "ndjson"):
        done = book.run("audit", "reconcile", where, "--mapping", how, "--format", form, code=exits.FAULTS)
        assert OTHER in done.output.replace("\n", " ") or form == "table"
        assert not [text for text in ("Invented", "invented", *(one.hex() for one in tokens)) if text in done.output]


@pytest.mark.parametrize(
    "names",
    [
        [("Ada Invented", "2015-05-09")],
        [("Ada Invented", None)],
        [("Ben Invented", "2014-01-01"), ("Ada Invented", "2015-05-09")],
        [],
    ],
    ids=["the same", "the same without a date of birth", "one of several", "withheld"],
)
def test_a_child_that_the_report_names_too_or_that_it_does_not_name_is_no_difference(
    book: Book, names: list[tuple[str, str | None]]
) -> None:
    book.received("C-1", number="R-1", tokens=[book.child(*one) for one in names])
    book.received("C-9", number="R-9", tokens=[book.child("Cleo Invented", "2012-02-14")])
    book.reconcile(f"{NUMBERED_HEAD}R-1,{DATED_ADA}{CLEO}", PERSONS, code=exits.OK)


@pytest.mark.parametrize(
    "line",
    [
        "03/02/2026 03:00,,,,\n",
        "03/02/2026 03:00,UNKNOWN,05/09/2015,,\n",
        "03/02/2026 03:00,Ben Invented,,,\n",
        "03/02/2026 03:00,Ada Invented,,,\n",
    ],
    ids=["no child", "a place-holder", "the same without a date of birth", "another without a date of birth"],
)
def test_a_line_that_does_not_give_name_and_date_of_birth_accuses_nobody(book: Book, line: str) -> None:
    report_of_ben(book)
    book.reconcile(f"{NUMBERED_HEAD}R-1,{line}{CLEO}", PERSONS, code=exits.OK)


@pytest.mark.parametrize("name", ["UNKNOWN", "n/a", "Unk"])
def test_a_place_holder_in_the_log_is_no_other_child(book: Book, name: str) -> None:
    book.received("C-1", number="R-1", tokens=[book.child(name)])
    book.received("C-9", number="R-9", tokens=[book.child("Cleo Invented", "2012-02-14")])
    book.reconcile(f"{NUMBERED_HEAD}R-1,{DATED_ADA}{CLEO}", PERSONS, code=exits.OK)


def test_what_too_many_reports_have_in_common_is_no_other_child(book: Book) -> None:
    doe = book.child("Jane Doe")
    for number in range(MOST_ALIKE + 1):
        book.received(f"D-{number}", MONDAY - 90 * DAY, number=f"D-{number}", tokens=[doe])
    book.received("C-1", number="R-1", tokens=[doe])
    book.received("C-9", number="R-9", tokens=[book.child("Cleo Invented", "2012-02-14")])
    book.reconcile(f"{NUMBERED_HEAD}R-1,{DATED_ADA}{CLEO}", PERSONS, code=exits.OK)


def test_tokens_of_another_key_are_not_compared_and_that_is_said(book: Book) -> None:
    report_of_ben(book)
    (book.folder / "other").mkdir()
    other = Book(book.folder / "other")
    where, how = book.files(f"{NUMBERED_HEAD}R-1,{DATED_ADA}{CLEO}", PERSONS)
    words = ("--keyring", f"sqlite:{other.log}.keys", "audit", "reconcile", where, "--mapping", how, "--format", "json")
    done = book.run(*words, code=exits.FAULTS)
    assert [row["verdict"] for row in json.loads(done.stdout)] == ["matched", "matched"]
    assert "on 2 line(s) that have a report's number nobody can tell" in done.stderr


def test_an_agency_that_submits_with_a_keyring_of_its_own_is_not_accused(book: Book) -> None:
    clinic = replace(INTAKE, agency="clinic")
    book.received("C-1", number="R-1", tokens=[child_token(bytes(32), "Ada Invented")], actor=clinic)
    book.received("C-9", number="R-9", tokens=[book.child("Cleo Invented", "2012-02-14")])
    rows = book.reconcile(f"{NUMBERED_HEAD}R-1,{DATED_ADA}{CLEO}", PERSONS)
    assert [row["verdict"] for row in rows] == ["matched", "matched"]


def test_a_report_whose_sealed_texts_open_with_this_keyring_is_compared_even_if_it_is_the_only_one(book: Book) -> None:
    book.run(*INTAKE_DESK, "report", "C-1", *REPORT, "--child-name", "Ben Invented", "--child-born", "2014-01-01",
             "--seal", "narrative=it was said", "--report-number", "R-1", "--at", "2026-03-02T09:00Z")  # fmt: skip
    row = one(book.reconcile(f"{NUMBERED_HEAD}R-1,{DATED_ADA}", PERSONS, more="late_after_hours = inf\n"))
    assert codes(row) == {"child": ("this child", OTHER)}


def corrected(book: Book, *tokens: Token) -> list[str]:
    """What is noted where the child of a report was Ben, then was corrected, and the line is of Ada: lines stay as they are."""
    report_of_ben(book)
    field = SealedField(SealedName.CHILD_NAME, bytes(32), bytes(12), b"sealed")
    book.act("C-1", FactCorrected(1, CorrectionReason.ENTERED_WRONG, sealed=(field,), tokens=tokens or None))
    where, how = book.files(f"{NUMBERED_HEAD}R-1,{DATED_ADA}{CLEO}", PERSONS)
    done = book.run("audit", "reconcile", where, "--mapping", how, "--format", "json", code=None)
    assert [row["verdict"] for row in json.loads(done.stdout)] == ["matched", "matched"]
    notes = [line for line in done.stderr.splitlines() if "nobody can tell" in line]
    assert done.exit_code == (exits.FAULTS if notes else exits.OK)
    return notes


def test_a_childs_name_that_was_corrected_without_a_token_accuses_nobody_and_hides_nothing(book: Book) -> None:
    (told,) = corrected(book)
    assert "on 1 line(s)" in told
    assert "no token says that it names whom the line names" in told


def test_a_token_of_somebody_else_in_a_correction_hides_nothing_either(book: Book) -> None:
    assert len(corrected(book, book.child("Dan Invented", "2014-05-05"))) == 1


def test_a_childs_name_that_was_corrected_with_its_token_is_the_lines(book: Book) -> None:
    assert corrected(book, book.child("Ada Invented", "2015-05-09")) == []


def test_another_suspect_is_a_difference_too(book: Book) -> None:
    ada, sam = book.child("Ada Invented", "2015-05-09"), book.suspect("Sam Invented")
    book.received("C-1", number="R-1", tokens=[ada, sam])
    line = "R-1,03/02/2026 03:00,Ada Invented,05/09/2015,{}\n"
    row = one(book.reconcile(NUMBERED_HEAD + line.format("Tom Invented,01/01/1980"), PERSONS))
    assert codes(row) == {"suspect": ("this suspect", OTHER)}
    for same in ("Sam Invented,01/01/1980", "Tom Invented,", ",", "unknown,01/01/1980"):
        book.reconcile(NUMBERED_HEAD + line.format(same), PERSONS, code=exits.OK)
