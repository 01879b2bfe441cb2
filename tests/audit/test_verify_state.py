"""What an auditor has kept of earlier runs: it is believed no further than it was checked, and it can be checked again."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from casetrail.audit.faults import Kind
from casetrail.audit.verification import copy
from casetrail.audit.verification.copy import Copy, CopyUnusable
from casetrail.audit.verification.signatures import digest_of
from casetrail.domain.notarized import CheckpointCosigned, CheckpointPublished
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.port import Entry, Topic
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.note import parse_note
from casetrail.proofs.policy import Policy, parse_policy
from casetrail.proofs.treefile import TreeBusy
from tests.audit.verifying import POLICY, Story, told
from tests.consumers.notarial import KEY, ORIGIN, notary_of, records
from tests.histories import Recording

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


# --- what was verified is read again ---


def alter(story: Story, offset: int = 40) -> None:
    story.change("value = CAST(value || x'00' AS BLOB)", "events", offset)


def test_what_was_altered_after_it_was_verified_only_a_run_that_rereads_finds(story: Story, tmp_path: Path) -> None:
    state = tmp_path / "state"
    verified = story.report(state=state)
    alter(story)
    report = story.report(state=state)
    assert report.holds  # nothing of it was read
    assert report.up_to is not None
    assert (report.not_read_again, report.checked["events"]) == (report.up_to.size, 0)
    for _ in range(2):  # and it is not forgotten
        again = story.report(state=state, reread=True)
        assert again.faults.in_order() == story.report().faults.in_order()
        assert Kind.ROOT_DIFFERS in again.faults.counts
        assert (again.not_read_again, again.since) == (0, verified.up_to)


def test_a_run_that_rereads_recognises_a_log_that_was_made_anew(tmp_path: Path) -> None:
    story, state = told(tmp_path), tmp_path / "state"
    story.report(state=state)
    (tmp_path / "other").mkdir()
    other = told(tmp_path / "other", seed=8)
    assert other.kinds() == set()
    assert {Kind.CHECKPOINT_REPLACED, Kind.RECORD_REPLACED} <= other.kinds(state=state, reread=True)
    story.delete("events", 200, 240)
    assert {Kind.END_WENT_BACK, Kind.TAIL_CUT} <= story.kinds(state=state, reread=True)


def test_a_run_that_rereads_brings_the_state_on(story: Story, tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = story.report(state=state, reread=True)
    assert first.holds
    assert first.since is None
    story.go_on(30).go_on(10, publishes=False)
    report = story.report(state=state, reread=True)
    assert report.holds
    assert report.since == first.up_to
    assert report.checked == story.report().checked
    later = story.report(state=state)
    assert later.since == report.up_to
    assert later.checked["events"] == 10
    alter(story, 284)  # the last one, which no checkpoint covers, and which has been seen
    assert Kind.RECORD_REPLACED in story.kinds(state=state, reread=True)


def test_a_run_that_rereads_takes_nothing_into_the_state_from_a_log_that_contradicts_itself(
    story: Story, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    first = story.report(state=state)
    story.go_on(20)
    alter(story)
    assert not story.report(state=state, reread=True).holds
    assert story.report(state=state).since == first.up_to


def test_a_run_that_rereads_checks_by_its_own_policy(story: Story, tmp_path: Path) -> None:
    state = tmp_path / "state"
    story.report(None, state=state)
    assert story.kinds(policy=policy("none", OTHER_KEY), state=state, reread=True) == {Kind.SIGNATURE_INVALID}
    assert story.report(policy("both"), state=state, reread=True, promised=NOW).holds
    report = story.report(policy("both"), state=state, promised=NOW)
    assert report.holds
    assert (report.checked["signatures of checkpoints"], report.remarks) == (0, [])


def test_of_what_is_not_read_again_an_embedded_log_counts_the_records(tmp_path: Path) -> None:
    story, state = told(tmp_path), tmp_path / "state"
    assert story.report(state=state).holds
    for topic, start, end in (("events", 70, 72), ("actions", 100, 101)):
        story.delete(topic, start, end)
        (fault,) = [one for one in story.faults(Kind.RECORD_DELETED, state=state) if one.topic == topic]
        assert (fault.partition, fault.offset) == (0, start)
        assert (
            fault.found
            == f"{end - start} of the records before offset 240 are not there, the first of them at offset {start}"
        )


def test_what_stands_between_two_offsets_is_not_counted_in_the_place_of_a_record(tmp_path: Path) -> None:
    story, state = told(tmp_path), tmp_path / "state"
    assert story.report(state=state).holds
    story.change("offset = 70.5", "events", 70)
    (fault,) = story.faults(Kind.RECORD_DELETED, state=state)
    assert (fault.topic, fault.offset) == ("events", 70)


def test_cosignatures_that_were_seen_are_missed(story: Story, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert story.report(state=state).holds
    (clinics,) = [one.value for one in records(story.log, Topic.CHECKPOINTS) if one.offset == 4]
    story.change("value = ?", "checkpoints", 5, clinics)  # the court's, which stands there, is gone
    assert story.kinds(state=state) == set()
    (fault,) = story.faults(Kind.CHECKPOINT_REPLACED, state=state, reread=True)
    assert fault.found == "1 cosignatures of then are not there"
    story.delete("checkpoints", 8, 9)
    assert story.kinds(state=state) == {Kind.END_WENT_BACK}


# --- the folder ---


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder, but for those that readers of a log share."""
    found = [one for one in sorted(folder.rglob("*")) if one.is_file() and not one.name.endswith(".db-shm")]
    return {str(one.relative_to(folder)): one.read_bytes() for one in found}


def refused(story: Story, state: Path) -> str:
    """Why a folder is refused as state; nothing is written there."""
    before = files(state)
    with pytest.raises(CopyUnusable) as caught:
        story.report(state=state)
    assert files(state) == before
    return str(caught.value)


def sql(state: Path, *statements: str) -> None:
    with closing(sqlite3.connect(state / "tree.db", isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def empty_file(state: Path) -> None:
    (state / "tree.db").write_bytes(b"")


def no_file(state: Path) -> None:
    (state / "tree.db").unlink()


def no_rows(state: Path) -> None:
    sql(state, *(f"DELETE FROM {name}" for name in ("checkpoint", "verified", "verified_last", "verified_place")))


def no_tables(state: Path) -> None:
    with closing(sqlite3.connect(state / "tree.db", isolation_level=None)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            database.execute(f"DROP TABLE {name}")


def no_database(state: Path) -> None:
    (state / "tree.db").write_bytes(b"SQLite format 3\0" + b"?" * 8000)


@pytest.mark.parametrize("attack", [empty_file, no_file, no_rows, no_tables, no_database])
def test_a_state_that_was_emptied_is_not_silently_begun_anew(
    story: Story, tmp_path: Path, attack: Callable[[Path], None]
) -> None:
    state = tmp_path / "state"
    story.report(state=state)
    attack(state)
    for _ in range(2):
        said = refused(story, state)
        assert "the evidence of what the log has shown you is gone" in said
        assert "replaced or cut off until now will not be recognised" in said


@pytest.mark.parametrize("table", ["map_page", "checkpoint", "verified_place", "verified_last", "cosignature"])
@pytest.mark.parametrize("reread", [False, True])
def test_a_state_of_which_a_page_is_damaged_is_said_to_be_no_evidence_any_more(
    story: Story, tmp_path: Path, table: str, reread: bool
) -> None:
    state = tmp_path / "state"
    story.report(state=state)
    with closing(sqlite3.connect(state / "tree.db")) as database:
        (size,) = database.execute("PRAGMA page_size").fetchone()
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with (state / "tree.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    with pytest.raises(CopyUnusable, match=r"is damaged .*: the evidence of what the log has shown you is gone"):
        story.report(state=state, reread=reread)


def test_a_folder_that_is_no_state_is_refused_and_nothing_is_written_there(story: Story, tmp_path: Path) -> None:
    assert "other files" in refused(story, story.path.parent)  # the log's own
    assert "made by something else" in refused(story, tmp_path / "notary")
    for name in ("checkpoint", "tile/0/000"):
        path = tmp_path / "www" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"?")
    assert "other files" in refused(story, tmp_path / "www")
    shutil.copytree(tmp_path / "notary", tmp_path / "www", dirs_exist_ok=True)
    assert "made by something else" in refused(story, tmp_path / "www")


def test_a_state_of_another_log_or_one_that_something_else_went_on_with_is_left_as_it_is(
    story: Story, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    story.report(state=state)
    story.go_on(10)
    with LogTree(story.log, state) as tree:
        tree.follow()
    sql(state, "DROP TABLE verified_policy")  # as an older version had made it
    assert "a folder of its own" in refused(story, state)
    other = Story(tmp_path, Recording(tmp_path / "other.db", 3, name="other"))
    assert "another log" in refused(other, state)


def test_a_notarys_folder_that_is_in_use_is_left_alone(story: Story, tmp_path: Path) -> None:
    with notary_of(story.log, tmp_path / "notary"), pytest.raises((TreeBusy, CopyUnusable)):
        story.report(state=tmp_path / "notary")
    sql(tmp_path / "notary", "SELECT 1 FROM tree")
    with closing(sqlite3.connect(tmp_path / "notary" / "tree.db")) as database:
        assert not database.execute("SELECT 1 FROM sqlite_master WHERE name LIKE 'verified%'").fetchall()


def test_a_state_is_begun_in_a_folder_that_is_empty_and_it_is_said(story: Story, tmp_path: Path) -> None:
    state = tmp_path / "disk"
    (state / "lost+found").mkdir(parents=True)
    (state / ".hidden").write_text("?")
    assert "the state holds nothing of an earlier run" in story.report(state=state).remarks[0]
    (state / "notes.txt").write_text("the auditor's own")
    report = story.report(state=state)
    assert report.holds
    assert "nothing of an earlier run" not in "".join(report.remarks)


def test_a_first_run_that_was_broken_off_is_no_evidence_that_is_gone(story: Story, tmp_path: Path) -> None:
    copy = Copy(tmp_path / "state", story.log.name, kept=True)
    copy.hashes.append(bytes(32 * 600))
    copy.hashes.sync()
    copy.close()
    report = story.report(state=tmp_path / "state")
    assert report.holds
    assert "the state holds nothing of an earlier run" in report.remarks[0]
    assert story.report(state=tmp_path / "state").since == report.up_to


def test_a_state_whose_machine_stopped_is_taken_up(story: Story, tmp_path: Path) -> None:
    state, taken = tmp_path / "state", tmp_path / "taken"
    story.report(state=state)
    story.go_on(20)
    copy = Copy(state, story.log.name, kept=True)  # in use, so that what is kept stands in the journal
    copy.commit_seen({}, -1)
    shutil.copytree(state, taken)
    copy.close()
    assert (taken / "tree.db-wal").stat().st_size > 0
    report = story.report(state=taken)
    assert report.holds
    assert report.not_read_again > 0


def test_a_state_that_another_run_begins_just_now_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(path: Path, _: str) -> None:
        path.write_bytes(b"the other run's")
        raise TreeBusy("another process works in this folder")

    monkeypatch.setattr(copy, "TreeFile", busy)
    with pytest.raises(TreeBusy):
        Copy(tmp_path / "state", "log", kept=True)
    assert (tmp_path / "state" / "tree.db").read_bytes() == b"the other run's"
