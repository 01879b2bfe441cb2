"""Mergers: reports that go on nowhere, because the case into which they were merged does not go on."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import About, Evidence, Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting, Settings, hours
from casetrail.domain.detectors.survey import Survey
from casetrail.domain.detectors.traces import Danger, End, Trace
from casetrail.domain.status import Status

FARTHEST: Final = 20
"""A report that was merged on more often than so is found by nobody."""
UNSEEN: Final = "merged, with a child in immediate danger whom nobody had seen"

Of = Callable[[str], Trace | None]
"""Gives the trace of a case; None where no report of it was received."""


class Stand(NamedTuple):
    """Where a merged report stands at a moment, and until when that stays so.

    ``says``: why it goes on nowhere; empty where it does. ``evidence``: by what. ``then``: what ends that, if it is known.
    """

    says: str
    evidence: tuple[Evidence, ...] = ()
    until: datetime | None = None
    then: Evidence | None = None


@detector(
    Setting("limit", hours(72), "within what time the other case must go on", "RSMo 210.145", clock="screening"),
)
def merged_away(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report that was merged into a case that does not go on.

    Rule: a case was merged into one of which the log has no report, or that had been closed or screened out before, or the
    mergers lead back to the case itself, or on through more than twenty cases; and within the time in which a report must
    be screened no case at their end was open. Where the other case was open, and ended later, its own end is judged.

    Evidence: the merger by which it came so, the merger of the case itself, and the end of the other case, if it has one.

    Settled by: reopening the case, or the other one; or that a report of the other one is received.

    May be wrong: where a report tells only what was known, and decided, before: then link the two, and screen it out.

    Found in: Arizona, where children were reported again and what had been decided before was let stand.
    """
    for trace in survey.traces.merged():
        if trace.agency == survey.agency:
            yield from away(trace, survey.traces.of, settings, now)


def away(trace: Trace, of: Of, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """All that is found of the mergers of one case."""
    for merger in trace.mergers:
        begun: tuple[datetime, Stand] | None = None
        moment: datetime | None = merger.since
        then: Evidence | None = None
        while moment is not None and (merger.until is None or moment < merger.until):
            stand = _stand(trace, merger, of, moment)
            if stand.says and begun is None:
                begun = moment, stand
            elif begun is not None and not stand.says:
                yield _finding(trace, begun, moment, then, settings, now)
                begun = None
            moment, then = stand.until, stand.then
        if begun is not None:
            yield _finding(trace, begun, merger.until, merger.until_event, settings, now)


def _stand(merged: Trace, merger: End, of: Of, moment: datetime) -> Stand:
    """Where a report stands at a moment that was merged, following the mergers from case to case."""
    path = {merged.case_id}
    last, end = merger, merger  # the merger that came last, and the one that is followed
    changes: list[tuple[datetime, Evidence | None]] = []
    while True:
        into = end.into or ""
        trace = of(into)
        if trace is None or trace.known_at > moment:
            if trace is not None:
                changes.append((trace.known_at, trace.report))
            return _until(f"merged into {into}, of which the log has no report", (last, merger), None, changes)
        if into in path or len(path) > FARTHEST:
            return _until("merged in a circle" if into in path else "merged on and on", (last, merger), None, changes)
        path.add(into)
        place = bisect_right(trace.ends, moment, key=lambda one: one.since)
        found = trace.ends[place - 1] if place else None
        if found is not None and found.until is not None:
            found = found if moment < found.until else None
        if found is not None and found.until is not None:
            changes.append((found.until, found.until_event))
        if found is None or found.into is None:
            changes += [(one.since, one.event) for one in trace.ends[place:] if one.into is not None][:1]
            if found is None or found.since > last.since:
                return _until("", (), None, changes)
            return _until(f"merged into {into}, which had ended", (last, merger), found, changes)
        last = found if found.since > last.since else last
        end = found


def _until(
    says: str, mergers: tuple[End, ...], ended: End | None, changes: list[tuple[datetime, Evidence | None]]
) -> Stand:
    evidence = [end.event for end in (*mergers, ended) if end is not None]
    until, then = min(changes, key=lambda one: one[0], default=(None, None))
    return Stand(says, tuple(dict.fromkeys(evidence)), until, then)


def _finding(
    trace: Trace, begun: tuple[datetime, Stand], at: datetime | None, by: Evidence | None, settings: SettingsAt, now: datetime
) -> Finding | None:  # fmt: skip
    """The finding of a report that went on nowhere from a moment ``at`` another, by an event; None where it was soon over."""
    started, stand = begun
    standard = settings(started)
    return _about(trace, standard, standard.due("limit", started), stand.evidence, stand.says, (at, by), now)


def _about(
    trace: Trace, standard: Settings, since: datetime, evidence: tuple[Evidence, ...], says: str,
    settled: tuple[datetime | None, Evidence | None], now: datetime,
) -> Finding | None:  # fmt: skip
    """The finding about a case that was merged; None where it was settled by then, or is still to come."""
    at, by = settled
    if now <= since or (at is not None and at <= since):
        return None
    is_settled = at is not None and at <= now
    return Finding(
        standard.detector,
        About.CASE,
        trace.case_id,
        since,
        evidence,
        says,
        trace.holder,
        trace.unit,
        standard,
        trace.partners,
        settled_at=at if is_settled else None,
        settled_by=by if is_settled else None,
    )


@detector(
    Setting("limit", hours(24), "within what time after the report a child in immediate danger is seen in person", "RSMo 210.145",
            clock="danger_contact"),
)  # fmt: skip
def merged_unseen(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report of immediate danger that was merged into a case that owes nothing for it, before anybody had seen the child.

    Rule: a case in which immediate danger is alleged, or was, was merged, and when the limit since the report is over (or
    since then, at the merger) the log shows neither that somebody has seen the child in person since the report was
    received, there or in a case into which it was merged, or on from there, nor that one of those has a danger of its own
    for which nobody had seen the child before, and which has not been corrected away. The clock of the report ended with
    the merger, and the other case has none for it, or none any longer.

    Evidence: the merger, and what alleges the danger; with what took away the danger of the other case, if it was for that
    time alone that this one owed a visit.

    Settled by: a contact in person, or that danger is alleged in the other case, or the reopening of the case. If that
    danger is corrected away later, it is found anew.

    May be wrong: where a second call told of the same danger as a first one, which was entered without it, or for which
    the child had just been seen.

    Found in: nowhere yet: it is the way around the shortest clock that a supervisor has.
    """
    for trace in survey.traces.merged():
        if trace.agency == survey.agency:
            yield from unseen(trace, survey.traces.of, settings, now)


def unseen(trace: Trace, of: Of, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """All that is found of a child in danger in one case that was merged."""
    if not trace.dangers:
        return
    danger = trace.dangers[0]
    for merger in trace.mergers:
        standard = settings(merger.since)
        since = max(standard.due("limit", danger.received_at), danger.known_at, merger.since)
        others = list(_beyond(trace, merger, of))
        ends = [
            (one.known_at, one.event) for case in (trace, *others) for one in case.seen if one.at >= danger.received_at
        ]
        if merger.until is not None and merger.until_event is not None:
            ends.append((merger.until, merger.until_event))
        visits = sorted((one for other in others for one in _visits(other, danger)), key=lambda one: one.since)
        # the merger first: a case may be merged, reopened and merged again, and each is a finding of its own
        rests_on = (merger.event, danger.event)
        for gap in _gaps(since, visits):
            owed_again = [] if gap.until is None or gap.until_event is None else [(gap.until, gap.until_event)]
            at, by = min([*ends, *owed_again], key=lambda one: one[0], default=(None, None))
            taken_away = () if gap.event is None else (gap.event,)
            evidence = (*rests_on, *taken_away) if gap.is_first else (*taken_away, *rests_on)
            yield _about(trace, standard, gap.since, evidence, UNSEEN, (at, by), now)


class Visit(NamedTuple):
    """A visit is owed for a danger that another case has of its own: since when, until when, and by which events."""

    since: datetime
    event: Evidence
    until: datetime | None
    until_event: Evidence | None


class Gap(NamedTuple):
    """No visit is owed: since when, by what if one was before, and until when one is. Each is a finding of its own."""

    since: datetime
    event: Evidence | None
    until: datetime | None
    until_event: Evidence | None
    is_first: bool


def _visits(other: Trace, danger: Danger) -> Iterator[Visit]:
    """When a case owed a visit for its own danger, also after another ``danger`` was reported."""
    for own in other.dangers:
        before = [(one.known_at, one.event) for one in other.seen if own.received_at <= one.at < danger.received_at]
        if own.until is not None and own.until_event is not None:
            before.append((own.until, own.until_event))
        until, event = min(
            before, key=lambda one: one[0], default=(None, None)
        )  # it owes nothing for what came after that
        if until is None or own.known_at < until:
            yield Visit(own.known_at, own.event, until, event)


def _gaps(since: datetime, visits: Sequence[Visit]) -> Iterator[Gap]:
    """From a moment on, when none of the ``visits`` was owed, which are in order."""
    event: Evidence | None = None
    is_first = True
    for visit in visits:
        if visit.since > since:
            yield Gap(since, event, visit.since, visit.event, is_first)
            is_first = False
        if visit.until is None:
            return
        if visit.until > since:
            since, event = visit.until, visit.until_event
    yield Gap(since, event, None, None, is_first)


def _beyond(trace: Trace, merger: End, of: Of) -> Iterator[Trace]:
    """The cases into which a case was merged, and on from there at any time."""
    known, waiting = {trace.case_id}, [merger.into or ""]
    while waiting and len(known) <= FARTHEST:
        case_id = waiting.pop()
        found = None if case_id in known else of(case_id)
        known.add(case_id)
        if found is not None:
            yield found
            waiting += [end.into for end in found.mergers if end.into is not None]


@detector(
    Setting("most", 1, "how often a merger may be undone", least=0, most=100),
)
def merged_again(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that is merged and reopened, and merged again.

    Rule: a case was merged into another, reopened, and merged again, more often than the setting allows.

    Evidence: the mergers.

    Settled by: the closure of the case.

    May be wrong: where several reports of one family are sorted out. Then one of them stays open.

    Found in: practice.
    """
    if "Merged" not in history.case.kinds:
        return
    mergers: list[Step] = []
    before = Status.UNREPORTED
    for place, step in enumerate(history.steps):
        if step.status is Status.MERGED and before is not Status.MERGED:
            mergers.append(step)
            standard = settings(mergers[0].at)
            if len(mergers) == standard.number("most") + 2:
                settled = history.until(place, lambda later: later.status is Status.CLOSED)
                says = f"merged {len(mergers)} times, and reopened in between"
                yield of_case(history, standard, step.known_at, mergers, says, settled, now)
        before = step.status
