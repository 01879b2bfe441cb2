"""Whatever stands in a ledger: each of its lines is accounted for, and what it holds does no harm."""

import csv
import io
import json
from hashlib import sha256
from pathlib import Path

import pytest

from casetrail.audit.reconciliation.ledger import row_hash
from casetrail.audit.reconciliation.text_files import MOST_FIELD, MOST_ROW
from casetrail.cli import exits
from tests.audit.reconciling import HOTLINE, Book, verdicts
from tests.cli.hostile import HOSTILE, assert_harmless, assert_no_formula

HEAD = "number,called,category\n"
R_1 = "R-1,2026-03-02T09:00Z,RAPE\n"
LEDGER = HEAD + R_1
PLAIN = 'report_number = "{number}"\nreported_at = "{called}"\n'


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    monkeypatch.chdir(tmp_path)
    made = Book(tmp_path)
    made.received("C-1", number="R-1")
    return made


def refused(book: Book, ledger: str | bytes, mapping: str, code: int = exits.FAILED) -> str:
    """What the command says of a ledger or mapping that it does not take."""
    where, how = book.files(ledger, mapping)
    done = book.run("audit", "reconcile", where, "--mapping", how, code=code)
    assert not done.stdout
    return done.stderr


# --- hostile content ---


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_cells_are_one_unreadable_line_each_and_show_nothing(book: Book, text: str) -> None:
    rows = [["number", "called", "category"], ["R-1", "2026-03-02T09:00Z", "RAPE"]]
    rows += [[text, "2026-03-02T09:00Z", "RAPE"], ["R-2", text, "RAPE"], ["R-3", "2026-03-02T09:00Z", text]]
    written = io.StringIO(newline="")
    csv.writer(written).writerows(rows)
    where, how = book.files(written.getvalue(), HOTLINE)
    words = ("audit", "reconcile", where, "--mapping", how)
    for form in ("table", "json", "csv", "ndjson"):
        done = book.run(*words, "--format", form, code=exits.FAULTS)
        assert_harmless(done.output)
        assert text.strip("long ") == "" or text not in done.output
        if form == "csv":
            assert_no_formula(done.stdout)
        if form == "json":
            found = json.loads(done.stdout)
            assert [row["verdict"] for row in found] == ["matched", *["unreadable_row"] * 3]
            assert [row["reason"].partition(":")[0] for row in found[1:]] == ["number", "called", "category"]


def test_a_hostile_report_number_never_reaches_the_output_as_one(book: Book) -> None:
    numbers = ("=1+1", "+1", "@x", "-1", "a b", "x" * 65, "é", "R-1\x00")
    rows = book.reconcile(HEAD + "".join(f"{one},2026-03-02T09:00Z,RAPE\n" for one in numbers))
    assert [row["verdict"] for row in rows] == [*["unreadable_row"] * len(numbers), "not_in_ledger"]
    assert not any(row["report_number"] for row in rows[: len(numbers)])


def test_hostile_column_names_are_harmless(book: Book) -> None:
    for text in HOSTILE.values():
        written = io.StringIO(newline="")
        csv.writer(written).writerows([["number", "called", text], ["R-1", "soon", "x"]])
        where, how = book.files(written.getvalue(), PLAIN)
        done = book.run("audit", "reconcile", where, "--mapping", how, code=None)
        assert done.exit_code in (exits.FAULTS, exits.FAILED)
        assert_harmless(done.stdout)
        done_alone = (
            book.process("audit", "reconcile", where, "--mapping", how, check=False) if "\x1b" in text else done
        )
        assert_harmless(done_alone.stderr)


@pytest.mark.parametrize("size", [MOST_FIELD - 10, MOST_FIELD + 10], ids=["largest", "too large"])
def test_a_huge_field_costs_its_own_line_only(book: Book, size: int) -> None:
    ledger = HEAD + f"R-2,2026-03-02T09:00Z,{'x' * size}\n" + R_1
    rows = book.reconcile(ledger)
    assert [(row["verdict"], row["line"]) for row in rows] == [("unreadable_row", 2), ("matched", 3)]
    assert all(len(row["reason"] or "") < 200 for row in rows)


def test_a_line_that_never_ends_is_refused_not_read(book: Book) -> None:
    message = refused(book, HEAD + "R-1," + "x," * (MOST_ROW // 2), HOTLINE)
    assert "is it a CSV file?" in message


def test_an_unclosed_quote_swallows_no_line_in_silence(book: Book) -> None:
    ledger = HEAD + 'R-2,2026-03-02T09:00Z,"RAPE\n' + R_1 + R_1.replace("R-1", "R-3")
    rows = book.reconcile(ledger)
    assert [(row["verdict"], row["line"]) for row in rows] == [("unreadable_row", 2)]
    assert "to line 4" in rows[0]["reason"]
    closed_later = HEAD + 'R-2,2026-03-02T09:00Z,"RAPE\n' + R_1 + 'R-3,2026-03-02T09:00Z,"RAPE"\n' + R_1
    rows = book.reconcile(closed_later)
    assert [(row["verdict"], row["line"]) for row in rows] == [("unreadable_row", 2), ("matched", 5)]
    assert "to line 4" in rows[0]["reason"]


def test_a_cell_may_have_several_lines_and_the_next_line_has_its_right_number(book: Book) -> None:
    ledger = 'number,called,note\nR-2,2026-03-02T09:00Z,"one\ntwo\n"\nR-1,2026-03-02T09:00Z,\n'
    assert verdicts(book.reconcile(ledger, PLAIN)) == [("missing", 2, None), ("matched", 5, "C-1")]


def test_lines_with_too_few_or_too_many_cells_are_unreadable(book: Book) -> None:
    rows = book.reconcile(HEAD + "R-2\n" + R_1 + "R-3,2026-03-02T09:00Z,RAPE,more\n,,\n")
    assert [(row["verdict"], row["reason"]) for row in rows] == [
        ("unreadable_row", "has 1 cells where the header has 3"),
        ("matched", None),
        ("unreadable_row", "has 4 cells where the header has 3"),
        ("unreadable_row", "called: is no time in the form ISO 8601"),
    ]


def test_blank_lines_are_no_lines(book: Book) -> None:
    assert verdicts(book.reconcile(HEAD + "\n\r\n" + R_1 + "\n", code=exits.OK)) == [("matched", 4, "C-1")]


def test_an_unreadable_line_of_a_known_number_shows_that_the_log_has_it(book: Book) -> None:
    (row,) = book.reconcile(HEAD + R_1.replace("RAPE", "ARSON"))
    assert (row["verdict"], row["report_number"]) == ("unreadable_row", "R-1")
    assert row["reason"] == "category: has a code that the table 'nibrs' does not have"
    assert [place["case_id"] for place in row["evidence"]] == ["C-1"]


# --- encodings and forms ---


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-8-sig", "utf-8"),
        ("utf-16", ""),
        ("utf-16-be", "utf-16-be"),
        ("utf-16", "utf-16"),
        ("cp1252", "cp1252"),
        ("cp1252", "windows-1252"),
        ("iso-8859-15", "l9"),
    ],
)
def test_ledgers_in_other_encodings_are_read(book: Book, encoding: str, named: str) -> None:
    ledger = "naïve,number,called\nénd,R-1,2026-03-02T09:00Z\n".encode(encoding)
    book.reconcile(ledger, PLAIN, code=exits.OK, more=f'encoding = "{named}"\n' if named else "")


def test_a_byte_order_mark_in_front_of_a_quoted_name_is_no_part_of_it(book: Book) -> None:
    ledger = b'\xff\xfe"\0n\0"\0,\0c\0\r\0\n\0R\0-\x001\0,\x002\x000\x002\x006\0-\x000\x003\0-\x000\x002\0'
    mapping = 'report_number = "{n}"\nreported_at = "{c}"\ntime_zone = "UTC"\n'
    book.reconcile(ledger, mapping, code=exits.OK)


def test_a_cell_in_another_encoding_costs_its_own_line_only_and_only_where_it_is_needed(book: Book) -> None:
    ledger = b"number,called,note,category\nR-2,2026-03-02T09:00Z,,RAP\xe9\nR-1,2026-03-02T09:00Z,\xe9,RAPE\n"
    rows = book.reconcile(ledger)
    assert [(row["verdict"], row["reason"]) for row in rows] == [
        ("unreadable_row", "category: is not in the ledger's encoding"),
        ("matched", None),
    ]


def test_a_ledger_in_the_wrong_encoding_is_refused_without_quoting_it(book: Book) -> None:
    message = refused(book, LEDGER + "x", PLAIN + 'encoding = "utf-16-le"\n')
    assert "R-1" not in message


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_separators_are_read(book: Book, delimiter: str) -> None:
    book.reconcile(LEDGER.replace(",", delimiter), PLAIN, code=exits.OK, more=f"delimiter = {json.dumps(delimiter)}\n")


def test_columns_that_the_mapping_does_not_need_may_have_no_name_or_the_same(book: Book) -> None:
    book.reconcile("number,called,,,x,x\nR-1,2026-03-02T09:00Z,1,2,3,4\n", PLAIN, code=exits.OK)
    message = refused(book, "number,called,called\nR-1,x,y\n", PLAIN)
    assert "'called'" in message


@pytest.mark.parametrize(
    ("forms", "zone", "time", "verdict"),
    [
        ('"%m/%d/%Y %I:%M %p"', "America/Chicago", "03/02/2026 03:00 AM", "matched"),
        ('["%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M"]', "Europe/Berlin", "02.03.2026 10:00", "matched"),
        ('"%m/%d/%Y %H:%M %z"', "", "03/02/2026 09:00 +0000", "matched"),
        ('"%m/%d/%Y %H:%M"', "", "03/02/2026 09:00", "unreadable_row"),
        ('"%m/%d/%Y %H:%M"', "UTC", "2026-03-02T09:00Z", "unreadable_row"),
        ('"%Y-%m-%d"', "UTC", "9999-12-31", "unreadable_row"),
        ('"%Y-%m-%d"', "America/Chicago", "9999-12-31", "unreadable_row"),
        ('"%Y-%m-%d"', "Asia/Tokyo", "0001-01-01", "unreadable_row"),
    ],
)
def test_times_are_read_in_the_forms_and_the_zone_that_the_mapping_names(
    book: Book, forms: str, zone: str, time: str, verdict: str
) -> None:
    more = f"time_formats = {forms}\ndate_tolerance_hours = 0\n" + (f'time_zone = "{zone}"\n' if zone else "")
    rows = book.reconcile(f"number,called\nR-1,{time}\n", PLAIN, more=more, code=None)
    assert rows[0]["verdict"] == verdict


def test_a_time_of_two_columns_and_a_number_that_is_made_an_id(book: Book) -> None:
    mapping = 'report_number = "{no|id}"\nreported_at = "{day}T{hour}Z"\n'
    book.reconcile("no,day,hour\nR 1,2026-03-02,09:00\n", mapping, code=exits.OK)


def test_the_hash_of_a_line_is_what_the_page_says(book: Book) -> None:
    ledger = HEAD.replace("\n", ",who\n") + R_1.replace("\n", ",Zoë\n")
    (row,) = book.reconcile(ledger, code=exits.OK)
    cells = ["R-1", "2026-03-02T09:00Z", "RAPE", "Zoë"]
    made = b"casetrail/ledger-row/1" + sha256(ledger.encode()).digest() + (2).to_bytes(8, "big")
    made += b"".join(len(cell.encode()).to_bytes(4, "big") + cell.encode() for cell in cells)
    assert row["row_hash"] == sha256(made).hexdigest() == row_hash(sha256(ledger.encode()).digest(), 2, cells).hex()


# --- mappings ---


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ('report_number = "{number}"', "reported_at"),
        ('reported_at = "{called}"', "report_number"),
        (PLAIN + "[tokens]\nchildren = 1\n", "children"),
        (PLAIN + "colour = 1\n", "colour"),
        (PLAIN + "[scope]\nplanet = 1\n", "planet"),
        (PLAIN.replace("{called}", "{when}"), "'when'"),
        (PLAIN.replace("{called}", "called"), "names no column"),
        (PLAIN + 'category = "{category|codes}"\n', "'codes'"),
        (PLAIN + 'time_zone = "Mars/Olympus"\n', "Mars/Olympus"),
        (PLAIN + 'time_zone = "../../etc/passwd"\n', "time zone"),
        (PLAIN + "time_zone = 1\n", "time_zone"),
        (PLAIN + 'time_formats = ["%Q"]\n', "%Q"),
        (PLAIN + "date_formats = 7\n", "date_formats"),
        (PLAIN + "late_after_hours = -1\n", "late_after_hours"),
        (PLAIN + "late_after_hours = nan\n", "late_after_hours"),
        (PLAIN + "late_after_hours = true\n", "late_after_hours"),
        (PLAIN + 'token_days = "30"\n', "token_days"),
        (PLAIN + 'delimiter = ";;"\n', "delimiter"),
        (PLAIN + 'delimiter = "\\""\n', "delimiter"),
        (PLAIN + 'encoding = "klingon"\n', "klingon"),
        (PLAIN + 'encoding = "base64"\n', "base64"),
        (PLAIN + 'encoding = "undefined"\n', "undefined"),
        (PLAIN + 'encoding = "a\\u0000b"\n', "encoding"),
        (PLAIN + '[scope]\nchannel = "smoke"\n', "hotline"),
        (PLAIN + '[scope]\nagency = "Metro PD"\n', "agency"),
        (PLAIN + "[scope]\nagency = [1]\n", "agency"),
        (PLAIN + "[scope]\nfrom = 2026-03-01\n", "time_zone"),
        (PLAIN + '[scope]\nfrom = "spring"\n', "from"),
        (PLAIN + "[scope]\nfrom = 7\n", "from"),
        (PLAIN + "[scope]\nfrom = 2026-03-02T00:00:00Z\nuntil = 2026-03-01T00:00:00Z\n", "before"),
        (PLAIN + "scope = 1\n", "scope"),
        (PLAIN + "codes.nibrs = 1\n", "nibrs"),
        (PLAIN + "codes.nibrs.RAPE = 11\n", "RAPE"),
        ("report_number = [", "TOML"),
    ],
)
def test_a_mapping_that_is_not_understood_is_refused_before_any_line(book: Book, mapping: str, says: str) -> None:
    assert says in refused(book, LEDGER, mapping)


def test_a_category_that_is_none_is_named_with_its_column(book: Book) -> None:
    (row,) = book.reconcile(LEDGER.replace("RAPE", "murder"), PLAIN + 'category = "{category}"\n')
    assert row["reason"].startswith("category: gives neither a NIBRS code nor one of: rape")


@pytest.mark.parametrize("ledger", [LEDGER, HEAD], ids=["used", "not used"])
@pytest.mark.parametrize("wrong", ['"murder"', '"rape,murder"', '["11A", "99Z"]'])
def test_a_category_that_is_none_in_a_code_table_is_refused_before_any_line(
    book: Book, ledger: str, wrong: str
) -> None:
    said = refused(book, ledger, HOTLINE.replace('"rape"', wrong))
    assert "'codes.nibrs' has" in said
    assert "for 'RAPE': that gives neither a NIBRS code nor one of: rape" in said
    combined = HOTLINE.replace("{category|nibrs}", "{number|nibrs}, {category|nibrs}")
    assert "for 'RAPE'" in refused(book, ledger, combined.replace('"rape"', wrong))


def test_a_code_table_may_give_no_category_and_half_of_one(book: Book) -> None:
    book.reconcile(LEDGER, HOTLINE.replace('"rape"', '""'), code=exits.OK)
    halves = (
        HOTLINE.replace('"{category|nibrs}"', '"1{category|nibrs}"').replace('"rape"', '"1A"').replace('"abuse"', '"x"')
    )
    book.reconcile(LEDGER, halves, code=exits.OK)


def test_a_code_table_of_report_numbers_gives_report_numbers(book: Book) -> None:
    mapping = 'report_number = "{number|numbers}"\nreported_at = "{called}"\n[codes.numbers]\n"*" = "no number"\n'
    assert "which is no report number" in refused(book, LEDGER, mapping)
    book.reconcile(LEDGER, mapping.replace("no number", "R-1"), code=exits.OK)


def test_an_empty_ledger_is_refused(book: Book) -> None:
    for ledger in ("", "\n", '"'):
        assert refused(book, ledger, PLAIN)


def test_files_that_are_not_there_are_named(book: Book) -> None:
    where, how = book.files(LEDGER, HOTLINE)
    folder, none = str(book.folder), "there is no file"
    for words, says in (
        (("nowhere.csv", how), f"{none} nowhere.csv"), ((where, "nowhere.toml"), f"{none} nowhere.toml"),
        ((folder, how), f"{folder} is a folder"), ((where, folder), f"{folder} is a folder"),
    ):  # fmt: skip
        done = book.run("audit", "reconcile", words[0], "--mapping", words[1], code=exits.NOT_FOUND)
        assert says in " ".join(done.stderr.split())


def test_a_mapping_in_another_encoding_is_refused_without_quoting_it(book: Book) -> None:
    where, how = book.files(LEDGER, "")
    Path(how).write_bytes(PLAIN.encode() + b"# \xe9\n")
    assert "TOML" in book.run("audit", "reconcile", where, "--mapping", how, code=exits.FAILED).stderr
