"""The import: rows in batches, each batch submitted and answered before the next, and how far it came kept on disk.

An action's id follows from the content of its row and the log's token key, so whatever is submitted twice is refused as a
duplicate, and nobody without the key can tell from an id what is in a row. Only what was refused before gets another id, once
there is a reason to submit it again (``submitting``). The progress file spares a second run the rows that are in the log
already; it is checked against the log, and may be deleted.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from casetrail.domain.actions import Action, Imported
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.port import Topic
from casetrail.importing.errors import ImportFailed, RowRefused
from casetrail.importing.mapping import ImportMapping, delimiter_of, mapping_for, read_settings
from casetrail.importing.reading import CsvFile, NumberedRow, batches, file_hash
from casetrail.importing.rows import Drafted, drafts, finish
from casetrail.importing.seen import Seen
from casetrail.importing.submitting import TOTALS, Cell, Rejects, Submitter, Summary, opened_rejects, rows_of_rejects
from casetrail.privacy.keyring import Keyring
from casetrail.publishing import Connection


@dataclass
class Progress:
    """How far an import has come: the last line that is in the log, and the last receipt, to check it by.

    ``rejects`` and ``rejects_bytes``: where the rejects file is, and how long it was then. ``totals``: what became of the
    lines up to there, by the names of ``Summary``.
    """

    file_hash: str
    mapping_hash: str
    log: str
    line: int = 1
    done: bool = False
    partition: int = -1
    offset: int = -1
    action_hash: str = ""
    rejects: str = ""
    rejects_bytes: int = 0
    totals: dict[str, int] = field(default_factory=dict)


@dataclass
class Importer:
    """Imports one file into one log."""

    connection: Connection
    keyring: Callable[[], Keyring]
    file: Path
    mapping_file: Path
    rejects: Path
    progress_file: Path
    cell: Cell
    timeout: float = 60.0
    told: Callable[[int], None] | None = None
    summary: Summary = field(default_factory=Summary)

    def run(self) -> Summary:
        """Import what is not in the log yet. Raises ``ImportFailed``, ``BadMapping``, ``LogUnreachable``."""
        settings = read_settings(self.mapping_file)
        opened = CsvFile(self.file, settings.get("encoding"), delimiter_of(settings))
        hashed = file_hash(self.file)
        mapping = mapping_for(settings, frozenset(opened.columns))
        progress = self._progress(hashed)
        self.summary.resumed_after_line = progress.line
        self._count_earlier(progress)
        if progress.done:
            self.summary.already_done = True
            return self.summary
        here = str(self.rejects.absolute())
        size = progress.rejects_bytes if progress.rejects == here else None
        progress.rejects = here
        with opened_rejects(self.rejects, progress.line > 1, self.cell, size) as writer:
            submitter = Submitter(self.connection, self.summary, writer, self.timeout)
            with closing(submitter), closing(Seen(mapping.case)) as seen:
                self._import(mapping, _rows(opened, progress.line, seen), hashed, progress, submitter, seen)
            progress.done = True
            self._save(progress, writer)
        return self.summary

    # --- where to begin ---

    def _progress(self, hashed: bytes) -> Progress:
        fresh = Progress(hashed.hex(), file_hash(self.mapping_file).hex(), self.connection.log.name)
        with suppress(OSError, ValueError, TypeError, LookupError):
            found = Progress(**json.loads(self.progress_file.read_text("utf-8")))
            found.totals = {name: int(found.totals[name]) for name in TOTALS} if found.totals else {}
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

    def _count_earlier(self, progress: Progress) -> None:
        """Have the summary begin with what became of the lines that are done."""
        for name in TOTALS:
            setattr(self.summary, name, progress.totals.get(name, 0))
        if progress.line > 1 and not progress.totals:  # of a version that kept no totals
            self.summary.refused_rows = rows_of_rejects(self.rejects)

    def _save(self, progress: Progress, rejects: Rejects) -> None:
        """Keep how far it came, once what was refused until then is kept."""
        progress.rejects_bytes = rejects.keep()
        progress.totals = {name: getattr(self.summary, name) for name in TOTALS}
        _, fresh = written_for(self.progress_file)
        try:
            fresh.write_text(json.dumps(asdict(progress)), "utf-8")
            fresh.replace(self.progress_file)
        except OSError as error:
            raise ImportFailed(
                f"the progress file {self.progress_file} cannot be written ({error.strerror}); what was submitted is in "
                "the log, and running again doubles nothing. Name another place with --progress"
            ) from None  # its cause is of no file that was asked for

    # --- rows ---

    def _import(
        self,
        mapping: ImportMapping,
        rows: Iterator[NumberedRow],
        hashed: bytes,
        progress: Progress,
        submitter: Submitter,
        seen: Seen,
    ) -> None:
        keyring = self.keyring()
        for batch in batches(rows):
            drafted: list[tuple[int, Drafted]] = []
            for one in batch:
                drafted += self._drafts(mapping, one, keyring, submitter, seen)
            actions = self._finished(drafted, mapping, hashed, keyring, submitter)
            if actions and (receipt := submitter.submit(actions)):
                progress.partition, progress.offset = receipt.partition, receipt.offset
                progress.action_hash = receipt.action_hash.hex()
            progress.line = batch[-1].line
            self.summary.rows += len(batch)
            self._save(progress, submitter.rejects)
            if self.told is not None:
                self.told(len(batch))
        keyring.close()

    def _drafts(
        self, mapping: ImportMapping, row: NumberedRow, keyring: Keyring, submitter: Submitter, seen: Seen
    ) -> list[tuple[int, Drafted]]:
        try:
            if row.problem:
                raise RowRefused("", row.problem)
            made = drafts(mapping, row.row, keyring.token_key())
            if made:
                seen.check(row.line, row.row)
            return [(row.line, draft) for draft in made]
        except RowRefused as refused:
            submitter.refuse(row.line, refused)
            return []

    def _finished(
        self,
        drafted: list[tuple[int, Drafted]],
        mapping: ImportMapping,
        hashed: bytes,
        keyring: Keyring,
        submitter: Submitter,
    ) -> list[tuple[int, Action]]:
        sealed_cases = {draft.case_id for _, draft in drafted if draft.texts}
        keys = keyring.create_case_keys(sorted(sealed_cases)) if sealed_cases else {}

        def finished(draft: Drafted, line: int) -> Action:
            imported = Imported(hashed, line, mapping.system)
            return finish(draft, imported, keys.get(draft.case_id), keyring.token_key())

        by_id = {draft.action_id: draft for _, draft in drafted}

        def remade(action: Action, action_id: bytes) -> Action:
            assert action.imported is not None
            return finished(replace(by_id[action.action_id], action_id=action_id), action.imported.line)

        submitter.remake = remade
        made = []
        for line, draft in drafted:
            try:
                made.append((line, finished(draft, line)))
            except RowRefused as refused:
                submitter.refuse(line, refused)
        return made


def written_for(progress_file: Path) -> tuple[Path, Path]:
    """What is written for a progress file: itself, and the one beside it that takes its place."""
    return progress_file, progress_file.with_name(f"{progress_file.name}.new")


def _rows(opened: CsvFile, after: int, seen: Seen) -> Iterator[NumberedRow]:
    """The rows that begin after a line; those before it have been seen."""
    for row in opened.rows():
        if row.line > after:
            yield row
        elif not row.problem:
            seen.pass_by(row.line, row.row)
