"""A past moment is the fold of what had been submitted until then, and of nothing else."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from casetrail.domain.case import Recorded
from casetrail.domain.clocks import clocks
from casetrail.domain.values import is_id
from casetrail.eventlog import stream
from casetrail.eventlog.codec import Event, decode_event
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.outcome import ChainBroken, History, follow
from casetrail.eventlog.port import Record, Topic
from casetrail.projections import spill
from casetrail.projections.as_of import is_reported, replay, status_row
from casetrail.projections.judging import END
from casetrail.projections.registry import registry_of
from tests.histories import Recording, recorded_log

MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    recording = Recording(tmp_path / "log", 18, cases=6, partitions=2)
    for _ in range(4):  # the recorder comes late: an event stands in the log hours after its action
        recording.go_on(25, most_at_once=3)
    yield recording.log
    recording.log.close()


def events(log: EmbeddedLog) -> list[tuple[Record, Event]]:
    """All events, partition by partition."""
    with log.reader(Topic.EVENTS, dict.fromkeys(range(log.partitions), 0)) as reader:
        records = reader.poll(0.0, 100_000)
    return [(record, decode_event(record.value)) for record in sorted(records)]


def folded(some: list[tuple[Record, Event]]) -> dict[str, dict[str, Any]]:
    """The status of each case after these events, among which are none of the registry."""
    histories: dict[str, History] = {}
    recorded: defaultdict[str, list[Recorded]] = defaultdict(list)
    for record, event in some:
        follow(histories.setdefault(event.case_id, History.empty(event.case_id)), record)
        recorded[event.case_id].append(event.recorded())
    found = {}
    for case_id, history in histories.items():
        every = clocks(case_id, recorded[case_id], registry_of([]).policies, END) if is_id(case_id) else []
        owed = sorted((one for one in every if one.is_owed), key=lambda one: (one.due_at, one.name))
        found[case_id] = status_row(history, owed[0] if owed else None)
    return found


def by_case(rows: Iterator[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["case_id"]: row for row in rows}


def test_every_moment_is_the_fold_of_what_was_submitted_until_then(log: EmbeddedLog) -> None:
    every = events(log)
    assert any(record.appended_at > event.recorded_at.timestamp() * 1000 for record, event in every)
    for moment in sorted({event.recorded_at for _, event in every}):
        for at in (moment - MILLISECOND, moment):
            until = [one for one in every if one[1].recorded_at <= at]
            assert by_case(replay(log, moment=at)) == folded(until)


def test_every_offset_is_the_fold_of_what_stands_before_it(log: EmbeddedLog) -> None:
    every = events(log)
    for offset in range(max(log.end_offsets(Topic.EVENTS).values()) + 2):
        before = [one for one in every if one[0].offset < offset]
        assert by_case(replay(log, offset=offset)) == folded(before)


def test_one_case_is_the_same_alone_as_among_all(log: EmbeddedLog) -> None:
    for case_id, row in by_case(replay(log)).items():
        if is_reported(row):
            assert list(replay(log, case_id)) == [row]
    assert list(replay(log, "no-such-case")) == []


def test_memory_that_holds_almost_nothing_changes_nothing(log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = by_case(replay(log))
    monkeypatch.setattr(spill, "KEPT_BYTES", 1)
    monkeypatch.setattr(spill, "EVENTS_A_FILE", 3)
    monkeypatch.setattr(stream, "POLL", 3)
    assert by_case(replay(log)) == expected


def test_progress_is_told_of_every_event(log: EmbeddedLog) -> None:
    told: list[int] = []
    list(replay(log, progress=told.append))
    assert sum(told) == 100


def test_an_event_that_does_not_follow_stops_a_replay(tmp_path: Path) -> None:
    with recorded_log(tmp_path / "log", 4, actions=60) as log:
        log.database.execute("DROP TRIGGER no_delete")
        log.database.execute("DELETE FROM record WHERE topic = 'events' AND offset = 10")
        with pytest.raises(ChainBroken, match="does not follow"):
            list(replay(log))
