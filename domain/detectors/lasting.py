"""What lasts from one event to another: something that the log says, and the gaps in which nothing of a kind does."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from casetrail.domain.detectors.finding import Evidence, evidence_at
from casetrail.domain.detectors.history import History, Step


class Lasting(NamedTuple):
    """Something that the log said from an event on, until another one; None where it says so still."""

    known_at: datetime
    event: Evidence
    until: datetime | None
    until_event: Evidence | None


def lasting(history: History, since: Step, until: Step | None = None) -> Lasting:
    """What a step said, until another one."""
    event = evidence_at(history, since)
    if until is None:
        return Lasting(since.known_at, event, None, None)
    return Lasting(since.known_at, event, until.known_at, evidence_at(history, until))


class Gap(NamedTuple):
    """Nothing of a kind lasts: since when, by what if it did before, and until when. Each is a finding of its own."""

    since: datetime
    event: Evidence | None
    until: datetime | None
    until_event: Evidence | None
    is_first: bool

    def evidence(self, rests_on: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        """On what the finding of it rests: the first one on this above all, a later one on what took away what had lasted."""
        taken_away = () if self.event is None else (self.event,)
        return (*rests_on, *taken_away) if self.is_first else (*taken_away, *rests_on)


def gaps(since: datetime, some: Iterable[Lasting]) -> Iterator[Gap]:
    """From a moment on, when none of these lasted."""
    event: Evidence | None = None
    is_first = True
    for one in sorted(some, key=lambda lasting: lasting.known_at):
        if one.known_at > since:
            yield Gap(since, event, one.known_at, one.event, is_first)
            is_first = False
        if one.until is None:
            return
        if one.until > since:
            since, event = one.until, one.until_event
    yield Gap(since, event, None, None, is_first)
