"""A log that was not touched holds, however it is read; what was verified once is not read again."""

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from casetrail.audit.faults import Faults, Kind
from casetrail.audit.verification import partition as verify_partition
from casetrail.audit.verification import plan as verify_plan
from casetrail.audit.verification.copy import CopyUnusable
from casetrail.audit.verification.outline import Writer
from casetrail.audit.verification.outline import _pairs as known_pairs
from casetrail.audit.verification.verify import Asked, Report, verify
from casetrail.eventlog.codec import decode_event, encode_event
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Entry, Topic
from casetrail.eventlog.schemas import parsed, published
from casetrail.proofs.logtree import LogTree
from tests.audit.verifying import Story, told
from tests.consumers.notarial import records
from tests.histories import Recording


def said(report: Report) -> tuple[Any, ...]:
    """What a report says, to compare it."""
    return report.checked, report.faults.counts, report.faults.in_order(), report.remarks, report.up_to


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_log_that_was_not_touched_holds(tmp_path: Path, seed: int, partitions: int) -> None:
    story = told(tmp_path, seed, partitions)
    report = story.report()
    assert not report.faults.counts
    assert report.holds
    checked = report.checked
    assert checked["events"] == checked["actions"] == 240
    assert checked["cases"] == len({record.key for record in records(story.log, Topic.EVENTS)})
    assert checked["accepted"] + checked["rejected"] + checked["unreadable"] == 240
    assert [checked[name] for name in ("checkpoints", "roots", "map roots", "consistent checkpoints")] == [3, 3, 3, 2]
    assert checked["records"] == 240 + 240 + 3 + len(published())
    assert report.up_to is not None
    assert report.up_to.size == 242


def test_an_empty_log_holds(tmp_path: Path) -> None:
    init_log(f"sqlite:{tmp_path / 'log.db'}", partitions=2).close()
    report = verify(f"sqlite:{tmp_path / 'log.db'}", None, Asked(now=datetime.now(UTC)))
    assert report.holds
    assert report.checked["records"] == len(published())
    assert report.up_to is None


@pytest.mark.parametrize("size", [3, 7, 50])
def test_however_the_work_is_cut_up_the_result_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    story = told(tmp_path, 4, 2)
    story.go_on(40, publishes=False)
    whole = story.report()
    assert whole.checked["events under no checkpoint"] == 40
    monkeypatch.setattr(verify_plan, "EVENTS", size)
    monkeypatch.setattr(verify_partition, "BORDER", 5)
    assert said(story.report()) == said(whole)


def test_looking_closely_at_every_event_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = told(tmp_path, 5, 2)
    shortly, asked = story.report(), list[bool | None]()
    is_answer = Writer.is_answer

    def not_known(*arguments: Any) -> None:
        asked.append(is_answer(*arguments))

    monkeypatch.setattr(Writer, "is_answer", not_known)
    assert said(story.report()) == said(shortly)
    assert asked.count(True) > 100  # and most events need no close look
    assert asked.count(False) > 10


def test_what_older_versions_have_written_is_verified_in_the_same_way(tmp_path: Path) -> None:
    """By any published schema of an event with any of an action, and by rules of their day."""
    frames = {number: b"\0" + number.to_bytes(4) for number in published()}
    events = [frame for number, frame in frames.items() if parsed(number)["name"] == "casetrail.Event"]
    actions = [frame for number, frame in frames.items() if parsed(number)["name"] == "casetrail.Action"]
    assert set(known_pairs()) == {event + action for event in events for action in actions}
    story = told(tmp_path)
    other = Writer(story.log.name, 0)
    other.judge_by(7)
    records_of = {topic: records(story.log, topic) for topic in (Topic.EVENTS, Topic.ACTIONS)}
    event = next(one for one in (decode_event(record.value) for record in records_of[Topic.EVENTS]) if one.number == 1)
    action = records_of[Topic.ACTIONS][event.action_offset]
    value = encode_event(event._replace(rule_set=7))
    words = (value, action.value or b"", action.offset, action.appended_at, event.case_id.encode(), 1, bytes(32))
    assert other.is_answer(*words) is True
    assert Writer(story.log.name, 0).is_answer(*words) is None


def test_several_processes_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = told(tmp_path, 6, 3)
    alone = story.report()
    monkeypatch.setattr("casetrail.audit.verification.verify.FEW", 0)
    assert said(story.report()) == said(alone)


def test_what_waits_longer_than_promised_is_found(tmp_path: Path) -> None:
    story = Story(tmp_path, Recording(tmp_path / "log.db", 7)).go_on()
    story.go_on(publishes=False)
    last = records(story.log, Topic.EVENTS)[-1].appended_at
    promised = story.now - datetime.fromtimestamp(last / 1000, UTC)
    assert story.kinds() == set()
    assert story.kinds(promised=timedelta(seconds=1)) == {Kind.NOTARY_SILENT}
    (fault,) = story.faults(Kind.NOTARY_SILENT, promised=timedelta(0), now=story.now + promised)
    assert fault.found.startswith("80 waiting, since 20")


def test_submissions_that_nobody_records_are_found(tmp_path: Path) -> None:
    story = told(tmp_path)
    first = records(story.log, Topic.ACTIONS)[0]
    story.insert(Topic.ACTIONS, Entry(first.key, first.value))
    report = story.report()
    assert report.checked["pending actions"] == 1
    assert report.holds
    assert story.kinds(promised=timedelta(0)) == {Kind.RECORDER_SILENT}


# --- going on from an earlier run ---


def test_a_later_run_reads_only_what_is_new(tmp_path: Path) -> None:
    story, state = told(tmp_path, partitions=2), tmp_path / "state"
    first = story.report(state=state)
    again = story.report(state=state)
    assert again.holds
    assert again.checked["events"] == again.checked["actions"] == 0
    assert again.since == first.up_to == again.up_to
    story.go_on(50).go_on(30, publishes=False)
    later = story.report(state=state)
    assert later.holds
    assert later.checked["events"] == 80
    assert later.checked["checkpoints"] == 1
    whole = story.report()
    assert later.up_to == whole.up_to
    assert later.checked["cases"] == whole.checked["cases"]


def test_the_copy_that_is_kept_is_one_that_proofs_are_made_from(tmp_path: Path) -> None:
    story, state = told(tmp_path), tmp_path / "state"
    story.report(state=state)
    with LogTree(story.log, state) as tree:
        assert tree.follow() >= 0
        assert tree.size == 242
        own = tree.prove_case("case-1")
    with LogTree(story.log, tmp_path / "fresh") as tree:
        tree.follow()
        assert tree.prove_case("case-1") == own


def test_faults_are_found_again_by_the_next_run(tmp_path: Path) -> None:
    story, state = told(tmp_path), tmp_path / "state"
    story.report(state=state)
    story.go_on()
    story.change("value = CAST(value || x'00' AS BLOB)", "events", 300)
    first = story.report(state=state)
    assert not first.holds
    again = story.report(state=state)
    assert again.since == first.since
    assert said(again) == said(first)


def test_a_log_whose_verified_checkpoint_was_replaced_is_recognised(tmp_path: Path) -> None:
    story, state = told(tmp_path), tmp_path / "state"
    story.report(state=state)
    story.delete("checkpoints", 2, 3)
    shutil.rmtree(tmp_path / "notary")  # it knows better
    story.go_on()
    assert Kind.CHECKPOINT_REPLACED in story.kinds(state=state)


def test_a_log_that_was_made_anew_is_recognised(tmp_path: Path) -> None:
    story, state = told(tmp_path), tmp_path / "state"
    story.report(state=state)
    (tmp_path / "other").mkdir()
    other = told(tmp_path / "other", seed=8)
    found = other.kinds(state=state)
    assert {Kind.CHECKPOINT_REPLACED, Kind.RECORD_REPLACED} <= found
    assert other.kinds() == set()


def test_a_tail_that_no_checkpoint_covers_is_missed_by_who_has_seen_it(tmp_path: Path) -> None:
    story, state = told(tmp_path).go_on(20, publishes=False), tmp_path / "state"
    story.report(state=state)
    story.delete("events", 250, 260)
    assert story.kinds() == set()
    assert story.kinds(state=state) == {Kind.END_WENT_BACK}
    assert story.kinds(state=state) == {Kind.END_WENT_BACK}  # and is not forgotten


def test_a_folder_that_something_else_has_brought_on_is_refused(tmp_path: Path) -> None:
    story, state = told(tmp_path), tmp_path / "state"
    story.report(state=state)
    story.go_on()
    with LogTree(story.log, state) as tree:
        tree.follow()
    with pytest.raises(CopyUnusable, match="a folder of its own"):
        story.report(state=state)
    with pytest.raises(CopyUnusable, match="another log"):
        other = Recording(tmp_path / "other.db", 3, name="other")
        Story(tmp_path, other).report(state=state)


# --- what is counted ---


def test_only_some_faults_of_a_kind_are_listed_and_all_are_counted(tmp_path: Path) -> None:
    story = told(tmp_path)
    with story.tampering() as database:
        database.execute("UPDATE log SET name = 'other'")
    report = story.report()
    assert report.faults.counts[Kind.LOG_DIFFERS] == 240
    faults = Faults()
    for _ in range(9):
        faults.take(report.faults)
    assert faults.counts[Kind.LOG_DIFFERS] == 2160
    assert sum(one.kind is Kind.LOG_DIFFERS for one in faults.listed) == 1000


def test_a_file_whose_guards_are_gone_is_weakened(tmp_path: Path) -> None:
    story = told(tmp_path)
    with story.tampering(mends=False):
        pass
    assert story.kinds() == {Kind.SETTING_WEAKENED}
    assert len(story.faults(Kind.SETTING_WEAKENED)) == 6


def test_a_cut_beginning_is_one_fault(tmp_path: Path) -> None:
    for topic in ("events", "actions"):
        folder = tmp_path / topic
        folder.mkdir()
        story = told(folder)
        story.delete(topic, 0, 100)
        assert story.kinds() == {Kind.HISTORY_CUT}
        assert [(one.topic, one.offset) for one in story.faults(Kind.HISTORY_CUT)] == [(topic, 0)]


def test_what_was_verified_before_it_was_cut_off_is_still_built_upon(tmp_path: Path) -> None:
    story, state = told(tmp_path), tmp_path / "state"
    story.report(state=state)
    story.go_on()
    story.delete("events", 0, 200)
    report = story.report(state=state)
    assert set(report.faults.counts) == {Kind.HISTORY_CUT}
    assert report.checked["roots"] == 1


def test_a_damaged_file_is_no_verdict(tmp_path: Path) -> None:
    story, state = told(tmp_path), tmp_path / "state"
    story.report(state=state)
    database = sqlite3.connect(state / "tree.db")
    database.execute("UPDATE checkpoint SET root = zeroblob(32) WHERE number = 2")
    database.commit()
    database.close()
    with pytest.raises(CopyUnusable, match="damaged"):
        story.report(state=state)
