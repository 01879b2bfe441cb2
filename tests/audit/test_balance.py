"""Counting shows what was passed over, answered twice, exchanged, or written past the recorder."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from casetrail.audit.balance import balance
from casetrail.eventlog.codec import decode_event, encode_action, encode_event
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Entry, Log, Topic
from tests.actions import INTAKE, action, life, report
from tests.consumers.test_recorder import record_all


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a log with six recorded actions."""
    made = tmp_path / "log.db"
    with init_log(f"sqlite:{made}") as log:
        log.append(Topic.ACTIONS, [Entry(b"C-1", encode_action(one)) for one in life("C-1")])
        record_all(log)
    return made


@pytest.fixture
def log(path: Path) -> Iterator[Log]:
    with EmbeddedLog.open(path) as opened:
        yield opened


def tamper(path: Path, statement: str, *values: object) -> None:
    """Change the file as somebody would who owns it."""
    database = sqlite3.connect(path)
    for trigger in ("no_update", "no_delete"):
        database.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    database.execute(statement, values)
    database.commit()
    database.close()


def test_an_empty_log_balances(tmp_path: Path) -> None:
    with init_log(f"sqlite:{tmp_path / 'empty.db'}", partitions=2) as log:
        assert [(one.submitted, one.pending, one.faults) for one in balance(log)] == [(0, 0, [])] * 2


def test_submitted_is_accepted_rejected_unreadable_and_pending(log: Log) -> None:
    log.append(Topic.ACTIONS, [Entry(b"C-1", b"?"), Entry(b"C-1", encode_action(action(report(), INTAKE)))])
    record_all(log)
    log.append(Topic.ACTIONS, [Entry(b"C-2", encode_action(action(report(), INTAKE, "C-2")))])
    (one,) = balance(log)
    assert (one.submitted, one.accepted, one.rejected, one.unreadable, one.pending) == (9, 6, 1, 1, 1)
    assert one.faults == []


def test_an_action_that_was_passed_over_shows(path: Path, log: Log) -> None:
    tamper(path, "DELETE FROM record WHERE topic = 'events' AND offset = 2")
    (one,) = balance(log)
    assert one.faults == ["action at offset 2 was passed over: the next event answers 3"]


def test_an_event_that_answers_again_shows(log: Log) -> None:
    last = log.last(Topic.EVENTS, 0)
    assert last is not None
    log.append(Topic.EVENTS, [Entry(last.key, last.value, 0)])
    (one,) = balance(log)
    assert one.faults == ["event at offset 6 answers no action that is in the log"]


def test_an_action_exchanged_after_it_was_answered_shows(path: Path, log: Log) -> None:
    other = encode_action(action(report(immediate_danger=True), INTAKE))
    tamper(path, "UPDATE record SET value = ? WHERE topic = 'actions' AND offset = 0", other)
    (one,) = balance(log)
    assert one.faults == ["event at offset 0 answers action 0, but with other content"]


def test_a_record_that_is_no_event_shows(path: Path, log: Log) -> None:
    tamper(path, "UPDATE record SET value = X'00' WHERE topic = 'events' AND offset = 5")
    (one,) = balance(log)
    assert one.faults == ["the record at offset 5 of the events is no event: not written by a recorder"]


def test_an_insiders_event_shows(log: Log) -> None:
    record = log.read_one(Topic.EVENTS, 0, 3)
    assert record is not None
    event = decode_event(record.value)._replace(action_offset=99)
    log.append(Topic.EVENTS, [Entry(record.key, encode_event(event), 0)])
    (one,) = balance(log)
    assert one.faults == ["event at offset 6 answers no action that is in the log"]


def test_thousands_of_wrong_events_are_counted_without_end(log: Log) -> None:
    last = log.last(Topic.EVENTS, 0)
    assert last is not None
    log.append(Topic.EVENTS, [Entry(last.key, last.value, 0)] * 3000)
    log.append(Topic.ACTIONS, [Entry(b"C-1", b"?")])
    (one,) = balance(log)
    assert len(one.faults) == 100
