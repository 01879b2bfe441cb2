"""A service submits to a log on a real broker, with a real recorder in a process of its own."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.errors import LogMissing, LogUnreachable
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Entry, Topic
from casetrail.publishing import Connection, OutcomePending, Receipt, connect
from tests.actions import INTAKE, action, life, report
from tests.publishing.recorders import recorder
from tests.servers.kafka import Broker, free_port, start_cluster

pytestmark = pytest.mark.broker
PARTITIONS = 4


@pytest.fixture
def url(kafka_url: str) -> str:
    """A new log with four partitions on the broker."""
    init_log(kafka_url, partitions=PARTITIONS, replication=1, min_isr=1).close()
    return kafka_url


def submit_cases(log: Connection, who: int, cases: int) -> list[str]:
    """Submit cases one action at a time and wait for each; what was wrong with any outcome."""
    wrong = []
    for number in range(cases):
        for place, one in enumerate(life(f"thread-{who}-case-{number}"), 1):
            outcome = log.wait(log.submit(one))
            if (outcome.result, outcome.event.action_id, outcome.event.number) != ("accepted", one.action_id, place):
                wrong.append(f"{one} was answered by {outcome}")
    return wrong


def test_without_a_recorder_the_outcome_is_pending_and_the_same_receipt_finds_it_later(
    url: str, tmp_path: Path
) -> None:
    with connect(url) as log:
        receipts = log.submit_many([one for number in range(8) for one in life(f"C-{number}")])
        began = time.monotonic()
        with pytest.raises(OutcomePending, match="is a recorder running"):
            log.wait_many(receipts, timeout=1)
        assert time.monotonic() - began < 4
        with recorder(url, tmp_path):
            outcomes = log.wait_many(receipts, timeout=60)
    assert [one.event.action_id for one in outcomes] == [one.action_id for one in receipts]
    assert all(one.result == "accepted" for one in outcomes)
    with connect(url) as another:  # a receipt lasts longer than the connection that gave it
        written = Receipt.from_dict(receipts[3].to_dict())
        assert another.wait(written).event.action_id == receipts[3].action_id
        assert [one.event for one in another.wait_many(receipts)] == [one.event for one in outcomes]


def test_refusals_duplicates_and_unreadable_submissions_are_answered(url: str, tmp_path: Path) -> None:
    one = action(report(), INTAKE)
    with recorder(url, tmp_path), connect(url) as log:
        receipts = log.submit_many([one, one])
        value = encode_action(action(report(), INTAKE, "not an id"))
        (where,) = log.log.append(Topic.ACTIONS, [Entry(b"not an id", value)])  # as a client that is not ours may
        receipts.append(Receipt(log.log.name, "not an id", bytes(16), *where, leaf_hash(value)))
        outcomes = log.wait_many(receipts, timeout=60)
        assert [(outcome.result, outcome.code) for outcome in outcomes] == [
            ("accepted", None),
            ("rejected", "duplicate-action"),
            ("unreadable", "bad-key"),
        ]


def test_one_submission_at_a_time_is_answered_by_its_own_outcome(url: str, tmp_path: Path) -> None:
    """How fast, the bench measures (``intake``): a test shares its machine with others."""
    with recorder(url, tmp_path), connect(url) as log:
        for number in range(300):
            receipt = log.submit(action(report(), INTAKE, f"C-{number}"))
            outcome = log.wait(receipt, timeout=60)
            assert (outcome.event.action_id, outcome.event.case_id) == (receipt.action_id, f"C-{number}")


def test_many_threads_submit_through_one_connection(url: str, tmp_path: Path) -> None:
    with recorder(url, tmp_path), connect(url) as log, ThreadPoolExecutor(16) as threads:
        log.wait(log.submit(action(report(), INTAKE, "first")), timeout=60)
        assert not any(threads.map(lambda who: submit_cases(log, who, 3), range(16)))
        assert sum(log.log.end_offsets(Topic.ACTIONS).values()) == 16 * 3 * 6 + 1


def test_an_old_receipt_finds_its_outcome_soon_among_very_many(url: str, tmp_path: Path) -> None:
    with recorder(url, tmp_path), connect(url) as log:
        receipts = []
        for part in range(10):
            receipts += log.submit_many([one for number in range(400) for one in life(f"part-{part}-case-{number}")])
        log.wait_many(receipts, timeout=120)
    with connect(url) as log:
        for receipt in (receipts[0], receipts[len(receipts) // 2], receipts[-1], receipts[5]):
            began = time.monotonic()
            assert log.wait(receipt).event.action_id == receipt.action_id
            assert time.monotonic() - began < 3
        assert len(log.wait_many(receipts)) == len(receipts)


def test_a_log_that_is_not_on_the_broker_is_named_soon(kafka: Broker) -> None:
    began = time.monotonic()
    with pytest.raises(LogMissing, match=r"'nobody' at .*casetrail log init"):
        connect(f"kafka://{kafka.bootstrap}/nobody")
    assert time.monotonic() - began < 15


def test_no_broker_at_the_address_is_said_soon() -> None:
    began = time.monotonic()
    with pytest.raises(LogUnreachable, match="are they running, and is the address right"):
        connect(f"kafka://127.0.0.1:{free_port()}/kcpd")
    assert time.monotonic() - began < 15


@pytest.mark.timeout(180)
def test_a_broker_that_goes_away_is_said_in_time_and_what_was_submitted_is_answered_later(tmp_path: Path) -> None:
    (broker,) = start_cluster(tmp_path / "kafka")
    try:
        url = f"kafka://{broker.bootstrap}/kcpd"
        init_log(url, partitions=PARTITIONS, replication=1, min_isr=1).close()
        with connect(url) as log:
            receipt = log.submit(action(report(), INTAKE))
            broker.stop()
            began = time.monotonic()
            with pytest.raises((LogUnreachable, OutcomePending)):
                log.wait(receipt, timeout=2)
            assert time.monotonic() - began < 20
            again = action(report(), INTAKE, "C-2")
            began = time.monotonic()
            with pytest.raises(LogUnreachable):
                log.submit(again, timeout=3)
            assert time.monotonic() - began < 20
            broker.start()
            with recorder(url, tmp_path / "recorder"):
                assert log.wait(receipt, timeout=60).result == "accepted"
                outcome = log.wait(log.submit(again), timeout=60)
                assert outcome.result == "accepted" or outcome.code == "duplicate-action"
    finally:
        broker.kill()
