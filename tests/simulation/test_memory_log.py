"""The log that the simulation runs on passes the kit that every log passes: so what is found on it means something."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from casetrail.eventlog.errors import LogExists, LogMissing, LogUnreachable, WriterFenced
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.eventlog.schemas import register_in_log
from tests.conformance import log_kit
from tests.conformance.log_kit import LogKit, Member, read_all
from tests.simulation.memory_log import Cluster, CommitUnderWay, Manner, MemoryGroup, MemoryLog


@pytest.mark.parametrize("manner", Manner, scope="class")
class TestMemoryLog(LogKit):
    @pytest.fixture
    def url(self, manner: Manner, monkeypatch: pytest.MonkeyPatch) -> str:
        clusters: dict[str, Cluster] = {}

        def open_log(url: str, options: Mapping[str, object] | None = None) -> MemoryLog:
            if url not in clusters:
                raise LogMissing("there is none; 'casetrail log init' makes one")
            return MemoryLog(clusters[url])

        def init_log(url: str, partitions: int, **_: Any) -> MemoryLog:
            if url in clusters:
                raise LogExists("there is one")
            log = MemoryLog(clusters.setdefault(url, Cluster("kit", partitions, manner=manner)))
            register_in_log(log)
            return log

        monkeypatch.setattr(log_kit, "open_log", open_log)
        monkeypatch.setattr(log_kit, "init_log", init_log)
        return "memory:kit"

    def test_a_new_writer_sees_all_that_a_killed_one_committed(
        self, log: Log, url: str, options: dict[str, object]
    ) -> None:
        """Its process is this one: it is killed by never being used again."""
        log.writer(0).append([Entry(b"k", b"committed")])
        writer = log.writer(0)
        last = log.last(Topic.EVENTS, 0)
        assert last is not None
        assert last.value == b"committed"
        writer.append([Entry(b"k", b"next")])
        assert [one.value for one in read_all(log, Topic.EVENTS)] == [b"committed", b"next"]

    def test_a_member_that_is_killed_is_replaced(self, log: Log, url: str, options: dict[str, object]) -> None:
        """The coordinator throws it out when it has been silent for too long."""
        killed, member = Member(log), Member(log)
        killed.group.poll(0.0)
        assert isinstance(log, MemoryLog)
        assert isinstance(killed.group, MemoryGroup)
        log.cluster.groups["kit"].leave(killed.group)
        member.group.poll(0.0)
        assert member.owned == {0, 1, 2}


class Stop(Exception):
    """Something stops right there."""


def stopping_before(cluster: Cluster, what: str, error: Exception) -> MemoryLog:
    """A log of which one call fails."""

    def step(now: str) -> None:
        if now == what:
            raise error

    return MemoryLog(cluster, step)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    yield Cluster("kit", 1)


def values(cluster: Cluster) -> list[bytes | None]:
    return [record.value for record in read_all(MemoryLog(cluster), Topic.EVENTS)]


def test_what_was_sent_before_a_crash_is_aborted_and_leaves_a_hole(cluster: Cluster) -> None:
    with pytest.raises(Stop):
        stopping_before(cluster, "commit events/0", Stop()).writer(0).append([Entry(b"k", b"1")])
    with pytest.raises(LogUnreachable, match="open"):
        MemoryLog(cluster).last(Topic.EVENTS, 0)
    MemoryLog(cluster).writer(0).append([Entry(b"k", b"2")])
    assert values(cluster) == [b"2"]
    assert MemoryLog(cluster).end_offsets(Topic.EVENTS) == {0: 4}  # aborted, its marker, the record, its marker


def test_a_commit_that_is_under_way_is_done_when_the_next_writer_opens(cluster: Cluster) -> None:
    log = stopping_before(cluster, "commit events/0", CommitUnderWay("no answer"))
    with pytest.raises(LogUnreachable):
        log.writer(0).append([Entry(b"k", b"1")])
    with MemoryLog(cluster).reader(Topic.EVENTS, {0: 0}) as reader:
        assert reader.poll(0.0) == []
    MemoryLog(cluster).writer(0)
    assert values(cluster) == [b"1"]


def test_a_zombie_that_was_fenced_while_it_committed_has_appended_nothing(cluster: Cluster) -> None:
    def step(now: str) -> None:
        if now == "commit events/0":
            MemoryLog(cluster).writer(0).append([Entry(b"k", b"2")])

    with pytest.raises(WriterFenced):
        MemoryLog(cluster, step).writer(0).append([Entry(b"k", b"1")])
    assert values(cluster) == [b"2"]


def test_partitions_move_when_a_member_comes(cluster: Cluster) -> None:
    cluster = Cluster("kit", 3)
    first, second = Member(MemoryLog(cluster)), Member(MemoryLog(cluster))
    first.group.poll(0.0)
    second.group.poll(0.0)
    assert first.owned | second.owned == {0, 1, 2}
    assert not first.owned & second.owned
    assert first.owned and second.owned
