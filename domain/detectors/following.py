"""Where a report goes on that was merged, or screened out as known already: from case to case, moment by moment."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from casetrail.domain.codes import TokenKind
from casetrail.domain.detectors.finding import Evidence
from casetrail.domain.detectors.traces import End, Trace, Way

FARTHEST: Final = 20
"""A report that is followed through more cases than so is found by nobody."""

Of = Callable[[str], Trace | None]
"""Gives the trace of a case; None where no report of it was received."""
Change = tuple[datetime, Evidence | None]
"""When something changes, and by which event."""


class Stand(NamedTuple):
    """Where a report stands at a moment that is said to go on in another case.

    ``says``: why it goes on nowhere; empty where it goes on; None where it is not said yet in which case. ``evidence``: by
    what. ``until``: how long that stays so, and by which event it ends; None where nothing is known that ends it.
    """

    says: str | None
    evidence: tuple[Evidence, ...] = ()
    until: Change | None = None


class Spell(NamedTuple):
    """A report went on nowhere ``since`` a moment, as could be seen from ``seen_at`` on, until ``ended``."""

    since: datetime
    seen_at: datetime
    says: str
    evidence: tuple[Evidence, ...]
    ended: Change | None


def are_of_other_children(one: Trace, other: Trace, moment: datetime) -> bool:
    """Whether two reports are about children and have nothing in common, by what is known of them at a moment."""
    if other.known_at > moment:
        return False
    mine, theirs = one.tokens_at(moment), other.tokens_at(moment)
    return mine.isdisjoint(theirs) and all(
        any(kind is TokenKind.CHILD for kind, _ in tokens) for tokens in (mine, theirs)
    )


def known_later(one: Trace, other: Trace, moment: datetime) -> list[tuple[datetime, Evidence]]:
    """When, after a moment, more gets known of who two reports are about; and by which events."""
    changes = [(other.known_at, other.report)]
    changes += [(by.known_at, by.event) for trace in (one, other) for by in trace.identified]
    return [change for change in changes if change[0] > moment]


def gone_nowhere(report: Trace, merger: End, of: Of) -> Iterator[Spell]:
    """When a report that was merged went on in no case at the end of its mergers."""
    return _spells(merger, partial(_stand, report, merger, of))


def gone_astray(report: Trace, merger: End, of: Of) -> Iterator[Spell]:
    """When a report that was merged was said to go on only in cases about other children."""
    others = [(way, of(way.into)) for way in report.ways(merger)]
    return _spells(merger, partial(_stand_among, report, merger, others))


def goes_on_in(report: Trace, of: Of, moment: datetime) -> list[Trace]:
    """The cases at the end of the mergers of a report, at a moment; none where it was not merged, or leads nowhere."""
    known, waiting, found = {report.case_id}, [report], list[Trace]()
    while waiting and len(known) <= FARTHEST:
        trace = waiting.pop(0)
        end = trace.end_at(moment)
        ways = [way for way in trace.ways(end) if way.since <= moment] if end is not None else []
        if not ways and trace is not report:
            found.append(trace)
        for way in ways:
            other = None if way.into in known else of(way.into)
            known.add(way.into)
            if other is not None and other.known_at <= moment:
                waiting.append(other)
    return found


def _spells(merger: End, stand_at: Callable[[datetime], Stand]) -> Iterator[Spell]:
    """When a report went on nowhere that was merged; ``stand_at``: where it stands at a moment."""
    since: datetime | None = None
    spell: Spell | None = None
    change: Change | None = (merger.since, None)
    while change is not None and (merger.until is None or change[0] < merger.until):
        moment, by = change
        now = stand_at(moment)
        if now.says == "":
            if spell is not None:
                yield spell._replace(ended=change)
            spell = since = None
        else:
            since = since or moment  # before it is said where it goes on, it goes on nowhere, too
            if now.says is not None and spell is None:
                evidence = [event for event in (by, merger.event, *now.evidence) if event is not None]
                spell = Spell(since, moment, now.says, tuple(dict.fromkeys(evidence)), None)
        change = now.until
    if spell is not None:
        yield spell if merger.until is None else spell._replace(ended=(merger.until, merger.until_event))


def _stand(report: Trace, merger: End, of: Of, moment: datetime) -> Stand:
    """Where a report stands at a moment that was merged, following the mergers from case to case."""
    following = _Following(of, moment, report, merger)
    end = following.dead_end(report, merger, merger.since)
    until = min(following.changes, key=lambda one: one[0], default=None)
    return Stand(end.says, end.evidence, until) if end is not None else Stand("", (), until)


class _DeadEnd(NamedTuple):
    """Why a report goes on nowhere, and the end of the case that does not go on, if there is one. None: as in ``Stand``."""

    says: str | None
    evidence: tuple[Evidence, ...] = ()


class _Following:
    """Follows a report from case to case, as the log was at a moment; ``changes``: what may change where it leads."""

    def __init__(self, of: Of, moment: datetime, report: Trace, merger: End) -> None:
        self._of, self._moment = of, moment
        self._received_at, self._by = report.received_at, merger.by
        self._been = {report.case_id}
        self.changes: list[Change] = []

    def dead_end(self, trace: Trace, end: End, since: datetime) -> _DeadEnd | None:
        """Why a case that has ended goes on in none of those in which it is said to; None where it does in one of them.

        ``since``: when the report came so far.
        """
        ways = trace.ways(end)
        self.changes += [(way.since, way.event) for way in ways if way.since > self._moment]
        ways = self._meant(trace, [way for way in ways if way.since <= self._moment])
        dead = [self._from(f"{_said(end)} {way.into}", way.into, max(since, way.since)) for way in ways]
        if not dead:
            return _DeadEnd(None)
        if None in dead or (end.as_known and self._looked_through(trace, max(since, ways[0].since))):
            return None
        return dead[0]

    def _meant(self, trace: Trace, ways: list[Way]) -> list[Way]:
        """Those of several cases that can be meant: not those about another child, unless all are."""
        if len(ways) == 1:
            return ways
        others = [(way, self._of(way.into)) for way in ways]
        meant = [way for way, other in others if other is None or not self._is_another_child(trace, other)]
        return meant or ways

    def _is_another_child(self, one: Trace, other: Trace) -> bool:
        self.changes += known_later(one, other, self._moment)
        return are_of_other_children(one, other, self._moment)

    def _from(self, said: str, into: str, since: datetime) -> _DeadEnd | None:
        trace = self._of(into)
        if trace is None or trace.known_at > self._moment:
            if trace is not None:
                self.changes.append((trace.known_at, trace.report))
            return _DeadEnd(f"{said}, of which the log has no report")
        if into in self._been or len(self._been) > FARTHEST:
            return _DeadEnd("merged in a circle" if into in self._been else "merged on and on")
        self._been.add(into)
        end = self._end(trace)
        if end is None:
            return None
        further = self.dead_end(trace, end, since)
        if further is None or further.says is not None:
            return further
        worked = end.worked_at is not None and end.worked_at >= self._received_at
        if worked or self._looked_through(trace, since):
            return None
        ended = "which had ended" if end.since <= since else "which has ended, and nothing more had been done there"
        return _DeadEnd(f"{said}, {ended}", (end.event,))

    def _looked_through(self, trace: Trace, since: datetime) -> bool:
        """Whether somebody else than who merged the report has looked through a case since it came there."""
        looks = [look for look in trace.looks if look.known_at > since and look.by != self._by]
        self.changes += [(look.known_at, look.event) for look in looks if look.known_at > self._moment]
        return any(look.known_at <= self._moment for look in looks)

    def _end(self, trace: Trace) -> End | None:
        """The end by which a case had ended at the moment; None where it was open."""
        end = trace.end_at(self._moment)
        if end is not None and end.until is not None:
            self.changes.append((end.until, end.until_event))
        later = next((one for one in trace.ends if one.since > self._moment), None)
        if later is not None:
            self.changes.append((later.since, later.event))
        return end


def _stand_among(report: Trace, merger: End, others: Sequence[tuple[Way, Trace | None]], moment: datetime) -> Stand:
    """Where a report stands at a moment among the cases in which it is said to go on: whether all are about other children."""
    changes: list[Change] = [(way.since, way.event) for way, _ in others if way.since > moment]
    there = [(way, other) for way, other in others if way.since <= moment]
    strange: list[Trace] = []
    for _, other in there:
        if other is not None:
            changes += known_later(report, other, moment)
            strange += [other] if are_of_other_children(report, other, moment) else []
    until = min(changes, key=lambda one: one[0], default=None)
    if not there:
        return Stand(None, (), until)
    if len(strange) < len(there):
        return Stand("", (), until)
    says = f"{_said(merger)} {' and '.join(one.case_id for one in strange)}, which tells of another child"
    return Stand(says, tuple([one.report for one in (report, *strange)]), until)


def _said(end: End) -> str:
    return "merged into" if end.into is not None else "said to be known from"
