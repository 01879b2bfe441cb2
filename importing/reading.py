"""Reading a CSV file as a stream of numbered rows. Memory stays flat, whatever is in the file."""

import csv
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

from casetrail.audit.reconciliation.text_files import Rows, encoding_of, named_columns, repeated
from casetrail.importing.errors import BadMapping, ImportFailed

CHUNK: Final = 1024 * 1024
BATCH: Final = 1000
MOST_WEIGHT: Final = 16 * 1024 * 1024
CELL: Final = 100
"""A batch ends with this many characters, a cell counting as ``CELL`` more."""


class NumberedRow(NamedTuple):
    """A row with the line at which it begins (the header is line 1); ``problem`` where it has the wrong form."""

    line: int
    row: dict[str, str]
    problem: str


def file_hash(path: Path) -> bytes:
    """SHA-256 of a file. Raises ``ImportFailed`` where it cannot be read."""
    made = sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                made.update(chunk)
    except OSError as error:
        raise ImportFailed(f"cannot read {path}: {error.strerror}") from error
    return made.digest()


class CsvFile:
    """A CSV file, opened: its columns are known, its rows are still to be read."""

    def __init__(self, path: Path, encoding: Any = None, delimiter: str = ",") -> None:
        """``encoding``: None for what the byte order mark says, else UTF-8. Raises ``ImportFailed``, ``BadMapping``."""
        self._path, self._delimiter = path, delimiter
        try:
            self._encoding = encoding_of(path, encoding, self._refuse)
        except OSError as error:
            raise self._unreadable(error) from error
        except (LookupError, ValueError) as error:
            raise BadMapping(f"there is no encoding '{encoding}'") from error
        try:
            with self._opened() as file:
                header = self._rows(file).next()
        except (OSError, csv.Error, UnicodeError) as error:
            raise self._unreadable(error) from None  # what it was raised from would quote the file
        self.columns = named_columns(header, self._refuse)
        if twice := repeated(self.columns):
            first, second, *_ = (place for place, name in enumerate(self.columns, 1) if name == twice[0])
            raise self._refuse(
                f"cannot be read by its header: columns {first} and {second} have the same name"
            )  # it may be a line of data

    def rows(self) -> Iterator[NumberedRow]:
        """The rows. Raises ``ImportFailed``."""
        try:
            with self._opened() as file:
                rows = self._rows(file)
                rows.next()
                yield from self._numbered(rows)
        except (OSError, UnicodeError) as error:
            raise self._unreadable(error) from None

    def _numbered(self, rows: Rows) -> Iterator[NumberedRow]:
        while True:
            line = rows.line + 1
            try:
                cells = rows.next()
            except csv.Error as error:
                yield NumberedRow(line, {}, f"is no CSV: {error}{_span(line, rows.line)}")
                continue
            if cells is None:
                return
            if not cells:
                continue
            if len(cells) != len(self.columns):
                wrong = f"has {len(cells)} cells where the header has {len(self.columns)}{_span(line, rows.line)}"
                yield NumberedRow(line, {}, wrong)
                continue
            yield NumberedRow(line, dict(zip(self.columns, cells, strict=True)), "")

    def _opened(self) -> TextIO:
        return self._path.open(encoding=self._encoding, errors="surrogateescape", newline="")

    def _rows(self, file: TextIO) -> Rows:
        return Rows(file, self._delimiter, self._refuse)

    def _refuse(self, why: str) -> ImportFailed:
        return ImportFailed(f"{self._path} {why}")

    def _unreadable(self, error: Exception) -> ImportFailed:
        if isinstance(error, OSError):
            return ImportFailed(f"cannot read {self._path}: {error.strerror}")
        if isinstance(error, UnicodeError):  # its own text would quote the file
            return self._refuse(f"is not in the encoding {self._encoding}")
        return self._refuse(f"is no CSV file: {error}")


def batches(rows: Iterable[NumberedRow], most: int = BATCH) -> Iterator[list[NumberedRow]]:
    """The rows in batches of at most ``most``, for which memory has room however wide they are."""
    batch: list[NumberedRow] = []
    weight = 0
    for one in rows:
        batch.append(one)
        weight += sum(map(len, one.row.values())) + CELL * len(one.row)
        if len(batch) >= most or weight >= MOST_WEIGHT:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


def _span(first: int, last: int) -> str:
    """What a row that cannot be taken has swallowed: none of these lines was imported either."""
    return f"; it takes up lines {first} to {last}, is a quote not closed?" if last > first else ""
