"""What is needed of a case to see that it is reported again, or merged away: its tokens, when it lay idle or had ended, and

whether the child was in danger, and seen.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from casetrail.domain.clocks import partners
from casetrail.domain.codes import Role, TokenKind
from casetrail.domain.detectors.detector import SettingsAt
from casetrail.domain.detectors.finding import Evidence
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.interviewing import Lasting, graves, offers
from casetrail.domain.detectors.suspecting import UNSUSPECTED, Suspected, closures, suspected
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ReportReceived, ScreenedOut
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.parties import LEADERS
from casetrail.domain.policy import Condition
from casetrail.domain.status import Status

ENDED = frozenset({Status.CLOSED, Status.SCREENED_OUT, Status.MERGED})
BEGINS = frozenset({Happening.REPORT_RECEIVED, Happening.REOPENED, Happening.REOPENED_UNSCREENED})
OVERLOOK: Final = LEADERS | {Role.AUDITOR}
"""Whose notes in a case that has ended show that somebody has looked through it: reviews are of open cases only."""


class Idle(NamedTuple):
    """From when to when a case had ended, or nobody worked it; the event after which; and the one that ended that.

    ``before``: since when it had ended before, where it was reopened and ended again, and nobody worked it in between.
    """

    since: datetime
    until: datetime | None
    has_ended: bool
    after: Evidence
    until_event: Evidence | None
    before: datetime | None


class Link(NamedTuple):
    """A case was linked with another, or merged into it."""

    other: str
    known_at: datetime
    event: Evidence


class End(NamedTuple):
    """From when to when a case had ended: closed, screened out, or merged ``into`` another; by which event, and until which.

    ``as_known``: screened out because it is known already; it is said to go on in the cases with which it is linked.
    ``worked_at``: when the case had last been worked before that, or a partner had done what he was asked for; also if that
    was too long before its own report to answer it: it may answer one that was merged into it. ``by``: who ended it.
    """

    since: datetime
    until: datetime | None
    into: str | None
    as_known: bool
    worked_at: datetime | None
    by: str
    event: Evidence
    until_event: Evidence | None


class Way(NamedTuple):
    """A case that has ended is said to go on in another: since when, and by which event."""

    into: str
    since: datetime
    event: Evidence


class Danger(NamedTuple):
    """Immediate danger was alleged: for what was received when, known since when, by which event; until it was corrected.

    ``by_reporter``: by the report, and corrected by the agency that recorded that, which knows what was mistyped in it.
    """

    received_at: datetime
    known_at: datetime
    event: Evidence
    until: datetime | None
    until_event: Evidence | None
    by_reporter: bool = False


class Seen(NamedTuple):
    """Somebody saw the child in person: when that was, since when it is known, by which event."""

    at: datetime
    known_at: datetime
    event: Evidence


class Look(NamedTuple):
    """Somebody who answers for it has looked through the case: who, when that was recorded, and by which event."""

    by: str
    known_at: datetime
    event: Evidence


Recognised = tuple[TokenKind, bytes]
"""A blinded token: whom or what it stands for, and its value."""


class Identified(NamedTuple):
    """A token that the report had not: known since when, by which correction."""

    token: Recognised
    known_at: datetime
    event: Evidence


class Trace(NamedTuple):
    """What is needed of a case. ``ends``: in their order, none overlaps another. ``dangers``: each time it was alleged.

    ``tokens``: of the report and of corrections; ``identified`` says which of them are a correction's. ``looks``: a
    supervisor's reviews, as far as they are needed (see ``_looks``), and the notes of leaders and auditors after an end.
    ``graves``: when an offence was alleged for which a child is interviewed; ``offers``: when that was offered (see there).
    ``suspected``: of cases only that were closed, or said to go on in another.
    """

    case_id: str
    agency: str
    unit: str
    holder: str | None
    partners: tuple[str, ...]
    tokens: tuple[Recognised, ...]
    identified: tuple[Identified, ...]
    report: Evidence
    received_at: datetime
    known_at: datetime
    idle: tuple[Idle, ...]
    links: tuple[Link, ...]
    ends: tuple[End, ...]
    dangers: tuple[Danger, ...]
    seen: tuple[Seen, ...]
    looks: tuple[Look, ...]
    graves: tuple[Lasting, ...]
    offers: tuple[Lasting, ...]
    closures: tuple[Lasting, ...]
    suspected: Suspected

    @property
    def mergers(self) -> list[End]:
        """The ends by which the case is said to go on in another: merged into it, or screened out as known already."""
        return [end for end in self.ends if end.into is not None or end.as_known]

    def end_at(self, moment: datetime) -> End | None:
        """The end by which the case had ended at a moment; None where it was open."""
        begun = [end for end in self.ends if end.since <= moment]
        return begun[-1] if begun and (begun[-1].until is None or moment < begun[-1].until) else None

    def ways(self, end: End) -> list[Way]:
        """Where the case is said to go on since one of its ends; in the order in which that was said."""
        if end.into is not None:
            return [Way(end.into, end.since, end.event)]
        if not end.as_known:
            return []
        ways: dict[str, Way] = {}
        for link in self.links:
            said_later = link.known_at > end.since
            way = Way(link.other, link.known_at, link.event) if said_later else Way(link.other, end.since, end.event)
            ways.setdefault(link.other, way)
        return list(ways.values())

    @property
    def leads_to(self) -> frozenset[str]:
        """All the cases in which this one was ever said to go on."""
        return frozenset(way.into for end in self.mergers for way in self.ways(end))

    def tokens_at(self, moment: datetime) -> set[Recognised]:
        """Those of its tokens that are known at a moment."""
        later = {one.token for one in self.identified if one.known_at > moment}
        return {token for token in self.tokens if token not in later}

    def identified_by(self, token: Recognised) -> Identified | None:
        """The correction since which one of its tokens is known; None where that was the report."""
        return next((one for one in self.identified if one.token == token), None)


class Traces(Protocol):
    """Keeps the traces of many cases: of most none is wanted back."""

    def add(self, trace: Trace) -> None:
        """Keep a trace."""

    def sharing(self) -> Iterable[Trace]:
        """The traces that share a token with another, by when their reports were recorded."""

    def merged(self) -> Iterable[Trace]:
        """The traces of cases that were ever merged, or screened out as known already, in the same order."""

    def of(self, case_id: str) -> Trace | None:
        """The trace of a case; None where no report of it was received."""


class TracesInMemory:
    """Keeps traces in memory: a few hundred bytes for each case."""

    def __init__(self) -> None:
        self._traces: dict[str, Trace] = {}

    def add(self, trace: Trace) -> None:
        self._traces[trace.case_id] = trace

    def sharing(self) -> Iterable[Trace]:
        counts = Counter(token for trace in self._traces.values() for token in trace.tokens)
        some = [trace for trace in self._traces.values() if any(counts[token] > 1 for token in trace.tokens)]
        return sorted(some, key=in_order)

    def merged(self) -> Iterable[Trace]:
        return sorted((trace for trace in self._traces.values() if trace.mergers), key=in_order)

    def of(self, case_id: str) -> Trace | None:
        return self._traces.get(case_id)


def in_order(trace: Trace) -> tuple[datetime, str]:
    """By what traces are sorted."""
    return trace.known_at, trace.case_id


def trace_of(history: History, settings: SettingsAt, passing: SettingsAt) -> Trace | None:
    """The trace of a case; None where no report of it was received.

    ``settings``: of ``reported_again``, which say when a case is quiet; ``passing``: of ``led_nowhere``, which say what is
    screened out as known already.
    """
    report = next((step for _, step in history.which(Happening.REPORT_RECEIVED)), None)
    if report is None or not isinstance(report.body, ReportReceived):
        return None
    facts = history.case.facts
    reported = tuple(dict.fromkeys(_recognised(report)))
    identified = _identified(history, reported)
    tokens = (*reported, *[one.token for one in identified])
    ends = tuple(_ends(history, passing))
    is_merged, closed = any(end.into is not None or end.as_known for end in ends), tuple(closures(history))
    return Trace(
        history.case.id,
        facts.agency,
        facts.unit,
        facts.holder,
        partners(facts),
        tokens,
        identified,
        _event(history, report),
        report.at,
        report.known_at,
        tuple(_idle(history, settings)) if tokens else (),
        tuple(_links(history)),
        ends,
        tuple(_dangers(history, report)),
        tuple(
            [Seen(step.at, step.known_at, _event(history, step)) for _, step in history.which(Happening.VICTIM_SEEN)]
        ),
        _looks(history, ends),
        graves(history),
        offers(history, is_merged=is_merged),
        closed,
        suspected(history) if closed or is_merged else UNSUSPECTED,
    )


def _recognised(step: Step) -> Iterator[Recognised]:
    """The tokens that a report or a correction has."""
    body = step.body
    for token in (body.tokens or ()) if isinstance(body, ReportReceived | FactCorrected) else ():
        yield token.kind, token.value


def _identified(history: History, reported: Collection[Recognised]) -> tuple[Identified, ...]:
    """What corrections say beyond the report, each at the first time."""
    if "FactCorrected" not in history.case.kinds:  # in most cases: their steps need not be looked through
        return ()
    found: dict[Recognised, Identified] = {}
    for step in history.steps:
        if isinstance(step.body, FactCorrected):
            for token in _recognised(step):
                if token not in reported:
                    found.setdefault(token, Identified(token, step.known_at, _event(history, step)))
    return tuple(found.values())


def _event(history: History, step: Step) -> Evidence:
    return Evidence(history.case.id, step.number, step.hash)


def _idle(history: History, settings: SettingsAt) -> Iterator[Idle]:
    last: Step | None = None  # the last act, while the case is open; its end, when it has ended
    ended_at: datetime | None = None  # when it ended first, of the ends since which nobody has worked it
    before: datetime | None = None
    for step in history.steps:
        ends = last is not None and last.is_open and not step.is_open
        if not (step.is_act or ends or not BEGINS.isdisjoint(step.what)):
            continue
        if last is not None:
            yield from _between(history, settings, last, step, before)
        last, before = step, None
        if step.is_act or step.status is Status.MERGED:
            ended_at = None
        elif ends:
            before, ended_at = ended_at, ended_at or step.known_at
    if last is not None:
        yield from _between(history, settings, last, None, before)


def _between(
    history: History, settings: SettingsAt, last: Step, following: Step | None, before: datetime | None
) -> Iterator[Idle]:
    if last.status is Status.MERGED:
        return
    since = last.known_at
    if last.is_open:
        since = max(since, settings(last.at).due("quiet", last.at))
    until = None if following is None else following.known_at
    if until is None or since < until:
        event = None if following is None else _event(history, following)
        yield Idle(since, until, not last.is_open, _event(history, last), event, before)


def _ends(history: History, passing: SettingsAt) -> Iterator[End]:
    ended: Step | None = None
    worked_at: datetime | None = None
    for step in history.steps:
        if ended is not None and step.status is not ended.status:
            yield _end(history, passing, ended, worked_at, step)
            ended = None
        if ended is None:
            if step.status in ENDED:
                ended = step
            elif step.is_act or step.is_beforehand or Happening.REFERRAL_COMPLETED in step.what:
                worked_at = step.at if worked_at is None or worked_at < step.at else worked_at
    if ended is not None:
        yield _end(history, passing, ended, worked_at, None)


def _end(
    history: History, passing: SettingsAt, ended: Step, worked_at: datetime | None, following: Step | None
) -> End:  # fmt: skip
    body = ended.body
    return End(
        ended.known_at,
        None if following is None else following.known_at,
        body.into if isinstance(body, Merged) else None,
        isinstance(body, ScreenedOut) and body.reason in passing(ended.known_at).codes("known"),
        worked_at,
        ended.action.actor.id,
        _event(history, ended),
        following and _event(history, following),
    )


def _looks(history: History, ends: Sequence[End]) -> tuple[Look, ...]:
    """Who has looked through a case that has ended.

    Whoever asks wants to know whether that was somebody else than one person, after one moment and before an end: so of the
    reviews before each end the latest of each of the two latest persons are enough.
    """
    reviews = [step for _, step in history.which(Happening.REVIEWED)]
    has_notes = "NoteAdded" in history.case.kinds
    if not ends or not (reviews or has_notes):
        return ()
    found: dict[int, Step] = {}
    for end in ends if reviews else ():
        latest = {step.action.actor.id: step for step in reviews if step.known_at <= end.since}
        found |= {step.number: step for step in sorted(latest.values(), key=lambda one: one.number)[-2:]}
    if has_notes:
        for step in history.steps:
            if isinstance(step.body, NoteAdded) and step.status in ENDED and step.action.actor.role in OVERLOOK:
                found[step.number] = step
    steps = [found[number] for number in sorted(found)]
    return tuple([Look(step.action.actor.id, step.known_at, _event(history, step)) for step in steps])


def _dangers(history: History, report: Step) -> Iterator[Danger]:
    if "FactCorrected" not in history.case.kinds and Condition.IMMEDIATE_DANGER not in history.conditions:
        return  # of most cases
    alleged: Step | None = None
    for step in history.steps:
        body = step.body
        if not isinstance(body, ReportReceived | FactCorrected) or body.immediate_danger is None:
            continue
        if body.immediate_danger:
            alleged = alleged or step
        elif alleged is not None:
            event, until_event = _event(history, alleged), _event(history, step)
            by_reporter = alleged is report and step.action.actor.agency == report.action.actor.agency
            yield Danger(report.at, alleged.known_at, event, step.known_at, until_event, by_reporter)
            alleged = None
    if alleged is not None:
        yield Danger(report.at, alleged.known_at, _event(history, alleged), None, None)


def _links(history: History) -> Iterator[Link]:
    kinds = history.case.kinds
    if "Linked" not in kinds and "Merged" not in kinds:  # of most cases: their steps need not be looked through
        return
    for step in history.steps:
        body = step.body
        if isinstance(body, Linked | Merged):
            yield Link(body.other if isinstance(body, Linked) else body.into, step.known_at, _event(history, step))
