"""What an agency sees can be shown to others: a file, and a signed statement of what it is. A changed byte is refused."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from casetrail.cli import exits
from casetrail.eventlog.opening import open_log
from casetrail.proofs.checkpoint import parse_checkpoint
from casetrail.proofs.newest import newest_checkpoint
from casetrail.proofs.note import parse_note
from tests.cli.notarial_shell import Office
from tests.cli.shell import CLINIC, INTAKE, REPORT, Shell


@pytest.fixture
def office(shell: Shell) -> Office:
    """A clinic that reported two cases, and a key of its own."""
    for case in ("C-1", "C-2"):
        shell.run(*CLINIC[:4], "--role", "reporter", "report", case, "--for-agency", "metro-pd", *REPORT)
    shell.run(*INTAKE, "report", "C-3", *REPORT)
    office = Office(shell)
    make_key(office)
    return office


def make_key(office: Office, name: str = "clinic", *more: str) -> str:
    """A new key; its verifier key."""
    words = ("keys", "create", f"{name}.example/casetrail", "--file", str(office.folder / f"{name}.key"), "--for")
    return office.run(*words, *(more or ("log",))).stdout.strip()


def exported(office: Office, *more: str, code: int = exits.OK, name: str = "clinic") -> dict[str, Any]:
    """Export what the clinic sees into ``out.csv``; what is said of it."""
    where = ("--output", str(office.folder / "out.csv"), "--key", str(office.folder / f"{name}.key"))
    result = office.run("partner", "export", "clinic", *where, *more, "--format", "json", code=code)
    return dict(json.loads(result.stdout)[0]) if code == exits.OK else {}


def checked(office: Office, *more: str, code: int = exits.OK) -> dict[str, Any]:
    """What the check says, by the clinic's key unless another is given."""
    key = more or ("--log-key", (office.folder / "clinic.key.pub").read_text().strip())
    result = office.run("partner", "check", str(office.folder / "out.csv"), *key, "--format", "json", code=code)
    return dict(json.loads(result.stdout)[0]) if code == exits.OK else {}


def test_the_file_holds_what_the_agency_is_shown(office: Office) -> None:
    said = exported(office)
    with (office.folder / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    shown = office.rows("partner", "clinic", "--now", said["as_of"])
    assert said["rows"] == len(rows) == len(shown) == 2
    for row, expected in zip(rows, shown, strict=True):
        assert list(row) == list(expected)
        assert (row["case_id"], row["clock"], row["due_at"]) == (
            expected["case_id"], expected["clock"], expected["due_at"],
        )  # fmt: skip
        assert json.loads(row["clocks"]) == expected["clocks"]


def test_whoever_gets_both_files_checks_them_without_the_log(office: Office) -> None:
    said = exported(office)
    (office.folder / "log.db").rename(office.folder / "gone.db")
    found = checked(office)
    assert found == said
    assert (found["of"], found["log"], found["signed_by"]) == ("partner clinic", "log", ["clinic.example/casetrail"])
    assert found["checkpoint_size"] is None


@pytest.mark.parametrize("file", ["out.csv", "out.csv.statement"])
def test_every_changed_byte_is_refused(office: Office, file: str) -> None:
    exported(office)
    path = office.folder / file
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        checked(office, code=exits.FAULTS)
    for changed in (content[:-1], content + b"x", b""):
        path.write_bytes(changed)
        checked(office, code=exits.FAULTS)
    path.write_bytes(content)
    checked(office)


def test_another_agencys_statement_does_not_fit(office: Office) -> None:
    exported(office)
    shutil.copy(office.folder / "out.csv", office.folder / "kept.csv")
    where = ("--output", str(office.folder / "out.csv"), "--key", str(office.folder / "clinic.key"))
    registrar = ("--person", "reg.1", "--agency", "metro-pd", "--role", "registrar")
    kind = ("--agency-kind", "child_advocacy_center")
    office.run(*registrar, "act", "agency-registered", "registry", "--agency", "cac", *kind)
    office.run("partner", "export", "cac", *where)
    assert checked(office)["of"] == "partner cac"
    shutil.copy(office.folder / "kept.csv", office.folder / "out.csv")
    checked(office, code=exits.FAULTS)


def test_only_who_is_believed_can_have_signed(office: Office) -> None:
    exported(office)
    stranger = make_key(office, "stranger")
    result = office.run("partner", "check", str(office.folder / "out.csv"), "--log-key", stranger, code=exits.FAULTS)
    assert "no known key" in result.stderr
    assert "--log-key" in office.run("partner", "check", str(office.folder / "out.csv"), code=exits.USAGE).stderr


def test_a_statement_rests_on_the_newest_checkpoint(office: Office) -> None:
    office.notarise(times=2)
    said = exported(office)
    with open_log(f"sqlite:{office.log}") as log:
        note = newest_checkpoint(log)
    assert note is not None
    newest = parse_checkpoint(parse_note(note).text)
    assert (said["checkpoint_origin"], said["checkpoint_size"], said["checkpoint_root"]) == (
        newest.origin, newest.size, newest.root.hex(),
    )  # fmt: skip
    assert newest.size >= 4
    assert checked(office) == said


def test_a_statement_rests_on_no_checkpoint_over_what_the_views_have_not_seen(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.notarise()
    before = exported(office)
    office.run(*CLINIC[:4], "--role", "reporter", "report", "C-9", "--for-agency", "metro-pd", *REPORT)
    office.notarise()
    with monkeypatch.context() as patch:
        patch.setattr("casetrail.cli.embedded_views.bring_up_to_date", lambda *_, **__: None)
        behind = exported(office)
    after = exported(office)
    assert before["checkpoint_size"] == behind["checkpoint_size"] < after["checkpoint_size"]
    assert before["rows"] == behind["rows"] < after["rows"]


def test_a_trust_policy_says_whose_statements_and_whose_checkpoints_are_believed(office: Office) -> None:
    office.notarise()
    policy = Path(office.policy[1])
    policy.write_text(f"log {(office.folder / 'clinic.key.pub').read_text().strip()}\n{policy.read_text()}")
    where = ("--output", str(office.folder / "out.csv"), "--key", str(office.folder / "clinic.key"))
    office.run(*office.policy, "partner", "export", "clinic", *where)
    office.run(*office.policy, "partner", "check", str(office.folder / "out.csv"))
    policy.write_text(f"log {(office.folder / 'clinic.key.pub').read_text().strip()}\nquorum none\n")
    result = office.run(*office.policy, "partner", "export", "clinic", *where, code=exits.FAULTS)
    assert "no known key" in result.stderr


def test_a_key_that_cannot_sign_a_statement_is_named(office: Office) -> None:
    make_key(office, "witness", "witness")
    make_key(office, "quantum", "log", "--algorithm", "ml-dsa-44")
    exported(office, code=exits.FAILED, name="witness")
    exported(office, code=exits.FAILED, name="quantum")
    assert not (office.folder / "out.csv").exists()


def test_a_file_without_a_statement_is_not_believed(office: Office) -> None:
    exported(office)
    (office.folder / "out.csv.statement").unlink()
    checked(office, code=exits.NOT_FOUND)


def test_a_past_moment_can_be_exported(office: Office) -> None:
    assert exported(office, "--as-of", "2020-01-01T00:00:00Z")["rows"] == 0
    assert checked(office)["as_of"] == "2020-01-01T00:00:00Z"
