"""The notary: leaves a second from the log to a checkpoint, and what a proof costs at ten million leaves."""

import hashlib
import time
from pathlib import Path
from statistics import median

from bench.data import events
from bench.measuring import settled
from casetrail.consumers.notary import Cadence, Notary
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.proofs.hashes import HashStore
from casetrail.proofs.keys import Algorithm, create_key
from casetrail.proofs.tree import check_inclusion, inclusion_proof, root_of

Rows = list[tuple[str, float, str]]
PARTITIONS = 6
CHUNK = 5000
LEAVES = 10_000_000


def notarised(log: Log, folder: Path) -> float:
    """Seconds until all events of a log are under checkpoints."""
    notary = Notary(log, folder, create_key("bench.example/casetrail", Algorithm.ED25519), Cadence(1e9, 50_000))
    ends = log.end_offsets(Topic.EVENTS)
    started = time.perf_counter()
    while any(notary.tree.pending.position(partition) < end for partition, end in ends.items()):
        notary.step(0.05)
    notary.publish()
    taken = time.perf_counter() - started
    notary.close()
    return taken


def proof_time(folder: Path, leaves: int) -> float:
    """Milliseconds for an inclusion proof in a tree of that size, from a store that was opened just now."""
    with HashStore(folder) as store:
        block = b"".join(hashlib.sha256(number.to_bytes(8)).digest() for number in range(100_000))
        for _ in range(leaves // 100_000):
            store.append(block)
        store.sync()
    with HashStore(folder) as store:
        root, places = root_of(store.size, store.hash_at), range(0, store.size, store.size // 997)
        started = time.perf_counter()
        proofs = [(index, inclusion_proof(index, store.size, store.hash_at)) for index in places]
        taken = (time.perf_counter() - started) / len(places) * 1000
        for index, proof in proofs:
            check_inclusion(store.leaves(index, index + 1), index, store.size, proof, root)
    return taken


def median_rate(address: str, options: dict[str, object], entries: list[Entry], folder: Path, runs: int) -> float:
    """Leaves a second, the median of so many runs: each on a log of its own, without checkpoints when it begins."""
    rates = []
    for number in range(runs):
        url = address.format(number)
        with init_log(url, partitions=PARTITIONS, replication=1, min_isr=1, options=options) as log:
            for start in range(0, len(entries), CHUNK):
                log.append(Topic.EVENTS, entries[start : start + CHUNK])
            rates.append(len(entries) / notarised(log, folder / f"state-{log.name}"))
    return median(rates)


def run(bootstrap: str, folder: Path, scale: float, runs: int) -> Rows:
    """Notaries on both logs, plain hashing as the peer, and proofs."""
    found: Rows = []
    entries = list(events(int(30_000 * scale), "notary", PARTITIONS))
    settled()  # a notary does not hold the log
    places: list[tuple[str, str, dict[str, object]]] = [
        ("embedded log", f"sqlite:{folder}/notary-{{}}.db", {}),
        ("Kafka", f"kafka://{bootstrap}/notary-{{}}", {}),
        ("Kafka, casetrail[fast]", f"kafka://{bootstrap}/notary-fast-{{}}", {"client": "confluent"}),
    ]
    for kind, address, options in places:
        rate = median_rate(address, options, entries, folder / f"notaries-{len(found)}", runs)
        started = time.perf_counter()
        for entry in entries:
            hashlib.sha256(b"\x00" + (entry.value or b"")).digest()
        plain = len(entries) / (time.perf_counter() - started)
        remark = f"{rate / plain:.3f} × plain SHA-256 of the same bytes; to reach: 100,000"
        found.append((f"notary, {kind} (leaves/s)", rate, remark))
    found.append(("plain SHA-256 of the same bytes (leaves/s)", plain, "peer"))
    leaves = int(LEAVES * scale)
    taken = proof_time(folder / "proofs", leaves)
    found.append((f"inclusion proof at {leaves:,} leaves (ms)", taken, "to reach: under 5"))
    return found
