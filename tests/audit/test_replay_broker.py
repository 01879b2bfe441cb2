"""The replay on a real broker, where transaction markers take up offsets of the events."""

import pytest

from casetrail.audit.replaying.findings import Kind
from casetrail.audit.replaying.replay import replay
from casetrail.consumers.recorder import OwnedPartition
from casetrail.eventlog.codec import decode_event, encode_action, encode_event
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.projections.case_store import CaseStore
from tests.actions import OTHER_SERGEANT, life
from tests.audit.replaying import cases
from tests.consumers.test_recorder import records

pytestmark = pytest.mark.broker


def record_in_transactions(log: Log, size: int = 7) -> None:
    """Answer all actions as the recorder does, a few in each transaction."""
    store = CaseStore(":memory:", log.name)
    for partition in range(log.partitions):
        owned = OwnedPartition(log, store, partition)
        pending = [one for one in records(log, Topic.ACTIONS) if one.partition == partition]
        for start in range(0, len(pending), size):
            owned.record(pending[start : start + size])
        owned.writer.close()
    store.close()


def test_an_insider_who_writes_past_the_recorder_is_found_on_a_broker(kafka_url: str) -> None:
    with init_log(kafka_url, partitions=2, replication=1, min_isr=1) as log:
        log.append(Topic.ACTIONS, [Entry(one.case_id.encode(), encode_action(one)) for one in cases(20)])
        record_in_transactions(log)
        assert sum(log.end_offsets(Topic.EVENTS).values()) > 120  # with the markers
        honest = replay(kafka_url)
        assert [one.findings for one in honest] == [[], []]
        assert (sum(one.compared for one in honest), sum(one.pending for one in honest)) == (120, 0)

        last = records(log)[-1]
        event = decode_event(last.value)
        (at,) = log.append(Topic.ACTIONS, [Entry(last.key, encode_action(life(event.case_id)[0]))])
        forged = event._replace(action_offset=at.offset, number=event.number + 1, actor=OTHER_SERGEANT)
        log.writer(last.partition).append([Entry(last.key, encode_event(forged))])
        (verdict,) = replay(kafka_url, case_id=event.case_id)
    assert (verdict.actions, verdict.compared) == (7, 7)
    assert {(one.case_id, one.action_offset) for one in verdict.findings} == {(event.case_id, at.offset)}
    assert {one.kind for one in verdict.findings} == {Kind.WRONGLY_ACCEPTED, Kind.MISATTRIBUTED, Kind.BACKDATED}
