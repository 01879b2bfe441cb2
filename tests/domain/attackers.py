"""An attacker on a published report, who solves every equation that it gives, in whole numbers."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from casetrail.domain.suppression import Columns, Counts, Part, Row, Table

Place = tuple[int, ...]


class Printed(NamedTuple):
    """A table as it is printed: which index of a report tells its row, and what is withheld in each row."""

    axis: int
    table: Table
    hidden: Sequence[int]


class Attacker:
    """Knows of each report only that it stands in some row of each table, and what is printed.

    ``facts``: how many reports have which profile, by their rows in all tables. Printed are the number of all and every
    column that is not withheld: in each row, in all rows together, and for the columns ``summed`` in each block.
    """

    def __init__(
        self, columns: Columns, printed: int, tables: Sequence[Printed], facts: Mapping[Place, Counts]
    ) -> None:
        profiles = sorted(columns.possible)
        self._unknown = [(place, profile) for place in facts for profile in profiles]
        self._known: list[Any] = []
        self._values: list[int] = []
        self._facts, self._columns = facts, columns
        every = [Part(0, 0), *(Part(1 << bit, 0) for bit in range(len(columns.names)))]
        for part in every:
            if not part.within & ~printed:
                self._learn(part)
        for axis, table, hidden in tables:
            for number, row in enumerate(table.rows):
                for part in every:
                    if not part.within & ~table.shown and not part.within & (hidden[number] | ~printed):
                        self._learn(part, axis, {number})
                    if part.within & table.summed & printed:
                        self._learn(part, axis, {at for at, one in enumerate(table.rows) if one.block == row.block})

    def _learn(self, part: Part, axis: int = 0, rows: set[int] | None = None) -> None:
        self._known.append(self._counts(part, axis, rows))
        self._values.append(
            sum(part.count(counts) for place, counts in self._facts.items() if rows is None or place[axis] in rows)
        )

    def _counts(self, part: Part, axis: int, rows: set[int] | None) -> Any:
        counted = (part.has(profile) and (rows is None or place[axis] in rows) for place, profile in self._unknown)
        return np.fromiter(counted, float)

    def most(self, part: Part, axis: int = 0, row: int | None = None) -> int:
        """The most that a count can be, for all that is printed."""
        sought = self._counts(part, axis, None if row is None else {row})
        values = np.array(self._values)
        found = milp(
            -sought,
            constraints=LinearConstraint(np.array(self._known), values, values),
            integrality=np.ones(len(self._unknown)),
            bounds=Bounds(0, np.inf),
        )
        assert found.success, found.message
        return round(float(-found.fun))


def table(rows: Sequence[Row], columns: Columns) -> Table:
    """A table of all columns, without blocks."""
    return Table(rows, columns.all)
