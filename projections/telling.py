"""Findings of which somebody is to be told: the steps that have come, and of which the log does not say that they were told."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from casetrail.domain.business_time import LAST
from casetrail.domain.clocks import PATIENCE, Told
from casetrail.domain.detectors.finding import About, untold
from casetrail.domain.escalation import highest
from casetrail.domain.registry import REGISTRY
from casetrail.projections.database import Database, has_judgements, in_parts
from casetrail.projections.errors import ViewMissing
from casetrail.projections.judgement_queries import answers_to, overseers_in, steps_of, told_of
from casetrail.projections.judgement_tables import JUDGEMENT_FORM
from casetrail.projections.queries import at_micros, micros
from casetrail.projections.rows import Row

FOUND: Final = "finding, about, subject, detector, settled_at, told, holder, unit, partners"


class Untold(NamedTuple):
    """A level that is to be told of a finding. ``key``: in whose history that stands. ``subject``: where it is about no case."""

    key: str
    finding: str
    detector: str
    subject: str | None
    step: Told


def untold_findings(
    database: Database, now: datetime, since: datetime, machine: str | None = None, *, played: bool = False
) -> list[Untold]:
    """Who is to be told by now, what came first at the beginning.

    ``since``: what was found before that is left out. ``machine``: only where it is about the silence of a machine of that
    kind. ``played``: also what was to be told before it was settled or answered, as if time went by only now.
    """
    where = "since >= ? AND since < ?"
    values: list[object] = [micros(since), micros(now)]
    if not played:
        where += " AND (settled_at IS NULL OR settled_at > ?)"
        values.append(micros(now))
    if machine is not None:
        where += " AND about = ? AND subject = ?"
        values += [About.MACHINE.value, machine]
    rows = database.rows(f"SELECT {FOUND} FROM finding WHERE {where} ORDER BY since, finding", values)  # noqa: S608
    found = [one for some in in_parts(rows) for one in _untold(database, some, now, played=played)]
    return sorted(found, key=lambda one: one.step.at)


def check_readable(database: Database, log: str) -> None:
    """Raise ``ViewMissing`` unless there are judgements of this log and form; with which detectors is the projector's affair."""
    if not has_judgements(database):
        raise ViewMissing("clocks and findings are not kept beside the views; 'casetrail views rebuild' makes them")
    form: dict[str, str] = dict(database.rows("SELECT name, value FROM judged_form"))
    if (form.get("log"), form.get("form")) != (log, JUDGEMENT_FORM):
        raise ViewMissing("the judgements are of another log or form; 'casetrail views rebuild' makes them anew")


def _untold(database: Database, rows: Sequence[Row], now: datetime, *, played: bool) -> Iterator[Untold]:
    overseers, ids = overseers_in(database), [row[0] for row in rows]
    answers, told = answers_to(database, ids, now), told_of(database, ids, LAST)  # what is played is recorded later
    for finding, about, subject, detector, settled_at, steps, holder, unit, partners in rows:
        is_case = about == About.CASE
        for step in steps_of(steps, holder, unit, partners, overseers):
            until = step.at + PATIENCE if played else now
            settled = at_micros(settled_at)
            answered = highest(level for at, _, level in answers.get(finding, ()) if at <= until)
            if (settled is None or settled > until) and untold([step], told.get(finding, ()), answered, now - PATIENCE):
                yield Untold(subject if is_case else REGISTRY, finding, detector, None if is_case else subject, step)
