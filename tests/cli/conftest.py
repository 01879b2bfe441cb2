"""Fixtures of the command line's tests."""

import os
from pathlib import Path

import pytest

from tests.cli.shell import Shell


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, without configuration."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("CASETRAIL_", "_CASETRAIL"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A new, empty log."""
    made = Shell(tmp_path)
    made.run("log", "init")
    return made
