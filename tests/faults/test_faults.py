"""A small run of what ``make faults`` does at length, and what its counting finds where something is wrong."""

import secrets
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice, repeat
from pathlib import Path
from random import Random

import pytest

from casetrail.domain.actions import Action, Actor
from casetrail.domain.codes import MachineKind, Role
from casetrail.domain.heartbeat import Heartbeat, machine_key
from casetrail.domain.rules import RULE_SET
from casetrail.eventlog.codec import Event, encode_action, encode_event
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.port import Entry, Topic
from casetrail.projections import rebuild
from casetrail.projections.case_store import CaseStore
from casetrail.publishing import Receipt
from casetrail.publishing.spool import Spool
from casetrail.publishing.spooled import spooled_for
from casetrail.publishing.submitter import Submitter
from tests.actions import HAPPENED, action, life, report
from tests.consumers.notarial import notary_of, publish
from tests.faults import counting
from tests.faults.__main__ import injure, page, run
from tests.faults.counting import Count, counts
from tests.faults.injuries import INJURIES, Injury, schedule
from tests.faults.load import WRAPPER, Desk, drain, submit
from tests.faults.site import Service, Site
from tests.histories import LOG_NAME, record_all

KILLS = 8
SEED = 5633
"""It begins with one of each: recorder, projector, watchdog, notary, service, broker and PostgreSQL are killed, a second notary
works while the first sleeps, and a recorder's disk is full."""
VICTIM = "case-1"


@pytest.mark.broker
@pytest.mark.postgres
@pytest.mark.timeout(900)  # each wait has a deadline of its own
def test_a_site_that_is_injured_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    inflicted, found, own_ends = run(tmp_path / "site", KILLS, SEED)
    told = page(inflicted, found, own_ends, 1, SEED)
    assert sum(one.injury.kills * one.seen for one in inflicted) >= KILLS, told
    assert sum(one.seen > 0 for one in inflicted) >= 6, told
    assert [one for one in found if not one.holds] == [], told
    by_name = {one.what: one.found for one in found}
    assert by_name["accepted"] > 100, told
    assert by_name["submissions that services wrote down before they made them"] > 100, told
    assert by_name["submissions that services were given receipts for"] > 50, told


# --- what is injected, is seen or not counted ---


class Idle(Site):
    """A site in which nothing runs."""

    def __init__(self) -> None:
        self.services = {}


def test_only_what_was_seen_to_be_inflicted_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.__main__.PAUSE", (0, 0))
    answers = iter([True, False, False, True])
    injury = Injury("killed", "it ended", 1, 1, lambda site, chance: next(answers))
    (inflicted,) = injure(Idle(), 2, repeat(injury), Random(0))
    assert (inflicted.seen, inflicted.in_vain) == (2, 2)
    told = page([inflicted], [], {}, 1, 0)
    assert "| killed | 2 | it ended | 2 |" in told
    assert "not seen in this run: recorder killed" in told


def test_where_no_disk_can_be_mounted_none_is_said_to_be_full() -> None:
    names = {one.name for one in islice(schedule(SEED, has_small_disks=False), 5000)}
    assert names == {one.name for one in INJURIES if "disk" not in one.name}
    assert {one.name for one in islice(schedule(SEED, has_small_disks=True), 5000)} == {one.name for one in INJURIES}


def test_a_process_that_had_ended_by_itself_was_not_killed(tmp_path: Path) -> None:
    service = Service("short", (sys.executable, "-c", "pass"), tmp_path)
    service.start()
    assert service.process is not None
    service.process.wait()
    assert not service.kill() and not service.kill()
    assert not service.own_ends
    service.command = (sys.executable, "-c", "print('first'); print('disk full'); raise SystemExit(8)")
    service.start()
    service.process.wait()
    service.look_after()
    assert service.own_ends == ["exit 8, disk full"]
    service.kill()
    service = Service(
        "long", (sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"), tmp_path
    )
    service.start()
    assert service.says("here", 0, 30) and not service.says("here", service.written(), 0)
    assert service.sleep(0.1)
    assert service.kill()


# --- what is counted, is counted ---


class Finished(Site):
    """A site whose processes have all ended, on an embedded log, with views in SQLite."""

    def __init__(self, folder: Path) -> None:
        self.work = folder
        self.url, self.views = f"sqlite:{folder / 'log.db'}", f"sqlite:{folder / 'views'}"
        (folder / "casetrail.toml").write_text(f'log = "{self.url}"\nviews = "{self.views}"\n')

    def named(self, beginning: str) -> list[Service]:
        """None: all have ended."""
        return []

    def submit(self, *actions: Action) -> None:
        """Submit as a service does, and write down what it does; nobody answers."""
        entries = [Entry(one.case_id.encode(), encode_action(one)) for one in actions]
        with EmbeddedLog.open(self.log) as log, closing(Desk(self.work, "load-1")) as desk:
            desk.mean(actions)
            for entry, at in zip(entries, log.append(Topic.ACTIONS, entries), strict=True):
                desk.acknowledged(at.partition, at.offset, leaf_hash(entry.value or b""))

    def let_wait(self, *actions: Action) -> Path:
        """Submit them while the log is away; the spool in which they wait."""
        path = self.work / "load-2.spool"
        holder = sqlite3.connect(self.log, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with (
            closing(holder),
            closing(Desk(self.work, "load-2")) as desk,
            Submitter(self.url, Spool(path, self.url, WRAPPER)) as submitter,
        ):
            submit(submitter, desk, actions, timeout=0.05)
            assert submitter.spool.count() == len(actions)
        return path

    def deliver(self, path: Path) -> None:
        """Deliver what waits."""
        with (
            closing(Desk(self.work, "load-2")) as desk,
            Submitter(self.url, Spool(path, self.url, WRAPPER)) as submitter,
        ):
            drain(submitter, desk)

    def answer(self) -> None:
        """Answer everything, bring the views up to date, and publish a checkpoint."""
        with EmbeddedLog.open(self.log) as log, closing(CaseStore(self.work / "state", log.name)) as store:
            record_all(log, store)
            rebuild.rebuild(log, self.url, self.views)
            with notary_of(log, self.work / "notary") as notary:
                publish(notary)

    @property
    def log(self) -> Path:
        """The file of the log."""
        return self.work / "log.db"

    def in_log(self, statement: str, *values: object) -> None:
        """Do something to the log's file behind everybody's back."""
        with closing(sqlite3.connect(self.log)) as file, file:
            for trigger in ("no_update", "no_delete"):
                file.execute(f"DROP TRIGGER IF EXISTS {trigger}")
            assert file.execute(statement, values).rowcount == 1

    def wrong(self) -> set[str]:
        """What does not hold, in short."""
        return {one.what for one in counts(self) if not one.holds}


@pytest.fixture
def finished(tmp_path: Path) -> Iterator[Finished]:
    """A finished site in which nothing went wrong."""
    EmbeddedLog.create(tmp_path / "log.db", LOG_NAME, 2).close()
    site = Finished(tmp_path)
    site.submit(*(one for number in range(4) for one in life(f"case-{number}")))
    site.answer()
    yield site


MISSING = "of these not in the log"
UNACCEPTED = "of these never accepted"
DROPPED = "of these not in the log afterwards"
UNANSWERED = "without an outcome"
DISORDER = "answered twice, out of order, or for another action"
LOST = "of these lost or altered"
DOUBLED = "actions accepted twice"
UNVERIFIED = "faults that 'casetrail audit verify' finds"
UNLIKE = "differences that 'casetrail audit replay' finds"
ROWS = "rows of the views that a rebuild makes otherwise"


def test_where_nothing_is_wrong_everything_holds(finished: Finished) -> None:
    found = counts(finished)
    assert [one for one in found if not one.holds] == []
    assert Count("submissions in the log", 24) in found
    assert Count("submissions that services were given receipts for", 24) in found
    assert Count("submissions that services wrote down before they made them", 24) in found
    assert {one.what for one in found if one.allowed == 0} == {
        MISSING, UNACCEPTED, DROPPED, UNANSWERED, DISORDER, LOST, DOUBLED, UNVERIFIED, UNLIKE, ROWS,
    }  # fmt: skip


def test_lost_submissions_doubled_actions_and_altered_rows_are_counted_each(finished: Finished) -> None:
    twice = secrets.token_bytes(16)
    finished.submit(action(report(), case_id="one", action_id=twice), action(report(), case_id="two", action_id=twice))
    finished.answer()
    with (finished.work / "load-1.acknowledged").open("a") as out:
        out.write(f"1 999 {bytes(32).hex()}\n")
        out.write(f"0 0 {bytes(32).hex()}\n")  # its place was given away twice
    with closing(Spool(finished.work / "load-2.spool", finished.url, WRAPPER)) as spool:
        waited = action(report(), case_id="three")
        entry = Entry(b"three", encode_action(waited))
        spool.put([entry], [spooled_for(entry, "three", waited.action_id, 0)])
        spool.done([(spool.ready(1)[0], Receipt(LOG_NAME, "three", waited.action_id, 0, 777, 0, bytes(32)))])
    with closing(sqlite3.connect(finished.work / "views")) as views, views:
        for table, column in (("case_status", "status"), ("clock", "owed_by")):
            statement = f"UPDATE {table} SET {column} = 'other' WHERE case_id = ?"
            changed = views.execute(statement, (VICTIM,)).rowcount
            assert changed > 0
    wrong = {one.what: one.found for one in counts(finished) if not one.holds}
    assert wrong == {LOST: 3, DOUBLED: 1, ROWS: 2 * (1 + changed)}


def test_what_waited_in_a_spool_and_was_delivered_is_counted_and_not_lost(finished: Finished) -> None:
    finished.deliver(finished.let_wait(*life("waiting")))
    finished.answer()
    found = counts(finished)
    assert [one for one in found if not one.holds] == []
    assert Count("submissions that services were told wait in a spool", 6) in found


def test_a_submission_that_a_spool_drops_is_counted_although_the_spool_says_that_nothing_waits(
    finished: Finished,
) -> None:
    path = finished.let_wait(*life("waiting"))
    with closing(sqlite3.connect(path)) as file, file:
        assert file.execute("DELETE FROM waiting WHERE number = 6").rowcount == 1
    finished.deliver(path)
    finished.answer()
    wrong = {one.what: one.found for one in counts(finished) if not one.holds}
    assert wrong == {MISSING: 1, UNACCEPTED: 1, DROPPED: 1}


def test_what_a_service_had_in_hand_when_it_was_killed_is_submitted_by_the_next_one(finished: Finished) -> None:
    actions = life("in-hand")
    with closing(Desk(finished.work, "load-1")) as desk:
        desk.mean(actions)  # and here it was killed
    assert {MISSING, UNACCEPTED} <= finished.wrong()
    with closing(Desk(finished.work, "load-1")) as desk:
        assert desk.in_hand() == actions
        with Submitter(finished.url, Spool(finished.work / "load-1.spool", finished.url, WRAPPER)) as submitter:
            submit(submitter, desk, desk.in_hand())
    finished.answer()
    assert not finished.wrong()


def test_a_report_that_was_refused_for_good_is_counted(finished: Finished) -> None:
    finished.submit(life("headless")[1])  # screened, and never received
    finished.answer()
    assert finished.wrong() == {UNACCEPTED}


def test_a_submission_that_is_lost_with_its_outcome_is_counted(finished: Finished) -> None:
    with EmbeddedLog.open(finished.log) as log:
        last = log.end_offsets(Topic.ACTIONS)[0] - 1
    for topic in ("actions", "events"):
        finished.in_log("DELETE FROM record WHERE topic = ? AND partition = 0 AND offset = ?", topic, last)
    assert {MISSING, UNACCEPTED, LOST, ROWS} <= finished.wrong()


def test_an_altered_submission_is_counted(finished: Finished) -> None:
    good = encode_action(action(report(unit="north"), case_id=VICTIM))
    finished.in_log("UPDATE record SET value = ? WHERE topic = 'actions' AND partition = 0 AND offset = 0", good)
    assert {MISSING, LOST, UNLIKE} <= finished.wrong()


def test_a_second_copy_that_a_recorder_accepted_is_counted(finished: Finished) -> None:
    copy = action(report(), case_id="again")
    finished.submit(copy)
    finished.answer()
    finished.submit(copy)
    with EmbeddedLog.open(finished.log) as log:
        ends = log.end_offsets(Topic.ACTIONS)
        (at,) = [one for one in log.end_offsets(Topic.EVENTS).items() if one[1] < ends[one[0]]]
        first = log.read_one(Topic.EVENTS, at[0], at[1] - 1)
        assert first is not None
        event = Event(
            leaf_hash(encode_action(copy)), leaf_hash(first.value or b""), copy.action_id, 2, *at, copy.occurred_at, "again",
            LOG_NAME, RULE_SET, copy.occurred_at, copy.actor, None, copy.body,
        )  # fmt: skip
        log.append(Topic.EVENTS, [Entry(b"again", encode_event(event), at[0])])
    assert {DOUBLED, UNLIKE} <= finished.wrong()


def test_what_is_without_an_outcome_is_not_waited_for_in_vain(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished.submit(action(report(), case_id="unheard"))
    monkeypatch.setattr(counting, "PATIENCE", 0.0)
    with pytest.raises(AssertionError, match="some submissions have no outcome"):
        counts(finished)


def test_the_last_heartbeat_of_a_recorder_is_the_one_thing_that_may_be_without_an_outcome(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = Heartbeat("recorder-2", MachineKind.RECORDER, 5)
    key = machine_key(beat.machine, HAPPENED)
    finished.submit(action(beat, Actor("watchdog", "metro-pd", Role.SYSTEM), key))
    monkeypatch.setattr(counting, "_answered", lambda site: None)  # it came after that
    assert UNANSWERED not in finished.wrong()
    finished.submit(action(report(), case_id="unheard"))
    assert UNANSWERED in finished.wrong()


def test_an_altered_event_is_counted(finished: Finished) -> None:
    with EmbeddedLog.open(finished.log) as log:
        first = log.read_one(Topic.EVENTS, 0, 0)
    assert first is not None and first.value is not None
    value = first.value.replace(b"child-crimes", b"child-Crimes")
    assert value != first.value
    finished.in_log("UPDATE record SET value = ? WHERE topic = 'events' AND partition = 0 AND offset = 0", value)
    assert {UNVERIFIED, UNLIKE, ROWS} <= finished.wrong()


def test_an_outcome_that_is_there_twice_is_counted(finished: Finished) -> None:
    with EmbeddedLog.open(finished.log) as log:
        first = log.read_one(Topic.EVENTS, 0, 0)
        assert first is not None
        log.append(Topic.EVENTS, [Entry(first.key, first.value, 0)])
    assert {DISORDER, UNLIKE, ROWS} <= finished.wrong()
