"""What is judged over many cases from zero: cut into pieces of work, which several processes judge and one writes.

Each of them only reads what was judged of single cases; what they find is written between, a few pieces at a time.
"""

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any, Final, NamedTuple

from casetrail.eventlog.crew import Crew, Told
from casetrail.projections.database import in_parts
from casetrail.projections.judging import CaseJudge, hashed
from casetrail.projections.judging_many import ManyJudge
from casetrail.projections.registry import registry_of
from casetrail.projections.rows import Row
from casetrail.projections.stale import MONTH, PERSON, REPORT
from casetrail.projections.targets import Part, open_part

PERSONS: Final = 20
MONTHS: Final = 24
"""Months that are judged together, at least: those before them are read first, to be compared with."""
AT_ONCE: Final = 32
"""Pieces of work whose findings are in memory at the same time."""
SELDOM: Final = 100_000


class Work(NamedTuple):
    """A piece of work: some persons of an agency, months of one, or cases that share a token with others."""

    kind: str
    agency: str
    subjects: Sequence[Any]


class Job(NamedTuple):
    """A piece of work, the views that it is about, and the events of the registry."""

    work: Work
    part: Part
    registry: Sequence[bytes]


def judge_everything(many: ManyJudge, part: Part, registry: Sequence[bytes], crew: Crew, processes: int) -> None:
    """Judge all persons, months and reports, where nothing of it has been judged yet. ``part``: where ``many`` writes to.

    ``crew``: has so many processes.
    """
    pieces = works(many, processes)
    with seldom_collected():
        while some := list(islice(pieces, AT_ONCE)):
            if processes == 1:
                found: Iterable[Sequence[Row]] = (rows_of(many, work) for work in some)
            else:
                found = crew.do(judged, [Job(work, part, registry) for work in some])
            for rows in found:
                many.write(rows)
    many.judge_mergers()


def works(many: ManyJudge, processes: int) -> Iterator[Work]:
    """All there is to judge."""
    for agency in many.agencies():
        first = many.first_month(agency)
        months = [] if first is None else many.months_since(agency, first)
        together = max(MONTHS, -(-len(months) // processes))
        yield from (Work(MONTH, agency, some) for some in in_parts(months, together))
        yield from (Work(PERSON, agency, some) for some in in_parts(many.persons_of(agency, -(10**9)), PERSONS))
    yield from (Work(REPORT, "", some) for some in many.sharing())


def rows_of(many: ManyJudge, work: Work) -> list[Row]:
    """The findings of a piece of work."""
    if work.kind == PERSON:
        return [row for person in work.subjects for row in many.of_person(work.agency, person)]
    if work.kind == MONTH:
        return [row for month in work.subjects for row in many.of_month(work.agency, month)]
    return many.of_reports(work.subjects)


def judged(job: Job, _: Told) -> list[Row]:
    """The findings of a piece of work, in a process of a crew."""
    with closing(open_part(job.part)) as database:
        many = ManyJudge(database, CaseJudge(registry_of([hashed(value) for value in job.registry])).judge)
        return rows_of(many, job.work)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """For many tallies: they are many objects and no cycles, and going through them again and again costs a fifth."""
    before = gc.get_threshold()
    gc.set_threshold(SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
