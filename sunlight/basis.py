"""What an edition rests on: views at one position of the log, and the newest checkpoint that covers no more than they do."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from casetrail.domain.notarized import CheckpointPublished
from casetrail.eventlog.notarized import decode_notarized
from casetrail.eventlog.port import Flaw, Log, Reader, Record, Topic
from casetrail.eventlog.stream import Stream
from casetrail.projections.database import Database, PostgresDatabase, Row, SqliteDatabase, open_database
from casetrail.projections.errors import ViewMoved
from casetrail.projections.judgement_queries import horizon, judged_up_to, stale
from casetrail.projections.rebuild import rebuild
from casetrail.projections.tables import application_name
from casetrail.proofs.checkpoint import parse_checkpoint
from casetrail.proofs.note import parse_note
from casetrail.sunlight.counting import Counted, counted
from casetrail.sunlight.edition import Basis, Checkpointed
from casetrail.sunlight.errors import BeyondTheLog, MomentTooEarly, ViewsMoving
from casetrail.sunlight.rules import rules

if TYPE_CHECKING:
    from collections.abc import Callable

Positions = Mapping[int, int]
"""By partition of the events, the offset after the last one."""


class _Cut:
    """A reader that does not see what stands behind the end of each partition."""

    def __init__(self, reader: Reader, ends: Positions) -> None:
        self._reader, self._ends = reader, ends

    def poll(self, timeout: float, max_records: int = 5000) -> list[Record]:
        return [one for one in self._reader.poll(timeout, max_records) if one.offset < self._ends[one.partition]]

    def position(self, partition: int) -> int:
        return min(self._reader.position(partition), self._ends[partition])

    @property
    def flaws(self) -> Sequence[Flaw]:
        return self._reader.flaws

    def close(self) -> None:
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class UpTo:
    """A log as if it ended earlier: after the events before some offsets."""

    def __init__(self, log: Log, ends: Positions) -> None:
        """Raises ``BeyondTheLog`` for a partition or an offset that the log has not."""
        found = log.end_offsets(Topic.EVENTS)
        for partition, end in ends.items():
            if end > found.get(partition, -1):
                raise BeyondTheLog(f"partition {partition} of the log does not reach up to offset {end}")
        self._log, self._ends = log, {partition: ends.get(partition, 0) for partition in found}

    def end_offsets(self, topic: Topic) -> dict[int, int]:
        """Where each partition ends: the events earlier than they do."""
        return dict(self._ends) if topic is Topic.EVENTS else self._log.end_offsets(topic)

    def reader(self, topic: Topic, start: Mapping[int, int]) -> Reader:
        """A cursor that ends there, too."""
        reader = self._log.reader(topic, start)
        return _Cut(reader, self._ends) if topic is Topic.EVENTS else reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


@contextmanager
def views_from(
    log: Log,
    log_url: str,
    options: Mapping[str, object],
    ends: Positions | None,
    progress: "Callable[[int], None] | None",
) -> Iterator[Database]:
    """Views of the log that are made for this alone, from its events, and thrown away."""
    with tempfile.TemporaryDirectory(prefix="casetrail-") as folder:
        url = f"sqlite:{Path(folder) / 'views'}"
        cut: Any = log if ends is None else UpTo(log, ends)
        rebuild(cut, log_url, url, options, progress)
        database = open_database(url)
        try:
            yield database
        finally:
            database.close()


def take(database: Database, log: Log, now: datetime) -> tuple[Counted, Basis]:
    """Everything that is counted as of ``now``, at one position of the views, and what it rests on.

    Raises ``MomentTooEarly`` and ``ViewsMoving``.
    """
    with _snapshot(database):
        positions = _positions(database, log)
        latest = horizon(database)
        if latest is not None and now < latest:
            raise MomentTooEarly(
                f"the events speak of moments up to {latest:%Y-%m-%dT%H:%M:%SZ}: give --now no earlier, "
                "or count fewer events, with --from-log and --events"
            )
        basis = Basis(log.name, now, positions, checkpointed(log, positions), rules(database, now))
        with _beside(database) as other:
            return counted(database, now, other), basis


@contextmanager
def _snapshot(database: Database) -> Iterator[None]:
    """The database stays as it is for whoever looks, however it changes."""
    is_shared = isinstance(database, PostgresDatabase)
    database.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if is_shared else "BEGIN")
    try:
        yield
    finally:
        database.run("COMMIT")


@contextmanager
def _beside(database: Database) -> Iterator[SqliteDatabase | None]:
    """The same views once more, at the same position; None where they have moved on by now, or where one cannot know."""
    if not isinstance(database, SqliteDatabase):
        yield None  # PostgreSQL works on one question with several processes anyway
        return
    with ExitStack() as stack:
        other = None
        with suppress(ViewMoved):
            other = stack.enter_context(closing(database.beside()))
            stack.enter_context(_snapshot(other))
        yield other if other is not None and _position(other) == _position(database) else None


def _position(database: Database) -> list[list[Row]]:
    """What every change of the views and their judgements changes, too."""
    return [database.rows(f"SELECT * FROM {table} ORDER BY 1") for table in ("tracking", "judged", "stale")]  # noqa: S608


def _seen(database: Database, log: Log) -> Positions:
    seen: dict[str, int] = dict(database.rows("SELECT application_name, notification_id FROM tracking"))
    names = {partition: application_name(log.name, partition) for partition in range(log.partitions)}
    return {partition: seen[name] for partition, name in names.items() if seen.get(name)}


def _positions(database: Database, log: Log) -> Positions:
    found = _seen(database, log)
    judged = {partition: end for partition, end in judged_up_to(database, log.name).items() if end}
    if found != judged or stale(database):
        raise ViewsMoving("the judgements have not followed the views yet: try again in a moment, or give --from-log")
    return found


def checkpointed(log: Log, positions: Positions) -> Checkpointed | None:
    """The newest checkpoint that covers nothing but events before these positions; None where there is none."""
    covered: dict[int, int] = {}
    found = None
    for record in _published(log):
        covered |= {one.partition: max(one.end, covered.get(one.partition, 0)) for one in record.ranges}
        if any(end > positions.get(partition, 0) for partition, end in covered.items()):
            break
        said = parse_checkpoint(parse_note(record.note).text)
        later = sum(positions.values()) - sum(covered.values())
        found = Checkpointed(record.note, said.origin, said.size, said.root, later)
    return found


def _published(log: Log) -> Iterator[CheckpointPublished]:
    end = log.end_offsets(Topic.CHECKPOINTS)[0]
    with log.reader(Topic.CHECKPOINTS, {0: 0}) as reader:
        for record in Stream(reader, 0, end):
            made = decode_notarized(record.value)
            if isinstance(made, CheckpointPublished):
                yield made
