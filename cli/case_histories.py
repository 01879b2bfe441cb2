"""The whole history of every case, from the log alone, one case after the other; and of one case, from the views.

All events are read and set aside by case first, so memory stays flat. That is work in proportion to the whole log.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from casetrail.cli.config import Config
from casetrail.cli.context import opened_log
from casetrail.domain.values import is_id

if TYPE_CHECKING:
    from casetrail.domain.case import Recorded
    from casetrail.projections.database import Database

    Hashed = tuple[Recorded, bytes]
    """An event, and its leaf hash."""

Progress = Callable[[int], None]


def count_events(config: Config) -> int:
    """How many events the log has."""
    from casetrail.eventlog.port import Topic

    with opened_log(config) as log:
        return sum(log.end_offsets(Topic.EVENTS).values())


def histories(
    config: Config, until: datetime | None = None, progress: Progress | None = None
) -> "Iterator[tuple[str, list[Recorded]]]":
    """Each case's id with its events in order: those that were recorded by ``until``, if that is given.

    Raises ``ChainBroken`` where an event does not follow from the one before it.
    """
    for case_id, events in hashed_histories(config, until, progress):
        yield case_id, [event for event, _ in events]


def hashed_histories(
    config: Config, until: datetime | None = None, progress: Progress | None = None
) -> "Iterator[tuple[str, Sequence[Hashed]]]":
    """The same, each event with its leaf hash."""
    from casetrail.eventlog.port import Topic
    from casetrail.projections.building import Share, set_aside

    with opened_log(config) as log:
        ends = log.end_offsets(Topic.EVENTS)
    with tempfile.TemporaryDirectory(prefix="casetrail-") as directory:
        share = Share(config.log_url(), dict(config.kafka), ends, Path(directory), "events")
        for path in set_aside(share, progress or _nobody).files:
            yield from _of_file(path, until)
            path.unlink()


def _of_file(path: Path, until: datetime | None) -> "Iterator[tuple[str, Sequence[Hashed]]]":
    from casetrail.eventlog.outcome import History, follow
    from casetrail.projections.spill import spilled

    cases: dict[str, tuple[History, list[Hashed]]] = {}
    for key, records in spilled(path):
        case_id = key.decode(errors="replace")
        if not is_id(case_id):  # submissions that belong to no case
            continue
        history, events = cases.setdefault(case_id, (History.empty(case_id), []))
        for record in records:
            event = follow(history, record)
            if until is None or event.recorded_at <= until:
                events.append((event.recorded(), history.last_hash))
    for case_id, (_, events) in cases.items():
        if events:
            yield case_id, events


def history_of(database: "Database", case_id: str, until: datetime | None = None) -> "list[Recorded]":
    """The events of one case in order, those that were recorded by ``until``, if that is given."""
    return [event for event, _ in hashed_history_of(database, case_id, until)]


def hashed_history_of(database: "Database", case_id: str, until: datetime | None = None) -> "list[Hashed]":
    """The same, each event with its leaf hash."""
    from casetrail.eventlog.codec import decode_event
    from casetrail.eventlog.hashing import leaf_hash
    from casetrail.projections.queries import timeline

    events = [(decode_event(value), leaf_hash(value)) for _, _, value in timeline(database, case_id)]
    return [(event.recorded(), leaf) for event, leaf in events if until is None or event.recorded_at <= until]


def hashed_history_in_log(config: Config, case_id: str, until: datetime | None = None) -> "list[Hashed]":
    """The same from the log alone: the case's partition is gone through. Raises ``ChainBroken``."""
    from casetrail.eventlog.outcome import History, follow
    from casetrail.eventlog.partitioner import partition_for
    from casetrail.eventlog.port import Topic
    from casetrail.eventlog.stream import Stream

    key, history = case_id.encode(), History.empty(case_id)
    found: list[Hashed] = []
    with opened_log(config) as log:
        home = partition_for(key, log.partitions)
        end = log.end_offsets(Topic.EVENTS)[home]
        with log.reader(Topic.EVENTS, {home: 0}) as reader:
            for record in Stream(reader, home, end):
                if record.key == key:
                    found.append((follow(history, record).recorded(), history.last_hash))
    return [(event, leaf) for event, leaf in found if until is None or event.timestamp <= until]


def _nobody(_: int) -> None:
    """Is told how much is done, and tells nobody."""
