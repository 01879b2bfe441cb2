"""What a file has had already: rows that are the same to the letter, and different texts that give one case id.

Neither could be told from a repetition afterwards: the same row gives the same action id, and a case holds no text that its
id was made of.
"""

from contextlib import suppress
from hashlib import sha256
from typing import Final

from casetrail.domain.values import is_id
from casetrail.importing.errors import RowRefused
from casetrail.importing.scratch import Scratch
from casetrail.importing.templates import Row, Template

TABLES: Final = """
CREATE TABLE rows (hash BLOB PRIMARY KEY, line INT) WITHOUT ROWID;
CREATE TABLE cases (case_id TEXT PRIMARY KEY, hash BLOB, line INT) WITHOUT ROWID;
"""


class Seen:
    """The rows of one file that have been read."""

    def __init__(self, case: Template) -> None:
        """``case``: the template of the case id."""
        self._case = case
        self._table = Scratch(TABLES)

    def pass_by(self, line: int, row: Row) -> None:
        """Remember a row that an earlier run has dealt with. Raises ``ImportFailed``."""
        with suppress(RowRefused):  # said then, or taken by a version that did not look
            self.check(line, row)

    def check(self, line: int, row: Row) -> None:
        """Raise ``RowRefused`` for a row that cannot be told from another. Raises ``ImportFailed``."""
        cells = _hash(*row.values())
        if not self._table.put("INSERT OR IGNORE INTO rows VALUES (?, ?)", cells, line):
            (first,) = self._table.one("SELECT line FROM rows WHERE hash = ?", cells)
            raise RowRefused(
                "",
                f"is the same as line {first} in every cell, and was taken once. If it happened twice, put a text into a "
                "column of this row that is empty in others",
            )
        if self._case.is_ambiguous and is_id(case_id := self._case.fill(row)):
            self._check_case(case_id, line, row)

    def close(self) -> None:
        """Forget all."""
        self._table.close()

    def _check_case(self, case_id: str, line: int, row: Row) -> None:
        made_of = _hash(*self._case.sources(row))
        if self._table.put("INSERT OR IGNORE INTO cases VALUES (?, ?, ?)", case_id, made_of, line):
            return
        known, first = self._table.one("SELECT hash, line FROM cases WHERE case_id = ?", case_id)
        if known != made_of:
            raise RowRefused(
                self._case.column,
                f"gives the same case id as another text in line {first}. If it is another case, write it otherwise",
            )


def _hash(*texts: str) -> bytes:
    joined = "".join(f"{len(text)}:{text}" for text in texts)
    return sha256(joined.encode("utf-8", "surrogatepass")).digest()[:16]
