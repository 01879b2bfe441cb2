"""Texts with places for a row's columns: ``fine-{case}``, ``{offence|nibrs}``, ``{officer|id}``.

``{column}`` is the row's text in that column, without spaces around it; ``{column|table}`` looks it up in a code table of
the mapping; ``{column|id}`` makes an id of it (what no id can hold becomes ``-``).
"""

import re
from collections.abc import Mapping
from typing import Final

from casetrail.importing.errors import BadMapping, RowRefused

PLACE: Final = re.compile(r"\{([^{}|]+)(?:\|([^{}|]+))?\}")
NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9._:@+-]+")
TO_ID: Final = "id"

Row = Mapping[str, str]
Tables = Mapping[str, Mapping[str, str]]


class Template:
    """A text with places. Literal text alone is a template too."""

    def __init__(self, text: str, tables: Tables, columns: frozenset[str] | None = None) -> None:
        """Raises ``BadMapping`` for a table or a column that does not exist."""
        self.text, self._tables = text, tables
        self.places: list[tuple[str, str | None]] = [(found[1], found[2]) for found in PLACE.finditer(text)]
        for column, table in self.places:
            if table is not None and table != TO_ID and table not in tables:
                raise BadMapping(f"'{text}' names the code table '{table}', which the mapping does not have")
            if columns is not None and column not in columns:
                raise BadMapping(f"'{text}' names the column '{column}', which the file does not have")

    @property
    def column(self) -> str:
        """The first column that it names, for messages."""
        return self.places[0][0] if self.places else ""

    def fill(self, row: Row) -> str:
        """The text for a row; empty when every place is. Raises ``RowRefused`` for a code that no table has."""
        if not self.places:
            return self.text
        values = [self._value(row, column, table) for column, table in self.places]
        if not any(values):
            return ""
        filled = iter(values)
        return PLACE.sub(lambda _: next(filled), self.text)

    @property
    def is_ambiguous(self) -> bool:
        """Whether different ``sources`` can give the same text."""
        return len(self.places) > 1 or any(table == TO_ID for _, table in self.places)

    def sources(self, row: Row) -> list[str]:
        """What the text of a row is made of, before ids are made of it. Raises ``RowRefused``."""
        return [self._value(row, column, None if table == TO_ID else table) for column, table in self.places]

    def _value(self, row: Row, column: str, table: str | None) -> str:
        value = (row.get(column) or "").strip()
        if table is None or not value:
            return value
        if table == TO_ID:
            return NOT_IN_IDS.sub("-", value).strip("-._:@+")[:64]
        codes = self._tables[table]
        if value in codes:
            return codes[value]
        if "*" in codes:
            return codes["*"]
        raise RowRefused(column, f"has a code that the table '{table}' does not have")
