"""Full disks and files that are none: each consumer says which file, what is wrong and what to do, and loses nothing."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from casetrail.audit.balance import balance
from casetrail.audit.replaying.replay import extents_of, replay_partition
from casetrail.cli.context import failure_of
from casetrail.consumers import recorder as recorder_module
from casetrail.consumers.health import Health
from casetrail.consumers.loop import run
from casetrail.consumers.notary import Notary
from casetrail.consumers.notification import Notification
from casetrail.consumers.outbox import Outbox
from casetrail.consumers.outbox_file import FileTransport
from casetrail.consumers.recipients import Recipients
from casetrail.consumers.recorder import Recorder
from casetrail.consumers.transport import NotSent
from casetrail.consumers.watchdog import Watchdog
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.port import Entry, Log, Record, Topic
from casetrail.projections.case_store import CaseStore, Position
from casetrail.projections.errors import ViewError, ViewUnreachable
from casetrail.projections.outbox_store import OutboxStore
from casetrail.projections.watch_store import WatchStore
from casetrail.proofs.keys import save_key
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.treefile import TreeDamaged, TreeUnreachable
from tests.actions import HAPPENED, SERGEANT, life
from tests.consumers.notarial import KEY, SELDOM, fill, publish
from tests.simulation.memory_log import Cluster, Manner, MemoryLog
from tests.small_disk import SmallDisk

CASETRAIL = (sys.executable, "-c", "from casetrail.cli.main import main; main()")
GARBAGE = b"This is a letter, and no database. " * 200
MUCH = 2_000
STATES = (CaseStore, WatchStore, OutboxStore)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "small disk")
    yield disk
    disk.close()


@pytest.fixture
def log() -> MemoryLog:
    """A log that is on no disk."""
    return MemoryLog(Cluster("kcpd", 1, manner=Manner.EMBEDDED))


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[EmbeddedLog]:
    with EmbeddedLog.create(tmp_path / "log.db", "kcpd", 1) as log:
        yield log


def is_open(path: Path) -> bool:
    """Whether this process has a file open still."""
    found = [one.readlink() for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    return any(str(name).startswith(str(path)) for name in found)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.01)


# --- the recorder ---


def submit(log: Log, name: str, cases: int = 500) -> None:
    actions = [one for number in range(cases) for one in life(f"{name}-{number}")]
    log.append(Topic.ACTIONS, [Entry(one.case_id.encode(), encode_action(one)) for one in actions])


def test_a_recorder_whose_disk_is_full_says_so_goes_on_when_it_is_not_and_loses_and_doubles_nothing(
    log: MemoryLog, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "SAVE_EVERY", 1)
    state, health, stop, failures = disk.folder / "state", Health(), threading.Event(), list[BaseException]()

    class Served(Recorder):
        def __init__(self) -> None:
            self.store = CaseStore(state, log.name)
            super().__init__(log, self.store)

        def close(self) -> None:
            super().close()
            self.store.close()

    def serve() -> None:
        try:
            run("recorder", Served, stop, health)
        except BaseException as error:
            failures.append(error)

    def all_are_answered() -> bool:
        return bool(failures) or log.end_offsets(Topic.EVENTS) == log.end_offsets(Topic.ACTIONS)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        submit(log, "A", 5)
        wait_for(all_are_answered, "the first actions are answered")
        with disk.full():
            submit(log, "B")
            wait_for(lambda: bool(failures) or "state-unreachable" in health.metrics(), "the trouble is seen")
            submit(log, "C", 5)
        wait_for(all_are_answered, "all is answered once there is room")
    finally:
        stop.set()
        thread.join()
    assert failures == []
    assert [(one.faults, one.pending) for one in balance(log)] == [([], 0)]
    assert [replay_partition(log, extent).findings for extent in extents_of(log)] == [[]]
    store = CaseStore(state, log.name)
    assert sum(history.case.version for _, history, _ in store.stored()) == log.end_offsets(Topic.EVENTS)[0]
    store.close()


def test_what_was_recorded_stays_recorded_where_the_state_cannot_be_saved_any_more(
    log: MemoryLog, disk: SmallDisk
) -> None:
    store = CaseStore(disk.folder / "state", log.name)
    recorder = Recorder(log, store)
    submit(log, "A")
    with disk.full():
        while recorder.step(0.0):
            pass
        with pytest.raises(ViewUnreachable, match=r"state file .*small disk/state .*disk, owner and mode"):
            recorder.save()
        recorder.close()
        store.close()
    store = CaseStore(disk.folder / "state", log.name)
    assert list(store.stored()) == [] and store.position(0) is None
    recorder = Recorder(log, store)
    submit(log, "B", 1)
    while recorder.step(0.0):
        pass
    recorder.close()
    assert [(one.faults, one.pending) for one in balance(log)] == [([], 0)]
    assert len(list(store.stored())) == 501
    store.close()


# --- the other states ---


def test_a_watchdogs_file_on_a_full_disk_keeps_what_it_had(disk: SmallDisk) -> None:
    store = WatchStore(disk.folder / "watchdog", "kcpd")
    event = Record(0, 0, 0, b"C", bytes(1000))
    store.take([("C-0", 1, event)], {0: (0, bytes(32))}, {})
    with disk.full():
        with pytest.raises(ViewUnreachable, match=r"watchdog's file .*small disk/watchdog .*disk, owner and mode"):
            store.take([(f"C-{number}", 1, event) for number in range(MUCH)], {0: (9, bytes(32))}, {})
        assert store.positions() == {0: (0, bytes(32))} and store.watched == 1
    store.take([("C-1", 1, event)], {0: (1, bytes(32))}, {})
    assert store.positions() == {0: (1, bytes(32))} and store.watched == 2
    store.close()


def test_an_outbox_on_a_full_disk_keeps_what_it_had(disk: SmallDisk) -> None:
    store = OutboxStore(disk.folder / "outbox", "kcpd")
    store.begin({0: 0}, HAPPENED)
    with disk.full():
        with pytest.raises(ViewUnreachable, match=r"outbox's file .*small disk/outbox .*disk, owner and mode"):
            store.take([(str(number), "address", "x" * 1000) for number in range(MUCH)], {0: 9})
        assert store.positions() == {0: 0} and store.counts() == (0, 0)
    store.take([("1", "address", "x")], {0: 1})
    assert store.positions() == {0: 1} and store.counts() == (0, 1)
    (one,) = store.waiting(HAPPENED, 1)
    store.sent(one, HAPPENED + timedelta(days=1))
    assert store.counts() == (1, 0)
    store.close()


@pytest.mark.parametrize("store", STATES)
def test_a_file_that_cannot_be_made_for_want_of_room_is_named_and_closed(
    store: Callable[[Path, str], object], disk: SmallDisk
) -> None:
    with disk.full(), pytest.raises(ViewUnreachable, match=r"small disk/file .*disk, owner and mode") as kept:
        store(disk.folder / "file", "kcpd")
    assert kept.value.code == "state-unreachable" and not is_open(disk.folder / "file")


@pytest.mark.parametrize("store", STATES)
def test_a_file_that_is_no_database_is_named_closed_and_left_as_it_is(
    store: Callable[[Path, str], object], tmp_path: Path
) -> None:
    path = tmp_path / "letter"
    path.write_bytes(GARBAGE)
    with pytest.raises(ViewError, match=r"letter cannot be used \(file is not a database\); .*delete") as kept:
        store(path, "kcpd")
    assert kept.value.code == "view-error" and not is_open(path)
    assert path.read_bytes() == GARBAGE


@pytest.mark.parametrize("store", STATES)
@pytest.mark.parametrize("other", [*STATES, EmbeddedLog.create])
def test_a_file_in_which_something_else_is_kept_is_left_as_it_is(
    store: Callable[[Path, str], Any], other: Callable[[Path, str], Any], tmp_path: Path
) -> None:
    """A mistyped --state: an outbox would else forget what it has read, and a log get tables that are none of its own."""
    path = tmp_path / "file"
    other(path, "kcpd").close()
    content = path.read_bytes()
    if store is other:
        store(path, "kcpd").close()
        return
    with pytest.raises(ViewError, match=r"file holds something else, .*--state") as kept:
        store(path, "kcpd")
    assert kept.value.code == "view-error" and not is_open(path)
    assert path.read_bytes() == content


def test_a_watchdogs_file_that_another_has_is_closed_again(tmp_path: Path) -> None:
    first = WatchStore(tmp_path / "watchdog", "kcpd")
    with pytest.raises(ViewUnreachable) as kept:
        WatchStore(tmp_path / "watchdog", "kcpd")
    first.close()
    assert kept.value.code == "state-unreachable" and not is_open(tmp_path / "watchdog")


def unreachable(what: str) -> None:
    """A log of which nothing can be read."""
    raise LogUnreachable(f"cannot {what}")


@pytest.mark.parametrize("what", ["watchdog", "outbox"])
def test_who_cannot_begin_because_the_log_is_away_leaves_its_file_to_the_next(tmp_path: Path, what: str) -> None:
    away, path = MemoryLog(Cluster("kcpd", 1), unreachable), tmp_path / "file"
    with pytest.raises(LogUnreachable) as kept:
        if what == "watchdog":
            Watchdog(away, WatchStore(path, "kcpd"), SERGEANT, lambda: HAPPENED)
        else:
            Outbox(away, OutboxStore(path, "kcpd"), Recipients({}), lambda: HAPPENED)
    assert kept.value.code == "log-unreachable" and not is_open(path)


def test_a_commit_that_fails_leaves_no_transaction_behind(tmp_path: Path) -> None:
    store = CaseStore(tmp_path / "state", "kcpd")
    store._database.execute("CREATE TABLE later (partition REFERENCES position DEFERRABLE INITIALLY DEFERRED)")
    store._database.execute("PRAGMA foreign_keys=ON")
    with pytest.raises(Exception, match="FOREIGN KEY"), store._file.transaction() as database:
        database.execute("INSERT INTO later VALUES (7)")  # refused when it is committed, not before
    store.save({0: Position(1, bytes(32))})
    assert store.position(0) == Position(1, bytes(32))
    store.close()


# --- the notary and whoever proves ---


def test_a_notary_whose_disk_is_full_says_so_and_goes_on_when_it_is_not(log: MemoryLog, disk: SmallDisk) -> None:
    fill(log, ["C-1"])
    folder = disk.folder / "notary"
    notary = Notary(log, folder, KEY, SELDOM)
    publish(notary)
    fill(log, [f"D-{number}" for number in range(700)])
    with disk.full():
        with pytest.raises(TreeUnreachable, match=r"small disk/notary .*disk, owner and mode"):
            publish(notary)
        with suppress(TreeUnreachable):  # there may be nothing left to be written
            notary.close()
        assert not is_open(folder)
    notary = Notary(log, folder, KEY, SELDOM)
    size = publish(notary)
    notary.close()
    with LogTree(log, disk.folder / "fresh") as tree:
        tree.follow()
        assert tree.size == size >= 6 * 701


def test_a_tree_on_a_full_disk_is_no_other_process(log: MemoryLog, disk: SmallDisk) -> None:
    with disk.full(), pytest.raises(TreeUnreachable, match=r"small disk/tree .*disk, owner and mode"):
        LogTree(log, disk.folder / "tree")
    assert not is_open(disk.folder / "tree")


def test_a_tree_that_is_no_database_is_named_and_left_as_it_is(log: MemoryLog, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "tree.db").write_bytes(GARBAGE)
    with pytest.raises(
        TreeDamaged, match=r"/tree is none, or damaged \(file is not a database\); move the folder away"
    ):
        LogTree(log, folder)
    assert (folder / "tree.db").read_bytes() == GARBAGE and not is_open(folder)


def test_a_tree_that_was_damaged_while_it_was_closed_is_said_to_be(log: MemoryLog, tmp_path: Path) -> None:
    fill(log, [f"C-{number}" for number in range(50)])
    notary = Notary(log, tmp_path / "notary", KEY, SELDOM)
    publish(notary)
    notary.close()
    path = tmp_path / "notary" / "tree.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(TreeDamaged, match="malformed"):
        Notary(log, tmp_path / "notary", KEY, SELDOM)
    assert not is_open(tmp_path / "notary")


# --- at the command line ---


def casetrail(log: EmbeddedLog, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [*CASETRAIL, "--log", f"sqlite:{log.path}", "--agency", "metro-pd", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=log.path.parent, check=False)


@pytest.mark.parametrize("what", ["recorder", "watchdog", "notary"])
def test_a_process_whose_file_is_none_ends_and_says_what_to_do(on_disk: EmbeddedLog, tmp_path: Path, what: str) -> None:
    save_key(KEY, tmp_path / "key")
    (tmp_path / "log.db.notary").mkdir()
    for path in (tmp_path / "letter", tmp_path / "log.db.notary" / "tree.db"):
        path.write_bytes(GARBAGE)
    more = ("--key", "key") if what == "notary" else ("--state", "letter")
    ended = casetrail(on_disk, "serve", what, *more, "--health-port", "0", "--heartbeat", "0")
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "file is not a database" in ended.stderr and "made" in ended.stderr


def test_a_command_whose_disk_is_full_ends_with_the_code_for_what_cannot_be_reached(
    on_disk: EmbeddedLog, disk: SmallDisk
) -> None:
    with disk.full():
        ended = casetrail(
            on_disk, "serve", "watchdog", "--now", "2025-06-01T00:00:00Z", "--state", str(disk.folder / "watchdog")
        )
    assert ended.returncode == 7 and "Traceback" not in ended.stderr
    assert "disk" in ended.stderr


def test_errors_of_the_disk_have_the_code_for_what_cannot_be_reached_and_damage_has_not() -> None:
    found = [failure_of(error("…")) for error in (ViewUnreachable, TreeUnreachable, ViewError, TreeDamaged)]
    assert [one and one.exit_code for one in found] == [7, 7, 1, 1]


def test_a_line_that_a_full_disk_cut_off_spoils_no_other(disk: SmallDisk) -> None:
    path, one = (
        disk.folder / "told.ndjson",
        Notification("1", "unit/desk", False, "", '{"told": "%s"}' % ("x" * 40_000)),
    )
    transport = FileTransport(path)
    transport.send(one)
    filler = disk.folder / "most"
    room = shutil.disk_usage(disk.folder).free
    filler.write_bytes(bytes(max(0, room - 20_000)))
    if disk.is_mounted:
        with pytest.raises(NotSent):
            transport.send(one)
    filler.unlink()
    with path.open("ab") as file:
        file.write(b'{"told": "x')  # also where the process was killed at it
    transport.send(one)
    assert path.read_text().splitlines()[-1] == one.body and path.read_text().splitlines()[0] == one.body
