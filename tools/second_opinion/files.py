"""The export of a case, and the proof of a receipt: docs/proofs.md."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from .casemap import check_map_proof, map_value
from .hashes import ZERO, base64, leaf_hash, need, root_by
from .leaves import event_of, record_of
from .notes import Checkpoint, Policy, checkpoint_of, signatures_of

RECEIPT = ("log", "case", "action", "partition", "offset", "appended", "hash", "within")


def included(entry: bytes, index: int, proof: list[str], checkpoint: Checkpoint) -> bytes:
    root = root_by([base64(one) for one in proof], index, checkpoint.size, leaf_hash(entry))
    need(root == checkpoint.root, f"the proof of leaf {index} does not lead to the root of the checkpoint")
    return entry


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a name that is there twice a reader may see either."""
    need(len(dict(pairs)) == len(pairs), "the file says something twice")
    return dict(pairs)


def check_case(policy: Policy, file: Path) -> str:
    case = json.loads(file.read_text("utf-8"), object_pairs_hook=once_each)
    need(case["format"] == "casetrail-case@v2", "this is no export of a case")
    checkpoint = checkpoint_of(case["checkpoint"].encode())
    seen, stored = policy.seen(checkpoint), case["record"]
    record = record_of(included(base64(stored["entry"]), stored["index"], stored["proof"], checkpoint))
    as_of = record.checkpoint
    policy.signed(as_of)
    need((as_of.origin, as_of.size) == (checkpoint.origin, stored["index"]), "the record does not belong there")
    lines = signatures_of(case["record_cosignatures"])
    if checkpoint.size > as_of.size + 1:
        seen = policy.seen(as_of._replace(signatures=as_of.signatures + lines))
    number, last = 0, ZERO
    if case["statement"] is not None:
        number, last = case["statement"]["events"], base64(case["statement"]["last_hash"])
        need(number > 0, "a case is stated to have no events")
    check_map_proof(case["case_id"], case["map_proof"], map_value(number, last) if number else None, record.map_root)
    later, uncovered = check_history(case, number, last, checkpoint, as_of.size)
    more = f", and {uncovered} more that no checkpoint covers, for which nobody vouches" if uncovered else ""
    return f"{case['case_id']} has {number} events as of {as_of.size} leaves, {later} later{more}. Witnessed: {seen}"


def check_history(
    case: dict[str, Any], count: int, last_hash: bytes, checkpoint: Checkpoint, size: int
) -> tuple[int, int]:
    """All events that are stated, and those that came later: how many of these are leaves, and how many are not."""
    events, last = case["events"], ZERO
    need(len(events) >= count, f"{count} events are stated, and {len(events)} are there")
    for number, leaf in enumerate(events, 1):
        entry, index = base64(leaf["entry"]), leaf["index"]
        event = event_of(entry)
        need(event.case_id == case["case_id"], f"event {number} is of another case")
        need((event.number, event.previous_hash) == (number, last), f"event {number} does not follow on the one before")
        if index is not None:
            included(entry, index, leaf["proof"], checkpoint)
        need(
            number > count or (index is not None and index < size), f"event {number} is not under the stated checkpoint"
        )
        last = leaf_hash(entry)
        need(number != count or last == last_hash, "the last event is another than stated")
    leaves = sum(leaf["index"] is not None for leaf in events[count:])
    return leaves, len(events) - count - leaves


def check_receipt(policy: Policy, file: Path) -> str:
    version, *lines = file.read_text("utf-8").rstrip("\n").split("\n")
    need(version == "casetrail-receipt@v1", "this is no receipt")
    receipt = dict(line.split(" ") for line in lines)
    need((*receipt,) == RECEIPT and len(lines) == len(RECEIPT), "these are not the lines of a receipt")
    proof, _, note = file.with_name(f"{file.name}.tlog-proof").read_bytes().partition(b"\n\n")
    first, extra, index, *hashes = proof.decode().split("\n")
    need(first == "c2sp.org/tlog-proof@v1" and index.startswith("index "), "the proof is none of c2sp.org/tlog-proof")
    checkpoint = checkpoint_of(note)
    seen, entry = policy.seen(checkpoint), base64(json.loads(base64(extra.removeprefix("extra ")))["event"])
    event = event_of(included(entry, int(index[6:]), hashes, checkpoint))
    need(receipt["appended"].endswith("Z"), "the receipt does not say in UTC when it was given")
    appended = round(datetime.fromisoformat(receipt["appended"]).timestamp() * 1000)
    said = receipt["log"], receipt["case"], receipt["action"], receipt["hash"], appended
    need(
        (event.log, event.case_id, event.action_id.hex(), event.action_hash.hex(), event.recorded_at) == said,
        "the event answers another submission",
    )
    place = str(event.partition), str(event.action_offset)
    need(place == (receipt["partition"], receipt["offset"]), "the event answers a submission at another place")
    return f"answered as event {event.number} of {event.case_id}, under {checkpoint.size} leaves. Witnessed: {seen}"
