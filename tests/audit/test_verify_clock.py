"""The log's clock is held against the witnesses': what a quorum of them contradicts is found, and one alone is not believed."""

from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from casetrail.audit.faults import Kind
from casetrail.audit.verification.feed import CLOCKS
from casetrail.domain.notarized import CheckpointCosigned, CheckpointPublished
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.port import Entry, Topic
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.note import parse_note
from casetrail.proofs.policy import parse_policy
from tests.audit.verifying import Story
from tests.consumers.notarial import KEY, records
from tests.histories import Recording

CLINIC: Final = create_key("clinic.example/witness", Algorithm.ED25519_COSIGNATURE)
COURT: Final = create_key("court.example/witness", Algorithm.ML_DSA_44)
HEAD: Final = f"log {KEY.verifier_key}\nwitness clinic {CLINIC.verifier_key}\nwitness court {COURT.verifier_key}\n"
BOTH: Final = parse_policy(f"{HEAD}group all-of-them all clinic court\nquorum all-of-them\n".encode())
ANY: Final = parse_policy(f"{HEAD}group one-of-them any clinic court\nquorum one-of-them\n".encode())
NONE: Final = parse_policy(f"{HEAD}quorum none\n".encode())
MORE: Final = CLOCKS + timedelta(seconds=2)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A log with a checkpoint over a history."""
    return Story(tmp_path, Recording(tmp_path / "log.db", 7)).go_on(20)


def cosign(story: Story, off: timedelta, *keys: SignerKey) -> int:
    """Witnesses whose clocks differ so much from the log's cosign the newest checkpoint; where that stands."""
    found = records(story.log, Topic.CHECKPOINTS)
    value, stored = next(
        (one.value or b"", stored)
        for one in reversed(found)
        if isinstance(stored := decode_notarized(one.value), CheckpointPublished)
    )
    text = parse_note(stored.note).text
    lines = "".join(key.cosign(text, story.recording.clock.now + off).line() for key in keys).encode()
    return story.insert(Topic.CHECKPOINTS, Entry(None, encode_notarized(CheckpointCosigned(leaf_hash(value), lines))))


@pytest.mark.parametrize("off", [MORE, -MORE, timedelta(days=400), -timedelta(days=400)])
def test_a_clock_that_a_quorum_of_witnesses_contradicts_is_found(story: Story, off: timedelta) -> None:
    offset = cosign(story, off, CLINIC, COURT)
    (fault,) = story.faults(Kind.CLOCK_DIFFERS, policy=BOTH)
    assert fault.offset == offset
    seconds = int(fault.found.partition("clinic ")[2].partition(" s")[0])
    assert abs(seconds - off.total_seconds()) <= 1
    assert story.kinds(policy=NONE) == {Kind.CLOCK_DIFFERS}
    assert story.kinds(policy=None) == set()


@pytest.mark.parametrize("off", [timedelta(0), CLOCKS - timedelta(seconds=2), -CLOCKS + timedelta(seconds=2)])
def test_clocks_may_differ_a_little(story: Story, off: timedelta) -> None:
    cosign(story, off, CLINIC, COURT)
    assert story.kinds(policy=BOTH) == set()


def test_one_witness_with_a_wrong_clock_convicts_nobody_where_the_policy_asks_for_more(story: Story) -> None:
    cosign(story, timedelta(hours=1), CLINIC)
    cosign(story, timedelta(0), COURT)
    assert story.kinds(policy=BOTH) == set()
    assert story.kinds(policy=ANY) == {Kind.CLOCK_DIFFERS}


def test_a_cosignature_that_was_carried_by_hand_may_come_late(story: Story) -> None:
    story.recording.clock.now += timedelta(days=3)
    cosign(story, -timedelta(days=3), CLINIC, COURT)
    assert story.kinds(policy=BOTH) == set()


def test_a_clock_that_stays_wrong_is_told_once_and_anew_when_it_was_right_between(story: Story) -> None:
    places = []
    for off in (timedelta(hours=1), timedelta(hours=1), timedelta(0), timedelta(hours=1)):
        story.go_on(5)
        places.append(cosign(story, off, CLINIC))
        cosign(story, off, COURT)  # and each in a record of its own
    found = [fault.offset for fault in story.faults(Kind.CLOCK_DIFFERS, policy=BOTH)]
    assert found == [places[0] + 1, places[3] + 1]
