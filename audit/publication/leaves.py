"""The leaves of a log's tree as the log stores them, in the order of the tree."""

from collections import deque
from collections.abc import Iterator

from casetrail.eventlog.port import Log, Record, Topic
from casetrail.eventlog.stream import batches
from casetrail.proofs.logtree import LogTree, TreeContradicted


class Cursor:
    """Reads one partition of a topic forwards, in stretches."""

    def __init__(self, log: Log, topic: Topic, partition: int, start: int) -> None:
        self._reader = log.reader(topic, {partition: start})
        self._partition = partition
        self._ahead: deque[Record] = deque()

    def until(self, end: int) -> Iterator[Record]:
        """The records that come before offset ``end``; take them all. Raises ``LogUnreachable``, ``OffsetGone``."""
        yield from self._before(end)
        if not self._ahead:
            for records in batches(self._reader, {self._partition: end}):
                self._ahead.extend(records)
                yield from self._before(end)

    def _before(self, end: int) -> Iterator[Record]:
        while self._ahead and self._ahead[0].offset < end:
            yield self._ahead.popleft()

    def close(self) -> None:
        """Stop reading."""
        self._reader.close()


class Leaves:
    """Reads the leaves of a tree from the log. Memory is flat. Close it."""

    def __init__(self, log: Log, tree: LogTree) -> None:
        self._log, self._tree = log, tree
        self._cursors: dict[tuple[Topic, int], Cursor] = {}

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Leaves ``start`` to ``end``, their stored bytes.

        Raises ``TreeContradicted`` where the log has fewer of them than its checkpoints say, ``LogUnreachable``.
        """
        covering = self._tree.file.covering(start)
        before = None if covering is None else self._tree.file.numbered(covering.number - 1)
        at = 0 if before is None else before.size
        segments = self._tree.file.segments_from(at)
        segment = next(segments, None)
        while at < end:
            if segment is None or segment.first_leaf != at:
                values, count = iter([self._checkpoint(at)]), 1
            else:
                values, count = self._events(segment.partition, segment.start, segment.end), segment.leaves
                segment = next(segments, None)
            position = at
            for position, value in enumerate(values, at + 1):
                if start < position <= end:
                    yield value
            if position != at + count:
                raise TreeContradicted(
                    f"the log has {position - at} of the {count} records that a checkpoint covers as leaves from {at} on: "
                    "some were removed or added afterwards"
                )
            at = position

    def _checkpoint(self, leaf: int) -> bytes:
        """The stored record of the checkpoint that is this leaf: its tree was as large as the leaf's number."""
        sealed = self._tree.file.of_size(leaf)
        assert sealed is not None  # what is not in a segment is a checkpoint
        for record in self._cursor(Topic.CHECKPOINTS, 0, sealed.offset).until(sealed.offset + 1):
            if record.offset == sealed.offset:
                return record.value or b""
        raise TreeContradicted(f"the log no longer has the checkpoint at offset {sealed.offset} of its checkpoints")

    def _events(self, partition: int, start: int, end: int) -> Iterator[bytes]:
        for record in self._cursor(Topic.EVENTS, partition, start).until(end):
            yield record.value or b""

    def _cursor(self, topic: Topic, partition: int, start: int) -> Cursor:
        if (topic, partition) not in self._cursors:
            self._cursors[topic, partition] = Cursor(self._log, topic, partition, start)
        return self._cursors[topic, partition]

    def close(self) -> None:
        """Stop reading."""
        for cursor in self._cursors.values():
            cursor.close()
