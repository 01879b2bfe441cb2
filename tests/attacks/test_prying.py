"""Who has no key wants to know who is meant: from the log itself, and from what casetrail shows, says and publishes."""

import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest

from casetrail.audit.reconciliation.matching import MOST_ALIKE
from casetrail.cli import exits
from casetrail.domain.actions import SubmissionUnreadable
from casetrail.eventlog.codec import Event, decode_event
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Topic
from tests.actions import CLINIC as CLINIC_STAFF
from tests.audit.reconciling import CLINIC, Book, codes
from tests.cli.shell import CLINIC as PARTNER
from tests.cli.shell import INTAKE, MAPPING, REPORT, SERGEANT, Shell
from tests.conformance.log_kit import read_all

CHILD: Final = "Adelheid Zwetschkenbaum"
SEALING: Final = MAPPING + 'seal.child_name = "{child}"\ntokens.child = "{child}"\n'


def events_of(shell: Shell) -> list[Event]:
    """What whoever may read the log has: no key."""
    with EmbeddedLog.open(shell.log) as log:
        return [decode_event(record.value) for record in read_all(log, Topic.EVENTS)]


def shell_at(folder: Path) -> Shell:
    """A log of its own, with a keyring of its own."""
    folder.mkdir()
    made = Shell(folder)
    made.run("log", "init", "--name", "log")
    return made


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A log in a folder of its own."""
    return shell_at(tmp_path / "log")


# --- names that are tried until something fits ---


def imported(shell: Shell) -> list[Event]:
    """A child's report as an old system had it."""
    (shell.folder / "map.toml").write_text(SEALING, "utf-8")
    (shell.folder / "old.csv").write_text(f"number,received,story,child\nR-1,2016-01-05T08:00,,{CHILD}\n", "utf-8")
    shell.run("import", str(shell.folder / "old.csv"), "--mapping", str(shell.folder / "map.toml"))
    return events_of(shell)


def test_no_name_can_be_tried_on_the_id_of_an_imported_action(tmp_path: Path) -> None:
    (event,) = imported(shell_at(tmp_path / "one"))
    for name in ("Somebody Else", CHILD):  # all else of the row stands in the open in the event
        content = "\x1f".join(f"{column}\x1e{text}" for column, text in (
            ("child", name), ("number", event.case_id), ("received", "2016-01-05T08:00")))  # fmt: skip
        named = f"casetrail/import/1\x1fold-rms\x1f{event.case_id}\x1f0\x1f{content}"
        assert sha256(named.encode()).digest()[:16] != event.action_id
    (elsewhere,) = imported(shell_at(tmp_path / "two"))
    assert elsewhere.action_id != event.action_id, "what follows from the row alone, anybody can make from a guess"


# --- a ledger with a child in it of whom one wants to know ---

PADDED: Final = f"child,born,seen,suspect,address\n{CHILD},03/04/2017,03/02/2026 10:00,,\n"
SCOPE: Final = CLINIC + '\n[scope]\nreported_in = "clinic"\n'


def test_who_adds_a_child_to_a_ledger_is_not_told_who_reported_it(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.received("C-1", tokens=[book.child(CHILD, "2017-03-04")])
    (row,) = book.reconcile(PADDED, SCOPE)
    assert codes(row)["reported_in"] == ("clinic", "metro-pd"), "an auditor is told"
    ledger, mapping = book.files(PADDED, SCOPE)
    words = ("audit", "reconcile", ledger, "--mapping", mapping, "--only-in-scope")
    (row,) = book.rows(*words, code=exits.FAULTS)
    told = {name: value for name, value in row.items() if value not in (None, [])}
    assert told.keys() == {"verdict", "line", "row_hash", "reported_at"} and told["verdict"] == "missing"
    book.received("C-2", tokens=[book.child(CHILD, "2017-03-04")], actor=CLINIC_STAFF)
    (row,) = book.rows(*words)
    assert (row["verdict"], row["case_id"]) == ("matched", "C-2")
    _, mapping = book.files(PADDED, CLINIC)
    assert "[scope]" in book.run(*words[:3], "--mapping", mapping, "--only-in-scope", code=exits.USAGE).stderr


def test_nor_by_whether_too_many_reports_are_of_the_child(tmp_path: Path) -> None:
    book = Book(tmp_path)
    for number in range(MOST_ALIKE + 1):
        book.received(f"C-{number}", tokens=[book.child(CHILD)])
    ledger, mapping = book.files(PADDED.replace("03/04/2017", ""), SCOPE)
    words = ("audit", "reconcile", ledger, "--mapping", mapping)
    (row,) = book.rows(*words, code=exits.FAULTS)
    assert row["verdict"] == "ambiguous", "an auditor is told"
    (row,) = book.rows(*words, "--only-in-scope", code=exits.FAULTS)
    assert (row["verdict"], row["reason"]) == ("missing", None)
    book.received("C-OWN", tokens=[book.child(CHILD)], actor=CLINIC_STAFF)
    (row,) = book.rows(*words, "--only-in-scope")
    assert (row["verdict"], row["case_id"]) == ("matched", "C-OWN")


# --- what is said ---

LAST_NAME: Final = "Zwetschkenbaum"
UNQUOTED: Final = ("--child-name", "Adelheid", LAST_NAME)


@pytest.mark.parametrize(
    "words",
    [
        (*INTAKE, "report", "C-1", *REPORT, *UNQUOTED),
        (*SERGEANT, "act", "note-added", "C-1", "--seal", "narrative=Adelheid", LAST_NAME),
        (*SERGEANT, "findings", "answer", "f0", "--answer", "explained", "--seal", "rationale=Adelheid", LAST_NAME),
        (*PARTNER, "partner", "raise", "C-1", "--about", "no_response", "--seal", "narrative=Adelheid", LAST_NAME),
    ],
    ids=["report", "act", "findings answer", "partner raise"],
)
def test_a_name_that_was_not_quoted_is_in_no_message(shell: Shell, words: tuple[str, ...]) -> None:
    result = shell.run(*words, code=exits.USAGE)
    assert LAST_NAME not in result.output
    assert "Words too many, not repeated here" in result.stderr and "quote" in result.stderr
    assert events_of(shell) == []


@pytest.mark.parametrize(
    "words",
    [
        (*INTAKE, "report", *REPORT, *UNQUOTED),
        (*INTAKE, "report", *UNQUOTED, *REPORT),
        (*INTAKE, "report", *REPORT, "--child-name=Adelheid", LAST_NAME),
        (*INTAKE, "report", *REPORT, "--seal", "narrative=Adelheid", LAST_NAME),
        (*SERGEANT, "act", "note-added", "--seal=narrative=Adelheid", LAST_NAME),
        (*SERGEANT, "findings", "answer", "--answer", "explained", "--seal", "rationale=Adelheid", LAST_NAME),
        (*PARTNER, "partner", "raise", "--about", "no_response", "--seal", "narrative=Adelheid", LAST_NAME),
    ],
)
def test_nor_does_it_become_the_id_of_a_case(shell: Shell, words: tuple[str, ...]) -> None:
    result = shell.run(*words, code=exits.USAGE)
    assert LAST_NAME not in result.output
    assert "a word stands behind the text of --" in result.stderr and "quote" in result.stderr
    assert events_of(shell) == []


PLAIN: Final = f'{{"child": "{CHILD}"}}'.encode()
SHOWN: Final = ("history C-9", "history C-9 --unseal", "history ~stray.0", "show C-9", "replay", "watch --no-follow",
                "audit replay", "audit verify --no-policy", "count", "export csv --output -", "cases", "doctor")  # fmt: skip


def test_a_name_that_a_service_submits_in_clear_stays_in_the_log_and_no_command_shows_it(shell: Shell) -> None:
    with EmbeddedLog.open(shell.log) as log:
        log.append(Topic.ACTIONS, [Entry(b"C-9", PLAIN), Entry(CHILD.encode(), PLAIN)])
    shell.report()
    assert [event.body.code for event in events_of(shell) if isinstance(event.body, SubmissionUnreadable)] == [
        "not-framed", "bad-key",
    ]  # fmt: skip
    assert CHILD.encode() in shell.log.read_bytes(), "what was submitted is kept: docs/sealing.md says so"
    for query in SHOWN:
        said = shell.run(*query.split(), code=None).output
        assert not [part for part in (*CHILD.split(), PLAIN.hex(), CHILD.encode().hex()) if part in said], query


# --- what is published ---


def published(shell: Shell, day: str, *more: str, code: int = exits.OK) -> tuple[int, str]:
    """Publish the report for the public as of a day; how many reports it says there were, and what was said to who did it."""
    result = shell.run("sunlight", str(shell.folder / "www"), "--now", f"{day}T12:00:00Z", *more, code=code)
    found = json.loads((shell.folder / "www" / "sunlight.json").read_bytes())
    return int(found["tables"]["by-offence"]["rows"][-1]["all"]), result.stderr


def test_two_editions_that_are_too_close_are_not_published(shell: Shell) -> None:
    for number in range(20):
        shell.report(f"C-{number}")
    assert published(shell, "2030-01-01") == (20, "")
    assert published(shell, "2030-01-02") == (20, ""), "nothing has happened, so there is nothing to tell"
    shell.report("C-20")
    count, said = published(shell, "2030-01-03", code=exits.FAILED)
    assert count == 20 and "less than 27 days" in said and "--soon" in said
    _, said = published(shell, "2029-12-31", code=exits.FAILED)
    assert "less than 27 days" in said
    count, said = published(shell, "2030-01-03", "--soon")
    assert count == 21 and "differ by 1 to 4 from those of the edition of 2030-01-02" in said


def test_what_two_editions_print_tells_by_its_difference_of_single_reports(shell: Shell) -> None:
    for number in range(20):
        shell.report(f"C-{number}")
    before, _ = published(shell, "2030-01-01")
    shell.report("C-20")
    after, said = published(shell, "2030-01-28")
    assert after - before == 1, "docs/sunlight.md says so"
    assert "differ by 1 to 4 from those of the edition of 2030-01-01" in said


# --- mappings that put a name where everybody reads it ---


@pytest.mark.parametrize(
    ("line", "changed", "where"),
    [
        ('case = "{number}"', 'case = "{child|id}"', "'case'"),
        ('case = "{number}"', 'case = "{number}-{child|id}"', "'case'"),
        ('report_number = "{number}"', 'report_number = "{child}"', "'report_number'"),
        ('agency = "metro-pd"\ncase', 'agency = "metro-pd"\nperson = "{child|id}"\ncase', "'person'"),
    ],
)
@pytest.mark.parametrize("named", ['seal.child_name = "{child}"', 'tokens.child = "{child}, {story}"'])
def test_no_mapping_makes_an_id_of_a_name(shell: Shell, line: str, changed: str, where: str, named: str) -> None:
    assert line in MAPPING
    (shell.folder / "map.toml").write_text(MAPPING.replace(line, changed) + named + "\n", "utf-8")
    (shell.folder / "old.csv").write_text("number,received,story,child\nR-1,2016-01-05T08:00,,Adelheid\n", "utf-8")
    result = shell.run("import", str(shell.folder / "old.csv"), "--mapping", str(shell.folder / "map.toml"), code=None)
    assert result.exit_code == exits.FAILED, result.output
    assert where in result.stderr and "'child' holds a name" in result.stderr
    assert b"Adelheid" not in shell.log.read_bytes()


def test_a_code_that_a_table_makes_of_a_name_is_no_name(shell: Shell) -> None:
    kinds = MAPPING.replace('reporter_kind = "family"', 'reporter_kind = "{child|kinds}"')
    mapping = kinds + 'seal.reporter_name = "{child}"\n\n[codes.kinds]\n"*" = "family"\n'
    (shell.folder / "map.toml").write_text(mapping, "utf-8")
    (shell.folder / "old.csv").write_text("number,received,story,child\nR-1,2016-01-05T08:00,,Adelheid\n", "utf-8")
    shell.run("import", str(shell.folder / "old.csv"), "--mapping", str(shell.folder / "map.toml"))


def test_no_ledger_shows_a_name_as_its_report_number(tmp_path: Path) -> None:
    book = Book(tmp_path)
    ledger, mapping = book.files(PADDED, 'report_number = "{child|id}"\n' + CLINIC)
    result = book.run("audit", "reconcile", ledger, "--mapping", mapping, code=None)
    assert not [part for part in CHILD.split() if part in result.output]
    assert result.exit_code == exits.FAILED and "'child' holds a name" in result.stderr


# --- a case that was expunged ---


def test_of_an_expunged_case_no_file_gives_the_name_back(shell: Shell) -> None:
    folder, keys = shell.folder, shell.folder / "log.db.keys"
    (folder / "old.csv").write_text(
        f"number,received,story,child\nR-1,2016-01-05T08:00,,{CHILD}\nR-2,soon,,{CHILD}\n", "utf-8"
    )
    (folder / "map.toml").write_text(SEALING, "utf-8")
    shell.run("import", str(folder / "old.csv"), "--mapping", str(folder / "map.toml"), code=exits.FAULTS)
    (folder / "old.csv").unlink()  # whose it is deletes it
    spool = ("--spool", str(folder / "spool"))
    shell.run(*spool, *INTAKE, "report", "C-1", *REPORT, "--child-name", CHILD, "--receipt", str(folder / "c.receipt"))
    shell.run("cases")
    shell.run("export", "csv", "--output", str(folder / "histories.csv"))
    with closing(sqlite3.connect(keys)) as database:
        wrapped = [bytes(key) for (key,) in database.execute("SELECT wrapped FROM case_key")]
    assert len(wrapped) == 2
    for case_id in ("R-1", "C-1"):
        assert CHILD in shell.run("history", case_id, "--unseal").stdout
        shell.run("keys", "destroy", case_id, "--reason", "court_order", "--yes")
        assert CHILD not in shell.run("history", case_id, "--unseal", code=exits.FAILED).output
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {
        "log.db",
        keys.name,
        "spool",
        "c.receipt",
        "histories.csv",
        "old.csv.rejects.csv",
    }
    for path in files:
        held = path.read_bytes()
        assert not [part for part in CHILD.split() for form in ("utf-8", "utf-16-le") if part.encode(form) in held], (
            path
        )
        assert not [key for key in wrapped if key in held], path
    assert "R-1" in shell.run("cases").stdout


def test_a_file_without_a_header_has_no_name_of_its_first_line_repeated(shell: Shell) -> None:
    (shell.folder / "map.toml").write_text(SEALING, "utf-8")
    (shell.folder / "old.csv").write_text(f"R-1,{CHILD},x,{CHILD}\n", "utf-8")
    words = ("import", str(shell.folder / "old.csv"), "--mapping", str(shell.folder / "map.toml"))
    result = shell.run(*words, code=exits.FAILED)
    assert not [part for part in CHILD.split() if part in result.output]
    assert "columns 2 and 4 have the same name" in result.stderr
