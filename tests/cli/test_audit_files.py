"""Files that auditors hand on: the published log, and a case that proves itself."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from casetrail.cli import exits
from casetrail.domain.values import iso
from casetrail.eventlog.schemas import current_ids
from tests.cli.notarial_shell import Office
from tests.cli.shell import INTAKE, REPORT, Shell


@pytest.fixture
def office(shell: Shell) -> Office:
    """Three reports."""
    made = Office(shell)
    for case_id in ("C-1", "C-2", "C-3"):
        made.report(case_id)
    return made


def test_a_log_is_published_and_published_again(office: Office) -> None:
    office.notarise()
    (row,) = office.rows(*office.policy, "audit", "publish", "www")
    assert (row["size"], row["origin"], row["witnesses"]) == (3, "kcpd.example/casetrail", ["clinic", "court"])
    assert {str(one.relative_to("www")) for one in Path("www").rglob("*") if one.is_file()} == {
        "checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3", f"schemas/{current_ids()['event']:08x}.avsc",
    }  # fmt: skip
    (row,) = office.rows(*office.policy, "audit", "publish", "www")
    assert row["files_written"] == 0
    office.run(*office.policy, "audit", "publish", "hashes", "--hashes-only")
    assert not Path("hashes/tile/entries").exists()
    done = office.run(*office.policy, "audit", "verify", "--from", "hashes", code=exits.FAULTS)
    assert "1 file-missing" in done.stderr
    office.run(*office.policy, "audit", "verify", "--from", "hashes", "--hashes-only")
    office.run("audit", "verify", "--hashes-only", code=exits.USAGE)


def test_what_witnesses_have_not_seen_is_published_only_on_demand(office: Office) -> None:
    office.notarise("clinic")
    done = office.run(*office.policy, "audit", "publish", "www", code=exits.PENDING)
    assert "cosigned by the policy's quorum" in done.stderr
    office.run("audit", "publish", "www", code=exits.USAGE)
    said = office.run("audit", "publish", ".", "--unwitnessed", code=exits.FAILED).stderr
    assert "holds other files" in said and not (office.folder / "tile").exists()
    (row,) = office.rows("audit", "publish", "www", "--unwitnessed")
    assert row["size"] == 3
    (row,) = office.rows(*office.policy, "audit", "publish", "other", "--unwitnessed")
    assert row["witnesses"] == ["clinic"]


def test_a_replaced_log_is_not_published_over_what_was_published(office: Office, tmp_path: Path) -> None:
    office.notarise()
    office.run(*office.policy, "audit", "publish", "www")
    before = Path("www/checkpoint").read_bytes()
    for file in (*tmp_path.glob("log.db*"), tmp_path / "notary"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    office.run("log", "init")
    office.report("C-1")
    office.notarise()
    done = office.run(*office.policy, "audit", "publish", "www", code=exits.FAULTS)
    assert "evidence" in done.stderr
    assert Path("www/checkpoint").read_bytes() == before


def test_a_case_is_exported_and_checked_without_the_log(office: Office, tmp_path: Path) -> None:
    office.notarise(times=2)
    for case_id, in_log in (("C-2", True), ("C-9", False)):
        (row,) = office.rows(*office.policy, "audit", "export", case_id, "--output", f"{case_id}.json")
        assert (row["in_log"], row["events"], row["later_events"]) == (in_log, int(in_log), 0)
    office.run(*INTAKE, "report", "C-4", *REPORT)
    (row,) = office.rows(*office.policy, "audit", "export", "C-4", "--output", "C-4.json")
    assert (row["in_log"], row["later_events"], row["unproven_events"]) == (False, 0, 1)
    for file in tmp_path.glob("log.db*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    for case_id, said in (
        ("C-2", "as of 3 leaves, the case has 1 event,"),
        ("C-9", "as of 3 leaves, the log has no case C-9"),
        ("C-4", "1 more, 0 of them leaves of the tree"),
    ):
        rows = office.rows(*office.policy, "audit", "check", f"{case_id}.json")
        assert all(row["holds"] for row in rows)
        assert any(said in row["found"] for row in rows)


def test_a_touched_file_gives_exit_code_8_and_says_what_does_not_hold(office: Office) -> None:
    office.notarise(times=2)
    office.run(*office.policy, "audit", "export", "C-2", "--output", "c.json")
    plain = json.loads(Path("c.json").read_text("utf-8"))
    plain["statement"]["events"] = 2
    Path("c.json").write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", "utf-8")
    done = office.run(*office.policy, "audit", "check", "c.json", code=exits.FAULTS)
    assert "statement: the map proof does not lead" in done.stderr
    assert "history: the file has 1 event, and the case has 2" in done.stderr
    Path("c.json").write_text(json.dumps(plain), "utf-8")
    done = office.run(*office.policy, "audit", "check", "c.json", code=exits.FAULTS)
    assert "not those that casetrail writes" in done.stderr


def test_an_export_is_piped_and_nothing_besides(office: Office) -> None:
    office.notarise(times=2)
    office.run(*office.policy, "audit", "export", "C-2", "--output", "c.json")
    piped = office.run(*office.policy, "audit", "export", "C-2", "--output", "-").stdout
    assert piped.encode() == Path("c.json").read_bytes()
    office.run(*office.policy, "audit", "check", "-", text=piped)
    assert not Path("-").exists()


def test_an_export_says_as_of_when_it_is_where_not_all_witnesses_have_seen_the_newest_checkpoint(
    office: Office,
) -> None:
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    office.notarise(times=2, at=at)
    seen = {"as_of_size": 3, "as_of_witnessed_at": iso(at)}
    words = (*office.policy, "audit", "export", "C-2", "--output", "c.json", "--format", "json")
    first = office.run(*words)
    assert seen.items() <= json.loads(first.stdout)[0].items()
    assert first.stderr == ""
    office.run(*INTAKE, "act", "note-added", "C-2", code=exits.REJECTED)
    office.notarise("court", times=2)
    second = office.run(*words)
    (row,) = json.loads(second.stdout)
    assert seen.items() <= row.items()
    assert (row["events"], row["later_events"], row["unproven_events"]) == (1, 0, 1)
    assert "of 7 leaves, has not the policy's quorum" in second.stderr
    assert "1 event of the case stands in the log without a proof" in second.stderr
    office.run(*office.policy, "audit", "check", "c.json")


def test_another_file_than_an_export_convicts_nobody(office: Office) -> None:
    office.notarise(times=2)
    Path("c.json").write_text("{}", "utf-8")
    for file in ("c.json", "log.db"):
        done = office.run(*office.policy, "audit", "check", file, code=exits.FAILED)
        assert "no export of a case" in done.stderr


def test_a_check_tells_machines_what_was_proven_of_which_case(office: Office) -> None:
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    office.notarise(times=2, at=at)
    for case_id, in_log in (("C-2", True), ("C-9", False)):
        office.run(*office.policy, "audit", "export", case_id, "--output", "c.json")
        for row in office.rows(*office.policy, "audit", "check", "c.json", "--case", case_id):
            assert {name: value for name, value in row.items() if name not in ("what", "holds", "found")} == {
                "case_id": case_id, "in_log": in_log, "events": int(in_log), "later_events": 0,
                "as_of_size": 3, "as_of_witnessed_at": iso(at),
            }  # fmt: skip
    done = office.run(
        *office.policy, "audit", "check", "c.json", "--case", "C-2", "--format", "json", code=exits.FAULTS
    )
    assert "the file is of case C-9, and C-2 was asked for" in done.stderr
    assert all(row["in_log"] is None and row["as_of_size"] is None for row in json.loads(done.stdout))


def test_what_is_missing_is_said(office: Office) -> None:
    office.run(*office.policy, "audit", "check", "none.json", code=exits.NOT_FOUND)
    office.run("audit", "check", "none.json", code=exits.USAGE)
    office.run(*office.policy, "audit", "export", "C-1", "--output", "c.json", code=exits.PENDING)  # no checkpoint yet
    office.run(*office.policy, "audit", "publish", "www", code=exits.PENDING)
    office.notarise(times=2)
    office.run("audit", "export", "C-1", "--output", "c.json", code=exits.USAGE)
    office.run(*office.policy, "audit", "export", "C-1", "--output", "nowhere/c.json", code=exits.FAILED)


def test_a_published_log_is_verified_without_the_log(office: Office, tmp_path: Path) -> None:
    office.notarise(times=2)
    office.run(*office.policy, "audit", "publish", "www")
    for file in tmp_path.glob("log.db*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    found = json.loads(office.run(*office.policy, "audit", "verify", "--from", "www", "--format", "json").stdout)
    assert (found["holds"], found["up_to"]["size"]) == (True, 4)
    assert (found["checked"]["events"], found["checked"]["cosignatures"]) == (3, 2)
    bundle = Path("www/tile/entries/000.p/4")
    bundle.write_bytes(bundle.read_bytes().replace(b"family", b"public"))
    done = office.run(*office.policy, "audit", "verify", "--from", "www", "--format", "json", code=exits.FAULTS)
    assert json.loads(done.stdout)["counts"].keys() == {"map-differs", "root-differs", "tile-differs"}


def test_what_is_verified_is_as_old_as_its_witnesses_say(office: Office) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    office.notarise(at=at)
    (row,) = office.rows(*office.policy, "audit", "publish", "www")
    assert row["witnessed_at"] == iso(at)
    for words in (("--from", "www"), ("--state", "mine"), ("--state", "mine"), ("--state", "mine", "--reread")):
        verify = (*office.policy, "audit", "verify", *words, "--format")
        done = office.run(*verify, "json")
        assert json.loads(done.stdout)["witnessed_up_to"]["witnessed_at"] == iso(at)
        assert f"witnessed up to 3 at {iso(at)}" in done.stderr
        assert f"witnessed up to 3 at {iso(at)}" in office.run(*verify, "table").stderr
        rows = [json.loads(line) for line in office.run(*verify, "ndjson").stdout.splitlines()]
        assert [(row["row"], row["size"], row["witnessed_at"]) for row in rows[:2]] == [
            ("up_to", 3, None), ("witnessed_up_to", 3, iso(at)),
        ]  # fmt: skip


def test_a_folder_without_a_checkpoint_is_missing_and_one_with_garbage_is_unreadable(office: Office) -> None:
    office.run(*office.policy, "audit", "verify", "--from", "www", code=exits.NOT_FOUND)
    Path("www").mkdir()
    Path("www/checkpoint").write_bytes(b"garbage")
    done = office.run(*office.policy, "audit", "verify", "--from", "www", code=exits.FAILED)
    assert "as checkpoint is none" in done.stderr
