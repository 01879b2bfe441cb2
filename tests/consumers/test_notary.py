"""A notary publishes checkpoints that follow from the events and from each other, or refuses and says so."""

import hashlib
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator, Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from casetrail.consumers.notary import Cadence, Notary
from casetrail.domain.notarized import CheckpointPublished, OffsetRange
from casetrail.eventlog.errors import WriterFenced
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.kafka import KafkaLog, KafkaWriter
from casetrail.eventlog.kafka_client import client_options
from casetrail.eventlog.kafka_topics import topic_name
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Entry, Log, Reader, Topic
from casetrail.proofs.casemap import case_key, check_map_proof
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.drafting import Draft
from casetrail.proofs.keys import Algorithm, create_key, save_key
from casetrail.proofs.logtree import LogTree, TreeContradicted
from casetrail.proofs.note import Note, format_note, parse_note, verify_note
from casetrail.proofs.pending import Pending
from casetrail.proofs.tree import check_consistency, check_inclusion
from casetrail.proofs.treefile import TreeBusy
from tests.consumers.notarial import KEY, ORIGIN, fill, notary_of, publish, records


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.broker)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A log with two partitions and a few cases."""
    chosen = f"sqlite:{tmp_path / 'log.db'}" if request.param == "embedded" else request.getfixturevalue("kafka_url")
    with init_log(chosen, partitions=2, replication=1, min_isr=1) as log:
        fill(log, ["C-1", "C-2", "C-3"])
    return str(chosen)


@pytest.fixture
def log(url: str) -> Iterator[Log]:
    with open_log(url) as opened:
        yield opened


def checkpoints(log: Log) -> list[tuple[CheckpointPublished, Checkpoint]]:
    found = []
    for record in records(log, Topic.CHECKPOINTS):
        stored = decode_notarized(record.value)
        assert isinstance(stored, CheckpointPublished)
        found.append((stored, parse_checkpoint(parse_note(stored.note).text)))
    return found


def naive_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + naive_root(leaves[:half]) + naive_root(leaves[half:])).digest()


def test_anyone_can_rebuild_the_tree_from_what_the_log_holds(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n") as notary:
        publish(notary)
        fill(log, ["C-4", "C-5"])
        publish(notary)
        publish(notary)
    events = records(log, Topic.EVENTS)
    leaves: list[bytes] = []
    stored = [record.value or b"" for record in records(log, Topic.CHECKPOINTS)]
    for number, (published, checkpoint) in enumerate(checkpoints(log)):
        verify_note(parse_note(published.note), [KEY.verifier_key])
        if number:
            leaves.append(leaf_hash(stored[number - 1]))
        for one in published.ranges:
            leaves += [
                leaf_hash(event.value or b"")
                for event in events
                if event.partition == one.partition and one.start <= event.offset < one.end
            ]
        assert checkpoint == Checkpoint(ORIGIN, len(leaves), naive_root(leaves))
    assert len(leaves) == len(events) + 2


def test_a_checkpoint_says_nothing_new_only_once(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n") as notary:
        sizes = [publish(notary) for _ in range(4)]
    assert sizes == [18, 19, 19, 19]  # the second covers the first one's case map; after that there is nothing to say


def test_a_notary_that_lost_its_folder_goes_on_where_it_was(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n") as notary:
        publish(notary)
        fill(log, ["C-4"])
        publish(notary)
    shutil.rmtree(tmp_path / "n")
    with notary_of(log, tmp_path / "n") as notary:
        assert notary.tree.size == 25
        fill(log, ["C-5"])
        assert publish(notary) == 32
    with LogTree(log, tmp_path / "other") as tree:
        tree.follow()
        assert tree.size == 32


def test_every_event_is_proven_under_every_later_checkpoint(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n") as notary:
        publish(notary)
        fill(log, ["C-4"])
        publish(notary)
        tree = notary.tree
        newest, first = tree.newest(), tree.file.numbered(0)
        assert newest is not None
        assert first is not None
        for event in records(log, Topic.EVENTS):
            leaf = leaf_hash(event.value or b"")
            index = tree.index_of(event.partition, event.offset, leaf)
            assert index is not None
            check_inclusion(leaf, index, newest.size, tree.inclusion(index, newest.size), newest.root)
        proof = tree.consistency(first.size, newest.size)
        check_consistency(first.size, first.root, newest.size, newest.root, proof)
        check_inclusion(
            first.record_hash, first.size, newest.size, tree.inclusion(first.size, newest.size), newest.root
        )


def test_an_event_without_a_checkpoint_has_no_index_yet(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n") as notary:
        publish(notary)
        fill(log, ["C-4"])
        event = records(log, Topic.EVENTS)[-1]
        newest = max(records(log, Topic.EVENTS), key=lambda one: (one.partition == event.partition, one.offset))
        assert notary.tree.index_of(newest.partition, 10_000, leaf_hash(b"")) is None
        with pytest.raises(TreeContradicted, match="altered"):
            notary.tree.index_of(0, 0, leaf_hash(b"another event"))


def test_a_case_and_the_absence_of_a_case_are_proven(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n") as notary:
        publish(notary)
        fill(log, ["C-1"])  # refused, and part of the history all the same
        with pytest.raises(LookupError):
            notary.tree.prove_case("C-1")
        publish(notary)
        for case_id, number in (("C-1", 6), ("C-2", 6), ("C-9", None)):
            sealed, entry, proof = notary.tree.prove_case(case_id)
            assert (entry[0] if entry else None) == number
            check_map_proof(sealed.map_root, case_key(case_id), entry, proof)
        publish(notary)
        sealed, entry, proof = notary.tree.prove_case("C-1")
        assert entry is not None
        assert entry[0] == 12
        check_map_proof(sealed.map_root, case_key("C-1"), entry, proof)
        root = notary.tree.map.root
        notary.tree.map.reload()
        assert notary.tree.map.root == root


def test_a_second_notary_fences_the_first(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "a") as first, notary_of(log, tmp_path / "b") as second:
        publish(second)
        with pytest.raises(WriterFenced):
            publish(first)
        fill(log, ["C-4"])
        publish(second)
    assert len(checkpoints(log)) == 2


def test_one_folder_serves_one_process(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n"), pytest.raises(TreeBusy):
        LogTree(log, tmp_path / "n")


def test_a_notary_refuses_checkpoints_that_another_key_signed(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n", create_key(ORIGIN, Algorithm.ED25519)) as notary:
        publish(notary)
    with pytest.raises(TreeContradicted, match="known key"):
        Notary(log, tmp_path / "m", KEY)


def forged(log: Log, note_of: Checkpoint, *ranges: OffsetRange, map_root: bytes = bytes(32)) -> None:
    """A checkpoint that is signed by the right key, and says what it likes."""
    note = format_note(Note(note_of.text(), (KEY.sign_note(note_of.text()),)))
    log.writer(0, Topic.CHECKPOINTS).append(
        [Entry(None, encode_notarized(CheckpointPublished(note, ranges, map_root)))]
    )


def test_a_notary_refuses_to_go_on_from_a_checkpoint_that_does_not_follow(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n") as notary:
        publish(notary)
        size = notary.tree.size
    forged(log, Checkpoint(ORIGIN, size + 1, bytes(32)))
    for directory in ("n", "fresh"):
        with pytest.raises(TreeContradicted, match="another root"):
            Notary(log, tmp_path / directory, KEY)


@pytest.mark.parametrize(
    ("ranges", "meaning"),
    [
        ((OffsetRange(0, 1, 2),), "leaves events out"),
        ((OffsetRange(1, 0, 1), OffsetRange(0, 0, 1)), "leaves events out"),
        ((OffsetRange(7, 0, 1),), "leaves events out"),
        ((OffsetRange(0, 0, 1000),), "cut off"),
    ],
)
def test_a_checkpoint_leaves_no_event_out(
    log: Log, tmp_path: Path, ranges: tuple[OffsetRange, ...], meaning: str
) -> None:
    forged(log, Checkpoint(ORIGIN, 1, bytes(32)), *ranges)
    with pytest.raises(TreeContradicted, match=meaning), LogTree(log, tmp_path / "t") as tree:
        tree.follow()


def test_a_checkpoint_cannot_deny_a_case(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n") as notary:
        publish(notary)
    (first,) = records(log, Topic.CHECKPOINTS)
    events = [leaf_hash(event.value or b"") for event in records(log, Topic.EVENTS)]
    size, root = len(events) + 1, naive_root([*events, leaf_hash(first.value or b"")])
    forged(log, Checkpoint(ORIGIN, size, root), map_root=bytes(32))
    with pytest.raises(TreeContradicted, match="denies a case"), LogTree(log, tmp_path / "t") as tree:
        tree.follow()


def test_a_checkpoint_has_three_lines_and_no_more(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n") as notary:
        publish(notary)
    (first,) = records(log, Topic.CHECKPOINTS)
    stored = decode_notarized(first.value)
    assert isinstance(stored, CheckpointPublished)
    events = [leaf_hash(event.value or b"") for event in records(log, Topic.EVENTS)]
    size, root = len(events) + 1, naive_root([*events, leaf_hash(first.value or b"")])
    forged(log, Checkpoint(ORIGIN, size, root, ("more",)), map_root=stored.map_root)
    with (
        pytest.raises(TreeContradicted, match="more lines than origin, size and root"),
        LogTree(log, tmp_path / "t") as tree,
    ):
        tree.follow()


def test_a_log_that_was_replaced_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with init_log(f"sqlite:{path}") as log:
        fill(log, ["C-1", "C-2"])
        with notary_of(log, tmp_path / "n") as notary:
            publish(notary)
    for file in tmp_path.glob("log.db*"):
        file.unlink()
    with init_log(f"sqlite:{path}") as log:
        fill(log, ["C-1"])
        with pytest.raises(TreeContradicted, match="history was replaced"):
            Notary(log, tmp_path / "n", KEY)


def test_a_folder_that_is_put_together_from_two_copies_is_to_be_kept(tmp_path: Path) -> None:
    """What was signed stands in it, so nobody is told to delete it; beside it the tree is made again."""
    with init_log(f"sqlite:{tmp_path / 'log.db'}") as log:
        for case_id in ("C-1", "C-2"):
            fill(log, [case_id])
            with notary_of(log, tmp_path / "n") as notary:
                publish(notary)
            shutil.copytree(tmp_path / "n", tmp_path / f"after {case_id}")
        shutil.rmtree(tmp_path / "n" / "hashes")
        shutil.copytree(tmp_path / "after C-1" / "hashes", tmp_path / "n" / "hashes")
        with pytest.raises(TreeContradicted, match="damaged; move the folder away and keep it"):
            Notary(log, tmp_path / "n", KEY)
        (tmp_path / "n").rename(tmp_path / "kept")
        with notary_of(log, tmp_path / "n") as notary:
            publish(notary)


def test_an_event_that_was_altered_before_a_checkpoint_was_followed_shows(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with init_log(f"sqlite:{path}") as log:
        fill(log, ["C-1", "C-2"])
        with notary_of(log, tmp_path / "n") as notary:
            publish(notary)
    database = sqlite3.connect(path)
    database.execute("DROP TRIGGER no_update")
    database.execute("UPDATE record SET value = CAST(value || x'00' AS BLOB) WHERE topic = 'events' AND offset = 3")
    database.commit()
    database.close()
    with open_log(f"sqlite:{path}") as log, LogTree(log, tmp_path / "t") as tree, pytest.raises(TreeContradicted):
        tree.follow()


class Sipping:
    """A log of which few events are read at a time, those of one partition first."""

    def __init__(self, log: Log, most: int) -> None:
        self._log, self._most = log, most

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def reader(self, topic: Topic, start: Mapping[int, int]) -> Reader:
        reader = self._log.reader(topic, start)
        if topic is Topic.EVENTS:
            poll = reader.poll
            reader.poll = lambda timeout, max_records=0: poll(timeout, self._most)  # type: ignore[method-assign]
        return reader


class Killed(Exception):
    """The process ends here."""


def die_before_commit(notary: Notary, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this notary appends next reaches the log, and is never committed."""
    writer: Any = notary._writer

    def killed(*_: object) -> None:
        if isinstance(writer, KafkaWriter):
            writer._producer.flush(30)
        raise Killed

    if isinstance(writer, KafkaWriter):
        monkeypatch.setattr(writer, "_commit", killed)
    else:
        monkeypatch.setattr(writer._log, "insert", killed)


def uncommitted(log: KafkaLog) -> list[bytes]:
    """The notes of all checkpoints that a reader gets who does not ask for what is committed, as few clients do."""
    where = TopicPartition(topic_name(log.name, Topic.CHECKPOINTS), 0)
    consumer = KafkaConsumer(
        **{**client_options(log.bootstrap, log.options), "isolation_level": "read_uncommitted"},
        enable_auto_commit=False,
    )
    consumer.assign([where])
    consumer.seek_to_beginning()
    found, end = [], consumer.end_offsets([where])[where]
    while consumer.position(where) < end:
        for some in consumer.poll(timeout_ms=200).values():
            found += [decode_notarized(record.value) for record in some]
    consumer.close()
    return [one.note for one in found if isinstance(one, CheckpointPublished)]


def test_what_was_signed_and_never_published_is_not_signed_otherwise(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = list[bytes]()
    sign = Notary._signed

    def signing(notary: Notary, draft: Draft) -> CheckpointPublished:
        made = sign(notary, draft)
        signed.append(made.note)
        return made

    monkeypatch.setattr(Notary, "_signed", signing)
    ids = [f"S-{number}" for number in range(60)]
    left, right = ([one for one in ids if partition_for(one.encode(), 2) == partition] for partition in (0, 1))
    with notary_of(log, tmp_path / "a") as first:
        publish(first)
        fill(log, [left[0], right[0]])
        with monkeypatch.context() as dying:
            die_before_commit(first, dying)
            with pytest.raises(Killed):
                publish(first)
    assert len(signed) == 2
    fill(log, [left[1], right[1]])
    often: Any = Sipping(log, 12)  # as many as the first one had signed anew
    with notary_of(often, tmp_path / "a", cadence=Cadence(every=0.0)) as second:
        until = time.monotonic() + 60
        while len(checkpoints(log)) < 2 and time.monotonic() < until:
            second.step(0.2)
    if isinstance(log, KafkaLog):
        assert uncommitted(log) == signed, "it can be seen"
    said = [parse_checkpoint(parse_note(note).text) for note in signed]
    assert len(said) >= 3
    assert len({one.size for one in said}) == len(set(said)), "a fork, signed by an honest notary"


def test_a_notary_far_behind_does_not_read_all_before_it_publishes(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casetrail.consumers.notary.POLL", 4)
    with notary_of(log, tmp_path / "n", cadence=Cadence(every=0.0, most=3)) as notary:
        few: Any = Sipping(log, 4)
        notary.tree.pending.close()
        notary.tree.pending = Pending(few, notary.tree.covered())
        until = time.monotonic() + 60
        while not checkpoints(log) and time.monotonic() < until:
            notary.step(0.2)
        assert 7 < notary.tree.size < 18, "more than another could have taken in at once, and not all"
        while notary.tree.size < 18 and time.monotonic() < until:
            notary.step(0.2)
        assert notary.tree.size >= 18


def notarise(url: str, directory: str, key_file: str) -> None:
    """Publish a checkpoint as often as possible, until killed."""
    from casetrail.proofs.keys import load_key

    with open_log(url) as log:
        notary = Notary(log, Path(directory), load_key(Path(key_file)), Cadence(every=0.0))
        while True:
            notary.step(0.01)


def test_a_notary_that_is_killed_at_any_moment_never_contradicts_itself(url: str, log: Log, tmp_path: Path) -> None:
    save_key(KEY, tmp_path / "key")
    for number in range(8):
        arguments = (url, str(tmp_path / "n"), str(tmp_path / "key"))
        process = get_context("spawn").Process(target=notarise, args=arguments)
        process.start()
        before, until = len(checkpoints(log)), time.monotonic() + 60
        while len(checkpoints(log)) <= before and time.monotonic() < until:
            fill(log, [f"K-{number}-{time.monotonic_ns()}"])
        time.sleep(number * 0.013)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        assert len(checkpoints(log)) > before
    with notary_of(log, tmp_path / "n") as notary:
        size = publish(notary)
    with LogTree(log, tmp_path / "fresh") as tree:
        tree.follow()
        assert tree.size == size
