"""No command writes its output over the log, what is kept beside it, a key, the trust policy or what it reads itself."""

import os
from pathlib import Path

import pytest

from casetrail.cli import exits
from tests.cli.notarial_shell import Office
from tests.cli.shell import COMMANDER, MAPPING, Shell

EXPORT = ("export", "csv", "--output")
REQUEST = ("witness", "request", "--from", "0", "--output")


@pytest.fixture
def office(shell: Shell) -> Office:
    """A log with a case and a checkpoint, the trust policy ``policy``, and a partner's key."""
    shell.report()
    made = Office(shell)
    made.notarise()
    made.run("keys", "create", "clinic.example/casetrail", "--file", "clinic.key", "--for", "log")
    made.run("cases")  # there are views now
    return made


def kept(office: Office, *words: str, file: str) -> str:
    """Run what must be refused; the file is as it was, and this is what was said."""
    before = Path(file).read_bytes()
    said = office.run(*words, code=exits.FAILED).stderr
    assert Path(file).read_bytes() == before
    assert Path(file).name in said and "nothing was written" in said
    return said


@pytest.mark.parametrize(
    "file, what",
    [
        ("log.db", "the log"),
        ("./log.db", "the log"),
        ("log.db.views", "the views"),
        ("policy", "the trust policy"),
        ("clinic.key", "a key"),
    ],
)
@pytest.mark.parametrize("words", [EXPORT, REQUEST, ("audit", "export", "C-1", "--output")])
def test_an_output_replaces_neither_log_nor_policy_nor_key(
    office: Office, words: tuple[str, ...], file: str, what: str
) -> None:
    assert what in kept(office, *office.policy, *words, file, file=file)


def test_a_link_to_the_log_and_a_file_beside_it_are_the_log(office: Office) -> None:
    Path("link.csv").symlink_to("log.db")
    os.link("log.db", "hard.csv")
    for file in ("link.csv", "hard.csv"):
        assert "the log" in kept(office, *EXPORT, file, file=file)
    assert "the log" in office.run(*EXPORT, "log.db-wal", code=exits.FAILED).stderr


def test_what_lies_in_the_folder_of_the_tree_is_not_replaced(office: Office) -> None:
    office.run(*office.policy, *REQUEST, "request")
    inside = "log.db.tree/hashes/level-0"
    assert "the log's tree" in kept(office, *EXPORT, inside, file=inside)


def test_the_configuration_is_not_replaced(office: Office) -> None:
    Path("casetrail.toml").write_text('log = "sqlite:log.db"\n')
    assert "the configuration" in kept(office, *EXPORT, "casetrail.toml", file="casetrail.toml")


def test_a_named_key_is_not_replaced_whatever_is_in_it(office: Office) -> None:
    export = ("partner", "export", "clinic", "--key", "clinic.key", "--output")
    assert "the key that signs" in kept(office, *export, "clinic.key", file="clinic.key")
    Path("clinic.key.statement").write_bytes(Path("clinic.key").read_bytes())
    signs = ("partner", "export", "clinic", "--key", "clinic.key.statement", "--output", "clinic.key")
    kept(office, *signs, file="clinic.key")
    Path("pseudonyms").write_bytes(os.urandom(32))
    kept(office, *EXPORT, "pseudonyms", "--pseudonyms", "pseudonyms", file="pseudonyms")


def test_another_database_is_not_replaced_and_an_earlier_output_is(office: Office) -> None:
    other = Shell(office.folder)
    other.log = office.folder / "other.db"
    other.run("log", "init")
    assert "a database" in kept(office, *EXPORT, "other.db", file="other.db")
    Path("out.csv").write_text("an earlier one")
    office.run(*EXPORT, "out.csv")
    assert Path("out.csv").read_text().startswith("case_id")


def test_evidence_does_not_replace_what_is_compared(office: Office) -> None:
    office.run(*office.policy, *REQUEST, "request")
    compared = ("audit", "compare", "request", "sqlite:log.db", "--output", "request")
    assert "what is compared" in kept(office, *office.policy, *compared, file="request")


def test_the_page_of_a_demonstration_replaces_no_database(shell: Shell) -> None:
    words = ("demo", "--quick", "--dir", "played", "--write-page", "log.db")
    before = shell.log.read_bytes()
    assert "a database" in shell.run(*words, code=exits.FAILED).stderr
    assert shell.log.read_bytes() == before and not Path("played").exists()


ROWS = "number,received,story\nR-1,2026-03-02T09:00,x\n"


@pytest.mark.parametrize("taken", ["old.csv", "old.toml", "old.log", "link.csv", "log.db"])
@pytest.mark.parametrize("option", ["--rejects", "--progress"])
def test_an_import_empties_neither_what_it_reads_nor_the_log(shell: Shell, option: str, taken: str) -> None:
    files = {"old.csv": ROWS, "old.toml": MAPPING, "old.log": "kept"}
    for name, text in files.items():
        Path(name).write_text(text, "utf-8")
    Path("link.csv").symlink_to("old.csv")
    other = "--progress" if option == "--rejects" else "--rejects"
    words = ("import", "old.csv", "--mapping", "old.toml", option, taken, other, "old.log")
    said = shell.run(*words, code=exits.FAILED).stderr
    assert taken in said and "nothing was written" in said
    assert {name: Path(name).read_text("utf-8") for name in files} == files
    assert shell.log.read_bytes().startswith(b"SQLite")


def test_an_import_does_not_pass_over_what_it_reads_on_the_way_to_its_progress_file(shell: Shell) -> None:
    Path("old.new").write_text(ROWS, "utf-8")
    Path("old.toml").write_text(MAPPING, "utf-8")
    words = ("import", "old.new", "--mapping", "old.toml", "--progress", "old")
    assert "old.new is the file that is imported" in shell.run(*words, code=exits.FAILED).stderr
    assert Path("old.new").read_text("utf-8") == ROWS


@pytest.mark.parametrize("taken", ["staff.csv", "log.db"])
def test_a_staff_list_is_not_emptied_by_its_own_rejects(shell: Shell, taken: str) -> None:
    rows = "person,agency,role,joined\ndet.01,metro-pd,investigator,2026-01-01T00:00:00Z\n"
    Path("staff.csv").write_text(rows, "utf-8")
    before = shell.log.read_bytes()
    shell.run(*COMMANDER, "registry", "import", "staff.csv", "--rejects", taken, code=exits.FAILED)
    assert Path("staff.csv").read_text("utf-8") == rows and shell.log.read_bytes() == before
