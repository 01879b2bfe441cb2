"""Documents that commands read and write whole: notes, requests, evidence."""

import sys
from pathlib import Path
from typing import Final

import click

from casetrail.cli import exits
from casetrail.cli.context import Failure
from casetrail.cli.render import harmless

PIPE: Final = "-"


def read_document(path: Path, most: int) -> bytes:
    """The bytes of a file; ``-`` is standard input. Ends the command where it cannot be read, or has more bytes than that."""
    try:
        if str(path) == PIPE:
            content = sys.stdin.buffer.read(most + 1)
        else:
            with path.open("rb") as opened:
                content = opened.read(most + 1)
    except OSError as error:
        raise Failure(f"{path} cannot be read ({error.strerror})", exits.NOT_FOUND) from error
    if len(content) > most:
        raise Failure(f"{path} has more than the {most} bytes that such a file can have")
    return content


def write_document(content: bytes, path: Path | None) -> None:
    """Write a document as it is to a file, or to standard output (None, and ``-``); a terminal gets it without what would control it."""
    if path is not None and str(path) != PIPE:
        try:
            path.write_bytes(content)
        except OSError as error:
            raise Failure(f"{path} cannot be written ({error.strerror})") from error
    elif sys.stdout.isatty():
        click.echo("\n".join(map(harmless, content.decode(errors="replace").split("\n"))), nl=False)
    else:
        click.echo(content, nl=False)
