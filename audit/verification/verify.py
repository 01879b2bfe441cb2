"""Verification of a whole log: it is read once, in parallel, and everything that it promises is checked, trusting nobody.

The processes of ``partition`` check events beside the actions that they answer; ``merge`` puts together what
they found, with what the checkpoints state of it. Memory does not grow with the number of events.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.audit.faults import Fault, Faults, Kind
from casetrail.audit.verification.checkpoints import Checkpoints
from casetrail.audit.verification.copy import Copy, earlier
from casetrail.audit.verification.crew import Crew, Progress
from casetrail.audit.verification.feed import EMBEDDED, KAFKA, Feed, Promises
from casetrail.audit.verification.merge import Merge
from casetrail.audit.verification.partition import Extent, Source
from casetrail.audit.verification.plan import Plan
from casetrail.audit.verification.settings import carried_schemas, check_settings, check_starts
from casetrail.audit.verification.signatures import Signatures, digest_of, naming_a_log
from casetrail.audit.verification.waits import Wait
from casetrail.domain.values import EPOCH, MILLISECOND, at_millis, iso
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.opening import open_log, parse_address
from casetrail.eventlog.port import Log, Topic
from casetrail.proofs.policy import Policy
from casetrail.proofs.treefile import Sealed

CHECKED: Final = (
    "records",
    "schemas",
    "settings",
    "cases",
    "actions",
    "pending actions",
    "events",
    "accepted",
    "rejected",
    "unreadable",
    "events under no checkpoint",
    "checkpoints",
    "signatures of checkpoints",
    "roots",
    "map roots",
    "consistent checkpoints",
    "cosignatures",
    "cosignatures of unknown keys",
)
"""What is counted, in this order. Roots, map roots and consistency: of the checkpoints for which they were found right."""

AGAIN: Final = (
    "the run before had another policy, or none: the signatures of all checkpoints that it had seen were checked again"
)
FEW: Final = 20_000
"""Events that are checked in this process: starting others would take longer."""


@dataclass
class Report:
    """What a verification came to. ``checked``: how much of each thing was. ``remarks``: what could not be checked, and why.

    ``since``: the checkpoint that an earlier run had come to; what it covers was not read again. ``up_to``: the newest one.
    ``witnessed_up_to``: the newest one that the policy's quorum has cosigned; None also where the policy asks for no witness.
    ``checkpoint_wait``, ``quorum_wait``: how long a submission has waited at most for a checkpoint over its event, and for one
    that the quorum had cosigned, of those that this run has read and that wait no more.
    """

    log: str
    partitions: int
    since: Sealed | None
    up_to: Sealed | None
    checked: Counter[str]
    faults: Faults
    remarks: list[str] = field(default_factory=list)
    witnessed_up_to: Sealed | None = None
    checkpoint_wait: Wait | None = None
    quorum_wait: Wait | None = None

    @property
    def holds(self) -> bool:
        """Whether all is as the log promises."""
        return self.faults.holds


class Asked(NamedTuple):
    """How to verify: ``promised`` is how long anything may wait for its outcome, its checkpoint and its witnesses.

    ``now``, aware, is the present moment: what has a later time in the log is not believed.

    ``state``: a folder that is kept for the next run. ``policy``: whose signatures are believed.
    """

    now: datetime
    promised: timedelta = timedelta(hours=1)
    policy: Policy | None = None
    state: Path | None = None


def verify(
    log_url: str,
    options: Mapping[str, object] | None,
    asked: Asked,
    progress: Progress | None = None,
    processes: int | None = None,
) -> Report:
    """Verify a log as it stands now. ``progress`` is told of events as they are done.

    Raises ``LogUnreachable``, ``LogMissing``, ``OffsetGone`` (records are being deleted just now), ``CopyUnusable``,
    ``TreeBusy``, ``PolicyNamesNoLog``.
    """
    naming_a_log(asked.policy)  # before a folder is made
    settings = dict(options or {})
    kind = KAFKA if parse_address(log_url).path is None else EMBEDDED
    promises = kind._replace(now=_millis(asked.now))
    with ExitStack() as stack:
        log = stack.enter_context(open_log(log_url, settings))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="casetrail-verify-")))
        copy = Copy(asked.state or directory / "copy", log.name, asked.state is not None, digest_of(asked.policy))
        stack.callback(copy.close)
        run = Run(log, promises, asked, copy, directory)
        stack.callback(run.close)
        if progress is not None:
            progress(run.verified)
        if processes is None:
            processes = min(2, os.cpu_count() or 1)
        several = processes if run.total >= FEW else 1
        crew = stack.enter_context(Crew(several, Source(log, promises), log_url, settings, progress))
        return run.run(crew)


class Run:
    """One verification, from how the log stands when it is made."""

    def __init__(self, log: Log, promises: Promises, asked: Asked, copy: Copy, directory: Path) -> None:
        self._log, self._promises, self._asked, self._directory = log, promises, asked, directory
        self.faults = Faults()
        self._since = copy.newest
        self._starts = {topic: log.start_offsets(topic) for topic in Topic}
        # in this order: a checkpoint is about events that are there already, and an event about an action
        self._checkpoints_end = log.end_offsets(Topic.CHECKPOINTS)[0]
        self._ends = {Topic.EVENTS: log.end_offsets(Topic.EVENTS)}
        self._ends[Topic.ACTIONS] = log.end_offsets(Topic.ACTIONS)
        self._extents = {partition: self._extent(partition) for partition in range(log.partitions)}
        self._included = copy.file.included()
        cut = {one.partition for one in self._extents.values() if one.events[0] > self._included.get(one.partition, 0)}
        self._merge = Merge(copy, frozenset(cut), promises, directory / "fork", self.faults)

    def _extent(self, partition: int) -> Extent:
        ranges = [(self._starts[topic][partition], self._ends[topic][partition]) for topic in self._ends]
        events, actions = ranges
        return Extent(partition, actions, events)

    @property
    def total(self) -> int:
        """How many offsets of events there are to be read."""
        return sum(
            max(0, one.events[1] - max(one.events[0], self._included.get(one.partition, 0)))
            for one in self._extents.values()
        )

    @property
    def verified(self) -> int:
        """How many offsets of events an earlier run has read."""
        return sum(min(one.events[1], self._included.get(one.partition, 0)) for one in self._extents.values())

    def close(self) -> None:
        """Close what is open."""
        self._merge.copy.close()

    def run(self, crew: Crew) -> Report:
        """Check everything."""
        log, merge, faults = self._log, self._merge, self.faults
        check_starts(self._starts, faults)
        settings = check_settings(log, self._promises, faults)
        start = self._starts[Topic.SCHEMAS][0]
        schemas, carried = carried_schemas(log, start, self._promises, faults)
        self._check_seen()
        copy = merge.copy
        signatures = Signatures(self._asked.policy, None if copy.newest is None else copy.newest.note)
        start = self._starts[Topic.CHECKPOINTS][0]
        end = self._checkpoints_end
        with Feed(log, Topic.CHECKPOINTS, 0, start, end, self._promises, faults) as feed:
            checkpoints = Checkpoints(feed, end, self._extents, self._included, signatures, lambda: merge.copy, faults)
            turns = {partition: at.turn for partition, at in copy.places().items()}
            plan = Plan(checkpoints, self._extents, turns, self._directory)
            merge.all(plan.batches(), crew)
        self._check_schemas(carried, merge.schemas | checkpoints.schemas)
        self._check_promises(checkpoints)
        merge.keep(checkpoints.witnessed)
        found = Counter({"schemas": schemas, "settings": settings, "cases": merge.copy.cases()})
        found += merge.counts + checkpoints.counts
        found["records"] = schemas + feed.count + found["events"] + found["actions"]
        counts = Counter({name: found[name] for name in CHECKED})
        report = Report(log.name, log.partitions, self._since, merge.copy.newest, counts, faults)
        if signatures.ask_for_witnesses:
            report.witnessed_up_to = merge.copy.file.numbered(checkpoints.witnessed)
        report.checkpoint_wait, report.quorum_wait = merge.waits.checkpoint, merge.waits.quorum
        if checkpoints.again:
            report.remarks.append(AGAIN)
        report.remarks += [*signatures.remarks(checkpoints.witnessed >= 0), *self._late(report)]
        return report

    def _late(self, report: Report) -> Iterator[str]:
        """What has waited longer than promised, and waits no more: that is past, and no fault now."""
        for wait, what in (
            (report.checkpoint_wait, "a checkpoint over its event"),
            (report.quorum_wait, "cosignatures of the policy's quorum over its event"),
        ):
            if wait is not None and wait.seconds > self._asked.promised.total_seconds():
                yield (
                    f"a submission has once waited {_days(wait.seconds)} for {what} (checkpoint of {wait.size} leaves), longer "
                    "than promised: until then what it came to could be altered, and nobody else would have known"
                )

    def _check_seen(self) -> None:
        """Whether what an earlier run saw last is still there."""
        for topic, partition, seen in self._merge.copy.last_seen():
            place = topic, partition, seen.offset
            if partition >= self._log.partitions or seen.offset >= self._ends[topic][partition]:
                self.faults.add(Fault(Kind.END_WENT_BACK, "a record that was there is behind the end", *place))
            elif seen.offset >= self._starts[topic][partition]:
                record = self._log.read_one(topic, partition, seen.offset)
                if record is None or leaf_hash(record.value or b"") != seen.hash:
                    self.faults.add(Fault(Kind.RECORD_REPLACED, "the record has another hash", *place))

    def _check_schemas(self, carried: set[int], used: set[bytes]) -> None:
        for one in sorted(used):
            number = int.from_bytes(one[1:])
            if number not in carried:
                self.faults.add(Fault(Kind.SCHEMA_MISSING, f"schema {number:08x}", Topic.SCHEMAS))

    def _check_promises(self, checkpoints: Checkpoints) -> None:
        """Whether nothing has waited for longer than promised."""
        merge, latest = self._merge, _millis(self._asked.now - self._asked.promised)
        waiting = [
            (Kind.RECORDER_SILENT, Topic.ACTIONS, merge.pending_since, merge.counts["pending actions"]),
            (Kind.NOTARY_SILENT, Topic.EVENTS, merge.waiting_since, merge.counts["events under no checkpoint"]),
        ]
        first = merge.copy.file.numbered(checkpoints.witnessed + 1)
        if first is not None:
            last = (merge.copy.newest or first).number
            # a checkpoint's own time is held by nothing, and it may be a new one over old events
            since = earlier(merge.copy.asked_at(first.number, last), first.appended_at)
            waiting.append((Kind.QUORUM_MISSING, Topic.CHECKPOINTS, since, last - checkpoints.witnessed))
        for kind, topic, since, count in waiting:
            if since is not None and since < latest:
                self.faults.add(Fault(kind, f"{count} waiting, since {_told(since)}", topic))


def _millis(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND


def _told(millis: int) -> str:
    """A moment of the log, whatever number it has for one."""
    try:
        return iso(at_millis(millis))
    except OverflowError:
        return f"{millis} ms after 1970"


def _days(seconds: float) -> str:
    try:
        return str(timedelta(seconds=round(seconds)))
    except OverflowError:
        return f"{seconds:.0f} s"
