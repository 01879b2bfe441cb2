"""Standard output and standard error that outlive whoever reads them.

A command's exit code is an answer of its own, often a finding. Whoever reads the first lines only, or none, must still get
that code: so what nobody reads any more is thrown away, and the command goes on to its end. One that writes on and on, and
whose code says nothing besides, ends early.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING, Final, TypeVar

import click

from casetrail.cli import exits

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

T = TypeVar("T")

STREAMS: Final = (("stdout", 1), ("stderr", 2))


class _Outlet(FileIO):
    """A file descriptor that takes everything, and loses what nobody reads. Another error, a full disk, is told once."""

    def __init__(self, number: int, *, is_cut: bool = False) -> None:
        super().__init__(number, "w", closefd=False)
        self.is_cut = is_cut

    def write(self, data: "ReadableBuffer", /) -> int:
        if not self.is_cut:
            try:
                return super().write(data)
            except (BrokenPipeError, ConnectionResetError):
                self.is_cut = True
            except OSError:
                self.is_cut = True  # it is tried again when the program ends, and would change its exit code
                raise
        return memoryview(data).nbytes


def outlive_readers() -> None:
    """Let the standard streams take everything from now on, also those that were closed when the program began."""
    for name, number in STREAMS:
        stream = getattr(sys, name)
        if stream is None:
            _fill(number)
            made = TextIOWrapper(BufferedWriter(_Outlet(number, is_cut=True)), "utf-8")
        elif isinstance(stream, TextIOWrapper):
            made = TextIOWrapper(BufferedWriter(_Outlet(number)), stream.encoding, newline="\n")
        else:
            continue
        # a terminal that cannot write a letter still gets the rest
        made.reconfigure(errors="backslashreplace", line_buffering=number == 2 or made.isatty())
        setattr(sys, name, made)


def _fill(number: int) -> None:
    """Open the null device as this file descriptor: what is opened later, such as a database, must not become it."""
    null = os.open(os.devnull, os.O_WRONLY)
    if null != number:
        os.dup2(null, number)
        os.close(null)
    os.set_inheritable(number, True)


def is_cut() -> bool:
    """Whether nobody reads standard output any more."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, _Outlet) and raw.is_cut


def end_where_cut() -> None:
    """End the command, quietly, where nobody reads standard output any more."""
    if is_cut():
        raise click.exceptions.Exit(exits.CUT)


def while_read(rows: Iterable[T]) -> Iterator[T]:
    """The same rows, for a command that writes each as it comes, up to where nobody reads any more."""
    for row in rows:
        yield row
        end_where_cut()
