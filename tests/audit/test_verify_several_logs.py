"""Where a policy names several logs, a checkpoint counts for the log that it names only, signed by that log's own key."""

from pathlib import Path
from typing import Final

import pytest

from casetrail.audit.faults import Kind
from casetrail.audit.witnessing.state import WitnessState
from casetrail.audit.witnessing.witness import Cosigner, NotSigned
from casetrail.domain.notarized import CheckpointPublished
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.port import Topic
from casetrail.proofs.addcheckpoint import AddCheckpoint
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.keys import Algorithm, create_key
from casetrail.proofs.note import Note, format_note, parse_note
from casetrail.proofs.policy import parse_policy
from tests.audit.verifying import Story, told
from tests.consumers.notarial import KEY, ORIGIN

OTHER: Final = create_key("other.example/casetrail", Algorithm.ED25519)
BOTH: Final = parse_policy(f"log {OTHER.verifier_key}\nlog {KEY.verifier_key}\nquorum none\n".encode())


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return told(tmp_path)


def sign_last_as(story: Story, origin: str) -> None:
    """The other log's key signs the log's last checkpoint, in this name."""
    record = story.log.read_one(Topic.CHECKPOINTS, 0, 2)
    assert record is not None
    was = decode_notarized(record.value)
    assert isinstance(was, CheckpointPublished)
    said = parse_checkpoint(parse_note(was.note).text)
    text = Checkpoint(origin, said.size, said.root).text()
    note = format_note(Note(text, (OTHER.sign_note(text),)))
    story.change("value = ?", "checkpoints", 2, encode_notarized(CheckpointPublished(note, was.ranges, was.map_root)))


def test_the_key_of_another_log_does_not_sign_in_this_ones_name(story: Story) -> None:
    sign_last_as(story, ORIGIN)
    assert story.kinds(policy=BOTH) == {Kind.SIGNATURE_INVALID}


def test_another_log_does_not_go_on_with_this_ones_checkpoints(story: Story) -> None:
    sign_last_as(story, OTHER.name)
    assert story.kinds(policy=BOTH) == {Kind.LOG_KEY_CHANGED}


def test_it_is_said_whose_checkpoints_they_are(story: Story) -> None:
    report = story.report(policy=BOTH)
    assert report.holds
    assert f"the checkpoints here are those of {ORIGIN}" in report.remarks[-1]
    assert not [one for one in story.report().remarks if "several logs" in one]


def test_a_witness_of_both_cosigns_for_neither_what_the_other_has_signed(tmp_path: Path) -> None:
    witness = create_key("court.example/witness", Algorithm.ED25519_COSIGNATURE)
    with WitnessState(tmp_path / "state") as state:
        cosigner = Cosigner(witness, [KEY.verifier_key, OTHER.verifier_key], state)
        text = Checkpoint(ORIGIN, 1, bytes(32)).text()
        with pytest.raises(NotSigned):
            cosigner.cosign(AddCheckpoint(0, (), format_note(Note(text, (OTHER.sign_note(text),)))))
        assert cosigner.newest(ORIGIN) is None
