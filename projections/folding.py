"""Folding a batch of events: each case is brought up to date once, whatever the number of its events."""

from collections import Counter
from collections.abc import Sequence

from casetrail.eventlog.outcome import follow
from casetrail.eventlog.port import Record
from casetrail.projections.cache import HistoryCache
from casetrail.projections.rows import Row, intake_measures, outcome_of, timeline_row


class Batch:
    """What a sequence of events changes in the views. The histories themselves change in the cache."""

    def __init__(self) -> None:
        self.timeline: list[Row] = []
        self.outcomes: Counter[tuple[int, str]] = Counter()
        self._before: dict[str, list[tuple[str, str, str, str]]] = {}

    def fold(self, records: Sequence[Record], cache: HistoryCache) -> None:
        """Follow these events. Raises ``ChainBroken`` or ``Unreadable`` where they were not written by a recorder."""
        case_ids = [(record.key or b"").decode(errors="replace") for record in records]
        cache.prepare(case_ids)
        for case_id, record in zip(case_ids, records, strict=True):
            history = cache.history(case_id)
            if case_id not in self._before:
                self._before[case_id] = intake_measures(history.case)
            event = follow(history, record)
            cache.changed(case_id, record.partition)
            self.timeline.append(timeline_row(record, event))
            self.outcomes[record.partition, outcome_of(event)] += 1

    def intake_changes(self, cache: HistoryCache) -> Counter[tuple[str, str, str, str]]:
        """By how much the intake counts differ from before the batch; only what has changed."""
        changes: Counter[tuple[str, str, str, str]] = Counter()
        for case_id, before in self._before.items():
            changes.update(intake_measures(cache.history(case_id).case))
            changes.subtract(before)
        return Counter({where: change for where, change in changes.items() if change})
