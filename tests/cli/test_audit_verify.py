"""``casetrail audit verify``: what was checked, each fault with what it means, and an exit code that scripts can rely on."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from casetrail.audit.faults import FAULTS, Kind
from casetrail.cli import exits
from casetrail.eventlog.embedded_file import GUARDS
from casetrail.eventlog.opening import open_log
from tests.audit.verifying import told
from tests.cli.shell import Shell
from tests.consumers.notarial import KEY, fill, notary_of, publish

LONG = ("--promised", "999999999")


@pytest.fixture
def notarised(tmp_path: Path, shell: Shell) -> Shell:
    """A log with 15 events under a checkpoint, and a policy."""
    with open_log(f"sqlite:{shell.log}") as log:
        fill(log, ["C-1", "C-2", "C-3"], steps=2)
        with notary_of(log, tmp_path / "notary") as notary:
            publish(notary)
    (tmp_path / "policy").write_text(f"log {KEY.verifier_key}\nquorum none\n")
    return shell


def tamper(shell: Shell, *statements: str) -> None:
    import sqlite3

    database = sqlite3.connect(shell.log)
    for name in GUARDS:
        database.execute(f"DROP TRIGGER {name}")
    for statement in (*statements, *GUARDS.values()):
        database.execute(statement)
    database.commit()
    database.close()


def verified(shell: Shell, *words: str, code: int = exits.OK) -> dict[str, Any]:
    done = shell.run("--policy", "policy", "audit", "verify", *words, "--format", "json", code=code)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_log_that_holds_is_told_with_counts_and_exit_code_0(notarised: Shell) -> None:
    done = notarised.run("--policy", "policy", "audit", "verify")
    assert done.stderr.splitlines()[-1] == "all holds; up to the checkpoint of 15 leaves"
    lines = {" ".join(words[:-1]): words[-1] for line in done.stdout.splitlines()[2:] if (words := line.split())}
    assert lines["events"] == lines["actions"] == "15"
    assert lines["cases"] == "3"
    assert lines["roots"] == lines["map roots"] == lines["signatures of checkpoints"] == "1"
    assert lines["settings"] == "7"
    assert lines["pending actions"] == "0"


def test_json_is_one_object_with_all_that_a_machine_asks_for(notarised: Shell) -> None:
    found = verified(notarised)
    assert list(found) == [
        "log", "partitions", "since", "not_read_again", "up_to", "witnessed_up_to", "longest_checkpoint_wait", "longest_quorum_wait", "holds",
        "checked", "counts", "faults", "remarks",
    ]  # fmt: skip
    assert found["holds"] is True
    assert found["faults"] == []
    assert found["up_to"]["size"] == 15
    assert found["witnessed_up_to"] is found["longest_quorum_wait"] is None
    assert found["longest_checkpoint_wait"]["size"] == 15
    assert found["longest_checkpoint_wait"]["seconds"] > 0
    assert found["checked"]["events_under_no_checkpoint"] == 0
    tamper(notarised, "UPDATE record SET value = x'00' WHERE topic = 'events' AND offset = 3")
    found = verified(notarised, code=exits.FAULTS)
    assert found["holds"] is False
    assert found["counts"]["event-unreadable"] == 1
    fault = next(one for one in found["faults"] if one["kind"] == "event-unreadable")
    assert (fault["topic"], fault["partition"], fault["offset"], fault["severity"]) == ("events", 0, 3, "fault")
    assert fault["meaning"] == FAULTS[Kind.EVENT_UNREADABLE]


def test_each_fault_is_told_with_its_place_and_what_it_means(notarised: Shell) -> None:
    tamper(notarised, "UPDATE record SET key = CAST('C-9' AS BLOB) WHERE topic = 'events' AND offset = 3")
    done = notarised.run("--policy", "policy", "audit", "verify", code=exits.FAULTS)
    (line,) = [line.split() for line in done.stdout.splitlines() if line.startswith("key-differs  fault")]
    assert line[:6] == ["key-differs", "fault", "events", "0", "3", "C-1"]
    assert FAULTS[Kind.KEY_DIFFERS] in done.stdout
    assert done.stderr.splitlines()[-1] == "NOT ALL HOLDS; up to the checkpoint of 15 leaves; 1 key-differs"


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_rows_for_machines_have_the_same_fields(notarised: Shell, form: str) -> None:
    tamper(notarised, "UPDATE record SET key = CAST('C-9' AS BLOB) WHERE topic = 'events' AND offset = 3")
    done = notarised.run("--policy", "policy", "audit", "verify", "--format", form, code=exits.FAULTS)
    rows: list[dict[str, Any]]
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
    else:
        rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {tuple(row) for row in rows} == {
        (
            "row",
            "size",
            "root",
            "appended_at",
            "witnessed_at",
            "checked",
            "count",
            "kind",
            "severity",
            "topic",
            "partition",
            "offset",
            "case_id",
            "found",
            "meaning",
        )
    }
    (up_to,) = [row for row in rows if row["row"] == "up_to"]
    known = verified(notarised, code=exits.FAULTS)["up_to"]
    assert {name: str(up_to[name]) for name in known} == {name: str(value) for name, value in known.items()}
    assert [row["case_id"] for row in rows if row["row"] == "fault"] == ["C-1"]
    assert {row["checked"]: str(row["count"]) for row in rows if row["row"] == "checked"}["map_roots"] == "1"


def test_without_a_policy_it_says_that_signatures_were_not_checked(notarised: Shell) -> None:
    done = notarised.run("audit", "verify", "--no-policy")
    assert f"log key {KEY.verifier_key.key_id.hex()} of {KEY.name}: not checked against a policy" in done.stderr


def test_a_log_with_checkpoints_is_verified_with_a_policy_or_expressly_without(
    notarised: Shell, tmp_path: Path
) -> None:
    notarised.run("audit", "publish", "www", "--unwitnessed")
    for words in (("--state", "mine"), ("--from", "www")):
        done = notarised.run("audit", "verify", *words, code=exits.USAGE)
        assert "give --policy FILE (before the command), or configure it; or --no-policy" in done.stderr
        assert done.stdout == ""
        assert not (tmp_path / "mine").exists()
    for words in (("--state", "mine"), ("--from", "www")):
        notarised.run("audit", "verify", *words, "--no-policy")
    (tmp_path / "young").mkdir()
    young = Shell(tmp_path / "young")
    young.run("log", "init")
    assert "there is no checkpoint" in young.run("audit", "verify").stderr


def test_a_policy_that_names_no_log_accuses_nobody(notarised: Shell, tmp_path: Path) -> None:
    (tmp_path / "policy").write_text("quorum none\n")
    for words in (("--state", "mine"), ("--from", "www")):
        done = notarised.run("--policy", "policy", "audit", "verify", *words, code=exits.FAILED)
        assert "the policy names no log" in done.stderr
        assert "log VKEY" in done.stderr
        assert done.stdout == ""
    assert not (tmp_path / "mine").exists()


def test_a_policy_that_asks_for_no_witness_is_told_what_that_means(notarised: Shell) -> None:
    notarised.run("--policy", "policy", "audit", "publish", "www")
    for words in ((), ("--from", "www")):
        found = verified(notarised, *words)
        assert found["holds"] is True
        (remark,) = found["remarks"]
        assert remark.startswith("the policy asks for no witness: nobody but the log's operator vouches")


def test_a_state_lets_the_next_run_begin_where_one_ended(notarised: Shell, tmp_path: Path) -> None:
    assert verified(notarised, "--state", "mine")["since"] is None
    with open_log(f"sqlite:{notarised.log}") as log:
        fill(log, ["C-4"], steps=2)
    again = verified(notarised, "--state", "mine")
    assert again["since"]["size"] == again["not_read_again"] == 15
    assert again["checked"]["events"] == 5
    assert again["checked"]["events_under_no_checkpoint"] == 5
    late = verified(notarised, "--state", "mine", "--promised", "0", code=exits.FAULTS)
    assert list(late["counts"]) == ["notary-silent"]


def test_what_was_not_read_again_is_said_and_reread_reads_it(notarised: Shell) -> None:
    words = ("--policy", "policy", "audit", "verify", "--state", "mine")
    assert "read again" not in notarised.run(*words).stderr
    done = notarised.run(*words)
    assert "whether it has been altered since, --reread tells" in done.stderr
    assert done.stderr.splitlines()[-1] == "all holds; up to the checkpoint of 15 leaves; 15 leaves were not read again"
    done = notarised.run(*words, "--reread")
    assert "all was read again" in done.stderr
    assert done.stderr.splitlines()[-1] == "all holds; up to the checkpoint of 15 leaves"
    found = verified(notarised, "--state", "mine", "--reread")
    assert (found["since"]["size"], found["not_read_again"], found["checked"]["events"]) == (15, 0, 15)
    done = notarised.run("audit", "verify", "--reread", code=exits.USAGE)
    assert "--reread goes with --state" in done.stderr


def test_a_folder_that_is_no_state_is_named(notarised: Shell, tmp_path: Path) -> None:
    verified(notarised, "--state", "mine")
    (tmp_path / "other").mkdir()
    other = told(tmp_path / "other")
    other.log.close()
    done = notarised.run(
        "--log", other.recording.url, "audit", "verify", "--no-policy", "--state", "mine", *LONG, code=exits.FAILED
    )
    assert "mine is the state of another log" in done.stderr


def test_what_is_published_is_verified_without_the_log(notarised: Shell) -> None:
    policy = ("--policy", "policy")
    notarised.run(*policy, "audit", "publish", "www")
    notarised.log.unlink()
    found = verified(notarised, "--from", "www")
    assert found["holds"] is True
    assert found["up_to"]["size"] == 15
    done = notarised.run(*policy, "audit", "verify", "--from", "www", "--state", "mine", code=exits.USAGE)
    assert "does not go with --from" in done.stderr
    done = notarised.run(*policy, "audit", "verify", "--from", "www", "--promised", "3600", code=exits.USAGE)
    assert "--promised is about a log" in done.stderr
    entries = next(Path("www/tile/entries").glob("**/15"))
    entries.write_bytes(entries.read_bytes()[:-1] + b"?")
    assert verified(notarised, "--from", "www", code=exits.FAULTS)["counts"]


def test_what_a_hostile_log_says_does_no_harm_on_a_terminal(notarised: Shell) -> None:
    tamper(notarised, "UPDATE log SET name = 'x' || char(7) || char(8238)")
    done = notarised.run("audit", "verify", "--no-policy", code=exits.FAULTS)
    assert "checked in x\\u0007\\u202e" in done.stdout


def test_the_documentation_has_every_kind_of_fault() -> None:
    text = (Path(__file__).parents[2] / "docs" / "verifying.md").read_text("utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    told_kinds = {row[0].strip("| `"): row[1].rstrip(" |") for row in rows if len(row) == 2}
    assert told_kinds == {kind.value: meaning for kind, meaning in FAULTS.items()}
    assert list(FAULTS) == list(Kind)
