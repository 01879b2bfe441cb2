"""A published log: c2sp.org/tlog-tiles, and docs/proofs.md."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import fastavro

from .casemap import CaseMap, map_key, map_value
from .hashes import ZERO, Tree, leaf_hash, need
from .leaves import CHECKPOINT, event_of, record_of
from .notes import Policy, checkpoint_of

BETWEEN_CLOCKS = 2_000  # milliseconds by which the clocks of a partition's brokers may differ


def tile(folder: Path, level: int | str, index: int, width: int) -> bytes:
    parts = [f"{index % 1000:03}"]
    while index := index // 1000:
        parts.insert(0, f"x{index % 1000:03}")
    if width < 256:
        parts[-1:] = [f"{parts[-1]}.p", str(width)]
    return folder.joinpath("tile", str(level), *parts).read_bytes()


def entries_of(folder: Path, size: int) -> Iterator[bytes]:
    """All entries, each once the tile of its hash fits; at the end, the tiles above."""
    hashes: list[bytes] = []
    for start in range(0, size, 256):
        bundle, at, entries = tile(folder, "entries", start // 256, min(256, size - start)), 0, []
        while at < len(bundle):
            end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
            need(end <= len(bundle), f"the entries from {start} on end too early")
            entries.append(bundle[at + 2 : end])
            at = end
        need(len(entries) == min(256, size - start), f"from {start} on there are {len(entries)} entries")
        hashes += above(folder, 0, start // 256, [leaf_hash(entry) for entry in entries])
        yield from entries
    level = 1
    while hashes:
        tiles = [hashes[start : start + 256] for start in range(0, len(hashes), 256)]
        hashes = [one for index, each in enumerate(tiles) for one in above(folder, level, index, each)]
        level += 1


def above(folder: Path, level: int, index: int, hashes: list[bytes]) -> list[bytes]:
    """Compare a tile with what it must hold; where it is full, the hash that the level above has of it."""
    need(tile(folder, level, index, len(hashes)) == b"".join(hashes), f"tile {index} of level {level} does not fit")
    tree = Tree()
    for hashed in hashes:
        tree.append(hashed)
    return [tree.root()] if len(hashes) == 256 else []


def schemas_of(folder: Path) -> dict[bytes, Any]:
    found = {}
    for path in folder.glob("schemas/*.avsc"):
        schema = json.loads(path.read_text("utf-8"))
        first = int.from_bytes(sha256(fastavro.schema.to_parsing_canonical_form(schema).encode()).digest()[:4], "big")
        need(f"{first & 0x7FFFFFFF:08x}" == path.stem, f"the id of the schema {path.name} does not follow from it")
        found[bytes.fromhex(path.stem)] = fastavro.parse_schema(schema)
    return found


class Log:
    """What follows from the leaves so far."""

    def __init__(self, policy: Policy, origin: str) -> None:
        self.policy, self.origin, self.name = policy, origin, ""
        self.tree, self.map, self.checkpoints = Tree(), CaseMap(), 0
        self.cases: dict[str, tuple[int, bytes]] = {}  # how many events, and the leaf hash of the last
        self.answered: dict[int, int] = {}  # of each partition: the offset of the action that was answered last
        self.latest: dict[int, int] = {}  # of each partition: the latest time at which an action was taken in
        self.ends: dict[int, int] = {}  # of each partition: how far checkpoints have taken it in
        self.begin()

    def begin(self) -> None:
        """A checkpoint ends, and what the next one takes in begins."""
        self.changed: set[str] = set()
        self.taken: Counter[int] = Counter()  # events by partition

    def event(self, entry: bytes) -> None:
        event, at = event_of(entry), f"the event in leaf {self.tree.size}"
        self.name = self.name or event.log
        need(event.log == self.name, f"{at} is of another log")
        number, last = self.cases.get(event.case_id, (0, ZERO))
        need(event.number == number + 1, f"{at} has number {event.number}, after {number}")
        need(event.previous_hash == last, f"{at} was written after another event of its case")
        need(event.action_offset > self.answered.get(event.partition, -1), f"{at} answers out of turn")
        need(event.partition >= max(self.taken, default=0), f"{at} is not in the order of partitions")
        latest = self.latest.get(event.partition, event.recorded_at)
        need(event.recorded_at >= latest - BETWEEN_CLOCKS, f"{at} was recorded before an earlier one")
        self.answered[event.partition] = event.action_offset
        self.latest[event.partition] = max(event.recorded_at, latest)
        self.cases[event.case_id] = event.number, leaf_hash(entry)
        self.changed.add(event.case_id)
        self.taken[event.partition] += 1

    def record(self, entry: bytes) -> None:
        (said, ranges, map_root), at = record_of(entry), f"the checkpoint in leaf {self.tree.size}"
        self.policy.signed(said)
        need((said.origin, said.size) == (self.origin, self.tree.size), f"{at} does not belong there")
        need(said.root == self.tree.root(), f"{at} has another root than the leaves before it")
        need(
            sorted({partition for partition, _, _ in ranges}) == [one[0] for one in ranges],
            f"{at}: ranges out of order",
        )
        for partition, start, end in ranges:
            need(start == self.ends.get(partition, 0), f"{at} leaves out events of partition {partition}")
            need(
                self.taken.pop(partition, 0) <= end - start, f"{at}: more events of partition {partition} than it says"
            )
            self.ends[partition] = end
        need(not self.taken, f"{at} does not name all partitions that it has events of")
        for case_id in self.changed:
            self.map.put(map_key(case_id), map_value(*self.cases[case_id]))
        need(map_root == self.map.root(), f"{at} has another map of cases than the events make")
        self.checkpoints += 1
        self.begin()


def check_published(policy: Policy, folder: Path) -> str:
    checkpoint = checkpoint_of((folder / "checkpoint").read_bytes())
    seen, schemas, log = policy.seen(checkpoint), schemas_of(folder), Log(policy, checkpoint.origin)
    for entry in entries_of(folder, checkpoint.size):
        need(entry[1:5] in schemas, f"the schema of leaf {log.tree.size} is not there")
        rest = io.BytesIO(entry[5:])
        fastavro.schemaless_reader(rest, schemas[entry[1:5]], None)
        need(not rest.read(1), f"leaf {log.tree.size} goes on behind its end")
        (log.record if entry[1:5] == CHECKPOINT else log.event)(entry)
        log.tree.append(leaf_hash(entry))
    need(log.tree.root() == checkpoint.root, "the published checkpoint has another root than the entries")
    return (
        f"{checkpoint.origin} has {checkpoint.size} leaves: {checkpoint.size - log.checkpoints} events of {len(log.cases)} "
        f"cases, and {log.checkpoints} checkpoints with the maps of cases that they state. Witnessed: {seen}"
    )
