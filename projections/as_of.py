"""Cases as they were at a past moment, folded from the log alone: no view is asked.

What was due next in them goes by the policies that were in force then, as the registry's events say up to the same moment.
"""

import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from casetrail.domain.case import Case, Recorded
from casetrail.domain.clock_runs import fold
from casetrail.domain.clocks import Clock, judged
from casetrail.domain.status import Status
from casetrail.domain.values import at_millis
from casetrail.eventlog.codec import decode_event
from casetrail.eventlog.outcome import History, follow
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Log, Record, Topic
from casetrail.eventlog.stream import batches
from casetrail.projections.judging import END, due_first, hashed, is_judged
from casetrail.projections.registry import REGISTRY_KEY, Registry, registry_of
from casetrail.projections.spill import Spill, spilled

Progress = Callable[[int], None]


def replay(
    log: Log, case_id: str | None = None, moment: datetime | None = None, offset: int | None = None,
    progress: Progress | None = None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The status of one case, or of all, as the log stood at ``moment`` (recorded until then), or before ``offset``.

    Raises ``ChainBroken`` where an event does not follow from the one before it.
    """
    keys = None if case_id is None else {case_id.encode(), REGISTRY_KEY}
    partitions = set(range(log.partitions) if keys is None else (partition_for(key, log.partitions) for key in keys))
    ends = {partition: end for partition, end in log.end_offsets(Topic.EVENTS).items() if partition in partitions}
    with tempfile.TemporaryDirectory(prefix="casetrail-") as directory:
        spill = Spill(Path(directory), "events", sum(ends.values()))
        registry = []
        for partition, end in ends.items():
            for records in _until(log, partition, end, moment, offset, progress):
                some = [record for record in records if keys is None or record.key in keys]
                spill.add(some)
                registry += [hashed(record.value or b"") for record in some if record.key == REGISTRY_KEY]
        known = registry_of(registry)
        for path in spill.close():
            for history, events in _histories(path):
                if case_id in (None, history.case.id):
                    yield status_row(history, due_first(owed(history.case.id, events, known)))
            path.unlink()


def _until(
    log: Log, partition: int, end: int, moment: datetime | None, offset: int | None, progress: Progress | None
) -> Iterator[list[Record]]:
    """The events of a partition, as far as they count. An event counts from its action's append time on."""
    with log.reader(Topic.EVENTS, {partition: 0}) as reader:
        for records in batches(reader, {partition: end}):
            counted = [record for record in records if offset is None or record.offset < offset]
            if moment is not None:
                later = (number for number, record in enumerate(counted) if _is_later(record, moment))
                counted = counted[: next(later, len(counted))]
            yield counted
            if len(counted) < len(records):
                return
            if progress is not None:
                progress(len(records))


def _is_later(record: Record, moment: datetime) -> bool:
    """Whether the action that this event answers was appended after ``moment``. The event itself came later still."""
    return at_millis(record.appended_at) > moment and decode_event(record.value).recorded_at > moment


def _histories(path: Path) -> Iterator[tuple[History, list[Recorded]]]:
    """The cases whose events are in a file, each with its events."""
    found: dict[str, tuple[History, list[Recorded]]] = {}
    for key, records in spilled(path):
        name = key.decode(errors="replace")
        history, events = found.setdefault(name, (History.empty(name), []))
        events += [follow(history, record).recorded() for record in records]
    yield from found.values()


def owed(case_id: str, events: list[Recorded], registry: Registry) -> list[Clock]:
    """The runs of a case's clocks that have not ended, by the policies that were adopted."""
    if not is_judged(case_id):
        return []
    runs = fold(case_id, events, registry.policies, END, registry.departures)
    return [clock for clock in judged(runs, END) if clock.is_owed]


def status_row(history: History, due: Clock | None) -> dict[str, Any]:
    """The status of a folded case, with the names that the views use."""
    case: Case = history.case
    facts = case.facts
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
        "clock": due.name if due else None,
        "owed_by": due.owed_by if due else None,
        "due_at": due.due_at if due else None,
        "events": case.version,
        "last_hash": history.last_hash.hex(),
    }


def is_reported(row: dict[str, Any]) -> bool:
    """Whether a row is that of a case, not of submissions that name no case."""
    return bool(row["status"] != Status.UNREPORTED)
