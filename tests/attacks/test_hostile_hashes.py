"""Hashes from an insider's hand prove no fork: of a published folder, of the tree beside a log that is handed over."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from casetrail.audit.believed import newest_believed
from casetrail.audit.publication.publish import publish as write_folder
from casetrail.cli import exits
from casetrail.cli.main import cli
from casetrail.domain.notarized import CheckpointPublished
from casetrail.eventlog.notarized import encode_notarized
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Entry, Topic
from casetrail.proofs.checkpoint import parse_checkpoint
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.note import Note, format_note, parse_note
from casetrail.publishing import Receipt
from tests.attacks.scene import Scene, lives, scene_at
from tests.consumers.notarial import KEY, notary_of, publish

TILE_BYTES = 256 * 32


class Fork(NamedTuple):
    """What partners have seen, and what the insider shows; both begin with more leaves than a tile has."""

    seen: Scene
    shown: Scene
    note: bytes
    """The newest checkpoint that partners have seen."""
    leaves: bytes
    """The hashes of the leaves under it."""

    def compare(self, *words: str, code: int) -> tuple[str, str]:
        """The verdict over what the court holds and what the insider shows, and the whole output."""
        one, other = str(self.seen.folder / "court.witness"), words[0] if words else self.shown.url
        done = self.shown.run("audit", "compare", one, other, *words[1:], "--format", "json", code=code)
        rows: list[dict[str, Any]] = json.loads(done.stdout) if done.stdout else []
        return "".join(row["verdict"] for row in rows), done.output


@pytest.fixture
def fork(tmp_path: Path) -> Iterator[Fork]:
    """The court has seen 306 leaves; of the 566 that the insider shows, the first 261 are the same, and five events more."""
    with scene_at(tmp_path / "seen", f"sqlite:{tmp_path / 'seen' / 'log.db'}", 1, begun=False) as seen:
        seen.go_on(*lives(*[f"K-{number}" for number in range(52)]))
        seen.submit(*lives("K-52"))
        seen.record()
        seen.log.close()
        shutil.copytree(tmp_path / "seen", tmp_path / "shown")
        seen.reopen()
        seen.go_on(*lives(*[f"A-{number}" for number in range(8)]))
        url = f"sqlite:{tmp_path / 'shown' / 'log.db'}"
        with open_log(url) as log, LogTree(seen.log, tmp_path / "seen" / "notary") as tree:
            tree.follow()
            leaves = tree.hashes.leaves(0, tree.size)
            shown = Scene(tmp_path / "shown", url, log, seen.urls)
            shown.receipts = list(seen.receipts)
            shown.submit(*lives(*[f"B-{number}" for number in range(60)]))
            shown.record()
            with notary_of(log, tmp_path / "shown" / "notary") as notary:
                assert publish(notary) == 566
            newest = tree.newest()
            assert newest is not None and newest.size == 306
            yield Fork(seen, shown, tree.cosigned_note(newest), leaves)


def poison(fork: Fork, name: str = "tree") -> None:
    """Put what the court has seen into the tree that lies beside the insider's log: the levels above stay as they are."""
    with (fork.shown.folder / name / "hashes" / "level-0").open("r+b") as file:
        file.seek(TILE_BYTES)
        file.write(fork.leaves[TILE_BYTES:])


def test_a_fork_is_not_proven_with_the_tree_that_lies_beside_the_log(fork: Fork) -> None:
    assert fork.compare(code=exits.FAULTS)[0] == "contradiction"
    poison(fork)
    verdict, output = fork.compare(code=exits.FAULTS)
    assert verdict == ""
    assert "tile 1 of level-0 does not fit" in output and "built anew" in output
    shutil.rmtree(fork.shown.folder / "tree")
    assert fork.compare(code=exits.FAULTS)[0] == "contradiction"


def test_a_fork_is_not_proven_with_published_hashes_of_which_some_are_exchanged(fork: Fork) -> None:
    fork.compare(code=exits.FAULTS)
    folder = fork.shown.folder / "www"
    with LogTree(fork.shown.log, fork.shown.folder / "tree") as tree:
        tree.follow()
        write_folder(fork.shown.log, tree, newest_believed(tree, None), folder, hashes_only=True)
    words = (str(folder / "checkpoint"), "--from", str(folder))
    assert fork.compare(*words, code=exits.FAULTS)[0] == "contradiction"
    tile, other = folder / "tile" / "0" / "001", fork.leaves[TILE_BYTES:]
    tile.write_bytes(other + tile.read_bytes()[len(other) :])
    verdict, output = fork.compare(*words, code=exits.FAULTS)
    assert verdict == ""
    assert "tile/0/001 does not fit" in output


@pytest.fixture
def proven(fork: Fork) -> Receipt:
    """A receipt of a case that both branches have, proven in the one that the court has seen."""
    held = next(one for one in fork.seen.receipts if one.case_id == "K-52")
    fork.seen.receipt("prove", held)
    for made in fork.seen.folder.glob("*.receipt*"):
        shutil.copy(made, fork.shown.folder)
    assert "another history" in fork.shown.receipt("prove", held, code=exits.FAULTS).output
    return held


def test_an_earlier_proof_does_not_agree_with_a_fork_whose_hashes_were_exchanged(fork: Fork, proven: Receipt) -> None:
    poison(fork)
    assert "does not fit" in fork.shown.receipt("prove", proven, code=exits.FAULTS).output


def test_a_tree_of_the_other_branch_under_this_logs_record_is_damaged(fork: Fork, proven: Receipt) -> None:
    level = fork.shown.folder / "tree" / "hashes" / "level-0"
    with closing(sqlite3.connect(fork.shown.folder / "tree" / "tree.db")) as tree, tree:
        root = parse_checkpoint(parse_note(fork.note).text).root
        tree.execute("UPDATE checkpoint SET size = 306, root = ?, note = ? WHERE size = 566", (root, fork.note))
    level.write_bytes(fork.leaves)
    level.with_name("level-8").unlink()
    assert "damaged" in fork.shown.receipt("prove", proven, code=exits.FAULTS).output


def test_a_fork_is_not_published_over_what_was_with_hashes_that_were_exchanged(fork: Fork) -> None:
    folder = fork.shown.folder / "www"
    fork.seen.run("audit", "publish", str(folder), "--hashes-only")
    words = ("audit", "publish", str(folder), "--hashes-only", "--unwitnessed")
    assert "another history" in fork.shown.run(*words, code=exits.FAULTS).output
    poison(fork)
    assert "does not fit" in fork.shown.run(*words, code=exits.FAULTS).output
    assert (folder / "checkpoint").read_bytes() == fork.note


def test_a_fork_that_lists_the_other_branchs_checkpoint_is_not_the_same(fork: Fork) -> None:
    """Who compares without hashes is told that nothing is proven, whatever stands among the checkpoints."""
    policy = ("--policy", str(fork.shown.folder / "policy"))
    words = (*policy, "audit", "compare", str(fork.seen.folder / "court.witness"), fork.shown.url)
    note = parse_note(fork.note)
    own = format_note(Note(note.text, tuple(one for one in note.signatures if one.name == KEY.name)))
    for _ in range(2):
        done = CliRunner().invoke(cli, words)
        assert (done.exit_code, "unproven" in done.output) == (exits.PENDING, True), done.output
        lists = CheckpointPublished(own, (), bytes(32))
        fork.shown.log.append(Topic.CHECKPOINTS, [Entry(None, encode_notarized(lists))])
