"""Whose checkpoints a notary goes on from: those of its log's keys. What another key signed stops it until it is told to go on."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from casetrail.audit.believed import first_believed, newest_believed
from casetrail.consumers.notary import Notary
from casetrail.domain.notarized import CheckpointPublished, OffsetRange
from casetrail.eventlog.errors import WriterFenced
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.errors import KeyUnusable
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.logtree import LogTree, TreeContradicted
from casetrail.proofs.note import Note, format_note, parse_note
from casetrail.proofs.policy import Policy, parse_policy
from tests.consumers.notarial import KEY, ORIGIN, SELDOM, fill, notary_of, publish, records

EVIL: Final = create_key(ORIGIN, Algorithm.ED25519)
"""Another key of the same name."""
OTHER: Final = create_key("other.example/log", Algorithm.ED25519)


def policy_of(*keys: SignerKey) -> Policy:
    return parse_policy(("".join(f"log {key.verifier_key}\n" for key in keys) + "quorum none\n").encode())


POLICY: Final = policy_of(KEY)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.broker)])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """A log with two partitions, some cases, and a checkpoint over them."""
    chosen = f"sqlite:{tmp_path / 'log.db'}" if request.param == "embedded" else request.getfixturevalue("kafka_url")
    with init_log(chosen, partitions=2, replication=1, min_isr=1) as made:
        fill(made, ["C-1", "C-2"])
        with notary_of(made, tmp_path / "n") as notary:
            publish(notary)
        yield made


def notary(log: Log, folder: Path, key: SignerKey = KEY, policy: Policy | None = None, past: int = -1) -> Notary:
    return Notary(log, folder, key, SELDOM, policy=policy, past=past)


def published(log: Log, folder: Path, key: SignerKey, policy: Policy | None = None, past: int = -1) -> int:
    """Have a notary publish once; the size of its tree."""
    made = notary(log, folder, key, policy, past)
    try:
        return publish(made)
    finally:
        made.close()


def put(log: Log, value: bytes) -> int:
    """Write a record among the checkpoints, as whoever may write there can; its offset."""
    writer = log.writer(0, Topic.CHECKPOINTS)
    writer.append([Entry(None, value)])
    writer.close()
    return records(log, Topic.CHECKPOINTS)[-1].offset


def forged(said: Checkpoint, *ranges: OffsetRange, key: SignerKey = EVIL) -> bytes:
    note = format_note(Note(said.text(), (key.sign_note(said.text()),)))
    return encode_notarized(CheckpointPublished(note, ranges, bytes(32)))


def stored(log: Log, offset: int) -> CheckpointPublished:
    (found,) = [decode_notarized(one.value) for one in records(log, Topic.CHECKPOINTS) if one.offset == offset]
    assert isinstance(found, CheckpointPublished)
    return found


def by_evil(log: Log, tmp_path: Path, key: SignerKey = EVIL) -> int:
    """A checkpoint that follows from the log, signed with another key, in its own name; its offset."""
    fill(log, ["C-3"])
    honest = notary(log, tmp_path / "n")
    honest.tree.pending.read_to(log.end_offsets(Topic.EVENTS))
    draft = honest.tree.draft()
    assert draft is not None
    text = Checkpoint(key.name, draft.size, draft.root).text()
    honest.close()
    note = format_note(Note(text, (key.sign_note(text),)))
    return put(log, encode_notarized(CheckpointPublished(note, draft.ranges, draft.map_root)))


def followed(log: Log, folder: Path, policy: Policy | None = POLICY) -> int:
    """The size of somebody's tree who goes by a policy."""
    with LogTree(log, folder, None if policy is None else lambda note: check(note, policy)) as tree:
        tree.follow()
        return tree.size


def check(note: bytes, policy: Policy) -> None:
    policy.check(parse_note(note))


# --- which key may sign ---


@pytest.mark.parametrize("key", [EVIL, OTHER], ids=["the same name", "another name"])
def test_a_key_that_the_policy_does_not_name_signs_nothing(log: Log, tmp_path: Path, key: SignerKey) -> None:
    before = log.end_offsets(Topic.CHECKPOINTS)
    for folder in ("n", "fresh"):
        with pytest.raises(KeyUnusable, match="policy does not name"):
            notary(log, tmp_path / folder, key, POLICY)
    assert log.end_offsets(Topic.CHECKPOINTS) == before


@pytest.mark.parametrize("key", [EVIL, OTHER], ids=["the same name", "another name"])
def test_without_a_policy_the_key_is_the_one_that_signed_before(log: Log, tmp_path: Path, key: SignerKey) -> None:
    before = log.end_offsets(Topic.CHECKPOINTS)
    for folder in ("n", "fresh"):
        with pytest.raises(TreeContradicted, match="is not one of this log's checkpoints"):
            notary(log, tmp_path / folder, key)
    assert log.end_offsets(Topic.CHECKPOINTS) == before


def test_a_notary_with_a_wrong_key_does_not_stop_the_rightful_one(log: Log, tmp_path: Path) -> None:
    with notary_of(log, tmp_path / "n") as rightful:
        for policy in (None, POLICY):
            with pytest.raises((TreeContradicted, KeyUnusable)):
                notary(log, tmp_path / "m", EVIL, policy)
        fill(log, ["C-3"])
        before = rightful.tree.size
        assert publish(rightful) > before


def test_the_key_of_another_log_of_the_policy_does_not_sign_for_this_one(log: Log, tmp_path: Path) -> None:
    both = policy_of(OTHER, KEY)
    with pytest.raises(TreeContradicted, match="is not one of this log's checkpoints"):
        notary(log, tmp_path / "m", OTHER, both)
    assert published(log, tmp_path / "m", KEY, both)


@pytest.mark.parametrize("policy", [None, policy_of(OTHER, KEY)], ids=["no policy", "policy of both"])
def test_a_tree_does_not_go_on_with_the_checkpoints_of_another_log_of_the_policy(
    log: Log, tmp_path: Path, policy: Policy | None
) -> None:
    """They follow from the events, and are signed as they must be: for another log."""
    followed(log, tmp_path / "seen", policy)
    offset = by_evil(log, tmp_path, OTHER)
    for folder in ("seen", "anew"):
        with pytest.raises(TreeContradicted, match=f"it speaks for {OTHER.name}, those before it for {ORIGIN}"):
            followed(log, tmp_path / folder, policy)
    size = published(log, tmp_path / "n", KEY, policy, past=offset)
    for folder in ("seen", "anew"):
        assert followed(log, tmp_path / folder, policy) == size


def test_a_new_key_goes_on_from_the_old_one_where_the_policy_names_both(log: Log, tmp_path: Path) -> None:
    new = create_key(ORIGIN, Algorithm.ML_DSA_44)
    both = policy_of(KEY, new)
    fill(log, ["C-3"])
    size = published(log, tmp_path / "n", new, both)
    assert parse_note(stored(log, records(log, Topic.CHECKPOINTS)[-1].offset).note).signatures[0].key_id == (
        new.verifier_key.key_id
    )
    fill(log, ["C-4"])
    assert published(log, tmp_path / "lost", new, both) > size
    assert followed(log, tmp_path / "t", both) == followed(log, tmp_path / "u", None)


# --- what another key has signed already ---


@pytest.mark.parametrize("policy", [None, POLICY], ids=["no policy", "policy"])
@pytest.mark.parametrize("folder", ["n", "lost"])
def test_the_right_key_goes_on_from_what_another_one_signed_only_where_it_is_told_to(
    log: Log, tmp_path: Path, policy: Policy | None, folder: str
) -> None:
    offset = by_evil(log, tmp_path)
    with pytest.raises(TreeContradicted, match=f"--past {offset}'"):
        notary(log, tmp_path / folder, policy=policy)
    with pytest.raises(TreeContradicted, match="is not one of this log's"):
        notary(log, tmp_path / folder, policy=policy, past=offset - 1)
    with pytest.raises(TreeContradicted, match="is not one of this log's"):
        followed(log, tmp_path / "t")

    size = published(log, tmp_path / folder, KEY, policy, past=offset)
    assert size == parse_checkpoint(parse_note(stored(log, offset).note).text).size + 1  # it covers the other's record
    for reader in ("t", "anew"):
        assert followed(log, tmp_path / reader) == size
    fill(log, ["C-4"])
    for again in (folder, "lost again"):  # nobody has to say it twice
        assert published(log, tmp_path / again, KEY, policy) > size


def test_what_another_key_signed_is_believed_by_nobody_and_its_events_are_proven_by_the_next(
    log: Log, tmp_path: Path
) -> None:
    offset = by_evil(log, tmp_path)
    published(log, tmp_path / "n", KEY, past=offset)
    with LogTree(log, tmp_path / "t", lambda note: check(note, POLICY)) as tree:
        tree.follow()
        evil = tree.file.numbered(1)
        assert evil is not None
        assert evil.offset == offset
        found = first_believed(tree, POLICY, evil.size - 1)
        assert found is not None
        assert found == newest_believed(tree, POLICY)
        assert found.sealed.number == 2
        with pytest.raises(LookupError):
            tree.prove_case("C-3")  # by the other's case map
        published(log, tmp_path / "n", KEY)
        tree.follow()
        assert tree.prove_case("C-3")[0].number == 2


@pytest.mark.parametrize(
    "value",
    [
        b"all is well",
        forged(Checkpoint(ORIGIN, 5, bytes(32))),
        forged(Checkpoint(ORIGIN, 14, bytes(32)), OffsetRange(0, 1, 2)),
        forged(Checkpoint(ORIGIN, 10**9, bytes(32)), OffsetRange(0, 0, 10**9)),
        forged(Checkpoint(OTHER.name, 5, bytes(32)), key=OTHER),
        encode_notarized(CheckpointPublished(b"no note", (), bytes(32))),
    ],
    ids=["garbage", "another root", "other events", "no such events", "another log", "no note"],
)
def test_what_does_not_follow_and_is_not_the_logs_own_is_passed_over(log: Log, tmp_path: Path, value: bytes) -> None:
    put(log, value)
    offset = put(log, value)
    for folder in ("n", "lost"):
        with pytest.raises(TreeContradicted, match=f"--past {offset}'"):
            notary(log, tmp_path / folder, policy=POLICY)
    size = published(log, tmp_path / "n", KEY, POLICY, past=offset)
    assert size == 13  # two cases of six events, and the checkpoint before
    assert followed(log, tmp_path / "t") == size
    assert published(log, tmp_path / "lost", KEY, POLICY) == size


def test_a_signed_note_that_is_written_down_again_with_other_ranges_contradicts_nothing(
    log: Log, tmp_path: Path
) -> None:
    """For that nobody needs the key: the log has signed the note only."""
    first = stored(log, records(log, Topic.CHECKPOINTS)[0].offset)
    offset = put(log, encode_notarized(CheckpointPublished(first.note, (), bytes(32))))
    with pytest.raises(TreeContradicted, match="repeats an earlier checkpoint"):
        notary(log, tmp_path / "n", policy=POLICY)
    size = published(log, tmp_path / "n", KEY, POLICY, past=offset)
    assert followed(log, tmp_path / "t") == size


def test_what_the_logs_own_key_signed_and_does_not_follow_stops_it_for_good(log: Log, tmp_path: Path) -> None:
    offset = put(log, forged(Checkpoint(ORIGIN, 13, bytes(32)), key=KEY))
    for folder in ("n", "lost"):
        with pytest.raises(TreeContradicted, match="another root"):
            notary(log, tmp_path / folder, policy=POLICY, past=offset)


@pytest.mark.parametrize("follows", [True, False])
def test_what_another_key_signs_just_before_a_notary_publishes_changes_nothing(
    log: Log, tmp_path: Path, follows: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is there when the notary appends, and was not when the notary made its tree."""
    fill(log, ["C-3"])
    sign = Notary._signed

    def raced(made: Notary, draft: object) -> CheckpointPublished:
        own: CheckpointPublished = sign(made, draft)  # type: ignore[arg-type]
        text = parse_note(own.note).text if follows else Checkpoint(ORIGIN, 99, bytes(32)).text()
        note = format_note(Note(text, (EVIL.sign_note(text),)))
        made._writer.append([Entry(None, encode_notarized(replace(own, note=note)))])
        return own

    with caplog.at_level(logging.WARNING), notary_of(log, tmp_path / "n") as made:
        monkeypatch.setattr(Notary, "_signed", raced)
        size = publish(made)
        assert "is not one of this log's checkpoints" in caplog.text
        monkeypatch.undo()
        fill(log, ["C-4"])
        assert publish(made) > size
    for folder in ("t", "u"):
        assert followed(log, tmp_path / folder) > size
    assert published(log, tmp_path / "lost", KEY, POLICY)


def test_a_tree_that_went_on_from_another_keys_checkpoint_says_so_where_the_log_did_not(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offset = by_evil(log, tmp_path)
    followed(log, tmp_path / "trusting", None)
    with monkeypatch.context() as passing:
        passing.setattr(LogTree, "_follows", lambda *_: False)
        published(log, tmp_path / "n", KEY, POLICY, past=offset)
    with pytest.raises(TreeContradicted, match="move the folder away"):
        followed(log, tmp_path / "trusting")
    assert followed(log, tmp_path / "t") > 0


def test_a_notary_that_is_fenced_is_fenced_by_one_with_another_key_of_the_policy(log: Log, tmp_path: Path) -> None:
    new = create_key(ORIGIN, Algorithm.ED25519)
    both = policy_of(KEY, new)
    old = notary(log, tmp_path / "n", KEY, both)
    fill(log, ["C-3"])
    size = published(log, tmp_path / "m", new, both)
    with pytest.raises(WriterFenced):
        fill(log, ["C-4"])
        publish(old)
    old.close()
    assert published(log, tmp_path / "n", KEY, both) > size
