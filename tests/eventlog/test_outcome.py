"""From the same submissions follow the same events, byte for byte, and no event can be altered, removed or moved unseen."""

import secrets
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casetrail.domain.actions import Action, ActionRejected, SubmissionUnreadable
from casetrail.domain.codes import ScreeningReason
from casetrail.domain.intake import ScreenedIn
from casetrail.domain.rules import RULE_SET
from casetrail.eventlog.codec import UNREADABLE, Unreadable, decode_event, encode_action, encode_event
from casetrail.eventlog.hashing import NO_HASH, leaf_hash
from casetrail.eventlog.limits import ACTION_BYTES, EVENT_BYTES, MOST_BYTES
from casetrail.eventlog.outcome import KEPT_KEY_BYTES, ChainBroken, History, answer, case_of, follow, stray_id
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Record
from tests.actions import HAPPENED, INTAKE, action, life, report
from tests.domain.histories import LAST_RECORDED, submissions

LOG = "metro"
PARTITIONS = 6
CASE = "C-1"
HOME = partition_for(CASE.encode(), PARTITIONS)
FIRST_MILLIS = int(LAST_RECORDED.timestamp() * 1000)


def record(value: bytes | None, offset: int = 0, key: bytes | None = CASE.encode(), partition: int = HOME) -> Record:
    """A record of ``LOG.actions``."""
    return Record(partition, offset, FIRST_MILLIS + offset, key, value)


def submitted(actions: Sequence[Action]) -> list[Record]:
    return [record(encode_action(asked), offset) for offset, asked in enumerate(actions)]


def answered(records: Sequence[Record], case_id: str = CASE) -> tuple[History, list[Record]]:
    """The history that the submissions make, and the records of ``LOG.events`` that answer them."""
    history = History.empty(case_id)
    values = [answer(history, asked, LOG, PARTITIONS) for asked in records]
    return history, [record(value, offset, case_id.encode()) for offset, value in enumerate(values)]


LIFE = submitted(life(CASE))
EVENTS = answered(LIFE)[1]

anything = st.binary(max_size=80) | st.none()


@settings(max_examples=60, deadline=None)
@given(submissions(), st.lists(anything, max_size=3))
def test_the_same_submissions_give_the_same_events_and_following_them_the_same_case(
    actions: list[Action], others: list[bytes | None]
) -> None:
    records = submitted(actions)
    records += [record(value, len(records) + number) for number, value in enumerate(others)]
    history, events = answered(records)
    assert answered(records)[1] == events

    followed = History.empty(CASE)
    for event in events:
        follow(followed, event)
    assert followed == history
    assert followed.case.version == len(records)


@settings(max_examples=60, deadline=None)
@given(submissions(), st.integers(0, 30))
def test_a_recorder_that_starts_anew_goes_on_as_if_it_had_not(actions: list[Action], stop: int) -> None:
    records = submitted(actions)
    events = answered(records)[1]
    history = History.empty(CASE)
    for event in events[:stop]:
        follow(history, event)
    assert [answer(history, asked, LOG, PARTITIONS) for asked in records[stop:]] == [
        event.value for event in events[stop:]
    ]


def test_an_event_says_which_submission_it_answers_and_what_came_before() -> None:
    events = [decode_event(event.value) for event in EVENTS]
    assert [event.number for event in events] == list(range(1, len(LIFE) + 1))
    assert [event.action_offset for event in events] == [asked.offset for asked in LIFE]
    assert [event.action_hash for event in events] == [leaf_hash(asked.value or b"") for asked in LIFE]
    assert [event.previous_hash for event in events] == [
        NO_HASH, *(leaf_hash(event.value or b"") for event in EVENTS[:-1])
    ]  # fmt: skip
    assert {(event.case_id, event.log, event.partition, event.rule_set) for event in events} == {
        (CASE, LOG, HOME, RULE_SET)
    }


def test_an_event_has_the_logs_time_and_no_clocks() -> None:
    event = decode_event(EVENTS[0].value)
    assert event.recorded_at.timestamp() * 1000 == LIFE[0].appended_at
    assert event.occurred_at == HAPPENED


def test_a_rejected_action_is_in_the_history_with_who_asked() -> None:
    asked = action(ScreenedIn(ScreeningReason.ALLEGES_CRIME), INTAKE)
    event = decode_event(answered(submitted([asked]))[1][0].value)
    assert event.body == ActionRejected("ScreenedIn", "no-such-case", None)
    assert (event.actor, event.action_id, event.occurred_at) == (INTAKE, asked.action_id, asked.occurred_at)


# --- what was altered ---


def broken(events: Sequence[Record]) -> bool:
    """Whether following the events comes upon something wrong, and what it says names where."""
    history = History.empty(CASE)
    try:
        for event in events:
            follow(history, event)
    except Unreadable:
        return True
    except ChainBroken as error:
        assert f"partition {HOME}" in str(error)
        return True
    return False


def test_what_the_recorder_wrote_is_followed() -> None:
    assert not broken(EVENTS)


@pytest.mark.parametrize("gone", range(len(EVENTS) - 1))
def test_a_removed_event_is_noticed(gone: int) -> None:
    assert broken([*EVENTS[:gone], *EVENTS[gone + 1 :]])


@pytest.mark.parametrize("first", range(len(EVENTS) - 1))
def test_reordered_events_are_noticed(first: int) -> None:
    swapped = [*EVENTS]
    swapped[first], swapped[first + 1] = swapped[first + 1], swapped[first]
    assert broken(swapped)


@pytest.mark.parametrize("twice", range(len(EVENTS)))
def test_a_repeated_event_is_noticed(twice: int) -> None:
    assert broken([*EVENTS[: twice + 1], *EVENTS[twice:]])


def test_an_altered_event_is_noticed_by_the_next_at_the_latest() -> None:
    for number, event in enumerate(EVENTS[:-1]):
        value = event.value or b""
        for at in range(len(value)):
            altered = value[:at] + bytes((value[at] ^ 1,)) + value[at + 1 :]
            assert broken([*EVENTS[:number], event._replace(value=altered), *EVENTS[number + 1 :]]), (number, at)


def test_an_event_of_another_case_is_noticed() -> None:
    other = answered(submitted([replace(asked, case_id="C-2") for asked in life("C-2")]), "C-2")[1]
    assert broken([other[0]])


def test_an_event_that_fits_but_was_made_up_is_noticed_by_the_next() -> None:
    forged = encode_event(decode_event(EVENTS[1].value)._replace(action_hash=secrets.token_bytes(32)))
    assert not broken([EVENTS[0], EVENTS[1]._replace(value=forged)])  # only the submissions tell: see casetrail.audit
    assert broken([EVENTS[0], EVENTS[1]._replace(value=forged), EVENTS[2]])


# --- what belongs to no case, or is no action ---


@pytest.mark.parametrize(
    ("key", "partition", "code"),
    [
        pytest.param(None, 2, "bad-key", id="no key"),
        pytest.param(b"", 2, "bad-key", id="an empty key"),
        pytest.param(b"Jane Doe", 2, "bad-key", id="a key that is no id"),
        pytest.param(b"\xff\xfe", 2, "bad-key", id="a key that is no text"),
        pytest.param(b"~stray.2", 2, "bad-key", id="the id of a partition's strays"),
        pytest.param(b"x" * 65, 2, "bad-key", id="a key too long"),
        pytest.param(CASE.encode(), (HOME + 1) % PARTITIONS, "wrong-partition", id="not where the key belongs"),
    ],
)
def test_what_belongs_to_no_case_is_kept_with_the_partitions_strays(
    key: bytes | None, partition: int, code: str
) -> None:
    value = encode_action(action(report(), INTAKE))
    stray = record(value, key=key, partition=partition)
    assert case_of(stray, PARTITIONS) == stray_id(partition)
    event = decode_event(answer(History.empty(stray_id(partition)), stray, LOG, PARTITIONS))
    assert event.body == SubmissionUnreadable(code, len(value), (key or b"")[:KEPT_KEY_BYTES], value)
    assert (event.actor, event.occurred_at, event.imported, event.action_id) == (None, None, None, bytes(16))


def test_strays_are_a_chain_of_their_own() -> None:
    strays = [record(b"?", offset, None, 2) for offset in range(3)]
    events = answered(strays, stray_id(2))[1]
    history = History.empty(stray_id(2))
    assert [follow(history, event).number for event in events] == [1, 2, 3]


@settings(max_examples=100, deadline=None)
@given(anything, st.binary(max_size=70) | st.none(), st.integers(0, PARTITIONS - 1))
def test_whatever_is_submitted_is_answered(value: bytes | None, key: bytes | None, partition: int) -> None:
    asked = record(value, 0, key, partition)
    history = History.empty(case_of(asked, PARTITIONS))
    event = decode_event(answer(history, asked, LOG, PARTITIONS))
    assert event.number == 1
    if isinstance(event.body, SubmissionUnreadable):
        assert event.body.code in UNREADABLE
        assert event.body.value == (value or b"")


def test_an_action_under_the_key_of_another_case_is_rejected_there() -> None:
    asked = record(encode_action(action(report(), INTAKE, "C-9")))
    event = decode_event(answer(History.empty(CASE), asked, LOG, PARTITIONS))
    assert (event.case_id, event.body) == (CASE, ActionRejected("ReportReceived", "wrong-key", None))


@pytest.mark.parametrize("size", [ACTION_BYTES, ACTION_BYTES + 1, MOST_BYTES])
@pytest.mark.parametrize("key", [CASE.encode(), b"k" * 5000])
def test_the_event_of_the_largest_submission_has_room_in_a_tile_bundle(size: int, key: bytes) -> None:
    value = secrets.token_bytes(size)
    asked = record(value, key=key)
    answer_bytes = answer(History.empty(case_of(asked, PARTITIONS)), asked, LOG, PARTITIONS)
    assert len(answer_bytes) < EVENT_BYTES
    body = decode_event(answer_bytes).body
    assert isinstance(body, SubmissionUnreadable)
    assert (body.size, body.value, body.key) == (size, value[:ACTION_BYTES], key[:KEPT_KEY_BYTES])
