"""Reading a CSV file as a stream of numbered rows."""

import csv
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.importing.errors import ImportFailed

MOST_FIELD: Final = 1024 * 1024
CHUNK: Final = 1024 * 1024


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


def columns_of(path: Path, encoding: str, delimiter: str) -> tuple[str, ...]:
    """The names in a file's first line."""
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        header = next(csv.reader(file, delimiter=delimiter), None)
    if not header:
        raise ImportFailed(f"{path} is empty: the first line must name the columns")
    names = tuple(name.strip().removeprefix("\ufeff") for name in header)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ImportFailed(f"{path} has the column '{twice[0]}' twice")
    return names


def numbered_rows(
    path: Path, columns: tuple[str, ...], encoding: str, delimiter: str, after: int
) -> Iterator[NumberedRow]:
    """The rows that begin after line ``after``."""
    csv.field_size_limit(MOST_FIELD)
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        reader = csv.reader(
            file, delimiter=delimiter, strict=True
        )  # a quote that is never closed is an error, not a cell
        next(reader, None)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield NumberedRow(line, {}, f"is no CSV: {error}{_span(line, reader.line_num)}")
                continue
            if line <= after or not cells:
                continue
            if len(cells) != len(columns):
                problem = f"has {len(cells)} cells where the header has {len(columns)}{_span(line, reader.line_num)}"
                yield NumberedRow(line, {}, problem)
                continue
            yield NumberedRow(line, dict(zip(columns, cells, strict=True)), "")


def _span(first: int, last: int) -> str:
    """What a row that cannot be taken has swallowed: none of these lines was imported either."""
    return f"; it takes up lines {first} to {last}, is a quote not closed?" if last > first else ""
