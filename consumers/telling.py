"""Telling of findings: has it recorded who is told of each, step by step, while it is open and nobody has answered for it.

What is to be told stands in the judgements; that it was told is an action like any other, under an id that follows from the
finding and the level: two that tell double nothing. An agency that becomes part of a case, or gets oversight, when the others of its
level have been told, is told by itself. The watchdog tells of all findings. Of the watchdog's own silence the
outbox does: nobody tells of himself that he is silent.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from time import monotonic
from typing import Final
from uuid import UUID, uuid5

from casetrail.consumers.submitting import submit, wait_for_clock
from casetrail.consumers.trying import Try, next_try
from casetrail.domain.actions import Action, Actor
from casetrail.domain.answering import FindingTold
from casetrail.domain.codes import Level, MachineKind
from casetrail.domain.escalation import Recipient
from casetrail.domain.values import EPOCH
from casetrail.eventlog.codec import Event, decode_event
from casetrail.eventlog.port import Log, Topic
from casetrail.projections.database import Database
from casetrail.projections.errors import ViewError
from casetrail.projections.judgement_queries import judged_up_to
from casetrail.projections.queries import timeline
from casetrail.projections.telling import Untold, check_readable, untold_findings

LOG: Final = logging.getLogger("casetrail.telling")
IDS: Final = UUID("1f0c8a75-9f0b-5d0e-8c55-4c1de1b4d3f2")
"""The name space of the action ids. Never change it: it is what keeps two that tell from doubling anything."""
EVERY: Final = 60.0
"""Seconds from one look at the findings to the next: they are told in days."""
SOON: Final = 5.0
"""Seconds to the next look where they could not be looked at as they are now."""
CATCHING_UP: Final = 10.0
"""Seconds for which judgements that lack events are waited for, by who is to tell once and end."""
BEHIND: Final = (
    "nobody is told of findings: the judgements lack events that were there a while ago; does the projector run?"
)

Opened = Callable[[], AbstractContextManager[Database]]
"""Opens the views. Raises ``ViewError``."""


class Teller:
    """Call ``step`` again and again."""

    def __init__(
        self, log: Log, opened: Opened, actor: Actor, now: Callable[[], datetime],
        *, played: bool = False, since: datetime = EPOCH, machine: MachineKind | None = None,
        noted: Callable[[str | None], None] = lambda _: None, every: float = EVERY,
    ) -> None:  # fmt: skip
        """``actor``: who submits. ``machine``: tells only of the silence of machines of this kind. ``noted``: is given why nobody is told, and None where they are. The others are a watchdog's."""
        self._log, self._opened, self._actor, self._now = log, opened, actor, now
        self._played, self._since, self._machine, self._noted, self._every = played, since, machine, noted, every
        self._next_at = self._begun = monotonic()
        self._ends: Mapping[int, int] = {}
        self._submitted: set[bytes] = set()
        """The ids of what waits to be recorded: it is not submitted again meanwhile."""
        self._refused: dict[bytes, datetime] = {}
        """When it was first seen that these ids are refused as ahead of the log's clock."""
        self.is_behind = True
        """Whether the findings could not be looked at as they are now."""
        self._why: str | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the judgements are waited for, by whoever tells once and ends."""
        return self.is_behind and self._why in (None, BEHIND) and monotonic() < self._begun + CATCHING_UP

    def step(self) -> int:
        """Where it is time, look at the findings and submit who is told; how many that were."""
        if monotonic() < self._next_at:
            return 0
        try:
            with self._opened() as database:
                wanted = self._wanted(database)
        except ViewError as error:
            wanted = []
            self._cannot(f"nobody is told of findings: {error}")
        pause = min(SOON, self._every) if self.is_behind else self._every
        self._next_at = monotonic() + (0.0 if self._played else pause)
        actions = [one for one in wanted if one.action_id not in self._submitted]
        if actions:
            submit(self._log, actions)
            LOG.info("%d tellings of findings submitted", len(actions))
        waiting = {one.action_id for one in wanted}
        self._submitted = self._submitted | waiting if self.is_behind else waiting
        return len(actions)

    def _wanted(self, database: Database) -> list[Action]:
        """What is not on the record, and is to be."""
        check_readable(database, self._log.name)
        now, machine = self._now(), self._machine
        if self._is_judged(database):
            self._cannot(None)
        else:
            self._cannot(BEHIND)
            if machine is not None or self._played:
                return []
            machine = MachineKind.PROJECTOR  # that it is silent is sure
        by_key: dict[str, list[Untold]] = {}
        for one in untold_findings(database, now, self._since, machine, played=self._played):
            by_key.setdefault(one.key, []).append(one)
        return [action for key, some in by_key.items() for action in self._tries(database, key, some, now)]

    def _is_judged(self, database: Database) -> bool:
        """Whether all events are judged that were there at the last look: now, at the first one."""
        ends = self._log.end_offsets(Topic.EVENTS)
        wanted = self._ends or ends
        judged = judged_up_to(database, self._log.name)
        found = all(judged.get(partition, 0) >= end for partition, end in wanted.items())
        self._ends = ends if found else wanted
        return found

    def _cannot(self, why: str | None) -> None:
        """Say why nobody is told, or that they are again; each once in the log."""
        self.is_behind = why is not None
        if why not in (None, self._why):
            LOG.warning("%s", why)
        self._why = why
        self._noted(why)

    def _tries(self, database: Database, key: str, some: Sequence[Untold], now: datetime) -> Iterator[Action]:
        events = [decode_event(value) for _, _, value in timeline(database, key)]
        answers = {event.action_id: event for event in reversed(events)}  # the first one counts
        told: dict[tuple[str, Level], set[str]] = {}
        for body in (event.body for event in events):
            if isinstance(body, FindingTold):
                told.setdefault((body.finding, body.level), set()).update(who.id for who in body.told)
        for one in some:
            known = told.get((one.finding, one.step.level))
            if known is None or (one.joined is not None and one.joined not in known):  # else it was recorded just now
                found = self._next_try(answers, one)
                if found is not None and self._is_time(found, now):
                    yield found.action

    def _next_try(self, answers: Mapping[bytes, Event], one: Untold) -> Try | None:
        body = FindingTold(
            one.finding, one.detector, one.step.level, tuple(map(Recipient.of, one.step.who)), one.subject
        )
        return next_try(
            lambda number: Action(_id(self._log.name, one, number), one.key, one.step.at, self._actor, body),
            lambda action: answers.get(action.action_id),
        )

    def _is_time(self, one: Try, now: datetime) -> bool:
        """Whether the log's clock can have come so far since it refused the try before as ahead of it."""
        if one.refused_by is None:
            return True
        refused = one.refused_by.action_id
        seen = self._refused[refused] = min(now, self._refused.get(refused, now))
        return now >= seen + wait_for_clock(one.action.occurred_at - one.refused_by.recorded_at)


def _id(log: str, one: Untold, number_of_try: int) -> bytes:
    again = f"/{number_of_try}" if number_of_try else ""
    level = one.step.level if one.joined is None else f"{one.step.level}+{one.joined}"
    return uuid5(IDS, f"{log}/{one.key}/{one.finding}/{level}{again}").bytes
