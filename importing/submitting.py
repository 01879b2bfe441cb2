"""Submitting what the rows of a file come to, and keeping what could not be taken: line, column and reason."""

import csv
import math
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TextIO

from casetrail.domain.actions import Action, ActionRejected
from casetrail.eventlog.codec import Event, decode_event
from casetrail.eventlog.port import Topic
from casetrail.importing.answers import DUPLICATE, Answers, Refusal
from casetrail.importing.errors import ImportFailed, RowRefused
from casetrail.publishing import Connection, Outcome, Receipt, SubmissionRefused

REJECTS = ("line", "column", "reason")


@dataclass
class Summary:
    """What became of a file, in all runs together. ``repeated`` are actions that the log had accepted already."""

    rows: int = 0
    actions: int = 0
    accepted: int = 0
    rejected: int = 0
    repeated: int = 0
    refused_rows: int = 0
    resumed_after_line: int = 1
    already_done: bool = False


TOTALS: Final = ("rows", "actions", "accepted", "rejected", "repeated", "refused_rows")

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
        ) from None  # its cause is of no file that was asked for
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


def rows_of_rejects(path: Path) -> int:
    """How many rows a rejects file has; 0 where it cannot be read."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return max(0, sum(1 for _ in csv.reader(file)) - 1)
    except (OSError, ValueError, csv.Error):
        return 0


def _unwritten(path: Path, error: OSError) -> ImportFailed:
    return ImportFailed(
        f"the rejects file {path} cannot be written ({error.strerror}); running again goes on, and doubles nothing"
    )


def _says(event: Event, action: Action) -> bool:
    """Whether an event records what an action says, and of the same moment."""
    return (event.body, event.occurred_at) == (action.body, action.occurred_at)


def renamed(action: Action, action_id: bytes) -> Action:
    """An action without sealed texts under another id."""
    return replace(action, action_id=action_id)


@dataclass
class _Answered:
    """An action as the file has it, and what has become of it."""

    line: int
    action: Action
    outcome: Outcome
    refusal: Refusal | None = None
    repeated: bool = False


class Submitter:
    """Submits actions, each with the line that it comes from, and counts what became of them."""

    def __init__(
        self, connection: Connection, summary: Summary, rejects: Rejects, timeout: float, always: bool = False
    ) -> None:
        """``always``: what was refused before is wanted still, so it is submitted again whatever has changed since; and what stands
        under the id of an action is compared with it."""
        self.connection, self.summary, self.rejects, self.timeout = connection, summary, rejects, timeout
        self._always = always
        self.remake: Callable[[Action, bytes], Action] = renamed
        """Makes the same action under another id: a sealed text is bound to the id of its action."""
        self._answers: Answers | None = None

    def refuse(self, line: int, refused: RowRefused) -> None:
        """Keep a row that could not be taken."""
        self.summary.refused_rows += 1
        self.rejects.write(line, refused.column, refused.reason)

    def submit(self, actions: list[tuple[int, Action]]) -> Receipt | None:
        """Submit a batch and wait for its outcomes; the last receipt, None where nothing could be submitted.

        What was refused when it was submitted before is submitted again, under another id, if it has been mended or
        something before it in its case has been taken since; else that refusal holds.
        """
        try:
            receipts = self.connection.submit_many([action for _, action in actions], timeout=self.timeout)
        except SubmissionRefused:  # before anything was sent: find out which
            actions, receipts = self._submit_each(actions)
        outcomes = self.connection.wait_many(receipts, timeout=self.timeout)
        self.summary.actions += len(actions)
        answered = [_Answered(*one, outcome) for one, outcome in zip(actions, outcomes, strict=True)]
        if any(one.outcome.code == DUPLICATE for one in answered):
            while again := self._to_repeat(answered):
                self._repeat(again)
        for one in answered:
            self._count(one)
        return receipts[-1] if receipts else None

    def close(self) -> None:
        """Forget what was read of earlier answers."""
        if self._answers is not None:
            self._answers.close()

    def _submit_each(self, actions: list[tuple[int, Action]]) -> tuple[list[tuple[int, Action]], list[Receipt]]:
        taken, receipts = [], []
        for line, action in actions:
            try:
                receipts.append(self.connection.submit(action, timeout=self.timeout))
                taken.append((line, action))
            except SubmissionRefused as error:
                self.refuse(line, RowRefused("", str(error)))
        return taken, receipts

    def _to_repeat(self, answered: list[_Answered]) -> list[_Answered]:
        """What has been refused and may be taken now, in order. Notes the refusal of each that has one."""
        answers = self._answers_to(answered)
        again: list[_Answered] = []
        changed: dict[str, float] = {}  # cases, and where in the log: what was refused before may be taken after it
        for one in answered:
            case_id, one.refusal = one.action.case_id, answers.refusal(one.action)
            if one.outcome.result == "accepted":
                changed[case_id] = max(one.outcome.offset, changed.get(case_id, -1))
            elif (
                one.refusal is not None
                and not one.repeated
                and (
                    self._always
                    or changed.get(case_id, -1) > one.refusal.offset
                    or answers.is_followed(case_id, one.line, one.refusal)
                    or answers.is_mended(one.action, one.refusal)
                )
            ):
                changed[case_id] = math.inf
                again.append(one)
        return again

    def _answers_to(self, answered: list[_Answered]) -> Answers:
        if self._answers is None:
            self._answers = Answers(self.connection.log, self.timeout)
        ends: dict[int, int] = {}
        for one in answered:
            partition = one.outcome.event.partition
            ends[partition] = max(one.outcome.offset + 1, ends.get(partition, 0))
        imported = answered[0].action.imported
        self._answers.read(ends, imported.file_hash if imported is not None else None)
        return self._answers

    def _repeat(self, again: list[_Answered]) -> None:
        actions = [self.remake(one.action, one.refusal.next_id) for one in again if one.refusal is not None]
        receipts = self.connection.submit_many(actions, timeout=self.timeout)
        for one, outcome in zip(again, self.connection.wait_many(receipts, timeout=self.timeout), strict=True):
            one.outcome, one.repeated = outcome, True

    def _is_taken(self, one: _Answered) -> bool:
        """Whether it is this action that the log accepted under its id. An id that anybody can guess may stand for another."""
        if not self._always:
            return True  # made with a key, and read back for each row of a long file it would take hours
        event = self.connection.first_answer(one.outcome, timeout=self.timeout).event
        if isinstance(event.body, ActionRejected) and self._answers is not None:  # taken under another id since
            offset = self._answers.taken_later(one.action)
            record = None if offset is None else self.connection.log.read_one(Topic.EVENTS, event.partition, offset)
            return record is not None and _says(decode_event(record.value), one.action)
        return _says(event, one.action)

    def _count(self, one: _Answered) -> None:
        if one.outcome.result == "accepted":
            self.summary.accepted += 1
        elif one.outcome.code == DUPLICATE and one.refusal is None and self._is_taken(one):
            self.summary.repeated += 1
        else:
            self.summary.rejected += 1
            body = one.outcome.event.body
            if one.refusal is not None:
                kind, code, field_name = one.refusal.kind, one.refusal.code, one.refusal.field
            else:
                kind, code = getattr(body, "kind", one.outcome.result), one.outcome.code or ""
                field_name = getattr(body, "field", None) or ""
            self.rejects.write(one.line, field_name, f"{kind} was refused: {code}")
