"""What names a person is sealed before it leaves the process, and is shown to nobody who does not ask for it."""

from pathlib import Path

import pytest

from casetrail.cli import exits
from tests.cli.shell import INTAKE, REPORT, SERGEANT, Shell

CHILD = "Adelheid Zwetschkenbaum"
NARRATIVE = "Überaus geheim, kein Wort davon."
SECRETS = (CHILD, "1917-03-04", "Valentin Xylander", "77 Quittenallee", NARRATIVE, "kein Wort")


def stored(folder: Path, besides: str = "narrative.txt") -> bytes:
    """All bytes of all files."""
    return b"".join(one.read_bytes() for one in sorted(folder.iterdir()) if one.is_file() and one.name != besides)


def assert_silent(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text]


@pytest.fixture
def sealed(shell: Shell) -> Shell:
    """A case with persons in it."""
    (shell.folder / "narrative.txt").write_text(NARRATIVE + "\n", "utf-8")
    result = shell.run(
        *INTAKE, "report", "C-1", *REPORT, "--child-name", CHILD, "--child-born", "1917-03-04",
        "--suspect-name", "Valentin Xylander", "--address", "77 Quittenallee", "--seal", "narrative=@narrative.txt",
    )  # fmt: skip
    assert_silent(result.output)
    return shell


QUERIES = ("cases", "show C-1", "history C-1", "holds", "referrals", "intake", "replay", "count", "log info", "doctor",
           "views info")  # fmt: skip


def test_no_query_shows_a_sealed_text_in_any_format(sealed: Shell) -> None:
    for query in QUERIES:
        for form in ("table", "json", "csv", "ndjson"):
            assert_silent(sealed.run(*query.split(), "--format", form).output)
    for form in ("lines", "csv", "ndjson"):
        assert_silent(sealed.run("watch", "--no-follow", "--format", form).output)
    assert "(sealed)" in sealed.run("history", "C-1").stdout


def test_no_file_of_the_log_the_views_or_the_keyring_holds_a_sealed_text(sealed: Shell) -> None:
    for query in QUERIES:
        sealed.run(*query.split())
    held = stored(sealed.folder)
    assert b"C-1" in held
    for secret in SECRETS:
        for encoding in ("utf-8", "utf-16-le", "latin-1"):
            assert secret.encode(encoding) not in held
        assert secret.upper().encode() not in held
        assert secret.casefold().encode() not in held


def test_who_asks_for_it_and_has_the_key_sees_it(sealed: Shell) -> None:
    (row,) = sealed.rows("history", "C-1", "--unseal")
    assert row["detail"]["child_name"] == CHILD
    assert row["detail"]["narrative"] == NARRATIVE  # without the line end of the file
    assert CHILD in sealed.run("history", "C-1", "--unseal").stdout


def test_without_the_master_key_nothing_is_unsealed(sealed: Shell) -> None:
    (sealed.folder / "log.db.keys.master").unlink()
    result = sealed.run("history", "C-1", "--unseal", code=exits.NOT_FOUND)
    assert_silent(result.output)
    assert "master key" in result.stderr
    sealed.run("history", "C-1")


def test_a_destroyed_key_makes_the_texts_unreadable_and_leaves_the_history_whole(sealed: Shell) -> None:
    before = sealed.run("replay", "--format", "json").stdout
    words = ("keys", "destroy", "C-1", "--reason", "court_order")
    sealed.run(*words, code=exits.FAILED, text="n\n")  # not confirmed: nothing is destroyed
    assert CHILD in sealed.run("history", "C-1", "--unseal").stdout
    sealed.run(*words, "--yes")
    result = sealed.run("history", "C-1", "--unseal", code=exits.FAILED)
    assert "destroyed" in result.stderr
    assert "court_order" in result.stderr
    assert_silent(result.output)
    assert sealed.run("replay", "--format", "json").stdout == before
    assert sealed.rows("count")[0]["faults"] == 0
    assert len(sealed.rows("history", "C-1")) == 1
    sealed.run(*SERGEANT, "act", "note-added", "C-1", "--seal", f"narrative={NARRATIVE}", code=exits.FAILED)
    assert sealed.rows("count")[0]["submitted"] == 1


def test_a_text_is_taken_from_standard_input(shell: Shell) -> None:
    shell.report()
    shell.run(*SERGEANT, "act", "note-added", "C-1", "--seal", "narrative=-", text=NARRATIVE + "\n")
    assert shell.rows("history", "C-1", "--unseal")[1]["detail"]["narrative"] == NARRATIVE


def test_a_text_that_cannot_be_read_is_not_repeated_in_the_message(shell: Shell) -> None:
    (shell.folder / "latin.txt").write_bytes(b"Ad\xe9lheid Zwetschkenbaum")
    for given, code in (
        ("narrative=@nowhere.txt", exits.NOT_FOUND),
        (f"narrative=@{CHILD}", exits.NOT_FOUND),  # somebody meant the text, not a file
        (f"narrative=@{'long' * 2000}", exits.NOT_FOUND),
        ("narrative=@latin.txt", exits.FAILED),
        (f"narrtive={NARRATIVE}", exits.USAGE),
        (f"narrative={'x' * 40_000}", exits.FAILED),
    ):
        result = shell.run(*INTAKE, "report", "C-1", *REPORT, "--seal", given, code=code)
        assert_silent(result.output)
        assert "Zwetschkenbaum" not in result.output
    shell.run(*INTAKE, "report", "C-1", *REPORT, "--seal", "narrative=-", code=exits.FAILED, text=b"\xff\xfe")
    assert shell.rows("count")[0]["submitted"] == 0


def test_a_person_is_recognised_however_the_name_was_given(shell: Shell) -> None:
    """A name that comes from a file or standard input makes the same token as one on the command line."""
    (shell.folder / "born.txt").write_text("1917-03-04\n", "utf-8")
    shell.run(*INTAKE, "report", "C-1", *REPORT, "--child-name", CHILD, "--child-born", "1917-03-04")
    more = ("--seal", "child_name=-", "--seal", "child_birth_date=@born.txt")
    shell.run(*INTAKE, "report", "C-2", *REPORT, *more, text=CHILD)
    first, second = (shell.rows("history", one)[0]["detail"]["tokens"] for one in ("C-1", "C-2"))
    assert first == second
    assert len(first) == 1
    twice = ("--child-name", CHILD, "--seal", "child_name=x")
    assert_silent(shell.run(*INTAKE, "report", "C-3", *REPORT, *twice, code=exits.USAGE).output)
    assert_silent(shell.run(*INTAKE, "report", "C-3", *REPORT, "--child-born", NARRATIVE, code=exits.USAGE).output)


def test_who_is_named_only_by_a_correction_is_recognised_too(shell: Shell) -> None:
    shell.run(*INTAKE, "report", "C-1", *REPORT)
    correction = ("act", "fact-corrected", "C-1", "--corrects", "1", "--reason", "new_information")
    named = ("--seal", "child_name=-", "--seal", "child_birth_date=1917-03-04")
    assert_silent(shell.run(*INTAKE, *correction, *named, text=CHILD).output)
    shell.run(*INTAKE, *correction, "--seal", f"narrative={NARRATIVE}")
    shell.run(*INTAKE, "report", "C-2", *REPORT, "--child-name", CHILD, "--child-born", "1917-03-04")
    _, first, without = (row["detail"] for row in shell.rows("history", "C-1"))
    assert first["tokens"] == shell.rows("history", "C-2")[0]["detail"]["tokens"]
    assert "tokens" not in without
    wrong = ("--seal", f"child_name={CHILD}", "--seal", f"child_birth_date={NARRATIVE}")
    assert_silent(shell.run(*INTAKE, *correction, *wrong, code=exits.USAGE).output)


def test_a_name_can_be_asked_for_without_showing_it(shell: Shell) -> None:
    result = shell.run(*INTAKE, "report", "C-1", *REPORT, "--child-name", "-", text=f"{CHILD}\n")
    assert_silent(result.output)
    assert shell.rows("history", "C-1", "--unseal")[0]["detail"]["child_name"] == CHILD


def test_one_field_can_be_disclosed_and_checked_without_the_key(sealed: Shell) -> None:
    told = sealed.run("keys", "disclose", "C-1", "1", "narrative").stdout
    (sealed.folder / "d.json").write_text(told, "utf-8")
    assert CHILD not in told
    for key in sealed.folder.glob("log.db.keys*"):
        key.unlink()
    sealed.run("keys", "check", "1", "d.json")
    (sealed.folder / "d.json").write_text(told.replace("geheim", "bekannt"), "utf-8")
    sealed.run("keys", "check", "1", "d.json", code=exits.FAULTS)
    (sealed.folder / "d.json").write_bytes(b"\xff{")
    sealed.run("keys", "check", "1", "d.json", code=exits.FAILED)
    sealed.run("keys", "disclose", "C-1", "9", "narrative", code=exits.NOT_FOUND)


def test_a_case_may_stand_behind_what_is_no_text_typed_there(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "story").write_text("x", "utf-8")
    shell.run(*INTAKE, "report", *REPORT, "--child-name", CHILD, "--child-born", "2012-05-09", "C-1")
    shell.run(*INTAKE, "report", *REPORT, "--seal", f"narrative=@{tmp_path / 'story'}", "C-2")
    shell.run(*INTAKE, "report", *REPORT, "--child-name", CHILD, "--", "C-3")
    shell.run(*INTAKE, "report", *REPORT, "--seal", "narrative=-", "C-4", text="told")
    assert {row["case_id"] for row in shell.rows("cases")} == {"C-1", "C-2", "C-3", "C-4"}
