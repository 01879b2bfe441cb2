"""Insiders: one who may write to the topics and bypasses the recorder, one with a role, and one who never submits."""

import json
import time
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.cli import exits
from casetrail.consumers.notary import Notary
from casetrail.consumers.recorder import RecorderFault
from casetrail.domain.actions import ActionRejected
from casetrail.domain.codes import CorrectionReason, MergeReason, SealedName
from casetrail.domain.linking import FactCorrected, Merged
from casetrail.domain.notarized import CheckpointPublished
from casetrail.domain.sealed import SealedField
from casetrail.eventlog.codec import Event, encode_event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import encode_notarized
from casetrail.eventlog.port import Appended, Entry, Record, Topic
from casetrail.privacy.opening import open_keyring
from casetrail.privacy.tokens import child_token
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.keys import Algorithm, create_key
from casetrail.proofs.logtree import TreeContradicted
from casetrail.proofs.note import Note, format_note, parse_note
from tests.actions import HAPPENED, INTAKE, SERGEANT, action, life, report
from tests.attacks.scene import POLICY, VICTIM, Scene, at, lives
from tests.consumers.notarial import KEY, ORIGIN, SELDOM, publish

CALLS: Final = 'late_after_hours = inf\nreport_number = "{number}"\nreported_at = "{called}"\n'


def put(scene: Scene, beside: Record, value: bytes, topic: Topic = Topic.EVENTS) -> Appended:
    """Write to a topic past whoever else does, as a producer of one's own can."""
    (where,) = scene.log.append(topic, [Entry(beside.key, value, beside.partition)])
    return where


def next_of(record: Record, event: Event) -> Event:
    """The same event once more, so that it follows in its case."""
    return event._replace(number=event.number + 1, previous_hash=leaf_hash(record.value or b""))


# --- past the recorder ---


def test_an_event_that_nobody_submitted_is_named(scene: Scene) -> None:
    record, event = scene.events()[-1]
    end = scene.log.end_offsets(Topic.ACTIONS)[record.partition]
    where = put(scene, record, encode_event(next_of(record, event)._replace(action_offset=end)))
    found = scene.faults()
    assert set(found) == {"answers-nothing"}
    assert at(found["answers-nothing"]) == [("events", where.partition, where.offset)]
    assert scene.convicted() == {("invented", VICTIM)}
    scene.counted(exits.FAULTS)


def test_a_submission_that_comes_where_an_invented_event_waited_for_it_is_no_answered_one(embedded: Scene) -> None:
    record, event = embedded.events()[-1]
    end = embedded.log.end_offsets(Topic.ACTIONS)[record.partition]
    put(embedded, record, encode_event(next_of(record, event)._replace(action_offset=end)))
    time.sleep(0.01)  # so that the log's milliseconds tell which came first
    (held,) = embedded.submit(life(VICTIM)[3])
    embedded.record()  # it takes the action for answered
    assert set(embedded.faults()) == {"action-differs", "time-differs", "event-before-action"}
    assert embedded.convicted() == {("altered", VICTIM), ("backdated", VICTIM)}
    embedded.publish()
    assert "answers another submission" in embedded.receipt("prove", held, code=exits.FAULTS).stderr


def test_a_second_answer_is_named_and_stops_the_recorder_when_it_starts(scene: Scene) -> None:
    record, event = scene.events()[-1]
    where = put(
        scene, record, encode_event(event._replace(body=ActionRejected("InvestigativeStepTaken", "role-may-not")))
    )
    found = scene.faults()
    assert set(found) == {"answer-out-of-turn", "number-wrong"}
    assert at(found["answer-out-of-turn"]) == [("events", where.partition, where.offset)]
    assert scene.convicted() == {("invented", VICTIM)}
    scene.counted(exits.FAULTS)
    scene.submit(life(VICTIM)[3])
    with pytest.raises(RecorderFault, match=f"partition {where.partition}, offset {where.offset}"):
        scene.record()


def test_what_is_no_event_is_named_and_stops_the_recorder_when_it_starts(embedded: Scene) -> None:
    where = put(embedded, embedded.events()[-1][0], b"closed: nothing found")
    found = embedded.faults()
    assert set(found) == {"event-unreadable"}
    assert at(found["event-unreadable"]) == [("events", where.partition, where.offset)]
    assert embedded.convicted() == {("no-event", VICTIM)}
    embedded.counted(exits.FAULTS)
    with pytest.raises(RecorderFault):
        embedded.record()


@pytest.mark.parametrize("number", [0, -5])
def test_an_event_with_a_number_that_no_event_has_is_none_for_everybody(
    embedded: Scene, tmp_path: Path, number: int
) -> None:
    record, event = embedded.events()[-1]
    put(embedded, record, encode_event(event._replace(number=number, action_offset=10**6)))
    embedded.publish()
    assert set(embedded.faults()) == {"event-unreadable"}
    assert embedded.convicted() == {("no-event", VICTIM)}
    embedded.run("audit", "publish", str(tmp_path / "www"), code=None)
    done = embedded.run("audit", "verify", "--from", str(tmp_path / "www"), code=exits.FAULTS)
    assert "event-unreadable" in done.stdout


def test_a_well_formed_refusal_in_the_recorders_place_passes_for_its_own_and_the_replay_convicts_it(
    embedded: Scene,
) -> None:
    (held,) = embedded.submit(asked := life(VICTIM)[3])
    record, event = embedded.events()[-1]
    forged = next_of(record, event)._replace(
        action_hash=held.action_hash, action_id=held.action_id, action_offset=held.offset, actor=asked.actor,
        recorded_at=held.submitted_at, occurred_at=asked.occurred_at,
        body=ActionRejected("InvestigativeStepTaken", "role-may-not"),
    )  # fmt: skip
    put(embedded, record, encode_event(forged))
    embedded.record()
    embedded.publish()
    assert embedded.faults() == {}
    assert embedded.counted()["pending"] == 0
    assert embedded.convicted() == {("wrongly-refused", VICTIM)}


def test_what_an_insider_writes_among_the_schemas_is_named(embedded: Scene) -> None:
    where = put(embedded, Record(0, 0, 0, b"00000000", None), b'"string"', Topic.SCHEMAS)
    found = embedded.faults()
    assert {code: at(some) for code, some in found.items()} == {"schema-altered": [("schemas", 0, where.offset)]}


def test_what_an_insider_writes_among_the_checkpoints_is_named_and_stops_the_notary_and_every_proof(
    embedded: Scene,
) -> None:
    kept = embedded.newest_note()
    where = put(embedded, Record(0, 0, 0, None, None), b"all is well", Topic.CHECKPOINTS)
    found = embedded.faults()
    assert {code: at(some) for code, some in found.items()} == {
        "checkpoint-unreadable": [("checkpoints", 0, where.offset)]
    }
    with pytest.raises(TreeContradicted, match="was not written by a notary"):
        embedded.publish()
    assert "was not written by a notary" in embedded.receipt("prove", embedded.of()[0], code=exits.FAULTS).stderr

    told = contradicted(embedded, kept)
    assert f"1 passed over among the checkpoints, not written by a notary: offset {where.offset};" in told

    go_on_past(embedded, where.offset)
    (row,) = embedded.rows("audit", "compare", str(embedded.file("kept.note", kept)), embedded.url)
    assert row["verdict"] == "extends"


def contradicted(scene: Scene, kept: bytes) -> str:
    """Whoever holds another checkpoint that the log's key has signed convicts it, whatever else stands in the log.

    What is said besides of what stands there.
    """
    text = Checkpoint(ORIGIN, parse_checkpoint(parse_note(kept).text).size, bytes(32)).text()
    other = scene.file("other.note", format_note(Note(text, (KEY.sign_note(text),))))
    done = scene.run("audit", "compare", str(other), scene.url, "--format", "json", code=exits.FAULTS)
    (row,) = json.loads(done.stdout)
    assert (row["verdict"], row["first_note"]) == ("contradiction", other.read_text("utf-8"))
    return done.stderr


def go_on_past(scene: Scene, offset: int) -> None:
    """The notary is told to go on past what stands there, and does so."""
    notary = Notary(scene.log, scene.folder / "notary", KEY, SELDOM, scene.witnesses(), policy=POLICY, past=offset)
    publish(notary)
    notary.close()
    scene.publish()


def test_a_checkpoint_of_another_key_is_named_and_stops_the_notary_until_it_is_told_to_go_on(scene: Scene) -> None:
    kept = scene.newest_note()
    held = scene.submit(*lives("C-09"))
    scene.record()
    with scene.notary() as notary:
        notary.tree.pending.read_to(scene.log.end_offsets(Topic.EVENTS))
        draft = notary.tree.draft()
        assert draft is not None
        text = Checkpoint(ORIGIN, draft.size, draft.root).text()
    note = format_note(Note(text, (create_key(ORIGIN, Algorithm.ED25519).sign_note(text),)))
    writer = scene.log.writer(0, Topic.CHECKPOINTS)
    writer.append([Entry(None, encode_notarized(CheckpointPublished(note, draft.ranges, draft.map_root)))])
    writer.close()
    offset = scene.records(Topic.CHECKPOINTS)[-1].offset
    found = scene.faults()
    assert {code: at(some) for code, some in found.items()} == {"signature-invalid": [("checkpoints", 0, offset)]}
    with pytest.raises(TreeContradicted, match=f"--past {offset}'"):
        scene.publish()
    assert "is not one of this log's" in scene.receipt("prove", held[0], code=exits.FAULTS).stderr
    told = contradicted(scene, kept)
    assert (
        f"1 passed over among the checkpoints, not signed by a key of the log that is believed: offset {offset};"
        in told
    )

    go_on_past(scene, offset)
    (row,) = scene.rows("audit", "compare", str(scene.file("kept.note", kept)), scene.url)
    assert row["verdict"] == "extends"
    assert set(scene.faults()) == {"signature-invalid"}  # for ever
    scene.receipt("prove", held[0], code=exits.OK)
    scene.receipt("check", held[0], "--online", code=exits.OK)
    scene.run("audit", "export", "C-09", "--output", str(scene.folder / "case.json"))
    scene.run("audit", "check", str(scene.folder / "case.json"))


# --- with a role ---


def test_a_case_that_is_merged_away_stays_whole_and_provable_with_who_did_it(scene: Scene) -> None:
    scene.go_on(action(Merged("C-01", MergeReason.SAME_INCIDENT), SERGEANT, VICTIM))
    scene.go_on(life("C-01")[3])
    scene.publish()
    assert scene.faults() == {}
    for case_id in (VICTIM, "C-01"):
        file = str(scene.folder / f"{case_id}.json")
        scene.run("audit", "export", case_id, "--output", file)
        rows = {row["what"]: row for row in scene.rows("audit", "check", file)}
        assert all(row["holds"] for row in rows.values())
        of_case = scene.events(case_id)
        assert rows["history"]["found"].startswith(f"{len(of_case)} events")
    _, last = scene.events()[-1]
    assert (last.body, last.actor) == (Merged("C-01", MergeReason.SAME_INCIDENT), SERGEANT)
    online = scene.receipt("check", scene.of()[0], "--online", "--format", "json", code=None)
    assert json.loads(online.stdout)[0]["stage"] == "merged"


def test_a_case_that_is_merged_into_none_is_shown_by_the_proof_that_there_is_none_and_by_a_partners_list(
    embedded: Scene,
) -> None:
    embedded.go_on(action(report(report_number="H-7"), INTAKE, "C-20"))
    embedded.go_on(action(Merged("C-99", MergeReason.SAME_INCIDENT), SERGEANT, "C-20"))
    embedded.publish()
    assert embedded.faults() == {}
    embedded.run("audit", "export", "C-99", "--output", str(embedded.folder / "none.json"))
    rows = {row["what"]: row for row in embedded.rows("audit", "check", str(embedded.folder / "none.json"))}
    assert rows["statement"]["found"].endswith("the log has no case C-99")
    (row,) = of_ledger(embedded, "H-7")
    assert (row["verdict"], row["merged_into"]) == ("different", "C-99")
    assert [one["code"] for one in row["differences"]] == ["merged"]


# --- who never submits ---


def test_a_report_that_never_reaches_the_log_is_missed_by_a_partners_list(embedded: Scene) -> None:
    embedded.go_on(action(report(report_number="H-1"), case_id="C-10"))
    rows = of_ledger(embedded, "H-1", "H-2")
    assert [(row["report_number"], row["verdict"], row["case_id"]) for row in rows] == [
        ("H-1", "matched", "C-10"),
        ("H-2", "missing", None),
    ]


def test_another_child_under_a_partners_number_is_shown_by_the_partners_list(embedded: Scene) -> None:
    told, rows = with_two_children(embedded)
    assert [(row["verdict"], [one["code"] for one in row["differences"]]) for row in rows] == [
        ("different", ["child"]),
        ("matched", []),
    ]
    assert "nobody can tell" not in told


def test_another_child_whose_name_is_corrected_then_is_not_hidden_by_that(embedded: Scene) -> None:
    name = SealedField(SealedName.CHILD_NAME, bytes(32), bytes(12), b"sealed")
    told, rows = with_two_children(embedded, FactCorrected(1, CorrectionReason.ENTERED_WRONG, sealed=(name,)))
    assert [row["verdict"] for row in rows] == ["matched", "matched"]
    assert "on 1 line(s) that have a report's number nobody can tell whether the persons are the same" in told


def with_two_children(scene: Scene, *later: FactCorrected) -> tuple[str, list[dict[str, Any]]]:
    """What reconciling says of a partner's two lines, and to what it comes: under the number of one stands another child."""
    keyring = f"sqlite:{scene.folder / 'keys'}"
    with closing(open_keyring(keyring)) as opened:
        key = opened.token_key()
    children = {"H-7": ("Ben Invented", date(2014, 1, 1)), "H-8": ("Cleo Invented", date(2012, 2, 14))}
    for number, child in children.items():
        scene.go_on(action(report(report_number=number, tokens=(child_token(key, *child),)), INTAKE, f"C-{number}"))
    scene.go_on(*(action(one, SERGEANT, "C-H-7") for one in later))
    assert scene.faults() == {}
    assert scene.convicted() == set()
    lines = [
        f"H-7,{HAPPENED.isoformat()},Ada Invented,2015-05-09",
        f"H-8,{HAPPENED.isoformat()},Cleo Invented,2012-02-14",
    ]
    ledger = scene.file("calls.csv", "\n".join(["number,called,child,born", *lines, ""]))
    tokens = '[tokens]\nchild = "{child}"\nchild_born = "{born}"\n'
    mapping = scene.file("calls.toml", CALLS + tokens)
    words = "--keyring", keyring, "audit", "reconcile", str(ledger), "--mapping", str(mapping), "--format", "json"
    done = scene.run(*words, code=exits.FAULTS)
    return done.stderr, [row for row in json.loads(done.stdout) if row["line"] is not None]


def of_ledger(scene: Scene, *numbers: str) -> list[dict[str, Any]]:
    """What ``audit reconcile`` says of the lines of a partner's list of reports."""
    lines = ["number,called", *(f"{number},{HAPPENED.isoformat()}" for number in numbers), ""]
    ledger = scene.file("calls.csv", "\n".join(lines))
    mapping = scene.file("calls.toml", CALLS)
    rows = scene.rows("audit", "reconcile", str(ledger), "--mapping", str(mapping), code=exits.FAULTS)
    return [row for row in rows if row["line"] is not None]
