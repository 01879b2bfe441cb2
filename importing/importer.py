"""The import: rows in batches, each batch submitted and answered before the next, and how far it came kept on disk.

An action's id follows from the content of its row, so whatever is submitted twice is refused as a duplicate. The
progress file spares a second run the rows that are in the log already; it is checked against the log, and may be deleted.
"""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, TextIO

from casetrail.domain.actions import Action, Imported
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.port import Topic
from casetrail.importing.errors import ImportFailed, RowRefused
from casetrail.importing.mapping import ImportMapping, mapping_for, read_settings
from casetrail.importing.reading import NumberedRow, columns_of, file_hash, numbered_rows
from casetrail.importing.rows import Drafted, drafts, finish
from casetrail.privacy.keyring import Keyring
from casetrail.publishing import Connection, Outcome, Receipt, SubmissionRefused

BATCH: Final = 1000


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


@dataclass
class Progress:
    """How far an import has come: the last line that is in the log, and the last receipt, to check it by."""

    file_hash: str
    mapping_hash: str
    log: str
    line: int = 1
    done: bool = False
    partition: int = -1
    offset: int = -1
    action_hash: str = ""


@dataclass
class Importer:
    """Imports one file into one log."""

    connection: Connection
    keyring: Callable[[], Keyring]
    file: Path
    mapping_file: Path
    rejects: Path
    progress_file: Path
    timeout: float = 60.0
    told: Callable[[int], None] | None = None
    summary: Summary = field(default_factory=Summary)

    def run(self) -> Summary:
        """Import what is not in the log yet. Raises ``ImportFailed``, ``BadMapping``, ``LogUnreachable``."""
        settings = read_settings(self.mapping_file)
        encoding, delimiter = settings.get("encoding", "utf-8"), settings.get("delimiter", ",")
        hashed = file_hash(self.file)
        columns = columns_of(self.file, encoding, delimiter)
        mapping = mapping_for(settings, frozenset(columns))
        progress = self._progress(hashed)
        self.summary.resumed_after_line = progress.line
        if progress.done:
            self.summary.already_done = True
            return self.summary
        rows = numbered_rows(self.file, columns, encoding, delimiter, progress.line)
        with self._open_rejects(progress.line) as rejects:
            writer = csv.writer(rejects, lineterminator="\r\n")
            if progress.line == 1:
                writer.writerow(("line", "column", "reason"))
            self._import(mapping, rows, hashed, progress, writer)
        progress.done = True
        self._save(progress)
        return self.summary

    def _open_rejects(self, line: int) -> TextIO:
        try:
            return self.rejects.open("w" if line == 1 else "a", encoding="utf-8", newline="")
        except OSError as error:
            raise ImportFailed(
                f"the rejects file {self.rejects} cannot be written ({error.strerror}); nothing was imported. "
                "Name another place with --rejects (and --progress)"
            ) from error

    # --- where to begin ---

    def _progress(self, hashed: bytes) -> Progress:
        fresh = Progress(hashed.hex(), file_hash(self.mapping_file).hex(), self.connection.log.name)
        with suppress(OSError, ValueError, TypeError):
            found = Progress(**json.loads(self.progress_file.read_text("utf-8")))
            same = (found.file_hash, found.mapping_hash, found.log) == (fresh.file_hash, fresh.mapping_hash, fresh.log)
            if same and self._in_log(found):
                return found
        return fresh

    def _in_log(self, progress: Progress) -> bool:
        """Whether the log has what the progress file says: it may have been made anew since."""
        if progress.partition < 0:
            return progress.line == 1
        record = self.connection.log.read_one(Topic.ACTIONS, progress.partition, progress.offset)
        return record is not None and leaf_hash(record.value or b"").hex() == progress.action_hash

    def _save(self, progress: Progress) -> None:
        fresh = self.progress_file.with_name(f"{self.progress_file.name}.new")
        try:
            fresh.write_text(json.dumps(asdict(progress)), "utf-8")
            fresh.replace(self.progress_file)
        except OSError as error:
            raise ImportFailed(
                f"the progress file {self.progress_file} cannot be written ({error.strerror}); what was submitted is in "
                "the log, and running again doubles nothing. Name another place with --progress"
            ) from error

    # --- rows ---

    def _import(
        self, mapping: ImportMapping, rows: Iterator[NumberedRow], hashed: bytes, progress: Progress, rejects: Any
    ) -> None:
        keyring = self.keyring()
        while batch := list(islice(rows, BATCH)):
            drafted: list[tuple[int, Drafted]] = []
            for one in batch:
                drafted += self._drafts(mapping, one, rejects)
            actions = self._finished(drafted, mapping, hashed, keyring, rejects)
            if actions and (receipt := self._submit(actions, rejects)):
                progress.partition, progress.offset = receipt.partition, receipt.offset
                progress.action_hash = receipt.action_hash.hex()
            progress.line = batch[-1].line
            self.summary.rows += len(batch)
            self._save(progress)
            if self.told is not None:
                self.told(len(batch))
        keyring.close()

    def _drafts(self, mapping: ImportMapping, row: NumberedRow, rejects: Any) -> list[tuple[int, Drafted]]:
        try:
            if row.problem:
                raise RowRefused("", row.problem)
            return [(row.line, draft) for draft in drafts(mapping, row.row)]
        except RowRefused as refused:
            self._refuse(rejects, row.line, refused)
            return []

    def _refuse(self, rejects: Any, line: int, refused: RowRefused) -> None:
        self.summary.refused_rows += 1
        rejects.writerow((line, refused.column, refused.reason))

    def _finished(
        self, drafted: list[tuple[int, Drafted]], mapping: ImportMapping, hashed: bytes, keyring: Keyring, rejects: Any
    ) -> list[tuple[int, Action]]:
        sealed_cases = {draft.case_id for _, draft in drafted if draft.texts}
        keys = keyring.create_case_keys(sorted(sealed_cases)) if sealed_cases else {}
        token_key = keyring.token_key() if any(draft.persons for _, draft in drafted) else None
        made = []
        for line, draft in drafted:
            try:
                imported = Imported(hashed, line, mapping.system)
                made.append((line, finish(draft, imported, keys.get(draft.case_id), token_key)))
            except RowRefused as refused:
                self._refuse(rejects, line, refused)
        return made

    def _submit(self, actions: list[tuple[int, Action]], rejects: Any) -> Receipt | None:
        """Submit a batch and wait for its outcomes; the last receipt, None where nothing could be submitted."""
        try:
            receipts = self.connection.submit_many([action for _, action in actions], timeout=self.timeout)
        except SubmissionRefused:  # before anything was sent: find out which
            actions, receipts = self._submit_each(actions, rejects)
        outcomes = self.connection.wait_many(receipts, timeout=self.timeout)
        self.summary.actions += len(actions)
        for (line, _), outcome in zip(actions, outcomes, strict=True):
            self._count(line, outcome, rejects)
        return receipts[-1] if receipts else None

    def _submit_each(
        self, actions: list[tuple[int, Action]], rejects: Any
    ) -> tuple[list[tuple[int, Action]], list[Receipt]]:
        taken, receipts = [], []
        for line, action in actions:
            try:
                receipts.append(self.connection.submit(action, timeout=self.timeout))
                taken.append((line, action))
            except SubmissionRefused as error:
                self._refuse(rejects, line, RowRefused("", str(error)))
        return taken, receipts

    def _count(self, line: int, outcome: Outcome, rejects: Any) -> None:
        if outcome.result == "accepted":
            self.summary.accepted += 1
        elif outcome.code == "duplicate-action":
            self.summary.repeated += 1
        else:
            self.summary.rejected += 1
            kind = getattr(outcome.event.body, "kind", outcome.result)
            field_name = getattr(outcome.event.body, "field", None) or ""
            rejects.writerow((line, field_name, f"{kind} was refused: {outcome.code}"))
