"""CSV (RFC 4180), one row an event.

No cell can be taken for a formula: each is an id, a code, a number, a moment or a hash, and none of these begins with a sign.
"""

import csv
from io import TextIOWrapper
from typing import BinaryIO

from casetrail.exporting.histories import Exported
from casetrail.exporting.pseudonyms import Blind
from casetrail.exporting.rows import columns, rows, text


class CsvWriter:
    """Writes CSV."""

    def __init__(self, out: BinaryIO, log: str, blind: Blind) -> None:
        self._columns, self._blind = list(columns()), blind
        self._out = TextIOWrapper(out, encoding="utf-8", newline="")
        self._csv = csv.writer(self._out, lineterminator="\r\n")
        self._csv.writerow(self._columns)

    def write(self, history: Exported) -> None:
        for row in rows(history, self._blind):
            self._csv.writerow([text(row[name]) if name in row else "" for name in self._columns])

    def close(self) -> None:
        self._out.flush()
        self._out.detach()
