"""What waits is measured by times that nobody can alter afterwards, and nothing waits from a time that is still to come."""

from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from casetrail.audit.faults import Kind
from casetrail.audit.verification.feed import CLOCKS
from casetrail.domain.notarized import CheckpointCosigned, CheckpointPublished
from casetrail.domain.values import at_millis, iso
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.port import Entry, Record, Topic
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.note import parse_note
from casetrail.proofs.policy import parse_policy
from tests.audit.verifying import POLICY, Story, told
from tests.consumers.notarial import KEY, records
from tests.histories import Recording

CLINIC: Final = create_key("clinic.example/witness", Algorithm.ED25519_COSIGNATURE)
COURT: Final = create_key("court.example/witness", Algorithm.ED25519_COSIGNATURE)
HEAD: Final = f"log {KEY.verifier_key}\nwitness clinic {CLINIC.verifier_key}\nwitness court {COURT.verifier_key}\n"
ONE: Final = parse_policy(f"{HEAD}quorum clinic\n".encode())
BOTH: Final = parse_policy(f"{HEAD}group all-of-them all clinic court\nquorum all-of-them\n".encode())
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Twenty events, all of them under a checkpoint that came an hour after the last one of them."""
    story = Story(tmp_path, Recording(tmp_path / "log.db", 7)).go_on(20, publishes=False)
    story.recording.clock.now += HOUR
    story.publish()
    return story


def checkpoints(story: Story) -> list[tuple[Record, CheckpointPublished]]:
    found = [(one, decode_notarized(one.value)) for one in records(story.log, Topic.CHECKPOINTS)]
    return [(record, stored) for record, stored in found if isinstance(stored, CheckpointPublished)]


def cosign(story: Story, *keys: SignerKey) -> None:
    """Witnesses cosign the newest checkpoint now."""
    record, stored = checkpoints(story)[-1]
    text = parse_note(stored.note).text
    lines = "".join(key.cosign(text, story.recording.clock.now).line() for key in keys).encode()
    value = encode_notarized(CheckpointCosigned(leaf_hash(record.value or b""), lines))
    story.insert(Topic.CHECKPOINTS, Entry(None, value))


def oldest(story: Story) -> int:
    """When the first submission came in, milliseconds UTC."""
    return records(story.log, Topic.ACTIONS)[0].appended_at


def put_ahead(story: Story, topic: Topic, ahead: timedelta, last: int = 1) -> list[int]:
    """Put the last records of a topic ahead of the moment at which the story is verified; their offsets."""
    offsets = [one.offset for one in records(story.log, topic)[-last:]]
    at = story.now + ahead
    for offset in offsets:
        story.change("appended_at = ?", topic, offset, round(at.timestamp() * 1000))
    return offsets


# --- times that are still to come ---


@pytest.mark.parametrize("topic", Topic)
def test_a_record_that_was_appended_in_the_future_is_named_once(tmp_path: Path, topic: Topic) -> None:
    story = told(tmp_path)
    story.log.append(Topic.ACTIONS, [Entry(b"case-1", b"?") for _ in range(3)])  # they wait
    offset, *_ = put_ahead(story, topic, CLOCKS + timedelta(seconds=10), 3)
    (fault,) = story.faults(Kind.CLOCK_DIFFERS)
    assert (fault.topic, fault.partition, fault.offset) == (topic, 0, offset)
    assert fault.found == "appended 310 s after the moment of this verification"


@pytest.mark.parametrize("topic", Topic)
def test_an_auditors_clock_may_be_a_little_behind(tmp_path: Path, topic: Topic) -> None:
    story = told(tmp_path)
    story.log.append(Topic.ACTIONS, [Entry(b"case-1", b"?")])
    put_ahead(story, topic, CLOCKS)
    assert story.kinds() == set()


def test_what_waits_from_a_future_time_on_is_not_believed(tmp_path: Path) -> None:
    story = told(tmp_path)
    story.log.append(Topic.ACTIONS, [Entry(b"case-1", b"?")])
    put_ahead(story, Topic.ACTIONS, 1000 * DAY)
    assert story.kinds(promised=timedelta(0)) == {Kind.CLOCK_DIFFERS}  # instead of recorder-silent
    assert story.kinds(promised=timedelta(0), state=tmp_path / "state") == {Kind.CLOCK_DIFFERS}
    assert story.kinds(promised=timedelta(0), state=tmp_path / "state") == {Kind.CLOCK_DIFFERS}  # nor later


def test_a_future_is_told_once_however_the_work_is_cut_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = told(tmp_path)
    offset, *_ = put_ahead(story, Topic.EVENTS, HOUR, 30)
    whole = story.faults(Kind.CLOCK_DIFFERS)
    assert [one.offset for one in whole] == [offset]
    monkeypatch.setattr("casetrail.audit.verification.plan.EVENTS", 10)
    assert story.faults(Kind.CLOCK_DIFFERS) == whole


# --- a quorum that is missing ---


def test_a_new_checkpoint_over_old_events_does_not_make_a_missing_quorum_new(story: Story) -> None:
    waited = story.now.timestamp() - oldest(story) / 1000
    (fault,) = story.faults(Kind.QUORUM_MISSING, policy=ONE, promised=timedelta(seconds=waited - 1))
    assert fault.found == f"1 waiting, since {iso(at_millis(oldest(story)))}"
    assert story.kinds(policy=ONE, promised=timedelta(seconds=waited + 1)) == set()


def test_that_no_checkpoint_is_witnessed_at_all_is_said_before_it_is_a_fault(story: Story) -> None:
    report = story.report(ONE)
    assert report.holds
    assert report.witnessed_up_to is None
    assert "no checkpoint has the cosignatures that the policy asks for" in report.remarks[0]
    cosign(story, CLINIC)
    report = story.report(ONE)
    assert (report.witnessed_up_to, report.remarks) == (report.up_to, [])
    report = story.report(POLICY)
    assert report.witnessed_up_to is None
    assert "the policy asks for no witness" in report.remarks[0]


def test_a_later_run_knows_how_old_what_no_quorum_vouches_for_is(story: Story, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert story.kinds(policy=ONE, state=state) == set()
    assert story.kinds(policy=ONE, state=state, promised=HOUR) == {Kind.QUORUM_MISSING}
    cosign(story, CLINIC)
    assert story.kinds(policy=ONE, state=state, promised=HOUR) == set()
    story.recording.clock.now += DAY
    assert story.kinds(policy=ONE, state=state, promised=HOUR) == set()


# --- what has waited and waits no more ---


def test_how_long_checkpoint_and_quorum_have_waited_at_most_is_measured_and_is_no_fault(story: Story) -> None:
    story.recording.clock.now += DAY
    cosign(story, CLINIC)
    report = story.report(ONE, promised=HOUR)
    assert report.holds
    record = checkpoints(story)[-1][0]
    assert report.checkpoint_wait is not None
    assert report.checkpoint_wait.seconds == (record.appended_at - oldest(story)) / 1000
    assert report.quorum_wait is not None
    assert abs(report.quorum_wait.seconds - report.checkpoint_wait.seconds - DAY.total_seconds()) <= 1
    assert report.quorum_wait.size == report.checkpoint_wait.size == 20
    assert ["checkpoint" in report.remarks[0], "quorum" in report.remarks[1]] == [True, True]
    assert story.report(ONE, promised=100 * DAY).remarks == []


def test_weeks_without_witnesses_and_a_quorum_that_was_raised_are_no_fault_once_it_has_come(tmp_path: Path) -> None:
    story = told(tmp_path)  # three checkpoints, and weeks
    story.go_on(5)
    cosign(story, CLINIC)
    story.go_on(5)
    cosign(story, CLINIC, COURT)
    for policy in (ONE, BOTH):
        report = story.report(policy, promised=timedelta(minutes=2))
        assert report.faults.counts == {}
        assert report.witnessed_up_to == report.up_to
        assert report.quorum_wait is not None
        assert report.quorum_wait.seconds > 7 * DAY.total_seconds()
    both, one = story.report(BOTH).quorum_wait, story.report(ONE).quorum_wait
    assert both is not None
    assert one is not None
    assert both.seconds > one.seconds
    assert both.size > one.size


def test_without_a_quorum_nothing_is_measured_of_it(story: Story) -> None:
    for policy in (POLICY, None):
        assert story.report(policy).quorum_wait is None
