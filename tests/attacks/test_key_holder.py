"""Whoever holds the log's key: the operator who shows different people different things, or a thief."""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from casetrail.audit.export import export_case, parse_export
from casetrail.cli import exits
from casetrail.consumers.notary import Notary
from casetrail.consumers.witnesses import Answer
from casetrail.domain.notarized import CheckpointPublished
from casetrail.eventlog.embedded import EmbeddedLog, wall_clock
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.proofs.addcheckpoint import AddCheckpoint
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.drafting import Draft, Drafting
from casetrail.proofs.keys import Algorithm, create_key
from casetrail.proofs.logtree import LogTree, TreeContradicted
from casetrail.proofs.note import Note, format_note, parse_note
from casetrail.proofs.pending import Part
from tests.attacks.scene import (
    COURT,
    EARLIER,
    PARTNERS,
    POLICY,
    POLICY_TEXT,
    VICTIM,
    Scene,
    at,
    lives,
    owning,
    scene_at,
)
from tests.audit.witnessing import policy_file
from tests.consumers.notarial import KEY, ORIGIN, SELDOM, publish

HOUR: Final = 3_600_000  # in milliseconds


def signed(size: int, root: bytes) -> bytes:
    """A checkpoint that says so, signed with the log's own key."""
    text = Checkpoint(ORIGIN, size, root).text()
    return format_note(Note(text, (KEY.sign_note(text),)))


def newest(scene: Scene) -> Checkpoint:
    """The newest checkpoint of the log."""
    return parse_checkpoint(parse_note(scene.newest_note()).text)


def refusals(scene: Scene, note: bytes) -> list[tuple[int, str]]:
    """What a witness answers who is asked for a cosignature: as if it knew nothing, and as if it knew what it knows."""
    known = newest(scene).size
    size = parse_checkpoint(parse_note(note).text).size
    asked = [AddCheckpoint(old, (), note) for old in sorted({0, min(known, size), known})]
    answers: list[Answer] = [scene.ask("court", one) for one in asked]
    return [(answer.status, answer.body.decode().strip()) for answer in answers]


# --- a replaced checkpoint ---


def put(scene: Scene, offset: int, note: bytes) -> None:
    """Put a checkpoint in the place of another one, in the file."""
    record = scene.records(Topic.CHECKPOINTS)[offset]
    stored = decode_notarized(record.value)
    assert isinstance(stored, CheckpointPublished)
    value = encode_notarized(CheckpointPublished(note, stored.ranges, stored.map_root))
    with owning(scene.folder / "log.db") as database:
        database.execute("UPDATE record SET value = ? WHERE topic = 'checkpoints' AND offset = ?", (value, offset))


def test_a_replaced_checkpoint_does_not_follow_from_the_log_and_leaves_its_cosignatures_behind(
    embedded: Scene,
) -> None:
    kept, state = str(embedded.file("kept.note", embedded.newest_note())), str(embedded.folder / "state")
    assert embedded.faults("--state", state) == {}
    put(embedded, 2, signed(newest(embedded).size, bytes(32)))
    found = embedded.faults()
    assert set(found) == {"root-differs", "cosignature-orphaned"}
    assert at(found["root-differs"]) == [("checkpoints", 0, 2)]
    assert "checkpoint-replaced" in embedded.faults("--state", state)
    (row,) = embedded.rows("audit", "compare", kept, embedded.url, code=exits.FAULTS)
    assert row["verdict"] == "contradiction"
    with pytest.raises(TreeContradicted, match="its history was replaced"):
        embedded.publish()


def test_a_replaced_checkpoint_is_missed_by_the_one_after_it(embedded: Scene) -> None:
    """It says the very same, and is signed as it must be, by one more key: the next one covers every byte of its record."""
    record = embedded.records(Topic.CHECKPOINTS)[0]
    stored = decode_notarized(record.value)
    assert isinstance(stored, CheckpointPublished)
    note = parse_note(stored.note)
    more = create_key(ORIGIN, Algorithm.ED25519).sign_note(note.text)
    put(embedded, 0, format_note(Note(note.text, (*note.signatures, more))))
    found = embedded.faults()
    assert {code: at(some) for code, some in found.items()} == {
        "root-differs": [("checkpoints", 0, 2)],
        "cosignature-orphaned": [("checkpoints", 0, 1)],
    }


# --- a stolen key ---


def test_a_stolen_key_signs_no_shorter_tree_that_a_witness_cosigns(scene: Scene) -> None:
    known = newest(scene)
    forged = signed(known.size - 5, bytes(32))
    assert scene.ask("court", AddCheckpoint(known.size, (), forged)).status == 400
    kept = str(scene.folder / "court.witness")
    (row,) = scene.rows("audit", "compare", kept, scene.url, code=exits.FAULTS)
    assert (row["verdict"], row["first_note"]) == ("contradiction", forged.decode())  # what a witness refuses it keeps

    assert [status for status, _ in refusals(scene, forged)] == [409, 409, 400]
    assert refusals(scene, forged)[0][1] == str(known.size)
    same_size = refusals(scene, signed(known.size, bytes(32)))
    assert [status for status, _ in same_size] == [409, 422]
    assert "the log was forked" in same_size[1][1]
    assert [status for status, _ in refusals(scene, signed(known.size + 5, bytes(32)))] == [409, 422]

    thief = str(scene.file("thief.note", forged))
    (row,) = scene.rows("audit", "compare", thief, scene.url, code=exits.FAULTS)
    assert (row["verdict"], row["first_note"]) == ("contradiction", forged.decode())
    (row,) = scene.rows("audit", "compare", kept, scene.url, code=exits.FAULTS)
    assert row["verdict"] == "contradiction"


def test_a_shorter_tree_among_the_checkpoints_is_named_and_stops_the_notary(scene: Scene) -> None:
    record = next(one for one in scene.records(Topic.CHECKPOINTS) if one.offset == 0)
    stored = decode_notarized(record.value)
    assert isinstance(stored, CheckpointPublished)
    forged = encode_notarized(CheckpointPublished(signed(newest(scene).size - 5, bytes(32)), (), stored.map_root))
    writer = scene.log.writer(0, Topic.CHECKPOINTS)
    writer.append([Entry(None, forged)])
    writer.close()
    found = scene.faults()
    assert set(found) == {"size-differs", "map-differs"}
    assert found["size-differs"][0]["offset"] == scene.records(Topic.CHECKPOINTS)[-1].offset
    with pytest.raises(TreeContradicted):
        scene.publish()


# --- different histories for different people ---


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.broker)])
def forked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Scene, Scene]]:
    """A log, and a copy of it from before a case came in: one signs two histories, each for one witness."""
    url = f"sqlite:{tmp_path / 'log.db'}" if request.param == "embedded" else request.getfixturevalue("kafka_url")
    with scene_at(tmp_path, url, begun=False) as scene:
        scene.go_on(*lives(*EARLIER))
        (tmp_path / "fork").mkdir()
        with copied(scene, tmp_path / "fork" / "log.db") as log:
            fork = Scene(tmp_path / "fork", f"sqlite:{tmp_path / 'fork' / 'log.db'}", log, scene.urls)
            with fork.notary(folder="before") as notary:
                publish(notary)  # the same tree as yet
            for one, witness, case_id in ((scene, "court", "C-09"), (fork, "clinic", "C-10")):
                one.submit(*lives(case_id))
                one.record()
                with one.notary(witness) as notary:
                    publish(notary)
            yield scene, fork


@contextmanager
def copied(scene: Scene, path: Path) -> Iterator[Log]:
    """A copy of a log's actions and events, with their times, in a file."""
    times: list[int] = []
    with EmbeddedLog.create(
        path, scene.log.name, scene.log.partitions, lambda: times[-1] if times else wall_clock()
    ) as log:
        for topic in (Topic.ACTIONS, Topic.EVENTS):
            for record in scene.records(topic):
                times.append(record.appended_at)
                log.append(topic, [Entry(record.key, record.value, record.partition)])
        times.clear()
        yield log


def test_a_fork_that_is_shown_to_one_witness_is_found_by_the_first_exchange(forked: tuple[Scene, Scene]) -> None:
    scene, fork = forked
    assert newest(scene).size == newest(fork).size
    assert newest(scene).root != newest(fork).root
    for one in forked:  # each history is sound, but for the witness who was not asked
        assert one.faults() == {}
        assert set(one.unkept()) == {"quorum-missing"}
    held = str(scene.folder / "court.witness"), str(scene.folder / "clinic.witness")
    (row,) = scene.rows("audit", "compare", *held, code=exits.FAULTS)
    assert row["verdict"] == "contradiction"
    notes = {row["first_note"], row["second_note"]}
    assert {note.partition("\n\n")[0] for note in notes} == {
        one.newest_note().decode().partition("\n\n")[0] for one in forked
    }
    for note in notes:
        assert POLICY.check(parse_note(note.encode())).signers  # evidence: nobody else can have made it


@pytest.mark.parametrize("forked", ["embedded"], indirect=True)
def test_a_fork_is_found_by_whoever_holds_the_export_of_a_case_from_the_other_branch(
    forked: tuple[Scene, Scene],
) -> None:
    scene, fork = forked
    case = scene.folder / "case.json"
    policy_file(scene.folder, f"{POLICY_TEXT.splitlines()[0]}\nwitness court {COURT.verifier_key}\nquorum court\n")
    scene.run("audit", "export", VICTIM, "--output", str(case))  # given to a family who trusts the court
    (row,) = fork.rows("audit", "compare", str(case), fork.url, code=exits.FAULTS)
    assert row["verdict"] == "contradiction"
    assert row["first_note"].partition("\n\n")[0] == scene.newest_note().decode().partition("\n\n")[0]


@pytest.mark.parametrize("forked", ["embedded"], indirect=True)
def test_a_fork_is_refused_by_a_witness_who_has_seen_the_other_branch(forked: tuple[Scene, Scene]) -> None:
    scene, fork = forked
    known = newest(scene)
    fork_note = fork.newest_note()
    answers = [fork.ask("court", AddCheckpoint(old, (), fork_note)) for old in (30, known.size)]
    assert [answer.status for answer in answers] == [409, 422]
    assert b"the log was forked" in answers[1].body
    (row,) = scene.rows("audit", "compare", str(scene.folder / "court.witness"), scene.url, code=exits.FAULTS)
    assert row["verdict"] == "contradiction"


# --- a case that is denied ---


def test_a_case_that_the_map_denies_is_convicted_by_its_events_and_by_the_reporters_proof(
    embedded: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Drafting._change_map

    def denying(drafting: Drafting, parts: Iterable[Part]) -> bytes:
        return honest(
            drafting,
            [part._replace(changes={one: c for one, c in part.changes.items() if one != "C-09"}) for part in parts],
        )

    monkeypatch.setattr(Drafting, "_change_map", denying)
    (held, *_) = embedded.go_on(*lives("C-09"))
    embedded.publish()
    embedded.receipt("prove", held, code=exits.OK)
    absent = embedded.folder / "absent.json"
    embedded.run("audit", "export", "C-09", "--output", str(absent), code=exits.FAULTS)
    monkeypatch.undo()

    # the reporter, with files alone: the event is proven to be a leaf, and below its case is denied
    (proven,) = json.loads(embedded.receipt("check", held, "--format", "json", code=exits.OK).stdout)
    rows = {row["what"]: row for row in embedded.rows("audit", "check", str(absent), code=exits.FAULTS)}
    assert rows["statement"]["found"] == f"as of {proven['leaf'] + 5} leaves, the log has no case C-09"
    assert [what for what, row in rows.items() if not row["holds"]] == ["later_events"]
    assert "denies" in rows["later_events"]["found"]
    hidden = absent.with_name("hidden.json")
    hidden.write_bytes(replace(parse_export(absent.read_bytes()), events=()).format())
    embedded.run("audit", "check", str(hidden))  # who denies the case leaves its events out, too

    # anybody, with the log
    found = embedded.faults()
    assert set(found) == {"map-differs"}
    for words in (
        ("audit", "export", "C-09", "--output", str(absent)),
        ("audit", "export", VICTIM, "--output", str(absent)),
    ):
        done = embedded.run("--tree", str(embedded.folder / "fresh"), *words, code=exits.FAULTS)
        assert "it denies a case" in done.stderr


def test_an_old_denial_of_a_case_under_todays_checkpoint_is_as_old_as_its_witnesses_say(embedded: Scene) -> None:
    embedded.publish()
    absent = embedded.folder / "absent.json"
    embedded.run("audit", "export", "C-09", "--output", str(absent))
    (then, *_) = embedded.rows("audit", "check", str(absent))
    embedded.passed += timedelta(days=30)
    embedded.go_on(*lives("C-09"))
    embedded.publish()
    old = parse_export(absent.read_bytes())
    with LogTree(embedded.log, embedded.folder / "tree") as tree:
        tree.follow()
        record, head = tree.file.of_size(old.record.index or 0), tree.newest()
        assert record is not None and head is not None
        leaf = replace(old.record, proof=tuple(tree.inclusion(record.size, head.size)))
        lines = tree.cosigned_note(record).removeprefix(record.note)
        remade = replace(old, record=leaf, note=tree.cosigned_note(head))
    absent.write_bytes(remade.format())
    rows = {row["what"]: row["holds"] for row in embedded.rows("audit", "check", str(absent), code=exits.FAULTS)}
    assert [what for what, holds in rows.items() if not holds] == ["record"]
    absent.write_bytes(replace(remade, cosignatures=lines).format())
    (now, *_) = embedded.rows("audit", "check", str(absent))
    assert now["as_of_size"] == then["as_of_size"]
    assert now["as_of_witnessed_at"] <= then["as_of_witnessed_at"]


@pytest.mark.parametrize(
    "alike", [f"{VICTIM} ", f" {VICTIM}", f"\N{CYRILLIC CAPITAL LETTER ES}{VICTIM[1:]}", f"{VICTIM}\u200b"]
)
def test_what_only_looks_like_a_cases_id_is_denied_to_nobody(embedded: Scene, alike: str) -> None:
    with LogTree(embedded.log, embedded.folder / "tree") as tree:
        tree.follow()
        made = export_case(embedded.log, tree, POLICY, alike)
    assert not made.in_log  # and all of it is true
    denial = embedded.file("denial", made.format())
    assert "no case can have that id" in embedded.run("audit", "check", str(denial), code=exits.FAULTS).output


# --- an auditor's state ---


def test_a_state_that_was_made_with_another_policy_vouches_for_no_key_and_no_witness(scene: Scene) -> None:
    """The auditor has run first without the policy, or with one that asks for less, as the operator had told them to."""
    state = str(scene.folder / "state")
    thief = create_key(ORIGIN, Algorithm.ED25519)
    lax = str(scene.file("lax", f"log {KEY.verifier_key}\nquorum none\n"))
    evil = str(scene.file("evil", f"log {thief.verifier_key}\nquorum none\n"))
    scene.run("--policy", lax, "audit", "verify", "--state", state)
    done = scene.run("--policy", evil, "audit", "verify", "--state", state, "--format", "json", code=exits.FAULTS)
    assert json.loads(done.stdout)["counts"]["signature-invalid"] == 2
    scene.go_on(*lives("C-09"))
    scene.submit(*lives("C-10"))
    scene.record()
    with scene.notary("court") as notary:
        publish(notary)
    scene.run("--policy", lax, "audit", "verify", "--state", state, "--promised", "0")
    found = scene.unkept("--state", state)
    assert set(found) == {"quorum-missing"}  # one of the two has not seen the last one
    assert found["quorum-missing"][0]["found"].startswith("1 waiting")


def test_an_auditors_state_that_was_emptied_is_said_to_be_gone_and_not_begun_anew(embedded: Scene) -> None:
    """So that a history that is exchanged afterwards would find nobody who remembers the other."""
    state = embedded.folder / "state"
    words = "audit", "verify", "--state", str(state)
    assert "the state holds nothing of an earlier run" in embedded.run(*words).stderr
    (state / "tree.db").write_bytes(b"")
    assert "the evidence of what the log has shown you is gone" in embedded.run(*words, code=exits.FAILED).stderr
    assert (state / "tree.db").stat().st_size == 0
    shutil.rmtree(state)  # who takes all of it away is told on by a remark alone
    assert "the state holds nothing of an earlier run" in embedded.run(*words).stderr


class EagerNotary(Notary):
    """Has a checkpoint cosigned before it is published, and publishes the cosignatures inside it."""

    scene: Scene

    def _signed(self, draft: Draft) -> CheckpointPublished:
        made = super()._signed(draft)
        newest = self.tree.newest()
        old = 0 if newest is None else newest.size
        asked = AddCheckpoint(old, tuple(self.tree.consistency(old, draft.size)), made.note)
        lines = b"".join(self.scene.ask(name, asked).body for name in PARTNERS)
        return replace(made, note=made.note + lines)


def test_cosignatures_inside_a_checkpoint_tell_that_the_logs_clock_is_slow(tmp_path: Path) -> None:
    with scene_at(tmp_path, f"sqlite:{tmp_path / 'log.db'}", begun=False, clock=lambda: wall_clock() - HOUR) as scene:
        scene.submit(*lives(*EARLIER))
        scene.record()
        notary = EagerNotary(scene.log, tmp_path / "eager", KEY, SELDOM)
        notary.scene = scene
        publish(notary)
        notary.close()
        found = scene.faults("--promised", "7200")
        assert set(found) == {"clock-differs"}
        assert at(found["clock-differs"]) == [("checkpoints", 0, 0)]
        assert "clinic +3" in found["clock-differs"][0]["found"]
