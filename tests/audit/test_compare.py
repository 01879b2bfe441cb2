"""Two parties lay what they hold side by side: one history, or evidence that the log has shown two."""

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from casetrail.audit.compare import Comparison, Finding, NothingToCompare, Verdict, evidence
from casetrail.audit.export import export_case
from casetrail.audit.held import (
    NO_LEAVES,
    Access,
    Held,
    PassedOver,
    SourceMissing,
    SourceUnreadable,
    Tree,
    held,
    held_at,
    tree_of_folder,
)
from casetrail.audit.witnessing.witness import Refused
from casetrail.domain.notarized import CheckpointPublished
from casetrail.eventlog.notarized import encode_notarized
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.proofs.addcheckpoint import AddCheckpoint
from casetrail.proofs.errors import NoteInvalid, ProofInvalid
from casetrail.proofs.keys import Algorithm, create_key
from casetrail.proofs.note import parse_note, verify_note
from casetrail.proofs.prooffile import TlogProof
from casetrail.proofs.tiles import tiles_of
from casetrail.proofs.tree import check_consistency, inclusion_proof
from tests.audit.small_log import LOG_KEY, ORIGIN, WITNESS_KEY, SmallLog, cosigner, signed
from tests.audit.witnessing import NO_QUORUM
from tests.consumers.notarial import KEY, fill, notary_of, publish

LOG, FORK = SmallLog(), SmallLog("other ", 70)
"""Two logs with the same key, whose first 70 leaves are the same."""


def holding(where: str, *notes: bytes) -> list[Held]:
    return [held(where, note) for note in notes]


def compared(one: list[Held], other: list[Held], tree: Tree | None = None) -> list[Finding]:
    return Comparison(one, other, [LOG_KEY.verifier_key]).findings(tree)


def tree_of(log: SmallLog, size: int, is_log: bool = True) -> Tree:
    return Tree(held("the log", log.note(size)), log.hash_at, is_log)


def verdicts(found: list[Finding]) -> list[Verdict]:
    return [one.verdict for one in found]


def test_two_who_hold_the_same_tree_are_told_so() -> None:
    (found,) = compared(holding("A", LOG.note(50)), holding("B", LOG.note(50)))
    assert (found.verdict, found.first.where, found.second.where) == (Verdict.SAME, "A", "B")


def test_a_later_tree_extends_an_earlier_one_only_with_proof() -> None:
    one, other = holding("A", LOG.note(50)), holding("B", LOG.note(80))
    (found,) = compared(one, other)
    assert found.verdict is Verdict.UNPROVEN
    assert "not contradicting, not proven" in found.meaning
    (found,) = compared(other, one, tree_of(LOG, 100))
    assert (found.verdict, found.first.where, found.second.where) == (Verdict.EXTENDS, "A", "B")


def test_two_roots_for_one_size_are_a_contradiction_with_both_notes() -> None:
    (found,) = compared(holding("A", LOG.note(80)), holding("B", FORK.note(80)))
    assert found.verdict is Verdict.CONTRADICTION
    assert {found.first.note, found.second.note} == {LOG.note(80), FORK.note(80)}
    for one in (found.first, found.second):
        verify_note(parse_note(one.note), [LOG_KEY.verifier_key])


@pytest.mark.parametrize("forked_first", [False, True])
def test_trees_of_different_sizes_that_begin_differently_are_proven_to(forked_first: bool) -> None:
    one, other = holding("A", LOG.note(80)), holding("B", FORK.note(90))
    if forked_first:
        one, other = other, one
    assert verdicts(compared(one, other)) == [Verdict.UNPROVEN]
    (found,) = compared(one, other, tree_of(FORK, 100))
    assert found.verdict is Verdict.CONTRADICTION
    assert (found.first.note, found.second.note) == (LOG.note(80), FORK.note(100))
    assert found.root is not None
    check_consistency(80, found.root, 100, FORK.checkpoint(100).root, found.proof)
    assert found.root != LOG.checkpoint(80).root


def test_every_checkpoint_that_is_held_is_compared_not_only_the_newest() -> None:
    one, other = holding("A", LOG.note(20), LOG.note(80), LOG.note(90)), holding("B", FORK.note(80), LOG.note(90))
    (found,) = compared(one, other)
    assert (found.verdict, found.first.size) == (Verdict.CONTRADICTION, 80)
    (found,) = compared(holding("A", LOG.note(90), FORK.note(75)), holding("B", LOG.note(90)), tree_of(LOG, 95))
    assert (found.verdict, found.first.note) == (Verdict.CONTRADICTION, FORK.note(75))


def test_one_party_alone_can_hold_the_contradiction() -> None:
    (found,) = compared(holding("A", LOG.note(80), FORK.note(80)), holding("B", LOG.note(90)))
    assert (found.verdict, found.first.where, found.second.where) == (Verdict.CONTRADICTION, "A", "A")


def test_one_who_holds_what_the_other_holds_and_more_proves_nothing_by_that() -> None:
    one, other = holding("A", LOG.note(50)), holding("B", LOG.note(20), LOG.note(50), LOG.note(80))
    (found,) = compared(one, other)
    assert found.verdict is Verdict.UNPROVEN
    assert "B has that one, too" in found.meaning
    (found,) = compared(one, other, tree_of(LOG, 90))
    assert (found.verdict, found.second.size) == (Verdict.EXTENDS, 80)


def test_a_log_that_ends_before_what_it_has_signed_was_cut() -> None:
    one, other = holding("A", LOG.note(50)), holding("B", LOG.note(80))
    assert verdicts(compared(one, other, tree_of(LOG, 60))) == [Verdict.CUT]
    assert verdicts(compared(one, other, tree_of(LOG, 60, is_log=False))) == [Verdict.UNPROVEN]


def of_log(where: str, *sizes: int) -> list[Held]:
    """A side that is a log, with checkpoints of these sizes."""
    nothing = Held(where, "", 0, NO_LEAVES, b"", by_log=True)
    return [one._replace(by_log=True) for one in holding(where, *map(LOG.note, sizes))] or [nothing]


def test_a_side_that_is_a_log_and_ends_before_the_other_was_cut() -> None:
    (found,) = compared(of_log("A", 20, 50), holding("B", LOG.note(50), LOG.note(80)))
    assert (found.verdict, found.first.size, found.second.size) == (Verdict.CUT, 50, 80)
    for one, other in ((holding("B", LOG.note(80)), of_log("A")), (of_log("A"), of_log("B", 80))):
        (found,) = compared(one, other)
        assert (found.verdict, found.first.where, found.first.size) == (Verdict.CUT, "A", 0)
        assert (found.second.where, found.second.note) == ("B", LOG.note(80))
        assert "no checkpoint at all" in found.meaning
        document = evidence([found], [LOG_KEY.verifier_key])
        assert LOG.note(80).decode() in document and "---- in A: no checkpoint ----" in document
    with pytest.raises(NothingToCompare):
        compared(of_log("A"), of_log("B"))


def test_a_log_that_is_shorter_than_the_log_itself_may_be_an_old_copy() -> None:
    one, other = of_log("A", 50), of_log("B", 80)
    assert verdicts(compared(one, other)) == [Verdict.UNPROVEN]
    assert verdicts(compared(one, holding("B", LOG.note(80)), tree_of(LOG, 90))) == [Verdict.EXTENDS]
    assert verdicts(compared(one, holding("B", LOG.note(80)), tree_of(LOG, 90, is_log=False))) == [Verdict.CUT]
    assert verdicts(compared(of_log("A", 50), holding("B", LOG.note(50)))) == [Verdict.SAME]


def test_a_configured_log_without_a_checkpoint_was_cut_too() -> None:
    (nothing,) = of_log("the log")
    one, other = holding("A", LOG.note(50)), holding("B", LOG.note(80))
    found = compared(one, other, Tree(nothing, LOG.hash_at, is_log=True))
    assert [(one.verdict, one.first.size, one.second.size) for one in found] == [
        (Verdict.CUT, 0, 50),
        (Verdict.CUT, 0, 80),
    ]


def test_another_root_for_the_size_that_the_log_has_now_is_said_to_be_that() -> None:
    (found,) = compared(holding("A", FORK.note(80)), holding("B", LOG.note(60)), tree_of(LOG, 80))
    assert (found.verdict, found.root) == (Verdict.CONTRADICTION, None)
    assert "two roots for the same 80 leaves" in found.meaning


def test_a_checkpoint_that_the_log_has_not_signed_proves_nothing() -> None:
    altered = LOG.note(80).replace(b"\n80\n", b"\n81\n")
    for bad in (forged(FORK, 80), altered):
        with pytest.raises(NoteInvalid, match=r"^B, checkpoint of 8"):
            compared(holding("A", LOG.note(80)), holding("B", bad))


def among(*notes: bytes) -> list[Held | PassedOver]:
    """A side that is a log, with these notes among its checkpoints, one at each offset; an empty one is no checkpoint at all."""
    return [
        held("B", note)._replace(by_log=True, offset=offset)
        if note
        else PassedOver("B", f"offset {offset}", "not written by a notary")
        for offset, note in enumerate(notes)
    ]


def forged(log: SmallLog, size: int) -> bytes:
    return signed(log.checkpoint(size), create_key(ORIGIN, Algorithm.ED25519))


NOT_SIGNED = "not signed by a key of the log that is believed"


@pytest.mark.parametrize("is_first", [True, False])
def test_what_is_none_of_the_logs_hides_no_contradiction_and_is_named(is_first: bool) -> None:
    one: list[Held | PassedOver] = [*holding("A", LOG.note(80))]
    other = among(forged(FORK, 80), b"", FORK.note(80), forged(FORK, 200))
    if not is_first:
        one, other = other, one
    comparison = Comparison(one, other, [LOG_KEY.verifier_key])
    (found,) = comparison.findings()
    assert found.verdict is Verdict.CONTRADICTION
    assert {found.first.note, found.second.note} == {LOG.note(80), FORK.note(80)}
    assert sorted(comparison.passed_over) == [
        ("B", "offset 0", NOT_SIGNED),
        ("B", "offset 1", "not written by a notary"),
        ("B", "offset 3", NOT_SIGNED),
    ]


@pytest.mark.parametrize(
    "notes", [(LOG.note(80), forged(LOG, 90)), (forged(LOG, 80), LOG.note(80)), (forged(FORK, 80), LOG.note(80))]
)
def test_what_the_log_has_not_signed_changes_no_verdict(notes: tuple[bytes, ...]) -> None:
    comparison = Comparison(holding("A", LOG.note(80)), among(*notes), [LOG_KEY.verifier_key])
    (found,) = comparison.findings()
    assert (found.verdict, found.second.note) == (Verdict.SAME, LOG.note(80))
    assert [why for _, _, why in comparison.passed_over] == [NOT_SIGNED]


def test_what_the_log_has_not_signed_is_not_held_against_the_tree() -> None:
    one, other = holding("A", LOG.note(50)), among(forged(FORK, 75), LOG.note(95))
    comparison = Comparison(one, other, [LOG_KEY.verifier_key])
    assert verdicts(comparison.findings(tree_of(LOG, 100))) == [Verdict.EXTENDS]
    assert comparison.passed_over == [("B", "offset 0", NOT_SIGNED)]


def test_a_log_that_holds_nothing_but_forged_checkpoints_is_cut() -> None:
    (found,) = Comparison(holding("A", LOG.note(50)), among(forged(LOG, 50)), [LOG_KEY.verifier_key]).findings()
    assert (found.verdict, found.first.size, found.second.note) == (Verdict.CUT, 0, LOG.note(50))


def test_a_tree_of_another_log_proves_nothing() -> None:
    stranger = SmallLog(key=create_key("stranger.example", Algorithm.ED25519))
    one, other = holding("A", LOG.note(50)), holding("B", LOG.note(80))
    with pytest.raises(NothingToCompare, match="not believed"):
        compared(one, other, tree_of(stranger, 90))


def test_a_tree_that_is_not_its_checkpoints_proves_nothing() -> None:
    one, other = holding("A", LOG.note(50)), holding("B", LOG.note(80))
    with pytest.raises(ProofInvalid):
        compared(one, other, Tree(held("tiles", LOG.note(100)), FORK.hash_at, is_log=False))
    unsigned = signed(LOG.checkpoint(100), create_key(ORIGIN, Algorithm.ED25519))
    with pytest.raises(NoteInvalid, match=r"^tiles"):
        compared(one, other, Tree(held("tiles", unsigned), LOG.hash_at, is_log=False))


def test_checkpoints_of_other_logs_are_passed_over() -> None:
    stranger = SmallLog("stranger", key=create_key("stranger.example", Algorithm.ED25519))
    with pytest.raises(NothingToCompare):
        compared(holding("A", LOG.note(50)), holding("B", stranger.note(50)))
    second = create_key("second.example", Algorithm.ED25519)
    keys = [LOG_KEY.verifier_key, second.verifier_key]
    other = SmallLog(key=second)
    with pytest.raises(NothingToCompare):
        Comparison(holding("A", LOG.note(50)), holding("B", other.note(60)), keys).findings()
    found = Comparison(
        holding("A", LOG.note(50), other.note(50), stranger.note(1)), holding("B", LOG.note(50), other.note(60)), keys
    ).findings(tree_of(LOG, 50))
    assert verdicts(found) == [Verdict.SAME, Verdict.UNPROVEN]


def test_many_contradictions_are_told_up_to_a_hundred() -> None:
    sizes = range(71, 300)
    one, other = [held("A", LOG.note(size)) for size in sizes], [held("B", FORK.note(size)) for size in sizes]
    assert len(compared(one, other)) == 100


def test_the_evidence_holds_both_notes_as_they_are_and_how_to_check_them() -> None:
    found = compared(holding("A", LOG.note(80)), holding("B", FORK.note(90)), tree_of(FORK, 90))
    document = evidence(found, [LOG_KEY.verifier_key])
    assert LOG.note(80).decode() in document
    assert FORK.note(90).decode() in document
    assert str(LOG_KEY.verifier_key) in document
    assert "RFC 6962" in document


def no_log(url: str) -> AbstractContextManager[Log]:
    raise AssertionError(url)


def nowhere(url: str) -> bytes:
    raise AssertionError(url)


def read(source: Path | str, access: Access = Access(no_log, nowhere)) -> list[Held]:  # noqa: B008
    return [one for one in held_at(str(source), access) if isinstance(one, Held)]


def test_checkpoints_are_found_in_each_kind_of_file(tmp_path: Path) -> None:
    note, file = LOG.note(50), tmp_path / "file"
    proof = TlogProof(3, tuple(inclusion_proof(3, 50, LOG.hash_at)), parse_note(note))
    for content in (note, LOG.request(20, 50).format(), proof.format()):
        file.write_bytes(content)
        (found,) = read(file)
        assert found == Held(str(file), ORIGIN, 50, LOG.checkpoint(50).root, note)
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "checkpoint").write_bytes(note)
    assert [one.note for one in read(tmp_path / "published")] == [note]
    fetched = read("https://court.example/checkpoint", Access(no_log, lambda url: LOG.note(len(url))))
    assert [one.size for one in fetched] == [len("https://court.example/checkpoint")]


def test_the_export_of_a_case_holds_the_two_checkpoints_that_it_rests_on(tmp_path: Path) -> None:
    with init_log(f"sqlite:{tmp_path / 'log.db'}") as log, notary_of(log, tmp_path / "n") as notary:
        for _ in range(2):
            fill(log, ["C-1"])
            publish(notary)
        made = export_case(log, notary.tree, NO_QUORUM, "C-1")
        notes = [one.note for one in map(notary.tree.file.numbered, range(2)) if one is not None]
    (tmp_path / "case.json").write_bytes(made.format())
    assert [one.note for one in read(tmp_path / "case.json")] == notes[::-1]
    with pytest.raises(SourceUnreadable, match="this is no export of a case"):
        (tmp_path / "case.json").write_bytes(made.format() + b" ")
        read(tmp_path / "case.json")
    (tmp_path / "case.json").write_bytes(replace(made, record=made.events[0]).format())
    assert [one.note for one in read(tmp_path / "case.json")] == notes[1:]


def test_a_witness_state_holds_all_that_was_seen_also_what_was_refused(tmp_path: Path) -> None:
    witness = cosigner(tmp_path / "w.db")
    witness.cosign(LOG.request(0, 80))
    witness.cosign(LOG.request(80, 90))
    with pytest.raises(Refused):
        witness.cosign(AddCheckpoint(0, (), FORK.note(85)))
    found = read(tmp_path / "w.db")
    assert [one.size for one in found] == [80, 90, 85]
    verify_note(parse_note(found[1].note), [WITNESS_KEY.verifier_key])
    assert found[2].note == FORK.note(85)


@pytest.mark.parametrize(
    "content", [b"", b"hello\n", b"old 1\n\nx", b"c2sp.org/tlog-proof@v1\n\n", b"\xff" * 2_000_000]
)
def test_what_is_no_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(SourceUnreadable, match=f"^{file}: ") as found:
        read(file)
    assert not isinstance(found.value, SourceMissing)
    with pytest.raises(SourceMissing):
        read(tmp_path / "missing")
    with pytest.raises(SourceMissing):
        read(tmp_path)


@pytest.mark.parametrize("kind", ["embedded", pytest.param("kafka", marks=pytest.mark.broker)])
def test_a_log_holds_the_checkpoints_of_its_notary(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    embedded = f"sqlite:{tmp_path / 'log.db'}"
    url = embedded if kind == "embedded" else str(request.getfixturevalue("kafka_url"))
    with init_log(url, partitions=1, replication=1, min_isr=1) as log:
        fill(log, ["C-1"])
        with notary_of(log, tmp_path / "n") as notary:
            sizes = [publish(notary)]
            fill(log, ["C-2"])
            sizes.append(publish(notary))
    found = read(url, Access(open_log, nowhere))
    assert [one.size for one in found] == sizes
    (same,) = Comparison(found, found[1:], [KEY.verifier_key]).findings()
    assert same.verdict is Verdict.SAME


def test_what_no_notary_has_written_among_a_logs_checkpoints_is_passed_over_by_name(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'log.db'}"
    no_note = encode_notarized(CheckpointPublished(b"no note", (), bytes(32)))
    with init_log(url, partitions=1) as log:
        fill(log, ["C-1"])
        with notary_of(log, tmp_path / "n") as notary:
            size = publish(notary)
        log.append(Topic.CHECKPOINTS, [Entry(None, value, 0) for value in (b"all is well", no_note)])
    first, *others = held_at(url, Access(open_log, nowhere))
    assert isinstance(first, Held) and (first.size, first.place) == (size, "offset 0")
    assert others == [PassedOver(url, f"offset {offset}", "not written by a notary") for offset in (1, 2)]


def published(log: SmallLog, size: int, directory: Path) -> Path:
    for tile in tiles_of(size):
        path = directory / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        first = tile.number * 256
        assert tile.level is not None
        path.write_bytes(b"".join(log.hash_at(8 * tile.level, first + at) for at in range(tile.width)))
    (directory / "checkpoint").write_bytes(log.note(size))
    return directory


@pytest.mark.parametrize("size", [100, 256, 700])
def test_a_published_folder_proves_as_the_log_does(tmp_path: Path, size: int) -> None:
    one, other = holding("A", LOG.note(80)), holding("B", LOG.note(99))
    folder = published(LOG, size, tmp_path / "right")
    assert verdicts(compared(one, other, tree_of_folder(folder))) == [Verdict.EXTENDS]
    forked = published(FORK, size, tmp_path / "forked")
    found = compared(one, other, tree_of_folder(forked))
    assert verdicts(found) == [Verdict.CONTRADICTION] * 2
    for finding in found:
        assert finding.root is not None
        check_consistency(finding.first.size, finding.root, size, finding.second.root, finding.proof)


def test_a_published_folder_with_a_tile_missing_or_altered_proves_nothing(tmp_path: Path) -> None:
    one, other = holding("A", LOG.note(80)), holding("B", LOG.note(99))
    folder = published(LOG, 100, tmp_path)
    tile = folder / "tile" / "0" / "000.p" / "100"
    tile.write_bytes(b"x" + tile.read_bytes()[1:])
    with pytest.raises(ProofInvalid):
        compared(one, other, tree_of_folder(folder))
    tile.unlink()
    with pytest.raises(SourceUnreadable, match="not whole"):
        compared(one, other, tree_of_folder(folder))
