"""An auditor who is handed a folder to read, and nothing to write in, asks everything of the log all the same."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from casetrail.cli import exits
from tests.cli.notarial_shell import Office
from tests.cli.shell import Shell
from tests.read_only import read_only
from tests.small_disk import SmallDisk

OWN: Final = "OWN"
"""Stands for a folder of the auditor's."""
COMMANDS: Final = (
    ("audit", "verify", "--state", f"{OWN}/state"),
    ("audit", "replay"),
    ("count",),
    ("replay",),
    ("--tree", f"{OWN}/tree", "audit", "export", "C-1", "--output", f"{OWN}/C-1"),
    ("--tree", f"{OWN}/tree", "audit", "publish", f"{OWN}/published"),
    ("findings", "--from-log"),
    ("overdue", "--from-log"),
    ("due", "--from-log"),
    ("--views", f"sqlite:{OWN}/views", "history", "C-1"),
    ("--views", f"sqlite:{OWN}/views", "findings"),
    ("log", "check"),
    ("export", "xes", "--output", f"{OWN}/log.xes"),
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Where the auditor may write."""
    made = tmp_path / "own"
    made.mkdir()
    return made


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A log with checkpoints that witnesses have seen, in a folder in which nothing can be written."""
    folder = tmp_path / "handed over"
    folder.mkdir()
    shell = Shell(folder)
    shell.run("log", "init")
    office = Office(shell)
    office.report("C-1", "--receipt", str(folder / "receipt"))
    office.notarise(times=2)
    with read_only(folder):
        yield office


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_what_an_auditor_asks_is_answered_where_nothing_can_be_written(
    office: Office, own: Path, words: tuple[str, ...]
) -> None:
    before = {one.name for one in office.folder.iterdir()}
    office.run(*office.policy, *(word.replace(OWN, str(own)) for word in words))
    assert before == {one.name for one in office.folder.iterdir()}


def test_a_receipt_is_proven_and_checked_with_such_a_log(office: Office, own: Path) -> None:
    receipt = own / "receipt"
    receipt.write_bytes((office.folder / "receipt").read_bytes())
    office.run(*office.policy, "--tree", str(own / "tree"), "receipt", "prove", str(receipt))
    office.run(*office.policy, "receipt", "check", str(receipt), "--online")


@pytest.mark.parametrize(
    "words", [("audit", "publish", f"{OWN}/published"), ("audit", "export", "C-1", "--output", f"{OWN}/C-1")], ids=" ".join
)  # fmt: skip
def test_where_the_tree_cannot_be_kept_beside_the_log_it_is_said_how_it_can_elsewhere(
    office: Office, own: Path, words: tuple[str, ...]
) -> None:
    said = office.run(*office.policy, *(word.replace(OWN, str(own)) for word in words), code=exits.UNREACHABLE).stderr
    assert "--tree DIR, before the command" in said


@pytest.mark.parametrize("words", [("history", "C-1"), ("findings",), ("overdue",), ("cases",)], ids=" ".join)
def test_where_views_cannot_be_kept_beside_the_log_it_is_said_how_they_can_elsewhere(
    office: Office, words: tuple[str, ...]
) -> None:
    assert "--views sqlite:FILE, before the command" in office.run(*words, code=exits.UNREACHABLE).stderr


@pytest.mark.parametrize("words", [("history", "C-1"), ("cases",)], ids=" ".join)
def test_so_it_is_where_there_are_views_that_cannot_be_written(tmp_path: Path, words: tuple[str, ...]) -> None:
    shell = Shell(tmp_path)
    shell.run("log", "init")
    shell.report("C-1")
    shell.run(*words)
    with read_only(tmp_path):
        assert "--views sqlite:FILE, before the command" in shell.run(*words, code=exits.UNREACHABLE).stderr


def test_what_is_no_log_is_said_to_be_none(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.log.write_bytes(b"")
    assert "is empty" in shell.run("audit", "verify", code=exits.NOT_FOUND).stderr
    shell.log.unlink()
    shell.log.mkdir()
    assert "is a folder" in shell.run("audit", "verify", code=exits.NOT_FOUND).stderr


def test_a_temporary_folder_that_is_full_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell(tmp_path)
    shell.run("log", "init")
    shell.report("C-1")
    with closing(SmallDisk(tmp_path / "small disk")) as disk:
        if not disk.is_mounted:
            pytest.skip("this user may mount nothing")
        monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
        with disk.full():
            said = shell.run("findings", "--from-log", code=exits.FAILED).stderr
    assert f"the temporary folder {disk.folder} (TMPDIR)" in said
