"""A witness cosigns only what extends all that it has cosigned, and keeps what it refuses."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casetrail.audit.witnessing.state import Seen, StateUnusable, WitnessState
from casetrail.audit.witnessing.witness import (
    Contradiction,
    Cosigner,
    NotConsistent,
    NotSigned,
    OldSizeTooLarge,
    OriginUnknown,
    Refused,
    SizeConflict,
)
from casetrail.proofs.addcheckpoint import AddCheckpoint, parse_add_checkpoint
from casetrail.proofs.checkpoint import Checkpoint
from casetrail.proofs.errors import KeyUnusable, NoteInvalid, ProofInvalid
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.note import Note, Signature, format_note, parse_note, parse_signatures, verify_note
from casetrail.proofs.tree import check_consistency
from tests.audit.small_log import AT, LOG_KEY, ORIGIN, WITNESS_KEY, SmallLog, cosigner, signed

LOG = SmallLog()
FORK = SmallLog("other ", 7)
"""The same log, until leaf 7."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "witness.db"


@pytest.fixture
def state(path: Path) -> Iterator[WitnessState]:
    with WitnessState(path) as opened:
        yield opened


@pytest.fixture
def witness(state: WitnessState) -> Cosigner:
    return Cosigner(WITNESS_KEY, [LOG_KEY.verifier_key], state, lambda: AT)


def verify(request: AddCheckpoint, lines: str, key: SignerKey = WITNESS_KEY) -> None:
    text = parse_note(request.note).text
    (found,) = verify_note(Note(text, parse_signatures(lines)), [key.verifier_key])
    assert found.at == AT


@pytest.mark.parametrize("algorithm", [Algorithm.ED25519_COSIGNATURE, Algorithm.ML_DSA_44])
@pytest.mark.parametrize("log_algorithm", [Algorithm.ED25519, Algorithm.ML_DSA_44])
def test_a_tree_that_only_grows_is_cosigned(path: Path, algorithm: Algorithm, log_algorithm: Algorithm) -> None:
    key, log_key = create_key("w.example", algorithm), create_key("log.example", log_algorithm)
    log, known = SmallLog(key=log_key), 0
    witness = cosigner(path, key, log_key)
    for size in (0, 1, 1, 2, 7, 8, 9, 64, 100):
        request = log.request(known, size)
        verify(request, witness.cosign(request), key)
        known = size
    newest = witness.newest("log.example")
    assert newest is not None
    assert newest.size == 100
    verify_note(parse_note(newest.cosigned_note), [key.verifier_key])
    verify_note(parse_note(newest.cosigned_note), [log_key.verifier_key])


def refused(witness: Cosigner, request: AddCheckpoint, kind: type[Refused]) -> Refused:
    with pytest.raises(kind) as caught:
        witness.cosign(request)
    assert type(caught.value) is kind
    return caught.value


def known_size(witness: Cosigner) -> int:
    newest = witness.newest(ORIGIN)
    return 0 if newest is None else newest.size


def test_a_log_that_nobody_knows_is_refused(witness: Cosigner) -> None:
    stranger = SmallLog(key=create_key("stranger.example", Algorithm.ED25519))
    refused(witness, stranger.request(0, 5), OriginUnknown)


@pytest.mark.parametrize("known", [False, True])
def test_what_the_log_has_not_signed_is_refused_and_not_kept(
    witness: Cosigner, state: WitnessState, known: bool
) -> None:
    text = LOG.checkpoint(5).text()
    signer = LOG_KEY if known else create_key(ORIGIN, Algorithm.ED25519)
    bad = signer.sign_note(LOG.checkpoint(6).text())
    others = WITNESS_KEY.cosign(text, AT)
    refused(witness, AddCheckpoint(0, (), format_note(Note(text, (bad, others)))), NotSigned)
    assert list(state.seen()) == []


def test_a_wrong_signature_of_a_known_key_condemns_the_note_though_another_is_right(witness: Cosigner) -> None:
    text = LOG.checkpoint(5).text()
    signatures = LOG_KEY.sign_note(text), LOG_KEY.sign_note(LOG.checkpoint(6).text())
    refused(witness, AddCheckpoint(0, (), format_note(Note(text, signatures))), NotSigned)


def test_signatures_of_unknown_keys_are_passed_over_and_not_kept(witness: Cosigner, state: WitnessState) -> None:
    request = LOG.request(0, 5)
    note = parse_note(request.note)
    foreign = Signature("someone.example", b"\x01\x02\x03\x04", b"anything")
    crowded = replace(request, note=format_note(Note(note.text, (foreign, *note.signatures, foreign))))
    verify(crowded, witness.cosign(crowded))
    assert [one.note for one in state.seen()] == [LOG.note(5)]


def test_a_tree_cannot_extend_a_larger_one(witness: Cosigner) -> None:
    witness.cosign(LOG.request(0, 9))
    refused(witness, AddCheckpoint(9, (), LOG.note(8)), OldSizeTooLarge)


def test_what_is_said_to_extend_a_larger_tree_is_kept_and_marked_where_it_contradicts(
    witness: Cosigner, state: WitnessState
) -> None:
    witness.cosign(LOG.request(0, 8))
    witness.cosign(LOG.request(8, 20))
    assert not refused(witness, AddCheckpoint(20, (), FORK.note(9)), OldSizeTooLarge).contradicts
    assert refused(witness, AddCheckpoint(20, (), FORK.note(8)), OldSizeTooLarge).contradicts
    assert [(one.note, one.refused, one.contradicts) for one in state.seen(refused=True)] == [
        (LOG.note(8), None, True),
        (FORK.note(9), "old-size-too-large", False),
        (FORK.note(8), "old-size-too-large", True),
    ]


@pytest.mark.parametrize("old", [0, 4, 6])
def test_a_proof_from_another_size_than_the_known_one_is_answered_with_that(witness: Cosigner, old: int) -> None:
    witness.cosign(LOG.request(0, 5))
    error = refused(witness, LOG.request(old, 8), SizeConflict)
    assert isinstance(error, SizeConflict)
    assert error.known == 5
    verify(LOG.request(5, 8), witness.cosign(LOG.request(5, 8)))


def test_nothing_known_is_size_zero(witness: Cosigner) -> None:
    error = refused(witness, LOG.request(3, 8), SizeConflict)
    assert isinstance(error, SizeConflict)
    assert error.known == 0


def test_a_proof_that_does_not_prove_is_refused(witness: Cosigner) -> None:
    witness.cosign(LOG.request(0, 9))
    right = LOG.request(9, 20)
    for proof in ((), right.proof[1:], right.proof[::-1], (*right.proof, bytes(32)), FORK.request(9, 20).proof):
        refused(witness, replace(right, proof=proof), NotConsistent)
    refused(witness, FORK.request(9, 20), NotConsistent)
    assert known_size(witness) == 9


def test_a_proof_from_nothing_is_empty(witness: Cosigner) -> None:
    refused(witness, replace(LOG.request(0, 9), proof=(bytes(32),)), NotConsistent)


def test_the_empty_tree_has_one_root(witness: Cosigner) -> None:
    note = signed(Checkpoint(ORIGIN, 0, bytes(32)), LOG_KEY)
    refused(witness, AddCheckpoint(0, (), note), NotConsistent)


def test_another_root_for_a_known_size_is_refused_and_both_notes_are_kept(
    witness: Cosigner, state: WitnessState
) -> None:
    witness.cosign(LOG.request(0, 9))
    refused(witness, AddCheckpoint(9, (), FORK.note(9)), Contradiction)
    kept = list(state.seen(refused=True))
    assert [(one.note, one.refused, one.contradicts) for one in kept] == [
        (LOG.note(9), None, True),
        (FORK.note(9), "contradiction", True),
    ]
    for one in kept:
        verify_note(parse_note(one.note), [LOG_KEY.verifier_key])
    assert witness.contradictions() == 2


def test_another_root_for_an_old_size_shows_too_though_the_answer_is_a_size(
    witness: Cosigner, state: WitnessState
) -> None:
    witness.cosign(LOG.request(0, 8))
    witness.cosign(LOG.request(8, 20))
    assert refused(witness, FORK.request(0, 8), SizeConflict).contradicts
    assert [(one.size, one.contradicts) for one in state.seen()] == [(8, True), (20, False), (8, True)]


def test_what_is_not_shown_to_fit_is_kept_once_however_often_it_comes(witness: Cosigner, state: WitnessState) -> None:
    witness.cosign(LOG.request(0, 9))
    for _ in range(3):
        refused(witness, replace(FORK.request(9, 20), proof=()), NotConsistent)
        refused(witness, LOG.request(0, 4), SizeConflict)
    assert [(one.size, one.refused) for one in state.seen()] == [
        (9, None),
        (20, "not-consistent"),
        (4, "size-conflict"),
    ]


def test_what_was_refused_for_its_proof_is_cosigned_with_the_right_one(witness: Cosigner, state: WitnessState) -> None:
    witness.cosign(LOG.request(0, 9))
    refused(witness, LOG.request(0, 20), SizeConflict)
    witness.cosign(LOG.request(9, 20))
    assert [(one.size, one.refused) for one in state.seen()] == [(9, None), (20, None)]


def test_what_was_cosigned_stays_cosigned_when_it_is_old(witness: Cosigner, state: WitnessState) -> None:
    witness.cosign(LOG.request(0, 9))
    witness.cosign(LOG.request(9, 20))
    refused(witness, LOG.request(0, 9), SizeConflict)
    assert [(one.size, one.refused, bool(one.cosignature)) for one in state.seen()] == [
        (9, None, True),
        (20, None, True),
    ]


def test_a_witness_remembers_after_a_restart(path: Path) -> None:
    cosigner(path).cosign(LOG.request(0, 9))
    again = cosigner(path)
    refused(again, AddCheckpoint(9, (), FORK.note(9)), Contradiction)
    again.cosign(LOG.request(9, 12))


def test_extension_lines_are_cosigned_and_served_as_they_came(witness: Cosigner) -> None:
    plain = LOG.checkpoint(5)
    for extensions in (("one",), (), ("two",)):
        note = signed(replace(plain, extensions=extensions), LOG_KEY)
        witness.cosign(AddCheckpoint(known_size(witness), (), note))
        newest = witness.newest(ORIGIN)
        assert newest is not None
        found = parse_note(newest.cosigned_note)
        assert found.text == parse_note(note).text
        verify_note(found, [LOG_KEY.verifier_key])
        verify_note(found, [WITNESS_KEY.verifier_key])


def test_logs_are_told_apart(path: Path) -> None:
    other_key = create_key("other.example/log", Algorithm.ED25519)
    other = SmallLog("other", key=other_key)
    with WitnessState(path) as state:
        witness = Cosigner(WITNESS_KEY, [LOG_KEY.verifier_key, other_key.verifier_key], state)
        witness.cosign(LOG.request(0, 9))
        witness.cosign(other.request(0, 9))
        witness.cosign(other.request(9, 12))
        assert known_size(witness) == 9
        assert witness.contradictions() == 0


def test_keys_must_be_for_their_purpose(state: WitnessState) -> None:
    with pytest.raises(KeyUnusable):
        Cosigner(LOG_KEY, [LOG_KEY.verifier_key], state)
    with pytest.raises(KeyUnusable):
        Cosigner(WITNESS_KEY, [WITNESS_KEY.verifier_key], state)


@pytest.mark.parametrize("size", [2**63, 2**64 - 1])
def test_a_tree_that_nobody_can_count_is_no_checkpoint(witness: Cosigner, size: int) -> None:
    with pytest.raises(NoteInvalid):
        witness.cosign(AddCheckpoint(0, (), signed(Checkpoint(ORIGIN, size, bytes(32)), LOG_KEY)))


def test_forks_that_come_at_the_same_time_get_one_cosignature_for_a_size(witness: Cosigner) -> None:
    def submit(number: int) -> tuple[int, bytes] | None:
        log = (LOG, FORK)[number % 2]
        known = known_size(witness)
        request = log.request(known, known + 1 + number % 3)
        try:
            witness.cosign(request)
        except Refused:
            return None
        checkpoint = log.checkpoint(known + 1 + number % 3)
        return checkpoint.size, checkpoint.root

    with ThreadPoolExecutor(8) as pool:
        cosigned = {found for found in pool.map(submit, range(400)) if found}
    assert len({size for size, _ in cosigned}) == len(cosigned)
    assert len(cosigned) > 10
    roots = {log.checkpoint(size).root for log in (LOG, FORK) for size, _ in cosigned if size > 7}
    assert len(roots & {root for size, root in cosigned if size > 7}) * 2 == len(roots)


def test_a_state_that_cannot_be_written_cosigns_nothing(witness: Cosigner, state: WitnessState) -> None:
    witness.cosign(LOG.request(0, 9))
    state._database.execute("PRAGMA query_only = 1")
    with pytest.raises(StateUnusable):
        witness.cosign(LOG.request(9, 20))
    state._database.execute("PRAGMA query_only = 0")
    assert known_size(witness) == 9
    witness.cosign(LOG.request(9, 20))


def test_the_file_itself_refuses_two_roots_and_forgetting(witness: Cosigner, path: Path) -> None:
    witness.cosign(LOG.request(0, 9))
    refused(witness, AddCheckpoint(9, (), FORK.note(9)), Contradiction)
    database = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "UPDATE checkpoint SET cosignature = 'x' WHERE refused IS NOT NULL",
        "UPDATE checkpoint SET cosignature = NULL WHERE cosignature IS NOT NULL",
        "UPDATE checkpoint SET size = 8",
        "DELETE FROM checkpoint",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            database.execute(statement)
    witness.cosign(LOG.request(9, 20))
    witness.cosign(LOG.request(20, 30))
    for size in (9, 30):  # of contradiction and newest the file itself lets go nothing
        with pytest.raises(sqlite3.IntegrityError):
            database.execute("DELETE FROM checkpoint WHERE size = ?", (size,))
    database.execute("DELETE FROM checkpoint WHERE size = 20")


def test_a_commit_is_on_the_disk_before_anything_leaves(state: WitnessState) -> None:
    (synchronous,) = state._database.execute("PRAGMA synchronous").fetchone()
    assert synchronous == 2  # FULL: with a write-ahead log every commit is flushed


@pytest.mark.parametrize("content", [b"", b"not a database, though long enough to be one" * 40])
def test_a_file_that_is_no_state_is_named(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    if content:
        with pytest.raises(StateUnusable, match="not the state"):
            WitnessState(path)
    with pytest.raises(StateUnusable):
        WitnessState(path.with_name("missing"), read_only=True)
    sqlite3.connect(path.with_name("other.db")).execute("CREATE TABLE record (a)")
    with pytest.raises(StateUnusable, match="not the state"):
        WitnessState(path.with_name("other.db"))


def test_who_lists_does_not_stop_who_cosigns(witness: Cosigner, path: Path) -> None:
    witness.cosign(LOG.request(0, 9))
    with WitnessState(path, read_only=True) as other:
        listing = other.seen()
        first: Seen = next(listing)
        witness.cosign(LOG.request(9, 20))
        assert first.size == 9


REQUESTS = st.tuples(st.booleans(), st.booleans(), st.integers(0, 16), st.integers(0, 16))


@given(steps=st.lists(REQUESTS, max_size=30))
@settings(max_examples=60, deadline=None)
def test_whatever_is_sent_all_that_is_cosigned_is_one_history(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, bool, int, int]]
) -> None:
    with WitnessState(tmp_path_factory.mktemp("w") / "w.db") as state:
        witness = Cosigner(WITNESS_KEY, [LOG_KEY.verifier_key], state, lambda: AT)
        cosigned: list[Checkpoint] = []
        for forked, from_known, old, new in steps:
            log = FORK if forked else LOG
            start = known_size(witness) if from_known else old
            request = log.request(start, new) if start <= new else AddCheckpoint(start, (), log.note(new))
            try:
                witness.cosign(request)
            except Refused:
                continue
            cosigned.append(log.checkpoint(new))
        for first, second in pairwise(cosigned):
            assert first.size <= second.size
            branch = next(log for log in (LOG, FORK) if log.checkpoint(second.size) == second)
            proof = branch.request(first.size, second.size).proof
            check_consistency(first.size, first.root, second.size, second.root, proof)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"old 0", b"old 0\n", b"old 01\n\n", b"old -1\n\n", b"old\n\n", b"new 0\n\n", b"old 0\nAAAA\n\n", b"old 0\n====\n\n",
        b"old 0 \n\n", "old ٣\n\n".encode(), b"old 0\r\n\n", b"\xff\n\n", b"old 18446744073709551616\n\n",
        b"old 1\n" + b"PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n" * 64 + b"\n",
    ],
)  # fmt: skip
def test_a_request_that_is_not_understood_is_named(body: bytes) -> None:
    with pytest.raises(ProofInvalid):
        parse_add_checkpoint(body + LOG.note(5))
    assert parse_add_checkpoint(LOG.request(9, 20).format()) == LOG.request(9, 20)


def test_a_request_carries_a_checkpoint() -> None:
    for note in (b"", b"a\n\nb\n", b"a\n1\n\n\xe2\x80\x94 a AAAA\n", LOG.note(5)[:-1]):
        with pytest.raises(NoteInvalid):
            parse_add_checkpoint(b"old 0\n\n" + note)
