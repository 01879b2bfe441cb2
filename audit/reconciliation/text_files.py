"""CSV files that others made, opened so that nothing in them can fill the memory, and never taken for what they are not."""

import codecs
import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

MOST_FIELD: Final = 1024 * 1024
MOST_ROW: Final = 16 * MOST_FIELD
"""Characters of a line, and of a row, which has several lines where a cell has."""
MOST_COLUMNS: Final = 4096
START: Final = 64
MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
PACKED: Final = (
    (b"PK\x03\x04", "a ZIP archive or a workbook"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "packed with gzip"),
    (b"BZh", "packed with bzip2"),
    (b"\xfd7zXZ\x00", "packed with xz"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0", "a workbook"),
)
"""How files begin that hold text only for who unpacks them. Nothing is unpacked here: a small file can become a huge one."""

Refuse = Callable[[str], Exception]
"""Makes the error of a room that says what is wrong with the file, from what stands after its name."""


def encoding_of(path: Path, named: Any, refuse: Refuse) -> str:
    """The encoding that is named, else what the byte order mark says, else UTF-8.

    Raises what ``refuse`` makes where the file is none of text, and ``OSError``; ``LookupError`` where there is no encoding
    of texts of that name.
    """
    with path.open("rb") as file:
        start = file.read(START)
    for begins, what in PACKED:
        if start.startswith(begins):
            raise refuse(f"is {what}: save or unpack it as a CSV file")
    if named is None:
        found = next((encoding for mark, encoding in MARKS if start.startswith(mark)), "utf-8")
    else:
        found = codecs.lookup(str(named)).name
        "".encode(found)  # raises where it is no encoding of texts, such as base64
        found = "utf-8-sig" if found == "utf-8" else found
    if _is_wide(start) and not found.startswith(("utf-16", "utf-32")):
        raise refuse("is no text, or is in UTF-16 without a mark that says so: save it as UTF-8")
    return found


def _is_wide(start: bytes) -> bool:
    """Whether every other byte is none of a text, as in UTF-16; a single one is a matter of its row."""
    return len(start) >= 4 and not (any(start[0:8:2]) and any(start[1:8:2]))


class Rows:
    """The rows of an open file, as ``csv`` reads them strictly: a quote that is not closed swallows no line in silence."""

    def __init__(self, file: TextIO, delimiter: str, refuse: Refuse) -> None:
        csv.field_size_limit(MOST_FIELD)
        self._file, self._refuse, self._taken = file, refuse, 0
        self._reader = csv.reader(self._lines(), delimiter=delimiter, strict=True)

    @property
    def line(self) -> int:
        """How many lines have been read."""
        return self._reader.line_num

    def next(self) -> list[str] | None:
        """The cells of the next row; None after the last.

        Raises ``csv.Error`` where it is no CSV, after which the next row can be read all the same; what ``refuse`` makes
        where it is too long to go on.
        """
        self._taken = 0
        return next(self._reader, None)

    def _lines(self) -> Iterator[str]:
        while line := self._file.readline(MOST_ROW):
            self._taken += len(line)
            if self._taken >= MOST_ROW:
                raise self._refuse(f"has a line or a row of more than {MOST_ROW} characters: is it a CSV file?")
            yield line


def named_columns(header: Sequence[str] | None, refuse: Refuse) -> tuple[str, ...]:
    """The names in a header. Raises what ``refuse`` makes where there are none, or too many."""
    if not header:
        raise refuse("is empty: the first line must name the columns")
    if len(header) > MOST_COLUMNS:
        raise refuse(f"has {len(header)} columns, more than {MOST_COLUMNS}: is it a CSV file?")
    return tuple(name.strip().removeprefix("\ufeff") for name in header)


def repeated(names: Iterable[str]) -> list[str]:
    """The names that are there more than once, in order."""
    return sorted(name for name, count in Counter(names).items() if count > 1)
