"""Somebody who can write a broker's disks, and stops the broker for it; he knows the format, and puts checksums right."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

import pytest

from casetrail.cli import exits
from casetrail.domain.notarized import CheckpointPublished
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.port import Topic
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.note import Note, format_note, parse_note
from tests.actions import life
from tests.attacks.scene import VICTIM, Scene, altered, at, scene_at
from tests.attacks.segments import Segment
from tests.consumers.notarial import KEY
from tests.servers.kafka import Broker, start_cluster

pytestmark = pytest.mark.broker

ATTACKS: Final = ("byte", "torn", "tail", "clock", "unrecorded", "checkpoint")
DAY: Final = 86_400_000


@pytest.fixture(scope="module")
def struck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Scene]]:
    """A log for each attack, on a broker that was stopped once for all of them, and runs again."""
    folder = tmp_path_factory.mktemp("disks")
    (broker,) = start_cluster(folder / "kafka")
    try:
        with ExitStack() as stack:
            made = [scene_at(folder / name, f"kafka://{broker.bootstrap}/{name}", partitions=1) for name in ATTACKS]
            with ThreadPoolExecutor(len(made)) as pool:
                scenes = dict(zip(ATTACKS, pool.map(stack.enter_context, made), strict=True))
            scenes["unrecorded"].submit(life(VICTIM)[3])
            scenes["unrecorded"].submit(life(VICTIM)[4])
            strike(broker, scenes)
            yield scenes
    finally:
        broker.kill()


def strike(broker: Broker, scenes: Mapping[str, Scene]) -> None:
    """Stop the broker, write its files, and start it again."""
    record = {name: scene.events()[1][0] for name, scene in scenes.items()}
    checkpoint = scenes["checkpoint"].records(Topic.CHECKPOINTS)[0]
    later = scenes["clock"].of("C-07")[0]
    assert scenes["byte"].faults("--state", str(scenes["byte"].folder / "state")) == {}
    for scene in scenes.values():
        scene.close()
    broker.stop()
    segment = {name: Segment(broker, name, Topic.EVENTS, 0) for name in scenes}
    segment["byte"].put(record["byte"], altered(record["byte"]))
    segment["torn"].put(record["torn"], altered(record["torn"]), repaired=False)
    segment["tail"].cut_off(record["tail"].offset)
    Segment(broker, "clock", Topic.ACTIONS, 0).set_back(later.offset, DAY)
    waiting = scenes["unrecorded"].receipts[-2]
    Segment(broker, "unrecorded", Topic.ACTIONS, 0).cut_out(waiting.offset)
    Segment(broker, "checkpoint", Topic.CHECKPOINTS, 0).put(checkpoint, forged(checkpoint.value or b""))
    broker.start()
    for scene in scenes.values():
        scene.reopen()


def forged(value: bytes) -> bytes:
    """A checkpoint's record with another root, signed with the log's own key."""
    stored = decode_notarized(value)
    assert isinstance(stored, CheckpointPublished)
    said = parse_checkpoint(parse_note(stored.note).text)
    text = Checkpoint(said.origin, said.size, bytes(32)).text()
    note = format_note(Note(text, (KEY.sign_note(text),)))
    return encode_notarized(CheckpointPublished(note, stored.ranges, stored.map_root))


def test_a_changed_byte_in_a_segment_file_is_named_with_its_place(struck: Mapping[str, Scene]) -> None:
    scene = struck["byte"]
    record = scene.events()[1][0]
    found = scene.faults()
    assert set(found) == {"content-differs", "chain-broken", "root-differs"}
    assert at(found["content-differs"]) == [("events", 0, record.offset)]
    assert scene.convicted() == {("altered", VICTIM)}
    assert "was altered" in scene.receipt("prove", scene.of()[1], code=exits.FAULTS).stderr


def test_a_changed_byte_under_a_verified_checkpoint_only_a_run_that_rereads_finds(struck: Mapping[str, Scene]) -> None:
    scene = struck["byte"]
    words = "--state", str(scene.folder / "state")
    record = scene.events()[1][0]
    assert scene.faults(*words) == {}
    assert "leaves were not read again" in scene.run("audit", "verify", *words).stderr
    found = scene.faults(*words, "--reread")
    assert set(found) == {"content-differs", "chain-broken", "root-differs"}
    assert at(found["content-differs"]) == [("events", 0, record.offset)]


def test_a_changed_byte_whose_checksum_was_left_as_it_was_is_said_to_be_damage(struck: Mapping[str, Scene]) -> None:
    for words in (("audit", "verify"), ("audit", "replay"), ("count",)):
        done = struck["torn"].run(*words, code=exits.FAULTS)
        assert "topic='torn.events', partition=0) at offset 0 fails its checksum" in done.stderr


def test_an_end_that_is_cut_off_a_segment_file_is_missed(struck: Mapping[str, Scene]) -> None:
    scene = struck["tail"]
    found = scene.faults()
    assert set(found) == {"tail-cut"}
    assert "its end was cut off" in scene.receipt("prove", scene.of()[0], code=exits.FAULTS).stderr


def test_a_time_that_is_set_back_in_a_segment_file_is_found(struck: Mapping[str, Scene]) -> None:
    scene = struck["clock"]
    found = scene.faults()
    later = scene.of("C-07")[0]
    assert set(found) == {"time-went-back", "time-differs"}
    assert at(found["time-went-back"])[0] == ("actions", 0, later.offset)


def test_a_submission_deleted_on_the_disks_before_it_is_recorded_is_missed_by_its_receipt(
    struck: Mapping[str, Scene],
) -> None:
    scene = struck["unrecorded"]
    scene.record()
    assert scene.faults() == {}
    assert scene.counted()["submitted"] == len(scene.receipts) - 1
    assert "holds nothing at" in scene.receipt("prove", scene.receipts[-2], code=exits.FAULTS).stderr


def test_a_checkpoints_record_replaced_on_the_disks_does_not_follow_from_the_log(struck: Mapping[str, Scene]) -> None:
    scene = struck["checkpoint"]
    found = scene.faults()
    assert set(found) == {"root-differs", "cosignature-orphaned"}
    assert at(found["root-differs"]) == [("checkpoints", 0, 0)]
