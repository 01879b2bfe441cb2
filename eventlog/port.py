"""The log port: all that casetrail asks of the log that holds its history.

Two adapters satisfy it, the embedded log (one SQLite file) and Kafka. Both pass the conformance kit in
``tests/conformance``. The log knows nothing of cases: it keeps records, in order, and gives them back.

Reading never shows a record of a transaction that is still open or was aborted. Offsets grow within a partition,
but need not be dense: Kafka's transaction markers take up offsets too. So "the end is reached" is a comparison of
positions (``Reader.position(p) >= end_offsets()[p]``), never a count of records.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self


class Topic(StrEnum):
    """The topics of a log. ``actions`` and ``events`` have the log's partitions, the others have one."""

    ACTIONS = "actions"
    EVENTS = "events"
    CHECKPOINTS = "checkpoints"
    SCHEMAS = "schemas"


class Entry(NamedTuple):
    """What is to be appended. Without a ``partition`` the key decides (murmur2, as every Kafka client does)."""

    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Appended(NamedTuple):
    """Where an entry now stands in the log, for good. ``appended_at`` is the log's own time, milliseconds UTC."""

    partition: int
    offset: int
    appended_at: int


class Record(NamedTuple):
    """A record as the log holds it. ``appended_at`` is the log's append time in milliseconds since 1970, UTC.

    A broker can give any 64 bits as an append time, see ``values.is_append_time``.
    """

    partition: int
    offset: int
    appended_at: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


record_of: Final[Callable[[tuple[object, ...]], Record]] = partial(tuple.__new__, Record)
"""A record of its fields, in half the time that ``Record`` takes: for loops over very many."""


NO_TIME: Final = -1
"""Stands where a record has no append time, or what is none."""


class Flaw(NamedTuple):
    """Something that a cursor met and no log gives out, so it is no part of any record: where, and what.

    Whoever can write the files has put it there. An ``offset`` that is no whole number is that of no record.
    """

    partition: int
    offset: float
    found: str


class Weakness(NamedTuple):
    """A setting of a topic that no longer protects the history: what it is, what it must be, what that allows."""

    topic: str
    setting: str
    found: str
    required: str
    meaning: str


class Reader(Protocol):
    """A cursor over some partitions of one topic."""

    def poll(self, timeout: float, max_records: int = 5000) -> list[Record]:
        """The next records (offset order within a partition), waiting up to ``timeout`` seconds for the first one.

        Raises ``LogUnreachable`` when the log cannot be read, ``OffsetGone`` when the history before has been cut.
        """

    def position(self, partition: int) -> int:
        """The offset that this cursor would read next in ``partition``: past aborted records and markers too."""

    @property
    def flaws(self) -> Sequence[Flaw]:
        """What the last ``poll`` met and left out."""

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Writer(Protocol):
    """The one writer of a partition of a topic: opening a new one for the same partition fences this one."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Append all entries to this writer's partition in one transaction: after a crash either all or none are there.

        Raises ``WriterFenced`` when another writer has taken over (nothing was appended; the caller must stop
        writing to this partition), ``LogUnreachable`` when the outcome could not be learned.
        """

    def close(self) -> None: ...


class Group(Protocol):
    """Membership among recorders that share the partitions of ``actions``."""

    def poll(self, timeout: float, max_records: int = 2000) -> list[Record]:
        """Records of the partitions now owned; calls ``on_assigned`` and ``on_revoked`` when ownership changes."""

    def rewind(self, partition: int, offset: int) -> None:
        """Read ``partition`` again from ``offset``."""

    def owned(self) -> frozenset[int]: ...
    def close(self) -> None: ...


class Log(Protocol):
    """A log, opened. Safe for use by several threads, readers, writers and groups apart."""

    @property
    def name(self) -> str:
        """The log's name: one per jurisdiction."""

    @property
    def partitions(self) -> int:
        """How many partitions ``actions`` and ``events`` have. Fixed for the life of the log."""

    def append(self, topic: Topic, entries: Sequence[Entry], timeout: float = 30.0) -> list[Appended]:
        """Append and wait until every entry is durable; entries of one partition keep their order.

        Raises ``EntryTooLarge`` before anything is sent, ``LogUnreachable`` when not all were acknowledged in
        ``timeout`` seconds (some may have been appended all the same: submit again with the same action ids).
        """

    def reader(self, topic: Topic, start: Mapping[int, int]) -> Reader:
        """A cursor over the partitions that are keys of ``start``, each from the given offset."""

    def start_offsets(self, topic: Topic) -> dict[int, int]:
        """The first offset kept, per partition. Anything but 0 means that history has been cut away."""

    def end_offsets(self, topic: Topic) -> dict[int, int]:
        """The offset after the last one that is committed to all replicas, per partition (open transactions included)."""

    def last(self, topic: Topic, partition: int) -> Record | None:
        """The last committed record of a partition, waiting out what is still open; None when there is none."""

    def read_one(self, topic: Topic, partition: int, offset: int, timeout: float | None = None) -> Record | None:
        """The record at exactly that offset, or None.

        ``timeout``: seconds after which a question to the log is given up; None: as long as for any other.
        """

    def writer(self, partition: int, topic: Topic = Topic.EVENTS) -> Writer:
        """Become the writer of a partition: of ``events`` as its recorder, of ``checkpoints`` as the notary.

        Ends a predecessor's open transaction and fences it.
        """

    def join(
        self,
        group: str,
        on_assigned: Callable[[Iterable[int]], Mapping[int, int]],
        on_revoked: Callable[[Iterable[int]], None],
    ) -> Group:
        """Share the partitions of ``actions`` with the other members of ``group``.

        ``on_assigned`` gets the partitions that are newly owned and returns the offset to read each one from.
        ``on_revoked`` gets those that are owned no longer; their former owner must not write to them any more.
        """

    def weaknesses(self) -> list[Weakness]:
        """Every setting that protects the history less than ``log init`` set it."""

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
