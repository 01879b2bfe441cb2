"""Many threads wait through one connection, and nobody's outcome is lost, swapped or delayed by another's waiting."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from casetrail.consumers.inprocess import state_file
from casetrail.consumers.recorder import Recorder
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Topic
from casetrail.projections.case_store import CaseStore
from casetrail.publishing import Connection, OutcomePending, connect, outcomes
from casetrail.publishing.outcomes import OutcomeWatch, Place
from tests.actions import INTAKE, action, life, report

THREADS = 24


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A new log with three partitions."""
    file = tmp_path / "kcpd.db"
    init_log(f"sqlite:{file}", partitions=3).close()
    return file


@contextmanager
def recording(path: Path) -> Iterator[None]:
    """A recorder that is not the submitter's own, as on Kafka."""
    stop = threading.Event()

    def record() -> None:
        with EmbeddedLog.open(path) as log:
            store = CaseStore(state_file(log), log.name)
            recorder = Recorder(log, store)
            while not stop.is_set():
                recorder.step(0.02)
            recorder.close()
            store.close()

    thread = threading.Thread(target=record)
    thread.start()
    yield
    stop.set()
    thread.join()


def submit_cases(log: Connection, who: int, cases: int) -> list[str]:
    """Submit cases one action at a time and wait for each; what was wrong with any outcome."""
    wrong = []
    for number in range(cases):
        for place, one in enumerate(life(f"thread-{who}-case-{number}"), 1):
            outcome = log.wait(log.submit(one))
            if (outcome.result, outcome.event.action_id, outcome.event.number) != ("accepted", one.action_id, place):
                wrong.append(f"{one} was answered by {outcome}")
    return wrong


def test_each_thread_gets_the_outcomes_of_its_own_receipts(path: Path) -> None:
    with connect(f"sqlite:{path}") as log, ThreadPoolExecutor(THREADS) as threads:
        assert not any(threads.map(lambda who: submit_cases(log, who, 2), range(THREADS)))
        assert sum(log.log.end_offsets(Topic.ACTIONS).values()) == THREADS * 2 * 6
        assert log.log.end_offsets(Topic.ACTIONS) == log.log.end_offsets(Topic.EVENTS)


def test_threads_share_what_one_of_them_reads(path: Path) -> None:
    with recording(path), connect(f"sqlite:{path}") as log, ThreadPoolExecutor(THREADS) as threads:
        log._recorder = None
        assert not any(threads.map(lambda who: submit_cases(log, who, 2), range(THREADS)))


def test_an_outcome_does_not_wait_for_somebody_who_waits_in_vain(path: Path) -> None:
    with recording(path), connect(f"sqlite:{path}") as log, ThreadPoolExecutor(THREADS) as threads:
        log._recorder = None
        log.wait(log.submit(action(report(), INTAKE, "first")))
        vain = [Place(partition, 1_000_000 + number) for partition in range(3) for number in range(5)]
        waiting = [threads.submit(log._watch.find, [place], 2.0) for place in vain]
        took = []
        for number in range(30):
            began = time.monotonic()
            log.wait(log.submit(action(report(), INTAKE, f"C-{number}")))
            took.append(time.monotonic() - began)
        assert sorted(took)[15] < 0.1, "waiting takes turns of a tenth of a second"
        assert [one.result() for one in waiting] == [{}] * len(vain)


def test_closing_while_others_wait_lets_them_go(path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        log = connect(f"sqlite:{path}")
        log._recorder = None
        receipts = log.submit_many(life("C-1"))
        waiting = [threads.submit(log.wait, receipt, timeout=60) for receipt in receipts[:4]]
        time.sleep(0.3)
        began = time.monotonic()
        log.close()
        for one in waiting:
            with pytest.raises(LogUnreachable, match="has been closed"):
                one.result()
        assert time.monotonic() - began < 2


def test_what_was_read_past_and_forgotten_is_found_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "RECENT_BYTES", 5_000)
    with recording(path), connect(f"sqlite:{path}") as log:
        log._recorder = None
        receipts = log.submit_many([one for number in range(50) for one in life(f"C-{number}")])
        last = {receipt.partition: receipt for receipt in receipts}
        log.wait_many(list(last.values()))
        assert log._watch._recent._bytes <= 5_000
        for receipt in (receipts[0], receipts[3], receipts[-1]):
            assert log.wait(receipt, timeout=2).event.action_id == receipt.action_id
        assert [one.event.action_id for one in log.wait_many(receipts)] == [one.action_id for one in receipts]
        assert log._watch._recent._bytes <= 5_000


def test_nothing_is_kept_of_waits_that_have_ended(path: Path) -> None:
    with connect(f"sqlite:{path}") as log:
        log._recorder = None
        receipts = log.submit_many(life("C-1"))
        for _ in range(3):
            with pytest.raises(OutcomePending):
                log.wait_many(receipts, timeout=0)
        assert log._watch._waits == {}


def test_after_a_long_pause_the_history_between_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "IDLE", 0.0)
    monkeypatch.setattr(outcomes, "FAR_BEHIND", 100)
    with connect(f"sqlite:{path}") as log, connect(f"sqlite:{path}") as other:
        log.wait(log.submit(action(report(), INTAKE, "before")))
        first = log._watch._tail
        receipts = other.submit_many([one for number in range(100) for one in life(f"C-{number}")])
        other.wait_many(receipts)
        assert log.wait(log.submit(action(report(), INTAKE, "after"))).result == "accepted"
        assert log._watch._tail is not first
        assert log.wait(receipts[300]).event.action_id == receipts[300].action_id


def test_a_gap_without_events_does_not_end_a_search(path: Path) -> None:
    """As with foreign records in ``LOG.events``, which no recorder writes: they answer nothing, and are passed."""
    with connect(f"sqlite:{path}") as log:
        before = log.submit_many([one for number in range(200) for one in life(f"C-{number}")])
        log.wait_many(before)
        _append_garbage(log, 30)
        with connect(f"sqlite:{path}") as other:
            assert _ids(other, before[:1]) == _ids(log, before[:1])


def _append_garbage(log: Connection, count: int) -> None:
    from casetrail.eventlog.port import Entry

    entries = [Entry(b"x", b"not an event", partition) for partition in range(3) for _ in range(count)]
    log.log.append(Topic.EVENTS, entries)


def _ids(log: Connection, receipts: Sequence[Any]) -> list[bytes]:
    watch = OutcomeWatch(log.log)
    found = watch.find([Place(one.partition, one.offset) for one in receipts], 5)
    watch.close()
    return [record.value[69:85] for record in found.values() if record.value is not None]
