"""What the program says about itself."""

import os
import subprocess
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from casetrail.cli import exits
from casetrail.cli.main import COMMANDS, SHORT, cli
from casetrail.cli.submit import OF_MACHINES
from casetrail.domain.intake import ReportReceived
from casetrail.domain.kinds import ACTION_KINDS
from casetrail.domain.registry import PolicyAdopted
from tests.cli.shell import PROGRAM, environment


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command, with the words that name it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


EVERY = dict(commands(cli))


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_and_every_option_has_help(path: tuple[str, ...]) -> None:
    command = EVERY[path]
    assert command.help and len(command.help) > 10
    without = [one.name for one in command.params if isinstance(one, click.Option) and not one.help]
    assert not without, f"{' '.join(path)}: no help for {without}"
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage:")


def test_every_action_is_a_subcommand_of_act() -> None:
    names = {path[1] for path in EVERY if path[0] == "act" and len(path) == 2}
    own = {ReportReceived, PolicyAdopted, *OF_MACHINES}  # these have commands of their own, or are no person's to give
    assert len(names) == len(ACTION_KINDS) - len(own)
    assert {name.replace("-", "") for name in names} == {
        kind.__name__.lower() for kind in ACTION_KINDS if kind not in own
    }


def test_the_first_screen_lists_every_command_by_who_uses_it() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).stdout
    for title, names in COMMANDS.items():
        assert f"{title}:" in shown
        for name in names:
            assert SHORT[name] in " ".join(shown.split())


def test_the_help_names_every_exit_code() -> None:
    shown = " ".join(CliRunner().invoke(cli, ["--help"]).stdout.split())
    for code, meaning in exits.MEANINGS.items():
        assert f"{code} {meaning}" in shown


def test_without_arguments_the_help_is_shown() -> None:
    done = subprocess.run([PROGRAM], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == exits.USAGE
    assert "Operators:" in done.stdout + done.stderr


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(cli, ["--version"]).stdout.startswith("casetrail, version ")


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell_name: str) -> None:
    variables = environment() | {"_CASETRAIL_COMPLETE": f"{shell_name}_source"}
    done = subprocess.run([PROGRAM], env=variables, capture_output=True, text=True, check=True)
    assert "_CASETRAIL_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("hi", "history"),
        ("act referral-m", "referral-made"),
        ("cases --sta", "--status"),
        ("cases --status susp", "suspended"),
    ],
)
def test_commands_options_and_values_complete(words: str, expected: str) -> None:
    line = f"casetrail {words}"
    variables = os.environ | {
        "_CASETRAIL_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    done = subprocess.run([PROGRAM], env=variables, capture_output=True, text=True, check=True)
    assert f"plain,{expected}" in done.stdout
