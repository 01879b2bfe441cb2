"""A reporter's receipt on the command line: written at once, proven when there is a witnessed checkpoint, checked offline."""

import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from casetrail.cli import exits
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.port import Entry, Topic
from casetrail.publishing import Receipt
from tests.actions import life
from tests.cli.notarial_shell import Office
from tests.cli.shell import COMMANDER, DETECTIVE, INTAKE, REPORT, SERGEANT, Shell
from tests.domain.policies import within

ALTER = """UPDATE record SET value = CAST(replace(CAST(value AS TEXT), 'child-crimes', 'other-crimes') AS BLOB)
           WHERE topic = 'events'"""


def receipt(office: Office, *words: str, code: int = 0) -> dict[str, Any]:
    """What ``casetrail receipt`` says."""
    (row,) = office.rows(*office.policy, "receipt", *words, code=code)
    return row


@pytest.fixture
def office(shell: Shell) -> Office:
    """A report with a receipt, ``r.txt``."""
    made = Office(shell)
    made.run(*INTAKE, "report", "C-1", *REPORT, "--receipt", "r.txt")
    return made


def test_a_receipt_is_a_text_that_fits_a_qr_code(office: Office) -> None:
    text = Path("r.txt").read_text("utf-8")
    assert len(text.encode()) < 1024
    assert len(text.splitlines()) == 9
    held = Receipt.from_text(text)
    assert (held.case_id, held.partition, held.offset, held.promised_within) == (
        "C-1",
        0,
        0,
        86_400,
    ) or held.offset == 0
    assert Receipt.from_text(text.replace("\n", "\r\n").strip()) == held


def test_every_kind_of_submission_can_have_one(office: Office) -> None:
    office.run(
        *SERGEANT, "act", "screened-in", "C-1", "--reason", "alleges_crime", "--receipt", "s.txt",
        "--promised-within", "60",
    )  # fmt: skip
    held = Receipt.from_text(Path("s.txt").read_text("utf-8"))
    assert held.promised_by == held.submitted_at + timedelta(seconds=60)
    office.run(*DETECTIVE, "act", "acknowledged", "C-1", "--receipt", "refused.txt", code=exits.REJECTED)
    office.notarise()
    assert receipt(office, "prove", "refused.txt")["result"] == "rejected"
    assert receipt(office, "check", "refused.txt")["code"] == "nobody-holds"


def test_nothing_is_submitted_where_the_receipt_would_overwrite_something(office: Office) -> None:
    before = Path("r.txt").read_bytes()
    for place in ("r.txt", "nowhere/r.txt"):
        done = office.run(*INTAKE, "report", "C-2", *REPORT, "--receipt", place, code=exits.FAILED)
        assert "nothing was submitted" in done.stderr
    assert Path("r.txt").read_bytes() == before
    office.run("show", "C-2", code=exits.NOT_FOUND)


def test_a_receipt_is_proven_once_and_checked_with_the_policy_alone(office: Office, tmp_path: Path) -> None:
    done = office.run(*office.policy, "receipt", "check", "r.txt", code=exits.PENDING)
    assert "there is no r.txt.tlog-proof" in done.stderr and "try again" in done.stderr
    pending = receipt(office, "prove", "r.txt", code=exits.PENDING)
    assert (pending["result"], pending["case_id"]) == ("accepted", "C-1")
    office.notarise("clinic")
    receipt(office, "prove", "r.txt", code=exits.PENDING)
    assert not Path("r.txt.tlog-proof").exists()
    office.run(*INTAKE, "report", "C-2", *REPORT)
    office.notarise()
    proven = receipt(office, "prove", "r.txt")
    assert (proven["result"], proven["late"], proven["witnesses"]) == ("accepted", False, ["clinic", "court"])
    assert Path("r.txt.tlog-proof").read_text("utf-8").startswith("c2sp.org/tlog-proof@v1\nextra ")
    office.log.unlink()  # the log is gone, and all that belongs to it
    shutil.rmtree(tmp_path / "log.db.tree")
    assert receipt(office, "check", "r.txt") == proven


def test_an_earlier_proof_is_kept(office: Office) -> None:
    office.notarise()
    receipt(office, "prove", "r.txt")
    proof = Path("r.txt.tlog-proof")
    before = proof.read_bytes()
    office.run(*INTAKE, "report", "C-2", *REPORT)
    office.notarise()
    receipt(office, "prove", "r.txt")
    assert proof.read_bytes() == before
    proof.write_bytes(before.replace(b"index 0", b"index 1"))
    office.run(*office.policy, "receipt", "check", "r.txt", code=exits.FAULTS)
    altered = proof.read_bytes()
    done = office.run(*office.policy, "receipt", "prove", "r.txt")  # what proves nothing is made anew
    assert proof.read_bytes() == before
    assert "r.txt.tlog-proof.1" in done.stderr
    assert Path("r.txt.tlog-proof.1").read_bytes() == altered


def test_a_proof_of_another_receipt_is_put_aside_and_never_lost(office: Office) -> None:
    office.run(*INTAKE, "report", "C-2", *REPORT, "--receipt", "s.txt")
    office.notarise()
    receipt(office, "prove", "r.txt")
    receipt(office, "prove", "s.txt")
    others, kept = Path("s.txt.tlog-proof").read_bytes(), Path("r.txt.tlog-proof")
    for number in (1, 2):
        kept.write_bytes(others)
        office.run(*office.policy, "receipt", "check", "r.txt", code=exits.FAULTS)
        receipt(office, "prove", "r.txt")
        assert Path(f"r.txt.tlog-proof.{number}").read_bytes() == others
        receipt(office, "check", "r.txt")


def test_without_a_proof_an_expired_promise_is_said_and_convicts_nobody(office: Office) -> None:
    submitted(office, promised_within=0)
    done = office.run(*office.policy, "receipt", "check", "u.txt", code=exits.PENDING)
    assert "that time is over" in done.stderr


def test_online_the_stage_and_what_is_due_are_told_and_no_names(office: Office) -> None:
    office.run(*SERGEANT, "act", "screened-in", "C-1", "--reason", "alleges_crime")
    office.run(*SERGEANT, "act", "assigned", "C-1", "--holder", "det.01")
    done = office.run("receipt", "check", "r.txt", "--online", "--format", "json")
    (row,) = office.rows("receipt", "check", "r.txt", "--online")
    assert (row["result"], row["number"], row["stage"]) == ("accepted", 1, "assigned")
    assert {one["clock"] for one in row["dues"]} >= {"acknowledgement", "first_response"}
    assert not any(one["overdue"] for one in row["dues"])
    for name in ("det.01", "sgt.archer", "metro-pd", "child-crimes", "intake"):
        assert name not in done.stdout
    office.notarise()
    receipt(office, "prove", "r.txt")
    both = receipt(office, "check", "r.txt", "--online")
    assert (both["stage"], both["late"]) == ("assigned", False)


def test_what_is_due_goes_by_the_policy_that_was_adopted(office: Office) -> None:
    Path("quick.toml").write_text(within("clocks.screening", "72 hours", "2 hours"), "utf-8")
    office.run(*COMMANDER, "policy", "adopt", "quick.toml")
    office.run(*INTAKE, "report", "C-2", *REPORT, "--receipt", "quick.txt")
    for held, hours in (("r.txt", 72), ("quick.txt", 2)):  # each by what was in force when it began
        (row,) = office.rows("receipt", "check", held, "--online")
        (by,) = [datetime.fromisoformat(one["due_at"]) for one in row["dues"] if one["clock"] == "screening"]
        left = by - datetime.fromisoformat(row["submitted_at"])
        assert timedelta(hours=hours - 1) < left < timedelta(hours=hours + 1)


def test_a_decision_that_was_put_off_is_not_said_to_be_overdue(office: Office) -> None:
    long_ago, later = (
        datetime.now(UTC) - timedelta(days=130),
        (datetime.now(UTC) + timedelta(days=20)).isoformat(),
    )
    office.run(*INTAKE, "report", "C-3", *REPORT, "--at", long_ago.isoformat(), "--receipt", "old.txt")
    office.run(*SERGEANT, "act", "screened-in", "C-3", "--reason", "alleges_crime")
    office.run(*SERGEANT, "act", "assigned", "C-3", "--holder", "det.01")
    for what, overdue in (("decision", True), ("extended_decision", False)):
        (row,) = office.rows("receipt", "check", "old.txt", "--online")
        assert {one["clock"]: one["overdue"] for one in row["dues"] if "decision" in one["clock"]} == {what: overdue}
        office.run(*SERGEANT, "act", "decision-extended", "C-3", "--until", later, "--reason", "awaiting_lab")


def test_a_case_that_was_merged_away_is_followed_to_where_it_goes_on(office: Office) -> None:
    for into in ("C-2", "C-3"):
        office.run(*INTAKE, "report", into, *REPORT)
    office.run(*SERGEANT, "act", "merged", "C-1", "--into", "C-2", "--reason", "same_incident")
    office.run(*SERGEANT, "act", "merged", "C-2", "--into", "C-3", "--reason", "same_incident")
    (row,) = office.rows("receipt", "check", "r.txt", "--online")
    assert (row["stage"], row["goes_on_in"], row["goes_on_stage"]) == ("merged", "C-3", "received")
    assert {one["case_id"] for one in row["dues"]} == {"C-3"}
    assert {one["clock"] for one in row["dues"]} >= {"screening"}


def test_a_case_that_goes_on_by_itself_goes_on_nowhere_else(office: Office) -> None:
    (row,) = office.rows("receipt", "check", "r.txt", "--online")
    assert (row["goes_on_in"], row["goes_on_stage"]) == (None, None)


def test_what_is_overdue_is_said_to_be(office: Office) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=200)).isoformat()
    office.run(*INTAKE, "report", "C-3", *REPORT, "--at", long_ago, "--receipt", "old.txt")
    (row,) = office.rows("receipt", "check", "old.txt", "--online")
    assert row["dues"]
    assert all(one["overdue"] for one in row["dues"])


def test_a_late_answer_is_a_finding(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Receipt.from_text(Path("r.txt").read_text("utf-8"))
    late = held.promised_by + timedelta(seconds=1)
    office.notarise(at=late)
    monkeypatch.setattr("casetrail.cli.context.now", lambda: late)
    for command in ("prove", "check"):
        row = receipt(office, command, "r.txt", code=exits.FAULTS)
        assert (row["result"], row["late"]) == ("accepted", True)


@pytest.mark.parametrize("crime", ["DELETE FROM record WHERE topic = 'events'", ALTER])
def test_online_the_proof_must_still_be_true_of_the_log(office: Office, crime: str) -> None:
    office.notarise()
    receipt(office, "prove", "r.txt")
    database = sqlite3.connect(office.log)
    database.executescript("DROP TRIGGER no_delete; DROP TRIGGER no_update")
    database.execute(crime)
    database.commit()
    database.close()
    done = office.run(*office.policy, "receipt", "check", "r.txt", "--online", code=exits.FAULTS)
    assert "any more that the proof shows" in done.stderr


def rewrite(log: Path) -> None:
    """Whoever owns the log's file leaves its last event and all checkpoints out."""
    database = sqlite3.connect(log)
    database.executescript("DROP TRIGGER no_delete")
    database.execute("DELETE FROM record WHERE topic = 'events' AND key = CAST('C-2' AS BLOB)")
    database.execute("DELETE FROM record WHERE topic = 'checkpoints'")
    database.commit()
    database.close()


def submitted(office: Office, *, promised_within: int) -> None:
    """Submissions for two cases that no recorder has answered, and the receipt of the first, ``u.txt``."""
    actions = [life("C-8")[0], life("C-9")[0]]
    with office.opened() as log:
        values = [encode_action(one) for one in actions]
        where = log.append(Topic.ACTIONS, [Entry(b"C-8", values[0]), Entry(b"C-9", values[1], 0)])
        first = Receipt(log.name, "C-8", actions[0].action_id, *where[0], leaf_hash(values[0]))
        Path("u.txt").write_text(replace(first, promised_within=promised_within).to_text(), "utf-8")


def test_a_submission_that_waits_is_pending_and_then_late(office: Office) -> None:
    submitted(office, promised_within=3600)
    office.run(*office.policy, "receipt", "prove", "u.txt", code=exits.PENDING)
    office.run("receipt", "check", "u.txt", "--online", code=exits.PENDING)
    Path("u.txt").unlink()
    submitted(office, promised_within=0)
    for words in ((*office.policy, "receipt", "prove", "u.txt"), ("receipt", "check", "u.txt", "--online")):
        done = office.run(*words, code=exits.FAULTS)
        assert "no recorder has answered it yet" in done.stderr
        assert "that is late" in done.stderr


def test_another_log_denies_the_receipt(office: Office, tmp_path: Path) -> None:
    office.notarise()
    receipt(office, "prove", "r.txt")
    for file in tmp_path.glob("log.db*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    office.run("log", "init")
    done = office.run(*office.policy, "receipt", "prove", "r.txt", code=exits.FAULTS)
    assert "the log holds nothing at" in done.stderr
    office.run(*INTAKE, "report", "C-1", *REPORT)
    done = office.run(*office.policy, "receipt", "check", "r.txt", "--online", code=exits.FAULTS)
    assert "another action at" in done.stderr
    receipt(office, "check", "r.txt")  # the proof stands, whatever became of the log


def test_a_log_that_was_replaced_up_to_the_receipt_is_convicted_by_its_proof(office: Office, tmp_path: Path) -> None:
    office.run(*INTAKE, "report", "C-2", *REPORT)
    office.notarise()
    receipt(office, "prove", "r.txt")
    rewrite(office.log)
    for folder in ("notary", "log.db.tree"):
        shutil.rmtree(tmp_path / folder)
    office.notarise()
    done = office.run(*office.policy, "receipt", "prove", "r.txt", code=exits.FAULTS)
    assert "another history now" in done.stderr


def test_a_receipt_of_another_log_is_not_held_against_this_one(office: Office) -> None:
    text = Path("r.txt").read_text("utf-8")
    Path("r.txt").write_text(text.replace("log log\n", "log county\n"), "utf-8")
    done = office.run(*office.policy, "receipt", "prove", "r.txt", code=exits.USAGE)
    assert "'county'" in done.stderr


@pytest.mark.parametrize("text", ["", "casetrail-receipt@v1\n", "something else\n", "casetrail-receipt@v2\nlog x\n"])
def test_what_is_no_receipt_is_said_to_be_none(office: Office, text: str) -> None:
    Path("r.txt").write_text(text, "utf-8")
    for command in ("check", "prove"):
        done = office.run(*office.policy, "receipt", command, "r.txt", code=exits.FAILED)
        assert "no receipt" in done.stderr


def test_of_a_proof_that_is_cut_off_the_file_is_named(office: Office) -> None:
    office.notarise()
    receipt(office, "prove", "r.txt")
    proof = Path("r.txt.tlog-proof")
    proof.write_bytes(proof.read_bytes()[:100])
    assert (
        "r.txt.tlog-proof: this is no proof file"
        in office.run(*office.policy, "receipt", "check", "r.txt", code=exits.FAILED).stderr
    )


def test_without_a_policy_nobody_is_believed(office: Office) -> None:
    office.notarise()
    receipt(office, "prove", "r.txt")
    done = office.run("receipt", "check", "r.txt", code=exits.USAGE)
    assert "--policy" in done.stderr


def test_files_that_are_not_there_are_said_to_be_missing(office: Office) -> None:
    office.run(*office.policy, "receipt", "prove", "none.txt", code=exits.NOT_FOUND)
    office.run(*office.policy, "receipt", "check", "none.txt", code=exits.NOT_FOUND)
