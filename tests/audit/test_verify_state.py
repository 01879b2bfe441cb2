"""What an auditor has kept of earlier runs: it is believed no further than it was checked, and it can be checked again."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from casetrail.audit.faults import Kind
from casetrail.audit.verification.signatures import digest_of
from casetrail.domain.notarized import CheckpointCosigned, CheckpointPublished
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.port import Entry, Topic
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.note import parse_note
from casetrail.proofs.policy import Policy, parse_policy
from tests.audit.verifying import POLICY, Story, told
from tests.consumers.notarial import KEY, ORIGIN, records

CLINIC: Final = create_key("clinic.example/witness", Algorithm.ED25519_COSIGNATURE)
COURT: Final = create_key("court.example/witness", Algorithm.ED25519_COSIGNATURE)
OTHER_KEY: Final = create_key(ORIGIN, Algorithm.ED25519)
STRANGER: Final = create_key("clinic.example/witness", Algorithm.ED25519_COSIGNATURE)
NOW: Final = timedelta(0)


def policy(quorum: str, log: SignerKey = KEY, clinic: SignerKey = CLINIC) -> Policy:
    """A policy that believes a log and two witnesses."""
    return parse_policy(
        f"log {log.verifier_key}\nwitness clinic {clinic.verifier_key}\nwitness court {COURT.verifier_key}\n"
        f"group both all clinic court\nquorum {quorum}\n".encode()
    )


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Four checkpoints, the second one cosigned by the clinic, the last two by the clinic and, in another record, by the court."""
    story = told(tmp_path)
    cosign(story, 1, CLINIC)
    for offset in (2, 6):
        cosign(story, offset, CLINIC)
        cosign(story, offset, COURT)
        if offset == 2:
            story.go_on(5)
    return story


def cosign(story: Story, offset: int, key: SignerKey) -> None:
    record = records(story.log, Topic.CHECKPOINTS)[offset]
    stored = decode_notarized(record.value)
    assert isinstance(stored, CheckpointPublished)
    line = key.cosign(parse_note(stored.note).text, story.recording.clock.now).line().encode()
    value = encode_notarized(CheckpointCosigned(leaf_hash(record.value or b""), line))
    story.insert(Topic.CHECKPOINTS, Entry(None, value))


# --- with another policy ---


@pytest.mark.parametrize("first", [None, policy("both")])
def test_a_state_vouches_for_no_key_that_it_was_not_checked_with(
    story: Story, tmp_path: Path, first: Policy | None
) -> None:
    state, evil = tmp_path / "state", policy("none", OTHER_KEY)
    assert story.report(first, state=state).holds
    for _ in range(2):  # and it is not forgotten
        found = story.faults(Kind.SIGNATURE_INVALID, policy=evil, state=state)
        assert [one.offset for one in found] == [0, 1, 2, 6]
    assert story.report(policy("both"), state=state).holds


@pytest.mark.parametrize("first", [None, POLICY])
def test_a_state_vouches_for_no_witness_that_it_was_not_checked_with(
    story: Story, tmp_path: Path, first: Policy | None
) -> None:
    state = tmp_path / "state"
    assert story.report(first, state=state).holds
    report = story.report(policy("both"), state=state, promised=NOW)
    assert report.holds
    assert report.witnessed_up_to == report.up_to
    assert "checked again" in report.remarks[0]
    assert (report.checked["signatures of checkpoints"], report.checked["cosignatures"]) == (4, 5)
    again = story.report(policy("both"), state=state, promised=NOW)
    assert again.holds
    assert (again.checked["signatures of checkpoints"], again.remarks) == (0, [])
    assert again.checked["cosignatures"] == 2  # those behind the last checkpoint
    assert again.witnessed_up_to == report.up_to
    strange = policy("clinic", clinic=STRANGER)
    assert story.kinds(policy=strange, state=state, promised=NOW) == {Kind.QUORUM_MISSING}
    assert story.kinds(policy=strange, state=state, promised=NOW) == {Kind.QUORUM_MISSING}


def test_what_an_earlier_policy_had_witnessed_counts_from_what_this_one_asks_for(tmp_path: Path) -> None:
    story, state = told(tmp_path), tmp_path / "state"
    cosign(story, 1, CLINIC)
    one = story.report(policy("clinic"), state=state)
    assert one.witnessed_up_to is not None
    assert one.witnessed_up_to.number == 1
    both = story.report(policy("both"), state=state)
    assert both.holds
    assert both.witnessed_up_to is None
    assert story.report(policy("clinic"), state=state).witnessed_up_to == one.witnessed_up_to
    assert story.report(policy("both")).witnessed_up_to is None


def test_a_clock_is_judged_by_the_witnesses_of_this_runs_policy(tmp_path: Path) -> None:
    story, state = told(tmp_path), tmp_path / "state"
    right = story.recording.clock.now
    story.recording.clock.now = right + timedelta(hours=1)
    value = records(story.log, Topic.CHECKPOINTS)[2].value or b""
    stored = decode_notarized(value)
    assert isinstance(stored, CheckpointPublished)
    line = CLINIC.cosign(parse_note(stored.note).text, right + timedelta(hours=9)).line().encode()
    where = story.insert(Topic.CHECKPOINTS, Entry(None, encode_notarized(CheckpointCosigned(leaf_hash(value), line))))
    assert story.report(None, state=state).holds
    (fault,) = story.faults(Kind.CLOCK_DIFFERS, policy=policy("clinic"), state=state)
    assert fault.offset == where


def test_a_state_of_an_older_version_is_checked_by_the_policy_once(story: Story, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert story.report(policy("both"), state=state).holds
    with closing(sqlite3.connect(state / "tree.db")) as database:
        database.execute("DROP TABLE verified_policy")
        database.execute("DROP TABLE verified_asked")
        database.commit()
    for checked in (4, 0):
        report = story.report(policy("both"), state=state, promised=NOW)
        assert report.holds
        assert report.checked["signatures of checkpoints"] == checked


def test_policies_that_believe_the_same_are_the_same() -> None:
    text = f"log {KEY.verifier_key} https://log.example\nwitness clinic {CLINIC.verifier_key}\n"
    other = f"# ours\nlog {KEY.verifier_key}\nwitness clinic {CLINIC.verifier_key} https://clinic.example\n"
    ends = ("quorum none\n", "quorum clinic\n", "group g any clinic\nquorum g\n")
    digests = [[digest_of(parse_policy((some + end).encode())) for end in ends] for some in (text, other)]
    assert digests[0] == digests[1]
    assert len({b"", digest_of(None), *digests[0]}) == 4
