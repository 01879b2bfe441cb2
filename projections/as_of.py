"""Cases as they were at a past moment, folded from the log alone: no view is asked."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from casetrail.domain.case import Case
from casetrail.domain.due import next_due
from casetrail.domain.status import Status
from casetrail.domain.values import at_millis
from casetrail.eventlog.codec import decode_event
from casetrail.eventlog.outcome import History, follow
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.eventlog.stream import batches
from casetrail.projections.case_store import CaseStore

SAVE_EVERY: Final = 20_000

Progress = Callable[[int], None]


def replay(
    log: Log, case_id: str | None = None, moment: datetime | None = None, offset: int | None = None,
    progress: Progress | None = None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The status of one case, or of all, as the log stood at ``moment`` (recorded until then), or before ``offset``.

    Raises ``ChainBroken`` where an event does not follow from the one before it.
    """
    partitions = range(log.partitions)
    if case_id is not None:
        partitions = range(home := partition_for(case_id.encode(), log.partitions), home + 1)
    with tempfile.TemporaryDirectory(prefix="casetrail-") as directory:
        store = CaseStore(Path(directory) / "cases", log.name)
        for partition in partitions:
            for record in _until(log, partition, moment, offset, progress):
                _follow(store, record, case_id)
        store.save({})
        for _, history, _ in store.stored():
            yield status_row(history)
        store.close()


def _until(
    log: Log, partition: int, moment: datetime | None, offset: int | None, progress: Progress | None
) -> Iterator[Record]:
    """The events of a partition, as far as they count. An event counts from its action's append time on."""
    end = log.end_offsets(Topic.EVENTS)[partition]
    with log.reader(Topic.EVENTS, {partition: 0}) as reader:
        for records in batches(reader, {partition: end}):
            for record in records:
                if offset is not None and record.offset >= offset:
                    return
                if moment is not None and _is_later(record, moment):
                    return
                yield record
            if progress is not None:
                progress(len(records))


def _is_later(record: Record, moment: datetime) -> bool:
    """Whether the action that this event answers was appended after ``moment``. The event itself came later still."""
    return at_millis(record.appended_at) > moment and decode_event(record.value).recorded_at > moment


def _follow(store: CaseStore, record: Record, case_id: str | None) -> None:
    key = (record.key or b"").decode(errors="replace")
    if case_id is not None and key != case_id:
        return
    follow(store.cache.history(key), record)
    store.cache.changed(key, record.partition)
    if store.unsaved >= SAVE_EVERY:
        store.save({})


def status_row(history: History) -> dict[str, Any]:
    """The status of a folded case, with the names that the views use."""
    case: Case = history.case
    facts, due = case.facts, next_due(case)
    return {
        "case_id": case.id,
        "status": case.status.value,
        "holder": facts.holder,
        "unit": facts.unit or None,
        "agency": facts.agency or None,
        "offences": [offence.value for offence in facts.offences],
        "received_at": facts.received_at,
        "last_act_at": facts.last_act_at,
        "contacts": facts.contacts,
        "steps": facts.steps,
        "due": due.kind.value if due else None,
        "owed_by": due.owed_by if due else None,
        "due_at": due.at if due else None,
        "events": case.version,
        "last_hash": history.last_hash.hex(),
    }


def is_reported(row: dict[str, Any]) -> bool:
    """Whether a row is that of a case, not of submissions that name no case."""
    return bool(row["status"] != Status.UNREPORTED)
