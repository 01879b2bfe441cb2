"""What every log must do. An adapter passes when a subclass of ``LogKit`` with a ``url`` fixture passes."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from casetrail.eventlog.errors import EntryTooLarge, LogExists, LogMissing, WriterFenced
from casetrail.eventlog.limits import MOST_BYTES
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Entry, Group, Log, Record, Topic

SETTINGS: dict[str, Any] = {"partitions": 3, "replication": 1, "min_isr": 1}
OPTIONS = {"session_timeout_ms": "1500", "heartbeat_interval_ms": "300"}


def read_all(log: Log, topic: Topic, start: Mapping[int, int] | None = None) -> list[Record]:
    """Everything up to the end, by position."""
    ends = log.end_offsets(topic)
    found: list[Record] = []
    until = time.monotonic() + 30
    with log.reader(topic, start or dict.fromkeys(ends, 0)) as reader:
        while any(reader.position(one) < ends[one] for one in (start or ends)):
            found += reader.poll(0.5)
            assert time.monotonic() < until, "the end was not reached"
    return found


def options_for(url: str) -> dict[str, object]:
    """Short sessions for Kafka, so that a dead member is noticed soon."""
    return dict(OPTIONS) if url.startswith("kafka:") else {}


class Member:
    """A member of the group, with what it was told."""

    def __init__(self, log: Log) -> None:
        self.owned: set[int] = set()
        self.seen: list[Record] = []
        self.group: Group = log.join("kit", self._assigned, self._revoked)

    def _assigned(self, partitions: Iterable[int]) -> Mapping[int, int]:
        self.owned |= set(partitions)
        return dict.fromkeys(partitions, 0)

    def _revoked(self, partitions: Iterable[int]) -> None:
        self.owned -= set(partitions)


def hold_for_ever(url: str, options: dict[str, object], ready: Any) -> None:
    """Join the group, own what there is, and never leave."""
    with open_log(url, options) as log:
        member = Member(log)
        while True:
            member.group.poll(0.2)
            if member.owned:
                ready.set()


def write_and_hang(url: str, options: dict[str, object], ready: Any) -> None:
    """Become the writer, commit one batch, say so, and hang."""
    with open_log(url, options) as log:
        writer = log.writer(0)
        writer.append([Entry(b"k", b"committed")])
        ready.set()
        time.sleep(600)


def started(target: Callable[[str, dict[str, object], Any], None], url: str, options: dict[str, object]) -> BaseProcess:
    """A process that runs ``target`` and has said that it is ready."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=target, args=(url, options, ready))
    process.start()
    assert ready.wait(30)
    return process


class LogKit:
    """The kit."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def options(self, url: str) -> dict[str, object]:
        """What the log is opened with."""
        return options_for(url)

    @pytest.fixture
    def log(self, url: str, options: dict[str, object]) -> Iterator[Log]:
        init_log(url, options=options, **SETTINGS).close()
        with open_log(url, options) as opened:
            yield opened

    def test_records_come_back_as_they_were_appended(self, log: Log) -> None:
        headers = (("traceparent", b"00-1"), ("empty", b""))
        entries = [
            Entry(b"k", b"value", 1, headers),
            Entry(None, b"v", 1),
            Entry(b"k", None, 1),
            Entry(b"", b"\x00\xff", 1),
        ]
        appended = log.append(Topic.ACTIONS, entries)
        found = read_all(log, Topic.ACTIONS)
        assert [(one.key, one.value, one.headers) for one in found] == [(e.key, e.value, e.headers) for e in entries]
        assert [(one.partition, one.offset, one.appended_at) for one in found] == [tuple(one) for one in appended]

    def test_entries_of_a_partition_keep_their_order(self, log: Log) -> None:
        log.append(Topic.ACTIONS, [Entry(b"k", b"%d" % number, number % 3) for number in range(999)])
        found = read_all(log, Topic.ACTIONS)
        for partition in range(3):
            values = [int(one.value or b"") for one in found if one.partition == partition]
            assert values == list(range(partition, 999, 3))

    @pytest.mark.parametrize("count", [1, 40, 4000])
    def test_each_of_many_entries_stands_where_its_append_said(self, log: Log, count: int) -> None:
        log.append(Topic.ACTIONS, [Entry(b"before", b"v", 1)])
        entries = [
            Entry(
                None if number % 7 == 1 else b"k%d" % number,
                None if number % 7 == 2 else b"v%d" % number * (number % 50),
                number * number % 3,
                (("traceparent", b"00-%d" % number), ("empty", b"")) if number % 5 == 0 else (),
            )
            for number in range(count)
        ]
        appended = log.append(Topic.ACTIONS, entries)
        found = {(one.partition, one.offset): one for one in read_all(log, Topic.ACTIONS)}
        assert len(found) == count + 1
        for entry, where in zip(entries, appended, strict=True):
            record = found[where.partition, where.offset]
            assert (record.key, record.value, record.headers) == (entry.key, entry.value, entry.headers)
            assert (record.partition, record.appended_at) == (entry.partition, where.appended_at)

    def test_threads_that_append_at_once_keep_their_own_order(self, log: Log) -> None:
        def append(thread: int) -> None:
            for start in range(0, 300, 5 if thread % 2 else 60):
                numbers = range(start, start + (5 if thread % 2 else 60))
                log.append(Topic.ACTIONS, [Entry(b"%d" % thread, b"%d" % number, number % 3) for number in numbers])

        with ThreadPoolExecutor(6) as pool:
            for done in [pool.submit(append, thread) for thread in range(6)]:
                done.result()
        found = read_all(log, Topic.ACTIONS)
        for thread in range(6):
            for partition in range(3):
                mine = [one for one in found if (one.key, one.partition) == (b"%d" % thread, partition)]
                assert [int(one.value or b"") for one in mine] == list(range(partition, 300, 3))

    def test_the_key_decides_the_partition(self, log: Log) -> None:
        keys = [f"case-{number}".encode() for number in range(50)]
        log.append(Topic.ACTIONS, [Entry(key, b"v") for key in keys])
        for one in read_all(log, Topic.ACTIONS):
            assert one.partition == partition_for(one.key or b"", 3)

    def test_the_log_stamps_the_time_and_it_does_not_go_back(self, log: Log) -> None:
        before = time.time() * 1000 - 1000
        for number in range(5):
            log.append(Topic.ACTIONS, [Entry(b"k", b"%d" % number, 0)])
        times = [one.appended_at for one in read_all(log, Topic.ACTIONS)]
        assert times == sorted(times)
        assert before < times[0] <= times[-1] < time.time() * 1000 + 1000

    def test_the_end_is_a_position(self, log: Log) -> None:
        assert log.end_offsets(Topic.EVENTS) == {0: 0, 1: 0, 2: 0}
        for _ in range(3):
            log.writer(1).append([Entry(b"k", b"v")] * 2)
        end = log.end_offsets(Topic.EVENTS)[1]
        assert end >= 6
        with log.reader(Topic.EVENTS, {1: 0}) as reader:
            found = []
            while reader.position(1) < end:
                found += reader.poll(1.0)
            assert len(found) == 6
            assert reader.poll(0.5) == []  # the last transaction's marker may come a moment after its commit
            assert reader.position(1) == log.end_offsets(Topic.EVENTS)[1]

    def test_reading_begins_where_it_is_told_to(self, log: Log) -> None:
        log.append(Topic.ACTIONS, [Entry(b"k", b"%d" % number, 2) for number in range(10)])
        assert [one.value for one in read_all(log, Topic.ACTIONS, {2: 7})] == [b"7", b"8", b"9"]

    def test_no_more_records_than_asked_for(self, log: Log) -> None:
        log.append(Topic.ACTIONS, [Entry(b"k", b"v", 0)] * 100)
        with log.reader(Topic.ACTIONS, {0: 0, 1: 0, 2: 0}) as reader:
            assert 0 < len(reader.poll(5.0, 7)) <= 7

    def test_a_reader_sees_what_is_appended_later(self, log: Log, url: str, options: dict[str, object]) -> None:
        with log.reader(Topic.ACTIONS, {0: 0, 1: 0, 2: 0}) as reader, open_log(url, options) as other:
            assert reader.poll(0.1) == []
            other.append(Topic.ACTIONS, [Entry(b"k", b"later")])
            assert [one.value for one in reader.poll(5.0)] == [b"later"]

    def test_the_last_record_is_found(self, log: Log) -> None:
        assert log.last(Topic.EVENTS, 0) is None
        writer = log.writer(0)
        for number in range(3):
            writer.append([Entry(b"k", b"%d" % number), Entry(b"k", b"%d'" % number)])
        last = log.last(Topic.EVENTS, 0)
        assert last is not None
        assert last.value == b"2'"
        assert log.read_one(Topic.EVENTS, 0, last.offset) == last
        assert log.read_one(Topic.EVENTS, 0, last.offset + 100) is None
        assert log.last(Topic.EVENTS, 1) is None

    def test_nothing_is_cut_away_from_a_new_log(self, log: Log) -> None:
        log.append(Topic.ACTIONS, [Entry(b"k", b"v")])
        assert set(log.start_offsets(Topic.ACTIONS).values()) == {0}

    def test_a_second_writer_fences_the_first(self, log: Log) -> None:
        first = log.writer(0)
        first.append([Entry(b"k", b"1")])
        second = log.writer(0)
        with pytest.raises(WriterFenced):
            first.append([Entry(b"k", b"zombie")])
        second.append([Entry(b"k", b"2")])
        assert [one.value for one in read_all(log, Topic.EVENTS)] == [b"1", b"2"]

    def test_a_notary_and_a_recorder_of_the_same_number_do_not_fence_each_other(self, log: Log) -> None:
        recorder, notary = log.writer(0), log.writer(0, Topic.CHECKPOINTS)
        recorder.append([Entry(b"k", b"event")])
        notary.append([Entry(b"k", b"checkpoint")])
        assert [one.value for one in read_all(log, Topic.CHECKPOINTS)] == [b"checkpoint"]
        log.writer(0, Topic.CHECKPOINTS)
        with pytest.raises(WriterFenced):
            notary.append([Entry(b"k", b"zombie")])
        recorder.append([Entry(b"k", b"event")])

    def test_writers_of_different_partitions_do_not_fence_each_other(self, log: Log) -> None:
        writers = [log.writer(partition) for partition in range(3)]
        for writer in writers:
            writer.append([Entry(b"k", b"v")])
        assert sorted(one.partition for one in read_all(log, Topic.EVENTS)) == [0, 1, 2]

    def test_a_new_writer_sees_all_that_a_killed_one_committed(
        self, log: Log, url: str, options: dict[str, object]
    ) -> None:
        process = started(write_and_hang, url, options)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        writer = log.writer(0)
        last = log.last(Topic.EVENTS, 0)
        assert last is not None
        assert last.value == b"committed"
        writer.append([Entry(b"k", b"next")])
        assert [one.value for one in read_all(log, Topic.EVENTS)] == [b"committed", b"next"]

    def test_a_lone_member_owns_all_partitions(self, log: Log) -> None:
        log.append(Topic.ACTIONS, [Entry(b"k", b"%d" % number, number % 3) for number in range(30)])
        member = Member(log)
        seen: list[Record] = []
        until = time.monotonic() + 20
        while len(seen) < 30 and time.monotonic() < until:
            seen += member.group.poll(0.5)
        assert member.owned == {0, 1, 2}
        assert member.group.owned() == frozenset({0, 1, 2})
        assert len(seen) == 30
        member.group.close()

    def test_a_member_that_leaves_hands_over(self, log: Log, url: str, options: dict[str, object]) -> None:
        first = Member(log)
        self._until(lambda: first.group.poll(0.1), lambda: first.owned == {0, 1, 2})
        with open_log(url, options) as other:
            second = Member(other)
            first.group.close()
            self._until(lambda: second.group.poll(0.1), lambda: second.owned == {0, 1, 2})
            second.group.close()

    def test_a_member_that_is_killed_is_replaced(self, log: Log, url: str, options: dict[str, object]) -> None:
        process = started(hold_for_ever, url, options)
        member = Member(log)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        self._until(lambda: member.group.poll(0.1), lambda: member.owned == {0, 1, 2})
        member.group.close()

    def _until(self, step: Any, reached: Any) -> None:
        until = time.monotonic() + 30
        while not reached():
            step()
            assert time.monotonic() < until

    def test_reading_again_from_an_earlier_offset(self, log: Log) -> None:
        log.append(Topic.ACTIONS, [Entry(b"k", b"%d" % number, 0) for number in range(3)])
        member = Member(log)
        seen: list[Record] = []
        self._until(lambda: seen.extend(member.group.poll(0.1)), lambda: len(seen) == 3)
        member.group.rewind(0, 1)
        again: list[Record] = []
        self._until(lambda: again.extend(member.group.poll(0.1)), lambda: len(again) == 2)
        assert [one.value for one in again] == [b"1", b"2"]
        member.group.close()

    def test_what_is_too_large_is_refused_before_anything_is_sent(self, log: Log) -> None:
        with pytest.raises(EntryTooLarge):
            log.append(Topic.ACTIONS, [Entry(b"k", b"small"), Entry(b"k", b"x" * (MOST_BYTES + 1))])
        assert read_all(log, Topic.ACTIONS) == []

    def test_the_largest_entry_is_taken(self, log: Log) -> None:
        log.append(Topic.ACTIONS, [Entry(b"k", b"x" * (MOST_BYTES - 1))])
        assert len(read_all(log, Topic.ACTIONS)[0].value or b"") == MOST_BYTES - 1

    def test_a_log_is_made_once(self, log: Log, url: str, options: dict[str, object]) -> None:
        with pytest.raises(LogExists):
            init_log(url, options=options, **SETTINGS)

    def test_a_log_that_is_not_there_is_missing(self, url: str, options: dict[str, object]) -> None:
        with pytest.raises(LogMissing, match="log init"):
            open_log(url, options)

    def test_a_log_carries_its_schemas(self, log: Log) -> None:
        from casetrail.eventlog.schemas import published

        carried = {one.key: one.value for one in read_all(log, Topic.SCHEMAS)}
        assert carried == {f"{number:08x}".encode(): text.encode() for number, text in published().items()}

    def test_the_number_of_partitions_is_known(self, log: Log) -> None:
        assert log.partitions == 3
        assert set(log.end_offsets(Topic.CHECKPOINTS)) == {0}
