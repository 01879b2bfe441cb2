"""What is needed of a case to see that it is reported again, or merged away: its tokens, when it lay idle or had ended, and

whether the child was in danger, and seen.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple, Protocol

from casetrail.domain.clocks import partners
from casetrail.domain.codes import TokenKind
from casetrail.domain.detectors.detector import SettingsAt
from casetrail.domain.detectors.finding import Evidence
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ReportReceived
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.policy import Condition
from casetrail.domain.status import Status

ENDED = frozenset({Status.CLOSED, Status.SCREENED_OUT, Status.MERGED})
BEGINS = frozenset({Happening.REPORT_RECEIVED, Happening.REOPENED, Happening.REOPENED_UNSCREENED})


class Idle(NamedTuple):
    """From when to when a case had ended, or nobody worked it; the event after which; and the one that ended that."""

    since: datetime
    until: datetime | None
    has_ended: bool
    after: Evidence
    until_event: Evidence | None


class Link(NamedTuple):
    """A case was linked with another, or merged into it."""

    other: str
    known_at: datetime
    event: Evidence


class End(NamedTuple):
    """From when to when a case had ended: closed, screened out, or merged ``into`` another; by which event, and until which."""

    since: datetime
    until: datetime | None
    into: str | None
    event: Evidence
    until_event: Evidence | None


class Danger(NamedTuple):
    """Immediate danger was alleged: for what was received when, known since when, by which event; until it was corrected."""

    received_at: datetime
    known_at: datetime
    event: Evidence
    until: datetime | None
    until_event: Evidence | None


class Seen(NamedTuple):
    """Somebody saw the child in person: when that was, since when it is known, by which event."""

    at: datetime
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

    ``tokens``: of the report and of corrections; ``identified`` says which of them are a correction's.
    """

    case_id: str
    agency: str
    unit: str
    holder: str | None
    partners: tuple[str, ...]
    tokens: tuple[Recognised, ...]
    identified: tuple[Identified, ...]
    report: Evidence
    known_at: datetime
    idle: tuple[Idle, ...]
    links: tuple[Link, ...]
    ends: tuple[End, ...]
    dangers: tuple[Danger, ...]
    seen: tuple[Seen, ...]

    @property
    def mergers(self) -> list[End]:
        """The ends by which the case was merged into another."""
        return [end for end in self.ends if end.into is not None]

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
        """The traces of cases that were ever merged into another, in the same order."""

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


def trace_of(history: History, settings: SettingsAt) -> Trace | None:
    """The trace of a case; None where no report of it was received."""
    report = next((step for _, step in history.which(Happening.REPORT_RECEIVED)), None)
    if report is None or not isinstance(report.body, ReportReceived):
        return None
    facts = history.case.facts
    reported = tuple(dict.fromkeys(_recognised(report)))
    identified = _identified(history, reported)
    tokens = (*reported, *[one.token for one in identified])
    return Trace(
        history.case.id,
        facts.agency,
        facts.unit,
        facts.holder,
        partners(facts),
        tokens,
        identified,
        _event(history, report),
        report.known_at,
        tuple(_idle(history, settings)) if tokens else (),
        tuple(_links(history)),
        tuple(_ends(history)),
        tuple(_dangers(history, report)),
        tuple(
            [Seen(step.at, step.known_at, _event(history, step)) for _, step in history.which(Happening.VICTIM_SEEN)]
        ),
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
    for step in history.steps:
        ends = last is not None and last.is_open and not step.is_open
        if not (step.is_act or ends or not BEGINS.isdisjoint(step.what)):
            continue
        if last is not None:
            yield from _between(history, settings, last, step)
        last = step
    if last is not None:
        yield from _between(history, settings, last, None)


def _between(history: History, settings: SettingsAt, last: Step, following: Step | None) -> Iterator[Idle]:
    if last.status is Status.MERGED:
        return
    since = last.known_at
    if last.is_open:
        since = max(since, settings(last.at).due("quiet", last.at))
    until = None if following is None else following.known_at
    if until is None or since < until:
        event = None if following is None else _event(history, following)
        yield Idle(since, until, not last.is_open, _event(history, last), event)


def _ends(history: History) -> Iterator[End]:
    ended: Step | None = None
    for step in history.steps:
        if ended is not None and step.status is not ended.status:
            yield _end(history, ended, step)
            ended = None
        if ended is None and step.status in ENDED:
            ended = step
    if ended is not None:
        yield _end(history, ended, None)


def _end(history: History, ended: Step, following: Step | None) -> End:
    into = ended.body.into if isinstance(ended.body, Merged) else None
    until = None if following is None else following.known_at
    return End(ended.known_at, until, into, _event(history, ended), following and _event(history, following))


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
            event = _event(history, alleged)
            yield Danger(report.at, alleged.known_at, event, step.known_at, _event(history, step))
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
