"""Verification: events a second from both logs, every hash, chain, outcome and checkpoint checked; memory; and peers.

Peers: SHA-256 over the same bytes and nothing else, the raw client reading the same records, and ``pymerkle`` taking the same
leaves into a tree in memory (without reading a log, chains, outcomes, cases, or a copy on disk).
"""

import hashlib
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.audit_replay import fill
from bench.notary import notarised
from bench.peers import raw_consume
from bench.servers import Memory
from casetrail.audit.verification.verify import Asked, verify
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Topic

Rows = list[tuple[str, float, str]]
PARTITIONS = 6
CASES = 30_000
TO_REACH = {"embedded log, 1 partition": 150_000, "embedded log": 150_000, "Kafka": 120_000}


def made(url: str, partitions: int, cases: int, folder: Path) -> int:
    """A log with actions, their events, and checkpoints over them; how many events."""
    with init_log(url, partitions=partitions, replication=1, min_isr=1) as log:
        count, _ = fill(log, cases)
        notarised(log, folder)
    return count


def verified(url: str, count: int) -> tuple[float, float]:
    """Events a second, the best of three times, and the most memory of a process in MB."""
    rates = []
    with Memory() as watched:
        for _ in range(3):
            started = time.perf_counter()
            report = verify(url, None, Asked(datetime.now(UTC)))
            rates.append(count / (time.perf_counter() - started))
            if report.checked["events"] != count or report.checked["roots"] != report.checked["checkpoints"]:
                raise RuntimeError("not all of an honest log was verified")
            if not report.holds:
                raise RuntimeError(f"an honest log does not hold: {dict(report.faults.counts)}")
    return max(rates), watched.most


def values(url: str) -> list[bytes]:
    """All values of actions and events of a log."""
    found: list[bytes] = []
    with open_log(url) as log:
        for topic in (Topic.ACTIONS, Topic.EVENTS):
            ends = log.end_offsets(topic)
            with log.reader(topic, dict.fromkeys(ends, 0)) as reader:
                while any(reader.position(partition) < end for partition, end in ends.items()):
                    found += [record.value or b"" for record in reader.poll(0.05)]
    return found


def plain_hashing(some: list[bytes], events: int) -> float:
    """Events a second where each value of an event and of its action is hashed, and nothing else is done."""
    started = time.perf_counter()
    for value in some:
        hashlib.sha256(b"\x00" + value).digest()
    return events / (time.perf_counter() - started)


def pymerkle_takes(some: list[bytes]) -> tuple[str, float, str]:
    """Leaves a second that pymerkle takes into a tree in memory."""
    name = "pymerkle, leaves into a tree in memory (leaves/s)"
    try:
        tree: Any = import_module("pymerkle").InmemoryTree(algorithm="sha256")
    except ImportError:
        return name, 0.0, "peer, NOT MEASURED: 'pip install pymerkle' first"
    started = time.perf_counter()
    for value in some:
        tree.append_entry(value)
    tree.get_state()
    return name, len(some) / (time.perf_counter() - started), "peer"


def run(bootstrap: str, folder: Path, scale: float) -> Rows:
    """From both logs, at one and at three times the events, with the peers."""
    rows: Rows = []
    cases = int(CASES * scale)
    embedded = f"sqlite:{folder / 'verify-6.db'}"
    places = [
        ("embedded log, 1 partition", f"sqlite:{folder / 'verify-1.db'}", 1, cases),
        ("embedded log", embedded, PARTITIONS, cases),
        ("embedded log", f"sqlite:{folder / 'verify-3x.db'}", PARTITIONS, 3 * cases),
        ("Kafka", f"kafka://{bootstrap}/verify", PARTITIONS, cases),
    ]
    for kind, url, partitions, some in places:
        count = made(url, partitions, some, folder / f"verify-notary-{len(rows)}")
        rate, memory = verified(url, count)
        rows += [
            (f"audit verify, {kind}, {count:,} events (events/s)", rate, f"to reach: {TO_REACH[kind]:,}"),
            (f"audit verify, {kind}, {count:,} events, most memory of a process (MB)", memory, ""),
        ]
    stored = values(embedded)
    half = len(stored) // 2
    rows += [
        ("plain SHA-256 of events and actions, one process (events/s)", plain_hashing(stored, half), "peer"),
        pymerkle_takes(stored[half:]),
        (
            "raw client, consume events alone (records/s)",
            raw_consume(bootstrap, "verify.events", PARTITIONS, half),
            "peer",
        ),
    ]
    return rows
