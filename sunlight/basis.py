"""What an edition rests on: views at one position of the log, and the newest checkpoint that covers no more than they do."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from casetrail.eventlog.port import Flaw, Log, Reader, Record, Topic
from casetrail.projections.database import Database, Row, SqliteDatabase, open_database
from casetrail.projections.errors import ViewError
from casetrail.projections.judgement_queries import horizon, judged_up_to, stale
from casetrail.projections.position import positions, snapshot
from casetrail.projections.rebuild import rebuild
from casetrail.proofs.checkpoint import parse_checkpoint
from casetrail.proofs.newest import newest_covering
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
    with snapshot(database):
        seen = _positions(database, log)
        latest = horizon(database)
        if latest is not None and now < latest:
            raise MomentTooEarly(
                f"the events speak of moments up to {latest:%Y-%m-%dT%H:%M:%SZ}: give --now no earlier, "
                "or count fewer events, with --from-log and --events"
            )
        basis = Basis(log.name, now, seen, checkpointed(log, seen), rules(database, now))
        with _beside(database) as other:
            return counted(database, now, other), basis


@contextmanager
def _beside(database: Database) -> Iterator[SqliteDatabase | None]:
    """The same views once more, at the same position; None where they have moved on by now, or where one cannot know."""
    if not isinstance(database, SqliteDatabase):
        yield None  # PostgreSQL works on one question with several processes anyway
        return
    with ExitStack() as stack:
        other = None
        with suppress(ViewError):  # one thread can count them all the same
            found = stack.enter_context(closing(database.beside()))
            stack.enter_context(snapshot(found))
            if _position(found) == _position(database):
                other = found
        yield other


def _position(database: Database) -> list[list[Row]]:
    """What every change of the views and their judgements changes, too."""
    return [database.rows(f"SELECT * FROM {table} ORDER BY 1") for table in ("tracking", "judged", "stale")]  # noqa: S608


def _positions(database: Database, log: Log) -> Positions:
    found = positions(database, log)
    judged = {partition: end for partition, end in judged_up_to(database, log.name).items() if end}
    if found != judged or stale(database):
        raise ViewsMoving("the judgements have not followed the views yet: try again in a moment, or give --from-log")
    return found


def checkpointed(log: Log, seen: Positions) -> Checkpointed | None:
    """The newest checkpoint that covers nothing but events before these positions; None where there is none."""
    found = newest_covering(log, seen)
    if found is None:
        return None
    said = parse_checkpoint(parse_note(found.note).text)
    return Checkpointed(found.note, said.origin, said.size, said.root, sum(seen.values()) - found.covered)
