"""Verification of a whole log: it is read once, in parallel, and everything that it promises is checked, trusting nobody.

The processes of ``partition`` check events beside the actions that they answer; ``merge`` puts together what
they found, with what the checkpoints state of it. Memory does not grow with the number of events.
"""

import os
import tempfile
from bisect import bisect_left
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
from casetrail.audit.verification.folder import check_folder, whole
from casetrail.audit.verification.merge import Merge
from casetrail.audit.verification.partition import Extent, Source
from casetrail.audit.verification.plan import Plan
from casetrail.audit.verification.settings import carried_schemas, check_settings, check_starts
from casetrail.audit.verification.signatures import Signatures, digest_of, naming_a_log
from casetrail.audit.verification.waits import Wait
from casetrail.domain.values import EPOCH, MILLISECOND, at_millis, iso
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.opening import open_log, parse_address
from casetrail.eventlog.port import Log, Topic
from casetrail.eventlog.schemas import unknown_among
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
NOTHING_KEPT: Final = (
    "the state holds nothing of an earlier run: a history that was replaced or cut off before now is not recognised"
)
FEW: Final = 20_000
"""Events that are checked in this process: starting others would take longer."""


@dataclass
class Report:
    """What a verification came to. ``checked``: how much of each thing was. ``remarks``: what could not be checked, and why.

    ``since``: the checkpoint that an earlier run had come to. ``not_read_again``: the number of leaves under it, where they were
    not. ``up_to``: the newest one.
    ``witnessed_up_to``: the newest one that the policy's quorum has cosigned, ``witnessed_at`` by the witnesses' own word; None also
    where the policy asks for no witness.
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
    not_read_again: int = 0
    witnessed_up_to: Sealed | None = None
    witnessed_at: datetime | None = None
    checkpoint_wait: Wait | None = None
    quorum_wait: Wait | None = None

    @property
    def holds(self) -> bool:
        """Whether all is as the log promises."""
        return self.faults.holds


class Asked(NamedTuple):
    """How to verify: ``promised`` is how long anything may wait for its outcome, its checkpoint and its witnesses.

    ``now``, aware, is the present moment: what has a later time in the log is not believed.

    ``state``: a folder that is kept for the next run. ``reread``: all is read again, and compared with what that folder has of
    earlier runs; otherwise what they have verified is not read again. ``policy``: whose signatures are believed.
    """

    now: datetime
    promised: timedelta = timedelta(hours=1)
    policy: Policy | None = None
    state: Path | None = None
    reread: bool = False


class Ends(NamedTuple):
    """Up to where a log is verified."""

    checkpoints: int
    events: Mapping[int, int]
    actions: Mapping[int, int]

    @classmethod
    def of(cls, log: Log) -> "Ends":
        """As it stands now, asked in this order: a checkpoint is about events that are there already, and an event about an action."""
        checkpoints = log.end_offsets(Topic.CHECKPOINTS)[0]
        events = log.end_offsets(Topic.EVENTS)
        return cls(checkpoints, events, log.end_offsets(Topic.ACTIONS))

    def by_topic(self) -> Mapping[Topic, Mapping[int, int]]:
        """Of each partition of the topics."""
        return {Topic.CHECKPOINTS: {0: self.checkpoints}, Topic.EVENTS: self.events, Topic.ACTIONS: self.actions}


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
        if asked.state is not None:
            check_folder(asked.state, log.name)
        stack.enter_context(whole(asked.state, directory.parent))
        digest = digest_of(asked.policy)
        kept = Copy(asked.state or directory / "copy", log.name, asked.state is not None, digest)
        stack.callback(kept.close)
        rereads = asked.reread and kept.newest is not None
        copy = Copy(directory / "copy", log.name, kept=False, policy=digest) if rereads else kept
        run = Run(log, promises, asked, copy, directory, seen=kept if rereads else None)
        stack.callback(run.close)
        if progress is not None:
            progress(run.verified)
        if processes is None:
            processes = min(2, os.cpu_count() or 1)
        several = processes if run.total >= FEW else 1
        crew = stack.enter_context(Crew(several, Source(log, promises), log_url, settings, progress))
        report = run.run(crew)
        if asked.state is not None and report.since is None:
            report.remarks.insert(0, NOTHING_KEPT)
        if rereads and not report.faults.contradicts:
            crew.hush()
            then = Run(log, promises, asked, kept, directory, ends=run.ends)  # the new part once more, to be kept
            stack.callback(then.close)
            if (found := then.run(crew).faults).contradicts:  # it was altered between the two
                report.faults.take(found)
        return report


class Run:
    """One verification, from how the log stands when it is made."""

    def __init__(self, log: Log, promises: Promises, asked: Asked, copy: Copy, directory: Path,
                 seen: Copy | None = None, ends: Ends | None = None) -> None:  # fmt: skip
        """Begins where ``copy`` ends. ``seen``: what is compared with what is read. ``ends``: where not all is to be read."""
        self._log, self._promises, self._asked, self._directory = log, promises, asked, directory
        self.faults = Faults()
        self._seen, self._since, self._resumes = seen or copy, (seen or copy).newest, seen is None
        self._starts = {topic: log.start_offsets(topic) for topic in Topic}
        self.ends = ends or Ends.of(log)
        self._extents = {partition: self._extent(partition) for partition in range(log.partitions)}
        self._included = copy.file.included()
        cut = {one.partition for one in self._extents.values() if one.events[0] > self._included.get(one.partition, 0)}
        self._merge = Merge(copy, frozenset(cut), promises, directory / "fork", self.faults)

    def _extent(self, partition: int) -> Extent:
        starts, ends = self._starts, self.ends
        actions = starts[Topic.ACTIONS][partition], ends.actions[partition]
        return Extent(partition, actions, (starts[Topic.EVENTS][partition], ends.events[partition]))

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
        self._check_count()
        copy = merge.copy
        signatures = Signatures(self._asked.policy, None if copy.newest is None else copy.newest.note)
        start, end = self._starts[Topic.CHECKPOINTS][0], self.ends.checkpoints
        seen = None if self._resumes else self._seen
        with Feed(log, Topic.CHECKPOINTS, 0, start, end, self._promises, faults) as feed:
            checkpoints = Checkpoints(
                feed, end, self._extents, self._included, signatures, lambda: merge.copy, seen, faults
            )
            turns = {partition: at.turn for partition, at in copy.places().items()}
            plan = Plan(checkpoints, self._extents, turns, self._directory, self._following)
            merge.all(plan.batches(), crew)
            if feed.last is not None:
                merge.see_last(Topic.CHECKPOINTS, feed.last)
        self._check_cosignatures_of_then()
        self._check_schemas(carried, merge.schemas | checkpoints.schemas)
        self._check_promises(checkpoints)
        merge.keep(checkpoints.witnessed)
        found = Counter({"schemas": schemas, "settings": settings, "cases": merge.copy.cases()})
        found += merge.counts + checkpoints.counts
        found["records"] = schemas + feed.count + found["events"] + found["actions"]
        counts = Counter({name: found[name] for name in CHECKED})
        report = Report(log.name, log.partitions, self._since, merge.copy.newest, counts, faults)
        report.not_read_again = self._since.size if self._resumes and self._since is not None else 0
        if signatures.ask_for_witnesses:
            report.witnessed_up_to = merge.copy.file.numbered(checkpoints.witnessed)
            report.witnessed_at = None if checkpoints.witnessed_at is None else at_millis(checkpoints.witnessed_at)
        report.checkpoint_wait, report.quorum_wait = merge.waits.checkpoint, merge.waits.quorum
        if checkpoints.again:
            report.remarks.append(AGAIN)
        if faults.counts[Kind.EVENT_UNREADABLE] and (newer := unknown_among(carried)) is not None:
            report.remarks.append(newer)
        report.remarks += [*signatures.remarks(checkpoints.witnessed >= 0), *self._late(report)]
        return report

    def _following(self, partition: int, offset: int) -> int:
        """The offset of the first event from there on, where a log leaves none out; else nobody has to know."""
        if not self._promises.dense:
            return offset
        with self._log.reader(Topic.EVENTS, {partition: offset}) as reader:
            return next((one.offset for one in reader.poll(0.0, 1)), self._extents[partition].events[1])

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
        ends = self.ends.by_topic()
        for topic, partition, seen in self._seen.last_seen():
            place = topic, partition, seen.offset
            if seen.offset >= ends[topic].get(partition, 0):
                self.faults.add(Fault(Kind.END_WENT_BACK, "a record that was there is behind the end", *place))
            elif seen.offset >= self._starts[topic][partition]:
                record = self._log.read_one(topic, partition, seen.offset)
                if record is None or leaf_hash(record.value or b"") != seen.hash:
                    self.faults.add(Fault(Kind.RECORD_REPLACED, "the record has another hash", *place))

    def _check_count(self) -> None:
        """Whether no record is missing in what is not read again: an embedded log can count them."""
        if not isinstance(self._log, EmbeddedLog) or not self._resumes:
            return
        turns = {partition: at.turn for partition, at in self._merge.copy.places().items()}
        for topic, read in ((Topic.ACTIONS, turns), (Topic.EVENTS, self._included)):
            for partition, behind in read.items():
                start, end = self._starts[topic].get(partition, 0), self.ends.by_topic()[topic].get(partition, 0)
                if fault := _uncounted(self._log, topic, partition, range(max(0, start), min(behind, end))):
                    self.faults.add(fault)

    def _check_cosignatures_of_then(self) -> None:
        """Where all was read again: whether all cosignatures that an earlier run has seen are still there."""
        if not self._resumes:
            copy = self._merge.copy
            if missing := sum(not copy.holds_cosignature(*one) for one in self._seen.cosignatures()):
                found = f"{missing} cosignatures of then are not there"
                self.faults.add(Fault(Kind.CHECKPOINT_REPLACED, found, Topic.CHECKPOINTS, 0))

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


def _uncounted(log: EmbeddedLog, topic: Topic, partition: int, offsets: range) -> Fault | None:
    """The fault that not all of these offsets have a record."""

    def lacks_one(offset: int) -> bool:
        return log.count(topic, partition, offsets.start, offset + 1) < offset + 1 - offsets.start

    missing = len(offsets) - log.count(topic, partition, offsets.start, offsets.stop)
    if missing <= 0:
        return None
    first = offsets[bisect_left(offsets, True, key=lacks_one)]
    found = f"{missing} of the records before offset {offsets.stop} are not there, the first of them at offset {first}"
    return Fault(Kind.RECORD_DELETED, found, topic, partition, first)


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
