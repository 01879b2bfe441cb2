"""What docs/proofs.md says of the formats, and files that were made to it once, stay as they are: proofs last for decades."""

import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.audit.export import parse_export
from casetrail.audit.exported import check_export
from casetrail.audit.publication.published import verify_published
from casetrail.audit.receipts import check_proof
from casetrail.eventlog.schemas import current_ids, parsed, published
from casetrail.proofs.casemap import CaseMap, MapProof, case_key, check_map_proof
from casetrail.proofs.policy import parse_policy
from casetrail.proofs.prooffile import parse_proof
from casetrail.publishing import Receipt
from tools.second_opinion import casemap, leaves
from tools.second_opinion.__main__ import main

PAGE: Final = (Path(__file__).parents[2] / "docs" / "proofs.md").read_text("utf-8")
SCHEMAS: Final = Path(__file__).parents[2] / "domain" / "schemas" / "published"
GOLDEN: Final = Path(__file__).parent / "golden"
POLICY: Final = parse_policy((GOLDEN / "policy").read_bytes())
CASES: Final = ("case.json", "absent.json", "absent-beside-another.json")


def section(title: str) -> str:
    """A section of the page."""
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def documented_fields(before: str) -> list[str]:
    """The fields in the first table behind these words, in order."""
    table = section("Leaves").split(before, 1)[1].split("\n\n")[1]
    return [name for row in table.splitlines()[2:] for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])]


@pytest.fixture(scope="module")
def vector() -> Any:
    """The map of three cases that the page shows."""
    [block] = re.findall(r"```json\n(.*?)```", section("The map of cases"), re.DOTALL)
    return json.loads(block)


def test_every_version_of_an_event_begins_with_the_documented_fields() -> None:
    documented = documented_fields("**An event**")
    assert documented == list(leaves.Event._fields)
    heads = set()
    for text in published().values():
        schema = json.loads(text)
        if schema["name"] == "Event":
            head = schema["fields"][: len(documented)]
            assert [field["name"] for field in head] == documented
            heads.add(json.dumps([field["type"] for field in head]))
    assert len(heads) == 1


def test_the_records_of_the_notary_have_the_documented_schemas() -> None:
    ids = current_ids()
    assert f"`{ids['checkpoint']:08x}`" in section("Leaves")
    assert f"`{ids['cosignature']:08x}`" in section("Leaves")
    assert int.from_bytes(leaves.CHECKPOINT, "big") == ids["checkpoint"]
    fields = [field["name"] for field in parsed(ids["checkpoint"])["fields"]]
    assert fields == documented_fields("**The record of a checkpoint**")
    for field in parsed(ids["cosignature"])["fields"]:
        assert f"`{field['name']}`" in section("Leaves")


def test_the_map_of_cases_is_the_documented_one(vector: Any) -> None:
    entries = {case_id: (case["events"], bytes.fromhex(case["last_hash"])) for case_id, case in vector["cases"].items()}
    ours = CaseMap(sqlite3.connect(":memory:", isolation_level=None))
    theirs = casemap.CaseMap()
    for case_id, entry in entries.items():
        theirs.put(casemap.map_key(case_id), casemap.map_value(*entry))
    root = ours.update({case_key(case_id): entry for case_id, entry in entries.items()})
    assert root.hex() == theirs.root().hex() == vector["map_root"]


def test_the_documented_proofs_of_the_map_are_those_that_hold(vector: Any) -> None:
    root = bytes.fromhex(vector["map_root"])
    ends = []
    for case_id, proof in vector["proofs"].items():
        case = vector["cases"].get(case_id)
        entry = case and (case["events"], bytes.fromhex(case["last_hash"]))
        other = proof["other"] and tuple(bytes.fromhex(proof["other"][name]) for name in ("key", "value"))
        siblings = tuple(map(bytes.fromhex, proof["siblings"]))
        check_map_proof(root, case_key(case_id), entry, MapProof(siblings, other))
        ends.append("case" if case else "another" if other else "nothing")
    assert ends == ["case", "nothing", "another"]


# --- files that were made once: by a log with one witness and refused and unreadable submissions ---


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """The files; the published log with its schemas, which are not kept twice."""
    folder = shutil.copytree(GOLDEN, tmp_path / "golden")
    (folder / "www" / "schemas").mkdir()
    for name in ("event-19efd9bd", "checkpoint-52143d41"):
        shutil.copy(SCHEMAS / f"{name}.avsc", folder / "www" / "schemas" / f"{name.split('-')[1]}.avsc")
    return folder


@pytest.mark.parametrize("name", ["www", *CASES, "report.receipt"])
def test_a_second_opinion_of_the_golden_files_is_that_they_hold(golden: Path, name: str) -> None:
    assert main(golden / "policy", golden / name) == 0


def test_a_log_that_was_published_once_still_verifies(golden: Path) -> None:
    found = verify_published(golden / "www", POLICY)
    assert found.holds
    assert {name: found.checked[name] for name in ("events", "cases", "checkpoints", "map roots")} == {
        "events": 28, "cases": 7, "checkpoints": 3, "map roots": 3,
    }  # fmt: skip


@pytest.mark.parametrize(("name", "events"), list(zip(CASES, (2, 0, 0), strict=True)))
def test_a_case_that_was_exported_once_still_holds(name: str, events: int) -> None:
    content = (GOLDEN / name).read_bytes()
    export = parse_export(content)
    assert export.format() == content
    assert len(export.events) == events
    assert all(one.holds for one in check_export(export, POLICY))


def test_a_receipt_that_was_proven_once_still_holds() -> None:
    text = (GOLDEN / "report.receipt").read_text("utf-8")
    receipt = Receipt.from_text(text)
    assert receipt.to_text() == text
    proof = (GOLDEN / "report.receipt.tlog-proof").read_bytes()
    assert parse_proof(proof).format() == proof
    assert check_proof(receipt, parse_proof(proof), POLICY).answered.event.number == 1
