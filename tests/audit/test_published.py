"""A published log convicts whoever forged it, from its files alone: each fault is found, and named for what it is."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from casetrail.audit.believed import newest_believed
from casetrail.audit.faults import Kind
from casetrail.audit.publication.publish import publish
from casetrail.audit.publication.published import NotPublished, PublishedLog, PublishedReport, verify_published
from casetrail.domain.notarized import CheckpointPublished, OffsetRange
from casetrail.eventlog.codec import decode_event, encode_event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Log
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.note import Note, format_note, parse_note
from casetrail.proofs.policy import Policy
from casetrail.proofs.tiles import Tile, pack_entries, tiles_at, tiles_of
from casetrail.proofs.tree import Frontier, parents
from tests.audit.witnessing import NO_QUORUM, POLICY, witnesses
from tests.consumers.notarial import KEY, ORIGIN, fill, notary_of
from tests.consumers.notarial import publish as checkpoint


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.broker)])
def any_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """A log with two partitions, on either adapter."""
    url = f"sqlite:{tmp_path / 'log.db'}" if request.param == "embedded" else request.getfixturevalue("kafka_url")
    with init_log(str(url), partitions=2, replication=1, min_isr=1) as opened:
        yield opened


def published(log: Log, folder: Path, checkpoints: int = 3, *, hashes_only: bool = False) -> None:
    """Some cases, under some checkpoints, published."""
    with notary_of(log, folder.parent / "n", witnesses=witnesses()) as notary:
        for number in range(checkpoints):
            fill(log, [f"C-{number}-{case}" for case in range(30)], steps=number)
            fill(log, ["C-0-1"], steps=0)
            checkpoint(notary)
    with LogTree(log, folder.parent / "tree") as tree:
        tree.follow()
        publish(log, tree, newest_believed(tree, POLICY), folder, hashes_only)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds."""
    directory = tmp_path_factory.mktemp("whole")
    with init_log(f"sqlite:{directory / 'log.db'}", partitions=2) as log:
        published(log, directory / "www")
    return directory / "www"


@pytest.fixture
def www(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "www"))


def kinds(found: PublishedReport) -> set[Kind]:
    return set(found.faults.counts)


def test_a_published_log_verifies_without_the_log(any_log: Log, tmp_path: Path) -> None:
    published(any_log, tmp_path / "www")
    told: list[int] = []
    found = verify_published(tmp_path / "www", POLICY, told.append)
    assert found.holds
    assert not found.faults.counts
    assert not found.remarks
    size = found.checkpoint.size
    assert size == sum(told)
    assert found.checked == {
        "leaves": size, "events": size - 2, "cases": 90, "checkpoints": 2, "roots": 3, "map roots": 2,
        "signatures of checkpoints": 3, "cosignatures": 2, "tiles": len(list(tiles_of(size))), "schemas": 2,
    }  # fmt: skip
    assert found.standing is not None
    assert found.standing.satisfied


def test_entries_come_in_the_order_of_the_tree(www: Path) -> None:
    log = PublishedLog(www)
    frontier = Frontier()
    frontier.extend([leaf_hash(one) for one in log.entries()])
    assert (frontier.size, frontier.root()) == (log.checkpoint.size, log.checkpoint.root)


def test_hashes_alone_show_that_the_tree_is_whole_and_say_that_no_event_was_checked(tmp_path: Path) -> None:
    with init_log(f"sqlite:{tmp_path / 'log.db'}", partitions=2) as log:
        published(log, tmp_path / "www", hashes_only=True)
    found = verify_published(tmp_path / "www", POLICY, hashes_only=True)
    assert not found.faults.counts
    assert found.checked["events"] == 0
    assert found.remarks == ["only hashes were asked for: the tree is checked, and no event"]
    tile = tmp_path / "www" / "tile" / "0" / "000"
    content = tile.read_bytes()
    tile.write_bytes(bytes(32) + content[32:])
    assert kinds(verify_published(tmp_path / "www", POLICY, hashes_only=True)) == {Kind.TILE_DIFFERS, Kind.ROOT_DIFFERS}
    tile.write_bytes(content + b"\n")
    assert kinds(verify_published(tmp_path / "www", POLICY, hashes_only=True)) == {Kind.TILE_UNREADABLE}
    tile.write_bytes(content[:-1])
    assert kinds(verify_published(tmp_path / "www", POLICY, hashes_only=True)) == {
        Kind.TILE_UNREADABLE, Kind.TILE_DIFFERS, Kind.ROOT_DIFFERS,
    }  # fmt: skip


def test_entries_that_are_all_missing_are_a_fault(www: Path) -> None:
    shutil.rmtree(www / "tile" / "entries")
    found = verify_published(www, POLICY)
    assert kinds(found) == {Kind.FILE_MISSING}
    assert [one.found for one in found.faults.listed] == ["tile/entries: no entries are there, so no event was checked"]
    assert not verify_published(www, POLICY, hashes_only=True).faults.counts


def test_an_older_checkpoint_verifies_with_the_tiles_of_a_newer_one(tmp_path: Path) -> None:
    with init_log(f"sqlite:{tmp_path / 'log.db'}", partitions=2) as log:
        published(log, tmp_path / "www", 1)
        older = (tmp_path / "www" / "checkpoint").read_bytes()
        published(log, tmp_path / "www", 3)
    assert not verify_published(tmp_path / "www", POLICY).faults.counts
    (tmp_path / "www" / "checkpoint").write_bytes(older)
    found = verify_published(tmp_path / "www", POLICY)
    assert not found.faults.counts
    assert found.checkpoint.size < 256
    for path, kind in (("tile/0/000", Kind.TILE_UNREADABLE), ("tile/entries/000", Kind.BUNDLE_UNREADABLE)):
        content = (tmp_path / "www" / path).read_bytes()  # the partial ones of then have been replaced by it
        (tmp_path / "www" / path).write_bytes(content + bytes(2))
        assert kinds(verify_published(tmp_path / "www", POLICY)) == {kind}
        (tmp_path / "www" / path).write_bytes(content)


# --- whoever touches the files ---


def test_a_byte_that_is_changed_in_any_file_shows(www: Path) -> None:
    for path in sorted(one for one in www.rglob("*") if one.is_file()):
        content = path.read_bytes()
        for at in range(0, len(content), max(1, len(content) // 7)):
            path.write_bytes(content[:at] + bytes([content[at] ^ 0x01]) + content[at + 1 :])
            try:
                assert not verify_published(www, POLICY).faults.holds, (path, at)
            except NotPublished:
                assert path.name == "checkpoint"
        path.write_bytes(content)
    assert verify_published(www, POLICY).faults.holds


def test_a_file_that_is_missing_cut_off_or_longer_shows(www: Path) -> None:
    for path in sorted(one for one in (www / "tile").rglob("*") if one.is_file()):
        content = path.read_bytes()
        path.unlink()
        found = verify_published(www, POLICY)
        assert kinds(found) == {Kind.FILE_MISSING}, path
        assert [one.found for one in found.faults.listed] == [str(path.relative_to(www))]
        is_bundle = "entries" in path.parts
        for changed in (content[:-1], content + b"\n", content + bytes(32), content + b"\x00\x00", content + content):
            path.write_bytes(changed)
            found = verify_published(www, POLICY)
            assert kinds(found) == {Kind.BUNDLE_UNREADABLE if is_bundle else Kind.TILE_UNREADABLE}, (path, len(changed))
            assert found.faults.listed[0].found.startswith(f"{path.relative_to(www)}: ")
        path.write_bytes(content)


def test_a_schema_that_is_exchanged_shows_and_a_mirror_without_them_holds(www: Path) -> None:
    event, checkpoint = sorted((www / "schemas").iterdir())
    event.write_bytes(checkpoint.read_bytes())
    (fault,) = verify_published(www, POLICY).faults.listed
    assert (fault.kind, fault.found) == (
        Kind.SCHEMA_ALTERED, f"schemas/{event.name}: the schema's id does not follow from its content",
    )  # fmt: skip
    shutil.rmtree(www / "schemas")
    found = verify_published(www, POLICY)
    assert not found.faults.counts
    assert found.checked["schemas"] == 0


def test_where_nothing_is_published_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotPublished, match="no log is published"):
        verify_published(tmp_path, POLICY)
    (tmp_path / "checkpoint").write_bytes(b"nothing\n")
    with pytest.raises(NotPublished, match="is none"):
        verify_published(tmp_path, POLICY)


def test_whose_signatures_count_the_policy_says(www: Path) -> None:
    note = parse_note((www / "checkpoint").read_bytes())
    (www / "checkpoint").write_bytes(format_note(Note(note.text, note.signatures[:1])))
    assert kinds(verify_published(www, POLICY)) == {Kind.QUORUM_MISSING}
    assert not kinds(verify_published(www, NO_QUORUM))
    (www / "checkpoint").write_bytes(format_note(Note(note.text, note.signatures[1:])))
    assert kinds(verify_published(www, POLICY)) == {Kind.SIGNATURE_INVALID}
    assert not kinds(verify_published(www, None))


# --- whoever has the log's key, and forges a history that hashes right ---


def forge(folder: Path, entries: Sequence[bytes], key: SignerKey = KEY) -> None:
    """Publish any entries, under a checkpoint that is signed as it must be."""
    hashes, level = [leaf_hash(one) for one in entries], 0
    frontier = Frontier()
    frontier.extend(hashes)
    while hashes:
        for tile in tiles_at(0, len(hashes)):
            content = hashes[tile.number * 256 : tile.number * 256 + tile.width]
            put(folder / Tile(level, tile.number, tile.width).path, b"".join(content))
        hashes = hashes[: len(hashes) - len(hashes) % 256]
        for _ in range(8):
            hashes = parents(hashes)
        level += 1
    for tile in tiles_at(None, len(entries)):
        put(folder / tile.path, pack_entries(entries[tile.number * 256 : tile.number * 256 + tile.width]))
    put(folder / "checkpoint", signed(Checkpoint(key.name, frontier.size, frontier.root()), key))


def test_a_published_checkpoint_with_lines_more_shows(www: Path) -> None:
    said = parse_checkpoint(parse_note((www / "checkpoint").read_bytes()).text)
    put(www / "checkpoint", signed(replace(said, extensions=("more",))))
    assert kinds(verify_published(www, NO_QUORUM)) == {Kind.CHECKPOINT_EXTENDED}


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def signed(said: Checkpoint, key: SignerKey = KEY) -> bytes:
    return format_note(Note(said.text(), (key.sign_note(said.text()),)))


def verified(folder: Path, entries: Sequence[bytes], policy: Policy = NO_QUORUM) -> PublishedReport:
    forge(folder, entries)
    return verify_published(folder, policy)


@pytest.fixture
def entries(whole: Path) -> list[bytes]:
    """The entries of the log that holds."""
    return list(PublishedLog(whole).entries())


def records_in(entries: Sequence[bytes]) -> list[int]:
    """Which leaves are records of checkpoints."""
    return [leaf for leaf, value in enumerate(entries) if value[:5] != entries[0][:5]]


def test_the_true_history_forged_is_the_true_history(tmp_path: Path, entries: list[bytes]) -> None:
    assert not kinds(verified(tmp_path / "www", entries))


Change = Callable[[list[bytes]], None]


def changed_event(leaf: int, **fields: object) -> Change:
    def change(entries: list[bytes]) -> None:
        event = decode_event(entries[leaf])
        made: dict[str, Any] = {name: value(event) if callable(value) else value for name, value in fields.items()}
        entries[leaf] = encode_event(event._replace(**made))

    return change


def changed_record(**fields: object) -> Change:
    """In the first record; what follows from its fields is not made to fit."""

    def change(entries: list[bytes]) -> None:
        leaf = records_in(entries)[0]
        record = decode_notarized(entries[leaf])
        assert isinstance(record, CheckpointPublished)
        made: dict[str, Any] = {name: value(record) if callable(value) else value for name, value in fields.items()}
        entries[leaf] = encode_notarized(CheckpointPublished(**{**vars(record), **made}))

    return change


def said_by(record: CheckpointPublished) -> Checkpoint:
    return parse_checkpoint(parse_note(record.note).text)


def removed(leaf: int) -> Change:
    return lambda entries: entries.__delitem__(leaf)


def swapped(leaf: int) -> Change:
    def change(entries: list[bytes]) -> None:
        entries[leaf : leaf + 2] = entries[leaf + 1], entries[leaf]

    return change


OTHER_KEY = create_key(ORIGIN, Algorithm.ED25519)
FOREIGN_KEY = create_key("other.example/log", Algorithm.ED25519)

FORGERIES: dict[str, tuple[Kind, Change]] = {
    "an event is left out": (Kind.NUMBER_WRONG, removed(40)),
    "an event is altered": (Kind.CHAIN_BROKEN, changed_event(0, action_id=bytes(16))),
    "an event is numbered anew": (Kind.NUMBER_WRONG, changed_event(5, number=9)),
    "two events change places": (Kind.ANSWER_OUT_OF_TURN, swapped(40)),
    "an action is answered twice": (Kind.ANSWER_OUT_OF_TURN, lambda all_: all_.insert(41, all_[40])),
    "an event is of another log": (Kind.LOG_DIFFERS, changed_event(40, log="county")),
    "an event is backdated": (
        Kind.TIME_WENT_BACK,
        changed_event(40, recorded_at=lambda event: event.recorded_at - timedelta(days=1)),
    ),
    "an entry is no event": (Kind.EVENT_UNREADABLE, lambda all_: all_.__setitem__(40, b"nothing")),
    "an event ends early": (Kind.EVENT_UNREADABLE, lambda all_: all_.__setitem__(40, all_[40][:-1])),
    "a record stands elsewhere": (
        Kind.EVENT_UNREADABLE, lambda all_: all_.insert(40, all_[records_in(all_)[0]]),
    ),
    "a record speaks of another size": (
        Kind.EVENT_UNREADABLE,
        changed_record(note=lambda record: signed(Checkpoint(ORIGIN, said_by(record).size + 1, said_by(record).root))),
    ),
    "a record has another root": (
        Kind.ROOT_DIFFERS, changed_record(note=lambda record: signed(Checkpoint(ORIGIN, said_by(record).size, bytes(32)))),
    ),
    "a record has lines more": (
        Kind.CHECKPOINT_EXTENDED,
        changed_record(note=lambda record: signed(Checkpoint(ORIGIN, said_by(record).size, said_by(record).root, ("more",)))),
    ),
    "a record denies a case": (Kind.MAP_DIFFERS, changed_record(map_root=bytes(32))),
    "a record is signed by somebody else": (
        Kind.SIGNATURE_INVALID, changed_record(note=lambda record: signed(said_by(record), OTHER_KEY)),
    ),
    "a record is of another log": (
        Kind.LOG_KEY_CHANGED,
        changed_record(
            note=lambda record: signed(Checkpoint("other.example/log", said_by(record).size, said_by(record).root), FOREIGN_KEY)
        ),
    ),
    "a record leaves offsets out": (
        Kind.RANGES_WRONG,
        changed_record(ranges=lambda record: (OffsetRange(0, 1, record.ranges[0].end), *record.ranges[1:])),
    ),
    "a record takes in fewer than there are": (
        Kind.RANGES_WRONG, changed_record(ranges=lambda record: (OffsetRange(0, 0, 3), *record.ranges[1:])),
    ),
    "a record does not take in a partition": (
        Kind.RANGES_WRONG, changed_record(ranges=lambda record: record.ranges[:1]),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "change"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_history_shows(kind: Kind, change: Change, tmp_path: Path, entries: list[bytes]) -> None:
    change(entries)
    found = verified(tmp_path / "www", entries)
    assert kind in kinds(found)
    assert all(one.found and one.meaning for one in found.faults.listed)


def test_after_a_gap_in_the_entries_no_case_is_accused(www: Path) -> None:
    (www / "tile" / "entries" / "000").unlink()
    found = verify_published(www, POLICY)
    assert kinds(found) == {Kind.FILE_MISSING}
    assert found.checked["events"] == 0
