"""Whatever somebody who can write the file of an embedded log puts in the place of a field, the checks name the place and go on.

Those who decide and project keep their rule: what was submitted is answered, and an event that is none stops them with a
message that says where.
"""

from contextlib import closing
from typing import Final

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from casetrail.audit.balance import balance
from casetrail.audit.faults import Kind
from casetrail.audit.replaying.replay import replay
from casetrail.cli import exits
from casetrail.cli.main import cli
from casetrail.consumers.projector import Projector
from casetrail.consumers.recorder import Recorder, RecorderFault
from casetrail.domain.values import EPOCH, LATEST, LATEST_MILLIS, at_millis
from casetrail.eventlog.codec import Event, decode_event, encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.embedded_file import MISPLACED, MOST_OFFSET, pack_headers, unpack_headers
from casetrail.eventlog.errors import LogDamaged, LogMissing
from casetrail.eventlog.outcome import ChainBroken
from casetrail.eventlog.port import Entry, Topic
from casetrail.projections.case_store import CaseStore
from casetrail.projections.database import open_database
from casetrail.projections.views import Views
from tests.actions import life
from tests.audit.verifying import Story
from tests.consumers.notarial import records

TIMES: Final = {
    "a text": "'never'", "bytes": "x'00ff'", "half a millisecond": "appended_at + 0.5", "infinite": "9e999", "the last of 64 bits": str(2**63 - 1),
    "ages ahead": str(2**62), "behind the last": str(LATEST_MILLIS + 1), "none": "-1", "ages ago": str(-(2**63)),
}  # fmt: skip
KEYS: Final = {
    "nothing": "NULL", "a number": "7", "half a number": "0.5", "a text": "'C'", "empty": "x''", "no UTF-8": "x'c3ff'",
    "a text that is none": "CAST(x'ff' AS TEXT)", "long": "zeroblob(70000)",
}  # fmt: skip
VALUES: Final = {
    **KEYS,
    "a beginning": "x'00'",
    "an unknown schema": "x'00ffffffff'",
    "cut off": "substr(value, 1, 40)",
}
HEADERS: Final = {
    "a letter": "x'78'", "a text": "'x'", "a number": "7", "cut off": "x'00000001'", "too long a name": "x'ffffffff'",
    "a name alone": "x'0000000161'", "a name in no UTF-8": "x'00000001ff00000000'", "cut within a value": "x'000000016100000005ff'",
}  # fmt: skip
OFFSETS: Final = {
    "a text": "'five'", "bytes": "x'05'", "half": "offset + 0.5", "before the beginning": "-1", "far ahead": "offset + 1000000",
    "as far as can be": str(MOST_OFFSET), "beyond that": str(2**63 - 1), "infinite": "9e999",
}  # fmt: skip
PARTITIONS: Final = {"a text": "'one'", "another one": "7", "negative": "-1", "bytes": "x'00'", "half": "0.5"}
TOPICS: Final = {"another": "'other'", "no UTF-8": "CAST(x'ff' AS TEXT)", "bytes": "x'6576656e7473'"}
COLUMNS: Final = {
    "appended_at": TIMES, "key": KEYS, "value": VALUES, "headers": HEADERS, "offset": OFFSETS, "partition": PARTITIONS,
    "topic": TOPICS,
}  # fmt: skip
ALL: Final = [(column, name, put) for column, puts in COLUMNS.items() for name, put in puts.items()]
MIDDLE: Final = 100
FORGED: Final = 30
"""The offset of an event that was altered elsewhere."""


def garble(story: Story, column: str, put: str, topic: Topic, offset: int) -> None:
    """Put something else in the place of a field of one record."""
    with story.tampering() as database:
        database.execute("PRAGMA ignore_check_constraints=ON")
        where = "topic = ? AND partition = 0 AND offset = ?"
        done = database.execute(f"UPDATE record SET {column} = {put} WHERE {where}", (topic.value, offset))
        assert done.rowcount == 1


def forge(story: Story, offset: int = FORGED) -> None:
    """Alter a byte of an event's link to its action."""
    with story.tampering() as database:
        query = "SELECT value FROM record WHERE topic = 'events' AND partition = 0 AND offset = ?"
        (value,) = database.execute(query, (offset,)).fetchone()
        value = value[:70] + bytes([value[70] ^ 1]) + value[71:]
        database.execute(
            "UPDATE record SET value = ? WHERE topic = 'events' AND partition = 0 AND offset = ?", (value, offset)
        )


def is_asked(topic: Topic, place: int) -> bool:
    """Everything that can be done to events and submissions, and a third of it to the others."""
    return topic in (Topic.EVENTS, Topic.ACTIONS) or place % 3 == 0


def named(column: str, topic: Topic, offset: int) -> tuple[Kind, Topic, int] | None:
    """What a verification says of a record with this field garbled."""
    if column in ("appended_at", "headers"):
        return Kind.RECORD_GARBLED, topic, offset
    if column in ("offset", "partition", "topic"):
        return Kind.RECORD_DELETED, topic, offset
    if topic is Topic.SCHEMAS:
        return Kind.SCHEMA_ALTERED, topic, offset
    if topic is Topic.CHECKPOINTS:  # a key says nothing there
        return None if column == "key" else (Kind.CHECKPOINT_UNREADABLE, topic, offset)
    if topic is Topic.ACTIONS:
        return Kind.CASE_DIFFERS if column == "key" else Kind.ACTION_DIFFERS, Topic.EVENTS, offset
    return Kind.KEY_DIFFERS if column == "key" else Kind.EVENT_UNREADABLE, topic, offset


@pytest.mark.parametrize(
    ("topic", "column", "put"),
    [
        pytest.param(topic, column, put, id=f"{topic.value}, {column}: {name}")
        for topic in Topic
        for place, (column, name, put) in enumerate(ALL)
        if is_asked(topic, place)
    ],
)
def test_checks_name_the_place_and_go_on(story: Story, topic: Topic, column: str, put: str) -> None:
    offset = MIDDLE if topic in (Topic.EVENTS, Topic.ACTIONS) else 1
    forge(story)
    garble(story, column, put, topic, offset)
    report = story.report()
    found = {(one.kind, one.topic, one.offset) for one in report.faults.listed}
    assert any(one[1:] == (Topic.EVENTS, FORGED) for one in found), found
    wanted = named(column, topic, offset)
    assert wanted is None or wanted in found, found
    is_read = put in (OFFSETS["far ahead"], OFFSETS["as far as can be"])
    if column in ("offset", "partition", "topic") and not is_read:
        assert report.faults.counts[Kind.RECORD_MISPLACED] == 1
        weak = {one.setting for one in story.log.weaknesses()}
        assert weak == (
            {"first offset"} if put == "-1" and column == "offset" else set() if put == OFFSETS["half"] else {MISPLACED}
        )
    (verdict,) = replay(story.recording.url)
    assert verdict.findings
    assert balance(story.log)[0].submitted > 0


@given(st.binary(max_size=40) | st.binary(max_size=9).map(lambda name: len(name).to_bytes(4) + name + bytes(4)))
def test_any_bytes_are_headers_or_none(packed: bytes) -> None:
    try:
        headers = unpack_headers(packed)
    except ValueError:
        return
    assert (pack_headers(headers) or b"") == packed


# --- those who decide and project ---


def record(story: Story) -> list[Event]:
    """A recorder that knows nothing yet answers what waits; all events then."""
    count, store = story.log.end_offsets(Topic.EVENTS)[0], CaseStore(":memory:", story.log.name, 100)
    with closing(store), closing(Recorder(story.log, store)) as recorder:
        while recorder.step(0.05):
            pass
    return [decode_event(one.value) for one in records(story.log, Topic.EVENTS)[count:]]


@pytest.mark.parametrize("put", TIMES.values(), ids=TIMES)
def test_a_submission_is_answered_whatever_its_time(story: Story, put: str) -> None:
    offset = story.insert(Topic.ACTIONS, Entry(b"NEW", encode_action(life("NEW")[0])))
    garble(story, "appended_at", put, Topic.ACTIONS, offset)
    asked = story.log.read_one(Topic.ACTIONS, 0, offset)
    assert asked is not None
    (event,) = record(story)
    assert (event.action_offset, event.recorded_at) == (offset, at_millis(asked.appended_at))
    assert EPOCH <= event.recorded_at <= LATEST
    story.publish()
    (verdict,) = replay(story.recording.url)
    assert not verdict.counts
    report = story.report()
    assert set(report.faults.counts) - {Kind.CLOCK_DIFFERS} == {Kind.RECORD_GARBLED}
    for words in (("history", "NEW"), ("show", "NEW"), ("overdue",), ("count",)):
        run(story, *words)
    run(story, "findings", code=exits.FAULTS)  # those of the story


def test_behind_a_record_without_a_time_nothing_is_appended_and_it_is_said(story: Story) -> None:
    last = story.log.end_offsets(Topic.ACTIONS)[0] - 1
    garble(story, "appended_at", TIMES["a text"], Topic.ACTIONS, last)
    with pytest.raises(LogDamaged, match="actions: nothing can be appended"):
        story.insert(Topic.ACTIONS, Entry(b"NEW", encode_action(life("NEW")[0])))
    assert len(record(story)) == 0
    story.insert(Topic.EVENTS, Entry(b"NEW", b"in another topic it can"))


def test_an_event_that_is_none_stops_those_who_fold_it_and_they_say_where(story: Story) -> None:
    garble(story, "value", "NULL", Topic.EVENTS, MIDDLE)
    place = f"partition 0, offset {MIDDLE} of the events is no event"
    with pytest.raises(RecorderFault, match=place):
        record(story)
    with closing(open_database(f"sqlite:{story.folder / 'views'}", create=True)) as database:
        projector = Projector(story.log, Views.create(database, story.log.name))
        with pytest.raises(ChainBroken, match=place):
            while projector.step(0.0):
                pass
    done = run(story, "cases", code=exits.FAILED)
    assert place in done.stderr


def test_an_event_as_far_as_can_be_stops_who_folds_it_and_takes_no_ages(story: Story) -> None:
    garble(story, "offset", OFFSETS["as far as can be"], Topic.EVENTS, MIDDLE)
    done = run(story, "cases", code=exits.FAILED)
    assert "does not follow event" in done.stderr


@pytest.mark.parametrize("put", ["'many'", "0", "-1", "1000000000", "1.5", "x'01'"])
def test_a_file_that_says_of_itself_what_no_log_does_is_none(story: Story, put: str) -> None:
    story.log.close()
    with story.tampering() as database:
        database.execute(f"UPDATE log SET partitions = {put}")
    with pytest.raises(LogMissing, match="its name or number of partitions was altered"):
        EmbeddedLog.open(story.path)


def run(story: Story, *words: str, code: int = exits.OK) -> Result:
    """Run a command on the log."""
    done = CliRunner().invoke(cli, ["--log", story.recording.url, *words])
    assert done.exit_code == code, (words, done.output, done.exception)
    return done
