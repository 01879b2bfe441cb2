"""A witness whose state is replaced or taken away while it is at work cosigns nothing more: started again, it would not know of it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from casetrail.audit.witnessing.state import StateUnusable, WitnessState
from tests.audit.small_log import cosigner
from tests.audit.test_witness import LOG


def restore(path: Path) -> None:
    """Put a copy in its place."""
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(copy)) as made:
        database.backup(made)
    copy.replace(path)


def take_away(path: Path) -> None:
    path.rename(path.with_name("away.db"))


@pytest.mark.parametrize("happens", [restore, take_away])
def test_nothing_is_cosigned_that_stands_in_a_file_that_is_no_longer_there(
    tmp_path: Path, happens: Callable[[Path], None]
) -> None:
    path = tmp_path / "witness.db"
    witness = cosigner(path)
    witness.cosign(LOG.request(0, 7))
    happens(path)
    with pytest.raises(StateUnusable, match="replaced or taken away"):
        witness.cosign(LOG.request(7, 20))


def test_nor_where_that_happens_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "witness.db"
    witness, thin = cosigner(path), WitnessState.thin

    def meanwhile(*given: object) -> None:
        thin(*given)  # type: ignore[arg-type]
        take_away(path)

    monkeypatch.setattr(WitnessState, "thin", meanwhile)
    with pytest.raises(StateUnusable, match="replaced or taken away"):
        witness.cosign(LOG.request(0, 7))
