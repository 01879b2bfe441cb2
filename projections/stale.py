"""What must be judged anew and has not been yet: cases, months, persons, and who is reported again, noted in the transaction that made them so.

What one event changes may have to be judged over many cases; noted here, it can wait until what has come is taken in, and
outlives a crash.
"""

from collections.abc import Iterable, Sequence
from secrets import randbits
from typing import Final, NamedTuple

from casetrail.projections.database import Database
from casetrail.projections.errors import ViewMoved
from casetrail.projections.judgement_tables import STALE

CASE: Final = "case"
MONTH: Final = "month"
PERSON: Final = "person"
REPORT: Final = "report"
TOGETHER: Final = {CASE: 100, MONTH: 1, PERSON: 20, REPORT: 100}
"""How many are judged together: as long as the status views can wait for the database, and a step for the next event."""
START: Final = ("", "", "", "")


class Stale(NamedTuple):
    """What must be judged anew: a case, a month of an agency, a person of one of its units, or whether a case is one of those
    that are reported again."""

    kind: str
    agency: str
    unit: str
    subject: str


Marked = Sequence[tuple[Stale, int]]
"""What must be judged anew, each with the mark that its noting gave it: one that was noted again has another."""


class StaleTable:
    """What is noted in one database."""

    def __init__(self, database: Database, left: str = "") -> None:
        """``left``: the kind that is left for others; '' for none."""
        self._database, self._left, self._after = database, left, Stale(*START)

    def note(self, some: Iterable[Stale]) -> None:
        """Note that these must be judged anew, whether they are noted already or not."""
        self._database.run_many(STALE.upsert(), [(*one, randbits(62)) for one in sorted(set(some))])

    def next(self) -> Marked:
        """Some of one kind, in turn: none waits for ever while others come again and again."""
        return self._following(self._after) or self._following(Stale(*START))

    def _following(self, after: Stale) -> Marked:
        rows = self._database.rows(
            "SELECT kind, agency, unit, subject, mark FROM stale WHERE (kind, agency, unit, subject) > (?, ?, ?, ?) "
            "AND kind <> ? ORDER BY kind, agency, unit, subject LIMIT ?",
            (*after, self._left, max(TOGETHER.values())),
        )
        found = [(Stale(*row[:4]), row[4]) for row in rows]
        of_a_kind = [one for one in found if (one[0].kind, one[0].agency) == (found[0][0].kind, found[0][0].agency)]
        return of_a_kind[: TOGETHER[found[0][0].kind]] if found else []

    def judged(self, some: Marked) -> None:
        """These have been judged anew. Raises ``ViewMoved`` where one has been noted again since, or judged by another."""
        for one, mark in some:
            gone = "DELETE FROM stale WHERE kind = ? AND agency = ? AND unit = ? AND subject = ? AND mark = ?"
            if self._database.run(gone, (*one, mark)) != 1:
                raise ViewMoved("another has judged meanwhile what was to be judged anew")
        self._after = some[-1][0]

    def forget_cases(self, case_ids: Iterable[str]) -> None:
        """These cases are judged anew just now, whether they were noted or not."""
        self._database.run_many(
            f"DELETE FROM stale WHERE kind = '{CASE}' AND agency = '' AND unit = '' AND subject = ?",  # noqa: S608
            [(case_id,) for case_id in case_ids],
        )
