"""On a real broker: an honest log holds, and who gets past recorder and notary is found."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from casetrail.audit.faults import Fault, Kind
from casetrail.audit.verification.verify import Asked, Report, verify
from casetrail.eventlog.codec import decode_event, encode_event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Log, Topic
from tests.audit.verifying import POLICY
from tests.consumers.notarial import fill, notary_of, publish, records
from tests.servers.kafka import Broker

pytestmark = pytest.mark.broker


@pytest.fixture
def log(kafka_url: str, tmp_path: Path) -> Iterator[Log]:
    """Three partitions, some cases, two checkpoints: the transactions' markers take offsets too."""
    with init_log(kafka_url, partitions=3, replication=1, min_isr=1) as opened:
        fill(opened, [f"C-{number}" for number in range(20)])
        with notary_of(opened, tmp_path / "notary") as notary:
            publish(notary)
            fill(opened, ["C-1", "C-30", "C-31"])
            publish(notary)
        yield opened


def report(url: str, **asked: Any) -> Report:
    return verify(url, None, Asked(datetime.now(UTC), policy=POLICY, **asked))


def found(url: str, **asked: Any) -> list[Fault]:
    """All but what a cluster of one broker cannot do better."""
    return [one for one in report(url, **asked).faults.in_order() if one.kind is not Kind.COPIES_FEW]


def test_an_honest_log_holds_and_a_second_run_reads_nothing_again(log: Log, kafka_url: str, tmp_path: Path) -> None:
    whole = report(kafka_url, state=tmp_path / "state")
    assert whole.holds
    assert whole.faults.counts == {Kind.COPIES_FEW: 4}
    assert whole.checked["events"] == whole.checked["actions"] == 23 * 6
    assert [whole.checked[name] for name in ("checkpoints", "roots", "map roots")] == [2, 2, 2]
    assert whole.checked["settings"] == 36
    again = report(kafka_url, state=tmp_path / "state")
    assert again.holds
    assert again.checked["events"] == again.checked["actions"] == 0
    assert again.checked["cases"] == whole.checked["cases"] == 22


def test_submissions_that_wait_are_pending_and_no_fault(log: Log, kafka_url: str, tmp_path: Path) -> None:
    from casetrail.eventlog.port import Entry

    report(kafka_url, state=tmp_path / "state")
    log.append(Topic.ACTIONS, [Entry(f"C-{number}".encode(), b"?") for number in range(9)])
    for state in (None, tmp_path / "state", tmp_path / "state"):
        checked = report(kafka_url, state=state).checked
        assert checked["pending actions"] == 9
        assert report(kafka_url, state=state).holds


def test_an_insider_who_writes_an_event_past_the_recorder_is_found(log: Log, kafka: Broker, kafka_url: str) -> None:
    last = [record for record in records(log, Topic.EVENTS) if record.key == b"C-1"][-1]
    event = decode_event(last.value)
    forged = event._replace(number=event.number + 1, previous_hash=leaf_hash(last.value or b""))
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    producer.send(f"{log.name}.events", key=b"C-1", value=encode_event(forged), partition=last.partition)
    producer.close()
    (fault,) = found(kafka_url)
    assert (fault.kind, fault.topic, fault.partition) == (Kind.ANSWER_OUT_OF_TURN, Topic.EVENTS, last.partition)
    assert (fault.case_id, fault.found) == ("C-1", f"answers action {event.action_offset}")


def test_deleted_beginnings_are_found_and_the_rest_is_still_checked(log: Log, kafka: Broker, kafka_url: str) -> None:
    partition = records(log, Topic.EVENTS)[0].partition
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.delete_records({TopicPartition(f"{log.name}.events", partition): 4})
    admin.close()
    faults = found(kafka_url)
    assert [(one.kind, one.topic, one.partition) for one in faults] == [(Kind.HISTORY_CUT, Topic.EVENTS, partition)]
    assert report(kafka_url).checked["events"] == 23 * 6 - 4
