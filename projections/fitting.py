"""Whether views are of the log as it is: an older copy of it may have been restored beside them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from casetrail.eventlog.port import Log, Topic
from casetrail.projections.database import Database
from casetrail.projections.errors import ViewContradicted

BACK: Final = 2
"""Offsets in which the last event is looked for: behind it there may be a mark of Kafka's."""


def check_fit(
    database: Database, log: Log, positions: Mapping[int, int], judged: Mapping[int, int] = MappingProxyType({})
) -> None:
    """Raises ``ViewContradicted`` where the log has another event than the views just before where they stand, or ends before that.

    ``positions``: by partition the offset that the views have to see next. ``judged``: the same of the judgements, which may be
    ahead of the views. Without this what has been recorded since the copy was
    restored would be in no list: the views have seen that far already.
    """
    for partition, end in log.end_offsets(Topic.EVENTS).items():
        at = positions.get(partition, 0)
        if (seen := max(at, judged.get(partition, 0))) > end:
            raise _contradicted(partition, seen - 1, f"the log ends at offset {end}")
        for offset in range(at - 1, max(-1, at - 1 - BACK), -1):
            record = log.read_one(Topic.EVENTS, partition, offset)
            if record is None:
                continue
            rows = database.rows(
                "SELECT event FROM timeline WHERE case_id = ? AND partition = ? AND event_offset = ? ORDER BY number DESC LIMIT 1",
                ((record.key or b"").decode(errors="replace"), partition, offset),
            )
            if not rows or bytes(rows[0][0]) != record.value:
                raise _contradicted(partition, offset, "the log has another event there")
            break


def _contradicted(partition: int, offset: int, what: str) -> ViewContradicted:
    return ViewContradicted(
        f"the views have taken in an event at partition {partition}, offset {offset}, and {what}: it was replaced by an older copy, or "
        "its history altered. The views are left as they are, as what is lost may stand in them: keep a copy, see "
        "docs/operations.md, and make them anew ('casetrail views rebuild')"
    )
