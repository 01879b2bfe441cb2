"""A log that is published as static files: complete, as the specification has it, and never another history."""

import fcntl
import hashlib
import io
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import fastavro
import pytest

from casetrail.audit.believed import NotWitnessed, newest_believed
from casetrail.audit.publication.publish import FolderUnusable, PublicationContradicted, publish
from casetrail.domain.notarized import CheckpointPublished
from casetrail.eventlog.notarized import decode_notarized
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.eventlog.schemas import schema_id
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.logtree import LogTree, TreeContradicted
from casetrail.proofs.note import parse_note
from casetrail.proofs.policy import Policy
from casetrail.proofs.tiles import BundleInvalid, Tile, tiles_of
from tests.audit.witnessing import POLICY, witnesses
from tests.consumers.notarial import fill, notary_of, records
from tests.consumers.notarial import publish as checkpoint


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """A log with two partitions."""
    with init_log(f"sqlite:{tmp_path / 'log.db'}", partitions=2) as opened:
        yield opened


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.broker)])
def any_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """The same, on either adapter."""
    url = f"sqlite:{tmp_path / 'log.db'}" if request.param == "embedded" else request.getfixturevalue("kafka_url")
    with init_log(str(url), partitions=2, replication=1, min_isr=1) as opened:
        yield opened


def published(log: Log, folder: Path, policy: Policy | None = POLICY, *, hashes_only: bool = False) -> int:
    """Publish the newest checkpoint; how many files were written."""
    with LogTree(log, folder.parent / "tree") as tree:
        tree.follow()
        return publish(log, tree, newest_believed(tree, policy), folder, hashes_only).files


def decoded(folder: Path, entry: bytes) -> Any:
    """An entry as whoever has the folder and any Avro library decodes it."""
    schema = json.loads((folder / "schemas" / f"{entry[1:5].hex()}.avsc").read_bytes())
    return fastavro.schemaless_reader(io.BytesIO(entry[5:]), schema, None)


def files(folder: Path) -> dict[str, bytes]:
    """All files of the publication by their place."""
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def stored_leaves(log: Log) -> list[bytes]:
    """The leaves as whoever reads the partitions puts them in order: by checkpoint; within one, the record before it first."""
    events, found, before = records(log, Topic.EVENTS), [], b""
    for record in records(log, Topic.CHECKPOINTS):
        stored = decode_notarized(record.value)
        if not isinstance(stored, CheckpointPublished):
            continue
        found += [before] if before else []
        before = record.value or b""
        for one in stored.ranges:
            found += [
                event.value or b""
                for event in events
                if event.partition == one.partition and one.start <= event.offset < one.end
            ]
    return found


class Stranger:
    """A client of tiled logs that knows the specification and nothing of casetrail; it fetches over HTTP."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def fetch(self, path: str) -> bytes:
        with urlopen(f"{self.prefix}/{path}", timeout=10) as answer:
            found: bytes = answer.read()
            return found

    def tile(self, kind: str, number: int, width: int) -> bytes:
        digits = f"{number:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
        try:
            return self.fetch(f"tile/{kind}/{name}" + (f".p/{width}" if width < 256 else ""))
        except HTTPError:
            return self.fetch(f"tile/{kind}/{name}")

    def mirror(self) -> tuple[Checkpoint, list[bytes]]:
        """Checkpoint and all entries, every tile checked against the entries below it."""
        checkpoint = parse_checkpoint(parse_note(self.fetch("checkpoint")).text)
        entries: list[bytes] = []
        for start in range(0, checkpoint.size, 256):
            bundle = self.tile("entries", start // 256, min(256, checkpoint.size - start))
            while bundle:
                length = int.from_bytes(bundle[:2], "big")
                entries.append(bundle[2 : 2 + length])
                bundle = bundle[2 + length :]
        hashes, level = [hashlib.sha256(b"\x00" + entry).digest() for entry in entries], 0
        while hashes:
            for at in range(0, len(hashes), 256):
                expected = b"".join(hashes[at : at + 256])
                assert self.tile(str(level), at // 256, len(expected) // 32)[: len(expected)] == expected
            full = [hashes[at : at + 256] for at in range(0, len(hashes) - len(hashes) % 256, 256)]
            hashes, level = [merkle(one) for one in full], level + 1
        return checkpoint, entries


def merkle(hashes: list[bytes]) -> bytes:
    """MTH of RFC 6962 over leaf hashes, as it is written there."""
    if len(hashes) == 1:
        return hashes[0]
    half = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + merkle(hashes[:half]) + merkle(hashes[half:])).digest()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Any web server over the folder ``www``; its address."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_any_client_mirrors_the_log_from_any_web_server(any_log: Log, tmp_path: Path, web: str) -> None:
    with notary_of(any_log, tmp_path / "n", witnesses=witnesses()) as notary:
        for number in range(3):
            fill(any_log, [f"C-{number}-{case}" for case in range(40)])
            checkpoint(notary)
            published(any_log, tmp_path / "www")
            head, entries = Stranger(web).mirror()
            assert entries == stored_leaves(any_log)
            assert head.size == len(entries) == 241 + number * 241 - 1
            assert head.root == merkle([hashlib.sha256(b"\x00" + entry).digest() for entry in entries])


def test_whoever_has_the_folder_decodes_it_without_this_program(log: Log, tmp_path: Path) -> None:
    later = {"type": "record", "name": "of.Tomorrow", "fields": [{"name": "case_id", "type": "string"}]}
    key, text = f"{schema_id(later):08x}".encode(), json.dumps(later, indent=3).encode()
    log.append(Topic.SCHEMAS, [Entry(key, text)])
    with notary_of(log, tmp_path / "n", witnesses=witnesses()) as notary:
        fill(log, ["C-1", "C-2"])
        checkpoint(notary)
        published(log, tmp_path / "www")
        log.append(Topic.EVENTS, [Entry(b"C-3", b"\x00" + bytes.fromhex(key.decode()) + b"\x06C-3", 0)])
        checkpoint(notary)
        published(log, tmp_path / "www")
    *events, record, last = (decoded(tmp_path / "www", entry) for entry in stored_leaves(log))
    assert {event["case_id"] for event in events} == {"C-1", "C-2"}
    assert parse_checkpoint(parse_note(record["note"]).text).size == len(events)
    assert last == {"case_id": "C-3"}
    assert (tmp_path / "www" / "schemas" / f"{key.decode()}.avsc").read_bytes() == text


def test_the_published_checkpoint_carries_its_cosignatures(log: Log, tmp_path: Path) -> None:
    fill(log, ["C-1"])
    with notary_of(log, tmp_path / "n", witnesses=witnesses()) as notary:
        checkpoint(notary)
    published(log, tmp_path / "www")
    standing = POLICY.check(parse_note((tmp_path / "www" / "checkpoint").read_bytes()))
    assert standing.satisfied
    assert standing.witnesses.keys() == {"clinic", "court"}


def test_a_second_run_writes_only_what_is_new(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n", witnesses=witnesses()) as notary:
        fill(log, [f"C-{case}" for case in range(60)])
        checkpoint(notary)
        first = published(log, tmp_path / "www")
        stamps = {one: one.stat().st_mtime_ns for one in (tmp_path / "www").rglob("*") if one.is_file()}
        assert first == len(stamps) == 7  # two tiles of level 0, one of level 1, two bundles, a schema, the checkpoint
        assert published(log, tmp_path / "www") == 0
        fill(log, ["D-1"])
        checkpoint(notary)
        assert (
            published(log, tmp_path / "www") == 4
        )  # the first checkpoint's record is a leaf, and has a schema of its own
        changed = [one for one, stamp in stamps.items() if one.stat().st_mtime_ns != stamp]
        assert changed == [tmp_path / "www" / "checkpoint"]


def test_partial_tiles_go_when_a_full_one_has_replaced_them(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n", witnesses=witnesses()) as notary:
        for number in range(3):
            fill(log, [f"C-{number}-{case}" for case in range(20)])
            checkpoint(notary)
            published(log, tmp_path / "www")
    assert {one for one in files(tmp_path / "www") if ".p/" in one} == {
        "tile/0/001.p/106", "tile/1/000.p/1", "tile/entries/001.p/106",
    }  # fmt: skip


def test_what_an_interrupted_run_left_is_made_good(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n", witnesses=witnesses()) as notary:
        fill(log, [f"C-{case}" for case in range(20)])
        checkpoint(notary)
        published(log, tmp_path / "www")
        fill(log, [f"D-{case}" for case in range(40)])
        checkpoint(notary)
    torn = tmp_path / "www" / Tile(None, 0).path
    torn.write_bytes(b"half a bundle")  # the machine stopped before the checkpoint that needs it came into its place
    published(log, tmp_path / "www")
    again = tmp_path / "again"
    published(log, again)
    assert files(again) == files(tmp_path / "www")


def test_a_file_that_was_lost_comes_back(log: Log, tmp_path: Path) -> None:
    fill(log, [f"C-{case}" for case in range(60)])
    with notary_of(log, tmp_path / "n", witnesses=witnesses()) as notary:
        checkpoint(notary)
    published(log, tmp_path / "www")
    before = files(tmp_path / "www")
    for place in ("tile/0/000", "tile/entries/000", "tile/1/000.p/1"):
        (tmp_path / "www" / place).unlink()
    assert published(log, tmp_path / "www") == 3
    assert files(tmp_path / "www") == before


def test_hashes_alone_hold_no_event(log: Log, tmp_path: Path) -> None:
    fill(log, [f"C-{case}" for case in range(60)])
    with notary_of(log, tmp_path / "n", witnesses=witnesses()) as notary:
        checkpoint(notary)
    published(log, tmp_path / "www", hashes_only=True)
    hashes_only = files(tmp_path / "www")
    assert set(hashes_only) == {"checkpoint", "tile/0/000", "tile/0/001.p/104", "tile/1/000.p/1"}
    published(log, tmp_path / "www")
    assert {
        one: content
        for one, content in files(tmp_path / "www").items()
        if "entries" not in one and "schemas" not in one
    } == hashes_only
    assert "tile/entries/001.p/104" in files(tmp_path / "www")
    with pytest.raises(FolderUnusable, match="hashes only"):  # entries that end before the tree does help nobody
        published(log, tmp_path / "www", hashes_only=True)


def test_only_what_the_quorum_has_seen_is_published(log: Log, tmp_path: Path) -> None:
    fill(log, ["C-1"])
    with notary_of(log, tmp_path / "n", witnesses=witnesses("clinic")) as notary:
        checkpoint(notary)
    with pytest.raises(NotWitnessed):
        published(log, tmp_path / "www")
    with notary_of(log, tmp_path / "n", witnesses=witnesses()) as notary:
        fill(log, ["C-2"])
        seen = checkpoint(notary)
    with notary_of(log, tmp_path / "n") as notary:
        fill(log, ["C-3"])
        unseen = checkpoint(notary)
    published(log, tmp_path / "www")
    head = parse_checkpoint(parse_note((tmp_path / "www" / "checkpoint").read_bytes()).text)
    assert head.size == seen
    published(log, tmp_path / "www", None)
    assert f"\n{unseen}\n".encode() in (tmp_path / "www" / "checkpoint").read_bytes()
    assert published(log, tmp_path / "www") == 0  # never back to an older one
    assert f"\n{unseen}\n".encode() in (tmp_path / "www" / "checkpoint").read_bytes()


def test_a_folder_never_publishes_two_histories(tmp_path: Path) -> None:
    for name, cases, meaning in (("a", 9, ""), ("b", 5, "cut off"), ("c", 12, "another history")):
        with init_log(f"sqlite:{tmp_path / name}.db") as log:
            fill(log, [f"C-{name}-{case}" for case in range(cases)])
            with notary_of(log, tmp_path / f"n-{name}") as notary:
                checkpoint(notary)
            with LogTree(log, tmp_path / f"tree-{name}") as tree:
                tree.follow()
                believed = newest_believed(tree, None)
                if not meaning:
                    publish(log, tree, believed, tmp_path / "www")
                    before = files(tmp_path / "www")
                    continue
                with pytest.raises(PublicationContradicted, match=meaning):
                    publish(log, tree, believed, tmp_path / "www")
    assert files(tmp_path / "www") == before


def test_an_event_that_was_altered_after_its_checkpoint_is_not_published(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with init_log(f"sqlite:{path}") as log:
        fill(log, ["C-1"])
        with notary_of(log, tmp_path / "n") as notary:
            checkpoint(notary)
        with LogTree(log, tmp_path / "tree") as tree:
            tree.follow()
    database = sqlite3.connect(path)
    database.execute("DROP TRIGGER no_update")
    database.execute("UPDATE record SET value = CAST(value || x'00' AS BLOB) WHERE topic = 'events' AND offset = 3")
    database.commit()
    database.close()
    with open_log(f"sqlite:{path}") as log, pytest.raises(TreeContradicted, match="altered afterwards"):
        published(log, tmp_path / "www", None)
    assert not (tmp_path / "www" / "checkpoint").exists()


@pytest.mark.parametrize("folder", ["www", "another"])
def test_where_the_end_was_cut_off_since_the_tree_was_made_that_is_said_at_once(tmp_path: Path, folder: str) -> None:
    path = tmp_path / "log.db"
    with init_log(f"sqlite:{path}") as log:
        fill(log, ["C-1"])
        with notary_of(log, tmp_path / "n") as notary:
            checkpoint(notary)
        published(log, tmp_path / "www", None)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DROP TRIGGER no_delete")
        database.execute("DELETE FROM record WHERE topic = 'events' AND offset > 0")
    began = monotonic()
    with open_log(f"sqlite:{path}") as log, pytest.raises(TreeContradicted, match="only up to 1: its end was cut off"):
        published(log, tmp_path / folder, None)
    assert monotonic() - began < 10


def test_a_leaf_too_large_for_the_format_is_named_and_the_hashes_can_still_be_published(tmp_path: Path) -> None:
    with init_log(f"sqlite:{tmp_path / 'log.db'}") as log:
        fill(log, ["C-1"])
        log.append(Topic.EVENTS, [Entry(b"C-1", bytes(70_000))])  # an insider, past the recorder
        with notary_of(log, tmp_path / "n") as notary:
            checkpoint(notary)
        with pytest.raises(BundleInvalid, match="70000 bytes"):
            published(log, tmp_path / "www", None)
        assert not (tmp_path / "www" / "checkpoint").exists()
        assert published(log, tmp_path / "www", None, hashes_only=True)


def test_two_publishers_do_not_share_a_folder(log: Log, tmp_path: Path) -> None:
    fill(log, ["C-1"])
    with notary_of(log, tmp_path / "n") as notary:
        checkpoint(notary)
    (tmp_path / "www").mkdir()
    other = os.open(tmp_path / "www", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(FolderUnusable, match="another process"):
        published(log, tmp_path / "www", None)
    os.close(other)
    (tmp_path / "www" / "checkpoint").write_bytes(b"not one\n")
    with pytest.raises(FolderUnusable, match="is no checkpoint"):
        published(log, tmp_path / "www", None)
    (tmp_path / "www" / "checkpoint").unlink()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FolderUnusable):
        published(log, tmp_path / "file", None)
    assert published(log, tmp_path / "www", None)


def test_a_folder_that_holds_other_files_is_not_published_with_them(log: Log, tmp_path: Path) -> None:
    fill(log, ["C-1"])
    with notary_of(log, tmp_path / "n") as notary:
        checkpoint(notary)
    www = tmp_path / "www"
    www.mkdir()
    (www / "notary.key").write_bytes(b"secret")
    with pytest.raises(FolderUnusable, match=r"holds other files \(notary.key\)"):
        published(log, www, None)
    assert files(www) == {"notary.key": b"secret"}
    (www / "notary.key").unlink()
    for folder in ("tile", "schemas", "lost+found"):
        (www / folder).mkdir()
    (www / ".checkpoint.0123456789abcdef").write_bytes(b"half")  # left by a run that was ended on its way
    assert published(log, www, None)
    (www / "index.html").write_bytes(b"what is served here")  # who knows that it is published may add to it
    fill(log, ["C-2"])
    with notary_of(log, tmp_path / "n") as notary:
        checkpoint(notary)
    assert published(log, www, None)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_536, 65_537, 70_000])
def test_the_tiles_of_a_tree_are_those_of_the_specification(size: int) -> None:
    tiles = list(tiles_of(size))
    for level in range(4):
        count = size >> 8 * level
        widths = [one.width for one in tiles if one.level == level]
        assert widths == [256] * (count // 256) + ([count % 256] if count % 256 else [])
    assert Tile(0, 1_234_067).path == "tile/0/x001/x234/067"
    assert Tile(0, 273, 112).path == "tile/0/273.p/112"
