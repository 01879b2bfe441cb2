"""What must hold after every step, kept up with as the log and the files change; and in full at the end.

The oracle folds the committed actions by itself, in memory, with the one pure function that recorder and auditors share.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from enum import StrEnum
from functools import cache
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from casetrail.audit.balance import balance
from casetrail.audit.faults import Kind
from casetrail.audit.replaying.replay import extents_of, replay_partition
from casetrail.audit.verification.copy import Copy
from casetrail.audit.verification.crew import Crew
from casetrail.audit.verification.feed import EMBEDDED, KAFKA
from casetrail.audit.verification.partition import Source
from casetrail.audit.verification.verify import Asked, Run
from casetrail.consumers.watchdog import Watchdog
from casetrail.domain.actions import ActionRejected
from casetrail.domain.escalation import DeadlineMissed, deadline_key
from casetrail.domain.memory import dump_case
from casetrail.domain.notarized import CheckpointPublished
from casetrail.domain.values import at_millis, is_id
from casetrail.eventlog.codec import Event, Unreadable, decode_event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import decode_notarized
from casetrail.eventlog.outcome import History, bring_on, case_of, outcome_of
from casetrail.eventlog.port import Record, Topic
from casetrail.projections.judgement_tables import JUDGEMENT_TABLES
from casetrail.projections.judgements import Judgements
from casetrail.projections.partner import ledger_rows
from casetrail.projections.rows import case_row, intake_measures, referral_rows, timeline_row
from casetrail.projections.rows import outcome_of as outcome_name
from casetrail.projections.tables import (
    CASE_STATUS,
    INTAKE,
    OUTCOMES,
    PARTNER_LEDGER,
    REFERRALS,
    TIMELINE,
    Table,
    application_name,
)
from casetrail.projections.views import Views
from casetrail.proofs.casemap import EMPTY, case_key, case_value, leaf_of
from casetrail.proofs.checkpoint import parse_checkpoint
from casetrail.proofs.note import parse_note
from tests.histories import BEGINNING
from tests.simulation.disks import Disk, DiskConnection, DiskViews
from tests.simulation.memory_log import Cluster, Manner, MemoryLog, nothing


class Invariant(StrEnum):
    """What must hold, each in a sentence."""

    ONE_OUTCOME = "one outcome for each action, in the order of offsets"
    CHAIN = "a case's events are numbered without gaps, each with the hash of the one before"
    REPLAY = "the event is what the rules make of the action, byte for byte"
    ONCE = "an action is accepted once at most"
    TIME = "the append time of the embedded log does not go back"
    STATE = "the recorder's state file is the fold of the events up to its position"
    POSITION = "the views have exactly the rows of the events before their position"
    VIEWS = "the views are the fold of the log"
    JUDGED = "clocks and findings follow the events, are never ahead of the views, and in the end nothing is stale"
    TREE = "each checkpoint follows from the events and the checkpoint before"
    WATCHED = "each missed deadline is recorded, once; the watchdog's file holds the events before its position"
    STOPPED = "no process stops for good"
    PROGRESS = "once the faults are over, every action has its outcome, and views and tree have every event"
    AUDIT = "balance, replay and verification find nothing"


class Violated(BaseException):
    """An invariant does not hold: nothing that runs may swallow this."""

    def __init__(self, invariant: Invariant, what: str) -> None:
        super().__init__(f"{invariant.name}: {what} ({invariant.value})")
        self.invariant, self.what = invariant, what


Place = tuple[int, bytes]
"""The offset of an event, and its leaf hash."""


class Oracle:
    """Knows what must be, from the committed records alone."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.actions: list[list[Record]] = [[] for _ in range(cluster.partitions)]
        self.events: list[list[int]] = [[] for _ in range(cluster.partitions)]  # their offsets
        self.recorded: list[tuple[Record, Event]] = []
        self.leaves: dict[tuple[int, int], bytes] = {}
        self.histories: dict[str, History] = {}
        self.courses: dict[str, list[Place]] = defaultdict(list)
        self.accepted: set[tuple[str, bytes]] = set()
        self.newest: dict[tuple[Topic, int], int] = {}
        self.tree: list[bytes] = []
        self.covered = [0] * cluster.partitions
        self._last_checkpoint = b""

    # --- the log ---

    def seen(self, topic: Topic, partition: int, records: Sequence[Record]) -> None:
        """These records can be read from now on."""
        self._check_time(topic, partition, records)
        if topic is Topic.ACTIONS:
            self.actions[partition] += records
        elif topic is Topic.EVENTS:
            for record in records:
                self._event(partition, record)
        elif topic is Topic.CHECKPOINTS:
            for record in records:
                self._checkpoint(record)

    def _check_time(self, topic: Topic, partition: int, records: Sequence[Record]) -> None:
        if self._cluster.manner is Manner.EMBEDDED:
            for record in records:
                if record.appended_at < self.newest.get((topic, partition), 0):
                    raise Violated(Invariant.TIME, f"{topic}/{partition} at {record.offset}")
                self.newest[topic, partition] = record.appended_at

    def _event(self, partition: int, record: Record) -> None:
        turn = len(self.events[partition])
        where = f"events/{partition} at {record.offset}"
        if turn >= len(self.actions[partition]):
            raise Violated(Invariant.ONE_OUTCOME, f"{where} answers no action that waits: {_answers(record)}")
        action = self.actions[partition][turn]
        case_id = case_of(action, self._cluster.partitions)
        history = self.histories.get(case_id)
        if history is None:
            history = self.histories[case_id] = History.empty(case_id)
        made = outcome_of(history, action, self._cluster.name, self._cluster.partitions)
        if record.value != made.value or record.key != case_id.encode():
            raise _difference(where, record, action, history)
        bring_on(history, made)
        self.events[partition].append(record.offset)
        self.recorded.append((record, made.event))
        self.courses[case_id].append((record.offset, history.last_hash))
        self.leaves[partition, record.offset] = history.last_hash
        if made.action is not None and not isinstance(made.event.body, ActionRejected):
            accepted = case_id, made.action.action_id
            if accepted in self.accepted:
                raise Violated(Invariant.ONCE, f"{where} accepts an action of {case_id} again")
            self.accepted.add(accepted)

    def _checkpoint(self, record: Record) -> None:
        where = f"the checkpoint at {record.offset}"
        stored = decode_notarized(record.value)
        assert isinstance(stored, CheckpointPublished)
        said = parse_checkpoint(parse_note(stored.note).text)
        if self._last_checkpoint:
            self.tree.append(self._last_checkpoint)
        for one in stored.ranges:
            if one.start != self.covered[one.partition]:
                raise Violated(Invariant.TREE, f"{where} begins at {one.start} of events/{one.partition}")
            self.covered[one.partition] = one.end
            offsets = self.events[one.partition]
            taken = offsets[bisect_left(offsets, one.start) : bisect_left(offsets, one.end)]
            self.tree += [self.leaves[one.partition, offset] for offset in taken]
        if (said.size, said.root) != (len(self.tree), root(self.tree)):
            raise Violated(Invariant.TREE, f"{where} has another size or root than its {len(self.tree)} leaves")
        if stored.map_root != self._map_root():
            raise Violated(Invariant.TREE, f"{where} has another case map")
        self._last_checkpoint = leaf_hash(record.value or b"")

    def _map_root(self) -> bytes:
        """The root of the map of all cases, as the newest checkpoint covers them."""
        leaves = {}
        for case_id, course in self.courses.items():
            partition = self.partition_of(case_id)
            count = bisect_left(course, (self.covered[partition],))
            if count:
                key = case_key(case_id)
                leaves[int.from_bytes(key)] = leaf_of(key, case_value(count, course[count - 1][1]))
        return map_root(sorted(leaves.items()), 255)

    def partition_of(self, case_id: str) -> int:
        """The partition that a case's events are in."""
        last = self.courses[case_id][-1]
        return next(one for one in range(self._cluster.partitions) if self.leaves.get((one, last[0])) == last[1])

    # --- files ---

    def as_of(self, case_id: str, position: int) -> tuple[int, bytes]:
        """How many events a case has before an offset, and the hash of the last of them."""
        course = self.courses.get(case_id, [])
        count = bisect_left(course, (position,))
        return count, course[count - 1][1] if count else b""

    def check_state(self, disk: Disk) -> None:
        """A recorder's state file has changed."""
        run = disk.database.execute
        positions = {one: (at, last) for one, at, last in run("SELECT partition, offset, last_hash FROM position")}
        for partition, (offset, last) in positions.items():
            if disk.torn.get(partition) == (offset, last):
                continue  # nobody has looked at it yet
            disk.torn.pop(partition, None)
            if self.leaves.get((partition, offset)) != last:
                raise Violated(
                    Invariant.STATE, f"{disk.name} has followed events/{partition} to {offset}: no such event"
                )
        for case_id, partition, last in run("SELECT case_id, partition, last_hash FROM history"):
            if partition in disk.torn:
                continue
            followed = positions[partition][0] + 1 if partition in positions else 0
            if self.as_of(case_id, followed)[1] != last:
                raise Violated(
                    Invariant.STATE, f"{disk.name} has another {case_id} than events/{partition} to {followed}"
                )

    def check_views(self, disk: Disk) -> None:
        """The views have changed."""
        run = disk.database.execute
        at = dict(run("SELECT application_name, notification_id FROM tracking").fetchall())
        rows = {one: (count, last) for one, count, last in run(ROWS)}
        outcomes = dict(run("SELECT partition, sum(events) FROM outcome GROUP BY partition").fetchall())
        followed = [at.get(application_name(self._cluster.name, one), 0) for one in range(self._cluster.partitions)]
        for partition, position in enumerate(followed):
            count, last = rows.get(partition, (0, -1))
            expected = bisect_left(self.events[partition], position)
            where = f"views of events/{partition} at position {position}"
            if position > self._cluster.lanes[Topic.EVENTS][partition].readable() or count < expected:
                raise Violated(Invariant.POSITION, f"{where}: ahead of their {count} rows, {expected} must be there")
            if count > expected or last >= position > 0:
                raise Violated(Invariant.POSITION, f"{where}: behind their {count} rows, {expected} must be there")
            if outcomes.get(partition, 0) != expected:
                raise Violated(Invariant.VIEWS, f"{where}: {outcomes.get(partition, 0)} outcomes of {expected} events")
        for case_id, partition, count, last in run("SELECT case_id, partition, events, last_hash FROM case_status"):
            if self.as_of(case_id, followed[partition]) != (count, last):
                raise Violated(
                    Invariant.VIEWS, f"{case_id} has {count} events or another hash at {followed[partition]}"
                )

    def check_judged(self, disk: Disk) -> None:
        """The views have changed, or their judgements: these follow, event by event."""
        run = disk.database.execute
        at = dict(run("SELECT application_name, notification_id FROM tracking").fetchall())
        for name, position in run("SELECT application_name, notification_id FROM judged").fetchall():
            if position > at.get(name, 0):
                raise Violated(Invariant.JUDGED, f"{name} is judged up to {position}, and seen up to {at.get(name, 0)}")

    def check_watch(self, disk: Disk) -> None:
        """A watchdog's file has changed."""
        run = disk.database.execute
        if not run("SELECT 1 FROM sqlite_master WHERE name = 'position'").fetchone():
            return
        positions = dict(run("SELECT partition, offset FROM position").fetchall())
        held = dict(run("SELECT case_id, count(*) FROM event GROUP BY case_id").fetchall())
        for case_id in self.courses:
            partition = self.partition_of(case_id)
            count, _ = self.as_of(case_id, positions.get(partition, -1) + 1)
            if is_id(case_id) and held.get(case_id, 0) != count:
                raise Violated(
                    Invariant.WATCHED, f"{disk.name} has {held.get(case_id, 0)} of {count} events of {case_id}"
                )

    # --- at the end ---

    @property
    def pending(self) -> int:
        """How many actions wait for their outcome."""
        return sum(map(len, self.actions)) - sum(map(len, self.events))

    def check_end(self, views: Disk, states: Iterable[Disk]) -> None:
        """All is quiet: compare in full what was kept up with."""
        for table, expected in self._tables():
            if rows_of(views, table) != sorted(
                expected, key=itemgetter(*map(table.column_names.split(", ").index, table.key))
            ):
                raise Violated(Invariant.VIEWS, f"{table.name} is another table than the histories make")
        for disk in states:
            self._check_stored(disk)

    def _tables(self) -> Iterator[tuple[Table, list[tuple[Any, ...]]]]:
        """The tables of the views and their rows, as they follow from all events."""
        histories = [self.histories[case_id] for case_id in self.courses]
        yield CASE_STATUS, [case_row(one, self.partition_of(one.case.id)) for one in histories]
        yield REFERRALS, [row for one in histories for row in referral_rows(one.case)]
        yield PARTNER_LEDGER, [row for one in histories for row in ledger_rows(one.case)]
        yield TIMELINE, [timeline_row(record, event) for record, event in self.recorded]
        counted = Counter((record.partition, outcome_name(event)) for record, event in self.recorded)
        yield OUTCOMES, [(*which, count) for which, count in counted.items()]
        measured = Counter(measure for one in histories for measure in intake_measures(one.case))
        yield INTAKE, [(*which, count) for which, count in measured.items()]

    def check_same_judgements(self, views: Disk, other: Disk) -> None:
        """These are what somebody else makes of the same log, who has met with no fault."""
        for table in (*JUDGEMENT_TABLES,):
            if rows_of(views, table) != rows_of(other, table):
                raise Violated(Invariant.JUDGED, f"{table.name} is another table than the events make")

    def _check_stored(self, disk: Disk) -> None:
        if not disk.database.execute("SELECT 1 FROM sqlite_master WHERE name = 'history'").fetchone():
            return  # it was lost, and nobody has begun another
        for case_id, last, text in disk.database.execute("SELECT case_id, last_hash, state FROM history"):
            history = self.histories.get(case_id)
            if history is not None and history.last_hash == last and dump_case(history.case) != text:
                raise Violated(Invariant.STATE, f"{disk.name} holds another {case_id} than its events fold to")

    def check_watched(self, stranger: Watchdog, now: int) -> None:
        """A watchdog that knows nothing yet finds nothing that is not recorded; and nothing was recorded twice."""
        while stranger.step(0.0) or stranger.is_behind:
            pass
        if stranger.submitted:
            raise Violated(Invariant.WATCHED, f"{stranger.submitted} missed deadlines and tellings were not submitted")
        for case_id, history in self.histories.items():
            if is_id(case_id):
                for alarm in stranger.watch(case_id, at_millis(now)).alarms.values():
                    key = deadline_key(*alarm.clock.deadline)
                    if (
                        alarm.seen_at >= BEGINNING
                        and key not in history.case.facts.deadlines
                        and not history.case.facts.imported
                    ):
                        raise Violated(Invariant.WATCHED, f"{case_id} has missed {key}, and it is not recorded")
        missed = Counter(
            (event.case_id, event.body) for _, event in self.recorded if isinstance(event.body, DeadlineMissed)
        )
        if missed and max(missed.values()) > 1:
            raise Violated(
                Invariant.WATCHED, f"a missed deadline of {max(missed, key=missed.__getitem__)[0]} is recorded twice"
            )

    def audit(self, directory: Path) -> None:
        """The whole log by the auditors' own means."""
        log = MemoryLog(self._cluster)
        for count in balance(log):
            if count.faults or count.pending:
                raise Violated(Invariant.AUDIT, f"balance: {count}")
        for extent in extents_of(log):
            verdict = replay_partition(log, extent)
            if verdict.findings or verdict.pending or verdict.unjudged:
                raise Violated(Invariant.AUDIT, f"replay of {extent.partition}: {verdict.findings}")
        promises = KAFKA if self._cluster.manner is Manner.KAFKA else EMBEDDED
        now = at_millis(max((one.newest for lanes in self._cluster.lanes.values() for one in lanes), default=0))
        with closing(Copy(directory / "copy", log.name, kept=False)) as copy:
            asked = Asked(now, timedelta(days=400))
            run = Run(log, promises, asked, copy, directory)
            with Crew(1, Source(log, promises), "", {}, None) as crew:
                report = run.run(crew)
        rightly = OF_CLOCKS if self._cluster.manner is Manner.KAFKA else frozenset()
        found = [fault for fault in report.faults.listed if fault.kind not in rightly]
        if found:
            raise Violated(Invariant.AUDIT, f"verification: {found[:3]}")


OF_CLOCKS: Final = frozenset({Kind.TIME_WENT_BACK, Kind.EVENT_BEFORE_ACTION})
"""Found where a broker's clock was made to jump back: rightly so. The embedded log's time never goes back."""
ROWS: Final = "SELECT partition, count(*), max(event_offset) FROM timeline GROUP BY partition"


def rows_of(disk: Disk, table: Table) -> list[tuple[Any, ...]]:
    """All rows of a table."""
    return disk.database.execute(f"SELECT * FROM {table.name} ORDER BY {', '.join(table.key)}").fetchall()


@cache
def views_template(log: str, judged: bool) -> bytes:
    """Empty views without indexes, as the bytes of a database; ``judged``: with judgements."""
    disk = Disk("template")
    views = DiskViews(DiskConnection(disk, nothing, nothing))
    Views.create(views, log)
    if judged:
        Judgements.create(views, log)
    indexes = disk.database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for (name,) in indexes:  # nobody asks these views anything
        disk.database.execute(f"DROP INDEX {name}")
    disk.database.execute("VACUUM")
    return disk.database.serialize()


def _answers(record: Record) -> str:
    try:
        return f"it answers action {decode_event(record.value).action_offset}"
    except Unreadable:
        return "it is no event"


def _difference(where: str, record: Record, action: Record, history: History) -> Violated:
    """Which invariant an event breaks that is not the expected one."""
    try:
        event = decode_event(record.value)
    except Unreadable:
        return Violated(Invariant.REPLAY, f"{where} is no event")
    if event.action_offset != action.offset or event.partition != action.partition:
        return Violated(
            Invariant.ONE_OUTCOME, f"{where} answers action {event.action_offset}, {action.offset} has its turn"
        )
    if (event.case_id, event.number, event.previous_hash) != (
        history.case.id, history.case.version + 1, history.last_hash
    ):  # fmt: skip
        return Violated(Invariant.CHAIN, f"{where} does not follow event {history.case.version} of {history.case.id}")
    return Violated(Invariant.REPLAY, f"{where} is another event than the rules make of action {action.offset}")


def root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of leaf hashes (RFC 6962, 2.1), straight from its definition."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def map_root(leaves: Sequence[tuple[int, bytes]], bit: int) -> bytes:
    """The root of the compact case map over leaves in the order of their keys, straight from its definition."""
    if len(leaves) < 2:
        return leaves[0][1] if leaves else EMPTY
    left = [one for one in leaves if not one[0] >> bit & 1]
    right = [one for one in leaves if one[0] >> bit & 1]
    return sha256(b"\x01" + map_root(left, bit - 1) + map_root(right, bit - 1)).digest()
