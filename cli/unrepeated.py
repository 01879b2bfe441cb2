"""What was typed wrong is said, and not repeated: a name in the wrong place would stay wherever somebody keeps what a command says.

Ids, options and the paths of files are repeated where that helps to find the mistake.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from casetrail.domain.values import is_id

EXTRA: Final = "Got unexpected extra argument"
OPTION: Final = re.compile(r"--?[a-z][a-z0-9-]{0,40}")
COMMAND: Final = re.compile(r"[a-z][a-z0-9-]{0,40}")
DESK: Final = "/"


def typed(text: str) -> str:
    """An id, or a desk of a unit, as it was typed; what has another shape may be anything."""
    return text if all(map(is_id, text.split(DESK, 1))) else "that is not repeated, as it is no id"


@contextmanager
def unrepeated() -> Iterator[None]:
    """Let click's own errors out without the values that they are about."""
    try:
        yield
    except click.NoSuchOption as error:
        if not OPTION.fullmatch(error.option_name):
            _say(error, "There is no such option; it is not repeated here: quote a text that has spaces.")
        raise
    except click.exceptions.NoSuchCommand as error:
        if not COMMAND.fullmatch(error.command_name):
            _say(error, "There is no such command; it is not repeated here: quote a text that has spaces.")
        raise
    except click.BadParameter as error:
        lacks = isinstance(error, click.MissingParameter)  # then click itself says what is allowed
        if not lacks and error.param is not None and (allowed := _allowed(error.param.type)):
            _say(error, f"not repeated here; allowed is {allowed}.")
        raise
    except click.UsageError as error:
        if error.message.startswith(EXTRA):
            _say(error, "Words too many, not repeated here: quote a text that has spaces.")
        raise


def _say(error: click.UsageError, message: str) -> None:
    vars(error)["message"] = message


def _allowed(type_: click.ParamType[Any]) -> str | None:
    """What values there are of a type of which any text may be tried; None where its own message repeats nothing."""
    if isinstance(type_, click.Choice):
        return f"one of {', '.join(map(str, type_.choices))}"
    if isinstance(type_, click.IntRange | click.FloatRange):
        number = "a whole number" if isinstance(type_, click.IntRange) else "a number"
        bounds = [f"{word} {bound:g}" for word, bound in (("from", type_.min), ("to", type_.max)) if bound is not None]
        return " ".join((number, *bounds))
    return {click.INT: "a whole number", click.FLOAT: "a number", click.BOOL: "yes or no"}.get(type_)
