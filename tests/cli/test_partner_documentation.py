"""The pages for partners and registrars, as somebody follows them."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from casetrail.cli import exits
from tests.cli.shell import COMMANDER, DETECTIVE, INTAKE, REPORT, SERGEANT, Shell, environment

DOCS: Final = Path(__file__).parents[2] / "docs"
CONCERN: Final = re.compile(r"clinic-[0-9a-f]{8}")


def blocks(page: str, language: str = "") -> list[str]:
    """The blocks of a page in one language."""
    text = (DOCS / page).read_text("utf-8")
    return [
        block
        for said, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        if said == language
    ]


def run(shell: Shell, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a page in the folder."""
    known = environment() | {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    return subprocess.run(line, shell=True, cwd=shell.folder, env=known, capture_output=True, text=True, check=False)


@pytest.fixture
def clinic(tmp_path: Path) -> Shell:
    """A case in which the clinic was asked for an examination, and the clinic's configuration."""
    shell = Shell(tmp_path)
    shell.log = tmp_path / "cases.db"
    shell.run("log", "init")
    shell.run(*INTAKE, "report", "KC-2026-0150", *REPORT)
    shell.run(*INTAKE, "act", "screened-in", "KC-2026-0150", "--reason", "alleges_crime")
    shell.run(*SERGEANT, "act", "assigned", "KC-2026-0150", "--holder", "det.01")
    words = ("--referral", "exam", "--service", "medical_evaluation", "--to-agency", "clinic")
    shell.run(*DETECTIVE, "act", "referral-made", "KC-2026-0150", *words)
    (tmp_path / "casetrail.toml").write_text(blocks("partners.md", "toml")[0], "utf-8")
    (tmp_path / "call.txt").write_text("invented words", "utf-8")
    return shell


def test_every_command_of_the_page_for_partners_works(clinic: Shell) -> None:
    raised = ""
    lines = [line for block in blocks("partners.md") for line in block.splitlines()]
    assert len(lines) == 14
    for line in lines:
        done = run(clinic, CONCERN.sub(raised, line))
        assert done.returncode == exits.OK, (line, done.stdout, done.stderr)
        if found := CONCERN.search(done.stderr):
            raised = found[0]
    assert {row["part"] for row in clinic.rows("partner", "clinic")} == {"reported", "asked", "concerned"}


def test_every_column_is_explained(clinic: Shell) -> None:
    from casetrail.cli.partner_rows import COLUMNS

    table = [
        line.split("|")[1] for line in (DOCS / "partners.md").read_text("utf-8").splitlines() if line.startswith("| `")
    ]
    assert set(re.findall(r"`(\w+)`", " ".join(table))) == set(COLUMNS) - {"case_id"}


def test_every_command_of_the_page_for_registrars_works(shell: Shell) -> None:
    (shell.folder / "staff.csv").write_text(blocks("registry.md", "csv")[0], "utf-8")
    (shell.folder / "casetrail.toml").write_text(
        'log = "sqlite:log.db"\nperson = "reg.1"\nagency = "metro-pd"\nrole = "registrar"\ntime_zone = "America/Chicago"\n'
    )
    for line in (line for block in blocks("registry.md")[::-1] for line in block.splitlines()):
        done = run(shell, line)
        assert done.returncode == exits.OK, (line, done.stdout, done.stderr)
    assert [row["person"] for row in shell.rows("registry")] == ["clinic.ruiz", "det.01"]
    assert len(shell.rows("history", "registry")) == 5


def test_the_registry_is_listed_as_the_page_says_where_no_time_zone_is_configured(shell: Shell) -> None:
    (shell.folder / "staff.csv").write_text(blocks("registry.md", "csv")[0], "utf-8")
    shell.run(*COMMANDER, "--time-zone", "America/Chicago", "registry", "import", "staff.csv")
    for line in blocks("registry.md")[0].splitlines():
        program, *words = shlex.split(line)
        assert program == "casetrail"
        shell.run(*words)
