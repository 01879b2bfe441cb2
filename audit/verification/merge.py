"""Putting together what the jobs found: the chains across them, the tree, the map of cases, and what checkpoints state."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from casetrail.audit.faults import Fault, Faults, Kind
from casetrail.audit.verification.checkpoints import Group, Stated
from casetrail.audit.verification.copy import At, Computed, Copy, earlier
from casetrail.audit.verification.crew import Crew, Pieces, Task
from casetrail.audit.verification.feed import NEVER, Promises, of_future
from casetrail.audit.verification.partition import Checked, Seen
from casetrail.audit.verification.plan import Batch
from casetrail.audit.verification.waits import Waits
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.port import Record, Topic


class Agreement(NamedTuple):
    """How the last checkpoint stood to what was recomputed. What follows from one fault is not told again and again.

    ``shift``: how many leaves it had more than the log.
    """

    shift: int = 0
    root: bool = True
    map_root: bool = True


class Given(NamedTuple):
    """A batch whose jobs have been given out."""

    group: Group | None
    tasks: list[Task]


class Merge:
    """Takes batches in, one after the other, and adds to the faults. ``copy`` may become another one, see ``Copy.fork``."""

    def __init__(self, copy: Copy, cut: frozenset[int], promises: Promises, fork: Path, faults: Faults) -> None:
        """``cut``: partitions whose beginning has been deleted. ``fork``: a folder for the other copy."""
        self.copy, self._cut, self._promises, self._fork, self._faults = copy, cut, promises, fork, faults
        self._turns: dict[int, int] = {}
        self._seen: dict[tuple[Topic, int], Seen] = {}
        self._newest: dict[tuple[Topic, int], int] = {}
        for partition, at in copy.places().items():
            self._turns[partition] = at.turn
            self._newest[Topic.EVENTS, partition] = at.newest_event
            self._newest[Topic.ACTIONS, partition] = at.newest_action
        self._agreement = Agreement()
        self._ahead: set[tuple[Topic, int]] = set()
        self.waits = Waits(promises.now)
        self.counts: Counter[str] = Counter()
        self.schemas: set[bytes] = set()
        self.pending_since: int | None = None
        """Since when the oldest action waits for its outcome, milliseconds UTC."""
        self.waiting_since: int | None = None
        """Since when the oldest submission waits for a checkpoint over its event, milliseconds UTC.

        By the time that its event states: when the event itself was appended stands under no hash yet, and could be made anew.
        """

    def all(self, batches: Iterable[Batch], crew: Crew) -> None:
        """Take in all batches; the jobs of the next one are given out before one is taken in."""
        for given in _ahead(Given(batch.group, [crew.give(job) for job in batch.jobs]) for batch in batches):
            self._take(Given(given.group, [self._settled(task, crew) for task in given.tasks]))
            for task in given.tasks:
                task.job.file.unlink()

    def _settled(self, task: Task, crew: Crew) -> Task:
        """A job when it is done: once more if it began with an action that had had its turn in the job before it."""
        partition = task.job.extent.partition
        turn, turns = self._turns.get(partition, 0), task.result().turns
        if turns is not None and turns[0] < turn:
            task = crew.give(task.job._replace(turn=turn))
            turns = task.result().turns
        if turns is not None:
            self._turns[partition] = turns[1]
        return task

    def _take(self, given: Given) -> None:
        for task in given.tasks:
            self._note(task.result(), waits=given.group is None)
        agreement = self._agreement
        found, counts = self._put_together(given)
        if given.group is not None:
            if self.copy.kept and (self._faults.contradicts or found.contradicts):
                self.copy = self.copy.fork(self._fork)
                self._agreement = agreement
                found, counts = self._put_together(given)
            self.waits.measure(given.group, self.copy)
            self.copy.commit(self._places(), given.group.witnessed)
        self._faults.take(found)
        self.counts += counts

    def _places(self) -> dict[int, At]:
        """Up to where each partition has been taken in."""
        newest = self._newest
        return {
            one: At(turn, newest.get((Topic.EVENTS, one), NEVER), newest.get((Topic.ACTIONS, one), NEVER))
            for one, turn in self._turns.items()
        }

    def _note(self, checked: Checked, waits: bool) -> None:
        """What a job found by itself, and whether its times follow on those of the job before it."""
        partition = checked.job.extent.partition
        for topic, times in checked.times.items():
            newest = self._newest.get((topic, partition), NEVER)
            if times.ahead is not None and (topic, partition) not in self._ahead:
                self._ahead.add((topic, partition))
                self._faults.add(of_future(topic, partition, times.ahead, self._promises))
            if newest - times.first > self._promises.skew:
                found = f"{(newest - times.first) / 1000:.3f} s earlier than a record before it"
                self._faults.add(Fault(Kind.TIME_WENT_BACK, found, topic, partition, times.offset))
                newest = NEVER
            self._newest[topic, partition] = max(newest, times.newest)
        self._faults.take(checked.faults)
        self._seen.update({(topic, partition): seen for topic, seen in checked.seen.items()})
        self.counts += checked.counts
        self.counts["pending actions"] += checked.pending
        self.pending_since = earlier(self.pending_since, checked.waiting)
        if waits:
            self.counts["events under no checkpoint"] += checked.counts["events"]
        self.schemas |= checked.schemas

    def _put_together(self, given: Given) -> tuple[Faults, Counter[str]]:
        """The faults that show only between jobs, or between the log and a checkpoint; and what was checked."""
        tasks: dict[int, list[Task]] = {}
        for task in given.tasks:
            tasks.setdefault(task.job.extent.partition, []).append(task)
        pieces = {partition: Pieces(some) for partition, some in sorted(tasks.items())}
        found, counts = Faults(), Counter[str]()
        if given.group is None:
            for fault in self._waiting(pieces):
                found.add(fault)
            return found, counts
        for checkpoint, lines in given.group.cosigned:
            self.copy.file.cosigned(checkpoint, lines)
        for number, stated in enumerate(given.group.checkpoints):
            self.copy.begin_checkpoint(remembers=number == len(given.group.checkpoints) - 1)
            for fault in self._covered(number, pieces):
                found.add(fault)
            made = self.copy.seal(stated.offset, stated.appended_at, stated.record_hash, stated.note)
            for one in self._compare(stated, made, counts):
                found.add(Fault(*one, Topic.CHECKPOINTS, 0, stated.offset))
        return found, counts

    def _covered(self, number: int, pieces: Mapping[int, Pieces]) -> Iterator[Fault]:
        for partition, some in pieces.items():
            for start, piece in some.under(number):
                yield from self.copy.take(partition, start, piece, partition in self._cut)

    def _waiting(self, pieces: Mapping[int, Pieces]) -> Iterator[Fault]:
        for partition, some in pieces.items():
            for _, piece in some.under(0):
                yield from self.copy.take_waiting(partition, piece, partition in self._cut)
                self.waiting_since = earlier(self.waiting_since, piece.asked)

    def _compare(self, stated: Stated, made: Computed, counts: Counter[str]) -> Iterator[tuple[Kind, str]]:
        """What a checkpoint states otherwise than what was recomputed; a whole run of such ones is one fault."""
        before, shift = self._agreement, stated.said.size - made.size
        root = shift == 0 and stated.said.root == made.root
        now = self._agreement = Agreement(shift, root, stated.map_root == made.map_root)
        counts["roots"] += now.root
        counts["map roots"] += now.map_root
        counts["consistent checkpoints"] += now.root and before.root and stated.number > 0
        if not stated.sound:
            return
        if shift and shift != before.shift:
            yield Kind.SIZE_DIFFERS, f"{stated.said.size} leaves stated, {made.size} found"
        elif not shift and before.root and not now.root:
            yield Kind.ROOT_DIFFERS, f"root {stated.said.root.hex()} stated, {made.root.hex()} found"
        if before.map_root and not now.map_root:
            yield Kind.MAP_DIFFERS, f"map root {stated.map_root.hex()} stated, {made.map_root.hex()} found"

    def see_last(self, topic: Topic, record: Record) -> None:
        """Remember the last record of a topic that no job reads."""
        self._seen[topic, record.partition] = Seen(record.offset, leaf_hash(record.value or b""))

    def keep(self, witnessed: int) -> None:
        """Keep what was seen last for the next run, unless the log contradicts itself. ``witnessed`` as of ``Checkpoints``."""
        if self.copy.kept and not self._faults.contradicts:
            self.copy.commit_seen(self._seen, witnessed)


def _ahead(items: Iterable[Given]) -> Iterator[Given]:
    """The items, each when the one after it has been made."""
    waiting: Given | None = None
    for item in items:
        if waiting is not None:
            yield waiting
        waiting = item
    if waiting is not None:
        yield waiting
