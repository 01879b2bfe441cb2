"""What is done to a log behind its back is named, where it was done, and nothing else is."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from casetrail.audit.faults import Fault, Kind
from casetrail.audit.verification import partition as verify_partition
from casetrail.audit.verification import plan as verify_plan
from casetrail.audit.verification.outline import Writer
from casetrail.domain.actions import ActionRejected, SubmissionUnreadable
from casetrail.domain.notarized import CheckpointCosigned, CheckpointPublished, OffsetRange
from casetrail.eventlog.codec import Event, decode_event, encode_event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.outcome import History, answer, case_of
from casetrail.eventlog.port import Entry, Record, Topic
from casetrail.eventlog.schemas import current_ids
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.note import Note, format_note, parse_note
from casetrail.proofs.policy import parse_policy
from tests.audit.verifying import Story, told
from tests.consumers.notarial import KEY, ORIGIN, records
from tests.histories import Recording

WITNESS: Final = create_key("witness.example/w1", Algorithm.ED25519_COSIGNATURE)
WITNESSED: Final = parse_policy(f"log {KEY.verifier_key}\nwitness w1 {WITNESS.verifier_key}\nquorum w1\n".encode())
OTHER_KEY: Final = create_key(ORIGIN, Algorithm.ED25519)


def events(story: Story) -> list[tuple[Record, Event]]:
    return [(record, decode_event(record.value)) for record in records(story.log, Topic.EVENTS)]


def middle(story: Story) -> tuple[Record, Event]:
    """An accepted event that is neither the first nor the last of its case under the second checkpoint."""
    found = [one for one in events(story) if 80 <= one[0].offset < 160]
    for record, event in found:
        beside = [other.number for _, other in found if other.case_id == event.case_id]
        accepted = not isinstance(event.body, ActionRejected | SubmissionUnreadable)
        if min(beside) < event.number < max(beside) and accepted:
            return record, event
    raise AssertionError("the story has no such event")


def next_of_case(story: Story, event: Event) -> int:
    """The offset of the event that follows in the case."""
    (offset,) = [
        record.offset for record, one in events(story) if (one.case_id, one.number) == (event.case_id, event.number + 1)
    ]
    return offset


def by_kind(story: Story, **asked: Any) -> dict[Kind, list[Fault]]:
    found: dict[Kind, list[Fault]] = {}
    for fault in story.report(**asked).faults.in_order():
        found.setdefault(fault.kind, []).append(fault)
    return found


def places(faults: list[Fault]) -> list[tuple[str | None, int | None]]:
    return [(fault.topic, fault.offset) for fault in faults]


# --- events ---


def test_a_byte_of_an_event_is_changed(story: Story) -> None:
    record, event = middle(story)
    value = bytearray(record.value or b"")
    value[70] ^= 1  # in the id of the action
    story.change("value = ?", "events", record.offset, bytes(value))
    found = by_kind(story)
    assert set(found) == {Kind.CONTENT_DIFFERS, Kind.CHAIN_BROKEN, Kind.ROOT_DIFFERS}
    assert places(found[Kind.CONTENT_DIFFERS]) == [("events", record.offset)]
    assert found[Kind.CONTENT_DIFFERS][0].case_id == event.case_id
    assert places(found[Kind.CHAIN_BROKEN]) == [("events", next_of_case(story, event))]
    assert places(found[Kind.ROOT_DIFFERS]) == [("checkpoints", 1)]  # and not again at the third one


def test_an_event_is_no_event_any_more(story: Story) -> None:
    record, event = middle(story)
    following = next_of_case(story, event)
    for value in ("'text'", "'\xff'", "x'00'", "NULL", "CAST(x'ff' AS TEXT)", "12"):
        story.change(f"value = {value}", "events", record.offset)
        found = by_kind(story)
        assert set(found) == {Kind.EVENT_UNREADABLE, Kind.ACTION_UNANSWERED, Kind.NUMBER_WRONG, Kind.ROOT_DIFFERS}
        assert places(found[Kind.EVENT_UNREADABLE]) == [("events", record.offset)]
        assert places(found[Kind.ACTION_UNANSWERED]) == [("actions", event.action_offset)]
        assert places(found[Kind.NUMBER_WRONG]) == [("events", following)]


def test_an_event_is_deleted_from_the_middle(story: Story) -> None:
    record, event = middle(story)
    story.delete("events", record.offset, record.offset + 1)
    found = by_kind(story)
    assert set(found) == {Kind.RECORD_DELETED, Kind.ACTION_UNANSWERED, Kind.NUMBER_WRONG, Kind.SIZE_DIFFERS}
    assert places(found[Kind.RECORD_DELETED]) == [("events", record.offset)]
    assert places(found[Kind.ACTION_UNANSWERED]) == [("actions", event.action_offset)]
    assert places(found[Kind.SIZE_DIFFERS]) == [("checkpoints", 1)]


def test_an_event_is_written_anew_with_another_body(story: Story) -> None:
    record, event = middle(story)
    other = next(one.body for _, one in events(story) if type(one.body) is not type(event.body))
    story.change("value = ?", "events", record.offset, encode_event(event._replace(body=other)))
    found = by_kind(story)
    assert set(found) == {Kind.CONTENT_DIFFERS, Kind.CHAIN_BROKEN, Kind.ROOT_DIFFERS}
    assert found[Kind.CONTENT_DIFFERS][0].found == f"body: not as in action {event.action_offset}"


def test_the_whole_rest_of_a_chain_is_forged(story: Story) -> None:
    """Somebody changes an event and writes all later ones of its case anew, so that the chain holds."""
    record, event = middle(story)
    forged, previous = event._replace(recorded_at=event.recorded_at - timedelta(days=1)), event.previous_hash
    for other, one in events(story):
        if one.case_id == event.case_id and one.number >= event.number:
            made = (forged if one == event else one)._replace(previous_hash=previous)
            value = encode_event(made)
            story.change("value = ?", "events", other.offset, value)
            previous = leaf_hash(value)
    found = by_kind(story)
    assert set(found) == {Kind.TIME_DIFFERS, Kind.ROOT_DIFFERS, Kind.MAP_DIFFERS}
    assert places(found[Kind.TIME_DIFFERS]) == [("events", record.offset)]
    assert found[Kind.TIME_DIFFERS][0].found.startswith("-86400.000 s from the append time")


def test_two_events_are_exchanged(story: Story) -> None:
    first, event = middle(story)
    second = next(record for record, one in events(story)[first.offset :] if one.case_id != event.case_id)
    with story.tampering() as database:
        for offset, record in ((first.offset, second), (second.offset, first)):
            database.execute(
                "UPDATE record SET value = ?, key = ? WHERE topic = 'events' AND offset = ?",
                (record.value, record.key, offset),
            )
    found = by_kind(story)
    assert Kind.ROOT_DIFFERS in found
    assert set(found) <= {Kind.ROOT_DIFFERS, Kind.ANSWER_OUT_OF_TURN, Kind.ACTION_UNANSWERED, Kind.EVENT_BEFORE_ACTION}
    assert {fault.offset for fault in found[Kind.ANSWER_OUT_OF_TURN]} <= {first.offset, second.offset}


def test_an_event_has_another_key(story: Story) -> None:
    record, event = middle(story)
    story.change("key = 'case-77'", "events", record.offset)
    found = by_kind(story)
    assert set(found) == {Kind.KEY_DIFFERS}
    assert (found[Kind.KEY_DIFFERS][0].offset, found[Kind.KEY_DIFFERS][0].case_id) == (record.offset, event.case_id)


def test_an_event_stands_in_a_partition_that_is_not_its_cases(tmp_path: Path) -> None:
    story = told(tmp_path, partitions=2)
    event = next(one for _, one in events(story) if one.partition == 1)
    forged = event._replace(partition=0, action_offset=10_000, number=event.number + 100)
    story.insert(Topic.EVENTS, Entry(event.case_id.encode(), encode_event(forged)))
    assert {Kind.CASE_MISPLACED, Kind.ANSWERS_NOTHING} <= story.kinds()


def test_a_text_in_the_place_of_a_case_id_is_not_repeated(story: Story) -> None:
    _, event = middle(story)
    forged = event._replace(case_id="a name that somebody wrote here", action_offset=240)
    offset = story.insert(Topic.EVENTS, Entry(b"k", encode_event(forged)))
    report = story.report()
    assert {fault.offset for fault in report.faults.listed} == {offset}
    assert set(report.faults.counts) >= {Kind.CASE_MISPLACED, Kind.KEY_DIFFERS, Kind.ANSWERS_NOTHING}
    assert "a name" not in repr(report)


def test_times_are_set_back(story: Story) -> None:
    record, _ = middle(story)
    story.change("appended_at = appended_at - 1", "events", record.offset)
    earlier = [one.appended_at for one, _ in events(story) if one.offset < record.offset]
    back = max(earlier) > record.appended_at - 1
    assert story.kinds() == ({Kind.TIME_WENT_BACK} if back else set())
    story.change("appended_at = 1000", "events", record.offset)
    found = by_kind(story)
    assert set(found) == {Kind.TIME_WENT_BACK, Kind.EVENT_BEFORE_ACTION}
    assert places(found[Kind.TIME_WENT_BACK]) == [("events", record.offset)]


def test_an_event_is_invented_past_the_recorder(story: Story) -> None:
    last = events(story)[-1][1]
    newest = next(one for one in events(story)[::-1] if one[1].case_id == last.case_id)
    number, previous = newest[1].number + 1, leaf_hash(newest[0].value or b"")
    nothing = newest[1]._replace(action_offset=240, number=number, previous_hash=previous)
    offset = story.insert(Topic.EVENTS, Entry(newest[0].key, encode_event(nothing)))
    found = by_kind(story)
    assert {kind: places(some) for kind, some in found.items()} == {Kind.ANSWERS_NOTHING: [("events", offset)]}
    again = nothing._replace(
        action_offset=last.action_offset, number=nothing.number + 1, previous_hash=leaf_hash(encode_event(nothing))
    )
    offset = story.insert(Topic.EVENTS, Entry(newest[0].key, encode_event(again)))
    found = by_kind(story)
    assert set(found) == {Kind.ANSWERS_NOTHING, Kind.ANSWER_OUT_OF_TURN}
    assert places(found[Kind.ANSWER_OUT_OF_TURN]) == [("events", offset)]


@pytest.mark.parametrize("drops", [1, 30])
def test_a_recorder_passes_over_submissions(tmp_path: Path, drops: int) -> None:
    """Each thirtieth, or each: a chain that holds, and a checkpoint over it, hide nothing."""
    recording = Recording(tmp_path / "log.db", 3)
    story, histories = Story(tmp_path, recording), dict[str, History]()
    told_actions = [one.entry for one in recording._teller.tell(120)]
    recording.log.append(Topic.ACTIONS, told_actions)
    dropped = []
    for record in records(story.log, Topic.ACTIONS):
        if record.offset % 30 < (drops if record.offset > 60 else 1) and record.offset < 110 and record.offset:
            dropped.append(record.offset)
            continue
        case_id = case_of(record, 1)
        value = answer(histories.setdefault(case_id, History.empty(case_id)), record, story.log.name, 1)
        story.insert(Topic.EVENTS, Entry(case_id.encode(), value))
    story.publish()
    found = by_kind(story)
    assert set(found) == {Kind.ACTION_UNANSWERED}
    assert [fault.offset for fault in found[Kind.ACTION_UNANSWERED]] == dropped


# --- submissions ---


def test_a_submission_is_deleted(story: Story) -> None:
    record, event = middle(story)
    story.delete("actions", event.action_offset, event.action_offset + 1)
    found = by_kind(story)
    assert {kind: places(some) for kind, some in found.items()} == {
        Kind.RECORD_DELETED: [("actions", event.action_offset)],
        Kind.ANSWERS_NOTHING: [("events", record.offset)],
    }


def test_a_submission_is_altered(story: Story) -> None:
    record, event = middle(story)
    story.change("value = CAST(value || x'00' AS BLOB)", "actions", event.action_offset)
    found = by_kind(story)
    assert {kind: places(some) for kind, some in found.items()} == {Kind.ACTION_DIFFERS: [("events", record.offset)]}


def test_a_submission_is_given_to_another_case(story: Story) -> None:
    _, event = middle(story)
    story.change("key = 'case-77'", "actions", event.action_offset)
    assert story.kinds() == {Kind.CASE_DIFFERS}


# --- the end, the beginning, the schemas ---


def test_the_end_is_cut_off(story: Story) -> None:
    story.delete("events", 200, 240)
    found = by_kind(story)
    assert {kind: places(some) for kind, some in found.items()} == {Kind.TAIL_CUT: [("checkpoints", 2)]}
    assert found[Kind.TAIL_CUT][0].found == "covers partition 0 up to 240, it ends at 200"
    assert story.report().checked["pending actions"] == 40


def test_a_schema_is_deleted_or_altered(story: Story) -> None:
    used = next(one for one in records(story.log, Topic.SCHEMAS) if one.key == f"{current_ids()['event']:08x}".encode())
    story.change("key = CAST('00000000' AS BLOB)", "schemas", used.offset)
    found = by_kind(story)
    assert set(found) == {Kind.SCHEMA_ALTERED, Kind.SCHEMA_MISSING}
    assert places(found[Kind.SCHEMA_ALTERED]) == [("schemas", used.offset)]
    story.delete("schemas", 0, 100)
    assert story.kinds() == {Kind.SCHEMA_MISSING}
    assert len(story.faults(Kind.SCHEMA_MISSING)) == 3  # of events, actions and checkpoints


@pytest.mark.parametrize("change", [
    lambda text: text + b" ", lambda text: text + b"\n", lambda text: text.replace(b": ", b":"),
    lambda text: text.replace(b'"doc": "', b'"doc": "not ', 1), lambda text: text.replace(b'"default": null', b'"default" : null', 1),
], ids=["a blank", "a line", "other blanks", "an explanation", "a default"])  # fmt: skip
def test_a_schema_is_the_published_one_byte_for_byte(story: Story, change: Callable[[bytes], bytes]) -> None:
    (event,) = [one for one in records(story.log, Topic.SCHEMAS) if one.key == f"{current_ids()['event']:08x}".encode()]
    altered = change(event.value or b"")
    assert altered != event.value
    story.change("value = ?", "schemas", event.offset, altered)
    (fault,) = story.faults(Kind.SCHEMA_ALTERED)
    assert (fault.offset, "spelt otherwise" in fault.found) == (event.offset, True)
    assert story.kinds() == {Kind.SCHEMA_ALTERED}


# --- checkpoints ---


def stored(story: Story, offset: int) -> CheckpointPublished:
    record = story.log.read_one(Topic.CHECKPOINTS, 0, offset)
    assert record is not None
    found = decode_notarized(record.value)
    assert isinstance(found, CheckpointPublished)
    return found


def signed(said: Checkpoint, key: SignerKey = KEY) -> bytes:
    return format_note(Note(said.text(), (key.sign_note(said.text()),)))


def forge(story: Story, offset: int, key: SignerKey = KEY, map_root: bytes | None = None, **changes: Any) -> None:
    """Replace a checkpoint by one that says something else, signed with a key."""
    was = stored(story, offset)
    said = parse_checkpoint(parse_note(was.note).text)
    note = signed(replace(said, **changes), key)
    value = encode_notarized(CheckpointPublished(note, was.ranges, map_root or was.map_root))
    story.change("value = ?", "checkpoints", offset, value)


def test_a_checkpoints_record_is_no_checkpoint_any_more(story: Story) -> None:
    story.change("value = 'nothing'", "checkpoints", 1)
    found = by_kind(story)
    assert {kind: places(some) for kind, some in found.items()} == {
        Kind.CHECKPOINT_UNREADABLE: [("checkpoints", 1)],
        Kind.RANGES_WRONG: [("checkpoints", 2)],
    }


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_a_root_is_forged_with_the_logs_own_key(story: Story, offset: int) -> None:
    forge(story, offset, root=bytes(32))
    found = by_kind(story)
    assert {kind: places(some) for kind, some in found.items()} == {Kind.ROOT_DIFFERS: [("checkpoints", offset)]}


def test_a_checkpoint_is_forged_without_the_logs_key(story: Story) -> None:
    forge(story, 2, OTHER_KEY)
    assert story.kinds() == {Kind.SIGNATURE_INVALID}
    assert story.kinds(policy=None) == {Kind.LOG_KEY_CHANGED}


def test_a_checkpoint_has_three_lines_and_no_more(story: Story) -> None:
    forge(story, 2, extensions=("more",))
    found = by_kind(story)
    assert {kind: places(some) for kind, some in found.items()} == {Kind.CHECKPOINT_EXTENDED: [("checkpoints", 2)]}


def test_a_stolen_key_signs_a_shorter_tree(story: Story) -> None:
    forge(story, 2, size=100)
    found = by_kind(story)
    assert {kind: places(some) for kind, some in found.items()} == {Kind.SIZE_DIFFERS: [("checkpoints", 2)]}


def test_a_map_of_cases_is_forged(story: Story) -> None:
    forge(story, 2, map_root=bytes(32))
    assert story.kinds() == {Kind.MAP_DIFFERS}
    forge(story, 1, map_root=bytes(32))
    assert story.kinds() == {Kind.MAP_DIFFERS, Kind.ROOT_DIFFERS}  # the third covers the second's record


@pytest.mark.parametrize(
    "ranges",
    [
        (OffsetRange(0, 161, 240),),
        (OffsetRange(0, 100, 240),),
        (OffsetRange(1, 160, 240),),
        (OffsetRange(0, 160, 200), OffsetRange(0, 200, 240)),
        (OffsetRange(0, 160, 159),),
    ],
)
def test_a_checkpoint_does_not_take_in_just_what_follows(story: Story, ranges: tuple[OffsetRange, ...]) -> None:
    was = stored(story, 2)
    value = encode_notarized(CheckpointPublished(was.note, ranges, was.map_root))
    story.change("value = ?", "checkpoints", 2, value)
    found = by_kind(story)
    assert {kind: places(some) for kind, some in found.items()} == {Kind.RANGES_WRONG: [("checkpoints", 2)]}


def test_a_checkpoint_is_there_twice(story: Story) -> None:
    record = records(story.log, Topic.CHECKPOINTS)[1]
    offset = story.insert(Topic.CHECKPOINTS, Entry(None, record.value))
    found = by_kind(story)
    assert {kind: places(some) for kind, some in found.items()} == {Kind.RANGES_WRONG: [("checkpoints", offset)]}


# --- witnesses ---


def cosign(story: Story, offset: int, key: SignerKey = WITNESS) -> int:
    """Record a witness's cosignature of the checkpoint at this offset; where it stands."""
    text = parse_note(stored(story, offset).note).text
    record = records(story.log, Topic.CHECKPOINTS)[offset]
    line = key.cosign(text, story.recording.clock.now).line().encode()
    value = encode_notarized(CheckpointCosigned(leaf_hash(record.value or b""), line))
    return story.insert(Topic.CHECKPOINTS, Entry(None, value))


def test_what_the_quorum_has_cosigned_is_counted_and_what_it_has_not_is_found(story: Story) -> None:
    cosign(story, 1)
    report = story.report(WITNESSED)
    assert report.holds
    assert report.checked["cosignatures"] == 1
    (fault,) = story.faults(Kind.QUORUM_MISSING, policy=WITNESSED, promised=timedelta(0))
    assert fault.found.startswith("1 waiting, since")
    cosign(story, 2)
    assert story.kinds(policy=WITNESSED, promised=timedelta(0)) == set()
    assert story.report(None).checked["cosignatures of unknown keys"] == 2


def test_a_cosignature_under_another_name_is_none(story: Story) -> None:
    offset = cosign(story, 1)
    cosign(story, 2)
    value = records(story.log, Topic.CHECKPOINTS)[offset].value or b""
    story.change("value = ?", "checkpoints", offset, value.replace(b"witness.example", b"witnfss.example"))
    report = story.report(WITNESSED)
    assert set(report.faults.counts) == {Kind.COSIGNATURE_INVALID}
    (fault,) = report.faults.listed
    assert (fault.offset, "another name" in fault.found) == (offset, True)


def test_a_cosignature_of_a_key_that_the_policy_does_not_name_is_said_to_be_unchecked(story: Story) -> None:
    cosign(story, 1, create_key("other.example/w2", Algorithm.ED25519_COSIGNATURE))
    cosign(story, 2)
    report = story.report(WITNESSED)
    assert report.holds
    assert report.checked["cosignatures of unknown keys"] == 1
    (remark,) = report.remarks
    assert remark.startswith("1 cosignatures are of keys that the policy does not name")


def test_a_cosignature_is_altered_or_for_another_checkpoint(story: Story) -> None:
    offset = cosign(story, 2)
    was = decode_notarized(records(story.log, Topic.CHECKPOINTS)[offset].value)
    assert isinstance(was, CheckpointCosigned)
    other = CheckpointCosigned(leaf_hash(records(story.log, Topic.CHECKPOINTS)[1].value or b""), was.lines)
    story.change("value = ?", "checkpoints", offset, encode_notarized(other))
    assert story.kinds(policy=WITNESSED) == {Kind.COSIGNATURE_INVALID}
    assert story.kinds(policy=WITNESSED, promised=timedelta(0)) == {Kind.COSIGNATURE_INVALID, Kind.QUORUM_MISSING}
    story.change("value = ?", "checkpoints", offset, encode_notarized(CheckpointCosigned(bytes(32), was.lines)))
    found = by_kind(story, policy=WITNESSED)
    assert {kind: places(some) for kind, some in found.items()} == {
        Kind.COSIGNATURE_ORPHANED: [("checkpoints", offset)]
    }


def test_a_replaced_checkpoint_leaves_its_cosignature_behind(story: Story) -> None:
    cosign(story, 2)
    forge(story, 2, root=bytes(32))
    assert story.kinds(policy=WITNESSED) == {Kind.COSIGNATURE_ORPHANED, Kind.ROOT_DIFFERS}


# --- anything ---


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_altered_is_found_and_however_it_is_read_the_same(
    story: Story, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = Random(seed)
    for _ in range(chance.randrange(1, 4)):
        topic, offset = chance.choice(("events", "actions")), chance.randrange(240)
        with story.tampering() as database:
            where = "WHERE topic = ? AND offset = ?"
            found = database.execute(f"SELECT value FROM record {where}", (topic, offset)).fetchone()
            value = bytearray((found and found[0]) or b"?")
            value[chance.randrange(len(value))] ^= 1 << chance.randrange(8)
            if chance.random() < 0.3:
                database.execute(f"DELETE FROM record {where}", (topic, offset))
            else:
                database.execute(f"UPDATE record SET value = ? {where}", (bytes(value), topic, offset))
    whole = story.report()
    assert not whole.holds
    monkeypatch.setattr(verify_plan, "EVENTS", 10)
    monkeypatch.setattr(verify_partition, "BORDER", 16)
    in_parts = story.report()
    assert in_parts.faults.in_order() == whole.faults.in_order()
    monkeypatch.setattr(Writer, "is_answer", lambda *_: None)
    assert story.report().faults.in_order() == whole.faults.in_order()
