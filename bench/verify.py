"""Verification: events a second from both logs, every hash, chain, outcome and checkpoint checked; memory; and peers.

Peers: SHA-256 over the same bytes and nothing else, the raw client reading the same records, and ``pymerkle`` taking the same
leaves into a tree in memory (without reading a log, chains, outcomes, cases, or a copy on disk).
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition
from pymerkle import InmemoryTree

from bench.audit_replay import fill
from bench.notary import notarised
from bench.peers import raw_consume
from bench.peers.reading import reading_alone
from bench.rebuild import FAST_CONFIG
from bench.servers import Memory
from casetrail.eventlog.kafka_fast_client import consumer_options
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Topic

Rows = list[tuple[str, float, str]]
PARTITIONS = 6
CASES = 30_000
TO_REACH = {
    "embedded log, 1 partition": 150_000,
    "embedded log": 150_000,
    "Kafka": 120_000,
    "Kafka, casetrail[fast]": 300_000,
}
CLIENTS = {"Kafka": "python", "Kafka, casetrail[fast]": "confluent"}


def made(url: str, partitions: int, cases: int, folder: Path) -> int:
    """A log with actions, their events, and checkpoints over them; how many events."""
    with init_log(url, partitions=partitions, replication=1, min_isr=1) as log:
        count, _ = fill(log, cases)
        notarised(log, folder)
    return count


class Measured(NamedTuple):
    """What verifications of a log came to, each the median: events a second, MB of a process, processor time an event in µs."""

    rate: float
    memory: float
    processor: float


def verified(url: str, options: list[str], count: int, runs: int) -> Measured:
    """Verify so many times, as an auditor does: by the command, start-up included."""
    words = ["--log", url, "audit", "verify", "--no-policy", "--format", "json"]
    command = [sys.executable, "-m", "bench.casetrail", *options, *words]
    rates, took = [], []
    with Memory() as watched:
        for _ in range(runs):
            before, started = processor_time(), time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True)  # it fails where the log does not hold
            rates.append(count / (time.perf_counter() - started))
            took.append((processor_time() - before) / count * 1e6)
            checked = json.loads(done.stdout)["checked"]
            if checked["events"] != count or checked["roots"] != checked["checkpoints"]:
                raise RuntimeError("not all of an honest log was verified")
    return Measured(median(rates), watched.most, median(took))


def processor_time() -> float:
    """Seconds that this process and those of its children that have ended took of the processor."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


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


def pymerkle_takes(some: list[bytes]) -> float:
    """Leaves a second that pymerkle takes into a tree in memory."""
    tree = InmemoryTree(algorithm="sha256")
    started = time.perf_counter()
    for value in some:
        tree.append_entry(value)
    tree.get_state()
    return len(some) / (time.perf_counter() - started)


def raw_consume_fast(bootstrap: str, topic: str, count: int) -> float:
    """Records a second that librdkafka alone reads (committed only), with the settings that casetrail gives it."""
    consumer = Consumer(consumer_options(bootstrap, {}, "bench"))
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    started, read = time.perf_counter(), 0
    while read < count:
        read += sum(1 for one in consumer.consume(5000, 0.1) if one.error() is None and one.value() is not None)
    consumer.close()
    return read / (time.perf_counter() - started)


def run(bootstrap: str, folder: Path, scale: float, runs: int) -> Rows:
    """From both logs, at one and at ten times the events, with the peers."""
    rows: Rows = []
    rates: dict[str, float] = {}
    cases = int(CASES * scale)
    embedded, kafka = f"sqlite:{folder / 'verify-6.db'}", f"kafka://{bootstrap}/verify"
    fast = folder / "verify-fast.toml"
    fast.write_text(FAST_CONFIG)
    places = [
        ("embedded log, 1 partition", f"sqlite:{folder / 'verify-1.db'}", 1, cases, ("python",)),
        ("embedded log", embedded, PARTITIONS, cases, ("python",)),
        ("embedded log", f"sqlite:{folder / 'verify-10x.db'}", PARTITIONS, 10 * cases, ("python",)),
        ("Kafka", kafka, PARTITIONS, cases, ("python", "confluent")),
        ("Kafka", f"{kafka}-10x", PARTITIONS, 10 * cases, ("python", "confluent")),
    ]
    for place, url, partitions, some, clients in places:
        count = made(url, partitions, some, folder / f"verify-notary-{len(rows)}")
        for client in clients:
            kind = f"{place}, casetrail[fast]" if client == "confluent" else place
            found = verified(url, ["--config", str(fast)] if client == "confluent" else [], count, runs)
            rates[client] = found.rate  # of the larger log on Kafka in the end
            remark = f"{found.processor:.1f} µs of the processor an event; to reach: {TO_REACH[kind]:,}"
            rows += [
                (f"audit verify, {kind}, {count:,} events (events/s)", found.rate, remark),
                (f"audit verify, {kind}, {count:,} events, most memory of a process (MB)", found.memory, ""),
            ]
    stored = values(embedded)
    half = len(stored) // 2
    raw = median(raw_consume(bootstrap, "verify.events", PARTITIONS, half) for _ in range(runs))
    raw_fast = median(raw_consume_fast(bootstrap, "verify.events", half) for _ in range(runs))
    of_raw = "to reach: 0.5; the client reads the events alone, verification the actions, too"
    rows += [
        ("audit verify, Kafka, × what the client in use reads raw", rates["python"] / raw, of_raw),
        (
            "audit verify, Kafka, casetrail[fast], × what the client in use reads raw",
            rates["confluent"] / raw_fast,
            of_raw,
        ),
        *(
            (
                f"reading alone, two processes, {kind}, events with their actions (events/s)",
                reading_alone(url, client, (Topic.ACTIONS, Topic.EVENTS), PARTITIONS, count),
                "peer: nothing is done with what is read; of the larger log",
            )
            for kind, client in CLIENTS.items()
        ),
        ("plain SHA-256 of events and actions, one process (events/s)", plain_hashing(stored, half), "peer"),
        ("pymerkle, leaves into a tree in memory (leaves/s)", pymerkle_takes(stored[half:]), "peer"),
        ("raw client, consume events alone (records/s)", raw, "peer"),
        ("raw client, consume events alone, librdkafka (records/s)", raw_fast, "peer"),
    ]
    return rows
