"""Runs of clocks that have ended, in the order in which they did; and which of them lasted at a moment.

Where there are few, all are looked at. Where much is entered late into a long case, they are kept in order of time, too.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from casetrail.domain.happenings import Happening
from casetrail.domain.stopping import Run

FEW: Final = 40
Numbered = tuple[int, Run]
"""A run with its number in the order in which they ended."""


@dataclass
class _Lane:
    """The runs of one clock by their starts. ``in_order``: none begins before the one that started before it has ended."""

    starts: list[datetime] = field(default_factory=list)
    runs: list[Numbered] = field(default_factory=list)
    in_order: bool = True

    def add(self, one: Numbered) -> None:
        """Put a run in its place: after those that started at the same moment."""
        run = one[1]
        place = bisect_right(self.starts, run.started_at)
        self.starts.insert(place, run.started_at)
        self.runs.insert(place, one)
        for _, other in self.runs[max(place - 1, 0) : place]:
            self.in_order &= _is_over(other, run.started_at)
        for _, other in self.runs[place + 1 : place + 2]:
            self.in_order &= _is_over(run, other.started_at)

    def at(self, moment: datetime) -> Sequence[Numbered]:
        """Those that may have lasted at a moment: where they are in order, the last that had started by then."""
        if not self.in_order:
            return self.runs
        place = bisect_right(self.starts, moment)
        return self.runs[max(place - 1, 0) : place]


class EndedRuns:
    """Runs that have ended. They may end earlier after all, and never begin otherwise."""

    def __init__(self) -> None:
        self.all: list[Run] = []
        self._lanes: dict[tuple[str, str | None], _Lane] = {}
        self._of_report: list[Numbered] = []
        self._placed = 0

    def add(self, run: Run) -> None:
        """Note a run that has ended."""
        self.all.append(run)

    def may_end_at(self, moment: datetime) -> list[Run]:
        """Those that what happened at a moment could have ended earlier, in their order, and perhaps others.

        What the report started may be ended by what was before it.
        """
        if len(self.all) <= FEW:
            return self.all[:]
        self._place()
        some = [one for lane in self._lanes.values() for one in lane.at(moment)]
        found = {number: run for number, run in (*some, *self._of_report) if not _is_over(run, moment)}
        return [found[number] for number in sorted(found)]

    def _place(self) -> None:
        """Put those in order of time that have ended since that was asked for last."""
        for number in range(self._placed, len(self.all)):
            run = self.all[number]
            self._lanes.setdefault((run.rule.name, run.subject), _Lane()).add((number, run))
            if run.start is Happening.REPORT_RECEIVED:
                self._of_report.append((number, run))
        self._placed = len(self.all)


def _is_over(run: Run, moment: datetime) -> bool:
    return run.ended_at is not None and run.ended_at <= moment
