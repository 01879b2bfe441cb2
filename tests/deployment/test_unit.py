"""The unit for systemd in docs/operations.md runs a command that there is, and is given the time to end by itself."""

import re
import shlex
from configparser import ConfigParser

import click
import pytest

from casetrail.cli.config import SETTINGS
from casetrail.cli.main import cli
from casetrail.cli.serve import LONGEST
from tests.servers.kafka import ROOT


@pytest.fixture
def unit() -> ConfigParser:
    """The unit."""
    (text,) = re.findall(
        r"^```ini\n(.*?)^```", (ROOT / "docs" / "operations.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    read = ConfigParser(interpolation=None, delimiters=("=",))
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string(text)
    return read


def test_its_command_is_one_that_casetrail_knows(unit: ConfigParser) -> None:
    program, name, *words = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/bin/casetrail")
    context = click.Context(cli, info_name="casetrail")
    command = cli.get_command(context, name)
    assert command is not None
    command.make_context(name, words, parent=context)


def test_its_variable_is_a_setting(unit: ConfigParser) -> None:
    name = unit["Service"]["Environment"].partition("=")[0]
    assert name.removeprefix("CASETRAIL_").lower() in {*SETTINGS, "config"}


def test_it_is_not_killed_before_it_ends_by_itself(unit: ConfigParser) -> None:
    assert int(unit["Service"]["TimeoutStopSec"]) > LONGEST + 10


def test_what_it_writes_is_its_own(unit: ConfigParser) -> None:
    service = unit["Service"]
    assert (service["UMask"], service["StateDirectoryMode"]) == ("0077", "0700")
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
