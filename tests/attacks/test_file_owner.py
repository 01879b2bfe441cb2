"""Somebody who can write the file of an embedded log, and mends its triggers so that they tell nothing."""

import re
import shutil
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from casetrail.cli import exits
from casetrail.consumers.recorder import Recorder, RecorderFault
from casetrail.eventlog.embedded import wall_clock
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Record, Topic
from casetrail.projections.case_store import CaseStore
from casetrail.proofs.logtree import TreeContradicted
from tests.actions import life
from tests.attacks.scene import LOG, STEPS, VICTIM, Scene, altered, at, lives, owning, scene_at
from tests.consumers.notarial import notary_of, publish

HOUR: Final = 3_600_000
YEAR: Final = 365 * 24 * HOUR


def change(scene: Scene, statement: str, *values: object) -> None:
    """Change the file behind the log's back."""
    with owning(scene.folder / "log.db") as database:
        assert database.execute(statement, values).rowcount > 0


def delete(scene: Scene, topic: Topic, record: Record, which: str = "=") -> None:
    """Delete a record, or those before or after it too."""
    statement = f"DELETE FROM record WHERE topic = ? AND partition = ? AND offset {which} ?"
    change(scene, statement, topic, record.partition, record.offset)


def second_event(scene: Scene) -> Record:
    """An event of the case that is neither its first nor its last."""
    return scene.events()[1][0]


def test_a_changed_byte_of_an_event_is_named_with_its_place(embedded: Scene) -> None:
    record = second_event(embedded)
    where = "WHERE topic = 'events' AND partition = ? AND offset = ?"
    change(embedded, f"UPDATE record SET value = ? {where}", altered(record), record.partition, record.offset)
    found = embedded.faults()
    assert set(found) == {"content-differs", "chain-broken", "root-differs"}
    assert at(found["content-differs"]) == [("events", record.partition, record.offset)]
    assert found["content-differs"][0]["case_id"] == VICTIM
    assert embedded.convicted() == {("altered", VICTIM)}
    held = embedded.of()[1]
    assert "answers another submission" in embedded.receipt("check", held, "--online", code=exits.FAULTS).stderr
    for one in (held, embedded.of("C-01")[0]):
        assert "was altered" in embedded.receipt("prove", one, code=exits.FAULTS).stderr


def test_an_event_that_is_deleted_from_the_middle_is_missed_at_its_place(embedded: Scene) -> None:
    record = second_event(embedded)
    delete(embedded, Topic.EVENTS, record)
    found = embedded.faults()
    assert set(found) == {"record-deleted", "action-unanswered", "number-wrong", "size-differs"}
    assert at(found["record-deleted"]) == [("events", record.partition, record.offset)]
    assert embedded.convicted() == {("left-out", VICTIM)}
    assert embedded.counted(exits.FAULTS)["faults"] == 1
    assert "passed over" in embedded.receipt("prove", embedded.of()[1], code=exits.FAULTS).stderr


def test_a_beginning_that_is_deleted_is_missed_at_once(embedded: Scene) -> None:
    record = second_event(embedded)
    delete(embedded, Topic.EVENTS, record, "<=")
    assert embedded.weakened() == {("events", "first offset")}
    found = embedded.faults()
    assert set(found) == {"history-cut"}
    assert at(found["history-cut"]) == [("events", record.partition, 0)]
    assert embedded.convicted() == {("history-cut", None)}
    embedded.counted(exits.FAULTS)
    for command in ("prove", "check"):
        words = ("--online",) if command == "check" else ()
        assert "deleted" in embedded.receipt(command, embedded.of()[0], *words, code=exits.FAULTS).stderr


@pytest.mark.parametrize("topic", [Topic.EVENTS, Topic.ACTIONS, Topic.CHECKPOINTS, Topic.SCHEMAS])
def test_a_record_put_before_the_beginning_is_named_with_its_place(embedded: Scene, topic: Topic) -> None:
    columns = "appended_at, key, value, headers FROM record WHERE topic = ? AND partition = 0 AND offset = 1"
    change(embedded, f"INSERT INTO record SELECT topic, partition, -1, {columns}", topic)
    assert embedded.weakened() == {(topic.value, "first offset")}
    found = embedded.faults()
    assert at(found["record-misplaced"]) == [(topic.value, 0, -1)]
    if topic is Topic.EVENTS:
        assert set(found) == {"record-misplaced"}
        assert {kind for kind, _ in embedded.convicted()} == {"invented"}
        assert embedded.counted(exits.FAULTS)["faults"] > 0


@pytest.mark.parametrize("put", ["appended_at = 'never'", f"appended_at = {2**62}", "headers = x'78'"])
def test_what_is_no_field_of_a_record_hides_nothing_else(embedded: Scene, put: str) -> None:
    garbled, forged = embedded.events("C-01")[0][0], second_event(embedded)
    where = "WHERE topic = 'events' AND partition = ? AND offset = ?"
    change(embedded, f"UPDATE record SET {put} {where}", garbled.partition, garbled.offset)
    change(embedded, f"UPDATE record SET value = ? {where}", altered(forged), forged.partition, forged.offset)
    found = embedded.faults()
    assert at(found["record-garbled"]) == [("events", garbled.partition, garbled.offset)]
    assert at(found["content-differs"]) == [("events", forged.partition, forged.offset)]
    assert embedded.convicted() == {("altered", VICTIM)}


def test_records_in_a_topic_or_partition_that_is_none_are_named(embedded: Scene) -> None:
    columns = (
        "offset, appended_at, key, value, headers FROM record WHERE topic = 'events' AND partition = 0 AND offset = 0"
    )
    for place in ("'other', 0", "'events', 7", "'events', 'x'"):
        change(embedded, f"INSERT INTO record SELECT {place}, {columns}")
    assert embedded.weakened() == {("all", "records out of place")}
    assert len(embedded.faults()["record-misplaced"]) == 3


def test_an_end_that_is_cut_off_is_missed_by_the_checkpoints_over_it(embedded: Scene) -> None:
    record = second_event(embedded)
    embedded.receipt("prove", embedded.of()[1], code=exits.OK)
    delete(embedded, Topic.EVENTS, record, ">=")
    found = embedded.faults()
    assert set(found) == {"tail-cut"}
    assert found["tail-cut"][0]["found"].startswith(f"covers partition {record.partition} up to ")
    assert embedded.convicted() == set()  # for a replay the actions are pending
    words = embedded.receipt("check", embedded.of()[1], "--online", code=exits.FAULTS).stderr
    assert "does not give the answer any more" in words


def test_an_older_copy_of_the_whole_file_shows_to_whoever_has_seen_more(
    embedded: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    embedded.close()
    shutil.copy(embedded.folder / "log.db", embedded.folder / "older.db")
    embedded.reopen()
    (later,) = embedded.go_on(life(VICTIM)[3])
    kept, state = str(embedded.file("kept.note", embedded.newest_note())), str(embedded.folder / "state")
    assert embedded.faults("--state", state) == {}
    embedded.close()
    for path in (embedded.folder / "log.db-wal", embedded.folder / "log.db-shm"):
        path.unlink(missing_ok=True)
    shutil.copy(embedded.folder / "older.db", embedded.folder / "log.db")
    embedded.reopen()

    assert embedded.faults() == {}  # it is true as far as it goes
    assert {"checkpoint-replaced", "end-went-back"} == set(embedded.faults("--state", state))
    (row,) = embedded.rows("audit", "compare", kept, embedded.url, code=exits.FAULTS)
    assert row["verdict"] == "cut"
    assert "holds nothing at" in embedded.receipt("prove", later, code=exits.FAULTS).stderr
    with pytest.raises(TreeContradicted, match="its history was replaced"):
        embedded.publish()
    embedded.submit(life(VICTIM)[3])  # something else comes in its place
    embedded.record()
    with embedded.notary(folder="forgetful") as notary:
        publish(notary)
    assert (
        len(re.findall("has not cosigned .* it answers 422: 'this witness has cosigned another root", caplog.text)) == 2
    )
    assert set(embedded.unkept()) == {"quorum-missing"}


def test_a_submission_that_is_deleted_before_it_is_recorded_is_missed_by_its_receipt(embedded: Scene) -> None:
    first, _ = embedded.submit(*life(VICTIM)[3:5])
    record = embedded.log.read_one(Topic.ACTIONS, first.partition, first.offset)
    assert record is not None
    delete(embedded, Topic.ACTIONS, record)
    embedded.record()
    found = embedded.faults()
    assert set(found) == {"record-deleted"}
    assert at(found["record-deleted"]) == [("actions", first.partition, first.offset)]
    assert "holds nothing at" in embedded.receipt("prove", first, code=exits.FAULTS).stderr


def test_the_last_submission_deleted_before_it_is_recorded_is_missed_by_its_receipt_alone(embedded: Scene) -> None:
    (only,) = embedded.submit(life(VICTIM)[3])
    record = embedded.log.read_one(Topic.ACTIONS, only.partition, only.offset)
    assert record is not None
    delete(embedded, Topic.ACTIONS, record)
    assert embedded.faults() == {}
    assert embedded.counted()["submitted"] == len(embedded.receipts) - 1
    assert "holds nothing at" in embedded.receipt("check", only, "--online", code=exits.FAULTS).stderr


def test_what_is_altered_under_a_verified_checkpoint_only_a_run_that_rereads_finds(embedded: Scene) -> None:
    state = str(embedded.folder / "state")
    assert embedded.faults("--state", state) == {}
    record = second_event(embedded)
    where = "WHERE topic = 'events' AND partition = ? AND offset = ?"
    change(embedded, f"UPDATE record SET value = ? {where}", altered(record), record.partition, record.offset)
    assert embedded.faults("--state", state) == {}
    assert "leaves were not read again" in embedded.run("audit", "verify", "--state", state).stderr
    found = embedded.faults("--state", state, "--reread")
    assert set(found) == {"content-differs", "chain-broken", "root-differs"}
    assert at(found["content-differs"]) == [("events", record.partition, record.offset)]
    delete(embedded, Topic.EVENTS, record)
    found = embedded.faults("--state", state)  # an embedded log counts them
    assert {code: at(some) for code, some in found.items()} == {
        "record-deleted": [("events", record.partition, record.offset)]
    }


def test_a_time_that_is_put_ahead_makes_nothing_that_waits_young(embedded: Scene) -> None:
    """What nobody has recorded, and checkpoints that no witness has seen: as if they were still to come."""
    (waiting,) = embedded.submit(life(VICTIM)[3])
    assert set(embedded.unkept()) == {"recorder-silent"}
    for topic, offset in ((Topic.ACTIONS, waiting.offset), (Topic.CHECKPOINTS, 3)):
        which = "WHERE topic = ? AND partition = ? AND offset = ?"
        place = topic, waiting.partition if topic is Topic.ACTIONS else 0, offset
        change(embedded, f"UPDATE record SET appended_at = appended_at + {4 * YEAR} {which}", *place)
        found = embedded.unkept()
        assert set(found) == {"clock-differs"}
        assert place in at(found["clock-differs"])


def test_events_that_no_checkpoint_covers_are_not_made_young_by_new_append_times(tmp_path: Path) -> None:
    """They stand under no hash yet: only what the events themselves say counts."""
    behind = [HOUR]
    with scene_at(tmp_path, f"sqlite:{tmp_path / 'log.db'}", clock=lambda: wall_clock() - behind[0]) as scene:
        covered = scene.log.end_offsets(Topic.EVENTS)
        scene.submit(*lives("C-09"))
        scene.record()
        behind[0] = 0
        for record in scene.records(Topic.EVENTS):
            if record.offset >= covered[record.partition]:
                where = "WHERE topic = 'events' AND partition = ? AND offset = ?"
                change(
                    scene, f"UPDATE record SET appended_at = {wall_clock()} {where}", record.partition, record.offset
                )
        found = scene.faults("--promised", "3000")
        assert found["notary-silent"][0]["found"].startswith("5 waiting, since ")


def test_new_checkpoints_over_an_old_history_that_no_witness_has_seen_are_not_young(tmp_path: Path) -> None:
    """All checkpoints are thrown away, and a notary who knows nothing makes others, which nobody cosigns."""
    behind = [HOUR]
    with scene_at(tmp_path, f"sqlite:{tmp_path / 'log.db'}", clock=lambda: wall_clock() - behind[0]) as scene:
        behind[0] = 0
        change(scene, "DELETE FROM record WHERE topic = 'checkpoints'")
        with notary_of(scene.log, tmp_path / "anew") as notary:
            publish(notary)
        found = scene.faults("--promised", "300")
        assert set(found) == {"quorum-missing"}
        assert found["quorum-missing"][0]["found"].startswith("1 waiting, since ")
        done = scene.run("audit", "verify", "--promised", "7200")  # before it is late: nobody but the operator vouches
        assert "no checkpoint has the cosignatures that the policy asks for" in done.stderr


def test_a_file_without_its_guards_is_weakened(embedded: Scene) -> None:
    with owning(embedded.folder / "log.db"):
        pass
    assert embedded.weakened() == set()  # who mends them leaves no trace in them
    with owning(embedded.folder / "log.db", mends=False):
        pass
    assert {topic for topic, _ in embedded.weakened()} == {"all"}
    assert set(embedded.faults()) == {"setting-weakened"}


@pytest.mark.parametrize("partitions", [3, 4, 12])
def test_a_number_of_partitions_that_was_raised_is_named(embedded: Scene, partitions: int) -> None:
    change(embedded, "UPDATE log SET partitions = ?", partitions)
    assert embedded.weakened() == {("all", "partitions")}
    found = embedded.faults()
    assert set(found) == {"setting-weakened", "case-misplaced", "case-differs"}
    (fault,) = found["setting-weakened"]
    assert fault["found"].startswith(f"all: partitions is {partitions}; partitions were added to actions and events")
    replayed = embedded.run("audit", "replay", code=exits.FAULTS).stderr
    assert f"has {partitions} partitions, and its oldest events stand where a log of 2 has them" in replayed


@pytest.mark.parametrize(("knows", "partitions"), [("nothing", 3), ("nothing", 4), ("all", 4)])
def test_a_recorder_goes_on_in_no_log_that_has_more_partitions_than_it_was_made_with(
    embedded: Scene, knows: str, partitions: int
) -> None:
    """Who has folded all before looks at the last event of each partition only: one of them has to stand elsewhere."""
    with closing(CaseStore(embedded.folder / "state", LOG, 100)) as store:
        if knows == "all":
            with closing(Recorder(embedded.log, store)) as recorder:
                recorder.step(0.1)
        change(embedded, "UPDATE log SET partitions = ?", partitions)
        embedded.submit(*life("C-01")[STEPS:])
        with open_log(embedded.url) as log, closing(Recorder(log, store)) as recorder:
            before = len(embedded.records())
            with pytest.raises(RecorderFault, match="partitions were added"):
                recorder.step(0.1)
            assert len(embedded.records()) == before
