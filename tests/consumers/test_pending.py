"""What waits for an outcome is measured in every partition, whoever owns it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from casetrail.consumers.health import Health
from casetrail.consumers.pending import Pending
from casetrail.consumers.recorder import Recorder
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Record, Topic
from casetrail.projections.case_store import CaseStore
from tests.actions import life


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    with EmbeddedLog.create(tmp_path / "log.db", "kcpd", 3) as log:
        yield log


def submit(log: EmbeddedLog, case_id: str, partition: int, count: int) -> None:
    entries = [Entry(one.case_id.encode(), encode_action(one), partition) for one in life(case_id)[:count]]
    log.append(Topic.ACTIONS, entries)


def record(log: EmbeddedLog) -> None:
    recorder = Recorder(log, CaseStore(":memory:", log.name))
    while recorder.step(0.0):
        pass
    recorder.close()


def test_what_waits_is_seen_also_where_no_recorder_owns_a_partition(log: EmbeddedLog) -> None:
    pending = Pending(log)
    submit(log, "C-1", 0, 2)
    record(log)
    submit(log, "C-1", 0, 3)
    submit(log, "C-2", 2, 1)
    assert pending.measure() == {0: 3, 1: 0, 2: 1}
    record(log)
    assert pending.measure() == {0: 0, 1: 0, 2: 0}


def test_the_end_of_a_partition_is_read_only_where_its_events_have_moved_on(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    last = log.last

    def noted(topic: Topic, partition: int) -> Record | None:
        asked.append(partition)
        return last(topic, partition)

    monkeypatch.setattr(log, "last", noted)
    pending = Pending(log)
    submit(log, "C-1", 1, 2)
    assert pending.measure() == pending.measure() == {0: 0, 1: 2, 2: 0}
    assert asked == []
    record(log)
    asked.clear()
    assert pending.measure() == pending.measure() == {0: 0, 1: 0, 2: 0}
    assert asked == [1]


def test_where_the_last_event_is_none_all_is_said_to_wait(log: EmbeddedLog) -> None:
    submit(log, "C-1", 0, 2)
    record(log)
    log.append(Topic.EVENTS, [Entry(b"C-1", b"no event", 0)])
    assert Pending(log).measure()[0] == 2


def test_the_metrics_name_each_partition(log: EmbeddedLog) -> None:
    submit(log, "C-2", 2, 1)
    said = Health(pending=Pending(log).measure).metrics()
    assert 'casetrail_pending{partition="1"} 0\n' in said and 'casetrail_pending{partition="2"} 1\n' in said
    assert "casetrail_pending_age_seconds" in said
