"""Whatever ends a recorder, its state file holds what its position says: the next recorder goes on, and cries no wolf.

So does a notary's folder. All of this was found by the simulation.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from casetrail.audit.balance import balance
from casetrail.audit.replaying.replay import extents_of, replay_partition
from casetrail.consumers import recorder as recorder_module
from casetrail.consumers.notary import Notary
from casetrail.consumers.recorder import Recorder
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.port import Entry, Topic
from casetrail.projections.case_store import CaseStore, Position
from casetrail.projections.errors import ViewMoved
from tests.actions import life
from tests.consumers.notarial import KEY
from tests.simulation.memory_log import Cluster, MemoryLog

CASE = "C-1"


class Failing:
    """Lets calls through until it is told otherwise."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.what, self.after = "", 0

    def __call__(self, what: str) -> None:
        if self.error is not None and self.what in what:
            self.after -= 1
            if self.after < 0:
                raise self.error

    def fail(self, error: BaseException, what: str, after: int = 0) -> None:
        """Fail from now on, ``after`` so many calls of that name."""
        self.error, self.what, self.after = error, what, after


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster("test", 1)
    MemoryLog(cluster).append(Topic.ACTIONS, [Entry(CASE.encode(), encode_action(one)) for one in life(CASE)])
    return cluster


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    store = CaseStore(tmp_path / "state", "test")
    yield store
    store.close()


def assert_goes_on(cluster: Cluster, store: CaseStore) -> None:
    """A recorder that starts with this state file answers every action."""
    store.unlearn()
    recorder = Recorder(MemoryLog(cluster), store)
    while recorder.step(0.0):
        pass
    recorder.close()
    answered = [record for record in cluster.lanes[Topic.EVENTS][0].slots if record is not None]
    assert len(answered) == len(cluster.lanes[Topic.ACTIONS][0].slots)
    assert [history.case.version for _, history, _ in store.stored()] == [len(answered)]


def test_following_the_events_may_fail_halfway(
    cluster: Cluster, store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Recorder(MemoryLog(cluster), CaseStore(":memory:", "test"))
    first.step(0.0)
    cluster.groups.clear()
    monkeypatch.setattr(recorder_module, "BATCH", 2)
    failing = Failing()
    failing.fail(LogUnreachable("no answer"), "poll events", after=1)
    second = Recorder(MemoryLog(cluster, failing), store)
    with pytest.raises(LogUnreachable):
        second.step(0.0)
    second.close()
    assert_goes_on(cluster, store)


def test_a_recorder_that_takes_over_says_how_far_it_is_with_the_histories(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Recorder(MemoryLog(cluster), CaseStore(":memory:", "test"))
    first.step(0.0)
    cluster.groups.clear()
    monkeypatch.setattr(recorder_module, "BATCH", 2)
    last = len(life(CASE)) - 1
    told: list[str | None] = []
    second = Recorder(MemoryLog(cluster), CaseStore(":memory:", "test"), told=told.append)
    second.step(0.0)
    second.close()
    assert told[0] == f"folding the histories of partitions 0: partition 0, offset 1 of {last}"
    assert told[-1] is None and len(told) == last // 2 + 1


def test_the_log_may_be_out_of_reach_when_a_recorder_is_closed(cluster: Cluster, store: CaseStore) -> None:
    failing = Failing()
    recorder = Recorder(MemoryLog(cluster, failing), store)
    recorder.step(0.0)
    failing.fail(LogUnreachable("no answer"), "read the last of events")
    recorder.close()
    assert_goes_on(cluster, store)


def test_a_recorder_may_be_interrupted_while_it_decides(cluster: Cluster, store: CaseStore) -> None:
    failing = Failing()
    recorder = Recorder(MemoryLog(cluster, failing), store, batch=3)
    recorder.step(0.0)
    failing.fail(KeyboardInterrupt(), "send")
    with pytest.raises(KeyboardInterrupt):
        recorder.step(0.0)
    recorder.close()
    assert_goes_on(cluster, store)


def submit(cluster: Cluster) -> None:
    MemoryLog(cluster).append(Topic.ACTIONS, [Entry(CASE.encode(), encode_action(one)) for one in life(CASE)])


def test_a_partition_that_comes_back_is_not_decided_from_memory(
    cluster: Cluster, store: CaseStore, tmp_path: Path
) -> None:
    first = Recorder(MemoryLog(cluster), store)
    first.step(0.0)
    first.save()
    submit(cluster)
    other_store = CaseStore(tmp_path / "state", "test")  # two recorders of one machine share its state file
    other = Recorder(MemoryLog(cluster), other_store, "another")
    other.step(0.0)
    other.close()
    other_store.close()
    submit(cluster)
    cluster.groups["test.recorder"].generation += 1
    first.step(0.0)
    first.close()
    log = MemoryLog(cluster)
    assert [(one.faults, one.pending) for one in balance(log)] == [([], 0)]
    assert [replay_partition(log, extent).findings for extent in extents_of(log)] == [[]]
    assert [history.case.version for _, history, _ in store.stored()] == [18]


def test_a_recorder_that_stood_still_does_not_save_over_what_another_has_saved(
    cluster: Cluster, store: CaseStore, tmp_path: Path
) -> None:
    zombie = Recorder(MemoryLog(cluster), store)
    zombie.step(0.0)
    other = CaseStore(tmp_path / "state", "test")
    other.save({0: Position(1, bytes(32))})
    other.close()
    with pytest.raises(ViewMoved, match="partition 0"):
        zombie.save()
    assert store.position(0) == Position(1, bytes(32))
    assert list(store.stored()) == []
    zombie.close()


def test_a_notary_that_could_not_begin_leaves_its_folder_to_the_next(cluster: Cluster, tmp_path: Path) -> None:
    failing = Failing()
    failing.fail(LogUnreachable("no answer"), "ask where checkpoints end")
    with pytest.raises(LogUnreachable) as kept:
        Notary(MemoryLog(cluster, failing), tmp_path / "notary", KEY)
    Notary(MemoryLog(cluster), tmp_path / "notary", KEY).close()
    assert kept.value.code == "log-unreachable"  # whoever keeps the error keeps all that it had open
