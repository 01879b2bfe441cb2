"""Views that are damaged are made anew from the log; what is no views is never replaced by them."""

from pathlib import Path

import pytest

from casetrail.cli import exits
from tests.cli.shell import INTAKE, SERGEANT, Shell


@pytest.fixture
def kept(shell: Shell) -> Shell:
    """A log with cases, with a sealed text, and with views."""
    for number in range(5):
        shell.report(f"C-{number}")
    shell.run(*SERGEANT, "act", "note-added", "C-1", "--seal", "narrative=x")
    shell.run("cases")
    return shell


@pytest.mark.parametrize("damage", ["no database", "pages", "one table"])
def test_damaged_views_say_what_to_do_and_that_mends_them(kept: Shell, damage: str) -> None:
    path = (kept.folder / "log.db.views").resolve()
    content = bytearray(path.read_bytes())
    begin = {"no database": 0, "pages": 4096, "one table": 5 * 4096}[damage]
    content[begin:] = b"\x5a" * (len(content) - begin)
    path.write_bytes(content)
    for words in (("cases",), ("history", "C-1")):
        result = kept.run(*words, code=None)
        assert result.exit_code in (exits.OK, exits.UNREACHABLE) and (result.exit_code == exits.OK) == (
            "Error" not in result.stderr
        )
        if result.exit_code:
            assert "'casetrail views rebuild' makes them anew" in result.stderr
    assert kept.run("cases", code=None).exit_code or kept.run("history", "C-1", code=None).exit_code
    rows = kept.rows("doctor", code=exits.FAULTS)
    assert any("views rebuild" in (row["detail"] or "") for row in rows)
    kept.run("views", "rebuild")
    assert len(kept.rows("cases")) == 5 and len(kept.rows("history", "C-1")) == 2


@pytest.mark.parametrize("name", ["log.db", "log.db.keys", "log.db.keys.master", "log.db.state", "letter"])
@pytest.mark.parametrize("words", ["cases", "findings", "views rebuild"])
def test_what_is_no_views_is_left_as_it_is(kept: Shell, name: str, words: str) -> None:
    Path("letter").write_text("Dear Sir or Madam, " * 300, "utf-8")
    before = Path(name).read_bytes()
    result = kept.run("--views", f"sqlite:{kept.folder / name}", *words.split(), code=None)
    assert result.exit_code in (exits.FAILED, exits.UNREACHABLE), result.output
    assert any(one in result.stderr for one in ("is not views", "cannot be opened", "no such table"))
    assert Path(name).read_bytes()[100:] == before[100:], "but for SQLite's own head"
    assert not Path(name).is_symlink()
    kept.run(*INTAKE, "report", "C-9", "--channel", "phone", "--reporter", "family", "--unit", "u", "--offence", "11A",
             "--child-name", "Ada Lovelace")  # fmt: skip
    assert "Ada Lovelace" in kept.run("history", "C-9", "--unseal").stdout


def test_an_empty_file_may_become_views(kept: Shell) -> None:
    Path("empty").touch()
    assert len(kept.rows("--views", "sqlite:empty", "cases")) == 5
