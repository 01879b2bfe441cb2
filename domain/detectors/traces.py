"""What is needed of a case to see that it is reported again, or merged away: its tokens, when it lay idle or had ended, and

whether the child was in danger, and seen.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

from casetrail.domain.codes import TokenKind
from casetrail.domain.detectors.finding import Evidence
from casetrail.domain.detectors.lasting import Lasting
from casetrail.domain.detectors.suspecting import Suspected


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
