"""The commands in docs/receipts.md and docs/proofs.md are run as they stand there."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from casetrail.audit.export import FORMAT
from casetrail.cli import exits
from casetrail.cli.main import cli
from casetrail.publishing.receipt import LINES, PROMISED_WITHIN, VERSION, Receipt
from tests.cli.notarial_shell import Office
from tests.cli.shell import Shell

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def commands(name: str) -> list[list[str]]:
    """Every command of a page, in order."""
    blocks = re.split(r"^```.*$", page(name), flags=re.MULTILINE)[1::2]
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines() if line.startswith("casetrail ")]


def run(words: list[str]) -> Result:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == exits.OK, (words, result.output, result.exception)
    return result


@pytest.fixture
def office(shell: Shell) -> Office:
    """A hospital's configuration."""
    Path("casetrail.toml").write_text(
        'log = "sqlite:log.db"\nperson = "clinic.ruiz"\nagency = "clinic"\nrole = "intake"\n', "utf-8"
    )
    return Office(shell)


def test_the_commands_for_reporters_run(office: Office) -> None:
    take, concern, prove, *check = commands("receipts.md")
    run(take)
    run(["--role", "partner", *concern])
    assert Path("concern.receipt").exists()
    office.notarise()
    run(prove)
    found = [run(one).stdout for one in check]
    assert len(found) == 3
    for line in re.findall(r"^\| (`[a-z_`, ]+`) \|", page("receipts.md"), re.MULTILINE):
        for field in re.findall(r"`([a-z_]+)`", line):
            assert f'"{field}":' in found[-1], field


def test_the_commands_for_auditors_run(office: Office) -> None:
    run(commands("receipts.md")[0])
    office.notarise(times=2)
    said = [run(one).stdout for one in commands("proofs.md")]
    assert len(said) == 8
    assert "the case has 1 event," in said[1]
    assert "the log has no case C-1999-0001" in said[3]


def test_the_pages_say_what_the_formats_are(office: Office) -> None:
    run(commands("receipts.md")[0])
    written = Path("report.receipt").read_text("utf-8")
    (shown,) = re.findall(r"```text\n(.*?)```", page("receipts.md"), re.DOTALL)
    names = [line.split()[0] for line in shown.splitlines()]
    assert names == [line.split()[0] for line in written.splitlines()] == [VERSION, *LINES]
    assert Receipt.from_text(written).promised_within == PROMISED_WITHIN
    assert shown.endswith(f"within {PROMISED_WITHIN}\n")
    for name in LINES:
        assert f"`{name}`" in page("proofs.md")
    assert FORMAT in page("proofs.md")
    assert VERSION in page("proofs.md")


@pytest.mark.parametrize("name", ["receipts.md", "proofs.md"])
def test_the_pages_that_they_refer_to_are_there(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page(name)):
        assert (DOCS / target).is_file(), target
