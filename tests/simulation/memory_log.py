"""A log in memory that passes the kit of logs, and behaves as badly as the real ones may.

In the manner of Kafka: a transaction's records stand in the log before it is committed, its marker takes up an offset,
records that were aborted leave holes, partitions move between members of a group, and the broker's clock may go back. In
the manner of the embedded log: offsets are dense, time does not go back, one member owns all partitions.

Every call is a step: ``step`` is told of it before it takes effect, and may raise what it likes.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, Self

from casetrail.eventlog.embedded import Clock, wall_clock
from casetrail.eventlog.entries import places
from casetrail.eventlog.errors import LogUnreachable, WriterFenced
from casetrail.eventlog.port import Appended, Entry, Flaw, Record, Topic, Weakness

Step = Callable[[str], None]
"""Is told what is about to happen."""

Seen = Callable[[Topic, int, Sequence[Record]], None]
"""Is told of the records that can be read from now on."""


class Manner(StrEnum):
    """Which real log is imitated."""

    KAFKA = "kafka"
    EMBEDDED = "embedded"


def nothing(*_: object) -> None:
    """Do nothing."""


class Lane:
    """One partition of a topic. A slot without a record is a marker, or was aborted."""

    def __init__(self) -> None:
        self.slots: list[Record | None] = []
        self.opened_at: int | None = None
        self.decided = False  # the open transaction will be committed: only its answer was lost
        self.epoch = 0
        self.newest = 0

    def readable(self) -> int:
        """The offset up to which it can be read: where the open transaction begins, if there is one."""
        return len(self.slots) if self.opened_at is None else self.opened_at


class Cluster:
    """What is left of a log when all processes die: its records, its epochs, the membership of its groups."""

    def __init__(
        self, name: str, partitions: int, clock: Clock = wall_clock, manner: Manner = Manner.KAFKA, seen: Seen = nothing
    ) -> None:
        self.name, self.partitions, self.clock, self.manner, self.seen = name, partitions, clock, manner, seen
        self.lanes = {topic: [Lane() for _ in range(self.width(topic))] for topic in Topic}
        self.groups: dict[str, Members] = {}
        self.lock = threading.RLock()
        self.idle: Callable[[float], None] = nothing

    def width(self, topic: Topic) -> int:
        """How many partitions a topic has."""
        return self.partitions if topic in (Topic.ACTIONS, Topic.EVENTS) else 1

    def put(self, lane: Lane, partition: int, entries: Sequence[Entry]) -> list[Record]:
        """Append records, with the broker's time."""
        now, found = self.clock(), []
        if self.manner is Manner.EMBEDDED and lane in self.lanes[Topic.EVENTS]:
            now = max(now, self.lanes[Topic.ACTIONS][partition].newest)
        for entry in entries:
            at = max(now, lane.newest) if self.manner is Manner.EMBEDDED else now
            lane.newest = at
            record = Record(partition, len(lane.slots), at, entry.key, entry.value, entry.headers)
            lane.slots.append(record)
            found.append(record)
        return found

    def end(self, topic: Topic, partition: int, *, commit: bool) -> None:
        """End the open transaction of a lane."""
        lane = self.lanes[topic][partition]
        start, lane.opened_at, lane.decided = lane.opened_at, None, False
        assert start is not None
        records = [record for record in lane.slots[start:] if record is not None]
        if not commit:
            lane.slots[start:] = [None] * (len(lane.slots) - start)
        lane.slots.append(None)  # the marker
        if commit:
            self.seen(topic, partition, records)


class Members:
    """A group, as its coordinator knows it."""

    def __init__(self) -> None:
        self.order: list[MemoryGroup] = []
        self.generation = 0

    def join(self, member: "MemoryGroup") -> None:
        self.order.append(member)
        self.generation += 1

    def leave(self, member: "MemoryGroup") -> None:
        """A member has left, or was silent for too long."""
        if member in self.order:
            self.order.remove(member)
            self.generation += 1

    def share(self, member: "MemoryGroup", partitions: int, manner: Manner) -> list[int]:
        """The partitions of a member; none where it was given up while it was asking."""
        if member not in self.order:
            return []
        if manner is Manner.EMBEDDED:
            return list(range(partitions)) if self.order[0] is member else []
        place = self.order.index(member)
        return [one for one in range(partitions) if (one + self.generation) % len(self.order) == place]


class MemoryLog:
    """One process's way to a cluster. See ``port.Log`` for what its methods promise."""

    def __init__(self, cluster: Cluster, step: Step = nothing, owner: object = None) -> None:
        """``owner``: whose way it is; the log makes no use of it."""
        self.cluster, self.step, self.owner = cluster, step, owner

    @property
    def name(self) -> str:
        return self.cluster.name

    @property
    def partitions(self) -> int:
        return self.cluster.partitions

    def append(self, topic: Topic, entries: Sequence[Entry], timeout: float = 30.0) -> list[Appended]:
        cluster = self.cluster
        partitions = places(entries, cluster.width(topic))
        self.step(f"append to {topic}")
        appended = []
        with cluster.lock:
            for entry, partition in zip(entries, partitions, strict=True):
                (record,) = cluster.put(cluster.lanes[topic][partition], partition, (entry,))
                appended.append(Appended(partition, record.offset, record.appended_at))
                cluster.seen(topic, partition, (record,))
        self.step(f"hear of append to {topic}")
        return appended

    def reader(self, topic: Topic, start: Mapping[int, int]) -> "MemoryReader":
        self.step(f"open a reader of {topic}")
        return MemoryReader(self, topic, start)

    def start_offsets(self, topic: Topic) -> dict[int, int]:
        self.step(f"ask where {topic} begin")
        return dict.fromkeys(range(self.cluster.width(topic)), 0)

    def end_offsets(self, topic: Topic) -> dict[int, int]:
        self.step(f"ask where {topic} end")
        return {number: len(lane.slots) for number, lane in enumerate(self.cluster.lanes[topic])}

    def last(self, topic: Topic, partition: int) -> Record | None:
        self.step(f"read the last of {topic}/{partition}")
        lane = self.cluster.lanes[topic][partition]
        if lane.opened_at is not None:
            raise LogUnreachable(f"{topic}/{partition}: a transaction stays open at offset {lane.opened_at}")
        return next((record for record in reversed(lane.slots) if record is not None), None)

    def read_one(self, topic: Topic, partition: int, offset: int, timeout: float | None = None) -> Record | None:
        self.step(f"read {topic}/{partition} at {offset}")
        lane = self.cluster.lanes[topic][partition]
        return lane.slots[offset] if 0 <= offset < lane.readable() else None

    def writer(self, partition: int, topic: Topic = Topic.EVENTS) -> "MemoryWriter":
        self.step(f"open the writer of {topic}/{partition}")
        return MemoryWriter(self, topic, partition)

    def join(
        self,
        group: str,
        on_assigned: Callable[[Iterable[int]], Mapping[int, int]],
        on_revoked: Callable[[Iterable[int]], None],
    ) -> "MemoryGroup":
        self.step("join the group")
        members = self.cluster.groups.setdefault(group, Members())
        return MemoryGroup(self, members, on_assigned, on_revoked)

    def weaknesses(self) -> list[Weakness]:
        return []

    def close(self) -> None:
        """Nothing is held between calls."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MemoryReader:
    """A cursor. See ``port.Reader``."""

    flaws: Final[Sequence[Flaw]] = ()

    def __init__(self, log: MemoryLog, topic: Topic, start: Mapping[int, int]) -> None:
        self._log, self._topic, self._positions = log, topic, dict(start)

    def poll(self, timeout: float, max_records: int = 5000) -> list[Record]:
        self._log.step(f"poll {self._topic}")
        found: list[Record] = []
        lanes = self._log.cluster.lanes[self._topic]
        for partition in list(self._positions):
            before = len(found)
            self._read(lanes[partition], partition, found, max_records)
            if len(found) > before and len(self._positions) > 1:  # take turns
                self._positions[partition] = self._positions.pop(partition)
        if not found:
            self._log.cluster.idle(timeout)
        return found

    def _read(self, lane: Lane, partition: int, found: list[Record], most: int) -> None:
        position, stable, slots = self._positions[partition], lane.readable(), lane.slots
        while position < stable:
            if (record := slots[position]) is not None:
                if len(found) >= most:
                    break
                found.append(record)
            position += 1
        self._positions[partition] = position

    def position(self, partition: int) -> int:
        return self._positions[partition]

    def close(self) -> None:
        """Nothing is held between calls."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MemoryWriter:
    """The writer of a partition: the newest one, until another is opened."""

    def __init__(self, log: MemoryLog, topic: Topic, partition: int) -> None:
        self._log, self._topic, self._partition = log, topic, partition
        places([Entry(b"", b"", partition)], log.cluster.width(topic))
        self._lane = log.cluster.lanes[topic][partition]
        self._lane.epoch += 1
        self.epoch = self._lane.epoch
        if self._lane.opened_at is not None:
            log.cluster.end(topic, partition, commit=self._lane.decided)

    def append(self, entries: Sequence[Entry]) -> None:
        cluster, lane, where = self._log.cluster, self._lane, f"{self._topic}/{self._partition}"
        placed = [entry._replace(partition=self._partition) for entry in entries]
        places(placed, cluster.width(self._topic))
        self._log.step(f"send {len(placed)} to {where}")
        self._check()
        if cluster.manner is Manner.EMBEDDED:
            answered: Exception | None = None
            try:
                self._log.step(f"commit {where}")
            except CommitUnderWay as error:
                answered = error
            self._check()
            cluster.seen(self._topic, self._partition, cluster.put(lane, self._partition, placed))
            if answered is not None:
                raise answered
        else:
            if lane.opened_at is not None:  # its own last commit is still under way
                cluster.end(self._topic, self._partition, commit=lane.decided)
            lane.opened_at = len(lane.slots)
            cluster.put(lane, self._partition, placed)
            try:
                self._log.step(f"commit {where}")
            except CommitUnderWay:
                lane.decided = lane.epoch == self.epoch
                raise
            self._check()
            cluster.end(self._topic, self._partition, commit=True)
        self._log.step(f"hear of commit {where}")

    def _check(self) -> None:
        if self._lane.epoch != self.epoch:
            raise WriterFenced(f"{self._topic}/{self._partition}: another writer has taken over")

    def close(self) -> None:
        """Nothing is held between calls."""


class CommitUnderWay(LogUnreachable):
    """The commit was sent, and will be done; but the caller does not hear of it."""


LEFT: Final = -1


class MemoryGroup:
    """A member. See ``port.Group``. Partitions are handed on without waiting for who had them: that is what fencing is for."""

    def __init__(
        self,
        log: MemoryLog,
        members: Members,
        on_assigned: Callable[[Iterable[int]], Mapping[int, int]],
        on_revoked: Callable[[Iterable[int]], None],
    ) -> None:
        self.log, self._members = log, members
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._generation = LEFT
        self._owned: frozenset[int] = frozenset()
        self._reader = MemoryReader(log, Topic.ACTIONS, {})
        members.join(self)

    def poll(self, timeout: float, max_records: int = 2000) -> list[Record]:
        self.log.step("poll the group")
        if self not in self._members.order:
            self._members.join(self)  # it was silent for too long, and comes again
        if self._generation != self._members.generation:
            self._move()
        return self._reader.poll(timeout, max_records) if self._owned else []

    def _move(self) -> None:
        """Give up what it had, and take what it has now. What the owner raises comes out at the end, as from Kafka's client."""
        cluster, problem = self.log.cluster, None
        self._generation = self._members.generation
        given, self._owned = self._owned, frozenset()
        self._reader = MemoryReader(self.log, Topic.ACTIONS, {})
        try:
            if given:
                self._on_revoked(sorted(given))
        except Exception as error:
            problem = error
        self._owned = frozenset(self._members.share(self, cluster.partitions, cluster.manner))
        try:
            start = self._on_assigned(sorted(self._owned)) if self._owned else {}
            self._reader = MemoryReader(self.log, Topic.ACTIONS, start)
        except Exception as error:
            problem = problem or error
        if problem is not None:
            if cluster.manner is Manner.EMBEDDED:
                self._members.leave(self)
            self._generation = LEFT
            raise problem

    def rewind(self, partition: int, offset: int) -> None:
        self._reader._positions[partition] = offset

    def owned(self) -> frozenset[int]:
        return self._owned

    def close(self) -> None:
        try:
            if self._owned:
                self.log.step("leave the group")
                given, self._owned = self._owned, frozenset()
                self._on_revoked(sorted(given))
        finally:
            self._members.leave(self)
