"""The states of witnesses and auditors are evidence: they are read where nothing can be written, to the end, and nothing is left beside them."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final, NoReturn

import pytest

from casetrail.audit.held import Access, Held, SourceUnreadable, held_at
from casetrail.audit.witnessing.state import WitnessState
from casetrail.audit.witnessing.witness import Cosigner
from casetrail.eventlog.opening import init_log
from casetrail.proofs.logtree import LogTree
from tests.audit.small_log import AT, LOG_KEY, WITNESS_KEY
from tests.audit.test_witness import LOG
from tests.consumers.notarial import fill, notary_of, publish
from tests.read_only import read_only

COPIES: Final = {"the file alone": (), "with its journal": ("-wal",)}
PLACES: Final[dict[str, Callable[[Path], AbstractContextManager[None]]]] = {
    "where nothing can be written": read_only,
    "elsewhere": lambda _: nullcontext(),
}


def nowhere(_: str) -> NoReturn:
    raise AssertionError("nothing else is read")


def sizes_at(source: Path) -> list[int]:
    """The sizes of the checkpoints that are held there."""
    return [one.size for one in held_at(str(source), Access(nowhere, nowhere)) if isinstance(one, Held)]


def copied(path: Path, copy: Path, endings: tuple[str, ...]) -> None:
    for ending in ("", *endings):
        shutil.copy(f"{path}{ending}", f"{copy}{ending}")


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("endings", COPIES.values(), ids=COPIES)
def test_a_witnesss_state_is_read_to_its_end(
    tmp_path: Path, endings: tuple[str, ...], place: Callable[[Path], AbstractContextManager[None]]
) -> None:
    folder = tmp_path / "handed over"
    folder.mkdir()
    with WitnessState(tmp_path / "witness.db") as state:
        witness = Cosigner(WITNESS_KEY, [LOG_KEY.verifier_key], state, lambda: AT)
        for size in (1, 2):
            witness.cosign(LOG.request(size - 1, size))
        if endings:
            copied(tmp_path / "witness.db", folder / "witness.db", endings)
    if not endings:
        copied(tmp_path / "witness.db", folder / "witness.db", ())
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    with place(folder):
        assert sizes_at(folder / "witness.db") == [1, 2]
    assert before == {one.name: one.read_bytes() for one in folder.iterdir()}


@pytest.mark.parametrize("endings", COPIES.values(), ids=COPIES)
def test_the_state_of_a_tree_is_read_to_its_end_where_nothing_can_be_written(
    tmp_path: Path, endings: tuple[str, ...]
) -> None:
    folder = tmp_path / "handed over"
    folder.mkdir()
    with init_log(f"sqlite:{tmp_path / 'log.db'}") as log:
        with notary_of(log, tmp_path / "notary") as notary:
            for case in ("C-1", "C-2"):
                fill(log, [case])
                publish(notary)
        with LogTree(log, tmp_path / "tree") as tree:
            tree.follow()
            newest = tree.size
            if endings:
                copied(tmp_path / "tree" / "tree.db", folder / "tree.db", endings)
    if not endings:
        copied(tmp_path / "tree" / "tree.db", folder / "tree.db", ())
    with read_only(folder):
        assert sizes_at(folder)[-1] == newest


def test_a_tree_that_is_written_to_while_it_is_read_is_said_to_be(tmp_path: Path) -> None:
    """It is read without a lock, and what was read of two moments need not fit together."""
    with init_log(f"sqlite:{tmp_path / 'log.db'}") as log, notary_of(log, tmp_path / "notary") as notary:
        fill(log, ["C-1"])
        publish(notary)
    found = held_at(str(tmp_path / "notary"), Access(nowhere, nowhere))
    next(found)
    with sqlite3.connect(tmp_path / "notary" / "tree.db") as other:
        other.execute("INSERT INTO witness VALUES ('clinic', 1)")
    other.close()
    with pytest.raises(SourceUnreadable, match="do it again"):
        list(found)
