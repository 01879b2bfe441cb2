"""The watchdog: has every missed deadline recorded, and who is told of it, step by step, until somebody answers.

It submits actions like anybody else, each with an id that follows from the deadline: what was submitted twice, by two
watchdogs or after a crash, is recorded once. What is missed follows from the events alone (``domain.alarms``), so a
watchdog that was away records the same as one that never was.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Final
from uuid import UUID, uuid5

from casetrail.consumers.submitting import LONGEST_WAIT, submit, wait_for_clock
from casetrail.consumers.telling import Teller
from casetrail.consumers.trying import Try, next_try
from casetrail.domain.actions import Action, Actor
from casetrail.domain.alarms import PATIENCE, Alarm, Watch
from casetrail.domain.business_time import LAST
from casetrail.domain.case import Case
from casetrail.domain.deciding import CLOCK_TOLERANCE, NO_SUCH_CASE
from casetrail.domain.escalation import (
    NO_SUCH_DEADLINE,
    DeadlineMissed,
    Escalated,
    Recipient,
    answers_for,
    deadline_key,
)
from casetrail.domain.linking import NO_SUCH_FACT
from casetrail.domain.registry import REGISTRY_KINDS
from casetrail.domain.reserved import REGISTRY, is_reserved
from casetrail.domain.values import EPOCH, is_id, iso
from casetrail.eventlog.codec import Event, Unreadable, decode_event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.projections.registry import Registry, registry_of
from casetrail.projections.watch_store import Ahead, WatchStore

LOG: Final = logging.getLogger("casetrail.watchdog")
BATCH: Final = 5000
LOOKS: Final = 200
"""Cases that are looked at in one step."""
REST: Final = 1.0
"""Seconds that events may keep it from looking at what is due."""
IDS: Final = UUID("6f1d3a52-6c0e-5f0b-9d43-6a2f4b1c7e90")
"""The name space of the action ids. Never change it: it is what keeps two watchdogs from doubling anything."""
MICROSECOND: Final = timedelta(microseconds=1)
SET_BACK: Final = timedelta(minutes=1)
"""By less a clock goes back that is kept right."""


class Watchdog:
    """Call ``step`` again and again, then ``close``.

    ``played``: time is an input, and what would have been told by then is recorded, even where it is done since.
    """

    def __init__(
        self, log: Log, store: WatchStore, actor: Actor, now: Callable[[], datetime],
        *, played: bool = False, since: datetime = EPOCH, patience: timedelta = PATIENCE, teller: Teller | None = None,
    ) -> None:  # fmt: skip
        """``store`` is closed with the watchdog, and where it cannot begin. ``actor``: who submits; its agency's policies are the first to be judged by. ``now``: the present moment. ``since``: what was missed before that is left to the lists, and not recorded. ``teller``: tells of findings."""
        self._log, self._store, self._actor, self._now = log, store, actor, now
        self._played, self._since, self._patience, self._teller = played, since, patience, teller
        self._log_times: dict[int, datetime] = {}  # what the log's clock showed last, by partition
        try:
            self._looked = store.looked_at()
            self._positions = self._trusted_positions()
            self._ends = log.end_offsets(Topic.EVENTS)
            self._reader = log.reader(Topic.EVENTS, self._positions)
        except BaseException:
            store.close()  # the next watchdog must be able to open it
            raise
        self._registry: Registry | None = None
        self._looked_at = 0.0
        self.submitted = 0

    def _trusted_positions(self) -> dict[int, int]:
        """Where to go on: where the store stands, if the log still has the very events before that; else at the beginning."""
        known = self._store.positions()
        for partition, (offset, last) in known.items():
            record = self._log.read_one(Topic.EVENTS, partition, offset)
            if record is None or leaf_hash(record.value or b"") != last:
                LOG.warning(
                    "partition %d: the watchdog's file does not fit the log; reading from the first event", partition
                )
                self._store.clear()
                known = {}
                break
            self._log_times |= _log_times([record])
        return {one: known[one][0] + 1 if one in known else 0 for one in range(self._log.partitions)}

    @property
    def positions(self) -> dict[int, int]:
        """For each partition the offset of the event that is read next."""
        return dict(self._positions)

    @property
    def is_behind(self) -> bool:
        """Whether it has not yet read all that was there when it began, or has cases or findings to look at."""
        is_waiting = self._teller is not None and self._teller.is_waiting
        return self._is_catching_up or is_waiting or bool(self._store.due(self._now(), 1))

    @property
    def _is_catching_up(self) -> bool:
        return any(self._positions[partition] < end for partition, end in self._ends.items())

    def step(self, timeout: float) -> int:
        """Read what has come, waiting up to ``timeout`` seconds for it, and look at what is due; how much that was."""
        is_due = not self._is_catching_up and bool(self._store.due(self._now(), 1))
        records: Sequence[Record] = ()
        if self._is_catching_up or not self._played:  # it ends, however much is recorded meanwhile
            records = self._reader.poll(0.0 if is_due else timeout, BATCH)
        self._take(records)
        for partition in self._positions:
            self._positions[partition] = self._reader.position(partition)
        if self._is_catching_up or (records and monotonic() - self._looked_at < REST):
            return len(records)
        done = len(records) + self._look()
        return done if self._played and done else done + self._tell()  # findings rest on missed deadlines, too

    def _tell(self) -> int:
        """Tell of findings, where it is time; how many tellings that were."""
        told = 0 if self._teller is None else self._teller.step()
        self.submitted += told
        return told

    def _take(self, records: Sequence[Record]) -> None:
        events, last, says_otherwise = [], {}, False
        for record in records:
            last[record.partition] = (record.offset, leaf_hash(record.value or b""))
            case_id = (record.key or b"").decode(errors="replace")
            if is_id(case_id) and (case_id == REGISTRY or not is_reserved(case_id)):
                event = decode_event(record.value)
                events.append((case_id, event.number, record))
                says_otherwise |= isinstance(event.body, REGISTRY_KINDS)
        if last:
            shown = _log_times(records)
            self._log_times |= shown
            self._store.take(events, last, {one: at + CLOCK_TOLERANCE for one, at in shown.items()})
        if says_otherwise:
            self._registry = None
            self._store.look_at_all()

    # --- looking ---

    def _look(self) -> int:
        """Look at the cases that are due, and submit what they call for; how many there were."""
        now = self._now()
        self._looked_at = monotonic()
        self._see_clock(now)
        found, again = list[Action](), list[tuple[str, datetime | None, Ahead | None]]()
        for case_id in self._store.due(now, LOOKS):
            if case_id == REGISTRY:
                again.append((case_id, None, None))
                continue
            watch = self.watch(case_id, now)
            ready, ahead = self._sorted_out(case_id, list(self._wanted(watch)), now)
            found += ready
            times = [at for at in (watch.next_at(), ahead and ahead.again_at) if at is not None]
            again.append((case_id, max(min(times), now + MICROSECOND) if times else None, ahead))
        if found:
            submit(self._log, found)
            self.submitted += len(found)
            LOG.info("%d missed deadlines and tellings submitted", len(found))
        self._store.look_again(again, now)  # only now: what was not submitted is looked at again
        self._looked = now if again else self._looked
        return len(again)

    def _see_clock(self, now: datetime) -> None:
        """Look at all cases anew where the clock has been set back: by one that was ahead they are looked at too late."""
        if self._looked is not None and now < self._looked - SET_BACK:
            LOG.warning("this machine's clock went back from %s; all cases are looked at anew", iso(self._looked))
            self._store.look_at_all()
            self._looked = None

    def watch(self, case_id: str, now: datetime) -> Watch:
        """A case, watched until now."""
        known = self._known()
        horizon = now if self._played else LAST
        watch = Watch(case_id, known.policies, known.departures, known.overseers, self._patience, horizon)
        for value in self._store.events(case_id):
            watch.follow(decode_event(value).recorded())
        watch.until(now)
        return watch

    def _known(self) -> Registry:
        if self._registry is None:
            values = self._store.events(REGISTRY)
            events = [(decode_event(value).recorded(), leaf_hash(value)) for value in values]
            self._registry = registry_of(events, self._actor.agency)
        return self._registry

    def called_for(self, watch: Watch) -> Iterator[Action]:
        """What is to be submitted of a case: what nobody has submitted yet, or what the log refused as ahead of its clock."""
        return (one.action for one in self._wanted(watch))

    def _wanted(self, watch: Watch) -> Iterator[Try]:
        case = watch.runs.case
        for alarm in watch.alarms.values():
            if alarm.seen_at >= self._since and not _ended_in_import(watch, alarm):
                for body, at in self._bodies(case, alarm):
                    if (one := self._next_try(watch, body, at)) is not None:
                        yield one

    def _next_try(self, watch: Watch, body: DeadlineMissed | Escalated, at: datetime) -> Try | None:
        case = watch.runs.case

        def made(number: int) -> Action:
            return Action(_id(self._log.name, case.id, body, number), case.id, at, self._actor, body)

        def answer_to(
            action: Action,
        ) -> Event | None:  # an accepted one is of something else: what is recorded is not wanted
            number = case.numbers.get(action.action_id)
            return None if number is None else decode_event(self._store.events(case.id)[number - 1])

        return next_try(made, answer_to, lambda code: _is_over(code, case, body))

    def _sorted_out(self, case_id: str, wanted: Sequence[Try], now: datetime) -> tuple[list[Action], Ahead | None]:
        """What is submitted now of what is wanted, and what waits until the log's clock has come so far.

        Nothing tells the log's clock but what is recorded. Where nothing is, it is tried once in a while all the same.
        """
        partition = partition_for(case_id.encode(), self._log.partitions)
        shown = self._log_times.get(partition, EPOCH) + CLOCK_TOLERANCE
        late = [one for one in wanted if one.refused_by is not None and one.action.occurred_at > shown]
        if not late:
            return [one.action for one in wanted], None
        newest = max(one.refused_by.number for one in late if one.refused_by is not None)
        ahead = self._store.ahead(case_id)
        is_known = ahead is not None and ahead.number == newest and ahead.again_at <= now + LONGEST_WAIT
        is_time = is_known and ahead is not None and ahead.again_at <= now
        if ahead is None or not is_known or is_time:
            log_at = min(one.action.occurred_at for one in late)
            ahead = Ahead(partition, newest, log_at, now + wait_for_clock(log_at - shown))
        return [one.action for one in wanted if is_time or one not in late], ahead

    def _bodies(self, case: Case, alarm: Alarm) -> Iterator[tuple[DeadlineMissed | Escalated, datetime]]:
        clock, subject, due_at = alarm.clock.deadline
        recorded = case.facts.deadlines.get(deadline_key(clock, subject, due_at))
        if recorded is None:
            yield DeadlineMissed(clock, due_at, subject, alarm.clock.started_by), due_at
        if not alarm.is_owed and not self._played:  # it is done: nobody has to be told any more
            return
        for told in alarm.told:
            if recorded is None or not (told.level in recorded.told or answers_for(recorded.answered, told.level)):
                who = tuple(Recipient.of(one) for one in told.who)
                yield Escalated(clock, due_at, told.level, who, subject), told.at

    def close(self) -> None:
        """Stop. What is due then is seen by the next one."""
        self._reader.close()
        self._store.close()


def _ended_in_import(watch: Watch, alarm: Alarm) -> bool:
    """Whether an old system's history says how it ended: nobody raises the alarms of the past."""
    if alarm.ended_by is None or not watch.runs.case.facts.imported:
        return False
    action = watch.event(alarm.ended_by).action
    return action is not None and action.imported is not None


def _is_over(code: str, case: Case, body: DeadlineMissed | Escalated) -> bool:
    """Whether an action that came too early, and was refused with a code for that, would not be any more."""
    if code == NO_SUCH_DEADLINE.code:
        return deadline_key(body.clock, body.subject, body.due_at) in case.facts.deadlines
    if code == NO_SUCH_FACT.code and isinstance(body, DeadlineMissed):
        return case.is_fact(body.started_by)
    return code == NO_SUCH_CASE.code


def _log_times(records: Iterable[Record]) -> dict[int, datetime]:
    """What the log's clock showed, by partition, when the last of some events was asked for."""
    found = {}
    for record in {one.partition: one for one in records}.values():
        with suppress(Unreadable):
            found[record.partition] = decode_event(record.value).recorded_at
    return found


def _id(log: str, case_id: str, body: DeadlineMissed | Escalated, number_of_try: int = 0) -> bytes:
    key = deadline_key(body.clock, body.subject, body.due_at)
    level = body.level if isinstance(body, Escalated) else ""
    again = f"/{number_of_try}" if number_of_try else ""
    return uuid5(IDS, f"{log}/{case_id}/{key}/{level}{again}").bytes
