"""Whatever is typed into the wrong place, a child's name too, is in no message: what a command says on stderr is kept in logs."""

from collections.abc import Iterator
from typing import Final

import click
import pytest

from casetrail.cli import exits
from casetrail.cli.main import cli
from tests.cli.shell import INTAKE, REPORT, SERGEANT, Shell

CHILD: Final = "Adelheid Zwetschkenbaum"
RUN_ON: Final = ("serve", "watch", "board", "demo", "sunlight")
"""What goes on for long once its options are understood, or writes much."""
PLACES: Final = ("judge_by", "file", "before", "after", "source")
"""Of policies, which are presets or files: a mistake in the path of one is hard to find where it is not shown."""


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that name it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


EVERY: Final = dict(commands(cli))


def sample(parameter: click.Parameter) -> str:
    """A value that a parameter takes."""
    if isinstance(parameter.type, click.Choice):
        return str(parameter.type.choices[0])
    if isinstance(parameter.type, click.IntRange | click.FloatRange):
        return str(parameter.type.min or 1)
    return "11A" if parameter.name == "offences" else "1"


def words_for(command: click.Command, wrong: click.Parameter) -> list[str]:
    """The words of a command whose one parameter is wrong, and the others only as far as they must be there."""
    words, places = [], []
    for parameter in command.params:
        if parameter is not wrong and not parameter.required:
            continue
        value = CHILD if parameter is wrong else sample(parameter)
        if isinstance(parameter, click.Option):
            words += [parameter.opts[-1], value]
        else:
            places.append(value)
    return [*words, "--", *places]


def tried() -> Iterator[tuple[tuple[str, ...], click.Command, click.Parameter]]:
    for path, command in EVERY.items():
        for one in command.params:
            is_flag = isinstance(one, click.Option) and (one.is_flag or one.count)
            is_place = isinstance(one.type, click.Path) or one.name in PLACES
            goes_on = path[0] in RUN_ON or path[-1] == "serve"
            if not (is_flag or is_place or (goes_on and isinstance(one.type, click.types.StringParamType))):
                yield path, command, one


def test_no_command_repeats_what_was_given_to_the_wrong_option(shell: Shell) -> None:
    shell.report("C-1")
    found = list(tried())
    assert len(found) > 250
    told = []
    for path, command, wrong in found:
        who = () if path == ("log", "init") else SERGEANT
        result = shell.run(*who, *path, *words_for(command, wrong), code=None)
        if "Zwetschkenbaum" in result.output:
            told.append((*path, wrong.name, result.output))
        assert result.exception is None or isinstance(result.exception, SystemExit), (path, wrong.name)
    assert told == [], "\n".join(map(str, told))


@pytest.mark.parametrize(
    "words",
    [
        (CHILD,),
        ("act", CHILD),
        ("act", "note-added", "C-1", CHILD),
        ("cases", CHILD),
        ("cases", f"--{CHILD}"),
        ("cases", f"-{CHILD}"),
        ("cases", f"--limit={CHILD}"),
        ("cases", f"--{CHILD}=1"),
        ("--role", CHILD, "--person", "a", "--agency", "b", "report", "C-1", *REPORT),
        ("--role", "intake", "--person", CHILD, "--agency", "b", "report", "C-1", *REPORT),
        ("--role", "intake", "--person", "a", "--agency", CHILD, "report", "C-1", *REPORT),
        (*INTAKE, "--time-zone", CHILD, "report", "C-1", *REPORT, "--at", "2026-01-01T00:00"),
        ("keys", "destroy", "C-1", "Zwetschkenbaum", "--reason", "x"),
    ],
)
def test_nor_what_stands_where_nothing_is_expected(shell: Shell, words: tuple[str, ...]) -> None:
    result = shell.run(*words, code=exits.USAGE)
    assert "Zwetschkenbaum" not in result.output


def test_nor_what_is_no_address_of_a_log(shell: Shell) -> None:
    said = shell.run("--log", CHILD, "cases", code=exits.FAILED)
    assert "Zwetschkenbaum" not in said.output and "is no address of a log: write sqlite:PATH" in said.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("report", "C-1", *REPORT, "--channel", CHILD), "'--channel': not repeated here; allowed is one of hotline, "),
        (("report", "C-1", *REPORT, "--offence", CHILD), "--offence is no NIBRS code; these are: 11A, "),
        (("report", "C-1", *REPORT, "--at", CHILD), "--at is not in ISO 8601, such as"),
        (("report", "C-1", *REPORT, "--timeout", CHILD), "a number from 0 to 86400"),
        (("partner", "raise", "C-1"), "Missing option '--about'. Choose from:\n\tno_response"),
        (("cases", "--limit", CHILD), "a whole number from 1 to "),
        (("cases", "--stauts", "x"), "'--stauts'. Did you mean"),
        (("caess",), "'caess'"),
        (("cases", "x"), "Words too many"),
        (("show", CHILD), "not repeated, as it is no id"),
        (("show", "C-9"), "C-9"),
    ],
)
def test_but_what_is_allowed_is_said(shell: Shell, words: tuple[str, ...], said: str) -> None:
    shell.report("C-2")
    assert said in shell.run(*INTAKE, *words, code=None).output
