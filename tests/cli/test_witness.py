"""A partner agency as a witness: on the network, and by hand."""

import json
import sqlite3
import urllib.request
from pathlib import Path

import pytest

from casetrail.cli import exits
from casetrail.consumers.inbox import Inbox
from casetrail.consumers.notary import Notary
from casetrail.eventlog.opening import open_log
from casetrail.proofs.keys import load_key, load_verifier_key
from casetrail.proofs.note import parse_note, verify_note
from tests.cli.shell import Shell
from tests.cli.witnesses import ORIGIN, make_keys, notarise, serving, verifier_key
from tests.consumers.notarial import SELDOM


@pytest.fixture
def court(shell: Shell) -> list[str]:
    """The options of a witness called court."""
    make_keys(shell, "court", "clinic")
    log_key = verifier_key(shell.folder / "log.key")
    return ["--key", "court.key", "--log-key", log_key, "--state", "court.db"]


def publish(shell: Shell, *cases: str) -> int:
    for case in cases:
        shell.report(case)
    return notarise(shell.log, shell.folder / "log.key")


def request(shell: Shell, old: int, file: str = "request") -> Path:
    shell.run("witness", "request", "--from", str(old), "--output", file)
    return shell.folder / file


def listed(shell: Shell, *words: str, code: int = exits.OK) -> list[tuple[int, str, bool]]:
    rows = json.loads(shell.run("witness", "list", "--state", "court.db", *words, "--format", "json", code=code).stdout)
    return [(row["size"], row["result"], row["contradicts"]) for row in rows]


def test_a_checkpoint_travels_by_hand_to_a_witness_and_back(shell: Shell, court: list[str]) -> None:
    size = publish(shell, "C-1", "C-2")
    request(shell, 0)
    done = shell.run("witness", "cosign", "request", *court)
    (seen,) = json.loads(shell.run("witness", "list", "--state", "court.db", "--format", "json").stdout)
    whole = json.loads(shell.run("audit", "verify", "--no-policy", "--format", "json").stdout)
    assert (seen["size"], seen["root"]) == (whole["up_to"]["size"], whole["up_to"]["root"]), "to be compared by eye"
    assert "remembers nothing" in done.stderr
    note = parse_note(done.stdout.encode())
    for name in ("court", "log"):
        verify_note(note, [load_verifier_key(shell.folder / f"{name}.key.pub")])
    larger = publish(shell, "C-3")
    request(shell, size)
    shell.run("witness", "cosign", "request", *court, "--output", "cosigned")
    assert listed(shell) == [(size, "cosigned", False), (larger, "cosigned", False)]
    assert parse_note((shell.folder / "cosigned").read_bytes()).text.startswith(f"{ORIGIN}\n{larger}\n")


def test_a_bare_checkpoint_will_do_where_no_proof_is_needed(shell: Shell, court: list[str]) -> None:
    size = publish(shell, "C-1")
    note = request(shell, 0).read_bytes().partition(b"\n\n")[2]
    (shell.folder / "note").write_bytes(note)
    shell.run("witness", "cosign", "note", *court, "--output", "cosigned")
    again = shell.run("witness", "cosign", "cosigned", *court).stdout.encode()
    assert [one.name for one in parse_note(again).signatures] == [ORIGIN, "court.example/witness"]
    other = ["--key", "clinic.key", *court[2:4], "--state", "clinic.db"]
    both = shell.run("witness", "cosign", "-", *other, text=again).stdout.encode()
    names = [one.name for one in parse_note(both).signatures]
    assert names == [ORIGIN, "court.example/witness", "clinic.example/witness"]
    publish(shell, "C-2")
    note = request(shell, 0).read_bytes().partition(b"\n\n")[2]
    (shell.folder / "note").write_bytes(note)
    refused = shell.run("witness", "cosign", "note", *court, code=exits.FAILED)
    assert f"request --from {size}" in refused.output


def test_a_request_from_the_wrong_size_says_which_is_right(shell: Shell, court: list[str]) -> None:
    size = publish(shell, "C-1", "C-2")
    request(shell, 0)
    shell.run("witness", "cosign", "request", *court)
    publish(shell, "C-3")
    request(shell, 1)
    refused = shell.run("witness", "cosign", "request", *court, code=exits.FAILED)
    assert f"request --from {size}" in refused.output
    done = shell.run("witness", "request", "--from", "1000", code=exits.FAULTS)
    assert "cut or forked" in done.output


def forked(shell: Shell) -> Shell:
    """The same log up to now, in another folder, to be continued in another way with the same key."""
    folder = shell.folder / "fork"
    folder.mkdir()
    with sqlite3.connect(shell.log) as source, sqlite3.connect(folder / "log.db") as copy:
        source.backup(copy)
    for name in ("log.key", "log.key.pub"):
        (folder / name).write_bytes((shell.folder / name).read_bytes())
        (folder / name).chmod(0o600)
    return Shell(folder)


def test_a_log_that_was_forked_is_refused_and_the_evidence_kept(shell: Shell, court: list[str]) -> None:
    publish(shell, "C-1")
    other = forked(shell)
    size = publish(shell, "C-2")
    assert publish(other, "C-3") == size
    request(shell, 0)
    shell.run("witness", "cosign", "request", *court)
    other.run("--tree", "fork/mine", "witness", "request", "--from", str(size), "--output", "other")
    refused = shell.run("witness", "cosign", "other", *court, code=exits.FAULTS)
    assert "forked" in refused.output
    contradicting = [(size, "cosigned", True), (size, "contradiction", True)]
    assert listed(shell, code=exits.FAULTS) == listed(shell, "--refused", code=exits.FAULTS) == contradicting
    table = shell.run("witness", "list", "--state", "court.db", code=exits.FAULTS)
    assert "contradiction" in table.stdout
    assert "contradict" in table.stderr


@pytest.mark.parametrize("bare", [True, False])
def test_another_root_for_an_older_size_is_a_contradiction_too(shell: Shell, court: list[str], bare: bool) -> None:
    publish(shell, "C-1")
    other = forked(shell)
    size = publish(shell, "C-2")
    assert publish(other, "C-3") == size
    other.run("--tree", "fork/mine", "witness", "request", "--from", "0", "--output", "other")
    if bare:
        file = shell.folder / "other"
        file.write_bytes(file.read_bytes().partition(b"\n\n")[2])
    request(shell, 0)
    shell.run("witness", "cosign", "request", *court)
    larger = publish(shell, "C-4")
    request(shell, size)
    shell.run("witness", "cosign", "request", *court)
    refused = shell.run("witness", "cosign", "other", *court, code=exits.FAULTS)
    assert f"two roots for the same {size} leaves" in refused.output
    assert "evidence" in refused.output and "request --from" not in refused.output
    assert listed(shell, code=exits.FAULTS) == [
        (size, "cosigned", True),
        (larger, "cosigned", False),
        (size, "size-conflict", True),
    ]


def test_nothing_is_cosigned_without_a_known_log(shell: Shell, court: list[str]) -> None:
    publish(shell, "C-1")
    request(shell, 0)
    assert "--log-key" in shell.run("witness", "cosign", "request", *court[:2], *court[4:], code=exits.USAGE).output
    own = verifier_key(shell.folder / "court.key")
    shell.run("witness", "cosign", "request", *court[:2], "--log-key", own, *court[4:], code=exits.USAGE)
    shell.run("keys", "create", "other.example", "--file", "other.key", "--for", "log")
    stranger = verifier_key(shell.folder / "other.key")
    refused = shell.run(
        "witness", "cosign", "request", *court[:2], "--log-key", stranger, *court[4:], code=exits.FAILED
    )
    assert "does not know the log" in refused.output
    (shell.folder / "policy").write_text(f"log {verifier_key(shell.folder / 'log.key')}\nquorum none\n")
    shell.run("--policy", "policy", "witness", "cosign", "request", *court[:2], *court[4:])


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"old 1\nx\n\n", b"x" * 2_000_000])
def test_a_file_that_is_no_checkpoint_is_a_message(shell: Shell, court: list[str], content: bytes) -> None:
    (shell.folder / "file").write_bytes(content)
    done = shell.run("witness", "cosign", "file", *court, code=exits.FAILED)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    shell.run("witness", "cosign", "missing", *court, code=exits.NOT_FOUND)
    shell.run("witness", "list", "--state", "missing.db", code=exits.NOT_FOUND)
    shell.run("witness", "request", "--from", "0", code=exits.NOT_FOUND)


def test_a_cosignature_that_is_brought_back_is_recorded_by_the_notary(shell: Shell, court: list[str]) -> None:
    size = publish(shell, "C-1")
    request(shell, 0)
    shell.run("witness", "cosign", "request", *court, "--output", "cosigned")
    court_key, clinic_key = (verifier_key(shell.folder / f"{name}.key") for name in ("court", "clinic"))
    lines = [f"log {court[3]}", f"witness court {court_key}", f"witness clinic {clinic_key}", "quorum court", ""]
    (shell.folder / "policy").write_text("\n".join(lines))
    assert "court" in shell.run("--policy", "policy", "witness", "add", "cosigned").stdout
    publish(shell, "C-2")
    inbox = Inbox(Path(f"{shell.log}.notary") / "inbox", [load_verifier_key(shell.folder / "court.key.pub")])
    with open_log(f"sqlite:{shell.log}") as log:
        notary = Notary(log, shell.folder / "notary", load_key(shell.folder / "log.key"), SELDOM, None, inbox)
        notary.publish()
        sealed = notary.tree.file.of_size(size)
        assert sealed is not None
        note = parse_note(notary.tree.cosigned_note(sealed))
        notary.close()
    verify_note(note, [load_verifier_key(shell.folder / "court.key.pub")])


def test_only_what_a_witness_of_the_policy_has_cosigned_is_given_to_the_notary(shell: Shell, court: list[str]) -> None:
    publish(shell, "C-1")
    request(shell, 0)
    shell.run("witness", "cosign", "request", *court, "--output", "cosigned")
    shell.run("witness", "add", "cosigned", code=exits.USAGE)
    (shell.folder / "policy").write_text(
        f"log {court[3]}\nwitness a {verifier_key(shell.folder / 'clinic.key')}\nquorum a\n"
    )
    assert "no witness" in shell.run("--policy", "policy", "witness", "add", "cosigned", code=exits.FAILED).output
    assert not Path(f"{shell.log}.notary").exists()


def test_a_witness_that_serves_says_who_and_where_it_is_and_what_it_has_seen(shell: Shell, court: list[str]) -> None:
    with serving(shell.folder, "court", court[3]) as url:
        size = publish(shell, "C-1")
        assert notarise(shell.log, shell.folder / "log.key", (shell.folder / "court.key", url)) == size + 1
        with urllib.request.urlopen(f"{url}/health", timeout=20) as answer:
            assert json.load(answer)["logs"][0]["size"] == size + 1
        rows = listed(shell)  # while it serves
        assert rows == [(size + 1, "cosigned", False)]


def test_a_port_that_is_taken_and_a_key_that_is_none_are_messages(shell: Shell, court: list[str]) -> None:
    with serving(shell.folder, "court", court[3]) as url:
        port = url.rpartition(":")[2]
        taken = shell.process("witness", "serve", *court, "--port", port, check=False)
    assert (taken.returncode, "cannot listen" in taken.stderr) == (exits.FAILED, True)
    bad = shell.process("witness", "serve", "--key", "log.key", *court[2:], "--port", "0", check=False)
    assert (bad.returncode, "is a log's" in bad.stderr) == (exits.FAILED, True)
