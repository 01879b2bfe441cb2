"""Watchdogs in tests: a log whose clock is set, what is told in it, and what has been recorded of it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path

from casetrail.cli.config import Config
from casetrail.cli.context import opened_views
from casetrail.consumers.telling import Teller
from casetrail.consumers.watchdog import Watchdog
from casetrail.domain.actions import Action, ActionRejected, Actor, Body
from casetrail.domain.answering import FindingTold
from casetrail.domain.codes import Role
from casetrail.domain.escalation import DeadlineMissed, Escalated, EscalationAnswered
from casetrail.eventlog.codec import Event, decode_event, encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.eventlog.stream import batches
from casetrail.projections.case_store import CaseStore
from casetrail.projections.database import Database
from casetrail.projections.watch_store import WatchStore
from tests.actions import HAPPENED, INTAKE, action, report
from tests.histories import PastClock, record_all

WATCHDOG = Actor("host.watchdog", "metro-pd", Role.SYSTEM)
OF_DEADLINES = (DeadlineMissed, Escalated, EscalationAnswered)


class World:
    """An embedded log, the present moment, and watchdogs that look at it."""

    def __init__(self, folder: Path, partitions: int = 1) -> None:
        self.folder, self.clock = folder, PastClock(HAPPENED)
        self.ahead = timedelta(0)
        """How far the watchdogs' clocks are ahead of the log's."""
        self.log = EmbeddedLog.create(folder / "log.db", "metro", partitions, self.clock)

    def tell(self, at: datetime, body: Body, actor: Actor = INTAKE, case_id: str = "C-1") -> Action:
        """Something happens, and is recorded at once."""
        return self._record(at, action(body, actor, case_id, at))

    def take(self, action_id: bytes, at: datetime, body: Body, actor: Actor, happened: datetime | None = None) -> None:
        """Somebody has something recorded of C-1 under an id of their choice."""
        self._record(at, action(body, actor, "C-1", happened or at, action_id))

    def _record(self, at: datetime, asked: Action) -> Action:
        self.clock.now = max(self.clock.now, at)
        case_id = asked.case_id
        self.log.append(Topic.ACTIONS, [Entry(case_id.encode(), encode_action(asked))])
        store = CaseStore(":memory:", self.log.name)
        record_all(self.log, store)
        store.close()
        return asked

    def report(self, count: int = 1) -> None:
        """So many reports, all of them now."""
        for number in range(1, count + 1):
            self.tell(self.clock.now, report(), INTAKE, f"C-{number}")

    def watchdog(
        self,
        file: str = "watchdog",
        *,
        played: bool = False,
        since: datetime = HAPPENED,
        ahead: timedelta | None = None,
        telling: bool = False,
    ) -> Watchdog:
        """A watchdog; another with another file is another one. ``ahead``: how far its clock is, where it is its own. ``telling``: of findings, too."""
        store = WatchStore(self.folder / file, self.log.name)

        def now() -> datetime:
            return self.clock.now + (self.ahead if ahead is None else ahead)

        teller = Teller(self.log, self.judged, WATCHDOG, now, played=played, since=since, every=0) if telling else None
        return Watchdog(self.log, store, WATCHDOG, now, played=played, since=since, teller=teller)

    def judged(self) -> AbstractContextManager[Database]:
        """The views, brought up to date."""
        return opened_views(Config(log=f"sqlite:{self.folder / 'log.db'}"), judged=True)

    def go_on(self, watchdog: Watchdog, until: datetime, step: timedelta = timedelta(hours=6)) -> None:
        """Let time pass, with a watchdog that looks every few hours."""
        while self.clock.now < until:
            self.clock.now = min(until, self.clock.now + step)
            settle(watchdog)

    def events(self) -> list[Event]:
        """Everything that is recorded."""
        return list(events_of(self.log))

    def recorded(self, case_id: str = "C-1") -> list[Body]:
        """What is recorded of the deadlines of a case."""
        return [one.body for one in self.events() if one.case_id == case_id and isinstance(one.body, OF_DEADLINES)]

    def told(self, detector: str) -> list[FindingTold]:
        """Who was told of what a detector found, by the log."""
        bodies = [one.body for one in self.events() if isinstance(one.body, FindingTold)]
        return [body for body in bodies if body.detector == detector]

    def refused(self) -> list[str]:
        """The codes of what was refused."""
        return [one.body.code for one in self.events() if isinstance(one.body, ActionRejected)]


def settle(watchdog: Watchdog) -> None:
    """Let a watchdog do all that is to be done now."""
    while watchdog.step(0.0) or watchdog.is_behind:
        pass


def events_of(log: Log) -> Iterator[Event]:
    """Everything that is recorded in a log."""
    ends = log.end_offsets(Topic.EVENTS)
    with log.reader(Topic.EVENTS, dict.fromkeys(ends, 0)) as reader:
        for records in batches(reader, ends):
            for record in records:
                yield decode_event(record.value)


def facts_of(log: Log) -> list[tuple[str, str]]:
    """What is recorded of missed deadlines, each with its case, in an order of its own."""
    return sorted((one.case_id, repr(one.body)) for one in events_of(log) if isinstance(one.body, OF_DEADLINES))
