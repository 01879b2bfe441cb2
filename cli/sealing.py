"""Texts that name persons, sealed before they leave this process, and the tokens that follow from them."""

import sys
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, opened_keyring
from casetrail.domain.codes import SealedName
from casetrail.domain.sealed import SealedField, Token

PERSON_OPTIONS: Final = {
    "child_name": SealedName.CHILD_NAME,
    "child_born": SealedName.CHILD_BIRTH_DATE,
    "suspect_name": SealedName.SUSPECT_NAME,
    "address": SealedName.ADDRESS,
}
SEALING: Final = "sealed"
OF_PERSONS: Final = frozenset({SEALING, *PERSON_OPTIONS}) - {"child_born"}
"""The parameters that take texts about persons, in which there may be spaces."""


class NamesNobody(click.Command):
    """A command that is given texts about persons. A word that is no option may be the rest of a name that was not quoted: behind
    such a text it would become the id of the case, which stands in the log in the open, for good.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        behind = None if ctx.resilient_parsing else self._followed(args)
        rest = super().parse_args(ctx, args)
        if behind is not None:
            raise click.UsageError(
                f"a word stands behind the text of {behind}, not repeated here: quote a text that has spaces; an id stands "
                "before all texts",
                ctx,
            )
        return rest

    def _followed(self, args: list[str]) -> str | None:
        """The option behind whose text, typed here, a word stands that is no option; None where there is none."""
        texts = {flag for one in self.params if one.name in OF_PERSONS for flag in one.opts}
        words = args[: args.index("--")] if "--" in args else args
        for at, word in enumerate(words):
            flag, equals, text = word.partition("=")
            if flag not in texts:
                continue
            rest = words[at + 1 :] if equals else words[at + 2 :]
            text = text if equals else "".join(words[at + 1 : at + 2])
            is_typed = not (text.partition("=")[2] or text).startswith(("@", "-"))
            if is_typed and rest and not rest[0].startswith("-"):
                return flag
        return None


def read_sealed(values: tuple[str, ...]) -> dict[SealedName, str]:
    """``NAME=TEXT``, ``NAME=@FILE`` and ``NAME=-`` (standard input) as texts by name."""
    found: dict[SealedName, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or name not in SealedName._value2member_map_:
            known = ", ".join(SealedName)
            raise click.UsageError(f"--seal wants NAME=TEXT, NAME=@FILE or NAME=- with NAME one of: {known}")
        if name in found:
            raise click.UsageError(f"--seal {name} is given twice")
        found[SealedName(name)] = _text(name, text)
    return found


def _text(name: str, given: str) -> str:
    """The text that was given, or that is in the file or on standard input that was named. No message repeats it."""
    if given != "-" and not given.startswith("@"):
        return given
    try:
        raw = sys.stdin.buffer.read() if given == "-" else Path(given[1:]).read_bytes()
        return raw.decode().removesuffix("\n").removesuffix("\r")  # the end of the last line is no part of a name
    except OSError as error:
        message = f"the file of --seal {name} cannot be read: {error.strerror}"
        raise Failure(message, exits.NOT_FOUND) from error
    except UnicodeDecodeError:
        raise Failure(f"the text of --seal {name} is not in UTF-8") from None


def seal_all(
    config: Config, case_id: str, action_id: bytes, texts: dict[SealedName, str], *, begins: bool = False
) -> tuple[SealedField, ...]:
    """Seal texts under the key of the case. ``begins``: see ``key_to_seal``. Raises ``KeyLost``."""
    if not texts:
        return ()
    from casetrail.cli.lost_keys import key_to_seal
    from casetrail.privacy.sealing import seal

    with closing(opened_keyring(config)) as keyring:
        key = key_to_seal(config, keyring, case_id, begins=begins)
    return tuple(seal(key, case_id, action_id, name, text) for name, text in texts.items())


def persons(config: Config, given: dict[str, Any]) -> tuple[dict[SealedName, str], tuple[Token, ...]]:
    """The texts to seal, from ``--seal`` and the options for persons, and the tokens that follow from them."""
    texts = read_sealed(given["sealed"])
    for option, name in PERSON_OPTIONS.items():
        text = given[option]
        if text and name in texts:
            raise click.UsageError(f"{name} is given twice: by --{option.replace('_', '-')} and by --seal")
        if option == "child_name" and text == "-":
            text = click.prompt("Child's name", hide_input=True, err=True)
        if text:
            texts[name] = text
    return texts, tokens_of(config, texts)


def tokens_of(config: Config, texts: dict[SealedName, str]) -> tuple[Token, ...]:
    """The tokens of the persons and of the address that texts name."""
    from casetrail.privacy.tokens import address_token, child_token, suspect_token

    born = texts.get(SealedName.CHILD_BIRTH_DATE)
    try:
        birth = date.fromisoformat(born) if born else None
    except ValueError:
        raise click.UsageError("the child's date of birth is written YYYY-MM-DD") from None
    if not texts.keys() & {SealedName.CHILD_NAME, SealedName.SUSPECT_NAME, SealedName.ADDRESS}:
        return ()
    with closing(opened_keyring(config)) as keyring:
        key = keyring.token_key()
    makers: dict[SealedName, Callable[[str], Token]] = {
        SealedName.CHILD_NAME: lambda text: child_token(key, text, birth),
        SealedName.SUSPECT_NAME: lambda text: suspect_token(key, text),
        SealedName.ADDRESS: lambda text: address_token(key, text),
    }
    return tuple(make(texts[name]) for name, make in makers.items() if name in texts)
