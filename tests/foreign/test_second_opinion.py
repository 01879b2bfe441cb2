"""``tools/second_opinion``, which has none of our code, says of everything that casetrail publishes and proves what casetrail says.

Where it disagrees, a format has drifted from docs/proofs.md: mend the one that is wrong, not the disagreement.
"""

import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.audit.believed import newest_believed
from casetrail.audit.export import export_case
from casetrail.audit.publication.publish import publish
from casetrail.audit.publication.published import verify_published
from casetrail.audit.receipts import find_answer, prove
from casetrail.domain.notarized import CheckpointPublished, OffsetRange
from casetrail.eventlog.codec import decode_event, encode_action, encode_event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Entry, Topic
from casetrail.proofs.errors import PolicyInvalid
from casetrail.proofs.keys import Algorithm, create_key
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.policy import parse_policy
from casetrail.publishing import connect
from tests.actions import INTAKE, action, report
from tests.audit.witnessing import CLINIC_KEY, KEYS, POLICY, POLICY_TEXT, STRANGER_KEY, policy_file, witnesses
from tests.consumers.notarial import KEY, ORIGIN, fill, notary_of, record
from tests.consumers.notarial import publish as checkpoint
from tests.foreign.folders import entries_of, publish_again
from tools.second_opinion.__main__ import main

TOOLS: Final = Path(__file__).parents[2] / "tools"
CASE, GONE, REFUSED, LATER = "C-0-1", "C-9", "C-8", "C-0-4"


@dataclass(frozen=True)
class Shown:
    """A folder with all that is shown to somebody outside."""

    folder: Path

    @property
    def www(self) -> Path:
        """The published log."""
        return self.folder / "www"

    def opinion(self, name: str) -> int:
        """The exit code of the second opinion."""
        return main(self.folder / "policy", self.folder / name)

    def entries(self) -> list[bytes]:
        """The leaves that are published."""
        return entries_of(self.www)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of two partitions with accepted, refused and unreadable submissions under two records and a last checkpoint."""
    folder = tmp_path_factory.mktemp("shown")
    url = f"sqlite:{folder / 'kcpd.db'}"
    policy_file(folder)
    with init_log(url, partitions=2) as log:
        with notary_of(log, folder / "n", witnesses=witnesses()) as notary:
            fill(log, [f"C-0-{number}" for number in range(6)], 1)
            checkpoint(notary)
            log.append(Topic.ACTIONS, [Entry(b"this is no case", b"this is no action")])
            log.append(Topic.ACTIONS, [Entry(b"C-8", encode_action(action(report(), INTAKE, REFUSED)))] * 2)
            record(log, 3)
            checkpoint(notary)
            fill(log, [f"C-0-{number}" for number in range(4, 9)], 2)
            with connect(url) as connection:
                receipt = connection.submit(action(report(), INTAKE, "C-1"))
                connection.wait(receipt)
            checkpoint(notary)
        with LogTree(log, folder / "tree") as tree:
            tree.follow()
            publish(log, tree, newest_believed(tree, POLICY), folder / "www")
            fill(log, [LATER], 1)  # under no checkpoint yet
            for case_id in (CASE, GONE, REFUSED, LATER):
                (folder / f"{case_id}.json").write_bytes(export_case(log, tree, POLICY, case_id).format())
            (folder / "report.receipt").write_text(receipt.to_text(), "utf-8")
            event = find_answer(log, receipt)
            assert event is not None
            (folder / "report.receipt.tlog-proof").write_bytes(prove(tree, POLICY, receipt, event).format())
    return folder


@pytest.fixture
def shown(made: Path, tmp_path: Path) -> Shown:
    """A copy, to be altered."""
    return Shown(shutil.copytree(made, tmp_path / "shown"))


def test_it_accepts_what_casetrail_publishes_and_proves(shown: Shown, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_published(shown.www, POLICY).holds
    for name in ("www", f"{CASE}.json", f"{GONE}.json", f"{REFUSED}.json", f"{LATER}.json", "report.receipt"):
        assert shown.opinion(name) == 0, capsys.readouterr().err
    said = capsys.readouterr().out.splitlines()
    assert "2 checkpoints with the maps" in said[0]
    assert f"{CASE} has 4 events" in said[1]
    assert f"{GONE} has 0 events" in said[2]
    assert f"{REFUSED} has 2 events as of 28 leaves, 0 later" in said[3]
    assert f"{LATER} has 4 events as of 28 leaves, 5 later, and 4 more that no checkpoint covers" in said[4]


def test_it_runs_by_itself_and_takes_nothing_of_ours(shown: Shown) -> None:
    program = "import sys; from second_opinion.__main__ import main; from pathlib import Path; code = main(*map(Path, sys.argv[1:])); print(*sys.modules); sys.exit(code)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(shown.folder / "policy"), str(shown.www)],
        cwd=TOOLS, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not [name for name in done.stdout.split() if name.startswith("casetrail")]


# --- a published log that was altered ---


@pytest.mark.parametrize("name", ["checkpoint", "tile/0", "tile/entries"])
def test_an_altered_byte_of_a_published_file_is_seen(shown: Shown, name: str) -> None:
    path = shown.www / name
    if path.is_dir():
        [path] = path.glob("000.p/*")
    content = path.read_bytes()
    for at in range(0, len(content), max(1, len(content) // 40)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert shown.opinion("www") == 8, at
    path.unlink()
    assert shown.opinion("www") == 8


def test_a_log_that_is_published_without_entries_is_neither_accepted_nor_accused(shown: Shown) -> None:
    shutil.rmtree(shown.www / "tile" / "entries")
    assert shown.opinion("www") == 1


def last_record(entries: list[bytes]) -> int:
    """Which leaf is the last record of a checkpoint."""
    return max(index for index, entry in enumerate(entries) if entry[1:5] == bytes.fromhex("52143d41"))


def restated(entry: bytes, **changes: Any) -> bytes:
    """The record of a checkpoint that says something else, under the same signature."""
    stored = decode_notarized(entry)
    assert isinstance(stored, CheckpointPublished)
    return encode_notarized(replace(stored, **changes))


def ranges_of(entry: bytes) -> tuple[OffsetRange, ...]:
    stored = decode_notarized(entry)
    assert isinstance(stored, CheckpointPublished)
    return stored.ranges


def without_an_event(entries: list[bytes]) -> list[bytes]:
    return entries[: last_record(entries) + 1] + entries[last_record(entries) + 2 :]


def with_an_altered_event(entries: list[bytes]) -> list[bytes]:
    at = last_record(entries) + 1
    altered = bytearray(entries[at])
    altered[5] ^= 1  # the hash of the action
    return [*entries[:at], bytes(altered), *entries[at + 1 :]]


def with_an_event_moved(entries: list[bytes]) -> list[bytes]:
    return [*entries[:-2], entries[-1], entries[-2]]


def with_a_time_that_goes_back(entries: list[bytes]) -> list[bytes]:
    event = decode_event(entries[-1])
    return [*entries[:-1], encode_event(event._replace(recorded_at=event.recorded_at - timedelta(hours=1)))]


def with_another_map(entries: list[bytes]) -> list[bytes]:
    at = last_record(entries)
    return [*entries[:at], restated(entries[at], map_root=bytes(32)), *entries[at + 1 :]]


def with_a_range_left_out(entries: list[bytes]) -> list[bytes]:
    at = last_record(entries)
    return [*entries[:at], restated(entries[at], ranges=ranges_of(entries[at])[1:]), *entries[at + 1 :]]


def with_a_range_that_begins_later(entries: list[bytes]) -> list[bytes]:
    at = last_record(entries)
    first, *rest = ranges_of(entries[at])
    later = (replace(first, start=first.start + 1, end=first.end + 1), *rest)
    return [*entries[:at], restated(entries[at], ranges=later), *entries[at + 1 :]]


def with_an_event_before_the_record(entries: list[bytes]) -> list[bytes]:
    at = last_record(entries)
    return [*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]]


def with_something_behind_an_event(entries: list[bytes]) -> list[bytes]:
    return [*entries[:-1], entries[-1] + b"\x00"]


FORGED: Final[tuple[Callable[[list[bytes]], list[bytes]], ...]] = (
    without_an_event, with_an_altered_event, with_an_event_moved, with_a_time_that_goes_back, with_another_map, with_a_range_left_out,
    with_a_range_that_begins_later, with_an_event_before_the_record, with_something_behind_an_event,
)  # fmt: skip


@pytest.mark.parametrize("forge", FORGED)
def test_what_log_and_witnesses_signed_and_does_not_follow_is_seen(
    shown: Shown, forge: Callable[[list[bytes]], list[bytes]]
) -> None:
    entries = shown.entries()
    publish_again(shown.www, entries)
    assert shown.opinion("www") == 0
    publish_again(shown.www, forge(entries))
    assert shown.opinion("www") == 8
    assert not verify_published(shown.www, POLICY).holds


def test_a_checkpoint_that_no_quorum_has_cosigned_is_seen(shown: Shown) -> None:
    path = shown.www / "checkpoint"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if f" {CLINIC_KEY.name} " not in line), "utf-8")
    assert shown.opinion("www") == 8


def test_a_log_and_a_witness_that_the_policy_does_not_know_are_not_believed(shown: Shown) -> None:
    for key, other in ((KEY, create_key(ORIGIN, Algorithm.ED25519)), (KEYS["court"], STRANGER_KEY)):
        others = POLICY_TEXT.replace(str(key.verifier_key), str(other.verifier_key))
        (shown.folder / "policy").write_text(others, "utf-8")
        for name in ("www", f"{CASE}.json", "report.receipt"):
            assert shown.opinion(name) == 8


# --- the export of a case, and the proof of a receipt ---


def fewer_events(case: dict[str, Any]) -> None:
    case["events"].pop()


def one_event_less_stated(case: dict[str, Any]) -> None:
    case["events"].pop()
    case["statement"]["events"] -= 1


def denied(case: dict[str, Any]) -> None:
    case["events"], case["statement"] = [], None


def another_case(case: dict[str, Any]) -> None:
    case["case_id"] = "C-0-2"


def denied_by_itself(case: dict[str, Any]) -> None:
    """The way ends at the case's own leaf, called another's."""
    from tools.second_opinion.casemap import map_key, map_value

    number, last = case["statement"]["events"], b64decode(case["statement"]["last_hash"])
    key = map_key(case["case_id"]).to_bytes(32, "big")
    case["map_proof"]["other"] = {
        name: b64encode(value).decode() for name, value in (("key", key), ("value", map_value(number, last)))
    }
    denied(case)


def an_event_altered(case: dict[str, Any]) -> None:
    entry = bytearray(b64decode(case["events"][-1]["entry"]))
    entry[-1] ^= 1
    case["events"][-1]["entry"] = b64encode(entry).decode()


def other_witnesses(case: dict[str, Any]) -> None:
    """The record's own checkpoint is not the newest but one: who cosigned it is said in the file, and needed."""
    case["record_cosignatures"] = ""


def a_sibling_less(case: dict[str, Any]) -> None:
    case["map_proof"]["siblings"].pop()


def older_record(case: dict[str, Any]) -> None:
    case["record"]["index"] -= 1


@pytest.mark.parametrize(
    "alter",
    [
        fewer_events,
        one_event_less_stated,
        denied,
        another_case,
        denied_by_itself,
        a_sibling_less,
        older_record,
        an_event_altered,
        other_witnesses,
    ],
)
def test_an_altered_export_is_seen(shown: Shown, alter: Callable[[dict[str, Any]], None]) -> None:
    path = shown.folder / f"{CASE}.json"
    case = json.loads(path.read_text("utf-8"))
    alter(case)
    path.write_text(json.dumps(case), "utf-8")
    assert shown.opinion(path.name) == 8


def test_a_proof_of_absence_shows_the_absence_of_that_case_only(shown: Shown) -> None:
    path = shown.folder / f"{GONE}.json"
    for present in (CASE, REFUSED):
        path.write_text(path.read_text("utf-8").replace(GONE, present), "utf-8")
        assert shown.opinion(path.name) == 8


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log", "kcpe"), ("case", "C-2"), ("action", "0" * 32), ("partition", "7"), ("offset", "0"),
        ("appended", "2026-03-02T09:00:00Z"), ("hash", "0" * 64),
    ],
)  # fmt: skip
def test_a_receipt_with_the_answer_to_something_else_is_seen(shown: Shown, name: str, value: str) -> None:
    path = shown.folder / "report.receipt"
    lines = path.read_text("utf-8").splitlines()
    path.write_text(
        "".join(f"{name} {value}\n" if line.startswith(f"{name} ") else f"{line}\n" for line in lines), "utf-8"
    )
    assert shown.opinion(path.name) == 8


def test_an_altered_proof_of_a_receipt_is_seen(shown: Shown) -> None:
    path = shown.folder / "report.receipt.tlog-proof"
    text = path.read_text("utf-8")
    index = next(line for line in text.splitlines() if line.startswith("index "))
    for altered in (text.replace(index, "index 0"), text.replace(index, f"{index}\n{'A' * 43}="), text[:-20]):
        path.write_text(altered, "utf-8")
        assert shown.opinion("report.receipt") == 8


def test_an_event_that_no_checkpoint_covers_is_not_said_to_hold(
    shown: Shown, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anybody can write one behind the last event of a case."""
    path = shown.folder / f"{CASE}.json"
    case = json.loads(path.read_text("utf-8"))
    last = b64decode(case["events"][-1]["entry"])
    event = decode_event(last)
    forged = encode_event(event._replace(number=event.number + 1, previous_hash=leaf_hash(last)))
    case["events"].append({"index": None, "proof": [], "entry": b64encode(forged).decode()})
    path.write_text(json.dumps(case), "utf-8")
    assert shown.opinion(path.name) == 0
    assert ", 0 later" in (said := capsys.readouterr().out) and "1 more that no checkpoint covers" in said


def test_an_export_that_says_a_thing_twice_is_seen(shown: Shown) -> None:
    path = shown.folder / f"{CASE}.json"
    text = path.read_text("utf-8")
    path.write_text(text.replace("{", '{"case_id": "C-0-2",', 1), "utf-8")
    assert shown.opinion(path.name) == 8


@pytest.mark.parametrize("shows", ["case C-2", "within 1"])
def test_a_receipt_that_shows_more_than_is_compared_is_seen(shown: Shown, shows: str) -> None:
    """Who reads it sees the first of two lines."""
    path = shown.folder / "report.receipt"
    first, *lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join((first, f"{shows}\n", *lines)), "utf-8")
    assert shown.opinion(path.name) == 8


@pytest.mark.parametrize("group", ["2 court court", "0 court", "3 court clinic"])
def test_a_group_that_cannot_be_meant_like_that_is_refused(shown: Shown, group: str) -> None:
    policy = shown.folder / "policy"
    lines = [line for line in POLICY_TEXT.splitlines() if not line.startswith(("group", "quorum"))]
    policy.write_text("\n".join((*lines, f"group more {group}", "quorum more", "")), "utf-8")
    with pytest.raises(PolicyInvalid):
        parse_policy(policy.read_bytes())
    assert shown.opinion("www") == 8
