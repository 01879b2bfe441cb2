"""What a report that was merged is owed where it goes on: an interview of the child, and that a suspect whom it names is heard."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Final

from casetrail.domain.codes import TokenKind
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Evidence, Finding
from casetrail.domain.detectors.following import Of, known_later
from casetrail.domain.detectors.lasting import Lasting, gaps
from casetrail.domain.detectors.merging import about_merger, beyond, first_way, said_of
from casetrail.domain.detectors.settings import Setting, days, hours
from casetrail.domain.detectors.survey import Survey
from casetrail.domain.detectors.traces import End, Recognised, Trace, Way

UNHEARD: Final = "a grave offence for which no interview is owed there, and none was offered"
UNMET: Final = "a suspect whom nobody has interviewed or arrested"


@detector(
    Setting("limit", days(5), "within what time an interview is offered", clock="forensic_interview"),
)
def merged_unheard(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report of a grave offence that was merged into a case that owes no interview for it, before one was offered.

    Rule: a case in which a sexual offence or an aggravated assault is alleged was merged, and when the limit since then is
    over, neither is such an offence alleged in a case in which it goes on, nor was a forensic interview offered: in neither
    of them has a partner accepted, given or declined one that was not withdrawn (other than because the family does not
    want it), nor did somebody of the unit attend one. Where the other case is about another child (by the tokens of
    children, though a suspect or an address is the same), and an interview had been offered there before the report was
    received, neither that nor what is alleged there counts: only an interview that is offered since. What a partner gives
    in a case that has ended, and to which nobody came, counts for nothing, nor, where the registry knows any agency, the
    word of one that it does not know. The clock of the report ended with the merger, and the other case has none. So it is where the
    report was screened out as known already, with the cases with which it is linked. A case about another child ("merged
    astray" says which is) counts for nothing. A merger that was imported is not judged.

    Evidence: the merger, or the screening and the link; and what alleges the offence. With what took away the offence or the
    interview of the other case, if it was for that alone that nothing was owed here.

    Settled by: an interview that is offered or attended, or that such an offence is alleged in the other case, by a
    correction; or the reopening of the case; or a correction by which both are about one child.

    May be wrong: where the other case was entered under a lesser offence, and is worked as what it is, or where a child's
    name was spelled otherwise. Then correct that.

    Found in: nowhere yet: what is merged into a lesser matter is closed as one.
    """
    for trace in survey.traces.merged():
        if trace.agency == survey.agency:
            yield from unheard(trace, survey.traces.of, settings, now)


def unheard(trace: Trace, of: Of, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """All that is found of a child of one case that was merged, to whom no interview was offered."""
    for merger in trace.mergers if trace.graves else ():
        first = first_way(trace, merger)
        alleged = first and next((one for one in trace.graves if one.until is None or one.until > first.since), None)
        if first is None or alleged is None:
            continue
        standard = settings(first.since)
        since = max(standard.due("limit", first.since), alleged.known_at)
        owed = list(trace.offers)
        over = [(at, by) for at, by in ((merger.until, merger.until_event), (alleged.until, alleged.until_event)) if at]
        for other, way in beyond(trace, merger, of):
            there = (*other.graves, *other.offers)
            if heard := _heard_as_another(trace, other, way):
                there = tuple([one for one in other.offers if one not in heard])
                over += _one_child_since(trace, other, way)
            owed += [_from(way, one) for one in there if _lasts_beyond(one, way.since)]
        # the merger first: a case may be merged, reopened and merged again, and each is a finding of its own
        rests_on = tuple(dict.fromkeys((merger.event, first.event, alleged.event)))
        for gap in gaps(since, owed):
            ends = [*over, (gap.until, gap.until_event)] if gap.until else over
            settled = min(ends, key=lambda one: one[0], default=(None, None))
            yield about_merger(
                trace, standard, gap.since, gap.evidence(rests_on), f"{said_of(merger)}, with {UNHEARD}", settled, now
            )


def _heard_as_another(trace: Trace, other: Trace, way: Way) -> list[Lasting]:
    """The interviews that another case offered another child before a report came: whoever is reported then is not heard."""
    mine, theirs = (_children(one.tokens_at(way.since)) for one in (trace, other))
    if not mine or not theirs or not mine.isdisjoint(theirs):
        return []
    return [one for one in other.offers if one.known_at < trace.received_at]


def _one_child_since(trace: Trace, other: Trace, way: Way) -> list[tuple[datetime, Evidence | None]]:
    """Since when two cases are known to be about one child after all, and by which correction."""
    changes = sorted(known_later(trace, other, way.since), key=itemgetter(0))
    shared = ((at, by) for at, by in changes if _children(trace.tokens_at(at)) & _children(other.tokens_at(at)))
    return [one for one in [next(shared, None)] if one is not None]


def _children(tokens: Iterable[Recognised]) -> set[Recognised]:
    return {one for one in tokens if one[0] is TokenKind.CHILD}


def _lasts_beyond(one: Lasting, moment: datetime) -> bool:
    return one.until is None or one.until > moment


def _from(way: Way, one: Lasting) -> Lasting:
    """Something in another case, since when it counts for a report that leads there by a way."""
    return one if one.known_at >= way.since else one._replace(known_at=way.since, event=way.event)


@detector(
    Setting("limit", hours(72), "within what time a case that had been closed before is reopened", "RSMo 210.145",
            clock="screening"),
)  # fmt: skip
def merged_unmet(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report that names a suspect, merged into a case that was closed without hearing anybody.

    Rule: a case whose report, a correction or a step names a suspect was merged, no suspect had been interviewed or
    arrested in it, and the case in which it goes on names none and was closed, and by then nobody had been interviewed or
    arrested there either. If it had been closed before, it was not reopened within the limit. (Where that case names one,
    "closed without work" judges it.) A
    case that was transferred is worked by others. So it is where the report was screened out as known already, with the
    cases with which it is linked; of several it suffices that one has not been closed, or that a suspect was met in one. A
    case about another child ("merged astray" says which is) counts for nothing. A closure that was imported is not judged.

    Evidence: the closure, or the merger, whichever came later, and the other; and the report.

    Settled by: reopening the case that was closed, of several any, or the one that was merged.

    May be wrong: where a suspect was interviewed under the number of a third case, or has died.

    Found in: Kansas City, where cases were closed without ever interviewing a named suspect.
    """
    for trace in survey.traces.merged():
        if trace.agency == survey.agency:
            yield from unmet(trace, survey.traces.of, settings, now)


def unmet(trace: Trace, of: Of, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """All that is found of a suspect whom one case that was merged names."""
    named_at, met_at = trace.suspected
    for merger in trace.mergers if named_at is not None else ():
        others = list(beyond(trace, merger, of))
        found: set[Evidence] = set()
        for other, way, closure in _closed_there(others, merger):
            came_later = way.since > closure.known_at
            standard = settings(max(way.since, closure.known_at))
            since = standard.due("limit", way.since) if came_later else closure.known_at
            since = max(since, named_at or since)
            is_met = met_at is not None and met_at <= since
            both = (way.event, closure.event) if came_later else (closure.event, way.event)
            there = [one for one, to in others if to.since <= since]
            is_over = closure.until is not None and closure.until <= since
            # of several that had been closed before, the first stands for all
            if is_over or is_met or both[0] in found or any(_sees_to(one, since) for one in there):
                continue
            found.add(both[0])
            evidence = tuple(dict.fromkeys((*both, merger.event, trace.report)))
            ends = [(merger.until, merger.until_event), *_reopenings(there, since)]
            settled = min([one for one in ends if one[0]], key=lambda one: one[0] or now, default=(None, None))
            says = f"{said_of(merger)}, with {UNMET}, and closed as {other.case_id}"
            yield about_merger(trace, standard, since, evidence, says, settled, now)


def _closed_there(others: Iterable[tuple[Trace, Way]], merger: End) -> Iterator[tuple[Trace, Way, Lasting]]:
    """The closures of other cases that last while a case is said to go on there."""
    for other, way in others:
        for closure in other.closures:
            if _lasts_beyond(closure, way.since) and (merger.until is None or closure.known_at < merger.until):
                yield other, way, closure


def _reopenings(others: Iterable[Trace], moment: datetime) -> Iterator[tuple[datetime | None, Evidence | None]]:
    """By which events cases that were closed at a moment were reopened."""
    for one in others:
        for closure in one.closures:
            if closure.known_at <= moment and (closure.until is None or closure.until > moment):
                yield closure.until, closure.until_event


def _sees_to(other: Trace, moment: datetime) -> bool:
    """Whether a case is open, or has seen to a suspect by a moment, or names one and is judged by itself."""
    end, (named_at, met_at) = other.end_at(moment), other.suspected
    is_there = other.known_at <= moment
    return is_there and (end is None or any(at is not None and at <= moment for at in (named_at, met_at)))
