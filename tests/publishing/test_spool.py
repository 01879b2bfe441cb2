"""While the log is away submissions wait on disk, encrypted and in order; then they are delivered, and none doubles."""

import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from casetrail.audit.balance import balance
from casetrail.domain.actions import Action
from casetrail.eventlog.codec import decode_event
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.privacy.errors import MasterKeyBad
from casetrail.privacy.wrapping import LocalWrapper
from casetrail.publishing import Connection, Receipt, connect
from casetrail.publishing.client import entries_of
from casetrail.publishing.spool import Spool
from casetrail.publishing.spooled import Spooled, SpoolStuck, SpoolUnusable, spooled_for
from casetrail.publishing.submitter import RETRY_AFTER, Submitter
from tests.actions import life
from tests.servers.kafka import start_cluster
from tests.small_disk import SmallDisk

MASTER = LocalWrapper(bytes(range(32)))


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Site:
    """A log that can be taken away, and a spool for it."""

    def __init__(self, folder: Path) -> None:
        self.spool, self.url = folder / "spool", f"sqlite:{folder / 'log.db'}"
        init_log(self.url, name="kcpd").close()
        self._holder: sqlite3.Connection | None = None

    def take_away(self) -> None:
        """The log cannot be written: somebody holds its file."""
        self._holder = sqlite3.connect(self.url.removeprefix("sqlite:"), isolation_level=None)
        self._holder.execute("BEGIN IMMEDIATE")

    def bring_back(self) -> None:
        assert self._holder is not None
        self._holder.close()

    def submitter(self, clock: Clock) -> Submitter:
        return Submitter(self.url, Spool(self.spool, self.url, MASTER), clock=clock)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def send(submitter: Submitter, *actions: Action) -> list[Receipt | Spooled]:
    """Submit, without patience for a log that is away."""
    return list(submitter.submit_many(actions, timeout=0.05))


def recorded(url: str) -> list[bytes]:
    """The ids of the actions that the log has answered, in order."""
    with connect(url) as connection:
        connection.wait_many(submitted(connection.log))
        return [decode_event(record.value).action_id for record in read(connection.log, Topic.EVENTS)]


def read(log: Log, topic: Topic) -> Iterator[Any]:
    ends = log.end_offsets(topic)
    with log.reader(topic, dict.fromkeys(ends, 0)) as reader:
        while any(reader.position(partition) < end for partition, end in ends.items()):
            yield from reader.poll(1.0)


def submitted(log: Log) -> list[Receipt]:
    from casetrail.eventlog.codec import decode_action
    from casetrail.eventlog.hashing import leaf_hash

    return [
        Receipt(log.name, one.key.decode(), decode_action(one.value).action_id, one.partition, one.offset,
                one.appended_at, leaf_hash(one.value))
        for one in read(log, Topic.ACTIONS)
    ]  # fmt: skip


def test_a_log_that_can_be_reached_gives_a_receipt_and_nothing_waits(site: Site, clock: Clock) -> None:
    with site.submitter(clock) as submitter:
        assert isinstance(submitter.submit(life("C-1")[0]), Receipt)
        assert submitter.spool.count() == 0


def test_what_waits_is_delivered_in_order_before_anything_new(site: Site, clock: Clock) -> None:
    actions = life("C-1")
    with site.submitter(clock) as submitter:
        site.take_away()
        spooled = [one for action in actions[:4] for one in send(submitter, action)]
        assert all(isinstance(one, Spooled) for one in spooled)
        assert submitter.spool.count() == 4
        site.bring_back()
        clock.now += RETRY_AFTER
        assert isinstance(send(submitter, actions[4])[0], Receipt)
        assert submitter.spool.count() == 0
        for one in spooled:
            receipt = submitter.spool.receipt_for(one.action_id)
            assert receipt is not None
            assert receipt.action_hash == one.action_hash
    assert recorded(site.url) == [one.action_id for one in actions[:5]]


def test_what_is_submitted_to_a_log_whose_file_was_replaced_waits_and_goes_into_the_one_that_is_there(
    site: Site, clock: Clock, tmp_path: Path
) -> None:
    first, second, third, *_ = life("C-1")
    copy = Site(tmp_path / "copy")
    with site.submitter(clock) as submitter:
        assert isinstance(send(submitter, first)[0], Receipt)
        for suffix in ("-wal", "-shm"):
            Path(site.url.removeprefix("sqlite:") + suffix).unlink()
        Path(copy.url.removeprefix("sqlite:")).replace(site.url.removeprefix("sqlite:"))
        (waits,) = send(submitter, second)
        assert isinstance(waits, Spooled) and waits.code == "log-replaced"
        clock.now += RETRY_AFTER
        assert isinstance(submitter.submit(third), Receipt)
    with open_log(site.url) as log:
        assert [one.action_id for one in submitted(log)] == [second.action_id, third.action_id]


def test_a_log_that_was_away_is_not_tried_again_by_everybody_at_once(site: Site, clock: Clock) -> None:
    with site.submitter(clock) as submitter:
        site.take_away()
        send(submitter, life("C-1")[0])
        site.bring_back()
        assert isinstance(send(submitter, life("C-2")[0])[0], Spooled)  # behind the first: the order is kept
        clock.now += RETRY_AFTER
        assert [type(one.receipt) for one in submitter.deliver()] == [Receipt, Receipt]


def test_what_waits_outlives_the_process_and_is_delivered_by_another(site: Site, clock: Clock) -> None:
    site.take_away()
    with site.submitter(clock) as submitter:
        (first,) = send(submitter, life("C-1")[0])
    site.bring_back()
    with site.submitter(clock) as another:
        (delivered,) = another.deliver()
        assert delivered.spooled == first
        assert another.deliver() == []


def test_an_action_that_the_log_had_already_is_refused_as_a_duplicate_and_not_doubled(site: Site, clock: Clock) -> None:
    action = life("C-1")[0]
    with connect(site.url) as connection:
        assert connection.wait(connection.submit(action)).result == "accepted"  # and this answer was lost on its way
    site.take_away()
    with site.submitter(clock) as submitter:
        send(submitter, action)
        site.bring_back()
        ((_, receipt),) = submitter.deliver()
    with connect(site.url) as connection:
        outcome = connection.wait(receipt)
    assert (outcome.result, outcome.code) == ("rejected", "duplicate-action")


def test_nothing_of_a_submission_can_be_read_on_the_disk(site: Site, clock: Clock) -> None:
    site.take_away()
    with site.submitter(clock) as submitter:
        send(submitter, *life("C-0123456789"))
    for path in site.spool.parent.glob("spool*"):
        content = path.read_bytes()
        assert b"C-0123456789" not in content
        assert b"child-crimes" not in content
    assert site.spool.stat().st_mode & 0o077 == 0


def test_a_submission_that_was_altered_in_the_spool_stops_delivery_and_says_which(site: Site, clock: Clock) -> None:
    site.take_away()
    with site.submitter(clock) as submitter:
        send(submitter, *life("C-1"))
    with sqlite3.connect(site.spool) as database:
        database.execute("UPDATE waiting SET sealed = zeroblob(length(sealed)) WHERE number = 2")
    site.bring_back()
    with site.submitter(clock) as submitter, pytest.raises(SpoolStuck, match=r"submission 2 .* was altered") as stuck:
        submitter.deliver()
    assert stuck.value.number == 2
    assert len(recorded(site.url)) == 1  # what stands before it has been delivered


@pytest.mark.parametrize("change", ["UPDATE waiting SET number = -number WHERE number < 3;"
                                    "UPDATE waiting SET number = 3 + number WHERE number < 0"])  # fmt: skip
def test_submissions_cannot_change_places_in_the_spool(site: Site, clock: Clock, change: str) -> None:
    site.take_away()
    with site.submitter(clock) as submitter:
        send(submitter, *life("C-1")[:2])
    with sqlite3.connect(site.spool) as database:
        database.executescript(change)
    site.bring_back()
    with site.submitter(clock) as submitter, pytest.raises(SpoolStuck, match="was altered"):
        submitter.deliver()


def test_a_spool_delivers_to_no_other_log_and_opens_with_no_other_key(site: Site, clock: Clock, tmp_path: Path) -> None:
    site.submitter(clock).close()
    with pytest.raises(SpoolUnusable, match="name another file"):
        Spool(site.spool, f"sqlite:{tmp_path / 'other.db'}", MASTER)
    with pytest.raises(MasterKeyBad):
        Spool(site.spool, site.url, LocalWrapper(secrets.token_bytes(32)))


def test_a_spool_that_cannot_be_written_is_an_error_and_no_submission_is_taken(site: Site, clock: Clock) -> None:
    site.take_away()
    with site.submitter(clock) as submitter:
        submitter.spool._database.execute("PRAGMA max_page_count = 1")  # as on a full disk
        with pytest.raises(SpoolUnusable, match="kept nowhere"):
            send(submitter, *life("C-1", steps=200))
        assert submitter.spool.count() == 0


def test_a_spool_on_a_full_disk_keeps_what_it_had_and_takes_more_when_there_is_room(
    site: Site, clock: Clock, tmp_path: Path
) -> None:
    disk = SmallDisk(tmp_path / "small disk")
    try:
        entries = [Entry(b"C-1", bytes(1000))] * 2000
        one = spooled_for(entries[0], "C-1", bytes(16), 0)
        with Spool(disk.folder / "spool", site.url, MASTER) as spool:
            spool.put(entries[:1], [one])
            with disk.full():
                with pytest.raises(SpoolUnusable, match=r"small disk/spool .*is the disk full\?"):
                    spool.put(entries, [one] * len(entries))
                assert spool.count() == 1
            spool.put(entries[:1], [one])
            assert [waiting.number for waiting in spool.first(9)] == [1, 2]
    finally:
        disk.close()


@contextmanager
def full(disk: SmallDisk, spool: Spool) -> Iterator[None]:
    """The spool's disk is full, and that of the log is not."""
    if disk.is_mounted:
        with disk.full():
            yield
        return
    (pages,) = spool._database.execute("PRAGMA page_count").fetchone()
    (before,) = spool._database.execute("PRAGMA max_page_count").fetchone()
    spool._database.execute(f"PRAGMA max_page_count = {pages}")
    yield
    spool._database.execute(f"PRAGMA max_page_count = {before}")


@pytest.mark.parametrize("at_once", [1, 60])
def test_what_waits_on_a_full_disk_is_delivered_once_and_new_submissions_are_taken(
    site: Site, clock: Clock, tmp_path: Path, at_once: int
) -> None:
    disk = SmallDisk(tmp_path / "small disk")
    site.spool = disk.folder / "spool"
    actions = [one for number in range(60) for one in life(f"C-{number}")]
    try:
        with site.submitter(clock) as submitter:
            site.take_away()
            send(submitter, *actions[:at_once])
            for start in range(at_once, len(actions), at_once):
                send(submitter, *actions[start : start + at_once])
            with full(disk, submitter.spool):
                site.bring_back()
                clock.now += RETRY_AFTER
                assert isinstance(submitter.submit(life("C-new")[0]), Receipt)
                assert submitter.spool.count() == 0
                for one in actions:
                    receipt = submitter.spool.receipt_for(one.action_id)
                    assert receipt is not None
                    assert receipt.action_id == one.action_id
            site.take_away()
            clock.now += RETRY_AFTER
            assert isinstance(send(submitter, life("C-newer")[0])[0], Spooled)
            site.bring_back()
            assert len(submitter.deliver()) == 1
    finally:
        disk.close()
    assert recorded(site.url)[: len(actions)] == [one.action_id for one in actions]
    assert len(recorded(site.url)) == len(actions) + 2


def test_nothing_is_appended_where_it_could_not_be_noted(site: Site, clock: Clock) -> None:
    with site.submitter(clock) as submitter:
        site.take_away()
        send(submitter, *life("C-1"))
        site.bring_back()
        clock.now += RETRY_AFTER
        submitter.spool._database.execute("PRAGMA query_only = ON")  # as on a file system that has gone read-only
        for _ in range(3):
            with pytest.raises(SpoolUnusable, match="Nothing was appended: what waits in it still waits"):
                submitter.deliver()
            with pytest.raises(SpoolUnusable, match=r"Nothing was appended.* nothing new is taken"):
                submitter.submit(life("C-2")[0])
        with open_log(site.url) as log:
            assert sum(log.end_offsets(Topic.ACTIONS).values()) == 0
        submitter.spool._database.execute("PRAGMA query_only = OFF")
        assert len(submitter.deliver()) == 6


def test_a_spool_of_an_earlier_version_is_delivered_and_has_its_receipts(site: Site, clock: Clock) -> None:
    site.take_away()
    (first, second, *_), gone = life("C-1"), life("C-0")[0]
    with site.submitter(clock) as submitter:
        send(submitter, first, second)
    kept = {**submitted_before(gone).to_dict()}
    with sqlite3.connect(site.spool) as database:
        for table in ("receipts", "done"):
            database.execute(f"DROP TABLE {table}")
        database.execute("INSERT INTO delivered VALUES (?, ?)", (gone.action_id, json.dumps(kept)))
    site.bring_back()
    with site.submitter(clock) as submitter:
        assert submitter.spool.count() == 2
        assert [one.receipt.action_id for one in submitter.deliver()] == [first.action_id, second.action_id]
        for one in (gone, first, second):
            receipt = submitter.spool.receipt_for(one.action_id)
            assert receipt is not None
            assert receipt.action_id == one.action_id


def submitted_before(action: Action) -> Receipt:
    return Receipt("kcpd", action.case_id, action.action_id, 0, 0, 1_764_078_480_123, bytes(32))


@pytest.mark.parametrize("what", ["garbage", "another log's", "another key's"])
def test_a_spool_that_cannot_be_used_is_closed_again(site: Site, tmp_path: Path, what: str) -> None:
    path = tmp_path / "spool"
    if what == "garbage":
        path.write_bytes(b"This is a letter, and no database. " * 200)
    else:
        Spool(path, site.url, MASTER).close()
    url = "sqlite:other.db" if what == "another log's" else site.url
    wrapper = LocalWrapper(secrets.token_bytes(32)) if what == "another key's" else MASTER
    with pytest.raises((SpoolUnusable, MasterKeyBad)) as kept:
        Spool(path, url, wrapper)
    links = (one.readlink() for one in Path("/proc/self/fd").iterdir() if one.is_symlink())
    assert str(kept.value) and path not in links


def test_a_file_in_which_something_else_is_kept_is_left_as_it_is(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    EmbeddedLog.create(path, "other").close()
    before = path.read_bytes()
    with pytest.raises(SpoolUnusable, match=r"other\.db holds something else"):
        Spool(path, site.url, MASTER)
    assert path.read_bytes() == before


def test_what_an_earlier_version_kept_with_a_trace_context_that_is_none_does_not_block_the_spool(
    site: Site, clock: Clock
) -> None:
    (first, second, *_) = life("C-1")
    with site.submitter(clock) as submitter:
        for one in (first, second):
            large = entries_of([one])[0]._replace(headers=(("traceparent", b"x" * 1_000_001),))
            submitter.spool.put([large], [spooled_for(large, one.case_id, one.action_id, 0)])
        assert len(submitter.deliver()) == 2
    assert recorded(site.url) == [first.action_id, second.action_id]


def test_a_submission_does_not_wait_until_the_log_has_been_looked_for(
    site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = threading.Event()

    def looked_for(url: str, options: Any) -> Connection:
        found.wait()
        return connect(url, options)

    monkeypatch.setattr("casetrail.publishing.submitter.connect", looked_for)
    with site.submitter(clock) as submitter:
        assert isinstance(submitter.submit(life("C-1")[0], timeout=0.05), Spooled)
        found.set()
        clock.now += RETRY_AFTER
        assert isinstance(submitter.submit(life("C-2")[0]), Receipt)
        assert submitter.spool.count() == 0


def test_threads_share_a_submitter_while_the_log_is_away(site: Site, clock: Clock, tmp_path: Path) -> None:
    url = "kafka://127.0.0.1:9/kcpd"
    with Submitter(url, Spool(tmp_path / "spool of many", url, MASTER), clock=clock) as submitter:
        actions = [[life(f"C-{who}-{number}")[0] for number in range(20)] for who in range(8)]

        def work(own: list[Action]) -> list[Receipt | Spooled]:
            return [submitter.submit(one, timeout=0.05) for one in own]

        with ThreadPoolExecutor(8) as threads:
            given = [one for answers in threads.map(work, actions) for one in answers]
        assert all(isinstance(one, Spooled) for one in given)
        waiting = [one.spooled.action_id for one in submitter.spool.first(1000)]
        assert sorted(waiting) == sorted(one.action_id for own in actions for one in own)
        for own in actions:
            assert [one for one in waiting if one in {each.action_id for each in own}] == [one.action_id for one in own]


def test_threads_share_a_submitter_while_the_log_comes_and_goes(site: Site, clock: Clock) -> None:
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            site.take_away()
            stop.wait(0.1)
            site.bring_back()
            clock.now += RETRY_AFTER
            stop.wait(0.1)

    actions = [[one for number in range(8) for one in life(f"C-{who}-{number}")] for who in range(6)]
    with site.submitter(clock) as submitter:
        disturber = threading.Thread(target=come_and_go)
        disturber.start()
        try:
            with ThreadPoolExecutor(6) as threads:
                given = list(threads.map(lambda own: [send(submitter, one)[0] for one in own], actions))
        finally:
            stop.set()
            disturber.join()
        assert [[one.action_id for one in own] for own in given] == [[one.action_id for one in own] for own in actions]
        submitter.deliver()
        assert submitter.spool.count() == 0
    assert set(recorded(site.url)) == {one.action_id for own in actions for one in own}
    with open_log(site.url) as log:
        (counted,) = balance(log)
        assert (counted.accepted, counted.faults) == (6 * 8 * 6, [])


def test_several_threads_and_processes_deliver_each_submission_once(site: Site, clock: Clock) -> None:
    site.take_away()
    with site.submitter(clock) as submitter:
        for number in range(30):
            send(submitter, *life(f"C-{number}"))
    site.bring_back()
    submitters = [site.submitter(clock) for _ in range(4)]
    threads = [threading.Thread(target=one.deliver) for one in submitters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in submitters:
        one.close()
    with open_log(site.url) as log:
        assert sum(log.end_offsets(Topic.ACTIONS).values()) == 30 * 6


KILLED = """
import sys
from casetrail.privacy.wrapping import LocalWrapper
from casetrail.publishing.spool import Spool
from casetrail.publishing.submitter import Submitter

url, spool = sys.argv[1:]
print("ready", flush=True)
with Submitter(url, Spool(__import__("pathlib").Path(spool), url, LocalWrapper(bytes(range(32))))) as submitter:
    while submitter.spool.count():
        submitter.deliver()
print("done", flush=True)
"""


def test_a_delivery_that_is_killed_again_and_again_loses_nothing_and_accepts_nothing_twice(
    site: Site, clock: Clock
) -> None:
    actions: list[Action] = []
    site.take_away()
    with site.submitter(clock) as submitter:
        for number in range(150):
            actions += life(f"C-{number}")
            send(submitter, *actions[-6:])
    site.bring_back()
    root = Path(__file__).parents[2]
    for pause in (0.0, 0.01, 0.02, 0.04, 0.06, 0.1, 0.2):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, site.url, str(site.spool)], cwd=root, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    with site.submitter(clock) as submitter:
        submitter.deliver()
        assert submitter.spool.count() == 0
    assert set(recorded(site.url)) == {one.action_id for one in actions}
    with open_log(site.url) as log:
        (counted,) = balance(log)
        assert (counted.accepted, counted.faults) == (len(actions), [])


@pytest.mark.broker
def test_submissions_wait_while_the_brokers_are_down(tmp_path: Path) -> None:
    (broker,) = start_cluster(tmp_path / "kafka")
    try:
        url = f"kafka://{broker.bootstrap}/kcpd"
        init_log(url, partitions=2, replication=1, min_isr=1).close()
        with Submitter(url, Spool(tmp_path / "spool", url, MASTER), {"request_timeout_ms": 2000}) as submitter:
            assert isinstance(submitter.submit(life("C-1")[0]), Receipt)
            broker.kill()
            action = life("C-2")[0]
            assert isinstance(submitter.submit(action, timeout=3), Spooled)
            broker.start()
            wait_until_delivered(submitter)
            receipt = submitter.spool.receipt_for(action.action_id)
            assert receipt is not None
            assert receipt.case_id == "C-2"
    finally:
        broker.kill()


def wait_until_delivered(submitter: Submitter) -> None:
    from casetrail.eventlog.errors import LogUnreachable

    until = time.monotonic() + 60
    while submitter.spool.count():
        assert time.monotonic() < until
        try:
            submitter.deliver(timeout=5)
        except LogUnreachable:
            time.sleep(0.2)
