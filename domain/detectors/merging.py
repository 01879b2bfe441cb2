"""Mergers: reports that go on nowhere, because the case into which they were merged does not go on."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from casetrail.domain.codes import TokenKind
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import About, Evidence, Finding, of_case
from casetrail.domain.detectors.following import (
    FARTHEST,
    Of,
    Spell,
    are_of_other_children,
    gone_astray,
    gone_nowhere,
    known_later,
)
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.lasting import Lasting, gaps
from casetrail.domain.detectors.settings import Setting, Settings, hours
from casetrail.domain.detectors.survey import Survey
from casetrail.domain.detectors.traces import Danger, End, Seen, Trace, Way
from casetrail.domain.receipt import answers
from casetrail.domain.status import Status

UNSEEN: Final = "a child in immediate danger whom nobody had seen"


@detector(
    Setting("limit", hours(72), "within what time the other case must go on", "RSMo 210.145", clock="screening"),
)
def merged_away(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report that was merged into a case that does nothing more for it, or screened out because such a case has it.

    Rule: a case was merged into one of which the log has no report; or into one that has been closed or screened out, and
    that nobody had worked since the report was received, nor had anybody looked through it since the merger other than who
    merged the two; or the mergers lead back to the case itself, or on through more than twenty cases; and within the time
    in which a report must be screened no case at their end was open. It counts as work, too, that a partner has done what
    he was asked for. A report that was screened out as known already is judged like one that was merged into the cases
    with which it is linked: of several it suffices that one goes on that can be meant ("merged astray" says which cannot).
    Where it is linked with none, "led nowhere" finds it.

    Evidence: the event by which it came so, the merger or the screening of the case itself, and the end of the other case,
    if it has one.

    Settled by: reopening the case, or the other one; or a note of a supervisor, a commander or an auditor, other than who
    merged it or screened it out, in the other case or in the one that was screened out; or that a report of the other one
    is received; or a link with a case that goes on, where it was screened out.

    May be wrong: where a report tells only what was known, and decided, before; a note settles it.

    Found in: Arizona, where children were reported again and what had been decided before was let stand.
    """
    for trace in survey.traces.merged():
        if trace.agency == survey.agency:
            yield from away(trace, survey.traces.of, settings, now)


def away(trace: Trace, of: Of, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """All that is found of the mergers of one case."""
    for merger in trace.mergers:
        for spell in gone_nowhere(trace, merger, of):
            yield _finding(trace, spell, settings, now)


def _finding(trace: Trace, spell: Spell, settings: SettingsAt, now: datetime) -> Finding | None:
    """The finding of a report that went on nowhere for a spell; None where that was soon over."""
    standard = settings(spell.since)
    since = max(standard.due("limit", spell.since), spell.seen_at)
    return about_merger(trace, standard, since, spell.evidence, spell.says, spell.ended or (None, None), now)


def about_merger(
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
    Setting("limit", hours(72), "within what time it must be put right", "RSMo 210.145", clock="screening"),
)
def merged_astray(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report that was merged into a case about another child, or screened out because such a case has it already.

    Rule: the report of a case that was merged has blinded tokens of children, and so has that of the other case, and the
    two share none: no child, no suspect and no address; and that is so still when the time is over in which a report must
    be screened. A correction may be the first to say who is concerned. A report that was screened out as known already is
    judged like one that was merged into the cases with which it is linked: it is found where all of these are about other
    children. Where no tokens are used, nothing is found.

    Evidence: the event by which it came so, the merger or the screening, and the reports.

    Settled by: a correction of either report that gives it a token of the other, or the reopening of the case; or a link
    with another case, where it was screened out.

    May be wrong: where siblings, or children hurt by the same unknown person, were reported apart; or where a name was
    spelled otherwise, and no suspect and no address given. A correction with the right name, or the address, settles it.

    Found in: nowhere yet: a case that is worked, and into which reports of other children are merged, looks well from
    outside.
    """
    for trace in survey.traces.merged():
        if trace.agency == survey.agency:
            yield from astray(trace, survey.traces.of, settings, now)


def astray(trace: Trace, of: Of, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """All mergers of one case into cases about other children."""
    if not any(kind is TokenKind.CHILD for kind, _ in trace.tokens):
        return
    for merger in trace.mergers:
        for spell in gone_astray(trace, merger, of):
            yield _finding(trace, spell, settings, now)


@detector(
    Setting("limit", hours(24), "within what time after the report a child in immediate danger is seen in person", "RSMo 210.145",
            clock="danger_contact"),
    Setting("grace", hours(1), "how soon after the report was recorded what was mistyped may be corrected"),
)  # fmt: skip
def merged_unseen(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report of immediate danger that was merged into a case that owes nothing for it, before anybody had seen the child.

    Rule: a case in which immediate danger is alleged, or was, was merged, and when the limit since the report is over (or
    since then, at the merger) the log shows neither that somebody has seen the child in person for it (in the case itself
    since 24 hours before the report was received, as its clock counts it; in a case into which it was merged, or on from
    there, since it was received), nor that one of those, not having ended, has a danger of its own for which nobody had seen
    the child before, and which has not been corrected away. The clock of the report ended with the merger, and the other
    case has none for it, or none any longer. So it is where the report was screened out as known already, with the cases
    with which it is linked. A case about another child ("merged astray" says which is) counts for nothing. A danger of the
    report that its own agency took back within the time of grace, before the limit was over, was mistyped and is none ("owed
    less" judges corrections).

    Evidence: the merger, or the screening and the link; and what alleges the danger. With what took away the danger of the
    other case, if it was for that time alone that this one owed a visit.

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
    for merger in trace.mergers:
        first = first_way(trace, merger)
        if first is None:  # that is found as such
            continue
        standard = settings(first.since)
        danger = next((one for one in trace.dangers if not _was_mistyped(one, standard)), None)
        if danger is None:
            continue
        since = max(standard.due("limit", danger.received_at), danger.known_at, first.since)
        others = list(beyond(trace, merger, of))
        ends = [(one.known_at, one.event) for one in trace.seen if answers(one.at, danger.received_at)]
        ends += [_later(way, one) for other, way in others for one in other.seen if one.at >= danger.received_at]
        if merger.until is not None and merger.until_event is not None:
            ends.append((merger.until, merger.until_event))
        visits = [one for other, way in others for one in _visits(other, way, danger)]
        # the merger first: a case may be merged, reopened and merged again, and each is a finding of its own
        rests_on = tuple(dict.fromkeys((merger.event, first.event, danger.event)))
        says = f"{said_of(merger)}, with {UNSEEN}"
        for gap in gaps(since, visits):
            owed_again = [] if gap.until is None or gap.until_event is None else [(gap.until, gap.until_event)]
            at, by = min([*ends, *owed_again], key=lambda one: one[0], default=(None, None))
            yield about_merger(trace, standard, gap.since, gap.evidence(rests_on), says, (at, by), now)


def first_way(trace: Trace, merger: End) -> Way | None:
    """The way by which a report was first said to go on; None where it was screened out as known from nowhere."""
    return min(trace.ways(merger), key=lambda way: way.since, default=None)


def said_of(merger: End) -> str:
    """How a report was said to go on in another case."""
    return "merged" if merger.into is not None else "screened out as known"


def _was_mistyped(danger: Danger, standard: Settings) -> bool:
    """Whether the report was corrected at once by those who recorded it, before anything had been missed."""
    if danger.until is None or not danger.by_reporter:
        return False
    soon = danger.known_at + standard.span("grace")
    return danger.until <= min(soon, standard.due("limit", danger.received_at))


def _visits(other: Trace, way: Way, danger: Danger) -> Iterator[Lasting]:
    """When a case owed a visit for its own danger since a way led there, also after another ``danger`` was reported."""
    for own in other.dangers:
        owed = _owed(other, _later(way, own))
        before = [(one.known_at, one.event) for one in other.seen if own.received_at <= one.at < danger.received_at]
        if own.until is not None and own.until_event is not None:
            before.append((own.until, own.until_event))
        until, event = min(before, key=lambda one: one[0], default=(None, None))  # after that it owes nothing for it
        if owed is not None and (until is None or owed[0] < until):
            yield Lasting(*owed, until, event)


def _later(way: Way, there: Danger | Seen) -> tuple[datetime, Evidence]:
    """Since when something there counts for a report that leads there by a way, and by which event: the later one."""
    return (there.known_at, there.event) if there.known_at >= way.since else (way.since, way.event)


def _meant_since(report: Trace, other: Trace, way: Way) -> Way | None:
    """A way that leads to another case, from when on that may be about the same child; None where it never is."""
    moments = [(way.since, way.event), *known_later(report, other, way.since)]
    for moment, by in sorted(moments, key=lambda one: one[0]):
        if not are_of_other_children(report, other, moment):
            return Way(way.into, moment, by)
    return None


def _owed(other: Trace, alleged: tuple[datetime, Evidence]) -> tuple[datetime, Evidence] | None:
    """Since when a case owes that somebody sees a child of whose danger it was told at a moment, and by which event.

    Where it had ended, since it was reopened: not since it ended otherwise, as a closed case that is merged. None where it
    was not.
    """
    since, by = alleged
    while (ended := other.end_at(since)) is not None:
        if ended.until is None or ended.until_event is None:
            return None
        since, by = ended.until, ended.until_event
    return since, by


def beyond(trace: Trace, merger: End, of: Of) -> Iterator[tuple[Trace, Way]]:
    """The cases into which a case was merged, and on from there at any time; each with since when it leads there.

    But for those about another child: what is done there is not done for this one.
    """
    known, waiting = {trace.case_id}, trace.ways(merger)
    while waiting and len(known) <= FARTHEST:
        way = min(waiting, key=lambda one: one.since)
        waiting.remove(way)
        found = None if way.into in known else of(way.into)
        known.add(way.into)
        if found is not None:
            meant = _meant_since(trace, found, way)
            if meant is not None:
                yield found, meant
            further = [one for end in found.mergers for one in found.ways(end)]
            waiting += [one if one.since > way.since else Way(one.into, way.since, way.event) for one in further]


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
