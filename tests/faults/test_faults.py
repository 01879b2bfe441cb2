"""A small run of what ``make faults`` does at length, and what its counting finds where something is wrong."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

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
from casetrail.publishing.spool import Spool, spooled_for
from tests.actions import HAPPENED, action, life, report
from tests.consumers.notarial import notary_of, publish
from tests.faults import counting
from tests.faults.__main__ import page, run
from tests.faults.counting import Count, counts
from tests.faults.load import WRAPPER
from tests.faults.site import Service, Site
from tests.histories import LOG_NAME, record_all

KILLS = 8
SEED = 175
"""It begins with one of each: recorders, projector, watchdog, notary, service, broker and PostgreSQL are killed."""
VICTIM = "case-1"


@pytest.mark.broker
@pytest.mark.postgres
@pytest.mark.timeout(900)  # each wait has a deadline of its own
def test_a_site_that_is_injured_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    inflicted, found, own_ends = run(tmp_path / "site", KILLS, SEED)
    assert sum(inflicted.values()) >= 6, inflicted
    assert len(inflicted) >= 6, inflicted
    told = page(inflicted, found, own_ends, 1, SEED)
    assert [one for one in found if not one.holds] == [], told
    by_name = {one.what: one.found for one in found}
    assert by_name["accepted"] > 100, told
    assert by_name["submissions that services were given receipts for"] > 50, told


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
        """Submit, and write down what was acknowledged; nobody answers."""
        entries = [Entry(one.case_id.encode(), encode_action(one)) for one in actions]
        with EmbeddedLog.open(self.log) as log, (self.work / "load-1.acknowledged").open("a") as out:
            for entry, at in zip(entries, log.append(Topic.ACTIONS, entries), strict=True):
                out.write(f"{at.partition} {at.offset} {leaf_hash(entry.value or b'').hex()}\n")

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
    assert {one.what for one in found if one.allowed == 0} == {
        UNANSWERED, DISORDER, LOST, DOUBLED, UNVERIFIED, UNLIKE, ROWS,
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


def test_a_submission_that_is_lost_with_its_outcome_is_counted(finished: Finished) -> None:
    with EmbeddedLog.open(finished.log) as log:
        last = log.end_offsets(Topic.ACTIONS)[0] - 1
    for topic in ("actions", "events"):
        finished.in_log("DELETE FROM record WHERE topic = ? AND partition = 0 AND offset = ?", topic, last)
    assert {LOST, ROWS} <= finished.wrong()


def test_an_altered_submission_is_counted(finished: Finished) -> None:
    good = encode_action(action(report(unit="north"), case_id=VICTIM))
    finished.in_log("UPDATE record SET value = ? WHERE topic = 'actions' AND partition = 0 AND offset = 0", good)
    assert {LOST, UNLIKE} <= finished.wrong()


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
