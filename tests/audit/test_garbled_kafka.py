"""On a real broker, too: whatever times, keys, values and headers records have, the checks name the place, and each submission is answered."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import Producer

from casetrail.audit.balance import balance
from casetrail.audit.faults import Kind
from casetrail.audit.replaying.replay import replay
from casetrail.audit.verification.verify import Asked, verify
from casetrail.domain.values import EPOCH, LATEST, LATEST_MILLIS
from casetrail.eventlog.codec import decode_event, encode_action
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Log, Topic
from tests.actions import life
from tests.attacks.test_cluster_administrator import Cluster
from tests.audit.verifying import POLICY
from tests.consumers.notarial import fill, notary_of, publish, record, records
from tests.servers.kafka import Broker

pytestmark = pytest.mark.broker

TIMES: Final = (-1, -5, 2**62, 2**63 - 1, LATEST_MILLIS + 1)
Headers = list[tuple[str, str | bytes | None]]
ODD: Final[tuple[tuple[bytes | None, bytes | None, Headers], ...]] = (
    (None, b"?", [("", b""), ("nothing", None), ("traceparent", b"\xff")]),
    (b"C-1", None, []),
    (b"\xff\xff", b"", [("long", bytes(70_000))]),
)


@pytest.fixture
def log(kafka_url: str, tmp_path: Path) -> Iterator[Log]:
    with init_log(kafka_url, partitions=1, replication=1, min_isr=1) as opened:
        fill(opened, ["C-1", "C-2"])
        yield opened


@pytest.fixture
def cluster(kafka: Broker, log: Log) -> Iterator[Cluster]:
    made = Cluster(kafka, log.name)
    made.set(Topic.ACTIONS, message_timestamp_type="CreateTime", message_timestamp_after_max_ms=str(2**63 - 1))
    yield made
    made.admin.close()


@pytest.mark.parametrize("client", ["python", "confluent"])
def test_no_time_and_no_bytes_on_a_broker_end_a_check(
    log: Log, cluster: Cluster, kafka_url: str, tmp_path: Path, client: str
) -> None:
    start = log.end_offsets(Topic.ACTIONS)[0]
    producer = Producer({"bootstrap.servers": cluster.broker.bootstrap, "acks": "all"})
    for number, at in enumerate(TIMES):
        asked = encode_action(life(f"F-{number}")[0])
        producer.produce(f"{log.name}.actions", asked, f"F-{number}".encode(), 0, timestamp=at)
    for key, value, headers in ODD:
        producer.produce(f"{log.name}.actions", value, key, 0, headers=headers)
    assert producer.flush(60) == 0
    cluster.set(Topic.ACTIONS, message_timestamp_type="LogAppendTime", message_timestamp_after_max_ms="3600000")
    with open_log(kafka_url, {"client": client}) as opened:
        assert [one.appended_at for one in records(opened, Topic.ACTIONS)[start : start + len(TIMES)]] == list(TIMES)
        record(opened, len(TIMES) + len(ODD))
        answers = [decode_event(one.value) for one in records(opened, Topic.EVENTS)][-len(TIMES) - len(ODD) :]
        assert [one.recorded_at for one in answers[: len(TIMES)]] == [EPOCH, EPOCH, LATEST, LATEST, LATEST]
        with notary_of(opened, tmp_path / "notary") as notary:
            publish(notary)
        (counted,) = balance(opened)
        assert not counted.faults and not counted.pending
    (verdict,) = replay(kafka_url, {"client": client})
    assert not verdict.counts
    report = verify(kafka_url, {"client": client}, Asked(datetime.now(UTC), policy=POLICY))
    garbled = [one for one in report.faults.in_order() if one.kind is Kind.RECORD_GARBLED]
    assert [(one.topic, one.offset) for one in garbled] == [(Topic.ACTIONS, start + n) for n in range(len(TIMES))]
    assert set(report.faults.counts) == {Kind.COPIES_FEW, Kind.RECORD_GARBLED, Kind.CLOCK_DIFFERS}
