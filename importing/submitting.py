"""Submitting what the rows of a file come to, and keeping what could not be taken: line, column and reason."""

import csv
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from casetrail.domain.actions import Action
from casetrail.importing.errors import ImportFailed, RowRefused
from casetrail.publishing import Connection, Outcome, Receipt, SubmissionRefused

REJECTS = ("line", "column", "reason")


@dataclass
class Summary:
    """What became of a file. ``repeated`` are actions that the log had already."""

    rows: int = 0
    actions: int = 0
    accepted: int = 0
    rejected: int = 0
    repeated: int = 0
    refused_rows: int = 0
    resumed_after_line: int = 1
    already_done: bool = False


Cell = Callable[[Any], str]
"""How a value is written into a cell of CSV so that no spreadsheet takes it for a formula."""


class Rejects:
    """Writes the rejects file: the name of a column is a stranger's text."""

    def __init__(self, path: Path, file: TextIO, cell: Cell) -> None:
        """``file``: ``path``, opened for writing."""
        self._path, self._file, self._cell = path, file, cell
        self._rows = csv.writer(file, lineterminator="\r\n")
        self._unkept = False

    def write(self, line: int, column: str, reason: str) -> None:
        """Write a row. Raises ``ImportFailed``."""
        self._row((line, column, reason))

    def head(self) -> None:
        """Write the names of the columns. Raises ``ImportFailed``."""
        self._row(REJECTS)

    def keep(self) -> int:
        """Have what was written on the disk; how many bytes the file has then. Raises ``ImportFailed``."""
        try:
            self._file.flush()
            found = os.fstat(self._file.fileno())
            if self._unkept and stat.S_ISREG(found.st_mode):
                os.fsync(self._file.fileno())
            self._unkept = False
            return found.st_size
        except OSError as error:
            raise _unwritten(self._path, error) from error

    def _row(self, cells: tuple[object, ...]) -> None:
        try:
            self._rows.writerow(map(self._cell, cells))
        except OSError as error:
            raise _unwritten(self._path, error) from error
        self._unkept = True


@contextmanager
def opened_rejects(path: Path, goes_on: bool, cell: Cell, size: int | None = None) -> Iterator[Rejects]:
    """A writer of the rejects file: a new one, or what goes on in it, after its first ``size`` bytes where that is known.

    Raises ``ImportFailed`` where it cannot be written.
    """
    try:
        file = path.open("a" if goes_on else "w", encoding="utf-8", newline="")
    except OSError as error:
        raise ImportFailed(
            f"the rejects file {path} cannot be written ({error.strerror}); nothing was imported. "
            "Name another place with --rejects (and --progress)"
        ) from error
    with file:
        length = os.fstat(file.fileno()).st_size
        if size is not None and size < length:  # rows of a batch that is going to be imported again
            file.truncate(size)
            length = size
        rejects = Rejects(path, file, cell)
        if length == 0:
            rejects.head()
        yield rejects
        rejects.keep()


def _unwritten(path: Path, error: OSError) -> ImportFailed:
    return ImportFailed(
        f"the rejects file {path} cannot be written ({error.strerror}); running again goes on, and doubles nothing"
    )


@dataclass
class Submitter:
    """Submits actions, each with the line that it comes from, and counts what became of them."""

    connection: Connection
    summary: Summary
    rejects: Rejects
    timeout: float

    def refuse(self, line: int, refused: RowRefused) -> None:
        """Keep a row that could not be taken."""
        self.summary.refused_rows += 1
        self.rejects.write(line, refused.column, refused.reason)

    def submit(self, actions: list[tuple[int, Action]]) -> Receipt | None:
        """Submit a batch and wait for its outcomes; the last receipt, None where nothing could be submitted."""
        try:
            receipts = self.connection.submit_many([action for _, action in actions], timeout=self.timeout)
        except SubmissionRefused:  # before anything was sent: find out which
            actions, receipts = self._submit_each(actions)
        outcomes = self.connection.wait_many(receipts, timeout=self.timeout)
        self.summary.actions += len(actions)
        for (line, _), outcome in zip(actions, outcomes, strict=True):
            self._count(line, outcome)
        return receipts[-1] if receipts else None

    def _submit_each(self, actions: list[tuple[int, Action]]) -> tuple[list[tuple[int, Action]], list[Receipt]]:
        taken, receipts = [], []
        for line, action in actions:
            try:
                receipts.append(self.connection.submit(action, timeout=self.timeout))
                taken.append((line, action))
            except SubmissionRefused as error:
                self.refuse(line, RowRefused("", str(error)))
        return taken, receipts

    def _count(self, line: int, outcome: Outcome) -> None:
        if outcome.result == "accepted":
            self.summary.accepted += 1
        elif outcome.code == "duplicate-action":
            self.summary.repeated += 1
        else:
            self.summary.rejected += 1
            kind = getattr(outcome.event.body, "kind", outcome.result)
            field_name = getattr(outcome.event.body, "field", None) or ""
            self.rejects.write(line, field_name, f"{kind} was refused: {outcome.code}")
