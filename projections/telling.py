"""Findings of which somebody is to be told: the steps that have come, and of which the log does not say that they were told."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from casetrail.domain.alarms import WITH_PARTNERS
from casetrail.domain.answering import FindingTold
from casetrail.domain.business_time import LAST
from casetrail.domain.clocks import PATIENCE, Told
from casetrail.domain.codes import Level
from casetrail.domain.detectors.finding import About
from casetrail.domain.escalation import answers_for, highest
from casetrail.domain.registry import REGISTRY, Overseer
from casetrail.eventlog.codec import decode_event
from casetrail.projections.database import Database, has_judgements, in_parts, marks
from casetrail.projections.errors import ViewMissing
from casetrail.projections.judgement_queries import answers_to, overseers_in, steps_of, told_of
from casetrail.projections.judgement_tables import JUDGEMENT_FORM
from casetrail.projections.queries import at_micros, micros
from casetrail.projections.rows import Row

FOUND: Final = "finding, about, subject, detector, settled_at, told, holder, unit, partners"


class Untold(NamedTuple):
    """A level that is to be told of a finding. ``key``: in whose history that stands. ``subject``: where it is about no case.

    ``joined``: the one agency that came to this level when the others of it had been told.
    """

    key: str
    finding: str
    detector: str
    subject: str | None
    step: Told
    joined: str | None = None


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
    late = _Late(database, overseers, ids)
    for finding, about, subject, detector, settled_at, steps, holder, unit, partners in rows:
        is_case = about == About.CASE
        for step in steps_of(steps, holder, unit, partners, overseers):
            until = step.at + PATIENCE if played else now
            settled = at_micros(settled_at)
            answered = highest(level for at, _, level in answers.get(finding, ()) if at <= until)
            if (settled is not None and settled <= until) or answers_for(answered, step.level):
                continue
            one = Untold(subject if is_case else REGISTRY, finding, detector, None if is_case else subject, step)
            if step.level not in told.get(finding, ()):
                yield from [one] if step.at <= now - PATIENCE else ()
            else:
                yield from late.untold(one, now - PATIENCE)


class _Late:
    """Who came to a level of some findings when others of it had been told: a partner of the case, an agency with oversight."""

    def __init__(self, database: Database, overseers: Sequence[Overseer], ids: Sequence[str]) -> None:
        self._database, self._overseers = database, overseers
        self._joined = self._joined_since_told(ids)
        self._told_at = self._oversight_told(ids) if len(overseers) > 1 else {}

    def _joined_since_told(self, ids: Sequence[str]) -> dict[str, datetime]:
        """The findings of whose cases an agency may have become part since partners were told of them, and when it did."""
        first = (
            f"SELECT case_id, finding, MIN(number) AS number FROM finding_told WHERE finding IN ({marks(ids)}) "  # noqa: S608
            "AND level = ? GROUP BY case_id, finding"
        )
        kinds = [kind.__name__ for kind in WITH_PARTNERS]
        rows = self._database.rows(
            f"SELECT told.finding, MAX(timeline.recorded_at) FROM ({first}) told JOIN timeline "  # noqa: S608
            "ON timeline.case_id = told.case_id AND timeline.number > told.number "
            f"WHERE timeline.kind IN ({marks(kinds)}) GROUP BY told.finding",
            [*ids, Level.PARTNERS.value, *kinds],
        )
        return {finding: at for finding, micros_at in rows if (at := at_micros(micros_at)) is not None}

    def _oversight_told(self, ids: Sequence[str]) -> dict[str, datetime]:
        """When those with oversight were first told of findings."""
        rows = self._database.rows(
            f"SELECT finding, MIN(told_at) FROM finding_told WHERE finding IN ({marks(ids)}) AND level = ? "  # noqa: S608
            "GROUP BY finding",
            [*ids, Level.OVERSIGHT.value],
        )
        return {finding: at for finding, micros_at in rows if (at := at_micros(micros_at)) is not None}

    def untold(self, one: Untold, by: datetime) -> Iterator[Untold]:
        """Those who came by a moment and have not been told, one after the other."""
        came = [(agency, max(at, one.step.at)) for agency, at in self._came(one) if at <= by]
        known = self._known(one) if came else ()
        for agency, at in came:
            if agency not in known:
                yield one._replace(step=Told(one.step.level, (agency,), at), joined=agency)

    def _came(self, one: Untold) -> list[tuple[str, datetime]]:
        if one.step.level is Level.PARTNERS and one.finding in self._joined:
            return [(agency, self._joined[one.finding]) for agency in one.step.who]
        if one.step.level is Level.OVERSIGHT and one.finding in self._told_at:
            return [(agency, since) for agency, since in self._overseers if since > self._told_at[one.finding]]
        return []

    def _known(self, one: Untold) -> set[str]:
        """Who was told at this level, by the record."""
        rows = self._database.rows(
            "SELECT event FROM finding_told JOIN timeline ON timeline.case_id = finding_told.case_id "
            "AND timeline.number = finding_told.number WHERE finding = ? AND level = ?",
            (one.finding, one.step.level.value),
        )
        bodies = [decode_event(bytes(event)).body for (event,) in rows]
        return {who.id for body in bodies if isinstance(body, FindingTold) for who in body.told}
