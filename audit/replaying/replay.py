"""The replay verdict: all actions of a log through the domain again, held against the recorded events byte for byte.

The event is a pure function of the case's earlier events, the action, its append time and the rule set that the event
names. So a report that was refused, altered or left out by whoever runs the recorder is the first event that differs.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import Final, NamedTuple
from zlib import crc32

from casetrail.audit.replaying.findings import Finding, Kind, Verdict
from casetrail.audit.replaying.judging import Judge
from casetrail.audit.replaying.order import Answers
from casetrail.domain.deciding import RULE_SETS
from casetrail.domain.values import is_id, iso
from casetrail.eventlog.crew import Crew, Told
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.eventlog.stream import Stream

REPORT_EVERY: Final = 2_000
WORTH_A_PROCESS: Final = 20_000
UNEVEN: Final = 1.2
UPGRADE: Final = timedelta(days=1)
"""For so long recorders may decide by an older rule set beside others that have a newer one."""


class Extent(NamedTuple):
    """A partition as it stood when the replay began: half-open ranges of offsets of both topics.

    Of its cases those of one ``part`` out of so many: a log with one partition is replayed by several processes, too.
    """

    partition: int
    actions: tuple[int, int]
    events: tuple[int, int]
    part: tuple[int, int] = (0, 1)

    @property
    def size(self) -> int:
        """How many actions there are to judge, at most."""
        return (self.actions[1] - self.actions[0]) // self.part[1]

    def has(self, case_id: str) -> bool:
        """Whether a case is of this part."""
        number, parts = self.part
        return parts == 1 or crc32(case_id.encode()) % parts == number


class Share(NamedTuple):
    """What one process does: these extents of that log, and of them only ``case_id`` unless that is None."""

    log_url: str
    log_options: dict[str, object]
    extents: list[Extent]
    case_id: str | None


def extents_of(log: Log, case_id: str | None = None) -> list[Extent]:
    """All partitions as they stand now, or the one that a case belongs to."""
    event_ends = log.end_offsets(Topic.EVENTS)  # first: an event that comes later answers an action not looked at
    action_ends = log.end_offsets(Topic.ACTIONS)
    action_starts, event_starts = log.start_offsets(Topic.ACTIONS), log.start_offsets(Topic.EVENTS)
    numbers = sorted(action_ends)
    if case_id is not None and is_id(case_id):
        numbers = [partition_for(case_id.encode(), log.partitions)]
    return [
        Extent(one, (action_starts[one], action_ends[one]), (event_starts[one], event_ends[one])) for one in numbers
    ]


def replay(
    log_url: str,
    options: Mapping[str, object] | None = None,
    extents: Sequence[Extent] | None = None,
    case_id: str | None = None,
    progress: Told | None = None,
    processes: int | None = None,
) -> list[Verdict]:
    """Replay a log as it stands now (or these ``extents`` of it); the verdict on each partition, in their order.

    ``case_id`` restricts the verdict to one case. ``progress`` is told of actions as they are done. Raises
    ``LogUnreachable``, ``LogMissing``.
    """
    settings = dict(options or {})
    if extents is None:
        with open_log(log_url, settings) as log:
            extents = extents_of(log, case_id)
    count = processes or min(2, os.cpu_count() or 1)
    if case_id is not None or sum(extent.size for extent in extents) < WORTH_A_PROCESS:
        count = 1  # judging is what takes the time
    shares = [Share(log_url, settings, some, case_id) for some in _dealt(extents, count)]
    with Crew(len(shares), 1, progress) as crew:
        judged = crew.do(replay_share, shares)
    verdicts: dict[int, Verdict] = {}
    for one in chain.from_iterable(judged):
        verdicts[one.partition] = verdicts.get(one.partition, Verdict(one.partition)).join(one)
    note_kept(verdicts.values())
    return [verdicts[partition] for partition in sorted(verdicts)]


def note_kept(verdicts: Collection[Verdict]) -> None:
    """Note the partitions in which a rule set was named long after others had gone over to a newer one.

    A recorder that stays on rules no longer in force decides by them what it likes: seen in its partition alone, nothing differs.
    """
    named = [(rule_set, where.first_at) for one in verdicts for rule_set, where in one.rule_sets.items()]
    for verdict in verdicts:
        for rule_set, where in sorted(verdict.rule_sets.items()):
            newer = [(at, other) for other, at in named if rule_set < other and other in RULE_SETS]
            since, first = min(newer, default=(where.last_at, rule_set))
            if since + UPGRADE < where.last_at:
                finding = Finding(Kind.RULE_SET_KEPT, verdict.partition, None, None, None, where.last)
                finding.expected = {"rule_set": first, "since": iso(since)}
                finding.recorded = {"rule_set": rule_set, "until": iso(where.last_at)}
                verdict.add(finding)


def _dealt(extents: Sequence[Extent], processes: int) -> list[list[Extent]]:
    """The partitions, dealt out so that each process has about as many actions; one that is too large in parts."""
    fair = UNEVEN * sum(extent.size for extent in extents) / processes
    parts = []
    for extent in extents:
        of = processes if extent.size > fair else 1
        parts += [extent._replace(part=(number, of)) for number in range(of)]
    shares: list[list[Extent]] = [[] for _ in range(processes)]
    for part in sorted(parts, key=lambda one: -one.size):
        min(shares, key=lambda share: sum(one.size for one in share)).append(part)
    return [share for share in shares if share] or [[]]


def replay_share(share: Share, told: Told) -> list[Verdict]:
    """The verdicts on some partitions. Runs in a process of its own."""
    with open_log(share.log_url, share.log_options) as log:
        return [replay_partition(log, extent, share.case_id, told) for extent in share.extents]


def replay_partition(log: Log, extent: Extent, case_id: str | None = None, progress: Told | None = None) -> Verdict:
    """The verdict on one partition. Memory does not grow with the number of events."""
    partition, (number, parts) = extent.partition, extent.part
    cases = extent.has if case_id is None else lambda one: one == case_id
    cuts = extent.actions[0], extent.events[0]
    with (
        closing(Judge(log.name, log.partitions, partition, cases, *cuts)) as judge,
        log.reader(Topic.ACTIONS, {partition: extent.actions[0]}) as actions,
        log.reader(Topic.EVENTS, {partition: extent.events[0]}) as events,
    ):
        if number == 0:
            _note_cuts(judge.verdict, extent)
        stream = Stream(events, partition, extent.events[1])
        fetch = partial(log.read_one, Topic.EVENTS, partition)
        answers = Answers(stream, extent.actions[1], fetch, cut=extent.events[0] > 0)
        first = answers.first_answered() if extent.events[0] > 0 else None
        for done, record in enumerate(Stream(actions, partition, extent.actions[1]), 1):
            _judge(judge, record, answers, first)
            if progress is not None and done % (REPORT_EVERY * parts) == 0:
                progress(REPORT_EVERY)
        for answer in answers.rest():
            judge.overdue(answer)
    return judge.verdict


def _judge(judge: Judge, record: Record, answers: Answers, first: int | None) -> None:
    """One action with what answers it. ``first``: the first action whose event has not been deleted (None: none was)."""
    for answer in answers.overdue(record.offset):
        judge.overdue(answer)
    taken = answers.take(record.offset)
    if taken:
        judge.action(record, taken)
    else:
        judge.unanswered(record, pending=answers.ended, cut=first is not None and record.offset < first)


def _note_cuts(verdict: Verdict, extent: Extent) -> None:
    for topic, (start, _) in ((Topic.ACTIONS, extent.actions), (Topic.EVENTS, extent.events)):
        if start > 0:
            finding = Finding(Kind.HISTORY_CUT, extent.partition, None, None, None, None)
            finding.expected = {"topic": topic.value, "first_offset": 0}
            finding.recorded = {"topic": topic.value, "first_offset": start}
            verdict.add(finding)
