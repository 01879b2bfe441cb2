"""Whoever holds the log's key does not fill the disk of a partner's witness with what it refuses, and hides no fork by that."""

import os
import sqlite3
from contextlib import closing
from typing import Final

import pytest

from casetrail.audit.witnessing import state
from casetrail.cli import exits
from casetrail.proofs.addcheckpoint import AddCheckpoint
from casetrail.proofs.checkpoint import Checkpoint
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.note import Note, format_note
from tests.actions import life
from tests.attacks.scene import Scene
from tests.consumers.notarial import KEY, ORIGIN

FEW: Final = 20


def signed(size: int, *more: str, times: int = 1) -> bytes:
    """A checkpoint that the log's key has signed, over leaves that are none."""
    text = Checkpoint(ORIGIN, size, os.urandom(32), more).text()
    return format_note(Note(text, tuple(KEY.sign_note(text) for _ in range(times))))


def bytes_kept(scene: Scene) -> int:
    return sum(path.stat().st_size for path in scene.folder.glob("court.witness*"))


def test_lines_without_end_in_a_refused_checkpoint_do_not_fill_a_witnesss_disk(embedded: Scene) -> None:
    before = bytes_kept(embedded)
    for size in range(10, 60):
        answer = embedded.ask("court", AddCheckpoint(5, (), signed(size, "x" * 250_000)))
        assert (answer.status, b"too long" in answer.body) == (400, True)
    assert embedded.ask("court", AddCheckpoint(5, (), signed(60, times=90))).status == 409
    assert bytes_kept(embedded) - before < 100_000
    with closing(sqlite3.connect(embedded.folder / "court.witness")) as court:
        assert court.execute("SELECT max(length(note)) FROM checkpoint").fetchone()[0] < 500


def test_refused_checkpoints_without_end_do_not_fill_a_witnesss_disk_and_hide_no_fork(
    embedded: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MOST_REFUSED", FEW)
    for size in range(1_000, 1_000 + 3 * FEW):
        assert embedded.ask("court", AddCheckpoint(5, (), signed(size))).status == 409
    with closing(sqlite3.connect(embedded.folder / "court.witness")) as court:
        (known,) = court.execute("SELECT max(size) FROM checkpoint WHERE cosignature IS NOT NULL").fetchone()
        assert court.execute("SELECT count(*) FROM checkpoint WHERE refused IS NOT NULL").fetchone() == (FEW,)
    embedded.go_on()  # what is honest is cosigned as ever
    fork = signed(known)
    assert embedded.ask("court", AddCheckpoint(known, (), fork)).status in (409, 422)
    court_state = str(embedded.folder / "court.witness")
    note = embedded.file("honest", embedded.newest_note())
    (row,) = embedded.rows("audit", "compare", court_state, str(note), code=exits.FAULTS)
    assert row["verdict"] == "contradiction"
    assert fork.decode() in (row["first_note"], row["second_note"])
    for _ in range(FEW):
        embedded.ask("court", AddCheckpoint(known, (), signed(known)))
    with closing(sqlite3.connect(embedded.folder / "court.witness")) as court:
        assert court.execute("SELECT count(*) FROM checkpoint WHERE refused IS NOT NULL").fetchone() == (2 * FEW,)


def test_checkpoints_that_extend_each_other_without_end_do_not_fill_a_witnesss_disk_and_hide_no_fork(
    embedded: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MOST_AN_HOUR", 4)
    for number in range(FEW):
        embedded.go_on(life(f"C-2026-8{number:03}")[0])
    with closing(sqlite3.connect(embedded.folder / "court.witness")) as court:
        (*_, known), kept = zip(
            *court.execute("SELECT size, cosignature IS NOT NULL FROM checkpoint ORDER BY size"), strict=True
        )
        assert sum(kept) == 4
    embedded.run("audit", "publish", str(embedded.folder / "www"))
    forgotten = embedded.file("forgotten", signed(kept_no_more(embedded)))
    words = str(embedded.folder / "court.witness"), str(forgotten), "--from", str(embedded.folder / "www")
    assert forgotten.read_text() in {
        note
        for row in embedded.rows("audit", "compare", *words, code=exits.FAULTS)
        for note in (row["first_note"], row["second_note"])
    }
    fork = signed(known)
    assert embedded.ask("court", AddCheckpoint(known, (), fork)).status == 422
    for number in range(FEW):
        embedded.go_on(life(f"C-2026-9{number:03}")[0])  # it goes on as ever, and what contradicts stays
    note = embedded.file("honest", embedded.newest_note())
    (row,) = embedded.rows("audit", "compare", str(embedded.folder / "court.witness"), str(note), code=exits.FAULTS)
    assert row["verdict"] == "contradiction"
    assert fork.decode() in (row["first_note"], row["second_note"])


def kept_no_more(scene: Scene) -> int:
    """The size of a checkpoint that the log has and the court's witness has let go."""
    with closing(sqlite3.connect(scene.folder / "court.witness")) as court:
        kept = {size for (size,) in court.execute("SELECT size FROM checkpoint")}
    with LogTree(scene.log, scene.folder / "notary") as tree:
        sizes = [one.size for number in range(FEW) if (one := tree.file.numbered(number)) is not None]
    return next(size for size in reversed(sizes) if size not in kept)
