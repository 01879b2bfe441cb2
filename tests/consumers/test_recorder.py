"""The recorder answers every action with exactly one event, whatever is submitted and whenever it stops."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from casetrail.audit.balance import balance
from casetrail.consumers.recorder import Recorder, RecorderFault
from casetrail.domain.actions import ActionRejected, SubmissionUnreadable
from casetrail.domain.codes import Role
from casetrail.eventlog.codec import Event, decode_event, encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.errors import WriterFenced
from casetrail.eventlog.hashing import NO_HASH, leaf_hash
from casetrail.eventlog.limits import ACTION_BYTES, EVENT_BYTES, MOST_BYTES
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Entry, Log, Record, Topic
from casetrail.projections.case_store import CaseStore
from tests.actions import HAPPENED, INTAKE, SERGEANT, action, life, report


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """An embedded log with three partitions."""
    with init_log(f"sqlite:{tmp_path / 'log.db'}", partitions=3) as made:
        yield made


def record_all(log: Log, state: Path | str = ":memory:", cached: int = 100) -> None:
    """Record what is pending."""
    store = CaseStore(state, log.name, cached)
    recorder = Recorder(log, store)
    while recorder.step(0.0):
        pass
    recorder.close()
    store.close()


def records(log: Log, topic: Topic = Topic.EVENTS) -> list[Record]:
    """All records of a topic, by partition and offset."""
    ends = log.end_offsets(topic)
    found: list[Record] = []
    with log.reader(topic, dict.fromkeys(ends, 0)) as reader:
        while any(reader.position(one) < end for one, end in ends.items()):
            found += reader.poll(1.0)
    return sorted(found, key=lambda record: (record.partition, record.offset))


def events(log: Log) -> list[Event]:
    """All events, by partition and offset."""
    return [decode_event(record.value) for record in records(log)]


def submit(log: Log, *case_ids: str) -> None:
    """Submit the beginning of the life of some cases."""
    entries = [Entry(one.case_id.encode(), encode_action(one)) for case_id in case_ids for one in life(case_id)]
    log.append(Topic.ACTIONS, entries)


def test_every_action_has_exactly_one_event_in_its_partition_and_order(log: Log) -> None:
    submit(log, *(f"case-{number}" for number in range(20)))
    record_all(log)
    actions = records(log, Topic.ACTIONS)
    answered = events(log)
    assert [(one.partition, one.action_offset) for one in answered] == [(one.partition, one.offset) for one in actions]
    assert [one.action_hash for one in answered] == [leaf_hash(one.value or b"") for one in actions]
    assert [one.recorded_at.timestamp() * 1000 for one in answered] == [float(one.appended_at) for one in actions]
    assert len({one.partition for one in actions}) == 3


def test_the_events_of_a_case_are_numbered_and_chained(log: Log) -> None:
    submit(log, "C-1", "C-2")
    record_all(log)
    for case_id in ("C-1", "C-2"):
        previous, number = NO_HASH, 0
        for record in records(log):
            if record.key == case_id.encode():
                event = decode_event(record.value)
                assert (event.number, event.previous_hash) == (number + 1, previous)
                previous, number = leaf_hash(record.value or b""), event.number
        assert number == 6


HOSTILE = {
    "no value": (b"C-1", None, "no-value"),
    "an empty value": (b"C-1", b"", "not-framed"),
    "text": (b"C-1", b'{"kind": "json"}', "not-framed"),
    "an unknown schema": (b"C-1", b"\x00\x00\x00\x00\x01rest", "unknown-schema"),
    "bytes after the end": (b"C-1", encode_action(action(report(), INTAKE)) + b"x", "not-decodable"),
    "bytes missing": (b"C-1", encode_action(action(report(), INTAKE))[:-1], "not-decodable"),
    "ten megabytes less": (b"C-1", b"\x00" * 900_000, "too-large"),
    "no key": (None, encode_action(action(report(), INTAKE)), "bad-key"),
    "a key that is no text": (b"\xff\xfe", encode_action(action(report(), INTAKE)), "bad-key"),
    "a key that is no id": (b"no id!", encode_action(action(report(), INTAKE)), "bad-key"),
}


@pytest.mark.parametrize(("key", "value", "code"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_cannot_be_read_is_kept_and_the_recorder_goes_on(
    log: Log, key: bytes | None, value: bytes | None, code: str
) -> None:
    log.append(Topic.ACTIONS, [Entry(key, value)])
    submit(log, "C-9")
    record_all(log)
    unreadable = [one for one in events(log) if isinstance(one.body, SubmissionUnreadable)]
    assert len(unreadable) == 1
    body = unreadable[0].body
    assert isinstance(body, SubmissionUnreadable)
    assert (body.code, body.size, body.value) == (code, len(value or b""), (value or b"")[:ACTION_BYTES])
    assert sum(one.accepted for one in balance(log)) == 6
    assert not any(one.faults or one.pending for one in balance(log))


def test_an_event_is_never_too_large_for_a_tile(log: Log) -> None:
    log.append(Topic.ACTIONS, [Entry(b"k" * 50_000, b"\x00" * 900_000), Entry(b"C-1", b"v" * ACTION_BYTES)])
    record_all(log)
    assert all(len(record.value or b"") <= EVENT_BYTES for record in records(log))


def test_a_submission_in_the_wrong_partition_joins_no_case(log: Log) -> None:
    home = partition_for(b"C-1", 3)
    value = encode_action(action(report(), INTAKE))
    log.append(Topic.ACTIONS, [Entry(b"C-1", value), Entry(b"C-1", value, partition=(home + 1) % 3)])
    record_all(log)
    stray = next(one for one in events(log) if one.partition == (home + 1) % 3)
    assert isinstance(stray.body, SubmissionUnreadable)
    assert (stray.body.code, stray.case_id) == ("wrong-partition", f"~stray.{(home + 1) % 3}")


def test_a_key_that_is_not_the_actions_case_is_refused_in_the_history_of_the_key(log: Log) -> None:
    log.append(Topic.ACTIONS, [Entry(b"C-2", encode_action(action(report(), INTAKE, "C-1")))])
    record_all(log)
    (event,) = events(log)
    assert isinstance(event.body, ActionRejected)
    assert (event.case_id, event.body.code) == ("C-2", "wrong-key")


def test_what_is_dated_in_the_future_is_refused(log: Log) -> None:
    ahead = HAPPENED + timedelta(days=365 * 50)
    log.append(Topic.ACTIONS, [Entry(b"C-1", encode_action(action(report(), INTAKE, at=ahead)))])
    record_all(log)
    (event,) = events(log)
    assert isinstance(event.body, ActionRejected)
    assert event.body.code == "occurred-in-the-future"


def test_a_repeated_action_is_refused_and_doubles_nothing(log: Log) -> None:
    value = encode_action(action(report(), INTAKE))
    for _ in range(3):
        log.append(Topic.ACTIONS, [Entry(b"C-1", value)])
        record_all(log)
    codes = [getattr(one.body, "code", "accepted") for one in events(log)]
    assert codes == ["accepted", "duplicate-action", "duplicate-action"]


def test_a_recorder_goes_on_where_the_last_one_stopped(log: Log, tmp_path: Path) -> None:
    for number in range(5):
        submit(log, f"case-{number}", "C-1")
        record_all(log, tmp_path / "state")
    assert not any(one.faults or one.pending for one in balance(log))


def test_without_its_state_file_a_recorder_makes_the_same_events(log: Log, tmp_path: Path) -> None:
    submit(log, *(f"case-{number}" for number in range(10)))
    record_all(log, tmp_path / "state")
    log.append(
        Topic.ACTIONS, [Entry(b"case-3", encode_action(action(report(), INTAKE, "case-3", action_id=bytes(16))))]
    )
    twin_path = tmp_path / "twin.db"
    log.close()
    shutil.copy(tmp_path / "log.db", twin_path)
    with EmbeddedLog.open(twin_path) as twin:
        record_all(twin)  # no state: folded anew
        record_all(log, tmp_path / "state")
        assert [record.value for record in records(twin)] == [record.value for record in records(log)]


def test_a_small_cache_changes_nothing(log: Log, tmp_path: Path) -> None:
    submit(log, *(f"case-{number}" for number in range(50)))
    log.close()
    shutil.copy(tmp_path / "log.db", tmp_path / "twin.db")
    with EmbeddedLog.open(tmp_path / "twin.db") as twin:
        record_all(twin, tmp_path / "twin-state", cached=1)
        record_all(log, tmp_path / "state")
        assert [record.value for record in records(twin)] == [record.value for record in records(log)]


def test_a_recorder_that_was_fenced_stops(log: Log) -> None:
    submit(log, "C-1")
    store = CaseStore(":memory:", log.name)
    recorder = Recorder(log, store)
    recorder.step(0.0)
    for partition in range(3):
        log.writer(partition)
    submit(log, "C-1")
    with pytest.raises(WriterFenced):
        recorder.step(0.0)
    recorder.close()
    record_all(log)
    assert not any(one.faults or one.pending for one in balance(log))


def test_only_one_of_two_recorders_of_an_embedded_log_records(log: Log) -> None:
    first, second = (Recorder(log, CaseStore(":memory:", log.name)) for _ in range(2))
    first.step(0.0)
    second.step(0.0)
    assert set(first.owned) == {0, 1, 2}
    assert second.owned == {}
    first.close()
    second.step(0.0)
    assert set(second.owned) == {0, 1, 2}
    second.close()


def test_a_recorder_does_not_go_on_after_an_event_that_no_recorder_wrote(log: Log) -> None:
    submit(log, "C-1")
    record_all(log)
    partition = partition_for(b"C-1", 3)
    log.append(Topic.EVENTS, [Entry(b"C-1", b"an insider's event", partition)])
    with pytest.raises(RecorderFault, match=f"partition {partition}"):
        record_all(log)


def test_a_partner_may_not_assign(log: Log) -> None:
    from casetrail.domain.assignment import Assigned

    partner = SERGEANT.__class__("clinic.ruiz", "clinic", Role.PARTNER)
    submit(log, "C-1")
    log.append(Topic.ACTIONS, [Entry(b"C-1", encode_action(action(Assigned("det.9"), partner)))])
    record_all(log)
    last = events(log)[-1]
    assert isinstance(last.body, ActionRejected)
    assert (last.body.kind, last.body.code) == ("Assigned", "role-may-not")


TRACE = ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")


def test_traceparent_goes_on_to_the_event(log: Log) -> None:
    value = encode_action(action(report(), INTAKE))
    log.append(Topic.ACTIONS, [Entry(b"C-1", value, headers=(TRACE, ("other", b"x")))])
    record_all(log)
    assert records(log)[0].headers == (TRACE,)


def test_no_header_keeps_an_action_from_being_answered(log: Log) -> None:
    value = encode_action(action(report(), INTAKE))
    room = MOST_BYTES - len(b"C-1") - len(value)
    whole = ("traceparent", b"0" * (room - len("traceparent")))
    hostile = [(whole,), (("traceparent", b"\x1b[2J\r\nx: y"), TRACE), (TRACE,) * 500]
    log.append(Topic.ACTIONS, [Entry(b"C-1", value, headers=headers) for headers in hostile])
    record_all(log)
    assert [record.headers for record in records(log)] == [(), (TRACE,), (TRACE,)]
